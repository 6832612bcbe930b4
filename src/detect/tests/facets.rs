//! What do facets that nobody copies tell, and what must they not?

use std::sync::Arc;

use super::{Judge, claims};
use crate::detect::{Finding, Severity};
use crate::identity::user_agent::Kind;
use crate::identity::{ClientIdentity, HeaderOrder, Language};
use crate::packet::SynTraits;
use crate::session::testing::{agent, browser, client, strong};
use crate::token::Outcome;

const LINUX: SynTraits = SynTraits { options: [2, 4, 8, 3, 0, 0], window_scale: Some(7), initial_ttl: 64 };
const WINDOWS: SynTraits = SynTraits { options: [2, 3, 4, 0, 0, 0], window_scale: Some(8), initial_ttl: 128 };
const CHROME: &str = "t13d1516h2_8daaf6152771_02713d6af862";
const CURL: &str = "t13d4907h2_0d8feac7bc37_7395dae3b2f3";

fn at(address: &str) -> ClientIdentity {
    client(address, &browser("chrome", "windows", 140))
}

fn with_stack(client: ClientIdentity, stack: SynTraits) -> ClientIdentity {
    ClientIdentity { tcp_stack: Some(stack), ..client }
}

fn with_tls(client: ClientIdentity, ja4: &str) -> ClientIdentity {
    ClientIdentity { tls: Some(ja4.into()), ..client }
}

fn with_order(client: ClientIdentity, names: &str) -> ClientIdentity {
    let order = HeaderOrder::read(names.split(' ').map(str::as_bytes), false);
    ClientIdentity { header_order: Some(Arc::new(order)), ..client }
}

fn with_language(client: ClientIdentity, language: &str) -> ClientIdentity {
    ClientIdentity { language: Language::read(language.as_bytes()), ..client }
}

/// What is found when `owner` gets a token and uses it, and then each of `others` does in turn.
fn found(owner: &ClientIdentity, others: &[&ClientIdentity]) -> Vec<Finding> {
    let mut judge = Judge::new();
    judge.world.issue(owner, &strong(1), None);
    let first = judge.used(owner, &strong(1), Outcome::Accepted);
    assert!(claims(&first).is_empty(), "the owner itself: {first:?}");
    others.iter().flat_map(|by| judge.used(by, &strong(1), Outcome::Accepted)).collect()
}

fn signals(finding: &Finding) -> Vec<&'static str> {
    finding.signals.iter().map(|signal| signal.name).collect()
}

#[test]
fn a_thief_behind_the_same_address_with_a_copied_user_agent_is_another_machine() {
    let owner = with_stack(at("192.0.2.44"), LINUX);
    let thief = with_stack(at("192.0.2.44"), WINDOWS);
    let told = found(&owner, &[&thief]);
    assert_eq!(claims(&told), [("token.fingerprint_shift", Severity::Low, 20)]);
    // Taking turns at one address is no move.
    let told = found(&owner, &[&thief, &owner, &thief]);
    let worst = claims(&told).into_iter().max_by_key(|claim| claim.1).unwrap();
    assert_eq!((worst.0, worst.1), ("token.interleaved", Severity::Critical));

    let (owner, thief) = (with_tls(at("192.0.2.44"), CHROME), with_tls(at("192.0.2.44"), CURL));
    assert_eq!(claims(&found(&owner, &[&thief])), [("token.fingerprint_shift", Severity::Low, 30)]);
}

#[test]
fn a_copied_user_agent_elsewhere_is_another_client_by_its_tls_or_near_by_its_stack() {
    let owner = with_tls(at("198.51.100.7"), CHROME);
    let told = found(&owner, &[&with_tls(at("203.0.113.9"), CURL)]);
    assert_eq!(claims(&told), [("token.new_client", Severity::High, 65)], "20 + 30, and the floor");
    let owner = with_stack(at("10.0.0.10"), LINUX);
    let told = found(&owner, &[&with_stack(at("10.0.0.66"), WINDOWS)]);
    assert_eq!(claims(&told)[0].0, "token.new_client");
}

#[test]
fn a_vpn_brings_a_stack_of_its_own_and_stays_low() {
    let owner = with_stack(at("198.51.100.7"), WINDOWS);
    let told = found(&owner, &[&with_stack(at("203.0.113.9"), LINUX)]);
    assert_eq!(claims(&told), [("token.new_ip", Severity::Low, 35)]);
    let order = "host user-agent accept";
    let (owner, moved) = (with_order(owner, order), with_order(with_stack(at("203.0.113.9"), LINUX), order));
    let told = found(&owner, &[&moved, &owner, &moved, &owner]);
    assert!(claims(&told).iter().all(|claim| claim.1 <= Severity::Medium), "{:?}", claims(&told));
}

