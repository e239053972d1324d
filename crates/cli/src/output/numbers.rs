//! Numbers as people read them.

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `999 B`, `1.2 MB` (powers of 1024).
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let (mut value, mut unit) = (number as f64 / 1024.0, "KB");
    for next in UNITS.into_iter().skip(1) {
        if value < 999.95 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `340 ms`, `2.5 s`, `3 m 07 s`, `2 h 05 m`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `2026-11-24 07:30:00`, in UTC.
pub fn moment(ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms);
    at.map_or_else(|_| ms.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// `2026-11-24T07:30:00Z`, for JSON.
pub fn iso(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

/// `1 record`, `2 records`.
pub fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1024, 1_219_853].map(bytes), ["0 B", "1023 B", "1.0 KB", "1.2 MB"]);
        assert_eq!([u64::MAX].map(bytes), ["16777216.0 TB"]);
        assert_eq!(
            [-5, 0, 999, 1000, 59_999].map(duration),
            ["0 ms", "0 ms", "999 ms", "1.0 s", "59.9 s"]
        );
        assert_eq!([60_000, 7_500_000].map(duration), ["1 m 00 s", "2 h 05 m"]);
        assert_eq!(moment(1_517_968_154_000), "2018-02-07 01:49:14");
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(0, "record"), "0 records");
    }
}
