//! The `tidemill` command as a library: what is typed goes in, texts and an exit code come out. Tests call it in their own process.

pub mod apply;
pub mod arguments;
#[cfg(feature = "aws")]
pub mod cloud;
mod commands;
pub mod context;
pub mod failure;
mod half_restored;
pub mod local;
pub mod memory;
pub mod output;
pub mod ports;
pub mod publish;

pub use context::Context;
pub use failure::{Failure, Status, chain};

use arguments::Arguments;
use clap::{CommandFactory, FromArgMatches};
use std::{ffi::OsString, io::Write};

/// Runs one command line; the first argument is the program's name.
pub async fn run(typed: impl IntoIterator<Item = OsString>, context: &mut Context) -> Status {
    let typed: Vec<OsString> = typed.into_iter().collect();
    // Looked for by itself: what is wrong may be another argument.
    let as_json = typed.iter().any(|word| word == "--json");
    let parsed = Arguments::command()
        .try_get_matches_from(typed)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let status = match parsed {
        Ok(arguments) => match commands::dispatch(arguments, context).await {
            Ok(status) => status,
            Err(failure) => failure.report(as_json, context),
        },
        Err(error) => usage(&error, as_json, context),
    };
    match context.out.flush() {
        Ok(()) => status,
        Err(error) => Failure::from(error).report(false, context),
    }
}

/// Help and version are what was asked for; all else is wrong use.
fn usage(error: &clap::Error, as_json: bool, context: &mut Context) -> Status {
    if as_json && error.use_stderr() {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        // Who can't be told can't be told.
        let _ = output::json::line(&mut context.out, &serde_json::json!({"error": first}));
    }
    let (to, colour, status): (&mut dyn Write, _, _) = if error.use_stderr() {
        (&mut context.err, context.err_is_terminal, Status::Wrong)
    } else {
        (&mut context.out, context.out_is_terminal, Status::Well)
    };
    let text = error.render();
    let written = if colour {
        write!(to, "{}", text.ansi())
    } else {
        write!(to, "{text}")
    };
    // Who can't be told can't be told.
    let _ = written;
    status
}
