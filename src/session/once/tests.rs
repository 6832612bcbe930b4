//! Is one request one sighting, and are two requests two?

use super::*;
use crate::identity::topology::{Networks, network};
use crate::identity::{AddressSource, ClientIdentity, Comparison};
use crate::session::testing::{PROXY, SERVER, World, browser, client, curl, strong};
use crate::session::{Observation, SessionConfig};
use crate::token::{Issued, Outcome, RequestView};

const VICTIM: &str = "198.51.100.7";
const THIEF: &str = "203.0.113.9";

fn trusting() -> World {
    let trusted_proxies = Networks(vec![network(PROXY).unwrap()]);
    world(Topology { trusted_proxies, ..Topology::default() })
}

fn world(topology: Topology) -> World {
    World::with(SessionConfig { topology: Arc::new(topology), ..SessionConfig::default() })
}

fn firefox(address: &str) -> ClientIdentity {
    client(address, &browser("firefox", "linux", 140))
}

/// The same client as the server's leg shows it: through a proxy that names it, or does not.
fn named(client: &ClientIdentity) -> ClientIdentity {
    ClientIdentity { direct: false, address_from: AddressSource::XForwardedFor, ..client.clone() }
}

fn nobody(client: &ClientIdentity) -> ClientIdentity {
    ClientIdentity { address: None, address_from: AddressSource::Unresolved, ..named(client) }
}

/// A leg, and the client as it looks there.
type Way<'a> = (&'a str, &'a str, ClientIdentity);

fn present(world: &mut World, (from, to, client): &Way<'_>) -> Vec<Arc<Observation>> {
    let request = Arc::new(world.on_leg(from, to, client));
    world.token(&strong(1), TokenUse::Presented, &request)
}

/// Presents on one leg, then on another 2 ms later. Gives the observations of the second.
fn legs(world: &mut World, one: &Way<'_>, other: &Way<'_>) -> Vec<Arc<Observation>> {
    world.wait(10.0);
    present(world, one);
    world.wait(0.002);
    present(world, other)
}

fn repeats(world: &World) -> [u64; 3] {
    world.table.counters().repeats
}

/// Sightings and actors of the session, by what a next request shows.
fn known(world: &mut World, by: &ClientIdentity) -> (u64, u32) {
    world.wait(10.0);
    let seen = present(world, &(VICTIM, SERVER, by.clone()));
    let mut all = seen;
    all.extend(world.drained());
    all.last().map(|o| (o.session.sightings - 1, o.session.actors)).unwrap()
}

#[test]
fn both_legs_of_a_proxy_are_one_request() {
    let victim = firefox(VICTIM);
    let near = (VICTIM, PROXY, victim.clone());
    // unknown proxy, one that names nobody, one that names the client
    let as_proxy = firefox(PROXY);
    for (mut world, far) in [(World::new(), as_proxy), (trusting(), nobody(&victim)), (trusting(), named(&victim))] {
        for _ in 0..3 {
            assert!(legs(&mut world, &near, &(PROXY, SERVER, far.clone())).is_empty());
        }
        assert_eq!(repeats(&world), [3, 0, 0]);
        assert_eq!(known(&mut world, &victim), (3, 1));
    }
}

#[test]
fn the_legs_of_a_named_client_may_come_in_either_order() {
    let victim = firefox(VICTIM);
    let mut world = trusting();
    let (near, far) = ((VICTIM, PROXY, victim.clone()), (PROXY, SERVER, named(&victim)));
    assert!(legs(&mut world, &far, &near).is_empty());
    assert_eq!(repeats(&world), [1, 0, 0]);
    // of an unknown proxy nobody can tell
    let mut world = World::new();
    let far = (PROXY, SERVER, firefox(PROXY));
    legs(&mut world, &far, &near);
    assert_eq!(repeats(&world), [0; 3]);
}

#[test]
fn a_request_by_nobody_hides_none_by_somebody() {
    let (victim, thief) = (firefox(VICTIM), firefox(THIEF));
    let mut world = trusting();
    world.used(&victim, &strong(1));
    // the server's leg comes first and does not say who it is; the thief's own leg does
    legs(&mut world, &(PROXY, SERVER, nobody(&thief)), &(THIEF, PROXY, thief));
    let seen = world.drained();
    assert!(seen.iter().any(|o| o.diff.is_some_and(|d| d.address.is_different())));
}

