//! The bucket's two envelopes, each with a parser of its own.
//!
//! EventBridge: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>; direct notifications:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>. Only what is used is read.

use super::{EventError, Origin, form_decode};
use serde::Deserialize;
use serde_json::Value;

const EVENTBRIDGE: &str = "an \"Object Created\" event of EventBridge: detail.bucket.name and detail.object.key";
const NOTIFICATION: &str = "an S3 notification: Records[].s3.bucket.name and Records[].s3.object.key";

/// The keys of the objects an envelope tells of; `None` if `body` is no envelope of a bucket.
pub(super) fn created_objects(body: &Value, origin: &Origin<'_>) -> Option<Result<Vec<String>, EventError>> {
    if body.get("detail-type").is_some() {
        Some(eventbridge(body, origin))
    } else if body.get("Records").is_some() {
        Some(notification(body, origin))
    } else if body.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        // Sent once, when a notification is configured.
        Some(Ok(Vec::new()))
    } else {
        None
    }
}

#[derive(Deserialize)]
struct EventBridgeEvent {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default)]
    detail: Value,
}

#[derive(Deserialize)]
struct ObjectDetail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// The key is verbatim.
fn eventbridge(body: &Value, origin: &Origin<'_>) -> Result<Vec<String>, EventError> {
    let shape = |source| EventError::Shape {
        what: "an event of EventBridge",
        expected: EVENTBRIDGE,
        source,
    };
    let event = EventBridgeEvent::deserialize(body).map_err(shape)?;
    if event.source != "aws.s3" {
        return Err(EventError::Kind { expected: EVENTBRIDGE });
    }
    if event.detail_type != "Object Created" {
        return Ok(Vec::new());
    }
    let detail = ObjectDetail::deserialize(&event.detail).map_err(shape)?;
    of_the_lake(&detail.bucket, origin)?;
    Ok(vec![detail.object.key])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    records: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NotificationHead {
    event_version: String,
    event_source: String,
    event_name: String,
}

#[derive(Deserialize)]
struct NotificationBody {
    s3: ObjectDetail,
}

/// The keys are form-encoded. Records of other events ask for nothing.
fn notification(body: &Value, origin: &Origin<'_>) -> Result<Vec<String>, EventError> {
    let shape = |source| EventError::Shape {
        what: "an S3 notification",
        expected: NOTIFICATION,
        source,
    };
    let mut keys = Vec::new();
    for record in Notification::deserialize(body).map_err(shape)?.records {
        let head = NotificationHead::deserialize(&record).map_err(shape)?;
        if head.event_source != "aws:s3" {
            return Err(EventError::Kind { expected: NOTIFICATION });
        }
        // A new major version is not compatible, says the documentation.
        if !head.event_version.starts_with("2.") {
            return Err(EventError::Version { found: head.event_version });
        }
        if !head.event_name.starts_with("ObjectCreated:") {
            continue;
        }
        let NotificationBody { s3 } = NotificationBody::deserialize(&record).map_err(shape)?;
        of_the_lake(&s3.bucket, origin)?;
        let key = form_decode(&s3.object.key).ok_or(EventError::Encoding { key: s3.object.key })?;
        keys.push(key);
    }
    Ok(keys)
}

fn of_the_lake(bucket: &Bucket, origin: &Origin<'_>) -> Result<(), EventError> {
    match origin.lake_bucket {
        Some(lake) if lake != bucket.name => Err(EventError::Bucket {
            found: bucket.name.clone(),
            expected: lake.to_owned(),
        }),
        _ => Ok(()),
    }
}
