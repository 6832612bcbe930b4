//! Where do the lines of a head end, and what is in them? One look at each byte for all that matters.

use crate::base::find::find_any;

/// A line without its line feed.
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    /// Where the first colon is.
    pub(super) colon: Option<usize>,
    /// A CR in it is followed by something other than the line feed.
    pub(super) bare_cr: bool,
}

/// The lines of a text that end with a line feed.
pub(super) struct Lines<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        let (mut at, mut colon, mut bare_cr) = (0_usize, None, false);
        loop {
            let rest = self.0.get(at..)?;
            let found = match colon {
                None => find_any(rest, [b'\n', b'\r', b':']),
                // Names are short, values are not.
                Some(_) => memchr::memchr2(b'\n', b'\r', rest),
            };
            let place = at.saturating_add(found?);
            at = place.saturating_add(1);
            let feed = match (self.0.get(place)?, self.0.get(at)) {
                (b':', _) => {
                    colon = Some(place);
                    continue;
                }
                (b'\r', Some(b'\n')) => at,
                (b'\r', _) => {
                    bare_cr = true;
                    continue;
                }
                _ => place,
            };
            let (text, behind) = self.0.split_at_checked(feed)?;
            self.0 = behind.get(1..)?;
            return Some(Line { text, colon, bare_cr });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_what_stands_between_line_feeds(text in "[ab:\r\n]{0,40}([a-z]{0,90}[:\r\n]{0,2}){0,6}") {
            let mut plain: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b'\n').collect();
            plain.pop();
            let lines: Vec<Line<'_>> = Lines(text.as_bytes()).collect();
            prop_assert_eq!(lines.iter().map(|line| line.text).collect::<Vec<_>>(), plain);
            for Line { text, colon, bare_cr } in lines {
                prop_assert_eq!(colon, text.iter().position(|byte| *byte == b':'));
                prop_assert_eq!(bare_cr, text.strip_suffix(b"\r").unwrap_or(text).contains(&b'\r'));
            }
        }
    }
}
