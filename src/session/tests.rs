//! Sightings in, observations out.

use super::testing::{World, browser, client, strong, uses, weak, with_mac};
use super::{Observation, SessionConfig, Sighting, Trigger};
use crate::base::time::{Stamp, Timestamp};
use crate::identity::topology::{EgressGroup, Networks, Topology, network};
use crate::identity::{AddressChange, AddressReason, AgentReason, ClientIdentity, Comparison};
use crate::token::{Outcome, RequestView, TokenSighting, TokenUse};
use std::sync::Arc;

fn suspects(seen: &[Arc<Observation>]) -> Vec<&Observation> {
    seen.iter().map(AsRef::as_ref).filter(|o| o.diff.is_some_and(|d| d.is_distinct())).collect()
}

#[test]
fn the_owner_raises_nothing() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    world.issue(&owner, &strong(1), None);
    for _ in 0..5 {
        let seen = world.wait(1.0).used(&owner, &strong(1));
        assert!(seen.iter().all(|o| o.diff.is_none()), "{seen:?}");
    }
    assert_eq!(world.table.counters().tracked, 1);
}

#[test]
fn another_client_is_a_suspect_judged_with_its_reply() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    world.issue(&owner, &strong(1), None);
    world.wait(1.0).used(&owner, &strong(1));
    let (request, at_once) = world.wait(5.0).present(&thief, &strong(1));
    assert!(at_once.is_empty(), "it waits for the reply");
    let seen = world.wait(0.1).reply(&request, &strong(1), Outcome::Accepted);
    let found = suspects(&seen);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].outcome, Outcome::Accepted);
    assert_eq!(found[0].status, Some(200));
    assert_eq!(found[0].diff.unwrap().address, Comparison::Different(AddressChange::OtherNetwork));
    assert!(found[0].diff.unwrap().user_agent.is_different());
    assert_eq!(found[0].prior.as_ref().unwrap().client.address, owner.address);
    assert!(!found[0].session.adopted);
}

#[test]
fn without_a_reply_it_is_judged_after_half_a_second_and_updated_later() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    world.issue(&owner, &strong(1), None);
    let (request, _) = world.present(&thief, &strong(1));
    let mut seen = Vec::new();
    world.wait(0.4);
    world.table.on_time(world.now(), &mut seen);
    assert!(seen.is_empty());
    world.wait(0.2);
    world.table.on_time(world.now(), &mut seen);
    assert_eq!(suspects(&uses(seen))[0].outcome, Outcome::Unknown);
    let late = world.wait(3.0).reply(&request, &strong(1), Outcome::Accepted);
    assert_eq!(late[0].trigger, Trigger::LateOutcome);
    assert_eq!(late[0].outcome, Outcome::Accepted);
}

#[test]
fn the_end_judges_whoever_waits() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    world.issue(&owner, &strong(1), None);
    world.present(&client("203.0.113.9", &browser("chrome", "windows", 119)), &strong(1));
    let mut seen = Vec::new();
    world.table.drain(&mut seen);
    assert_eq!(suspects(&uses(seen.clone())).len(), 1);
    world.table.drain(&mut seen);
    assert_eq!(seen.len(), 1, "nothing is told twice");
}

#[test]
fn privacy_addresses_and_dual_stack_are_explained() {
    let agent = browser("firefox", "linux", 140);
    let mut world = World::new();
    let v6 = with_mac(client("2001:db8:1::10", &agent), 1);
    world.issue(&v6, &strong(1), None);
    let seen = world.wait(1.0).used(&with_mac(client("2001:db8:1::99", &agent), 1), &strong(1));
    assert_eq!(seen[0].diff.unwrap().address, Comparison::SameBecause(AddressReason::SameIpv6Network));
    let seen = world.wait(1.0).used(&with_mac(client("10.0.0.10", &agent), 1), &strong(1));
    assert_eq!(seen[0].diff.unwrap().address, Comparison::SameBecause(AddressReason::DualStack));
    // Known addresses of the same actor are no news.
    for address in ["2001:db8:1::10", "10.0.0.10", "2001:db8:1::99"] {
        assert!(world.wait(1.0).used(&with_mac(client(address, &agent), 1), &strong(1))[0].diff.is_none());
    }
}

