//! Plans are carried out against a model of a server, which takes no step that a server would not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bson::{Bson, Document, doc};
use pipeline::Name;
use proptest::prelude::*;
use proptest::sample::{Index as Pick, subsequence};

use super::*;

fn index(name: &str, keys: Document, options: Document) -> IndexSpec {
    IndexSpec {
        name: name.to_owned(),
        keys,
        options,
    }
}

fn contract(version: i32, indexes: Vec<IndexSpec>) -> Contract {
    Contract {
        collection: Name::new("events").unwrap(),
        owner: "p/r".into(),
        validator: ours_of(version),
        indexes,
    }
}

/// A validator of Tidemill's making.
fn ours_of(version: i32) -> Document {
    doc! {"$jsonSchema": {"title": "Tidemill: p/r", "properties": {"x": {"minimum": version}}}}
}

/// An index as a server gives it back: more than was said, in other numbers, and text keys in its own form.
fn as_found(spec: &IndexSpec) -> FoundIndex {
    let mut keys = Document::new();
    let mut options = spec.options.clone();
    let mut weights = Document::new();
    for (name, kind) in &spec.keys {
        match kind {
            Bson::Int32(order) => _ = keys.insert(name, f64::from(*order)),
            Bson::String(kind) if kind == "text" => {
                keys.insert("_fts", "text");
                keys.insert("_ftsx", 1);
                weights.insert(name, 1.0);
            }
            kind => _ = keys.insert(name, kind.clone()),
        }
    }
    if !weights.is_empty() {
        weights.extend(options.get_document("weights").cloned().unwrap_or_default());
        options.insert("weights", weights);
        options.entry("default_language").or_insert("english".into());
        options.insert("textIndexVersion", 3);
    }
    if let Ok(seconds) = options.get_i32("expireAfterSeconds") {
        options.insert("expireAfterSeconds", f64::from(seconds));
    }
    if let Ok(collation) = options.get_document_mut("collation") {
        let usual = doc! {
            "caseLevel": false, "caseFirst": "off", "strength": 3, "numericOrdering": false, "alternate": "non-ignorable",
            "maxVariable": "punct", "normalization": true, "backwards": false, "version": "57.1",
        };
        for (name, value) in usual {
            collation.entry(name).or_insert(value);
        }
    }
    options.insert("v", 2);
    FoundIndex {
        name: spec.name.clone(),
        keys,
        options,
    }
}

/// A server's collection: takes the steps of a plan as a server does, or panics.
fn carry_out(found: &Found, changes: &[Change]) -> Found {
    let mut found = found.clone();
    for change in changes {
        match change {
            Change::CreateCollection { validator } => {
                assert!(!found.exists);
                (found.exists, found.validator) = (true, Some(validator.clone()));
            }
            Change::SetValidator { validator, tightness } => {
                assert!(found.exists);
                found.validator = Some(validator.clone());
                if *tightness == Tightness::Tight {
                    found.unenforced = None;
                }
            }
            Change::EnforceValidator { .. } => assert!(found.unenforced.take().is_some()),
            Change::CreateIndex(spec) => {
                assert!(found.exists);
                let new = Shape::new(&spec.keys, &spec.options);
                for there in &found.indexes {
                    assert_ne!(there.name, spec.name, "the name is taken");
                    let excludes = Shape::new(&there.keys, &there.options).excludes(&new);
                    assert!(!excludes, "`{}` is in the way of `{}`", there.name, spec.name);
                }
                found.indexes.push(as_found(spec));
                found.ours.insert(spec.name.clone());
            }
            Change::ChangeExpiry { index, seconds } => {
                assert!(found.ours.contains(index), "`{index}` is not ours");
                let index = found.indexes.iter_mut().find(|there| there.name == *index).expect("no such index");
                assert!(index.options.contains_key("expireAfterSeconds"));
                index.options.insert("expireAfterSeconds", *seconds);
            }
            Change::DropIndex { name, .. } => {
                assert!(found.ours.remove(name), "`{name}` is not ours");
                let before = found.indexes.len();
                found.indexes.retain(|there| there.name != *name);
                assert_eq!(found.indexes.len() + 1, before, "no index `{name}`");
            }
            Change::Leave { .. } => {}
        }
    }
    found
}

