//! Pure: what the table's items hold, as values of the ledger. Numbers are `N`: exact up to 38 digits.

use super::fault::Fault;
use super::key::{self, Key};
use crate::{
    CollectionClaim, Cursor, Fact, FactKey, Held, Holder, LedgerError, Note, ResourceId, RunRecord, RunState, Stage, lease::StoredLease,
};
use aws_sdk_dynamodb::types::AttributeValue;
use lake::{RawKey, RunId};
use pipeline::Name;
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn texts<const N: usize>(texts: [String; N]) -> AttributeValue {
    AttributeValue::Ss(texts.to_vec())
}

/// An item in the making.
pub(super) struct Made(Item);

impl Made {
    pub(super) fn at(key: &Key) -> Made {
        Made(key_item(key))
    }

    pub(super) fn text(mut self, name: &str, value: impl Into<String>) -> Made {
        self.0.insert(name.to_owned(), text(value));
        self
    }

    pub(super) fn number(mut self, name: &str, value: impl Display) -> Made {
        self.0.insert(name.to_owned(), number(value));
        self
    }

    pub(super) fn number_if(self, name: &str, value: Option<impl Display>) -> Made {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    pub(super) fn text_if(self, name: &str, value: Option<impl Into<String>>) -> Made {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(super) fn done(self) -> Item {
        self.0
    }
}

/// The attributes that name an item.
pub(super) fn key_item(key: &Key) -> Item {
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

/// An item that was read, or a map in it.
pub(super) struct Row<'a> {
    attributes: &'a Item,
    item: &'a Item,
}

impl<'a> Row<'a> {
    pub(super) fn of(item: &'a Item) -> Row<'a> {
        Row { attributes: item, item }
    }

    fn map_if(&self, name: &str) -> Result<Option<Row<'a>>, Fault> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::M(attributes)) => Ok(Some(Row {
                attributes,
                item: self.item,
            })),
            Some(_) => Err(self.damaged(format!("its attribute `{name}` is no map"))),
        }
    }

    pub(super) fn key(&self) -> Result<Key, Fault> {
        Ok(Key {
            pk: self.text("pk")?,
            sk: self.text("sk")?,
        })
    }

    pub(super) fn text(&self, name: &str) -> Result<String, Fault> {
        self.text_if(name)?
            .ok_or_else(|| self.damaged(format!("it has no attribute `{name}`")))
    }

    pub(super) fn text_if(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::S(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.damaged(format!("its attribute `{name}` is no text"))),
        }
    }

    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<T, Fault> {
        self.number_if(name)?
            .ok_or_else(|| self.damaged(format!("it has no attribute `{name}`")))
    }

    pub(super) fn number_if<T: FromStr>(&self, name: &str) -> Result<Option<T>, Fault> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(text)) => {
                let read = text.parse().map_err(|_| self.damaged(format!("its `{name}` cannot be {text}")));
                read.map(Some)
            }
            Some(_) => Err(self.damaged(format!("its attribute `{name}` is no number"))),
        }
    }

    fn name(&self, attribute: &str) -> Result<Name, Fault> {
        Name::new(self.text(attribute)?).map_err(|e| self.damaged(e))
    }

    fn resource(&self) -> Result<ResourceId, Fault> {
        Ok(ResourceId {
            pipeline: self.name("pipeline")?,
            resource: self.name("resource")?,
        })
    }

    pub(super) fn raw(&self) -> Result<RawKey, Fault> {
        RawKey::parse(&self.text("raw")?).map_err(|e| self.damaged(e))
    }

    /// The error of an item that another program wrote, or a person changed.
    pub(super) fn damaged(&self, problem: impl Display) -> Fault {
        let part = |name: &str| match self.item.get(name) {
            Some(AttributeValue::S(text)) => text.as_str(),
            _ => "?",
        };
        LedgerError::Damaged {
            place: format!("the item {} / {}", part("pk"), part("sk")),
            problem: problem.to_string(),
        }
        .into()
    }
}

