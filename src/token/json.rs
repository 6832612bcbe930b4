//! Which texts does a JSON reply name? A scan that does not mind a body that is cut (RFC 8259).

use smallvec::SmallVec;
use zeroize::Zeroizing;

use super::cookie::Pair;

/// Bytes of a reply that are read.
pub(super) const LIMIT: usize = 64 * 1024;

/// Members looked at in one reply.
const MEMBER_LIMIT: usize = 1024;

/// Objects in objects that are looked at: replies may wrap what they give once or twice.
const DEPTH_LIMIT: usize = 3;

/// The text with `\\/` as `/`, which some servers write; `None` when there is none.
pub(super) fn with_plain_slashes(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    memchr::memmem::find(text, b"\\/")?;
    let mut plain = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"\\/") {
        plain.extend_from_slice(rest.get(..at).unwrap_or_default());
        rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    Some(plain)
}

/// The members of objects whose value is a text, as written: escapes stay.
/// Members of deeper objects and of arrays of texts are not given.
pub(super) fn members(text: &[u8]) -> SmallVec<[Pair<'_>; 8]> {
    let mut members = SmallVec::new();
    let mut depth = 0_usize;
    let mut name: Option<&[u8]> = None;
    let mut after_colon = false;
    let mut rest = text;
    let mut looked = 0;
    while let [byte, tail @ ..] = rest
        && looked < MEMBER_LIMIT
    {
        rest = tail;
        match byte {
            b'"' => {
                let Some((string, after)) = string(tail) else { break };
                rest = after;
                match name.take().filter(|_| after_colon) {
                    Some(name) => {
                        looked += 1;
                        if depth <= DEPTH_LIMIT {
                            members.push(Pair { name, value: string });
                        }
                    }
                    None => name = Some(string),
                }
                after_colon = false;
            }
            b':' => after_colon = true,
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                (name, after_colon) = (None, false);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                (name, after_colon) = (None, false);
            }
            b',' => (name, after_colon) = (None, false),
            _ => {}
        }
    }
    members
}

/// A text up to its closing quote, and what follows that.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0_usize;
    loop {
        let at = from.saturating_add(memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?);
        if bytes.get(at) == Some(&b'"') {
            return Some((bytes.get(..at)?, bytes.get(at.saturating_add(1)..)?));
        }
        from = at.saturating_add(2);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        let shown = |p: &Pair<'_>| format!("{}={}", p.name.escape_ascii(), p.value.escape_ascii());
        members(text.as_bytes()).iter().map(shown).collect()
    }

    #[test]
    fn members_that_are_texts() {
        assert_eq!(read(r#"{"access_token":"abc","expires_in":3600,"x":null,"y" : "z"}"#), ["access_token=abc", "y=z"]);
        assert_eq!(read(r#"[{"a":{"b":"c"},"d":["e","f"]},{"g":"h"}]"#), ["b=c", "g=h"]);
        assert_eq!(read(r#"{"a":{"b":{"c":{"d":"e"}}},"f":"g"}"#), ["f=g"], "too deep");
        assert_eq!(read(r#"{"a\"b":"c\\","d":"e"}"#), [r#"a\\\"b=c\\\\"#, "d=e"]);
    }

    #[test]
    fn slashes_lose_their_escape() {
        assert_eq!(
            with_plain_slashes(br#"{"a":"b\/c\/"}"#).as_deref().map(Vec::as_slice),
            Some(&br#"{"a":"b/c/"}"#[..])
        );
        assert_eq!(with_plain_slashes(b"{}"), None);
    }

    #[test]
    fn what_is_cut_is_left_out() {
        assert_eq!(read(r#"{"a":"b","access_token":"abc"#), ["a=b"]);
        assert_eq!(read(r#"{"a":"b","c":"#), ["a=b"]);
        assert_eq!(read("\"\\"), [""; 0]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_whole_parser(list in proptest::collection::vec(("[a-z_]{1,8}", "[ -~]{0,12}"), 0..12)) {
            let object: serde_json::Map<_, _> =
                list.iter().map(|(n, v)| (n.clone(), serde_json::Value::from(v.as_str()))).collect();
            let text = serde_json::to_string(&object).unwrap();
            let expected: Vec<String> = object.iter().map(|(n, v)| {
                let quoted = v.to_string();
                format!("{n}={}", quoted.as_bytes()[1..quoted.len() - 1].escape_ascii())
            }).collect();
            prop_assert_eq!(read(&text), expected);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(members(&bytes).len() <= bytes.len());
        }
    }
}
