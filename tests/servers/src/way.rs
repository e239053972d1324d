//! A way to a server, on which a test lets things go wrong: connections that are taken one by one, and, for HTTP, requests that are answered one by one.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

/// Gives each connection to `serve`, on a thread of its own, for as long as the process lives. The port.
pub fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, serve) = (client.unwrap(), serve.clone());
            std::thread::spawn(move || serve(client));
        }
    });
    port
}

/// Answers each request as `answer` says, for as long as the process lives. Its own `http://host:port`.
///
/// `server`: the `http://host:port` that requests are for.
pub fn http(server: &str, answer: impl Fn(&Request) -> Result<Answer> + Send + Sync + 'static) -> String {
    let server = server.trim_start_matches("http://").to_owned();
    let port = listen(move |client| {
        // Whichever side is gone: the other is told so by its connection's end.
        let _ = pass(&client, &server, &answer);
        let _ = client.shutdown(Shutdown::Both);
    });
    format!("http://127.0.0.1:{port}")
}

/// What the client gets.
pub enum Answer {
    /// A whole answer; the connection lives on, unless the answer says otherwise.
    Whole(Vec<u8>),
    /// These bytes, and the connection's end.
    Cut(Vec<u8>),
}

/// One request, and the server it is for.
pub struct Request<'s> {
    server: &'s str,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request<'_> {
    pub fn method(&self) -> &str {
        std::str::from_utf8(&self.head).unwrap().split(' ').next().unwrap()
    }

    /// The value of a field of the head, in lower case.
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.head, name)
    }

    /// What the server answers. It is asked on a connection of its own, whose end is the answer's.
    pub fn ask(&self) -> Result<Vec<u8>> {
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(&of_one_request(&self.head))?;
        server.write_all(&self.body)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// One request after the other.
fn pass(mut client: &TcpStream, server: &str, answer: &impl Fn(&Request) -> Result<Answer>) -> Result<()> {
    loop {
        let head = head(&mut client)?;
        if field(&head, "expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; field(&head, "content-length").map_or(0, |length| length.parse().unwrap())];
        client.read_exact(&mut body)?;
        match answer(&Request { server, head, body })? {
            Answer::Cut(bytes) => return client.write_all(&bytes),
            Answer::Whole(bytes) => {
                client.write_all(&bytes)?;
                if field(&bytes, "connection").is_some_and(|value| value == "close") {
                    return Ok(());
                }
            }
        }
    }
}

/// Up to the empty line.
fn head(from: &mut impl Read) -> Result<Vec<u8>> {
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

/// The value of a field of a message's head, in lower case.
fn field(message: &[u8], name: &str) -> Option<String> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&message[..end]).to_ascii_lowercase();
    head.split("\r\n")
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
}