#[test]
fn a_thief_who_replays_at_once_is_seen() {
    let (victim, thief) = (firefox(VICTIM), firefox(THIEF));
    let near = (VICTIM, PROXY, victim.clone());
    let thefts: [Way<'_>; 5] = [
        // straight to the server, or to the proxy
        (THIEF, SERVER, thief.clone()),
        (THIEF, PROXY, thief.clone()),
        // only his far leg is seen, which names him
        (PROXY, SERVER, named(&thief)),
        // his far leg names nobody, but he uses another program
        (PROXY, SERVER, nobody(&client(THIEF, &curl()))),
        // from the victim's address with another program
        (VICTIM, PROXY, client(VICTIM, &curl())),
    ];
    for theft in thefts {
        let mut world = trusting();
        legs(&mut world, &near, &theft);
        let seen = world.drained();
        assert_eq!(repeats(&world), [0; 3], "{theft:?}");
        assert!(seen.iter().any(|o| o.diff.is_some_and(|d| d.is_distinct())), "{theft:?}");
    }
}

#[test]
fn each_leg_is_joined_once() {
    let victim = firefox(VICTIM);
    let mut world = World::new();
    let far = (PROXY, SERVER, firefox(PROXY));
    legs(&mut world, &(VICTIM, PROXY, victim), &far);
    world.wait(0.001);
    present(&mut world, &far); // the proxy's host itself, with a request that nobody sent it
    assert_eq!(repeats(&world), [1, 0, 0]);
}

#[test]
fn two_proxies_in_a_row_are_one_way() {
    let victim = firefox(VICTIM);
    let mut world = World::new();
    legs(&mut world, &(VICTIM, PROXY, victim), &(PROXY, "10.0.1.6", firefox(PROXY)));
    world.wait(0.002);
    assert!(present(&mut world, &("10.0.1.6", SERVER, firefox("10.0.1.6"))).is_empty());
    assert_eq!(repeats(&world), [2, 0, 0]);
}

#[test]
fn other_requests_and_later_ones_are_not_the_same() {
    let victim = firefox(VICTIM);
    let near = (VICTIM, PROXY, victim.clone());
    let far = || (PROXY, SERVER, nobody(&victim));
    let mut world = trusting();
    present(&mut world, &near);
    world.wait(0.051);
    present(&mut world, &far());
    assert_eq!(repeats(&world), [0; 3], "too late");

    world.wait(1.0);
    present(&mut world, &near);
    let other = world.on_leg(PROXY, SERVER, &nobody(&victim));
    world.hash = 2;
    world.token(&strong(1), TokenUse::Presented, &Arc::new(other));
    assert_eq!(repeats(&world), [0; 3], "another target");

    world.wait(1.0);
    let one = world.on_leg(VICTIM, PROXY, &victim);
    let again = RequestView { id: RequestId { ordinal: 1, ..one.id }, ..one.clone() };
    world.token(&strong(1), TokenUse::Presented, &Arc::new(one));
    world.token(&strong(1), TokenUse::Presented, &Arc::new(again));
    assert_eq!(repeats(&world), [0; 3], "twice in one connection");
}

#[test]
fn a_mirror_of_two_ports_gives_one_request() {
    let victim = firefox(VICTIM);
    let mut world = World::new();
    let one = world.on_leg(VICTIM, SERVER, &victim);
    let other =
        RequestView { id: world.on_leg(VICTIM, SERVER, &victim).id, tenant: Tenant::default().with(7), ..one.clone() };
    world.token(&strong(1), TokenUse::Presented, &Arc::new(one));
    assert!(world.token(&strong(1), TokenUse::Presented, &Arc::new(other)).is_empty());
    assert_eq!(repeats(&world), [0, 0, 1]);
}

#[test]
fn both_sides_of_a_translation_are_one_request() {
    let nat = vec!["10.0.0.0/24:203.0.113.5".parse().unwrap()];
    let (inside, outside, thief) = (firefox("10.0.0.10"), firefox("203.0.113.5"), firefox("10.0.0.66"));
    let legs_of = |inside: &ClientIdentity, address| {
        ((address, SERVER, inside.clone()), ("203.0.113.5", SERVER, outside.clone()))
    };
    let (near, far) = legs_of(&inside, "10.0.0.10");
    for swapped in [false, true] {
        let mut world = world(Topology { nat: nat.clone(), ..Topology::default() });
        for _ in 0..3 {
            let (one, other) = if swapped { (&far, &near) } else { (&near, &far) };
            let mut seen = legs(&mut world, one, other);
            seen.extend(world.drained());
            assert!(seen.iter().all(|o| o.diff.is_none_or(|d| !d.is_distinct())));
        }
        // the address outside is nobody's: one inside that comes after it says more, and is applied
        assert_eq!(repeats(&world), [0, if swapped { 0 } else { 3 }, 0]);
        let (near, far) = legs_of(&thief, "10.0.0.66");
        let (one, other) = if swapped { (&far, &near) } else { (&near, &far) };
        legs(&mut world, one, other);
        let seen = world.drained();
        assert!(seen.iter().any(|o| o.diff.is_some_and(|d| d.address.is_different())), "{swapped}");
        assert!(seen.iter().all(|o| o.interleaved.is_none()), "{swapped}");
    }
}

