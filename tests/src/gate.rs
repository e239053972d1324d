//! A way to a MongoDB server that counts the commands which change something, and can hold one: before the server gets it, or its answer.

use servers::way::listen;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Commands that change nothing: sent when nothing is done, or as often as the driver likes.
const LOOKS: &[&str] = &[
    "hello",
    "isMaster",
    "ping",
    "buildInfo",
    "connectionStatus",
    "endSessions",
    "find",
    "getMore",
    "killCursors",
    "aggregate",
    "count",
    "listCollections",
    "listIndexes",
    "saslStart",
    "saslContinue",
];

const OP_MSG: i32 = 2013;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The command: the server does not get it.
    Command,
    /// The answer: the server has done it.
    Answer,
}

/// The command that is to be held.
enum Which {
    /// By its place among those that changed something.
    Place(usize),
    /// The next of these words.
    Next(&'static str),
}

/// The way. Connections go through it for as long as the process lives.
pub struct Gate {
    port: u16,
    state: Arc<State>,
}

struct State {
    server: String,
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    /// Those that changed something, as [`Gate::commands`] tells them.
    commands: Vec<String>,
    hold: Option<(Which, Side)>,
    held: bool,
}

impl Gate {
    /// `server`: its `host:port`.
    pub fn start(server: &str) -> Gate {
        let state = Arc::new(State {
            server: server.to_owned(),
            told: Mutex::default(),
            changed: Condvar::new(),
        });
        let of_gate = state.clone();
        let port = listen(move |client| {
            // A server that is away: the client is told so by its connection's end.
            if let Ok(server) = TcpStream::connect(&of_gate.server) {
                pass(&of_gate, client, server);
            }
        });
        Gate { port, state }
    }

    /// The connection string through the gate.
    pub fn uri(&self, database: &str) -> String {
        // The server's own address, which a driver would go to, is not the gate's.
        format!("mongodb://127.0.0.1:{}/{database}?directConnection=true", self.port)
    }

    /// The commands which changed something, in the order in which they came: `insert earthquakes`, each with the collection it is about.
    pub fn commands(&self) -> Vec<String> {
        self.state.told().commands.clone()
    }

    /// Holds the command that comes after so many others, counted from now.
    pub fn hold_after(&self, others: usize, side: Side) {
        let mut told = self.state.told();
        told.hold = Some((Which::Place(told.commands.len() + others), side));
        told.held = false;
    }

    /// Holds the next command that is told so: `insert earthquakes`.
    pub fn hold_next(&self, words: &'static str, side: Side) {
        let mut told = self.state.told();
        told.hold = Some((Which::Next(words), side));
        told.held = false;
    }

    /// Waits until it is held; `false` when the process ends before.
    pub fn wait_until_held(&self, process: &mut Child) -> bool {
        let mut told = self.state.told();
        while !told.held {
            if process.try_wait().unwrap().is_some() {
                return false;
            }
            let waited = self.state.changed.wait_timeout(told, Duration::from_millis(5));
            told = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub fn is_held(&self) -> bool {
        self.state.told().held
    }

    /// Cuts the connection of what is held, and holds nothing more.
    pub fn cut(&self) {
        self.state.told().hold = None;
        self.state.changed.notify_all();
    }
}

/// Passes both ways, each on a thread.
fn pass(state: &Arc<State>, client: TcpStream, server: TcpStream) {
    // Whether the next answer of this connection is held.
    let holds_answer = Arc::new(Mutex::new(false));
    let (to, from) = (state.clone(), state.clone());
    let (client_reads, client_writes) = (client.try_clone().unwrap(), client);
    let (server_reads, server_writes) = (server.try_clone().unwrap(), server);
    let holds = holds_answer.clone();
    std::thread::spawn(move || {
        let _ = commands(&to, &client_reads, &server_writes, &holds);
        close(&client_reads, &server_writes);
    });
    std::thread::spawn(move || {
        let _ = answers(&from, &server_reads, &client_writes, &holds_answer);
        close(&server_reads, &client_writes);
    });
}

fn close(one: &TcpStream, other: &TcpStream) {
    // Either may be closed already.
    let _ = one.shutdown(Shutdown::Both);
    let _ = other.shutdown(Shutdown::Both);
}

/// From the client to the server. Ends when either is gone, or what was held is cut.
fn commands(state: &State, mut client: &TcpStream, mut server: &TcpStream, holds_answer: &Mutex<bool>) -> std::io::Result<()> {
    loop {
        let message = message(&mut client)?;
        let held = command(&message)
            .filter(|(name, _)| !LOOKS.contains(name))
            .and_then(|(name, about)| {
                let mut told = state.told();
                let place = told.commands.len();
                let words = format!("{name} {about}");
                told.commands.push(words.clone());
                if told.held {
                    return None;
                }
                match &told.hold {
                    Some((Which::Place(hold), side)) if *hold == place => Some(*side),
                    Some((Which::Next(hold), side)) if *hold == words => Some(*side),
                    _ => None,
                }
            });
        match held {
            Some(Side::Command) => return state.hold(),
            Some(Side::Answer) => *holds_answer.lock().unwrap_or_else(PoisonError::into_inner) = true,
            None => {}
        }
        server.write_all(&message)?;
    }
}

/// From the server to the client.
fn answers(state: &State, mut server: &TcpStream, mut client: &TcpStream, holds_answer: &Mutex<bool>) -> std::io::Result<()> {
    loop {
        let message = message(&mut server)?;
        if *holds_answer.lock().unwrap_or_else(PoisonError::into_inner) {
            return state.hold();
        }
        client.write_all(&message)?;
    }
}

impl State {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds until it is cut.
    fn hold(&self) -> std::io::Result<()> {
        let mut told = self.told();
        told.held = true;
        self.changed.notify_all();
        while told.hold.is_some() {
            told = self.changed.wait(told).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

/// One message of the wire protocol: its length, then the rest.
fn message(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let length = usize::try_from(i32::from_le_bytes(head)).unwrap();
    let mut message = vec![0; length];
    message[..4].copy_from_slice(&head);
    from.read_exact(&mut message[4..])?;
    Ok(message)
}

/// The name of a command, which is the first key of the message's document, and that key's value where it is a text.
fn command(message: &[u8]) -> Option<(&str, &str)> {
    let code = i32::from_le_bytes(message.get(12..16)?.try_into().ok()?);
    if code != OP_MSG {
        return None;
    }
    // Flags, the sections; those of kind 1 are lists of documents, and tell their length.
    let mut section = message.get(20..)?;
    while *section.first()? == 1 {
        let length = i32::from_le_bytes(section.get(1..5)?.try_into().ok()?);
        section = section.get(1 + usize::try_from(length).ok()?..)?;
    }
    let document = bson::RawDocument::from_bytes(first_document(section)?).ok()?;
    let (name, value) = document.iter().next()?.ok()?;
    Some((name.as_str(), value.as_str().unwrap_or_default()))
}

/// The document of a section of kind 0, without what comes after it.
fn first_document(section: &[u8]) -> Option<&[u8]> {
    let length = i32::from_le_bytes(section.get(1..5)?.try_into().ok()?);
    section.get(1..1 + usize::try_from(length).ok()?)
}
