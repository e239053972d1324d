//! The file a user writes: its types, how it is parsed and checked, and what is rendered from it.
//!
//! **Invariant:** no I/O, no async, no network, no clock, no environment. Text in, values out.

pub mod definition;
mod fault;
mod later;
pub mod name;
pub mod path;
pub mod quantity;
pub mod schema;
mod shape;
mod syntax;
pub mod template;
mod typed;
mod yaml;

pub use definition::*;
pub use fault::{Fault, Faults};
pub use name::Name;
pub use path::{Path, Step};
pub use quantity::{ByteSize, Span};
pub use template::{Part, Template, Variable};
