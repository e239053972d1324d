//! How a write meets what is there: by rank and hash alone, never by who comes last.

/// What `_tidemill` of a document says for the judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Compares bytewise; all ranks of a collection have one length.
    pub rank: &'a [u8],
    /// Over the contract's fields, less the version and the volatile ones.
    pub hash: &'a [u8],
    /// A tombstone: hidden from readers, ranked like any version.
    pub deleted: bool,
}

/// What is to be done with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing is there: write it.
    Inserted,
    /// It is newer and different: write it.
    Updated,
    /// It is newer and equal: write it, so that the rank advances. Or it is the very one that is there: nothing to do.
    Unchanged,
    /// It is older: leave what is there.
    Stale,
}

/// Judges `incoming` against what is `stored` under its key.
pub fn judge(stored: Option<Stamp<'_>>, incoming: Stamp<'_>) -> Verdict {
    let Some(stored) = stored else { return Verdict::Inserted };
    match incoming.rank.cmp(stored.rank) {
        std::cmp::Ordering::Less => Verdict::Stale,
        std::cmp::Ordering::Equal => Verdict::Unchanged,
        std::cmp::Ordering::Greater if incoming.hash == stored.hash && incoming.deleted == stored.deleted => Verdict::Unchanged,
        std::cmp::Ordering::Greater => Verdict::Updated,
    }
}
