//! Where the data is: `rest_api` and `files`.

use crate::{ByteSize, Path, Span, Template};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the data is. One key names the kind of source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An HTTP API that answers in pages.
    RestApi(Box<RestApi>),
    /// Files: CSV, NDJSON or JSON, from a folder or over HTTP.
    Files(Box<Files>),
}

/// An HTTP API that answers in pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestApi {
    /// What every path starts with: `https://api.example.org/v1/`. A private or loopback address is reached only when it stands here.
    pub base_url: Template,
    /// How to prove who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Headers sent with every request.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, Template>,
    /// Query parameters sent with every request.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, Template>,
    #[serde(default, flatten)]
    pub http: HttpLimits,
}

/// Limits and patience of the requests to a source. They stand beside `base_url` (or `root`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpLimits {
    /// At most so many requests in any window of a length of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// How long to wait for what.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// When and how often to ask again.
    #[serde(default)]
    pub retries: Retries,
    /// The largest reply read, after decompression. A larger one fails the run. The default is `16MB`, the most is `40MB`: a reply is one line of `raw/`. Files
    /// may be of any size; of a JSON file larger than this, the records are cut out one by one.
    #[serde(default = "HttpLimits::reply_size_max")]
    pub reply_size_max: ByteSize,
}

impl HttpLimits {
    fn reply_size_max() -> ByteSize {
        ByteSize(16 << 20)
    }
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            rate_limit: None,
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            reply_size_max: HttpLimits::reply_size_max(),
        }
    }
}

/// How to prove who asks. One key names the way. The credential is left out of all that is noted of a request; a reply's body is kept in `raw/` as it came,
/// so a source that repeats the credential in its replies puts it there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer {
        /// The token, as `${secret:name#field}` or `${env:NAME}`.
        token: Template,
    },
    /// HTTP basic authentication (RFC 7617).
    Basic {
        /// The user.
        username: Template,
        /// The password, as `${secret:name#field}` or `${env:NAME}`.
        password: Template,
    },
    /// A key in a header or a query parameter.
    ApiKey {
        /// The header's or parameter's name.
        name: String,
        /// The key, as `${secret:name#field}` or `${env:NAME}`.
        value: Template,
        /// Where it is sent: `header` or `query`.
        #[serde(default)]
        location: ApiKeyLocation,
    },
}

/// Where an API key is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyLocation {
    /// In a header. The default.
    #[default]
    Header,
    /// In the query. It is left out of the addresses that are kept in the lake.
    Query,
}

/// At most so many requests per length of time: never more than so many in any window of that length, retries included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests, 1 at least.
    pub requests: u32,
    /// In which time: `1s`, `1m`.
    pub per: Span,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For the connection. The default is `10s`.
    pub connect: Span,
    /// From the request to the head of the reply. The default is `30s`.
    pub first_byte: Span,
    /// For the whole reply. The default is `5m`.
    pub reply: Span,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let seconds = |s| Span(std::time::Duration::from_secs(s));
        Timeouts {
            connect: seconds(10),
            first_byte: seconds(30),
            reply: seconds(300),
        }
    }
}

/// When and how often to ask again: after a transport error, 408, 425, 429 and 5xx, with full-jitter exponential back-off, or after what `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// How many requests in all for one page, the first included. The default is 6.
    pub attempts_max: u32,
    /// The first wait is at most this; each further one at most twice as long. The default is `500ms`.
    pub backoff: Span,
    /// No wait is longer than this; a `Retry-After` beyond it fails the run. The default is `2m`.
    pub backoff_max: Span,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            attempts_max: 6,
            backoff: Span(std::time::Duration::from_millis(500)),
            backoff_max: Span(std::time::Duration::from_secs(120)),
        }
    }
}

