//! The types of a pipeline file. Their doc comments are the reference that users read: `pipelines/README.md` is printed from them.

mod load;
mod record;
mod source;

pub use load::*;
pub use record::*;
pub use source::*;

use crate::{Name, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One pipeline: where the data is, what a record must look like, where it goes, how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The pipeline's name. It names the keys in the lake, so it never changes.
    pub pipeline: Name,
    /// What this pipeline is for, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who answers for it: a person or a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How often it runs in the cloud: `rate(5 minutes)` or `cron(0 6 * * ? *)`. On a laptop it runs when asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "schedule"))]
    pub schedule: Option<String>,
    /// The time zone that `schedule` is read in, a name of the IANA database such as `Europe/Paris`. The default is UTC. Where the clock is put forward, a
    /// moment that it leaves out is skipped; where it is put back, one that it shows twice comes once. A `rate` counts hours, whatever the clock shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "time_zone"))]
    pub time_zone: Option<String>,
    /// How late a run may start: a moment within this time after the scheduled one is picked, so that not all pipelines start at once. Whole minutes from
    /// `1m` to `24h`, shorter than the time between two runs. Without it, a run starts within the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// How many records of a run may go wrong before it counts as failed: a number, or a share of the records that came in, such as `1%`. Both count:
    /// records that break the contract (rejected), and documents that the store does not take (refused).
    #[serde(default)]
    pub reject_limit: RejectLimit,
    /// Where the data is.
    pub source: Source,
    /// What is read from the source: one entry a kind of record.
    pub resources: Vec<Resource>,
}

impl Pipeline {
    /// The resources in the order of the file, but each behind those that it waits for (`after`).
    pub fn in_order(&self) -> Vec<&Resource> {
        let mut ordered: Vec<&Resource> = Vec::with_capacity(self.resources.len());
        // Each round finds one at least: a checked file has no circle.
        while ordered.len() < self.resources.len() {
            let is_in = |name: &Name| ordered.iter().any(|resource| resource.name == *name);
            let ready = self
                .resources
                .iter()
                .find(|resource| !is_in(&resource.name) && resource.after.iter().all(is_in));
            match ready {
                Some(resource) => ordered.push(resource),
                None => break,
            }
        }
        ordered
    }
}

/// How many records of a run may be rejected or refused: a number (`100`), or a share of the records that came in (`1%`). The default is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "CountOrText", into = "String")]
pub enum RejectLimit {
    Count(u64),
    /// A share in per cent, 0 to 100.
    Percent(f64),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CountOrText {
    Count(u64),
    Text(String),
}

impl Default for RejectLimit {
    fn default() -> RejectLimit {
        RejectLimit::Count(0)
    }
}

impl RejectLimit {
    /// Whether `rejected` of `records_in` records are more than the limit allows.
    pub fn exceeded_by(self, rejected: u64, records_in: u64) -> bool {
        match self {
            RejectLimit::Count(limit) => rejected > limit,
            RejectLimit::Percent(limit) => rejected as f64 * 100.0 > limit * records_in as f64,
        }
    }
}

impl RejectLimit {
    /// Reads `100` or `1%`.
    pub fn parse(text: &str) -> Result<RejectLimit, String> {
        let share = text.strip_suffix('%').and_then(|share| share.trim_end().parse().ok());
        share
            .filter(|share| (0.0..=100.0).contains(share))
            .map(RejectLimit::Percent)
            .or_else(|| text.parse().ok().map(RejectLimit::Count))
            .ok_or_else(|| format!("`{text}` is neither a number from 0 on nor a share from `0%` to `100%`"))
    }
}

impl TryFrom<CountOrText> for RejectLimit {
    type Error = String;
    fn try_from(value: CountOrText) -> Result<RejectLimit, String> {
        match value {
            CountOrText::Count(count) => Ok(RejectLimit::Count(count)),
            CountOrText::Text(text) => RejectLimit::parse(&text),
        }
    }
}

impl From<RejectLimit> for String {
    fn from(limit: RejectLimit) -> String {
        match limit {
            RejectLimit::Count(count) => count.to_string(),
            RejectLimit::Percent(share) => format!("{share}%"),
        }
    }
}

/// One kind of record of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The resource's name, unique in the pipeline.
    pub name: Name,
    /// The resources of this pipeline that come first. In the cloud this one is not started by the schedule, but each time when all of these have completed
    /// a run (every document of it loaded) since it was started last. On a laptop it is run after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Name>,
    /// How to ask for it, when the source is `rest_api`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Which file, when the source is `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// What a record must look like: the contract.
    pub record: Record,
    /// Where the documents go.
    pub load: Load,
}
