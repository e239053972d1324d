//! What a restore would do, worked out from the backup and from what is there. Pure.

use crate::output::{
    numbers::{count, counted, moment},
    plain::plain,
    tables::{Column, table},
};
use ::backup::manifest::{Collection, Manifest};
use documents::{Namespace, Server};
use serde_json::{Value, json};

/// The embedded store has no version.
const EMBEDDED_VERSION: &str = "0.0.0";
/// What the names of our own collections begin with.
const OURS: &str = "tidemill.";

/// What is restored, and what becomes of what is there.
pub(super) struct Plan<'a> {
    manifest: &'a Manifest,
    /// Where to, in words.
    into: String,
    chosen: Vec<Step<'a>>,
    /// What is there and not restored: it stays.
    untouched: Vec<&'a str>,
    /// The target is the database that was backed up, by its name and its kind.
    is_same: bool,
    /// It was begun before, and goes on.
    pub goes_on: bool,
}

/// One collection or view.
struct Step<'a> {
    collection: &'a Collection,
    /// What stands there under its name.
    there: Option<&'a Namespace>,
}

impl<'a> Plan<'a> {
    pub fn new(
        manifest: &'a Manifest,
        only: &[String],
        into: String,
        server: &Server,
        there: &'a [Namespace],
        goes_on: bool,
    ) -> Plan<'a> {
        let is_chosen = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
        let chosen: Vec<Step> = manifest
            .collections
            .iter()
            .filter(|collection| is_chosen(&collection.name))
            .map(|collection| Step {
                collection,
                there: there.iter().find(|namespace| namespace.name == collection.name),
            })
            .collect();
        let is_restored = |name: &str| chosen.iter().any(|step| step.collection.name == name);
        Plan {
            manifest,
            into,
            untouched: there
                .iter()
                .map(|namespace| namespace.name.as_str())
                .filter(|name| !is_restored(name) && !name.starts_with(OURS))
                .collect(),
            chosen,
            is_same: manifest.database == server.database
                && (manifest.server_version == EMBEDDED_VERSION) == (server.version == EMBEDDED_VERSION),
            goes_on,
        }
    }

    /// The names of the collections that are restored.
    pub fn collections(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.chosen.iter().map(|step| step.collection.name.as_str())
    }

    /// What is dropped first.
    pub fn dropped(&self) -> Vec<&'a str> {
        let dropped = self.chosen.iter().filter(|step| step.is_in_the_way() && !self.goes_on);
        dropped.map(|step| step.collection.name.as_str()).collect()
    }

    /// Whether somebody must say yes to it.
    pub fn needs_consent(&self) -> bool {
        !self.goes_on && (self.is_same || !self.dropped().is_empty())
    }

    /// Why, in words.
    pub fn at_stake(&self) -> String {
        let dropped = self.dropped();
        let names: Vec<String> = dropped.iter().map(|name| format!("`{name}`")).collect();
        match names.as_slice() {
            [] => format!("this restores into the database `{}`, which was backed up", self.manifest.database),
            names => format!("this drops {} of {} first", names.join(", "), self.into),
        }
    }

    pub fn text(&self) -> String {
        let manifest = self.manifest;
        let mut text = format!(
            "backup {} of {} UTC ({}), of the database `{}`\ninto {}\n\n",
            manifest.id,
            moment(manifest.began_ms),
            manifest.class.as_str(),
            plain(&manifest.database),
            plain(&self.into),
        );
        let columns = [Column::Text("collection"), Column::Number("documents"), Column::Text("there now")];
        text.push_str(&table(&columns, self.chosen.iter().map(|step| step.cells(self.goes_on))));
        text.push('\n');
        if !self.untouched.is_empty() {
            text.push_str(&format!("these stay as they are: {}\n", plain(&self.untouched.join(", "))));
        }
        text
    }

    pub fn object(&self) -> Value {
        let collections = self.chosen.iter().map(|step| {
            json!({
                "collection": step.collection.name,
                "documents": step.collection.documents,
                "dropped": step.is_in_the_way() && !self.goes_on,
            })
        });
        json!({
            "backup": self.manifest.id,
            "into": self.into,
            "goes_on": self.goes_on,
            "collections": collections.collect::<Vec<_>>(),
            "untouched": self.untouched,
        })
    }
}

impl Step<'_> {
    /// Our own notes are no documents of anybody's.
    fn is_in_the_way(&self) -> bool {
        self.there.is_some() && !self.collection.name.starts_with(OURS)
    }

    fn cells(&self, goes_on: bool) -> Vec<String> {
        let documents = match self.collection.view {
            true => "view".to_owned(),
            false => count(self.collection.documents),
        };
        let there = match self.there {
            None => "-".to_owned(),
            Some(_) if !self.is_in_the_way() => "-".to_owned(),
            Some(_) if goes_on => "restored before".to_owned(),
            Some(Namespace { estimate: Some(about), .. }) => format!("about {}: dropped first", counted(*about, "document")),
            Some(_) => "dropped first".to_owned(),
        };
        vec![self.collection.name.clone(), documents, there]
    }
}
