//! What every store of documents must do. Each function wants a store with nothing in it.

/// A test of each function of the suite, on a store that `new()` of the module makes, with what keeps it alive.
macro_rules! suite {
    () => {
        suite!(
            verdicts,
            the_highest_of_a_batch_is_judged,
            tombstones,
            keys_are_in_order,
            what_is_not_there,
            refusals,
            what_is_not_clean_writes_nothing,
            replacement,
            a_merged_collection_can_be_replaced,
            receipts,
        );
    };
    ($($name:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let (_alive, store) = new();
                suite::$name(&store).await;
            }
        )+
    };
}

mod bytes;
mod random;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, RawBson, RawDocument, RawDocumentBuf, doc};
use documents::{Batch, DEPTH_MAX, Documents, DocumentsError, Replaced, Tally, Target, Version, WriteOutcome};
use pipeline::Name;

pub use self::bytes::{Variety, the_very_bytes_come_back};
pub use self::random::{Keys, apply, equals_the_model, order_does_not_matter, random};

/// A clean document.
#[derive(Clone, Debug)]
pub struct Made {
    pub id: Bson,
    pub rank: u64,
    pub hash: u8,
    pub deleted: bool,
}

impl Made {
    pub fn new(id: impl Into<Bson>, rank: u64, hash: u8) -> Made {
        Made {
            id: id.into(),
            rank,
            hash,
            deleted: false,
        }
    }

    pub fn deleted(mut self) -> Made {
        self.deleted = true;
        self
    }

