//! Dead letters back to where they came from: those of one incident, each sent before it is deleted, the others left as they were.

use super::{CloudError, Names, Queues, names::Queue, queues::Received};
use crate::output::{numbers::counted, progress::Progress};
use host::event::{BackupMessage, CleanMessage, EventError, ExtractMessage, LoadMessage, Message, Origin};
use ledger::incident::{Incident, Kind};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// Received letters are hidden from others so long: longer than it takes to go through all of them.
const HIDDEN_S: i32 = 600;
/// A receive that finds nothing waits so long: SQS asks only some of its servers at a time.
const WAIT_S: i32 = 2;
/// No more letters are looked at in one go.
pub const LETTERS_MAX: usize = 5_000;
/// So many receives in a row that bring nothing new are the end.
const EMPTY_MAX: u32 = 2;

/// `watch` hides what it looks at for some seconds: so long is waited for that.
const PATIENCE: Duration = Duration::from_secs(30);
const ASKED_EVERY: Duration = Duration::from_secs(3);

/// What became of the letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    pub sent: u64,
    /// Of other incidents: they stay.
    pub left: u64,
    /// There may be more than were looked at.
    pub more: bool,
    /// Where none was sent: somebody else looks at so many.
    pub hidden: u64,
}

/// Where dead letters lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dead {
    Of(Queue),
    /// What EventBridge's rules could not deliver.
    Rules,
    /// What the schedules could not deliver.
    Schedules,
}

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// It asks for work on these, resources or a task of `backup`, in the queue of that work.
    Work { queue: Queue, about: BTreeSet<String> },
    /// Nobody can make sense of it.
    Nothing,
}

/// Sends the incident's letters back. While none is found and somebody else looks at some, it waits and looks again.
///
/// # Errors
/// [`CloudError`] of the queues. What was sent until then may come twice, and that does no harm.
pub async fn redrive(queues: &Queues, incident: &Incident, progress: &Progress) -> Result<Redriven, CloudError> {
    let Some(dead) = incident.queue.as_deref().and_then(Dead::parse) else {
        return Ok(Redriven::default());
    };
    let queue = dead.name(queues.names());
    let began = Instant::now();
    let mut said = false;
    loop {
        let mut redriven = look(queues, incident, dead, &queue).await?;
        if redriven.sent > 0 || redriven.more {
            return Ok(redriven);
        }
        // All that is there, less what was looked at and given back.
        let depth = queues.depth(&queue).await?;
        redriven.hidden = depth.waiting.saturating_add(depth.in_work).saturating_sub(redriven.left);
        if redriven.hidden == 0 || began.elapsed() >= PATIENCE {
            return Ok(redriven);
        }
        if !said {
            let letters = counted(redriven.hidden, "message");
            progress.say(&format!("{queue}: somebody else looks at {letters} just now: waiting"));
            said = true;
        }
        tokio::time::sleep(ASKED_EVERY).await;
    }
}

/// Goes through the letters that can be seen, once.
async fn look(queues: &Queues, incident: &Incident, dead: Dead, queue: &str) -> Result<Redriven, CloudError> {
    let names = queues.names();
    let mut redriven = Redriven::default();
    let (mut left, mut seen, mut empty) = (Vec::new(), BTreeSet::new(), 0);
    let ended = loop {
        if seen.len() >= LETTERS_MAX {
            redriven.more = true;
            break Ok(());
        }
        let received = match queues.receive(queue, HIDDEN_S, WAIT_S).await {
            Ok(received) => received,
            Err(error) => break Err(error),
        };
        let new: Vec<Received> = received.into_iter().filter(|letter| seen.insert(letter.id.clone())).collect();
        empty = if new.is_empty() { empty + 1 } else { 0 };
        if empty == EMPTY_MAX {
            break Ok(());
        }
        let mut failed = None;
        for letter in new {
            match back_to(dead, incident, &letter, names) {
                Some(target) if failed.is_none() => match move_to(queues, queue, &target, &letter).await {
                    Ok(()) => redriven.sent += 1,
                    Err(error) => {
                        failed = Some(error);
                        left.push(letter);
                    }
                },
                _ => left.push(letter),
            }
        }
        if let Some(error) = failed {
            break Err(error);
        }
    };
    redriven.left = left.len() as u64;
    for letter in &left {
        // Hidden, it is seen again by itself after a while.
        let _ = queues.give_back(queue, letter).await;
    }
    ended.map(|()| redriven)
}

