//! Pure: which items to list, and in what order.

use super::key::{self, Key};

/// A list of items of one partition: of the table, or of the index of runs.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) partition: String,
    /// What the sort keys begin with.
    pub(super) prefix: String,
    pub(super) newest_first: bool,
    pub(super) in_index: bool,
    pub(super) after: Option<Key>,
}

impl Query {
    /// The items of a partition whose sort keys begin so, in their order.
    pub(super) fn of(partition: String, prefix: impl Into<String>) -> Query {
        Query {
            partition,
            prefix: prefix.into(),
            newest_first: false,
            in_index: false,
            after: None,
        }
    }

    /// The marks of all runs. The index lags behind the table, mostly by milliseconds.
    pub(super) fn all_runs() -> Query {
        Query {
            in_index: true,
            ..Query::of(key::ALL_RUNS.to_owned(), "").newest_first()
        }
    }

    pub(super) fn newest_first(self) -> Query {
        Query {
            newest_first: true,
            ..self
        }
    }

    /// Those after this key, which need not be there.
    pub(super) fn after(self, key: Option<Key>) -> Query {
        Query { after: key, ..self }
    }

    pub(super) fn text(&self) -> &'static str {
        match (self.in_index, self.prefix.is_empty()) {
            (true, _) => "gpk = :pk",
            (false, true) => "pk = :pk",
            (false, false) => "pk = :pk AND begins_with(sk, :prefix)",
        }
    }
}