/// A collection with these indexes, the first `ours` of which are Tidemill's, and the validator of version 1.
fn found(indexes: &[IndexSpec], ours: usize) -> Found {
    Found {
        exists: true,
        validator: Some(ours_of(1)),
        indexes: indexes.iter().map(as_found).collect(),
        ours: indexes.iter().take(ours).map(|index| index.name.clone()).collect(),
        ..Found::default()
    }
}

/// What is planned for these indexes, as people read it.
fn planned(declared: &[IndexSpec], found: &Found) -> Vec<String> {
    let contract = contract(1, declared.to_vec());
    let changes = plan(&contract, found, Tightness::Tight);
    let after = carry_out(found, &changes);
    let again = plan(&contract, &after, Tightness::Tight);
    assert!(again.iter().all(|change| matches!(change, Change::Leave { .. })), "{again:?}");
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_collection_is_made_with_all_it_needs() {
    let declared = [
        index("a_1", doc! {"a": 1}, doc! {}),
        index("b_1", doc! {"b": 1}, doc! {"unique": true}),
    ];
    let expected = [
        "create the collection, with its validator",
        "create the index `a_1`",
        "create the index `b_1`",
    ];
    assert_eq!(planned(&declared, &Found::default()), expected);
}

#[test]
fn a_validator_is_relaxed_first_and_tightened_last() {
    let new = contract(2, vec![index("a_1", doc! {"a": 1}, doc! {})]);
    let old = found(&[], 0);
    let relaxed = plan(&new, &old, Tightness::Relaxed);
    let both = doc! {"$or": [ours_of(1), ours_of(2)]};
    let set = |validator: &Document, tightness| Change::SetValidator {
        validator: validator.clone(),
        tightness,
    };
    assert_eq!(relaxed[0], set(&both, Tightness::Relaxed));
    let between = carry_out(&old, &relaxed);
    assert_eq!(plan(&new, &between, Tightness::Relaxed), []);
    assert_eq!(plan(&new, &between, Tightness::Tight), [set(&ours_of(2), Tightness::Tight)]);
    let tight = plan(&new, &old, Tightness::Tight);
    assert_eq!(tight.last(), Some(&set(&ours_of(2), Tightness::Tight)));
    // A third contract before the second is tight: any of the three will do.
    let three = plan(&contract(3, Vec::new()), &between, Tightness::Relaxed);
    assert_eq!(
        three[0],
        set(&doc! {"$or": [ours_of(1), ours_of(2), ours_of(3)]}, Tightness::Relaxed)
    );
    // Back to the first: it is allowed already.
    let back = plan(&contract(1, Vec::new()), &between, Tightness::Relaxed);
    assert!(back.iter().all(|change| matches!(change, Change::DropIndex { .. })), "{back:?}");
}

#[test]
fn a_validator_comes_back_in_other_numbers_and_another_order() {
    let mut there = found(&[], 0);
    there.validator = Some(doc! {"$jsonSchema": {"properties": {"x": {"minimum": 1.0}}, "title": "Tidemill: p/r"}});
    assert_eq!(plan(&contract(1, Vec::new()), &there, Tightness::Tight), []);
}

#[test]
fn without_a_validator_nothing_is_made_stricter_before_its_time() {
    for none in [None, Some(Document::new())] {
        let mut there = found(&[], 0);
        there.validator = none;
        assert_eq!(plan(&contract(1, Vec::new()), &there, Tightness::Relaxed), []);
        assert_eq!(plan(&contract(1, Vec::new()), &there, Tightness::Tight).len(), 1);
    }
}

#[test]
fn a_first_validator_does_not_stand_in_the_way_of_others() {
    let there = Found {
        exists: true,
        foreign: Foreign::Yes,
        ..Found::default()
    };
    assert_eq!(plan(&contract(1, Vec::new()), &there, Tightness::Relaxed), []);
    let changes = plan(&contract(1, Vec::new()), &there, Tightness::Tight);
    let [Change::Leave { what }] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert!(
        what.contains("`events` has no validator") && what.contains("did not write"),
        "{what}"
    );
}

#[test]
fn a_validator_of_ours_is_enforced_in_the_end() {
    let mut there = found(&[], 0);
    there.unenforced = Some("validationAction: warn".to_owned());
    assert_eq!(plan(&contract(1, Vec::new()), &there, Tightness::Relaxed), []);
    let changes = plan(&contract(1, Vec::new()), &there, Tightness::Tight);
    let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["let the validator refuse what breaks it (found: `validationAction: warn`)"]);
    assert_eq!(plan(&contract(1, Vec::new()), &carry_out(&there, &changes), Tightness::Tight), []);
    // One that is set anew is enforced with it.
    let changes = plan(&contract(2, Vec::new()), &there, Tightness::Tight);
    assert!(matches!(changes.as_slice(), [Change::SetValidator { .. }]), "{changes:?}");
    assert_eq!(plan(&contract(2, Vec::new()), &carry_out(&there, &changes), Tightness::Tight), []);
}

