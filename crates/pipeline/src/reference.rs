//! The reference of the language for its users, in Markdown, printed from the JSON Schema and so from the doc comments of the types.

use crate::schema::schema;
use serde_json::{Map, Value};

/// The text of `pipelines/README.md`.
pub fn reference() -> String {
    let schema = schema();
    let mut printer = Printer {
        root: &schema,
        text: INTRODUCTION.to_owned(),
        sections: Vec::new(),
    };
    printer.plan("Pipeline", "");
    printer.contents();
    printer.mapping("", &schema, None);
    for section in printer.sections.clone() {
        printer.section(&section);
    }
    printer.values();
    printer.text
}

const INTRODUCTION: &str = "<!-- Printed from the types of crates/pipeline. Do not edit: `UPDATE=1 cargo test -p pipeline --test fresh` prints it again. -->

# The language of a pipeline file

A pipeline is one YAML file in this folder: where the data is, what a record must look like, where it goes, how often. This one reads a list of
countries once a day and keeps one document a country:

```yaml
pipeline: countries
schedule: rate(1 day)
source:
  rest_api: {base_url: \"https://api.example.org/v1/\"}
resources:
  - name: countries
    endpoint: {path: countries, data_selector: \"$.items[*]\"}
    record:
      primary_key: [code]
      fields:
        code: {type: string, pattern: \"^[A-Z]{2}$\"}
        name: {type: string, trim: true}
        people: {from: population.total, type: long, nullable: true, min: 0}
    load:
      collection: countries
```

Read it from the top: the `source` says where to ask, each of the `resources` what to ask for (`endpoint`), what a good record is (`record`), and which
collection its documents go to (`load`). A record that breaks its contract is not lost: it goes to `rejected/` with every field that is wrong.

- `tidemill check FILE` finds every mistake of a file at once: unknown keys, wrong values, rules that make no sense together.
- `tidemill init NAME` writes a commented file to start from; `tidemill try NAME` fetches one page and shows what would become of it.
- `tidemill schema` prints a JSON Schema, with which an editor completes keys and marks mistakes.

Below, a section is a place in the file, named by the way to it: `[]` is an item of a list, `NAME` a key that you choose. In the tables, a key
without a default may be left out, unless it is **required**.

";

const SECRETS: &str = "### Secrets

No secret stands in a pipeline file. Under `source`, `${env:NAME}` is the variable `NAME` of the environment; `${secret:name}` is a secret, and
`${secret:name#field}` one field of a secret that is a JSON object of texts.

On a laptop each is looked for in the environment, then in a file `.env` in the folder where `tidemill` is started (a line is `NAME=value`; keep the file out of
the repository). A secret's variable is `TIDEMILL_SECRET_` and its name in capitals, with `_` for `-`: `${secret:usgs-feed#token}` is read from

```
TIDEMILL_SECRET_USGS_FEED={\"token\": \"…\"}
```

";

/// Types that are one value; they are explained together at the end.
const VALUES: [(&str, &str); 9] = [
    ("Name", "name"),
    ("Path", "path"),
    ("Span", "length of time"),
    ("ByteSize", "size"),
    ("Template", "template"),
    ("RejectLimit", "count or share"),
    ("IndexKind", "kind of index"),
    ("TextLanguage", "language"),
    ("Scalar", "value"),
];

/// A type with a section of its own, and the way to its first use.
#[derive(Clone)]
struct Section {
    definition: String,
    way: String,
}

struct Printer<'a> {
    root: &'a Value,
    text: String,
    sections: Vec<Section>,
}