#[test]
fn a_suspect_with_privacy_addresses_stays_one() {
    let mut world = World::new();
    let owner = client("2001:db8:1::10", &browser("firefox", "linux", 140));
    let chrome = browser("chrome", "windows", 119);
    world.issue(&owner, &strong(1), None);
    let first = world.wait(1.0).exchange(&client("2001:db8:2::1", &chrome), &strong(1), Outcome::Unknown);
    let second = world.wait(1.0).used(&client("2001:db8:2::2", &chrome), &strong(1));
    let (first, second) = (suspects(&first)[0], suspects(&second)[0]);
    assert_eq!(second.subject.id, first.subject.id);
    assert_eq!(second.prior.as_ref().unwrap().client.address, owner.address, "it is judged by the owner");
    assert_eq!((second.subject.accepted, second.outcome), (1, Outcome::Accepted));
}

#[test]
fn behind_a_router_two_families_are_no_dual_stack() {
    let agent = browser("firefox", "linux", 140);
    let routed = |address| crate::identity::ClientIdentity { direct: false, ..with_mac(client(address, &agent), 1) };
    let mut world = World::new();
    world.issue(&routed("198.51.100.7"), &strong(1), None);
    let seen = world.used(&routed("2001:db8:66::9"), &strong(1));
    assert_eq!(seen[0].diff.unwrap().address, Comparison::Different(AddressChange::OtherFamily));
}

#[test]
fn two_devices_of_one_ipv6_network_are_two() {
    let agent = browser("firefox", "linux", 140);
    let mut world = World::new();
    world.issue(&with_mac(client("2001:db8:1::10", &agent), 1), &strong(1), None);
    let seen = world.used(&with_mac(client("2001:db8:1::66", &agent), 2), &strong(1));
    assert_eq!(seen[0].diff.unwrap().address, Comparison::Different(AddressChange::SameNetwork));
}

#[test]
fn a_browser_update_counts_once_and_not_backwards() {
    let mut world = World::new();
    let (old, new) = (browser("chrome", "linux", 119), browser("chrome", "linux", 120));
    world.issue(&client("10.0.0.10", &old), &strong(1), None);
    let seen = world.wait(1.0).used(&client("10.0.0.10", &new), &strong(1));
    assert_eq!(seen[0].diff.unwrap().user_agent, Comparison::SameBecause(AgentReason::Upgrade));
    assert!(world.wait(1.0).used(&client("10.0.0.10", &new), &strong(1))[0].diff.is_none());
    let back = world.wait(1.0).used(&client("10.0.0.10", &old), &strong(1));
    assert!(matches!(back[0].diff.unwrap().user_agent, Comparison::Different(change) if change.downgrade));
}

#[test]
fn turns_make_an_interleaving() {
    let agent = browser("firefox", "linux", 140);
    let (owner, thief) = (client("198.51.100.7", &agent), client("203.0.113.9", &agent));
    let mut world = World::new();
    world.issue(&owner, &strong(1), None);
    let mut told = Vec::new();
    for by in [&owner, &thief, &owner, &thief] {
        told.extend(world.wait(30.0).used(by, &strong(1)).into_iter().map(|o| o.interleaved.is_some()));
    }
    assert_eq!(told.iter().filter(|t| **t).count(), 1, "{told:?}");
    assert_eq!(told.last(), Some(&true));
}

#[test]
fn slow_turns_make_none() {
    let agent = browser("firefox", "linux", 140);
    let (owner, thief) = (client("198.51.100.7", &agent), client("203.0.113.9", &agent));
    let mut world = World::new();
    world.issue(&owner, &strong(1), None);
    for by in [&owner, &thief, &owner, &thief, &owner] {
        assert!(world.wait(121.0).used(by, &strong(1)).iter().all(|o| o.interleaved.is_none()));
    }
}

#[test]
fn the_owners_return_is_told_once() {
    let (owner, thief) = (
        client("198.51.100.7", &browser("firefox", "linux", 140)),
        client("203.0.113.9", &browser("chrome", "windows", 119)),
    );
    let mut world = World::new();
    world.issue(&owner, &strong(1), None);
    world.used(&owner, &strong(1));
    world.wait(10.0).used(&thief, &strong(1));
    let returned = world.wait(10.0).used(&owner, &strong(1));
    assert_eq!(returned[0].trigger, Trigger::OwnerReturned);
    assert!(returned[0].prior_live);
    assert_eq!(returned[0].request.client.address, thief.address, "the evidence is the suspect's request");
    assert!(world.wait(1.0).used(&owner, &strong(1)).iter().all(|o| o.trigger != Trigger::OwnerReturned));
}