/// How to ask an HTTP API for one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The path below `base_url`.
    #[serde(default)]
    pub path: Template,
    /// Headers of this resource, over those of the source.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, Template>,
    /// Query parameters of this resource, over those of the source.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub params: IndexMap<String, Template>,
    /// How to get from one page to the next. Without it there is one page.
    #[serde(default)]
    pub paginator: Paginator,
    /// Where the records are in a reply: `$.features[*]`. Without it, the items of the reply if it is a list, else the reply itself. Lists in lists are walked
    /// (`$.groups[*].items[*]`); an object whose keys are ids is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_selector: Option<Path>,
    /// Ask only for what is new since the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental: Option<Incremental>,
    /// The most pages of one run; a run that reaches it fails rather than leave records behind in silence. The default is 100000.
    #[serde(default = "pages_max", skip_serializing_if = "is_pages_max")]
    pub pages_max: u32,
}

fn pages_max() -> u32 {
    100_000
}

fn is_pages_max(value: &u32) -> bool {
    *value == pages_max()
}

/// How to get from one page to the next. One key names the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Paginator {
    /// One page holds all. The default.
    SinglePage {},
    /// A parameter counts pages.
    PageNumber {
        /// The parameter that takes the number. The default is `page`.
        #[serde(default = "page_param")]
        page_param: String,
        /// The first page's number. The default is 1.
        #[serde(default = "one")]
        initial_page: u64,
        /// How many records to ask for in a page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// The parameter that takes `limit`, such as `per_page`. Needs `limit`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit_param: Option<String>,
        /// Where the reply says how many records there are in all: the run ends when so many were seen, and a run that ends with fewer fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_path: Option<Path>,
        /// End at a page with fewer records than `limit`. Off by default: a server that caps its pages would lose records.
        #[serde(default)]
        stop_on_short_page: bool,
    },
    /// A parameter counts records.
    Offset {
        /// How many records to ask for in a page. The offset moves by the records that came, so that a server which caps its pages loses none.
        limit: u64,
        /// The parameter that takes the offset. The default is `offset`.
        #[serde(default = "offset_param")]
        offset_param: String,
        /// The parameter that takes `limit`. The default is `limit`.
        #[serde(default = "limit_param")]
        limit_param: String,
        /// The first record's number. The default is 0.
        #[serde(default)]
        initial_offset: u64,
        /// Where the reply says how many records there are in all: the run ends when so many were seen, and a run that ends with fewer fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total_path: Option<Path>,
        /// End at a page with fewer records than `limit`. Off by default: a server that caps its pages would lose records.
        #[serde(default)]
        stop_on_short_page: bool,
    },
    /// The reply holds a mark which the next request sends back.
    Cursor {
        /// Where the mark is in the reply. The run ends when it is missing, null or empty.
        cursor_path: Path,
        /// The parameter that sends it back.
        cursor_param: String,
        /// Where the reply says whether there is more, if it does: `true` or `false`, also as a text, or `1` or `0`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        has_more_path: Option<Path>,
    },
    /// The reply holds the address of the next page.
    NextUrl {
        /// Where the address is in the reply. The run ends when it is missing, null or empty.
        next_url_path: Path,
    },
    /// The header `Link: <…>; rel="next"` (RFC 8288).
    LinkHeader {
        /// The relation to follow. The default is `next`.
        #[serde(default = "rel_next")]
        rel: String,
    },
}

impl Default for Paginator {
    fn default() -> Paginator {
        Paginator::SinglePage {}
    }
}

fn page_param() -> String {
    "page".into()
}
fn offset_param() -> String {
    "offset".into()
}
fn limit_param() -> String {
    "limit".into()
}
fn rel_next() -> String {
    "next".into()
}
fn one() -> u64 {
    1
}

