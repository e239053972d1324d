//! An HTTP server on loopback that answers as a script says, faults included, and keeps a log of what it was asked.
//!
//! It is written on sockets, not on a server's library, since what it must do wrong no library does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A head longer than this is not read.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Which request of the server it is, counted from 0.
    pub number: usize,
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query's parameter, percent-decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?')?.1;
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(decode(value))
    }

    pub fn number_param(&self, name: &str) -> Option<usize> {
        self.param(name)?.parse().ok()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub fault: Fault,
}

/// What goes wrong on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// The connection is reset before a byte of the answer.
    Reset,
    /// The connection is closed after so many bytes of the body, while the head promised all of it.
    CutAfter(usize),
    /// Every byte of the body in a packet of its own.
    ByteByByte,
    /// No answer: the connection stays open until the client gives up.
    Silence,
}

impl Reply {
    pub fn json(body: impl Into<Vec<u8>>) -> Reply {
        Reply::new(200, body).header("content-type", "application/json")
    }

    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
            fault: Fault::None,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn with(mut self, fault: Fault) -> Reply {
        self.fault = fault;
        self
    }

    /// The same body, packed, and said to be.
    pub fn gzip(self) -> Reply {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&self.body).unwrap();
        let body = packer.finish().unwrap();
        Reply { body, ..self }.header("content-encoding", "gzip")
    }
}

/// A server that runs until it is dropped.
pub struct Upstream {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Upstream {
    /// Starts a server that answers each request as `script` says.
    pub fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (of_server, stop) = (log.clone(), stopped.clone());
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let (log, script) = (of_server.clone(), script.clone());
                // A connection that breaks is the client's affair.
                std::thread::spawn(move || stream.and_then(|stream| connection(stream, &log, script.as_ref())));
            }
        });
        Upstream { address, log, stopped }
    }

    /// `http://127.0.0.1:…/`
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    /// What was asked so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the server, which then sees that it is stopped.
        let _ = TcpStream::connect(self.address);
    }
}

fn connection(mut stream: TcpStream, log: &Mutex<Vec<Request>>, script: &(dyn Fn(&Request) -> Reply + Send + Sync)) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some((mut request, head_bytes)) = peek(&stream)? {
        {
            let mut log = log.lock().unwrap();
            request.number = log.len();
            log.push(request.clone());
        }
        let reply = script(&request);
        if reply.fault == Fault::Reset {
            // Closed with the request unread: the system sends a reset.
            return Ok(());
        }
        stream.read_exact(&mut vec![0; head_bytes])?;
        if reply.fault == Fault::Silence {
            return stream.read(&mut [0]).map(|_| ());
        }
        let whole = send(&mut stream, &reply)?;
        if !whole {
            return Ok(());
        }
    }
    Ok(())
}

/// Looks at the next request without taking it; `None` when the client is done.
fn peek(stream: &TcpStream) -> std::io::Result<Option<(Request, usize)>> {
    let mut buffer = vec![0; HEAD_BYTES_MAX];
    let mut seen = 0;
    loop {
        let bytes = stream.peek(&mut buffer)?;
        if bytes == 0 {
            return Ok(None);
        }
        if let Some(end) = buffer[..bytes].windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(parse(&String::from_utf8_lossy(&buffer[..end])).map(|request| (request, end + 4)));
        }
        if bytes == seen {
            std::thread::yield_now();
        }
        seen = bytes;
    }
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Request {
        number: 0,
        method,
        target,
        headers,
    })
}

/// Whether the connection is good for more.
fn send(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} Status\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    match reply.fault {
        Fault::CutAfter(bytes) => {
            stream.write_all(&reply.body[..bytes.min(reply.body.len())])?;
            return Ok(false);
        }
        Fault::ByteByByte => {
            for byte in &reply.body {
                stream.write_all(&[*byte])?;
                std::thread::yield_now();
            }
        }
        Fault::None | Fault::Reset | Fault::Silence => stream.write_all(&reply.body)?,
    }
    Ok(true)
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