#[test]
fn an_index_is_one_of_ours_only_as_it_was_made() {
    let made = index("a_1", doc! {"a": 1}, doc! {"expireAfterSeconds": 60});
    assert!(as_found(&made).is(&made));
    for other in [
        index("b_1", doc! {"a": 1}, doc! {"expireAfterSeconds": 60}),
        index("a_1", doc! {"a": -1}, doc! {"expireAfterSeconds": 60}),
        index("a_1", doc! {"a": 1}, doc! {"expireAfterSeconds": 60, "unique": true}),
        index("a_1", doc! {"a": 1}, doc! {"expireAfterSeconds": 61}),
    ] {
        assert!(!as_found(&other).is(&made), "{other:?}");
    }
}

#[test]
fn beside_those_of_users_only_what_is_wanting_is_made() {
    let declared = [
        index("a_1", doc! {"a": 1}, doc! {}),
        index("b_1", doc! {"b": 1}, doc! {}),
        index("c_1", doc! {"c": 1}, doc! {}),
    ];
    // The first does what is declared, the second can't stand beside it.
    let theirs = [
        index("mine", doc! {"a": 1}, doc! {}),
        index("strict", doc! {"b": 1}, doc! {"unique": true}),
    ];
    assert_eq!(beside(&declared, theirs.iter().map(as_found).collect()), declared[2..]);
    assert_eq!(beside(&declared, Vec::new()), declared);
}

#[test]
fn a_users_validator_is_left() {
    let theirs = [
        doc! {"x": {"$gt": 1}},
        doc! {"$jsonSchema": {"title": "mine"}},
        doc! {"$or": [ours_of(1), {"x": 1}]},
        doc! {"$jsonSchema": {"title": "Tidemill: p/r"}, "x": 1},
        doc! {"$or": []},
    ];
    for validator in theirs {
        let mut there = found(&[], 0);
        there.validator = Some(validator);
        for tightness in [Tightness::Relaxed, Tightness::Tight] {
            let changes = plan(&contract(1, Vec::new()), &there, tightness);
            let [Change::Leave { what }] = changes.as_slice() else {
                panic!("{changes:?}")
            };
            assert!(what.contains("`events` has a validator that Tidemill did not make"), "{what}");
        }
    }
}

#[test]
fn an_index_is_built_before_an_old_one_is_dropped() {
    let old = [index("a_1", doc! {"a": 1}, doc! {})];
    let new = [index("a_1_b_1", doc! {"a": 1, "b": 1}, doc! {})];
    let expected = [
        "create the index `a_1_b_1`",
        "drop the index `a_1`: Tidemill created it, and the contract does not declare it any more",
    ];
    assert_eq!(planned(&new, &found(&old, 1)), expected);
    // Not one that a user made.
    assert_eq!(planned(&new, &found(&old, 0)), expected[..1]);
}

