//! Text with variables: `${env:NAME}`, `${secret:name#field}`, `{incremental.start_value}`, `{run.date}`.
//!
//! Only read here; the process that runs the pipeline knows the values.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A variable of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// `${env:NAME}`: a variable of the process's environment.
    Env(String),
    /// `${secret:name#field}`: a field of a secret; without `#field` the secret's whole text.
    Secret { name: String, field: Option<String> },
    /// `{incremental.start_value}`: where this run's window starts (the cursor less the lag, or the initial value).
    IncrementalStart,
    /// `{incremental.end_value}`: where it ends.
    IncrementalEnd,
    /// `{run.date}`: the run's day in UTC, `YYYY-MM-DD`.
    RunDate,
}

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Variable(Variable),
}

/// Text with variables. `{{` and `}}` stand for the braces themselves. (A `$` right before `{run.date}` cannot be written: `${` starts the other kind.)
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    pub parts: Vec<Part>,
}

/// A text that is not a [`Template`]: `at` is the byte of the fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {problem}")]
pub struct TemplateError {
    pub at: usize,
    pub problem: String,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(c) = rest.chars().next() {
            let at = text.len() - rest.len();
            let doubled = (c == '{' && rest.starts_with("{{")) || (c == '}' && rest.starts_with("}}"));
            if doubled {
                plain.push(c);
                rest = rest.get(2..).unwrap_or_default();
            } else if c == '{' || (rest.starts_with("${") && !rest.starts_with("${{")) {
                let inside = rest.get(if c == '{' { 1 } else { 2 }..).unwrap_or_default();
                let (name, after) = inside.split_once('}').ok_or_else(|| TemplateError {
                    at,
                    problem: "this `{` is never closed; write `{{` for the brace itself".into(),
                })?;
                let variable = variable(name, c == '$').map_err(|problem| TemplateError { at, problem })?;
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Variable(variable));
                rest = after;
            } else {
                plain.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Template { parts })
    }

    /// The variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(variable) => Some(variable),
            Part::Text(_) => None,
        })
    }

    /// The text with each variable replaced by `value` of it; the first error ends it.
    pub fn render<E>(&self, mut value: impl FnMut(&Variable) -> Result<String, E>) -> Result<String, E> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable(variable) => text.push_str(&value(variable)?),
            }
        }
        Ok(text)
    }
}

fn variable(name: &str, dollar: bool) -> Result<Variable, String> {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if dollar {
        if let Some(name) = name.strip_prefix("env:").and_then(filled) {
            return Ok(Variable::Env(name));
        }
        if let Some(secret) = name.strip_prefix("secret:").and_then(filled) {
            return Ok(match secret.split_once('#') {
                Some((name, field)) => Variable::Secret {
                    name: name.to_owned(),
                    field: Some(field.to_owned()),
                },
                None => Variable::Secret { name: secret, field: None },
            });
        }
        if name.starts_with("incremental.") || name.starts_with("run.") {
            return Err(format!("`${{{name}}}` is not known; write `{{{name}}}`, without the `$`"));
        }
        return Err(format!(
            "`${{{name}}}` is not known; write `${{env:NAME}}` or `${{secret:name#field}}`"
        ));
    }
    match name {
        "incremental.start_value" => Ok(Variable::IncrementalStart),
        "incremental.end_value" => Ok(Variable::IncrementalEnd),
        "run.date" => Ok(Variable::RunDate),
        _ => Err(format!(
            "`{{{name}}}` is not known; there are `{{incremental.start_value}}`, `{{incremental.end_value}}` and `{{run.date}}`, and `{{{{` for the brace itself"
        )),
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Variable(Variable::Env(name)) => write!(f, "${{env:{name}}}")?,
                Part::Variable(Variable::Secret { name, field: Some(field) }) => write!(f, "${{secret:{name}#{field}}}")?,
                Part::Variable(Variable::Secret { name, field: None }) => write!(f, "${{secret:{name}}}")?,
                Part::Variable(Variable::IncrementalStart) => f.write_str("{incremental.start_value}")?,
                Part::Variable(Variable::IncrementalEnd) => f.write_str("{incremental.end_value}")?,
                Part::Variable(Variable::RunDate) => f.write_str("{run.date}")?,
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;
    fn try_from(text: String) -> Result<Template, TemplateError> {
        Template::parse(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        template.to_string()
    }
}
