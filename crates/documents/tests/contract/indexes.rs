//! Indexes as `createIndexes` takes them.

use bson::{Bson, DateTime, Document, doc};

use crate::{contract, pipeline};

const FIELDS: &str = "fields:
  id: {type: long}
  email: {type: string, nullable: true}
  size: {type: double}
  price: {type: decimal}
  at: {type: timestamp}
  place: {type: geo_point}
  more: {type: json, nullable: true}
  state: {type: string}";

/// Name, keys and options of the only index.
fn rendered(record: &str, index: &str) -> (String, Document, Document) {
    let checked = pipeline(&format!("primary_key: [id]\n{record}{FIELDS}"), &format!("indexes: [{index}]"));
    let mut indexes = contract(&checked).indexes;
    assert_eq!(indexes.len(), 1);
    let index = indexes.remove(0);
    (index.name, index.keys, index.options)
}

#[test]
fn keys_keep_their_order_and_give_the_name() {
    let (name, keys, options) = rendered("", "{keys: {size: -1, email: 1, place: 2dsphere}}");
    assert_eq!(name, "size_-1_email_1_place_2dsphere");
    assert_eq!(keys, doc! {"size": -1, "email": 1, "place": "2dsphere"});
    assert_eq!(keys.keys().collect::<Vec<_>>(), ["size", "email", "place"]);
    assert_eq!(options, doc! {});
    assert_eq!(rendered("", "{keys: {size: 1}, name: sizes}").0, "sizes");
}

#[test]
fn options_are_rendered() {
    let (_, _, options) = rendered("", "{keys: {at: 1}, expire_after: 1h30m}");
    assert_eq!(options, doc! {"expireAfterSeconds": 5400});
    let (_, _, options) = rendered("", "{keys: {at: 1}, expire_after: 0s}");
    assert_eq!(options, doc! {"expireAfterSeconds": 0});
    let collation = "{locale: de, strength: 2, case_level: true, case_first: upper, numeric_ordering: true, alternate: non-ignorable, max_variable: space, backwards: false, normalization: true}";
    let (_, _, options) = rendered("", &format!("{{keys: {{state: 1}}, unique: true, collation: {collation}}}"));
    let expected = doc! {
        "unique": true,
        "collation": {
            "locale": "de", "strength": 2, "caseLevel": true, "numericOrdering": true, "backwards": false, "normalization": true,
            "caseFirst": "upper", "alternate": "non-ignorable", "maxVariable": "space",
        },
    };
    assert_eq!(options, expected);
    let (_, keys, options) = rendered("", "{keys: {size: 1, email: text}, weights: {email: 3}, default_language: none}");
    assert_eq!(keys, doc! {"size": 1, "email": "text"});
    let expected = doc! {"weights": {"email": 3_i64}, "default_language": "none", "language_override": "_tidemill_language"};
    assert_eq!(options, expected);
}

#[test]
fn filters_are_in_the_types_of_the_fields() {
    let filter = |partial: &str| {
        let (_, _, options) = rendered("", &format!("{{keys: {{id: 1}}, partial: [{partial}]}}"));
        options.get_document("partialFilterExpression").unwrap().clone()
    };
    assert_eq!(filter("{field: size, at_most: 5}"), doc! {"size": {"$lte": 5.0}});
    assert_eq!(filter("{field: id, equals: 5}"), doc! {"id": 5_i64});
    let time = DateTime::from_millis(1_517_400_000_000);
    assert_eq!(filter("{field: at, more_than: 2018-01-31T12:00:00Z}"), doc! {"at": {"$gt": time}});
    let price: bson::Decimal128 = "1.5".parse().unwrap();
    assert_eq!(filter("{field: price, one_of: ['1.5', '1.50']}"), doc! {"price": {"$in": [price]}});
    assert_eq!(filter("{field: email, is_null: true}"), doc! {"email": {"$type": "null"}});
    assert_eq!(filter("{field: email, is_null: false}"), doc! {"email": {"$type": "string"}});
    let every = filter("{field: more, is_null: false}");
    assert_eq!(every.get_document("more").unwrap().get_array("$type").unwrap().len(), 8);
    assert_eq!(
        filter("{field: state, equals: a}, {field: size, less_than: 1}"),
        doc! {"state": "a", "size": {"$lt": 1.0}}
    );
    assert_eq!(
        filter("{field: size, at_least: 1}, {field: size, less_than: 2}"),
        doc! {"$and": [{"size": {"$gte": 1.0}}, {"size": {"$lt": 2.0}}]}
    );
}

/// Else a deleted document would stand in the way of a new one with its values.
#[test]
fn unique_goes_past_tombstones() {
    let deletes = "delete_when: [{field: state, equals: gone}]\n";
    let (_, _, options) = rendered(
        deletes,
        "{keys: {state: 1}, unique: true, partial: [{field: email, is_null: false}]}",
    );
    let expected = doc! {"email": {"$type": "string"}, "_tidemill.deleted": Bson::Null};
    assert_eq!(options, doc! {"unique": true, "partialFilterExpression": expected});
    assert_eq!(rendered(deletes, "{keys: {state: 1}}").2, doc! {});
    assert_eq!(rendered("", "{keys: {state: 1}, unique: true}").2, doc! {"unique": true});
}
