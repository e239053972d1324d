//! Temporary folders for tests: in memory where the system has such a folder. Thousands of objects and transactions are made durable one by one, which
//! a disk takes its time for; and a process that is killed, unlike a power cut, leaves what it wrote to either.

use std::path::Path;
use tempfile::TempDir;

/// A new folder, gone when it is dropped.
pub fn temporary() -> TempDir {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() {
        tempfile::tempdir_in(in_memory).or_else(|_| tempfile::tempdir())
    } else {
        tempfile::tempdir()
    }
    .unwrap()
}
