//! The variables of a pipeline file get their values here, once a run; every secret that is seen is remembered, so that it can be kept out of texts.

use crate::error::Error;
use crate::incremental::Window;
use pipeline::{Template, Variable};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;

/// Gives the value of `${env:…}` or `${secret:…}`, or says why there is none.
pub type Resolve = Arc<dyn Fn(&Variable) -> Result<SecretString, String> + Send + Sync>;

/// A shorter value of `${env:…}` is taken for a setting (`100`, `eu`, `2024`): it would be found, and refused, in addresses that have nothing
/// to do with it.
const ENV_SECRET_BYTES_MIN: usize = 8;

/// The values of a run's variables.
pub struct Renderer {
    resolve: Resolve,
    window: Window,
    date: String,
    secrets: Vec<String>,
}

/// A text whose variables have their values.
pub struct Rendered {
    pub text: String,
    /// Whether it holds a value of `${env:…}` or `${secret:…}`.
    pub secret: bool,
}

impl Renderer {
    pub fn new(resolve: Resolve, window: Window, date: String) -> Renderer {
        Renderer {
            resolve,
            window,
            date,
            secrets: Vec::new(),
        }
    }

    /// `place` names the template in the pipeline file.
    pub fn render(&mut self, template: &Template, place: &str) -> Result<Rendered, Error> {
        self.render_with(template, place, ENV_SECRET_BYTES_MIN)
    }

    /// A template that proves who asks: whatever its variables hold is a secret, however short.
    pub fn render_credential(&mut self, template: &Template, place: &str) -> Result<Rendered, Error> {
        self.render_with(template, place, 0)
    }

    fn render_with(&mut self, template: &Template, place: &str, env_bytes_min: usize) -> Result<Rendered, Error> {
        let mut secret = false;
        let text = template.render(|variable| match variable {
            Variable::Env(_) | Variable::Secret { .. } => {
                let value = (self.resolve)(variable).map_err(|problem| Error::Setup {
                    place: place.to_owned(),
                    problem,
                })?;
                secret = true;
                let value = value.expose_secret().to_owned();
                if matches!(variable, Variable::Secret { .. }) || value.len() >= env_bytes_min {
                    self.secrets.push(value.clone());
                }
                Ok(value)
            }
            Variable::IncrementalStart => Ok(self.window.start.clone()),
            Variable::IncrementalEnd => self.window.end.clone().ok_or_else(|| Error::Setup {
                place: place.to_owned(),
                problem: "`{incremental.end_value}` is used, but there is no `end_value`".into(),
            }),
            Variable::RunDate => Ok(self.date.clone()),
        })?;
        Ok(Rendered { text, secret })
    }

    /// Every secret seen so far.
    pub fn into_secrets(self) -> Vec<String> {
        self.secrets
    }
}
