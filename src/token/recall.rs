//! Was a request with these fields read before? What they came to is found again by a keyed hash of
//! their bytes.
//!
//! Most requests of a client repeat the fields of the one before. The bytes themselves are not kept:
//! they are secret.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use siphasher::sip128::{Hasher128, SipHasher13};
use smallvec::SmallVec;

use super::counters::Ignored;
use super::generations::Generations;
use super::mask::Known;
use super::names::TokenNames;
use super::service::Site;
use super::sighting::{Outcome, SeenToken};
use crate::base::ids::TokenRef;
use crate::identity::UserAgent;
use crate::proto::{Header, RequestHead};

/// Readings and sites remembered of each generation; two generations are kept.
const GENERATION: usize = 2048;

/// A message with more tokens, or with longer names (bytes in all), is read afresh each time.
const TOKENS: usize = 4;
const NAMES: usize = 256;

/// What the fields of a request came to: all but its method and target.
pub(super) struct Reading {
    /// The site it speaks to.
    pub(super) site: Arc<Site>,
    /// The host as views show it.
    pub(super) host: Box<str>,
    /// Who sent it.
    pub(super) user_agent: Arc<UserAgent>,
    /// Its tokens, each once.
    pub(super) tokens: Box<[Arc<SeenToken>]>,
    /// What most replies make of them.
    pub(super) accepted: Arc<[(TokenRef, Outcome)]>,
    /// Its cookie pairs.
    pub(super) cookies: u32,
    /// Values left out of it.
    pub(super) ignored: Ignored,
    /// Where its secrets stand.
    pub(super) secrets: Secrets,
}

/// Where the bytes stand that no text of a request may show.
pub(super) struct Secrets {
    /// Length of the shortest, in bytes: no shorter text can hold one.
    shortest: usize,
    /// A small hash of how each begins; `None` when one is too short for it.
    starts: Option<SmallVec<[u16; 4]>>,
    /// `None` when some of them stand nowhere as they are: they were encoded.
    places: Option<Box<[Place]>>,
}

/// A secret in the value of a field.
struct Place {
    /// Which of the fields that are read.
    field: u32,
    start: u32,
    end: u32,
    token: TokenRef,
}

impl Place {
    /// Where a known secret stands in the value of a field; `None` when it does not.
    fn of(known: &Known<'_>, field: u32, value: &[u8]) -> Option<Self> {
        let start = known.value.as_ptr().addr().checked_sub(value.as_ptr().addr())?;
        let end = start.checked_add(known.value.len()).filter(|end| *end <= value.len())?;
        Some(Self { field, start: start.try_into().ok()?, end: end.try_into().ok()?, token: known.token })
    }

    fn within<'v>(&self, values: &[&'v [u8]]) -> Option<Known<'v>> {
        let value = values.get(self.field as usize)?.get(self.start as usize..self.end as usize)?;
        Some(Known { value, token: self.token })
    }
}

impl Secrets {
    pub(super) fn of(known: &[Known<'_>], headers: &[Header<'_>], names: &TokenNames) -> Self {
        let place = |known: &Known<'_>| {
            let fields = headers.iter().filter(|header| is_read(header.name, names));
            (0..).zip(fields).find_map(|(field, header)| Place::of(known, field, &header.value))
        };
        Self {
            shortest: known.iter().map(|k| k.value.len()).min().unwrap_or(usize::MAX),
            starts: known.iter().map(|k| k.value.first_chunk().map(|start| small_hash(*start))).collect(),
            places: known.iter().map(place).collect(),
        }
    }

    /// Whether a text might show one of them. Seldom says so of a text that does not.
    pub(super) fn may_stand_in(&self, text: &[u8]) -> bool {
        if text.len() < self.shortest {
            return false;
        }
        let Some(starts) = &self.starts else { return true };
        let mut windows = text.windows(size_of::<u32>()).filter_map(|window| window.first_chunk());
        windows.any(|window| starts.contains(&small_hash(*window)))
    }
}

