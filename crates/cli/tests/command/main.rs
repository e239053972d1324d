//! The command line, called in this process: what is typed, what is printed, how it ends.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod backup;
mod collections;
mod earlier;
mod help;
mod lake;
mod look;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "mongodb")]
mod mongodb_backup;
mod mongodb_uri;
mod put_back;
mod replaced;
mod set_aside;
mod terminal;
mod together;
mod wrong;

use cli::{Context, Status, context::Shared};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// What a command printed, and how it ended.
struct Said {
    status: Status,
    out: String,
    err: String,
}

/// A working folder and a home of its own.
struct Desk {
    folder: PathBuf,
    own: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

/// Text that is written, for whoever holds a copy.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Desk {
    /// At the root of the repository, with its pipelines and recordings.
    fn repository() -> Desk {
        Desk {
            folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
            ..Desk::empty()
        }
    }

    /// In an empty folder.
    fn empty() -> Desk {
        let own = tempfile::tempdir().unwrap();
        let environment = BTreeMap::from([("TIDEMILL_HOME".to_owned(), own.path().join("home").to_str().unwrap().to_owned())]);
        Desk {
            folder: own.path().to_owned(),
            own,
            environment,
        }
    }

    fn home(&self) -> PathBuf {
        self.own.path().join("home")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn type_in(&self, typed: &[&str]) -> Said {
        let (out, err) = (Paper::default(), Paper::default());
        let mut context = self.context(out.clone(), err.clone());
        let words = ["tidemill"].iter().chain(typed).map(Into::into);
        let status = cli::run(words, &mut context).await;
        Said {
            status,
            out: out.text(),
            err: err.text(),
        }
    }

    fn context(&self, out: impl Write + Send + 'static, err: Paper) -> Context {
        Context {
            out: Box::new(out),
            err: Shared::new(err),
            err_is_terminal: false,
            out_is_terminal: false,
            environment: self.environment.clone(),
            folder: self.folder.clone(),
            parting: cli::context::Parting::default(),
            asked: None,
        }
    }
}

impl Said {
    /// All of it.
    fn text(&self) -> String {
        format!("{}--- err, exit {}\n{}", self.out, self.status as u8, self.err)
    }

    /// All of it, with what differs from run to run masked.
    fn masked(&self) -> String {
        let mut text = self.text();
        for (pattern, mask) in [
            (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "RUN"),
            (r"\d+(\.\d)? m?s\b", "TIME"),
            (r"dt=\d{4}-\d\d-\d\d", "dt=DAY"),
            (r"127\.0\.0\.1:\d+", "LOOPBACK"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "MOMENT"),
            // The width of a column hangs on what was masked in it.
            (r" {2,}", "  "),
        ] {
            text = regex::Regex::new(pattern).unwrap().replace_all(&text, mask).into_owned();
        }
        text
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}
