//! What a process may set for all extractions.

use std::time::Duration;

/// Limits of the function; those of a source stand in the pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A raw object is closed when its captures have so many bytes before compression. 32 MB.
    pub object_bytes_max: u64,
    /// Or so many after it, which is what is held in memory. 8 MB.
    pub object_compressed_bytes_max: u64,
    /// A piece of a CSV or NDJSON file ends at the first record's end after so many bytes. 256 KB.
    pub piece_bytes: usize,
    /// The longest record of a file: as base64 it must still fit into a line of the lake. 40 MB.
    pub record_bytes_max: usize,
    /// How long a lease lasts; it is renewed when half of it has passed. 60 s.
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            object_bytes_max: 32 << 20,
            object_compressed_bytes_max: 8 << 20,
            piece_bytes: 256 << 10,
            record_bytes_max: 40 << 20,
            lease: Duration::from_secs(60),
        }
    }
}