#[test]
fn an_equal_index_of_another_name_will_do() {
    let theirs = [index("mine", doc! {"a": 1, "b": -1}, doc! {"unique": true})];
    let declared = [index("a_1_b_-1", doc! {"a": 1, "b": -1}, doc! {"unique": true})];
    assert!(planned(&declared, &found(&theirs, 0)).is_empty());
    assert!(planned(&declared, &found(&theirs, 1)).is_empty());
    // The order of keys matters.
    let turned = [index("b_-1_a_1", doc! {"b": -1, "a": 1}, doc! {"unique": true})];
    assert_eq!(planned(&turned, &found(&theirs, 0)), ["create the index `b_-1_a_1`"]);
}

#[test]
fn where_the_server_cannot_hold_both_the_old_one_goes_first() {
    let expected = [
        "drop the index `a_1`: the server can't hold it beside the new `a_1`, which is created next",
        "create the index `a_1`",
    ];
    let plain = [index("a_1", doc! {"a": 1}, doc! {})];
    for options in [
        doc! {"unique": true},
        doc! {"collation": {"locale": "de"}},
        doc! {"expireAfterSeconds": 60},
        doc! {"partialFilterExpression": {"a": 1}},
    ] {
        let changed = [index("a_1", doc! {"a": 1}, options)];
        assert_eq!(planned(&changed, &found(&plain, 1)), expected);
        assert_eq!(planned(&plain, &found(&changed, 1)), expected);
    }
    // Another collation under another name stands beside it.
    let german = [index("german", doc! {"a": 1}, doc! {"collation": {"locale": "de"}})];
    let steps = planned(&german, &found(&plain, 1));
    assert_eq!(steps[0], "create the index `german`");
    assert!(steps[1].starts_with("drop the index `a_1`"), "{steps:?}");
    // One text index a collection.
    let old = [index("words", doc! {"a": "text"}, doc! {})];
    let new = [index("more", doc! {"a": "text", "b": "text"}, doc! {})];
    assert!(planned(&new, &found(&old, 1))[0].starts_with("drop the index `words`: the server can't hold it beside the new `more`"));
}

#[test]
fn a_foreign_index_in_the_way_is_left() {
    let theirs = [index("a_1", doc! {"a": 1}, doc! {"unique": true})];
    let declared = [index("a_1", doc! {"a": 1}, doc! {}), index("b_1", doc! {"b": 1}, doc! {})];
    let expected = [
        "the index `a_1` is not created: `a_1`, which Tidemill did not create like this, is in its way (drop it, and Tidemill creates the declared one)",
        "create the index `b_1`",
    ];
    assert_eq!(planned(&declared, &found(&theirs, 0)), expected);
    let named = [index("other", doc! {"a": 1}, doc! {})];
    assert!(planned(&named, &found(&theirs, 0))[0].starts_with("the index `other` is not created: `a_1`"));
    let words = [index("words", doc! {"x": "text"}, doc! {})];
    let declared = [index("a_text", doc! {"a": "text"}, doc! {})];
    assert!(planned(&declared, &found(&words, 0))[0].starts_with("the index `a_text` is not created: `words`"));
}

#[test]
fn expiry_changes_in_place() {
    let ttl = |name: &str, seconds: i32| [index(name, doc! {"at": 1}, doc! {"expireAfterSeconds": seconds})];
    assert_eq!(
        planned(&ttl("at_1", 60), &found(&ttl("at_1", 30), 1)),
        ["let documents of the index `at_1` expire after 60 s"]
    );
    assert_eq!(
        planned(&ttl("at_1", 60), &found(&ttl("old", 30), 1)),
        ["let documents of the index `old` expire after 60 s"]
    );
    assert!(planned(&ttl("at_1", 60), &found(&ttl("at_1", 60), 1)).is_empty());
    // A user's own is not changed, whatever the contract says.
    assert!(planned(&ttl("at_1", 60), &found(&ttl("at_1", 30), 0))[0].starts_with("the index `at_1` is not created"));
}

