//! A way to a server on which things go wrong: answers get lost, others come first, the server says no.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What happens to a request.
pub enum Trouble {
    /// The server does what it was asked; then this is done, and its answer is lost.
    Lost(Box<dyn FnOnce() + Send>),
    /// This is done before the server is asked.
    After(Box<dyn FnOnce() + Send>),
    /// The server is not asked; this status and body are answered.
    Answer(u16, String),
}

impl Trouble {
    pub fn lost() -> Trouble {
        Trouble::Lost(Box::new(|| {}))
    }

    /// An answer that says no.
    pub fn refusal(code: &str) -> Trouble {
        let body = format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "so says the test"}}"#);
        Trouble::Answer(400, body)
    }
}

/// The way. It is open for as long as the process lives.
pub struct Way {
    port: u16,
    coming: Arc<Mutex<Coming>>,
}

#[derive(Default)]
struct Coming {
    /// By what the requests' `X-Amz-Target` ends with; the next first.
    troubles: Vec<(&'static str, Trouble)>,
    had: usize,
}

/// The calls that write.
pub const WRITES: [&str; 3] = ["PutItem", "UpdateItem", "TransactWriteItems"];

impl Way {
    /// `server`: its `http://host:port`.
    pub fn to(server: &str) -> Way {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let coming = Arc::new(Mutex::new(Coming::default()));
        let of_way = coming.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, coming, server) = (client.unwrap(), of_way.clone(), server.clone());
                std::thread::spawn(move || {
                    // Whichever side is gone: the other is told so by its connection's end.
                    let _ = pass(&client, &server, &coming);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Way { port, coming }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next request of this call has this trouble, after those that were said before.
    pub fn trouble(&self, call: &'static str, trouble: Trouble) {
        self.coming.lock().unwrap().troubles.push((call, trouble));
    }

    /// The next request that writes loses its answer.
    pub fn lose_next_write(&self) {
        self.coming.lock().unwrap().troubles.push(("", Trouble::lost()));
    }

    /// How many troubles there were; those that never came are taken back.
    pub fn had(&self) -> usize {
        let mut coming = self.coming.lock().unwrap();
        coming.troubles.clear();
        std::mem::take(&mut coming.had)
    }
}

/// One request after the other. Each has a connection of its own to the server, whose end is the answer's.
fn pass(mut client: &TcpStream, server: &str, coming: &Mutex<Coming>) -> std::io::Result<()> {
    loop {
        let head = head(&mut client)?;
        let mut body = vec![0; field(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        client.read_exact(&mut body)?;
        let target = field(&head, "x-amz-target").unwrap_or_default();
        let trouble = next(coming, &target);
        let ask = || -> std::io::Result<Vec<u8>> {
            let mut server = TcpStream::connect(server)?;
            server.write_all(&of_one_request(&head))?;
            server.write_all(&body)?;
            let mut answer = Vec::new();
            server.read_to_end(&mut answer)?;
            Ok(answer)
        };
        let answer = match trouble {
            Some(Trouble::Lost(then)) => {
                ask()?;
                then();
                return Ok(());
            }
            Some(Trouble::After(first)) => {
                first();
                ask()?
            }
            Some(Trouble::Answer(status, body)) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} No\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\r\n");
                (head + &body).into_bytes()
            }
            None => ask()?,
        };
        client.write_all(&answer)?;
        if field(&answer, "connection").is_some_and(|value| value == "close") {
            return Ok(());
        }
    }
}

fn next(coming: &Mutex<Coming>, target: &str) -> Option<Trouble> {
    let mut coming = coming.lock().unwrap();
    let (call, _) = coming.troubles.first()?;
    let is_it = if call.is_empty() {
        WRITES.iter().any(|write| target.ends_with(&write.to_ascii_lowercase()))
    } else {
        target.ends_with(&format!(".{}", call.to_ascii_lowercase()))
    };
    is_it.then(|| {
        coming.had += 1;
        coming.troubles.remove(0).1
    })
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

/// With the wish that the connection ends after the answer.
fn of_one_request(head: &[u8]) -> Vec<u8> {
    let lines = std::str::from_utf8(head).unwrap().trim_end().split("\r\n");
    let kept: Vec<&str> = lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    format!("{}\r\nConnection: close\r\n\r\n", kept.join("\r\n")).into_bytes()
}

/// The value of a field of a message's head, in lower case.
fn field(message: &[u8], name: &str) -> Option<String> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
    head.split("\r\n")
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
}
