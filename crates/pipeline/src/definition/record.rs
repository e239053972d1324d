//! What a record must look like: the contract.

use crate::{Path, Scalar};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a record must look like: the contract. A record that breaks it is rejected with every field that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The fields that name a record; they become its `_id`. Either this or `identity`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// What names a record when no field does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The field that grows with each change of a record (`int`, `long`, `timestamp` or `date`): the highest wins, whatever comes last. Without it, the time of capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What to do with keys of the record that no field reads. A key of which a field reads a part is read.
    #[serde(default)]
    pub unknown_fields: UnknownFields,
    /// One record from each item of this list of the record. The fields read the item; `$parent.…` reads the record around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnest: Option<Path>,
    /// Keep only records of which all of these are true. The others are counted as dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<Condition>,
    /// A record of which all of these are true deletes its document: a tombstone, ranked like any version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete_when: Vec<Condition>,
    /// The fields of a document, in their order.
    pub fields: IndexMap<String, Field>,
}

/// What names a record when no field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// Its content: equal records are one, whatever page brought them. Fields that are `volatile` are left out of it.
    Content,
    /// Its place in `raw/`: equal records stay apart.
    Position,
}

/// What to do with keys of a record that no field reads. It is about the record's own keys: one of which a field reads a part (`from: k.x`) counts as read,
/// so its other parts (`k.y`) are neither kept nor a reason to reject. They stay in `raw/`; to keep the whole, read it with a field of `type: json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// Leave them out. The default; they stay in `raw/`.
    #[default]
    Ignore,
    /// Keep them in the document, as they are.
    Keep,
    /// Reject the record.
    Reject,
}

/// A comparison of a cleaned field. Comparisons with null are false, except `is_null` and `not_equals`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field: one of the contract's.
    pub field: String,
    #[serde(flatten)]
    pub test: Test,
}

/// What a [`Condition`] asks. One key names the comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Equal to this value.
    Equals(Scalar),
    /// Not equal to this value; null is not equal to any.
    NotEquals(Scalar),
    /// Less than this value.
    LessThan(Scalar),
    /// At most this value.
    AtMost(Scalar),
    /// More than this value.
    MoreThan(Scalar),
    /// At least this value.
    AtLeast(Scalar),
    /// One of these values.
    OneOf(Vec<Scalar>),
    /// Null (`true`), or not null (`false`).
    IsNull(bool),
}

/// One field of a document: where it comes from, its type, its rules. The rules are applied in this order: `trim`, `empty_as_null`, `null_values`,
/// `map`, the type (with `format`, `split`), `default`, then the bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Where the value is in the record: `properties.mag`, `geometry.coordinates[2]`, `$` for the whole record, `$parent.id` with `unnest`. Without it, the field's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Path>,
    /// The type of the value.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// What the field means, for the data dictionary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the value may be null or missing; a missing one becomes null.
    #[serde(default)]
    pub nullable: bool,
    /// The value in place of null or a missing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Scalar>,
    /// Take white space off both ends of a text.
    #[serde(default)]
    pub trim: bool,
    /// Take an empty text as null.
    #[serde(default)]
    pub empty_as_null: bool,
    /// Values that mean null: `["NA", "0000-00-00", -999]`. They are compared with the text as it is written; one that is a number is compared as a number
    /// too (`-999` is also `-999.0`), save with a code such as `00999`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub null_values: Vec<Scalar>,
    /// Take a value that is not of the type as null rather than reject the record. Needs `nullable` or `default`.
    #[serde(default)]
    pub invalid_as_null: bool,
    /// The least value: a number, or a time or date as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Scalar>,
    /// The greatest value: a number, or a time or date as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Scalar>,
    /// The least length: characters of a `string`, items of a `list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The greatest length: characters of a `string`, items of a `list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// A regular expression that must match somewhere in a `string`; anchor it with `^` and `$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "regex"))]
    pub pattern: Option<String>,
    /// The only values allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Scalar>,
    /// What to put in place of a value, before its type is read: `{M: male, F: female}`. Other values stay.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub map: IndexMap<String, Scalar>,
    /// How a `timestamp` or `date` is written: `iso8601` (the default), `unix_s`, `unix_ms`, or a strptime pattern such as `%d.%m.%Y %H:%M`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "time_format"))]
    pub format: Option<String>,
    /// The time zone of times written without one, such as `America/New_York`. Without it they are taken as UTC. A time that the zone skips or has twice is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "time_zone"))]
    pub time_zone: Option<String>,
    /// What parts the items of a `list` that is written as one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Leave empty items out of a `list`: empty texts and nulls.
    #[serde(default)]
    pub drop_empty: bool,
    /// A change of this field alone does not count as a change of the document. With `identity: content` the field is no part of the content that names one.
    #[serde(default)]
    pub volatile: bool,
    /// What a `list` holds: a type, or a field with its rules (`{type: object, fields: …}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Box<ItemType>>,
    /// The fields of an `object`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub fields: IndexMap<String, Field>,
}

/// What a list holds: a type, or a field with its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant, reason = "always behind the box of `Field::of`")]
pub enum ItemType {
    Type(FieldType),
    Field(Field),
}

/// The type of a value, and how it is kept in BSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Text, kept exactly. A number or truth value becomes its text as written.
    String,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number in binary floating point, 64 bits. The nearest one to what is written.
    Double,
    /// A decimal number, every digit kept: 34 digits at most (Decimal128).
    Decimal,
    /// `true` or `false`; also `1` and `0`, and these as text.
    Bool,
    /// A point in time, kept to the millisecond (finer digits are cut off).
    Timestamp,
    /// A day, kept as its midnight in UTC.
    Date,
    /// An object with `fields` of its own.
    Object,
    /// A list `of` a type.
    List,
    /// A GeoJSON point: `{type: Point, coordinates: [longitude, latitude, …]}`, a list of two or three numbers, or an object with `lat` and `lon`. Kept as a GeoJSON point of longitude and latitude.
    GeoPoint,
    /// Any JSON value, kept as it is.
    Json,
}
