//! What people are told, in plain words, and other systems in JSON. Pure.

use crate::backups::{Entry, Late, Meanwhile};
use crate::completion::Verdict;
use crate::dead_letters::{About, Group};
use crate::ports::{DeadQueue, Event, Task};
use jiff::Timestamp;
use ledger::incident::{Incident, Transition};
use ledger::{BackupRecord, Refused, ResourceId, RunRecord, RunState, Totals};
use serde_json::{Value, json};

/// The longest subject that SNS takes for mail.
const SUBJECT_CHARS_MAX: usize = 100;

/// The longest message of a failure that is put among other words.
const MESSAGE_CHARS_MAX: usize = 500;

/// Commands as they are typed for this deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// The stack's name; `None` in a home.
    pub stack: Option<String>,
}

impl Commands {
    pub fn show(&self) -> String {
        self.of("tidemill incidents show {id}")
    }

    pub fn redrive(&self) -> String {
        self.of("tidemill redrive {id}")
    }

    pub fn doctor(&self) -> String {
        self.of("tidemill doctor")
    }

    pub fn runs(&self, resource: &ResourceId) -> String {
        self.of(&format!("tidemill runs {}", resource.pipeline))
    }

    pub fn run(&self, resource: &ResourceId) -> String {
        self.of(&format!("tidemill run {} --resource {}", resource.pipeline, resource.resource))
    }

    pub fn replay(&self, resource: &ResourceId) -> String {
        self.of(&format!("tidemill replay {} --resource {}", resource.pipeline, resource.resource))
    }

    pub fn rejects(&self, resource: &ResourceId) -> String {
        self.of(&format!(
            "tidemill rejects {} --resource {} --by reason",
            resource.pipeline, resource.resource
        ))
    }

    pub fn backup(&self) -> String {
        self.of("tidemill backup")
    }

    pub fn verify(&self) -> String {
        self.of("tidemill backup verify")
    }

    pub fn drill(&self) -> String {
        self.of("tidemill backup drill")
    }

    fn of(&self, command: &str) -> String {
        match &self.stack {
            Some(stack) => format!("{command} --stack {stack}"),
            None => command.to_owned(),
        }
    }
}

pub fn failed_run(run: &RunRecord) -> String {
    let message = match &run.state {
        RunState::Failed { message } => message.as_str(),
        _ => "it says no more",
    };
    format!("the run {} of {} failed: {message}", run.id, run.resource)
}

pub fn missed_run(resource: &ResourceId, expected_ms: i64) -> String {
    format!("{resource} should have run at {}, and did not", at(expected_ms))
}

pub fn late_run(run: &RunRecord, due_ms: i64, waiting: u64) -> String {
    let what = match run.state {
        RunState::Extracting => "is still being extracted".to_owned(),
        _ => format!("waits for {}", counted(waiting, "object")),
    };
    format!(
        "the run {} of {} {what}; it should have been done at {}",
        run.id,
        run.resource,
        at(due_ms)
    )
}

pub fn skipped_runs(resource: &ResourceId, count: usize) -> String {
    format!(
        "the last {} of {resource} were skipped, since another run was at work each time: it takes longer than its schedule allows, or hangs",
        counted(count as u64, "run")
    )
}

/// `None` for a run that came out well.
pub fn verdict(run: &RunRecord, verdict: Verdict) -> Option<String> {
    let (what, why) = match verdict {
        Verdict::Well => return None,
        Verdict::OverLimit { set_aside, records_in } => ("completed, but", over_limit(set_aside, records_in)),
        Verdict::NotShown(Refused::RejectsOverLimit { rejected, records_in }) => {
            ("is not shown to readers:", over_limit(rejected, records_in))
        }
        Verdict::NotShown(Refused::Empty) => (
            "is not shown to readers:",
            "it brought no document, and `allow_empty` is not set".to_owned(),
        ),
    };
    Some(format!("the run {} of {} {what} {why}", run.id, run.resource))
}

pub fn dead_letters(queue: DeadQueue, group: &Group, more: bool) -> String {
    let letters = counted(group.letters, "message");
    let least = if more { "at least " } else { "" };
    let why = match (queue, &group.about) {
        (_, About::Unreadable) => "nobody can make sense of them",
        (DeadQueue::Rules, _) => "a rule could not deliver them",
        (DeadQueue::Schedules, _) => "a schedule could not deliver them",
        _ => "each attempt failed",
    };
    let of = of(group);
    format!("{least}{letters}{of} in the dead-letter queue of `{}`: {why}", queue.as_str())
}

