//! Incidents on their two shelves. `causes` leads from a cause to its open incident, `incidents` keeps what happened.
//!
//! A process may die between two writes, so each order of writes is one that the next call completes:
//! - *Opening* names the incident on `causes`, then writes it. A cause whose incident is not there is opened under that very id by the next sighting.
//! - *Recovering* marks the incident, then takes it off its cause. A cause that leads to a recovered incident is put right by whoever meets it.
//! - *Telling* comes last: a recovered incident stays named on its cause until somebody was told, so that none has to be searched for.

use super::{Incident, IncidentId, Seen, Sighting, Transition};
use crate::{
    Ledger, LedgerError, Shelf,
    note::{Change, change_note},
};
use serde::{Deserialize, Serialize};

/// How often a sighting starts over, because others changed the cause meanwhile.
const TRIES_MAX: u32 = 20;

/// Recovered incidents of one cause of which nobody was told: older ones are told no more.
const RECOVERED_MAX: usize = 10;

/// How many notes are read at once.
const PAGE: usize = 200;

/// What stands on the shelf `causes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cause {
    /// The open incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open: Option<IncidentId>,
    /// Recovered ones of which nobody was told yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recovered: Vec<IncidentId>,
}

/// Notes that a cause was seen: opens its incident, or counts one more sighting of the one that is open. However many do so at once, one incident is
/// opened, by one of them.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn see(ledger: &dyn Ledger, sighting: &Sighting) -> Result<Seen, LedgerError> {
    for tried in 0..TRIES_MAX {
        let fresh = IncidentId::of(&sighting.cause, sighting.at_ms, tried);
        let id = change_cause(ledger, &sighting.cause, |mut cause| {
            let id = *cause.open.get_or_insert(fresh);
            (cause, id)
        })
        .await?;
        let seen = change_incident(ledger, id, |there| match there {
            None => {
                let opened = Incident::open(id, sighting);
                (Some(opened.clone()), Some(Seen::Opened(opened)))
            }
            Some(incident) if incident.is_open() => {
                let again = incident.seen_again(sighting);
                (Some(again.clone()), Some(Seen::Again(again)))
            }
            Some(_) => (None, None),
        })
        .await?;
        match seen {
            Some(seen) => return Ok(seen),
            // It recovered, and nobody has taken it off its cause yet.
            None => take_off(ledger, &sighting.cause, id).await?,
        }
    }
    Err(LedgerError::Unavailable {
        action: "open an incident whose cause others keep changing",
        source: format!("the cause `{}`", sighting.cause).into(),
    })
}

/// Notes that a cause is gone, told in `words`: its open incident, recovered by this call.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn recover(ledger: &dyn Ledger, cause: &str, at_ms: i64, words: &str) -> Result<Option<Incident>, LedgerError> {
    let Some(note) = ledger.note(Shelf::Causes, cause).await? else {
        return Ok(None);
    };
    let Some(id) = read_cause(cause, Some(&note.text))?.open else {
        return Ok(None);
    };
    let recovered = change_incident(ledger, id, |there| {
        let recovered = there.and_then(|incident| incident.recovered(at_ms, words));
        (recovered.clone(), recovered)
    })
    .await?;
    take_off(ledger, cause, id).await?;
    Ok(recovered)
}

/// Notes that people were told of a transition; an incident that recovered and was told of is then known by its id alone.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn told(ledger: &dyn Ledger, incident: &Incident, transition: Transition) -> Result<(), LedgerError> {
    let is_done = change_incident(ledger, incident.id, |there| {
        let Some(mut incident) = there else { return (None, true) };
        let knew = !incident.untold.contains(&transition);
        incident.untold.retain(|untold| *untold != transition);
        let is_done = !incident.is_open() && incident.untold.is_empty();
        ((!knew).then_some(incident), is_done)
    })
    .await?;
    if is_done {
        change_cause(ledger, &incident.cause, |mut cause| {
            cause.recovered.retain(|id| *id != incident.id);
            cause.open = cause.open.filter(|id| *id != incident.id);
            (cause, ())
        })
        .await?;
    }
    Ok(())
}

/// A cause, and its incidents; or why they can't be read.
pub type Standing = (String, Result<Vec<Incident>, LedgerError>);

