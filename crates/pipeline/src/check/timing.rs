//! When a pipeline and its resources run: what `schedule`, `time_zone`, `jitter` and `after` must mean beyond their shape.

use super::at::At;
use crate::{
    Name, Pipeline, Resource, Schedule, Span,
    fault::Collector,
    suggest::{did_you_mean, nearest},
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn check(pipeline: &Pipeline, at: At<'_>, faults: &mut Collector<'_>) {
    for key in ["time_zone", "jitter"] {
        if at.has(key) && pipeline.schedule.is_none() && at.kept("schedule") {
            let help = "write `schedule: rate(1 hour)`, or leave the key out";
            faults.add_help(
                &at.get(key).key_span(),
                format!("`{key}` has no meaning without a `schedule`"),
                help,
            );
        }
    }
    if let Some(span) = pipeline.jitter {
        jitter(span, pipeline.timing(), at.get("jitter"), faults);
    }
    for (place, resource) in pipeline.resources.iter().enumerate() {
        after(resource, &pipeline.resources, at.get("resources").item(place), faults);
    }
    cycles(&pipeline.resources, at.get("resources"), faults);
}

fn jitter(span: Span, schedule: Option<Schedule>, at: At<'_>, faults: &mut Collector<'_>) {
    let length = span.0;
    let whole = length.as_nanos().is_multiple_of(MINUTE.as_nanos());
    if !whole || length < MINUTE || length > DAY {
        faults.add(
            &at.span(),
            format!("`jitter` must be whole minutes from `1m` to `24h`, not `{span}`"),
        );
        return;
    }
    if let Some(gap) = schedule.map(|schedule| schedule.gap_min()).filter(|gap| length >= *gap) {
        faults.add_help(
            &at.span(),
            format!(
                "`jitter` is `{span}`, but two runs may lie only `{}` apart: they would overtake each other",
                Span(gap)
            ),
            "make it shorter",
        );
    }
}

fn after(resource: &Resource, all: &[Resource], at: At<'_>, faults: &mut Collector<'_>) {
    let at = at.get("after");
    for (place, name) in resource.after.iter().enumerate() {
        let span = at.item(place).span();
        if *name == resource.name {
            faults.add(&span, format!("the resource `{name}` waits for itself: it would never run"));
        } else if !all.iter().any(|other| other.name == *name) {
            let meant = nearest(
                name.as_str(),
                all.iter()
                    .filter(|other| other.name != resource.name)
                    .map(|other| other.name.as_str()),
            );
            faults.note(
                &span,
                format!("this pipeline has no resource `{name}` to wait for"),
                meant.map(did_you_mean),
            );
        } else if resource.after.iter().take(place).any(|before| before == name) {
            faults.add(&span, format!("`{name}` stands in `after` twice"));
        }
    }
}

/// Notes each circle of resources that wait for each other, once: at the first of them in the file.
fn cycles(all: &[Resource], at: At<'_>, faults: &mut Collector<'_>) {
    let mut told: Vec<&Name> = Vec::new();
    for (place, resource) in all.iter().enumerate() {
        if told.contains(&&resource.name) {
            continue;
        }
        let Some(way) = way_back(resource, all) else { continue };
        let names: Vec<String> = way.iter().map(|name| format!("`{name}`")).collect();
        faults.add(
            &at.item(place).get("after").key_span(),
            format!(
                "these resources wait for each other, so none would run: {} waits for `{}`",
                names.join(" waits for "),
                resource.name
            ),
        );
        told.extend(way);
    }
}

/// The resources on a way from `start` back to it, `start` first.
fn way_back<'a>(start: &'a Resource, all: &'a [Resource]) -> Option<Vec<&'a Name>> {
    let waits_for = |name: &Name| all.iter().find(|resource| resource.name == *name);
    // Each way that is open yet; a resource is entered once, so this ends.
    let mut ways: Vec<Vec<&Name>> = vec![vec![&start.name]];
    let mut entered = vec![&start.name];
    while let Some(way) = ways.pop() {
        let last = way.last().and_then(|name| waits_for(name))?;
        for next in &last.after {
            if *next == start.name && way.len() > 1 {
                return Some(way);
            }
            if !entered.contains(&next) && waits_for(next).is_some() {
                entered.push(next);
                ways.push(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}
