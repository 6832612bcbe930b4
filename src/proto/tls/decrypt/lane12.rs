//! How are the records of one direction opened in TLS 1.2?

use super::aead::Aead;
use super::cbc::Cbc;
use super::derive::{Wiped, prf};
use super::records::{HEADER, content};
use super::suite::{Protection, Suite};
use super::tries::Tries;

/// What opens the records of one direction, from a ChangeCipherSpec to the next.
enum Opener {
    /// Four bytes of the nonce are secret, eight stand before the record (RFC 5288, RFC 6655).
    Explicit {
        aead: Aead,
        salt: [u8; 4],
        tag: usize,
    },
    /// The number of the record makes the nonce (RFC 7905).
    Counted {
        aead: Aead,
        iv: [u8; 12],
    },
    Cbc(Cbc),
}

/// Length of the explicit part of a nonce.
const EXPLICIT: usize = 8;

impl Opener {
    /// Opens the record with this number in place.
    fn open<'a>(
        &self,
        number: u64,
        [kind, major, minor, ..]: [u8; HEADER],
        body: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let number = number.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = number;
        let prefix = [a, b, c, d, e, f, g, h, kind, major, minor];
        let aad = |len: usize| {
            let [high, low] = u16::try_from(len).ok()?.to_be_bytes();
            Some([a, b, c, d, e, f, g, h, kind, major, minor, high, low])
        };
        match self {
            Self::Explicit { aead, salt: [s, t, u, v], tag } => {
                let (explicit, sealed) = body.split_first_chunk_mut::<EXPLICIT>()?;
                let [i, j, k, l, m, n, o, p] = *explicit;
                let aad = aad(sealed.len().checked_sub(*tag)?)?;
                aead.open([*s, *t, *u, *v, i, j, k, l, m, n, o, p], &aad, sealed)
            }
            Self::Counted { aead, iv } => {
                let aad = aad(body.len().checked_sub(16)?)?;
                aead.open(counted(*iv, number), &aad, body)
            }
            Self::Cbc(cbc) => cbc.open(prefix, body),
        }
    }

    /// Bytes of a record's body beside its content, at least.
    const fn overhead(&self) -> usize {
        match self {
            Self::Explicit { tag, .. } => EXPLICIT + *tag,
            Self::Counted { .. } => 16,
            Self::Cbc(cbc) => cbc.overhead(),
        }
    }
}

/// A nonce of an IV and the number of a record (RFC 7905 §2, RFC 8446 §5.3).
pub(super) fn counted(mut iv: [u8; 12], number: [u8; 8]) -> [u8; 12] {
    iv.iter_mut().skip(4).zip(number).for_each(|(byte, of)| *byte ^= of);
    iv
}

/// One direction of TLS 1.2.
pub(super) struct Lane12 {
    /// None while records travel in the clear.
    opener: Option<Opener>,
    /// What opens records from the next ChangeCipherSpec on.
    next: Option<Opener>,
    number: u64,
}

/// What a handshake agreed on that makes its keys.
pub(super) struct Agreed<'a> {
    pub(super) suite: Suite,
    pub(super) master: &'a [u8],
    pub(super) client_random: &'a [u8],
    pub(super) server_random: &'a [u8],
    pub(super) encrypt_then_mac: bool,
}

