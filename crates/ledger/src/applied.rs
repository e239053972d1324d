//! Which pipelines are applied: a note each on the shelf `pipelines`, written by `apply`, read by `watch` and the commands.

use crate::{
    Ledger, LedgerError, Shelf,
    note::{Change, change_note},
};
use pipeline::Name;
use serde::{Deserialize, Serialize};

/// A pipeline as it was applied last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    pub pipeline: Name,
    /// The SHA-256 of its definition, 64 hexadecimal digits.
    pub definition: String,
    pub generation: u32,
    /// The file that it was read from, as the user named it: for messages only.
    pub file: String,
    /// It was taken away: it has no schedules any more, its data stays.
    pub removed: bool,
    /// When it was applied or taken away, milliseconds since 1970.
    pub applied_ms: i64,
}

/// How many notes are read at once.
const PAGE: usize = 500;

/// All pipelines that were ever applied, in the order of their names; also those that were taken away.
///
/// # Errors
/// [`LedgerError`] of the ledger, or [`LedgerError::Damaged`] for a note that is not ours.
pub async fn applied(ledger: &dyn Ledger) -> Result<Vec<Applied>, LedgerError> {
    let all = each_applied(ledger).await?;
    all.into_iter().map(|(_, applied)| applied).collect()
}

/// The same, each by itself, with the name of the pipeline: one note that is not ours does not hide the others.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn each_applied(ledger: &dyn Ledger) -> Result<Vec<(String, Result<Applied, LedgerError>)>, LedgerError> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = ledger.notes(Shelf::Pipelines, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        for (key, note) in &page {
            all.push((key.clone(), read(key, &note.text)));
        }
        after = page.into_iter().next_back().map(|(key, _)| key);
        if is_last {
            return Ok(all);
        }
    }
}

/// Notes how a pipeline is applied now, in place of what was noted before. Only who holds the lease of `apply` does this.
///
/// # Errors
/// [`LedgerError`] of the ledger.
pub async fn put_applied(ledger: &dyn Ledger, applied: &Applied) -> Result<(), LedgerError> {
    let text = serde_json::to_string(applied).map_err(|error| LedgerError::Unavailable {
        action: "write the note of a pipeline",
        source: error.into(),
    })?;
    change_note(ledger, Shelf::Pipelines, applied.pipeline.as_str(), |there| match there {
        Some(there) if there == text => (Change::Keep, ()),
        _ => (Change::Put(text.clone()), ()),
    })
    .await
}

fn read(key: &str, text: &str) -> Result<Applied, LedgerError> {
    let damaged = |problem: String| LedgerError::Damaged {
        place: format!("the note `{key}` of the shelf `{}`", Shelf::Pipelines.as_str()),
        problem,
    };
    let applied: Applied = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
    if applied.pipeline.as_str() == key {
        Ok(applied)
    } else {
        Err(damaged(format!("it is of the pipeline `{}`", applied.pipeline)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use super::*;
    use crate::Model;
    use std::sync::Mutex;

    fn pipeline(number: usize, applied_ms: i64) -> Applied {
        Applied {
            pipeline: Name::new(format!("p{number:04}")).unwrap(),
            definition: "d".repeat(64),
            generation: 1,
            file: format!("pipelines/p{number:04}.yaml"),
            removed: false,
            applied_ms,
        }
    }

    #[tokio::test]
    async fn all_are_listed_as_they_were_put_last() {
        let ledger = Mutex::new(Model::default());
        assert_eq!(applied(&ledger).await.unwrap(), []);
        // More than a page, and exactly two.
        for count in [PAGE + 3, 2 * PAGE] {
            for number in (0..count).rev() {
                put_applied(&ledger, &pipeline(number, 1)).await.unwrap();
            }
            let expected: Vec<Applied> = (0..count).map(|number| pipeline(number, 1)).collect();
            assert_eq!(applied(&ledger).await.unwrap(), expected);
        }
        let removed = Applied {
            removed: true,
            ..pipeline(7, 2)
        };
        put_applied(&ledger, &removed).await.unwrap();
        put_applied(&ledger, &removed).await.unwrap();
        assert_eq!(applied(&ledger).await.unwrap().get(7), Some(&removed));
        let note = ledger.note(Shelf::Pipelines, "p0007").await.unwrap().unwrap();
        assert_eq!(note.revision, 2, "the same once more is no change");
    }

    #[tokio::test]
    async fn a_note_that_is_not_ours_is_told() {
        let ledger = Mutex::new(Model::default());
        for (revision, text) in [(None, "[]"), (Some(1), &serde_json::to_string(&pipeline(1, 1)).unwrap())] {
            assert!(ledger.put_note(Shelf::Pipelines, "p", revision, text).await.unwrap());
            let error = applied(&ledger).await.unwrap_err();
            assert!(error.to_string().contains("the note `p` of the shelf `pipelines`"), "{error}");
            put_applied(&ledger, &pipeline(2, 1)).await.unwrap();
            let each = each_applied(&ledger).await.unwrap();
            let read: Vec<(&str, bool)> = each.iter().map(|(key, applied)| (key.as_str(), applied.is_ok())).collect();
            assert_eq!(read, [("p", false), ("p0002", true)], "the others are read all the same");
        }
    }
}
