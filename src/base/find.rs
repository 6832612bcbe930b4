//! Where in a short text is a byte? Looks at eight bytes at a time: in lines of some dozen bytes this
//! costs less than beginning a search made for long texts.

/// The place of the first byte of `text` that is one of `wanted`.
#[must_use]
#[inline]
pub fn find_any<const N: usize>(text: &[u8], wanted: [u8; N]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    let mut at = 0_usize;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let hits = wanted.iter().fold(0, |hits, byte| hits | zeros(word ^ every_byte(*byte)));
        if hits != 0 {
            // Only bits above the lowest one may be set by mistake.
            return Some(at.saturating_add(hits.trailing_zeros() as usize / 8));
        }
        at = at.saturating_add(8);
    }
    let found = rest.iter().position(|byte| wanted.contains(byte))?;
    Some(at.saturating_add(found))
}

/// A word of this byte alone.
const fn every_byte(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of each byte that is 0, and perhaps of bytes above the first of them.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(every_byte(1)) & !word & every_byte(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_of_the_wanted_bytes_is_found(
            text in proptest::collection::vec(prop_oneof![0u8..4, 126u8..131, 252u8..=255], 0..80),
            wanted in any::<[u8; 3]>(),
            near in prop_oneof![0u8..5, 126u8..131, 252u8..=255],
        ) {
            let wanted = [wanted[0], wanted[1], near];
            prop_assert_eq!(find_any(&text, wanted), text.iter().position(|byte| wanted.contains(byte)));
            prop_assert_eq!(find_any(&text, [near]), text.iter().position(|byte| *byte == near));
        }
    }
}
