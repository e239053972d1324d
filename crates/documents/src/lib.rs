//! Documents: how a write is judged (pure), and the port to the store that keeps them.

pub mod contract;
pub mod database;
mod element;
pub mod extended_json;
pub mod judge;
pub mod key;
pub mod model;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(any(feature = "sqlite", feature = "mongodb"))]
mod noted;
pub mod port;
pub mod prepare;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "mongodb")]
pub use self::mongodb::{MongoDatabase, MongoDocuments};
pub use contract::{Change, Contract, Foreign, Found, Tightness};
pub use database::{Certainty, Database, DocumentStream, Namespace, NamespaceKind, PutBack, Server};
pub use element::{DEPTH_MAX, Unreadable};
pub use judge::{Stamp, Verdict, judge};
pub use model::Model;
pub use port::{Batch, Documents, DocumentsError, Refusal, Replaced, Tally, Target, Version, WriteOutcome};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteDatabase, SqliteDocuments};
