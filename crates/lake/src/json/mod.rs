//! JSON (RFC 8259) read from text without a tree, without recursion and without losing a digit.

mod number;
mod scanner;
mod string;
#[cfg(test)]
mod tests;
mod write;

pub use number::exact_i64;
pub use scanner::{Fault, Kind, Raw, RawString, Scanner};
pub use string::LoneSurrogate;
pub use write::write_string;
