//! Where `${env:…}` and `${secret:…}` come from on a laptop: the environment, then a `.env` file in the working folder.

use super::{dotenv::parse, variables::SECRET};
use pipeline::Variable;
use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

/// The file that is read beside the environment. It never belongs into a repository.
pub const FILE: &str = ".env";

/// The values that a `source` section may ask for. It can't be printed.
#[derive(Clone, Default)]
pub struct Secrets {
    environment: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
}

/// A variable that has no value. Names only: a value never stands in an error.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error(
        "${{env:{variable}}} has no value: looked for `{variable}` in the environment and in `.env`; set it, or add a line `{variable}=…` to `.env`"
    )]
    NoVariable { variable: String },
    #[error(
        "${{secret:{secret}}} has no value: looked for `{variable}` in the environment and in `.env`; set it, or add a line `{variable}=…` to `.env`"
    )]
    NoSecret { secret: String, variable: String },
    #[error(
        "${{secret:{secret}#{field}}} has no value: `{variable}` is not a JSON object with the text `{field}`, such as {{\"{field}\": \"…\"}}"
    )]
    NoField { secret: String, field: String, variable: String },
    #[error("`{variable}` is not a variable of the `source` section")]
    NotOfSource { variable: String },
    #[error("could not read `.env`")]
    Unreadable(#[source] std::io::Error),
    #[error("line {line} of `.env` is not `NAME=value`")]
    Malformed { line: usize },
    #[error("line {line} of `.env` begins a value with a quote that does not end it")]
    Quote { line: usize },
    #[error("`{name}` stands twice in `.env`, in lines {first} and {second}: take one out")]
    Twice { name: String, first: usize, second: usize },
}

impl Secrets {
    /// The environment, and `.env` of this folder if there is one.
    pub fn new(environment: &BTreeMap<String, String>, folder: &Path) -> Result<Secrets, SecretError> {
        let file = match fs::read_to_string(folder.join(FILE)) {
            Ok(text) => parse(&text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(SecretError::Unreadable(error)),
        };
        Ok(Secrets {
            environment: environment.clone(),
            file,
        })
    }

    /// The value of `${env:…}` or `${secret:…}`.
    pub fn value(&self, variable: &Variable) -> Result<String, SecretError> {
        match variable {
            Variable::Env(name) => {
                let value = self.get(name).map(str::to_owned);
                value.ok_or_else(|| SecretError::NoVariable { variable: name.clone() })
            }
            Variable::Secret { name, field } => self.secret(name, field.as_deref()),
            other => Err(SecretError::NotOfSource {
                variable: format!("{other:?}"),
            }),
        }
    }

    fn secret(&self, name: &str, field: Option<&str>) -> Result<String, SecretError> {
        let variable = format!("{SECRET}{}", name.to_uppercase().replace('-', "_"));
        let Some(value) = self.get(&variable) else {
            return Err(SecretError::NoSecret {
                secret: name.to_owned(),
                variable,
            });
        };
        let Some(field) = field else { return Ok(value.to_owned()) };
        let object: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_str(value).ok();
        match object.as_ref().and_then(|object| object.get(field)) {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            _ => Err(SecretError::NoField {
                secret: name.to_owned(),
                field: field.to_owned(),
                variable,
            }),
        }
    }

    /// The value of a variable of Tidemill's own.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.get(name)
    }

    /// The names that have a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.environment.keys().chain(self.file.keys()).map(String::as_str)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).or_else(|| self.file.get(name)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn secrets() -> Secrets {
        let file = "# of the team\nexport A=1\nB = \"two words\"\n\nTIDEMILL_SECRET_USGS_FEED={\"token\": \"t0p\", \"n\": 1}\n";
        Secrets {
            environment: BTreeMap::from([("A".to_owned(), "from the environment".to_owned())]),
            file: parse(file).unwrap(),
        }
    }

    fn secret(name: &str, field: Option<&str>) -> Variable {
        Variable::Secret {
            name: name.to_owned(),
            field: field.map(str::to_owned),
        }
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let value = |name: &str| secrets().value(&Variable::Env(name.to_owned())).unwrap();
        assert_eq!(value("A"), "from the environment");
        assert_eq!(value("B"), "two words");
        assert_eq!(secrets().value(&secret("usgs-feed", Some("token"))).unwrap(), "t0p");
    }

    #[test]
    fn what_is_missing_is_named_with_where_it_was_looked_for_and_without_any_value() {
        let message = |variable: Variable| secrets().value(&variable).unwrap_err().to_string();
        let env = message(Variable::Env("NOPE".to_owned()));
        assert!(env.contains("${env:NOPE}") && env.contains("`.env`"), "{env}");
        let absent = message(secret("my-api", None));
        assert!(absent.contains("TIDEMILL_SECRET_MY_API"), "{absent}");
        for field in ["n", "other"] {
            let field = message(secret("usgs-feed", Some(field)));
            assert!(field.contains("TIDEMILL_SECRET_USGS_FEED") && !field.contains("t0p"), "{field}");
        }
        assert!(parse("A=1\nnonsense").unwrap_err().to_string().contains("line 2"));
    }
}
