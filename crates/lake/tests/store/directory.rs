//! The directory: the suite, and what a user finds on the disk.

use crate::suite::{body, key, metadata, suite};
use bytes::Bytes;
use lake::{DirectoryStore, Key, Metadata, Store, StoreError, Written};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn open(root: &Path) -> DirectoryStore {
    DirectoryStore::open(root.to_owned()).unwrap()
}

fn temp_files(root: &Path) -> usize {
    fs::read_dir(root.join(".tmp")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_is_a_store() {
    let root = tempfile::tempdir().unwrap();
    suite(Arc::new(open(root.path()))).await;
    assert_eq!(temp_files(root.path()), 0);
}

#[tokio::test]
async fn two_stores_on_one_directory_create_a_key_once() {
    let root = tempfile::tempdir().unwrap();
    let (one, two) = (open(root.path()), open(root.path()));
    let at = key("raw/a.zst");
    assert_eq!(
        one.put_new(&at, &Metadata::new(), Bytes::from_static(b"1")).await.unwrap(),
        Written::Created
    );
    assert_eq!(
        two.put_new(&at, &Metadata::new(), Bytes::from_static(b"2")).await.unwrap(),
        Written::AlreadyThere
    );
    assert_eq!(body(&two, &at).await, b"1");
}

#[tokio::test]
async fn a_relative_root_and_a_key_without_folder_are_well() {
    let root = tempfile::tempdir().unwrap();
    let up: std::path::PathBuf = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect();
    let store = open(&up.join(root.path().strip_prefix("/").unwrap()).join("new/lake"));
    let written = store
        .put_new(&key("a.zst"), &Metadata::new(), Bytes::from_static(b"x"))
        .await
        .unwrap();
    assert_eq!(written, Written::Created);
    assert_eq!(fs::read_dir(root.path().join("new/lake")).unwrap().count(), 2);
    assert_eq!(store.list("", None, 10).await.unwrap(), [key("a.zst")]);
}

#[tokio::test]
async fn an_object_is_a_file_that_any_zstd_reads() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let frame = zstd::encode_all(&b"{\"at\":1}\n"[..], 3).unwrap();
    let said = metadata(&[("definition", "0123"), ("state", "{\"page\":\"\\\\2\"}")]);
    store
        .put_new(&key("raw/a.jsonl.zst"), &said, Bytes::from(frame.clone()))
        .await
        .unwrap();
    let file = File::open(root.path().join("raw/a.jsonl.zst")).unwrap();
    assert!(file.metadata().unwrap().len() > frame.len() as u64);
    assert_eq!(zstd::decode_all(file).unwrap(), b"{\"at\":1}\n");
    assert_eq!(body(&store, &key("raw/a.jsonl.zst")).await, frame);
}

#[tokio::test]
async fn a_file_put_there_by_hand_is_an_object_without_metadata() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    fs::create_dir_all(root.path().join("clean/folder")).unwrap();
    fs::write(root.path().join("clean/b.zst"), b"0123456789 0123456789 0123456789").unwrap();
    fs::write(root.path().join("clean/short.zst"), b"x").unwrap();
    fs::write(root.path().join("clean/.DS_Store"), b"x").unwrap();
    fs::write(root.path().join("clean/not a key"), b"x").unwrap();
    fs::write(root.path().join(".tmp/1-1"), b"x").unwrap();
    assert_eq!(
        store.list("", None, 10).await.unwrap(),
        [key("clean/b.zst"), key("clean/short.zst")]
    );
    for name in ["clean/b.zst", "clean/short.zst"] {
        assert_eq!(store.head(&key(name)).await.unwrap(), Some(Metadata::new()));
        assert_eq!(body(&store, &key(name)).await, fs::read(root.path().join(name)).unwrap());
    }
    assert_eq!(store.head(&key("clean/folder")).await.unwrap(), None);
    assert_eq!(store.head(&key("clean/b.zst/deeper.zst")).await.unwrap(), None);
    for hidden in [".tmp/1-1", "clean/.DS_Store"] {
        assert!(matches!(store.head(&key(hidden)).await, Err(StoreError::Io { .. })));
    }
}

#[tokio::test]
async fn metadata_that_is_damaged_is_an_error_with_the_key() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let at = key("raw/a.zst");
    store
        .put_new(&at, &metadata(&[("n", "1")]), Bytes::from_static(b"body"))
        .await
        .unwrap();
    let path = root.path().join("raw/a.zst");
    let good = fs::read(&path).unwrap();
    let mut found = 0;
    for place in "body".len()..good.len() - "tidemeta".len() {
        let mut bad = good.clone();
        bad[place] ^= 0x80;
        fs::write(&path, &bad).unwrap();
        match store.head(&at).await {
            Err(StoreError::Damaged { key, .. }) => {
                assert_eq!(key, "raw/a.zst");
                found += 1;
            }
            other => panic!("byte {place}: {other:?}"),
        }
    }
    assert_eq!(found, 8 + "{\"n\":\"1\"}".len() + 4);
}

#[tokio::test]
async fn a_file_cut_short_while_it_is_read_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let at = key("raw/a.zst");
    store.put_new(&at, &Metadata::new(), Bytes::from(vec![7; 1_000_000])).await.unwrap();
    let mut object = store.get(&at).await.unwrap();
    let first = object.body.next().await.unwrap().unwrap();
    File::options()
        .write(true)
        .open(root.path().join("raw/a.zst"))
        .unwrap()
        .set_len(first.len() as u64 + 10)
        .unwrap();
    assert!(matches!(object.body.next().await, Err(StoreError::Damaged { .. })));
}

#[test]
fn old_temporary_files_are_taken_away_when_it_is_opened() {
    let root = tempfile::tempdir().unwrap();
    open(root.path());
    for (name, age_hours) in [("1-0", 25), ("1-1", 23)] {
        let mut file = File::create(root.path().join(".tmp").join(name)).unwrap();
        file.write_all(b"half").unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age_hours * 3_600))
            .unwrap();
    }
    open(root.path());
    assert!(!root.path().join(".tmp/1-0").exists());
    assert!(root.path().join(".tmp/1-1").exists());
}

#[tokio::test]
async fn a_temporary_name_that_is_taken_is_passed_over() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    for number in 0..200 {
        fs::write(root.path().join(format!(".tmp/{}-{number}", std::process::id())), b"of another").unwrap();
    }
    store
        .put_new(&key("raw/a"), &Metadata::new(), Bytes::from_static(b"mine"))
        .await
        .unwrap();
    assert_eq!(body(&store, &key("raw/a")).await, b"mine");
    assert_eq!(temp_files(root.path()), 200);
}

#[tokio::test]
async fn what_can_not_be_written_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    fs::write(root.path().join("raw"), b"a file where a folder should be").unwrap();
    let at: Key = key("raw/a.zst");
    assert!(matches!(
        store.put_new(&at, &Metadata::new(), Bytes::new()).await,
        Err(StoreError::Io { .. })
    ));
    let upload = store.upload(&at, &Metadata::new()).await.unwrap();
    assert!(matches!(upload.finish().await, Err(StoreError::Io { .. })));
    assert_eq!(temp_files(root.path()), 0);
}
