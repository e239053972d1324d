//! Compiles a contract, once an object: paths into trees, texts into patterns, zones and typed constants.

use crate::bson_writer::Header;
use crate::condition::{ConditionPlan, TestPlan};
use crate::plan::{FieldPlan, IdentityPlan, Kind, ListPlan, ObjectPlan, ParentPlan, Plan, SourceForm};
use crate::trie::{Tree, Trie};
use crate::value::time::TimeFormat;
use crate::value::{Bounds, Constant, NullValues, Replacement, Rules};
use pipeline::{Condition, Field, FieldType, FileFormat, Identity, ItemType, Path, Pipeline, Record, Resource, Scalar, Source, Test};
use std::cmp::Ordering;

/// A contract that can't be compiled: `pipeline::check` refuses all such, so another version of it let this one through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the contract of `{resource}` cannot be used: {problem}")]
pub struct ContractError {
    pub resource: String,
    /// What is wrong, and of which field.
    pub problem: String,
}

pub(crate) fn compile(pipeline: &Pipeline, resource: &Resource) -> Result<Plan, ContractError> {
    let failed = |problem| ContractError {
        resource: resource.name.to_string(),
        problem,
    };
    let source = source_form(&pipeline.source, resource).map_err(failed)?;
    record(&resource.record, source).map_err(failed)
}

fn source_form(source: &Source, resource: &Resource) -> Result<SourceForm, String> {
    match source {
        Source::RestApi(_) => Ok(SourceForm::Json {
            selector: resource.endpoint.as_ref().and_then(|endpoint| endpoint.data_selector.clone()),
        }),
        Source::Files(_) => {
            let file = resource.file.as_ref().ok_or("it does not say which file it reads")?;
            match file.format_or_guess().ok_or("it does not say how the file is written")? {
                FileFormat::Csv(csv) => Ok(SourceForm::Csv(csv)),
                FileFormat::Ndjson(_) => Ok(SourceForm::Ndjson),
                FileFormat::Json(json) => Ok(SourceForm::Json {
                    selector: json.data_selector,
                }),
            }
        }
    }
}

fn record(record: &Record, source: SourceForm) -> Result<Plan, String> {
    let mut trie = Trie::default();
    let paths: Vec<(Path, bool)> = record
        .fields
        .iter()
        .map(|(name, field)| place(name, field, record.unnest.is_some()))
        .collect();
    let of = |parent: bool| {
        paths
            .iter()
            .filter(move |(_, from_parent)| *from_parent == parent)
            .map(|(path, _)| path)
    };
    let item = trie.add_tree(of(false));
    let parent = record.unnest.as_ref().map(|list| {
        let tree = trie.add_tree(of(true).chain([list]));
        ParentPlan {
            tree,
            list: trie.slot_of(tree, list).unwrap_or_default(),
        }
    });
    let mut fields = Vec::with_capacity(paths.len());
    for ((name, field), (path, from_parent)) in record.fields.iter().zip(&paths) {
        let tree = parent.as_ref().filter(|_| *from_parent).map_or(item, |parent| parent.tree);
        let slot = trie
            .slot_of(tree, path)
            .ok_or_else(|| format!("`{name}`: `{path}` is no path of one value"))?;
        let mut plan = compiled(name, field, &mut trie)?;
        plan.from_parent = *from_parent;
        plan.slot = slot;
        plan.unhashed = field.volatile || record.version.as_deref() == Some(name);
        fields.push(plan);
    }
    let at = |name: &str| record.fields.get_index_of(name).ok_or_else(|| format!("`{name}` is not a field"));
    let identity = match record.identity {
        _ if !record.primary_key.is_empty() => {
            IdentityPlan::Fields(record.primary_key.iter().map(|name| at(name)).collect::<Result<_, _>>()?)
        }
        Some(Identity::Content) => IdentityPlan::Content,
        Some(Identity::Position) => IdentityPlan::Position,
        None => return Err("it has neither `primary_key` nor `identity`".to_owned()),
    };
    Ok(Plan {
        version: record.version.as_deref().map(at).transpose()?,
        filter: conditions(&record.filter, record, &fields)?,
        delete_when: conditions(&record.delete_when, record, &fields)?,
        trie,
        item,
        parent,
        fields,
        unknown: record.unknown_fields,
        identity,
        source,
    })
}

/// Where a field is read, and whether that is in the record around the item.
fn place(name: &str, field: &Field, unnested: bool) -> (Path, bool) {
    let path = field.from.clone().unwrap_or_else(|| Path::key(name));
    match path.parent().filter(|_| unnested && field.from.is_some()) {
        Some(parent) => (parent, true),
        None => (path, false),
    }
}

/// A field without its place in a tree.
fn compiled(name: &str, field: &Field, trie: &mut Trie) -> Result<FieldPlan, String> {
    let failed = |problem: String| if name.is_empty() { problem } else { format!("`{name}`: {problem}") };
    let kind = kind(field, trie).map_err(failed)?;
    let constant = |scalar: &Scalar| Constant::new(scalar, &kind).map_err(failed);
    Ok(FieldPlan {
        name: name.to_owned(),
        header: Header::new(name),
        path: field.from.clone().unwrap_or_else(|| Path::key(name)),
        from_parent: false,
        slot: 0,
        nullable: field.nullable,
        default: field.default.as_ref().map(constant).transpose()?,
        invalid_as_null: field.invalid_as_null,
        rules: rules(field),
        bounds: bounds(field, constant, failed)?,
        volatile: field.volatile,
        unhashed: false,
        kind,
    })
}

