//! A file's bytes after decompression, a bounded number at a time.

use super::list::{Listed, Place};
use crate::decode::{Coding, Decoder, FILE_WINDOW_LOG_MAX};
use crate::error::{Error, FetchError};
use crate::http::{Client, body};
use bytes::Bytes;
use pipeline::Compression;
use std::io;
use tokio::io::AsyncReadExt as _;

/// How many bytes of a local file are read at once.
const READ_BYTES: usize = 256 << 10;

/// A file being read.
pub(super) struct Stream {
    input: Input,
    /// Known when the first bytes are there.
    decoder: Option<Decoder>,
    declared: Option<Coding>,
    /// What came in and is not decompressed yet.
    waiting: Bytes,
    ended: bool,
    /// What is decompressed and not yet cut.
    pub bytes: Vec<u8>,
    pub status: u16,
    pub content_type: Option<String>,
    shown: String,
}

enum Input {
    Local { file: tokio::fs::File, room: Vec<u8> },
    Http(Box<reqwest::Response>),
}

/// Why reading stopped.
pub(super) enum Broken {
    Final(Error),
    /// The connection broke: the file may be read again.
    Stream(FetchError),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Broken {
        Broken::Final(error)
    }
}

impl Stream {
    /// `root` is what its path starts from, as it stands in messages.
    pub async fn open(listed: &Listed, root: &str, compression: Compression, client: Option<&mut Client>) -> Result<Stream, Error> {
        let mut declared = match compression {
            Compression::Auto => None,
            Compression::None => Some(Coding::Identity),
            Compression::Gzip => Some(Coding::Gzip),
            Compression::Zstd => Some(Coding::Zstd),
        };
        let (mut status, mut content_type) = (0, None);
        let input = match (&listed.place, client) {
            (Place::Local(path), _) => Input::Local {
                file: tokio::fs::File::open(path).await.map_err(|source| Error::Open {
                    file: listed.shown.clone(),
                    root: root.to_owned(),
                    source,
                })?,
                room: vec![0; READ_BYTES],
            },
            (Place::Url(url), Some(client)) => {
                let (reply, response) = client.open(url).await?;
                // Nothing was asked for, but a server may compress all the same; a file that is compressed by itself is so only once.
                match body::coding(&response) {
                    Ok(Coding::Identity) => {}
                    // Its decoder takes a whole chunk in one step, which may become anything.
                    Ok(Coding::Brotli) => {
                        return Err(Error::Content {
                            file: listed.shown.clone(),
                            problem: "the server compresses it as br, which was not asked for; expected gzip, zstd or nothing".into(),
                        });
                    }
                    Ok(coding) => declared = Some(coding),
                    Err(source) => {
                        let url = listed.shown.clone();
                        return Err(Error::Fetch { url, source });
                    }
                }
                (status, content_type) = (reply.status, reply.content_type);
                Input::Http(Box::new(response))
            }
            (Place::Url(_), None) => {
                return Err(Error::Setup {
                    place: listed.shown.clone(),
                    problem: "there is no client for addresses".into(),
                });
            }
        };
        Ok(Stream {
            input,
            decoder: None,
            declared,
            waiting: Bytes::new(),
            ended: false,
            bytes: Vec::new(),
            status,
            content_type,
            shown: listed.shown.clone(),
        })
    }

    /// Appends some bytes; `false` when there are no more.
    pub async fn fill(&mut self, client: Option<&Client>) -> Result<bool, Broken> {
        let before = self.bytes.len();
        while self.bytes.len() == before {
            if self.waiting.is_empty() && !self.ended {
                let chunk = self.read(client).await?;
                self.ended = chunk.is_empty();
                self.waiting = chunk;
            }
            let decoder = match &mut self.decoder {
                Some(decoder) => decoder,
                None => {
                    // The first bytes tell; the first chunk may be shorter than that.
                    while self.waiting.len() < 4 && !self.ended {
                        let chunk = self.read(client).await?;
                        self.ended = chunk.is_empty();
                        self.waiting = [&self.waiting[..], &chunk[..]].concat().into();
                    }
                    let coding = self.declared.unwrap_or_else(|| Coding::by_magic(&self.waiting));
                    let decoder = Decoder::new(coding, FILE_WINDOW_LOG_MAX).map_err(|source| Broken::Final(Error::Compress(source)))?;
                    self.decoder.insert(decoder)
                }
            };
            let step = if self.waiting.is_empty() {
                decoder.finish(&mut self.bytes, usize::MAX).map(|()| 0)
            } else {
                decoder.step(&self.waiting, &mut self.bytes, usize::MAX)
            };
            let taken = step.map_err(|error| self.undecodable(error))?;
            let _ = self.waiting.split_to(taken);
            if self.ended && self.waiting.is_empty() && taken == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next bytes as they are stored; none at the end.
    async fn read(&mut self, client: Option<&Client>) -> Result<Bytes, Broken> {
        match (&mut self.input, client) {
            (Input::Local { file, room }, _) => {
                let read = file.read(room).await.map_err(|source| Error::File {
                    action: "read",
                    file: self.shown.clone(),
                    source,
                })?;
                Ok(Bytes::copy_from_slice(room.get(..read).unwrap_or_default()))
            }
            (Input::Http(response), Some(client)) => loop {
                match client.chunk(response).await.map_err(Broken::Stream)? {
                    Some(chunk) if chunk.is_empty() => {}
                    Some(chunk) => return Ok(chunk),
                    None => return Ok(Bytes::new()),
                }
            },
            (Input::Http(_), None) => Ok(Bytes::new()),
        }
    }

    fn undecodable(&self, error: io::Error) -> Broken {
        match self.input {
            Input::Http(_) => Broken::Stream(FetchError::Decode(error)),
            Input::Local { .. } => Broken::Final(Error::Content {
                file: self.shown.clone(),
                problem: format!("it cannot be decompressed: {error}; it is damaged, cut short, or needs a window of more than 32 MB"),
            }),
        }
    }
}
