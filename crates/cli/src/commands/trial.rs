//! `tidemill try`: one page of each resource, in a home that is gone afterwards.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure,
    arguments::{Source, Try},
    local::{Home, ResourceReport, Runner, objects::Keys},
    output::{numbers::counted, plain::plain},
};
use documents::extended_json;
use lake::{Key, ObjectReader, Zone};
use std::io::{self, Write};

/// What one page became, as far as it is shown; JSON texts.
#[derive(Default)]
struct Shown {
    documents: Vec<String>,
    rejects: Vec<String>,
}

pub(super) async fn run(typed: &Try, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let found = super::pipeline(&typed.pipeline, context)?;
    let (request, _upstream) = super::request(&found, &typed.source, Some(1)).await?;
    let folder = tempfile::tempdir()?;
    let runner = super::runner(Home::create(folder.path())?, context)?;
    let reports = runner.run(&request).await;
    runner.progress.end();
    let reports = reports.map_err(|error| super::run::failure(error, &typed.pipeline, at))?;
    for report in &reports {
        let shown = look(&runner, report, typed.limit).await?;
        if as_json {
            write_json(report, &shown, &mut context.out)?;
        } else {
            write_text(report, &shown, &mut context.out)?;
        }
    }
    if !as_json {
        super::run::tables(&reports, &mut context.out)?;
        let run = at.command(&format!("run {}{}", typed.pipeline, options(&typed.source)));
        writeln!(context.out, "nothing was kept; to keep it: {run}")?;
    }
    Ok(super::run::troubles(&reports, None, &mut context.err)?)
}

/// What was said of the source, to say it again.
fn options(source: &Source) -> String {
    let mut options = String::new();
    for (option, value) in [("resource", &source.resource), ("base-url", &source.base_url)] {
        if let Some(value) = value {
            options.push_str(&format!(" --{option} {}", super::shell_word(value)));
        }
    }
    if source.recorded {
        options.push_str(" --recorded");
    }
    options
}

/// Reads the first documents and rejects of a resource.
async fn look(runner: &Runner, report: &ResourceReport, limit: usize) -> Result<Shown, Failure> {
    let mut shown = Shown::default();
    let store = &runner.home.store;
    let place = |zone: Zone| format!("{}/{}/{}/", zone.as_str(), report.pipeline, report.resource);
    let mut keys = Keys::new(store.clone(), place(Zone::Clean));
    while let Some(key) = keys.next().await?.filter(|_| shown.documents.len() < limit) {
        let mut reader = ObjectReader::open(store.as_ref(), &key).await?;
        while shown.documents.len() < limit {
            let Some(bytes) = reader.next_document().await? else { break };
            let document = bson::RawDocument::from_bytes(bytes)?;
            shown.documents.push(extended_json::relaxed(document)?);
        }
    }
    for zone in [Zone::Rejected, Zone::Refused] {
        let mut keys = Keys::new(store.clone(), place(zone));
        while let Some(key) = keys.next().await?.filter(|_| shown.rejects.len() < limit) {
            let mut reader = ObjectReader::open(store.as_ref(), &key).await?;
            while shown.rejects.len() < limit {
                let Some(line) = reader.next_line().await? else { break };
                shown.rejects.push(text(line, &key)?);
            }
        }
    }
    Ok(shown)
}

fn text(line: &[u8], key: &Key) -> Result<String, Failure> {
    let text = std::str::from_utf8(line).map_err(|error| anyhow::Error::from(error).context(format!("{key} is damaged")))?;
    Ok(text.to_owned())
}

fn write_text(report: &ResourceReport, shown: &Shown, out: &mut dyn Write) -> io::Result<()> {
    let resource = &report.resource;
    let parts = [
        ("document", &shown.documents, report.clean.out),
        ("reject", &shown.rejects, report.set_aside()),
    ];
    for (what, lines, all) in parts {
        if all == 0 {
            continue;
        }
        writeln!(out, "{resource}: {} of {}", lines.len(), counted(all, what))?;
        for line in lines {
            writeln!(out, "{}", plain(line))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The report, with `documents` and `rejects` at its end, in one line; the texts are JSON already.
fn write_json(report: &ResourceReport, shown: &Shown, out: &mut dyn Write) -> io::Result<()> {
    let text = report.to_json().to_string();
    let head = text.strip_suffix('}').unwrap_or(&text);
    let (documents, rejects) = (shown.documents.join(","), shown.rejects.join(","));
    writeln!(out, "{head},\"documents\":[{documents}],\"rejects\":[{rejects}]}}")
}