fn kind(field: &Field, trie: &mut Trie) -> Result<Kind, String> {
    let time = || TimeFormat::new(field.format.as_deref(), field.time_zone.as_deref());
    Ok(match field.kind {
        FieldType::String => Kind::Text,
        FieldType::Int => Kind::Int,
        FieldType::Long => Kind::Long,
        FieldType::Double => Kind::Double,
        FieldType::Decimal => Kind::Decimal,
        FieldType::Bool => Kind::Bool,
        FieldType::Timestamp => Kind::Timestamp(time()?),
        FieldType::Date => Kind::Date(time()?),
        FieldType::GeoPoint => Kind::GeoPoint,
        FieldType::Json => Kind::Json,
        FieldType::Object => Kind::Object(Box::new(object(field, trie)?)),
        FieldType::List => Kind::List(Box::new(list(field, trie)?)),
    })
}

fn object(field: &Field, trie: &mut Trie) -> Result<ObjectPlan, String> {
    let paths: Vec<Path> = field.fields.iter().map(|(name, inner)| place(name, inner, false).0).collect();
    let tree: Tree = trie.add_tree(&paths);
    let mut fields = Vec::with_capacity(paths.len());
    for ((name, inner), path) in field.fields.iter().zip(&paths) {
        let mut plan = compiled(name, inner, trie)?;
        plan.slot = trie
            .slot_of(tree, path)
            .ok_or_else(|| format!("`{name}`: `{path}` is no path of one value"))?;
        fields.push(plan);
    }
    Ok(ObjectPlan { tree, fields })
}

fn list(field: &Field, trie: &mut Trie) -> Result<ListPlan, String> {
    let item = match field.of.as_deref().ok_or("a list must say what it holds")? {
        ItemType::Field(item) => compiled("", item, trie)?,
        ItemType::Type(kind) => compiled("", &plain(*kind), trie)?,
    };
    Ok(ListPlan {
        item,
        split: field.split.clone(),
        drop_empty: field.drop_empty,
        min_length: field.min_length,
        max_length: field.max_length,
    })
}

/// A field of this type without any rule.
fn plain(kind: FieldType) -> Field {
    Field {
        from: None,
        kind,
        description: None,
        nullable: false,
        default: None,
        trim: false,
        empty_as_null: false,
        null_values: Vec::new(),
        invalid_as_null: false,
        min: None,
        max: None,
        min_length: None,
        max_length: None,
        pattern: None,
        one_of: Vec::new(),
        map: Default::default(),
        format: None,
        time_zone: None,
        split: None,
        drop_empty: false,
        volatile: false,
        of: None,
        fields: Default::default(),
    }
}

fn rules(field: &Field) -> Option<Box<Rules>> {
    let none = !field.trim && !field.empty_as_null && field.null_values.is_empty() && field.map.is_empty();
    (!none).then(|| {
        Box::new(Rules {
            trim: field.trim,
            empty_as_null: field.empty_as_null,
            null_values: NullValues::new(&field.null_values),
            map: field.map.iter().map(|(from, to)| (from.clone(), Replacement::new(to))).collect(),
        })
    })
}

fn bounds(
    field: &Field,
    constant: impl Fn(&Scalar) -> Result<Constant, String>,
    failed: impl Fn(String) -> String,
) -> Result<Option<Box<Bounds>>, String> {
    // A list's length is checked where it is read.
    let text = field.kind == FieldType::String;
    let bounds = Bounds {
        min: field.min.as_ref().map(&constant).transpose()?,
        max: field.max.as_ref().map(&constant).transpose()?,
        min_length: field.min_length.filter(|_| text),
        max_length: field.max_length.filter(|_| text),
        pattern: field
            .pattern
            .as_deref()
            .map(regex::Regex::new)
            .transpose()
            .map_err(|error| failed(error.to_string()))?,
        one_of: field.one_of.iter().map(&constant).collect::<Result<_, _>>()?,
    };
    let none = bounds.min.is_none() && bounds.max.is_none() && bounds.min_length.is_none() && bounds.max_length.is_none();
    Ok((!(none && bounds.pattern.is_none() && bounds.one_of.is_empty())).then(|| Box::new(bounds)))
}

fn conditions(conditions: &[Condition], record: &Record, fields: &[FieldPlan]) -> Result<Vec<ConditionPlan>, String> {
    conditions
        .iter()
        .map(|condition| self::condition(condition, record, fields))
        .collect()
}

fn condition(condition: &Condition, record: &Record, fields: &[FieldPlan]) -> Result<ConditionPlan, String> {
    use Ordering::{Equal, Greater, Less};
    let unknown = || format!("`{}` is not a field", condition.field);
    let at = record.fields.get_index_of(&condition.field).ok_or_else(unknown)?;
    let kind = &fields.get(at).ok_or_else(unknown)?.kind;
    let constant =
        |scalar: &Scalar| Constant::new(scalar, kind).map_err(|problem| format!("a condition on `{}`: {problem}", condition.field));
    let test = match &condition.test {
        Test::Equals(value) => TestPlan::Compared(constant(value)?, &[Equal]),
        Test::LessThan(value) => TestPlan::Compared(constant(value)?, &[Less]),
        Test::AtMost(value) => TestPlan::Compared(constant(value)?, &[Less, Equal]),
        Test::MoreThan(value) => TestPlan::Compared(constant(value)?, &[Greater]),
        Test::AtLeast(value) => TestPlan::Compared(constant(value)?, &[Greater, Equal]),
        Test::NotEquals(value) => TestPlan::NotEquals(constant(value)?),
        Test::OneOf(values) => TestPlan::OneOf(values.iter().map(constant).collect::<Result<_, _>>()?),
        Test::IsNull(null) => TestPlan::IsNull(*null),
    };
    Ok(ConditionPlan { field: at, test })
}
