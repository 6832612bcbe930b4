//! How is a text of the wire shown without what is secret in it?
//!
//! Tokens of the message become `‹ref:7f3a›`, every other random-looking run of 12 or more
//! characters and every query value becomes `‹…›`. What a terminal or a page could take for more
//! than text is escaped, and long texts are cut with a mark.

use std::fmt::Write;

use smallvec::SmallVec;

use crate::base::ids::TokenRef;

/// Bytes of a shown text, its mark included.
pub const TEXT_LIMIT: usize = 1024;

/// Bytes of the wire that are looked at for one text: masks are shorter than what they hide.
const WIRE_LIMIT: usize = 4 * TEXT_LIMIT;

/// A run of at least this many characters is masked when it looks random.
const RUN: usize = 12;

/// Values shorter than this are no tokens worth searching a text for.
const KNOWN_MIN: usize = 5;

/// A message with more tokens than this has its texts hidden as a whole: to search them for each
/// token would take too long.
const KNOWN_LIMIT: usize = 128;

/// What stands for hidden text.
pub const HIDDEN: &str = "‹…›";
const CUT: &str = "…";

/// A token of the message whose texts are masked.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Its bytes, as on the wire or canonical.
    pub value: &'a [u8],
    /// Its ref.
    pub token: TokenRef,
}

/// Whether a text may hold one of these tokens.
#[must_use]
pub fn may_hold(wire: &[u8], known: &[Known<'_>]) -> bool {
    let holds = |k: &Known<'_>| {
        (KNOWN_MIN..=wire.len()).contains(&k.value.len()) && memchr::memmem::find(wire, k.value).is_some()
    };
    known.len() > KNOWN_LIMIT || known.iter().any(holds)
}

