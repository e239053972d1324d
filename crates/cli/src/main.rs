//! The `tidemill` command: the process around the library.

use anyhow::Context as _;
use cli::{Context, Status};
use std::{
    env,
    io::{self, Write},
    process::ExitCode,
};

fn main() -> anyhow::Result<ExitCode> {
    cli::memory::keep_freed_blocks();
    let mut context = Context::of_process().context("could not find out where this is")?;
    let parting = context.parting.clone();
    let typed: Vec<_> = env::args_os().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // A task of its own, so that Ctrl-C is heard while it is busy or waits for a slow reader of its output.
    let command = runtime.spawn(async move { cli::run(typed, &mut context).await });
    let status = runtime.block_on(async {
        tokio::select! {
            status = command => status.context("the command panicked: this is a bug of Tidemill"),
            // Stopped in the middle, like a process that was killed: what was under way is picked up by the next run.
            _ = tokio::signal::ctrl_c() => Ok(Status::Interrupted),
        }
    })?;
    if status == Status::Interrupted {
        // On a line of its own, below what was drawn. Who can't be told can't be told.
        let _ = writeln!(io::stderr(), "\n{}", parting.words());
    }
    // What is still busy must not keep a stopped process alive, nor panic because its runtime is gone: both end with the process.
    std::mem::forget(runtime);
    Ok(ExitCode::from(status as u8))
}
