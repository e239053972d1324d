//! One stage of the product, run in this process.

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use cli::local::{Home, clock::SystemClock, holder};
use documents::Documents;
use lake::{CleanKey, Definitions, Key, RawKey, RunId};
use ledger::{Clock, Interrupted, LoadTally, Observer, Run, Step};
use pipeline::Checked;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A stage of the product, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    Raw,
    Clean,
    Load,
    Whole,
    Cold,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Raw => "raw",
            Stage::Clean => "clean",
            Stage::Load => "load",
            Stage::Whole => "whole",
            Stage::Cold => "cold",
        })
    }
}

/// Nobody watches, nothing is stopped.
struct Unwatched;

impl Observer for Unwatched {
    fn reached(&self, _: &Step) -> Result<(), Interrupted> {
        Ok(())
    }
}

/// Runs a stage on the pipeline named, with `home` as its home, and answers with how many records it did.
pub async fn run(stage: Stage, pipeline: &str, base_url: &str, home: &Path) -> Result<u64> {
    // As the command does.
    cli::memory::keep_freed_blocks();
    match stage {
        Stage::Raw => raw(pipeline, base_url, home).await,
        Stage::Clean => clean(pipeline, home).await,
        Stage::Load => {
            let home = Home::open(home)?;
            let tally = load_into(&home, home.documents.clone()).await?;
            ensure!(tally.inserted == RECORDED_ROWS, "not all documents were inserted: {tally:?}");
            Ok(tally.inserted)
        }
        Stage::Whole => whole(pipeline, &["--base-url", base_url], home).await,
        Stage::Cold => whole(pipeline, &["--recorded"], home).await,
    }
}

fn text(pipeline: &str) -> Result<&'static str> {
    match pipeline {
        "stations" => Ok(include_str!("../stations.yaml")),
        "synthetic" => Ok(include_str!("../synthetic.yaml")),
        other => bail!("there is no pipeline `{other}` among the benches"),
    }
}

fn checked(pipeline: &str) -> Result<Arc<Checked>> {
    let checked = pipeline::check(&format!("{pipeline}.yaml"), text(pipeline)?);
    checked.map(Arc::new).map_err(|faults| anyhow::anyhow!("{faults}"))
}

pub fn the_run() -> Run {
    Run {
        clock: Arc::new(SystemClock),
        observer: Arc::new(Unwatched),
        deadline_ms: None,
    }
}

async fn raw(pipeline: &str, base_url: &str, home: &Path) -> Result<u64> {
    let home = Home::create(home)?;
    let definition = checked(pipeline)?;
    Definitions::new(home.store.clone())
        .publish(definition.clone(), text(pipeline)?)
        .await?;
    let name = &definition.pipeline.pipeline;
    let generation = home.ledger.apply_definition(name, definition.hash.as_str()).await?;
    let resource = definition.pipeline.resources.first().context("a pipeline without resources")?;
    let tick = extract::Tick {
        definition: definition.clone(),
        generation,
        resource: resource.name.clone(),
        run: RunId::new(SystemClock.now_ms().unsigned_abs(), 0),
        base_url: Some(base_url.to_owned()),
        folder: ".".into(),
        pages_max: None,
        continues: false,
    };
    let services = extract::Services {
        store: home.store.clone(),
        ledger: home.ledger.clone(),
        holder: holder::this_process(),
        holder_is_dead: Arc::new(holder::is_dead),
        resolve: Arc::new(|_| Err("the benches have no variables".to_owned())),
        names: Arc::new(extract::Names::default()),
        settings: extract::Settings::default(),
    };
    match extract::handle(&tick, &the_run(), &services).await? {
        // The bench's source has no other count at this stage: its pages hold 1,000 records each, the last one fewer.
        extract::Outcome::Extracted { .. } => Ok(RECORDED_ROWS),
        extract::Outcome::Skipped { holder, .. } => bail!("the lease is held by {holder}"),
        other => bail!("the extraction did not end: {other:?}"),
    }
}

/// The rows of the recording; the stages after the first count what they see and are compared with it.
pub const RECORDED_ROWS: u64 = 519_570;

async fn clean(pipeline: &str, home: &Path) -> Result<u64> {
    let home = Home::open(home)?;
    let services = clean::Services {
        store: home.store.clone(),
        ledger: home.ledger.clone(),
        definitions: home.definitions.clone(),
    };
    let mut records = 0;
    for key in keys(&home, &format!("raw/{pipeline}/")).await? {
        let input = clean::Input {
            raw: RawKey::parse(key.as_str())?,
            definition: None,
        };
        let tally = clean::handle(&input, &the_run(), &services).await?.tally;
        ensure!(tally.out == tally.records_in, "records were lost: {tally:?}");
        records += tally.records_in;
    }
    ensure!(
        records == RECORDED_ROWS,
        "{records} rows were cleaned, {RECORDED_ROWS} are in the recording"
    );
    Ok(records)
}

/// Loads all clean objects of a home into a store of documents, and answers with the numbers of these very attempts.
pub async fn load_into(home: &Home, documents: Arc<dyn Documents>) -> Result<LoadTally> {
    let services = load::Services {
        store: home.store.clone(),
        ledger: home.ledger.clone(),
        documents,
        definitions: home.definitions.clone(),
    };
    let mut tally = LoadTally::default();
    for key in keys(home, "clean/").await? {
        let input = load::Input {
            clean: CleanKey::parse(key.as_str())?,
            again_in_order: false,
        };
        tally += load::handle(&input, &the_run(), &services).await?.this_attempt;
    }
    Ok(tally)
}

pub async fn keys(home: &Home, prefix: &str) -> Result<Vec<Key>> {
    let mut keys: Vec<Key> = Vec::new();
    loop {
        let page = home.store.list(prefix, keys.last(), 1_000).await?;
        if page.is_empty() {
            return Ok(keys);
        }
        keys.extend(page);
    }
}

/// The command itself, its numbers read from what it prints.
async fn whole(pipeline: &str, options: &[&str], home: &Path) -> Result<u64> {
    let file = home.join("pipeline.yaml");
    let named = match text(pipeline) {
        Ok(text) => {
            std::fs::write(&file, text)?;
            file.as_os_str()
        }
        Err(_) => pipeline.as_ref(),
    };
    let printed = cli::context::Shared::new(std::fs::File::create(home.join("printed.json"))?);
    let mut context = cli::Context::of_process()?;
    context.out = Box::new(printed);
    let mut typed: Vec<OsString> = ["tidemill", "--home"].map(OsString::from).into();
    typed.push(home.join("home").into());
    typed.extend(["run".into(), named.to_owned(), "--json".into()]);
    typed.extend(options.iter().map(OsString::from));
    let status = cli::run(typed, &mut context).await;
    ensure!(status == cli::Status::Well, "`tidemill run` ended with {status:?}");
    let printed: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(home.join("printed.json"))?)?;
    printed
        .pointer("/load/inserted")
        .and_then(serde_json::Value::as_u64)
        .context("no number of inserted documents")
}
