//! A recorded API served from memory by a process of its own, so that its cost is not counted: every page is a slice of one buffer.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
struct Poll {
    poll: u64,
    body: String,
}

#[derive(Deserialize)]
struct Body<'a> {
    last_updated: u64,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    stations: Vec<&'a RawValue>,
}

/// The rows, joined by commas, and where each starts.
pub struct Rows {
    text: Vec<u8>,
    starts: Vec<usize>,
}

impl Rows {
    /// Reads the polls: a line is `{"poll", …, "body"}`, its body `{"last_updated", "data": {"stations": [row, …]}}`. Each row gets the two as fields of its own.
    pub fn read(polls: &Path) -> Result<Rows> {
        let file = std::fs::File::open(polls).with_context(|| format!("could not open {}", polls.display()))?;
        let mut rows = Rows {
            text: Vec::new(),
            starts: Vec::new(),
        };
        for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
            let poll: Poll = serde_json::from_str(&line?)?;
            let body: Body = serde_json::from_str(&poll.body)?;
            for station in &body.data.stations {
                let row = station
                    .get()
                    .trim_end()
                    .strip_suffix('}')
                    .context("a station that is not an object")?;
                rows.starts.push(rows.text.len());
                rows.text.extend_from_slice(row.as_bytes());
                write!(rows.text, ", \"poll\": {}, \"last_updated\": {}}},", poll.poll, body.last_updated)?;
            }
        }
        rows.starts.push(rows.text.len());
        Ok(rows)
    }

    /// No rows: for the synthetic source alone.
    pub fn none() -> Rows {
        Rows {
            text: Vec::new(),
            starts: vec![0],
        }
    }

    pub fn count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn page(&self, page: usize, per_page: usize) -> Vec<u8> {
        let from = (page.saturating_sub(1) * per_page).min(self.count());
        let to = (from + per_page).min(self.count());
        // From the first row to the last one's comma, which is left out.
        let start = self.starts.get(from).copied().unwrap_or_default();
        let end = self.starts.get(to).copied().unwrap_or_default().saturating_sub(1);
        let items = self.text.get(start..end).unwrap_or_default();
        let next = if to < self.count() { (page + 1).to_string() } else { "null".into() };
        let mut body = b"{\"items\": [".to_vec();
        body.extend_from_slice(items);
        let _ = write!(body, "], \"next_page\": {next}, \"total\": {}}}", self.count());
        body
    }
}

/// Rows made up as they are asked for: about 1 MB a page, `pages` of them.
fn synthetic(after: usize, pages: usize) -> Vec<u8> {
    const ROWS: usize = 4_000;
    let mut body = b"{\"rows\": [".to_vec();
    for row in 0..ROWS {
        let id = after * ROWS + row;
        let comma = if row == 0 { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{{\"id\": {id}, \"name\": \"row {id}\", \"amount\": {}.{:04}, \"at\": \"2026-01-{:02}T{:02}:{:02}:{:02}Z\", \"comment\": \"{:0>150}\"}}",
            id % 9_973,
            id % 10_000,
            1 + id % 28,
            id % 24,
            id % 60,
            id % 59,
            id.wrapping_mul(2_654_435_761)
        );
    }
    let next = if after + 1 < pages {
        (after + 1).to_string()
    } else {
        "null".into()
    };
    let _ = write!(body, "], \"next\": {next}}}");
    body
}

/// Serves until the process ends. Prints `port N` first.
pub fn serve(rows: Rows, synthetic_pages: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = std::io::stdout();
    writeln!(out, "port {}", listener.local_addr()?.port())?;
    out.flush()?;
    let rows = Arc::new(rows);
    for stream in listener.incoming() {
        let (stream, rows) = (stream?, rows.clone());
        std::thread::spawn(move || connection(stream, &rows, synthetic_pages));
    }
    Ok(())
}

fn connection(stream: TcpStream, rows: &Rows, synthetic_pages: usize) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.by_ref().take(8 << 10).read_line(&mut line).ok().filter(|n| *n > 0)?;
        let target = line.split(' ').nth(1)?.to_owned();
        while line.trim_end() != "" {
            line.clear();
            reader.by_ref().take(8 << 10).read_line(&mut line).ok().filter(|n| *n > 0)?;
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let param = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let body = match path {
            "/stations" => Some(rows.page(param("page").unwrap_or(1), param("per_page").unwrap_or(1_000))),
            "/synthetic" => Some(synthetic(param("after").unwrap_or(0), synthetic_pages)),
            _ => None,
        };
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body.unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        reader.get_mut().write_all(head.as_bytes()).ok()?;
        reader.get_mut().write_all(&body).ok()?;
    }
}
