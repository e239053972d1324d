//! The messages of each function, as they stand in its queue: read and written.

use super::envelope::created_objects;
use super::{EventError, Message, Origin, Subject};
use lake::{CleanKey, RawKey, RunId};
use ledger::{ResourceId, run_id_for_tick};
use pipeline::Name;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What stands in a schedule's text for the moment of its tick. EventBridge Scheduler puts the time in its place; an emulator may leave it.
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

const MINUTE_MS: i64 = 60_000;
/// Only shows that a hash is meant; whether there is such a definition, the lake says.
const HASH_CHARS: usize = 64;

const EXTRACT: &str = r#"{"pipeline": …, "resource": …, "scheduled_at": …, "requested_by": …}"#;
const CLEAN: &str =
    r#"an event of the lake's bucket (an object in raw/), or {"raw": KEY}, or {"raw": KEY, "definition": HASH, "generation": N}"#;
const LOAD: &str = r#"an event of the lake's bucket (an object in clean/), or {"clean": KEY}"#;
const WATCH: &str = r#"{"tick": "watch"}, or a "Scheduled Event" of EventBridge"#;

/// Who asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestedBy {
    /// The resource's schedule.
    Schedule,
    /// `tidemill run`.
    Run,
    /// `extract` itself, whose time was over.
    Continuation,
    /// The end of the runs that the resource waits for.
    After,
}

/// Asks `extract` for a tick of a resource, or to go on with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractMessage {
    pub pipeline: Name,
    pub resource: Name,
    /// The moment of the tick, milliseconds since 1970.
    pub scheduled_ms: Option<i64>,
    pub requested_by: RequestedBy,
    /// The run's id, unless it follows from the tick.
    pub run: Option<RunId>,
    /// How many continuations came before.
    pub hop: u32,
    /// In the place of the source's own address; only for `tidemill run`, and the continuations of such a run.
    pub base_url: Option<String>,
}

impl ExtractMessage {
    pub fn resource_id(&self) -> ResourceId {
        ResourceId {
            pipeline: self.pipeline.clone(),
            resource: self.resource.clone(),
        }
    }

    /// The id of the run: the one named, or the tick's. `None` only for a message made by hand that has neither.
    pub fn run_id(&self) -> Option<RunId> {
        self.run.or_else(|| Some(run_id_for_tick(&self.resource_id(), self.scheduled_ms?)))
    }

    /// The message that goes on with `run`, one hop further.
    pub fn continuation(&self, run: RunId) -> ExtractMessage {
        ExtractMessage {
            requested_by: RequestedBy::Continuation,
            run: Some(run),
            hop: self.hop.saturating_add(1),
            ..self.clone()
        }
    }

    /// The message as it stands in the queue.
    pub fn to_json(&self) -> String {
        let text = ExtractText {
            pipeline: self.pipeline.clone(),
            resource: self.resource.clone(),
            scheduled_at: self
                .scheduled_ms
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                .map(|at| at.to_string()),
            requested_by: self.requested_by,
            run: self.run.map(|run| run.to_string()),
            hop: self.hop,
            base_url: self.base_url.clone(),
        };
        json(&text)
    }

    /// The text of a resource's schedule: EventBridge Scheduler puts the moment of the tick into it.
    pub fn schedule_json(pipeline: &Name, resource: &Name) -> String {
        json(&ExtractText {
            pipeline: pipeline.clone(),
            resource: resource.clone(),
            scheduled_at: Some(SCHEDULED_TIME.to_owned()),
            requested_by: RequestedBy::Schedule,
            run: None,
            hop: 0,
            base_url: None,
        })
    }

    fn check(&self) -> Result<(), EventError> {
        let problem = if self.run.is_none() && self.scheduled_ms.is_none() {
            "expected `scheduled_at` or `run`, else no run is meant"
        } else if self.requested_by == RequestedBy::Continuation && self.run.is_none() {
            "a continuation needs `run`"
        } else if self.base_url.is_some() && !matches!(self.requested_by, RequestedBy::Run | RequestedBy::Continuation) {
            "`base_url` is only for `requested_by: run` and the continuations of such a run"
        } else {
            return Ok(());
        };
        Err(EventError::Rule { problem })
    }
}

impl Message for ExtractMessage {
    fn parse(body: &str, origin: &Origin<'_>) -> Result<Vec<ExtractMessage>, EventError> {
        let text: ExtractText = message(read(body, EXTRACT)?, EXTRACT)?;
        let scheduled_ms = text.scheduled_at.map(|at| scheduled_ms(at, origin)).transpose()?;
        let message = ExtractMessage {
            pipeline: text.pipeline,
            resource: text.resource,
            scheduled_ms,
            requested_by: text.requested_by,
            run: text.run.as_deref().map(RunId::parse).transpose()?,
            hop: text.hop,
            base_url: text.base_url,
        };
        message.check()?;
        Ok(vec![message])
    }

