//! The order of documents: a lower rank never overwrites a higher one.

use lake::RunId;

/// A document's rank: (version, generation, captured at, raw key, line, item), as 48 bytes that compare as the tuple does. One
/// resource's raw keys differ only in run and part, and a run's id is in the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Rank(pub [u8; Rank::LENGTH]);

/// Where in `raw/` a record stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    pub run: RunId,
    /// The part of the run, counted from 1.
    pub part: u32,
    /// The line of the raw object, counted from 1.
    pub line: u32,
    /// The record of the line's capture, counted from 0.
    pub item: u32,
}

impl Rank {
    pub const LENGTH: usize = 48;

    /// Composes a rank. `version` is the version field's value (a time in milliseconds), or the time of capture without one.
    #[inline]
    pub fn new(version: i64, generation: u32, captured_at_ms: i64, place: Place) -> Rank {
        let mut bytes = [0; Rank::LENGTH];
        let mut rest: &mut [u8] = &mut bytes;
        let mut put = |part: &[u8]| {
            if let Some((head, tail)) = std::mem::take(&mut rest).split_at_mut_checked(part.len()) {
                head.copy_from_slice(part);
                rest = tail;
            }
        };
        put(&ordered(version));
        put(&generation.to_be_bytes());
        put(&ordered(captured_at_ms));
        put(&place.run.to_bytes());
        put(&place.part.to_be_bytes());
        put(&place.line.to_be_bytes());
        put(&place.item.to_be_bytes());
        Rank(bytes)
    }

    /// From bytes read back; `None` unless there are 48.
    pub fn from_slice(bytes: &[u8]) -> Option<Rank> {
        bytes.try_into().ok().map(Rank)
    }

    /// The place in `raw/` that it holds.
    pub fn place(&self) -> Option<Place> {
        let number = |at: usize| self.0.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
        let run = RunId::from_bytes(self.0.get(20..36)?.try_into().ok()?);
        Some(Place {
            run,
            part: number(36)?,
            line: number(40)?,
            item: number(44)?,
        })
    }

    /// The version that it holds.
    pub fn version(&self) -> i64 {
        let biased = self.0.first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b));
        (biased ^ (1 << 63)) as i64
    }
}

/// Bytes of a signed number that compare as the number does.
fn ordered(value: i64) -> [u8; 8] {
    ((value as u64) ^ (1 << 63)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Parts = (i64, u32, i64, u64, u32, u32, u32);

    fn rank((version, generation, at, run, part, line, item): Parts) -> Rank {
        let run = RunId::new(run, 0);
        Rank::new(version, generation, at, Place { run, part, line, item })
    }

    /// Few values, so that any beginning of two tuples is often equal, and the ends of each range.
    fn parts() -> impl Strategy<Value = Parts> {
        let signed = || prop_oneof![Just(i64::MIN), Just(i64::MAX), -2..3i64];
        let count = || prop_oneof![Just(u32::MAX), Just(255), Just(256), 0..3u32];
        (signed(), count(), signed(), 0..300u64, count(), count(), count())
    }

    proptest! {
        #[test]
        fn the_bytes_compare_as_the_tuple_does(a in parts(), b in parts()) {
            prop_assert_eq!(rank(a).0.cmp(&rank(b).0), a.cmp(&b));
        }

        #[test]
        fn what_was_put_in_can_be_read_back(parts in parts()) {
            let (version, _, _, run, part, line, item) = parts;
            let read = Rank::from_slice(&rank(parts).0).map(|rank| (rank.version(), rank.place()));
            let place = Place { run: RunId::new(run, 0), part, line, item };
            prop_assert_eq!(read, Some((version, Some(place))));
        }
    }

    #[test]
    fn only_48_bytes_are_a_rank() {
        assert_eq!(Rank::from_slice(&[0; 47]), None);
        assert_eq!(Rank::from_slice(&[0; 49]), None);
    }
}
