//! What a backup is of: decided at its start, and kept in its first part, which is the archive's prelude alone.

use super::Work;
use super::checkpoint::{Checkpoint, PartNote, Position, Start};
use crate::archive::{self, Event, Prelude, Reader, Writer};
use crate::manifest::{Consistency, LeftOut};
use crate::restore::HalfRestored;
use crate::{Error, stored};
use documents::{Certainty, Database, Namespace, NamespaceKind};

/// What begins so is Tidemill's own, not a user's.
const OURS: &str = "tidemill.";

/// What is never backed up, whether it is there or not, and why.
const NEVER: [(&str, &str); 3] = [
    (
        "tidemill.receipts",
        "of the moment: a restored receipt would say that a batch is written which is not",
    ),
    (
        "tidemill.staged.*, tidemill.ready.*",
        "of the moment: versions that nobody sees yet come again with their run",
    ),
    ("system.*", "the server's own"),
];

pub(super) struct Plan {
    pub start: Start,
    pub prelude: Prelude,
}

impl Plan {
    /// Decides what is backed up.
    pub async fn make(work: &Work<'_>) -> Result<Plan, Error> {
        let database = work.services.database.as_ref();
        let began_ms = work.run.clock.now_ms();
        work.refuse_half_restored().await?;
        let server = database.server().await?;
        let policy = &work.request.policy;
        let (left_out, namespaces): (Vec<Namespace>, Vec<Namespace>) = database
            .namespaces()
            .await?
            .into_iter()
            .partition(|namespace| policy.leave_out.contains(&namespace.name));
        if let Some(namespace) = namespaces.iter().find(|namespace| namespace.kind == NamespaceKind::TimeSeries) {
            return Err(Error::TimeSeries {
                collection: namespace.name.clone(),
            });
        }
        if !work.request.allow_empty && !has_documents(database, &namespaces).await? {
            return Err(Error::Empty { database: server.database });
        }
        let by_settings = left_out.into_iter().map(|namespace| LeftOut {
            name: namespace.name,
            why: "the settings leave it out".to_owned(),
        });
        let never = NEVER.into_iter().map(|(name, why)| LeftOut {
            name: name.to_owned(),
            why: why.to_owned(),
        });
        let described = namespaces.iter().map(archive::described).collect::<Result<_, _>>()?;
        Ok(Plan {
            start: Start {
                began_ms,
                locked_until_ms: locked_until_ms(work),
                consistency: consistency(server.certainty),
                left_out: never.chain(by_settings).collect(),
            },
            prelude: Prelude {
                database: server.database,
                server_version: server.version,
                tool_version: tool(),
                namespaces: described,
            },
        })
    }

    /// What was decided when the backup began: as its first part says, which is read again and checked.
    pub async fn of_first_part(checkpoint: &Checkpoint, work: &Work<'_>) -> Result<Plan, Error> {
        let id = work.record.id.to_string();
        let (Some(first), Some(start)) = (checkpoint.first(), checkpoint.start()) else {
            return Err(Error::Damaged {
                id,
                object: "the note of its first part".to_owned(),
                problem: "it does not say how the backup began".to_owned(),
            });
        };
        let bytes = stored::part(&id, first, work.services.vault.as_ref()).await?;
        let damaged = |problem: String| Error::Damaged {
            id: id.clone(),
            object: first.key.clone(),
            problem,
        };
        let mut reader = Reader::of_archive();
        let mut packed = bytes.as_slice();
        match reader.next(&mut packed).map_err(|error| damaged(crate::error::chain(&error)))? {
            Some(Event::Prelude(prelude)) => Ok(Plan {
                start: start.clone(),
                prelude,
            }),
            _ => Err(damaged("it does not hold what an archive begins with".to_owned())),
        }
    }
}

impl Work<'_> {
    /// A database into which a restore is under way, or was given up, is not whole: a backup of it would claim to be one.
    pub(super) async fn refuse_half_restored(&self) -> Result<(), Error> {
        let database = self.services.database.as_ref();
        let Some(text) = database.mark().await? else { return Ok(()) };
        let by = HalfRestored::of_mark(&text).map_or_else(|| "a restore".to_owned(), |half| format!("the backup {}", half.backup));
        Err(Error::HalfRestored {
            database: database.server().await?.database,
            by,
        })
    }

    /// The first part.
    pub(super) async fn put_prelude(&self, plan: &Plan) -> Result<Checkpoint, Error> {
        let mut writer = Writer::new(&plan.prelude.database, self.request.policy.part_bytes_max);
        writer.prelude(&plan.prelude)?;
        let mut checkpoint = Checkpoint::default();
        let part = self.put(1, writer.finish()?, Vec::new(), plan).await?;
        let note = PartNote {
            part,
            start: Some(plan.start.clone()),
            sums: Vec::new(),
            position: Position::Before { namespace: 0 },
            noted_ms: self.run.clock.now_ms(),
        };
        self.note(&mut checkpoint, note).await?;
        Ok(checkpoint)
    }
}

/// The program that writes backups.
pub(super) fn tool() -> String {
    format!("tidemill {}", env!("CARGO_PKG_VERSION"))
}

/// Whether there is a document that a user or a pipeline put there.
async fn has_documents(database: &dyn Database, namespaces: &[Namespace]) -> Result<bool, Error> {
    let of_users = |namespace: &&Namespace| namespace.kind == NamespaceKind::Collection && !namespace.name.starts_with(OURS);
    for namespace in namespaces.iter().filter(of_users) {
        if database.read(&namespace.name, None).await?.next().await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A snapshot is never claimed: a backup may take longer than a server keeps one.
fn consistency(certainty: Certainty) -> Consistency {
    let read_concern = match certainty {
        Certainty::Majority => "majority",
        Certainty::Local => "local",
    };
    Consistency {
        read_concern: read_concern.to_owned(),
        snapshot: false,
    }
}

fn locked_until_ms(work: &Work<'_>) -> i64 {
    let retention = work.request.policy.retention;
    retention.locked_until_ms(work.class(), work.record.began_ms)
}
