//! The hand-written readers of times against jiff's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;

fn iso(zone: Option<&str>) -> TimeFormat {
    TimeFormat::new(None, zone).unwrap()
}

proptest! {
    #[test]
    fn every_time_is_read_as_jiff_reads_it(at in -62_167_219_200_000i64..253_402_207_200_000, fraction in 0usize..10) {
        let nanos = i128::from(at) * 1_000_000 + 123_456;
        let timestamp = Timestamp::from_nanosecond(nanos).unwrap();
        let text = format!("{timestamp:.fraction$}");
        let expected = floor_ms(text.parse::<Timestamp>().unwrap());
        prop_assert_eq!(utc_second(text.as_bytes()), Some(expected));
        let slow = text.replace('T', " ").replace('Z', "+00:00");
        prop_assert_eq!(utc_second(slow.as_bytes()), None);
        prop_assert_eq!(iso(None).timestamp(&Value::Text(&slow)).unwrap(), expected);
        let date = TimeZone::UTC.to_datetime(timestamp).date();
        prop_assert_eq!(midnight(date), floor_ms(TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).unwrap()));
    }

    #[test]
    fn a_local_time_is_what_jiff_makes_of_it(at in 0i64..4_000_000_000_000, zone in prop::sample::select(vec!["Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])) {
        let tz = TimeZone::get(zone).unwrap();
        let local = tz.to_datetime(Timestamp::from_millisecond(at).unwrap());
        let ours = iso(Some(zone)).timestamp(&Value::Text(&local.to_string())).map_err(|problem| problem.reason());
        let theirs = tz.to_ambiguous_timestamp(local);
        match theirs.offset() {
            AmbiguousOffset::Unambiguous { .. } => prop_assert_eq!(ours, Ok(at)),
            AmbiguousOffset::Gap { .. } => prop_assert_eq!(ours, Err(Reason::NoSuchTime)),
            AmbiguousOffset::Fold { .. } => prop_assert_eq!(ours, Err(Reason::AmbiguousTime)),
        }
    }

    #[test]
    fn no_text_panics(text in "[-0-9TtZz:+., ]{0,40}|\\PC{0,30}") {
        let _ = iso(Some("Europe/Oslo")).timestamp(&Value::Text(&text));
        let _ = iso(None).date(&Value::Text(&text));
        for format in ["unix_s", "unix_ms", "%d.%m.%Y %H:%M:%S", "%s", "%Q", "%z"] {
            let format = TimeFormat::new(Some(format), None).unwrap();
            let _ = format.timestamp(&Value::Text(&text));
            let _ = format.date(&Value::Text(&text));
        }
    }
}
