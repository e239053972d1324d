//! Looks at the home, the store of documents and the collections.

use super::checkup::{Checkup, CollectionFound, ElsewhereFound, HomeFound, Kept, LeaseFound, StoreFound, UnfinishedFound, Wrong};
#[cfg(feature = "mongodb")]
use super::checkup::{Permission, Server};
use crate::{
    Failure,
    arguments::Doctor,
    commands::HomeAt,
    failure::{chain, of_store},
    local::{
        Destination, Found, Home, HomeError, PipelineError, Place, clock::SystemClock, destination::EMBEDDED_FILE, holder, lock, pipelines,
    },
    output::numbers::iso,
    publish::at_odds,
};
use documents::{Contract, DocumentsError};
use ledger::{Clock as _, CollectionClaim, Fact, ResourceId, RunFilter};
use pipeline::{Resource, WriteDisposition};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The newest runs of a resource that are looked through for documents that were loaded.
const LOOKED_AT_FOR_LOADS: usize = 20;

pub(super) async fn checkup(typed: &Doctor, at: &HomeAt, folder: &Path) -> Result<Checkup, Failure> {
    let destination = at.destination()?;
    let home = match Home::open_with(&at.folder, &destination) {
        Ok(home) => {
            at.remember(home.documents.clone());
            Some(home)
        }
        Err(HomeError::Nothing(_)) => None,
        Err(error) => return Err(super::super::no_home(error)),
    };
    let (found, files) = pipelines_of(typed, at, folder)?;
    let declared: Vec<Declared> = found.iter().flat_map(|(typed, found)| Declared::of(typed, found)).collect();
    let kept = match &home {
        Some(home) => Some(kept(home, &declared).await?),
        None => None,
    };
    let (documents, mut collections) = store(&destination, at, home.as_ref(), &declared).await;
    if let Some(home) = &home {
        for (declared, found) in declared.iter().zip(&mut collections) {
            found.also = declared.beside(home, at).await?;
            if found.documents.is_none() && found.error.is_none() {
                found.also.extend(declared.gone(home, at).await?);
            }
        }
    }
    let half_restored = match documents {
        StoreFound::Unusable { .. } => None,
        _ => half_restored(&destination, at).await,
    };
    Ok(Checkup {
        half_restored,
        home: HomeFound {
            folder: at.folder.clone(),
            kept,
        },
        documents,
        collections,
        files,
    })
}

/// Whether a restore was begun and did not come to its end. A store that does not answer was told of already.
async fn half_restored(destination: &Destination, at: &HomeAt) -> Option<Wrong> {
    let database = destination.database(&at.folder).ok()?;
    at.remember_database(database.clone());
    let mark = database.mark().await.ok()??;
    let (what, next) = crate::half_restored::told(&mark, |words| at.command(words));
    Some(Wrong { what, next: Some(next) })
}

/// A collection that a pipeline file declares.
struct Declared {
    id: ResourceId,
    contract: Contract,
    claim: CollectionClaim,
    /// Each run brings all there is.
    replaces: bool,
    /// The pipeline as it is typed.
    typed: String,
}

impl Declared {
    fn of(typed: &str, found: &Found) -> Vec<Declared> {
        let pipeline = &found.checked.pipeline;
        let declared = |resource: &Resource| {
            let id = ResourceId {
                pipeline: pipeline.pipeline.clone(),
                resource: resource.name.clone(),
            };
            let contract = Contract::of(resource, &id.to_string());
            Declared {
                id,
                contract,
                claim: CollectionClaim::of(pipeline, resource),
                replaces: resource.load.write_disposition == WriteDisposition::Replace,
                typed: super::super::shell_word(typed).into_owned(),
            }
        };
        pipeline.resources.iter().map(declared).collect()
    }

    /// What is wrong with it that a look at the collection does not show.
    async fn beside(&self, home: &Home, at: &HomeAt) -> Result<Vec<Wrong>, Failure> {
        let mut wrong = Vec::new();
        let kept = home.ledger.claimed(&self.claim.collection).await?;
        if let Some(odds) = kept.and_then(|kept| at_odds(self.claim.clone(), kept)) {
            let (what, next) = super::super::run::not_claimed(odds, &self.typed, at).told();
            wrong.push(Wrong { what, next });
        }
        // While a run is at it, that is to be expected.
        if self.replaces
            && lock::held(&home.folder, &self.id.pipeline).is_none()
            && let Some(what) = super::super::runs::not_shown(&home.ports(), &self.id).await?
        {
            let next = Some(at.command(&format!("run {}", self.typed)));
            wrong.push(Wrong { what, next });
        }
        Ok(wrong)
    }

