//! `tidemill backup` on a laptop: the documents of the home, or of the MongoDB that is set, into the vault of the home.

use super::{Ended, HomeAt, keep, shown, watch::Watch};
use crate::{Context, Failure, Status, arguments::Backup, commands, local::lock::Work, output::json};
use ::backup::{Policy, Request, Taken};
use anyhow::anyhow;
use ledger::{BackupRecord, Ledger};
use std::{io::Write, sync::Arc};

pub(super) async fn run(typed: &Backup, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    if typed.no_wait {
        return Err(commands::no_stack("backup --no-wait"));
    }
    let keep = at.keep(true).await?;
    let _lock = keep.lock(Work::Backup)?;
    let begun = begun(keep.ledger.as_ref()).await?;
    if let Some(record) = &begun {
        writeln!(
            context.err,
            "going on with the backup {}, which was interrupted after part {}",
            record.id, record.parts
        )?;
    }
    let policy = Policy {
        leave_out: typed.leave_out.clone(),
        ..Policy::default()
    };
    let request = Request {
        id: begun.map_or_else(keep::new_id, |record| record.id),
        allow_empty: typed.allow_empty,
        policy,
    };
    context.parting.set(format!("stopped; {} goes on from here", at.command("backup")));
    let watch = Arc::new(Watch::new(commands::progress(context), "backing up"));
    let taken = ::backup::take(&request, &keep::run(watch.clone()), &keep.services()).await;
    watch.end();
    let manifest = match taken.map_err(super::failure)? {
        Taken::Done(manifest) => manifest,
        Taken::Busy { with } => {
            let error = anyhow!("another backup, {with}, is under way");
            return Err(Failure::busy(error).next("wait until that has ended, or for twenty minutes without a sign of life from it"));
        }
        // Only who has a deadline hands over.
        Taken::HandedOver { id, .. } => {
            let error = anyhow!("the backup {id} is not whole yet");
            return Err(Failure::from(error).next(format!("go on with it: {}", at.command("backup"))));
        }
    };
    if as_json {
        json::line(&mut context.out, &shown::object(&manifest))?;
    } else {
        shown::taken(&manifest, &mut context.out)?;
        writeln!(context.out, "next: {}", at.command("backup drill"))?;
    }
    Ok(Status::Well)
}

/// The newest backup, if it was interrupted: the lock says that nobody is at it.
async fn begun(ledger: &dyn Ledger) -> Result<Option<BackupRecord>, Failure> {
    let newest = ledger::backup::backups(ledger, 1).await?.into_iter().next();
    Ok(newest.filter(BackupRecord::is_running))
}
