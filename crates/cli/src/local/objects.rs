//! Going through the lake's objects without holding more than a page of their keys.

use lake::{Key, Store, StoreError};
use std::{collections::VecDeque, sync::Arc};

/// Keys asked for at a time.
const PAGE: usize = 1000;

/// The keys under a prefix, in byte order.
pub struct Keys {
    store: Arc<dyn Store>,
    prefix: String,
    page: VecDeque<Key>,
    last: Option<Key>,
    ended: bool,
}

impl Keys {
    pub fn new(store: Arc<dyn Store>, prefix: impl Into<String>) -> Keys {
        Keys {
            store,
            prefix: prefix.into(),
            page: VecDeque::new(),
            last: None,
            ended: false,
        }
    }

    /// The next key; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Key>, StoreError> {
        if self.page.is_empty() && !self.ended {
            let page = self.store.list(&self.prefix, self.last.as_ref(), PAGE).await?;
            self.ended = page.len() < PAGE;
            self.last = page.last().cloned().or_else(|| self.last.take());
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }
}