    /// Of a collection that is not there: whether it was, as the ledger knows of the newest runs.
    async fn gone(&self, home: &Home, at: &HomeAt) -> Result<Option<Wrong>, Failure> {
        if !home.places.of(&self.id)?.iter().any(|place| place.is(&home.place)) {
            return Ok(None);
        }
        let filter = RunFilter {
            pipeline: Some(self.id.pipeline.clone()),
            resource: Some(self.id.resource.clone()),
            limit: Some(LOOKED_AT_FOR_LOADS),
        };
        for run in home.ledger.runs(&filter).await? {
            let facts = home.ledger.facts(run.id, &self.id, &run.definition).await?;
            let inserted = |fact: &Fact| matches!(fact, Fact::Load(tally) if tally.inserted > 0);
            if facts.iter().any(|(_, fact)| inserted(fact)) {
                let restore = at.command("restore");
                return Ok(Some(Wrong {
                    what: "documents were loaded into it, and it is gone".to_owned(),
                    next: Some(format!(
                        "{restore}   (the newest backup); without one: {}",
                        at.command(&format!("replay {}", self.typed))
                    )),
                }));
            }
        }
        Ok(None)
    }

    fn found(&self, documents: Option<u64>, differs: Option<Vec<String>>, error: Option<&DocumentsError>) -> CollectionFound {
        CollectionFound {
            collection: self.contract.collection.to_string(),
            owner: self.contract.owner.clone(),
            pipeline: self.id.pipeline.to_string(),
            typed: self.typed.clone(),
            documents,
            differs,
            mends: true,
            also: Vec::new(),
            error: error.map(|error| chain(error)),
            next: error
                .and_then(|error| of_store(error))
                .and_then(|(_, next)| next)
                .map(str::to_owned),
        }
    }
}

/// Pipelines as they are typed, and files that can't be looked at.
type Looked = (Vec<(String, Found)>, Vec<Wrong>);

/// The pipelines that were named, or all; and the files that can't be looked at.
fn pipelines_of(typed: &Doctor, at: &HomeAt, folder: &Path) -> Result<Looked, Failure> {
    let names = match typed.pipelines.as_slice() {
        [] => pipelines::names(folder),
        named => named.to_vec(),
    };
    let (mut found, mut files) = (Vec::new(), Vec::new());
    for name in names {
        match pipelines::find(&name, folder) {
            Ok(pipeline) => found.push((name, pipeline)),
            Err(error @ PipelineError::Unknown { .. }) => {
                let next = error.next();
                let failure = Failure::wrong(error);
                return Err(match next {
                    Some(next) => failure.next(next),
                    None => failure,
                });
            }
            Err(error) => files.push(Wrong {
                what: chain(&error),
                next: Some(at.command(&format!("check {name}"))),
            }),
        }
    }
    Ok((found, files))
}

async fn kept(home: &Home, declared: &[Declared]) -> Result<Kept, Failure> {
    let newest = RunFilter {
        limit: Some(1),
        ..RunFilter::default()
    };
    let newest = home.ledger.runs(&newest).await?;
    let (mut lake_objects, mut lake_bytes) = (0, 0);
    measure(&home.folder.join("lake"), &mut lake_objects, &mut lake_bytes);
    let mut kept = Kept {
        lake_objects,
        lake_bytes,
        ledger_bytes: database_bytes(&home.folder.join("ledger.db")).unwrap_or(0),
        newest_run: newest.first().map(|run| iso(run.started_ms)),
        leases: Vec::new(),
        unfinished: Vec::new(),
        elsewhere: Vec::new(),
    };
    let mut looked_at = None;
    for Declared { id, typed, replaces, .. } in declared {
        if let Some(held) = home.ledger.held(id).await? {
            kept.leases.push(LeaseFound {
                resource: id.to_string(),
                free: holder::is_dead(&held.holder) || held.expires_ms <= SystemClock.now_ms(),
                holder: held.holder.name,
                until: iso(held.expires_ms),
            });
        }
        let mut places = home.places.of(id)?;
        places.retain(|place| !place.is(&home.place));
        if !places.is_empty() && !replaces {
            kept.elsewhere.push(ElsewhereFound {
                typed: typed.clone(),
                pipeline: id.pipeline.to_string(),
                resource: id.resource.to_string(),
                places: places.iter().map(Place::to_string).collect(),
            });
        }
        if looked_at != Some(&id.pipeline) {
            looked_at = Some(&id.pipeline);
            let objects = home.ledger.unfinished(&id.pipeline).await?.len() as u64;
            if objects > 0 {
                kept.unfinished.push(UnfinishedFound {
                    pipeline: id.pipeline.to_string(),
                    typed: typed.clone(),
                    objects,
                    holder: lock::held(&home.folder, &id.pipeline),
                });
            }
        }
    }
    Ok(kept)
}

