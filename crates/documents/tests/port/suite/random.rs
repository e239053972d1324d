//! Random writes in random orders, against the model.

use std::collections::BTreeMap;

use bson::{Bson, RawDocument, RawDocumentBuf, doc};
use documents::{Documents, Model, Target, WriteOutcome};
use fastrand::Rng;

use super::{Made, all, bytes, get, merge, name, sum, version, write};

/// What is used for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Among them equal numbers of different types: they are one key, and the type is that of the last that was written.
    Mixed,
    /// Some servers keep the type of the first: equal numbers are of one type.
    #[cfg_attr(not(feature = "mongodb"), allow(dead_code, reason = "only the suite of the servers has it"))]
    OfOneType,
}

/// Random writes, repeats, settlements and replacements, compared with the model after each.
pub async fn equals_the_model(store: &dyn Documents, seed: u64, keys: Keys) {
    let mut rng = Rng::with_seed(seed);
    let mut model = Model::default();
    let mut answered: BTreeMap<String, (Target, Vec<Made>, WriteOutcome)> = BTreeMap::new();
    for step in 0..40 {
        let collection = if rng.bool() { "things" } else { "other-things" };
        match rng.u8(0..10) {
            0 => {
                let version = version(rng.u8(0..4), rng.u32(0..3));
                let (ours, models) = (
                    store.replace(&name(collection), version).await.unwrap(),
                    model.replace(&name(collection), version),
                );
                assert_eq!(ours, models, "seed {seed}, step {step}");
            }
            1 | 2 if !answered.is_empty() => {
                let object = rng.choice(answered.keys().cloned().collect::<Vec<_>>()).unwrap();
                let (target, made, outcome) = &answered[&object];
                assert_eq!(
                    write(store, target, &object, made).await,
                    *outcome,
                    "seed {seed}, step {step}: a receipt"
                );
                if rng.bool() {
                    store.settle(&object).await.unwrap();
                    let again = apply(&mut model, target, made);
                    assert_eq!(
                        write(store, target, &object, made).await,
                        again,
                        "seed {seed}, step {step}: settled, then again"
                    );
                    answered.remove(&object);
                    store.settle(&object).await.unwrap();
                }
            }
            _ => {
                let version = rng.u8(0..3).eq(&0).then(|| version(rng.u8(0..4), rng.u32(0..3)));
                let target = Target {
                    collection: name(collection),
                    version,
                };
                let made: Vec<Made> = (0..rng.usize(0..12)).map(|_| random(&mut rng, keys)).collect();
                let object = format!("o{step}");
                let outcome = write(store, &target, &object, &made).await;
                assert_eq!(outcome, apply(&mut model, &target, &made), "seed {seed}, step {step}");
                assert_eq!(sum(&outcome.tally), made.len() as u64, "seed {seed}, step {step}");
                answered.insert(object, (target, made, outcome));
            }
        }
        assert_equal(store, &model, seed).await;
    }
}

pub fn apply(model: &mut Model, target: &Target, made: &[Made]) -> WriteOutcome {
    let documents = bytes(made);
    let documents: Vec<&RawDocument> = documents.iter().map(AsRef::as_ref).collect();
    model.write(target, &documents).unwrap()
}

/// Few keys and few ranks, so that they meet; all else follows from the two, as it does from the place in `raw/`.
pub fn random(rng: &mut Rng, keys: Keys) -> Made {
    let id = match rng.u8(0..8) {
        0 => Bson::Int32(1),
        1 if keys == Keys::Mixed => Bson::Double(1.0),
        1 => Bson::Double(1.5),
        2 => "1".into(),
        3 => Bson::Document(doc! {"a": 1}),
        4 if keys == Keys::Mixed => Bson::Document(doc! {"a": Bson::Int64(1)}),
        4 => Bson::Document(doc! {"a": Bson::Int64(2)}),
        key => format!("key {key}").into(),
    };
    let rank = rng.u64(0..12);
    // Equal keys of different types are different records, so their ranks are too.
    let rank = match &id {
        Bson::Double(_) => rank * 2 + 1,
        Bson::Document(document) if document.get_i64("a").is_ok() => rank * 2 + 1,
        _ => rank * 2,
    };
    Made {
        id,
        rank,
        hash: (rank / 5) as u8,
        deleted: rank % 7 == 3,
    }
}

async fn assert_equal(store: &dyn Documents, model: &Model, seed: u64) {
    for collection in ["things", "other-things"] {
        let named = name(collection);
        assert_eq!(store.visible(&named).await.unwrap(), model.visible(&named), "seed {seed}");
        assert_eq!(store.count(&named).await.unwrap(), model.count(&named), "seed {seed}");
        let modelled: Vec<RawDocumentBuf> = model.scan(&named).map(ToOwned::to_owned).collect();
        assert_eq!(all(store, collection).await, modelled, "seed {seed}");
        // Tombstones as well.
        for document in model.live(&named).into_iter().flat_map(BTreeMap::values) {
            let id = document.get("_id").unwrap().unwrap();
            assert_eq!(store.get(&named, id, true).await.unwrap().as_ref(), Some(document), "seed {seed}");
            let seen = model.get(&named, id, false).unwrap().map(ToOwned::to_owned);
            assert_eq!(store.get(&named, id, false).await.unwrap(), seen, "seed {seed}");
        }
    }
}

/// The same documents in batches cut and ordered anew, some of them twice: the same end.
pub async fn order_does_not_matter(one: &dyn Documents, other: &dyn Documents, seed: u64, keys: Keys) {
    let mut rng = Rng::with_seed(seed);
    let mut made: Vec<Made> = (0..60).map(|_| random(&mut rng, keys)).collect();
    for (round, store) in [one, other].into_iter().enumerate() {
        rng.shuffle(&mut made);
        let mut at = 0;
        while at < made.len() {
            let end = (at + rng.usize(1..9)).min(made.len());
            write(store, &merge("things"), &format!("o{round}-{at}"), &made[at..end]).await;
            at = if rng.u8(0..3) == 0 { at + 1 } else { end };
        }
    }
    assert_eq!(all(one, "things").await, all(other, "things").await, "seed {seed}");
    for made in &made {
        let (a, b) = (
            get(one, "things", made.id.clone(), true).await,
            get(other, "things", made.id.clone(), true).await,
        );
        assert_eq!(a, b, "seed {seed}");
    }
}
