//! What every database must do. Each function wants a store with nothing in it.

/// A test of each function of the suite, on a store that `new()` of the module makes, with what keeps it alive.
macro_rules! suite {
    () => {
        suite!(
            nothing_is_there_at_first,
            every_type_comes_back_byte_for_byte,
            keys_are_read_in_order_and_from_any_on,
            tombstones_are_read_and_what_is_of_the_moment_is_not,
            what_is_there_stays,
            a_dropped_collection_takes_its_receipts_and_versions_along,
            a_replaced_collection_is_another,
            what_is_noted_of_versions_moves_along,
            the_mark_stands_until_it_is_taken_away,
            a_sibling_is_another_database,
            a_copy_is_equal,
            twenty_thousand_documents_are_streamed,
            long_documents_are_given_one_by_one,
        );
    };
    ($($name:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let (_alive, stores) = new();
                suite::$name(&stores).await;
            }
        )+
    };
}

use std::sync::Arc;

use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, RawBson, RawDocument, RawDocumentBuf, Regex, Timestamp, doc};
use documents::key::key_of;
use documents::{Batch, Database, Documents, DocumentsError, Namespace, NamespaceKind, PutBack, Replaced, Target, Version};
use pipeline::Name;

/// A database, as backup and loaders see it.
pub struct Stores {
    pub database: Arc<dyn Database>,
    pub documents: Box<dyn Documents>,
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn version(run: u8) -> Version {
    Version {
        run: [run; 16],
        generation: 3,
    }
}

fn binary(bytes: Vec<u8>) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes,
    }
}

/// A clean document with more fields.
pub fn made_of(id: impl Into<Bson>, rank: u64, fields: Document) -> RawDocumentBuf {
    let mut document = doc! { "_id": id };
    document.extend(fields);
    let stamp = doc! {
        "run": "01D3YJ5ZK8Q4W9V6T2N1M0RBAC",
        "at": DateTime::from_millis(1_550_000_000_000),
        "version": rank as i64,
        "rank": binary([vec![0; 40], rank.to_be_bytes().to_vec()].concat()),
        "hash": binary(vec![rank as u8; 16]),
    };
    document.insert("_tidemill", stamp);
    RawDocumentBuf::try_from(&document).unwrap()
}

pub fn made(id: impl Into<Bson>, rank: u64) -> RawDocumentBuf {
    made_of(id, rank, doc! { "text": format!("of {rank}") })
}

fn tombstone(id: impl Into<Bson>, rank: u64) -> RawDocumentBuf {
    let mut document = Document::try_from(made(id, rank)).unwrap();
    document.get_document_mut("_tidemill").unwrap().insert("deleted", true);
    RawDocumentBuf::try_from(&document).unwrap()
}