    /// Its bytes are a function of what it is made from.
    pub fn bson(&self) -> RawDocumentBuf {
        let binary = |bytes: Vec<u8>| Binary {
            subtype: BinarySubtype::Generic,
            bytes,
        };
        let rank = [vec![0; 40], self.rank.to_be_bytes().to_vec()].concat();
        let mut tidemill = doc! {
            "run": "01D3YJ5ZK8Q4W9V6T2N1M0RBAC",
            "at": DateTime::from_millis(1_550_000_000_000),
            "version": self.rank as i64,
            "rank": binary(rank),
            "hash": binary(vec![self.hash; 16]),
        };
        if self.deleted {
            tidemill.insert("deleted", true);
        }
        let document = doc! {
            "_id": self.id.clone(),
            "text": format!("a \"text\" of {}", self.hash),
            "volatile": self.rank as f64 / 3.0,
            "_tidemill": tidemill,
        };
        RawDocumentBuf::try_from(&document).unwrap()
    }
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn merge(collection: &str) -> Target {
    Target {
        collection: name(collection),
        version: None,
    }
}

pub fn version(run: u8, generation: u32) -> Version {
    Version {
        run: [run; 16],
        generation,
    }
}

pub fn staged(collection: &str, version: Version) -> Target {
    Target {
        collection: name(collection),
        version: Some(version),
    }
}

pub async fn write_bytes(
    store: &dyn Documents,
    target: &Target,
    object: &str,
    ordinal: u32,
    documents: &[RawDocumentBuf],
) -> Result<WriteOutcome, DocumentsError> {
    let documents: Vec<&RawDocument> = documents.iter().map(AsRef::as_ref).collect();
    let batch = Batch {
        object,
        ordinal,
        documents: &documents,
    };
    store.write(target, &batch).await
}

pub async fn write(store: &dyn Documents, target: &Target, object: &str, documents: &[Made]) -> WriteOutcome {
    let documents: Vec<_> = documents.iter().map(Made::bson).collect();
    write_bytes(store, target, object, 0, &documents).await.unwrap()
}

async fn tally(store: &dyn Documents, target: &Target, object: &str, documents: &[Made]) -> Tally {
    let outcome = write(store, target, object, documents).await;
    assert_eq!(sum(&outcome.tally), documents.len() as u64, "a batch must add up");
    outcome.tally
}

pub fn sum(tally: &Tally) -> u64 {
    tally.inserted + tally.updated + tally.unchanged + tally.stale + tally.superseded + tally.refused
}

pub async fn get(store: &dyn Documents, collection: &str, id: impl Into<Bson>, deleted: bool) -> Option<RawDocumentBuf> {
    let id = RawBson::try_from(id.into()).unwrap();
    store.get(&name(collection), id.as_raw_bson_ref(), deleted).await.unwrap()
}

pub async fn all(store: &dyn Documents, collection: &str) -> Vec<RawDocumentBuf> {
    store.scan(&name(collection), None, usize::MAX).await.unwrap()
}

fn bytes(documents: &[Made]) -> Vec<RawDocumentBuf> {
    documents.iter().map(Made::bson).collect()
}

pub async fn verdicts(store: &dyn Documents) {
    let things = merge("things");
    let (old, new, equal) = (Made::new("a", 5, 1), Made::new("a", 7, 2), Made::new("a", 9, 2));
    let expect = |inserted, updated, unchanged, stale| Tally {
        inserted,
        updated,
        unchanged,
        stale,
        ..Tally::default()
    };

    assert_eq!(tally(store, &things, "o1", &[old.clone()]).await, expect(1, 0, 0, 0));
    assert_eq!(tally(store, &things, "o2", &[new.clone()]).await, expect(0, 1, 0, 0));
    assert_eq!(tally(store, &things, "o3", &[old]).await, expect(0, 0, 0, 1));
    assert_eq!(all(store, "things").await, bytes(&[new.clone()]));
    // Equal and newer: unchanged, but its rank (and what is volatile) is kept, so that rank 8 is late now.
    assert_eq!(tally(store, &things, "o4", &[equal.clone()]).await, expect(0, 0, 1, 0));
    assert_eq!(all(store, "things").await, bytes(&[equal.clone()]));
    assert_eq!(tally(store, &things, "o5", &[Made::new("a", 8, 3)]).await, expect(0, 0, 0, 1));
    // The very same.
    assert_eq!(tally(store, &things, "o6", &[equal.clone()]).await, expect(0, 0, 1, 0));
    assert_eq!(all(store, "things").await, bytes(&[equal]));
}

pub async fn the_highest_of_a_batch_is_judged(store: &dyn Documents) {
    let things = merge("things");
    let batch = [
        Made::new(1, 3, 1),
        Made::new(Bson::Double(1.0), 9, 2),
        Made::new(Bson::Int64(1), 5, 3),
        Made::new("1", 1, 4),
    ];
    let first = tally(store, &things, "o1", &batch).await;
    assert_eq!(
        first,
        Tally {
            inserted: 2,
            superseded: 2,
            ..Tally::default()
        }
    );
    assert_eq!(all(store, "things").await, bytes(&[batch[1].clone(), batch[3].clone()]));
    assert_eq!(get(store, "things", Bson::Int64(1), false).await, Some(batch[1].bson()));
    // Of a batch that is late as a whole the lower ones are superseded still.
    let late = [Made::new(1, 1, 1), Made::new(1, 2, 1)];
    assert_eq!(
        tally(store, &things, "o2", &late).await,
        Tally {
            stale: 1,
            superseded: 1,
            ..Tally::default()
        }
    );
}

pub async fn tombstones(store: &dyn Documents) {
    let things = merge("things");
    let (alive, dead) = (Made::new("a", 5, 1), Made::new("a", 7, 1).deleted());
    write(store, &things, "o1", &[alive.clone(), Made::new("b", 5, 1)]).await;
    // The hash is equal, but that it is deleted is a change.
    assert_eq!(tally(store, &things, "o2", &[dead.clone()]).await.updated, 1);
    assert_eq!(all(store, "things").await, bytes(&[Made::new("b", 5, 1)]));
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(1));
    assert_eq!(get(store, "things", "a", false).await, None);
    assert_eq!(get(store, "things", "a", true).await, Some(dead.bson()));
    // A late version does not bring it back, a newer one does.
    assert_eq!(tally(store, &things, "o3", &[Made::new("a", 6, 2)]).await.stale, 1);
    assert_eq!(get(store, "things", "a", false).await, None);
    assert_eq!(tally(store, &things, "o4", &[Made::new("a", 8, 1)]).await.updated, 1);
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(2));
    // One for a key that was never there is kept as well: the version it deletes may be late.
    assert_eq!(tally(store, &things, "o5", &[Made::new("c", 5, 1).deleted()]).await.inserted, 1);
    assert_eq!(tally(store, &things, "o6", &[Made::new("c", 4, 1)]).await.stale, 1);
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(2));
}

