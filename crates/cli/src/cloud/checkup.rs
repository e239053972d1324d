//! What the doctor finds of a stack: whether each part can be reached with the caller's rights, and what waits in it. Nothing is changed.

use super::{CloudError, SpokenTo, Stack, names::Queue, secrets};
use crate::{
    apply::Schedule,
    failure::chain,
    half_restored,
    local::clock::SystemClock,
    output::numbers::{counted, moment},
};
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextRef};
use aws_smithy_types::{DateTime, date_time::Format};
use ledger::{Clock as _, incident};
use serde::Serialize;
use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

/// Requests are signed with the time: AWS refuses those that are five minutes off, and the times of captures order documents.
const CLOCK_OFF_MAX_MS: i64 = 60_000;
/// More incidents that are open than anybody reads.
const INCIDENTS_MAX: usize = 100;

/// One part, and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub part: String,
    pub state: String,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// What to do about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What is not wrong, but good to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Looks at every part of the stack. What can't be looked at is told like what is wrong.
pub async fn look(stack: &Stack, command: &(dyn Fn(&str) -> String + Sync)) -> Vec<Part> {
    let names = &stack.names;
    let mut parts = vec![
        Part::well(
            "identity",
            &format!("{} (account {}, {})", stack.identity, names.account, names.region),
        ),
        clock(stack).await,
        lake(stack).await,
        vault(stack).await,
    ];
    parts.extend(ledger(stack, command).await);
    for queue in Queue::ALL {
        parts.push(queue_part(stack, &names.queue(queue)).await);
    }
    for queue in Queue::ALL.map(|queue| names.dead(queue)).into_iter().chain(names.undelivered()) {
        parts.push(dead(stack, &queue, command).await);
    }
    parts.push(schedules(stack, command).await);
    parts.push(secrets_part(stack).await);
    parts.push(documents(stack, command).await);
    parts
}

impl Part {
    fn well(part: &str, state: &str) -> Part {
        Part {
            part: part.to_owned(),
            state: state.to_owned(),
            wrong: None,
            next: None,
            note: None,
        }
    }

    fn wrong(part: &str, state: &str, wrong: String, next: Option<String>) -> Part {
        Part {
            wrong: Some(wrong),
            next,
            ..Part::well(part, state)
        }
    }

