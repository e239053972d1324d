//! Whether and when to ask again. Pure: the attempt, the failure, the time and the dice in; the wait out.

use pipeline::Retries;
use std::time::{Duration, UNIX_EPOCH};

/// What went wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No whole reply came: the connection, a time-out, a truncated body.
    Transport,
    /// A reply with this status, and what its `Retry-After` says.
    Status { status: u16, retry_after: Option<Duration> },
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Ask again after so long.
    Wait(Duration),
    /// Not a failure that passes.
    Final,
    /// It may pass, but as many requests were made as the pipeline allows.
    Exhausted,
    /// The server asks for a longer wait than the pipeline allows.
    TooLong(Duration),
}

/// Decides after the `attempt`-th request (counted from 1). `dice` is a random number from 0 up to 1, exclusive.
pub fn decide(retries: &Retries, attempt: u32, failure: Failure, dice: f64) -> Decision {
    let asked = match failure {
        Failure::Transport => None,
        Failure::Status { status, retry_after } if passes(status) => retry_after,
        Failure::Status { .. } => return Decision::Final,
    };
    if attempt >= retries.attempts_max {
        return Decision::Exhausted;
    }
    match asked {
        Some(wait) if wait > retries.backoff_max.0 => Decision::TooLong(wait),
        Some(wait) => Decision::Wait(wait),
        None => {
            // Full jitter: anything from nothing to the doubled limit, so that many clients do not come back at once.
            let doubled = retries.backoff.0.saturating_mul(1u32.checked_shl(attempt - 1).unwrap_or(u32::MAX));
            Decision::Wait(doubled.min(retries.backoff_max.0).mul_f64(dice.clamp(0.0, 1.0)))
        }
    }
}

/// Whether a status is one that passes: the request was not taken, or the server or a gateway was not well.
fn passes(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// The wait that a `Retry-After` asks for: seconds, or a date, which has passed already when it is not after `now_ms`.
pub fn retry_after(header: &str, now_ms: i64) -> Option<Duration> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let now = UNIX_EPOCH + Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
    let date = httpdate::parse_http_date(header).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::Span;
    use proptest::prelude::*;

    fn status(status: u16, retry_after: Option<u64>) -> Failure {
        Failure::Status {
            status,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn decisions() {
        let retries = Retries::default();
        let ms = |ms| Decision::Wait(Duration::from_millis(ms));
        for (attempt, failure, expected) in [
            (1, Failure::Transport, ms(250)),
            (2, Failure::Transport, ms(500)),
            (5, status(503, None), ms(4000)),
            (6, status(503, None), Decision::Exhausted),
            (1, status(429, Some(0)), ms(0)),
            (1, status(429, Some(7)), ms(7000)),
            (1, status(503, Some(120)), ms(120_000)),
            (1, status(429, Some(121)), Decision::TooLong(Duration::from_secs(121))),
            (1, status(408, None), ms(250)),
            (1, status(425, None), ms(250)),
            (1, status(404, Some(1)), Decision::Final),
            (1, status(401, None), Decision::Final),
            (1, status(600, None), Decision::Final),
        ] {
            assert_eq!(decide(&retries, attempt, failure, 0.5), expected, "{attempt} {failure:?}");
        }
    }

    #[test]
    fn the_header() {
        let now_ms = 784_111_777_000; // Sun, 06 Nov 1994 08:49:37 GMT
        for (header, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after(header, now_ms), expected.map(Duration::from_secs), "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_allowed(attempt in 1u32..200, dice in 0.0f64..1.0, backoff in 0u64..1_000_000, most in 0u64..10_000_000) {
            let span = |ms| Span(Duration::from_millis(ms));
            let retries = Retries { attempts_max: u32::MAX, backoff: span(backoff), backoff_max: span(most) };
            match decide(&retries, attempt, Failure::Transport, dice) {
                Decision::Wait(wait) => prop_assert!(wait <= retries.backoff_max.0),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
