//! What brings back what was loaded since a backup: the commands to type after a restore, worked out from the ledger.

use crate::{commands::HomeAt, output::numbers::iso};
use lake::Definitions;
use ledger::{CollectionClaim, Ledger, LedgerError, RunFilter, RunRecord, RunState};
use pipeline::{Name, WriteDisposition};
use std::collections::{BTreeMap, BTreeSet};

/// So long may it take from the end of a run's extraction until all of it is loaded, unless something fails.
const LOADED_WITHIN_MS: i64 = 60 * 60 * 1_000;

/// Where to ask.
pub(super) struct Since<'a> {
    pub ledger: &'a dyn Ledger,
    pub definitions: &'a Definitions,
    pub at: &'a HomeAt,
    pub began_ms: i64,
}

impl Since<'_> {
    /// The commands, for the pipelines that load these collections.
    pub async fn commands(&self, collections: &BTreeSet<String>) -> Result<Vec<String>, LedgerError> {
        let mut pipelines: BTreeMap<Name, Vec<CollectionClaim>> = BTreeMap::new();
        for collection in collections {
            // What no pipeline can be called is no pipeline's.
            let Ok(name) = Name::new(collection.as_str()) else { continue };
            if let Some(claim) = self.ledger.claimed(&name).await? {
                pipelines.entry(claim.owner.pipeline.clone()).or_default().push(claim);
            }
        }
        let mut commands = Vec::new();
        for (pipeline, claims) in pipelines {
            let replaced = self.replaced(&pipeline, &claims).await?;
            if replaced.len() < claims.len() {
                let filter = RunFilter {
                    pipeline: Some(pipeline.clone()),
                    ..RunFilter::default()
                };
                let since_ms = since_ms(&self.ledger.runs(&filter).await?, self.began_ms);
                commands.push(self.at.command(&format!("replay {pipeline} --since {}", iso(since_ms))));
            }
            for resource in replaced {
                commands.push(self.at.command(&format!("run {pipeline} --resource {resource}")));
            }
        }
        Ok(commands)
    }

    /// Resources of a stack whose every run replaces all there is: their newest run is loaded already, by the ledger, so only a new one brings its documents.
    async fn replaced(&self, pipeline: &Name, claims: &[CollectionClaim]) -> Result<Vec<Name>, LedgerError> {
        if self.at.stack.is_none() {
            return Ok(Vec::new());
        }
        let Some((hash, _)) = self.ledger.newest_definition(pipeline).await? else {
            return Ok(Vec::new());
        };
        // One that can't be read is told when it is replayed.
        let Ok(checked) = self.definitions.get(pipeline, &hash).await else {
            return Ok(Vec::new());
        };
        let replaces = |name: &Name| {
            let mut resources = checked.pipeline.resources.iter();
            resources.any(|one| one.name == *name && one.load.write_disposition == WriteDisposition::Replace)
        };
        let names = claims.iter().map(|claim| &claim.owner.resource);
        Ok(names.filter(|name| replaces(name)).cloned().collect())
    }
}

/// The time since which runs must be replayed: that of the earliest run which may not have been loaded whole when the backup began. To the second.
fn since_ms(runs: &[RunRecord], began_ms: i64) -> i64 {
    let may_be_missing = |run: &&RunRecord| {
        let ended_ms = run.ended_ms.unwrap_or(i64::MAX);
        !matches!(run.state, RunState::Skipped { .. }) && ended_ms >= began_ms.saturating_sub(LOADED_WITHIN_MS)
    };
    let started_ms = |run: &RunRecord| i64::try_from(run.id.started_ms()).unwrap_or(i64::MAX);
    let earliest = runs.iter().filter(may_be_missing).map(started_ms).min();
    let since_ms = earliest.unwrap_or(began_ms).min(began_ms);
    since_ms - since_ms.rem_euclid(1_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use lake::RunId;
    use ledger::ResourceId;

    const HOUR_MS: i64 = 3_600_000;
    const BEGAN_MS: i64 = 1_000 * HOUR_MS + 123;

    fn run(started_ms: i64, ended_ms: Option<i64>, state: RunState) -> RunRecord {
        let name = Name::new("orders").unwrap();
        RunRecord {
            id: RunId::new(started_ms.try_into().unwrap(), 1),
            resource: ResourceId {
                pipeline: name.clone(),
                resource: name,
            },
            definition: String::new(),
            generation: 1,
            source: String::new(),
            cursor_before: None,
            started_ms,
            ended_ms,
            state,
            parts: 1,
            captures: 1,
            bytes: 1,
        }
    }

    fn check(runs: &[RunRecord], expected_ms: i64) {
        assert_eq!(since_ms(runs, BEGAN_MS), expected_ms - expected_ms.rem_euclid(1_000));
    }

    #[test]
    fn what_was_under_way_when_the_backup_began_is_replayed_too() {
        let ended = |started_ms: i64, ended_ms: i64| run(started_ms, Some(ended_ms), RunState::Extracted);
        let before = ended(BEGAN_MS - 9 * HOUR_MS, BEGAN_MS - 8 * HOUR_MS);
        check(&[], BEGAN_MS);
        check(&[before.clone(), ended(BEGAN_MS + HOUR_MS, BEGAN_MS + HOUR_MS)], BEGAN_MS);
        // Extracted a while before, and perhaps not loaded yet.
        let just_before = ended(BEGAN_MS - 2 * HOUR_MS, BEGAN_MS - HOUR_MS / 2);
        check(&[before.clone(), just_before], BEGAN_MS - 2 * HOUR_MS);
        // It was cut short, and can go on at any time.
        let cut_short = run(BEGAN_MS - 5 * HOUR_MS, None, RunState::Extracting);
        check(&[before, cut_short], BEGAN_MS - 5 * HOUR_MS);
        let skipped = RunState::Skipped { holder: String::new() };
        check(&[run(BEGAN_MS - HOUR_MS, Some(BEGAN_MS - HOUR_MS), skipped)], BEGAN_MS);
    }
}
