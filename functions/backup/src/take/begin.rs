//! Whether a backup may begin, and what it begins as.

use super::{Request, end};
use crate::choose::{self, Wanted};
use crate::manifest::Manifest;
use crate::retention::Class;
use crate::{Error, Services, retention};
use lake::RunId;
use ledger::backup::{backup, backups, change_backup};
use ledger::{BackupRecord, BackupState, Run, Step};

/// How many of the newest backups are looked through for one that is at work.
const LOOKED_AT: usize = 100;

/// How old an attempt may be that is gone on with. The lifecycle takes parts away three days after the manifests of their class, and it may be up to a day late with
/// a manifest: the first parts of an attempt that is older than two days could be gone before its manifest is.
const ATTEMPT_MS_MAX: i64 = 47 * 60 * 60 * 1_000;

pub(super) enum Begun {
    /// It is in the vault already.
    Done(Box<Manifest>),
    Busy {
        with: RunId,
    },
    Work(BackupRecord),
}

pub(super) async fn begin(request: &Request, run: &Run, services: &Services) -> Result<Begun, Error> {
    let ledger = services.ledger.as_ref();
    let now_ms = run.clock.now_ms();
    let there = backup(ledger, request.id).await?;
    match there.as_ref().map(|record| &record.state) {
        Some(BackupState::Done) => {
            end::remove_notes(ledger, request.id).await?;
            let manifest = choose::choose(services.vault.as_ref(), &Wanted::Id(request.id)).await?;
            return Ok(Begun::Done(Box::new(manifest)));
        }
        Some(BackupState::Failed { given_up_by: Some(by), .. }) => return Ok(Begun::Busy { with: *by }),
        // It goes on, whatever else began meanwhile.
        Some(BackupState::Running) => {}
        Some(BackupState::Failed { given_up_by: None, .. }) | None => {
            if let Some(with) = others_at_work(request.id, now_ms, services).await? {
                return Ok(Begun::Busy { with });
            }
        }
    }
    let class = match &there {
        Some(record) => Class::parse(&record.class),
        None => None,
    };
    let class = match class {
        Some(class) => class,
        None => class_of(request.id, services).await?,
    };
    let record = change_backup(ledger, request.id, |there| match there {
        None => Some(BackupRecord::begin(request.id, class.as_str(), now_ms)),
        Some(record) if matches!(record.state, BackupState::Failed { given_up_by: None, .. }) => Some(record.anew(now_ms)),
        Some(record) if record.is_running() && now_ms.saturating_sub(record.began_ms) > ATTEMPT_MS_MAX => Some(record.anew(now_ms)),
        Some(record) if record.is_running() => Some(BackupRecord {
            seen_ms: now_ms.max(record.seen_ms),
            ..record.clone()
        }),
        Some(_) => None,
    });
    match record.await? {
        Some(record) if record.is_running() => {
            run.reached(Step::BackupBegun)?;
            Ok(Begun::Work(record))
        }
        // Another worker was faster.
        _ => Err(Error::Overtaken { id: request.id }),
    }
}

/// Another backup that is at work. Those that have been silent for too long are given up.
async fn others_at_work(id: RunId, now_ms: i64, services: &Services) -> Result<Option<RunId>, Error> {
    let ledger = services.ledger.as_ref();
    for other in backups(ledger, LOOKED_AT).await? {
        if other.id == id || !other.is_running() {
            continue;
        }
        if !other.is_silent(now_ms) {
            return Ok(Some(other.id));
        }
        let words = format!("given up: no sign of life since {}", in_words(other.seen_ms));
        let given_up = change_backup(ledger, other.id, |there| {
            let silent = there.filter(|record| record.is_running() && record.is_silent(now_ms))?;
            Some(silent.failed(&words, Some(id), now_ms))
        });
        if given_up.await?.is_some_and(|record| record.is_running()) {
            return Ok(Some(other.id));
        }
        end::remove_notes(ledger, other.id).await?;
    }
    Ok(None)
}

/// What a backup is kept as, by those that are there.
async fn class_of(id: RunId, services: &Services) -> Result<Class, Error> {
    let at_ms = |id: RunId| i64::try_from(id.started_ms()).unwrap_or(i64::MAX);
    let there = choose::ids(services.vault.as_ref()).await?;
    let there: Vec<(Class, i64)> = there.into_iter().map(|(class, id)| (class, at_ms(id))).collect();
    Ok(retention::class_of(at_ms(id), &there))
}

fn in_words(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string())
}
