//! `watch` as a Lambda function: settings, clients, then one tick after the other.

mod lambda;

use anyhow::{Context as _, anyhow};
use host::adapters::{Adapters, Place};
use host::lambda::Function;
use host::settings::LogLevel;
use host::telemetry;
use lambda::{Desk, Own};
use std::process::ExitCode;
use std::sync::Arc;

const NAME: &str = "watch";

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
    let (stack, lake_bucket, desk) = match Place::read(lambda::environment(), Own::read)? {
        Place::Aws { common, own } => {
            telemetry::install(NAME, &common.stack, common.log);
            let config = host::sdk::config().await;
            let adapters = Adapters::aws(&config, &common);
            let desk = Desk::aws(&config, adapters, own, &common.stack, &common.lake_bucket);
            (common.stack, Some(common.lake_bucket), desk)
        }
        Place::Home(home) => {
            telemetry::install(NAME, "home", LogLevel::Info);
            let adapters = Adapters::embedded(&home).context("TIDEMILL_HOME")?;
            ("home".to_owned(), None, Desk::embedded(adapters))
        }
    };
    let function = Function {
        name: NAME,
        stack,
        lake_bucket,
    };
    let desk = Arc::new(desk);
    let handler = move |message, context| {
        let desk = desk.clone();
        async move { desk.handle(message, context).await }
    };
    Ok(host::lambda::serve(function, handler).await?)
}
