//! A run that finds another run of its pipeline at work: it touches nothing, and says who is at it.

use super::{Request, ResourceReport, Runner, RunnerError, Skipped};
use lake::RunId;
use ledger::{ResourceId, RunRecord, RunState};
use pipeline::Resource;

impl Runner {
    /// Records that each of the resources was skipped.
    pub(super) async fn skip(&self, request: &Request, resources: &[&Resource], holder: &str) -> Result<Vec<ResourceReport>, RunnerError> {
        let mut reports = Vec::with_capacity(resources.len());
        for resource in resources {
            let record = self.skipped(request, resource, holder).await?;
            self.home.ledger.record_skipped(&record).await?;
            reports.push(ResourceReport {
                run: Some(record.id),
                skipped: Some(Skipped {
                    holder: holder.to_owned(),
                    until_ms: None,
                }),
                ..ResourceReport::new(&request.checked.pipeline, &resource.name)
            });
        }
        Ok(reports)
    }

    async fn skipped(&self, request: &Request, resource: &Resource, holder: &str) -> Result<RunRecord, RunnerError> {
        let pipeline = &request.checked.pipeline;
        let id = ResourceId {
            pipeline: pipeline.pipeline.clone(),
            resource: resource.name.clone(),
        };
        let source = pipeline::source_hash(pipeline, resource);
        let cursor = self.home.ledger.cursor(&id, &source).await?;
        // The file is not published, for the run that is at it goes by the one before: it has no generation of its own yet.
        let newest = self.home.ledger.newest_definition(&id.pipeline).await?;
        let definition = request.checked.hash.to_string();
        let generation = newest
            .filter(|(newest, _)| *newest == definition)
            .map_or(0, |(_, generation)| generation);
        let now_ms = self.run.clock.now_ms();
        Ok(RunRecord {
            id: RunId::new(u64::try_from(now_ms).unwrap_or(0), fastrand::u128(..)),
            resource: id,
            definition,
            generation,
            source,
            cursor_before: cursor.map(|cursor| cursor.value),
            started_ms: now_ms,
            ended_ms: Some(now_ms),
            state: RunState::Skipped { holder: holder.to_owned() },
            parts: 0,
            captures: 0,
            bytes: 0,
        })
    }
}
