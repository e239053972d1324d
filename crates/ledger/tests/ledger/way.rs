//! A way to a server on which things go wrong: answers get lost, others come first, the server says no.

use servers::way::{Answer, Request, http};
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
    endpoint: String,
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
        let coming = Arc::new(Mutex::new(Coming::default()));
        let of_way = coming.clone();
        let endpoint = http(server, move |request| answer(request, &of_way));
        Way { endpoint, coming }
    }

    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
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

fn answer(request: &Request, coming: &Mutex<Coming>) -> std::io::Result<Answer> {
    let target = request.field("x-amz-target").unwrap_or_default();
    // Taken before it is acted on: what is done may go the same way.
    let trouble = next(coming, &target);
    Ok(match trouble {
        Some(Trouble::Lost(then)) => {
            request.ask()?;
            then();
            Answer::Cut(Vec::new())
        }
        Some(Trouble::After(first)) => {
            first();
            Answer::Whole(request.ask()?)
        }
        Some(Trouble::Answer(status, body)) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} No\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\r\n");
            Answer::Whole((head + &body).into_bytes())
        }
        None => Answer::Whole(request.ask()?),
    })
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
