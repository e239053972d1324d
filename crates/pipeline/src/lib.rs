//! The file a user writes: its types, how it is parsed and checked, and what is rendered from it.
//!
//! **Invariant:** no I/O, no async, no network, no clock, no environment. Text in, values out.

mod check;
pub mod definition;
mod fault;
mod later;
pub mod name;
pub mod path;
pub mod quantity;
mod reference;
pub mod schedule;
mod schema;
mod shape;
mod suggest;
mod syntax;
pub mod template;
mod typed;
mod yaml;

pub use check::{Checked, DefinitionHash, DefinitionHashError, check, source_hash, time_ms};
pub use definition::*;
pub use fault::{Fault, Faults};
pub use name::Name;
pub use path::{Path, Step};
pub use quantity::{ByteSize, Span};
pub use reference::reference;
pub use schedule::{Schedule, ScheduleError};
pub use schema::schema;
pub use template::{Part, Template, Variable};