#[test]
fn what_is_issued_on_both_legs_belongs_to_the_client() {
    let victim = firefox(VICTIM);
    for (mut world, far) in
        [(World::new(), firefox(PROXY)), (trusting(), nobody(&victim)), (trusting(), named(&victim))]
    {
        let near = Arc::new(world.on_leg(VICTIM, PROXY, &victim));
        let far = Arc::new(world.on_leg(PROXY, SERVER, &far));
        let first = world.token(&strong(1), TokenUse::Issued(Issued::default()), &far);
        assert_eq!(first.len(), 1);
        world.wait(0.002);
        assert!(world.token(&strong(1), TokenUse::Issued(Issued::default()), &near).is_empty());
        assert_eq!((repeats(&world), world.table.counters().tracked), ([1, 0, 0], 1));
        let seen = world.used(&victim, &strong(1));
        assert!(seen.iter().all(|o| o.diff.is_none()), "he owns it");
        assert!(seen.iter().all(|o| o.session.actors == 1 && o.session.issued.is_some()));
    }
}

#[test]
fn a_session_in_use_changes_hands_no_more() {
    let (victim, thief) = (firefox(VICTIM), firefox(THIEF));
    let mut world = World::new();
    let far = Arc::new(world.on_leg(PROXY, SERVER, &firefox(PROXY)));
    world.token(&strong(1), TokenUse::Issued(Issued::default()), &far);
    world.wait(0.002);
    world.present(&victim, &strong(1));
    let near = Arc::new(world.on_leg(THIEF, PROXY, &thief));
    world.token(&strong(1), TokenUse::Issued(Issued::default()), &near);
    let seen = world.used(&thief, &strong(1));
    assert!(seen.iter().any(|o| o.diff.is_some_and(|d| d.is_distinct())));
}

#[test]
fn the_reply_on_the_second_leg_counts_nothing() {
    let victim = firefox(VICTIM);
    let mut world = trusting();
    let near = Arc::new(world.on_leg(VICTIM, PROXY, &victim));
    let far = Arc::new(world.on_leg(PROXY, SERVER, &nobody(&victim)));
    world.token(&strong(1), TokenUse::Presented, &near);
    world.wait(0.002);
    world.token(&strong(1), TokenUse::Presented, &far);
    world.reply(&far, &strong(1), Outcome::Accepted);
    world.reply(&near, &strong(1), Outcome::Accepted);
    let (_, seen) = world.wait(1.0).present(&victim, &strong(1));
    assert_eq!((seen[0].subject.requests, seen[0].subject.accepted), (2, 1));
}

#[test]
fn only_the_leg_outside_is_exposed() {
    let victim = firefox(VICTIM);
    let mut world = trusting();
    let near = Arc::new(world.on_leg(VICTIM, PROXY, &victim));
    let far = Arc::new(RequestView { inner_hop: true, ..world.on_leg(PROXY, SERVER, &nobody(&victim)) });
    world.token(&strong(1), TokenUse::Issued(Issued::default()), &far);
    let seen = world.token(&strong(1), TokenUse::Issued(Issued::default()), &near);
    assert_eq!(seen.len(), 1, "the first leg exposed nothing");
    assert!(!seen[0].request.inner_hop);
}

#[test]
fn a_later_leg_fills_in_what_was_unknown() {
    let victim = firefox(VICTIM);
    let mut world = trusting();
    present(&mut world, &(PROXY, SERVER, nobody(&victim)));
    world.wait(1.0);
    present(&mut world, &(VICTIM, PROXY, victim.clone()));
    let seen = legs(&mut world, &(THIEF, SERVER, firefox(THIEF)), &(THIEF, PROXY, victim));
    let mut all = seen;
    all.extend(world.drained());
    let suspect = all.iter().find(|o| o.diff.is_some()).unwrap();
    assert!(matches!(suspect.diff.unwrap().address, Comparison::Different(_)));
    assert_eq!(suspect.prior.as_ref().unwrap().client.address, Some(VICTIM.parse().unwrap()));
}

