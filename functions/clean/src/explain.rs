//! Why a document is what it is: one record taken through the very code of the hot path, each rule watched.

use crate::fault::Fault;
use crate::plan::FieldPlan;
use crate::reject::Original;
use crate::value::{Value, Watch};
use crate::{Cleaner, ContractError, Sink};
use bson::{RawBsonRef, RawDocument, RawDocumentBuf};
use lake::{Capture, CaptureError, RawKey};
use pipeline::{Checked, Resource};

/// A record on its way through the contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The record as it came: JSON, or a row.
    pub record: String,
    /// The fields of the contract, in their order. None when the record was rejected as a whole.
    pub fields: Vec<FieldExplanation>,
    pub ending: Ending,
}

/// What became of the record. Whether it is a duplicate depends on the records before it, so it is not said here.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Clean(RawDocumentBuf),
    /// The line in `rejected/`.
    Rejected {
        line: String,
    },
    /// The condition of `filter`, counted from 0, that is not true.
    Dropped {
        condition: usize,
    },
}

/// A field on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldExplanation {
    pub name: String,
    /// Where its value is looked for.
    pub path: String,
    /// The value as JSON, cut short where it is long; nothing when it is missing.
    pub raw: Option<String>,
    /// What each rule that changed or took it made of it, as extended JSON.
    pub steps: Vec<RuleStep>,
    /// What is wrong with it, and inside it.
    pub faults: Vec<Fault>,
}

/// A value after a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStep {
    /// The rule's key in the pipeline file, or the type's name.
    pub rule: &'static str,
    pub value: String,
}

impl FieldExplanation {
    /// The value in the document, as extended JSON; nothing when it has a fault.
    pub fn value(&self) -> Option<&str> {
        self.steps.last().filter(|_| self.faults.is_empty()).map(|step| step.value.as_str())
    }
}

/// Why a record can't be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("the definition cannot be used")]
    Contract(#[source] ContractError),
    #[error("the line is damaged")]
    Capture(#[source] CaptureError),
    #[error("the body of the capture is damaged")]
    Body(#[source] lake::json::Fault),
    #[error("the capture has no record {item}")]
    NoRecord { item: u32 },
}

/// Explains the record `item` (counted from 0) of the capture on `line` (counted from 1) of the object `raw`.
pub fn explain(
    checked: &Checked,
    resource: &Resource,
    raw: &RawKey,
    generation: u32,
    line: u32,
    capture_line: &str,
    item: u32,
) -> Result<Explanation, ExplainError> {
    let capture = Capture::parse(capture_line).map_err(ExplainError::Capture)?;
    let mut cleaner = Cleaner::new(&checked.pipeline, resource, raw, generation).map_err(ExplainError::Contract)?;
    let mut one = One::default();
    let mut watched = Watched::default();
    cleaner
        .watched(line, &capture, item, &mut one, &mut watched)
        .map_err(ExplainError::Body)?;
    let ending = one.ending.ok_or(ExplainError::NoRecord { item })?;
    let mut fields = watched.fields;
    for fault in &watched.faults {
        let of = |field: &&mut FieldExplanation| {
            fault
                .field
                .strip_prefix(&field.name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some(field) = fields.iter_mut().find(of) {
            field.faults.push(fault.clone());
        }
    }
    Ok(Explanation {
        record: watched.record,
        fields,
        ending,
    })
}

/// Takes one record, then is full.
#[derive(Default)]
struct One {
    ending: Option<Ending>,
}

impl Sink for One {
    fn clean(&mut self, document: &[u8]) {
        self.ending = RawDocumentBuf::from_bytes(document.to_vec()).ok().map(Ending::Clean);
    }
    fn rejected(&mut self, line: &[u8]) {
        self.ending = Some(Ending::Rejected {
            line: String::from_utf8_lossy(line.trim_ascii_end()).into_owned(),
        });
    }
    fn dropped(&mut self, condition: usize) {
        self.ending = Some(Ending::Dropped { condition });
    }
    fn is_full(&self) -> bool {
        self.ending.is_some()
    }
}

/// Writes down what it sees.
#[derive(Default)]
struct Watched {
    record: String,
    fields: Vec<FieldExplanation>,
    faults: Vec<Fault>,
}

impl Watched {
    fn step(&mut self, rule: &'static str, value: String) {
        if let Some(field) = self.fields.last_mut() {
            field.steps.push(RuleStep { rule, value });
        }
    }
}

impl Watch for Watched {
    const ON: bool = true;

    fn record(&mut self, record: Original<'_>) {
        self.record = match record {
            Original::Json(text) | Original::Text(text) => text.to_owned(),
            Original::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
    }

    fn field(&mut self, plan: &FieldPlan, value: &Value<'_>) {
        let (name, path) = (plan.name.clone(), plan.path.to_string());
        self.fields.push(FieldExplanation {
            name,
            path,
            raw: value.shown(),
            steps: Vec::new(),
            faults: Vec::new(),
        });
    }

    fn rule(&mut self, rule: &'static str, value: &Value<'_>) {
        self.step(rule, value.shown().unwrap_or_default());
    }

    fn element(&mut self, rule: &'static str, element: &[u8]) {
        self.step(rule, extended_json(element));
    }

    fn faults(&mut self, faults: &[Fault]) {
        self.faults = faults.to_vec();
    }
}

/// The value of one BSON element as extended JSON, relaxed.
fn extended_json(element: &[u8]) -> String {
    let length = (element.len() as u32 + 5).to_le_bytes();
    let document = [&length[..], element, &[0]].concat();
    let mut text = Vec::new();
    if let Ok(document) = RawDocument::from_bytes(&document)
        && let Some(Ok((_, value))) = document.iter().next()
    {
        write_value(&mut text, value);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn write_value(out: &mut Vec<u8>, value: RawBsonRef<'_>) {
    let text = match value {
        RawBsonRef::String(text) => return lake::json::write_string(out, text),
        RawBsonRef::Document(document) => {
            out.push(b'{');
            for (place, (key, value)) in document.iter().flatten().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                lake::json::write_string(out, key.as_str());
                out.push(b':');
                write_value(out, value);
            }
            return out.push(b'}');
        }
        RawBsonRef::Array(items) => {
            out.push(b'[');
            for (place, value) in items.into_iter().flatten().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write_value(out, value);
            }
            return out.push(b']');
        }
        RawBsonRef::Null => "null".to_owned(),
        RawBsonRef::Boolean(value) => value.to_string(),
        RawBsonRef::Int32(number) => number.to_string(),
        RawBsonRef::Int64(number) => number.to_string(),
        RawBsonRef::Double(number) => format!("{number:?}"),
        RawBsonRef::Decimal128(number) => format!("{{\"$numberDecimal\":\"{number}\"}}"),
        RawBsonRef::DateTime(at) => match jiff::Timestamp::from_millisecond(at.timestamp_millis()) {
            Ok(at) => format!("{{\"$date\":\"{at}\"}}"),
            Err(_) => format!("{{\"$date\":{{\"$numberLong\":\"{}\"}}}}", at.timestamp_millis()),
        },
        // No field has another type.
        _ => "null".to_owned(),
    };
    out.extend_from_slice(text.as_bytes());
}
