//! Clean objects into the stub server: through `load`, and through bare loops of the driver to compare it with. One way, in this process.

mod bare;
mod command;
mod objects;

use crate::stage;
use anyhow::{Result, ensure};
use clap::ValueEnum;
use cli::local::Home;
use documents::MongoDocuments;
use documents::mongodb::Fixed;
use secrecy::SecretString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// How the documents go to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// The product: `load::handle`.
    Load,
    /// The commands that `load` sends, without its judgement.
    SameCommands,
    /// What is written first when nobody has thought of ranks: upserts in batches.
    Upserts,
    /// Clean objects opened and cut into batches, and nothing sent: what all ways have in common.
    Read,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Load => "load",
            Way::SameCommands => "same-commands",
            Way::Upserts => "upserts",
            Way::Read => "read",
        })
    }
}

/// Sends all clean objects of the bench's pipeline at `home` to the server, and answers with how many documents it took.
pub async fn run(way: Way, uri: &str, home: &Path) -> Result<u64> {
    let home = Home::open(home)?;
    let written = match way {
        Way::Load => {
            // As the command does.
            cli::memory::keep_freed_blocks();
            let uri = Fixed::new(SecretString::from(uri));
            let tally = stage::load_into(&home, Arc::new(MongoDocuments::new(Arc::new(uri)))).await?;
            ensure!(
                tally.inserted == 0 || tally.updated == 0,
                "the stub was judged to have some: {tally:?}"
            );
            tally.inserted + tally.updated
        }
        Way::SameCommands => bare::same_commands(&home, uri).await?,
        Way::Upserts => bare::upserts(&home, uri).await?,
        Way::Read => bare::read(&home).await?,
    };
    ensure!(
        written == stage::RECORDED_ROWS,
        "{written} documents were written, {} are in the recording",
        stage::RECORDED_ROWS
    );
    Ok(written)
}
