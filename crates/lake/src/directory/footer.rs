//! An object's metadata within its file: a skippable zstd frame at the end, so that one file holds both and `zstdcat` still reads it.
//!
//! ```text
//! 5d 2a 4d 18 | length of what follows (u32) | JSON | length of the JSON (u32) | "tidemeta"
//! ```
//!
//! All numbers are little-endian. The last 12 bytes tell that the frame is there and where it begins.

use crate::store::{can_have_metadata, check_metadata};
use crate::{Key, Metadata, StoreError};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// One of the 16 magic numbers of skippable frames (RFC 8878, section 3.1.2).
const MAGIC: [u8; 4] = 0x184D_2A5D_u32.to_le_bytes();
const MARK: &[u8; 8] = b"tidemeta";
const HEADER_BYTES: u64 = 8;
const TAIL_BYTES: u64 = 12;
/// The longest JSON of so much metadata: each entry at least two bytes, six characters of JSON around it, each character at most two.
const JSON_BYTES_MAX: u32 = 16 * 1_024;

/// The footer for `metadata`, once that is checked: nothing for a file that can't have one.
pub(super) fn write(key: &Key, metadata: &Metadata) -> Result<Vec<u8>, StoreError> {
    check_metadata(key, metadata)?;
    if !can_have_metadata(key) {
        return Ok(Vec::new());
    }
    let refused = |problem| StoreError::Metadata {
        key: key.to_string(),
        problem,
    };
    let json = serde_json::to_vec(metadata).map_err(|_| refused("it can't be written as JSON"))?;
    let length = u32::try_from(json.len()).map_err(|_| refused("it is too long"))?;
    let mut footer = Vec::with_capacity(json.len() + (HEADER_BYTES + TAIL_BYTES) as usize);
    footer.extend_from_slice(&MAGIC);
    footer.extend_from_slice(&(length + TAIL_BYTES as u32).to_le_bytes());
    footer.extend_from_slice(&json);
    footer.extend_from_slice(&length.to_le_bytes());
    footer.extend_from_slice(MARK);
    Ok(footer)
}

/// Reads the metadata of a file, empty where it has no footer, and says how long the body before it is. Leaves the file at its start.
pub(super) fn read(file: &mut File, file_bytes: u64, key: &Key) -> Result<(Metadata, u64), StoreError> {
    let read = |file: &mut File, from: u64, bytes: u64| -> io::Result<Vec<u8>> {
        file.seek(SeekFrom::Start(from))?;
        let mut read = Vec::new();
        file.take(bytes).read_to_end(&mut read)?;
        file.rewind()?;
        Ok(read)
    };
    let failed = |source| StoreError::Io {
        action: "read the metadata of",
        key: key.to_string(),
        source,
    };
    let damaged = || StoreError::Damaged {
        key: key.to_string(),
        problem: "its last bytes say they are its metadata, but are not".to_owned(),
    };
    if !can_have_metadata(key) || file_bytes < HEADER_BYTES + TAIL_BYTES {
        return Ok((Metadata::new(), file_bytes));
    }
    let tail = read(file, file_bytes - TAIL_BYTES, TAIL_BYTES).map_err(failed)?;
    let Some((length, _)) = tail.split_first_chunk::<4>().filter(|(_, mark)| mark == MARK) else {
        return Ok((Metadata::new(), file_bytes));
    };
    let length = u32::from_le_bytes(*length);
    let frame_bytes = HEADER_BYTES + u64::from(length) + TAIL_BYTES;
    if length > JSON_BYTES_MAX || frame_bytes > file_bytes {
        return Err(damaged());
    }
    let frame = read(file, file_bytes - frame_bytes, frame_bytes - TAIL_BYTES).map_err(failed)?;
    let (magic, rest) = frame.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (says, json) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    if *magic != MAGIC || u32::from_le_bytes(*says) != length + TAIL_BYTES as u32 {
        return Err(damaged());
    }
    let metadata = serde_json::from_slice(json).map_err(|_| damaged())?;
    Ok((metadata, file_bytes - frame_bytes))
}
