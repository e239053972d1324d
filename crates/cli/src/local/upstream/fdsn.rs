//! An FDSN event service as the USGS runs it, over one recorded catalogue (GeoJSON only).
//!
//! Follows `usgs/earthquake-event-ws`: `updatedafter` and `starttime` include their moment, times count in whole seconds, an empty GeoJSON answer is
//! 200 and not 204, a parameter that is wrong or unknown is a 400 in plain text. The bounding box at the end is left out.

use super::{Reply, UpstreamError};
use hyper::{StatusCode, Uri};
use lake::json::{Fault, Kind, Raw, Scanner};
use std::{borrow::Cow, fs, ops::Range, path::Path};
use url::form_urlencoded;

/// The most events a request may ask for.
const LIMIT_MAX: u64 = 20_000;
const DEPTH_MAX: u32 = 64;

/// All recorded events, the oldest first.
pub(super) struct Catalogue {
    text: String,
    events: Vec<Event>,
    generated_ms: i64,
}

/// One event: what requests ask about, and where its GeoJSON stands, which is sent as it is.
struct Event {
    time_ms: i64,
    updated_ms: i64,
    magnitude: f64,
    span: Range<usize>,
}

/// A request as understood.
#[derive(Default)]
struct Query {
    updated_after_ms: Option<i64>,
    start_ms: Option<i64>,
    end_ms: Option<i64>,
    limit: Option<u64>,
    offset: u64,
    order: Order,
}

#[derive(Clone, Copy, Default)]
enum Order {
    #[default]
    Time,
    TimeAscending,
    Magnitude,
    MagnitudeAscending,
}

impl Catalogue {
    pub(super) fn read(path: &Path) -> Result<Catalogue, UpstreamError> {
        let text = fs::read_to_string(path).map_err(|source| UpstreamError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Catalogue::parse(text).map_err(|fault| UpstreamError::Damaged {
            path: path.to_owned(),
            problem: fault.to_string(),
        })
    }

    /// Reads the recording once; what it keeps of an event is three numbers and a place.
    fn parse(text: String) -> Result<Catalogue, Fault> {
        let mut scanner = Scanner::new(&text, DEPTH_MAX);
        let (mut events, mut generated_ms, mut first) = (Vec::new(), 0, true);
        scanner.begin_object()?;
        while let Some(key) = scanner.next_key(&mut first)? {
            match key.inner {
                "metadata" => generated_ms = generated(&mut scanner)?,
                "features" => {
                    let mut first = true;
                    scanner.begin_list()?;
                    while scanner.next_item(&mut first)? {
                        events.push(event(&mut scanner)?);
                    }
                }
                _ => {
                    scanner.skip_value()?;
                }
            }
        }
        scanner.end()?;
        events.sort_by_key(|event| event.time_ms);
        Ok(Catalogue {
            text,
            events,
            generated_ms,
        })
    }

    pub(super) fn answer(&self, uri: &Uri) -> Reply {
        if !uri.path().ends_with("/query") {
            return Reply::text(StatusCode::NOT_FOUND, "Error 404: Not Found\n".to_owned());
        }
        match Query::parse(uri.query().unwrap_or_default()) {
            Ok(query) => Reply {
                status: StatusCode::OK,
                content_type: "application/json; charset=utf-8",
                body: self.render(&query, uri).into(),
            },
            Err((status, message)) => self.error(status, &message, uri),
        }
    }

    fn render(&self, query: &Query, uri: &Uri) -> Vec<u8> {
        let mut found: Vec<&Event> = self.events.iter().filter(|event| query.matches(event)).collect();
        match query.order {
            Order::TimeAscending => {}
            Order::Time => found.reverse(),
            Order::Magnitude => found.sort_by(|a, b| b.magnitude.total_cmp(&a.magnitude)),
            Order::MagnitudeAscending => found.sort_by(|a, b| a.magnitude.total_cmp(&b.magnitude)),
        }
        let skipped = usize::try_from(query.offset.saturating_sub(1)).unwrap_or(usize::MAX);
        let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let page: Vec<&Event> = found.into_iter().skip(skipped).take(limit).collect();

        let bytes: usize = page.iter().map(|event| event.span.len() + 2).sum();
        let mut body = Vec::with_capacity(bytes + 512);
        body.extend_from_slice(
            format!(
                "{{\"type\":\"FeatureCollection\",\"metadata\":{{\"generated\":{},\"url\":",
                self.generated_ms
            )
            .as_bytes(),
        );
        lake::json::write_string(&mut body, &format!("https://earthquake.usgs.gov{uri}"));
        body.extend_from_slice(b",\"title\":\"USGS Earthquakes\",\"status\":200,\"api\":\"1.5.8\"");
        if let Some(limit) = query.limit {
            body.extend_from_slice(format!(",\"limit\":{limit},\"offset\":{}", query.offset).as_bytes());
        }
        body.extend_from_slice(format!(",\"count\":{}}},\"features\":[", page.len()).as_bytes());
        for (place, event) in page.iter().enumerate() {
            if place > 0 {
                body.extend_from_slice(b",\n");
            }
            body.extend_from_slice(self.text.get(event.span.clone()).unwrap_or_default().as_bytes());
        }
        body.extend_from_slice(b"]}");
        body
    }

    fn error(&self, status: StatusCode, message: &str, uri: &Uri) -> Reply {
        let reason = status.canonical_reason().unwrap_or_default();
        let code = status.as_u16();
        let usage = "Usage details are available from https://earthquake.usgs.gov/fdsnws/event/1";
        let text = format!("Error {code}: {reason}\n\n{message}\n\n{usage}\n\nRequest:\n{uri}\n\nService version:\n1.5.8");
        Reply::text(status, text)
    }
}

impl Query {
    fn parse(text: &str) -> Result<Query, (StatusCode, String)> {
        let bad = |message: String| (StatusCode::BAD_REQUEST, message);
        let mut query = Query {
            offset: 1,
            ..Query::default()
        };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            match name.as_ref() {
                "updatedafter" => query.updated_after_ms = Some(time(&name, &value).map_err(bad)?),
                "starttime" | "start" => query.start_ms = Some(time(&name, &value).map_err(bad)?),
                "endtime" | "end" => query.end_ms = Some(time(&name, &value).map_err(bad)?),
                "limit" => query.limit = Some(integer(&name, &value, 0, Some(LIMIT_MAX)).map_err(bad)?),
                "offset" => query.offset = integer(&name, &value, 1, None).map_err(bad)?,
                "orderby" => query.order = order(&value).map_err(bad)?,
                "format" if value == "geojson" => {}
                "format" => {
                    let message = format!("The recording is GeoJSON; the format \"{value}\" is not served.");
                    return Err((StatusCode::NOT_IMPLEMENTED, message));
                }
                _ => return Err(bad(format!("Unknown parameter \"{name}\"."))),
            }
        }
        Ok(query)
    }