pub async fn keys_are_in_order(store: &dyn Documents) {
    let in_order: Vec<Bson> = vec![
        Bson::Null,
        Bson::Int32(-3),
        Bson::Double(-2.5),
        Bson::Int64(2),
        Bson::Int32(10),
        "10".into(),
        "9".into(),
        "a".into(),
        Bson::Document(doc! {"a": 1, "b": "x"}),
        Bson::Document(doc! {"a": 2, "b": "a"}),
        Bson::Boolean(false),
        Bson::DateTime(DateTime::from_millis(7)),
    ];
    let made: Vec<Made> = in_order.iter().map(|id| Made::new(id.clone(), 1, 1)).collect();
    let mut shuffled = made.clone();
    fastrand::Rng::with_seed(1).shuffle(&mut shuffled);
    write(store, &merge("things"), "o1", &shuffled).await;
    assert_eq!(all(store, "things").await, bytes(&made));
    for limit in [1, 5, made.len(), made.len() + 1] {
        let (mut found, mut after) = (Vec::new(), None::<RawBson>);
        loop {
            let page = store
                .scan(&name("things"), after.as_ref().map(RawBson::as_raw_bson_ref), limit)
                .await
                .unwrap();
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some(last.get("_id").unwrap().unwrap().into());
            found.extend(page);
        }
        assert_eq!(found, bytes(&made), "in pages of {limit}");
    }
    assert_eq!(store.scan(&name("things"), None, 0).await.unwrap().len(), 0);
}

pub async fn what_is_not_there(store: &dyn Documents) {
    assert_eq!(store.count(&name("things")).await.unwrap(), None);
    assert_eq!(store.visible(&name("things")).await.unwrap(), None);
    assert_eq!(all(store, "things").await, Vec::<RawDocumentBuf>::new());
    assert_eq!(get(store, "things", 1, true).await, None);
    store.settle("no such object").await.unwrap();
    // A batch of nothing makes the collection.
    assert_eq!(tally(store, &merge("things"), "o1", &[]).await, Tally::default());
    assert_eq!(store.count(&name("things")).await.unwrap(), Some(0));
}

pub async fn refusals(store: &dyn Documents) {
    let nested = |levels: usize| {
        let mut value = Bson::Int32(1);
        for level in 0..levels {
            value = if level % 2 == 0 {
                Bson::Array(vec![value])
            } else {
                Bson::Document(doc! {"a": value})
            };
        }
        with_field(&Made::new(levels as i64, 1, 1), value)
    };
    let large = |id: i64, bytes: usize| {
        let without = with_field(&Made::new(id, 1, 1), Bson::String(String::new())).as_bytes().len();
        with_field(&Made::new(id, 1, 1), Bson::String("x".repeat(bytes - without)))
    };
    const MOST: usize = 16_777_216;
    let batch = [
        Made::new("small", 1, 1).bson(),
        large(1, MOST + 1),
        large(2, MOST),
        nested(DEPTH_MAX + 1),
        nested(DEPTH_MAX),
    ];
    let outcome = write_bytes(store, &merge("things"), "o1", 0, &batch).await.unwrap();
    assert_eq!(
        outcome.tally,
        Tally {
            inserted: 3,
            refused: 2,
            ..Tally::default()
        }
    );
    let indexes: Vec<usize> = outcome.refusals.iter().map(|refusal| refusal.index).collect();
    assert_eq!(indexes, [1, 3]);
    assert!(outcome.refusals[0].message.contains("16777217"), "{:?}", outcome.refusals[0]);
    assert!(outcome.refusals[1].message.contains("100"), "{:?}", outcome.refusals[1]);
    assert_eq!(get(store, "things", 2, false).await.unwrap().as_bytes(), batch[2].as_bytes());
    assert_eq!(
        get(store, "things", DEPTH_MAX as i64, false).await.unwrap().as_bytes(),
        batch[4].as_bytes()
    );
    // The receipt knows the words too.
    assert_eq!(write_bytes(store, &merge("things"), "o1", 0, &batch).await.unwrap(), outcome);
}

fn with_field(made: &Made, value: Bson) -> RawDocumentBuf {
    let mut document = bson::Document::try_from(made.bson()).unwrap();
    document.insert("field", value);
    RawDocumentBuf::try_from(&document).unwrap()
}

pub async fn what_is_not_clean_writes_nothing(store: &dyn Documents) {
    let clean = Made::new(1, 1, 1).bson();
    let without = |name: &str| {
        let mut document = bson::Document::try_from(&clean).unwrap();
        document.remove(name);
        RawDocumentBuf::try_from(&document).unwrap()
    };
    for (document, words) in [(without("_id"), "_id"), (without("_tidemill"), "_tidemill")] {
        let error = write_bytes(store, &merge("things"), "o1", 0, &[clean.clone(), document])
            .await
            .unwrap_err();
        let DocumentsError::NotClean { object, index: 1, problem } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(object, "o1");
        assert!(problem.contains(words), "{problem}");
    }
    assert_eq!(all(store, "things").await.len(), 0);
}