#[test]
fn rotated_values_lead_to_one_session() {
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    let mut world = World::new();
    world.issue(&owner, &strong(1), None);
    for n in 1..=40u8 {
        world.wait(1.0).used(&owner, &strong(n));
        world.issue(&owner, &strong(n + 1), Some(&strong(n)));
    }
    assert_eq!(world.table.counters().tracked, 1);
    let seen = world.used(&thief, &strong(41));
    assert_eq!(suspects(&seen)[0].session.lineage, 40);
    let seen = world.used(&thief, &strong(35));
    assert_eq!(suspects(&seen).len(), 1, "a recently rotated value still has its victim");
    assert_eq!(world.table.counters().alias_limit_hits, 40 - 32);
    world.wait(31.0 * 86_400.0);
    world.table.on_time(world.now(), &mut Vec::new());
    assert_eq!(world.table.counters().bytes, world.table.home_bytes(), "rotation and home are accounted to the byte");
}

#[test]
fn a_strangers_server_cannot_end_or_reissue_a_session() {
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    let mut world = World::new();
    world.issue(&owner, &strong(1), None);
    world.used(&owner, &strong(1));
    let home = world.server;
    world.server = "192.0.2.99".parse().unwrap();
    world.delete(&thief, &strong(1));
    world.issue(&thief, &strong(1), None);
    world.server = home;
    let seen = world.used(&thief, &strong(1));
    assert_eq!(suspects(&seen)[0].prior.as_ref().unwrap().client.address, owner.address);
    assert!(suspects(&seen)[0].session.ended.is_none());
}

/// A session that its home issued and accepted, and then another server, under `host`, accepts too.
fn accepted_elsewhere(host: &'static str) -> (World, [ClientIdentity; 2]) {
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    let mut world = World::new();
    world.issue(&owner, &strong(1), None);
    world.wait(1.0).used(&owner, &strong(1));
    (world.server, world.host) = ("192.0.2.99".parse().unwrap(), host);
    world.wait(1.0).used(&owner, &strong(1));
    (world, [owner, thief])
}

#[test]
fn a_server_elsewhere_that_accepts_the_owner_is_no_home() {
    let (mut world, [owner, thief]) = accepted_elsewhere("api.resource.test");
    let there = (world.server, world.host);
    let outcome = |world: &mut World| suspects(&world.used(&thief, &strong(1)))[0].outcome;
    assert_eq!(outcome(&mut world), Outcome::Unknown, "it may accept whom it likes");
    world.delete(&owner, &strong(1));
    world.issue(&thief, &strong(1), None);
    world.issue(&thief, &strong(2), Some(&strong(1)));
    (world.server, world.host) = (super::testing::SERVER.parse().unwrap(), "shop.test");
    let seen = world.wait(1.0).used(&thief, &strong(1));
    let found = suspects(&seen)[0];
    assert_eq!((found.outcome, found.session.ended, found.session.lineage), (Outcome::Accepted, None, 0));
    assert_eq!(found.prior.as_ref().unwrap().client.address, owner.address);
    // Where no server was seen issuing it, the first to accept it is home, and no other.
    world.used(&owner, &strong(7));
    (world.server, world.host) = there;
    world.used(&owner, &strong(7));
    world.delete(&owner, &strong(7));
    assert_eq!(suspects(&world.used(&thief, &strong(7)))[0].session.ended, None);
}

#[test]
fn another_server_of_the_site_that_accepts_the_owner_is_home_too() {
    for host in ["shop.test", "www.shop.test"] {
        let (mut world, [owner, thief]) = accepted_elsewhere(host);
        assert_eq!(suspects(&world.used(&thief, &strong(1)))[0].outcome, Outcome::Accepted);
        world.delete(&owner, &strong(1));
        assert!(suspects(&world.used(&thief, &strong(1)))[0].session.ended.is_some());
    }
}

#[test]
fn after_its_end_a_value_may_be_issued_again() {
    let one = client("198.51.100.7", &browser("firefox", "linux", 140));
    let two = client("203.0.113.9", &browser("chrome", "windows", 119));
    let mut world = World::new();
    world.issue(&one, &strong(1), None);
    world.delete(&one, &strong(1));
    world.issue(&two, &strong(1), None);
    assert!(suspects(&world.used(&two, &strong(1))).is_empty());
    assert_eq!(world.table.counters().tracked, 1);
}

