//! Many clients on one token, many tokens in one hand, two devices at one token.

use super::super::fan_in::FAN_IN;
use super::super::fan_out::FAN_OUT;
use super::super::mac_conflict::MAC_CONFLICT;
use super::*;
use crate::identity::ClientIdentity;
use crate::packet::ClaimKind;

/// A client at 10.0.`network`.9 with the browser of that number.
fn somebody(network: u8, kind: usize) -> ClientIdentity {
    let kinds = [("firefox", "linux"), ("chrome", "windows"), ("safari", "macos"), ("edge", "windows")];
    let (family, os) = kinds[kind];
    client(&format!("10.0.{network}.9"), &browser(family, os, 140))
}

/// What the fan detector says when these use one token, each `gap` seconds after the other.
fn fan(users: &[ClientIdentity], gap: f64, outcome: Outcome) -> Vec<Severity> {
    let mut judge = Judge::new();
    judge.world.issue(&users[0], &strong(1), None);
    let mut all = Vec::new();
    for user in users {
        judge.world.wait(gap);
        all.extend(judge.used(user, &strong(1), outcome));
    }
    found_by(&FAN_OUT, &all)
}

#[test]
fn three_kinds_of_clients_on_one_token_are_a_fan() {
    let three = [somebody(1, 0), somebody(2, 1), somebody(3, 2)];
    assert_eq!(fan(&three, 5.0, Outcome::Accepted), [Severity::High]);
    assert_eq!(fan(&three[..2], 5.0, Outcome::Accepted), []);
    assert_eq!(fan(&three, 5.0, Outcome::Unknown), [Severity::Medium]);
    assert_eq!(fan(&three, 5.0, Outcome::Rejected), [Severity::Low]);
}

#[test]
fn a_fan_is_one_of_ten_minutes() {
    let three = [somebody(1, 0), somebody(2, 1), somebody(3, 2)];
    // 5 s come on top at each use, and a reply.
    assert_eq!(fan(&three, 294.9, Outcome::Accepted), [Severity::High]);
    assert_eq!(fan(&three, 295.2, Outcome::Accepted), []);
}

#[test]
fn one_phone_with_many_addresses_is_no_fan() {
    let moves: Vec<_> = (1..8).map(|network| somebody(network, 0)).collect();
    assert_eq!(fan(&moves, 5.0, Outcome::Accepted), []);
    // … and an app and its web view on two networks are two kinds.
    assert_eq!(fan(&[somebody(1, 0), somebody(1, 1), somebody(2, 0)], 5.0, Outcome::Accepted), []);
}

#[test]
fn turns_of_three_are_a_fan_as_sure_as_what_tells_them_apart() {
    let [owner, thief, other] = [somebody(1, 0), somebody(2, 1), somebody(3, 0)];
    let users = [&owner, &thief, &owner, &thief, &other].map(Clone::clone);
    assert_eq!(fan(&users, 5.0, Outcome::Accepted), [Severity::High]);
    // With copied user agents only their addresses tell them apart.
    let [owner, thief, other] = [somebody(1, 0), somebody(2, 0), somebody(3, 0)];
    let users = [&owner, &thief, &owner, &thief, &other].map(Clone::clone);
    assert_eq!(fan(&users, 5.0, Outcome::Accepted), [Severity::Medium]);
    assert_eq!(fan(&users[..4], 5.0, Outcome::Accepted), [], "two are no fan");
}

/// What the fan-in detector says when a thief uses the tokens of `victims` and they come back `back`
/// seconds later. `issued`: tokens that the thief's own address was issued before.
fn taken(victims: &[ClientIdentity], back: f64, issued: u8, outcome: Outcome) -> Vec<Finding> {
    let mut judge = Judge::new();
    let thief = client("203.0.113.9", &curl());
    for n in 0..issued {
        judge.world.issue(&thief, &strong(200 + n), None);
    }
    let tokens: Vec<_> = (1..).zip(victims).map(|(n, victim)| (strong(n), victim)).collect();
    let mut all = Vec::new();
    for (token, victim) in &tokens {
        judge.world.issue(victim, token, None);
        all.extend(judge.used(victim, token, Outcome::Accepted));
    }
    for (token, _) in &tokens {
        all.extend(judge.used(&thief, token, outcome));
    }
    judge.world.wait(back);
    for (token, victim) in &tokens {
        all.extend(judge.used(victim, token, Outcome::Accepted));
    }
    all
}

