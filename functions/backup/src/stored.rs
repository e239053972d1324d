//! An object of a backup, read whole and compared with what the manifest says of it before anything is made of its bytes.

use crate::Error;
use crate::hash::sha256_hex;
use crate::manifest::Part;
use lake::{Key, Store, StoreError};

/// No object of a backup is larger: it is held in memory. A part has 16 MiB, or one document or the prelude.
pub(crate) const OBJECT_BYTES_MAX: u64 = 80 << 20;

/// The bytes of a part of the backup `id`: as many as were written, with that very SHA-256.
pub(crate) async fn part(id: &str, part: &Part, vault: &dyn Store) -> Result<Vec<u8>, Error> {
    let damaged = |problem: String| Error::Damaged {
        id: id.to_owned(),
        object: part.key.clone(),
        problem,
    };
    let key = Key::parse(&part.key)?;
    if part.size > OBJECT_BYTES_MAX {
        return Err(damaged(format!(
            "it is said to have {} bytes, and no part has more than {OBJECT_BYTES_MAX}",
            part.size
        )));
    }
    let bytes = match object(&key, part.size, vault).await {
        Ok(Read::Whole(bytes)) => bytes,
        Ok(Read::TooLong(size)) => return Err(damaged(format!("it has {size} bytes or more, and {} were written", part.size))),
        Err(StoreError::NotFound { .. }) => {
            return Err(Error::MissingPart {
                id: id.to_owned(),
                object: part.key.clone(),
            });
        }
        Err(StoreError::Damaged { problem, .. }) => return Err(damaged(problem)),
        Err(error) => return Err(error.into()),
    };
    if bytes.len() as u64 != part.size {
        return Err(damaged(format!("it has {} bytes, and {} were written", bytes.len(), part.size)));
    }
    let found = sha256_hex(&bytes);
    if found != part.sha256 {
        return Err(damaged(format!("its SHA-256 is {found}, and {} was written", part.sha256)));
    }
    Ok(bytes)
}

/// An object's bytes.
pub(crate) enum Read {
    Whole(Vec<u8>),
    /// There are more than allowed: so many at least.
    TooLong(u64),
}

/// Reads an object of at most `bytes_max` bytes, whatever it says of itself.
pub(crate) async fn object(key: &Key, bytes_max: u64, vault: &dyn Store) -> Result<Read, StoreError> {
    let mut object = vault.get(key).await?;
    if object.size > bytes_max {
        return Ok(Read::TooLong(object.size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(object.size).unwrap_or(0));
    while let Some(chunk) = object.body.next().await? {
        let size = (bytes.len() + chunk.len()) as u64;
        if size > bytes_max {
            return Ok(Read::TooLong(size));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Read::Whole(bytes))
}