pub(super) fn definition(key: &Key, definition: &str, generation: u32) -> Item {
    Made::at(key).text("definition", definition).number("generation", generation).done()
}

pub(super) fn read_definition(item: &Item) -> Result<(String, u32), Fault> {
    let row = Row::of(item);
    Ok((row.text("definition")?, row.number("generation")?))
}

pub(super) fn claim(claim: &CollectionClaim) -> Item {
    Made::at(&Key::claim(&claim.collection))
        .text("pipeline", claim.owner.pipeline.as_str())
        .text("resource", claim.owner.resource.as_str())
        .text("key", &claim.key)
        .done()
}

pub(super) fn read_claim(item: &Item, collection: &Name) -> Result<CollectionClaim, Fault> {
    let row = Row::of(item);
    Ok(CollectionClaim {
        collection: collection.clone(),
        owner: row.resource()?,
        key: row.text("key")?,
    })
}

pub(super) fn holder(holder: &Holder) -> AttributeValue {
    let map = Made(Item::new())
        .text("name", &holder.name)
        .number_if("process", holder.process)
        .text_if("process_start", holder.process_start.as_ref());
    AttributeValue::M(map.done())
}

pub(super) fn read_lease(item: &Item) -> Result<StoredLease, Fault> {
    let row = Row::of(item);
    let held = match row.map_if("holder")? {
        None => None,
        Some(holder) => Some(Held {
            holder: Holder {
                name: holder.text("name")?,
                process: holder.number_if("process")?,
                process_start: holder.text_if("process_start")?,
            },
            expires_ms: row.number("expires_ms")?,
        }),
    };
    Ok(StoredLease {
        token: row.number("token")?,
        held,
    })
}

/// The runs that a lease's item says are extracting, the newest first.
pub(super) fn read_extracting(item: &Item) -> Result<Vec<RunId>, Fault> {
    let row = Row::of(item);
    let mut runs = match item.get("extracting") {
        None => Vec::new(),
        Some(AttributeValue::Ss(runs)) => {
            let runs = runs.iter().map(|run| RunId::parse(run).map_err(|e| row.damaged(e)));
            runs.collect::<Result<_, _>>()?
        }
        Some(_) => return Err(row.damaged("its attribute `extracting` is no set of texts")),
    };
    runs.sort_unstable_by(|a, b| b.cmp(a));
    Ok(runs)
}

/// A state as its two attributes.
pub(super) fn state(state: &RunState) -> (&'static str, Option<&str>) {
    match state {
        RunState::Extracting => ("extracting", None),
        RunState::Extracted => ("extracted", None),
        RunState::Failed { message } => ("failed", Some(message)),
        RunState::Skipped { holder } => ("skipped", Some(holder)),
    }
}

pub(super) fn run(run: &RunRecord) -> Item {
    let (state, detail) = state(&run.state);
    Made::at(&Key::run(run.id, &run.resource))
        .text("run", run.id.to_string())
        .text("pipeline", run.resource.pipeline.as_str())
        .text("resource", run.resource.resource.as_str())
        .text("state", state)
        .text_if("detail", detail)
        .text("definition", &run.definition)
        .number("generation", run.generation)
        .text("source", &run.source)
        .number_if("cursor_before", run.cursor_before)
        .number("started_ms", run.started_ms)
        .number_if("ended_ms", run.ended_ms)
        .number("parts", run.parts)
        .number("captures", run.captures)
        .number("bytes", run.bytes)
        .done()
}

pub(super) fn read_run(item: &Item) -> Result<RunRecord, Fault> {
    let row = Row::of(item);
    let detail = row.text_if("detail")?.unwrap_or_default();
    let state = match row.text("state")?.as_str() {
        "extracting" => RunState::Extracting,
        "extracted" => RunState::Extracted,
        "failed" => RunState::Failed { message: detail },
        "skipped" => RunState::Skipped { holder: detail },
        other => return Err(row.damaged(format!("`{other}` is no state of a run"))),
    };
    Ok(RunRecord {
        id: RunId::parse(&row.text("run")?).map_err(|e| row.damaged(e))?,
        resource: row.resource()?,
        definition: row.text("definition")?,
        generation: row.number("generation")?,
        source: row.text("source")?,
        cursor_before: row.number_if("cursor_before")?,
        started_ms: row.number("started_ms")?,
        ended_ms: row.number_if("ended_ms")?,
        state,
        parts: row.number("parts")?,
        captures: row.number("captures")?,
        bytes: row.number("bytes")?,
    })
}

