//! Reads the body of a reply into a buffer that is used again, decompressed and never longer than allowed.

use super::transport;
use crate::decode::{Coding, Decoder, REPLY_WINDOW_LOG_MAX};
use crate::error::FetchError;
use reqwest::header::CONTENT_ENCODING;
use std::io;

/// Reads the whole body into `body`, at most `bytes_max` bytes.
pub(super) async fn read(response: &mut reqwest::Response, body: &mut Vec<u8>, bytes_max: u64) -> Result<(), FetchError> {
    body.clear();
    let too_large = || FetchError::TooLarge { bytes_max };
    let room = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let coding = coding(response)?;
    if coding == Coding::Identity {
        let announced = response.content_length().unwrap_or_default();
        if announced > bytes_max {
            return Err(too_large());
        }
        body.reserve(usize::try_from(announced).unwrap_or_default());
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > room {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        return Ok(());
    }
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull => too_large(),
        _ => FetchError::Decode(error),
    };
    let mut decoder = Decoder::new(coding, REPLY_WINDOW_LOG_MAX).map_err(FetchError::Decode)?;
    let mut begun = false;
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        let mut input: &[u8] = &chunk;
        begun |= !input.is_empty();
        while !input.is_empty() {
            let taken = decoder.step(input, body, room).map_err(failed)?;
            input = input.get(taken..).unwrap_or_default();
            if body.len() > room {
                return Err(too_large());
            }
        }
    }
    // An empty body is not compressed, whatever its header says.
    if begun {
        decoder.finish(body, room).map_err(failed)?;
    }
    if body.len() > room { Err(too_large()) } else { Ok(()) }
}

/// How the reply says it is compressed.
pub(crate) fn coding(response: &reqwest::Response) -> Result<Coding, FetchError> {
    let Some(name) = response.headers().get(CONTENT_ENCODING) else {
        return Ok(Coding::Identity);
    };
    let name = name.to_str().unwrap_or("something that is no name");
    Coding::by_name(name).ok_or_else(|| FetchError::Encoding {
        name: name.chars().take(40).collect(),
    })
}
