//! `tidemill restore`: says what it will do, asks where something is at stake, verifies all of the backup, puts it back, and says what to type next.

mod plan;
mod shown;
mod since;

use super::{Ended, HomeAt, backup};
use crate::{
    Context, Failure, Status,
    arguments::Restore,
    half_restored,
    local::lock::Work,
    output::{json, numbers::iso, plain::plain_lines},
};
use ::backup::{HalfRestored, Restored, Wanted, Wish, manifest::Manifest};
use anyhow::anyhow;
use backup::{
    keep::{self, Keep},
    watch::Watch,
};
use documents::{Database, DocumentsError};
use ledger::RunFilter;
use plan::Plan;
use since::Since;
use std::{collections::BTreeSet, io::Write, sync::Arc};

/// What the one who is asked must type.
const CONSENT: &str = "yes";

pub(super) async fn run(typed: &Restore, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let wanted = wanted(typed, at)?;
    let keep = at.keep(false).await?;
    let manifest = backup::choose(keep.vault.as_ref(), &wanted).await?;
    known(&manifest, &typed.only)?;
    let target = Target::of(typed, &keep).await?;
    let there = target.database.namespaces().await?;
    let goes_on = target.goes_on(&manifest, typed, at).await?;
    let server = target.database.server().await?;
    let plan = Plan::new(&manifest, &typed.only, target.name.clone(), &server, &there, goes_on);
    let next = next(&keep, &plan, &target, &manifest, at).await?;
    let show = Show {
        manifest: &manifest,
        plan: &plan,
        next: &next,
        as_json,
    };
    show.plan(&keep, typed.dry_run, context)?;
    if !typed.dry_run {
        consent(typed, &plan, context)?;
    }
    let _lock = match typed.dry_run {
        true => None,
        false => keep.lock(Work::Restore)?,
    };
    context.parting.set(match typed.dry_run {
        true => "stopped; nothing was changed".to_owned(),
        false => format!(
            "stopped; {} goes on from here. Until then the database says that it is not whole, if anything was written",
            at.command(&shown::again(typed, &manifest))
        ),
    });
    let wish = Wish {
        only: typed.only.clone(),
        replace: !plan.dropped().is_empty(),
        start_over: typed.start_over,
        dry_run: typed.dry_run,
    };
    let watch = Arc::new(Watch::new(super::progress(context), "verifying"));
    let run = keep::run(watch.clone());
    let restored = ::backup::restore(
        &manifest,
        &wish,
        &run,
        keep.vault.as_ref(),
        target.database.as_ref(),
        watch.as_ref(),
    )
    .await;
    watch.end();
    let restored = match restored {
        Ok(restored) => restored,
        Err(error) => return Err(unfinished(error, &target, at.command(&shown::again(typed, &manifest))).await),
    };
    match restored {
        Restored::Done(report) => show.ended(&report, typed.dry_run, context)?,
        // Only who has a deadline hands over.
        Restored::HandedOver { part, parts } => {
            let error = anyhow!("the restore has come to part {part} of {parts}");
            return Err(Failure::from(error).next(at.command(&shown::again(typed, &manifest))));
        }
    }
    Ok(Status::Well)
}

/// A restore that failed. `again` goes on with it, when something was written already.
async fn unfinished(error: ::backup::Error, target: &Target, again: String) -> Failure {
    let failure = backup::failure(error);
    match target.database.mark().await {
        Ok(Some(_)) => failure.next(format!("{} is not whole; when that is mended, go on with it: {again}", target.name)),
        // Nothing was written; or the database does not answer, and its mark says so when it does.
        Ok(None) | Err(_) => failure,
    }
}

/// What is told, and how.
struct Show<'a> {
    manifest: &'a Manifest,
    plan: &'a Plan<'a>,
    /// The commands that bring what was loaded since.
    next: &'a [String],
    as_json: bool,
}

fn wanted(typed: &Restore, at: &HomeAt) -> Result<Wanted, Failure> {
    Ok(match (&typed.id, typed.at) {
        (Some(id), _) => Wanted::Id(keep::id(id, at)?),
        (None, Some(moment)) => Wanted::At(moment.as_millisecond()),
        (None, None) => Wanted::Newest,
    })
}

/// Whether the backup has the collections that were named.
fn known(manifest: &Manifest, only: &[String]) -> Result<(), Failure> {
    let has = |name: &String| manifest.collections.iter().any(|one| one.name == *name);
    let Some(unknown) = only.iter().find(|name| !has(name)) else {
        return Ok(());
    };
    let there: Vec<&str> = manifest.collections.iter().map(|one| one.name.as_str()).collect();
    let error = anyhow!("the backup {} has no collection `{unknown}`", manifest.id);
    Err(Failure::wrong(error).next(format!("there is: {}", there.join(", "))))
}

/// Where a backup is put back.
struct Target {
    database: Arc<dyn Database>,
    /// In words.
    name: String,
    /// Documents are loaded there: not a copy beside that.
    is_loaded: bool,
}

