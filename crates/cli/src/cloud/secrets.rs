//! The secrets that pipelines ask for: whether they are there, under this identity's rights. No value is shown or kept.

use super::Stack;
use extract::variables;
use host::secrets::{SecretError, Secrets};
use pipeline::{Checked, Variable};

/// What was found of the secrets of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretsFound {
    /// What is not there, or not as it must be, a sentence each.
    pub wrong: Vec<String>,
    /// Which could not be looked at, by their names: the functions may be allowed what this identity is not.
    pub unread: Vec<String>,
}

/// Looks at each secret that the pipeline's source asks for.
pub async fn look(stack: &Stack, checked: &Checked) -> SecretsFound {
    let secrets = Secrets::new(&stack.config, stack.names.secret_prefix());
    let mut found = SecretsFound::default();
    for variable in variables(checked) {
        // Without a field it has no value there: that is told of the file.
        let Variable::Secret { name, field: Some(field) } = &variable else {
            continue;
        };
        match secrets.value(name, field).await {
            Ok(_) => {}
            Err(SecretError::Denied { secret, .. } | SecretError::Unreachable { secret, .. }) => found.unread.push(secret),
            Err(error) => found.wrong.push(format!("{}: {error}", checked.pipeline.pipeline)),
        }
    }
    found
}
