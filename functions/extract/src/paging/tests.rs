//! Tables and properties of paging.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;

fn paginator(yaml: &str) -> Paginator {
    serde_json::from_str(yaml).unwrap()
}

fn facts(records: u64) -> PageFacts {
    PageFacts {
        records,
        ..PageFacts::default()
    }
}

/// The numbers asked for, and whether the run ended by itself, when the pages hold so many records.
fn numbers(paginator: &Paginator, selector: Option<&str>, pages: &[PageFacts]) -> (Vec<u64>, bool) {
    let selector = selector.map(|path| Path::parse(path).unwrap());
    let (mut state, mut asked) = (first(paginator), Vec::new());
    for page in pages {
        let Mark::Number(number) = state.at else { panic!("not a number") };
        asked.push(number);
        match next(paginator, selector.as_ref(), &state, page).unwrap() {
            Some(next) => state = next,
            None => return (asked, true),
        }
    }
    (asked, false)
}

#[test]
fn numbers_and_offsets() {
    let plain = r#"{"page_number": {}}"#;
    let short = r#"{"page_number": {"initial_page": 0, "limit": 10, "limit_param": "n", "stop_on_short_page": true}}"#;
    let offset = r#"{"offset": {"limit": 10, "initial_offset": 1}}"#;
    let with_total = |records, total| PageFacts {
        total: Some(total),
        ..facts(records)
    };
    for (json, selector, pages, expected) in [
        (plain, None, vec![facts(10), facts(3), facts(0)], (vec![1, 2, 3], true)),
        (plain, None, vec![facts(10), facts(3)], (vec![1, 2], false)),
        (plain, None, vec![facts(0)], (vec![1], true)),
        (plain, None, vec![with_total(10, 13), with_total(3, 13)], (vec![1, 2], true)),
        (short, None, vec![facts(10), facts(9)], (vec![0, 1], true)),
        (offset, None, vec![facts(10), facts(10), facts(0)], (vec![1, 11, 21], true)),
        (offset, None, vec![facts(7), facts(7), facts(0)], (vec![1, 8, 15], true)),
        (offset, None, vec![facts(25), facts(0)], (vec![1, 11], true)),
        (
            offset,
            Some("$.a[*].b[*]"),
            vec![facts(25), facts(2), facts(0)],
            (vec![1, 11, 21], true),
        ),
        (offset, Some("$.a[*]"), vec![with_total(10, 10)], (vec![1], true)),
    ] {
        assert_eq!(numbers(&paginator(json), selector, &pages), expected, "{json}");
    }
}

/// A source that says of more records than came is not at its end.
#[test]
fn fewer_records_than_the_source_says() {
    let with_total = |records, total| PageFacts { total, ..facts(records) };
    let last = |json: &str, selector: Option<&str>, pages: &[PageFacts]| {
        let (paginator, selector) = (paginator(json), selector.map(|path| Path::parse(path).unwrap()));
        let mut state = first(&paginator);
        for page in pages {
            match next(&paginator, selector.as_ref(), &state, page) {
                Ok(Some(next)) => state = next,
                end => return end.map(|_| ()),
            }
        }
        panic!("not at its end")
    };
    let few = |page, records| Err(PagingError::TooFew { page, total: 25, records });
    let offset = r#"{"offset": {"limit": 10, "total_path": "t"}}"#;
    let page = r#"{"page_number": {"total_path": "t"}}"#;
    let short = r#"{"page_number": {"total_path": "t", "limit": 10, "limit_param": "n", "stop_on_short_page": true}}"#;
    let from_20 = r#"{"offset": {"limit": 10, "total_path": "t", "initial_offset": 20}}"#;
    for (json, selector, pages, expected) in [
        (offset, None, vec![with_total(10, Some(25)), with_total(0, Some(25))], few(2, 10)),
        (offset, None, vec![with_total(10, Some(25)), with_total(0, None)], few(2, 10)),
        (page, None, vec![with_total(10, Some(25)), with_total(0, Some(25))], few(2, 10)),
        (short, None, vec![with_total(10, Some(25)), with_total(7, Some(25))], few(2, 17)),
        (offset, None, vec![with_total(10, Some(25)), with_total(0, Some(10))], Ok(())),
        (
            offset,
            Some("a[*].b[*]"),
            vec![with_total(10, Some(25)), with_total(0, Some(25))],
            Ok(()),
        ),
        (from_20, None, vec![with_total(5, Some(25)), with_total(0, Some(25))], Ok(())),
    ] {
        assert_eq!(last(json, selector, &pages), expected, "{json}");
    }
    let message = few(2, 10).unwrap_err().to_string();
    assert!(message.contains("the source says there are 25 records, 10 came"), "{message}");
}

