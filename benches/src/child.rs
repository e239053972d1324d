//! The processes of a bench: servers, whose cost is not counted, and what is measured.

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A server in a process of its own; ended when this value goes.
pub struct Server {
    process: Child,
    pub port: u16,
}

impl Server {
    /// Starts this program as a server, which says its port first.
    pub fn start(arguments: &[&OsStr]) -> Result<Server> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take();
        let mut server = Server { process, port: 0 };
        let mut line = String::new();
        BufReader::new(output.context("the server has no output")?).read_line(&mut line)?;
        let port = line.strip_prefix("port ").context("the server did not say its port")?;
        server.port = port.trim_end().parse()?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs this program, which prints what it used as its last line.
pub fn measure<M: DeserializeOwned>(arguments: &[&OsStr]) -> Result<M> {
    let output = Command::new(std::env::current_exe()?)
        .args(arguments)
        // Documents are kept in the embedded store, or in the stub.
        .env_remove("TIDEMILL_MONGODB_URI")
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "a bench failed: {arguments:?}");
    let text = String::from_utf8(output.stdout)?;
    let last = text
        .lines()
        .last()
        .with_context(|| format!("a bench printed nothing: {arguments:?}"))?;
    Ok(serde_json::from_str(last)?)
}
