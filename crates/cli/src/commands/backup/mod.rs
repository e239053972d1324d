//! `tidemill backup`: the whole database of documents into the vault, and what can be done with what is there.

mod drill;
mod export;
pub(super) mod keep;
mod list;
mod shown;
mod take;
mod verify;
pub(super) mod watch;

use super::{Ended, HomeAt};
use crate::{
    Context, Failure, Status,
    arguments::{Backup, BackupWhat},
};
use ::backup::{Error, Wanted, manifest::Manifest};
use lake::{RunId, Store};

pub(super) async fn run(typed: &Backup, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    match &typed.what {
        None => take::run(typed, at, as_json, context).await,
        Some(BackupWhat::List) => list::run(at, as_json, context).await,
        Some(BackupWhat::Verify { id }) => verify::run(id.as_deref(), at, as_json, context).await,
        Some(BackupWhat::Export { id, file }) => export::run(id, file, at, as_json, context).await,
        Some(BackupWhat::Drill { no_wait }) => drill::run(*no_wait, at, as_json, context).await,
    }
}

#[cfg(feature = "aws")]
pub(super) use shown::{drilled, object, taken};

/// The manifest of the backup that is wanted.
pub(super) async fn choose(vault: &dyn Store, wanted: &Wanted) -> Result<Manifest, Failure> {
    ::backup::choose(vault, wanted).await.map_err(failure)
}

/// The one that was typed, or the newest.
pub(super) fn wanted(id: Option<RunId>) -> Wanted {
    id.map_or(Wanted::Newest, Wanted::Id)
}

/// What an error of the library comes to here: what is not there or can't be so is wrong use; somebody else at it is told as such. Its words say what to do.
pub(super) fn failure(error: Error) -> Failure {
    match &error {
        Error::NotFound { .. } | Error::UnknownCollections { .. } | Error::NotEmpty { .. } => Failure::wrong(error),
        Error::Overtaken { .. } => Failure::busy(error),
        _ => Failure::from(error),
    }
}

/// The exit code.
fn status(well: bool) -> Status {
    if well { Status::Well } else { Status::Failed }
}
