//! Progress while work goes on: drawn on a terminal, plain sparse lines elsewhere. Always on the side (stderr), never among the results.

use super::numbers::{bytes, count, counted};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ledger::{Interrupted, Observer, Step};
use std::{
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Elsewhere than on a terminal, a line at most so often.
const LINE_EVERY: Duration = Duration::from_secs(10);
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Counts the steps of a run and shows them.
pub struct Progress {
    state: Mutex<State>,
}

struct State {
    shown: Shown,
    /// What is being fetched.
    name: String,
    began: Instant,
    last_page: Instant,
    last_shown: Instant,
    pages: u64,
    records: u64,
    bytes: u64,
    cleaned: u64,
    loaded: u64,
}

enum Shown {
    Drawn(ProgressBar),
    Lines(Box<dyn Write + Send>),
    Nothing,
}

impl Progress {
    /// Drawn on this process's stderr, which is a terminal.
    pub fn drawn() -> Progress {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(DRAW_EVERY);
        Progress::new(Shown::Drawn(bar))
    }

    /// Lines, now and then.
    pub fn lines(to: Box<dyn Write + Send>) -> Progress {
        Progress::new(Shown::Lines(to))
    }

    /// For tests and `try`.
    pub fn silent() -> Progress {
        Progress::new(Shown::Nothing)
    }

    fn new(shown: Shown) -> Progress {
        let now = Instant::now();
        Progress {
            state: Mutex::new(State {
                shown,
                name: String::new(),
                began: now,
                last_page: now,
                last_shown: now,
                pages: 0,
                records: 0,
                bytes: 0,
                cleaned: 0,
                loaded: 0,
            }),
        }
    }

    /// From here on, this resource is fetched.
    pub fn begin(&self, name: &str) {
        let mut state = self.state();
        state.name = name.to_owned();
        (state.pages, state.records, state.bytes, state.cleaned, state.loaded) = (0, 0, 0, 0, 0);
        state.began = Instant::now();
        (state.last_page, state.last_shown) = (state.began, state.began);
        if let Shown::Drawn(bar) = &state.shown {
            bar.set_message(format!("{name}: asking"));
        }
    }

    /// Says something between.
    pub fn say(&self, text: &str) {
        match &mut self.state().shown {
            Shown::Drawn(bar) => bar.println(text),
            Shown::Lines(to) => {
                // Who can't be told can't be told: the work goes on.
                let _ = writeln!(to, "{text}");
            }
            Shown::Nothing => {}
        }
    }

    /// Shows how far the work is, in place of what was shown before: not more often than can be read.
    pub fn tell(&self, text: &str) {
        let mut state = self.state();
        if state.is_due() {
            state.put(text);
        }
    }

    /// Takes the drawing away.
    pub fn end(&self) {
        if let Shown::Drawn(bar) = &self.state().shown {
            bar.finish_and_clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Progress {
    fn reached(&self, step: &Step) -> Result<(), Interrupted> {
        let mut state = self.state();
        match step {
            Step::PageReceived { records, bytes } => {
                state.pages += 1;
                state.records += records;
                state.bytes += bytes;
                state.last_page = Instant::now();
            }
            Step::CleanWritten { records } => state.cleaned += records,
            Step::BatchLoaded { documents } => state.loaded += documents,
            _ => return Ok(()),
        }
        state.show();
        Ok(())
    }
}

impl State {
    fn show(&mut self) {
        if self.is_due() {
            // The rate is that of the source: it stands still once the last page is there.
            let text = self.text(self.last_page.duration_since(self.began));
            self.put(&text);
        }
    }

    /// Whether something new may be shown now.
    fn is_due(&mut self) -> bool {
        let every = match self.shown {
            Shown::Drawn(_) => DRAW_EVERY,
            Shown::Lines(_) => LINE_EVERY,
            Shown::Nothing => return false,
        };
        let is_due = self.last_shown.elapsed() >= every;
        if is_due {
            self.last_shown = Instant::now();
        }
        is_due
    }

    fn put(&mut self, text: &str) {
        match &mut self.shown {
            Shown::Drawn(bar) => bar.set_message(text.to_owned()),
            Shown::Lines(to) => {
                // Who can't be told can't be told: the work goes on.
                let _ = writeln!(to, "{text}");
            }
            Shown::Nothing => {}
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let rate = self.records as f64 / elapsed.as_secs_f64().max(0.001);
        format!(
            "{}: {}, {} ({}/s), {} · cleaned {} · loaded {}",
            self.name,
            counted(self.pages, "page"),
            counted(self.records, "record"),
            count(rate as u64),
            bytes(self.bytes),
            count(self.cleaned),
            count(self.loaded),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up() {
        let progress = Progress::silent();
        progress.begin("earthquakes/events");
        for _ in 0..2 {
            let page = Step::PageReceived {
                records: 1000,
                bytes: 700_000,
            };
            assert_eq!(progress.reached(&page), Ok(()));
        }
        assert_eq!(progress.reached(&Step::CleanWritten { records: 1990 }), Ok(()));
        assert_eq!(progress.reached(&Step::BatchLoaded { documents: 1000 }), Ok(()));
        let text = progress.state().text(Duration::from_secs(2));
        let expected = "earthquakes/events: 2 pages, 2,000 records (1,000/s), 1.3 MB · cleaned 1,990 · loaded 1,000";
        assert_eq!(text, expected);
    }
}
