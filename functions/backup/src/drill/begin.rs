//! Whether a drill may begin, and with which backup and scratch.

use super::Drilled;
use crate::{Error, Services, choose};
use lake::RunId;
use ledger::backup::{change_drill, drill, drills};
use ledger::{DrillRecord, DrillState, Run, Step};

/// How many of the newest drills are looked through for one that is at work.
const LOOKED_AT: usize = 100;

/// No name of a database is longer on MongoDB.
const DATABASE_BYTES_MAX: usize = 63;

pub(super) enum Begun {
    Work(DrillRecord),
    Ended(Drilled),
}

pub(super) async fn begin(id: RunId, run: &Run, services: &Services) -> Result<Begun, Error> {
    let ledger = services.ledger.as_ref();
    let now_ms = run.clock.now_ms();
    if let Some(record) = drill(ledger, id).await? {
        return Ok(match record.state {
            DrillState::Running => Begun::Work(record),
            DrillState::Done => Begun::Ended(Drilled::Done(record)),
            DrillState::Failed { .. } => Begun::Ended(Drilled::Failed(record)),
        });
    }
    if let Some(with) = others_at_work(now_ms, services).await? {
        return Ok(Begun::Ended(Drilled::Busy { with }));
    }
    let newest = choose::ids(services.vault.as_ref()).await?.into_iter().next();
    let Some((_, backup)) = newest else {
        return Err(Error::NotFound {
            wanted: "at all".to_owned(),
        });
    };
    let scratch = scratch(&services.database.server().await?.database, id);
    let begun = change_drill(ledger, id, |there| match there {
        None => Some(DrillRecord::begin(id, backup, &scratch, now_ms)),
        Some(_) => None,
    });
    match begun.await? {
        Some(record) if record.is_running() => {
            run.reached(Step::DrillBegun)?;
            Ok(Begun::Work(record))
        }
        _ => Err(Error::Overtaken { id }),
    }
}

/// Another drill that is at work. Those that have been silent for too long are ended, and their scratches dropped.
async fn others_at_work(now_ms: i64, services: &Services) -> Result<Option<RunId>, Error> {
    let ledger = services.ledger.as_ref();
    for other in drills(ledger, LOOKED_AT).await? {
        if !other.is_running() {
            continue;
        }
        let given_up = change_drill(ledger, other.id, |there| {
            let silent = there.filter(|record| record.is_running() && record.is_silent(now_ms))?;
            Some(silent.ended(Some("given up: it gave no sign of life for too long"), now_ms))
        });
        if given_up.await?.is_some_and(|record| record.is_running()) {
            return Ok(Some(other.id));
        }
        services.database.sibling(&other.scratch)?.drop_all().await?;
    }
    Ok(None)
}

/// The name of the scratch of a drill.
fn scratch(database: &str, id: RunId) -> String {
    let id = id.to_string().to_lowercase();
    let last = id.get(id.len().saturating_sub(6)..).unwrap_or_default();
    let end = format!("_drill_{last}");
    let room = DATABASE_BYTES_MAX - end.len();
    let cut = (0..=room.min(database.len())).rev().find(|at| database.is_char_boundary(*at));
    format!("{}{end}", database.get(..cut.unwrap_or(0)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_is_named_after_its_database_and_drill_and_never_too_long() {
        let id = RunId::new(1, 0x1f_ffff_ffff);
        assert_eq!(scratch("shop", id), "shop_drill_zzzzzz");
        let long = |before: &str| scratch(&format!("{before}{}", "ü".repeat(40)), id);
        assert_eq!((long("").len(), long("x").len()), (63, 62));
    }
}
