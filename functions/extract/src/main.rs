//! `extract` as a Lambda function: settings, clients, then one message after the other.

mod lambda;

use anyhow::{Context as _, anyhow};
use host::adapters::{Adapters, Place};
use host::settings::LogLevel;
use host::telemetry;
use lambda::{Extractor, NAME, Own, Queue, Values};
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
    let environment = lambda::environment();
    let (stack, lake_bucket, extractor) = match Place::read(environment.clone(), Own::read)? {
        Place::Aws { common, own } => {
            telemetry::install(NAME, &common.stack, common.log);
            let config = host::sdk::config().await;
            let values = Values::aws(environment, &config, &own.secret_prefix);
            let queue = Queue::new(&config, &own.queue_url);
            let extractor = Extractor::new(Adapters::aws(&config, &common), values, Some(queue));
            (common.stack, Some(common.lake_bucket), extractor)
        }
        Place::Home(home) => {
            telemetry::install(NAME, "home", LogLevel::Info);
            let adapters = Adapters::embedded(&home).context("TIDEMILL_HOME")?;
            (
                "home".to_owned(),
                None,
                Extractor::new(adapters, Values::embedded(environment), None),
            )
        }
    };
    let extractor = Arc::new(extractor);
    let handler = move |message, context| {
        let extractor = extractor.clone();
        async move { extractor.handle(message, context).await }
    };
    Ok(host::lambda::serve(lambda::function(stack, lake_bucket), handler).await?)
}
