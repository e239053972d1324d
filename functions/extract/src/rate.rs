//! At most so many requests in any length of time. Pure: the time is passed in.
//!
//! A window that slides, not a bucket of tokens: a full bucket that drains while it is refilled lets twice the number through in one window.

use pipeline::RateLimit;
use std::collections::VecDeque;
use std::time::Duration;

/// The most starts that are remembered; a larger limit is divided, which only makes it stricter within the window.
const REMEMBERED_MAX: u32 = 4096;

/// A limit, and when the last requests started.
#[derive(Clone, Debug)]
pub struct Rate {
    requests: usize,
    per: Duration,
    started: VecDeque<Duration>,
}

impl Rate {
    pub fn new(limit: RateLimit) -> Rate {
        let parts = limit.requests.div_ceil(REMEMBERED_MAX).max(1);
        let requests = usize::try_from(limit.requests / parts).unwrap_or(1).max(1);
        Rate {
            requests,
            per: limit.per.0 / parts,
            started: VecDeque::new(),
        }
    }

    /// Remembers requests that another process started, in their order.
    pub fn remember(&mut self, started: impl IntoIterator<Item = Duration>) {
        for start in started {
            if self.started.len() >= self.requests {
                self.started.pop_front();
            }
            self.started.push_back(start);
        }
    }

    /// When the requests started that still count at `now`.
    pub fn remembered(&self, now: Duration) -> impl Iterator<Item = Duration> {
        self.started.iter().copied().filter(move |start| *start + self.per > now)
    }

    /// How long a request must wait at `now` (a time since any fixed moment).
    pub fn wait(&self, now: Duration) -> Duration {
        let last = self.started.back().copied().unwrap_or_default();
        let oldest = self.started.front().filter(|_| self.started.len() >= self.requests);
        let start = now.max(last).max(oldest.map_or(Duration::ZERO, |oldest| *oldest + self.per));
        start.saturating_sub(now)
    }

    /// Books a request at or after `now` and says how long to wait before it starts.
    pub fn book(&mut self, now: Duration) -> Duration {
        let wait = self.wait(now);
        self.remember([now + wait]);
        wait
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;
    use pipeline::Span;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_the_window() {
        let mut rate = Rate::new(RateLimit {
            requests: 2,
            per: Span(Duration::from_secs(1)),
        });
        let ms = Duration::from_millis;
        let waits: Vec<Duration> = [0, 0, 100, 1000, 1100, 5000].iter().map(|now| rate.book(ms(*now))).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(900), ms(0), ms(900), ms(0)]);
    }

    #[test]
    fn another_process_goes_on_with_the_same_window() {
        let limit = RateLimit {
            requests: 2,
            per: Span(Duration::from_secs(1)),
        };
        let ms = Duration::from_millis;
        let (mut first, mut second) = (Rate::new(limit), Rate::new(limit));
        assert_eq!([first.book(ms(5_000)), first.book(ms(5_400))], [ms(0), ms(0)]);
        second.remember(first.remembered(ms(5_500)));
        assert_eq!(second.wait(ms(5_500)), ms(500));
        assert_eq!([second.book(ms(5_500)), second.book(ms(6_000))], [ms(500), ms(400)]);
        assert_eq!(first.remembered(ms(6_000)).collect::<Vec<_>>(), [ms(5_400)]);
    }

    proptest! {
        #[test]
        fn no_window_holds_more(requests in 1u32..9000, per in 1u64..5000, gaps in prop::collection::vec(0u64..300, 1..200)) {
            let mut rate = Rate::new(RateLimit { requests, per: Span(Duration::from_millis(per)) });
            let (mut now, mut starts) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                now += rate.book(now);
                starts.push(now);
            }
            let n = requests as usize;
            for (at, start) in starts.iter().enumerate().skip(n) {
                prop_assert!(*start >= starts[at - n] + Duration::from_millis(per));
            }
        }
    }
}
