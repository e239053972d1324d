//! The real `tidemill` process on a home of its own, in a temporary folder.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A home, and the program that works on it.
pub struct Home {
    folder: tempfile::TempDir,
    binary: PathBuf,
    variables: Vec<(String, String)>,
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub struct Told {
    /// `None` for a process that was killed.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    /// An empty one. `binary` is what Cargo built for the ring that asks.
    pub fn new(binary: &str) -> Home {
        Home {
            folder: crate::folder::temporary(),
            binary: binary.into(),
            variables: Vec::new(),
        }
    }

    /// Sets a variable in the environment of each command.
    pub fn with(mut self, name: &str, value: &str) -> Home {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a pipeline file beside the home, and returns its path.
    pub fn pipeline(&self, name: &str, text: &str) -> String {
        let path = self.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Starts a command, and does not wait for it.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .arg("--home")
            .arg(self.folder().join("home"))
            .current_dir(self.folder());
        // A developer's own database is no place for a test's documents.
        command.env_remove("TIDEMILL_MONGODB_URI");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Told {
        wait(self.start(arguments))
    }

    /// Runs a command that must end well.
    pub fn well(&self, arguments: &[&str]) -> Told {
        let told = self.run(arguments);
        assert_eq!(told.code, Some(0), "tidemill {}: {}{}", arguments.join(" "), told.out, told.err);
        told
    }

    /// Every document of a collection, as `tidemill documents` prints it.
    pub fn documents(&self, collection: &str) -> Vec<Value> {
        let told = self.well(&["documents", collection]);
        told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of every object of a zone, in the order of their keys, unpacked by zstd alone.
    pub fn lines(&self, zone: &str) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.folder().join("home/lake").join(zone), &mut files);
        files.sort();
        let text = |path: &PathBuf| String::from_utf8(zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()).unwrap();
        files
            .iter()
            .flat_map(|path| text(path).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    // A zone that nothing was put into has no folder.
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// Waits for a process, and reads what it says.
pub fn wait(mut child: Child) -> Told {
    let mut err = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text)
    });
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let code = child.wait().unwrap().code();
    Told {
        code,
        out,
        err: reader.join().unwrap().unwrap(),
    }
}

impl Told {
    /// What `run --json` says at its end: an object a resource, by the resource's name.
    pub fn resources(&self) -> BTreeMap<String, Value> {
        let values = self.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ends: BTreeMap<String, Value> = values
            .filter_map(|value| Some((value["resource"].as_str()?.to_owned(), value)))
            .collect();
        assert!(!ends.is_empty(), "no resource in: {}{}", self.out, self.err);
        ends
    }
}
