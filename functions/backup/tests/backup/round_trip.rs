//! What comes back is what there was: every type of BSON, every kind of namespace, a hundred thousand documents.

use crate::desk::{AT_MS, Desk, id, numbered};
use crate::memory_database::CONTROL;
use backup::manifest::Consistency;
use backup::retention::Class;
use backup::{Error, Wanted, Wish};
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, DbPointer, Decimal128, Document, JavaScriptCodeWithScope, Regex, Timestamp, doc, oid::ObjectId};

fn every_type() -> Document {
    let binary = |subtype, bytes: &[u8]| {
        Bson::Binary(Binary {
            subtype,
            bytes: bytes.to_vec(),
        })
    };
    let pointer: Option<DbPointer> = None;
    assert!(
        pointer.is_none(),
        "a pointer can't be made, only read: the archive keeps bytes, whatever they are"
    );
    doc! {
        "double": 1.5, "nan": f64::NAN, "minus_zero": -0.0, "infinity": f64::INFINITY,
        "string": "ü\u{0}☃", "empty": "",
        "document": {"a": {"b": {}}}, "array": [1, [2_i64, []], "three"],
        "generic": binary(BinarySubtype::Generic, b"\x00\xff"), "old": binary(BinarySubtype::BinaryOld, b"old"),
        "uuid": binary(BinarySubtype::Uuid, &[7; 16]), "user": binary(BinarySubtype::UserDefined(0x80), b"u"),
        "undefined": Bson::Undefined, "object_id": ObjectId::from_bytes([9; 12]),
        "true": true, "false": false, "date": DateTime::from_millis(-1), "null": Bson::Null,
        "regex": Regex { pattern: "^a".try_into().unwrap(), options: "im".try_into().unwrap() },
        "code": Bson::JavaScriptCode("x => 1".to_owned()), "symbol": Bson::Symbol("s".to_owned()),
        "scope": JavaScriptCodeWithScope { code: "y".to_owned(), scope: doc! {"y": 1} },
        "int": i32::MIN, "long": i64::MAX, "timestamp": Timestamp { time: 1, increment: 2 },
        "decimal": "1.10".parse::<Decimal128>().unwrap(), "min": Bson::MinKey, "max": Bson::MaxKey,
    }
}

/// A document under each of many kinds of `_id`.
fn every_id() -> Vec<Document> {
    let ids: Vec<Bson> = vec![
        Bson::MinKey,
        Bson::Null,
        (-1).into(),
        1.5.into(),
        2_i64.into(),
        "".into(),
        "a".into(),
        "b\u{0}".into(),
        doc! {"a": 1}.into(),
        Bson::Binary(Binary {
            subtype: BinarySubtype::Uuid,
            bytes: vec![3; 16],
        }),
        ObjectId::from_bytes([1; 12]).into(),
        false.into(),
        true.into(),
        DateTime::from_millis(5).into(),
        Timestamp { time: 3, increment: 4 }.into(),
        Bson::MaxKey,
    ];
    let with = |id: Bson| {
        let mut document = doc! {"_id": id};
        document.extend(every_type());
        document
    };
    ids.into_iter().map(with).collect()
}

#[tokio::test]
async fn every_type_of_bson_and_every_kind_of_namespace() {
    let desk = Desk::small();
    desk.database.put("types", every_id());
    let manifest = desk.take(id(0)).await;
    assert_eq!(manifest.documents(), 5 + 2 + 2 + 16);
    assert!(manifest.parts.len() > 16, "a part a document");
    desk.verify(&manifest).await.unwrap();
    let target = desk.database.beside("copy");
    let report = desk.restore(&manifest, &Wish::default(), &target).await.unwrap();
    assert_eq!((report.inserted, report.already_there, report.documents), (25, 0, 25));
    assert_eq!(report.collections, [CONTROL, "grown_ups", "nothing", "orders", "people", "types"]);
    assert_eq!(
        (report.warnings.as_slice(), report.replaced.as_slice(), report.database.as_str()),
        (&[][..], &[][..], "copy")
    );
    assert_eq!(target.comparable(), desk.database.comparable());
    assert_eq!(target.content().mark, None);
}

