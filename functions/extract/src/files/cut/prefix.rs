//! A hash over the first bytes of a file, by which who goes on with it knows that it is the same file still.

use super::Fault;
use crate::position::Mark;
use xxhash_rust::xxh3::Xxh3;

/// The bytes of a file that were taken so far.
pub(super) struct Prefix {
    hasher: Box<Xxh3>,
    bytes: u64,
    /// Where an earlier worker, or an earlier attempt, stood.
    from: Mark,
    mark: Mark,
    changed: bool,
}

impl Prefix {
    pub fn new(from: Mark) -> Prefix {
        Prefix {
            hasher: Box::new(Xxh3::new()),
            bytes: 0,
            from,
            mark: Mark::default(),
            changed: false,
        }
    }

    /// Takes the next bytes, and marks the byte `end` of the file if it is reached in them.
    pub fn take(&mut self, bytes: &[u8], end: u64) {
        let mut rest = bytes;
        for place in [self.from.offset, end] {
            // A number's end is known a byte late, so it may be where the bytes taken before ended.
            let ahead = place.checked_sub(self.bytes).filter(|_| place > self.mark.offset);
            let ahead = ahead.and_then(|ahead| usize::try_from(ahead).ok());
            let Some((before, after)) = ahead.and_then(|ahead| rest.split_at_checked(ahead)) else {
                continue;
            };
            self.update(before);
            rest = after;
            self.mark = Mark {
                offset: place,
                hash: self.hasher.digest(),
            };
            self.changed |= place == self.from.offset && self.mark != self.from;
        }
        self.update(rest);
    }

    /// Fails when the bytes before `from` are other ones, or fewer: to be asked before anything after them is captured.
    pub fn check(&self, at_end: bool) -> Result<(), Fault> {
        if self.changed || (at_end && self.bytes < self.from.offset) {
            return Err(Fault::Changed);
        }
        Ok(())
    }

    pub fn mark(&self) -> Mark {
        self.mark
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}