/// Too little to tell the bytes by.
const fn small_hash(start: [u8; 4]) -> u16 {
    (u32::from_le_bytes(start).wrapping_mul(0x9e37_79b1) >> 16) as u16
}

impl Reading {
    /// The secrets of a request with the same fields, as far as its method and target could show them;
    /// `None` when they cannot be told.
    pub(super) fn known<'h>(&self, head: &'h RequestHead<'_>, names: &TokenNames) -> Option<SmallVec<[Known<'h>; 2]>> {
        if head.method.len().max(head.target.len()) < self.secrets.shortest {
            return Some(SmallVec::new());
        }
        let values: SmallVec<[&[u8]; 4]> =
            head.headers.iter().filter(|h| is_read(h.name, names)).map(|h| h.value.as_ref()).collect();
        self.secrets.places.as_ref()?.iter().map(|place| place.within(&values)).collect()
    }

    /// Whether it is small enough to be remembered.
    pub(super) fn is_small(&self) -> bool {
        self.tokens.len() <= TOKENS && self.tokens.iter().map(|t| t.name.len()).sum::<usize>() <= NAMES
    }
}

/// Keyed hashes of the fields of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// Of what a [`Reading`] depends on.
    reading: u128,
    /// Of version, the names in their order, and the language: with the above, all that a view shows of a
    /// client beside what its proxy says.
    client: u64,
}

/// What one worker has read lately.
pub(super) struct Recall {
    hash_key: [u8; 16],
    names_key: FixedState,
    readings: Generations<Reading>,
    sites: Generations<Site>,
}

impl Recall {
    /// `hash_key` is random in the daemon: nobody can make two requests look alike.
    pub(super) fn new(hash_key: [u8; 16]) -> Self {
        let seed = u64::from_le_bytes(hash_key.first_chunk().copied().unwrap_or_default());
        Self {
            hash_key,
            names_key: FixedState::with_seed(seed),
            readings: Generations::new(GENERATION),
            sites: Generations::new(GENERATION),
        }
    }

    /// Forgets all, because rules have changed.
    pub(super) fn clear(&mut self) {
        self.readings.clear();
    }

    /// The key of a request to the host spoken to at the address `server`: of all fields that may name a
    /// token or tell the client.
    pub(super) fn key(&self, host: &[u8], server: IpAddr, head: &RequestHead<'_>, names: &TokenNames) -> Key {
        let mut reading = SipHasher13::new_with_key(&self.hash_key);
        let mut client = self.names_key.build_hasher();
        place(&mut reading, host, server);
        head.version.hash(&mut client);
        for header in head.headers {
            client.write(header.name);
            if is_read(header.name, names) {
                text(&mut reading, header.name);
                text(&mut reading, &header.value);
            } else if header.name.eq_ignore_ascii_case(b"accept-language") {
                client.write(&header.value);
            }
        }
        Key { reading: reading.finish128().as_u128(), client: client.finish() }
    }

    pub(super) fn reading(&mut self, key: Key) -> Option<Arc<Reading>> {
        self.readings.get(key.reading)
    }

    pub(super) fn remember(&mut self, key: Key, reading: &Arc<Reading>) {
        self.readings.put(key.reading, reading.clone());
    }

    /// The site of a Host value (or authority) at the address `server`.
    pub(super) fn site(&mut self, host: &[u8], server: IpAddr) -> Arc<Site> {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        place(&mut hasher, host, server);
        let key = hasher.finish128().as_u128();
        self.sites.get(key).unwrap_or_else(|| {
            let site = Arc::new(Site::new(host, server));
            self.sites.put(key, site.clone());
            site
        })
    }
}