/// The store that documents go to, and its collections beside their contracts.
async fn store(destination: &Destination, at: &HomeAt, home: Option<&Home>, declared: &[Declared]) -> (StoreFound, Vec<CollectionFound>) {
    match &destination.place {
        Place::Embedded => {
            let path = at.folder.join(EMBEDDED_FILE);
            let mut collections = Vec::with_capacity(declared.len());
            for one in declared {
                let counted = match home {
                    Some(home) => home.documents.count(&one.contract.collection).await,
                    None => Ok(None),
                };
                collections.push(match counted {
                    Ok(documents) => one.found(documents, None, None),
                    Err(error) => one.found(None, None, Some(&error)),
                });
            }
            let bytes = database_bytes(&path);
            (StoreFound::Embedded { path, bytes }, collections)
        }
        #[cfg(feature = "mongodb")]
        place @ Place::Mongodb { .. } => {
            let store = destination.mongodb();
            let found = mongodb(&store, place, declared).await;
            documents::Documents::close(&store).await;
            found
        }
        #[cfg(not(feature = "mongodb"))]
        place @ Place::Mongodb { .. } => {
            let unusable = StoreFound::Unusable {
                place: place.to_string(),
                error: crate::local::DestinationError::NotBuilt.to_string(),
                wrong_setting: true,
                next: crate::local::DestinationError::NotBuilt.next().map(str::to_owned),
            };
            (unusable, Vec::new())
        }
    }
}

#[cfg(feature = "mongodb")]
async fn mongodb(store: &documents::MongoDocuments, place: &Place, declared: &[Declared]) -> (StoreFound, Vec<CollectionFound>) {
    use documents::{Change, Documents as _};
    let contracts: Vec<Contract> = declared.iter().map(|one| one.contract.clone()).collect();
    let found = match store.examine(&contracts).await {
        Ok(found) => found,
        Err(error) => {
            let wrong_setting = matches!(error, DocumentsError::Uri { .. } | DocumentsError::NoUri { .. });
            let next = wrong_setting.then(|| "put `TIDEMILL_MONGODB_URI` right, in the environment or in `.env`".to_owned());
            let unusable = StoreFound::Unusable {
                place: place.to_string(),
                error: chain(&error),
                wrong_setting,
                next,
            };
            return (unusable, Vec::new());
        }
    };
    let mut collections = Vec::with_capacity(declared.len());
    for (one, examined) in declared.iter().zip(found.collections) {
        let is_missing = matches!(&examined.plan, Ok(plan) if plan.iter().any(|change| matches!(change, Change::CreateCollection { .. })));
        let documents = match is_missing {
            true => Ok(None),
            false => store.count(&one.contract.collection).await,
        };
        collections.push(match (examined.plan, documents) {
            (Ok(plan), Ok(documents)) => CollectionFound {
                mends: plan.iter().any(|change| !matches!(change, Change::Leave { .. })),
                ..one.found(documents, Some(plan.iter().map(Change::to_string).collect()), None)
            },
            (Err(error), _) | (_, Err(error)) => one.found(None, None, Some(&error)),
        });
    }
    let permissions = found.permissions.into_iter().map(|permission| Permission {
        action: permission.action,
        purpose: permission.purpose,
        granted: permission.granted,
    });
    let mut server = Server {
        server: found.server,
        database: found.database,
        version: found.version,
        topology: found.topology,
        tls: found.tls,
        users: found.users,
        mechanism: found.mechanism,
        roles: found.roles,
        permissions: permissions.collect(),
        clock_ahead_ms: found.clock_ahead_ms,
    };
    server.judge_by_roles();
    (StoreFound::Mongodb(Box::new(server)), collections)
}

/// Counts the files below a folder. What can't be read is not counted: this only gives an idea.
fn measure(folder: &Path, files: &mut u64, bytes: &mut u64) {
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(folder).into_iter().flatten();
        for (path, kind) in entries.filter_map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))).ok()) {
            if kind.is_dir() {
                folders.push(path);
            } else {
                (*files, *bytes) = (*files + 1, *bytes + kind.len());
            }
        }
    }
}

/// A SQLite database with what is not merged into it yet.
fn database_bytes(path: &Path) -> Option<u64> {
    let own = fs::metadata(path).ok()?.len();
    let log = fs::metadata(path.with_extension("db-wal")).map_or(0, |file| file.len());
    Some(own + log)
}
