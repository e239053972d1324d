//! Single values of a pipeline file as the BSON that `clean` would write of them.

use bson::{Bson, DateTime, RawBson};
use pipeline::{FieldType, Scalar};

use crate::key::key_of;

/// The value in the type of its field. `None` for what has no single value of that type.
pub(super) fn constant(scalar: &Scalar, kind: FieldType) -> Option<Bson> {
    Some(match (kind, scalar) {
        (FieldType::String, Scalar::Text(text)) => Bson::String(text.clone()),
        (FieldType::Int, Scalar::Integer(number)) => Bson::Int32(i32::try_from(*number).ok()?),
        (FieldType::Long, Scalar::Integer(number)) => Bson::Int64(*number),
        (FieldType::Double, Scalar::Integer(number)) => Bson::Double(*number as f64),
        (FieldType::Double, Scalar::Float(number)) => Bson::Double(*number),
        (FieldType::Decimal, Scalar::Integer(number)) => decimal(&number.to_string())?,
        (FieldType::Decimal, Scalar::Float(number)) => decimal(&number.to_string())?,
        (FieldType::Decimal, Scalar::Text(text)) => decimal(text)?,
        (FieldType::Bool, Scalar::Bool(value)) => Bson::Boolean(*value),
        (FieldType::Timestamp | FieldType::Date, Scalar::Text(text)) => Bson::DateTime(DateTime::from_millis(pipeline::time_ms(text)?)),
        _ => return None,
    })
}

fn decimal(text: &str) -> Option<Bson> {
    text.parse().ok().map(Bson::Decimal128)
}

/// The values without those that are equal to one before: MongoDB takes no list of allowed values that has one twice, and 1.5 and 1.50 are one.
pub(super) fn distinct(values: impl IntoIterator<Item = Bson>) -> Vec<Bson> {
    let mut keys = Vec::new();
    let mut kept = Vec::new();
    for value in values {
        let raw = RawBson::try_from(value.clone());
        let Some(key) = raw.ok().and_then(|raw| key_of(raw.as_raw_bson_ref()).ok()) else {
            continue;
        };
        if !keys.contains(&key) {
            keys.push(key);
            kept.push(value);
        }
    }
    kept
}
