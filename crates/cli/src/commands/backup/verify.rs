//! `tidemill backup verify`: every byte of a backup is read and compared with what it says of itself.

use super::{Ended, HomeAt, keep, watch::Watch};
use crate::{
    Context, Status, commands,
    output::{
        json,
        numbers::{bytes, counted, moment},
    },
};
use serde_json::json;
use std::io::Write;

pub(super) async fn run(id: Option<&str>, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let id = id.map(|id| keep::id(id, at)).transpose()?;
    let keep = at.keep(false).await?;
    let manifest = super::choose(keep.vault.as_ref(), &super::wanted(id)).await?;
    context.parting.set("stopped; nothing was changed".to_owned());
    let watch = Watch::new(commands::progress(context), "verifying");
    let verified = ::backup::verify(&manifest, keep.vault.as_ref(), &watch).await;
    watch.end();
    let verified = verified.map_err(super::failure)?;
    if as_json {
        let object = json!({
            "backup": manifest.id,
            "whole": true,
            "parts": verified.parts,
            "bytes": verified.bytes,
            "documents": verified.documents,
            "collections": manifest.collections.len(),
        });
        json::line(&mut context.out, &object)?;
    } else {
        writeln!(
            context.out,
            "the backup {} of {} UTC is whole: {} in {}, {} in {}",
            manifest.id,
            moment(manifest.began_ms),
            counted(verified.documents, "document"),
            counted(manifest.collections.len() as u64, "collection"),
            bytes(verified.bytes),
            counted(verified.parts.into(), "part"),
        )?;
        writeln!(context.out, "next: {}", at.command(&format!("restore {} --dry-run", manifest.id)))?;
    }
    Ok(Status::Well)
}