/// Sent before it is deleted: killed between, it comes twice rather than never.
async fn move_to(queues: &Queues, from: &str, to: &str, letter: &Received) -> Result<(), CloudError> {
    queues.send(to, std::slice::from_ref(&letter.body)).await?;
    queues.delete(from, letter).await
}

/// The queue that the letter goes back to; `None` when it is not of this incident.
fn back_to(dead: Dead, incident: &Incident, letter: &Received, names: &Names) -> Option<String> {
    let said = dead.read(&letter.body, &names.lake());
    match (said, subject(dead, incident)) {
        (Said::Work { queue, about }, Some(subject)) => about.contains(&subject).then(|| names.queue(queue)),
        // About nothing: an event that asks for nothing.
        (Said::Work { queue, about }, None) => (incident.kind == Kind::DeadLetter && about.is_empty()).then(|| names.queue(queue)),
        (Said::Nothing, None) if incident.kind == Kind::UnreadableMessage => dead.source().map(|queue| names.queue(queue)),
        (Said::Nothing, _) => None,
    }
}

/// What the letters of an incident are about: a resource, or the task that its cause ends with.
fn subject(dead: Dead, incident: &Incident) -> Option<String> {
    let of_task = || {
        let begin = format!("{}/{}/", Kind::DeadLetter.as_str(), dead.as_str());
        incident.cause.strip_prefix(&begin).map(str::to_owned)
    };
    incident.resource.as_ref().map(ToString::to_string).or_else(of_task)
}

impl Dead {
    fn parse(text: &str) -> Option<Dead> {
        match text {
            "rules" => Some(Dead::Rules),
            "schedules" => Some(Dead::Schedules),
            other => Queue::parse(other).map(Dead::Of),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Dead::Of(queue) => queue.as_str(),
            Dead::Rules => "rules",
            Dead::Schedules => "schedules",
        }
    }

    fn name(self, names: &Names) -> String {
        let [rules, schedules] = names.undelivered();
        match self {
            Dead::Of(queue) => names.dead(queue),
            Dead::Rules => rules,
            Dead::Schedules => schedules,
        }
    }

    /// Where a letter goes that tells nothing. What a rule could not deliver went to one of two. The schedules of backups are the template's own: what
    /// nobody understands is of a pipeline.
    fn source(self) -> Option<Queue> {
        match self {
            Dead::Of(queue) => Some(queue),
            Dead::Schedules => Some(Queue::Extract),
            Dead::Rules => None,
        }
    }

    fn read(self, body: &str, lake: &str) -> Said {
        let origin = Origin {
            lake_bucket: Some(lake),
            // Only of use to a tick's run, which is not asked for here.
            sent_ms: 0,
        };
        let said = match self {
            Dead::Of(Queue::Extract) => resources::<ExtractMessage>(body, &origin).map(|of| (Queue::Extract, of)),
            Dead::Of(queue @ (Queue::Clean | Queue::CleanReplay)) => resources::<CleanMessage>(body, &origin).map(|of| (queue, of)),
            Dead::Of(Queue::Load) => resources::<LoadMessage>(body, &origin).map(|of| (Queue::Load, of)),
            Dead::Of(Queue::Backup) => tasks(body, &origin).map(|of| (Queue::Backup, of)),
            Dead::Schedules => resources::<ExtractMessage>(body, &origin)
                .map(|of| (Queue::Extract, of))
                .or_else(|_| tasks(body, &origin).map(|of| (Queue::Backup, of))),
            Dead::Rules => resources::<CleanMessage>(body, &origin)
                .map(|of| (Queue::Clean, of))
                .or_else(|_| resources::<LoadMessage>(body, &origin).map(|of| (Queue::Load, of))),
        };
        match said {
            Ok((queue, about)) => Said::Work { queue, about },
            Err(_) => Said::Nothing,
        }
    }
}

fn resources<M: Message>(body: &str, origin: &Origin<'_>) -> Result<BTreeSet<String>, EventError> {
    let messages = M::parse(body, origin)?;
    let resource = |message: &M| {
        let subject = message.subject();
        Some(format!("{}/{}", subject.pipeline?, subject.resource?))
    };
    Ok(messages.iter().filter_map(resource).collect())
}

