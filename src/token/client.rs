//! Who sent this request, behind whatever proxy? Facets that a proxy hides are unknown then.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::identity::forwarded::Sender;
use crate::identity::{AddressSource, ClientIdentity, ja4_text};

/// TLS fingerprints kept; beyond it all are forgotten and read again.
const FINGERPRINTS: usize = 4096;

/// Fingerprints of hellos and of what proxies pass on, each kept once.
#[derive(Default)]
pub(super) struct Fingerprints(HashMap<Box<str>, Arc<str>, FixedState>);

impl Fingerprints {
    pub(super) fn new(seed: u64) -> Self {
        Self(HashMap::with_hasher(FixedState::with_seed(seed)))
    }

    /// What of the JA4 in a field survives resumption; `None` when it holds none, or another each time.
    pub(super) fn read<'h>(
        &mut self,
        mut values: impl Iterator<Item = &'h [u8]>,
        limit_hits: &mut u64,
    ) -> Option<Arc<str>> {
        let value = values.next().filter(|first| values.all(|other| other == *first))?;
        Some(self.share(ja4_text::stable_part(value)?, limit_hits))
    }

    /// The shared text of a fingerprint; `limit_hits` counts the times all were forgotten.
    pub(super) fn share(&mut self, stable: String, limit_hits: &mut u64) -> Arc<str> {
        if let Some(known) = self.0.get(stable.as_str()) {
            return Arc::clone(known);
        }
        if self.0.len() >= FINGERPRINTS {
            self.0.clear();
            *limit_hits += 1;
        }
        let shared: Arc<str> = stable.as_str().into();
        self.0.insert(stable.into(), Arc::clone(&shared));
        shared
    }
}

/// The client as its flow shows it becomes the client as it is: what a proxy hides is unknown, what it
/// tells is known.
pub(super) fn behind(client: &mut ClientIdentity, sender: Sender) {
    if let Sender::Behind { client: said, .. } = sender {
        hide(client);
        (client.address, client.address_from) =
            said.map_or((None, AddressSource::Unresolved), |(address, from)| (Some(address), from));
    }
}

/// A proxy passes on what its client says, and shows its own packets, connection and habits.
fn hide(client: &mut ClientIdentity) {
    let unknown = ClientIdentity::unknown();
    *client = ClientIdentity { user_agent: client.user_agent.take(), language: client.language, ..unknown };
}
