//! Decompression as bytes come in, in steps of bounded size, so that a small input can't become a large output unnoticed.

use std::io::{self, Write};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// The largest window of a zstd frame that is read: 8 MB for replies (RFC 9659), 32 MB for files.
pub const REPLY_WINDOW_LOG_MAX: u32 = 23;
pub const FILE_WINDOW_LOG_MAX: u32 = 25;

/// How many bytes come out of one step at most, beyond what is asked: a block of zstd.
const STEP_BYTES: usize = 128 << 10;

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
    Brotli,
    Zstd,
}

/// A stream that is being decompressed.
pub struct Decoder {
    kind: Kind,
}

enum Kind {
    Identity,
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Brotli {
        decoder: Box<brotli::DecompressorWriter<Room>>,
        begun: bool,
    },
    Zstd {
        decoder: ZstdDecoder<'static>,
        ended: bool,
    },
}

/// Where brotli's decoder writes: full after a given number of bytes, since it takes all of its input in one step.
#[derive(Default)]
struct Room {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.bytes_max {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Coding {
    /// By the name in `Content-Encoding`.
    pub fn by_name(name: &str) -> Option<Coding> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Coding::Identity),
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "br" => Some(Coding::Brotli),
            "zstd" => Some(Coding::Zstd),
            _ => None,
        }
    }

    /// By the first bytes of a file (four of them are enough).
    pub fn by_magic(start: &[u8]) -> Coding {
        match start {
            [0x1f, 0x8b, ..] => Coding::Gzip,
            // A frame, or one to be skipped, as `pzstd` and seekable files start with.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Coding::Zstd,
            _ => Coding::Identity,
        }
    }
}

impl Decoder {
    /// `window_log_max` bounds the memory that a zstd frame may ask for.
    pub fn new(coding: Coding, window_log_max: u32) -> io::Result<Decoder> {
        let kind = match coding {
            Coding::Identity => Kind::Identity,
            Coding::Gzip => Kind::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            Coding::Brotli => Kind::Brotli {
                decoder: Box::new(brotli::DecompressorWriter::new(Room::default(), 16 << 10)),
                begun: false,
            },
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(window_log_max))?;
                Kind::Zstd { decoder, ended: true }
            }
        };
        Ok(Decoder { kind })
    }

    /// Takes some of `input` (at least a byte, unless it is empty), appends what comes out of it to `output`, and says how much was taken.
    /// One step appends little more than `STEP_BYTES`, except for brotli, which takes all and fails with `StorageFull` where more than
    /// `bytes_max` bytes would stand in `output`.
    pub fn step(&mut self, input: &[u8], output: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Identity => {
                let taken = input.get(..STEP_BYTES).unwrap_or(input);
                output.extend_from_slice(taken);
                Ok(taken.len())
            }
            Kind::Gzip(decoder) => {
                std::mem::swap(decoder.get_mut(), output);
                let taken = decoder.write(input);
                std::mem::swap(decoder.get_mut(), output);
                match taken {
                    Ok(0) if !input.is_empty() => Err(io::Error::from(io::ErrorKind::InvalidData)),
                    taken => taken,
                }
            }
            Kind::Brotli { decoder, begun } => {
                if let Some(first) = input.first().filter(|_| !*begun) {
                    // Not the brotli of RFC 7932, but its "large window" kind: a few bytes of it make the decoder take 1 GB.
                    if first & 0x7f == 0x11 {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "a brotli window of more than 16 MB"));
                    }
                    *begun = true;
                }
                let room = decoder.get_mut();
                room.bytes_max = bytes_max;
                std::mem::swap(&mut room.bytes, output);
                let taken = decoder.write(input);
                std::mem::swap(&mut decoder.get_mut().bytes, output);
                match taken? {
                    0 if !input.is_empty() => Err(io::Error::from(io::ErrorKind::InvalidData)),
                    taken => Ok(taken),
                }
            }
            Kind::Zstd { decoder, ended } => {
                let mut source = InBuffer::around(input);
                *ended = zstd_step(decoder, &mut source, output)?;
                Ok(source.pos())
            }
        }
    }

    /// At the end of the input: appends what is left; an error when the input was cut short.
    pub fn finish(&mut self, output: &mut Vec<u8>, bytes_max: usize) -> io::Result<()> {
        match &mut self.kind {
            Kind::Identity => Ok(()),
            Kind::Gzip(decoder) => {
                std::mem::swap(decoder.get_mut(), output);
                let end = decoder.try_finish();
                std::mem::swap(decoder.get_mut(), output);
                end
            }
            Kind::Brotli { decoder, .. } => {
                let room = decoder.get_mut();
                room.bytes_max = bytes_max;
                std::mem::swap(&mut room.bytes, output);
                let end = decoder.close();
                std::mem::swap(&mut decoder.get_mut().bytes, output);
                end
            }
            Kind::Zstd { decoder, ended } => {
                while !*ended {
                    let reached = output.len();
                    *ended = zstd_step(decoder, &mut InBuffer::around(&[]), output)?;
                    if !*ended && output.len() == reached {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                    }
                }
                Ok(())
            }
        }
    }
}