    fn matches(&self, event: &Event) -> bool {
        self.updated_after_ms.is_none_or(|after| event.updated_ms >= after)
            && self.start_ms.is_none_or(|start| event.time_ms >= start)
            && self.end_ms.is_none_or(|end| event.time_ms <= end)
    }
}

/// A time in ISO 8601, UTC unless it says otherwise, cut to whole seconds; or milliseconds since 1970.
fn time(name: &str, value: &str) -> Result<i64, String> {
    if let Ok(ms) = value.parse() {
        return Ok(ms);
    }
    let zoned = value.parse::<jiff::Timestamp>().ok();
    let local = || {
        value
            .parse::<jiff::civil::DateTime>()
            .ok()?
            .to_zoned_datetime(jiff::tz::TimeZone::UTC)
            .ok()
    };
    zoned
        .or_else(|| local().map(|time| time.timestamp()))
        .map(|time| time.as_second() * 1000)
        .ok_or_else(|| format!("Bad {name} value \"{value}\". Valid values are ISO-8601 timestamps."))
}

fn integer(name: &str, value: &str, min: u64, max: Option<u64>) -> Result<u64, String> {
    let number = value.parse().ok();
    number.filter(|n| *n >= min && max.is_none_or(|max| *n <= max)).ok_or_else(|| {
        let max = max.map_or(Cow::Borrowed(""), |max| format!(" <= {max}").into());
        format!("Bad {name} value \"{value}\". Valid values are {min} <= {name}{max}")
    })
}

fn order(value: &str) -> Result<Order, String> {
    match value {
        "time" => Ok(Order::Time),
        "time-asc" => Ok(Order::TimeAscending),
        "magnitude" => Ok(Order::Magnitude),
        "magnitude-asc" => Ok(Order::MagnitudeAscending),
        _ => Err(format!(
            "Bad orderby value \"{value}\". Valid values are: \"time\", \"time-asc\", \"magnitude\", \"magnitude-asc\"."
        )),
    }
}

fn generated(scanner: &mut Scanner<'_>) -> Result<i64, Fault> {
    let (mut generated, mut first) = (0, true);
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key(&mut first)? {
        let value = scanner.skip_value()?;
        if key.inner == "generated" {
            generated = value.text.parse().unwrap_or(0);
        }
    }
    Ok(generated)
}

fn event(scanner: &mut Scanner<'_>) -> Result<Event, Fault> {
    scanner.peek()?;
    let start = scanner.offset();
    let (mut properties, mut first) = (None, true);
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key(&mut first)? {
        if key.inner == "properties" {
            properties = Some(numbers(scanner)?);
        } else {
            scanner.skip_value()?;
        }
    }
    let end = scanner.offset();
    let Some((Some(time_ms), Some(updated_ms), magnitude)) = properties else {
        return Err(Fault {
            offset: end,
            expected: "an event with `time` and `updated` in its `properties`",
        });
    };
    Ok(Event {
        time_ms,
        updated_ms,
        magnitude: magnitude.unwrap_or(f64::NEG_INFINITY),
        span: start..end,
    })
}

type Numbers = (Option<i64>, Option<i64>, Option<f64>);

/// `time`, `updated` and `mag` of an event's properties.
fn numbers(scanner: &mut Scanner<'_>) -> Result<Numbers, Fault> {
    let (mut numbers, mut first) = (Numbers::default(), true);
    scanner.begin_object()?;
    while let Some(key) = scanner.next_key(&mut first)? {
        let value: Raw<'_> = scanner.skip_value()?;
        if value.kind != Kind::Number {
            continue;
        }
        match key.inner {
            "time" => numbers.0 = value.text.parse().ok(),
            "updated" => numbers.1 = value.text.parse().ok(),
            "mag" => numbers.2 = value.text.parse().ok(),
            _ => {}
        }
    }
    Ok(numbers)
}
