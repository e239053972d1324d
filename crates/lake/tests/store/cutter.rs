//! A way to a server that spoils one answer: cuts its connection, changes a byte of it, or gives another in its place.

use servers::way::{Answer, Request, http};
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
    endpoint: String,
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
        let faults = Arc::new(Mutex::new(Faults::default()));
        let of_way = faults.clone();
        let endpoint = http(server, move |request| {
            let fault = of_way.lock().unwrap().next(request);
            Ok(match fault {
                Some(Fault::Answer(answer)) => Answer::Cut(answer.into()),
                Some(Fault::Cut(at)) => Answer::Cut(request.ask()?[..at].to_vec()),
                Some(Fault::Flip(at)) => Answer::Whole(flipped(request.ask()?, at)),
                Some(Fault::FlipAndCut(flip, cut)) => Answer::Cut(flipped(request.ask()?, flip)[..cut].to_vec()),
                None => Answer::Whole(request.ask()?),
            })
        });
        Cutter { endpoint, faults }
    }

    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
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

impl Faults {
    fn next(&mut self, request: &Request) -> Option<Fault> {
        let method = request.method();
        self.requests.push(match request.field("range") {
            Some(range) => format!("{method} {range}"),
            None => method.to_owned(),
        });
        (!self.coming.is_empty()).then(|| self.coming.remove(0))
    }
}

fn flipped(mut answer: Vec<u8>, at: usize) -> Vec<u8> {
    answer[at] ^= 1;
    answer
}
