//! `clean` as a Lambda function: settings, clients, then one message after the other.

mod lambda;

use anyhow::{Context as _, anyhow};
use host::adapters::{Adapters, Place};
use host::settings::LogLevel;
use host::telemetry;
use lambda::{Desk, NAME};
use std::process::ExitCode;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::install(NAME, "", LogLevel::Info);
            tracing::error!(chain = format!("{error:#}"), "the function does not start");
            ExitCode::FAILURE
        }
    }
}

async fn start() -> anyhow::Result<()> {
    let provider = rustls::crypto::ring::default_provider();
    provider
        .install_default()
        .map_err(|_| anyhow!("another TLS provider is installed"))?;
    let (stack, lake_bucket, adapters) = match Place::read(lambda::environment(), |_| ())? {
        Place::Aws { common, own: () } => {
            telemetry::install(NAME, &common.stack, common.log);
            let config = host::sdk::config().await;
            let adapters = Adapters::aws(&config, &common);
            (common.stack, Some(common.lake_bucket), adapters)
        }
        Place::Home(home) => {
            telemetry::install(NAME, "home", LogLevel::Info);
            let adapters = Adapters::embedded(&home).context("TIDEMILL_HOME")?;
            ("home".to_owned(), None, adapters)
        }
    };
    let desk = Arc::new(Desk::new(adapters));
    let handler = move |message, context| {
        let desk = desk.clone();
        async move { desk.handle(message, context).await }
    };
    Ok(host::lambda::serve(lambda::function(stack, lake_bucket), handler).await?)
}
