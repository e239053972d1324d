//! From one page to the next. Pure: the paginator, the state and what a page says in; the next state out.
//!
//! The state is all that a later worker needs to go on, and travels in a raw object's metadata, so it is small whatever the number of pages.

use pipeline::{Paginator, Path, Step};
use serde::{Deserialize, Serialize};

/// The longest cursor or address of a next page: it must fit into an object's metadata (2 KB) beside the rest.
pub const MARK_BYTES_MAX: usize = 1_400;

/// What to ask for next, and what is remembered of the pages before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub at: Mark,
    /// Pages read before this one.
    pub pages: u32,
    /// Records on them.
    pub records: u64,
    /// How many there are in all, as the source said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Against the same page coming again.
    page_loop: Guard,
    /// Against the same cursor or address coming again.
    mark_loop: Guard,
}

/// Which page is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    First,
    /// The value of the page's or the offset's parameter.
    Number(u64),
    /// The cursor that the last page gave.
    Cursor(String),
    /// The address that the last page gave.
    Url(Address),
}

/// The address of a page. One below the source's own address is kept relative to it, as that may move (a test's upstream has a new port).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    Below(String),
    Whole(String),
}

/// What one page says of paging.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageFacts {
    pub records: u64,
    /// A hash of the records; `None` for a page without any.
    pub hash: Option<u64>,
    pub total: Option<u64>,
    /// The mark of the next page: a cursor or an address.
    pub next: Option<Mark>,
    pub has_more: Option<bool>,
}

/// Why there is no next page although there should be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PagingError {
    #[error("page {page} is the same as one before it: the source does not obey the paginator's parameter, or goes in a circle")]
    SamePage { page: u32 },
    #[error("page {page} leads to a page that was read before: the {what} came twice, so the source goes in a circle")]
    SameMark { page: u32, what: &'static str },
    #[error("page {page} says that there is more, but not where: `cursor_path` finds nothing")]
    NoMark { page: u32 },
    #[error("page {page} gives a {what} of {bytes} bytes; at most {MARK_BYTES_MAX} can be kept")]
    LongMark { page: u32, what: &'static str, bytes: usize },
    #[error("more than {pages_max} pages: set `pages_max` higher if there really are so many")]
    TooMany { pages_max: u32 },
    #[error(
        "page {page} is the last one, but the source says there are {total} records, {records} came: look at `total_path`, the page's parameters and `limit`"
    )]
    TooFew { page: u32, total: u64, records: u64 },
}

/// The state before the first page.
pub fn first(paginator: &Paginator) -> State {
    let at = match paginator {
        Paginator::PageNumber { initial_page, .. } => Mark::Number(*initial_page),
        Paginator::Offset { initial_offset, .. } => Mark::Number(*initial_offset),
        Paginator::SinglePage {} | Paginator::Cursor { .. } | Paginator::NextUrl { .. } | Paginator::LinkHeader { .. } => Mark::First,
    };
    State {
        at,
        pages: 0,
        records: 0,
        total: None,
        page_loop: Guard::default(),
        mark_loop: Guard::default(),
    }
}

/// The paginator's parameters for the page asked for.
pub fn params(paginator: &Paginator, at: &Mark) -> Vec<(String, String)> {
    let mut params = Vec::new();
    match (paginator, at) {
        (
            Paginator::PageNumber {
                page_param,
                limit,
                limit_param,
                ..
            },
            Mark::Number(number),
        ) => {
            params.push((page_param.clone(), number.to_string()));
            if let (Some(param), Some(limit)) = (limit_param, limit) {
                params.push((param.clone(), limit.to_string()));
            }
        }
        (
            Paginator::Offset {
                limit,
                offset_param,
                limit_param,
                ..
            },
            Mark::Number(number),
        ) => {
            params.push((offset_param.clone(), number.to_string()));
            params.push((limit_param.clone(), limit.to_string()));
        }
        (Paginator::Cursor { cursor_param, .. }, Mark::Cursor(cursor)) => params.push((cursor_param.clone(), cursor.clone())),
        _ => {}
    }
    params
}

