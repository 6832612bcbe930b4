//! Which versions of TLS are there? Their numbers on the wire, unknown ones included.

use serde::{Deserialize, Serialize};

/// A protocol version as on the wire (RFC 8446 §4.2.1); unknown numbers survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TlsVersion(pub u16);

impl TlsVersion {
    /// SSL 2.0, which writes its number the other way round.
    pub const SSL2: Self = Self(0x0002);
    /// SSL 3.0 (RFC 6101).
    pub const SSL3: Self = Self(0x0300);
    /// TLS 1.0 (RFC 2246).
    pub const TLS10: Self = Self(0x0301);
    /// TLS 1.1 (RFC 4346).
    pub const TLS11: Self = Self(0x0302);
    /// TLS 1.2 (RFC 5246).
    pub const TLS12: Self = Self(0x0303);
    /// TLS 1.3 (RFC 8446).
    pub const TLS13: Self = Self(0x0304);

    /// Every label of `tls_connections_total{version}`, in the order of [`Self::label`].
    pub const LABELS: [&'static str; 7] = ["ssl2", "ssl3", "1.0", "1.1", "1.2", "1.3", "unknown"];

    /// Whether it is a draft of TLS 1.3.
    #[must_use]
    pub const fn is_draft13(self) -> bool {
        self.0 >> 8 == 0x7f
    }

    /// Place of its label in [`Self::LABELS`].
    #[must_use]
    pub const fn label_index(self) -> usize {
        match self {
            Self::SSL2 => 0,
            Self::SSL3 => 1,
            Self::TLS10 => 2,
            Self::TLS11 => 3,
            Self::TLS12 => 4,
            Self::TLS13 => 5,
            draft if draft.is_draft13() => 5,
            _ => 6,
        }
    }

    /// Number and protocol as in `tls.version` and `tls.version_protocol` of ECS: `1.3` of `tls`.
    /// `None` for a version that nobody has named.
    #[must_use]
    pub const fn name(self) -> Option<(&'static str, &'static str)> {
        match self.label_index() {
            0 => Some(("2.0", "ssl")),
            1 => Some(("3.0", "ssl")),
            2 => Some(("1.0", "tls")),
            3 => Some(("1.1", "tls")),
            4 => Some(("1.2", "tls")),
            5 => Some(("1.3", "tls")),
            _ => None,
        }
    }
}

/// Whether a code point is one of those that clients throw in to keep servers tolerant
/// (GREASE, RFC 8701): `0x0a0a`, `0x1a1a` … `0xfafa`.
#[must_use]
pub const fn is_grease(code: u16) -> bool {
    let [high, low] = code.to_be_bytes();
    high == low && high & 0x0f == 0x0a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_agree() {
        for (version, name) in [(TlsVersion::SSL3, "3.0"), (TlsVersion::TLS12, "1.2"), (TlsVersion(0x7f17), "1.3")] {
            assert_eq!(version.name().map(|(number, _)| number), Some(name));
        }
        assert_eq!(TlsVersion::LABELS[TlsVersion::TLS11.label_index()], "1.1");
        assert_eq!((TlsVersion(0x1234).name(), TlsVersion(0x1234).label_index()), (None, 6));
    }

    #[test]
    fn there_are_sixteen_values_of_grease() {
        let grease: Vec<u16> = (0..=u16::MAX).filter(|code| is_grease(*code)).collect();
        assert_eq!((grease.len(), grease[0], grease[15]), (16, 0x0a0a, 0xfafa));
    }
}
