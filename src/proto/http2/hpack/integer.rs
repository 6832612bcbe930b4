//! Which number is this? Integers with a prefix (RFC 7541 §5.1).

use super::Malformed;

/// Reads a number whose prefix is the low `bits` of the first byte. None of more than 32 bits is read:
/// no host knows a table or a string of such a size.
pub(super) fn read(rest: &mut &[u8], bits: u32) -> Result<u32, Malformed> {
    let (&first, mut after) = rest.split_first().ok_or(Malformed)?;
    let most = (1_u32 << bits).wrapping_sub(1);
    let mut value = u64::from(u32::from(first) & most);
    if value == u64::from(most) {
        let mut shift = 0;
        loop {
            let (&byte, tail) = after.split_first().ok_or(Malformed)?;
            after = tail;
            value = value.saturating_add(u64::from(byte & 0x7f) << shift);
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return Err(Malformed);
            }
        }
    }
    *rest = after;
    u32::try_from(value).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8], bits: u32) -> Option<u32> {
        let mut rest = bytes;
        read(&mut rest, bits).ok().filter(|_| rest.is_empty())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(read_all(&[0b0000_1010], 5), Some(10), "C.1.1");
        assert_eq!(read_all(&[0b1111_1111, 0b1001_1010, 0b0000_1010], 5), Some(1337), "C.1.2");
        assert_eq!(read_all(&[42], 8), Some(42), "C.1.3");
    }

    #[test]
    fn numbers_end_and_fit() {
        assert_eq!(read_all(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x0f], 7), Some(127 + (15 << 28)));
        assert_eq!(read_all(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f], 7), None, "more than 32 bits");
        assert_eq!(read_all(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 7), None, "without an end");
        assert_eq!(read_all(&[0x7f, 0x80], 7), None, "cut");
        assert_eq!(read_all(&[], 7), None);
    }
}
