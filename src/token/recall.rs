//! Was a request with these fields read before? What they came to is found again by a keyed hash of
//! their bytes.
//!
//! Most requests of a client repeat the fields of the one before. The bytes themselves are not kept:
//! they are secret.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use siphasher::sip128::{Hasher128, SipHasher13};
use smallvec::SmallVec;

use super::counters::Ignored;
use super::mask::Known;
use super::names::TokenNames;
use super::service::Site;
use super::sighting::{RequestView, SeenToken};
use crate::base::ids::TokenRef;
use crate::flow::FlowId;
use crate::identity::UserAgent;
use crate::identity::forwarded::Sender;
use crate::proto::{Header, RequestHead};

/// Readings and sites remembered of each generation; two generations are kept.
const GENERATION: usize = 8192;

/// The same, of flows: a view with its texts is some 500 bytes.
const LIKES: usize = 4096;

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
    pub(super) tokens: Vec<SeenToken>,
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
    /// `None` when some of them stand nowhere as they are: they were encoded.
    places: Option<SmallVec<[Place; 2]>>,
}

/// A secret in the value of a field.
struct Place {
    /// Which of the fields that are read.
    field: usize,
    range: Range<usize>,
    token: TokenRef,
}

impl Secrets {
    pub(super) fn of(known: &[Known<'_>], headers: &[Header<'_>], names: &TokenNames) -> Self {
        let place = |known: &Known<'_>| {
            let mut fields = headers.iter().filter(|header| is_read(header.name, names)).enumerate();
            let within = |value: &[u8]| {
                let start = known.value.as_ptr().addr().checked_sub(value.as_ptr().addr())?;
                let end = start.checked_add(known.value.len())?;
                value.get(start..end).map(|_| start..end)
            };
            fields.find_map(|(field, header)| Some(Place { field, range: within(&header.value)?, token: known.token }))
        };
        Self {
            shortest: known.iter().map(|k| k.value.len()).min().unwrap_or(usize::MAX),
            places: known.iter().map(place).collect(),
        }
    }
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
        let known = |place: &Place| {
            Some(Known { value: values.get(place.field)?.get(place.range.clone())?, token: place.token })
        };
        self.secrets.places.as_ref()?.iter().map(known).collect()
    }

    /// Whether it is small enough to be remembered.
    pub(super) fn is_small(&self) -> bool {
        self.tokens.len() <= TOKENS && self.tokens.iter().map(|t| t.name.len()).sum::<usize>() <= NAMES
    }
}

/// What a flow is known by when it says the same again.
pub(super) struct Like {
    /// What the fields came to.
    pub(super) reading: Arc<Reading>,
    /// The request that showed it first.
    pub(super) view: Arc<RequestView>,
    /// Who is behind its peer.
    pub(super) sender: Sender,
}

/// Keyed hashes of the fields of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// Of what a [`Reading`] depends on.
    reading: u128,
    /// Of method, version, the names in their order, and the language: with the above, all that a view
    /// shows of a client beside what its proxy says.
    client: u64,
}

impl Key {
    /// Both hashes are uniform; a frame number spreads over neither.
    fn on_flow(self, flow: FlowId) -> u128 {
        let frame = u128::from(flow.0.number) | u128::from(flow.0.capture) << 64 | u128::from(flow.0.part) << 96;
        self.reading ^ u128::from(self.client).rotate_left(32) ^ frame
    }
}

/// What one worker has read lately.
pub(super) struct Recall {
    hash_key: [u8; 16],
    names_key: FixedState,
    readings: Generations<Reading>,
    likes: Generations<Like>,
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
            likes: Generations::new(LIKES),
            sites: Generations::new(GENERATION),
        }
    }

    /// Forgets all, because rules have changed.
    pub(super) fn clear(&mut self) {
        self.readings = Generations::new(GENERATION);
        self.likes = Generations::new(LIKES);
    }

    /// The key of a request to the host spoken to at the address `server`: of all fields that may name a
    /// token or tell the client.
    pub(super) fn key(&self, host: &[u8], server: IpAddr, head: &RequestHead<'_>, names: &TokenNames) -> Key {
        let mut reading = SipHasher13::new_with_key(&self.hash_key);
        let mut client = self.names_key.build_hasher();
        place(&mut reading, host, server);
        (head.version, head.method).hash(&mut client);
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

    /// An earlier request of the flow with the same fields.
    pub(super) fn like(&mut self, key: Key, flow: FlowId) -> Option<Arc<Like>> {
        self.likes.get(key.on_flow(flow))
    }

    pub(super) fn remember_like(&mut self, key: Key, flow: FlowId, like: Like) {
        self.likes.put(key.on_flow(flow), Arc::new(like));
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

/// Values by their keyed hashes. When the young generation is full, what was not asked for since the
/// last time that it was is forgotten.
struct Generations<V> {
    limit: usize,
    young: HashMap<u128, Arc<V>, FixedState>,
    old: HashMap<u128, Arc<V>, FixedState>,
}

impl<V> Generations<V> {
    fn new(limit: usize) -> Self {
        Self { limit, young: HashMap::default(), old: HashMap::default() }
    }

    fn get(&mut self, key: u128) -> Option<Arc<V>> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.put(key, value.clone());
        Some(value)
    }

    fn put(&mut self, key: u128, value: Arc<V>) {
        if self.young.len() >= self.limit {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::base::time::FrameId;
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
        let flow = |number| FlowId(FrameId { number, ..FrameId::default() });
        let on_flow = |headers: &[_], number| keys("h", 1, headers).on_flow(flow(number));
        assert_eq!(on_flow(&one, 1), on_flow(&[one[0], ("Accept", "text/html"), one[2]], 1));
        let others = [
            on_flow(&one, 2),
            on_flow(&one[..2], 1),
            on_flow(&[one[0], one[2], one[1]], 1),
            on_flow(&[one[0], one[1], ("Accept-Language", "de")], 1),
            on_flow(&[("Cookie", "a=c"), one[1], one[2]], 1),
        ];
        assert!(!others.contains(&on_flow(&one, 1)));
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut sites = Generations::new(GENERATION);
        sites.put(u128::MAX, Arc::new(0));
        for n in 0..3 * GENERATION as u128 {
            sites.put(n, Arc::new(n));
            assert!(sites.get(u128::MAX).is_some());
            assert!(sites.young.len() <= GENERATION && sites.old.len() <= GENERATION);
        }
        assert!(sites.get(0).is_none());
    }
}
