//! How are the records of one direction opened in TLS 1.3?
//!
//! Secrets follow one another: of early data, of the handshake, of the application. Where one ends the
//! next record opens with the next secret and no other, so each record says by itself where it belongs.

use smallvec::SmallVec;

use super::aead::Aead;
use super::derive::{Wiped, expand_label};
use super::lane12::{Opened, counted};
use super::records::{HEADER, content};
use super::suite::{Algorithm, Hash};
use super::tries::Tries;

/// One secret with what it makes (RFC 8446 §7.3).
struct Traffic {
    secret: Wiped,
    aead: Aead,
    iv: [u8; 12],
}

impl Traffic {
    /// `None` where the secret has the length of another hash.
    fn new((algorithm, hash): (Algorithm, Hash), secret: &[u8]) -> Option<Self> {
        if secret.len() != hash.len() {
            return None;
        }
        let aead = Aead::new(algorithm, &expand_label(hash, secret, "key", algorithm.key_len()))?;
        let iv = expand_label(hash, secret, "iv", 12).as_slice().try_into().ok()?;
        Some(Self { secret: secret.to_vec().into(), aead, iv })
    }

    /// Opens a record in place and takes off its padding: its type and the length of its content.
    fn open(&self, number: u64, header: [u8; HEADER], body: &mut [u8]) -> Option<(u8, usize)> {
        let inner = self.aead.open(counted(self.iv, number.to_be_bytes()), &header, body)?;
        let end = inner.iter().rposition(|byte| *byte != 0)?;
        Some((*inner.get(end)?, end))
    }
}

/// One direction of TLS 1.3.
pub(super) struct Lane13 {
    suite: (Algorithm, Hash),
    /// The secrets that are known, in the order of their use.
    secrets: SmallVec<[Traffic; 2]>,
    /// The one in use.
    at: usize,
    number: u64,
    /// Records may come at first that no known secret opens: of early data, or of a handshake whose
    /// secret is not there.
    tolerant: bool,
}

impl Lane13 {
    /// With the secrets that are known; `tolerant` where some may be missing.
    pub(super) fn new<'s>(
        suite: (Algorithm, Hash),
        secrets: impl Iterator<Item = &'s [u8]>,
        tolerant: bool,
    ) -> Option<Self> {
        let secrets = secrets.map(|secret| Traffic::new(suite, secret)).collect::<Option<_>>()?;
        Some(Self { suite, secrets, at: 0, number: 0, tolerant })
    }

    /// Opens a record in place.
    pub(super) fn open<'a>(&mut self, header: [u8; HEADER], body: &'a mut [u8], scratch: &mut Vec<u8>) -> Opened<'a> {
        if header.first() != Some(&content::APPLICATION_DATA) {
            return Opened::Nothing; // in the clear: a hello, a ChangeCipherSpec without meaning, an alert
        }
        let is_last = self.at.saturating_add(1) >= self.secrets.len();
        if !is_last {
            scratch.clear();
            scratch.extend_from_slice(body);
        }
        for (place, secret) in self.secrets.iter().enumerate().skip(self.at) {
            let number = if place == self.at { self.number } else { 0 };
            if let Some((kind, len)) = secret.open(number, header, body) {
                (self.at, self.number) = (place, number.saturating_add(1));
                self.tolerant = false;
                return Opened::Content(kind, body.get_mut(..len).unwrap_or_default(), 0);
            }
            if !is_last {
                body.copy_from_slice(scratch);
            }
        }
        if self.tolerant { Opened::Nothing } else { Opened::Sealed }
    }

    /// Tries a record behind a hole under the numbers that it may have.
    pub(super) fn search<'a>(
        &mut self,
        header: [u8; HEADER],
        body: &[u8],
        scratch: &'a mut Vec<u8>,
        tries: &mut Tries,
    ) -> Opened<'a> {
        if header.first() != Some(&content::APPLICATION_DATA) {
            return Opened::Sealed;
        }
        for (place, secret) in self.secrets.iter().enumerate().skip(self.at) {
            let first = if place == self.at { self.number } else { 0 };
            let found = tries.numbers(first).find_map(|number| {
                scratch.clear();
                scratch.extend_from_slice(body);
                Some((number, secret.open(number, header, scratch)?))
            });
            if let Some((number, (kind, len))) = found {
                (self.at, self.number) = (place, number.saturating_add(1));
                let lost = number.saturating_sub(first);
                return Opened::Content(kind, scratch.get_mut(..len).unwrap_or_default(), lost);
            }
        }
        Opened::Sealed
    }

    /// The peer goes on with the next generation of its secret (RFC 8446 §7.2).
    pub(super) fn update(&mut self) -> Option<()> {
        let current = self.secrets.get_mut(self.at)?;
        let next = expand_label(self.suite.1, &current.secret, "traffic upd", self.suite.1.len());
        *current = Traffic::new(self.suite, &next)?;
        self.number = 0;
        Some(())
    }

    /// Bytes of a record beside its content, at least: header, type and tag.
    pub(super) const fn overhead(&self) -> usize {
        HEADER + 1 + self.suite.0.tag_len()
    }
}