impl<'a> Printer<'a> {
    fn definition(&self, name: &str) -> &'a Value {
        match name {
            "Pipeline" => self.root,
            _ => self
                .root
                .get("$defs")
                .and_then(|definitions| definitions.get(name))
                .unwrap_or(&Value::Null),
        }
    }

    /// Finds the sections, in the order in which a reader meets them.
    fn plan(&mut self, definition: &str, way: &str) {
        let mut found = Vec::new();
        references(self.definition(definition), way, &mut found);
        for (definition, way) in found {
            let known = self.sections.iter().any(|section| section.definition == definition);
            if !known && !VALUES.iter().any(|(value, _)| *value == definition) {
                self.sections.push(Section {
                    definition: definition.clone(),
                    way: way.clone(),
                });
                self.plan(&definition, &way);
            }
        }
    }

    fn contents(&mut self) {
        let mut list = String::from("## Contents\n\n- [The whole file](#the-whole-file)\n");
        for section in &self.sections {
            let around = |other: &&Section| {
                section
                    .way
                    .strip_prefix(&other.way)
                    .is_some_and(|rest| rest.starts_with(['.', '[']))
            };
            let depth = self.sections.iter().filter(around).count();
            list += &format!("{}- [`{}`](#{})\n", "  ".repeat(depth), section.way, slug(&section.way));
        }
        list += "- [Values](#values)\n\n";
        self.text += &list;
    }

    fn section(&mut self, section: &Section) {
        let schema = self.definition(&section.definition);
        if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
            self.heading(&section.way, schema);
            if variants.iter().all(|variant| variant.get("const").is_some()) {
                self.words(variants);
            } else {
                self.variants(schema, variants, &section.way);
            }
        } else if schema.get("anyOf").is_some() {
            self.heading(&section.way, schema);
            let kind = self.kind(schema);
            self.text += &format!("One of: {kind}.\n\n");
        } else {
            self.mapping(&section.way, schema, None);
        }
    }

    fn heading(&mut self, way: &str, schema: &Value) {
        self.text += &match way {
            "" => "## The whole file\n\n".to_owned(),
            way => format!("## `{way}`\n\n"),
        };
        let description = description(schema);
        if !description.is_empty() {
            self.text += &format!("{description}\n\n");
        }
    }

    fn mapping(&mut self, way: &str, schema: &Value, description: Option<&str>) {
        match description {
            Some(description) => self.text += &format!("### `{way}`\n\n{description}\n\n"),
            None => self.heading(way, schema),
        }
        let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        if properties.is_empty() {
            self.text += "It has no keys: write `{}`.\n\n";
            return;
        }
        let rows = self.rows(&properties, schema);
        self.text += &table(["Key", "Type", "Default", "Meaning"], &rows);
    }

    fn rows(&self, properties: &Map<String, Value>, schema: &Value) -> Vec<[String; 4]> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let row = |(key, value): (&String, &Value)| {
            let default = match value.get("default") {
                _ if required.contains(&key.as_str()) => "**required**".to_owned(),
                None => String::new(),
                Some(Value::Object(_)) => "see there".to_owned(),
                Some(Value::String(text)) if text.is_empty() => String::new(),
                Some(Value::String(text)) => format!("`{text}`"),
                Some(other) => format!("`{other}`"),
            };
            [format!("`{key}`"), self.kind(value), default, description(value)]
        };
        properties.iter().map(row).collect()
    }

    fn words(&mut self, words: &[Value]) {
        let rows: Vec<[String; 2]> = words
            .iter()
            .map(|word| {
                [
                    format!("`{}`", word.get("const").and_then(Value::as_str).unwrap_or_default()),
                    description(word),
                ]
            })
            .collect();
        self.text += &table(["Word", "Meaning"], &rows);
    }

    /// A mapping of which one key names the variant.
    fn variants(&mut self, schema: &Value, variants: &[Value], way: &str) {
        if let Some(beside) = schema.get("properties").and_then(Value::as_object) {
            let rows = self.rows(beside, schema);
            self.text += &table(["Key", "Type", "Default", "Meaning"], &rows);
            self.text += "Beside these, exactly one of:\n\n";
        }
        let (mut rows, mut inner) = (Vec::new(), Vec::new());
        for variant in variants {
            let Some((key, value)) = variant
                .get("properties")
                .and_then(|properties| properties.as_object()?.iter().next())
            else {
                continue;
            };
            let inline = value.get("$ref").is_none() && value.get("type") == Some(&Value::from("object"));
            let kind = match inline {
                true => format!("[mapping](#{})", slug(&format!("{way}.{key}"))),
                false => self.kind(value),
            };
            rows.push([format!("`{key}`"), kind, description(variant)]);
            if inline {
                inner.push((format!("{way}.{key}"), value, description(variant)));
            }
        }
        self.text += &table(["Key", "Type", "Meaning"], &rows);
        for (way, value, description) in inner {
            self.mapping(&way, value, Some(&description));
        }
    }

    fn values(&mut self) {
        self.text += "## Values\n\n";
        let rows: Vec<[String; 2]> = VALUES
            .iter()
            .map(|(definition, name)| [(*name).to_owned(), description(self.definition(definition))])
            .collect();
        self.text += &table(["Value", "How it is written"], &rows);
        self.text += SECRETS;
        let end = self.text.trim_end().len();
        self.text.truncate(end);
        self.text.push('\n');
    }

    /// The type of a value, linked to where it is explained.
    fn kind(&self, schema: &Value) -> String {
        if let Some(name) = reference_of(schema) {
            if let Some((_, label)) = VALUES.iter().find(|(definition, _)| *definition == name) {
                return format!("[{label}](#values)");
            }
            let definition = self.definition(name);
            let word = definition
                .get("oneOf")
                .and_then(Value::as_array)
                .is_some_and(|variants| variants.iter().all(|v| v.get("const").is_some()));
            let label = if word { "word" } else { "mapping" };
            if let Some(section) = self.sections.iter().find(|section| section.definition == name) {
                let label = if definition.get("anyOf").is_some() {
                    "type or field"
                } else {
                    label
                };
                return format!("[{label}](#{})", slug(&section.way));
            }
        }
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            let kinds: Vec<String> = choices.iter().map(|choice| self.kind(choice)).collect();
            return kinds.join(" or ");
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("string") if schema.get("maxLength") == Some(&Value::from(1)) => "character".into(),
            Some("string") => "text".into(),
            Some("integer") => "whole number".into(),
            Some("number") => "number".into(),
            Some("boolean") => "`true` or `false`".into(),
            Some("array") => format!("list: {}", self.kind(schema.get("items").unwrap_or(&Value::Null))),
            Some("object") => format!("map: {}", self.kind(schema.get("additionalProperties").unwrap_or(&Value::Null))),
            _ => "any".into(),
        }
    }
}