/// Never changed once it is there, so the index costs one write a run.
pub(super) fn mark(run: RunId, resource: &ResourceId) -> Item {
    Made::at(&Key::mark(run, resource))
        .text("gpk", key::ALL_RUNS)
        .text("gsk", key::in_all(run, resource))
        .done()
}

/// Which run a mark is of, by its place in the list of all.
pub(super) fn read_mark(item: &Item) -> Result<(RunId, ResourceId), Fault> {
    let row = Row::of(item);
    let place = row.text("gsk")?;
    let segments: Vec<&str> = place.split('#').collect();
    let [run, pipeline, resource] = segments.as_slice() else {
        return Err(row.damaged(format!("its `gsk` is `{place}`, expected RUN#PIPELINE#RESOURCE")));
    };
    let name = |text: &str| Name::new(text).map_err(|e| row.damaged(e));
    Ok((
        RunId::parse(run).map_err(|e| row.damaged(e))?,
        ResourceId {
            pipeline: name(pipeline)?,
            resource: name(resource)?,
        },
    ))
}

/// An intent, and the item that says that its part is owed, are alike but for their places.
pub(super) fn intent(key: &Key, raw: &RawKey, definition: &str, generation: u32) -> Item {
    Made::at(key)
        .text("raw", raw.key().as_str())
        .text("definition", definition)
        .number("generation", generation)
        .done()
}

/// Reads the raw key, the definition and its generation.
pub(super) fn read_owed(item: &Item) -> Result<(RawKey, String, u32), Fault> {
    let row = Row::of(item);
    Ok((row.raw()?, row.text("definition")?, row.number("generation")?))
}

pub(super) fn cursor(key: &Key, cursor: Cursor) -> Item {
    Made::at(key).number("value", cursor.value).done()
}

pub(super) fn read_cursor(item: &Item) -> Result<Cursor, Fault> {
    let value = Row::of(item).number("value")?;
    Ok(Cursor { value })
}

pub(super) fn fact(key: &FactKey, fact: &Fact, at_ms: i64) -> Result<Item, Fault> {
    let tally = match fact {
        Fact::Clean(tally) => serde_json::to_string(tally),
        Fact::Load(tally) => serde_json::to_string(tally),
    };
    let item = Made::at(&Key::fact(key))
        .text("raw", key.raw.key().as_str())
        .text("stage", key.stage.as_str())
        .text("tally", tally.map_err(|e| Fault::Unavailable(e.into()))?)
        .number("at_ms", at_ms);
    Ok(item.done())
}

pub(super) fn read_fact(item: &Item) -> Result<(RawKey, Stage, Fact), Fault> {
    let row = Row::of(item);
    let tally = row.text("tally")?;
    let (stage, fact) = match row.text("stage")?.as_str() {
        "clean" => (Stage::Clean, serde_json::from_str(&tally).map(Fact::Clean)),
        "load" => (Stage::Load, serde_json::from_str(&tally).map(Fact::Load)),
        other => return Err(row.damaged(format!("`{other}` is no stage"))),
    };
    let fact = fact.map_err(|e| row.damaged(format!("its tally is unreadable: {e}")))?;
    Ok((row.raw()?, stage, fact))
}

pub(super) fn note(key: &Key, note: &Note) -> Item {
    Made::at(key).number("revision", note.revision).text("text", &note.text).done()
}

pub(super) fn read_note(item: &Item) -> Result<Note, Fault> {
    let row = Row::of(item);
    Ok(Note {
        text: row.text("text")?,
        revision: row.number("revision")?,
    })
}