pub fn collection(name: &str) -> Namespace {
    Namespace {
        name: name.to_owned(),
        kind: NamespaceKind::Collection,
        options: doc! {},
        indexes: vec![doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" }],
        identity: None,
        estimate: None,
    }
}

pub async fn put(database: &dyn Database, collection: &str, documents: &[RawDocumentBuf]) -> Result<PutBack, DocumentsError> {
    let documents: Vec<&RawDocument> = documents.iter().map(AsRef::as_ref).collect();
    database.put_back(collection, &documents).await
}

pub async fn write(documents: &dyn Documents, version: Option<Version>, object: &str, some: &[RawDocumentBuf]) -> u64 {
    let target = Target {
        collection: name("things"),
        version,
    };
    let some: Vec<&RawDocument> = some.iter().map(AsRef::as_ref).collect();
    let batch = Batch {
        object,
        ordinal: 0,
        documents: &some,
    };
    let tally = documents.write(&target, &batch).await.unwrap().tally;
    tally.inserted + tally.updated
}

pub async fn all(database: &dyn Database, collection: &str, after: Option<&RawBson>) -> Vec<RawDocumentBuf> {
    let after = after.map(RawBson::as_raw_bson_ref);
    let mut stream = database.read(collection, after).await.unwrap();
    let mut all = Vec::new();
    while let Some(some) = stream.next().await.unwrap() {
        assert!(!some.is_empty());
        all.extend(some);
    }
    all
}

pub async fn names(database: &dyn Database) -> Vec<String> {
    let namespaces = database.namespaces().await.unwrap();
    namespaces.into_iter().map(|namespace| namespace.name).collect()
}

/// All of one database into another, as a restore does it.
pub async fn copy(from: &dyn Database, to: &dyn Database) -> Vec<String> {
    let namespaces = from.namespaces().await.unwrap();
    for namespace in &namespaces {
        to.create(namespace).await.unwrap();
        if namespace.kind == NamespaceKind::Collection {
            let mut stream = from.read(&namespace.name, None).await.unwrap();
            while let Some(some) = stream.next().await.unwrap() {
                put(to, &namespace.name, &some).await.unwrap();
            }
        }
    }
    let (views, collections): (Vec<_>, Vec<_>) = namespaces.iter().partition(|one| one.kind == NamespaceKind::View);
    let mut unable = Vec::new();
    for namespace in collections.into_iter().chain(views) {
        unable.extend(to.complete(namespace).await.unwrap());
    }
    unable
}

pub fn id(document: &RawDocument) -> RawBson {
    document.get("_id").unwrap().unwrap().into()
}

pub async fn nothing_is_there_at_first(stores: &Stores) {
    let database = &*stores.database;
    assert_eq!(names(database).await, Vec::<String>::new());
    assert_eq!(all(database, "things", None).await, Vec::<RawDocumentBuf>::new());
    assert_eq!(database.identity("things").await.unwrap(), None);
    assert_eq!(database.mark().await.unwrap(), None);
    database.set_mark(None).await.unwrap();
    database.drop_namespace("things").await.unwrap();
    database.drop_namespace("tidemill.collections").await.unwrap();
    database.drop_all().await.unwrap();
    let server = database.server().await.unwrap();
    assert!(server.version.split('.').all(|part| part.parse::<u32>().is_ok()), "{server:?}");
}

pub async fn every_type_comes_back_byte_for_byte(stores: &Stores) {
    let database = &*stores.database;
    let written = vec![made_of(1, 1, every_type()), tombstone(2, 1), made_of(3, 1, doc! {})];
    database.create(&collection("things")).await.unwrap();
    let inserted = PutBack {
        inserted: 3,
        already_there: 0,
    };
    assert_eq!(put(database, "things", &written).await.unwrap(), inserted);
    assert_eq!(all(database, "things", None).await, written);
    assert_eq!(names(database).await, ["things"]);
    assert_eq!(database.complete(&collection("things")).await.unwrap(), Vec::<String>::new());
}

fn every_type() -> Document {
    doc! {
        "double": -0.5, "nan": f64::NAN, "infinity": f64::INFINITY, "negative zero": -0.0,
        "string": "ä\0\u{1f600}", "document": { "a": { "b": [] } }, "array": [1, "x", [Bson::Null]],
        "binary": binary(vec![0, 255]),
        "uuid": Binary { subtype: BinarySubtype::Uuid, bytes: vec![7; 16] },
        "own": Binary { subtype: BinarySubtype::UserDefined(0x80), bytes: vec![] },
        "objectid": ObjectId::from_bytes([9; 12]), "true": true, "date": DateTime::from_millis(-1),
        "null": Bson::Null, "regex": Regex { pattern: "^a".try_into().unwrap(), options: "im".try_into().unwrap() },
        "int32": i32::MIN, "timestamp": Timestamp { time: 5, increment: 6 }, "int64": i64::MAX, "small int64": 1i64,
        "decimal": "1.10".parse::<bson::Decimal128>().unwrap(),
        "min": Bson::MinKey, "max": Bson::MaxKey,
    }
}

pub async fn keys_are_read_in_order_and_from_any_on(stores: &Stores) {
    let database = &*stores.database;
    let keys: Vec<Bson> = vec![
        Bson::MinKey,
        Bson::Null,
        Bson::Double(f64::NEG_INFINITY),
        Bson::Int32(-7),
        Bson::Double(0.5),
        Bson::Int64(3),
        Bson::Decimal128("4.5".parse().unwrap()),
        "".into(),
        "b".into(),
        Bson::Document(doc! { "a": 1 }),
        // Of fields their types are compared before their names.
        Bson::Document(doc! { "b": 0 }),
        Bson::Document(doc! { "a": "x" }),
        Bson::Binary(binary(vec![0, 1])),
        Bson::ObjectId(ObjectId::from_bytes([5; 12])),
        Bson::Boolean(false),
        Bson::Boolean(true),
        Bson::DateTime(DateTime::from_millis(7)),
        Bson::Timestamp(Timestamp { time: 1, increment: 2 }),
        Bson::MaxKey,
    ];
    let in_order: Vec<_> = keys.iter().map(|key| made(key.clone(), 1)).collect();
    let mut shuffled = in_order.clone();
    fastrand::Rng::with_seed(1).shuffle(&mut shuffled);
    put(database, "things", &shuffled).await.unwrap();
    assert_eq!(all(database, "things", None).await, in_order);
    for (at, document) in in_order.iter().enumerate() {
        assert_eq!(
            all(database, "things", Some(&id(document))).await,
            in_order[at + 1..],
            "after {document:?}"
        );
    }
    // A key that is not there, between two that are.
    let between = RawBson::String("a".to_owned());
    assert_eq!(all(database, "things", Some(&between)).await, in_order[8..]);
}

pub async fn tombstones_are_read_and_what_is_of_the_moment_is_not(stores: &Stores) {
    let Stores { database, documents } = stores;
    write(&**documents, None, "o1", &[made("a", 1), made("b", 1)]).await;
    write(&**documents, None, "o2", &[tombstone("a", 2)]).await;
    write(&**documents, Some(version(1)), "o3", &[made("staged", 1)]).await;
    database.set_mark(Some("{}")).await.unwrap();
    assert_eq!(all(&**database, "things", None).await, [tombstone("a", 2), made("b", 1)]);
    let namespaces = database.namespaces().await.unwrap();
    assert_eq!(namespaces.len(), 1, "{namespaces:?}");
    let things = &namespaces[0];
    assert_eq!((things.name.as_str(), things.kind), ("things", NamespaceKind::Collection));
    assert_eq!(things.options, doc! {});
    assert_eq!(things.indexes, collection("things").indexes);
    assert_eq!(things.estimate, Some(2));
    assert!(things.identity.is_some());
    assert_eq!(database.identity("things").await.unwrap(), things.identity);
}

pub async fn what_is_there_stays(stores: &Stores) {
    let Stores { database, documents } = stores;
    let of_backup: Vec<_> = (0..5).map(|number| made(number, 1)).collect();
    put(&**database, "things", &of_backup[..2]).await.unwrap();
    // A loader is at work already.
    write(&**documents, None, "o1", &[made(1, 9), made(4, 9)]).await;
    let expected = PutBack {
        inserted: 2,
        already_there: 3,
    };
    assert_eq!(put(&**database, "things", &of_backup).await.unwrap(), expected);
    let expected = [made(0, 1), made(1, 9), made(2, 1), made(3, 1), made(4, 9)];
    assert_eq!(all(&**database, "things", None).await, expected);
    assert_eq!(put(&**database, "things", &[]).await.unwrap(), PutBack::default());
}

pub async fn a_dropped_collection_takes_its_receipts_and_versions_along(stores: &Stores) {
    let Stores { database, documents } = stores;
    let batch = [made("a", 1), made("b", 1)];
    write(&**documents, Some(version(1)), "o1", &batch).await;
    documents.replace(&name("things"), version(1)).await.unwrap();
    write(&**documents, Some(version(2)), "o2", &[made("newer", 1)]).await;
    for _ in 0..2 {
        database.drop_namespace("things").await.unwrap();
        assert_eq!(names(&**database).await, Vec::<String>::new());
    }
    assert_eq!(documents.visible(&name("things")).await.unwrap(), None);
    // The replayed batch is written, and is not taken for one that is there.
    write(&**documents, Some(version(1)), "o1", &batch).await;
    assert_eq!(documents.replace(&name("things"), version(1)).await.unwrap(), Replaced::Visible);
    assert_eq!(all(&**database, "things", None).await, batch);
    // Of the version that was being gathered nothing is left.
    assert_eq!(documents.replace(&name("things"), version(2)).await.unwrap(), Replaced::Visible);
    assert_eq!(all(&**database, "things", None).await, Vec::<RawDocumentBuf>::new());
}

pub async fn a_replaced_collection_is_another(stores: &Stores) {
    let Stores { database, documents } = stores;
    write(&**documents, Some(version(1)), "o1", &[made("a", 1)]).await;
    documents.replace(&name("things"), version(1)).await.unwrap();
    let before = database.identity("things").await.unwrap();
    write(&**documents, None, "o2", &[made("a", 2)]).await;
    assert_eq!(database.identity("things").await.unwrap(), before);
    documents.replace(&name("things"), version(2)).await.unwrap();
    let after = database.identity("things").await.unwrap();
    assert!(before.is_some() && after.is_some() && before != after);
}

pub async fn what_is_noted_of_versions_moves_along(stores: &Stores) {
    let Stores { database, documents } = stores;
    write(&**documents, Some(version(7)), "o1", &[made("a", 1)]).await;
    documents.replace(&name("things"), version(7)).await.unwrap();
    // It comes before what it is about.
    assert_eq!(names(&**database).await, ["tidemill.collections", "things"]);
    let noted = all(&**database, "tidemill.collections", None).await;
    assert_eq!(noted.len(), 1);
    let visible = Document::try_from(&noted[0]).unwrap();
    let expected = doc! { "run": binary(vec![7; 16]), "generation": 3i64 };
    assert_eq!(visible.get_document("visible").unwrap(), &expected);
    assert_eq!(all(&**database, "tidemill.collections", Some(&id(&noted[0]))).await.len(), 0);
    // Who restores may put back the documents first, or what is noted, and may do so again.
    for noted_first in [true, false] {
        database.drop_namespace("things").await.unwrap();
        assert_eq!(names(&**database).await, Vec::<String>::new());
        for of_noted in [noted_first, !noted_first, noted_first] {
            if of_noted {
                put(&**database, "tidemill.collections", &noted).await.unwrap();
            } else {
                database.create(&collection("things")).await.unwrap();
                put(&**database, "things", &[made("a", 1)]).await.unwrap();
            }
        }
        assert_eq!(documents.visible(&name("things")).await.unwrap(), Some(version(7)));
        assert_eq!(all(&**database, "tidemill.collections", None).await, noted);
        assert_eq!(all(&**database, "things", None).await, [made("a", 1)]);
        // An older version comes too late, as before.
        assert_eq!(documents.replace(&name("things"), version(6)).await.unwrap(), Replaced::Older);
    }
    // What is noted of a collection that is there goes with that only.
    database.drop_namespace("tidemill.collections").await.unwrap();
    assert_eq!(documents.visible(&name("things")).await.unwrap(), Some(version(7)));
}

pub async fn the_mark_stands_until_it_is_taken_away(stores: &Stores) {
    let database = &*stores.database;
    for text in ["{\"backup\": \"one\"}", "two"] {
        database.set_mark(Some(text)).await.unwrap();
        assert_eq!(database.mark().await.unwrap().as_deref(), Some(text));
    }
    assert_eq!(names(database).await, Vec::<String>::new());
    database.set_mark(None).await.unwrap();
    assert_eq!(database.mark().await.unwrap(), None);
}

pub async fn a_sibling_is_another_database(stores: &Stores) {
    let database = &*stores.database;
    put(database, "things", &[made(1, 1)]).await.unwrap();
    let scratch_name = format!("{}_drill_0a1b2c", database.server().await.unwrap().database);
    let scratch = database.sibling(&scratch_name).unwrap();
    assert_eq!(scratch.server().await.unwrap().database, scratch_name);
    assert_eq!(names(&*scratch).await, Vec::<String>::new());
    put(&*scratch, "things", &[made(2, 1)]).await.unwrap();
    assert_eq!(all(database, "things", None).await, [made(1, 1)]);
    // Nobody left a mark, so it may be somebody's.
    for theirs in [database, &*scratch] {
        let error = theirs.drop_all().await.unwrap_err();
        assert!(matches!(error, DocumentsError::NotAScratch { .. }), "{error:?}");
        assert!(!error.passes());
    }
    scratch.set_mark(Some("{}")).await.unwrap();
    scratch.drop_all().await.unwrap();
    assert_eq!(names(&*scratch).await, Vec::<String>::new());
    assert_eq!(scratch.mark().await.unwrap(), None);
    scratch.drop_all().await.unwrap();
    // It can be made again.
    put(&*scratch, "things", &[made(3, 1)]).await.unwrap();
    assert_eq!(all(&*scratch, "things", None).await, [made(3, 1)]);
    scratch.set_mark(Some("{}")).await.unwrap();
    scratch.drop_all().await.unwrap();
    scratch.close().await;
    assert_eq!(all(database, "things", None).await, [made(1, 1)]);
    for wrong in ["", "a/b", "a.b", "a b", &"x".repeat(64)] {
        let error = database.sibling(wrong).err().unwrap();
        assert!(matches!(error, DocumentsError::NoDatabase { .. }), "{error:?}");
    }
}

pub async fn a_copy_is_equal(stores: &Stores) {
    let Stores { database, documents } = stores;
    let some = |from: i32| (from..from + 50).map(|number| made(number, 1)).collect::<Vec<_>>();
    write(&**documents, Some(version(1)), "o1", &some(0)).await;
    documents.replace(&name("things"), version(1)).await.unwrap();
    put(&**database, "more", &some(50)).await.unwrap();
    database.create(&collection("empty")).await.unwrap();
    let scratch_name = format!("{}_drill_copy", database.server().await.unwrap().database);
    let scratch = database.sibling(&scratch_name).unwrap();
    scratch.set_mark(Some("{}")).await.unwrap();
    for _ in 0..2 {
        assert_eq!(copy(&**database, &*scratch).await, Vec::<String>::new());
        assert_eq!(names(&*scratch).await, ["tidemill.collections", "empty", "more", "things"]);
        for name in names(&**database).await {
            assert_eq!(all(&*scratch, &name, None).await, all(&**database, &name, None).await, "{name}");
        }
    }
    scratch.drop_all().await.unwrap();
}

pub async fn twenty_thousand_documents_are_streamed(stores: &Stores) {
    const MOST: usize = 4 * 1024 * 1024;
    let database = &*stores.database;
    let text = "x".repeat(400);
    let in_order: Vec<_> = (0..20_000).map(|number| made_of(number, 1, doc! { "text": &text })).collect();
    for some in in_order.chunks(5000) {
        let expected = PutBack {
            inserted: 5000,
            already_there: 0,
        };
        assert_eq!(put(database, "things", some).await.unwrap(), expected);
    }
    let mut stream = database.read("things", None).await.unwrap();
    let (mut found, mut parts) = (Vec::new(), 0);
    while let Some(some) = stream.next().await.unwrap() {
        let bytes: usize = some.iter().map(|document| document.as_bytes().len()).sum();
        assert!(bytes <= MOST, "{bytes}");
        parts += 1;
        found.extend(some);
    }
    assert!(found == in_order, "{} documents, or others", found.len());
    assert!(parts >= found.iter().map(|document| document.as_bytes().len()).sum::<usize>() / MOST);
    let after = id(&in_order[12_345]);
    assert!(all(database, "things", Some(&after)).await == in_order[12_346..]);
}

pub async fn long_documents_are_given_one_by_one(stores: &Stores) {
    let database = &*stores.database;
    let long = |number: i32, bytes: usize| made_of(number, 1, doc! { "text": "x".repeat(bytes) });
    // The last two are together longer than an answer of the server's.
    let in_order = [
        long(1, 3_000_000),
        long(2, 3_000_000),
        long(3, 6_000_000),
        long(4, 10),
        long(5, 12_000_000),
        long(6, 16_000_000),
    ];
    for document in &in_order {
        put(database, "things", std::slice::from_ref(document)).await.unwrap();
    }
    let mut stream = database.read("things", None).await.unwrap();
    let mut lengths = Vec::new();
    while let Some(some) = stream.next().await.unwrap() {
        let ids = some.iter().map(|document| document.get_i32("_id").unwrap());
        lengths.push(ids.collect::<Vec<_>>());
    }
    assert_eq!(lengths.concat(), [1, 2, 3, 4, 5, 6]);
    assert!(lengths.iter().all(|some| some.len() == 1 || some.contains(&4)), "{lengths:?}");
    let keys: Vec<Vec<u8>> = in_order
        .iter()
        .map(|document| key_of(id(document).as_raw_bson_ref()).unwrap())
        .collect();
    assert!(keys.is_sorted());
}