#[tokio::test]
async fn a_hundred_thousand_documents_come_back_equal() {
    let mut desk = Desk::new();
    desk.policy.part_bytes_max = 600_000;
    desk.database.put("many", numbered(0..100_000));
    let manifest = desk.take(id(0)).await;
    assert_eq!(manifest.documents(), 100_000);
    assert!((4..100).contains(&manifest.parts.len()), "{} parts", manifest.parts.len());
    assert!(manifest.parts.iter().all(|part| part.size <= 600_000));
    let verified = desk.verify(&manifest).await.unwrap();
    assert_eq!((verified.documents, verified.parts as usize), (100_000, manifest.parts.len()));
    let target = desk.database.beside("copy");
    desk.restore(&manifest, &Wish::default(), &target).await.unwrap();
    // By hash, and by bytes.
    desk.database.memory().databases.remove("shop");
    *desk.database.memory().of("shop") = target.content();
    let again = desk.take(id(1)).await;
    assert_eq!(again.collections[0].hash, manifest.collections[0].hash);
}

#[tokio::test]
async fn the_manifest_says_what_it_is() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    assert_eq!(
        (manifest.class, manifest.database.as_str(), manifest.server_version.as_str()),
        (Class::Yearly, "shop", "8.0.4")
    );
    let expected = Consistency {
        read_concern: "majority".to_owned(),
        snapshot: false,
    };
    assert_eq!(manifest.consistency, expected);
    assert!(manifest.began_ms >= AT_MS && manifest.ended_ms > manifest.began_ms);
    let locked_days = (manifest.locked_until_ms - AT_MS) / 86_400_000;
    assert_eq!(locked_days, 400);
    let why = |name: &str| manifest.left_out.iter().find(|it| it.name == name).map(|it| it.why.as_str());
    assert!(why("tidemill.receipts").unwrap().contains("written which is not"));
    assert_eq!(desk.newest().await.unwrap(), manifest);
    assert_eq!(desk.take(id(0)).await, manifest, "it is done, and stays as it is");
}

#[tokio::test]
async fn the_exported_file_is_the_parts_one_after_another() {
    let desk = Desk::small();
    let manifest = desk.take(id(0)).await;
    let mut file = Vec::new();
    let bytes = backup::export(&manifest, desk.vault(), &mut file).await.unwrap();
    assert_eq!((bytes, file.len() as u64), (manifest.packed_bytes(), manifest.packed_bytes()));
    let mut reader = backup::archive::Reader::of_archive();
    let mut packed = file.as_slice();
    while reader.next(&mut packed).unwrap().is_some() {}
    reader.end_part().unwrap();
    manifest.compare(&reader.finish().unwrap()).unwrap();
}

#[tokio::test]
async fn the_one_that_is_wanted_is_chosen() {
    let desk = Desk::small();
    let vault = desk.vault();
    let none = backup::choose(vault, &Wanted::Newest).await;
    assert!(matches!(none, Err(Error::NotFound { .. })), "{none:?}");
    let mut taken = Vec::new();
    for number in 0..4 {
        taken.push(desk.take(id(number)).await);
        desk.pass(86_400_000);
    }
    let listed = backup::list(vault).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id).collect::<Vec<_>>(), [id(3), id(2), id(1), id(0)]);
    assert!(
        listed
            .iter()
            .zip(taken.iter().rev())
            .all(|(listed, taken)| listed.manifest.as_ref().unwrap() == taken)
    );
    // 24 November 2026 is a Tuesday: that week has the year's.
    let classes: Vec<Class> = taken.iter().map(|it| it.class).collect();
    assert_eq!(classes, [Class::Yearly, Class::Daily, Class::Daily, Class::Daily]);
    let choose = async |wanted| backup::choose(vault, &wanted).await;
    assert_eq!(choose(Wanted::Newest).await.unwrap(), taken[3]);
    assert_eq!(choose(Wanted::Id(id(1))).await.unwrap(), taken[1]);
    assert_eq!(choose(Wanted::At(taken[2].ended_ms)).await.unwrap(), taken[2]);
    assert_eq!(choose(Wanted::At(taken[2].ended_ms - 1)).await.unwrap(), taken[1]);
    assert!(matches!(
        choose(Wanted::At(taken[0].ended_ms - 1)).await,
        Err(Error::NotFound { .. })
    ));
    assert!(matches!(choose(Wanted::Id(id(9))).await, Err(Error::NotFound { .. })));
}
