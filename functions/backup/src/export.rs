//! A backup as one file: its parts put one after another are an archive that `mongorestore --archive --gzip` reads.

use crate::manifest::Manifest;
use crate::{Error, stored};
use lake::Store;
use std::io::Write;

/// Writes the archive, each part after it was compared with what the manifest says of it. Answers with the number of bytes.
///
/// # Errors
/// [`Error::Damaged`] and [`Error::MissingPart`] say which object, [`Error::Write`] that it can't be written where it should. What is written then is not whole.
pub async fn export(manifest: &Manifest, vault: &dyn Store, out: &mut (dyn Write + Send)) -> Result<u64, Error> {
    let mut written = 0;
    for part in &manifest.parts {
        let bytes = stored::part(&manifest.id, part, vault).await?;
        out.write_all(&bytes).map_err(|source| Error::Write { source })?;
        written += bytes.len() as u64;
    }
    out.flush().map_err(|source| Error::Write { source })?;
    Ok(written)
}
