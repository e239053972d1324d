//! `tidemill redrive`: the dead letters of an incident back to the queue that gave them up.

use super::{Ended, HomeAt, incidents};
use crate::{Context, Failure, Status, arguments::Redrive, cloud::redrive, output::json, output::numbers::counted};
use anyhow::anyhow;
use ledger::incident::Kind;
use serde_json::json;

pub(super) async fn run(typed: &Redrive, stack: &str, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let stack = at.stack(stack).await?;
    let incident = incidents::find(stack.ports.ledger.as_ref(), &typed.id, at).await?;
    match incident.kind {
        Kind::DeadLetter => {}
        Kind::UnreadableMessage if typed.yes => {}
        Kind::UnreadableMessage => {
            let error = anyhow!("nobody can make sense of these messages: sent back, they come here again");
            let next = "look at them in the queue; once a function understands them: tidemill redrive ID --yes";
            return Err(Failure::wrong(error).next(next));
        }
        kind => {
            let error = anyhow!(
                "the incident {} is of the kind {}: it has no dead letters",
                incident.id,
                kind.as_str()
            );
            return Err(Failure::wrong(error).next(incident.next));
        }
    }
    let progress = super::progress(context);
    let redriven = redrive::redrive(&stack.queues, &incident, &progress).await;
    progress.end();
    let redriven = redriven?;
    if redriven.hidden > 0 {
        let (letters, are) = (counted(redriven.hidden, "message"), if redriven.hidden == 1 { "is" } else { "are" });
        let error = anyhow!("nothing was sent back: {letters} {are} being looked at by somebody else");
        let again = at.command(&format!("redrive {}", incident.id));
        return Err(Failure::from(error).next(format!("type it again in a minute: {again}")));
    }
    if as_json {
        let object = json!({"incident": incident.id.to_string(), "sent": redriven.sent, "left": redriven.left, "more": redriven.more});
        json::line(&mut context.out, &object)?;
        return Ok(Status::Well);
    }
    let queue = incident.queue.as_deref().unwrap_or_default();
    writeln!(
        context.out,
        "{} sent back to be done again; {} of other incidents left in {queue}-dead",
        counted(redriven.sent, "message"),
        redriven.left
    )?;
    if redriven.more {
        writeln!(context.out, "there may be more: type the same again")?;
    }
    match redriven.sent {
        0 => writeln!(
            context.out,
            "nothing of this incident is in the dead-letter queue: it recovers when `watch` has seen that"
        )?,
        _ => writeln!(
            context.out,
            "next: {}  (it recovers when what the messages were about is done)",
            at.command(&format!("incidents show {}", incident.id))
        )?,
    }
    Ok(Status::Well)
}
