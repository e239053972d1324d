//! The values of `${env:…}` and `${secret:…}`, had before a run begins: from Secrets Manager, or on this machine from the environment.

use aws_config::SdkConfig;
use extract::{Resolve, variables::ENV_PREFIX};
use host::lambda::Failure;
use host::secrets::Secrets;
use ledger::Next;
use pipeline::Variable;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands before a secret's name in the environment, as the command line has it.
const SECRET_VARIABLE: &str = "TIDEMILL_SECRET_";

/// Where values come from. It can't be printed.
pub struct Values {
    environment: BTreeMap<String, String>,
    /// `None` on this machine.
    secrets: Option<Secrets>,
}

impl Values {
    pub fn aws(environment: BTreeMap<String, String>, config: &SdkConfig, prefix: &str) -> Values {
        Values {
            environment,
            secrets: Some(Secrets::new(config, prefix)),
        }
    }

    pub fn embedded(environment: BTreeMap<String, String>) -> Values {
        Values {
            environment,
            secrets: None,
        }
    }

    /// The values of these variables. One that somebody must set is an error of the run that asks for it; what passes by itself is one of the message.
    pub async fn of(&self, variables: &[Variable]) -> Result<Resolve, Failure> {
        let mut values = Vec::with_capacity(variables.len());
        for variable in variables {
            values.push((variable.clone(), self.value(variable).await?));
        }
        Ok(Arc::new(move |asked| match values.iter().find(|(variable, _)| variable == asked) {
            Some((_, value)) => value.clone(),
            None => {
                Err("its value was not looked up before the run began: the pipeline file was changed meanwhile, run it again".to_owned())
            }
        }))
    }

    /// Reads secrets again that a source did not take.
    pub async fn refresh(&self, variables: &[Variable]) {
        for variable in variables {
            if let (Some(secrets), Variable::Secret { name, .. }) = (&self.secrets, variable)
                && let Err(error) = secrets.refresh(name).await
            {
                tracing::warn!(
                    chain = Failure::new("Secret", error.next(), &error).chain,
                    "a secret could not be read again"
                );
            }
        }
    }

    async fn value(&self, variable: &Variable) -> Result<Result<SecretString, String>, Failure> {
        match (variable, &self.secrets) {
            (Variable::Env(name), _) => Ok(self.env(name)),
            (Variable::Secret { name, field: None }, Some(_)) => Ok(Err(format!(
                "on AWS a secret is a JSON object: say which of its fields is meant, as in `${{secret:{name}#token}}`"
            ))),
            (Variable::Secret { name, field: Some(field) }, Some(secrets)) => match secrets.value(name, field).await {
                Ok(value) => Ok(Ok(value)),
                Err(error) if error.next() == Next::Retry => Err(Failure::new("Secret", Next::Retry, &error)),
                Err(error) => Ok(Err(error.to_string())),
            },
            (Variable::Secret { name, field }, None) => Ok(self.secret_here(name, field.as_deref())),
            (other, _) => Ok(Err(format!("`{other:?}` is not a variable of the `source` section"))),
        }
    }

    fn env(&self, name: &str) -> Result<SecretString, String> {
        if !name.starts_with(ENV_PREFIX) {
            return Err(format!(
                "`${{env:{name}}}` is not given to a pipeline by a function: only names that begin with `{ENV_PREFIX}` are, as the others may be the function's own"
            ));
        }
        let value = self.environment.get(name).cloned();
        value.map(Into::into).ok_or_else(|| {
            format!("`${{env:{name}}}` has no value: the environment of the function `extract` has no `{name}`; add it in the template")
        })
    }

    fn secret_here(&self, name: &str, field: Option<&str>) -> Result<SecretString, String> {
        let variable = format!("{SECRET_VARIABLE}{}", name.to_uppercase().replace('-', "_"));
        let text = self.environment.get(&variable);
        let text = text.ok_or_else(|| format!("`${{secret:{name}}}` has no value: the environment has no `{variable}`"))?;
        let Some(field) = field else { return Ok(text.clone().into()) };
        let fields: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_str(text).ok();
        match fields.as_ref().and_then(|fields| fields.get(field)) {
            Some(serde_json::Value::String(value)) => Ok(value.clone().into()),
            _ => Err(format!(
                "`${{secret:{name}#{field}}}` has no value: `{variable}` is not a JSON object with the text `{field}`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use secrecy::ExposeSecret as _;

    fn secret(name: &str, field: Option<&str>) -> Variable {
        Variable::Secret {
            name: name.to_owned(),
            field: field.map(str::to_owned),
        }
    }

    async fn value(variable: Variable) -> Result<String, String> {
        let environment = [
            ("PIPELINE_REGION", "eu"),
            ("AWS_SECRET_ACCESS_KEY", "k3y"),
            ("TIDEMILL_SECRET_MY_API", r#"{"token": "t0p", "n": 1}"#),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let values = Values::embedded(BTreeMap::from(environment));
        let resolve = values.of(std::slice::from_ref(&variable)).await.unwrap();
        resolve(&variable).map(|value| value.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_pipeline_gets_what_is_meant_for_it_and_nothing_else_of_the_environment() {
        let env = |name: &str| value(Variable::Env(name.to_owned()));
        assert_eq!(env("PIPELINE_REGION").await.unwrap(), "eu");
        assert!(env("PIPELINE_OTHER").await.unwrap_err().contains("has no `PIPELINE_OTHER`"));
        let refused = env("AWS_SECRET_ACCESS_KEY").await.unwrap_err();
        assert!(refused.contains("begin with `PIPELINE_`") && !refused.contains("k3y"), "{refused}");
    }

    #[tokio::test]
    async fn secrets_on_this_machine_are_those_of_the_command_line() {
        assert_eq!(value(secret("my-api", Some("token"))).await.unwrap(), "t0p");
        assert!(value(secret("my-api", None)).await.unwrap().starts_with('{'));
        for missing in [secret("my-api", Some("n")), secret("other", Some("token"))] {
            let told = value(missing).await.unwrap_err();
            assert!(told.contains("TIDEMILL_SECRET_") && !told.contains("t0p"), "{told}");
        }
    }
}
