//! A server that speaks MongoDB's wire protocol (OP_MSG alone), acknowledges truthfully and keeps nothing: what a client costs, without a server's cost.

mod reply;

use anyhow::{Context, Result, bail, ensure};
use bson::{RawDocument, RawDocumentBuf};
use clap::ValueEnum;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// What it says is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stored {
    /// Nothing: every document is new.
    Nothing,
    /// Under every key something of a lower rank: every document is an update.
    Older,
}

/// The longest message, as `hello` says.
pub const MESSAGE_BYTES_MAX: usize = 48_000_000;

const HEADER_BYTES: usize = 16;
const OP_MSG: u32 = 2013;
const MORE_TO_COME: u32 = 1 << 1;
const KNOWN_FLAGS: u32 = MORE_TO_COME | 1 << 16;

/// A command: its body, and the documents that came beside it.
pub struct Request<'a> {
    pub body: &'a RawDocument,
    /// Their field's name, and their bytes one after another.
    pub beside: Option<(&'a str, &'a [u8])>,
}

/// Serves until the process ends. Prints `port N` first.
pub fn serve(stored: Stored) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let mut out = std::io::stdout();
    writeln!(out, "port {}", listener.local_addr()?.port())?;
    out.flush()?;
    for stream in listener.incoming() {
        let (stream, address) = (stream?, address.clone());
        std::thread::spawn(move || {
            if let Err(error) = connection(stream, &reply::Server { address, stored }) {
                let _ = writeln!(std::io::stderr(), "the stub ends a connection: {error:#}");
            }
        });
    }
    Ok(())
}

fn connection(mut stream: TcpStream, server: &reply::Server) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 20, stream.try_clone()?);
    let (mut message, mut answer) = (Vec::new(), Vec::new());
    let mut header = [0; HEADER_BYTES];
    while reader.read_exact(&mut header).is_ok() {
        let [length, id, _, code] = words(&header);
        let length = length as usize;
        ensure!(code == OP_MSG, "a message of the kind {code}, not OP_MSG");
        ensure!((HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&length), "a message of {length} bytes");
        message.resize(length - HEADER_BYTES, 0);
        reader.read_exact(&mut message)?;
        let (flags, request) = parse(&message)?;
        let reply = server.answer(&request)?;
        if flags & MORE_TO_COME == 0 {
            frame(&mut answer, id, &reply);
            stream.write_all(&answer)?;
        }
    }
    Ok(())
}

fn words(header: &[u8; HEADER_BYTES]) -> [u32; 4] {
    let (words, _) = header.as_chunks::<4>();
    std::array::from_fn(|word| words.get(word).copied().map_or(0, u32::from_le_bytes))
}

/// The flags, and the sections: one body, at most one sequence of documents.
fn parse(message: &[u8]) -> Result<(u32, Request<'_>)> {
    let (flags, mut rest) = message.split_first_chunk::<4>().context("a message without flags")?;
    let flags = u32::from_le_bytes(*flags);
    ensure!(flags & !KNOWN_FLAGS == 0, "flags that the stub does not know: {flags:#x}");
    let (mut body, mut beside) = (None, None);
    while let Some((kind, section)) = rest.split_first() {
        let length = section.first_chunk::<4>().context("a section without its length")?;
        let (section, after) = section
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .context("a section cut short")?;
        rest = after;
        match kind {
            0 => body = Some(RawDocument::from_bytes(section)?),
            1 => {
                let named = section.get(4..).unwrap_or_default();
                let end = end_of_name(named).context("a sequence without a name")?;
                let (name, documents) = named.split_at(end);
                beside = Some((std::str::from_utf8(name)?, documents.get(1..).unwrap_or_default()));
            }
            other => bail!("a section of the kind {other}"),
        }
    }
    let body = body.context("a message without a body")?;
    Ok((flags, Request { body, beside }))
}

fn end_of_name(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == 0)
}

fn frame(out: &mut Vec<u8>, response_to: u32, reply: &RawDocumentBuf) {
    let bytes = reply.as_bytes();
    out.clear();
    for word in [(HEADER_BYTES + 5 + bytes.len()) as u32, 0, response_to, OP_MSG, 0] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.push(0);
    out.extend_from_slice(bytes);
}
