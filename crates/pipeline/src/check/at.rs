//! A place in the tree of a file, beside the typed value that was read from it: where to point when the value makes no sense.

use super::is_nested;
use crate::{
    shape::first_key,
    yaml::{Entry, Node, Value},
};
use std::ops::Range;

/// A value of the file and the key that leads to it.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    node: &'a Node,
    key: Option<&'a Entry>,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node) -> At<'a> {
        At { node, key: None }
    }

    /// The value of `key`; this place itself if the key is not written.
    pub(super) fn get(self, key: &str) -> At<'a> {
        match self.node.entry(key) {
            Some(entry) => At {
                node: &entry.value,
                key: Some(entry),
            },
            None => self,
        }
    }

    /// An item of a list; this place itself if there is none.
    pub(super) fn item(self, place: usize) -> At<'a> {
        match &self.node.value {
            Value::List(items) => items.get(place).map_or(self, |node| At { node, key: None }),
            _ => self,
        }
    }

    /// Whether `key` is written.
    pub(super) fn has(self, key: &str) -> bool {
        self.node.entry(key).is_some()
    }

    /// Whether `key` is written, and not as `false`.
    pub(super) fn asks(self, key: &str) -> bool {
        self.node
            .entry(key)
            .is_some_and(|entry| !matches!(entry.value.value, Value::Bool(false)))
    }

    /// Whether `key` was not left out by a repair: if it is not there, nobody wrote it.
    pub(super) fn kept(self, key: &str) -> bool {
        !self.node.lost.iter().any(|lost| lost == key)
    }

    /// Whether a repair left nothing out of this mapping or list.
    pub(super) fn whole(self) -> bool {
        self.node.lost.is_empty()
    }

    /// Whether something was written here under `name`, right or wrong.
    pub(super) fn names(self, name: &str) -> bool {
        self.has(name) || !self.kept(name)
    }

    /// What to underline: a scalar itself; of a mapping or list its key, or its first key.
    pub(super) fn span(self) -> Range<usize> {
        match self.key {
            Some(entry) if is_nested(self.node) => entry.key_span.clone(),
            _ => first_key(self.node),
        }
    }

    /// The key that leads here.
    pub(super) fn key_span(self) -> Range<usize> {
        self.key.map_or_else(|| self.span(), |entry| entry.key_span.clone())
    }
}
