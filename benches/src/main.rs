//! Measures what each stage costs: a child process a stage, the servers in others, medians of several runs. See README.md.

mod child;
mod mongo;
mod stage;
mod stub;
mod table;
mod upstream;
mod usage;
mod vault;

use anyhow::{Result, ensure};
use child::{Server, measure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use mongo::Way;
use stage::Stage;
use std::path::{Path, PathBuf};
use stub::Stored;
use table::{Measured, Row};

/// About how many bytes a page of the synthetic source has.
const SYNTHETIC_PAGE_BYTES: f64 = 1.0e6;

#[derive(Parser)]
#[command(about = "What each stage costs, in processor time and memory")]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// 519,570 recorded rows in pages of 1,000, stage by stage, and a cold run of 1,707 records.
    Stages(Recorded),
    /// The same rows into a stub of MongoDB: `load`, and beside it bare loops through the driver.
    Mongodb(Recorded),
    /// The same rows in the embedded store: a backup, its verification, a restore, and `gzip` over the same bytes.
    Backup(Recorded),
    /// Made-up rows, to see that memory does not grow with the input.
    Synthetic {
        #[arg(long, default_value_t = 2.0)]
        gigabytes: f64,
    },
    /// One stage, in this process (used by the other modes).
    #[command(hide = true)]
    Stage {
        stage: Stage,
        #[arg(long)]
        pipeline: String,
        #[arg(long)]
        base_url: String,
        #[arg(long)]
        home: PathBuf,
    },
    /// One way of writing to MongoDB, in this process (used by the other modes).
    #[command(hide = true)]
    Mongo {
        way: Way,
        #[arg(long)]
        uri: String,
        #[arg(long)]
        home: PathBuf,
    },
    /// A backup, or what it is compared with, in this process (used by the other modes).
    #[command(hide = true)]
    Vault {
        way: vault::Way,
        #[arg(long)]
        home: PathBuf,
    },
    /// The upstream, in this process (used by the other modes).
    #[command(hide = true)]
    Upstream {
        #[arg(long)]
        polls: Option<PathBuf>,
        #[arg(long, default_value_t = 0)]
        synthetic_pages: usize,
    },
    /// The stub of MongoDB, in this process (used by the other modes).
    #[command(hide = true)]
    Stub { stored: Stored },
}

#[derive(Args)]
struct Recorded {
    /// The folder of recordings: holds `bench/gbfs_oslo_2000polls.jsonl.gz`.
    #[arg(long, env = "TIDEMILL_RECORDINGS")]
    recordings: PathBuf,
    /// How often each is measured; the median is shown.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
}

fn main() -> Result<()> {
    match Arguments::parse().mode {
        Mode::Stages(recorded) => stages(&recorded),
        Mode::Mongodb(recorded) => mongodb(&recorded),
        Mode::Backup(recorded) => backup(&recorded),
        Mode::Synthetic { gigabytes } => synthetic(gigabytes),
        Mode::Stage {
            stage,
            pipeline,
            base_url,
            home,
        } => usage::printed(stage::run(stage, &pipeline, &base_url, &home)),
        Mode::Mongo { way, uri, home } => usage::printed(mongo::run(way, &uri, &home)),
        Mode::Vault { way, home } => vault::printed(way, &home),
        Mode::Upstream { polls, synthetic_pages } => {
            let rows = polls.map_or_else(|| Ok(upstream::Rows::none()), |polls| upstream::Rows::read(&polls))?;
            upstream::serve(rows, synthetic_pages)
        }
        Mode::Stub { stored } => stub::serve(stored),
    }
}

fn stages(recorded: &Recorded) -> Result<()> {
    let upstream = recorded.upstream()?;
    let server = stub(Stored::Nothing)?;
    let mut rows: Vec<(Stage, Row)> = [Stage::Raw, Stage::Clean, Stage::Load, Stage::Whole, Stage::Cold]
        .map(|stage| (stage, Row::new(stage.to_string())))
        .into();
    let mut into_mongodb = Row::new("mongodb".to_owned());
    for _ in 0..recorded.runs {
        let home = tempfile::tempdir()?;
        let whole = tempfile::tempdir()?;
        let cold = tempfile::tempdir()?;
        for (stage, row) in &mut rows {
            let (pipeline, home) = match stage {
                Stage::Whole => ("stations", whole.path()),
                Stage::Cold => ("earthquakes", cold.path()),
                _ => ("stations", home.path()),
            };
            row.measured.push(one_stage(*stage, pipeline, &upstream, home)?);
        }
        into_mongodb.measured.push(one_way(Way::Load, &server, home.path())?);
    }
    let mut rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    rows.insert(3.min(rows.len()), into_mongodb);
    table::print(&rows)
}

