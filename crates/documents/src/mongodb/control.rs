//! What Tidemill notes of a collection, in `tidemill.collections`: one document a collection, changed only where it is as it was read.

use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use mongodb::Collection;
use pipeline::Name;

use super::MongoDocuments;
use super::error::{Fault, FaultKind};
use super::uri::MAJORITY_MAX;
use crate::Version;
use crate::contract::{FoundIndex, IndexSpec};
use crate::noted::{self, version_in};

pub(super) use crate::noted::CONTROL;

/// What is noted of a collection; nothing yet is the default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Control {
    /// The version that readers see, or will as soon as `swap` is done.
    pub visible: Option<Version>,
    /// What is to become the collection that readers see.
    pub swap: Option<Swap>,
    /// The indexes that Tidemill made, or is about to. No other is ever changed or dropped, though it has the name of one of these.
    pub indexes: Vec<IndexSpec>,
}

/// A ready collection on its way to the place of the one that readers see.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Swap {
    /// The name of the ready one, which no other has or had.
    pub from: String,
    /// The UUID of the collection whose place it takes, by which it is known whether it still has that place; of none there is none.
    pub replaced: Option<Vec<u8>>,
    /// What readers saw before.
    pub previous: Option<Version>,
}

impl Control {
    /// Whether Tidemill made the index, and nobody another of its name since.
    pub(super) fn made(&self, index: &FoundIndex) -> bool {
        self.indexes.iter().any(|made| index.is(made))
    }
}

/// Reads it as a majority of the servers has it.
pub(super) async fn read(store: &MongoDocuments, name: &Name) -> Result<Control, Fault> {
    let filter = doc! { "_id": name.as_str() };
    let found = store
        .link
        .attempt(|database| {
            let filter = filter.clone();
            async move { database.collection::<Document>(CONTROL).find_one(filter).await }
        })
        .await?;
    found.map_or_else(|| Ok(Control::default()), |document| understand(&document))
}

/// What is noted of a collection without what is of the moment: whose turn it is, and a swap that is under way. Of that the readers see what they saw before.
pub(super) fn settled(noted: &RawDocument) -> Result<RawDocumentBuf, Fault> {
    let unreadable = |_| damaged("it is not BSON");
    let previous = match noted.get("swap").map_err(unreadable)? {
        Some(RawBsonRef::Document(swap)) => Some(swap.get("previous").map_err(unreadable)?.unwrap_or(RawBsonRef::Null)),
        _ => None,
    };
    let mut settled = RawDocumentBuf::new();
    for element in noted {
        let (name, value) = element.map_err(unreadable)?;
        match (name.as_str(), previous) {
            ("turn" | "confirmed", _) | ("swap", Some(_)) => {}
            ("visible", Some(previous)) => settled.append(cstr!("visible"), RawBson::from(previous)),
            _ => settled.append(name, RawBson::from(value)),
        }
    }
    Ok(settled)
}

