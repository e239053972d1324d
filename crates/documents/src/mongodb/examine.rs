//! What the server, the user and the collections are like, for `tidemill doctor`: looked at, and nothing is changed.

use std::time::{SystemTime, UNIX_EPOCH};

use bson::{Bson, Document, doc};

use super::error::Fault;
use super::{MongoDocuments, declare};
use crate::{Change, Contract, DocumentsError, Tightness};

/// What was found.
#[derive(Debug)]
pub struct Examination {
    /// Hosts and ports, as the URI names them.
    pub server: String,
    pub database: String,
    /// The server's version.
    pub version: String,
    /// One server, a replica set with its name and members, or a sharded cluster.
    pub topology: String,
    pub tls: bool,
    /// Who Tidemill is to the server, `USER@DATABASE`; none when the server lets in anybody.
    pub users: Vec<String>,
    /// How the user is authenticated; `None` when the URI names no user.
    pub mechanism: Option<String>,
    /// `ROLE@DATABASE`.
    pub roles: Vec<String>,
    /// What Tidemill needs to do in the database, and whether it may.
    pub permissions: Vec<Permission>,
    /// By how much the server's clock is ahead of this machine's; less than nothing when it is behind. `None` when it does not tell the time.
    pub clock_ahead_ms: Option<i64>,
    /// Of each contract that was asked about, in their order.
    pub collections: Vec<ExaminedCollection>,
}

/// An action, as MongoDB's privileges name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    pub action: &'static str,
    /// What it is needed for.
    pub purpose: &'static str,
    /// `None` when the server does not tell.
    pub granted: Option<bool>,
}

/// A collection beside its contract.
#[derive(Debug)]
pub struct ExaminedCollection {
    pub collection: String,
    pub owner: String,
    /// What must be done so that it is as declared; nothing when it is.
    pub plan: Result<Vec<Change>, DocumentsError>,
}

const NEEDED: [(&str, &str); 12] = [
    ("find", "to read documents"),
    ("insert", "to write new documents"),
    ("update", "to change documents"),
    ("remove", "to forget receipts"),
    ("listCollections", "to look up validators"),
    ("listIndexes", "to look up indexes"),
    ("createCollection", "to make collections"),
    ("createIndex", "to make indexes"),
    ("dropIndex", "to drop its own indexes"),
    ("collMod", "to change validators"),
    ("renameCollectionSameDB", "to replace a collection"),
    ("dropCollection", "to replace a collection"),
];

impl MongoDocuments {
    /// Looks at the server, the user, and at the collections of the contracts. Nothing is changed.
    ///
    /// # Errors
    /// When the server can't be reached or does not let the user in.
    pub async fn examine(&self, contracts: &[Contract]) -> Result<Examination, DocumentsError> {
        let mut examination = server(self).await.map_err(|fault| fault.named("examine the server", "*"))?;
        for contract in contracts {
            examination.collections.push(ExaminedCollection {
                collection: contract.collection.to_string(),
                owner: contract.owner.clone(),
                plan: declare::plan(self, contract, Tightness::Tight).await,
            });
        }
        Ok(examination)
    }
}

async fn server(store: &MongoDocuments) -> Result<Examination, Fault> {
    let ask = |command: Document| store.link.command_again(command);
    // The first one may open a connection, which takes its time: the clocks are compared by the second.
    let build = ask(doc! { "buildInfo": 1 }).await?;
    let before = now_ms();
    let hello = ask(doc! { "hello": 1 }).await?;
    let after = now_ms();
    let status = ask(doc! { "connectionStatus": 1, "showPrivileges": true }).await?;
    let told = status.get_document("authInfo").cloned().unwrap_or_default();
    let connected = store.link.connected().await?;
    Ok(Examination {
        server: connected.place.server.clone(),
        database: connected.place.database.clone(),
        version: build.get_str("version").unwrap_or("unknown").to_owned(),
        topology: topology(&hello),
        tls: connected.tls,
        users: named(&told, "authenticatedUsers", "user"),
        mechanism: connected.mechanism.clone(),
        roles: named(&told, "authenticatedUserRoles", "role"),
        permissions: permissions(&told, &connected.place.database),
        clock_ahead_ms: hello
            .get_datetime("localTime")
            .ok()
            .map(|time| time.timestamp_millis() - before.midpoint(after)),
        collections: Vec::new(),
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn topology(hello: &Document) -> String {
    if hello.get_str("msg").is_ok_and(|text| text == "isdbgrid") {
        return "a sharded cluster".to_owned();
    }
    let members = hello.get_array("hosts").map_or(0, Vec::len);
    match hello.get_str("setName") {
        Ok(name) if members == 1 => format!("the replica set `{name}` of 1 member that holds data"),
        Ok(name) => format!("the replica set `{name}` of {members} members that hold data"),
        Err(_) => "one server".to_owned(),
    }
}

/// `NAME@DATABASE` of each entry of a list.
fn named(told: &Document, list: &str, name: &str) -> Vec<String> {
    let entries = told.get_array(list).into_iter().flatten().filter_map(Bson::as_document);
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(format!("{}@{}", entry.get_str(name).ok()?, entry.get_str("db").ok()?)))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn permissions(told: &Document, database: &str) -> Vec<Permission> {
    let privileges: Vec<&Document> = told
        .get_array("authenticatedUserPrivileges")
        .into_iter()
        .flatten()
        .filter_map(Bson::as_document)
        .collect();
    let granted = |action: &str| {
        let grants = |privilege: &&Document| {
            let actions = privilege.get_array("actions").into_iter().flatten();
            covers(privilege, database) && actions.filter_map(Bson::as_str).any(|one| one == action || one == "anyAction")
        };
        (!privileges.is_empty()).then(|| privileges.iter().any(grants))
    };
    let permission = |(action, purpose)| Permission {
        action,
        purpose,
        granted: granted(action),
    };
    NEEDED.into_iter().map(permission).collect()
}

/// Whether a privilege is for every collection of the database.
fn covers(privilege: &Document, database: &str) -> bool {
    let Ok(resource) = privilege.get_document("resource") else {
        return false;
    };
    let everything = resource.get_bool("anyResource").unwrap_or(false);
    let of_database = resource.get_str("db").is_ok_and(|db| db.is_empty() || db == database);
    everything || (of_database && resource.get_str("collection").is_ok_and(str::is_empty))
}
