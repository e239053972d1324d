//! A time written as another one is: what a source reads in one form, it may not read in another. Pure.

use jiff::Timestamp;
use jiff::fmt::{strtime, temporal::Pieces};
use jiff::tz::Offset;

/// `time` as `model` is written: a day alone or with a time, with as many digits of a fraction, with `Z`, an offset or neither. What the
/// form does not hold is cut off, so it never says a later time.
pub(super) fn in_the_form_of(model: &str, time: Timestamp) -> String {
    written(model, time).unwrap_or_else(|| time.to_string())
}

/// Nothing for what is rarely written: a year of six digits, a time zone in brackets.
fn written(model: &str, time: Timestamp) -> Option<String> {
    let pieces = Pieces::parse(model).ok()?;
    if pieces.time_zone_annotation().is_some() || model.starts_with(['+', '-']) {
        return None;
    }
    // The offset is the model's, so its text is too.
    let (pattern, zone) = pattern(model)?;
    let local = pieces.to_numeric_offset().unwrap_or(Offset::UTC).to_datetime(time);
    let text = strtime::format(pattern, local).ok()?;
    Some(text + zone)
}

/// For `strftime`, with the text of the offset, which stays as it is.
fn pattern(model: &str) -> Option<(String, &str)> {
    let split_at = |text, separators: &[char]| -> (&str, &str) {
        let text: &str = text;
        text.find(separators).map_or((text, ""), |at| text.split_at(at))
    };
    let (day, time) = split_at(model, &['T', 't', ' ']);
    let mut pattern = if day.contains('-') { "%Y-%m-%d" } else { "%Y%m%d" }.to_owned();
    let Some(separator) = time.get(..1) else {
        return Some((pattern, ""));
    };
    let (time, zone) = split_at(time.get(1..)?, &['Z', 'z', '+', '-']);
    let (clock, fraction) = split_at(time, &['.', ',']);
    pattern.push_str(separator);
    pattern.push_str(match (clock.len(), clock.contains(':')) {
        (8, true) => "%H:%M:%S",
        (5, true) => "%H:%M",
        (6, false) => "%H%M%S",
        (4, false) => "%H%M",
        _ => return None,
    });
    if let Some(point) = fraction.get(..1) {
        pattern.push_str(&format!("{point}%{}f", fraction.len() - 1));
    }
    Some((pattern, zone))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn as_the_model_is_written() {
        let time: Timestamp = "2018-03-04T05:06:07.089Z".parse().unwrap();
        for (model, expected) in [
            ("2024-01-01", "2018-03-04"),
            ("20240101", "20180304"),
            ("2024-01-01T00:00:00Z", "2018-03-04T05:06:07Z"),
            ("2024-01-01t00:00:00z", "2018-03-04t05:06:07z"),
            ("2024-01-01T00:00Z", "2018-03-04T05:06Z"),
            ("2024-01-01T00:00:00", "2018-03-04T05:06:07"),
            ("2024-01-01 00:00:00", "2018-03-04 05:06:07"),
            ("20240101T000000Z", "20180304T050607Z"),
            ("2024-01-01T00:00:00.0Z", "2018-03-04T05:06:07.0Z"),
            ("2024-01-01T00:00:00.000Z", "2018-03-04T05:06:07.089Z"),
            ("2024-01-01T00:00:00,000000", "2018-03-04T05:06:07,089000"),
            ("2024-01-01T00:00:00+02:00", "2018-03-04T07:06:07+02:00"),
            ("2024-01-01T00:00:00.000-0530", "2018-03-03T23:36:07.089-0530"),
            ("2024-01-01T00:00:00[UTC]", "2018-03-04T05:06:07.089Z"),
        ] {
            assert_eq!(in_the_form_of(model, time), expected, "{model}");
            // What is sent is read back as a time that is not later.
            assert!(
                super::super::time(expected).is_none_or(|sent| sent <= time.as_millisecond()),
                "{model}"
            );
        }
        let early: Timestamp = "0031-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(in_the_form_of("2024-01-01", early), "0031-01-02");
    }
}
