//! From a process to a function that serves: one TLS provider, the settings, the log, what the function works with, and an exit code.

use super::{Answer, Failure, Function, RecordContext, ServeError, chain, serve};
use crate::adapters::Place;
use crate::event::Message;
use crate::settings::{LogLevel, Reader, SettingsError, environment};
use crate::telemetry;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

/// The stack of what runs in a folder.
const HOME: &str = "home";

/// Why a function does not start, or ended.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("there is no runtime for its work")]
    Threads(#[source] std::io::Error),
    #[error("another TLS provider is installed, expected none before the function's own")]
    Tls,
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Build(Box<dyn Error + Send + Sync>),
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// The `main` of a function: reads its settings (`own` those that only this one has), builds once what it works with, and answers invocations with
/// `handle` until the process is told to end.
pub fn run<A, B, D, E, M, H>(name: &'static str, own: impl FnOnce(&mut Reader) -> A, build: B, handle: H) -> ExitCode
where
    B: AsyncFnOnce(Place<A>) -> Result<D, E>,
    D: 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
    M: Message + 'static,
    H: AsyncFn(&D, M, RecordContext) -> Result<Answer, Failure> + 'static,
{
    let ended = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(start(name, own, build, handle)),
        Err(error) => Err(StartError::Threads(error)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where the settings are wrong there is no log yet.
            telemetry::install(name, "", LogLevel::Info);
            tracing::error!(chain = chain(&error), "the function does not start");
            ExitCode::FAILURE
        }
    }
}

async fn start<A, B, D, E, M, H>(name: &'static str, own: impl FnOnce(&mut Reader) -> A, build: B, handle: H) -> Result<(), StartError>
where
    B: AsyncFnOnce(Place<A>) -> Result<D, E>,
    D: 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
    M: Message + 'static,
    H: AsyncFn(&D, M, RecordContext) -> Result<Answer, Failure> + 'static,
{
    // Before anything connects.
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().map_err(|_| StartError::Tls)?;
    let place = Place::read(environment(), own)?;
    let (stack, lake_bucket, level) = match &place {
        Place::Aws { common, .. } => (common.stack.clone(), Some(common.lake_bucket.clone()), common.log),
        Place::Home(_) => (HOME.to_owned(), None, LogLevel::Info),
    };
    telemetry::install(name, &stack, level);
    let function = Function { name, stack, lake_bucket };
    let desk = build(place).await.map_err(|error| StartError::Build(error.into()))?;
    let door = Arc::new((desk, handle));
    let handler = move |message, context| {
        let door = door.clone();
        async move {
            let (desk, handle) = &*door;
            handle(desk, message, context).await
        }
    };
    Ok(serve(function, handler).await?)
}
