//! A contract compiled: what each record is held against. Made by `contract`, read by everything else.

use crate::bson_writer::Header;
use crate::condition::ConditionPlan;
use crate::trie::{Tree, Trie};
use crate::value::time::TimeFormat;
use crate::value::{Bounds, Constant, Rules};
use pipeline::{Csv, Path, UnknownFields};

/// A compiled contract.
#[derive(Debug)]
pub(crate) struct Plan {
    pub trie: Trie,
    /// The tree of the record, or with `unnest` of the item.
    pub item: Tree,
    pub parent: Option<ParentPlan>,
    pub fields: Vec<FieldPlan>,
    pub unknown: UnknownFields,
    pub identity: IdentityPlan,
    /// The place of the version's field.
    pub version: Option<usize>,
    pub filter: Vec<ConditionPlan>,
    pub delete_when: Vec<ConditionPlan>,
    pub source: SourceForm,
}

/// With `unnest`: the record around the items.
#[derive(Debug)]
pub(crate) struct ParentPlan {
    pub tree: Tree,
    /// The slot of the list.
    pub list: u32,
}

/// What `_id` is made from.
#[derive(Debug)]
pub(crate) enum IdentityPlan {
    /// The places of the key's fields.
    Fields(Vec<usize>),
    Content,
    Position,
}

/// Where the records are in a capture.
#[derive(Debug)]
pub(crate) enum SourceForm {
    /// One JSON document: the records are where the selector looks.
    Json {
        selector: Option<Path>,
    },
    Ndjson,
    Csv(Csv),
}

/// One field, or what a list holds.
#[derive(Debug)]
pub(crate) struct FieldPlan {
    /// Empty for a list's item.
    pub name: String,
    /// The name as BSON has it.
    pub header: Header,
    /// Where its value is looked for, as the user wrote it.
    pub path: Path,
    /// Whether it is read from the record around the item.
    pub from_parent: bool,
    pub slot: u32,
    pub kind: Kind,
    pub nullable: bool,
    pub default: Option<Constant>,
    pub invalid_as_null: bool,
    pub rules: Option<Box<Rules>>,
    pub bounds: Option<Box<Bounds>>,
    /// A change of it alone is none, and it is no part of the content that names a document.
    pub volatile: bool,
    /// Left out of the hash: the version, and volatile fields.
    pub unhashed: bool,
}

/// A type, with what reading it needs.
#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    Int,
    Long,
    Double,
    Decimal,
    Bool,
    Timestamp(TimeFormat),
    Date(TimeFormat),
    GeoPoint,
    Json,
    Object(Box<ObjectPlan>),
    List(Box<ListPlan>),
}

#[derive(Debug)]
pub(crate) struct ObjectPlan {
    pub tree: Tree,
    pub fields: Vec<FieldPlan>,
}

#[derive(Debug)]
pub(crate) struct ListPlan {
    pub item: FieldPlan,
    pub split: Option<String>,
    pub drop_empty: bool,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
}

impl Kind {
    /// As a pipeline file writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Double => "double",
            Kind::Decimal => "decimal",
            Kind::Bool => "bool",
            Kind::Timestamp(_) => "timestamp",
            Kind::Date(_) => "date",
            Kind::GeoPoint => "geo_point",
            Kind::Json => "json",
            Kind::Object(_) => "object",
            Kind::List(_) => "list",
        }
    }
}
