//! How the process's allocator treats large blocks that come and go.

use std::hint::black_box;

/// The largest block that glibc's threshold follows, less its bookkeeping (mallopt(3), `M_MMAP_THRESHOLD`: 32 MiB on 64-bit machines).
const BLOCK_BYTES: usize = (32 << 20) - (64 << 10);

/// Lets glibc keep freed blocks of a few megabytes for the next ones. A batch of documents is such a block, copied several times on its way through the
/// driver; glibc gives each back to the kernel and has it zeroed anew, which was a third of the CPU time of loading into MongoDB. Freeing one larger block
/// raises the limit for good. The block is never touched, so it costs no memory; other allocators don't care.
pub fn keep_freed_blocks() {
    drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}