#[test]
fn tokens_of_two_live_owners_in_one_hand() {
    let victims: Vec<_> = (1..=6).map(|network| somebody(network, 0)).collect();
    let severities = |found: Vec<Finding>| found_by(&FAN_IN, &found);
    assert_eq!(severities(taken(&victims[..2], 5.0, 0, Outcome::Accepted)), [Severity::High]);
    assert_eq!(severities(taken(&victims[..2], 5.0, 0, Outcome::Unknown)), [Severity::Medium]);
    assert_eq!(severities(taken(&victims[..1], 5.0, 0, Outcome::Accepted)), []);
    let many = severities(taken(&victims, 5.0, 0, Outcome::Accepted));
    assert_eq!(many.last(), Some(&Severity::Critical), "{many:?}");
}

#[test]
fn owners_that_do_not_come_back_and_proxies_are_none() {
    let victims: Vec<_> = (1..=2).map(|network| somebody(network, 0)).collect();
    let severities = |found: Vec<Finding>| found_by(&FAN_IN, &found);
    assert_eq!(severities(taken(&victims, 700.0, 0, Outcome::Accepted)), [], "gone for more than ten minutes");
    assert_eq!(severities(taken(&victims, 5.0, 4, Outcome::Accepted)), [Severity::High]);
    assert_eq!(severities(taken(&victims, 5.0, 5, Outcome::Accepted)), [], "an address with tokens of its own");
}

/// All that is said of one browser whose connections come from four addresses of a carrier in turn, and
/// that was issued two tokens by way of two of them.
#[test]
fn one_browser_behind_a_pool_of_addresses_is_medium_at_most() {
    let mut judge = Judge::new();
    let exits: Vec<_> = (1..=4).map(|n| client(&format!("100.64.{n}.9"), &browser("firefox", "linux", 140))).collect();
    judge.world.issue(&exits[0], &strong(1), None);
    judge.world.issue(&exits[2], &strong(2), None);
    let mut all = Vec::new();
    for exit in [0, 2, 1, 3, 0, 1, 2, 0, 3, 1, 2, 3, 0, 1] {
        for token in [1, 2] {
            all.extend(judge.used(&exits[exit], &strong(token), Outcome::Accepted));
        }
    }
    let graver: Vec<_> = claims(&all).into_iter().filter(|claim| claim.1 > Severity::Medium).collect();
    assert_eq!(graver, []);
    assert_eq!(found_by(&FAN_IN, &all), [], "who uses each other's tokens is one person");
    assert!(claims(&all).iter().any(|claim| claim.0 == "token.interleaved"), "two hosts would look like that");
}

#[test]
fn two_tokens_of_one_owner_are_a_person_on_two_networks() {
    let one = somebody(1, 0);
    assert_eq!(found_by(&FAN_IN, &taken(&[one.clone(), one], 5.0, 0, Outcome::Accepted)), []);
}

#[test]
fn tokens_of_others_count_in_every_score_of_the_thief() {
    let victims: Vec<_> = (1..=2).map(|network| somebody(network, 0)).collect();
    let found = taken(&victims, 5.0, 0, Outcome::Rejected);
    let shown = found.iter().rfind(|f| f.detector.name == "token.new_client").unwrap();
    assert!(shown.signals.contains(&Signal { name: "fan_in", points: 40 }), "{:?}", shown.signals);
}

#[test]
fn made_up_tokens_do_not_make_a_proxy() {
    let mut judge = Judge::new();
    let thief = client("203.0.113.9", &curl());
    for n in 100..150 {
        judge.used(&thief, &strong(n), Outcome::Rejected);
    }
    let mut all = Vec::new();
    for (n, victim) in [(1, somebody(1, 0)), (2, somebody(2, 1))] {
        judge.world.issue(&victim, &strong(n), None);
        for by in [&victim, &thief, &victim] {
            all.extend(judge.used(by, &strong(n), Outcome::Accepted));
        }
    }
    assert_eq!(found_by(&FAN_IN, &all), [Severity::High]);
}

/// A client of the office segment whose frames come from the device `mac`.
fn at_desk(address: &str, mac: u8) -> ClientIdentity {
    with_mac(client(address, &browser("firefox", "linux", 140)), mac)
}

/// What the MAC detector says of these uses, in turn.
fn desks(claims: &[(&str, u8)], uses: &[(&str, u8)]) -> Vec<Severity> {
    let mut judge = Judge::new();
    let mut all = Vec::new();
    for (address, mac) in claims {
        judge.world.claim(address, *mac, ClaimKind::ArpReply);
    }
    judge.world.issue(&at_desk(uses[0].0, uses[0].1), &strong(1), None);
    for (address, mac) in uses {
        judge.world.claim(address, *mac, ClaimKind::ArpReply);
        all.extend(judge.used(&at_desk(address, *mac), &strong(1), Outcome::Accepted));
    }
    found_by(&MAC_CONFLICT, &all)
}

