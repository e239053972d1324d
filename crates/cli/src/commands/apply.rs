//! `tidemill apply`: make a stack run the pipelines of these files, and say before what that takes.

use super::{Ended, HomeAt, check::Taken};
use crate::{
    Context, Failure, Status, apply as planning,
    arguments::Apply,
    cloud::{
        ApplyLease, SpokenTo,
        apply::{self, ApplyError},
    },
    local::{Found, holder, pipelines},
    output::{json, numbers::counted},
};
use anyhow::anyhow;
use serde_json::{Value, json};
use std::io::{ErrorKind, Write};

pub(super) async fn run(typed: &Apply, stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    apply(typed, stack, at, as_json, context).await.map_err(|mut failure| {
        // There, 2 says that something is to be done.
        if typed.detailed_exitcode && failure.status == Status::Wrong {
            failure.status = Status::Failed;
        }
        failure
    })
}

async fn apply(typed: &Apply, stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let found = files(typed, context)?;
    let stack = at.stack(stack).await?;
    let apply = apply::Apply {
        stack: &stack,
        found: &found,
        whole: typed.files.is_empty(),
        collections: !typed.skip_collections,
    };
    faultless(&apply, at, context).await?;
    if typed.plan {
        let (plan, _) = apply.plan().await.map_err(failure)?;
        show(&plan, &apply, as_json, context).await?;
        return Ok(match typed.detailed_exitcode && !plan.is_empty() {
            true => Status::Wrong,
            false => Status::Well,
        });
    }
    let lease = ApplyLease::take(&stack.ports.ledger, holder::this_process()).await?;
    lease.hold(carry_out(&apply, typed.yes, as_json, context)).await
}

async fn carry_out(apply: &apply::Apply<'_>, yes: bool, as_json: bool, context: &mut Context) -> Ended {
    let (plan, _) = apply.plan().await.map_err(failure)?;
    show(&plan, apply, as_json, context).await?;
    if plan.is_empty() {
        return Ok(Status::Well);
    }
    // An empty folder is rather the wrong one than the end of all.
    if apply.found.is_empty() && !plan.removed.is_empty() && !yes {
        let all = match plan.removed.len() as u64 {
            1 => "the only pipeline".to_owned(),
            all => format!("all {}", counted(all, "pipeline")),
        };
        let error = anyhow!(
            "there is no file in `{}`: this would take {all} away, and nothing was done",
            pipelines::FOLDER
        );
        return Err(Failure::wrong(error).next("see that this is the right folder; type --yes if that is meant"));
    }
    context.out.flush()?;
    let err = context.err.clone();
    // Who can't be told can't be told.
    let say = move |step: &str| drop(writeln!(err.clone(), "{step}"));
    let notices = apply.carry_out(&plan, &say).await.map_err(failure)?;
    for notice in &notices {
        writeln!(context.err, "note: {notice}")?;
    }
    let summary = plan.summary();
    match as_json {
        true => json::line(&mut context.out, &json!({"applied": true, "notices": notices}))?,
        false => writeln!(
            context.out,
            "Applied: {} created, {} changed, {} deleted",
            summary.create, summary.change, summary.delete
        )?,
    }
    Ok(Status::Well)
}

async fn show(plan: &planning::Plan, apply: &apply::Apply<'_>, as_json: bool, context: &mut Context) -> std::io::Result<()> {
    let names = &apply.stack.names;
    // Without collections no database is spoken to.
    let spoken_to = match apply.collections {
        true => apply.stack.spoken_to().await,
        false => SpokenTo::default(),
    };
    if let Some(note) = &spoken_to.note {
        writeln!(context.err, "note: {note}")?;
    }
    let place = spoken_to.place.map(|place| place.to_string());
    if as_json {
        let mut object = plan.to_json(&names.stack);
        if let (Value::Object(object), Some(place)) = (&mut object, place) {
            object.insert("documents".to_owned(), json!(place));
        }
        return json::line(&mut context.out, &object);
    }
    writeln!(context.out, "stack {} (account {}, {})", names.stack, names.account, names.region)?;
    if let Some(place) = place {
        writeln!(context.out, "{place}")?;
    }
    writeln!(context.out, "\n{plan}")
}

/// All files, each without fault and beside the others; every fault of every file is shown.
fn files(typed: &Apply, context: &mut Context) -> Result<Vec<Found>, Failure> {
    let names = match typed.files.as_slice() {
        [] => all(context)?,
        named => named.to_vec(),
    };
    let (mut found, mut wrong, mut taken) = (Vec::with_capacity(names.len()), 0, Taken::default());
    for name in &names {
        match pipelines::find(name, &context.folder) {
            // Named twice it is still one.
            Ok(one) if found.iter().any(|known: &Found| known.name == one.name) => {}
            Ok(one) => {
                let clashes = taken.clashes(&one);
                wrong += clashes.len();
                for clash in clashes {
                    Failure::wrong(anyhow!(clash)).report(false, context);
                }
                wrong += laptop_only(&one, context)?;
                found.push(one);
            }
            Err(error) => {
                wrong += 1;
                super::wrong_pipeline(error, context).report(false, context);
            }
        }
    }
    match wrong {
        0 => Ok(found),
        _ => Err(Failure::wrong(anyhow!("nothing was applied: put the files right first"))),
    }
}

/// Says why no function could run the pipeline. That is a fault of one that is to run by itself; another may be there for laptops. Answers with the faults.
fn laptop_only(found: &Found, context: &mut Context) -> Result<usize, Failure> {
    let reasons = planning::laptop_only(&found.checked);
    let is_fault = found.checked.pipeline.schedule.is_some();
    for reason in &reasons {
        let told = format!("{} can't run in the cloud: {reason}", found.name);
        match is_fault {
            true => drop(Failure::wrong(anyhow!(told)).report(false, context)),
            false => writeln!(context.err, "note: {told}")?,
        }
    }
    Ok(if is_fault { reasons.len() } else { 0 })
}

/// The files of the folder. One that was passed over would be taken for one that is gone, and its pipeline be taken away.
fn all(context: &Context) -> Result<Vec<String>, Failure> {
    pipelines::files(&context.folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let error = anyhow!(
                "there is no folder `{}` here: nothing says which pipelines the stack is to run",
                pipelines::FOLDER
            );
            Failure::wrong(error).next("go to the folder that holds it, or name the files: tidemill apply FILES")
        }
        _ => Failure::wrong(anyhow!(error).context(format!("could not read the folder `{}`", pipelines::FOLDER))),
    })
}

/// Collections that other pipelines write are told all together, before anything is done.
async fn faultless(apply: &apply::Apply<'_>, at: &HomeAt, context: &mut Context) -> Result<(), Failure> {
    let odds = apply.at_odds().await?;
    if odds.is_empty() {
        return Ok(());
    }
    for (found, error) in odds {
        super::run::not_claimed(error, found.checked.pipeline.pipeline.as_str(), at).report(false, context);
    }
    Err(Failure::wrong(anyhow!("nothing was applied: put the files right first")))
}

/// The database may be out of reach from here, though not from the functions.
fn failure(error: ApplyError) -> Failure {
    let is_documents = matches!(error, ApplyError::Documents { .. });
    let failure = Failure::from(error);
    match is_documents {
        true => {
            failure.next("put it right, or leave the collections to `load`, which makes them as it goes: tidemill apply --skip-collections")
        }
        false => failure,
    }
}