impl Agreed<'_> {
    /// What opens the client's records, and the server's (RFC 5246 §6.3).
    fn openers(&self) -> Option<[Opener; 2]> {
        let (mac, key, iv) = match self.suite.protection {
            Protection::Cbc(key, mac) => (mac.len(), key, 0),
            Protection::Aead(algorithm) => (0, algorithm.key_len(), self.iv_len()),
        };
        let len = mac.checked_add(key)?.checked_add(iv)?.checked_mul(2)?;
        let seed = [self.server_random, self.client_random];
        let block: Wiped = prf(self.suite.hash, self.master, b"key expansion", &seed, len);
        let mut rest = block.as_slice();
        let mut next = |len: usize| {
            let (part, behind) = rest.split_at_checked(len)?;
            rest = behind;
            Some(part)
        };
        let (macs, keys, ivs) = ([next(mac)?, next(mac)?], [next(key)?, next(key)?], [next(iv)?, next(iv)?]);
        let [client, server] = [0, 1].map(|side: usize| {
            let (mac_key, key, iv) = (*macs.get(side)?, *keys.get(side)?, *ivs.get(side)?);
            Some(match self.suite.protection {
                Protection::Cbc(_, mac) => {
                    Opener::Cbc(Cbc::new(key.to_vec().into(), mac, mac_key, self.encrypt_then_mac))
                }
                Protection::Aead(algorithm) => {
                    let aead = Aead::new(algorithm, key)?;
                    match iv.try_into() {
                        Ok(iv) => Opener::Counted { aead, iv },
                        Err(_) => Opener::Explicit { aead, salt: iv.try_into().ok()?, tag: algorithm.tag_len() },
                    }
                }
            })
        });
        Some([client?, server?])
    }

    /// Bytes of the secret part of a nonce.
    const fn iv_len(&self) -> usize {
        match self.suite.protection {
            Protection::Aead(super::suite::Algorithm::ChaCha20Poly1305) => 12,
            _ => 4,
        }
    }
}

/// What a record came to.
pub(super) enum Opened<'a> {
    /// The content of a record of this type, and how many records were lost before it.
    Content(u8, &'a mut [u8], u64),
    /// It says nothing here.
    Nothing,
    /// It does not open.
    Sealed,
}

impl Lane12 {
    pub(super) const fn new() -> Self {
        Self { opener: None, next: None, number: 0 }
    }

    /// A handshake has agreed on keys, for both directions: the client's and the server's.
    pub(super) fn agree(agreed: &Agreed<'_>, client: &mut Self, server: &mut Self) -> Option<()> {
        let [of_client, of_server] = agreed.openers()?;
        (client.next, server.next) = (Some(of_client), Some(of_server));
        Some(())
    }

    /// Opens a record in place.
    pub(super) fn open<'a>(&mut self, header: [u8; HEADER], body: &'a mut [u8]) -> Opened<'a> {
        let [kind, ..] = header;
        let content = match &self.opener {
            Some(opener) => opener.open(self.number, header, body),
            None if kind == content::CHANGE_CIPHER_SPEC => Some(body),
            None => return Opened::Nothing,
        };
        let Some(content) = content else { return Opened::Sealed };
        self.number = self.number.saturating_add(1);
        if kind == content::CHANGE_CIPHER_SPEC {
            self.number = 0;
            self.opener = self.next.take();
            return if self.opener.is_some() { Opened::Nothing } else { Opened::Sealed };
        }
        Opened::Content(kind, content, 0)
    }

    /// Tries a record behind a hole under the numbers that it may have.
    pub(super) fn search<'a>(
        &mut self,
        header: [u8; HEADER],
        body: &[u8],
        scratch: &'a mut Vec<u8>,
        tries: &mut Tries,
    ) -> Opened<'a> {
        // Before the ChangeCipherSpec: it may be lost, and the Finished behind it.
        let (opener, first) = match (&self.opener, &self.next) {
            (Some(opener), _) => (opener, self.number),
            (None, Some(next)) => (next, 0),
            (None, None) => return Opened::Sealed,
        };
        let found = tries.numbers(first).find_map(|number| {
            scratch.clear();
            scratch.extend_from_slice(body);
            let len = opener.open(number, header, scratch)?.len();
            Some((number, len))
        });
        let Some((number, len)) = found else { return Opened::Sealed };
        if self.opener.is_none() {
            self.opener = self.next.take();
        }
        self.number = number.saturating_add(1);
        let [kind, ..] = header;
        let skip = match &self.opener {
            Some(Opener::Explicit { .. }) => EXPLICIT,
            Some(Opener::Cbc(_)) => 16,
            _ => 0,
        };
        let content = scratch.get_mut(skip..).and_then(|rest| rest.get_mut(..len)).unwrap_or_default();
        Opened::Content(kind, content, number.saturating_sub(first))
    }

    /// Bytes of a record beside its content, at least.
    pub(super) fn overhead(&self) -> usize {
        self.opener.as_ref().map_or(0, Opener::overhead).saturating_add(HEADER)
    }
}
