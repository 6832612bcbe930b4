//! Are two sightings the same client? Facet by facet, with reasons.

use std::net::IpAddr;

use super::neighbours::Neighbours;
use crate::base::net::same_network;
use crate::identity::{
    AddressChange, AddressReason, AgentChange, AgentReason, ClientIdentity, Comparison, IdentityDiff, Likeness,
    UserAgent, ja4, tcp_stack,
};

/// Compares `now` with the actor `prior`. `upgrade_left`: the session's one browser update has not
/// been used yet.
#[must_use]
pub fn compare(
    prior: &ClientIdentity,
    now: &ClientIdentity,
    neighbours: &Neighbours,
    upgrade_left: bool,
) -> IdentityDiff {
    let address = compare_address(prior, now, neighbours);
    let user_agent = compare_agent(prior, now, !address.is_different(), upgrade_left);
    let same_family = match (prior.address, now.address) {
        (Some(a), Some(b)) => a.is_ipv4() == b.is_ipv4(),
        _ => true,
    };
    let orders = (prior.header_order.as_ref(), now.header_order.as_ref());
    IdentityDiff {
        address,
        user_agent,
        // An updated browser may bring a new hello.
        tls: if user_agent.is_explained() {
            Likeness::Unknown
        } else {
            ja4::compare(prior.tls.as_ref(), now.tls.as_ref())
        },
        tcp_stack: tcp_stack::compare(prior.tcp_stack, now.tcp_stack, same_family),
        header_order: match orders {
            (Some(a), Some(b)) => a.likeness(b),
            _ => Likeness::Unknown,
        },
        language: Likeness::of(prior.language, now.language),
        mac: compare_mac(prior, now, neighbours),
    }
}

fn compare_address(
    prior: &ClientIdentity,
    now: &ClientIdentity,
    neighbours: &Neighbours,
) -> Comparison<AddressChange, AddressReason> {
    let (Some(a), Some(b)) = (prior.address, now.address) else { return Comparison::Unknown };
    if a == b {
        return Comparison::Same;
    }
    let topology = neighbours.topology();
    if topology.are_joined_by_nat(a, b) {
        return Comparison::SameBecause(AddressReason::Nat);
    }
    if topology.share_an_exit(a, b) {
        return Comparison::SameBecause(AddressReason::EgressGroup);
    }
    let devices = match (prior.frame_mac, now.frame_mac) {
        (Some(x), Some(y)) if neighbours.is_device(x) && neighbours.is_device(y) => Some((x, y)),
        _ => None,
    };
    // Two devices on one segment, each with a MAC of its own: no reason can make them one client.
    let two_devices = devices.is_some_and(|(x, y)| x != y);
    let one_device = prior.direct && now.direct && devices.is_some_and(|(x, y)| x == y);
    let one_mac = prior.mac.filter(|mac| now.mac == Some(*mac));
    match (a, b) {
        _ if one_mac.is_some_and(|mac| !neighbours.is_alarmed(mac)) => Comparison::SameBecause(AddressReason::SameMac),
        (IpAddr::V6(_), IpAddr::V6(_)) if same_network(a, b) && !two_devices => {
            Comparison::SameBecause(AddressReason::SameIpv6Network)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            if one_device {
                Comparison::SameBecause(AddressReason::DualStack)
            } else {
                Comparison::Different(AddressChange::OtherFamily)
            }
        }
        _ if same_network(a, b) => Comparison::Different(AddressChange::SameNetwork),
        _ => Comparison::Different(AddressChange::OtherNetwork),
    }
}

/// MAC addresses say something only within one segment.
fn compare_mac(prior: &ClientIdentity, now: &ClientIdentity, neighbours: &Neighbours) -> Likeness {
    match (prior.mac, now.mac) {
        (Some(a), Some(b)) if a != b && !neighbours.on_one_segment(a, b) => Likeness::Unknown,
        (a, b) => Likeness::of(a, b),
    }
}

fn compare_agent(
    prior: &ClientIdentity,
    now: &ClientIdentity,
    address_explains: bool,
    upgrade_left: bool,
) -> Comparison<AgentChange, AgentReason> {
    let (Some(a), Some(b)) = (&prior.user_agent, &now.user_agent) else { return Comparison::Unknown };
    if a == b {
        return Comparison::Same;
    }
    UserAgent::compare(a, b, address_explains, upgrade_left)
}
