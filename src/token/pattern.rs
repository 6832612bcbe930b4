//! Does a text fit a pattern of the rules? Fixed text, `*`, `<32 hex>`, `<43+>`.

/// A pattern: `*` stands for any run, also none; `<32 hex>` for exactly so many hex digits;
/// `<43+>` for at least so many of `A-Z a-z 0-9 _ -`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(Box<[Piece]>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(Box<str>),
    Any,
    Hex(usize),
    AtLeast(usize),
}

impl Pattern {
    /// Reads a pattern; what is no wildcard stands for itself.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut fixed = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let wild = match c {
                '*' => Some((Piece::Any, 1)),
                '<' => counted(rest),
                _ => None,
            };
            let taken = wild.as_ref().map_or(c.len_utf8(), |(_, len)| *len);
            if let Some((piece, _)) = wild {
                if !fixed.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut fixed).into()));
                }
                if pieces.last() != Some(&Piece::Any) || piece != Piece::Any {
                    pieces.push(piece);
                }
            } else {
                fixed.push(c);
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        if !fixed.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(fixed.into()));
        }
        Self(pieces.into())
    }

    /// The text itself when there is no wildcard in it.
    #[must_use]
    pub fn as_exact(&self) -> Option<&str> {
        match &*self.0 {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The byte that every fitting text begins with, when it is fixed.
    #[must_use]
    pub fn first_byte(&self) -> Option<u8> {
        match self.0.first() {
            Some(Piece::Text(text)) => text.as_bytes().first().copied(),
            _ => None,
        }
    }

    /// Whether a whole text fits.
    #[must_use]
    pub fn fits(&self, text: &[u8]) -> bool {
        fits(&self.0, text, |a, b| a == b)
    }

    /// Whether a whole text fits when ASCII case does not count.
    #[must_use]
    pub fn fits_without_case(&self, text: &[u8]) -> bool {
        fits(&self.0, text, <[u8]>::eq_ignore_ascii_case)
    }
}

/// `<32 hex>` or `<43+>` at the start of `text`, and its length there.
fn counted(text: &str) -> Option<(Piece, usize)> {
    let inner = text.strip_prefix('<')?.split_once('>')?.0;
    let len = inner.len().checked_add(2)?;
    if let Some(count) = inner.strip_suffix(" hex") {
        return Some((Piece::Hex(count.parse().ok()?), len));
    }
    Some((Piece::AtLeast(inner.strip_suffix('+')?.parse().ok()?), len))
}

/// Tries the pieces from the left. A `*` is retried only at later places, and a later `*` forgets
/// an earlier one, so the work is at most length of text times length of pattern.
fn fits(pieces: &[Piece], text: &[u8], same: fn(&[u8], &[u8]) -> bool) -> bool {
    let (mut pieces, mut text) = (pieces, text);
    let mut retry: Option<(&[Piece], &[u8])> = None;
    loop {
        let step = match pieces.split_first() {
            None => text.is_empty().then_some(text),
            Some((Piece::Any, rest)) => {
                retry = Some((rest, text));
                pieces = rest;
                continue;
            }
            Some((Piece::Text(fixed), _)) => text
                .split_at_checked(fixed.len())
                .filter(|(head, _)| same(head, fixed.as_bytes()))
                .map(|(_, tail)| tail),
            Some((Piece::Hex(count), _)) => text
                .split_at_checked(*count)
                .filter(|(head, _)| head.iter().all(u8::is_ascii_hexdigit))
                .map(|(_, tail)| tail),
            Some((Piece::AtLeast(count), _)) => {
                let run = text.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_-".contains(b)).count();
                (run >= *count).then(|| text.get(run..).unwrap_or_default())
            }
        };
        match (step, pieces.split_first()) {
            (Some(_), None) => return true,
            (Some(tail), Some((_, rest))) => (pieces, text) = (rest, tail),
            (None, _) => {
                let Some((after, from)) = retry else { return false };
                let Some((_, from)) = from.split_first() else { return false };
                retry = Some((after, from));
                (pieces, text) = (after, from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards() {
        let fits = |pattern: &str, text: &str| Pattern::parse(pattern).fits(text.as_bytes());
        assert!(fits("_*_session", "_shop_session") && fits("_*_session", "__session"));
        assert!(!fits("_*_session", "_session") && !fits("_*_session", "_a_session2"));
        assert!(fits("*-csrf*", "app-csrf") && fits("*-csrf*", "-csrf-token") && !fits("*-csrf*", "csrf"));
        assert!(fits("sb-*-auth-token*", "sb-a-auth-auth-token.0"));
        assert!(fits("<4 hex>", "09aF") && !fits("<4 hex>", "09ag") && !fits("<4 hex>", "09aFF"));
        assert!(fits("S<3+>", "Sab_-") && !fits("S<3+>", "Sab") && !fits("S<3+>", "Sabc."));
        assert!(fits("a<b", "a<b") && fits("", "") && fits("*", ""));
        assert!(Pattern::parse("ABC*").fits_without_case(b"abcd") && !Pattern::parse("ABC*").fits(b"abcd"));
        assert_eq!(Pattern::parse("sid").as_exact(), Some("sid"));
        assert_eq!(Pattern::parse("s*").as_exact(), None);
        assert_eq!((Pattern::parse("s*").first_byte(), Pattern::parse("*s").first_byte()), (Some(b's'), None));
    }

    /// The plainest way to match, exponential in the worst case.
    fn model(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => model(rest, text) || text.split_first().is_some_and(|(_, t)| model(pattern, t)),
            (Some((p, rest)), Some((t, tail))) => p == t && model(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plainest_matcher(pattern in "[ab*]{0,7}", text in "[ab]{0,9}") {
            prop_assert_eq!(Pattern::parse(&pattern).fits(text.as_bytes()), model(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