#[test]
fn names_that_change_places_are_put_right() {
    let (x, y) = (doc! {"x": 1}, doc! {"y": 1});
    let old = [index("one", x.clone(), doc! {}), index("two", y.clone(), doc! {})];
    // Both are there, under the other's name: nothing is wanting.
    let turned = [index("two", x.clone(), doc! {}), index("one", y, doc! {})];
    assert!(planned(&turned, &found(&old, 2)).is_empty());
    // `one` is wanted for something new, so what it was gets its new name.
    let moved = [index("one", doc! {"z": 1}, doc! {}), index("three", x, doc! {})];
    let steps = planned(&moved, &found(&old, 2));
    assert_eq!(steps.iter().filter(|step| step.starts_with("create")).count(), 2, "{steps:?}");
}

#[test]
fn what_servers_add_is_no_difference() {
    let declared = [
        index("place_2dsphere", doc! {"place": "2dsphere"}, doc! {}),
        index(
            "words",
            doc! {"a": 1, "t": "text", "u": "text"},
            doc! {"weights": {"t": 5_i64}, "language_override": "_x"},
        ),
        index("c_1", doc! {"c": 1}, doc! {"collation": {"locale": "fr", "strength": 2}}),
        index("p_1", doc! {"p": 1}, doc! {"partialFilterExpression": {"p": {"$gt": 1, "$lt": 5}}}),
    ];
    let mut there = found(&declared, 4);
    there.indexes[0]
        .options
        .extend(doc! {"2dsphereIndexVersion": 3, "sparse": true, "ns": "db.events", "background": true});
    there.indexes[3]
        .options
        .insert("partialFilterExpression", doc! {"p": {"$lt": 5.0, "$gt": 1_i64}});
    there.indexes[3].options.extend(doc! {"unique": false, "sparse": false});
    assert!(planned(&declared, &there).is_empty());
    // What is said is compared.
    for (at, options) in [
        (1, doc! {"weights": {"t": 6}, "language_override": "_x"}),
        (1, doc! {"weights": {"t": 5}}),
        (
            1,
            doc! {"weights": {"t": 5}, "language_override": "_x", "default_language": "german"},
        ),
        (2, doc! {"collation": {"locale": "fr"}}),
        (2, doc! {"collation": {"locale": "de", "strength": 2}}),
        (2, doc! {"collation": {"locale": "fr", "strength": 2, "caseFirst": "upper"}}),
        (3, doc! {"partialFilterExpression": {"p": {"$gt": 1, "$lt": 6}}}),
    ] {
        let mut changed = declared.clone();
        changed[at].options = options;
        assert_eq!(planned(&changed, &there).len(), 2, "{:?}", changed[at]);
    }
}

/// Index definitions that meet in names, keys and options.
fn pool() -> Vec<IndexSpec> {
    let mut pool = Vec::new();
    let keys = [doc! {"a": 1}, doc! {"a": -1, "b": 1}, doc! {"g": "2dsphere"}];
    let options = [
        doc! {},
        doc! {"unique": true},
        doc! {"expireAfterSeconds": 30},
        doc! {"expireAfterSeconds": 60},
        doc! {"collation": {"locale": "de"}},
        doc! {"partialFilterExpression": {"a": {"$gt": 1}}},
    ];
    for name in ["one", "two", "three"] {
        for keys in &keys {
            for options in &options {
                pool.push(index(name, keys.clone(), options.clone()));
            }
        }
        pool.push(index(name, doc! {"t": "text"}, doc! {}));
        pool.push(index(name, doc! {"a": 1, "t": "text", "u": "text"}, doc! {"weights": {"u": 3}}));
    }
    pool
}

/// Those that a server would hold beside each other.
fn coherent(specs: Vec<IndexSpec>) -> Vec<IndexSpec> {
    let mut kept: Vec<IndexSpec> = Vec::new();
    for spec in specs {
        let shape = Shape::new(&spec.keys, &spec.options);
        let conflict = |other: &IndexSpec| other.name == spec.name || Shape::new(&other.keys, &other.options).excludes(&shape);
        if !kept.iter().any(conflict) {
            kept.push(spec);
        }
    }
    kept
}

fn some_indexes() -> impl Strategy<Value = Vec<IndexSpec>> {
    let pool = pool();
    let size = pool.len();
    subsequence(pool, 0..size.min(12)).prop_shuffle().prop_map(coherent)
}

