//! How hard is a value to guess? Bits, estimated from its length and alphabet.

/// What a word counts, however long: words are not random.
const WORD_BITS: f64 = 12.0;

/// From this many bits on, a value is unique in the world and names its session by itself.
pub const STRONG: u16 = 64;

/// Estimated strength in bits. Letters and digits count by the alphabet that the value uses, a
/// run of letters at most as one word (a capital begins the next), punctuation nothing; no more
/// than the number of different characters allows.
#[must_use]
pub fn bits(value: &[u8]) -> u16 {
    let mut alphabet = Alphabet::default();
    value.iter().for_each(|b| alphabet.add(*b));
    let per_char = alphabet.bits_per_char();

    let mut sum = 0.0;
    let mut word = 0_u32;
    let mut previous = 0_u8;
    for &b in value {
        let continues = b.is_ascii_lowercase() || (b.is_ascii_uppercase() && !previous.is_ascii_lowercase());
        if !continues && word > 0 {
            sum += WORD_BITS.min(f64::from(word) * per_char);
            word = 0;
        }
        if b.is_ascii_alphabetic() {
            word += 1;
        } else if b.is_ascii_digit() || b >= 0x80 {
            sum += per_char;
        }
        previous = b;
    }
    sum += WORD_BITS.min(f64::from(word) * per_char);

    let count = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let ceiling = f64::from(count) * f64::from(alphabet.distinct()).log2().max(0.0);
    // Float to integer saturates, which is what is wanted here.
    sum.min(ceiling) as u16
}

/// Which characters a value uses.
#[derive(Default)]
struct Alphabet {
    seen: [u64; 4],
    digits: bool,
    hex_letters: bool,
    lower: bool,
    upper: bool,
    other: bool,
}

impl Alphabet {
    fn add(&mut self, b: u8) {
        if let Some(word) = self.seen.get_mut(usize::from(b >> 6)) {
            *word |= 1 << (b & 63);
        }
        match b {
            b'0'..=b'9' => self.digits = true,
            b'a'..=b'f' | b'A'..=b'F' => self.hex_letters = true,
            b'g'..=b'z' => self.lower = true,
            b'G'..=b'Z' => self.upper = true,
            0x80.. => self.other = true,
            _ => {}
        }
    }

    fn distinct(&self) -> u32 {
        self.seen.iter().map(|word| word.count_ones()).sum()
    }

    fn bits_per_char(&self) -> f64 {
        let mut size: f64 = if self.digits { 10.0 } else { 0.0 };
        if self.lower || self.upper {
            size += if self.lower && self.upper { 52.0 } else { 26.0 };
        } else if self.hex_letters {
            size += 6.0;
        }
        if self.other {
            size += 128.0;
        }
        size.max(1.0).log2()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn random_values_are_strong() {
        for value in [
            "699deef4f79d4de90c447a4488735140",
            "550e8400-e29b-41d4-a716-446655440000",
            "s:Xk29fjQ0aLsm4Vn8tTz1.pQ",
            "q7f0k2m9x4v8b1c6z3n5",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dQw4w9WgXcQ",
        ] {
            assert!(bits(value.as_bytes()) >= STRONG, "{value}: {}", bits(value.as_bytes()));
        }
    }

    #[test]
    fn words_numbers_and_repetitions_are_weak() {
        for value in [
            "administrator",
            "healthcheck",
            "user-preferences-dark",
            "1234567890123456",
            "1700000000.1700000000",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "a1a1a1a1a1a1a1a1a1a1",
            "abc123",
        ] {
            assert!(bits(value.as_bytes()) < STRONG, "{value}: {}", bits(value.as_bytes()));
        }
        assert_eq!(bits(b"administrator"), 12);
        assert_eq!(bits(b""), 0);
        assert_eq!(bits(b"7777"), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_strength(value in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(usize::from(bits(&value)) <= value.len() * 8);
        }
    }
}
