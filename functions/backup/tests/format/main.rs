//! The format of a backup: what is written is what the public description says, what is read is what was written, and whatever else is an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bytes;
mod damage;
mod independent;
mod manifests;
mod metadata;
mod round_trip;

use backup::archive::{ArchiveError, Described, Event, Prelude, Reader, Writer};
use backup::hash::Sums;
use bson::RawDocumentBuf;
use std::collections::BTreeMap;

/// What an archive is made of, and what one is read as.
#[derive(Clone, Debug, Default, PartialEq)]
struct Content {
    views: Vec<String>,
    collections: BTreeMap<String, Vec<RawDocumentBuf>>,
}

const DATABASE: &str = "shop";

impl Content {
    fn prelude(&self) -> Prelude {
        let described = |name: &String, view| Described {
            name: name.clone(),
            view,
            metadata: format!(r#"{{"options":{{}},"indexes":[],"collectionName":"{name}"}}"#),
            size: 7,
        };
        let views = self.views.iter().map(|name| described(name, true));
        Prelude {
            database: DATABASE.to_owned(),
            server_version: "8.0.4".to_owned(),
            tool_version: "tidemill 0.1.0".to_owned(),
            namespaces: self.collections.keys().map(|name| described(name, false)).chain(views).collect(),
        }
    }

    fn sums(&self) -> BTreeMap<String, Sums> {
        let of = |documents: &[RawDocumentBuf]| {
            let mut sums = Sums::default();
            documents.iter().for_each(|document| sums.add(document));
            sums
        };
        let views = self.views.iter().map(|name| (name.clone(), Sums::default()));
        let collections = self.collections.iter().map(|(name, documents)| (name.clone(), of(documents)));
        collections.chain(views).collect()
    }

    /// The parts, each of at most so many bytes if its documents allow.
    fn write(&self, part_bytes_max: usize) -> Vec<Vec<u8>> {
        let new = || Writer::new(DATABASE, part_bytes_max);
        let (mut writer, mut parts) = (new(), Vec::new());
        writer.prelude(&self.prelude()).unwrap();
        let mut room = |writer: &mut Writer, bytes| {
            if !writer.has_room(bytes) {
                parts.push(std::mem::replace(writer, new()).finish().unwrap());
            }
        };
        for (name, documents) in &self.collections {
            for document in documents {
                room(&mut writer, document.as_bytes().len());
                writer.document(name, document).unwrap();
            }
            room(&mut writer, 0);
            writer.end(name, self.sums()[name].crc64).unwrap();
        }
        for name in &self.views {
            room(&mut writer, 0);
            writer.end(name, Sums::default().crc64).unwrap();
        }
        parts.push(writer.finish().unwrap());
        parts
    }
}

/// Reads parts, given in pieces of so many bytes.
fn read(parts: &[Vec<u8>], piece_bytes: usize) -> Result<(Content, BTreeMap<String, Sums>), ArchiveError> {
    let (mut reader, mut content) = (Reader::of_archive(), Content::default());
    for part in parts {
        for mut piece in part.chunks(piece_bytes) {
            while let Some(event) = reader.next(&mut piece)? {
                take(&mut content, event);
            }
            assert!(piece.is_empty());
        }
        reader.end_part()?;
    }
    Ok((content, reader.finish()?))
}

fn take(content: &mut Content, event: Event<'_>) {
    match event {
        Event::Prelude(prelude) => {
            for Described { name, view, .. } in prelude.namespaces {
                if view {
                    content.views.push(name);
                } else {
                    content.collections.insert(name, Vec::new());
                }
            }
        }
        Event::Documents(documents) => {
            let to = content.collections.entry(documents.collection.to_owned()).or_default();
            let before = to.len();
            to.extend(documents.iter().map(|document| document.to_owned()));
            assert_eq!(to.len() - before, documents.count);
        }
        Event::End { .. } => {}
    }
}

/// Two collections, an empty one, and a view.
fn small() -> Content {
    let document = |id: i32| bson::rawdoc! { "_id": id, "name": "mill", "tides": [1.5, id] };
    Content {
        views: vec!["seen".to_owned()],
        collections: BTreeMap::from([
            ("empty".to_owned(), vec![]),
            ("first".to_owned(), (0..5).map(document).collect()),
            ("second".to_owned(), (0..9).map(document).collect()),
        ]),
    }
}
