//! Which secrets did the operator give? Lines of key logs (RFC 9850), by the client's random.

mod line;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::base::bounded::Bounded;
use crate::base::secret::Secret;
pub use line::{Broken, Label};
use line::{KeyLine, Line};

/// The random of a ClientHello, by which the secrets of a connection are found.
pub type ClientRandom = [u8; 32];

/// A secret as long as its line says: 32 or 48 bytes.
pub type KeyBytes = Secret<Vec<u8>>;

/// Connections whose secrets are remembered.
pub const CONNECTIONS: usize = 65_536;

/// Broken lines that are named; all are counted.
const NAMED: usize = 16;

/// What some text of a key log says. (`Debug` shows how much it is.)
#[derive(Default)]
pub struct KeyLog {
    lines: Vec<Arc<KeyLine>>,
    /// Numbers of broken lines, from 1: the first [`NAMED`] of them.
    pub broken_lines: Vec<(u64, Broken)>,
    /// Broken lines.
    pub broken: u64,
    /// Lines of labels that are of no use here, and comments.
    pub skipped: u64,
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyLog({} secrets, {} broken, {} skipped)", self.lines.len(), self.broken, self.skipped)
    }
}

impl KeyLog {
    /// Reads the lines of `text`; what is wrong with some says nothing of the others.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let mut log = Self::default();
        for (number, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            match line::read(text) {
                Line::Key(key) => log.lines.push(Arc::new(key)),
                Line::Nothing => {}
                Line::Skipped => log.skipped = log.skipped.saturating_add(1),
                Line::Broken(why) => {
                    log.broken = log.broken.saturating_add(1);
                    if log.broken_lines.len() < NAMED {
                        log.broken_lines.push((number, why));
                    }
                }
            }
        }
        log
    }

    /// How many secrets it holds.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// The secrets of one connection, by label.
#[derive(Clone, Default)]
pub struct Secrets([Option<Arc<KeyLine>>; Label::COUNT]);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} of {})", self.0.iter().flatten().count(), Label::COUNT)
    }
}

impl Secrets {
    /// The secret with this label.
    #[must_use]
    pub fn get(&self, label: Label) -> Option<&KeyBytes> {
        self.0.get(label as usize)?.as_ref().map(|line| &line.secret)
    }

    /// Adds a line; a later one of the same label replaces the earlier.
    fn put(&mut self, line: &Arc<KeyLine>) {
        if let Some(place) = self.0.get_mut(line.label as usize) {
            *place = Some(Arc::clone(line));
        }
    }
}

/// Secrets by connection, of a bounded number: the oldest make room.
#[derive(Debug)]
struct Connections(Bounded<ClientRandom, Box<Secrets>>);

/// The secrets that are known: those of key logs given at the start, which all workers share, and those
/// that came on the way.
#[derive(Debug)]
pub struct KeyStore {
    shared: Option<Arc<KeyStore>>,
    own: Connections,
    learned: bool,
}

impl Default for KeyStore {
    /// Knows nothing and remembers one connection.
    fn default() -> Self {
        Self::new(1, 0)
    }
}

impl KeyStore {
    /// A store that knows nothing, for `connections` of them; `seed` keys its hash.
    #[must_use]
    pub fn new(connections: usize, seed: u64) -> Self {
        Self { shared: None, own: Connections(Bounded::new(connections, seed)), learned: false }
    }

    /// A store that knows what `shared` knows and may learn more.
    #[must_use]
    pub fn over(shared: Arc<Self>, connections: usize, seed: u64) -> Self {
        Self { shared: Some(shared), ..Self::new(connections, seed) }
    }

    /// Takes in what a key log says.
    pub fn learn(&mut self, log: &KeyLog) {
        self.learned |= !log.is_empty();
        for line in &log.lines {
            let make = || self.shared.as_ref().and_then(|s| s.find(&line.client_random)).cloned().unwrap_or_default();
            self.own.0.get_or_insert_with(line.client_random, || Box::new(make())).put(line);
        }
    }

    /// Whether nothing was ever learned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.learned && self.shared.as_ref().is_none_or(|shared| shared.is_empty())
    }

    /// The secrets of the connection whose client sent this random.
    #[must_use]
    pub fn find(&self, client_random: &[u8]) -> Option<&Secrets> {
        if self.is_empty() {
            return None;
        }
        let random = ClientRandom::try_from(client_random).ok()?;
        self.own.0.get(&random).map(|secrets| &**secrets).or_else(|| self.shared.as_ref()?.find(client_random))
    }

    /// Connections whose secrets were forgotten at the bound.
    #[must_use]
    pub const fn limit_hits(&self) -> u64 {
        self.own.0.limit_hits()
    }
}
