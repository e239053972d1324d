//! What an earlier run left undone: this run finishes it, and so judges it too, since nobody else will.

use super::{Problem, Runner, RunnerError, why_refused};
use lake::{Part, RawKey};
use ledger::{Refused, ResourceId, Unfinished, conservation};
use pipeline::WriteDisposition;
use std::collections::BTreeMap;

/// What was taken up of earlier runs: of each run under one definition, one of its parts.
#[derive(Default)]
pub(super) struct TakenUp(BTreeMap<String, Unfinished>);

impl TakenUp {
    pub fn add(&mut self, part: Unfinished) {
        let run = format!("{} {} {} {}", part.raw.run, part.raw.resource, part.definition, part.generation);
        self.0.entry(run).or_insert(part);
    }
}

impl Runner {
    /// A run of which more was set aside than its definition allows is a problem, whoever finished it.
    pub(super) async fn judge(&self, taken_up: &TakenUp, problems: &mut Vec<Problem>) -> Result<(), RunnerError> {
        for part in taken_up.0.values() {
            // One that can't be read has failed `clean` too, which is a problem already.
            let Ok(definition) = self.home.definitions.get(&part.raw.pipeline, &part.definition).await else {
                continue;
            };
            let resources = &definition.pipeline.resources;
            let resource = resources.iter().find(|resource| resource.name == part.raw.resource);
            // A `replace` run is judged by `load`, before it is shown.
            if resource.is_none_or(|resource| resource.load.write_disposition == WriteDisposition::Replace) {
                continue;
            }
            let id = ResourceId {
                pipeline: part.raw.pipeline.clone(),
                resource: part.raw.resource.clone(),
            };
            let facts = self.home.ledger.facts(part.raw.run, &id, &part.definition).await?;
            let totals = conservation::totals(&facts);
            let rejected = totals.clean.rejected.saturating_add(totals.load.refused);
            let records_in = totals.clean.records_in;
            if definition.pipeline.reject_limit.exceeded_by(rejected, records_in) {
                problems.push(over_limit(&part.raw, Refused::RejectsOverLimit { rejected, records_in }));
            }
        }
        Ok(())
    }
}

fn over_limit(part: &RawKey, why: Refused) -> Problem {
    let marker = RawKey {
        part: Part::End,
        ..part.clone()
    };
    Problem {
        object: marker.key().to_string(),
        message: format!("run {} was cut short, and is finished now: {}", part.run, why_refused(why)),
        raw: Some(marker),
        not_shown: false,
    }
}
