//! Where does a session live? The servers that issued it, or accepted its owner first, and others of
//! their site; sessions of one place share one note of it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::token::service;

/// Servers that a session remembers as home.
const SERVERS: usize = 8;

/// The home of a session.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Home {
    servers: SmallVec<[IpAddr; 1]>,
    /// The first host name it had there.
    host: Box<str>,
}

impl Home {
    /// Whether the server is one of them.
    #[must_use]
    pub fn has(&self, server: IpAddr) -> bool {
        self.servers.contains(&server)
    }

    /// All of them.
    pub fn servers(&self) -> impl Iterator<Item = IpAddr> {
        self.servers.iter().copied()
    }

    /// Whether it goes by this name, or by another of the same registrable domain. Masked names say nothing.
    #[must_use]
    pub fn is_site_of(&self, host: &str) -> bool {
        let is_name = !host.is_empty() && !host.contains('‹');
        is_name && (*host == *self.host || service::share_a_domain(host, &self.host))
    }

    /// Whether a session that is at home at this server, asked for `host`, is nothing new.
    #[must_use]
    pub fn knows(&self, server: IpAddr, host: &str) -> bool {
        self.has(server) && (host.is_empty() || !self.host.is_empty())
    }

    /// This home with one more server and, where it has none, a name; `None` when that is nothing new.
    fn with(&self, server: IpAddr, host: &str) -> Option<Self> {
        let room = self.servers.len() < SERVERS && !self.has(server);
        let named = self.host.is_empty() && !host.is_empty();
        (room || named).then(|| {
            let mut wider = self.clone();
            wider.servers.extend(room.then_some(server));
            if named {
                wider.host = host.into();
            }
            wider
        })
    }

    fn bytes(&self) -> u64 {
        let spilled = if self.servers.spilled() { self.servers.capacity() * size_of::<IpAddr>() } else { 0 };
        // The shared counts, and the place in the set.
        (size_of::<Self>() + self.host.len() + spilled + 16 + 24) as u64
    }
}

/// All homes in use. They count against the memory of the sessions; those that no session has any
/// more are dropped by [`Homes::tidy`].
#[derive(Debug)]
pub struct Homes {
    known: HashSet<Arc<Home>, FixedState>,
    bytes: u64,
    /// Homes after the last [`Homes::tidy`].
    kept: usize,
}

impl Homes {
    /// None yet; `seed` keys the hash.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { known: HashSet::with_hasher(FixedState::with_seed(seed)), bytes: 0, kept: 0 }
    }

    /// Bytes held.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The home of a session that was at `home` and is now known at `server`, asked for `host`, too.
    pub fn widen(&mut self, home: Option<&Arc<Home>>, server: IpAddr, host: &str) -> Option<Arc<Home>> {
        let wider = match home {
            Some(home) => home.with(server, host)?,
            None => Home::default().with(server, host)?,
        };
        if let Some(known) = self.known.get(&wider) {
            return Some(Arc::clone(known));
        }
        let wider = Arc::new(wider);
        self.bytes += wider.bytes();
        self.known.insert(Arc::clone(&wider));
        Some(wider)
    }

    /// A session that had this home is gone: nobody may have it any more.
    pub fn left(&mut self, home: &Arc<Home>) {
        // One is the set's own, one the caller's.
        if Arc::strong_count(home) <= 2 && self.known.remove(home) {
            self.bytes = self.bytes.saturating_sub(home.bytes());
        }
    }

    /// Drops homes that nobody has; looks only when there are an eighth more than were left the last time.
    /// So those that nobody has never take more memory than the sessions that had them.
    pub fn tidy(&mut self) {
        if self.known.len() > self.kept + self.kept / 8 + 64 {
            self.known.retain(|home| Arc::strong_count(home) > 1);
            self.bytes = self.known.iter().map(|home| home.bytes()).sum();
            self.kept = self.known.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 1, n])
    }

    #[test]
    fn sessions_of_one_place_share_it() {
        let mut homes = Homes::new(1);
        let one = homes.widen(None, server(1), "shop.test").unwrap();
        let two = homes.widen(None, server(1), "shop.test").unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        assert!(homes.widen(Some(&one), server(1), "other.test").is_none(), "the first name stays");
        let wider = homes.widen(Some(&one), server(2), "").unwrap();
        assert!(wider.has(server(1)) && wider.has(server(2)) && wider.is_site_of("shop.test"));
        let masked = homes.widen(None, server(1), "‹…›").unwrap();
        assert!(!masked.is_site_of("‹…›"), "two secrets look alike");
        assert!(wider.is_site_of("www.shop.test") && !wider.is_site_of("shop.test.evil.test"));
        assert!(!one.has(server(2)) && !wider.is_site_of("") && !wider.is_site_of("other.test"));
    }

    #[test]
    fn a_home_has_few_servers_and_a_left_one_is_dropped() {
        let mut homes = Homes::new(1);
        let mut home = None;
        for n in 0..=u8::MAX {
            home = homes.widen(home.as_ref(), server(n), "shop.test").or(home);
        }
        assert_eq!(home.unwrap().servers.len(), SERVERS);
        for n in 0..5_000 {
            homes.widen(None, server(1), &format!("{n}.test"));
            homes.tidy();
        }
        assert!(homes.known.len() <= 2 * 1024 && homes.bytes() < 400_000, "{}", homes.bytes());
    }

    #[test]
    fn the_last_to_leave_a_home_takes_it_along() {
        let mut homes = Homes::new(1);
        let one = homes.widen(None, server(1), "shop.test").unwrap();
        let two = Arc::clone(&one);
        homes.left(&two);
        assert_eq!(homes.known.len(), 1, "another has it");
        drop(two);
        homes.left(&one);
        assert_eq!((homes.known.len(), homes.bytes()), (0, 0));
    }
}