fn of(group: &Group) -> String {
    match &group.about {
        About::Resource(resource) => format!(" of {resource}"),
        About::Vault(task) => {
            let what = match (task, group.letters) {
                (Task::Backup, 1) => " for a backup",
                (Task::Backup, _) => " for backups",
                (Task::Drill, 1) => " for a drill",
                (Task::Drill, _) => " for drills",
            };
            match (group.ids.last(), group.letters) {
                (None, _) => what.to_owned(),
                (Some(id), 1) => format!("{what} ({id})"),
                (Some(newest), _) => format!("{what} (the newest {newest})"),
            }
        }
        About::Nothing => " of `watch` itself".to_owned(),
        About::Unreadable => String::new(),
    }
}

pub fn stuck(resource: &ResourceId, objects: u64, attempts: u32) -> String {
    format!(
        "{} of {resource} reached no end state, though queued again {attempts} times: neither loaded nor refused; what lies in a dead-letter queue is an incident of its own",
        counted(objects, "object")
    )
}

pub fn task_failed(task: Task, failed: &Entry, message: &str, last_good: Option<&Entry>) -> String {
    // What is at stake is told however long the message is.
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    let what = task.as_str();
    let last = match last_good {
        Some(good) => format!("the last good {what} began at {}", at(good.began_ms)),
        None => format!("there is no good {what}"),
    };
    format!("the {what} {} failed: {message}; {last}, {}", failed.id, at_stake(task, last_good))
}

pub fn task_late(task: Task, late: &Late<'_>) -> String {
    let (what, promised) = (task.as_str(), lasted(late.promised_ms));
    let last = match late.last_good {
        Some(good) => format!(
            "the last good {what} ({}) began at {}, and one was promised every {promised}",
            good.id,
            at(good.began_ms)
        ),
        None => format!(
            "there is no good {what}, and one was promised every {promised}, since {}",
            at(late.since_ms)
        ),
    };
    let meanwhile = match late.meanwhile {
        Meanwhile::Nothing if late.last_good.is_none() => "none was ever begun".to_owned(),
        Meanwhile::Nothing => "none was begun since".to_owned(),
        Meanwhile::Running(running) => format!("{} is at work since {}", running.id, at(running.began_ms)),
        Meanwhile::Silent { silent, alive_ms } => {
            format!(
                "{} says that it is at work, but gave no sign of life since {}",
                silent.id,
                at(alive_ms)
            )
        }
        Meanwhile::Failed(failed) => format!("{} failed", failed.id),
    };
    format!("{last}; {meanwhile}; {}", at_stake(task, late.last_good))
}

/// What could be lost, or is not known.
fn at_stake(task: Task, last_good: Option<&Entry>) -> &'static str {
    match (task, last_good) {
        (Task::Backup, Some(_)) => {
            "and what was written since then could be lost, but for what `tidemill replay` brings back from the lake"
        }
        (Task::Backup, None) => "and all could be lost, but for what `tidemill replay` brings back from the lake",
        (Task::Drill, Some(_)) => "and nothing has shown since then that a backup can be restored",
        (Task::Drill, None) => "and nothing has ever shown that a backup can be restored",
    }
}

/// Subject and text of a notification.
pub fn notification(incident: &Incident, transition: Transition, commands: &Commands) -> (String, String) {
    let stack = commands.stack.as_deref().unwrap_or("tidemill");
    let about = incident
        .resource
        .as_ref()
        .map_or_else(|| incident.queue.clone(), |resource| Some(resource.to_string()))
        .map_or_else(String::new, |about| format!(": {about}"));
    let kind = incident.kind.as_str().replace('_', " ");
    let how = match transition {
        Transition::Opened => "",
        Transition::Recovered => "recovered: ",
    };
    let show = commands.show().replace("{id}", &incident.id.to_string());
    let mut text = String::new();
    match (transition, incident.recovered_ms) {
        (Transition::Recovered, Some(recovered_ms)) => {
            let words = incident.timeline.last().map_or("", |moment| moment.what.as_str());
            text.push_str(&format!(
                "{}\n\nIt was: {}.\nFrom {} to {}, {}.\n\n",
                capitalised(words),
                incident.summary,
                at(incident.opened_ms),
                at(recovered_ms),
                lasted(incident.lasted_ms(recovered_ms))
            ));
        }
        _ => {
            text.push_str(&format!(
                "{}.\n\nSince {}.{}\n\n",
                capitalised(&incident.summary),
                at(incident.opened_ms),
                impact(incident)
            ));
            text.push_str(&format!("What to type next:\n  {}\n\n", incident.next));
        }
    }
    text.push_str(&format!(
        "All that is known of it:\n  {show}\n\nYou may be told this twice; the incident's id is {}.\n",
        incident.id
    ));
    (subject(&format!("[{stack}] {how}{kind}{about}")), text)
}