/// Every way into a stub that has nothing, then into one that has something older under each key; the ways take turns.
fn mongodb(recorded: &Recorded) -> Result<()> {
    let home = tempfile::tempdir()?;
    {
        let upstream = recorded.upstream()?;
        one_stage(Stage::Raw, "stations", &upstream, home.path())?;
        one_stage(Stage::Clean, "stations", &upstream, home.path())?;
    }
    for (stored, title) in [
        (Stored::Nothing, "All documents are new"),
        (Stored::Older, "All documents are there, older"),
    ] {
        let server = stub(stored)?;
        let mut rows: Vec<(Way, Row)> = Way::value_variants().iter().map(|way| (*way, Row::new(way.to_string()))).collect();
        for _ in 0..recorded.runs {
            for (way, row) in &mut rows {
                row.measured.push(one_way(*way, &server, home.path())?);
            }
        }
        let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        table::print_compared(title, &rows)?;
    }
    Ok(())
}

/// The ways take turns, each over the newest backup.
fn backup(recorded: &Recorded) -> Result<()> {
    let home = tempfile::tempdir()?;
    {
        let upstream = recorded.upstream()?;
        for stage in [Stage::Raw, Stage::Clean, Stage::Load] {
            one_stage(stage, "stations", &upstream, home.path())?;
        }
    }
    let mut rows: Vec<(vault::Way, Vec<vault::Measured>)> = vault::Way::value_variants().iter().map(|way| (*way, Vec::new())).collect();
    for _ in 0..recorded.runs {
        for (way, measured) in &mut rows {
            let name = way.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            measured.push(measure(&[
                "vault".as_ref(),
                name.as_ref(),
                "--home".as_ref(),
                home.path().as_ref(),
            ])?);
            if *way == vault::Way::Backup {
                vault::unpack(home.path())?;
            }
        }
    }
    table::print_moved(&rows)
}

fn synthetic(gigabytes: f64) -> Result<()> {
    let pages = (gigabytes * 1e9 / SYNTHETIC_PAGE_BYTES).ceil() as usize;
    let upstream = Server::start(&["upstream".as_ref(), "--synthetic-pages".as_ref(), pages.to_string().as_ref()])?;
    let home = tempfile::tempdir()?;
    let mut row = Row::new(Stage::Whole.to_string());
    row.measured.push(one_stage(Stage::Whole, "synthetic", &upstream, home.path())?);
    table::print(&[row])
}

impl Recorded {
    fn upstream(&self) -> Result<Server> {
        let polls = self.recordings.join("bench/gbfs_oslo_2000polls.jsonl.gz");
        ensure!(
            polls.is_file(),
            "there is no {}: --recordings names the folder of recordings",
            polls.display()
        );
        Server::start(&["upstream".as_ref(), "--polls".as_ref(), polls.as_ref()])
    }
}

fn stub(stored: Stored) -> Result<Server> {
    let stored = stored
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    Server::start(&["stub".as_ref(), stored.as_ref()])
}

fn one_stage(stage: Stage, pipeline: &str, upstream: &Server, home: &Path) -> Result<Measured> {
    measure(&[
        "stage".as_ref(),
        stage.to_string().as_ref(),
        "--pipeline".as_ref(),
        pipeline.as_ref(),
        "--base-url".as_ref(),
        format!("http://127.0.0.1:{}/", upstream.port).as_ref(),
        "--home".as_ref(),
        home.as_ref(),
    ])
}

fn one_way(way: Way, server: &Server, home: &Path) -> Result<Measured> {
    measure(&[
        "mongo".as_ref(),
        way.to_string().as_ref(),
        "--uri".as_ref(),
        format!("mongodb://127.0.0.1:{}/bench", server.port).as_ref(),
        "--home".as_ref(),
        home.as_ref(),
    ])
}