/// Whether a field may name a token or tell the client.
fn is_read(name: &[u8], names: &TokenNames) -> bool {
    match name.len() {
        6 if name.eq_ignore_ascii_case(b"cookie") => true,
        10 if name.eq_ignore_ascii_case(b"user-agent") => true,
        _ => names.may_name_header(name),
    }
}

fn place(hasher: &mut SipHasher13, host: &[u8], server: IpAddr) {
    text(hasher, host);
    match server {
        IpAddr::V4(ip) => hasher.write_u64(ip.to_bits().into()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
}

/// Each text is preceded by its length, so that no two lists of texts are alike.
fn text(hasher: &mut SipHasher13, text: &[u8]) {
    hasher.write_u64(text.len() as u64);
    hasher.write(text);
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::*;
    use crate::proto::HttpVersion;

    fn key(host: &str, server: u8, headers: &[(&'static str, &'static str)]) -> u128 {
        keys(host, server, headers).reading
    }

    fn keys(host: &str, server: u8, headers: &[(&'static str, &'static str)]) -> Key {
        let headers: Vec<_> =
            headers.iter().map(|(n, v)| Header { name: n.as_bytes(), value: Cow::Borrowed(v.as_bytes()) }).collect();
        let recall = Recall::new([7; 16]);
        let head = RequestHead { method: b"GET", target: b"/", version: HttpVersion::V11, headers: &headers };
        recall.key(host.as_bytes(), [10, 0, 0, server].into(), &head, &TokenNames::default())
    }

    #[test]
    fn a_key_depends_on_all_that_is_read() {
        let one = [("Cookie", "a=b"), ("User-Agent", "x")];
        assert_eq!(key("h", 1, &one), key("h", 1, &[("Accept", "*/*"), one[0], one[1], ("Referer", "/")]));
        let others = [
            key("i", 1, &one),
            key("h", 2, &one),
            key("h", 1, &one[..1]),
            key("h", 1, &[one[1], one[0]]),
            key("h", 1, &[("Cookie", "a="), ("User-Agent", "bx")]),
            key("h", 1, &[("Cookie", "a=b"), ("User-Agent", "y")]),
        ];
        assert!(!others.contains(&key("h", 1, &one)));
    }

    #[test]
    fn what_a_flow_says_again_depends_on_names_their_order_and_the_language() {
        let one = [("Cookie", "a=b"), ("Accept", "*/*"), ("Accept-Language", "en")];
        let keys = |headers: &[_]| keys("h", 1, headers);
        assert_eq!(keys(&one), keys(&[one[0], ("Accept", "text/html"), one[2]]));
        let others = [
            keys(&one[..2]),
            keys(&[one[0], one[2], one[1]]),
            keys(&[one[0], one[1], ("Accept-Language", "de")]),
            keys(&[("Cookie", "a=c"), one[1], one[2]]),
        ];
        assert!(!others.contains(&keys(&one)));
    }

    proptest! {
        #[test]
        fn a_secret_is_never_missed(before in ".{0,9}", secret in "[a-z0-9]{1,20}", after in ".{0,9}", other in ".{0,30}") {
            let known = [Known { value: secret.as_bytes(), token: TokenRef::default() }];
            let secrets = Secrets::of(&known, &[], &TokenNames::default());
            let text = [before, secret.clone(), after].concat();
            prop_assert!(secrets.may_stand_in(text.as_bytes()));
            if secret.len() > other.len() {
                prop_assert!(!secrets.may_stand_in(other.as_bytes()));
            }
        }
    }

    #[test]
    fn few_other_texts_are_taken_for_a_secret() {
        let known = [Known { value: b"699deef4f79d4de90c447a4488735140", token: TokenRef::default() }];
        let secrets = Secrets::of(&known, &[], &TokenNames::default());
        let text = |n: u32| format!("/account/orders/{n}/items/of/page?number={n}&order=descending");
        assert!((0..1000).filter(|n| secrets.may_stand_in(text(*n).as_bytes())).count() < 10);
    }
}
