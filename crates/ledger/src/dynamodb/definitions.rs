//! Definitions and their generations; claims on collections.

use super::fault::Fault;
use super::items;
use super::key::Key;
use super::table::Table;
use super::write::{Expression, Outcome, Write};
use crate::{CollectionClaim, definition};
use pipeline::Name;

/// More appliers of one pipeline at the same moment than there are.
const TRIES_MAX: u32 = 50;

pub(super) async fn apply(table: &Table, pipeline: &Name, definition: &str) -> Result<u32, Fault> {
    let key = Key::newest(pipeline);
    for _ in 0..TRIES_MAX {
        let newest = newest(table, pipeline).await?;
        let generation = definition::generation(newest.as_ref(), definition);
        let condition = match &newest {
            Some((_, newest)) if *newest == generation => return Ok(generation),
            Some((_, newest)) => Expression::new("#generation = :seen").with(":seen", items::number(newest)),
            None => Expression::absent(),
        };
        let writes = [
            Write::Put {
                item: items::definition(&key, definition, generation),
                condition: Some(condition),
            },
            Write::Put {
                item: items::definition(&Key::generation(pipeline, generation), definition, generation),
                condition: None,
            },
        ];
        if let Outcome::Written = table.transact(&writes).await? {
            return Ok(generation);
        }
    }
    Err(Fault::Unavailable("others were faster at every attempt".into()))
}

pub(super) async fn newest(table: &Table, pipeline: &Name) -> Result<Option<(String, u32)>, Fault> {
    let item = table.get(&Key::newest(pipeline)).await?;
    item.as_ref().map(items::read_definition).transpose()
}

pub(super) async fn claim(table: &Table, claim: &CollectionClaim) -> Result<CollectionClaim, Fault> {
    let write = Write::Put {
        item: items::claim(claim),
        condition: Some(Expression::absent()),
    };
    match table.write(&write).await? {
        Outcome::Written => Ok(claim.clone()),
        Outcome::Refused { there: Some(first), .. } => items::read_claim(&first, &claim.collection),
        Outcome::Refused { there: None, .. } => claimed(table, &claim.collection).await?.ok_or_else(vanished),
    }
}

pub(super) async fn claimed(table: &Table, collection: &Name) -> Result<Option<CollectionClaim>, Fault> {
    let item = table.get(&Key::claim(collection)).await?;
    item.map(|item| items::read_claim(&item, collection)).transpose()
}

/// Of an item that is never deleted.
pub(super) fn vanished() -> Fault {
    Fault::Unavailable("an item that was there is gone: did somebody delete it by hand?".into())
}
