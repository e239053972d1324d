//! What backup and restore work with: the vault, the ledger and the database of a home or of a stack.

use crate::{
    Context, Failure,
    commands::HomeAt,
    half_restored,
    local::{
        Place,
        clock::SystemClock,
        holder,
        lock::{self, Lock, Tried, Work},
        vault,
    },
    output::plain::plain_lines,
};
use ::backup::Services;
use anyhow::{Context as _, anyhow};
use documents::Database;
use lake::{Definitions, RunId, Store};
use ledger::{Clock as _, Ledger, Observer, Run};
use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

/// The open parts.
pub(in crate::commands) struct Keep {
    pub vault: Arc<dyn Store>,
    pub ledger: Arc<dyn Ledger>,
    pub definitions: Arc<Definitions>,
    /// What documents are loaded into.
    pub database: Arc<dyn Database>,
    /// Where that is, as far as it is known, in words that hold no secret.
    pub place: Option<String>,
    /// That the functions load elsewhere.
    pub note: Option<String>,
    /// The folder of the home; a stack has none.
    pub home: Option<PathBuf>,
}

impl HomeAt {
    /// Opens them. `making`: a backup is to be made, so there need be none yet.
    pub(in crate::commands) async fn keep(&self, making: bool) -> Result<Keep, Failure> {
        match &self.stack {
            None => self.keep_of_home(making),
            #[cfg(feature = "aws")]
            Some(stack) => {
                let stack = self.stack(stack).await?;
                let spoken_to = stack.spoken_to().await;
                self.remember_database(stack.database.clone());
                Ok(Keep {
                    vault: stack.vault(),
                    ledger: stack.ports.ledger.clone(),
                    definitions: stack.ports.definitions.clone(),
                    database: stack.database.clone(),
                    place: spoken_to.place.map(|place| place.to_string()),
                    note: spoken_to.note,
                    home: None,
                })
            }
            #[cfg(not(feature = "aws"))]
            Some(stack) => Err(crate::commands::not_built(stack)),
        }
    }

    fn keep_of_home(&self, making: bool) -> Result<Keep, Failure> {
        if !making && !vault::is_there(&self.folder) {
            let error = anyhow!("there are no backups in {} yet", self.folder.display());
            return Err(Failure::wrong(error).next(format!("make one: {}", self.command("backup"))));
        }
        let destination = self.destination()?;
        // A home whose lake is gone may have its vault still; one without documents of its own needs no lake to back a MongoDB up.
        let home = match making && destination.place == Place::Embedded {
            true => self.open()?,
            false => self.create()?,
        };
        let database = destination.database(&self.folder).map_err(crate::commands::no_destination)?;
        self.remember_database(database.clone());
        Ok(Keep {
            vault: Arc::new(vault::open(&self.folder).context("could not open the vault")?),
            ledger: home.ledger,
            definitions: home.definitions,
            database,
            place: Some(home.place.to_string()),
            note: None,
            home: Some(self.folder.clone()),
        })
    }
}

impl HomeAt {
    /// Says on the side when a restore of what documents are loaded into did not come to its end. What can't be asked is told by whoever needs it.
    pub(in crate::commands) async fn note_half_restored(&self, context: &mut Context) -> io::Result<()> {
        let database = match &self.stack {
            None => self
                .destination()
                .ok()
                .and_then(|destination| destination.database(&self.folder).ok()),
            #[cfg(feature = "aws")]
            Some(stack) => self.stack(stack).await.ok().map(|stack| stack.database),
            #[cfg(not(feature = "aws"))]
            Some(_) => None,
        };
        let Some(database) = database else { return Ok(()) };
        self.remember_database(database.clone());
        if let Ok(Some(mark)) = database.mark().await {
            let (what, next) = half_restored::told(&mark, |words| self.command(words));
            write!(context.err, "{}", plain_lines(&format!("note: {what}\nnext: {next}\n")))?;
        }
        Ok(())
    }
}

impl Keep {
    pub fn services(&self) -> Services {
        Services {
            vault: self.vault.clone(),
            ledger: self.ledger.clone(),
            database: self.database.clone(),
        }
    }

    /// Sees that nobody else of this home is at it. A stack has other means.
    pub fn lock(&self, work: Work) -> Result<Option<Lock>, Failure> {
        let Some(home) = &self.home else { return Ok(None) };
        match lock::try_take_work(home, work, &holder::this_process()).context("could not take the lock of the home")? {
            Tried::Taken(lock) => Ok(Some(lock)),
            Tried::Held(by) => Err(Failure::busy(anyhow!("{by} is at it")).next("wait until that has ended, then type this again")),
        }
    }
}

/// What the library is told of its work: without a deadline, for nobody ends this process but whoever typed.
pub(in crate::commands) fn run(observer: Arc<dyn Observer>) -> Run {
    Run {
        clock: Arc::new(SystemClock),
        observer,
        deadline_ms: None,
    }
}

/// A new id.
pub(in crate::commands) fn new_id() -> RunId {
    RunId::new(u64::try_from(SystemClock.now_ms()).unwrap_or(0), fastrand::u128(..))
}

/// The id that was typed.
pub(in crate::commands) fn id(typed: &str, at: &HomeAt) -> Result<RunId, Failure> {
    RunId::parse(typed).map_err(|_| {
        let error = anyhow!("`{typed}` is no backup's id: it has 26 letters and digits, all of them");
        Failure::wrong(error).next(format!("list the backups: {}", at.command("backup list")))
    })
}
