//! What the server answers to a command that writes, statement by statement. Pure.

use bson::{Bson, Document};

use super::error::{FaultKind, kind_of_code, spoken};

/// What became of the statements of a command. Those that `errors` does not name were carried out, or (of an update) found nothing to change.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reply {
    /// How many documents were inserted, or were found by an update.
    pub found: u64,
    pub errors: Vec<StatementError>,
}

#[derive(Debug, PartialEq)]
pub(super) struct StatementError {
    /// Which statement of the command.
    pub statement: usize,
    pub meaning: Meaning,
}

#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// There is a document with this `_id`.
    Taken,
    /// Another document has what must be unique: why it would be refused, unless that document changes.
    Occupied(String),
    /// It may succeed in a moment.
    Again(i32, String),
    /// The server would not take this document: its words.
    Refused(String),
    /// Something is wrong that has nothing to do with the document.
    Trouble(FaultKind, i32, String),
    /// It may be the document, or the server: nobody knows all the codes that there are.
    Unclear(i32, String),
}

/// Reads a reply. An entry that can't be read is an error, for nothing of a batch may be lost.
pub(super) fn read(reply: &Document) -> Result<Reply, &'static str> {
    let found = number(reply.get("n")).ok_or("the answer to a write has no `n`")?;
    let errors = match reply.get("writeErrors") {
        None => Vec::new(),
        Some(Bson::Array(errors)) => errors
            .iter()
            .map(|error| error.as_document().and_then(statement_error))
            .collect::<Option<_>>()
            .ok_or("an entry of `writeErrors` can't be read")?,
        Some(_) => return Err("`writeErrors` is not a list"),
    };
    Ok(Reply { found, errors })
}

/// That what a command did is not on a majority of the servers: code and words.
pub(super) fn no_majority(reply: &Document) -> Option<(i32, String)> {
    let error = reply.get_document("writeConcernError").ok()?;
    let code = code_of(error);
    let name = error.get_str("codeName").unwrap_or_default();
    Some((code, spoken(code, name, "the write is not on a majority of the servers yet")))
}

/// Is this code of a whole command about one of its documents?
pub(super) fn is_of_a_document(code: i32) -> bool {
    // Overflow (of the depth), InvalidBSON, DollarPrefixedFieldName, InvalidIdField, DottedFieldName, DocumentValidationFailure, and documents or keys that
    // are too large.
    matches!(code, 15 | 22 | 52 | 53 | 57 | 121 | 10334 | 17280 | 17419 | 17420)
}

fn statement_error(error: &Document) -> Option<StatementError> {
    let statement = usize::try_from(number(error.get("index"))?).ok()?;
    let code = code_of(error);
    let message = error.get_str("errmsg").unwrap_or_default();
    let words = || spoken(code, error.get_str("codeName").unwrap_or_default(), message);
    let meaning = match kind_of_code(code) {
        FaultKind::Duplicate if is_of_id(error, message) => Meaning::Taken,
        FaultKind::Duplicate => Meaning::Occupied(occupied(error, message).unwrap_or_else(words)),
        FaultKind::Passing => Meaning::Again(code, words()),
        kind @ (FaultKind::Denied | FaultKind::SignIn | FaultKind::NamespaceNotFound | FaultKind::Unknown) => {
            Meaning::Trouble(kind, code, words())
        }
        kind if is_of_the_server(code) => Meaning::Trouble(kind, code, words()),
        _ if code == VALIDATION => Meaning::Refused(unsatisfied(error).unwrap_or_else(words)),
        _ if is_of_a_document(code) || STATEMENT_CODES.contains(&code) => Meaning::Refused(words()),
        _ => Meaning::Unclear(code, words()),
    };
    Some(StatementError { statement, meaning })
}

/// Of a statement these are about its document; of a command they would not be. BadValue, FailedToParse, TypeMismatch, InvalidLength, PathNotViable,
/// ConflictingUpdateOperators, NotSingleValueField, InvalidDBRef, EmptyFieldName, ImmutableField, CannotIndexParallelArrays, CannotBuildIndexKeys,
/// NonConformantBSON; then, without names of their own, what an index of places (2d, 2dsphere), of words or of hashes can't take.
#[rustfmt::skip]
const STATEMENT_CODES: &[i32] = &[
    2, 9, 14, 16, 28, 40, 54, 55, 56, 66, 171, 201, 378,
    13022, 13023, 13024, 13025, 13026, 13027, 13068, 13650, 13651, 13654, 16244, 16459, 16675, 16732, 16733, 16755, 16766, 16804, 17261, 17262,
];