impl Target {
    async fn of(typed: &Restore, keep: &Keep) -> Result<Target, Failure> {
        let server = keep.database.server().await?;
        let place = keep.place.clone().unwrap_or_else(|| format!("the database `{}`", server.database));
        let Some(into) = typed.into.as_ref().filter(|into| **into != server.database) else {
            return Ok(Target {
                database: keep.database.clone(),
                name: place,
                is_loaded: true,
            });
        };
        let database = keep.database.sibling(into).map_err(|error| match error {
            DocumentsError::NoDatabase { .. } => Failure::wrong(error),
            other => Failure::from(other),
        })?;
        Ok(Target {
            database,
            name: format!("the database `{into}`, beside {place}"),
            is_loaded: false,
        })
    }

    /// Whether this very restore was begun there and interrupted. Another that was is in the way, unless it is to be thrown away.
    async fn goes_on(&self, manifest: &Manifest, typed: &Restore, at: &HomeAt) -> Result<bool, Failure> {
        let Some(mark) = self.database.mark().await? else {
            return Ok(false);
        };
        if typed.start_over {
            return Ok(false);
        }
        let only: BTreeSet<&String> = typed.only.iter().collect();
        let (what, go_on) = match HalfRestored::of_mark(&mark) {
            Some(half) if half.backup == manifest.id && half.only.iter().eq(only) => return Ok(true),
            Some(half) => {
                let words = shown::words(&half.backup, typed.into.as_ref(), &half.only);
                (half_restored::what(&half), format!("go on with it: {}", at.command(&words)))
            }
            None => (
                "a backup, by another version of this program,".to_owned(),
                "go on with it by that version".to_owned(),
            ),
        };
        let error = anyhow!(
            "a restore of {what} was begun into {} and did not come to its end, so it is not whole",
            self.name
        );
        let again = at.command(&format!("{} --start-over", shown::again(typed, manifest)));
        Err(Failure::wrong(error).next(format!(
            "{go_on}; or drop what it brought, and begin with the backup {}: {again}",
            manifest.id
        )))
    }
}

/// What brings what was loaded since the backup began. A ledger that is lost knows no pipelines: then it is what the user has to complete.
async fn next(keep: &Keep, plan: &Plan<'_>, target: &Target, manifest: &Manifest, at: &HomeAt) -> Result<Vec<String>, Failure> {
    if !target.is_loaded {
        return Ok(Vec::new());
    }
    let since = Since {
        ledger: keep.ledger.as_ref(),
        definitions: keep.definitions.as_ref(),
        at,
        began_ms: manifest.began_ms,
    };
    let commands = since.commands(&plan.collections().map(str::to_owned).collect()).await?;
    let newest = RunFilter {
        limit: Some(1),
        ..RunFilter::default()
    };
    if commands.is_empty() && keep.ledger.runs(&newest).await?.is_empty() {
        return Ok(vec![at.command(&format!(
            "replay PIPELINE --since {}   (for each pipeline)",
            iso(manifest.began_ms)
        ))]);
    }
    Ok(commands)
}

/// Asks, where something is at stake. Whoever can't be asked must have said so before.
fn consent(typed: &Restore, plan: &Plan<'_>, context: &mut Context) -> Result<(), Failure> {
    if !plan.needs_consent() || typed.yes {
        return Ok(());
    }
    let question = format!("\n{}. Type `{CONSENT}` to go on: ", plan.at_stake());
    match context.ask(&question)? {
        Some(answer) if answer == CONSENT => Ok(()),
        Some(_) => Err(Failure::from(anyhow!("the answer was not `{CONSENT}`: nothing was changed"))),
        None => {
            let error = anyhow!("{}, and nobody can be asked here: nothing was changed", plan.at_stake());
            Err(Failure::wrong(error).next("say --yes, or restore beside it: --into NAME"))
        }
    }
}

impl Show<'_> {
    /// What will be done.
    fn plan(&self, keep: &Keep, dry_run: bool, context: &mut Context) -> Result<(), Failure> {
        let mut text = self.plan.text();
        if let Some(note) = &keep.note {
            text.push_str(&format!("note: {note}\n"));
        }
        if keep.home.is_none() {
            text.push_str("the documents go through this machine, which must reach the database\n");
        }
        if self.plan.goes_on {
            text.push_str("this was begun before, and goes on\n");
        }
        text.push_str(&shown::since(self.manifest, self.next));
        if !self.as_json {
            let out: &mut dyn Write = match dry_run {
                true => &mut context.out,
                false => &mut context.err,
            };
            write!(out, "{}", plain_lines(&text))?;
            out.flush()?;
        }
        Ok(())
    }

    /// What was done.
    fn ended(&self, report: &::backup::Report, dry_run: bool, context: &mut Context) -> Result<(), Failure> {
        if self.as_json {
            json::line(&mut context.out, &shown::object(self.plan, report, self.next, dry_run))?;
        } else if dry_run {
            writeln!(context.out, "every byte of the backup is as it was written; nothing was changed")?;
        } else {
            shown::restored(report, self.next, &mut context.out)?;
        }
        Ok(())
    }
}