#[test]
fn one_host_sends_different_syns() {
    let owner = with_stack(at("192.0.2.44"), LINUX);
    for same in [
        SynTraits { window_scale: Some(10), ..LINUX },
        SynTraits { options: [2, 0, 0, 0, 0, 0], window_scale: None, ..LINUX },
        SynTraits { options: [2, 4, 8, 3, 34, 0], ..LINUX },
    ] {
        assert!(claims(&found(&owner, &[&with_stack(at("192.0.2.44"), same), &owner])).is_empty(), "{same:?}");
    }
    // A connection joined in the middle shows no SYN.
    assert!(claims(&found(&owner, &[&at("192.0.2.44"), &owner])).is_empty());
}

#[test]
fn two_machines_at_one_address_count_another_agent_in_full() {
    let firefox = client("192.0.2.44", &browser("firefox", "windows", 140));
    let one_machine = found(&with_stack(at("192.0.2.44"), LINUX), &[&with_stack(firefox.clone(), LINUX)]);
    assert_eq!(claims(&one_machine), [("token.new_user_agent", Severity::Low, 20)], "family 30 by half, at least low");
    let two = found(&with_stack(at("192.0.2.44"), LINUX), &[&with_stack(firefox, WINDOWS)]);
    assert_eq!(claims(&two), [("token.new_user_agent", Severity::Medium, 45)]);
    assert_eq!(signals(&two[0]), ["ua_family", "tcp_stack"]);
}

#[test]
fn an_app_and_its_web_view_stay_low_whatever_their_libraries_do() {
    let of = |family: &str, order: &str, ja4: &str| {
        with_order(with_tls(client("192.0.2.44", &agent(Kind::App, family, "ios", 1)), ja4), order)
    };
    let view = of("webview", "host accept user-agent", CHROME);
    let app = of("cfnetwork", "host user-agent accept", CURL);
    let told = found(&view, &[&app, &view, &app, &view, &app]);
    assert!(claims(&told).iter().all(|claim| claim.1 <= Severity::Low), "{:?}", claims(&told));
    assert_eq!(claims(&told)[0].0, "token.new_user_agent");
    // Another machine is none of the two.
    let (view, thief) = (with_stack(view, LINUX), with_stack(app, WINDOWS));
    let told = found(&view, &[&thief, &view, &thief]);
    assert!(claims(&told).iter().any(|claim| claim.1 == Severity::Critical), "{:?}", claims(&told));
}

#[test]
fn header_order_and_language_are_no_client_of_their_own() {
    let owner = with_language(with_order(at("192.0.2.44"), "host user-agent accept"), "en");
    let odd = with_language(with_order(at("192.0.2.44"), "accept user-agent host"), "de");
    assert!(claims(&found(&owner, &[&odd, &owner])).is_empty());
    // Beside another address they count.
    let thief = with_language(with_order(at("203.0.113.9"), "accept user-agent host"), "de");
    let told = found(&owner, &[&thief]);
    assert_eq!(claims(&told), [("token.new_ip", Severity::Medium, 45)]);
    assert_eq!(signals(&told[0]), ["network", "header_order", "language"]);
    // … unless the owner was seen with that order as well: pages and scripts have one each.
    let owner_too = with_order(at("192.0.2.44"), "accept user-agent host");
    let told = found(&owner, &[&owner_too, &with_order(at("203.0.113.9"), "accept user-agent host")]);
    assert_eq!(claims(&told), [("token.new_ip", Severity::Low, 20)]);
}

#[test]
fn resumption_other_protocols_and_updates_change_no_fingerprint() {
    let owner = with_tls(at("192.0.2.44"), CHROME);
    let websocket = with_tls(at("192.0.2.44"), "t13d1515h1_8daaf6152771_de4a06bb82e3");
    let updated = with_tls(client("192.0.2.44", &browser("chrome", "windows", 141)), CURL);
    let told = found(&owner, &[&websocket, &owner, &updated, &updated]);
    assert!(claims(&told).iter().all(|claim| claim.1 == Severity::Informational), "{:?}", claims(&told));
}
