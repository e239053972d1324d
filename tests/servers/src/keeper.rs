//! The process that keeps a server: it watches its standard input, and ends the server when that ends.

use crate::python::Environment;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use tempfile::TempDir;

/// What every server's own program builds on.
const KEEPER: &str = include_str!("../keeper.py");

pub(crate) struct Keeper {
    // Dropped in this order: the end of the input comes before the wait.
    pipes: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    child: Mutex<Child>,
    folder: TempDir,
}

impl Keeper {
    /// Starts a server's own program, by the Python that the server runs on.
    pub(crate) fn start(environment: &'static Environment, server: &str) -> Keeper {
        // Before the folder: it may have to be made, which may fail.
        let python = environment.python();
        let folder = tempfile::Builder::new().prefix("tidemill-server-").tempdir().unwrap();
        std::fs::write(folder.path().join("keeper.py"), KEEPER).unwrap();
        let program = folder.path().join("server.py");
        std::fs::write(&program, server).unwrap();
        let mut child = Command::new(python)
            .arg(&program)
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipes = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Keeper {
            pipes: Mutex::new(Some(pipes)),
            child: Mutex::new(child),
            folder,
        }
    }

    /// Asks the keeper to do something, and waits for its answer.
    pub(crate) fn ask(&self, request: &Value) -> Result<Value, String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (input, output) = pipes.as_mut().expect("the keeper is there until it is dropped");
        let mut line = String::new();
        writeln!(input, "{request}")
            .and_then(|()| input.flush())
            .and_then(|()| output.read_line(&mut line))
            .map_err(|error| format!("the server's keeper is gone: {error}"))?;
        let mut answer: Value = serde_json::from_str(&line).map_err(|_| format!("the server's keeper ended after: `{line}`"))?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["answer"].take()),
        }
    }

    /// The end of what the server said on its standard error.
    pub(crate) fn log(&self) -> String {
        match self.ask(&json!({"do": "log"})) {
            Ok(log) => log.as_str().unwrap_or_default().to_owned(),
            Err(problem) => problem,
        }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of its input ends it, and the server with it.
        drop(self.pipes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        let _ = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).wait();
    }
}
