//! The shape of a file: walks its tree beside the JSON Schema of the language and notes every key and value that does not fit.
//!
//! The walk gives back the tree with what is meant in place of what is misspelt, and without what is wrong, so that later checks can go on.

mod keywords;

use crate::{
    fault::Collector,
    later::later,
    suggest::{did_you_mean, nearest, one_of},
    syntax,
    yaml::{Entry, Node, Value as Yaml},
};
use keywords::{Resolved, accepts, expected, kinds, out_of_range, required, resolve, section, stand_in, words};
use serde_json::{Map, Value};
use std::ops::Range;

/// Notes what does not fit `schema`; the repaired tree, if enough is left to go on with.
pub(crate) fn walk(schema: &Value, node: &Node, faults: &mut Collector<'_>) -> Option<Node> {
    let place = Place {
        owner: "a pipeline".into(),
        span: first_key(node),
        entry: "the pipeline file".into(),
    };
    Walker { root: schema, faults }.value(schema, node, &place)
}

/// Where a value stands, for messages.
struct Place {
    /// The value as the owner of keys: "`endpoint`", "the field `magnitude`".
    owner: String,
    /// The value as an entry: "`limit`".
    entry: String,
    /// What to underline when something is missing in it.
    span: Range<usize>,
}

struct Walker<'a, 't> {
    root: &'a Value,
    faults: &'a mut Collector<'t>,
}

