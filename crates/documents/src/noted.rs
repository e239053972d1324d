//! How a version is spelled in a document of `tidemill.collections`. Pure.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};

use crate::Version;

/// The collection of what is noted of others.
pub(crate) const CONTROL: &str = "tidemill.collections";

pub(crate) fn run(version: Version) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: version.run.to_vec(),
    }
}

pub(crate) fn version(version: Version) -> Document {
    doc! { "run": run(version), "generation": i64::from(version.generation) }
}

/// The version in a field; `Some(None)` if there is none, `None` if it can't be read.
pub(crate) fn version_in(document: &Document, field: &str) -> Option<Option<Version>> {
    match document.get(field) {
        None | Some(Bson::Null) => Some(None),
        Some(Bson::Document(version)) => understand(version).map(Some),
        Some(_) => None,
    }
}

fn understand(document: &Document) -> Option<Version> {
    let run = document.get_binary_generic("run").ok()?;
    let generation = match document.get("generation")? {
        Bson::Int32(generation) => i64::from(*generation),
        Bson::Int64(generation) => *generation,
        _ => return None,
    };
    Some(Version {
        run: run.as_slice().try_into().ok()?,
        generation: u32::try_from(generation).ok()?,
    })
}
