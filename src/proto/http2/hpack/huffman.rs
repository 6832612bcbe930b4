//! Which bytes does a Huffman code mean? The code of RFC 7541 Appendix B.
//!
//! That code is canonical: codes of one length count up in the order of their symbols, and begin where
//! the shorter ones end. So the lengths say all, and the tables are made from them.

use super::Malformed;

/// Symbols: all bytes, and the end of the string.
const SYMBOLS: usize = 257;
const EOS: usize = 256;

/// Longest code in bits.
const LONGEST: usize = 30;

/// How long the code of each symbol is, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Codes of one length.
#[derive(Clone, Copy)]
struct Codes {
    /// The first code that is longer, as the highest bits of 32.
    end: u32,
    /// The first one of this length, so too.
    first: u32,
    /// Place in [`ORDER`] of its symbol.
    place: u16,
}

/// Symbols by code; without the end of the string, which is the last.
const ORDER: [u8; EOS] = order();

/// Codes by length.
const CODES: [Codes; LONGEST + 1] = codes();

/// What the next eight bits mean where that is a whole code: symbol and length; else length 0. Text is
/// nearly all of such.
const SHORT: [(u8, u8); 256] = short();

#[allow(clippy::indexing_slicing, reason = "the compiler runs it")]
const fn order() -> [u8; EOS] {
    let mut order = [0; EOS];
    let (mut length, mut n) = (1, 0);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < EOS {
            if LENGTHS[symbol] as usize == length {
                order[n] = symbol as u8;
                n += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    order
}

#[allow(clippy::indexing_slicing, reason = "the compiler runs it")]
const fn codes() -> [Codes; LONGEST + 1] {
    let mut codes = [Codes { end: 0, first: 0, place: 0 }; LONGEST + 1];
    let (mut length, mut next, mut place) = (1, 0_u64, 0);
    while length <= LONGEST {
        let first = next;
        let mut symbol = 0;
        let begins = place;
        while symbol < EOS {
            if LENGTHS[symbol] as usize == length {
                next += 1 << (32 - length);
                place += 1;
            }
            symbol += 1;
        }
        codes[length] = Codes { end: next as u32, first: first as u32, place: begins };
        length += 1;
    }
    codes
}

#[allow(clippy::indexing_slicing, reason = "the compiler runs it")]
const fn short() -> [(u8, u8); 256] {
    let mut short = [(0, 0); 256];
    let (mut n, mut next) = (0, 0_usize);
    while n < EOS {
        let symbol = ORDER[n];
        let length = LENGTHS[symbol as usize];
        if length > 8 {
            break;
        }
        let until = next + (1 << (8 - length));
        while next < until {
            short[next] = (symbol, length);
            next += 1;
        }
        n += 1;
    }
    short
}

/// Decodes a string onto the end of `out`.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    // The next bits, highest first, and how many there are.
    let (mut bits, mut have) = (0_u64, 0_u32);
    let mut rest = text;
    loop {
        while have <= 56
            && let Some((&byte, after)) = rest.split_first()
        {
            bits |= u64::from(byte) << (56 - have);
            have += 8;
            rest = after;
        }
        let (symbol, length) = match SHORT.get((bits >> 56) as usize) {
            Some(&(symbol, length)) if length > 0 => (symbol, u32::from(length)),
            _ => long((bits >> 32) as u32).unwrap_or((0, u32::MAX)),
        };
        if length > have {
            break;
        }
        out.push(symbol);
        bits <<= length;
        have -= length;
    }
    // What is left is the beginning of the code for the end: fewer than eight bits, all set.
    let padding = !(u64::MAX >> have);
    if have < 8 && bits == padding { Ok(()) } else { Err(Malformed) }
}

/// A code of more than eight bits.
fn long(bits: u32) -> Option<(u8, u32)> {
    let (length, codes) = CODES.iter().enumerate().skip(9).find(|(_, codes)| bits < codes.end)?;
    let length = u32::try_from(length).ok()?;
    let place = (bits.checked_sub(codes.first)? >> 32_u32.checked_sub(length)?) as usize;
    Some((*ORDER.get((codes.place as usize).checked_add(place)?)?, length))
}

/// Encodes a string, for tests.
#[cfg(test)]
pub(in crate::proto::http2) fn encode(text: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    for byte in text {
        let place = ORDER.iter().position(|s| s == byte).unwrap();
        let length = LENGTHS[*byte as usize] as usize;
        let codes = CODES[length];
        let code = (codes.first >> (32 - length)) as usize + place - codes.place as usize;
        out += &format!("{code:0length$b}");
    }
    while !out.len().is_multiple_of(8) {
        out.push('1');
    }
    out.as_bytes().chunks(8).map(|bits| u8::from_str_radix(str::from_utf8(bits).unwrap(), 2).unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        let mut out = b"before ".to_vec();
        decode(text, &mut out).ok().map(|()| out.split_off(7))
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encode(&all)), Some(all.clone()));
        for byte in all {
            assert_eq!(decoded(&encode(&[byte])), Some(vec![byte]));
        }
        assert_eq!(decoded(&[]), Some(vec![]));
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        let text = b"www.example.com";
        assert_eq!(encode(text), [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]);
        assert_eq!(encode(b"\xf9"), [0xff, 0xff, 0xff, 0xef], "ffffffe of 28 bits, and four of padding");
        assert_eq!(CODES[LONGEST].end, u32::MAX - 3, "what is left is the end of the string");
    }

    #[test]
    fn padding_is_short_and_set() {
        assert_eq!(decoded(&[0x1f]), Some(b"a".to_vec()));
        assert_eq!(decoded(&[0x1e]), None, "a bit of the padding is not set");
        assert_eq!(decoded(&[0x1f, 0xff]), None, "a byte of padding");
        assert_eq!(decoded(&[0xff]), None, "nothing but padding");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), None, "the end itself");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xf3]), Some(b"\n".to_vec()), "a code of 30 bits");
    }
}
