//! A backup and a restore of the embedded store, and `gzip -6` over the very same bytes to compare them with. One way, in this process.

use crate::stage;
use crate::usage::{self, Usage};
use ::backup::manifest::Manifest;
use ::backup::{Policy, Request, Services, Taken, Unseen, Wanted, Wish};
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use cli::local::Home;
use documents::SqliteDatabase;
use flate2::read::MultiGzDecoder;
use lake::{DirectoryStore, RunId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// The documents of the home into a vault in a folder.
    Backup,
    /// Every byte of it read and checked.
    Verify,
    /// Verified, and put into another file of documents.
    Restore,
    /// `gzip -6` over the archive's bytes before they are packed.
    Gzip,
    /// `gzip -d` over the archive.
    Gunzip,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Backup => "backup",
            Way::Verify => "verify",
            Way::Restore => "restore",
            Way::Gzip => "gzip -6",
            Way::Gunzip => "gzip -d",
        })
    }
}

/// What one way used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Bytes of BSON, and as they are packed.
    pub bytes: u64,
    pub packed_bytes: u64,
    pub seconds: f64,
    pub cpu_seconds: f64,
    /// Of this program; `None` of another.
    pub peak_megabytes: Option<f64>,
}

/// Runs a way, and prints one line of JSON with what it used.
pub fn printed(way: Way, home: &Path) -> Result<()> {
    // As the command does.
    cli::memory::keep_freed_blocks();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let (bytes, packed_bytes) = match way {
        Way::Backup => runtime.block_on(back_up(home))?,
        Way::Verify => runtime.block_on(verify(home))?,
        Way::Restore => runtime.block_on(restore(home))?,
        Way::Gzip => {
            let packed = gzip("-6", &home.join(PLAIN))?;
            (home.join(PLAIN).metadata()?.len(), packed)
        }
        Way::Gunzip => (gzip("-d", &home.join(ARCHIVE))?, home.join(ARCHIVE).metadata()?.len()),
    };
    let seconds = begun.elapsed().as_secs_f64();
    let Usage {
        cpu_seconds,
        peak_megabytes,
    } = match way {
        Way::Gzip | Way::Gunzip => usage::of_children()?,
        Way::Backup | Way::Verify | Way::Restore => usage::of_this_process()?,
    };
    let measured = Measured {
        bytes,
        packed_bytes,
        seconds,
        cpu_seconds,
        peak_megabytes: (peak_megabytes > 0.0).then_some(peak_megabytes),
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&measured)?)?;
    Ok(())
}

/// Writes the newest backup of the home as one file, packed and not, for those ways that read it.
pub fn unpack(home: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut archive = File::create(home.join(ARCHIVE))?;
    runtime.block_on(async {
        let vault = vault(home)?;
        let manifest = ::backup::choose(&vault, &Wanted::Newest).await?;
        ::backup::export(&manifest, &vault, &mut archive).await?;
        anyhow::Ok(())
    })?;
    let mut plain = File::create(home.join(PLAIN))?;
    std::io::copy(&mut MultiGzDecoder::new(File::open(home.join(ARCHIVE))?), &mut plain)?;
    Ok(())
}

const ARCHIVE: &str = "all.archive.gz";
const PLAIN: &str = "all.archive";

fn vault(home: &Path) -> Result<DirectoryStore> {
    Ok(DirectoryStore::open(home.join("vault"))?)
}

async fn back_up(folder: &Path) -> Result<(u64, u64)> {
    let home = Home::open(folder)?;
    let services = Services {
        vault: Arc::new(vault(folder)?),
        ledger: home.ledger.clone(),
        database: Arc::new(SqliteDatabase::open(&folder.join("documents.db"))?),
    };
    let run = stage::the_run();
    let request = Request {
        id: RunId::new(run.clock.now_ms().unsigned_abs(), 0),
        allow_empty: false,
        policy: Policy::default(),
    };
    match ::backup::take(&request, &run, &services).await? {
        Taken::Done(manifest) => counted(&manifest),
        other => bail!("the backup did not end: {other:?}"),
    }
}

async fn verify(folder: &Path) -> Result<(u64, u64)> {
    let vault = vault(folder)?;
    let manifest = ::backup::choose(&vault, &Wanted::Newest).await?;
    ::backup::verify(&manifest, &vault, &Unseen).await?;
    counted(&manifest)
}

async fn restore(folder: &Path) -> Result<(u64, u64)> {
    let vault = vault(folder)?;
    let manifest = ::backup::choose(&vault, &Wanted::Newest).await?;
    // A new file each time.
    let into = tempfile::tempdir_in(folder)?;
    let target = SqliteDatabase::open(&into.path().join("documents.db"))?;
    ::backup::restore(&manifest, &Wish::default(), &stage::the_run(), &vault, &target, &Unseen).await?;
    counted(&manifest)
}

fn counted(manifest: &Manifest) -> Result<(u64, u64)> {
    let documents = manifest.documents();
    ensure!(
        documents >= stage::RECORDED_ROWS,
        "{documents} documents, {} are in the recording",
        stage::RECORDED_ROWS
    );
    Ok((manifest.bytes(), manifest.packed_bytes()))
}

/// How many bytes it writes.
fn gzip(what: &str, file: &Path) -> Result<u64> {
    let mut child = Command::new("gzip")
        .args([what, "-c"])
        .stdin(File::open(file)?)
        .stdout(Stdio::piped())
        .spawn()
        .context("`gzip` must be on the PATH")?;
    let mut out = child.stdout.take().context("gzip has no output")?;
    let bytes = std::io::copy(&mut out, &mut std::io::sink())?;
    ensure!(child.wait()?.success(), "gzip failed");
    Ok(bytes)
}
