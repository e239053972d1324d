//! The vault of a stack: a bucket of its own, whose objects are locked, read here with the caller's own rights.

use super::{Names, Stack};
use lake::{Store, s3::S3Store};
use std::sync::Arc;

impl Names {
    pub fn vault(&self) -> String {
        self.bucket("vault")
    }
}

impl Stack {
    pub fn vault(&self) -> Arc<dyn Store> {
        Arc::new(S3Store::new(&self.config, &self.names.vault()))
    }
}