#[test]
fn who_ends_anothers_session_does_not_become_its_owner() {
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    let accomplice = client("192.0.2.66", &browser("chrome", "windows", 119));
    for next in [&thief, &accomplice] {
        let mut world = World::new();
        world.issue(&owner, &strong(1), None);
        world.used(&owner, &strong(1));
        world.wait(5.0).used(&thief, &strong(1));
        world.delete(&thief, &strong(1));
        world.wait(1.0).issue(next, &strong(1), None);
        let seen = world.wait(5.0).used(next, &strong(1));
        assert_eq!(suspects(&seen)[0].prior.as_ref().unwrap().client.address, owner.address);
        assert!(suspects(&seen)[0].session.ended.is_none(), "it lives again");
        let seen = world.wait(5.0).used(&owner, &strong(1));
        assert!(seen.iter().all(|o| o.trigger == Trigger::OwnerReturned || o.diff.is_none()), "{seen:?}");
    }
    // What the owner ends, too, is over; and the owner may begin anew.
    for (last, next) in [(&owner, &thief), (&thief, &owner)] {
        let mut world = World::new();
        world.issue(&owner, &strong(1), None);
        world.used(&thief, &strong(1));
        world.delete(&thief, &strong(1));
        world.delete(last, &strong(1));
        world.issue(next, &strong(1), None);
        assert!(suspects(&world.wait(5.0).used(next, &strong(1))).is_empty());
    }
}

#[test]
fn a_weak_value_that_another_ended_is_free() {
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let other = client("203.0.113.9", &browser("chrome", "windows", 119));
    let mut world = World::new();
    world.issue(&owner, &weak(1), None);
    world.used(&other, &weak(1));
    world.delete(&other, &weak(1));
    world.issue(&other, &weak(1), None);
    assert!(suspects(&world.wait(5.0).used(&other, &weak(1))).is_empty(), "short values come again by chance");
}

#[test]
fn weak_values_are_followed_only_when_issued() {
    let one = client("198.51.100.7", &browser("firefox", "linux", 140));
    let two = client("203.0.113.9", &browser("chrome", "windows", 119));
    let mut world = World::new();
    world.used(&one, &weak(1));
    assert!(suspects(&world.used(&two, &weak(1))).is_empty());
    assert!(world.table.counters().weak_unissued > 0);
    world.issue(&one, &weak(1), None);
    let mut elsewhere = weak(9);
    elsewhere.by_address = weak(1).by_address;
    let seen = world.used(&two, &elsewhere);
    assert_eq!(suspects(&seen).len(), 1, "found by the server's address");
    assert_eq!(suspects(&seen)[0].subject.accepted, 1, "its reply counts there, too, and once");
    let mut rotated = weak(5);
    world.issue(&two, &rotated, Some(&elsewhere));
    rotated.by_address = None;
    assert_eq!(suspects(&world.used(&two, &rotated)).len(), 1, "what replaces it leads there");
}

#[test]
fn a_flood_pushes_out_its_own_sessions_only() {
    let mut world = World::with(SessionConfig { table_bytes: 200_000, ..SessionConfig::default() });
    let agent = browser("firefox", "linux", 140);
    let owner = client("198.51.100.7", &agent);
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    world.issue(&owner, &strong(1), None);
    world.used(&owner, &strong(1));
    for n in 0..20_000u32 {
        let mut token = strong(0);
        token.token.0[..4].copy_from_slice(&n.to_le_bytes());
        token.token.0[8] = 0xff;
        world.wait(0.001).present(&thief, &token);
    }
    let counters = world.table.counters();
    assert!(counters.bytes <= 200_000 && counters.evicted_memory > 10_000, "{counters:?}");
    let seen = world.used(&thief, &strong(1));
    assert_eq!(suspects(&seen)[0].prior.as_ref().unwrap().client.address, owner.address);
}

