//! S3: the suite, and what a bucket does that a directory does not.

use crate::cutter::{Cutter, Fault};
use crate::emulator::{Bucket, config, endpoint};
use crate::suite::{body, key, metadata, suite};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::RequestChecksumCalculation;
use bytes::Bytes;
use lake::s3::S3Store;
use lake::{Metadata, Store, StoreError, Written};
use servers::aws::{Emulator, Options};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

/// Bytes in which no piece is in another's place.
fn long(length: usize) -> Bytes {
    (0..length as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

async fn upload(store: &dyn Store, name: &str, bytes: &Bytes) {
    let mut upload = store.upload(&key(name), &Metadata::new()).await.unwrap();
    for from in (0..bytes.len()).step_by(500_000) {
        upload.write(bytes.slice(from..bytes.len().min(from + 500_000))).await.unwrap();
    }
    upload.finish().await.unwrap();
}

/// Reads to the end or the error.
async fn read(store: &dyn Store, name: &str) -> Result<Vec<u8>, StoreError> {
    let mut object = store.get(&key(name)).await?;
    let mut read = Vec::new();
    while let Some(chunk) = object.body.next().await? {
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

/// What a refusal tells.
fn problem<T>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Denied { problem, .. }) => problem.into(),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("expected a refusal"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_is_a_store() {
    let bucket = Bucket::new("it-is-a-store").await;
    suite(Arc::new(bucket.store())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_sixteen_writers_creates() {
    let bucket = Bucket::new("sixteen-writers").await;
    let store = Arc::new(bucket.store());
    for round in 0..5 {
        let at = key(&format!("raw/{round}.zst"));
        let writers: Vec<_> = (0..16_u8)
            .map(|writer| {
                let (store, at) = (store.clone(), at.clone());
                tokio::spawn(async move {
                    let said = metadata(&[("writer", &writer.to_string())]);
                    let written = store.put_new(&at, &said, Bytes::from(vec![writer; 100_000])).await.unwrap();
                    (writer, written)
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
        assert_eq!(body(&*store, &at).await, vec![created[0]; 100_000]);
        let said = store.head(&at).await.unwrap().unwrap();
        assert_eq!(said["writer"], created[0].to_string());
    }
}

#[tokio::test]
async fn an_upload_of_many_parts_is_one_object() {
    let bucket = Bucket::new("many-parts").await;
    let store = bucket.store();
    const PART: usize = 8 << 20;
    // One put up to a whole part; over it parts, the last of them full or nearly empty.
    for (bytes, parts) in [(PART - 1, 0), (PART, 0), (PART + 1, 2), (2 * PART, 2), (30_000_000, 4)] {
        let name = format!("clean/{bytes}.zst");
        let said = metadata(&[("bytes", &bytes.to_string())]);
        let wanted = long(bytes);
        let mut upload = store.upload(&key(&name), &said).await.unwrap();
        for chunk in [0..bytes / 3, bytes / 3..bytes / 3, bytes / 3..bytes - 1, bytes - 1..bytes] {
            upload.write(wanted.slice(chunk)).await.unwrap();
            assert_eq!(store.head(&key(&name)).await.unwrap(), None);
        }
        assert!(store.list("clean/", None, 10).await.unwrap().iter().all(|key| key.as_str() != name));
        upload.finish().await.unwrap();
        let read = body(&store, &key(&name)).await;
        assert!(read == wanted, "{name} is not what was written");
        assert_eq!(store.head(&key(&name)).await.unwrap(), Some(said));
        assert_eq!(bucket.parts_of(&name).await, parts, "{name}");
    }
    assert_eq!(bucket.uploads().await, 0);
}

#[tokio::test]
async fn an_upload_replaces_what_was_written_in_parts() {
    let bucket = Bucket::new("parts-replaced").await;
    let store = bucket.store();
    upload(&store, "clean/a.zst", &long(9 << 20)).await;
    upload(&store, "clean/a.zst", &Bytes::from_static(b"short")).await;
    assert_eq!(body(&store, &key("clean/a.zst")).await, b"short");
}

#[tokio::test]
async fn of_a_dropped_upload_nothing_stays() {
    let bucket = Bucket::new("dropped-upload").await;
    let store = bucket.store();
    let at = key("clean/a.zst");
    let mut dropped = store.upload(&at, &Metadata::new()).await.unwrap();
    dropped.write(long(20 << 20)).await.unwrap();
    assert_eq!(bucket.uploads().await, 1);
    assert_eq!(store.head(&at).await.unwrap(), None);
    drop(dropped);
    assert_eq!(store.head(&at).await.unwrap(), None);
    assert!(store.list("", None, 10).await.unwrap().is_empty());
    // The abort is on its way, on this thread: it gets on whenever we wait.
    let aborted = async {
        while bucket.uploads().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), aborted).await.unwrap();
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_on_from_there() {
    let bucket = Bucket::new("breaks-off").await;
    let wanted = long(10 << 20);
    // Parts, so that the checksum of the whole is one that S3 worked out.
    upload(&bucket.store(), "raw/a.zst", &wanted).await;
    let way = Cutter::start(&endpoint());
    let store = S3Store::new(&config(&way.endpoint()), bucket.name());
    way.spoil(&[Fault::Cut(3_000_000), Fault::Cut(1_000_000)]);
    assert!(read(&store, "raw/a.zst").await.unwrap() == wanted);
    let requests = way.requests();
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert_eq!(requests[0], "GET");
    let from: Vec<u64> = requests[1..]
        .iter()
        .map(|request| {
            request
                .strip_prefix("GET bytes=")
                .unwrap()
                .strip_suffix('-')
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    assert!((2_990_000..3_000_000).contains(&from[0]), "{from:?}");
    assert!((from[0] + 990_000..from[0] + 1_000_000).contains(&from[1]), "{from:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_again_and_again_is_an_error() {
    let bucket = Bucket::new("breaks-off-again").await;
    upload(&bucket.store(), "raw/a.zst", &long(1 << 20)).await;
    let way = Cutter::start(&endpoint());
    let store = S3Store::new(&config(&way.endpoint()), bucket.name());
    way.spoil(&[Fault::Cut(2_000); 6]);
    let error = read(&store, "raw/a.zst").await.map(|read| read.len()).unwrap_err();
    let StoreError::Io { source, key, action } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((key.as_str(), *action), ("raw/a.zst", "read"));
    assert!(source.to_string().contains("broke off 6 times"), "{source}");
    assert_eq!(way.requests().len(), 6);
}

#[tokio::test]
async fn an_object_written_anew_while_it_was_read_is_an_error_not_a_mixture() {
    let bucket = Bucket::new("written-anew").await;
    let direct = bucket.store();
    upload(&direct, "clean/a.zst", &long(3_000_000)).await;
    let way = Cutter::start(&endpoint());
    let store = S3Store::new(&config(&way.endpoint()), bucket.name());
    way.spoil(&[Fault::Cut(1_000_000)]);
    let mut object = store.get(&key("clean/a.zst")).await.unwrap();
    upload(&direct, "clean/a.zst", &Bytes::from(vec![7; 3_000_000])).await;
    let error = loop {
        match object.body.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a mixture was taken for the object"),
            Err(error) => break error,
        }
    };
    let StoreError::Io { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("written anew"), "{source}");
}

#[tokio::test]
async fn a_changed_byte_is_damage() {
    let bucket = Bucket::new("changed-byte").await;
    // Put at once: of what was uploaded in parts the emulator, unlike S3, keeps no checksum of the whole.
    upload(&bucket.store(), "raw/a.zst", &long(3_000_000)).await;
    let way = Cutter::start(&endpoint());
    let store = S3Store::new(&config(&way.endpoint()), bucket.name());
    // In a body of one answer, and in either piece of one that broke off.
    for faults in [
        &[Fault::Flip(2_000_000)][..],
        &[Fault::Cut(1_000_000), Fault::Flip(1_000_000)],
        &[Fault::FlipAndCut(900_000, 1_000_000)],
    ] {
        way.spoil(faults);
        match read(&store, "raw/a.zst").await {
            Err(StoreError::Damaged { .. }) => {}
            other => panic!("{faults:?}: {:?}", other.map(|bytes| bytes.len())),
        }
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_then_told() {
    let bucket = Bucket::new("what-passes").await;
    let way = Cutter::start(&endpoint());
    let store = S3Store::new(&config(&way.endpoint()), bucket.name());
    const CONFLICT: Fault = Fault::Answer(
        "HTTP/1.1 409 Conflict\r\nContent-Length: 52\r\nConnection: close\r\n\r\n<Error><Code>ConditionalRequestConflict</Code></Error>",
    );
    const SLOW_DOWN: Fault =
        Fault::Answer("HTTP/1.1 503 Slow Down\r\nContent-Length: 35\r\nConnection: close\r\n\r\n<Error><Code>SlowDown</Code></Error>");
    let at = key("raw/a.zst");
    way.spoil(&[CONFLICT]);
    let written = store.put_new(&at, &Metadata::new(), Bytes::from_static(b"1")).await.unwrap();
    assert_eq!((written, way.requests()), (Written::Created, vec!["PUT".to_owned(); 2]));

    way.spoil(&[SLOW_DOWN]);
    assert_eq!(body(&store, &at).await, b"1");

    way.spoil(&[SLOW_DOWN; 3]);
    let error = read(&store, "raw/a.zst").await.map(|read| read.len()).unwrap_err();
    let StoreError::Io { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("S3 answered 503 SlowDown"), "{source}");
    assert_eq!(way.requests().len(), 3);
}

#[tokio::test]
async fn a_server_that_is_away_is_to_be_tried_again() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let store = S3Store::new(&config(&format!("http://127.0.0.1:{port}")), "tidemill-away");
    let error = store.head(&key("raw/a.zst")).await.unwrap_err();
    let StoreError::Io { source, .. } = &error else {
        panic!("{error:?}")
    };
    let text = source.to_string();
    assert!(text.contains("tidemill-away") && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn what_no_later_try_will_cure_says_what_to_do() {
    let bucket = Bucket::new("no-cure").await;
    let at = key("raw/a.zst");
    let none = S3Store::new(&config(&endpoint()), "tidemill-no-such-bucket");
    let wanted = "there is no such bucket";
    assert!(problem(none.get(&at).await).contains(wanted));
    assert!(problem(none.head(&at).await).contains(wanted));
    assert!(problem(none.put_new(&at, &Metadata::new(), Bytes::new()).await).contains(wanted));
    assert!(problem(none.list("", None, 1).await).contains(wanted));
    assert!(problem(none.upload(&at, &Metadata::new()).await.unwrap().finish().await).contains(wanted));

    let other = "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let way = Cutter::start(&endpoint());
    way.spoil(&[Fault::Answer(other), Fault::Answer(other)]);
    let store = S3Store::new(&config(&way.endpoint()), bucket.name());
    let told = problem(store.head(&at).await);
    assert!(
        told.starts_with("the bucket is in the region eu-west-1, asked was us-east-1"),
        "{told}"
    );

    let nobody = provide_credentials_fn(async || Err(CredentialsError::not_loaded("nobody signed in")));
    let nobody = config(&endpoint())
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(nobody));
    let nobody = S3Store::new(&nobody.build(), bucket.name());
    let told = problem(nobody.get(&at).await);
    assert!(
        told.starts_with("there are no credentials") && told.contains("nobody signed in"),
        "{told}"
    );
}

#[tokio::test]
async fn a_role_that_may_not_is_told_what_it_needs() {
    let emulator = Emulator::start(Options {
        iam: true,
        ..Options::default()
    });
    let bucket = Bucket::at(&emulator.endpoint(), "may-not").await;
    let at = key("raw/a.zst");
    let name = bucket.name();
    let store = bucket.store_of_reader("clean/");
    let object = format!("arn:aws:s3:::{name}/raw/a.zst");
    for (told, action) in [
        (problem(store.get(&at).await), "s3:GetObject"),
        (problem(store.head(&at).await), "s3:GetObject"),
        (problem(store.put_new(&at, &Metadata::new(), Bytes::new()).await), "s3:PutObject"),
        (problem(store.delete(&at).await), "s3:DeleteObject"),
    ] {
        assert!(told.contains(&format!("`{action}` on `{object}`")), "{told}");
    }
    let mut refused = store.upload(&at, &Metadata::new()).await.unwrap();
    let told = problem(refused.write(long(9 << 20)).await);
    assert!(told.contains(&format!("`s3:PutObject` on `{object}`")), "{told}");
    let told = problem(store.list("raw/", None, 1).await);
    assert!(told.contains(&format!("`s3:ListBucket` on `arn:aws:s3:::{name}`")), "{told}");
    // What it may, it can.
    upload(&bucket.store(), "clean/a.zst", &Bytes::from_static(b"read me")).await;
    assert_eq!(body(&store, &key("clean/a.zst")).await, b"read me");
}

#[tokio::test]
async fn a_list_goes_on_beyond_a_page() {
    let bucket = Bucket::new("beyond-a-page").await;
    let store = bucket.store();
    let names: Vec<String> = (0..1_205).map(|n| format!("clean/{n:06}.zst")).collect();
    for name in &names {
        store.put_new(&key(name), &Metadata::new(), Bytes::new()).await.unwrap();
    }
    // Not a key of ours: passed over, and not the end.
    bucket.put("clean/000500 by hand").await;
    bucket.put("clean/").await;
    for limit in [999, 1_000, 1_001, 1_204, 1_205, 5_000] {
        let listed = store.list("clean/", None, limit).await.unwrap();
        let listed: Vec<&str> = listed.iter().map(lake::Key::as_str).collect();
        assert_eq!(listed, names[..limit.min(names.len())], "{limit}");
    }
    let after = key("clean/000100.zst");
    let listed = store.list("clean/", Some(&after), 1_050).await.unwrap();
    assert_eq!((listed.len(), listed[0].as_str()), (1_050, "clean/000101.zst"));
    assert_eq!(listed[1_049].as_str(), "clean/001150.zst");
}

/// S3 refuses it otherwise ("Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"); the emulator does not.
#[tokio::test]
async fn what_is_locked_goes_with_a_checksum_whatever_the_environment_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        let (mut way, _) = listener.accept().unwrap();
        let (mut heard, mut some) = (Vec::new(), [0; 4_096]);
        while !heard.ends_with(b"the-last") {
            match way.read(&mut some).unwrap() {
                0 => break,
                bytes => heard.extend_from_slice(&some[..bytes]),
            }
        }
        way.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8(heard).unwrap().to_lowercase()
    });
    let sparing = config(&address)
        .into_builder()
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .build();
    let store = S3Store::new(&sparing, "vault");
    let at = key("archives/a");
    let put = store.put_locked(&at, Bytes::from_static(b"the-last"), 1_900_000_000_000);
    assert_eq!(put.await.unwrap(), Written::Created);
    let heard = heard.join().unwrap();
    for header in [
        "x-amz-checksum-crc32: ",
        "x-amz-object-lock-mode: governance",
        "x-amz-object-lock-retain-until-date: 2030-",
        "if-none-match: *",
    ] {
        assert!(heard.contains(header), "{header} is not in {heard}");
    }
}
