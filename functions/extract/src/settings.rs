//! What a process may set for all extractions, and the variables of its environment on AWS. Pure.

use std::time::Duration;

/// Where a run that is handed over is gone on with. A variable's name, and what it is for.
pub const QUEUE_URL: (&str, &str) = (
    "TIDEMILL_EXTRACT_QUEUE_URL",
    "the queue that starts `extract`, to which it sends its own continuations",
);

/// What the names of its secrets begin with.
pub const SECRET_PREFIX: (&str, &str) = (
    "TIDEMILL_SECRET_PREFIX",
    "what stands before the name of a `${secret:…}` in Secrets Manager: `STACK/`",
);

/// The variables that only this function needs.
pub const VARIABLES: [(&str, &str); 2] = [QUEUE_URL, SECRET_PREFIX];

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
    /// How often a run may be handed over to a continuation before it ends as failed. 1,000.
    pub hops_max: u32,
    /// How many continuations in a row may bring nothing, though they had not to wait, before the run ends as failed. 10.
    pub barren_hops_max: u32,
    /// Whether a `root` may be a folder of this machine. On AWS it may not: there is nothing but the function's own files there, its credentials among them.
    pub local_files: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            object_bytes_max: 32 << 20,
            object_compressed_bytes_max: 8 << 20,
            piece_bytes: 256 << 10,
            record_bytes_max: 40 << 20,
            lease: Duration::from_secs(60),
            hops_max: 1_000,
            barren_hops_max: 10,
            local_files: true,
        }
    }
}
