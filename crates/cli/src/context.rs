//! What a command is given of the world: where to write, the environment, the working folder. Nothing else is ambient.

use crate::output::plain::plain_lines;
use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 1024;

/// The world around a command.
pub struct Context {
    /// What was asked for: documents, tables, JSON.
    pub out: Box<dyn Write + Send>,
    /// What is said beside it: progress, errors.
    pub err: Shared,
    /// Whether `err` is a terminal, on which progress can be drawn.
    pub err_is_terminal: bool,
    /// Whether `out` is a terminal, which takes colour.
    pub out_is_terminal: bool,
    pub environment: BTreeMap<String, String>,
    /// What relative paths start from.
    pub folder: PathBuf,
    /// What is said when Ctrl-C stops the command.
    pub parting: Parting,
    /// Whoever can be asked: `None` where nobody sits at a terminal.
    pub asked: Option<Box<dyn BufRead + Send>>,
}

/// The words to one who stops a command: what becomes of the work.
#[derive(Clone, Debug)]
pub struct Parting(Arc<Mutex<String>>);

impl Default for Parting {
    fn default() -> Parting {
        Parting(Arc::new(Mutex::new("stopped; the same command goes on from here".to_owned())))
    }
}

impl Parting {
    pub fn set(&self, words: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    pub fn words(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Context {
    /// The process's own.
    pub fn of_process() -> io::Result<Context> {
        Ok(Context {
            out: Box::new(BufWriter::with_capacity(64 << 10, io::stdout())),
            err: Shared::new(io::stderr()),
            err_is_terminal: io::stderr().is_terminal(),
            out_is_terminal: io::stdout().is_terminal(),
            environment: env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            folder: env::current_dir()?,
            parting: Parting::default(),
            asked: match io::stdin().is_terminal() && io::stderr().is_terminal() {
                true => Some(Box::new(BufReader::new(io::stdin()))),
                false => None,
            },
        })
    }

    /// Asks a question, and waits for a line. `None`: nobody can be asked.
    pub fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        let Some(asked) = &mut self.asked else { return Ok(None) };
        write!(self.err, "{}", plain_lines(question))?;
        self.err.flush()?;
        let mut answer = Vec::new();
        asked.take(ANSWER_BYTES_MAX).read_until(b'\n', &mut answer)?;
        Ok(Some(String::from_utf8_lossy(&answer).trim().to_owned()))
    }

    /// A path as typed, from the working folder.
    pub fn path(&self, typed: impl AsRef<Path>) -> PathBuf {
        self.folder.join(typed)
    }

    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }
}

/// A writer with several owners: a command, and the progress of its work.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<dyn Write + Send>>);

impl Shared {
    pub fn new(writer: impl Write + Send + 'static) -> Shared {
        Shared(Arc::new(Mutex::new(writer)))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}