#[test]
fn a_flood_of_made_up_hosts_pushes_out_its_own_sessions_only() {
    let mut world = World::with(SessionConfig { table_bytes: 1_000_000, ..SessionConfig::default() });
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    world.issue(&owner, &strong(1), None);
    for n in 0..5_000u32 {
        let mut token = strong(0);
        token.token.0[..4].copy_from_slice(&n.to_le_bytes());
        token.token.0[8] = 0xff;
        world.host = Box::leak(format!("{n}.{}", "x".repeat(1000)).into_boxed_str());
        world.wait(0.001).issue(&thief, &token, None);
    }
    let counters = world.table.counters();
    assert!(counters.bytes <= 1_000_000 && counters.tracked > 400, "{counters:?}");
    world.host = "shop.test";
    assert_eq!(suspects(&world.used(&thief, &strong(1))).len(), 1);
}

#[test]
fn without_memory_for_a_session_its_token_is_only_seen() {
    let mut world = World::with(SessionConfig { table_bytes: 1, ..SessionConfig::default() });
    let (_, seen) = world.present(&client("198.51.100.7", &browser("firefox", "linux", 140)), &strong(1));
    assert_eq!(seen.len(), 1, "whoever looks at tokens in the open sees it");
    assert_eq!((world.table.counters().tracked, world.table.counters().evicted_memory), (0, 1));
}

#[test]
fn a_crowd_of_suspects_never_pushes_out_the_owner() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    world.issue(&owner, &strong(1), None);
    for n in 0..100u8 {
        let thief = client(&format!("203.0.113.{n}"), &browser("chrome", "windows", 119));
        let seen = world.wait(200.0).used(&thief, &strong(1));
        assert_eq!(suspects(&seen)[0].prior.as_ref().unwrap().client.address, owner.address);
    }
    assert!(world.table.counters().binding_limit_hits > 0);
}

#[test]
fn an_idle_session_keeps_its_victim_until_retention_ends() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    world.issue(&owner, &strong(1), None);
    let mut out = Vec::new();
    world.wait(12.0 * 3600.0);
    world.table.on_time(world.now(), &mut out);
    let seen = world.used(&client("203.0.113.9", &browser("chrome", "windows", 119)), &strong(1));
    assert_eq!(suspects(&seen).len(), 1);
    world.wait(31.0 * 86_400.0);
    for _ in 0..10 {
        world.table.on_time(world.now(), &mut out);
    }
    let counters = world.table.counters();
    assert_eq!((counters.tracked, counters.evicted_retention), (0, 1));
    assert_eq!(counters.bytes, world.table.home_bytes(), "memory is accounted to the byte");
}

#[test]
fn turns_are_counted_beyond_the_absolute_timeout() {
    let agent = browser("firefox", "linux", 140);
    let (owner, thief) = (client("198.51.100.7", &agent), client("203.0.113.9", &agent));
    let mut world = World::new();
    world.issue(&owner, &strong(1), None);
    for _ in 0..49 {
        world.wait(1800.0).used(&owner, &strong(1));
    }
    let mut interleaved = false;
    for by in [&owner, &thief, &owner, &thief] {
        interleaved |= world.wait(30.0).used(by, &strong(1)).iter().any(|o| o.interleaved.is_some());
    }
    assert!(interleaved, "a session older than a day is still watched");
}

#[test]
fn a_sighting_with_a_damaged_time_moves_no_timer() {
    let mut world = World::new();
    let agent = browser("firefox", "linux", 140);
    let owner = client("198.51.100.7", &agent);
    world.issue(&owner, &strong(1), None);
    let (request, _) = world.present(&client("203.0.113.9", &agent), &strong(1));
    let far = Timestamp::from_parts(4_000_000_000, 0);
    let stranger = RequestView { first: Stamp { ts: far, ..request.first }, ..(*request).clone() };
    let sighting = TokenSighting {
        token: Arc::new(strong(2)),
        action: TokenUse::Presented,
        request: crate::token::Request::new(Arc::new(stranger), Some(1)),
        at: Stamp { ts: far, ..request.complete },
        plaintext: true,
    };
    world.table.apply(&Sighting::Token(sighting), &mut Vec::new());
    let seen = world.wait(0.1).reply(&request, &strong(1), Outcome::Accepted);
    assert_eq!((seen.len(), seen[0].trigger), (1, Trigger::Presented), "it was waited for");
}

#[test]
fn time_backwards_expires_nothing() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    world.issue(&owner, &strong(1), None);
    let seen = world.wait(-3600.0).used(&client("203.0.113.9", &browser("chrome", "windows", 119)), &strong(1));
    assert_eq!(suspects(&seen).len(), 1);
}

