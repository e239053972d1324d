//! JSON (RFC 8259) read from text without a tree, without recursion and without losing a digit.

mod scanner;
mod string;
mod write;

pub use scanner::{Fault, Kind, Raw, RawString, Scanner};
pub use string::LoneSurrogate;
pub use write::write_string;