fn some_validator() -> impl Strategy<Value = Option<Document>> {
    prop_oneof![
        Just(None),
        (1..4).prop_map(|version| Some(ours_of(version))),
        subsequence(vec![1, 2, 3], 1..=3).prop_map(|all| {
            let all: Vec<Bson> = all.into_iter().map(|version| ours_of(version).into()).collect();
            Some(doc! {"$or": all})
        }),
        Just(Some(doc! {"x": {"$exists": true}})),
    ]
}

fn some_foreign() -> impl Strategy<Value = Foreign> {
    prop_oneof![Just(Foreign::No), Just(Foreign::Yes), Just(Foreign::Unknown)]
}

fn some_found() -> impl Strategy<Value = Found> {
    let there = (
        some_indexes(),
        some_validator(),
        any::<Vec<Pick>>(),
        (any::<bool>(), some_foreign()),
    )
        .prop_map(|(indexes, validator, picks, (warns, foreign))| {
            let names: Vec<String> = indexes.iter().map(|index| index.name.clone()).collect();
            let ours = picks
                .iter()
                .take(names.len())
                .filter_map(|pick| names.get(pick.index(names.len().max(1))).cloned());
            Found {
                exists: true,
                validator,
                // Names that were noted and never created.
                ours: ours.chain(["lost".to_owned()]).collect(),
                indexes: indexes.iter().map(as_found).collect(),
                unenforced: warns.then(|| "validationAction: warn".to_owned()),
                foreign,
            }
        });
    prop_oneof![1 => Just(Found::default()), 9 => there]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is there: a server takes each step, what users made is untouched, and planned again there is nothing to do.
    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do(
        declared in some_indexes(),
        found in some_found(),
        version in 1..4,
        relaxed in any::<bool>(),
    ) {
        let contract = contract(version, declared);
        let tightness = if relaxed { Tightness::Relaxed } else { Tightness::Tight };
        let changes = plan(&contract, &found, tightness);
        let after = carry_out(&found, &changes);
        let left = |changes: &[Change]| -> Vec<Change> {
            changes.iter().filter(|change| matches!(change, Change::Leave { .. })).cloned().collect()
        };
        let again = plan(&contract, &after, tightness);
        prop_assert_eq!(&left(&changes), &again);
        for theirs in found.indexes.iter().filter(|index| !found.ours.contains(&index.name)) {
            prop_assert!(after.indexes.contains(theirs), "{} is gone", theirs.name);
        }
        let created = changes.iter().rposition(|change| matches!(change, Change::CreateIndex(_)));
        let undeclared = changes.iter().position(|change| matches!(change, Change::DropIndex { why: DropReason::Undeclared, .. }));
        if let (Some(created), Some(undeclared)) = (created, undeclared) {
            prop_assert!(created < undeclared, "{:?}", changes);
        }
        // Every declared index is there, or it is said why not.
        for spec in &contract.indexes {
            let wanted = Shape::new(&spec.keys, &spec.options);
            let there = after.indexes.iter().any(|index| Shape::new(&index.keys, &index.options) == wanted);
            let said = again.iter().any(|change| change.to_string().starts_with(&format!("the index `{}` is not", spec.name)));
            prop_assert!(there != said, "{} there: {there}, said: {said}", spec.name);
        }
    }

    /// From contract to contract and back, over relaxed and tight, the collection ends as the last one says.
    #[test]
    fn contracts_may_follow_each_other(steps in proptest::collection::vec((some_indexes(), 1..4, any::<bool>()), 1..6)) {
        let mut found = Found::default();
        for (declared, version, tight) in steps {
            let contract = contract(version, declared);
            found = carry_out(&found, &plan(&contract, &found, Tightness::Relaxed));
            if tight {
                found = carry_out(&found, &plan(&contract, &found, Tightness::Tight));
                prop_assert_eq!(found.validator.as_ref(), Some(&contract.validator));
            }
            prop_assert_eq!(found.indexes.len(), contract.indexes.len());
            prop_assert_eq!(found.ours.len(), contract.indexes.len());
        }
    }
}
