//! The lines of `rejected/`: one a record, with every fault, the record itself, and where it came from.

use crate::fault::{Fault, Faults};
use crate::readable::is_readable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lake::capture::is_shorter_as_base64;
use lake::json::write_string;

/// A record as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Original<'a> {
    /// JSON, checked.
    Json(&'a str),
    /// Text that is not JSON, or a row.
    Text(&'a str),
    /// Bytes that are not UTF-8.
    Bytes(&'a [u8]),
}

/// Where a record came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whence<'a> {
    /// The raw object's key.
    pub key: &'a str,
    pub line: u32,
    pub item: u32,
    pub at_ms: i64,
    pub url: &'a str,
}

/// Appends the line, its `\n` included.
pub(crate) fn write_rejected(line: &mut Vec<u8>, faults: &Faults, record: Original<'_>, whence: &Whence<'_>) {
    line.push(b'{');
    if let Some(first) = faults.list().first() {
        write_fault(line, first);
    }
    line.extend_from_slice(b",\"record\":");
    match record {
        Original::Json(text) if is_readable(text) => line.extend_from_slice(one_line(text).as_bytes()),
        Original::Json(text) | Original::Text(text) if is_shorter_as_base64(text) => write_base64(line, text.as_bytes()),
        Original::Json(text) | Original::Text(text) => write_string(line, text),
        Original::Bytes(bytes) => write_base64(line, bytes),
    }
    line.extend_from_slice(b",\"capture\":{\"key\":");
    write_string(line, whence.key);
    line.extend_from_slice(
        format!(
            ",\"line\":{},\"item\":{},\"at\":{},\"url\":",
            whence.line, whence.item, whence.at_ms
        )
        .as_bytes(),
    );
    write_string(line, whence.url);
    line.extend_from_slice(b"},\"faults\":[");
    for (place, fault) in faults.list().iter().enumerate() {
        line.extend_from_slice(if place == 0 { b"{" } else { b",{" });
        write_fault(line, fault);
        line.push(b'}');
    }
    line.push(b']');
    if faults.more() > 0 {
        line.extend_from_slice(format!(",\"more_faults\":{}", faults.more()).as_bytes());
    }
    line.extend_from_slice(b"}\n");
}

fn write_base64(line: &mut Vec<u8>, bytes: &[u8]) {
    line.extend_from_slice(b"{\"base64\":\"");
    line.extend_from_slice(BASE64.encode(bytes).as_bytes());
    line.extend_from_slice(b"\"}");
}

fn write_fault(line: &mut Vec<u8>, fault: &Fault) {
    line.extend_from_slice(b"\"reason\":");
    write_string(line, fault.reason.as_str());
    line.extend_from_slice(b",\"field\":");
    match fault.field.as_str() {
        "" => line.extend_from_slice(b"null"),
        field => write_string(line, field),
    }
    line.extend_from_slice(b",\"message\":");
    write_string(line, &fault.message);
    line.extend_from_slice(b",\"value\":");
    line.extend_from_slice(fault.value.as_deref().unwrap_or("null").as_bytes());
}

/// JSON without its line breaks: they stand outside strings only.
pub(crate) fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], "")
}