pub async fn replacement(store: &dyn Documents) {
    let (v1, v2, v3) = (version(1, 9), version(2, 1), version(2, 2));
    let things = name("things");
    write(store, &staged("things", v2), "o1", &[Made::new("a", 1, 1)]).await;
    write(store, &staged("things", v2), "o2", &[Made::new("b", 1, 1)]).await;
    write(store, &staged("things", v1), "o3", &[Made::new("old", 1, 1)]).await;
    write(store, &staged("things", v3), "o4", &[Made::new("a", 9, 9), Made::new("c", 9, 9)]).await;
    // Nobody sees any of it.
    assert_eq!(store.count(&things).await.unwrap(), None);
    assert_eq!(store.visible(&things).await.unwrap(), None);
    assert_eq!(get(store, "things", "a", true).await, None);

    assert_eq!(store.replace(&things, v2).await.unwrap(), Replaced::Visible);
    assert_eq!(store.replace(&things, v2).await.unwrap(), Replaced::Visible);
    assert_eq!(store.visible(&things).await.unwrap(), Some(v2));
    assert_eq!(all(store, "things").await, bytes(&[Made::new("a", 1, 1), Made::new("b", 1, 1)]));
    // An older version is late: its documents are superseded, refusable ones included, and it can't become visible.
    let late = tally(store, &staged("things", v1), "o5", &[Made::new("x", 99, 1), Made::new("y", 99, 1)]).await;
    assert_eq!(
        late,
        Tally {
            superseded: 2,
            ..Tally::default()
        }
    );
    assert_eq!(store.replace(&things, v1).await.unwrap(), Replaced::Older);
    assert_eq!(store.visible(&things).await.unwrap(), Some(v2));
    // The visible version is written where it is seen, and so is a write without a version.
    assert_eq!(tally(store, &staged("things", v2), "o6", &[Made::new("c", 1, 1)]).await.inserted, 1);
    assert_eq!(tally(store, &merge("things"), "o7", &[Made::new("a", 2, 2)]).await.updated, 1);
    let expected = [Made::new("a", 2, 2), Made::new("b", 1, 1), Made::new("c", 1, 1)];
    assert_eq!(all(store, "things").await, bytes(&expected));
    // The newer one was staged all the while.
    assert_eq!(store.replace(&things, v3).await.unwrap(), Replaced::Visible);
    assert_eq!(all(store, "things").await, bytes(&[Made::new("a", 9, 9), Made::new("c", 9, 9)]));
    // A version that nothing was written to is empty.
    assert_eq!(store.replace(&things, version(3, 1)).await.unwrap(), Replaced::Visible);
    assert_eq!(store.count(&things).await.unwrap(), Some(0));
}

pub async fn a_merged_collection_can_be_replaced(store: &dyn Documents) {
    let things = name("things");
    // A run's id may start with any byte.
    for (step, run) in [0u8, 0x77, 0xff].into_iter().enumerate() {
        let collection = format!("things{step}");
        write(store, &merge(&collection), &format!("o{step}"), &[Made::new("a", 1, 1)]).await;
        assert_eq!(store.visible(&name(&collection)).await.unwrap(), None);
        write(
            store,
            &staged(&collection, version(run, 1)),
            &format!("staged{step}"),
            &[Made::new("b", 1, 1)],
        )
        .await;
        assert_eq!(all(store, &collection).await, bytes(&[Made::new("a", 1, 1)]));
        assert_eq!(store.replace(&name(&collection), version(run, 1)).await.unwrap(), Replaced::Visible);
        assert_eq!(all(store, &collection).await, bytes(&[Made::new("b", 1, 1)]));
    }
    assert_eq!(store.count(&things).await.unwrap(), None);
}

pub async fn receipts(store: &dyn Documents) {
    let things = merge("things");
    let batch = [Made::new("a", 1, 1), Made::new("b", 1, 1), Made::new("b", 2, 2)];
    let first = write(store, &things, "o1", &batch).await;
    write(store, &things, "o2", &[Made::new("a", 3, 3)]).await;
    let before = all(store, "things").await;
    assert_eq!(write(store, &things, "o1", &batch).await, first);
    // Another batch of the object is another.
    let other = write_bytes(store, &things, "o1", 1, &bytes(&batch)).await.unwrap().tally;
    assert_eq!(
        other,
        Tally {
            stale: 1,
            unchanged: 1,
            superseded: 1,
            ..Tally::default()
        }
    );
    // Settling one object leaves the receipts of others.
    store.settle("o2").await.unwrap();
    assert_eq!(write(store, &things, "o1", &batch).await, first);
    store.settle("o1").await.unwrap();
    assert_eq!(write(store, &things, "o1", &batch).await.tally, other);
    assert_eq!(all(store, "things").await, before);
}