/// The causes that have an open incident, or one that nobody was told of, and these incidents; in the order of the causes, at most `limit` causes after
/// `after`. A note that can't be read (a newer version wrote it, before somebody rolled back) is told in its place, and stands in nobody's way.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn causes(ledger: &dyn Ledger, after: Option<&str>, limit: usize) -> Result<Vec<Standing>, LedgerError> {
    let mut found = Vec::new();
    for (key, note) in ledger.notes(Shelf::Causes, after, limit).await? {
        let incidents = incidents_of(ledger, &key, &note.text).await;
        match incidents {
            Ok(_) | Err(LedgerError::Damaged { .. }) => found.push((key, incidents)),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn incidents_of(ledger: &dyn Ledger, key: &str, text: &str) -> Result<Vec<Incident>, LedgerError> {
    let cause = read_cause(key, Some(text))?;
    let mut incidents = Vec::new();
    for id in cause.recovered.into_iter().chain(cause.open) {
        incidents.extend(incident(ledger, id).await?);
    }
    Ok(incidents)
}

/// Incidents, the newest first, at most `limit`: all, or those that are open.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn incidents(ledger: &dyn Ledger, open_only: bool, limit: usize) -> Result<Vec<Incident>, LedgerError> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    while found.len() < limit {
        let shelf = if open_only { Shelf::Causes } else { Shelf::Incidents };
        let page = ledger.notes(shelf, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        for (key, note) in &page {
            if !open_only {
                found.push(read_incident(key, &note.text)?);
            } else if let Some(id) = read_cause(key, Some(&note.text))?.open {
                let incident = incident(ledger, id).await?;
                found.extend(incident.filter(Incident::is_open));
            }
        }
        after = page.into_iter().next_back().map(|(key, _)| key);
        if is_last {
            break;
        }
    }
    found.sort_by_key(|incident| std::cmp::Reverse(incident.id));
    found.truncate(limit);
    Ok(found)
}

/// The incident with this id.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn incident(ledger: &dyn Ledger, id: IncidentId) -> Result<Option<Incident>, LedgerError> {
    let key = id.shelf_key();
    let note = ledger.note(Shelf::Incidents, &key).await?;
    note.map(|note| read_incident(&key, &note.text)).transpose()
}

/// Takes a recovered incident off its cause, and keeps it there as one of which nobody was told.
async fn take_off(ledger: &dyn Ledger, cause: &str, id: IncidentId) -> Result<(), LedgerError> {
    change_cause(ledger, cause, |mut cause| {
        if cause.open == Some(id) {
            cause.open = None;
            // It is there already when it was opened anew under its old id: the same cause, of the same moment.
            cause.recovered.retain(|known| *known != id);
            cause.recovered.push(id);
            let over = cause.recovered.len().saturating_sub(RECOVERED_MAX);
            cause.recovered.drain(..over);
        }
        (cause, ())
    })
    .await
}

async fn change_cause<T: Send>(
    ledger: &dyn Ledger,
    key: &str,
    change: impl Fn(Cause) -> (Cause, T) + Send + Sync,
) -> Result<T, LedgerError> {
    let changed = |text: Option<&str>| {
        let there = read_cause(key, text)?;
        let (next, answer) = change(there.clone());
        let to_do = if next == there {
            Change::Keep
        } else if next == Cause::default() {
            Change::Remove
        } else {
            Change::Put(written(&next)?)
        };
        Ok((to_do, answer))
    };
    change_note(ledger, Shelf::Causes, key, |text| or_keep(changed(text))).await?
}

/// Changes an incident by a pure function, which answers with what it becomes (`None`: it stays) and with the answer.
async fn change_incident<T: Send>(
    ledger: &dyn Ledger,
    id: IncidentId,
    change: impl Fn(Option<Incident>) -> (Option<Incident>, T) + Send + Sync,
) -> Result<T, LedgerError> {
    let key = id.shelf_key();
    let changed = |text: Option<&str>| {
        let there = text.map(|text| read_incident(&key, text)).transpose()?;
        let (next, answer) = change(there.clone());
        let to_do = match next {
            Some(next) if Some(&next) != there.as_ref() => Change::Put(written(&next)?),
            _ => Change::Keep,
        };
        Ok((to_do, answer))
    };
    change_note(ledger, Shelf::Incidents, &key, |text| or_keep(changed(text))).await?
}

/// A change that can't be worked out changes nothing.
fn or_keep<T>(changed: Result<(Change, T), LedgerError>) -> (Change, Result<T, LedgerError>) {
    match changed {
        Ok((to_do, answer)) => (to_do, Ok(answer)),
        Err(error) => (Change::Keep, Err(error)),
    }
}

fn written(value: &impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Unavailable {
        action: "write the note of an incident",
        source: error.into(),
    })
}

fn read_cause(key: &str, text: Option<&str>) -> Result<Cause, LedgerError> {
    let read = text.map(serde_json::from_str).transpose();
    read.map(Option::unwrap_or_default)
        .map_err(|error| damaged(Shelf::Causes, key, &error))
}

fn read_incident(key: &str, text: &str) -> Result<Incident, LedgerError> {
    serde_json::from_str(text).map_err(|error| damaged(Shelf::Incidents, key, &error))
}

fn damaged(shelf: Shelf, key: &str, error: &serde_json::Error) -> LedgerError {
    LedgerError::Damaged {
        place: format!("the note `{key}` of the shelf `{}`", shelf.as_str()),
        problem: error.to_string(),
    }
}