    fn subject(&self) -> Subject {
        Subject {
            pipeline: Some(self.pipeline.to_string()),
            resource: Some(self.resource.to_string()),
            run: self.run_id().map(|run| run.to_string()),
            object: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtractText {
    pipeline: Name,
    resource: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<String>,
    requested_by: RequestedBy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    hop: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_url: Option<String>,
}

/// A definition that a replay names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionChoice {
    /// The SHA-256 of the pipeline file.
    pub hash: String,
    pub generation: u32,
}

/// Asks `clean` to work on a raw object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanMessage {
    pub raw: RawKey,
    /// `None`: the definition under which it was fetched.
    pub definition: Option<DefinitionChoice>,
}

impl CleanMessage {
    /// The message as it stands in the queue.
    pub fn to_json(&self) -> String {
        json(&CleanText {
            raw: self.raw.key().to_string(),
            definition: self.definition.as_ref().map(|definition| definition.hash.clone()),
            generation: self.definition.as_ref().map(|definition| definition.generation),
        })
    }
}

impl Message for CleanMessage {
    fn parse(body: &str, origin: &Origin<'_>) -> Result<Vec<CleanMessage>, EventError> {
        let body = read(body, CLEAN)?;
        if let Some(keys) = created_objects(&body, origin) {
            let fetched = |key: String| {
                Ok(CleanMessage {
                    raw: RawKey::parse(&key)?,
                    definition: None,
                })
            };
            return keys?.into_iter().map(fetched).collect();
        }
        let text: CleanText = message(body, CLEAN)?;
        let definition = match (text.definition, text.generation) {
            (None, None) => None,
            (Some(hash), Some(generation)) if is_hash(&hash) => Some(DefinitionChoice { hash, generation }),
            (Some(_), Some(_)) => {
                return Err(EventError::Rule {
                    problem: "expected `definition` to be a SHA-256 of 64 lower-case hexadecimal digits",
                });
            }
            _ => {
                return Err(EventError::Rule {
                    problem: "expected `definition` and `generation` together, or neither",
                });
            }
        };
        Ok(vec![CleanMessage {
            raw: RawKey::parse(&text.raw)?,
            definition,
        }])
    }

    fn subject(&self) -> Subject {
        of_object(&self.raw, self.raw.key().to_string())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CleanText {
    raw: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
}

/// Asks `load` to work on a clean object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadMessage {
    pub clean: CleanKey,
    /// Load it again though it is loaded: `replay --in-order`.
    pub again_in_order: bool,
}

impl LoadMessage {
    /// The message as it stands in the queue.
    pub fn to_json(&self) -> String {
        json(&LoadText {
            clean: self.clean.clean().to_string(),
            again_in_order: self.again_in_order,
        })
    }
}

impl Message for LoadMessage {
    fn parse(body: &str, origin: &Origin<'_>) -> Result<Vec<LoadMessage>, EventError> {
        let body = read(body, LOAD)?;
        if let Some(keys) = created_objects(&body, origin) {
            let new = |key: String| {
                Ok(LoadMessage {
                    clean: clean_key(&key)?,
                    again_in_order: false,
                })
            };
            return keys?.into_iter().map(new).collect();
        }
        let text: LoadText = message(body, LOAD)?;
        Ok(vec![LoadMessage {
            clean: clean_key(&text.clean)?,
            again_in_order: text.again_in_order,
        }])
    }

    fn subject(&self) -> Subject {
        of_object(&self.clean.raw, self.clean.clean().to_string())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadText {
    clean: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    again_in_order: bool,
}

/// Asks `watch` to look around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMessage {
    Tick,
}

impl WatchMessage {
    /// The message as it stands in the schedule.
    pub fn to_json(&self) -> String {
        r#"{"tick":"watch"}"#.to_owned()
    }
}

impl Message for WatchMessage {
    fn parse(body: &str, _origin: &Origin<'_>) -> Result<Vec<WatchMessage>, EventError> {
        let body = read(body, WATCH)?;
        let field = |name| body.get(name).and_then(Value::as_str);
        let by_rule = matches!(field("source"), Some("aws.events" | "aws.scheduler")) && field("detail-type") == Some("Scheduled Event");
        let by_schedule = field("tick") == Some("watch") && body.as_object().is_some_and(|fields| fields.len() == 1);
        if by_rule || by_schedule {
            Ok(vec![WatchMessage::Tick])
        } else {
            Err(EventError::Kind { expected: WATCH })
        }
    }

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

pub(super) fn read(body: &str, expected: &'static str) -> Result<Value, EventError> {
    serde_json::from_str(body).map_err(|source| EventError::NotJson { expected, source })
}

pub(super) fn message<T: DeserializeOwned>(body: Value, expected: &'static str) -> Result<T, EventError> {
    serde_json::from_value(body).map_err(|source| EventError::Shape {
        what: "a message of this function",
        expected,
        source,
    })
}

pub(super) fn scheduled_ms(text: String, origin: &Origin<'_>) -> Result<i64, EventError> {
    if text == SCHEDULED_TIME {
        return Ok(origin.sent_ms - origin.sent_ms.rem_euclid(MINUTE_MS));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Ok(at.as_millisecond()),
        Err(_) => Err(EventError::Time { found: text }),
    }
}

/// A key in `clean/`: `rejected/` and `refused/` share its parser.
fn clean_key(text: &str) -> Result<CleanKey, EventError> {
    let key = CleanKey::parse(text)?;
    if key.clean().as_str() == text {
        Ok(key)
    } else {
        Err(EventError::Object(lake::KeyError {
            key: text.to_owned(),
            expected: "expected an object in clean/",
        }))
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_CHARS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn of_object(raw: &RawKey, object: String) -> Subject {
    Subject {
        pipeline: Some(raw.pipeline.to_string()),
        resource: Some(raw.resource.to_string()),
        run: Some(raw.run.to_string()),
        object: Some(object),
    }
}

/// Fields in the order of the struct, whatever else is in the build: `apply` compares texts. Of strings and numbers, writing can't fail.
pub(super) fn json<T: Serialize>(text: &T) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

pub(super) fn is_zero(hop: &u32) -> bool {
    *hop == 0
}
