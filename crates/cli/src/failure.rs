//! How a command ends: its exit code, and what the one who typed it is told when it did not end well.

use crate::{
    context::Context,
    output::{json, plain::plain_lines},
};
use documents::DocumentsError;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// The exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Well = 0,
    /// Work failed, or more records were rejected than allowed.
    Failed = 1,
    /// Wrong use, or a pipeline file with faults.
    Wrong = 2,
    /// Somebody else is at it.
    Busy = 3,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a command ended early.
#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    error: anyhow::Error,
    next: Option<String>,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        let error = error.into();
        let of_store = |cause| of_store(cause).map(|(status, next)| (status, next.map(str::to_owned)));
        let (status, next) = error
            .chain()
            .find_map(|cause| of_cloud(cause).or_else(|| of_store(cause)))
            .unwrap_or((Status::Failed, None));
        Failure { status, error, next }
    }
}

impl Failure {
    /// Wrong use: nothing was done.
    pub fn wrong(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            status: Status::Wrong,
            error: error.into(),
            next: None,
        }
    }

    /// Somebody else is at it.
    pub fn busy(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            status: Status::Busy,
            ..Failure::wrong(error)
        }
    }

    /// What to do now.
    pub fn next(mut self, next: impl Into<String>) -> Failure {
        self.next = Some(next.into());
        self
    }

    /// What failed, and what to do, in words.
    pub fn told(self) -> (String, Option<String>) {
        (chain(self.error.as_ref()), self.next)
    }

    /// Whether the reader of our output has had enough, as `head` has: no failure of ours.
    fn output_closed(&self) -> bool {
        let io = self.error.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The chain, once, plainly, and what to do next; `as_json`: for programs too, on a line of its own. Returns the exit code.
    pub fn report(&self, as_json: bool, context: &mut Context) -> Status {
        if self.output_closed() {
            return Status::Well;
        }
        if as_json {
            // Who can't be told can't be told.
            let _ = json::line(&mut context.out, &self.to_json());
        }
        // Who can't be told can't be told.
        let _ = write!(context.err, "{}", plain_lines(&self.text()));
        self.status
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("error".to_owned(), json!(chain(self.error.as_ref())));
        if let Some(next) = &self.next {
            object.insert("next".to_owned(), json!(next));
        }
        Value::Object(object)
    }

    fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        let mut said = self.error.to_string();
        for cause in self.error.chain().skip(1) {
            let cause = cause.to_string();
            // A transparent layer says nothing of its own.
            if cause != said {
                text.push_str(&format!("  because: {cause}\n"));
            }
            said = cause;
        }
        if let Some(next) = &self.next {
            text.push_str(&format!("next: {next}\n"));
        }
        text
    }
}

/// What a failure of the store of documents comes to, wherever it shows: a URI that can't be used is a wrong setting.
pub(crate) fn of_store(cause: &(dyn std::error::Error + 'static)) -> Option<(Status, Option<&'static str>)> {
    Some(match cause.downcast_ref()? {
        DocumentsError::Uri { .. } | DocumentsError::NoUri { .. } => {
            let next = "put `TIDEMILL_MONGODB_URI` right, in the environment or in `.env`";
            (Status::Wrong, Some(next))
        }
        DocumentsError::Unreachable { .. }
        | DocumentsError::SignIn { .. }
        | DocumentsError::Denied { .. }
        | DocumentsError::Certificate { .. }
        | DocumentsError::Unsupported { .. } => {
            let next =
                "when that is seen to, type the same again; `tidemill doctor` tells what this is connected to, as whom, and what it may do";
            (Status::Failed, Some(next))
        }
        DocumentsError::NotOurCollection { .. } => {
            let next = "take away what stands there, or give the resource another `collection:` in the pipeline file";
            (Status::Failed, Some(next))
        }
        _ => (Status::Failed, None),
    })
}

/// What an error of a stack's comes to.
#[cfg(feature = "aws")]
fn of_cloud(cause: &(dyn std::error::Error + 'static)) -> Option<(Status, Option<String>)> {
    use crate::cloud::CloudError;
    let error: &CloudError = cause.downcast_ref()?;
    let status = match error {
        CloudError::Busy { .. } => Status::Busy,
        error if error.is_wrong_use() => Status::Wrong,
        _ => Status::Failed,
    };
    Some((status, error.next()))
}

#[cfg(not(feature = "aws"))]
fn of_cloud(_: &(dyn std::error::Error + 'static)) -> Option<(Status, Option<String>)> {
    None
}

/// An error and all its causes in a line, for tables and JSON.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let (mut said, mut cause) = (text.clone(), error.source());
    while let Some(error) = cause {
        let words = error.to_string();
        if words != said {
            text.push_str(": ");
            text.push_str(&words);
        }
        said = words;
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct Cause;

    #[derive(Debug, thiserror::Error)]
    enum Layer {
        #[error(transparent)]
        Through(#[from] Cause),
    }

    #[test]
    fn each_layer_speaks_once() {
        let error = anyhow::Error::from(Layer::from(Cause)).context("could not write `raw/x`");
        assert_eq!(chain(error.as_ref()), "could not write `raw/x`: the disk is full");
        let failure = Failure::from(error).next("make room");
        insta::assert_snapshot!(failure.text(), @r"
        error: could not write `raw/x`
          because: the disk is full
        next: make room
        ");
        assert_eq!(
            failure.to_json().to_string(),
            r#"{"error":"could not write `raw/x`: the disk is full","next":"make room"}"#
        );
    }
}
