//! Pure: how large the parts of a multipart upload are.

const MIB: usize = 1 << 20;
/// S3 takes so many parts in one object.
const PARTS_MAX: usize = 10_000;
/// The size doubles after so many parts.
const STEP_PARTS: usize = PARTS_MAX / 4;
/// S3 takes no part below 5 MB but the last.
pub(super) const FIRST_PART_BYTES: usize = 8 * MIB;

/// The largest object: 2,500 parts each of 8, 16, 32 and 64 MB, together 293 GB (314,572,800,000 bytes). The largest that a pipeline writes,
/// what `clean` makes of one raw object of some 32 MB, is far below. Memory is that of one part: 8 MB up to 19.5 GB, 64 MB at most.
pub(super) const OBJECT_BYTES_MAX: u64 = (STEP_PARTS * FIRST_PART_BYTES * (1 + 2 + 4 + 8)) as u64;

/// The size of the part that follows `done` others; `None` when there can be none.
pub(super) fn part_bytes(done: usize) -> Option<usize> {
    (done < PARTS_MAX).then(|| FIRST_PART_BYTES << (done / STEP_PARTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_are_as_much_as_is_said() {
        let sizes: Vec<u64> = (0..).map_while(part_bytes).map(|bytes| bytes as u64).collect();
        assert_eq!(sizes.len(), PARTS_MAX);
        assert_eq!(sizes.iter().sum::<u64>(), OBJECT_BYTES_MAX);
        assert_eq!(OBJECT_BYTES_MAX, 314_572_800_000);
        assert!(sizes.is_sorted());
        assert_eq!((sizes.first(), sizes.last()), (Some(&(8 << 20)), Some(&(64 << 20))));
        assert_eq!(sizes.iter().take_while(|bytes| **bytes == 8 << 20).sum::<u64>(), 2_500 * (8 << 20));
    }
}
