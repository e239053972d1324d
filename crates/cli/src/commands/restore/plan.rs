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
    pub fn new(manifest: &'a Manifest, only: &[String], into: String, server: &Server, there: &'a [Namespace], goes_on: bool) -> Plan<'a> {
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
            names => format!("this drops {} first, in {}", names.join(", "), self.into),
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

#[cfg(test)]
mod tests {
    use super::*;
    use ::backup::{manifest::Consistency, retention::Class};
    use documents::{Certainty, NamespaceKind};

    fn manifest() -> Manifest {
        let collection = |name: &str, documents| Collection {
            name: name.to_owned(),
            view: false,
            metadata: String::new(),
            documents,
            bytes: 0,
            hash: String::new(),
            crc64: String::new(),
        };
        Manifest {
            format: 1,
            id: "01M869X26REPS9TQZ60A3DBEYN".to_owned(),
            class: Class::Weekly,
            database: "shop".to_owned(),
            server_version: "8.0.4".to_owned(),
            tool: String::new(),
            began_ms: 1_517_968_154_000,
            ended_ms: 1_517_968_155_000,
            locked_until_ms: 0,
            consistency: Consistency {
                read_concern: "majority".to_owned(),
                snapshot: false,
            },
            collections: vec![
                collection("orders", 1_200),
                collection("returns", 3),
                collection("tidemill.collections", 1),
            ],
            left_out: Vec::new(),
            parts: Vec::new(),
            checksum: String::new(),
        }
    }

    fn server(database: &str, version: &str) -> Server {
        Server {
            version: version.to_owned(),
            database: database.to_owned(),
            certainty: Certainty::Local,
        }
    }

    fn there(names: &[&str]) -> Vec<Namespace> {
        let namespace = |name: &&str| Namespace {
            name: (*name).to_owned(),
            kind: NamespaceKind::Collection,
            options: bson::Document::new(),
            indexes: Vec::new(),
            identity: None,
            estimate: Some(1_500),
        };
        names.iter().map(namespace).collect()
    }

    fn consent(server: &Server, there: &[Namespace], only: &[&str], goes_on: bool) -> bool {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        Plan::new(&manifest(), &only, "here".to_owned(), server, there, goes_on).needs_consent()
    }

    #[test]
    fn somebody_is_asked_where_something_is_at_stake() {
        let (same, other) = (server("shop", "7.0.0"), server("copy", "8.0.4"));
        assert!(consent(&same, &[], &[], false), "it is the database that was backed up");
        assert!(!consent(&server("shop", "0.0.0"), &[], &[], false), "a laptop's is another one");
        assert!(!consent(&other, &[], &[], false));
        assert!(consent(&other, &there(&["orders"]), &[], false));
        assert!(!consent(&other, &there(&["orders"]), &["returns"], false), "it stays as it is");
        assert!(
            !consent(&other, &there(&["tidemill.collections"]), &[], false),
            "our notes are nobody's documents"
        );
        assert!(!consent(&same, &there(&["orders"]), &[], true), "it was said when it was begun");
    }

    #[test]
    fn what_becomes_of_what_is_there_is_said() {
        let (manifest, there) = (manifest(), there(&["orders", "strange"]));
        let plan = Plan::new(
            &manifest,
            &[],
            "MongoDB at h:27017".to_owned(),
            &server("shop", "8.0.4"),
            &there,
            false,
        );
        insta::assert_snapshot!(plan.text(), @r"
        backup 01M869X26REPS9TQZ60A3DBEYN of 2018-02-07 01:49:14 UTC (weekly), of the database `shop`
        into MongoDB at h:27017

        collection            documents  there now
        orders                    1,200  about 1,500 documents: dropped first
        returns                       3  -
        tidemill.collections          1  -

        these stay as they are: strange
        ");
        assert_eq!(plan.at_stake(), "this drops `orders` first, in MongoDB at h:27017");
    }
}
