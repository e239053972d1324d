//! Points: GeoJSON (RFC 7946), pairs and triples, `lat` and `lon`; kept as a GeoJSON point of longitude and latitude.

use super::{Value, number};
use crate::bson_writer::{self as bson, Key, element, tag};
use crate::fault::{Problem, Reason};
use crate::trie::whole;
use lake::json::Scanner;

const DEPTH_MAX: u32 = 128;

/// Longitude and latitude. A third coordinate is dropped.
pub(super) fn point(value: &Value<'_>) -> Result<(f64, f64), Problem> {
    let (longitude, latitude) = match value {
        Value::Object(text) => object(text)?,
        Value::List(text) => coordinates(text)?,
        other => {
            return Err(Problem::new(
                Reason::WrongType,
                format!("expected a point, found {}", other.kind_name()),
            ));
        }
    };
    for (degrees, limit, what) in [(longitude, 180.0, "longitude"), (latitude, 90.0, "latitude")] {
        if !(-limit..=limit).contains(&degrees) {
            return Err(Problem::new(
                Reason::OutOfRange,
                format!("the {what} is not between -{limit} and {limit}"),
            ));
        }
    }
    Ok((longitude, latitude))
}

pub(super) fn write(out: &mut Vec<u8>, key: Key<'_>, (longitude, latitude): (f64, f64)) {
    element(out, tag::DOCUMENT, key);
    let point = bson::open(out);
    element(out, tag::STRING, Key::Name("type"));
    bson::string(out, "Point");
    element(out, tag::ARRAY, Key::Name("coordinates"));
    let list = bson::open(out);
    for (place, degrees) in [(0, longitude), (1, latitude)] {
        element(out, tag::DOUBLE, Key::Index(place));
        out.extend_from_slice(&degrees.to_le_bytes());
    }
    bson::close(out, list);
    bson::close(out, point);
}

fn object(text: &str) -> Result<(f64, f64), Problem> {
    const KEYS: [&str; 4] = ["type", "coordinates", "lat", "lon"];
    let mut found = [Value::Missing; 4];
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    let mut first = true;
    scanner.begin_object().map_err(not_a_point)?;
    while let Some(key) = scanner.next_key(&mut first).map_err(not_a_point)? {
        let value = Value::of(text, whole(&mut scanner).map_err(not_a_point)?);
        let place = KEYS.iter().position(|name| key.is(name)).and_then(|at| found.get_mut(at));
        let Some(place) = place else { continue };
        if !matches!(place, Value::Missing) {
            return Err(Problem::new(
                Reason::DuplicateKey,
                "a key of the point stands twice: neither value is chosen",
            ));
        }
        *place = value;
    }
    match found {
        [Value::Text("Point"), Value::List(list), _, _] => coordinates(list),
        [Value::Missing, Value::Missing, latitude, longitude] => Ok((degrees(&longitude)?, degrees(&latitude)?)),
        _ => Err(not_a_point("")),
    }
}

fn coordinates(text: &str) -> Result<(f64, f64), Problem> {
    let mut scanner = Scanner::new(text, DEPTH_MAX);
    let (mut first, mut found, mut count) = (true, [0.0; 3], 0);
    scanner.begin_list().map_err(not_a_point)?;
    while scanner.next_item(&mut first).map_err(not_a_point)? {
        let value = Value::of(text, whole(&mut scanner).map_err(not_a_point)?);
        *found.get_mut(count).ok_or_else(|| not_a_point(""))? = degrees(&value)?;
        count += 1;
    }
    let [longitude, latitude, _] = found;
    if count < 2 {
        Err(not_a_point(""))
    } else {
        Ok((longitude, latitude))
    }
}

fn degrees(value: &Value<'_>) -> Result<f64, Problem> {
    match value {
        Value::Number(_) | Value::Text(_) => number::double(value),
        _ => Err(not_a_point("")),
    }
}

fn not_a_point(_: impl Sized) -> Problem {
    let forms =
        "expected `{type: Point, coordinates: [longitude, latitude]}`, a list of two or three numbers, or an object with `lat` and `lon`";
    Problem::new(Reason::NotAPoint, forms)
}
