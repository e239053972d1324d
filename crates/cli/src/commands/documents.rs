//! `tidemill documents`: the documents of a collection, a line of Extended JSON each.

use super::Ended;
use crate::{Context, Failure, Status, arguments::Documents};
use anyhow::anyhow;
use documents::extended_json;
use pipeline::Name;

/// Documents read at a time.
const PAGE: usize = 500;

pub(super) async fn run(typed: &Documents, at: &super::HomeAt, context: &mut Context) -> Ended {
    let home = at.ports().await?;
    let name = Name::new(typed.collection.as_str()).map_err(Failure::wrong)?;
    if home.documents.count(&name).await?.is_none() {
        let there_is = home.documents.collections().await?;
        let failure = Failure::wrong(anyhow!("there is no collection `{name}`"));
        return Err(failure.next(match there_is.as_slice() {
            [] => format!("load one: {}", at.command("run PIPELINE")),
            some => format!("there is: {}", some.join(", ")),
        }));
    }
    let mut left = typed.limit.unwrap_or(u64::MAX);
    let mut last: Option<bson::RawDocumentBuf> = None;
    while left > 0 {
        let after = match &last {
            Some(document) => document.get("_id")?,
            None => None,
        };
        let limit = usize::try_from(left).unwrap_or(PAGE).min(PAGE);
        let page = home.documents.scan(&name, after, limit).await?;
        for document in &page {
            writeln!(context.out, "{}", extended_json::relaxed(document)?)?;
        }
        left -= page.len() as u64;
        if page.len() < limit {
            break;
        }
        last = page.into_iter().next_back();
    }
    at.note_half_restored(context).await?;
    Ok(Status::Well)
}
