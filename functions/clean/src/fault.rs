//! What is wrong with a record: values, never errors (the batch goes on).

use std::fmt;

/// More faults of one record are counted, not kept: a list of a million wrong items must not fill the memory.
const FAULTS_MAX: usize = 1_000;

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $reason:ident = $text:literal,)+) => {
        /// Why a record was rejected. The texts are stable: `tidemill rejects --by reason` groups by them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $meaning])+ $reason,)+ }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$reason,)+];

            /// As it stands in `rejected/`.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$reason => $text,)+ }
            }

            /// What it means, for the table in the README.
            pub fn meaning(self) -> &'static str {
                match self { $(Reason::$reason => concat!($($meaning),+),)+ }
            }
        }
    };
}

reasons! {
    /// The capture, line or item is not JSON, or nests deeper than 128; the message says where.
    NotJson = "not_json",
    /// The bytes are not UTF-8 (UTF-16, perhaps: the message says so); `record` holds them in base64.
    NotUtf8 = "not_utf8",
    /// The reply or document has nothing, or no list, where the `data_selector` looks: an error document, perhaps.
    SelectorMissing = "selector_missing",
    /// A record that is not an object, while no field reads `$`.
    NotAnObject = "not_an_object",
    /// A header without the columns that the fields need, and no row below it: not the file that was meant, perhaps.
    WrongHeader = "wrong_header",
    /// The row has more or fewer values than there are columns.
    WrongColumnCount = "wrong_column_count",
    /// The file ends within a quoted value.
    UnclosedQuote = "unclosed_quote",
    /// After the quote that closes a value stands more of it: a quote within quotes is written twice.
    MalformedQuote = "malformed_quote",
    /// What `unnest` names is not a list.
    UnnestNotAList = "unnest_not_a_list",
    /// No record of the whole object has the list that `unnest` names: a misspelt path, perhaps. One reject stands for all of them.
    UnnestNowhere = "unnest_nowhere",
    /// A key that is read stands in its object twice: neither value is chosen.
    DuplicateKey = "duplicate_key",
    /// Nothing is there, and the field is neither nullable nor has a default.
    Missing = "missing",
    /// Null is there, and the field is neither nullable nor has a default.
    Null = "null",
    /// A kind of value that can't become the type: an object for a number, say.
    WrongType = "wrong_type",
    /// A text that is no number.
    NotANumber = "not_a_number",
    /// A number with a fraction for an `int` or `long`.
    NotAWholeNumber = "not_a_whole_number",
    /// A number or text that is neither true nor false.
    NotABool = "not_a_bool",
    /// A text that is no time of the field's format, or a day that no calendar has.
    NotATime = "not_a_time",
    /// A local time that the time zone skips.
    NoSuchTime = "no_such_time",
    /// A local time that the time zone has twice.
    AmbiguousTime = "ambiguous_time",
    /// An object or list that is no point.
    NotAPoint = "not_a_point",
    /// A number, time or coordinate that the type can't hold.
    OutOfRange = "out_of_range",
    /// More digits than Decimal128 holds (34).
    TooManyDigits = "too_many_digits",
    /// Half of a surrogate pair, which no text can hold.
    LoneSurrogate = "lone_surrogate",
    /// A NUL character in a key, which BSON can't hold.
    NulInKey = "nul_in_key",
    /// More than 100 levels of BSON.
    TooDeep = "too_deep",
    /// A document beyond 48 MB.
    TooLarge = "too_large",
    /// Less than `min`.
    BelowMin = "below_min",
    /// More than `max`.
    AboveMax = "above_max",
    /// Shorter than `min_length`.
    TooShort = "too_short",
    /// Longer than `max_length`.
    TooLong = "too_long",
    /// The `pattern` does not match.
    Pattern = "pattern",
    /// Not one of the values allowed.
    NotOneOf = "not_one_of",
    /// A key that no field reads, under `unknown_fields: reject`.
    UnknownField = "unknown_field",
    /// A key to be kept, under `unknown_fields: keep`, is called like a field of the document.
    NameTaken = "name_taken",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `sources[3].name`; empty when it is the record as a whole.
    pub field: String,
    pub reason: Reason,
    pub message: String,
    /// The value as JSON, cut short where it is long.
    pub value: Option<String>,
}

/// Why a value can't become what it should; the caller knows the field and the value.
/// Boxed, so that a good value passes in registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem(Box<(Reason, String)>);

impl Problem {
    #[cold]
    pub fn new(reason: Reason, message: impl Into<String>) -> Problem {
        Problem(Box::new((reason, message.into())))
    }

    pub fn reason(&self) -> Reason {
        self.0.0
    }

    pub fn message(self) -> String {
        self.0.1
    }
}

/// The faults of one record.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    more: u64,
}

impl Faults {
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// How many there were beyond those in the list.
    pub fn more(&self) -> u64 {
        self.more
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
        self.more = 0;
    }

    /// Forgets what was added after there were `length`.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.list.truncate(length);
        self.more = 0;
    }

    #[cold]
    pub(crate) fn add(&mut self, field: &str, problem: Problem, value: Option<String>) {
        if self.list.len() < FAULTS_MAX {
            self.list.push(Fault {
                field: field.to_owned(),
                reason: problem.reason(),
                message: problem.message(),
                value,
            });
        } else {
            self.more += 1;
        }
    }

    /// Puts `step` (`name` or `[3]`) before the fields of the faults added after there were `length`: they stand below it.
    #[cold]
    pub(crate) fn place(&mut self, length: usize, step: &str) {
        for fault in self.list.iter_mut().skip(length) {
            let dot = if fault.field.is_empty() || fault.field.starts_with('[') {
                ""
            } else {
                "."
            };
            fault.field = format!("{step}{dot}{}", fault.field);
        }
    }
}
