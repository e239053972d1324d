//! The template as data: YAML with CloudFormation's short tags, read into JSON with their long forms (`!Sub x` is `{"Fn::Sub": x}`).

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, json};
use serde_saphyr::Tagged;
use std::fmt;

/// Reads a template.
pub fn read(text: &str) -> Value {
    let Node(value) = serde_saphyr::from_str(text).unwrap_or_else(|fault| panic!("the template is not YAML: {fault}"));
    value
}

/// A value with the tags of itself and of what is in it.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let Tagged(Plain(value), tag) = Tagged::deserialize(deserializer)?;
        Ok(Node(long_form(tag.as_deref(), value)))
    }
}

fn long_form(tag: Option<&str>, value: Value) -> Value {
    match tag.and_then(|tag| tag.strip_prefix('!')) {
        None => value,
        Some("Ref") => json!({"Ref": value}),
        Some("GetAtt") => {
            let path = value.as_str().and_then(|path| path.split_once('.'));
            let (resource, attribute) = path.unwrap_or_else(|| panic!("`!GetAtt {value}` has no attribute"));
            json!({"Fn::GetAtt": [resource, attribute]})
        }
        Some(function) => json!({format!("Fn::{function}"): value}),
    }
}

/// A value without the tag of itself.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plain, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Plain)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Node(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Node(value))) = entries.next_entry::<String, Node>()? {
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[test]
fn short_tags_are_read_as_their_long_forms() {
    let read = read("a: !Sub \"${X}-a\"\nb: [!Ref X, !GetAtt X.Arn]\nc: !If [Has, {d: !Ref X, e: \"60\"}, !Ref AWS::NoValue]\nf: 60\n");
    assert_eq!(
        read,
        json!({
            "a": {"Fn::Sub": "${X}-a"},
            "b": [{"Ref": "X"}, {"Fn::GetAtt": ["X", "Arn"]}],
            "c": {"Fn::If": ["Has", {"d": {"Ref": "X"}, "e": "60"}, {"Ref": "AWS::NoValue"}]},
            "f": 60
        })
    );
}
