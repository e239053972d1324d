//! Putting back, and taking away. What the file can't hold is refused, and nothing of it is written.

use bson::{Document, RawDocument};
use pipeline::Name;
use rusqlite::{Connection, TransactionBehavior};

use super::super::write::insert_all;
use super::super::{Failure, tables};
use super::look::RESTORE;
use crate::noted::{CONTROL, version_in};
use crate::prepare::Prepared;
use crate::{Batch, DocumentsError, Namespace, NamespaceKind, PutBack, Target, Version};

/// Whether the file can hold a collection.
pub(super) fn fits(namespace: &Namespace) -> Result<(), DocumentsError> {
    let simple = |collation: &Document| collation.get_str("locale").is_ok_and(|locale| locale == "simple");
    let problem = match namespace.kind {
        NamespaceKind::View => "it is a view",
        NamespaceKind::TimeSeries => "it is a time series",
        NamespaceKind::Collection
            if namespace
                .options
                .get_document("collation")
                .is_ok_and(|collation| !simple(collation)) =>
        {
            "it has a collation of its own, by which different keys may be one"
        }
        NamespaceKind::Collection => return collection_named(&namespace.name).map(drop),
    };
    Err(unfit(&namespace.name, problem))
}

fn unfit(collection: &str, problem: &str) -> DocumentsError {
    DocumentsError::Unfit {
        collection: collection.to_owned(),
        problem: problem.to_owned(),
    }
}

/// A collection of documents, or, if `None`, the one of what is noted.
fn collection_named(name: &str) -> Result<Option<Name>, DocumentsError> {
    if name == CONTROL {
        return Ok(None);
    }
    let problem = "its name is none of those that a pipeline may give (a lower-case letter, then lower-case letters, digits, `_` and `-`)";
    Name::new(name).map(Some).map_err(|_| unfit(name, problem))
}

/// What the file keeps nothing of.
pub(super) fn left_out(namespace: &Namespace) -> Vec<String> {
    let indexes = namespace.indexes.iter().filter_map(|index| index.get_str("name").ok());
    let mut what: Vec<String> = indexes
        .filter(|name| *name != "_id_")
        .map(|name| format!("the index `{name}`"))
        .collect();
    what.extend(namespace.options.keys().map(|option| format!("the option `{option}`")));
    if what.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "the embedded store keeps documents only: of `{}` it has not kept {}",
        namespace.name,
        what.join(", ")
    )]
}

pub(super) fn create(connection: &mut Connection, name: &str) -> Result<(), Failure> {
    let Ok(name) = Name::new(name) else {
        return Ok(());
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tables::place(&transaction, &target(&name))?;
    Ok(transaction.commit()?)
}

fn target(name: &Name) -> Target {
    Target {
        collection: name.clone(),
        version: None,
    }
}

/// What was read of documents, and can be put back.
pub(super) enum Ready<'d> {
    Documents(Name, Prepared<'d>),
    /// Names of collections, and the versions of them that readers saw, if any.
    Noted(Vec<(Name, Option<Version>)>),
}

pub(super) fn ready<'d>(collection: &'d str, documents: &'d [&'d RawDocument]) -> Result<Ready<'d>, DocumentsError> {
    let Some(name) = collection_named(collection)? else {
        let noted = documents.iter().map(|document| noted(document));
        let noted: Option<Vec<_>> = noted.collect();
        let problem = "it has a document that does not say which version of which collection readers see";
        return noted.map(Ready::Noted).ok_or_else(|| unfit(collection, problem));
    };
    let batch = Batch {
        object: collection,
        ordinal: 0,
        documents,
    };
    let foreign = |problem: &str| unfit(collection, &format!("it has a document that Tidemill did not write ({problem})"));
    let prepared = match Prepared::new(&batch) {
        Ok(prepared) => prepared,
        Err(DocumentsError::NotClean { problem, .. }) => return Err(foreign(problem)),
        Err(error) => return Err(error),
    };
    match prepared.refusals.first() {
        Some(refusal) => Err(foreign(&refusal.message)),
        None => Ok(Ready::Documents(name, prepared)),
    }
}

fn noted(document: &RawDocument) -> Option<(Name, Option<Version>)> {
    let document = Document::try_from(document).ok()?;
    let name = Name::new(document.get_str("_id").ok()?).ok()?;
    Some((name, version_in(&document, "visible")?))
}

pub(super) fn put_back(connection: &mut Connection, ready: &Ready<'_>) -> Result<PutBack, Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut put = PutBack::default();
    match ready {
        Ready::Documents(name, prepared) => {
            if let tables::Place::Table(table) = tables::place(&transaction, &target(name))? {
                put.inserted = insert_all(&transaction, &table, prepared)?;
            }
            put.already_there = prepared.candidates.len() as u64 + prepared.superseded - put.inserted;
        }
        Ready::Noted(noted) => {
            for (name, version) in noted {
                // Of one without a version there is nothing to keep but indexes.
                let new = version.map(|version| tables::adopt(&transaction, name, version)).transpose()?;
                put.inserted += u64::from(new != Some(false));
                put.already_there += u64::from(new == Some(false));
            }
        }
    }
    transaction.commit()?;
    Ok(put)
}

/// What is noted of a collection goes with it. Receipts don't tell which collection they are of, so all of them go: a batch that is written again is judged again.
pub(super) fn drop_namespace(connection: &mut Connection, name: &str) -> Result<(), Failure> {
    let Ok(name) = Name::new(name) else {
        return Ok(());
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tables::drop_all_of(&transaction, &name)?;
    transaction.execute_batch(r#"DELETE FROM "tidemill:receipts""#)?;
    Ok(transaction.commit()?)
}

pub(super) fn set_mark(connection: &mut Connection, text: Option<&str>) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(&format!(r#"DROP TABLE IF EXISTS "{RESTORE}""#))?;
    if let Some(text) = text {
        transaction.execute_batch(&format!(r#"CREATE TABLE "{RESTORE}" (text TEXT NOT NULL) STRICT"#))?;
        transaction.execute(&format!(r#"INSERT INTO "{RESTORE}" VALUES (?)"#), [text])?;
    }
    Ok(transaction.commit()?)
}