fn reference_of(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)?.rsplit('/').next()
}

/// The definitions that a schema names, each with the way to it.
fn references(schema: &Value, way: &str, found: &mut Vec<(String, String)>) {
    if let Some(name) = reference_of(schema) {
        found.push((name.to_owned(), way.to_owned()));
    }
    for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let dot = if way.is_empty() { "" } else { "." };
        references(value, &format!("{way}{dot}{key}"), found);
    }
    for key in ["oneOf", "anyOf"] {
        for choice in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            references(choice, way, found);
        }
    }
    if let Some(items) = schema.get("items") {
        references(items, &format!("{way}[]"), found);
    }
    if let Some(others) = schema.get("additionalProperties") {
        references(others, &format!("{way}.NAME"), found);
    }
}

fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    text.replace('\n', " ")
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_' || *c == '-' || *c == ' ')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A Markdown table whose columns line up; the last one runs free.
fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let escaped: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| cell.replace('|', "\\|"))).collect();
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(escaped);
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(|column| if column + 1 == N { 0 } else { width(column) }).collect();
    let mut text = String::new();
    for (place, row) in lines.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}", width = *width))
            .collect();
        text += &format!("| {} |\n", cells.join(" | "));
        if place == 0 {
            let rules: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| "-".repeat((*width).max(cell.chars().count())))
                .collect();
            text += &format!("| {} |\n", rules.join(" | "));
        }
    }
    text + "\n"
}