/// Ask only for what is new since the last run: `{incremental.start_value}` in a parameter, the path or a header is the cursor less the lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incremental {
    /// Where a record holds the value that grows: `properties.updated`.
    pub cursor_path: Path,
    /// What kind of value it is.
    #[serde(rename = "type")]
    pub kind: CursorType,
    /// Where the first run starts; sent as it is written. Later start values are sent in the same form: a number as a number; a day (`2024-01-31`) as a day; a
    /// time with as many digits of the second's fraction, and without an offset if it is written without one, else in UTC with `Z`. What the form leaves out is
    /// rounded down, so a window never starts too late.
    pub initial_value: Scalar,
    /// How far before the cursor a run starts, for records that arrive late. For `int` a length of time makes no sense and is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Span>,
    /// Where every run ends: for a one-off back-fill of a closed window. Sent as `{incremental.end_value}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_value: Option<Scalar>,
}

/// The kind of value an incremental cursor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CursorType {
    /// Seconds since 1970-01-01T00:00:00Z.
    UnixS,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMs,
    /// A date or time as in ISO 8601 or RFC 3339; without an offset it is taken as UTC.
    Iso8601,
    /// A whole number that grows, such as an id.
    Int,
}

/// Files, from a folder or over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// What every `path` starts with: a folder (relative to the pipeline file) or an `http(s)` URL. Without it, the pipeline file's folder.
    #[serde(default)]
    pub root: Template,
    /// How to prove who asks, for a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Headers sent with every request, for a URL.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, Template>,
    #[serde(default, flatten)]
    pub http: HttpLimits,
}

/// Which file or files hold a resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The file below `root`; `*`, `?`, `[…]` and `**` match many, read in the order of their names. A full `http(s)` URL stands for itself.
    pub path: Template,
    /// How the file is written. Without it, what its name says (`.csv`, `.tsv`, `.ndjson`, `.jsonl`, `.json`, before `.gz` or `.zst`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// How it is compressed. The default, `auto`, looks at the first bytes.
    #[serde(default)]
    pub compression: Compression,
}

impl File {
    /// The format that is written, else what the name of the file says (a variable in it is read as some text), else nothing.
    pub fn format_or_guess(&self) -> Option<FileFormat> {
        if self.format.is_some() {
            return self.format.clone();
        }
        let name = self.path.render(|_| Ok::<_, std::convert::Infallible>(String::from("x"))).ok()?;
        let name = name.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        let (_, extension) = name.rsplit_once('.')?;
        match extension {
            "csv" => Some(FileFormat::Csv(Csv::default())),
            "tsv" => Some(FileFormat::Csv(Csv {
                delimiter: '\t',
                ..Csv::default()
            })),
            "ndjson" | "jsonl" => Some(FileFormat::Ndjson(Ndjson {})),
            "json" => Some(FileFormat::Json(JsonFile::default())),
            _ => None,
        }
    }
}

/// How a file is written. One key names the format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Comma-separated values (RFC 4180) and their dialects. Every value is text; the field types turn it into numbers and times.
    Csv(Csv),
    /// One JSON value a line.
    Ndjson(Ndjson),
    /// One JSON document.
    Json(JsonFile),
}

/// The dialect of a CSV file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Csv {
    /// What parts the values: one ASCII character. The default is `,`.
    pub delimiter: char,
    /// What encloses values: one ASCII character. The default is `"`; doubled inside, it stands for itself.
    pub quote: char,
    /// Lines that start with this ASCII character are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// Whether the first line names the columns. The default is `true`.
    pub header: bool,
    /// The columns' names, when the file does not name them (`header: false`), or to name them anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl Default for Csv {
    fn default() -> Csv {
        Csv {
            delimiter: ',',
            quote: '"',
            comment: None,
            header: true,
            columns: Vec::new(),
        }
    }
}

/// One JSON value a line. Empty lines are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ndjson {}

/// One JSON document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonFile {
    /// Where the records are in the document: `$.features[*]`. Without it, the items of the document if it is a list, else the document itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_selector: Option<Path>,
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// By the first bytes. The default.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// A value written in the pipeline file: text, a number or a truth value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}
