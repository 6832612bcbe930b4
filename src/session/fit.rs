//! Which of a session's actors is a client, and with whom is a suspect compared?

use std::cmp::Reverse;

use super::neighbours::Neighbours;
use super::session::Session;
use crate::identity::{AddressChange, ClientIdentity, Comparison, IdentityDiff};

impl Session {
    /// The binding that `client` fits: exactly, or else with an innocent explanation.
    /// Of several that an address fits which says little, the one that was seen last; else the one that
    /// it is most like: a request of which little is known fits many.
    pub(super) fn fit(&self, client: &ClientIdentity, neighbours: &Neighbours) -> Option<(usize, IdentityDiff)> {
        let vague = is_vague(client, neighbours);
        self.fitting(client, neighbours).min_by_key(|(index, diff)| {
            let explained = u8::from(diff.address.is_explained()) + u8::from(diff.user_agent.is_explained());
            let last_seen = self.binding(*index).filter(|_| vague).map(|b| b.last_seen);
            (Reverse(last_seen), explained, diff.weak_differences(), Reverse(diff.equal_facets()))
        })
    }

    fn fitting(&self, client: &ClientIdentity, neighbours: &Neighbours) -> impl Iterator<Item = (usize, IdentityDiff)> {
        self.bindings()
            .enumerate()
            .map(|(index, b)| (index, b.compare(client, neighbours, !self.upgraded)))
            .filter(|(_, diff)| !diff.is_distinct())
    }

    /// Whether its address says little and fits several actors: then nobody is known to be back.
    pub(super) fn is_anybody(&self, client: &ClientIdentity, neighbours: &Neighbours) -> bool {
        is_vague(client, neighbours) && self.fitting(client, neighbours).nth(1).is_some()
    }

    /// The actor that a suspect is compared with: the owner; or the place the owner has moved to,
    /// when the suspect is nearer to that.
    pub(super) fn baseline(
        &self,
        suspect: usize,
        client: &ClientIdentity,
        neighbours: &Neighbours,
    ) -> Option<(usize, IdentityDiff)> {
        self.bindings()
            .enumerate()
            .filter(|(index, _)| *index != suspect && (*index == 0 || self.is_moved_owner(*index, neighbours)))
            .map(|(index, b)| (index, b.compare(client, neighbours, !self.upgraded)))
            .min_by_key(|(_, diff)| distance(diff))
    }

    /// Whether a binding looks like the owner after a move: only the address differs, two requests
    /// were accepted, and the owner has not been seen at the old address since.
    fn is_moved_owner(&self, index: usize, neighbours: &Neighbours) -> bool {
        let (owner, Some(moved)) = (self.owner(), self.binding(index)) else { return false };
        moved.accepted >= 2
            && !moved.suspected().interleaved
            && owner.last_seen < moved.first_seen
            && !owner.compare(&moved.client, neighbours, false).differs_beside_address()
    }
}

/// Whether an address is unknown, or shared by all behind a translation.
fn is_vague(client: &ClientIdentity, neighbours: &Neighbours) -> bool {
    client.address.is_none_or(|address| neighbours.topology().is_outside_of_nat(address))
}

/// Rank of a difference: fewer different facets first, then the nearer address.
fn distance(diff: &IdentityDiff) -> (u8, u8) {
    let strong = [
        diff.address.is_different(),
        diff.user_agent.is_different(),
        diff.tls.is_different(),
        diff.tcp_stack.is_different(),
        diff.mac.is_different(),
    ];
    let facets = strong.into_iter().map(u8::from).sum();
    let address = match diff.address {
        Comparison::Different(AddressChange::OtherNetwork | AddressChange::OtherFamily) => 2,
        Comparison::Different(AddressChange::SameNetwork) => 1,
        _ => 0,
    };
    (facets, address)
}
