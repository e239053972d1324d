//! What a function tells the world of its work: log lines in JSON and metrics, both on standard output.

mod log;
mod metrics;

pub use log::{JsonLines, STRING_CHARS_MAX, Sink};
pub use metrics::{Metric, Metrics, NAMESPACE};

use crate::settings::LogLevel;
use std::io::Write as _;
use std::sync::Arc;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

/// From here on, what the process logs goes to standard output, a JSON object a line; panics too. The first call counts, in `main`.
///
/// Of the process's dependencies only warnings are logged, whatever `level` says: what they print at lower levels holds headers and bodies.
pub fn install(function: &'static str, stack: &str, level: LogLevel) {
    let lines = JsonLines::new(function, stack, level, Arc::new(print_line));
    if tracing::subscriber::set_global_default(registry().with(lines)).is_ok() {
        std::panic::set_hook(Box::new(log::panicked));
    }
}

/// One write a line, so that lines of several threads do not mix. A closed standard output is nobody's fault here.
pub fn print_line(line: &str) {
    let mut whole = String::with_capacity(line.len() + 1);
    whole.push_str(line);
    whole.push('\n');
    let mut out = std::io::stdout().lock();
    drop(out.write_all(whole.as_bytes()).and_then(|()| out.flush()));
}

#[cfg(test)]
mod tests;