#[test]
fn a_usual_session_takes_little_memory() {
    let mut world = World::new();
    for n in 0..100u8 {
        let owner = client(&format!("198.51.100.{n}"), &browser("firefox", "linux", 140));
        world.used(&owner, &strong(n));
        world.wait(1.0).used(&owner, &strong(n));
    }
    let counters = world.table.counters();
    assert_eq!(counters.tracked, 100);
    assert!(counters.bytes / 100 <= 340, "{} bytes a session, each of an owner of its own", counters.bytes / 100);
}

#[test]
fn a_session_survives_serialisation() {
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    let session = super::session::Session::new(
        strong(1).token,
        crate::token::TokenClass::Session,
        &owner,
        crate::base::time::Timestamp(5),
    );
    let text = serde_json::to_string(&session).unwrap();
    let back: super::session::Session = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&back).unwrap(), text);
}

#[test]
fn the_order_does_not_outgrow_the_sessions() {
    let mut world = World::new();
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    for _ in 0..20_000 {
        world.issue(&owner, &strong(1), None);
        world.delete(&owner, &strong(1));
        world.wait(1.0);
    }
    assert_eq!(world.table.places(), 1);
}

#[test]
fn suspects_beyond_the_limit_are_forgotten_and_counted() {
    let mut world = World::with(SessionConfig { pending: 4, ..SessionConfig::default() });
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    world.issue(&owner, &strong(1), None);
    for n in 1..=9u8 {
        world.used(&client(&format!("203.0.113.{n}"), &browser("chrome", "windows", 119)), &strong(1));
    }
    assert_eq!(world.table.counters().suspect_limit_hits, 9 - 4);
}

fn among(topology: Topology) -> World {
    World::with(SessionConfig { topology: Arc::new(topology), ..SessionConfig::default() })
}

#[test]
fn the_outside_of_a_nat_is_any_one_inside() {
    let nat = vec!["10.0.0.0/24:203.0.113.5".parse().unwrap()];
    let firefox = browser("firefox", "linux", 140);
    let [outside, alice, mallory] = ["203.0.113.5", "10.0.0.10", "10.0.0.66"].map(|ip| client(ip, &firefox));
    for owner in [&alice, &outside] {
        let mut world = among(Topology { nat: nat.clone(), ..Topology::default() });
        world.issue(owner, &strong(1), None);
        world.wait(1.0).used(owner, &strong(1));
        for other in [&outside, &alice, &outside] {
            let seen = world.wait(1.0).used(other, &strong(1));
            assert!(seen.iter().all(|o| o.diff.is_none_or(|d| !d.is_distinct())), "{owner:?} {other:?}");
        }
        // whoever owned it first: two addresses inside are two clients
        let seen = world.wait(1.0).used(&mallory, &strong(1));
        let last = seen.last().unwrap();
        assert!(last.diff.unwrap().address.is_different());
        assert_eq!(last.prior.as_ref().unwrap().client.address, alice.address);
    }
}

#[test]
fn exits_of_one_group_are_one_address() {
    let networks = Networks(["192.0.2.0/25", "198.51.100.0/24"].map(|n| network(n).unwrap()).to_vec());
    let group = EgressGroup { name: "office".into(), networks };
    let mut world = among(Topology { egress_groups: vec![group], ..Topology::default() });
    let firefox = browser("firefox", "linux", 140);
    world.used(&client("192.0.2.7", &firefox), &strong(1));
    let seen = world.wait(5.0).used(&client("198.51.100.9", &firefox), &strong(1));
    assert_eq!(seen[0].diff.unwrap().address, Comparison::SameBecause(AddressReason::EgressGroup));
    let seen = world.wait(5.0).used(&client("192.0.2.200", &firefox), &strong(1));
    assert!(seen[0].diff.unwrap().address.is_different());
}

#[test]
fn an_unknown_owner_is_filled_by_the_first_known_address() {
    let firefox = browser("firefox", "linux", 140);
    let known = client("198.51.100.7", &firefox);
    let unknown = ClientIdentity { address: None, ..known.clone() };
    let mut world = World::new();
    world.issue(&unknown, &strong(1), None);
    world.wait(1.0).used(&unknown, &strong(1));
    let seen = world.wait(1.0).used(&known, &strong(1));
    assert!(seen.iter().all(|o| o.diff.is_none()));
    let seen = world.wait(1.0).used(&client("203.0.113.9", &firefox), &strong(1));
    assert!(seen[0].diff.unwrap().address.is_different());
    assert_eq!(seen[0].prior.as_ref().unwrap().client.address, known.address);
}