fn tasks(body: &str, origin: &Origin<'_>) -> Result<BTreeSet<String>, EventError> {
    let messages = BackupMessage::parse(body, origin)?;
    Ok(messages.iter().map(|message| message.task.as_str().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use ledger::{
        ResourceId,
        incident::{IncidentId, Sighting},
    };
    use pipeline::Name;

    const RAW: &str = "raw/shop/orders/dt=2026-11-24/01M869X26REPS9TQZ60A3DBEYN/000001.jsonl.zst";

    fn names() -> Names {
        Names {
            stack: "dev".to_owned(),
            account: "1".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    fn incident(queue: &str, kind: Kind, resource: Option<&str>) -> Incident {
        let sighting = Sighting {
            cause: "c".to_owned(),
            kind,
            resource: resource.map(|name| ResourceId {
                pipeline: Name::new("shop").unwrap(),
                resource: Name::new(name).unwrap(),
            }),
            queue: Some(queue.to_owned()),
            at_ms: 0,
            summary: String::new(),
            next: String::new(),
            objects: 1,
            records: None,
        };
        Incident::open(IncidentId::parse("01M869X26REPS9TQZ60A3DBEYN").unwrap(), &sighting)
    }

    fn check(incident: &Incident, body: &str, expected: Option<&str>) {
        let letter = Received {
            id: "1".to_owned(),
            body: body.to_owned(),
            handle: "h".to_owned(),
        };
        let dead = Dead::parse(incident.queue.as_deref().unwrap()).unwrap();
        assert_eq!(back_to(dead, incident, &letter, &names()).as_deref(), expected, "{body}");
    }

    #[test]
    fn a_letter_goes_back_to_the_queue_that_gave_it_up_if_it_is_of_the_incident() {
        let raw = format!(r#"{{"raw": "{RAW}"}}"#);
        let of = |queue, resource| incident(queue, Kind::DeadLetter, Some(resource));
        check(&of("clean", "orders"), &raw, Some("dev-clean"));
        check(&of("clean-replay", "orders"), &raw, Some("dev-clean-replay"));
        check(&of("clean", "returns"), &raw, None);
        check(&of("clean", "orders"), "not a message", None);
        let tick = r#"{"pipeline":"shop","resource":"orders","scheduled_at":"2026-11-24T10:00:00Z","requested_by":"schedule"}"#;
        check(&of("extract", "orders"), tick, Some("dev-extract"));
        check(&of("schedules", "orders"), tick, Some("dev-extract"));
    }

    #[test]
    fn what_a_rule_could_not_deliver_goes_to_the_function_of_its_object() {
        let event = |key: &str| {
            format!(
                r#"{{"version":"0","source":"aws.s3","detail-type":"Object Created","detail":{{"bucket":{{"name":"{}"}},"object":{{"key":"{key}"}}}}}}"#,
                names().lake()
            )
        };
        let rules = incident("rules", Kind::DeadLetter, Some("orders"));
        check(&rules, &event(RAW), Some("dev-clean"));
        let clean = "clean/shop/orders/v=01234567/dt=2026-11-24/01M869X26REPS9TQZ60A3DBEYN/000001.bson.zst";
        check(&rules, &event(clean), Some("dev-load"));
    }

    #[test]
    fn a_backup_and_a_drill_are_letters_of_their_own_incidents() {
        let of = |queue: &str, task: &str| {
            let mut of = incident(queue, Kind::DeadLetter, None);
            of.cause = format!("dead_letter/{queue}/{task}");
            of
        };
        let backup = r#"{"task":"backup","requested_by":"run","id":"01M869X26REPS9TQZ60A3DBEYN"}"#;
        let drill = r#"{"task":"drill","requested_by":"schedule","scheduled_at":"2026-11-24T05:00:00Z"}"#;
        for queue in ["backup", "schedules"] {
            check(&of(queue, "backup"), backup, Some("dev-backup"));
            check(&of(queue, "backup"), drill, None);
            check(&of(queue, "drill"), drill, Some("dev-backup"));
            check(&of(queue, "drill"), "not a message", None);
        }
        check(&incident("schedules", Kind::DeadLetter, Some("orders")), backup, None);
        check(
            &incident("backup", Kind::UnreadableMessage, None),
            "not a message",
            Some("dev-backup"),
        );
    }

    #[test]
    fn what_nobody_understands_belongs_to_the_incident_of_such_letters() {
        let unreadable = incident("load", Kind::UnreadableMessage, None);
        check(&unreadable, "not a message", Some("dev-load"));
        check(&unreadable, r#"{"clean": "elsewhere"}"#, Some("dev-load"));
        check(&incident("rules", Kind::UnreadableMessage, None), "not a message", None);
    }
}
