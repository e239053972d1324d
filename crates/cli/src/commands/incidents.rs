//! `tidemill incidents`: what somebody should know of, what it cost, and what to type next.

use super::{Ended, HomeAt};
use crate::{
    Context, Failure, Status,
    arguments::{Incidents, IncidentsWhat},
    local::clock::SystemClock,
    output::{
        json,
        numbers::{count, counted, duration, iso, moment},
        plain::plain,
        tables::{Column, table},
    },
};
use anyhow::anyhow;
use ledger::{
    Clock as _,
    incident::{self, Incident, IncidentId},
};
use serde_json::{Value, json};
use std::io::{self, Write};

const COLUMNS: [Column; 7] = [
    Column::Text("incident"),
    Column::Text("opened (UTC)"),
    Column::Number("lasted"),
    Column::Text("state"),
    Column::Number("objects"),
    Column::Number("records"),
    Column::Text("what"),
];

pub(super) async fn run(typed: &Incidents, at: &HomeAt, as_json: bool, context: &mut Context) -> Ended {
    let ports = at.ports().await?;
    let ledger = ports.ledger.as_ref();
    if let Some(IncidentsWhat::Show { id }) = &typed.what {
        let incident = find(ledger, id, at).await?;
        if as_json {
            json::line(&mut context.out, &object(&incident))?;
        } else {
            show(&incident, &mut context.out)?;
        }
        return Ok(Status::Well);
    }
    let found = incident::incidents(ledger, !typed.all, typed.limit).await?;
    if as_json {
        for incident in &found {
            json::line(&mut context.out, &object(incident))?;
        }
    } else if found.is_empty() {
        let words = if typed.all { "no incidents yet" } else { "no incident is open" };
        writeln!(context.out, "{words}")?;
    } else {
        write!(context.out, "{}", table(&COLUMNS, found.iter().map(row)))?;
        if let Some(first) = found.first() {
            writeln!(context.out, "\nnext: {}", at.command(&format!("incidents show {}", first.id)))?;
        }
    }
    Ok(Status::Well)
}

/// The incident with the id that was typed.
pub(super) async fn find(ledger: &dyn ledger::Ledger, id: &str, at: &HomeAt) -> Result<Incident, Failure> {
    let id = IncidentId::parse(id).map_err(Failure::wrong)?;
    match incident::incident(ledger, id).await? {
        Some(incident) => Ok(incident),
        None => {
            let error = anyhow!("there is no incident {id}");
            Err(Failure::wrong(error).next(format!("list them: {}", at.command("incidents --all"))))
        }
    }
}

fn row(incident: &Incident) -> Vec<String> {
    vec![
        incident.id.to_string(),
        moment(incident.opened_ms),
        duration(incident.lasted_ms(SystemClock.now_ms())),
        state(incident).to_owned(),
        count(incident.objects),
        incident.records.map_or("-".to_owned(), count),
        incident.summary.clone(),
    ]
}

fn state(incident: &Incident) -> &'static str {
    if incident.is_open() { "open" } else { "recovered" }
}

fn show(incident: &Incident, out: &mut dyn Write) -> io::Result<()> {
    let lasted_ms = incident.lasted_ms(SystemClock.now_ms());
    writeln!(out, "incident  {}  {}\n", incident.id, state(incident))?;
    writeln!(out, "what      {}", plain(&incident.summary))?;
    writeln!(out, "kind      {}", incident.kind.as_str())?;
    if let Some(resource) = &incident.resource {
        writeln!(out, "resource  {resource}")?;
    }
    if let Some(queue) = &incident.queue {
        writeln!(out, "queue     {queue}")?;
    }
    let records = incident
        .records
        .map_or(String::new(), |records| format!(" with {}", counted(records, "record")));
    // A backup that failed concerns no object of the lake.
    let objects = match (incident.objects, incident.records) {
        (0, None) => String::new(),
        (objects, _) => format!("{}{records}, ", counted(objects, "object")),
    };
    let minutes = counted(u64::try_from(lasted_ms / 60_000).unwrap_or(0), "minute");
    writeln!(out, "impact    {objects}for {minutes}; seen {}\n", counted(incident.times, "time"))?;
    for line in &incident.timeline {
        writeln!(out, "{}  {}", moment(line.at_ms), plain(&line.what))?;
    }
    match incident.is_open() {
        true => writeln!(out, "\nnext: {}", plain(&incident.next)),
        false => Ok(()),
    }
}

fn object(incident: &Incident) -> Value {
    let timeline = incident
        .timeline
        .iter()
        .map(|line| json!({"at": iso(line.at_ms), "what": line.what}));
    json!({
        "incident": incident.id.to_string(),
        "state": state(incident),
        "kind": incident.kind,
        "pipeline": incident.resource.as_ref().map(|resource| &resource.pipeline),
        "resource": incident.resource.as_ref().map(|resource| &resource.resource),
        "queue": incident.queue,
        "cause": incident.cause,
        "opened": iso(incident.opened_ms),
        "seen": iso(incident.seen_ms),
        "times": incident.times,
        "recovered": incident.recovered_ms.map(iso),
        "minutes": incident.lasted_ms(SystemClock.now_ms()) / 60_000,
        "summary": incident.summary,
        "objects": incident.objects,
        "records": incident.records,
        "timeline": timeline.collect::<Vec<_>>(),
        "next": incident.is_open().then_some(&incident.next),
    })
}
