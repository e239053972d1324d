//! A reader that stops a stream that unpacks to more than it should.

use std::io::{self, Read};

/// Reads at most so many bytes, and fails (never silently ends) when there are more: for whatever comes compressed from outside.
#[derive(Debug)]
pub struct Capped<R> {
    inner: R,
    bytes_max: u64,
    bytes_left: u64,
}

/// The source of the error of [`Capped`], whose kind is [`io::ErrorKind::FileTooLarge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it unpacks to more than the {bytes_max} bytes allowed")]
pub struct TooLong {
    pub bytes_max: u64,
}

impl<R: Read> Capped<R> {
    pub fn new(inner: R, bytes_max: u64) -> Capped<R> {
        Capped {
            inner,
            bytes_max,
            bytes_left: bytes_max,
        }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.bytes_left == 0 {
            // At the limit, one byte more tells a stream that ends here from one that goes on.
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, TooLong { bytes_max: self.bytes_max })),
            };
        }
        let wanted = usize::try_from(self.bytes_left).unwrap_or(usize::MAX).min(into.len());
        let read = self.inner.read(into.get_mut(..wanted).unwrap_or_default())?;
        self.bytes_left = self.bytes_left.saturating_sub(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_fits_is_read_and_one_byte_more_is_an_error() {
        for (length, fits) in [(0, true), (9, true), (10, true), (11, false), (5_000, false)] {
            let mut read = Vec::new();
            let result = Capped::new(io::repeat(7).take(length), 10).read_to_end(&mut read);
            assert_eq!(result.is_ok(), fits, "{length}");
            assert_eq!(read.len() as u64, length.min(10));
            if let Err(error) = result {
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
                assert_eq!(error.to_string(), "it unpacks to more than the 10 bytes allowed");
            }
        }
    }
}
