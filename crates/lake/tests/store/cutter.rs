//! A way to a server that spoils one answer: cuts its connection, changes a byte of it, or gives another in its place.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What becomes of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The connection ends after so many bytes.
    Cut(usize),
    /// The byte at this place is another.
    Flip(usize),
    /// Both: the byte first.
    FlipAndCut(usize, usize),
    /// The server is not asked; this is answered.
    Answer(&'static str),
}

/// The way. It is open for as long as the process lives.
pub struct Cutter {
    port: u16,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Default)]
struct Faults {
    /// The next first.
    coming: Vec<Fault>,
    requests: Vec<String>,
}

impl Cutter {
    /// `server`: its `http://host:port`.
    pub fn start(server: &str) -> Cutter {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Mutex::new(Faults::default()));
        let of_way = faults.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, faults, server) = (client.unwrap(), of_way.clone(), server.clone());
                std::thread::spawn(move || {
                    // Whichever side is gone: the other is told so by its connection's end.
                    let _ = pass(&client, &server, &faults);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Cutter { port, faults }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next requests have these faults, one each.
    pub fn spoil(&self, faults: &[Fault]) {
        let mut all = self.faults.lock().unwrap();
        all.coming = faults.to_vec();
        all.requests.clear();
    }

    /// The requests since then: each one's method and, where it has one, its range.
    pub fn requests(&self) -> Vec<String> {
        self.faults.lock().unwrap().requests.clone()
    }
}

/// One request after the other. Each has a connection of its own to the server, whose end is the answer's.
fn pass(mut client: &TcpStream, server: &str, faults: &Mutex<Faults>) -> std::io::Result<()> {
    loop {
        let head = head(&mut client)?;
        let fault = {
            let mut all = faults.lock().unwrap();
            all.requests.push(told(&head));
            (!all.coming.is_empty()).then(|| all.coming.remove(0))
        };
        if field(&head, "expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; field(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        client.read_exact(&mut body)?;
        if let Some(Fault::Answer(answer)) = fault {
            return client.write_all(answer.as_bytes());
        }
        let mut server = TcpStream::connect(server)?;
        server.write_all(&of_one_request(&head))?;
        server.write_all(&body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        match fault {
            Some(Fault::Cut(at)) => return client.write_all(&answer[..at]),
            Some(Fault::Flip(at)) => answer[at] ^= 1,
            Some(Fault::FlipAndCut(flip, cut)) => {
                answer[flip] ^= 1;
                return client.write_all(&answer[..cut]);
            }
            Some(Fault::Answer(_)) | None => {}
        }
        client.write_all(&answer)?;
        if field(&answer, "connection").is_some_and(|value| value == "close") {
            return Ok(());
        }
    }
}

/// Up to the empty line.
fn head(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(head)
}

/// Without `Expect`, which was answered, and with the wish that the connection ends after the answer.
fn of_one_request(head: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(head).unwrap().trim_end().split("\r\n");
    let kept: Vec<&str> = lines
        .filter(|line| {
            let name = line.split(':').next().unwrap().to_ascii_lowercase();
            name != "expect" && name != "connection"
        })
        .collect();
    format!("{}\r\nConnection: close\r\n\r\n", kept.join("\r\n")).into_bytes()
}

fn told(head: &[u8]) -> String {
    let text = std::str::from_utf8(head).unwrap();
    let method = text.split(' ').next().unwrap();
    match field(head, "range") {
        Some(range) => format!("{method} {range}"),
        None => method.to_owned(),
    }
}

/// The value of a field of a message's head, in lower case.
fn field(message: &[u8], name: &str) -> Option<String> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
    head.split("\r\n")
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
}