#[test]
fn a_packet_in_the_name_of_another_hides_no_theft() {
    let (victim, thief) = (firefox(VICTIM), firefox(THIEF));
    for answered in [false, true] {
        let mut world = World::new();
        world.used(&victim, &strong(1));
        world.wait(10.0);
        // The thief sends himself a request in the name of the victim, then one of his own to the server.
        let forged = RequestView { one_sided: !answered, ..world.on_leg(VICTIM, THIEF, &victim) };
        world.token(&strong(1), TokenUse::Presented, &Arc::new(forged));
        world.wait(0.002);
        present(&mut world, &(THIEF, SERVER, thief.clone()));
        let seen = world.drained();
        assert_eq!(seen.iter().any(|o| o.diff.is_some_and(|d| d.is_distinct())), !answered);
        assert_eq!(repeats(&world), [u64::from(answered), 0, 0]);
    }
}

#[test]
fn a_configured_proxy_needs_no_answer() {
    let victim = firefox(VICTIM);
    for far in [nobody(&victim), named(&victim)] {
        let mut world = trusting();
        let near = RequestView { one_sided: true, ..world.on_leg(VICTIM, PROXY, &victim) };
        world.token(&strong(1), TokenUse::Presented, &Arc::new(near));
        world.wait(0.002);
        assert!(present(&mut world, &(PROXY, SERVER, far)).is_empty());
        assert_eq!(repeats(&world), [1, 0, 0]);
    }
}

fn sighting(request: &Arc<RequestView>, n: u128, at: Timestamp) -> TokenSighting {
    TokenSighting {
        token: Arc::new(crate::token::SeenToken { token: crate::base::ids::Digest16(n.to_le_bytes()), ..strong(1) }),
        action: TokenUse::Presented,
        request: crate::token::Request::new(Arc::clone(request), Some(1)),
        at: crate::base::time::Stamp { ts: at, ..request.complete },
        plaintext: true,
    }
}

#[test]
fn memory_is_bounded() {
    const LEGS: usize = 1000;
    let mut once = Once::new(Arc::default(), LEGS);
    let mut world = World::new();
    let request = Arc::new(world.on_leg(VICTIM, SERVER, &firefox(VICTIM)));
    let at = request.complete.ts;
    for n in 0..LEGS + 10 {
        once.repeat_of(&sighting(&request, n as u128, at));
    }
    assert_eq!((once.limit_hits, once.legs.len(), once.latest.len()), (10, LEGS, 1024));
    for n in 0..LEGS + 5 {
        once.remember(RequestId { ordinal: n as u32, ..request.id }, strong(1).token);
    }
    assert_eq!((once.limit_hits, once.repeated.len()), (15, LEGS));
    let late = at.after(WINDOW).after(Duration::from_nanos(1));
    once.repeat_of(&sighting(&request, 0, late));
    assert_eq!(once.legs.len(), 1);
    let before = once.limit_hits;
    for n in 0..100 {
        once.repeat_of(&sighting(&request, 0, late.after(Duration::from_micros(n))));
    }
    assert_eq!((once.legs.len(), once.limit_hits - before), (101, 100 - LEGS_OF_ONE as u64));
    once.repeat_of(&sighting(&request, 0, late.after(Duration::from_secs(1))));
    assert_eq!(once.legs.len(), 1);
}

proptest::proptest! {
    /// Whatever other requests share its chain, the first leg of each is found.
    #[test]
    fn every_first_leg_is_found(requests in proptest::collection::vec((0_u8..8, proptest::bool::ANY), 1..LEGS_PASSED)) {
        let mut world = World::new();
        let (near, far) = (world.on_leg(VICTIM, PROXY, &firefox(VICTIM)), world.on_leg(PROXY, SERVER, &firefox(PROXY)));
        let legs = [Arc::new(near), Arc::new(far)];
        let mut once = Once::new(Arc::default(), 1 << 16);
        let mut known = [(0, 0); 8];
        for (step, (n, far)) in (0_u64..).zip(requests) {
            let (open, all) = &mut known[usize::from(n)];
            if *all == LEGS_OF_ONE {
                continue;
            }
            let at = legs[0].complete.ts.after(Duration::from_micros(step));
            // Multiples of a large number share a chain.
            let repeat = once.repeat_of(&sighting(&legs[usize::from(far)], u128::from(n) << 20, at));
            proptest::prop_assert_eq!(repeat.is_some(), far && *open > 0);
            *open = if far { i32::max(*open - 1, 0) } else { *open + 1 };
            *all += 1;
        }
    }
}
