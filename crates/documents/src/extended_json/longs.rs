//! Which whole numbers of a text are 64-bit ones though 32 bits would hold them: a bit each, in the order of the text. The others need no bit.

use std::slice;

/// Notes them while the text is written.
#[derive(Debug, Default)]
pub(super) struct Longs {
    /// The lowest bit is the first. It ends with the last bit that is set, so that there is none when no number is such a one.
    bits: Vec<u8>,
    numbers: usize,
}

impl Longs {
    pub fn clear(&mut self) {
        self.bits.clear();
        self.numbers = 0;
    }

    /// Notes the next whole number that fits 32 bits.
    #[inline]
    pub fn push(&mut self, long: bool) {
        let (byte, bit) = (self.numbers / 8, self.numbers % 8);
        self.numbers += 1;
        if long {
            self.bits.resize(byte + 1, 0);
            if let Some(byte) = self.bits.last_mut() {
                *byte |= 1 << bit;
            }
        }
    }

    pub fn bits(&self) -> &[u8] {
        &self.bits
    }
}

/// Tells them while the text is read.
#[derive(Debug)]
pub(super) struct LongsRead<'a> {
    bytes: slice::Iter<'a, u8>,
    byte: u8,
    left: u8,
}

impl<'a> LongsRead<'a> {
    pub fn new(bits: &'a [u8]) -> LongsRead<'a> {
        LongsRead {
            bytes: bits.iter(),
            byte: 0,
            left: 0,
        }
    }

    /// Is the next whole number that fits 32 bits a 64-bit one?
    pub fn next(&mut self) -> bool {
        if self.left == 0 {
            self.byte = self.bytes.next().copied().unwrap_or_default();
            self.left = 8;
        }
        let long = self.byte & 1 == 1;
        self.byte >>= 1;
        self.left -= 1;
        long
    }
}
