//! A stack made from the template, on paper: parameters put in, conditions decided, names and ARNs worked out, as CloudFormation would.

use super::yaml;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const STACK: &str = "mill";
pub const ACCOUNT: &str = "123456789012";
pub const REGION: &str = "eu-central-1";

/// What the template makes of the given parameters.
pub struct Stack {
    template: Value,
    parameters: BTreeMap<String, Value>,
    /// By logical id; only those that are created.
    pub resources: BTreeMap<String, Resource>,
    pub outputs: Value,
}

pub struct Resource {
    pub id: String,
    /// Such as `AWS::SQS::Queue`.
    pub kind: String,
    pub properties: Value,
    /// `DeletionPolicy` and `UpdateReplacePolicy`.
    pub kept: [Option<String>; 2],
}

/// The template as it is written.
pub fn template() -> Value {
    let path = format!("{}/../infra/template.yaml", env!("CARGO_MANIFEST_DIR"));
    yaml::read(&std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{path}: {fault}")))
}

impl Stack {
    /// With the defaults of all parameters but these.
    pub fn with(parameters: &[(&str, &str)]) -> Stack {
        let template = template();
        let mut all: BTreeMap<String, Value> = BTreeMap::new();
        for (name, parameter) in object(&template["Parameters"]) {
            let given = parameters.iter().find(|(given, _)| given == name);
            let value = given.map_or_else(|| parameter["Default"].clone(), |(_, value)| json!(value));
            let list = parameter["Type"] == "CommaDelimitedList";
            let text = text_of(&value);
            all.insert(
                name.clone(),
                if list {
                    json!(text.split(',').collect::<Vec<_>>())
                } else {
                    json!(text)
                },
            );
        }
        for (given, _) in parameters {
            assert!(all.contains_key(*given), "the template has no parameter {given}");
        }
        let mut stack = Stack {
            template,
            parameters: all,
            resources: BTreeMap::new(),
            outputs: Value::Null,
        };
        stack.resources = stack.created();
        stack.outputs = stack.resolved(&stack.template["Outputs"]);
        stack
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.resources.values().filter(move |resource| resource.kind == kind)
    }

    /// The resource whose ARN this is.
    pub fn by_arn(&self, arn: &Value) -> &Resource {
        let arn = arn.as_str().unwrap_or_else(|| panic!("{arn} is not an ARN"));
        let named = self.resources.keys().find(|id| self.attribute(id, "Arn") == arn);
        &self.resources[named.unwrap_or_else(|| panic!("nothing in the stack has the ARN {arn}"))]
    }

    /// `extract`, `clean`, … and what is set for each, what is set for all included.
    pub fn functions(&self) -> BTreeMap<String, &Value> {
        let prefix = format!("{STACK}-");
        let functions = self.of_kind("AWS::Serverless::Function").map(|function| {
            let name = text_of(&function.properties["FunctionName"]);
            (name.strip_prefix(&prefix).unwrap().to_owned(), &function.properties)
        });
        functions.collect()
    }

    fn created(&self) -> BTreeMap<String, Resource> {
        let mut created = BTreeMap::new();
        for (id, resource) in object(&self.template["Resources"]) {
            let condition = resource.get("Condition").and_then(Value::as_str);
            if condition.is_some_and(|condition| !self.decided(condition)) {
                continue;
            }
            let mut properties = self.resolved(&resource["Properties"]);
            if resource["Type"] == "AWS::Serverless::Function" {
                let mut whole = self.resolved(&self.template["Globals"]["Function"]);
                merge(&mut whole, properties);
                properties = whole;
            }
            let kept = ["DeletionPolicy", "UpdateReplacePolicy"].map(|policy| resource[policy].as_str().map(str::to_owned));
            created.insert(
                id.clone(),
                Resource {
                    id: id.clone(),
                    kind: text_of(&resource["Type"]),
                    properties,
                    kept,
                },
            );
        }
        created
    }

    fn decided(&self, condition: &str) -> bool {
        let written = &self.template["Conditions"][condition];
        assert!(written.is_object(), "there is no condition {condition}");
        self.holds(written)
    }

    fn holds(&self, condition: &Value) -> bool {
        let (function, given) = only(condition);
        match function {
            "Fn::Not" => !self.holds(&given[0]),
            "Fn::Equals" => text_of(&self.resolved(&given[0])) == text_of(&self.resolved(&given[1])),
            other => panic!("the condition {other} is not understood"),
        }
    }

    fn resolved(&self, value: &Value) -> Value {
        self.resolve(value).unwrap_or(Value::Null)
    }

    /// `None` is `AWS::NoValue`: what has it is left out.
    fn resolve(&self, value: &Value) -> Option<Value> {
        Some(match value {
            Value::Array(items) => Value::Array(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Value::Object(map) if map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::")) => {
                let (function, given) = only(value);
                return self.call(function, given);
            }
            Value::Object(map) => {
                let entries = map.iter().filter_map(|(key, value)| Some((key.clone(), self.resolve(value)?)));
                Value::Object(entries.collect())
            }
            plain => plain.clone(),
        })
    }

    fn call(&self, function: &str, given: &Value) -> Option<Value> {
        Some(match function {
            "Ref" => return self.reference(given.as_str().unwrap()),
            "Fn::GetAtt" => json!(self.attribute(given[0].as_str().unwrap(), given[1].as_str().unwrap())),
            "Fn::Sub" => json!(self.substituted(given.as_str().unwrap())),
            "Fn::If" => return self.resolve(&given[if self.decided(given[0].as_str().unwrap()) { 1 } else { 2 }]),
            "Fn::Join" => {
                let items = self.resolved(&given[1]);
                let items: Vec<String> = items.as_array().unwrap().iter().map(text_of).collect();
                json!(items.join(given[0].as_str().unwrap()))
            }
            "Fn::FindInMap" => {
                let keys: Vec<String> = given.as_array().unwrap().iter().map(|key| text_of(&self.resolved(key))).collect();
                let found = &self.template["Mappings"][&keys[0]][&keys[1]][&keys[2]];
                assert!(!found.is_null(), "the mapping {keys:?} has no such value");
                found.clone()
            }
            other => panic!("the function {other} is not understood"),
        })
    }

    fn reference(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.parameters.get(name) {
            return Some(value.clone());
        }
        Some(json!(match name {
            "AWS::NoValue" => return None,
            "AWS::StackName" => STACK.to_owned(),
            "AWS::AccountId" => ACCOUNT.to_owned(),
            "AWS::Region" => REGION.to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            id => match self.kind(id) {
                "AWS::SQS::Queue" => format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{}", self.name(id)),
                "AWS::SNS::Topic" => self.attribute(id, "Arn"),
                _ => self.name(id),
            },
        }))
    }

    /// `${Name}` and `${Resource.Attribute}` put in.
    fn substituted(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or_else(|| panic!("`{text}` does not close"));
            whole += &match name.split_once('.') {
                Some((id, attribute)) => self.attribute(id, attribute),
                None => text_of(&self.reference(name).unwrap()),
            };
            whole += rest;
        }
        whole
    }

    fn attribute(&self, id: &str, attribute: &str) -> String {
        let name = self.name(id);
        if attribute.ends_with("Name") {
            return name;
        }
        assert_eq!(attribute, "Arn", "of {id}");
        let here = format!("{REGION}:{ACCOUNT}");
        match self.kind(id) {
            "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
            "AWS::DynamoDB::Table" => format!("arn:aws:dynamodb:{here}:table/{name}"),
            "AWS::SQS::Queue" => format!("arn:aws:sqs:{here}:{name}"),
            "AWS::SNS::Topic" => format!("arn:aws:sns:{here}:{name}"),
            "AWS::IAM::Role" => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "AWS::Events::Rule" => format!("arn:aws:events:{here}:rule/{name}"),
            "AWS::Logs::LogGroup" => format!("arn:aws:logs:{here}:log-group:{name}:*"),
            "AWS::Serverless::Function" => format!("arn:aws:lambda:{here}:function:{name}"),
            "AWS::Scheduler::ScheduleGroup" => format!("arn:aws:scheduler:{here}:schedule-group/{name}"),
            kind => format!("{kind} {name}"),
        }
    }

    fn kind(&self, id: &str) -> &str {
        let kind = self.template["Resources"][id]["Type"].as_str();
        kind.unwrap_or_else(|| panic!("nothing is called {id}"))
    }

    /// Every resource that something else needs to know has a name that follows from the stack's.
    fn name(&self, id: &str) -> String {
        let written = &self.template["Resources"][id]["Properties"];
        let named = object(written)
            .iter()
            .find(|(key, _)| *key == "Name" || (key.ends_with("Name") && *key != "DisplayName"));
        named.map_or_else(|| id.to_owned(), |(_, name)| text_of(&self.resolved(name)))
    }
}

/// A scalar as CloudFormation compares it: as text.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One or many: IAM takes both.
pub fn many(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text_of).collect(),
        one => vec![text_of(one)],
    }
}

pub fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is not a map"))
}

fn only(value: &Value) -> (&str, &Value) {
    let (key, value) = object(value).iter().next().unwrap();
    (key, value)
}

/// Puts what is set for one function over what is set for all.
fn merge(whole: &mut Value, over: Value) {
    match (whole, over) {
        (Value::Object(whole), Value::Object(over)) => {
            for (key, value) in over {
                merge(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, over) => *whole = over,
    }
}