/// Masks a text.
#[must_use]
pub fn text(wire: &[u8], known: &[Known<'_>]) -> Box<str> {
    if known.len() > KNOWN_LIMIT {
        return HIDDEN.into();
    }
    let mut out = Shown::with_room_for(wire);
    out.text(wire, known);
    out.finish()
}

/// Masks a query: keys stay, unless they look random; values are hidden.
#[must_use]
pub fn query(wire: &[u8], known: &[Known<'_>]) -> Box<str> {
    if known.len() > KNOWN_LIMIT {
        return HIDDEN.into();
    }
    let mut out = Shown::with_room_for(wire);
    for part in wire.split_inclusive(|b| matches!(b, b'&' | b';')) {
        if out.full {
            break;
        }
        let (pair, separator) = match part.split_last() {
            Some((b'&', pair)) => (pair, "&"),
            Some((b';', pair)) => (pair, ";"),
            _ => (part, ""),
        };
        let mut halves = pair.splitn(2, |b| *b == b'=');
        out.text(halves.next().unwrap_or_default(), known);
        if let Some(value) = halves.next() {
            out.push_str("=");
            match known.iter().find(|k| k.value == value) {
                _ if value.is_empty() => {}
                Some(k) => out.reference(k.token),
                None => out.push_str(HIDDEN),
            }
        }
        out.push_str(separator);
    }
    out.finish()
}

/// A text under construction.
struct Shown {
    text: String,
    full: bool,
}

impl Shown {
    /// Most texts are shown as they are.
    fn with_room_for(wire: &[u8]) -> Self {
        Self { text: String::with_capacity(wire.len().min(TEXT_LIMIT)), full: false }
    }

    fn push_str(&mut self, part: &str) {
        if self.full || self.text.len() + part.len() > TEXT_LIMIT - CUT.len() {
            self.full = true;
        } else {
            self.text.push_str(part);
        }
    }

    fn reference(&mut self, token: TokenRef) {
        let [a, b, ..] = token.0;
        let mut mark = String::with_capacity(16);
        // Writing to a String does not fail.
        let _ = write!(mark, "‹ref:{a:02x}{b:02x}›");
        self.push_str(&mark);
    }

    fn text(&mut self, wire: &[u8], known: &[Known<'_>]) {
        if wire.len() <= WIRE_LIMIT && !may_hold(wire, known) {
            return self.unknown(wire);
        }
        let mut start = 0;
        let mut at = 0;
        while at < wire.len().min(WIRE_LIMIT) {
            let here = wire.get(at..).unwrap_or_default();
            let hit = known.iter().filter(|k| k.value.len() >= KNOWN_MIN && here.starts_with(k.value));
            match hit.max_by_key(|k| k.value.len()) {
                Some(hit) => {
                    self.unknown(wire.get(start..at).unwrap_or_default());
                    self.reference(hit.token);
                    at += hit.value.len();
                    start = at;
                }
                None => at += 1,
            }
        }
        self.unknown(wire.get(start..at.max(start)).unwrap_or_default());
        if at < wire.len() {
            self.full = true;
        }
    }

    /// Text that holds no known token.
    fn unknown(&mut self, wire: &[u8]) {
        let mut plain_from = 0;
        for span in random_spans(wire) {
            self.plain(wire.get(plain_from..span.start).unwrap_or_default());
            self.push_str(HIDDEN);
            plain_from = span.end;
        }
        self.plain(wire.get(plain_from..).unwrap_or_default());
    }

    /// Harmless text, made printable.
    fn plain(&mut self, wire: &[u8]) {
        let fits = self.text.len() + wire.len() <= TEXT_LIMIT - CUT.len();
        if fits && let Some(text) = printable_ascii(wire) {
            return self.push_str(text);
        }
        for c in String::from_utf8_lossy(wire).chars() {
            if self.full {
                return;
            }
            if is_shown(c) {
                self.push_str(c.encode_utf8(&mut [0; 4]));
            } else {
                let escaped =
                    if c.is_ascii() { format!("\\x{:02x}", u32::from(c)) } else { c.escape_unicode().to_string() };
                self.push_str(&escaped);
            }
        }
    }

    fn finish(mut self) -> Box<str> {
        if self.full {
            self.text.push_str(CUT);
        }
        self.text.into()
    }
}

/// The bytes as text, where each of them is a character to show.
fn printable_ascii(wire: &[u8]) -> Option<&str> {
    // No early end, so that many bytes are looked at at once.
    let odd = wire.iter().fold(false, |odd, b| odd | !(b' '..=b'~').contains(b));
    if odd { None } else { std::str::from_utf8(wire).ok() }
}

/// Whether a character is text and nothing else: no control, and none that reorders, hides or breaks
/// text (Unicode Technical Report 36, §2).
#[must_use]
pub fn is_shown(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}'      // zero width, marks of direction
            | '\u{2028}'..='\u{202e}'      // line and paragraph separators, embedding, override
            | '\u{2060}'..='\u{206f}'      // word joiner, isolates, deprecated format characters
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'))
}

/// A part of a text that may be hidden.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    /// End with the short runs after it, which belong to it if something longer follows.
    reach: usize,
    random: bool,
}

/// The parts of a text to hide: runs of name characters that look random, together with
/// neighbours that only a separator parts from them and that may belong to them: a token may hold
/// `/` or `:` itself.
fn random_spans(wire: &[u8]) -> SmallVec<[Span; 4]> {
    let mut spans = SmallVec::<[Span; 4]>::new();
    if wire.len() < RUN {
        return spans;
    }
    let mut at = 0;
    while let Some(skip) = wire.get(at..).and_then(|rest| rest.iter().position(|b| in_run(*b))) {
        let start = at + skip;
        let run: &[u8] = wire.get(start..).map_or(&[], |rest| rest.split(|b| !in_run(*b)).next().unwrap_or_default());
        let end = start + run.len();
        let random = looks_random(run);
        let short = !random && run.len() <= 4;
        if random || short || strewn(run) {
            match spans.last_mut() {
                Some(last) if wire.get(last.reach..start).is_some_and(is_joint) => {
                    last.reach = end;
                    last.end = if short { last.end } else { end };
                    last.random |= random;
                }
                _ if short => {}
                _ => spans.push(Span { start, end, reach: end, random }),
            }
        }
        at = end;
    }
    spans.retain(|span| span.random && span.end - span.start >= RUN);
    spans
}

/// Whether what stands between two runs may be part of a token.
fn is_joint(between: &[u8]) -> bool {
    between.len() <= 2 && between.iter().all(|b| b"/:@,|?&".contains(b))
}

/// Whether a run that does not look random by itself has digits or capitals strewn in, as a piece
/// of a token has.
fn strewn(run: &[u8]) -> bool {
    run.iter().skip(1).any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

const fn in_run(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || b >= 0x80
        || matches!(b, b'-' | b'_' | b'.' | b'+' | b'=' | b'~' | b'%' | b'!' | b'$' | b'*')
}

/// Whether a run of name characters looks random: one of its pieces (letters and digits without a
/// separator) does, or it has too many digits, mixed pieces or percent-escapes for words.
fn looks_random(run: &[u8]) -> bool {
    let digits = run.iter().filter(|b| b.is_ascii_digit()).count();
    let version = run.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    let escapes = run.iter().filter(|b| **b == b'%').count();
    if (digits >= 10 && !version) || escapes >= 3 {
        return true;
    }
    let mut odd = 0_usize;
    for piece in run.split(|b| !(b.is_ascii_alphanumeric() || *b >= 0x80)) {
        match kind(piece) {
            PieceKind::Random => return true,
            PieceKind::Mixed => odd += 1,
            PieceKind::Plain => {}
        }
    }
    odd >= 2 && run.len() >= RUN
}

enum PieceKind {
    /// A word or a short number.
    Plain,
    /// Letters and digits or words run together, as names have them: `x86`, `Win64`,
    /// `AppleWebKit`. Two of them in one run are no name.
    Mixed,
    /// Neither.
    Random,
}

fn kind(piece: &[u8]) -> PieceKind {
    let digits = piece.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == piece.len() {
        return if digits <= 8 { PieceKind::Plain } else { PieceKind::Random };
    }
    if digits == 0 {
        let capital = piece.windows(2).any(|w| matches!(w, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
        return match is_word(piece) {
            true if capital => PieceKind::Mixed,
            true => PieceKind::Plain,
            false => PieceKind::Random,
        };
    }
    let letters = piece.iter().take_while(|b| !b.is_ascii_digit()).count();
    let (head, tail) = piece.split_at_checked(letters).unwrap_or((piece, &[]));
    let named = tail.iter().all(u8::is_ascii_digit) && tail.len() <= 4 && is_word(head);
    if named || piece.len() <= 5 { PieceKind::Mixed } else { PieceKind::Random }
}

/// Whether letters look like words: not too long, not without vowels, and with capitals only where
/// a word of some length begins.
fn is_word(letters: &[u8]) -> bool {
    if letters.len() > 24 {
        return false;
    }
    let (mut vowels, mut consonants, mut longest, mut all_consonants) = (0_usize, 0_usize, 0_usize, 0_usize);
    let (mut word, mut short_words, mut acronyms) = (0_usize, 0_usize, 0_usize);
    let mut previous = b'A';
    for (at, &b) in letters.iter().enumerate() {
        if b.is_ascii_uppercase() && previous.is_ascii_lowercase() {
            // The next word begins; one letter may stand before the first, as in `iPhone`.
            short_words += usize::from(word < 3 && at != 1);
            (word, vowels, consonants) = (0, 0, 0);
        }
        acronyms += usize::from(word >= 2 && b.is_ascii_lowercase() && previous.is_ascii_uppercase());
        word += 1;
        match b.to_ascii_lowercase() {
            0x80.. => (vowels, consonants) = (0, 0),
            b'a' | b'e' | b'i' | b'o' | b'u' | b'y' => (vowels, consonants) = (vowels + 1, 0),
            _ => {
                (vowels, consonants) = (0, consonants + 1);
                all_consonants += 1;
            }
        }
        longest = longest.max(vowels).max(consonants);
        previous = b;
    }
    short_words += usize::from(word < 3 && word < letters.len());
    short_words == 0 && acronyms < 2 && (letters.len() < 8 || (longest < 5 && all_consonants * 6 < letters.len() * 5))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(wire: &str) -> String {
        text(wire.as_bytes(), &[]).into()
    }

    #[test]
    fn words_stay() {
        for wire in [
            "/account-settings/notifications",
            "/wp-content/themes/twentytwenty/style.css",
            "/static/js/jquery-3.6.0.min.js",
            "/bootstrap.bundle.min.css",
            "/users/a1b2c3/orders/f9e8d7",
            "/password_reset/confirmation",
            "www.accounts-payable.example.co.uk",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.6045.105 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
            "python-requests/2.31.0",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "ELB-HealthChecker/2.0",
            "Москва",
        ] {
            assert_eq!(shown(wire), wire);
        }
    }

    #[test]
    fn random_runs_go() {
        for (wire, expected) in [
            ("/reset/699deef4f79d4de90c447a4488735140/x", "/reset/‹…›/x"),
            ("/i/550e8400-e29b-41d4-a716-446655440000", "/i/‹…›"),
            ("/d/correct-horse-9f8e7d6c5b4a", "/d/‹…›"),
            ("/b/ab12cd34/ef56gh78/ij90kl", "/b/‹…›"),
            ("/j/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dQw4w9WgXcQ", "/j/‹…›"),
            ("/p/%36%39%39%64%65%65%66%34", "/p/‹…›"),
            ("/s/hGtRqWmKzXcVbNmL", "/s/‹…›"),
            ("/c/kqzjxvbnmwrtyplkjhgf", "/c/‹…›"),
            ("/n/1234-5678-9012-3456", "/n/‹…›"),
            ("/t/20240131123059", "/t/‹…›"),
        ] {
            assert_eq!(shown(wire), expected, "{wire}");
        }
    }

    #[test]
    fn tokens_become_refs_wherever_they_stand() {
        let token = TokenRef::default();
        let known = [Known { value: b"hunter-two-plain", token }, Known { value: b"hunter", token }];
        assert_eq!(&*text(b"/a;s=hunter-two-plain/hunter", &known), "/a;s=‹ref:0000›/‹ref:0000›");
        assert_eq!(
            &*query(b"sid=hunter-two-plain&q=shoes&x=&flag;699deef4f79d4de9=1", &known),
            "sid=‹ref:0000›&q=‹…›&x=&flag;‹…›=‹…›"
        );
        assert_eq!(&*query(b"", &known), "");
        assert_eq!(&*query(b"a=1&", &known), "a=‹…›&");
        assert_eq!(&*query(b"=hunter-two-plain", &known), "=‹ref:0000›");
    }

    #[test]
    fn printable_and_cut() {
        assert_eq!(shown("a\r\nb\0\u{1b}[31m\u{202e}c\u{85}"), "a\\x0d\\x0ab\\x00\\x1b[31m\\u{202e}c\\u{85}");
        assert_eq!(&*text(b"a\xffb", &[]), "a\u{fffd}b");
        let long = shown(&"word ".repeat(2000));
        assert!(long.len() <= TEXT_LIMIT && long.len() > TEXT_LIMIT - 10 && long.ends_with('…'));
        let long = text("é ".repeat(4000).as_bytes(), &[]);
        assert!(long.len() <= TEXT_LIMIT && long.ends_with('…'));
        assert_eq!(shown(&"x1".repeat(3000)), "‹…›…");
    }

    proptest! {
        #[test]
        fn any_bytes_are_shown_printable(wire in proptest::collection::vec(any::<u8>(), 0..300)) {
            for shown in [text(&wire, &[]), query(&wire, &[])] {
                prop_assert!(shown.len() <= TEXT_LIMIT);
                prop_assert!(shown.chars().all(is_shown));
            }
        }

        #[test]
        fn a_random_token_is_never_shown(seed: u64, len in 22_usize..64, base in 0_usize..3, around in "[a-z/ ]{0,8}") {
            let token = random_token(seed, len, base);
            for wire in [format!("/{around}/{token}/{around}"), format!("{around} {token}"), format!("a{around}.{token}")] {
                let shown = shown(&wire);
                for piece in token.as_bytes().windows(RUN) {
                    prop_assert!(!shown.as_bytes().windows(RUN).any(|w| w == piece), "{} in {}", token, shown);
                }
            }
        }
    }

    /// A token as servers make them; shrinking the seed leaves it random.
    fn random_token(seed: u64, len: usize, base: usize) -> String {
        use std::hash::Hasher;
        const ALPHABETS: [&str; 3] = [
            "0123456789abcdef",
            "0123456789abcdefghijklmnopqrstuvwxyz",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        ];
        let alphabet = ALPHABETS[base].as_bytes();
        (0..len)
            .map(|n| {
                let mut hasher = siphasher::sip::SipHasher13::new_with_keys(seed, n as u64);
                hasher.write_usize(base);
                char::from(alphabet[hasher.finish() as usize % alphabet.len()])
            })
            .collect()
    }
}
