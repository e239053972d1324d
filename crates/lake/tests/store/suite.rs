//! What every store must do, whatever it is made of.

use bytes::Bytes;
use lake::{Key, Metadata, Store, StoreError, Written};
use std::sync::Arc;

/// Runs the whole suite; the store is empty.
pub async fn suite(store: Arc<dyn Store>) {
    what_is_not_there(&*store).await;
    an_object_comes_back(&*store).await;
    a_key_is_written_once(&*store).await;
    one_of_many_writers_creates(store.clone()).await;
    an_upload_is_seen_when_finished(&*store).await;
    an_upload_replaces(&*store).await;
    a_deleted_object_is_gone(&*store).await;
    lists_are_in_byte_order(&*store).await;
    metadata_has_limits(&*store).await;
    chunks_are_small(&*store).await;
}

pub fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub fn metadata(entries: &[(&str, &str)]) -> Metadata {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The whole body, checked against the size told.
pub async fn body(store: &dyn Store, key: &Key) -> Vec<u8> {
    let mut object = store.get(key).await.unwrap();
    let mut body = Vec::new();
    while let Some(chunk) = object.body.next().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    assert_eq!(object.size, body.len() as u64);
    body
}

async fn keys(store: &dyn Store, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(key);
    let keys = store.list(prefix, after.as_ref(), limit).await.unwrap();
    keys.iter().map(Key::to_string).collect()
}

async fn put(store: &dyn Store, text: &str, bytes: &'static [u8]) -> Written {
    store
        .put_new(&key(text), &Metadata::new(), Bytes::from_static(bytes))
        .await
        .unwrap()
}

async fn what_is_not_there(store: &dyn Store) {
    let nothing = key("nothing/there.zst");
    match store.get(&nothing).await {
        Err(StoreError::NotFound { key }) => assert_eq!(key, "nothing/there.zst"),
        other => panic!("expected not found, got {:?}", other.map(|object| object.size)),
    }
    assert_eq!(store.head(&nothing).await.unwrap(), None);
    store.delete(&nothing).await.unwrap();
    assert!(keys(store, "nothing/", None, 10).await.is_empty());
    assert!(keys(store, "", None, 10).await.is_empty());
}

async fn an_object_comes_back(store: &dyn Store) {
    for (name, bytes) in [
        ("zero", &b""[..]),
        ("one", b"\n"),
        ("some", b"not zstd, and the store need not care"),
    ] {
        let key = key(&format!("back/{name}.zst"));
        let said = metadata(&[("state", r#"{"a":"\u00e9 b"}"#), ("x-1_y", "")]);
        assert_eq!(
            store.put_new(&key, &said, Bytes::from_static(bytes)).await.unwrap(),
            Written::Created
        );
        assert_eq!(body(store, &key).await, bytes);
        assert_eq!(store.get(&key).await.unwrap().metadata, said);
        assert_eq!(store.head(&key).await.unwrap(), Some(said));
    }
    put(store, "back/plain.yaml", b"a: 1").await;
    assert_eq!(body(store, &key("back/plain.yaml")).await, b"a: 1");
    assert_eq!(store.head(&key("back/plain.yaml")).await.unwrap(), Some(Metadata::new()));
}

async fn a_key_is_written_once(store: &dyn Store) {
    assert_eq!(put(store, "once/a.zst", b"first").await, Written::Created);
    assert_eq!(put(store, "once/a.zst", b"second").await, Written::AlreadyThere);
    assert_eq!(body(store, &key("once/a.zst")).await, b"first");
}

async fn one_of_many_writers_creates(store: Arc<dyn Store>) {
    for round in 0..20 {
        let at = key(&format!("race/{round}/folder/a.zst"));
        let writers: Vec<_> = (0..8_u8)
            .map(|writer| {
                let (store, at) = (store.clone(), at.clone());
                tokio::spawn(async move {
                    let bytes = Bytes::from(vec![writer; 10_000]);
                    (writer, store.put_new(&at, &Metadata::new(), bytes).await.unwrap())
                })
            })
            .collect();
        let mut created = Vec::new();
        for writer in writers {
            let (writer, written) = writer.await.unwrap();
            if written == Written::Created {
                created.push(writer);
            }
        }
        assert_eq!(created.len(), 1, "{created:?}");
        assert_eq!(body(&*store, &at).await, vec![created[0]; 10_000]);
    }
}

async fn an_upload_is_seen_when_finished(store: &dyn Store) {
    let at = key("upload/a.zst");
    let said = metadata(&[("captures", "3")]);
    let mut dropped = store.upload(&at, &said).await.unwrap();
    dropped.write(Bytes::from_static(b"never")).await.unwrap();
    assert_eq!(store.head(&at).await.unwrap(), None);
    drop(dropped);
    assert_eq!(store.head(&at).await.unwrap(), None);
    assert!(keys(store, "upload/", None, 10).await.is_empty());

    let mut upload = store.upload(&at, &said).await.unwrap();
    for chunk in [&b"in "[..], b"", b"chunks"] {
        upload.write(Bytes::from_static(chunk)).await.unwrap();
        assert!(keys(store, "upload/", None, 10).await.is_empty());
    }
    upload.finish().await.unwrap();
    assert_eq!(body(store, &at).await, b"in chunks");
    assert_eq!(store.head(&at).await.unwrap(), Some(said));
}

async fn an_upload_replaces(store: &dyn Store) {
    let at = key("replace/a.zst");
    put(store, "replace/a.zst", b"before, and longer").await;
    let mut reader = store.get(&at).await.unwrap();
    let mut upload = store.upload(&at, &metadata(&[("n", "2")])).await.unwrap();
    upload.write(Bytes::from_static(b"after")).await.unwrap();
    assert_eq!(body(store, &at).await, b"before, and longer");
    upload.finish().await.unwrap();
    assert_eq!(body(store, &at).await, b"after");
    assert_eq!(store.head(&at).await.unwrap(), Some(metadata(&[("n", "2")])));
    assert_eq!(keys(store, "replace/", None, 10).await, ["replace/a.zst"]);
    // Whoever opened the object before reads what it was, whole.
    assert_eq!(reader.body.next().await.unwrap().unwrap(), "before, and longer");
}

async fn a_deleted_object_is_gone(store: &dyn Store) {
    put(store, "gone/a.zst", b"x").await;
    put(store, "gone/b.zst", b"y").await;
    store.delete(&key("gone/a.zst")).await.unwrap();
    store.delete(&key("gone/a.zst")).await.unwrap();
    assert_eq!(store.head(&key("gone/a.zst")).await.unwrap(), None);
    assert_eq!(keys(store, "gone/", None, 10).await, ["gone/b.zst"]);
    assert_eq!(put(store, "gone/a.zst", b"z").await, Written::Created);
}

async fn lists_are_in_byte_order(store: &dyn Store) {
    // `-` and `.` are less than `/`, digits and letters more: a folder's place is not that of its bare name.
    let all = [
        "list/A.zst",
        "list/a-b/1.zst",
        "list/a-b/2.zst",
        "list/a.zst",
        "list/a/1.zst",
        "list/a/2/x.zst",
        "list/a/2=/x.zst",
        "list/a0.zst",
        "list/b/1.zst",
    ];
    let mut sorted = all;
    sorted.sort_unstable();
    assert_eq!(sorted, all);
    for name in all.iter().rev() {
        put(store, name, b"").await;
    }
    put(store, "lisu/z.zst", b"").await;
    let prefixes = [
        "list/",
        "list/a",
        "list/a/",
        "list/a-",
        "list/a/2",
        "list/b/1.zst",
        "list/c",
        "list/a/1.zst/",
        "list/a.z",
    ];
    for prefix in prefixes {
        let expected: Vec<&str> = all.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(store, prefix, None, 100).await, expected, "{prefix}");
        for limit in [0, 1, 2, 5] {
            let first: Vec<&str> = expected.iter().copied().take(limit).collect();
            assert_eq!(keys(store, prefix, None, limit).await, first, "{prefix} {limit}");
        }
        for after in all.iter().copied().chain(["list/a/15", "a", "z", "list/a/2", "list/a-b/1.zst0"]) {
            let rest: Vec<&str> = expected.iter().copied().filter(|key| *key > after).collect();
            assert_eq!(keys(store, prefix, Some(after), 100).await, rest, "{prefix} after {after}");
        }
    }
    let mut paged = Vec::new();
    while let page = keys(store, "list/", paged.last().map(String::as_str), 2).await
        && !page.is_empty()
    {
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

async fn metadata_has_limits(store: &dyn Store) {
    let long = "x".repeat(2_048);
    let most = "x".repeat(2_047);
    let at = key("metadata/a.zst");
    for (name, value) in [
        ("n", long.as_str()),
        ("n", "é"),
        ("n", "a\nb"),
        ("n", "a\u{7f}"),
        ("n", " a"),
        ("n", "a "),
        ("N", "a"),
        ("", "a"),
        ("a:b", "a"),
    ] {
        let said = metadata(&[(name, value)]);
        for error in [
            store.put_new(&at, &said, Bytes::new()).await.map(|_| ()),
            store.upload(&at, &said).await.map(|_| ()),
        ] {
            assert!(matches!(error, Err(StoreError::Metadata { .. })), "{name}={value}: {error:?}");
        }
        assert_eq!(store.head(&at).await.unwrap(), None);
    }
    let said = metadata(&[("n", most.as_str())]);
    assert_eq!(store.put_new(&at, &said, Bytes::new()).await.unwrap(), Written::Created);
    assert_eq!(store.head(&at).await.unwrap(), Some(said));
    let plain = store.put_new(&key("metadata/a.yaml"), &metadata(&[("n", "1")]), Bytes::new()).await;
    assert!(matches!(plain, Err(StoreError::Metadata { .. })), "{plain:?}");
}

async fn chunks_are_small(store: &dyn Store) {
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|n| (n % 251) as u8).collect();
    let at = key("chunks/a.zst");
    let mut upload = store.upload(&at, &Metadata::new()).await.unwrap();
    for chunk in bytes.chunks(700_000) {
        upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    upload.finish().await.unwrap();
    let mut object = store.get(&at).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = object.body.next().await.unwrap() {
        assert!((1..=1 << 20).contains(&chunk.len()));
        read.extend_from_slice(&chunk);
    }
    assert!(object.body.next().await.unwrap().is_none());
    assert_eq!(read, bytes);
}
