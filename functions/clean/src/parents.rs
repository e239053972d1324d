//! Whether any record of the raw object has the list that `unnest` names. Sources leave empty lists out, so one record without it is well; none with it
//! is a path that leads nowhere, which must not pass for a source without records.

use crate::reject::Whence;

#[derive(Debug, Default)]
pub(crate) struct Parents {
    found: bool,
    first_without: Option<Without>,
}

/// The first record without the list, kept while none with it was seen.
#[derive(Debug)]
pub(crate) struct Without {
    pub line: u32,
    pub item: u32,
    pub at_ms: i64,
    pub url: String,
    /// The record, JSON.
    pub record: String,
}

impl Parents {
    /// A record has something at the list's place: a list, null, or what is rejected for being neither.
    #[inline]
    pub fn with_list(&mut self) {
        self.found = true;
    }

    pub fn without_list(&mut self, whence: &Whence<'_>, record: &str) {
        if self.found || self.first_without.is_some() {
            return;
        }
        self.first_without = Some(Without {
            line: whence.line,
            item: whence.item,
            at_ms: whence.at_ms,
            url: whence.url.to_owned(),
            record: record.to_owned(),
        });
    }

    /// The first record without the list, when no record of the object had one.
    pub fn none_had_it(&mut self) -> Option<Without> {
        self.first_without.take().filter(|_| !self.found)
    }
}