/// Sets `visible` and `swap` if they are still as `expected` says; `false` if another process changed them.
pub(super) async fn change(store: &MongoDocuments, name: &Name, expected: &Control, new: &Control) -> Result<bool, Fault> {
    let filter = filter(name, expected);
    let update =
        doc! { "$set": { "visible": new.visible.map_or(Bson::Null, version), "swap": new.swap.as_ref().map_or(Bson::Null, swap) } };
    // Only a collection of which nothing is noted may need a new document; if there is one that is otherwise, its `_id` is taken.
    let upsert = expected.visible.is_none() && expected.swap.is_none();
    let result = store
        .link
        .attempt(|database| {
            let (filter, update) = (filter.clone(), update.clone());
            async move {
                let control: Collection<Document> = database.collection(CONTROL);
                control.update_one(filter, update).upsert(upsert).await
            }
        })
        .await;
    match result {
        Ok(result) => Ok(result.matched_count > 0 || result.upserted_id.is_some()),
        Err(fault) if fault.kind == FaultKind::Duplicate => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Waits until whatever the server had done before this call is on a majority of the servers; `false` if another process changed what is noted meanwhile.
pub(super) async fn confirm(store: &MongoDocuments, name: &Name, expected: &Control) -> Result<bool, Fault> {
    let (filter, update) = (filter(name, expected), doc! { "$set": { "confirmed": ObjectId::new() } });
    let result = store.link.attempt(|database| {
        let (filter, update) = (filter.clone(), update.clone());
        async move { database.collection::<Document>(CONTROL).update_one(filter, update).await }
    });
    Ok(result.await?.matched_count > 0)
}

/// Notes that an index is ours, before it is made.
pub(super) async fn note_index(store: &MongoDocuments, name: &Name, index: &IndexSpec) -> Result<(), Fault> {
    update(store, name, doc! { "$addToSet": { "indexes": note(index)? } }, true).await
}

/// Notes that an index of ours is gone.
pub(super) async fn forget_index(store: &MongoDocuments, name: &Name, index: &IndexSpec) -> Result<(), Fault> {
    update(store, name, doc! { "$pull": { "indexes": note(index)? } }, false).await
}

/// The collection in which a version is built, out of readers' sight.
pub(super) fn staged(name: &Name, version: Version) -> String {
    format!("tidemill.staged.{name}.{}", spell(version))
}

/// A version as a part of a collection's name: names sort as versions.
pub(super) fn spell(version: Version) -> String {
    let run: String = version.run.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{run}.{:010}", version.generation)
}

/// The write concern of a command, which has none of the client's.
pub(super) fn majority() -> Document {
    doc! { "w": "majority", "wtimeout": MAJORITY_MAX.as_millis() as i64 }
}

async fn update(store: &MongoDocuments, name: &Name, update: Document, upsert: bool) -> Result<(), Fault> {
    let filter = doc! { "_id": name.as_str() };
    match put(store, &filter, &update, upsert).await {
        // Another process made the document at the same moment: now there is one to update.
        Err(fault) if fault.kind == FaultKind::Duplicate => put(store, &filter, &update, upsert).await.map(drop),
        result => result.map(drop),
    }
}

/// Makes a change that may be made twice, and is when the first may not last; `false` if there was nothing to change.
pub(super) async fn put(store: &MongoDocuments, filter: &Document, update: &Document, upsert: bool) -> Result<bool, Fault> {
    let write = || {
        store.link.attempt(|database| {
            let (filter, update) = (filter.clone(), update.clone());
            async move {
                let control: Collection<Document> = database.collection(CONTROL);
                control.update_one(filter, update).upsert(upsert).await
            }
        })
    };
    let result = match write().await {
        Err(fault) if fault.kind == FaultKind::Passing => write().await?,
        result => result?,
    };
    Ok(result.matched_count > 0 || result.upserted_id.is_some())
}

fn filter(name: &Name, expected: &Control) -> Document {
    let mut filter = doc! { "_id": name.as_str() };
    // Field by field, for documents are equal only when their fields are in one order.
    match &expected.swap {
        Some(swap) => filter.insert("swap.from", swap.from.clone()),
        None => filter.insert("swap", Bson::Null),
    };
    match expected.visible {
        Some(version) => {
            filter.insert("visible.run", noted::run(version));
            filter.insert("visible.generation", i64::from(version.generation));
        }
        None => {
            filter.insert("visible", Bson::Null);
        }
    }
    filter
}

fn swap(swap: &Swap) -> Bson {
    let replaced = swap.replaced.as_deref().map_or(Bson::Null, |uuid| {
        Bson::Binary(Binary {
            subtype: BinarySubtype::Uuid,
            bytes: uuid.to_vec(),
        })
    });
    Bson::Document(doc! { "from": &swap.from, "replaced": replaced, "previous": swap.previous.map_or(Bson::Null, version) })
}

fn version(version: Version) -> Bson {
    Bson::Document(noted::version(version))
}

fn understand(document: &Document) -> Result<Control, Fault> {
    let visible = version_in(document, "visible").ok_or_else(|| damaged("`visible` is not a version"))?;
    let swap = match document.get("swap") {
        None | Some(Bson::Null) => None,
        Some(Bson::Document(swap)) => Some(understand_swap(swap).ok_or_else(|| damaged("`swap` does not say what is to be renamed"))?),
        Some(_) => return Err(damaged("`swap` does not say what is to be renamed")),
    };
    let indexes = match document.get("indexes") {
        None | Some(Bson::Null) => Vec::new(),
        Some(Bson::Array(notes)) => {
            let indexes = notes
                .iter()
                .map(|noted| understand_note(noted).ok_or_else(|| damaged("`indexes` holds what is not an index")));
            indexes.collect::<Result<_, _>>()?
        }
        Some(_) => return Err(damaged("`indexes` is not a list")),
    };
    Ok(Control { visible, swap, indexes })
}

/// An index as it is noted. Keys and options are BSON within BSON: as documents of a document, some servers would not take their `$` and dots.
fn note(index: &IndexSpec) -> Result<Document, Fault> {
    let bytes = |document: &Document| {
        let bytes = document.to_vec().map_err(|_| damaged("an index can't be noted"))?;
        Ok(Binary {
            subtype: BinarySubtype::Generic,
            bytes,
        })
    };
    Ok(doc! { "name": &index.name, "keys": bytes(&index.keys)?, "options": bytes(&index.options)? })
}

fn understand_note(noted: &Bson) -> Option<IndexSpec> {
    let noted = noted.as_document()?;
    let document = |field| Document::from_reader(noted.get_binary_generic(field).ok()?.as_slice()).ok();
    Some(IndexSpec {
        name: noted.get_str("name").ok()?.to_owned(),
        keys: document("keys")?,
        options: document("options")?,
    })
}

fn understand_swap(swap: &Document) -> Option<Swap> {
    Some(Swap {
        from: swap.get_str("from").ok()?.to_owned(),
        replaced: match swap.get("replaced") {
            None | Some(Bson::Null) => None,
            Some(Bson::Binary(uuid)) => Some(uuid.bytes.clone()),
            Some(_) => return None,
        },
        previous: version_in(swap, "previous")?,
    })
}

fn damaged(problem: &str) -> Fault {
    Fault::damaged(format!("what is noted of it in `{CONTROL}` can't be read: {problem}"))
}