/// One step of zstd, which fills at most `STEP_BYTES` however large the buffer is; says whether a frame has ended.
fn zstd_step(decoder: &mut ZstdDecoder<'static>, source: &mut InBuffer<'_>, output: &mut Vec<u8>) -> io::Result<bool> {
    let reached = output.len();
    output.resize(reached + STEP_BYTES, 0);
    let mut room = OutBuffer::around(output.get_mut(reached..).unwrap_or_default());
    let result = decoder.run(source, &mut room);
    let filled = room.pos();
    output.truncate(reached + filled);
    Ok(result? == 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    fn compressed(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Identity => bytes.to_vec(),
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Brotli => {
                let mut out = Vec::new();
                let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 3, 20);
                encoder.write_all(bytes).unwrap();
                drop(encoder);
                out
            }
            Coding::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        }
    }

    fn decoded(coding: Coding, mut input: &[u8], chunk: usize) -> io::Result<(Vec<u8>, usize)> {
        let mut decoder = Decoder::new(coding, FILE_WINDOW_LOG_MAX)?;
        let (mut output, mut largest) = (Vec::new(), 0);
        while !input.is_empty() {
            let (mut now, rest) = input.split_at(chunk.min(input.len()));
            while !now.is_empty() {
                let before = output.len();
                let taken = decoder.step(now, &mut output, 64 << 20)?;
                largest = largest.max(output.len() - before);
                now = &now[taken..];
            }
            input = rest;
        }
        decoder.finish(&mut output, 64 << 20)?;
        Ok((output, largest))
    }

    #[test]
    fn all_codings_come_back_whatever_the_chunks() {
        let text: Vec<u8> = (0..200_000u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes())
            .collect();
        for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            let packed = compressed(coding, &text);
            for chunk in [1009, 64 << 10, usize::MAX] {
                assert!(decoded(coding, &packed, chunk).unwrap().0 == text, "{coding:?} {chunk}");
            }
            if coding != Coding::Identity {
                assert!(decoded(coding, &packed[..packed.len() - 20], 4096).is_err(), "{coding:?} cut short");
                assert!(decoded(coding, &packed[..packed.len() / 2], 4096).is_err(), "{coding:?} cut short");
            }
        }
    }

    #[test]
    fn members_and_frames_follow_one_another() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let packed = [compressed(coding, b"one,"), compressed(coding, b"two")].concat();
            for chunk in [1, 7, 4096] {
                assert_eq!(decoded(coding, &packed, chunk).unwrap().0, b"one,two");
            }
        }
    }

    #[test]
    fn a_bomb_comes_out_in_small_steps() {
        let zeros = vec![0; 32 << 20];
        for coding in [Coding::Gzip, Coding::Zstd] {
            let packed = compressed(coding, &zeros);
            assert!(packed.len() < 256 << 10);
            let (output, largest) = decoded(coding, &packed, usize::MAX).unwrap();
            assert_eq!(output.len(), zeros.len());
            assert!(largest <= 4 * STEP_BYTES, "{coding:?}: a step of {largest} bytes");
        }
        let packed = compressed(Coding::Brotli, &zeros);
        let mut output = Vec::new();
        let mut decoder = Decoder::new(Coding::Brotli, FILE_WINDOW_LOG_MAX).unwrap();
        assert_eq!(
            decoder.step(&packed, &mut output, 1 << 20).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert!(output.len() <= 1 << 20);
    }

    #[test]
    fn names_and_magic() {
        assert_eq!(Coding::by_name(" GZIP"), Some(Coding::Gzip));
        assert_eq!(Coding::by_name("deflate"), None);
        assert_eq!(Coding::by_magic(&compressed(Coding::Gzip, b"x")), Coding::Gzip);
        assert_eq!(Coding::by_magic(&compressed(Coding::Zstd, b"x")), Coding::Zstd);
        assert_eq!(Coding::by_magic(b"a,b"), Coding::Identity);
        assert_eq!(Coding::by_magic(b""), Coding::Identity);
    }

    #[test]
    fn a_frame_with_a_huge_window_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.set_parameter(zstd::stream::raw::CParameter::WindowLog(27)).unwrap();
        encoder.write_all(b"x").unwrap();
        let packed = encoder.finish().unwrap();
        let mut decoder = Decoder::new(Coding::Zstd, REPLY_WINDOW_LOG_MAX).unwrap();
        assert!(decoder.step(&packed, &mut Vec::new(), usize::MAX).is_err());
        // Large-window brotli: 30 bits of window, then a block of three bytes.
        let large = [0x11, 0x1e, 0x02, 0x00, 0x10, b'a', b'b', b'c', 0x03];
        for chunk in [1, large.len()] {
            assert_eq!(
                decoded(Coding::Brotli, &large, chunk).unwrap_err().kind(),
                io::ErrorKind::InvalidData
            );
        }
        let error = decoded(Coding::Brotli, &large, 1).unwrap_err();
        assert!(error.to_string().contains("window"), "{error}");
    }
}
