//! What a history must lead to, computed from the set of its records alone: no order of delivery, no store, no code of the product but the types
//! of the port. Slow and plain on purpose.

use super::history::{Capture, Definition, Disposition, History, Raw};
use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use lake::RunId;
use ledger::{CleanTally, Place, Rank};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What lies in `raw/` in the end: the captures of each part, by (run, part).
pub type RawObjects = BTreeMap<(RunId, u32), Vec<Capture>>;

/// A part cleaned under a definition, by its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cleaning {
    pub run: RunId,
    pub part: u32,
    pub generation: u32,
}

/// (version, generation, captured at, run, part, line, item)
type Order = (i64, u32, i64, RunId, u32, u32, u32);

/// A clean document.
#[derive(Clone, Debug)]
pub struct Made {
    pub order: Order,
    pub id: Bson,
    /// Equal for ids that are the same key.
    pub id_text: String,
    pub deleted: bool,
    pub bytes: Vec<u8>,
}

/// Cleans one part: the documents, in order, and the tally.
pub fn clean(history: &History, raw: &RawObjects, cleaning: Cleaning) -> (Vec<Made>, CleanTally) {
    let definition = history.definition(cleaning.generation);
    let mut tally = CleanTally::default();
    let mut made = Vec::new();
    let mut latest: BTreeMap<String, (Raw, usize)> = BTreeMap::new();
    for (line, capture) in raw[&(cleaning.run, cleaning.part)].iter().enumerate() {
        for (item, record) in capture.records.iter().enumerate() {
            tally.records_in += 1;
            let place = Place {
                run: cleaning.run,
                part: cleaning.part,
                line: line as u32 + 1,
                item: item as u32,
            };
            let document = document(history, definition, cleaning.generation, capture.at_ms, *record, place);
            if record.value > definition.value_max {
                tally.rejected += 1;
            } else if definition.drop_every > 0 && record.value % definition.drop_every == 0 {
                tally.dropped += 1;
            } else if latest
                .get(&document.id_text)
                .is_some_and(|(same, on)| same == record && (history.has_version || *on == line))
            {
                tally.duplicates += 1;
            } else {
                latest.insert(document.id_text.clone(), (*record, line));
                tally.out += 1;
                made.push(document);
            }
        }
    }
    (made, tally)
}

fn document(history: &History, definition: &Definition, generation: u32, at_ms: i64, record: Raw, place: Place) -> Made {
    let value = record.value * definition.factor;
    let mut hasher = DefaultHasher::new();
    (record.key, value, record.deleted).hash(&mut hasher);
    let hash = hasher.finish();
    let key = if definition.long_keys {
        Bson::Int64(record.key.into())
    } else {
        Bson::Int32(record.key)
    };
    let (id, id_text) = match history.disposition {
        Disposition::Merge | Disposition::Replace => (key.clone(), record.key.to_string()),
        Disposition::AppendContent => {
            let text = format!("{:?}", (record.key, record.version, value, record.volatile, record.deleted));
            (Bson::String(text.clone()), text)
        }
        Disposition::AppendPosition => {
            let text = format!("{}/{}/{}/{}", place.run, place.part, place.line, place.item);
            (Bson::String(text.clone()), text)
        }
    };
    let version = if history.has_version { record.version } else { at_ms };
    let rank = Rank::new(version, generation, at_ms, place);
    let binary = |bytes: &[u8]| Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    };
    let hash = [hash.to_be_bytes(), (!hash).to_be_bytes()].concat();
    let mut tidemill = doc! {
        "run": place.run.to_string(), "at": bson::DateTime::from_millis(at_ms), "version": version, "rank": binary(&rank.0), "hash": binary(&hash),
    };
    if record.deleted {
        tidemill.insert("deleted", true);
    }
    let document: Document = doc! {"_id": id.clone(), "key": key, "value": value, "volatile": record.volatile, "_tidemill": tidemill};
    Made {
        order: (version, generation, at_ms, place.run, place.part, place.line, place.item),
        id,
        id_text,
        deleted: record.deleted,
        bytes: document.to_vec().unwrap(),
    }
}

/// What must be in the store.
#[derive(Default)]
pub struct Expected {
    /// The highest document of each key.
    pub highest: BTreeMap<String, Made>,
    /// The version readers see, for `replace`.
    pub visible: Option<(RunId, u32)>,
}

/// The end of merge and append: the highest rank of each key wins, whoever came last.
pub fn merged(history: &History, raw: &RawObjects, cleanings: &BTreeSet<Cleaning>) -> Expected {
    let mut expected = Expected::default();
    for cleaning in cleanings {
        for made in clean(history, raw, *cleaning).0 {
            match expected.highest.get(&made.id_text) {
                Some(there) if there.order >= made.order => {}
                _ => {
                    expected.highest.insert(made.id_text.clone(), made);
                }
            }
        }
    }
    expected
}

/// The end of replace: the newest (run, generation) that is whole, within its limits, and not empty without leave.
pub fn replaced(history: &History, raw: &RawObjects, cleanings: &BTreeSet<Cleaning>, markers: &BTreeMap<(RunId, u32), u32>) -> Expected {
    let mut newest = Expected::default();
    for ((run, generation), parts) in markers {
        let of_run: BTreeSet<Cleaning> = cleanings
            .iter()
            .filter(|c| c.run == *run && c.generation == *generation)
            .copied()
            .collect();
        let mut tally = CleanTally::default();
        for cleaning in &of_run {
            tally += clean(history, raw, *cleaning).1;
        }
        let whole = of_run.len() == *parts as usize;
        if whole
            && tally.rejected <= history.reject_limit
            && (tally.out > 0 || history.allow_empty)
            && newest.visible < Some((*run, *generation))
        {
            newest = merged(history, raw, &of_run);
            newest.visible = Some((*run, *generation));
        }
    }
    newest
}