/// The event of a transition.
pub fn incident_event(incident: &Incident, transition: Transition, commands: &Commands) -> Event {
    let (kind, at_ms) = match transition {
        Transition::Opened => ("tidemill.incident.opened", incident.opened_ms),
        Transition::Recovered => ("tidemill.incident.recovered", incident.recovered_ms.unwrap_or(incident.seen_ms)),
    };
    let detail = json!({
        "stack": commands.stack,
        "incident": incident.id,
        "kind": incident.kind,
        "pipeline": incident.resource.as_ref().map(|resource| &resource.pipeline),
        "resource": incident.resource.as_ref().map(|resource| &resource.resource),
        "queue": incident.queue,
        "summary": incident.summary,
        "next": incident.next,
        "objects": incident.objects,
        "records": incident.records,
        "opened_at": iso(incident.opened_ms),
        "recovered_at": incident.recovered_ms.map(iso),
    });
    Event { kind, at_ms, detail }
}

/// The event of a run that is complete, with what became of its records.
pub fn completed_event(run: &RunRecord, totals: &Totals, verdict: Verdict, now_ms: i64, commands: &Commands) -> Event {
    let mut detail = run_detail(run, commands);
    if let Value::Object(detail) = &mut detail {
        detail.insert("clean".to_owned(), json!(totals.clean));
        detail.insert("load".to_owned(), json!(totals.load));
        detail.insert("well".to_owned(), json!(verdict == Verdict::Well));
    }
    Event {
        kind: "tidemill.run.completed",
        at_ms: now_ms,
        detail,
    }
}

/// The event of a backup that is in the vault.
pub fn backup_event(backup: &BackupRecord, commands: &Commands) -> Event {
    let ended_ms = backup.ended_ms.unwrap_or(backup.seen_ms);
    let detail = json!({
        "stack": commands.stack,
        "backup": backup.id.to_string(),
        "class": backup.class,
        "began_at": iso(backup.began_ms),
        "ended_at": iso(ended_ms),
        "objects": backup.parts,
        "documents": backup.documents,
        "bytes": backup.bytes,
    });
    Event {
        kind: "tidemill.backup.completed",
        at_ms: ended_ms,
        detail,
    }
}

/// The event of a run that failed.
pub fn failed_event(run: &RunRecord, now_ms: i64, commands: &Commands) -> Event {
    let mut detail = run_detail(run, commands);
    if let (Value::Object(detail), RunState::Failed { message }) = (&mut detail, &run.state) {
        // An entry of the bus holds 256 KB in all.
        let message: String = message.chars().take(1_000).collect();
        detail.insert("error".to_owned(), json!(message));
    }
    Event {
        kind: "tidemill.run.failed",
        at_ms: now_ms,
        detail,
    }
}

fn run_detail(run: &RunRecord, commands: &Commands) -> Value {
    json!({
        "stack": commands.stack,
        "pipeline": run.resource.pipeline,
        "resource": run.resource.resource,
        "run": run.id.to_string(),
        "definition": run.definition,
        "generation": run.generation,
        "started_at": iso(run.started_ms),
        "extracted_at": run.ended_ms.map(iso),
        "objects": run.parts,
        "captures": run.captures,
    })
}

fn over_limit(set_aside: u64, records_in: u64) -> String {
    format!(
        "{} of {} were rejected or refused, more than `reject_limit` allows",
        grouped(set_aside),
        counted(records_in, "record")
    )
}

/// Empty for what concerns no object: it says itself what is at stake.
fn impact(incident: &Incident) -> String {
    if incident.objects == 0 && incident.records.is_none() {
        return String::new();
    }
    let objects = format!(" Concerned: {}", counted(incident.objects, "object or message"));
    match incident.records {
        Some(records) => format!("{objects}, {}.", counted(records, "record")),
        None => format!("{objects}."),
    }
}

/// "12 minutes", "3 hours 5 minutes".
pub fn lasted(ms: i64) -> String {
    let minutes = u64::try_from(ms / 60_000).unwrap_or(0);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    match (hours, minutes) {
        (0, 0) => "less than a minute".to_owned(),
        (0, minutes) => counted(minutes, "minute"),
        (hours, 0) => counted(hours, "hour"),
        (hours, minutes) => format!("{} {}", counted(hours, "hour"), counted(minutes, "minute")),
    }
}

/// ASCII, on one line, not too long.
fn subject(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii() && !c.is_ascii_control())
        .take(SUBJECT_CHARS_MAX)
        .collect()
}

/// "1 object", "1,200 objects"; of "object or message" each.
fn counted(number: u64, what: &str) -> String {
    let plural = |what: &str| what.split(" or ").map(|word| format!("{word}s")).collect::<Vec<_>>().join(" or ");
    match number {
        1 => format!("1 {what}"),
        number => format!("{} {}", grouped(number), plural(what)),
    }
}

/// "1,234,567".
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// `2026-11-24 10:00 UTC`.
fn at(ms: i64) -> String {
    moment(ms).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn iso(ms: i64) -> String {
    moment(ms).to_string()
}

fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}
