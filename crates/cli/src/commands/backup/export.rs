//! `tidemill backup export`: a backup as one file, which MongoDB's own tools read.

use super::{Ended, HomeAt, keep};
use crate::{
    Context, Failure, Status, commands,
    output::{json, numbers},
};
use ::backup::Error;
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// The standard output.
const STANDARD_OUTPUT: &str = "-";

pub(super) async fn run(id: &str, file: &Path, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let id = keep::id(id, at)?;
    let keep = at.keep(false).await?;
    let manifest = super::choose(keep.vault.as_ref(), &super::wanted(Some(id))).await?;
    if file == Path::new(STANDARD_OUTPUT) {
        if context.out_is_terminal {
            let error = anyhow!("an archive is nothing for a terminal");
            return Err(Failure::wrong(error).next("name a file, or pipe it: … | mongorestore --archive --gzip"));
        }
        let exported = ::backup::export(&manifest, keep.vault.as_ref(), context.out.as_mut()).await;
        exported.map_err(|error| match error {
            Error::Write { source } if source.kind() == ErrorKind::BrokenPipe => {
                Failure::from(anyhow!("whoever reads the archive ended before it did: it is not whole there"))
            }
            error => super::failure(error),
        })?;
        context.out.flush()?;
        return Ok(Status::Well);
    }
    let path = context.path(file);
    let mut unfinished = Unfinished::create(&path)?;
    let bytes = ::backup::export(&manifest, keep.vault.as_ref(), &mut unfinished.to).await;
    let bytes = bytes.map_err(super::failure)?;
    unfinished.finish().with_context(|| format!("could not write {}", path.display()))?;
    let command = format!("mongorestore --archive={} --gzip", commands::shell_word(&file.to_string_lossy()));
    if as_json {
        let object = json!({"backup": manifest.id, "file": file, "bytes": bytes, "restore": command});
        json::line(&mut context.out, &object)?;
    } else {
        writeln!(context.out, "{}: {}", file.display(), numbers::bytes(bytes))?;
        writeln!(context.out, "next: {command}")?;
    }
    Ok(Status::Well)
}

/// A new file under another name until all of it is there: what was interrupted must not look like a backup.
struct Unfinished {
    to: BufWriter<File>,
    path: PathBuf,
    under: PathBuf,
    is_whole: bool,
}

impl Unfinished {
    fn create(path: &Path) -> Result<Unfinished, Failure> {
        if path.exists() {
            let error = anyhow!("{} is there already", path.display());
            return Err(Failure::wrong(error).next("name a new file, or take that one away"));
        }
        let mut under = path.as_os_str().to_owned();
        under.push(".unfinished");
        let under = PathBuf::from(under);
        let file = OpenOptions::new().write(true).create_new(true).open(&under);
        let file = file.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::wrong(anyhow!("{} is there: another export is at it, or was interrupted", under.display())).next("take it away")
            }
            _ => Failure::wrong(anyhow!(error).context(format!("could not make {}", under.display()))),
        })?;
        Ok(Unfinished {
            to: BufWriter::with_capacity(256 << 10, file),
            path: path.to_owned(),
            under,
            is_whole: false,
        })
    }

    /// Gives it its name, when all of it is on the disk.
    fn finish(mut self) -> io::Result<()> {
        self.to.flush()?;
        self.to.get_ref().sync_all()?;
        fs::rename(&self.under, &self.path)?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_whole {
            // What can't be taken away has a name that says what it is.
            let _ = fs::remove_file(&self.under);
        }
    }
}
