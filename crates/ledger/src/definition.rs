//! Generations: which of a pipeline's definitions is the newest.

/// The generation of a definition that is applied: the newest one's own when it is that one again, else one more, for it is the newest now.
pub fn generation(newest: Option<&(String, u32)>, definition: &str) -> u32 {
    match newest {
        Some((known, generation)) if known == definition => *generation,
        Some((_, generation)) => generation.saturating_add(1),
        None => 1,
    }
}
