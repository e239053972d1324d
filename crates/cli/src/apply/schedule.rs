//! The schedule of a resource, as EventBridge Scheduler keeps it. Every field is compared: one that was changed by hand is put right.

use pipeline::{DefinitionHash, Name, Pipeline};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Scheduler takes no longer name.
const NAME_CHARS_MAX: usize = 64;
/// Hexadecimal digits that stand for what a long name left out.
const DIGITS: usize = 16;

/// A tick that could not be delivered is tried again so often, and so long; then it is in the dead-letter queue.
const ATTEMPTS_MAX: i32 = 30;
const AGE_S_MAX: i32 = 3_600;

/// What Scheduler puts the moment of the tick in the place of.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// A schedule, wanted or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub name: String,
    pub description: String,
    pub expression: String,
    pub time_zone: String,
    /// How late a tick may come; `None`: within the minute.
    pub window_minutes: Option<i32>,
    pub enabled: bool,
    /// The queue that the ticks go to, by its ARN.
    pub target: String,
    /// What Scheduler acts as.
    pub role: String,
    pub input: String,
    /// Where ticks go that can't be delivered, by its ARN.
    pub dead_letters: Option<String>,
    pub attempts_max: i32,
    pub age_s_max: i32,
    /// What somebody set that Tidemill never sets: a date to start at, a key of one's own.
    pub foreign: BTreeMap<String, String>,
}

/// The ARNs that every schedule of a stack has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wiring {
    pub target: String,
    pub role: String,
    pub dead_letters: String,
}

/// A field that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub field: String,
    pub from: String,
    pub to: String,
}

/// The schedules of a pipeline, one a resource. A resource that waits for others (`after:`) has none, nor has a pipeline without `schedule:`.
pub fn schedules(pipeline: &Pipeline, wiring: &Wiring) -> Vec<Schedule> {
    let Some(expression) = &pipeline.schedule else {
        return Vec::new();
    };
    let jitter = pipeline.jitter.map(|jitter| jitter.0.as_secs() / 60);
    let resources = pipeline.resources.iter().filter(|resource| resource.after.is_empty());
    let schedule = |resource: &pipeline::Resource| Schedule {
        name: name(pipeline.pipeline.as_str(), resource.name.as_str()),
        description: format!("Tidemill: {}/{}, kept by `tidemill apply`", pipeline.pipeline, resource.name),
        expression: expression.clone(),
        time_zone: pipeline.time_zone.clone().unwrap_or_else(|| "UTC".to_owned()),
        window_minutes: jitter.and_then(|minutes| i32::try_from(minutes).ok()),
        enabled: true,
        target: wiring.target.clone(),
        role: wiring.role.clone(),
        input: input(&pipeline.pipeline, &resource.name),
        dead_letters: Some(wiring.dead_letters.clone()),
        attempts_max: ATTEMPTS_MAX,
        age_s_max: AGE_S_MAX,
        foreign: BTreeMap::new(),
    };
    resources.map(schedule).collect()
}

/// `PIPELINE.RESOURCE`; where that is too long, its start and a hash. No name holds a dot, so neither can be another's.
pub fn name(pipeline: &str, resource: &str) -> String {
    let full = format!("{pipeline}.{resource}");
    if full.len() <= NAME_CHARS_MAX {
        return full;
    }
    let start: String = full.chars().take(NAME_CHARS_MAX - DIGITS - 2).collect();
    let digits: String = DefinitionHash::of(&full).as_str().chars().take(DIGITS).collect();
    format!("{start}..{digits}")
}

/// The message that a tick is.
fn input(pipeline: &Name, resource: &Name) -> String {
    let message = json!({
        "pipeline": pipeline,
        "resource": resource,
        "scheduled_at": SCHEDULED_TIME,
        "requested_by": "schedule",
    });
    message.to_string()
}

impl Schedule {
    /// The pipeline whose schedule this is, if it is one of ours: by its message, whose names make its name; or, where somebody changed the message, by the
    /// name alone, when it is of a pipeline that is known.
    pub fn pipeline(&self, is_known: impl Fn(&str) -> bool) -> Option<Name> {
        let message: Option<Value> = serde_json::from_str(&self.input).ok();
        let word = |key: &str| message.as_ref()?.get(key)?.as_str().map(str::to_owned);
        let by_message = word("pipeline").zip(word("resource"));
        let named = by_message.filter(|(pipeline, resource)| name(pipeline, resource) == self.name);
        let pipeline = match (named, self.name.split_once('.')) {
            (Some((pipeline, _)), _) => pipeline,
            (None, Some((pipeline, resource))) if Name::new(resource).is_ok() && is_known(pipeline) => pipeline.to_owned(),
            (None, _) => return None,
        };
        Name::new(pipeline.as_str()).ok()
    }

    /// What of it is not as `wanted` says.
    pub fn differences(&self, wanted: &Schedule) -> Vec<Difference> {
        let (is, to_be) = (self.fields(), wanted.fields());
        let mut differences = Vec::new();
        for (field, to) in &to_be {
            let from = is.get(field).cloned().unwrap_or_default();
            if !same(field, &from, to) {
                differences.push(Difference {
                    field: field.clone(),
                    from,
                    to: to.clone(),
                });
            }
        }
        let foreign = is.iter().filter(|(field, _)| !to_be.contains_key(*field));
        differences.extend(foreign.map(|(field, from)| Difference {
            field: field.clone(),
            from: from.clone(),
            to: String::new(),
        }));
        differences
    }

