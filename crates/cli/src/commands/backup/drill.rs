//! `tidemill backup drill` on a laptop: the newest backup, restored into a scratch beside the documents, compared, and dropped.

use super::{Ended, HomeAt, keep, shown, watch::Watch};
use crate::{Context, Failure, commands, local::lock::Work};
use ::backup::Drilled;
use anyhow::anyhow;
use ledger::{DrillRecord, DrillState};
use std::{io::Write, sync::Arc};

pub(super) async fn run(no_wait: bool, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    if no_wait {
        return Err(commands::no_stack("backup drill --no-wait"));
    }
    let keep = at.keep(false).await?;
    let _lock = keep.lock(Work::Drill)?;
    let newest = ledger::backup::drills(keep.ledger.as_ref(), 1).await?.into_iter().next();
    let begun = newest.filter(DrillRecord::is_running);
    if let Some(record) = &begun {
        writeln!(context.err, "going on with the drill {}, which was interrupted", record.id)?;
    }
    let id = begun.map_or_else(keep::new_id, |record| record.id);
    context.parting.set(format!(
        "stopped; {} goes on from here, and drops the scratch",
        at.command("backup drill")
    ));
    let watch = Arc::new(Watch::new(commands::progress(context), "verifying"));
    let drilled = ::backup::drill(id, &keep::run(watch.clone()), &keep.services()).await;
    watch.end();
    let drilled = drilled.map_err(super::failure);
    if let Ok(Drilled::Busy { with }) = &drilled {
        return Err(Failure::busy(anyhow!("another drill, {with}, is under way")).next("wait until that has ended, then type this again"));
    }
    let record = ledger::backup::drill(keep.ledger.as_ref(), id).await?;
    // A drill that was recorded is told by its record, however it ended.
    let Some(record) = record else {
        drilled?;
        return Err(Failure::from(anyhow!(
            "the drill {id} left no record in the ledger: this is a bug of Tidemill"
        )));
    };
    let is_equal = shown::drilled(&record, as_json, &mut context.out)?;
    drilled?;
    if let (DrillState::Failed { message }, false) = (&record.state, as_json) {
        let error = anyhow!("{message}");
        let next = format!("verify it: {}", at.command(&format!("backup verify {}", record.backup)));
        return Err(Failure::from(error).next(next));
    }
    Ok(super::status(is_equal))
}
