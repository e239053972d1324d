//! A backup while loaders write: what was there before it began, and stayed as it was, is in it exactly.

use crate::desk::{Desk, id, numbered};
use backup::Wish;
use bson::{RawDocumentBuf, doc};
use documents::key::key_of;
use std::collections::BTreeMap;

const BEFORE: i32 = 3_000;

#[tokio::test]
async fn what_nobody_touched_is_there_and_the_manifest_is_true() {
    let mut desk = Desk::new();
    desk.policy.part_bytes_max = 300_000;
    desk.database.put(
        "rows",
        numbered(0..BEFORE).map(|mut document| {
            document.insert("_id", document.get_i32("_id").unwrap() * 10);
            document
        }),
    );
    desk.database.memory().batch_documents = 100;
    let mut random: u64 = 7;
    let mut touched: Vec<i32> = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    desk.database.memory().before_batch = Some(Box::new(move |databases, _| {
        let rows = &mut databases.get_mut("shop").unwrap().collections.get_mut("rows").unwrap().documents;
        for _ in 0..40 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let n = (random >> 33) as i32 % (BEFORE * 10);
            let key = key_of(bson::RawBsonRef::Int32(n)).unwrap();
            // Each third is deleted, the others are written: some are new, some were there.
            if n % 3 == 0 {
                rows.remove(&key);
            } else {
                rows.insert(key, RawDocumentBuf::try_from(&doc! {"_id": n, "written": "meanwhile"}).unwrap());
            }
            touched.push(n);
        }
        sender.send(std::mem::take(&mut touched)).unwrap();
    }));
    let before = desk.database.content();
    let manifest = desk.take(id(0)).await;
    desk.database.memory().before_batch = None;
    let touched: Vec<i32> = receiver.try_iter().flatten().collect();
    assert!(touched.len() > 1_000, "{}", touched.len());

    desk.verify(&manifest).await.unwrap();
    let target = desk.database.beside("copy");
    desk.restore(&manifest, &Wish::default(), &target).await.unwrap();
    let restored: BTreeMap<Vec<u8>, RawDocumentBuf> = target.content().collections["rows"].documents.clone();
    let mut untouched = 0;
    for (key, document) in &before.collections["rows"].documents {
        if touched.contains(&document.get_i32("_id").unwrap()) {
            continue;
        }
        assert_eq!(restored.get(key), Some(document));
        untouched += 1;
    }
    assert!(untouched > 1_000, "{untouched}");
    // Nothing is in it that never was there.
    for document in restored.values() {
        let n = document.get_i32("_id").unwrap();
        assert!(
            before.collections["rows"].documents.values().any(|it| it == document) || touched.contains(&n),
            "{n}"
        );
    }
}
