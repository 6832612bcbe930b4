//! How do secrets become keys? The PRF of TLS 1.2 and the expansion of TLS 1.3.

use ring::hmac;
use zeroize::Zeroizing;

use super::suite::Hash;

/// Bytes that are wiped when dropped.
pub(super) type Wiped = Zeroizing<Vec<u8>>;

/// `PRF(secret, label, seed)` (RFC 5246 §5), `len` bytes of it.
pub(super) fn prf(hash: Hash, secret: &[u8], label: &[u8], seed: &[&[u8]], len: usize) -> Wiped {
    let key = hmac::Key::new(hash.hmac(), secret);
    let sign = |first: &[u8], seeded: bool| {
        let mut context = hmac::Context::with_key(&key);
        context.update(first);
        if seeded {
            context.update(label);
            seed.iter().for_each(|part| context.update(part));
        }
        context.sign()
    };
    let mut out = Zeroizing::new(Vec::with_capacity(len.saturating_add(hash.len())));
    let mut a = sign(&[], true);
    while out.len() < len {
        out.extend_from_slice(sign(a.as_ref(), true).as_ref());
        a = sign(a.as_ref(), false);
    }
    out.truncate(len);
    out
}

/// `HKDF-Expand-Label(secret, label, "", len)` (RFC 8446 §7.1), `len` being at most that of the hash: what
/// keys need is one block.
pub(super) fn expand_label(hash: Hash, secret: &[u8], label: &str, len: usize) -> Wiped {
    let key = hmac::Key::new(hash.hmac(), secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(&u16::try_from(len).unwrap_or_default().to_be_bytes());
    context.update(&[u8::try_from(label.len()).unwrap_or_default().saturating_add(6)]);
    context.update(b"tls13 ");
    context.update(label.as_bytes());
    context.update(&[0, 1]); // no context; the first block
    Zeroizing::new(context.sign().as_ref().get(..len).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
    }

    /// The vector that the working group's list has for P_SHA256.
    #[test]
    fn the_prf_gives_what_others_get() {
        let (secret, seed) = (hex("9bbe436ba940f017b17652849a71db35"), hex("a0ba9f936cda311827a6f796ffd5198c"));
        let expected =
            hex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af\
             0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66");
        let seed = seed.split_at(7);
        assert_eq!(*prf(Hash::Sha256, &secret, b"test label", &[seed.0, seed.1], 100), expected);
    }

    /// RFC 8448 §3: the server's handshake traffic secret, and its key and IV.
    #[test]
    fn labels_are_expanded_as_in_the_rfc() {
        let secret = hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
        assert_eq!(*expand_label(Hash::Sha256, &secret, "key", 16), hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(*expand_label(Hash::Sha256, &secret, "iv", 12), hex("5d313eb2671276ee13000b30"));
    }
}