/// DocumentValidationFailure.
const VALIDATION: i32 = 121;

/// No document is to blame for these: InternalError, UnknownError, IllegalOperation, InvalidNamespace, OperationFailed, CommandFailed,
/// CommandNotSupportedOnView, AtlasError (of a quota), OutOfDiskSpace.
fn is_of_the_server(code: i32) -> bool {
    matches!(code, 1 | 8 | 20 | 73 | 96 | 125 | 166 | 8000 | 14031)
}

fn is_of_id(error: &Document, message: &str) -> bool {
    match error.get_document("keyPattern") {
        Ok(pattern) => pattern.len() == 1 && pattern.contains_key("_id"),
        // Old servers say it in words only.
        Err(_) => message.contains("index: _id_ "),
    }
}

/// Of which fields another document has the same values, and by which index. Not the values: they are the record's.
fn occupied(error: &Document, message: &str) -> Option<String> {
    let fields: Vec<String> = error
        .get_document("keyPattern")
        .ok()?
        .keys()
        .map(|field| format!("`{field}`"))
        .collect();
    let index = message.split_once(" index: ")?.1.split(' ').next()?;
    let fields = fields.join(", ");
    Some(format!(
        "another document has the same {fields}, which the index `{index}` wants to be unique (11000)"
    ))
}

/// Which rules of the validator a document does not keep, and in which field.
fn unsatisfied(error: &Document) -> Option<String> {
    let details = error.get_document("errInfo").ok()?.get_document("details").ok()?;
    let mut rules = Rules::default();
    rules.read(details, "");
    (!rules.found.is_empty()).then(|| format!("the validator does not take it: {}", rules.found.join("; ")))
}

/// What was found in the server's explanation, in its order.
#[derive(Default)]
struct Rules {
    found: Vec<String>,
    levels: usize,
}

impl Rules {
    /// The explanation grows with the schema: nobody reads more.
    const MOST: usize = 8;
    const LEVELS_MAX: usize = 32;

    fn read(&mut self, details: &Document, path: &str) {
        if self.levels == Rules::LEVELS_MAX || self.found.len() >= Rules::MOST {
            return;
        }
        self.levels += 1;
        let before = self.found.len();
        for (list, inner) in [("schemaRulesNotSatisfied", ""), ("clausesNotSatisfied", "details"), ("details", "")] {
            for entry in entries(details, list) {
                let entry = if inner.is_empty() {
                    Some(entry)
                } else {
                    entry.get_document(inner).ok()
                };
                if let Some(entry) = entry {
                    self.read(entry, path);
                }
            }
        }
        if let Ok(inner) = details.get_document("details") {
            self.read(inner, path);
        }
        for entry in entries(details, "propertiesNotSatisfied") {
            let name = entry.get_str("propertyName").unwrap_or("?");
            self.read(
                entry,
                &if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}.{name}")
                },
            );
        }
        self.names(details, "missingProperties", path, "is missing");
        self.names(details, "additionalProperties", path, "is not in the contract");
        if self.found.len() == before && (details.contains_key("reason") || details.contains_key("specifiedAs")) {
            self.rule(details, path);
        }
        self.levels -= 1;
    }

    fn rule(&mut self, rule: &Document, path: &str) {
        let name = rule.get_str("operatorName").unwrap_or("rule");
        let reason = rule.get_str("reason").unwrap_or("not satisfied");
        let kind = rule
            .get_str("consideredType")
            .map(|kind| format!(", it is {kind}"))
            .unwrap_or_default();
        let field = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
        self.push(format!("{field}{name} ({reason}{kind})"));
    }

    fn names(&mut self, details: &Document, list: &str, path: &str, what: &str) {
        for name in details.get_array(list).into_iter().flatten().filter_map(Bson::as_str) {
            let dot = if path.is_empty() { "" } else { "." };
            self.push(format!("`{path}{dot}{name}` {what}"));
        }
    }

    fn push(&mut self, rule: String) {
        if self.found.len() < Rules::MOST && !self.found.contains(&rule) {
            self.found.push(rule.chars().take(200).collect());
        }
    }
}

fn entries<'d>(details: &'d Document, list: &str) -> impl Iterator<Item = &'d Document> {
    details.get_array(list).into_iter().flatten().filter_map(Bson::as_document)
}

fn code_of(error: &Document) -> i32 {
    number(error.get("code"))
        .and_then(|code| i32::try_from(code).ok())
        .unwrap_or_default()
}

/// A number of whatever type: servers differ.
pub(super) fn number(value: Option<&Bson>) -> Option<u64> {
    match value? {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        Bson::Double(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
