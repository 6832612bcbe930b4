//! How many tokens were read, and what was left out and why?

use super::sighting::TokenClass;
use crate::identity::forwarded::Unresolved;

/// Plain counters of this floor; the owner snapshots them.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenCounters {
    /// Sightings by class, in the order of [`TokenClass::ALL`] (`token_sightings_total{class}`).
    pub sightings: [u64; TokenClass::ALL.len()],
    /// Values left out, by reason (`tokens_ignored_total{reason}`).
    pub ignored: Ignored,
    /// Messages with more cookie pairs than are read (`limit_hits_total{limit="cookie_pairs"}`).
    pub cookie_pairs_limit_hits: u64,
    /// Parameters of a target beyond those that are read (`limit_hits_total{limit="parameters"}`).
    pub parameters_limit_hits: u64,
    /// Requests beyond those that wait for a reply, or with more tokens than wait (`limit_hits_total{limit="pipelined"}`).
    pub pipelined_limit_hits: u64,
    /// Times the interned user agents were forgotten (`limit_hits_total{limit="interned_user_agents"}`).
    pub interned_user_agents_limit_hits: u64,
    /// Times the interned TLS fingerprints were forgotten (`limit_hits_total{limit="interned_fingerprints"}`).
    pub interned_fingerprints_limit_hits: u64,
    /// Times that header orders not asked for lately were forgotten (`limit_hits_total{limit="header_orders"}`).
    pub header_orders_limit_hits: u64,
    /// Last requests of flows forgotten for those of others (`limit_hits_total{limit="repeats"}`).
    pub repeats_limit_hits: u64,
    /// Requests of trusted proxies whose client is not known, in the order of [`Unresolved::REASONS`]
    /// (`client_address_unresolved_total{reason}`).
    pub unresolved: [u64; Unresolved::REASONS.len()],
    /// Requests whose peer claims to speak for another and is not trusted to (`forwarded_ignored_total`).
    pub forwarded_ignored: u64,
}

impl TokenCounters {
    /// Adds what another worker counted.
    pub fn add(&mut self, other: Self) {
        let Self {
            sightings,
            ignored,
            cookie_pairs_limit_hits,
            parameters_limit_hits,
            pipelined_limit_hits,
            interned_user_agents_limit_hits,
            interned_fingerprints_limit_hits,
            header_orders_limit_hits,
            repeats_limit_hits,
            unresolved,
            forwarded_ignored,
        } = other;
        self.sightings.iter_mut().zip(sightings).for_each(|(mine, theirs)| *mine += theirs);
        self.ignored.add(ignored);
        self.cookie_pairs_limit_hits += cookie_pairs_limit_hits;
        self.parameters_limit_hits += parameters_limit_hits;
        self.pipelined_limit_hits += pipelined_limit_hits;
        self.interned_user_agents_limit_hits += interned_user_agents_limit_hits;
        self.interned_fingerprints_limit_hits += interned_fingerprints_limit_hits;
        self.header_orders_limit_hits += header_orders_limit_hits;
        self.repeats_limit_hits += repeats_limit_hits;
        self.unresolved.iter_mut().zip(unresolved).for_each(|(mine, theirs)| *mine += theirs);
        self.forwarded_ignored += forwarded_ignored;
    }

    /// Counts a sighting.
    pub fn sighted(&mut self, class: TokenClass) {
        let index = TokenClass::ALL.iter().position(|c| *c == class);
        if let Some(count) = index.and_then(|i| self.sightings.get_mut(i)) {
            *count += 1;
        }
    }

    /// Counts a request of a trusted proxy whose client is not known.
    pub fn unresolved(&mut self, why: Unresolved) {
        if let Some(count) = self.unresolved.get_mut(why as usize) {
            *count += 1;
        }
    }

    /// Limits with their labels and counts.
    #[must_use]
    pub const fn limits(&self) -> [(&'static str, u64); 7] {
        [
            ("cookie_pairs", self.cookie_pairs_limit_hits),
            ("parameters", self.parameters_limit_hits),
            ("pipelined", self.pipelined_limit_hits),
            ("interned_user_agents", self.interned_user_agents_limit_hits),
            ("interned_fingerprints", self.interned_fingerprints_limit_hits),
            ("header_orders", self.header_orders_limit_hits),
            ("repeats", self.repeats_limit_hits),
        ]
    }
}

/// Why a value was left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ignored {
    /// A rule says that it is never a token.
    pub excluded: u64,
    /// No rule names it.
    pub unnamed: u64,
    /// It says that there is none: `deleted`, `null` …
    pub placeholder: u64,
    /// Shorter than its rule wants.
    pub short: u64,
    /// A scheme that signs single requests or authenticates the connection.
    pub never_scheme: u64,
    /// One of several cookies that are a token only together.
    pub unpaired: u64,
}

impl Ignored {
    /// What was left out since `before`.
    #[must_use]
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            excluded: self.excluded - before.excluded,
            unnamed: self.unnamed - before.unnamed,
            placeholder: self.placeholder - before.placeholder,
            short: self.short - before.short,
            never_scheme: self.never_scheme - before.never_scheme,
            unpaired: self.unpaired - before.unpaired,
        }
    }

    /// As much more was left out: by another worker, or once more.
    pub(super) fn add(&mut self, other: Self) {
        let Self { excluded, unnamed, placeholder, short, never_scheme, unpaired } = other;
        self.excluded += excluded;
        self.unnamed += unnamed;
        self.placeholder += placeholder;
        self.short += short;
        self.never_scheme += never_scheme;
        self.unpaired += unpaired;
    }

    /// Reasons with their labels and counts.
    #[must_use]
    pub const fn reasons(&self) -> [(&'static str, u64); 6] {
        [
            ("excluded", self.excluded),
            ("unnamed", self.unnamed),
            ("placeholder", self.placeholder),
            ("short", self.short),
            ("never_scheme", self.never_scheme),
            ("unpaired", self.unpaired),
        ]
    }
}
