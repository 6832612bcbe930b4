//! How are things named without revealing them? Keyed 16-byte digests.

use std::fmt;

use ring::hmac;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 16 bytes of a keyed digest (HMAC-SHA-256), shown as 32 hex digits. Without the
/// installation's key the digested value can be neither recovered nor confirmed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest16(pub [u8; 16]);

impl fmt::Display for Digest16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest16 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest16 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        u128::from_str_radix(&text, 16)
            .ok()
            .filter(|_| text.len() == 32)
            .map(|n| Self(n.to_be_bytes()))
            .ok_or_else(|| serde::de::Error::custom("expected 32 hex digits"))
    }
}

impl schemars::JsonSchema for Digest16 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Digest16".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}

/// A keyed digest of a token: the only form in which a token leaves `token/`.
pub type TokenRef = Digest16;

/// The installation's 32-byte key, from which each use derives a key of its own.
/// `Debug` is redacted by `ring`.
#[derive(Clone, Debug)]
pub struct DigestKey(hmac::Key);

impl DigestKey {
    /// The key for one `purpose` (`"token ref"`, `"event id"` …) derived from the installation's key.
    #[must_use]
    pub fn derive(installation: &[u8; 32], purpose: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, installation);
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose.as_bytes()).as_ref()))
    }

    /// Digest of `parts`; each is preceded by its length, so that no two lists collide.
    #[must_use]
    pub fn digest(&self, parts: &[&[u8]]) -> Digest16 {
        let mut mac = hmac::Context::with_key(&self.0);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let tag = mac.sign();
        Digest16(tag.as_ref().first_chunk::<16>().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_keyed_separated_and_purposeful() {
        let (a, b) = (DigestKey::derive(&[1; 32], "x"), DigestKey::derive(&[2; 32], "x"));
        assert_eq!(a.digest(&[b"ab", b"c"]), a.digest(&[b"ab", b"c"]));
        assert_ne!(a.digest(&[b"ab", b"c"]), a.digest(&[b"a", b"bc"]));
        assert_ne!(a.digest(&[b"ab"]), b.digest(&[b"ab"]));
        assert_ne!(a.digest(&[b"ab"]), DigestKey::derive(&[1; 32], "y").digest(&[b"ab"]));
        assert!(!format!("{:?}", a).contains("01, 01"));
    }

    #[test]
    fn hex_round_trip() {
        let d = DigestKey::derive(&[1; 32], "x").digest(&[b"v"]);
        let text = serde_json::to_string(&d).unwrap();
        assert_eq!(text.len(), 34);
        assert_eq!(serde_json::from_str::<Digest16>(&text).unwrap(), d);
        assert!(serde_json::from_str::<Digest16>("\"7f\"").is_err());
    }
}
