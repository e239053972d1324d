//! What a deployment keeps, on a laptop or in the cloud: its lake, its ledger, its documents. What only looks at them works on both.

use documents::Documents;
use lake::{Definitions, Key, Store};
use ledger::Ledger;
use std::{path::PathBuf, sync::Arc};

/// The open adapters of a home or of a stack.
#[derive(Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub documents: Arc<dyn Documents>,
    pub definitions: Arc<Definitions>,
    pub lake: LakeAt,
}

/// Where the lake's objects are, for people who want to look at one themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LakeAt {
    Folder(PathBuf),
    Bucket(String),
}

impl LakeAt {
    /// A shell command that prints a line (counted from 1) of a compressed object.
    pub fn print_line(&self, key: &Key, line: u32) -> String {
        match self {
            LakeAt::Folder(folder) => format!("zstdcat {} | sed -n {line}p", folder.join(key.as_str()).display()),
            LakeAt::Bucket(bucket) => format!("aws s3 cp s3://{bucket}/{key} - | zstdcat | sed -n {line}p"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_object_is_looked_at_where_it_is() {
        let key = Key::parse("raw/p/r").unwrap();
        let folder = LakeAt::Folder("home/lake".into());
        assert_eq!(folder.print_line(&key, 3), "zstdcat home/lake/raw/p/r | sed -n 3p");
        let bucket = LakeAt::Bucket("dev-lake-1-eu".to_owned());
        assert_eq!(
            bucket.print_line(&key, 3),
            "aws s3 cp s3://dev-lake-1-eu/raw/p/r - | zstdcat | sed -n 3p"
        );
    }
}
