//! Documents of earlier runs that are in another place than this run's.

use super::{Runner, RunnerError};
use crate::local::{Place, destination::EMBEDDED_FILE};
use ledger::{ResourceId, RunFilter};
use pipeline::{Name, Resource, WriteDisposition};
use std::collections::BTreeMap;

/// Of each resource, the other places that hold documents of it.
pub(super) type Elsewhere = BTreeMap<Name, Vec<Place>>;

impl Runner {
    /// Notes, before anything is loaded, where the resources' documents go from now on.
    pub(super) async fn note_place(&self, pipeline: &Name, resources: &[&Resource]) -> Result<Elsewhere, RunnerError> {
        let mut elsewhere = Elsewhere::new();
        for resource in resources {
            let id = ResourceId {
                pipeline: pipeline.clone(),
                resource: resource.name.clone(),
            };
            let others = self.note_resource(&id).await?;
            // A run that replaces brings all there is.
            if resource.load.write_disposition != WriteDisposition::Replace && !others.is_empty() {
                elsewhere.insert(id.resource, others);
            }
        }
        Ok(elsewhere)
    }

    async fn note_resource(&self, id: &ResourceId) -> Result<Vec<Place>, RunnerError> {
        let filter = RunFilter {
            pipeline: Some(id.pipeline.clone()),
            resource: Some(id.resource.clone()),
            limit: Some(1),
        };
        // A home that is older than its note of places knew no other place than itself.
        let ran = !self.home.ledger.runs(&filter).await?.is_empty();
        let before = (ran && self.home.folder.join(EMBEDDED_FILE).is_file()).then_some(Place::Embedded);
        let failed = |source| RunnerError::Places {
            home: self.home.folder.clone(),
            source,
        };
        let places = &self.home.places;
        places.brought(id, &self.home.place, before).map_err(failed)?;
        let mut others = places.of(id).map_err(failed)?;
        others.retain(|place| !place.is(&self.home.place));
        Ok(others)
    }

    /// Notes that a replay has brought all documents of a resource here.
    pub(super) fn note_all(&self, id: &ResourceId) -> Result<(), RunnerError> {
        let noted = self.home.places.all_brought(id, &self.home.place);
        noted.map_err(|source| RunnerError::Places {
            home: self.home.folder.clone(),
            source,
        })
    }
}