    fn fields(&self) -> BTreeMap<String, String> {
        let window = self.window_minutes.map_or("off".to_owned(), |minutes| format!("{minutes} minutes"));
        let state = if self.enabled { "enabled" } else { "disabled" };
        let own = [
            ("expression", self.expression.clone()),
            ("time zone", self.time_zone.clone()),
            ("jitter", window),
            ("state", state.to_owned()),
            ("target", self.target.clone()),
            ("role", self.role.clone()),
            ("message", self.input.clone()),
            ("dead letters", self.dead_letters.clone().unwrap_or_default()),
            ("attempts", self.attempts_max.to_string()),
            ("longest wait", format!("{} s", self.age_s_max)),
            ("description", self.description.clone()),
        ];
        let own = own.into_iter().map(|(field, value)| (field.to_owned(), value));
        own.chain(self.foreign.clone()).collect()
    }
}

/// A message is the same whatever the order of its keys and the spaces between.
fn same(field: &str, from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    field == "message" && json(from).zip(json(to)).is_some_and(|(from, to)| from == to)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    fn wiring() -> Wiring {
        Wiring {
            target: "arn:queue".to_owned(),
            role: "arn:role".to_owned(),
            dead_letters: "arn:dead".to_owned(),
        }
    }

    fn of(settings: &str, after: &str) -> Vec<Schedule> {
        let resource = |name: &str, more: &str| {
            format!(
                "  - name: {name}\n{more}    file: {{path: a.csv}}\n    record: {{primary_key: [id], fields: {{id: {{type: string}}}}}}\n    load: {{collection: {name}}}\n"
            )
        };
        let text = format!(
            "pipeline: shop\n{settings}source: {{files: {{}}}}\nresources:\n{}{}",
            resource("orders", ""),
            resource("sums", after)
        );
        let checked = pipeline::check("shop.yaml", &text).map_err(|faults| faults.to_string()).unwrap();
        schedules(&checked.pipeline, &wiring())
    }

    #[test]
    fn a_resource_has_a_schedule_unless_it_waits_for_another() {
        let names = |schedules: Vec<Schedule>| schedules.into_iter().map(|schedule| schedule.name).collect::<Vec<_>>();
        assert_eq!(names(of("", "")), Vec::<String>::new());
        assert_eq!(names(of("schedule: rate(1 hour)\n", "")), ["shop.orders", "shop.sums"]);
        assert_eq!(names(of("schedule: rate(1 hour)\n", "    after: [orders]\n")), ["shop.orders"]);
    }

    #[test]
    fn time_zone_and_jitter_are_the_pipeline_files() {
        let plain = of("schedule: rate(1 hour)\n", "").remove(0);
        assert_eq!((plain.time_zone.as_str(), plain.window_minutes), ("UTC", None));
        let set = of("schedule: cron(0 6 * * ? *)\ntime_zone: Europe/Paris\njitter: 1h30m\n", "").remove(0);
        assert_eq!((set.time_zone.as_str(), set.window_minutes), ("Europe/Paris", Some(90)));
    }

    #[test]
    fn a_long_name_is_cut_and_is_nobody_elses() {
        assert_eq!(name("earthquakes", "events"), "earthquakes.events");
        let (long, other) = ("p".repeat(50), "r".repeat(50));
        let cut = name(&long, &other);
        assert_eq!(cut.len(), NAME_CHARS_MAX);
        assert_ne!(cut, name(&long, &format!("{other}x")));
        assert_eq!(name(&"p".repeat(32), &"r".repeat(31)).len(), NAME_CHARS_MAX);
        assert!(
            cut.contains("..") && cut.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
            "{cut}"
        );
    }

    #[test]
    fn every_field_is_compared() {
        let wanted = of("schedule: rate(1 hour)\n", "").remove(0);
        let check = |change: fn(&mut Schedule), field: &str| {
            let mut found = wanted.clone();
            change(&mut found);
            let differences = found.differences(&wanted);
            let fields: Vec<&str> = differences.iter().map(|difference| difference.field.as_str()).collect();
            assert_eq!(fields, [field]);
        };
        check(|s| s.expression = "rate(2 hours)".to_owned(), "expression");
        check(|s| s.time_zone = "Europe/Paris".to_owned(), "time zone");
        check(|s| s.window_minutes = Some(5), "jitter");
        check(|s| s.enabled = false, "state");
        check(|s| s.target.push('x'), "target");
        check(|s| s.role.push('x'), "role");
        check(|s| s.input = s.input.replace("orders", "others"), "message");
        check(|s| s.dead_letters = None, "dead letters");
        check(|s| s.attempts_max = 185, "attempts");
        check(|s| s.age_s_max = 86_400, "longest wait");
        check(|s| s.description.clear(), "description");
        check(
            |s| drop(s.foreign.insert("start date".to_owned(), "2026-01-01".to_owned())),
            "start date",
        );
        let mut spaced = wanted.clone();
        spaced.input = format!(" {}\n", wanted.input.replace(',', ", "));
        assert_eq!(spaced.differences(&wanted), []);
    }

    #[test]
    fn a_schedule_is_ours_by_its_message_or_by_the_name_of_a_known_pipeline() {
        let check = |change: fn(&mut Schedule), expected: Option<&str>| {
            let mut schedule = of("schedule: rate(1 hour)\n", "").remove(0);
            change(&mut schedule);
            let pipeline = schedule.pipeline(|name| name == "known");
            assert_eq!(pipeline.as_ref().map(Name::as_str), expected, "{schedule:?}");
        };
        check(|_| {}, Some("shop"));
        check(|s| s.input = "{}".to_owned(), None);
        check(|s| s.name = "known.orders".to_owned(), Some("known"));
        check(|s| s.name = "by-hand".to_owned(), None);
        check(|s| s.name = "known.Not a name".to_owned(), None);
    }
}
