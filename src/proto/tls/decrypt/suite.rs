//! Which cipher suites can be opened? What the IANA registry says of those that are met.

use ring::hmac;

/// How the records of a suite are protected, and by which hash its keys are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Suite {
    pub(super) protection: Protection,
    pub(super) hash: Hash,
}

/// How records are protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protection {
    Aead(Algorithm),
    /// AES in CBC mode with a key of this length, and an HMAC (RFC 5246 §6.2.3.2).
    Cbc(usize, Mac),
}

/// Authenticated encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Algorithm {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    Aes128Ccm,
    Aes256Ccm,
    Aes128Ccm8,
    Aes256Ccm8,
}

impl Algorithm {
    /// Bytes of a key.
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Ccm | Self::Aes128Ccm8 => 16,
            Self::Aes256Gcm | Self::Aes256Ccm | Self::Aes256Ccm8 | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// Bytes of a tag.
    pub(super) const fn tag_len(self) -> usize {
        if matches!(self, Self::Aes128Ccm8 | Self::Aes256Ccm8) { 8 } else { 16 }
    }
}

/// Hash of the MAC of a CBC suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mac {
    Sha1,
    Sha256,
    Sha384,
}

impl Mac {
    pub(super) const fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }

    /// Bytes of a MAC, and of its key.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// Hash by which keys are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hash {
    Sha256,
    Sha384,
}

impl Hash {
    pub(super) const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }

    /// Bytes of a hash, and of a secret of TLS 1.3.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

impl Suite {
    const fn aead(algorithm: Algorithm, hash: Hash) -> Self {
        Self { protection: Protection::Aead(algorithm), hash }
    }

    const fn cbc(key_len: usize, mac: Mac) -> Self {
        let hash = if matches!(mac, Mac::Sha384) { Hash::Sha384 } else { Hash::Sha256 };
        Self { protection: Protection::Cbc(key_len, mac), hash }
    }

    /// A suite of TLS 1.3 (RFC 8446 Appendix B.4).
    pub(super) const fn of_tls13(code: u16) -> Option<(Algorithm, Hash)> {
        Some(match code {
            0x1301 => (Algorithm::Aes128Gcm, Hash::Sha256),
            0x1302 => (Algorithm::Aes256Gcm, Hash::Sha384),
            0x1303 => (Algorithm::ChaCha20Poly1305, Hash::Sha256),
            0x1304 => (Algorithm::Aes128Ccm, Hash::Sha256),
            0x1305 => (Algorithm::Aes128Ccm8, Hash::Sha256),
            _ => return None,
        })
    }

    /// A suite of TLS 1.2, whatever its key exchange: RFC 5246, 5288, 5289, 5487, 5489, 6655, 7251, 7905,
    /// 8442.
    pub(super) const fn of_tls12(code: u16) -> Option<Self> {
        use Algorithm::{Aes128Ccm, Aes128Ccm8, Aes128Gcm, Aes256Ccm, Aes256Ccm8, Aes256Gcm, ChaCha20Poly1305};
        use Hash::{Sha256, Sha384};
        Some(match code {
            // In the registry the two key lengths of GCM stand side by side.
            0x009c..=0x00ad | 0xc02b..=0xc032 if code % 2 == first_of_pair(code) => Self::aead(Aes128Gcm, Sha256),
            0x009c..=0x00ad | 0xc02b..=0xc032 => Self::aead(Aes256Gcm, Sha384),
            0xd001 => Self::aead(Aes128Gcm, Sha256),
            0xd002 => Self::aead(Aes256Gcm, Sha384),
            0xcca8..=0xccae => Self::aead(ChaCha20Poly1305, Sha256),
            0xc09c | 0xc09e | 0xc0a4 | 0xc0a6 | 0xc0ac | 0xd005 => Self::aead(Aes128Ccm, Sha256),
            0xc09d | 0xc09f | 0xc0a5 | 0xc0a7 | 0xc0ad => Self::aead(Aes256Ccm, Sha256),
            0xc0a0 | 0xc0a2 | 0xc0a8 | 0xc0aa | 0xc0ae | 0xd003 => Self::aead(Aes128Ccm8, Sha256),
            0xc0a1 | 0xc0a3 | 0xc0a9 | 0xc0ab | 0xc0af => Self::aead(Aes256Ccm8, Sha256),
            0x002f..=0x0034 | 0x008c | 0x0090 | 0x0094 | 0xc004 | 0xc009 | 0xc00e | 0xc013 | 0xc018 | 0xc035 => {
                Self::cbc(16, Mac::Sha1)
            }
            0x0035..=0x003a | 0x008d | 0x0091 | 0x0095 | 0xc005 | 0xc00a | 0xc00f | 0xc014 | 0xc019 | 0xc036 => {
                Self::cbc(32, Mac::Sha1)
            }
            0x003c
            | 0x003e..=0x0040
            | 0x0067
            | 0x006c
            | 0x00ae
            | 0x00b2
            | 0x00b6
            | 0xc023
            | 0xc025
            | 0xc027
            | 0xc029
            | 0xc037 => Self::cbc(16, Mac::Sha256),
            0x003d | 0x0068..=0x006b | 0x006d => Self::cbc(32, Mac::Sha256),
            0x00af | 0x00b3 | 0x00b7 | 0xc024 | 0xc026 | 0xc028 | 0xc02a | 0xc038 => Self::cbc(32, Mac::Sha384),
            _ => return None,
        })
    }
}

/// Whether pairs of suites begin with an even number here, or an odd one.
const fn first_of_pair(code: u16) -> u16 {
    if code < 0xc000 { 0 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tls::cipher;

    /// What a suite is, by its name in the registry.
    fn by_name(name: &str) -> Option<Suite> {
        use Algorithm::{Aes128Ccm, Aes128Ccm8, Aes128Gcm, Aes256Ccm, Aes256Ccm8, Aes256Gcm, ChaCha20Poly1305};
        let (_, of) = name.split_once("_WITH_")?;
        let hash = if of.ends_with("SHA384") { Hash::Sha384 } else { Hash::Sha256 };
        let aead = |algorithm| Some(Suite::aead(algorithm, hash));
        match of {
            "AES_128_GCM_SHA256" => aead(Aes128Gcm),
            "AES_256_GCM_SHA384" => aead(Aes256Gcm),
            "CHACHA20_POLY1305_SHA256" => aead(ChaCha20Poly1305),
            "AES_128_CCM" => aead(Aes128Ccm),
            "AES_256_CCM" => aead(Aes256Ccm),
            "AES_128_CCM_8" => aead(Aes128Ccm8),
            "AES_256_CCM_8" => aead(Aes256Ccm8),
            "AES_128_CBC_SHA" => Some(Suite::cbc(16, Mac::Sha1)),
            "AES_256_CBC_SHA" => Some(Suite::cbc(32, Mac::Sha1)),
            "AES_128_CBC_SHA256" => Some(Suite::cbc(16, Mac::Sha256)),
            "AES_256_CBC_SHA256" => Some(Suite::cbc(32, Mac::Sha256)),
            "AES_256_CBC_SHA384" => Some(Suite::cbc(32, Mac::Sha384)),
            _ => None,
        }
    }

    #[test]
    fn suites_are_what_their_names_say() {
        let mut opened = 0;
        for code in 0..=u16::MAX {
            let name = cipher::name(code);
            if name.contains("_WITH_") {
                assert_eq!(Suite::of_tls12(code), by_name(&name), "{code:04x} {name}");
                opened += u32::from(Suite::of_tls12(code).is_some());
            }
        }
        assert!(opened > 30, "{opened}");
    }
}
