//! A ledger that was lost: the order of a pipeline's definitions is read back from what the lake's objects say of themselves.

use super::PublishError;
use crate::{local::objects::Keys, ports::Ports};
use lake::{CleanKey, CleanMetadata, RawKey, StoreError, Zone};
use pipeline::Name;
use std::collections::BTreeMap;

/// More definitions than anybody writes.
const GENERATIONS_MAX: u32 = 10_000;

/// Applies the definitions that objects were made under again, if the ledger knows none. A document's rank holds its definition's generation: counted
/// from 1 again, whatever is brought in now would be older than what is there.
pub(super) async fn recover(ports: &Ports, pipeline: &Name) -> Result<(), PublishError> {
    if ports.ledger.newest_definition(pipeline).await?.is_some() {
        return Ok(());
    }
    let known = generations(ports, pipeline).await?;
    let newest = known.last_key_value().map_or(0, |(generation, _)| *generation);
    for generation in 1..=newest {
        // One that nothing was made under is only counted.
        let definition = known.get(&generation).cloned();
        let definition = definition.unwrap_or_else(|| format!("lost generation {generation}"));
        ports.ledger.apply_definition(pipeline, &definition).await?;
    }
    Ok(())
}

/// Of each generation, its definition, as the objects in `raw/` and `clean/` have them.
async fn generations(ports: &Ports, pipeline: &Name) -> Result<BTreeMap<u32, String>, PublishError> {
    let mut known = BTreeMap::new();
    for zone in [Zone::Raw, Zone::Clean] {
        let mut keys = Keys::new(ports.store.clone(), format!("{}/{pipeline}/", zone.as_str()));
        while let Some(key) = keys.next().await? {
            // What is not ours in the folder is passed over.
            if RawKey::parse(key.as_str()).is_err() && CleanKey::parse(key.as_str()).is_err() {
                continue;
            }
            let Some(metadata) = ports.store.head(&key).await? else { continue };
            // An object in `raw/` says this much in the same words.
            let metadata = CleanMetadata::from_metadata(&key, &metadata)?;
            if metadata.generation > GENERATIONS_MAX {
                return Err(PublishError::Store(StoreError::Damaged {
                    key: key.to_string(),
                    problem: format!("`generation` of its metadata: expected at most {GENERATIONS_MAX}"),
                }));
            }
            known.insert(metadata.generation, metadata.definition);
        }
    }
    Ok(known)
}
