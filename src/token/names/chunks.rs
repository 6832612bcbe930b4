//! Is a name that of a piece? Values too large for one cookie are cut, and their names numbered.

/// How the name of a piece is made up: `.AspNetCore.CookiesC2`.
#[derive(Clone, Copy)]
pub(in crate::token) struct ChunkName {
    /// Length of the cookie's own name.
    pub(in crate::token) base: usize,
    /// Length with the separator: pieces with another one belong to another token.
    pub(in crate::token) stem: usize,
    /// The number plus one: the bare name counts as the piece before all others.
    pub(super) order: u8,
}

/// Takes the name of a piece apart: `.0` and `_0` count from 0, `C1` and a mere `1` from 1.
pub(in crate::token) fn chunk_of(name: &[u8]) -> Option<ChunkName> {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (stem, number) = name.split_at_checked(name.len().checked_sub(digits)?)?;
    if digits == 0 || digits > 2 {
        return None;
    }
    let number = number.iter().fold(0_u8, |n, b| n.saturating_mul(10).saturating_add(b.saturating_sub(b'0')));
    let from_zero = stem.ends_with(b".") || stem.ends_with(b"_");
    let base = stem.len().saturating_sub(usize::from(from_zero || stem.ends_with(b"C")));
    (from_zero || number > 0).then_some(ChunkName { base, stem: stem.len(), order: number.saturating_add(1) })
}
