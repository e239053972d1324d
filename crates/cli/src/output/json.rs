//! JSON for programs: one value a line.

use serde::Serialize;
use std::io::{self, Write};

/// Writes a value as one line.
pub fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