#[test]
fn nobody_in_particular_is_no_owner_who_returns() {
    let firefox = browser("firefox", "linux", 140);
    let [here, there] = ["198.51.100.7", "203.0.113.9"].map(|ip| client(ip, &firefox));
    let unknown = ClientIdentity { address: None, ..here.clone() };
    let mut world = World::new();
    world.issue(&here, &strong(1), None);
    world.used(&here, &strong(1));
    for _ in 0..4 {
        let mut seen = world.wait(5.0).used(&there, &strong(1));
        seen.extend(world.wait(5.0).used(&unknown, &strong(1)));
        assert!(seen.iter().all(|o| o.interleaved.is_none() && !o.prior_live), "he has moved");
    }
}

#[test]
fn one_request_with_very_many_tokens_does_not_wait_as_one() {
    let mut world = World::with(SessionConfig { pending: 16, ..SessionConfig::default() });
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    (1..=100).for_each(|n| drop(world.issue(&owner, &strong(n), None)));
    let (request, mut seen) = world.present(&client("203.0.113.9", &browser("chrome", "windows", 119)), &strong(1));
    for n in 2..=100 {
        seen.extend(world.token(&strong(n), TokenUse::Presented, &request));
    }
    assert!(world.table.counters().pending_limit_hits > 0 && seen.len() >= 100 - 16, "{}", seen.len());
    seen.extend(world.drained());
    assert_eq!(suspects(&seen).len(), 100, "each is judged once");
}

#[test]
fn after_a_flood_of_unanswered_requests_the_plain_attack_is_still_caught() {
    let mut world = World::with(SessionConfig { pending: 16, ..SessionConfig::default() });
    let owner = client("198.51.100.7", &browser("firefox", "linux", 140));
    for n in 1..=2 {
        world.issue(&owner, &strong(n), None);
    }
    // Suspects by the hundred on a session of their own making, all within the wait for a reply.
    for n in 0..=u8::MAX {
        world.present(&client(&format!("10.66.{n}.1"), &browser("chrome", "windows", 119)), &strong(2));
    }
    assert!(world.table.counters().pending_limit_hits >= 256 - 16);
    assert!(world.table.counters().suspect_limit_hits > 0);
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    let seen = world.used(&thief, &strong(1));
    let caught = suspects(&seen).into_iter().filter(|o| o.token.token == strong(1).token);
    assert_eq!(caught.map(|o| o.outcome).collect::<Vec<_>>(), [Outcome::Accepted]);
    let back = world.wait(1.0).used(&owner, &strong(1));
    assert!(back.iter().any(|o| o.trigger == Trigger::OwnerReturned), "its request is remembered");
}

#[test]
fn a_reply_counts_for_the_device_that_asked() {
    use crate::packet::ClaimKind::ArpReply;
    let agent = browser("firefox", "linux", 140);
    let at_desk = |mac| with_mac(client("198.51.100.7", &agent), mac);
    let mut world = World::new();
    world.claim("198.51.100.7", 1, ArpReply);
    world.issue(&at_desk(1), &strong(1), None);
    world.wait(1.0).used(&at_desk(1), &strong(1));
    world.claim("198.51.100.7", 6, ArpReply);
    let seen = world.wait(1.0).used(&at_desk(6), &strong(1));
    let found = suspects(&seen);
    assert!(found[0].diff.unwrap().mac.is_different());
    assert_eq!((found[0].subject.accepted, found[0].prior.as_ref().unwrap().accepted), (1, 1));
}

#[test]
fn a_session_of_one_owner_is_small() {
    let mut world = World::new();
    for n in 0..200 {
        let owner = client(&format!("10.0.{n}.1"), &browser("firefox", "linux", 140));
        world.issue(&owner, &strong(n), None);
        world.used(&owner, &strong(n));
        world.wait(1.0).used(&owner, &strong(n));
    }
    let counters = world.table.counters();
    let each = (counters.bytes - world.table.home_bytes()) / counters.tracked;
    // A million in 380 MB, with their places in the table and in the order of giving way.
    assert!((200..=380).contains(&each), "{each} bytes");
    assert!(world.table.home_bytes() < 1_000, "they live in one place");
}
