//! Is this text the JA4 of a TLS client, and what of it survives resumption? For fingerprints that a
//! proxy passes on in a header.

/// What of a JA4 stays when its client resumes a connection: resumption adds extensions, so their
/// number and their hash are left out. `t13d1516h2_8daaf6152771_e5627efa2ab1` gives `t13d15h2_8daaf6152771`.
/// `None` for what is no JA4 (the form is in FoxIO's technical description of JA4).
#[must_use]
pub fn stable_part(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text.trim_ascii()).ok().filter(|text| text.len() == 36 && text.is_ascii())?;
    let mut parts = text.split('_');
    let (hello, ciphers, extensions) = (parts.next()?, parts.next()?, parts.next()?);
    let hash = |text: &str| text.len() == 12 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let [transport, v1, v2, name, c1, c2, e1, e2, a1, a2] =
        hello.as_bytes().first_chunk::<10>().filter(|_| hello.len() == 10)?;
    let sound = matches!(transport, b't' | b'q' | b'd')
        && matches!([*v1, *v2], [b'1', b'0'..=b'3'] | [b's', b'1'..=b'3'] | [b'd', b'1'..=b'3'] | [b'0', b'0'])
        && matches!(name, b'd' | b'i')
        && [c1, c2, e1, e2].iter().all(|b| b.is_ascii_digit())
        && [a1, a2].iter().all(|b| b.is_ascii_alphanumeric())
        && hash(ciphers)
        && hash(extensions);
    let (before, after) = hello.split_at_checked(6).filter(|_| sound)?;
    Some(format!("{before}{}_{ciphers}", after.get(2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stable_part() {
        for (text, part) in [
            ("t13d1516h2_8daaf6152771_e5627efa2ab1", "t13d15h2_8daaf6152771"),
            (" t13d1517h2_8daaf6152771_b1ff8ab2d16f ", "t13d15h2_8daaf6152771"),
            ("q13i0310h3_55b375c5d22e_06cda9e17597", "q13i03h3_55b375c5d22e"),
            ("t00i000000_000000000000_000000000000", "t00i0000_000000000000"),
        ] {
            assert_eq!(stable_part(text.as_bytes()).as_deref(), Some(part));
        }
    }

    #[test]
    fn what_is_no_ja4() {
        for bad in [
            "",
            "t13d1516h2_8daaf6152771",
            "t13d1516h2_8daaf6152771_e5627efa2ab",
            "t13d1516h2_8DAAF6152771_e5627efa2ab1",
            "x13d1516h2_8daaf6152771_e5627efa2ab1",
            "t14d1516h2_8daaf6152771_e5627efa2ab1",
            "t13d15a6h2_8daaf6152771_e5627efa2ab1",
            "t13d1516h\u{e9}_8daaf6152771_e5627efa2a",
            "t13d1516_h28daaf6152771_e5627efa2ab1",
            "t13d1516h2-8daaf6152771-e5627efa2ab1",
            "a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_a_",
        ] {
            assert_eq!(stable_part(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(stable_part(&[0xff; 36]), None);
    }
}
