//! Log lines: a JSON object each, with the fields of the event and of all spans around it side by side.

use crate::settings::LogLevel;
use serde_json::{Map, Value};
use std::fmt;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Where lines go.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// The characters of a text that a line shows.
pub const STRING_CHARS_MAX: usize = 4_000;

/// Whose lines obey the level. A binary may be called after one of them with `_` and more.
const OWN: [&str; 9] = [
    "host",
    "lake",
    "ledger",
    "documents",
    "pipeline",
    "extract",
    "clean",
    "load",
    "watch",
];
/// It tells again, in its own form, what is logged at the boundary of a record.
const TOLD_TWICE: &str = "lambda_runtime::layers::panic";

/// The layer that writes the lines.
pub struct JsonLines {
    function: &'static str,
    stack: String,
    level: Level,
    sink: Sink,
}

impl JsonLines {
    pub fn new(function: &'static str, stack: &str, level: LogLevel, sink: Sink) -> JsonLines {
        let level = match level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
        };
        JsonLines {
            function,
            stack: stack.to_owned(),
            level,
            sink,
        }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let package = target.split("::").next().unwrap_or(target);
        let is_own = |own: &&str| {
            package
                .strip_prefix(*own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        if OWN.iter().any(is_own) {
            // Spans are kept whatever the level: they say what an error is about.
            metadata.is_span() || *metadata.level() <= self.level
        } else {
            metadata.is_event() && *metadata.level() <= Level::WARN.min(self.level) && target != TOLD_TWICE
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Spans of ours are at INFO.
        Some(LevelFilter::from_level(self.level.max(Level::INFO)))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Fields::default();
        line.text("timestamp", format!("{:.3}", jiff::Timestamp::now()));
        line.text("level", event.metadata().level().to_string());
        line.text("function", self.function.to_owned());
        line.text("stack", self.stack.clone());
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.0.extend(fields.0.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        event.record(&mut line);
        (self.sink)(&Value::Object(line.0).to_string());
    }
}

/// The fields of a span or of a line.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &str, text: String) {
        self.0.insert(name.to_owned(), Value::String(shortened(text)));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value.to_owned());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), format!("{value:?}"));
    }
}

fn shortened(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(STRING_CHARS_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Every panic is a line, with its place. The boundary of a record tells its message again, as that record's failure.
pub(super) fn panicked(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("no message");
    tracing::error!(error_type = "Panic", location, chain = message, "panicked");
}