#[test]
fn parameters() {
    let pairs = |json: &str, at: Mark| {
        params(&paginator(json), &at)
            .into_iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join("&")
    };
    assert_eq!(pairs(r#"{"single_page": {}}"#, Mark::First), "");
    assert_eq!(pairs(r#"{"page_number": {}}"#, Mark::Number(1)), "page=1");
    assert_eq!(
        pairs(r#"{"page_number": {"limit": 5, "limit_param": "per_page"}}"#, Mark::Number(2)),
        "page=2&per_page=5"
    );
    assert_eq!(pairs(r#"{"offset": {"limit": 5}}"#, Mark::Number(0)), "offset=0&limit=5");
    let cursor = r#"{"cursor": {"cursor_path": "next", "cursor_param": "after"}}"#;
    assert_eq!(pairs(cursor, Mark::First), "");
    assert_eq!(pairs(cursor, Mark::Cursor("x".into())), "after=x");
}

#[test]
fn cursors() {
    let paginator = paginator(r#"{"cursor": {"cursor_path": "next", "cursor_param": "after", "has_more_path": "more"}}"#);
    let page = |next: Option<&str>, has_more| PageFacts {
        records: 0,
        next: next.map(|text| Mark::Cursor(text.into())),
        has_more,
        ..PageFacts::default()
    };
    let start = first(&paginator);
    let after = |page: PageFacts| next(&paginator, None, &start, &page);
    assert_eq!(after(page(None, None)), Ok(None));
    assert_eq!(after(page(Some("a"), Some(false))), Ok(None));
    assert_eq!(after(page(None, Some(true))), Err(PagingError::NoMark { page: 1 }));
    assert_eq!(after(page(Some("a"), None)).unwrap().unwrap().at, Mark::Cursor("a".into()));
    let long = "é".repeat(MARK_BYTES_MAX / 6 + 1);
    assert!(matches!(after(page(Some(&long), None)), Err(PagingError::LongMark { .. })));
}

#[test]
fn the_state_is_small_and_comes_back() {
    let paginator = paginator(r#"{"next_url": {"next_url_path": "next"}}"#);
    let mut state = first(&paginator);
    for page in 0..1000u64 {
        let facts = PageFacts {
            records: 100,
            hash: Some(page.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            next: Some(Mark::Url(Address::Below(format!(
                "x?page={page}&{}",
                "y".repeat(MARK_BYTES_MAX - 20)
            )))),
            ..PageFacts::default()
        };
        state = next(&paginator, None, &state, &facts).unwrap().unwrap();
    }
    let json = serde_json::to_string(&state).unwrap();
    assert!(json.len() < MARK_BYTES_MAX + 300, "{} bytes", json.len());
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
}

#[test]
fn the_same_page_at_once() {
    let paginator = paginator(r#"{"page_number": {}}"#);
    let page = PageFacts { hash: Some(7), ..facts(3) };
    let state = next(&paginator, None, &first(&paginator), &page).unwrap().unwrap();
    assert_eq!(next(&paginator, None, &state, &page), Err(PagingError::SamePage { page: 2 }));
}

proptest! {
    /// Every circle is found, soon after it closes for the second time; what does not repeat is never taken for one.
    #[test]
    fn circles(tail in 0usize..300, circle in 1usize..300) {
        let mut guard = Guard::default();
        let value = |step: usize| if step < tail { step } else { tail + (step - tail) % circle } as u64;
        let found = (0..).find(|step| guard.seen(value(*step))).unwrap();
        prop_assert!(found >= tail + circle, "found at {found}");
        prop_assert!(found <= 4 * (tail + circle) + 4, "found at {found}");
    }

    /// An offset never passes over a record, however few a server sends at a time.
    #[test]
    fn offsets_pass_over_nothing(all in 0u64..500, limit in 1u64..60, cap in 1u64..60) {
        let paginator = Paginator::Offset {
            limit, offset_param: "o".into(), limit_param: "l".into(), initial_offset: 0, total_path: None, stop_on_short_page: false,
        };
        let (mut state, mut seen) = (first(&paginator), 0);
        loop {
            let Mark::Number(at) = state.at else { unreachable!() };
            prop_assert_eq!(at, seen);
            let page = facts(limit.min(cap).min(all - at));
            seen += page.records;
            match next(&paginator, None, &state, &page).unwrap() {
                Some(next) => state = next,
                None => break,
            }
        }
        prop_assert_eq!(seen, all);
    }
}