impl<'a> Walker<'a, '_> {
    fn resolve(&self, schema: &'a Value) -> Resolved<'a> {
        resolve(self.root, schema)
    }

    fn value(&mut self, schema: &'a Value, node: &Node, place: &Place) -> Option<Node> {
        let Resolved { schema, name } = self.resolve(schema);
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            return self.any_of(schema, choices, node, place);
        }
        if let Some(words) = words(schema) {
            return self.word(&words, name, node, place);
        }
        if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
            return self.variants(schema, name, variants, node, place);
        }
        if !accepts(schema, node) {
            self.wrong_kind(schema, node, place);
            return None;
        }
        match &node.value {
            Yaml::Map(entries) => self.object(schema, name, entries, node, place),
            Yaml::List(items) => Some(self.list(schema, items, node, place)),
            _ => self.scalar(schema, node, place),
        }
    }

    fn any_of(&mut self, schema: &'a Value, choices: &'a [Value], node: &Node, place: &Place) -> Option<Node> {
        match choices.iter().find(|choice| accepts(self.resolve(choice).schema, node)) {
            Some(choice) => self.value(choice, node, place),
            None => {
                self.wrong_kind(schema, node, place);
                None
            }
        }
    }

    /// One of a set of words or numbers.
    fn word(&mut self, words: &[&'a Value], within: &str, node: &Node, place: &Place) -> Option<Node> {
        let texts: Vec<String> = words
            .iter()
            .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
            .collect();
        let written = match &node.value {
            Yaml::Text(text) if words.iter().any(|word| word.as_str() == Some(text)) => return Some(node.clone()),
            Yaml::Integer(number) if words.iter().any(|word| word.as_i64() == Some(*number)) => return Some(node.clone()),
            Yaml::Text(text) => text.as_str(),
            _ => "",
        };
        if let Some(meaning) = later(written, within) {
            self.faults.add(&node.span, format!("`{written}` ({meaning}) is not available yet"));
            return None;
        }
        let meant = nearest(written, texts.iter().map(String::as_str));
        let found = node.what();
        let message = format!("{} must be {}, not {found}", place.entry, one_of(&texts));
        self.faults.note(&node.span, message, meant.map(did_you_mean));
        let value = Yaml::Text(meant?.to_owned());
        Some(Node { value, ..node.clone() })
    }

    /// A mapping of which one key names the variant, perhaps beside other keys.
    fn variants(&mut self, schema: &'a Value, name: &'a str, variants: &'a [Value], node: &Node, place: &Place) -> Option<Node> {
        let mut properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let beside = properties.len();
        let mut names = Vec::new();
        for variant in variants.iter().filter_map(|variant| variant.get("properties")?.as_object()) {
            names.extend(variant.keys().cloned());
            properties.extend(variant.clone());
        }
        let Yaml::Map(entries) = &node.value else {
            let help = match &node.value {
                Yaml::Text(text) if names.contains(text) => {
                    Some(format!("write `{{{text}: {{}}}}`, with its keys between the inner braces"))
                }
                Yaml::Text(text) => {
                    nearest(text, names.iter().map(String::as_str)).map(|meant| format!("did you mean `{{{meant}: {{}}}}`?"))
                }
                _ => None,
            };
            let span = self.span_of(node, place);
            let message = match &node.value {
                Yaml::Text(text) if later(text, name).is_some() => format!("`{text}` ({}) is not available yet", later(text, name)?),
                // A secret may have been written right here.
                Yaml::Text(_) if name == "Auth" => {
                    format!("{} must be a mapping with one key, {}, not a text", place.entry, one_of(&names))
                }
                _ => format!(
                    "{} must be a mapping with one key, {}, not {}",
                    place.entry,
                    one_of(&names),
                    node.what()
                ),
            };
            if name == "Auth" {
                self.faults.hide(&span);
            }
            self.faults.note(&span, message, help);
            return None;
        };
        let required: Vec<&str> = required(schema);
        let map = self.entries(&properties, None, name, &required, entries, node, place)?;
        let named: Vec<&Entry> = match &map.value {
            Yaml::Map(entries) => entries.iter().filter(|entry| names.contains(&entry.key)).collect(),
            _ => Vec::new(),
        };
        match named.as_slice() {
            [_] => Some(map),
            // What was written in its place was noted.
            [] if !map.lost.is_empty() || entries.iter().any(|entry| !properties.contains_key(&entry.key)) => None,
            [] => {
                let also = if beside > 0 { " beside it" } else { "" };
                self.faults.add(
                    &place.span,
                    format!("{} needs one of the keys {}{also}", place.owner, one_of(&names)),
                );
                None
            }
            [first, second, ..] => {
                let message = format!(
                    "{} takes one of these keys, not both `{}` and `{}`",
                    place.owner, first.key, second.key
                );
                self.faults.add(&second.key_span, message);
                None
            }
        }
    }

    fn object(&mut self, schema: &'a Value, name: &'a str, entries: &[Entry], node: &Node, place: &Place) -> Option<Node> {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        self.entries(properties, others, name, &required(schema), entries, node, place)
    }

    /// The entries of a mapping: known ones by their schema, others by `others` if the mapping is open.
    #[allow(
        clippy::too_many_arguments,
        reason = "one call for the two kinds of mapping; a struct would be made to be taken apart"
    )]
    fn entries(
        &mut self,
        properties: &Map<String, Value>,
        others: Option<&Value>,
        name: &str,
        required: &[&str],
        entries: &[Entry],
        node: &Node,
        place: &Place,
    ) -> Option<Node> {
        let (mut kept, mut lost, mut whole) = (Vec::new(), Vec::new(), true);
        for entry in entries {
            let mut entry = entry.clone();
            if !properties.contains_key(&entry.key) && others.is_none() {
                let Some(meant) = self.unknown_key(properties, name, &entry, place, entries) else {
                    continue;
                };
                entry.key = meant;
            }
            let Some(schema) = properties.get(&entry.key).or(others) else {
                continue;
            };
            let place = entry_place(&entry, resolve(self.root, schema).name);
            // The properties of variants are put together for the walk, so they live shorter than the schema.
            let value = Walker {
                root: self.root,
                faults: self.faults,
            }
            .value(schema, &entry.value, &place);
            let twice = kept.iter().any(|other: &Entry| other.key == entry.key) || lost.contains(&entry.key);
            match value {
                _ if twice => {} // Noted when the file was read; the first one stands.
                Some(value) => kept.push(Entry { value, ..entry }),
                None => {
                    lost.push(entry.key.clone());
                    if required.contains(&entry.key.as_str()) {
                        match stand_in(self.root, schema, &entry.value) {
                            Some(value) => kept.push(Entry { value, ..entry }),
                            None => whole = false,
                        }
                    }
                }
            }
        }
        for key in required {
            if !kept.iter().any(|entry| entry.key == *key) && !lost.iter().any(|lost| lost == key) {
                whole = false;
                let meaning = properties.get(*key).and_then(|schema| schema.get("description")?.as_str());
                let help = meaning.map(|meaning| format!("`{key}`: {}", first_sentence(meaning)));
                self.faults
                    .note(&place.span, format!("{} needs the key `{key}`", place.owner), help);
            }
        }
        whole.then(|| Node {
            value: Yaml::Map(kept),
            span: node.span.clone(),
            lost,
        })
    }

    /// Notes a key that is not one of the mapping's; the key that was meant, if that is clear and not there too.
    fn unknown_key(
        &mut self,
        properties: &Map<String, Value>,
        within: &str,
        entry: &Entry,
        place: &Place,
        beside: &[Entry],
    ) -> Option<String> {
        let key = crate::yaml::shortened(&entry.key);
        if let Some(meaning) = later(&entry.key, within) {
            self.faults
                .add(&entry.key_span, format!("`{key}` ({meaning}) is not available yet"));
            return None;
        }
        let free = |name: &&String| !beside.iter().any(|other| other.key == **name);
        let meant = nearest(&entry.key, properties.keys().filter(free).map(String::as_str));
        let help = match meant {
            Some(meant) => did_you_mean(meant),
            None => self.elsewhere(&entry.key).unwrap_or_else(|| {
                let keys: Vec<String> = properties.keys().map(|key| format!("`{key}`")).collect();
                match keys.is_empty() {
                    true => "it takes no keys".to_owned(),
                    false => format!("its keys are {}", keys.join(", ")),
                }
            }),
        };
        self.faults
            .add_help(&entry.key_span, format!("`{key}` is not a key of {}", place.owner), help);
        meant.map(str::to_owned)
    }

    /// Where a key belongs, if it is the key of exactly one other section.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let definitions = self.root.get("$defs")?.as_object()?;
        let has = |schema: &&(&String, &Value)| schema.1.get("properties").is_some_and(|properties| properties.get(key).is_some());
        let sections: Vec<&str> = definitions
            .iter()
            .filter(|definition| has(&definition))
            .filter_map(|(name, _)| section(name))
            .collect();
        match sections.as_slice() {
            [only] => Some(format!("`{key}` is a key of `{only}`")),
            _ => None,
        }
    }

    fn list(&mut self, schema: &'a Value, items: &[Node], node: &Node, place: &Place) -> Node {
        let (mut kept, mut lost) = (Vec::new(), Vec::new());
        for (at, item) in items.iter().enumerate() {
            let place = Place {
                owner: format!("an item of {}", place.entry),
                entry: format!("an item of {}", place.entry),
                span: first_key(item),
            };
            let walked = match schema.get("items") {
                Some(schema) => self.value(schema, item, &place),
                None => Some(item.clone()),
            };
            match walked {
                Some(item) => kept.push(item),
                None => lost.push(at.to_string()),
            }
        }
        Node {
            value: Yaml::List(kept),
            span: node.span.clone(),
            lost,
        }
    }

    fn scalar(&mut self, schema: &Value, node: &Node, place: &Place) -> Option<Node> {
        let problem = match &node.value {
            Yaml::Integer(number) => out_of_range(schema, *number),
            Yaml::Beyond => Some("is beyond 64 bits".to_owned()),
            Yaml::Text(text) if schema.get("maxLength") == Some(&Value::from(1)) && text.chars().count() != 1 => {
                Some(format!("must be one character, not `{}`", crate::yaml::shortened(text)))
            }
            _ => None,
        };
        if let Some(problem) = problem {
            self.faults.add(&node.span, format!("{} {problem}", place.entry));
            return None;
        }
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        let text = match &node.value {
            Yaml::Text(text) => text.clone(),
            Yaml::Integer(number) => number.to_string(),
            _ => return Some(node.clone()),
        };
        match syntax::check(format, &text) {
            Ok(()) => Some(node.clone()),
            Err(problem) => {
                self.faults
                    .note(&node.span, format!("{}: {}", place.entry, problem.message), problem.help);
                None
            }
        }
    }

    fn wrong_kind(&mut self, schema: &Value, node: &Node, place: &Place) {
        let expected = expected(self.root, schema);
        let span = self.span_of(node, place);
        if matches!(node.value, Yaml::Null) {
            let help = match kinds(schema).contains(&"object") {
                true => "write `{}` if it has no keys of its own, or leave the key out",
                false => "give it a value or leave the key out",
            };
            self.faults
                .add_help(&span, format!("{} has no value: it must be {expected}", place.entry), help);
            return;
        }
        let help = match &node.value {
            Yaml::Integer(_) | Yaml::Float(..) | Yaml::Bool(_) | Yaml::Beyond
                if kinds(schema) == ["string"] && schema.get("format").is_none() =>
            {
                Some("put it in quotes to make it a text".to_owned())
            }
            Yaml::Text(text) if kinds(schema).contains(&"boolean") => match text.to_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
                "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
                _ => None,
            },
            Yaml::Text(text) if expected.contains("number") && text.trim().parse::<f64>().is_ok() => {
                Some(format!("write it without quotes: `{}`", text.trim()))
            }
            Yaml::Text(text) if place.owner.starts_with("the field") => Some(format!("write `{{type: {}}}`", crate::yaml::shortened(text))),
            Yaml::Text(text) if kinds(schema).contains(&"array") => {
                Some(format!("write it as a list: `[{}]`", crate::yaml::shortened(text)))
            }
            _ => None,
        };
        self.faults
            .note(&span, format!("{} must be {expected}, not {}", place.entry, node.what()), help);
    }

    /// A scalar is underlined itself; of a mapping, a list or nothing, the key.
    fn span_of(&self, node: &Node, place: &Place) -> Range<usize> {
        match node.value {
            Yaml::Null | Yaml::Map(_) | Yaml::List(_) => place.span.clone(),
            _ => node.span.clone(),
        }
    }
}

fn entry_place(entry: &Entry, kind: &str) -> Place {
    let key = crate::yaml::shortened(&entry.key);
    Place {
        owner: match kind {
            "Field" => format!("the field `{key}`"),
            _ => format!("`{key}`"),
        },
        entry: format!("`{key}`"),
        span: entry.key_span.clone(),
    }
}

/// Of a description, the part that says what a key is.
fn first_sentence(description: &str) -> String {
    let text = description.replace('\n', " ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}

/// What to underline for an item that has no key: its first key, or its start.
pub(crate) fn first_key(node: &Node) -> Range<usize> {
    match &node.value {
        Yaml::Map(entries) => entries.first().map_or(node.span.clone(), |entry| entry.key_span.clone()),
        _ => node.span.clone(),
    }
}
