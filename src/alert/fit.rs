//! How is text from the wire made fit for a line? Cleaned of what could steer a terminal or
//! deceive a reader, and cut.

use std::borrow::Cow;

use serde::Serialize;

use crate::token::mask::is_shown;

/// Longest line in bytes, without its newline.
pub const LINE_BYTES: usize = 16 * 1024;

/// How much of a text and of a list fits on a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fit {
    /// Longest text in bytes, the mark of a cut included.
    pub text_bytes: usize,
    /// Longest list.
    pub items: usize,
}

impl Fit {
    /// What a line may hold unless it becomes too long as a whole.
    pub const WIDE: Self = Self { text_bytes: 1024, items: 64 };

    /// From wide to narrow; the narrowest always fits.
    const LADDER: [Self; 5] = [
        Self::WIDE,
        Self { text_bytes: 512, items: 32 },
        Self { text_bytes: 256, items: 16 },
        Self { text_bytes: 128, items: 8 },
        Self { text_bytes: 64, items: 4 },
    ];

    /// The text, cleaned, and cut with `…` where it is too long.
    #[must_use]
    pub fn text(self, text: &str) -> Cow<'_, str> {
        let clean = clean(text);
        if clean.len() <= self.text_bytes {
            return clean;
        }
        let mut cut = clean.into_owned();
        let room = self.text_bytes.saturating_sub('…'.len_utf8());
        cut.truncate((0..=room).rev().find(|end| cut.is_char_boundary(*end)).unwrap_or_default());
        cut.push('…');
        Cow::Owned(cut)
    }

    /// The beginning of a list, and how many of its items were left out.
    pub fn items<T>(self, list: &[T]) -> (impl Iterator<Item = &T>, Option<usize>) {
        let omitted = list.len().saturating_sub(self.items);
        (list.iter().take(self.items), (omitted > 0).then_some(omitted))
    }
}

/// One JSON line of at most [`LINE_BYTES`]: `build` is asked again with a narrower fit until it is.
///
/// # Panics
/// When `T` cannot be JSON at all (a map whose keys are no strings): a mistake in its type.
#[must_use]
#[allow(clippy::expect_used, reason = "lines are plain structs; whether one is JSON does not depend on its values")]
pub fn line<T: Serialize>(build: impl Fn(Fit) -> T) -> String {
    let mut line = String::new();
    for fit in Fit::LADDER {
        line = serde_json::to_string(&build(fit)).expect("a line is a plain struct");
        if line.len() <= LINE_BYTES {
            break;
        }
    }
    line
}

/// The text with `U+FFFD` in place of every character that is not shown as itself.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_shown(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steering_characters_are_replaced_and_the_rest_is_kept() {
        assert_eq!(
            clean("a\u{1b}[31mb\0\r\n\u{9b}\u{202e}\u{2066}c"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}c"
        );
        assert!(matches!(clean("Grüße ‹ref:7f3a› 你好"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_cut_is_marked_and_counts_into_the_bound() {
        let fit = Fit { text_bytes: 8, items: 2 };
        assert_eq!(fit.text("12345678"), "12345678");
        assert_eq!(fit.text("123456789"), "12345…");
        assert_eq!(fit.text("1234ßßßß"), "1234…");
        let (kept, omitted) = fit.items(&[1, 2, 3]);
        assert_eq!((kept.copied().collect::<Vec<_>>(), omitted), (vec![1, 2], Some(1)));
        assert_eq!(fit.items(&[1, 2]).1, None);
    }

    proptest! {
        #[test]
        fn never_longer_than_asked(text in any::<String>(), text_bytes in 4_usize..200) {
            let fitted = Fit { text_bytes, items: 1 }.text(&text).into_owned();
            prop_assert!(fitted.len() <= text_bytes);
            prop_assert!(fitted.chars().all(is_shown));
        }
    }
}