#[test]
fn two_devices_at_one_address_are_a_conflict() {
    let address = "198.51.100.7";
    assert_eq!(desks(&[(address, 1)], &[(address, 1), (address, 6)]), [Severity::High]);
    assert_eq!(desks(&[(address, 1)], &[(address, 1), (address, 1)]), []);
}

#[test]
fn two_devices_of_one_segment_are_a_conflict_while_both_are_in_use() {
    let [desk, dock] = ["198.51.100.7", "198.51.100.66"];
    assert_eq!(desks(&[(desk, 1), (dock, 6)], &[(desk, 1), (dock, 6)]), [], "a laptop that was docked");
    assert_eq!(desks(&[(desk, 1), (dock, 6)], &[(desk, 1), (dock, 6), (desk, 1)]), [Severity::High]);
}

#[test]
fn what_no_claim_confirms_is_no_conflict() {
    let mut judge = Judge::new();
    let address = "198.51.100.7";
    judge.world.issue(&at_desk(address, 1), &strong(1), None);
    let all: Vec<_> = [1, 6, 1, 6]
        .iter()
        .flat_map(|mac| judge.used(&at_desk(address, *mac), &strong(1), Outcome::Accepted))
        .collect();
    assert_eq!(found_by(&MAC_CONFLICT, &all), [], "routers have MAC addresses too");
}

#[test]
fn one_device_with_a_new_lease_is_explained_unless_it_took_addresses() {
    let mut judge = Judge::new();
    let [old, new] = ["198.51.100.7", "198.51.100.70"];
    judge.world.claim(old, 1, ClaimKind::Lease);
    judge.world.issue(&at_desk(old, 1), &strong(1), None);
    judge.used(&at_desk(old, 1), &strong(1), Outcome::Accepted);
    judge.world.claim(new, 1, ClaimKind::Lease);
    let found = judge.used(&at_desk(new, 1), &strong(1), Outcome::Accepted);
    assert_eq!(claims(&found), [("token.new_ip", Severity::Informational, 0)]);

    // A thief in the same network who says that he is there, too, is not the same device.
    let mut judge = Judge::new();
    judge.world.claim(old, 1, ClaimKind::ArpReply);
    judge.world.claim(new, 6, ClaimKind::ArpReply);
    judge.world.claim(old, 6, ClaimKind::ArpReply);
    judge.world.issue(&at_desk(old, 6), &strong(1), None);
    judge.used(&at_desk(old, 6), &strong(1), Outcome::Accepted);
    let found = judge.used(&at_desk(new, 6), &strong(1), Outcome::Accepted);
    assert!(claims(&found).iter().any(|c| c.0 == "token.new_ip" && c.1 >= Severity::Low), "{:?}", claims(&found));
}

/// What is said of a token that is used at these addresses in turn, by one MAC address that is claimed at each.
fn by_one_mac(uses: &[&str], gap: f64) -> Vec<(&'static str, Severity, u8)> {
    let mut judge = Judge::new();
    for address in uses {
        judge.world.claim(address, 1, ClaimKind::ArpReply);
    }
    judge.world.issue(&at_desk(uses[0], 1), &strong(1), None);
    let mut all = Vec::new();
    for address in uses {
        judge.world.wait(gap);
        all.extend(judge.used(&at_desk(address, 1), &strong(1), Outcome::Accepted));
    }
    claims(&all)
}

#[test]
fn a_cloned_mac_that_takes_turns_is_told() {
    let [victim, thief] = ["198.51.100.7", "198.51.100.66"];
    let told = by_one_mac(&[victim, thief, victim, thief, victim, thief, victim, thief], 5.0);
    assert!(told.contains(&("token.interleaved", Severity::Medium, 50)), "{told:?}");
    let first = told.iter().position(|claim| claim.1 > Severity::Informational);
    assert!(first.is_some_and(|first| told[first].0 == "token.new_ip"), "{told:?}");
}

#[test]
fn a_device_with_a_new_address_does_not_take_turns() {
    let [old, new] = ["198.51.100.7", "198.51.100.66"];
    let innocent: &[&[&str]] = &[&[old, old, new, new, new], &[old, new, new, old, old, old], &[old, new, old, old]];
    for uses in innocent {
        let told = by_one_mac(uses, 5.0);
        assert!(told.iter().all(|claim| claim.1 == Severity::Informational), "{uses:?}: {told:?}");
    }
    let told = by_one_mac(&[old, new, old, new, old, new], 200.0);
    assert!(told.iter().all(|claim| claim.1 == Severity::Informational), "slowly: {told:?}");
    let told = by_one_mac(&["2001:db8:1::7", "2001:db8:2::7", "2001:db8:1::7", "2001:db8:2::7", "2001:db8:1::7"], 5.0);
    assert!(told.iter().all(|claim| claim.1 == Severity::Informational), "IPv6: {told:?}");
}
