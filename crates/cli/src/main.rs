//! The `tidemill` command: the process around the library.

use cli::{Context, Status};
use std::{env, io::Write, process::ExitCode};

fn main() -> anyhow::Result<ExitCode> {
    let mut context = Context::of_process()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let status = runtime.block_on(async {
        tokio::select! {
            status = cli::run(env::args_os(), &mut context) => status,
            // Stopped in the middle, like a process that was killed: what was under way is picked up by the next run.
            _ = tokio::signal::ctrl_c() => Status::Interrupted,
        }
    });
    if status == Status::Interrupted {
        let _ = context.err.write_all(b"stopped; the same command goes on from here\n");
    }
    // A task that is still busy (a read of a slow file) must not keep a stopped process alive.
    runtime.shutdown_background();
    Ok(ExitCode::from(status as u8))
}
