//! Law 7 for S3: memory does not grow with the object. A process of its own, so that nothing else is in what is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../store/emulator.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod emulator;

use bytes::Bytes;
use emulator::Bucket;
use lake::{Key, Metadata, Store};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const CHUNK_BYTES: usize = 512 << 10;
const CHUNKS: usize = 192;

/// The most that is held at once while `work` is done, over what was held before.
async fn peak<T>(work: impl Future<Output = T>) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let done = work.await;
    (done, ALLOCATOR.peak_usage() - before)
}

#[tokio::test]
async fn an_object_of_96_mb_is_written_in_less_than_two_parts_and_read_in_a_few_chunks() {
    let bucket = Bucket::new("bounded-memory").await;
    let store = bucket.store();
    let key = Key::parse("clean/long.zst").unwrap();
    // The client's own: connections, what it keeps of the region.
    store.head(&key).await.unwrap();

    let write = async {
        let mut upload = store.upload(&key, &Metadata::new()).await.unwrap();
        for n in 0..CHUNKS {
            upload.write(Bytes::from(vec![n as u8; CHUNK_BYTES])).await.unwrap();
        }
        upload.finish().await.unwrap();
    };
    let ((), written) = peak(write).await;
    assert!(written < 16 << 20, "{written} bytes were held while it was written");

    let read = async {
        let mut object = store.get(&key).await.unwrap();
        let mut bytes = 0;
        while let Some(chunk) = object.body.next().await.unwrap() {
            assert!(chunk.len() <= 1 << 20);
            for (n, byte) in chunk.iter().enumerate() {
                assert_eq!(*byte, ((bytes + n) / CHUNK_BYTES) as u8);
            }
            bytes += chunk.len();
        }
        bytes
    };
    let (bytes, read) = peak(read).await;
    assert_eq!(bytes, CHUNKS * CHUNK_BYTES);
    assert!(read < 4 << 20, "{read} bytes were held while it was read");
}
