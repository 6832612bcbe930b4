//! Which language does a client ask for first?

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

/// The primary subtag of the first language in an Accept-Language field (RFC 9110 §12.5.4), in lower
/// case: `en` of `en-GB,en;q=0.8`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Language([u8; 8]);

impl Language {
    /// Reads the value of an Accept-Language field. `None` for `*`, and for what is no language: a
    /// primary subtag has two to eight letters (RFC 5646 §2.1).
    #[must_use]
    pub fn read(field: &[u8]) -> Option<Self> {
        let field = field.trim_ascii_start();
        let len = field.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let ended = matches!(field.get(len), None | Some(b'-' | b',' | b';' | b' ' | b'\t'));
        let mut tag = [0; 8];
        let letters = field.get(..len).filter(|_| (2..=8).contains(&len) && ended)?;
        for (place, letter) in tag.iter_mut().zip(letters) {
            *place = letter.to_ascii_lowercase();
        }
        Some(Self(tag))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take_while(|letter| **letter != 0).try_for_each(|letter| f.write_char(char::from(*letter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_primary_subtag_counts() {
        let read = |text: &str| Language::read(text.as_bytes());
        assert_eq!(read("en-GB,en;q=0.8"), read("EN"));
        assert_eq!(read(" de;q=0.5"), read("de-AT"));
        assert_ne!(read("de"), read("en"));
        assert_eq!(read("PT-br").unwrap().to_string(), "pt");
        for none in ["", "*", "e", "en_US", "x1", "abcdefghi"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