/// What comes after a page: the state for the next one, or nothing. `selector` is the endpoint's, for it says whether a record of the page is
/// one that the source counts.
pub fn next(paginator: &Paginator, selector: Option<&Path>, state: &State, page: &PageFacts) -> Result<Option<State>, PagingError> {
    let mut next = state.clone();
    next.pages = state.pages.saturating_add(1);
    next.records = state.records.saturating_add(page.records);
    next.total = page.total.or(state.total);
    let Some(at) = next_mark(paginator, selector, &next, page)? else {
        return complete(paginator, selector, &next).map(|()| None);
    };
    if page.hash.is_some_and(|hash| next.page_loop.seen(hash)) {
        return Err(PagingError::SamePage { page: next.pages });
    }
    let (what, text) = match &at {
        Mark::First | Mark::Number(_) => ("number", ""),
        Mark::Cursor(cursor) => ("cursor", cursor.as_str()),
        Mark::Url(Address::Below(url) | Address::Whole(url)) => ("address", url.as_str()),
    };
    if !text.is_empty() {
        let bytes = escaped_length(text);
        if bytes > MARK_BYTES_MAX {
            return Err(PagingError::LongMark {
                page: next.pages,
                what,
                bytes,
            });
        }
        if next.mark_loop.seen(xxhash_rust::xxh3::xxh3_64(text.as_bytes())) {
            return Err(PagingError::SameMark { page: next.pages, what });
        }
    }
    next.at = at;
    Ok(Some(next))
}

/// The mark of the page after the one that `state` counts as the last.
fn next_mark(paginator: &Paginator, selector: Option<&Path>, state: &State, page: &PageFacts) -> Result<Option<Mark>, PagingError> {
    let counted_out = |limit: Option<u64>, stop_on_short_page: bool| {
        let short = stop_on_short_page && limit.is_some_and(|limit| page.records < limit);
        page.records == 0 || short || page.total.is_some_and(|total| state.records >= total)
    };
    let number = match state.at {
        Mark::Number(number) => number,
        _ => 0,
    };
    match paginator {
        Paginator::SinglePage {} => Ok(None),
        Paginator::PageNumber {
            limit, stop_on_short_page, ..
        } => Ok((!counted_out(*limit, *stop_on_short_page)).then(|| Mark::Number(number.saturating_add(1)))),
        Paginator::Offset {
            limit, stop_on_short_page, ..
        } => {
            // A server may send fewer than asked for: then the next page starts after what came, so that nothing is passed over.
            let step = if counts_records(selector) {
                page.records.min(*limit)
            } else {
                *limit
            };
            Ok((!counted_out(Some(*limit), *stop_on_short_page)).then(|| Mark::Number(number.saturating_add(step))))
        }
        Paginator::Cursor { .. } => match (page.has_more, &page.next) {
            (Some(false), _) | (None, None) => Ok(None),
            (Some(true), None) => Err(PagingError::NoMark { page: state.pages }),
            (_, Some(mark)) => Ok(Some(mark.clone())),
        },
        Paginator::NextUrl { .. } | Paginator::LinkHeader { .. } => Ok(page.next.clone()),
    }
}

/// At the end: whether all came that the source says there are. A pipeline that starts after the first page or record leaves some out on purpose.
fn complete(paginator: &Paginator, selector: Option<&Path>, state: &State) -> Result<(), PagingError> {
    let from_the_first = match paginator {
        Paginator::PageNumber { initial_page: first, .. } | Paginator::Offset { initial_offset: first, .. } => *first <= 1,
        _ => false,
    };
    match state.total {
        Some(total) if from_the_first && counts_records(selector) && state.records < total => Err(PagingError::TooFew {
            page: state.pages,
            total,
            records: state.records,
        }),
        _ => Ok(()),
    }
}

/// Whether one item of the source is one record: with two lists inside each other it is not.
fn counts_records(selector: Option<&Path>) -> bool {
    selector.is_none_or(|path| path.steps.iter().filter(|step| **step == Step::Each).count() <= 1)
}

/// The bytes of a text in JSON of printable ASCII, as metadata holds it.
pub(crate) fn escaped_length(text: &str) -> usize {
    text.chars()
        .map(|c| match c {
            '"' | '\\' => 2,
            ' '..='~' => 1,
            other => 6 * other.len_utf16(),
        })
        .sum()
}

/// Finds a sequence that repeats itself, however long the circle, in constant space (Brent): each value is compared with the last one, and
/// with a resting one that is replaced after 1, 2, 4, 8, … steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Guard {
    last: Option<u64>,
    resting: Option<u64>,
    steps: u32,
    power: u32,
}

impl Guard {
    /// Whether `value` shows that the sequence goes in a circle.
    fn seen(&mut self, value: u64) -> bool {
        if self.last == Some(value) || self.resting == Some(value) {
            return true;
        }
        self.last = Some(value);
        if self.steps >= self.power {
            *self = Guard {
                resting: Some(value),
                steps: 0,
                power: self.power.saturating_mul(2).max(1),
                ..*self
            };
        }
        self.steps += 1;
        false
    }
}

#[cfg(test)]
mod tests;
