//! `tidemill backup --stack` and `backup drill --stack`: asks the deployed function, and follows it to the end.

use super::{Ended, HomeAt, backup};
use crate::{
    Context, Failure, Status,
    arguments::Backup,
    cloud::{
        Stack,
        backup::{self as cloud, Asked, Followed, Task},
    },
    output::json,
};
use ::backup::Wanted;
use anyhow::anyhow;
use ledger::{BackupState, DrillState, Incident};
use serde_json::json;
use std::io::Write;

/// The whole database, backed up by the function.
pub(super) async fn take(typed: &Backup, stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    if !typed.leave_out.is_empty() {
        let error = anyhow!("what a stack leaves out of its backups is a setting of the stack, the same for all of them");
        return Err(
            Failure::wrong(error).next("set the template's parameter BackupLeaveOut (docs/operations.md), and leave --leave-out out")
        );
    }
    let stack = at.stack(stack).await?;
    let task = Task::Backup {
        allow_empty: typed.allow_empty,
    };
    let asked = ask(&stack, task, context).await?;
    if typed.no_wait {
        return told("backup", &asked, &at.command("backup list"), as_json, context);
    }
    context.parting.set(format!(
        "no longer followed: it goes on in the cloud; {} shows it",
        at.command("backup list")
    ));
    let progress = super::progress(context);
    let followed = cloud::backup(stack.ports.ledger.as_ref(), &asked, &progress).await;
    progress.end();
    let record = match followed? {
        Followed::Ended(record) => record,
        Followed::Stuck(incident) => return Err(stuck(&incident, at)),
    };
    if let BackupState::Failed { message, .. } = &record.state {
        let error = anyhow!("the backup {} failed: {message}", record.id);
        return Err(Failure::from(error).next(format!("when that is seen to: {}", at.command("backup"))));
    }
    let vault = stack.vault();
    let manifest = backup::choose(vault.as_ref(), &Wanted::Id(record.id)).await?;
    if as_json {
        json::line(&mut context.out, &backup::object(&manifest))?;
    } else {
        backup::taken(&manifest, &mut context.out)?;
        writeln!(context.out, "next: {}", at.command("backup drill"))?;
    }
    Ok(Status::Well)
}

/// A drill, by the function.
pub(super) async fn drill(no_wait: bool, stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let stack = at.stack(stack).await?;
    let asked = ask(&stack, Task::Drill, context).await?;
    if no_wait {
        return told("drill", &asked, &at.command("incidents"), as_json, context);
    }
    context
        .parting
        .set("no longer followed: the drill goes on in the cloud, and a failed one opens an incident".to_owned());
    let progress = super::progress(context);
    let followed = cloud::drill(stack.ports.ledger.as_ref(), &asked, &progress).await;
    progress.end();
    let record = match followed? {
        Followed::Ended(record) => record,
        Followed::Stuck(incident) => return Err(stuck(&incident, at)),
    };
    backup::drilled(&record, as_json, &mut context.out)?;
    match &record.state {
        DrillState::Failed { message } => {
            let error = anyhow!("the drill {} of the backup {} failed: {message}", record.id, record.backup);
            let next = format!("verify it: {}", at.command(&format!("backup verify {}", record.backup)));
            Err(Failure::from(error).next(next))
        }
        _ => Ok(Status::Well),
    }
}

async fn ask(stack: &Stack, task: Task, context: &mut Context) -> Result<Asked, Failure> {
    let asked = cloud::ask(stack, task).await?;
    if asked.is_anothers {
        writeln!(
            context.err,
            "note: {} is under way already, and no other is begun beside it",
            asked.id
        )?;
    }
    Ok(asked)
}

/// Without waiting: what was asked for.
fn told(what: &str, asked: &Asked, next: &str, as_json: bool, context: &mut Context) -> Ended {
    if as_json {
        json::line(&mut context.out, &json!({what: asked.id.to_string()}))?;
    } else {
        writeln!(context.out, "asked for the {what} {}\nnext: {next}", asked.id)?;
    }
    Ok(Status::Well)
}

/// An incident says that nothing goes on by itself.
fn stuck(incident: &Incident, at: &HomeAt) -> Failure {
    let error = anyhow!("incident {}: {}", incident.id, incident.summary);
    Failure::from(error).next(at.command(&format!("incidents show {}", incident.id)))
}