    fn unreachable(part: &str, error: &(dyn Error + 'static)) -> Part {
        let next = error.downcast_ref::<CloudError>().and_then(CloudError::next);
        Part::wrong(part, "not reached", chain(error), next)
    }
}

async fn clock(stack: &Stack) -> Part {
    let seen = DateSeen::default();
    let client = aws_sdk_sts::Client::new(&stack.config);
    let before_ms = SystemClock.now_ms();
    let answer = client.get_caller_identity().customize().interceptor(seen.clone()).send().await;
    if let Err(error) = answer {
        return Part::unreachable("clock", &CloudError::aws("ask AWS the time, for", &stack.names.stack, &error));
    }
    let now_ms = i64::midpoint(before_ms, SystemClock.now_ms());
    match seen.ms() {
        None => Part::well("clock", "AWS does not tell the time"),
        // The header tells whole seconds.
        Some(aws_ms) => match now_ms - aws_ms {
            off if off.abs() <= CLOCK_OFF_MAX_MS => Part::well("clock", "as AWS's"),
            off => Part::wrong(
                "clock",
                &format!("{} s off", off / 1_000),
                format!(
                    "this machine's clock is {} s {} AWS's",
                    off.abs() / 1_000,
                    if off > 0 { "ahead of" } else { "behind" }
                ),
                Some("let it be set by the network's time".to_owned()),
            ),
        },
    }
}

async fn lake(stack: &Stack) -> Part {
    let name = stack.names.lake();
    match stack.ports.store.list("definitions/", None, 1).await {
        Ok(_) => Part::well(&name, "can be read"),
        Err(error) => Part::unreachable(&name, &error),
    }
}

/// The vault, and the newest backup. Whether that is too old, `watch` says.
async fn vault(stack: &Stack) -> Part {
    let name = stack.names.vault();
    match backup::list(stack.vault().as_ref()).await {
        Ok(backups) => match backups.first() {
            Some(newest) => Part::well(
                &name,
                &format!(
                    "can be read; {}, the newest of {} UTC",
                    counted(backups.len() as u64, "backup"),
                    moment(i64::try_from(newest.id.started_ms()).unwrap_or(i64::MAX))
                ),
            ),
            None => Part::well(&name, "can be read; no backups yet"),
        },
        Err(error) => Part::unreachable(&name, &error),
    }
}

/// The table, what is applied, and what is open.
async fn ledger(stack: &Stack, command: &(dyn Fn(&str) -> String + Sync)) -> Vec<Part> {
    let name = stack.names.ledger();
    let ledger = stack.ports.ledger.as_ref();
    // The first call also looks whether the table is laid out as this program knows it.
    let applied = match ledger::applied::applied(ledger).await {
        Ok(applied) => applied,
        Err(error) => return vec![Part::unreachable(&name, &error)],
    };
    let applied = applied.iter().filter(|one| !one.removed).count() as u64;
    let mut parts = vec![Part::well(&name, &format!("can be read; {} applied", counted(applied, "pipeline")))];
    match incident::incidents(ledger, true, INCIDENTS_MAX).await {
        Ok(open) if open.is_empty() => parts.push(Part::well("incidents", "none is open")),
        Ok(open) => parts.push(Part::wrong(
            "incidents",
            &format!("{} open", open.len()),
            format!("{} open", counted(open.len() as u64, "incident")),
            Some(command("incidents")),
        )),
        Err(error) => parts.push(Part::unreachable("incidents", &error)),
    }
    parts
}

async fn queue_part(stack: &Stack, name: &str) -> Part {
    match stack.queues.depth(name).await {
        Ok(depth) => Part::well(name, &format!("{} waiting, {} in work", depth.waiting, depth.in_work)),
        Err(error) => Part::unreachable(name, &error),
    }
}

async fn dead(stack: &Stack, name: &str, command: &(dyn Fn(&str) -> String + Sync)) -> Part {
    match stack.queues.depth(name).await {
        Ok(depth) if depth.waiting + depth.in_work == 0 => Part::well(name, "empty"),
        Ok(depth) => {
            let letters = counted(depth.waiting + depth.in_work, "dead letter");
            Part::wrong(name, &letters, format!("{letters} in {name}"), Some(command("incidents")))
        }
        Err(error) => Part::unreachable(name, &error),
    }
}

async fn schedules(stack: &Stack, command: &(dyn Fn(&str) -> String + Sync)) -> Part {
    let name = format!("schedules of {}", stack.names.schedule_group());
    let schedules = match stack.schedules.all().await {
        Ok(schedules) => schedules,
        Err(error) => return Part::unreachable(&name, &error),
    };
    let applied = match ledger::applied::applied(stack.ports.ledger.as_ref()).await {
        Ok(applied) => applied,
        Err(error) => return Part::unreachable(&name, &error),
    };
    // What `apply` would not touch is nothing to complain of.
    let is_known = |name: &str| applied.iter().any(|one| one.pipeline.as_str() == name);
    let (ours, foreign): (Vec<&Schedule>, Vec<&Schedule>) = schedules.iter().partition(|one| one.pipeline(is_known).is_some());
    let off = ours.iter().filter(|one| !one.enabled).count() as u64;
    let state = counted(ours.len() as u64, "schedule");
    let part = match off {
        0 => Part::well(&name, &state),
        off => Part::wrong(
            &name,
            &format!("{state}, {off} disabled"),
            format!("{} disabled by hand", counted(off, "schedule")),
            Some(format!("{} puts it right", command("apply"))),
        ),
    };
    let names: Vec<String> = foreign.iter().map(|one| format!("`{}`", one.name)).collect();
    Part {
        note: (!names.is_empty()).then(|| format!("not Tidemill's, and left as they are: {}", names.join(", "))),
        ..part
    }
}

/// What the pipelines that are applied ask for.
async fn secrets_part(stack: &Stack) -> Part {
    let applied = match ledger::applied::applied(stack.ports.ledger.as_ref()).await {
        Ok(applied) => applied,
        Err(error) => return Part::unreachable("secrets", &error),
    };
    let (mut wrong, mut unread) = (Vec::new(), Vec::new());
    for one in applied.iter().filter(|one| !one.removed) {
        match stack.ports.definitions.get(&one.pipeline, &one.definition).await {
            Ok(checked) => {
                let found = secrets::look(stack, &checked).await;
                wrong.extend(found.wrong);
                unread.extend(found.unread);
            }
            Err(error) => wrong.push(format!("{}: {}", one.pipeline, chain(&error))),
        }
    }
    match (wrong.len(), unread.as_slice()) {
        (0, []) => Part::well("secrets", "all that the pipelines ask for are there"),
        (0, unread) => Part::well("secrets", &format!("this identity may not read {}", unread.join(", "))),
        (faults, _) => Part::wrong("secrets", &counted(faults as u64, "fault"), wrong.join("; "), None),
    }
}

async fn documents(stack: &Stack, command: &(dyn Fn(&str) -> String + Sync)) -> Part {
    let SpokenTo { place, note } = stack.spoken_to().await;
    let at = place.map_or(String::new(), |place| format!(" ({place})"));
    let part = match stack.ports.documents.collections().await {
        Ok(collections) => {
            let state = format!("can be read; {}{at}", counted(collections.len() as u64, "collection"));
            match stack.database.mark().await {
                Ok(None) => Part::well("MongoDB", &state),
                Ok(Some(mark)) => {
                    let (what, next) = half_restored::told(&mark, command);
                    Part::wrong("MongoDB", &state, what, Some(next))
                }
                Err(error) => Part::wrong("MongoDB", &state, chain(&error), None),
            }
        }
        Err(error) => {
            let next = "from a network that does not reach the database this is to be expected; `tidemill doctor` with `TIDEMILL_MONGODB_URI` says more";
            Part::wrong("MongoDB", &format!("not reached{at}"), chain(&error), Some(next.to_owned()))
        }
    };
    Part { note, ..part }
}

/// Reads the `Date` of an answer.
#[derive(Clone, Debug, Default)]
struct DateSeen(Arc<Mutex<Option<String>>>);

impl DateSeen {
    fn ms(&self) -> Option<i64> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        DateTime::from_str(&text, Format::HttpDate).ok()?.to_millis().ok()
    }
}

impl Intercept for DateSeen {
    fn name(&self) -> &'static str {
        "DateSeen"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
