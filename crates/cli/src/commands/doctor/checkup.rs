//! What the doctor found, and what of it is wrong. Pure.

use serde::Serialize;
use std::path::PathBuf;

/// A clock that is further off than this is wrong: the times of captures order documents, and identities of AWS are signed with the time.
pub(super) const CLOCK_OFF_MAX_MS: i64 = 60_000;

#[derive(Debug, Serialize)]
pub(super) struct Checkup {
    pub home: HomeFound,
    pub documents: StoreFound,
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
    pub objects: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct ElsewhereFound {
    pub pipeline: String,
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
    /// How many documents readers see; `None` when there is no such collection.
    pub documents: Option<u64>,
    /// What must be done so that it is as declared. `None` in a store without validators and indexes.
    pub differs: Option<Vec<String>>,
    /// Why it could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
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
        match &self.documents {
            StoreFound::Embedded { .. } => {}
            StoreFound::Unusable { error, .. } => wrong.push(Wrong {
                what: error.clone(),
                next: None,
            }),
            StoreFound::Mongodb(server) => wrong.extend(server.wrong()),
        }
        wrong.extend(self.collections.iter().filter_map(|collection| collection.wrong(&command)));
        wrong
    }
}

impl Server {
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
                next: None,
            });
        }
        // One that is not there yet is made by the first run.
        let differs = self
            .differs
            .as_ref()
            .filter(|differs| !differs.is_empty() && self.documents.is_some())?;
        let run = command(&format!("run {}", self.pipeline));
        Some(Wrong {
            what: format!(
                "the collection `{}` is not as {} declares it ({} to do)",
                self.collection,
                self.owner,
                differs.len()
            ),
            next: Some(format!("a run does what it can of that: {run}")),
        })
    }
}
