//! What the doctor found, and what of it is wrong. Pure.

use crate::output::numbers::counted;
use serde::Serialize;
use std::path::PathBuf;

/// A clock that is further off than this is wrong: the times of captures order documents, and identities of AWS are signed with the time.
pub(super) const CLOCK_OFF_MAX_MS: i64 = 60_000;

#[derive(Debug, Serialize)]
pub(super) struct Checkup {
    pub home: HomeFound,
    pub documents: StoreFound,
    /// What of a restore that did not come to its end says: the documents are not whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_restored: Option<Wrong>,
    pub collections: Vec<CollectionFound>,
    /// Pipeline files that can't be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Wrong>,
}

#[derive(Debug, Serialize)]
pub(super) struct HomeFound {
    pub folder: PathBuf,
    /// `None` where nothing has run yet.
    pub kept: Option<Kept>,
}

/// What a home keeps.
#[derive(Debug, Serialize)]
pub(super) struct Kept {
    pub lake_objects: u64,
    pub lake_bytes: u64,
    pub ledger_bytes: u64,
    /// When the newest run started.
    pub newest_run: Option<String>,
    pub leases: Vec<LeaseFound>,
    /// Of each pipeline that owes any: objects that are to be cleaned or loaded yet.
    pub unfinished: Vec<UnfinishedFound>,
    /// Of each resource whose earlier documents are elsewhere too.
    pub elsewhere: Vec<ElsewhereFound>,
}

#[derive(Debug, Serialize)]
pub(super) struct LeaseFound {
    pub resource: String,
    pub holder: String,
    pub until: String,
    /// It has expired, or its process is no more: the next run takes it.
    pub free: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct UnfinishedFound {
    pub pipeline: String,
    /// The pipeline as it is typed.
    #[serde(skip)]
    pub typed: String,
    pub objects: u64,
    /// Who is at it now, if anybody is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ElsewhereFound {
    pub pipeline: String,
    /// The pipeline as it is typed.
    #[serde(skip)]
    pub typed: String,
    pub resource: String,
    pub places: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "store")]
