//! A source on loopback that answers as it is told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body stops after so many bytes, though more were announced.
    pub cut_at: Option<usize>,
    /// Nothing more comes after so many bytes, but the connection stays open.
    pub stall_at: Option<usize>,
    /// No answer at all: the connection is closed.
    pub reset: bool,
}

impl Answer {
    pub fn json(body: impl Into<String>) -> Answer {
        Answer::bytes(body.into().into_bytes()).with("content-type", "application/json")
    }

    pub fn bytes(body: Vec<u8>) -> Answer {
        Answer {
            status: 200,
            headers: Vec::new(),
            body,
            cut_at: None,
            stall_at: None,
            reset: false,
        }
    }

    pub fn status(status: u16) -> Answer {
        Answer {
            status,
            ..Answer::bytes(b"something that must not be shown".to_vec())
        }
    }

    pub fn redirect(location: &str) -> Answer {
        Answer::status(302).with("location", location)
    }

    pub fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.into(), value.into()));
        self
    }
}

type Respond = dyn Fn(usize, &Asked) -> Answer + Send + Sync;

/// The source; it ends when it is dropped.
pub struct Upstream {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Upstream {
    /// `respond` is given the number of the request, counted from 0, and the request.
    pub async fn start(respond: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, respond): (Arc<Mutex<Vec<Asked>>>, Arc<Respond>) = (Arc::default(), Arc::new(respond));
        let seen = asked.clone();
        let server = tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(connection, seen.clone(), respond.clone()));
            }
        });
        Upstream { port, asked, server }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut connection: TcpStream, asked: Arc<Mutex<Vec<Asked>>>, respond: Arc<Respond>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let request = parse(std::str::from_utf8(&head).unwrap());
    let answer = {
        let mut asked = asked.lock().unwrap();
        asked.push(request.clone());
        respond(asked.len() - 1, &request)
    };
    if answer.reset {
        return;
    }
    let mut reply = format!(
        "HTTP/1.1 {} Whatever\r\nconnection: close\r\ncontent-length: {}\r\n",
        answer.status,
        answer.body.len()
    );
    for (name, value) in &answer.headers {
        reply.push_str(&format!("{name}: {value}\r\n"));
    }
    reply.push_str("\r\n");
    let sent = answer.cut_at.or(answer.stall_at).unwrap_or(answer.body.len());
    let written = async {
        connection.write_all(reply.as_bytes()).await?;
        connection.write_all(&answer.body[..sent]).await
    };
    if written.await.is_ok() && answer.stall_at.is_some() {
        // Until the other side gives up.
        let _ = connection.read_u8().await;
    }
}

fn parse(head: &str) -> Asked {
    let mut lines = head.lines();
    let target = lines.next().unwrap().split(' ').nth(1).unwrap();
    let url = url::Url::parse(&format!("http://h{target}")).unwrap();
    Asked {
        path: url.path().to_owned(),
        query: url
            .query_pairs()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
    }
}
