//! Measures what each stage costs: a child process a stage, the upstream in another, medians of several runs. See README.md.

mod stage;
mod table;
mod upstream;
mod usage;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use stage::Stage;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
    Stages {
        /// The folder of recordings: holds `bench/gbfs_oslo_2000polls.jsonl.gz`.
        #[arg(long, env = "TIDEMILL_RECORDINGS")]
        recordings: PathBuf,
        /// How often each is measured; the median is shown.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
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
    /// The upstream, in this process (used by the other modes).
    #[command(hide = true)]
    Upstream {
        #[arg(long)]
        polls: Option<PathBuf>,
        #[arg(long, default_value_t = 0)]
        synthetic_pages: usize,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().mode {
        Mode::Stages { recordings, runs } => stages(&recordings, runs.max(1)),
        Mode::Synthetic { gigabytes } => synthetic(gigabytes),
        Mode::Stage {
            stage,
            pipeline,
            base_url,
            home,
        } => stage::run(stage, &pipeline, &base_url, &home),
        Mode::Upstream { polls, synthetic_pages } => {
            let rows = polls.map_or_else(|| Ok(upstream::Rows::none()), |polls| upstream::Rows::read(&polls))?;
            upstream::serve(rows, synthetic_pages)
        }
    }
}

fn stages(recordings: &Path, runs: usize) -> Result<()> {
    let polls = recordings.join("bench/gbfs_oslo_2000polls.jsonl.gz");
    ensure!(
        polls.is_file(),
        "there is no {}: --recordings names the folder of recordings",
        polls.display()
    );
    let upstream = Upstream::start(&["--polls", &polls.to_string_lossy()])?;
    let mut rows = Vec::new();
    for stage in [Stage::Raw, Stage::Clean, Stage::Load, Stage::Whole, Stage::Cold] {
        rows.push(Row {
            stage,
            measured: Vec::new(),
        });
    }
    for _ in 0..runs {
        let home = tempfile::tempdir()?;
        let whole = tempfile::tempdir()?;
        let cold = tempfile::tempdir()?;
        for row in &mut rows {
            let (pipeline, home) = match row.stage {
                Stage::Whole => ("stations", whole.path()),
                Stage::Cold => ("earthquakes", cold.path()),
                _ => ("stations", home.path()),
            };
            row.measured.push(measure(row.stage, pipeline, &upstream.base_url, home)?);
        }
    }
    table::print(&rows)
}

fn synthetic(gigabytes: f64) -> Result<()> {
    let pages = (gigabytes * 1e9 / SYNTHETIC_PAGE_BYTES).ceil() as usize;
    let upstream = Upstream::start(&["--synthetic-pages", &pages.to_string()])?;
    let home = tempfile::tempdir()?;
    let measured = measure(Stage::Whole, "synthetic", &upstream.base_url, home.path())?;
    table::print(&[Row {
        stage: Stage::Whole,
        measured: vec![measured],
    }])
}

/// Runs one stage in a child process, which prints what it used.
fn measure(stage: Stage, pipeline: &str, base_url: &str, home: &Path) -> Result<Measured> {
    let output = Command::new(std::env::current_exe()?)
        .args([
            "stage",
            &stage.to_string(),
            "--pipeline",
            pipeline,
            "--base-url",
            base_url,
            "--home",
        ])
        .arg(home)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the stage {stage} failed");
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().with_context(|| format!("the stage {stage} printed nothing"))?;
    Ok(serde_json::from_str(last)?)
}

/// The upstream's process; ended when this value goes.
struct Upstream {
    process: Child,
    base_url: String,
}

impl Upstream {
    fn start(arguments: &[&str]) -> Result<Upstream> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("upstream")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("the upstream has no output")?).read_line(&mut line)?;
        let port = line.strip_prefix("port ").context("the upstream did not say its port")?.trim_end();
        Ok(Upstream {
            base_url: format!("http://127.0.0.1:{port}/"),
            process,
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