pub(super) enum StoreFound {
    Embedded {
        path: PathBuf,
        /// `None` when there is no file yet.
        bytes: Option<u64>,
    },
    #[cfg_attr(not(feature = "mongodb"), allow(dead_code, reason = "without MongoDB only tests make one"))]
    Mongodb(Box<Server>),
    /// It could not be asked.
    Unusable {
        place: String,
        error: String,
        /// The setting is wrong, rather than the server.
        wrong_setting: bool,
        #[serde(skip)]
        next: Option<String>,
    },
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Server {
    pub server: String,
    pub database: String,
    pub version: String,
    pub topology: String,
    pub tls: bool,
    pub users: Vec<String>,
    pub mechanism: Option<String>,
    pub roles: Vec<String>,
    pub permissions: Vec<Permission>,
    pub clock_ahead_ms: Option<i64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Permission {
    pub action: &'static str,
    pub purpose: &'static str,
    /// `None` when the server does not tell.
    pub granted: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct CollectionFound {
    pub collection: String,
    pub owner: String,
    pub pipeline: String,
    /// The pipeline as it is typed.
    #[serde(skip)]
    pub typed: String,
    /// How many documents readers see; `None` when there is no such collection.
    pub documents: Option<u64>,
    /// What must be done so that it is as declared. `None` in a store without validators and indexes.
    pub differs: Option<Vec<String>>,
    /// A run does something about that.
    #[serde(skip)]
    pub mends: bool,
    /// What else is wrong with it.
    #[serde(skip)]
    pub also: Vec<Wrong>,
    /// Why it could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What to do about that.
    #[serde(skip)]
    pub next: Option<String>,
}

/// Something that is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Wrong {
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Checkup {
    /// All that is wrong. `command`: words of this program, on the same home.
    pub fn wrong(&self, command: impl Fn(&str) -> String) -> Vec<Wrong> {
        let mut wrong = self.files.clone();
        if let Some(kept) = &self.home.kept {
            wrong.extend(kept.wrong(&command));
        }
        match &self.documents {
            StoreFound::Embedded { .. } => {}
            StoreFound::Unusable { error, next, .. } => wrong.push(Wrong {
                what: error.clone(),
                next: next.clone(),
            }),
            StoreFound::Mongodb(server) => wrong.extend(server.wrong()),
        }
        wrong.extend(self.half_restored.clone());
        for collection in &self.collections {
            wrong.extend(collection.wrong(&command));
            wrong.extend(collection.also.iter().cloned());
        }
        wrong
    }
}

impl Kept {
    fn wrong(&self, command: impl Fn(&str) -> String) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        for unfinished in self.unfinished.iter().filter(|unfinished| unfinished.holder.is_none()) {
            wrong.push(Wrong {
                what: format!(
                    "{} of `{}` {} to be cleaned or loaded yet",
                    counted(unfinished.objects, "object"),
                    unfinished.pipeline,
                    if unfinished.objects == 1 { "is" } else { "are" }
                ),
                next: Some(command(&format!("run {}", unfinished.typed))),
            });
        }
        for elsewhere in &self.elsewhere {
            wrong.push(Wrong {
                what: format!(
                    "documents of earlier runs of {}/{} are in {}, and not where they go now",
                    elsewhere.pipeline,
                    elsewhere.resource,
                    elsewhere.places.join("; in ")
                ),
                next: Some(command(&format!("replay {}", elsewhere.typed))),
            });
        }
        wrong
    }
}

/// Roles of MongoDB's own that let their user do no more than read.
#[cfg(any(feature = "mongodb", test))]
const READING: [&str; 2] = ["read", "readAnyDatabase"];
/// What such a user may do.
#[cfg(any(feature = "mongodb", test))]
const READER_MAY: [&str; 3] = ["find", "listCollections", "listIndexes"];
/// Roles of MongoDB's own that hold for the database alone that they are given on.
#[cfg(any(feature = "mongodb", test))]
const OF_A_DATABASE: [&str; 5] = ["read", "readWrite", "dbAdmin", "dbOwner", "userAdmin"];

impl Server {
    /// Where the server does not tell what is granted: who has no role but those that read may do no more.
    #[cfg(any(feature = "mongodb", test))]
    pub fn judge_by_roles(&mut self) {
        let counts = |role: &str, on: &str| on == self.database || (on == "admin" && !OF_A_DATABASE.contains(&role));
        let roles = self.roles.iter().filter_map(|role| role.rsplit_once('@'));
        let reads = |(role, _): (&str, &str)| READING.contains(&role);
        if self.users.is_empty() || self.roles.is_empty() || !roles.filter(|(role, on)| counts(role, on)).all(reads) {
            return;
        }
        for permission in &mut self.permissions {
            if !READER_MAY.contains(&permission.action) {
                permission.granted.get_or_insert(false);
            }
        }
    }

    /// The actions that are needed and not granted.
    pub fn may_not(&self) -> Vec<&'static str> {
        let denied = self.permissions.iter().filter(|permission| permission.granted == Some(false));
        denied.map(|permission| permission.action).collect()
    }

    /// Whether all that is needed is granted; `None` when the server does not tell. Where it knows no users, anybody may do anything.
    pub fn may_all(&self) -> Option<bool> {
        if self.users.is_empty() {
            return Some(true);
        }
        let granted = self.permissions.iter().map(|permission| permission.granted);
        granted.reduce(|all, one| Some(all? && one?)).flatten()
    }

    pub fn clock_is_off(&self) -> bool {
        self.clock_ahead_ms
            .is_some_and(|ms| ms.unsigned_abs() > CLOCK_OFF_MAX_MS.unsigned_abs())
    }

    fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let denied = self.may_not();
        if !denied.is_empty() && !self.users.is_empty() {
            wrong.push(Wrong {
                what: format!("the user may not do all that loading needs: {}", denied.join(", ")),
                next: Some(format!(
                    "give the user the roles `readWrite` and `dbAdmin` on the database `{}`",
                    self.database
                )),
            });
        }
        // Without TLS it is on this machine, where a server for trials needs no users.
        if self.users.is_empty() && self.tls {
            wrong.push(Wrong {
                what: format!("the server at {} lets in anybody who reaches it", self.server),
                next: Some("switch on access control, and put a user into the URI".to_owned()),
            });
        }
        if self.clock_is_off() {
            wrong.push(Wrong {
                what: "this machine's clock and the server's are more than a minute apart".to_owned(),
                next: Some("set the clock that is wrong (let NTP do it)".to_owned()),
            });
        }
        wrong
    }
}

impl CollectionFound {
    fn wrong(&self, command: impl Fn(&str) -> String) -> Option<Wrong> {
        if let Some(error) = &self.error {
            return Some(Wrong {
                what: error.clone(),
                next: self.next.clone(),
            });
        }
        // One that is not there yet is made by the first run.
        let differs = self
            .differs
            .as_ref()
            .filter(|differs| !differs.is_empty() && self.documents.is_some())?;
        let run = || format!("a run does what it can of that: {}", command(&format!("run {}", self.typed)));
        Some(Wrong {
            what: format!(
                "the collection `{}` is not as {} declares it ({} to do)",
                self.collection,
                self.owner,
                differs.len()
            ),
            next: self.mends.then(run),
        })
    }
}
