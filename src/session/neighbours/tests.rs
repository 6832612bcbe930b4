//! Claims and frames in, places and alarms out.

use super::*;

fn mac(n: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, n])
}

fn ip(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0)
}

const REPLY: ClaimKind = ClaimKind::ArpReply;

/// A segment on which claims are made.
struct Segment(Neighbours);

impl Segment {
    fn new(limit: usize) -> Self {
        Self(Neighbours::new(limit, 1))
    }

    fn claim(&mut self, kind: ClaimKind, address: u8, device: u8, seconds: i64) -> Option<Takeover> {
        let claim = NeighbourClaim { tenant: Tenant::default(), ip: ip(address), mac: mac(device), kind };
        self.0.claim(&claim, at(seconds))
    }

    fn mac_of(&mut self, address: u8, frame: u8) -> Option<MacAddr> {
        self.0.note(mac(frame), ip(address));
        self.0.mac_of(Tenant::default(), ip(address), mac(frame))
    }
}

#[test]
fn a_router_has_more_than_four_addresses() {
    let mut known = Neighbours::new(8, 1);
    assert!(!known.is_device(mac(1)));
    for n in 1..=4 {
        known.note(mac(1), ip(n));
    }
    assert!(known.is_device(mac(1)));
    known.note(mac(1), ip(4));
    assert!(known.is_device(mac(1)));
    known.note(mac(1), ip(5));
    assert!(!known.is_device(mac(1)));
}

#[test]
fn privacy_addresses_of_one_prefix_count_once() {
    let mut known = Neighbours::new(8, 1);
    for n in 1..100u16 {
        known.note(mac(1), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]));
    }
    assert!(known.is_device(mac(1)));
}

#[test]
fn the_oldest_mac_goes_at_the_limit() {
    let mut known = Neighbours::new(2, 1);
    for n in 1..=9 {
        known.note(mac(n), ip(n));
    }
    assert!(!known.is_device(mac(1)) && (2..=9).all(|n| known.is_device(mac(n))));
    assert_eq!(known.limit_hits, 1);
}

#[test]
fn a_frame_is_believed_where_a_claim_confirms_it() {
    let mut segment = Segment::new(8);
    assert_eq!(segment.mac_of(10, 1), None, "nobody has said so");
    segment.claim(REPLY, 10, 1, 0);
    assert_eq!(segment.mac_of(10, 1), Some(mac(1)));
    assert_eq!(segment.mac_of(10, 9), None, "a router's frame");
    let other = segment.0.mac_of(Tenant::default().with(7), ip(10), mac(1));
    assert_eq!(other, None, "another segment");
}

#[test]
fn taking_an_address_in_use_raises_an_alarm_for_both() {
    let mut segment = Segment::new(8);
    segment.claim(REPLY, 10, 1, 0);
    assert_eq!(segment.claim(REPLY, 10, 1, 5), None, "the same again");
    let taken = Takeover { tenant: Tenant::default(), ip: ip(10), gateway: false, from: mac(1), to: mac(6) };
    assert_eq!(segment.claim(REPLY, 10, 6, 10), Some(taken));
    assert!(segment.0.is_alarmed(mac(1)) && segment.0.is_alarmed(mac(6)) && !segment.0.is_alarmed(mac(2)));
    assert_eq!(segment.mac_of(10, 6), Some(mac(6)), "where it is said to be is known all the same");
    segment.0.on_time(at(10 + 3599));
    assert!(segment.0.is_alarmed(mac(6)));
    segment.0.on_time(at(10 + 3600));
    assert!(!segment.0.is_alarmed(mac(6)));
}

#[test]
fn a_gateway_is_known_by_what_goes_to_it() {
    let mut segment = Segment::new(8);
    let elsewhere = IpAddr::from([198, 51, 100, 80]);
    segment.claim(REPLY, 1, 1, 0);
    segment.claim(REPLY, 2, 2, 0);
    segment.0.note_next_hop(Tenant::default(), mac(2), ip(2));
    assert_eq!(segment.claim(REPLY, 2, 6, 1).map(|taken| taken.gateway), Some(false), "it is asked itself");
    segment.0.note_next_hop(Tenant::default().with(7), mac(1), elsewhere);
    segment.0.note_next_hop(Tenant::default(), mac(1), elsewhere);
    assert_eq!(segment.claim(REPLY, 1, 6, 2).map(|taken| taken.gateway), Some(true));
    assert_eq!(segment.claim(REPLY, 1, 1, 3).map(|taken| taken.gateway), Some(false), "6 has carried nothing");
}

#[test]
fn a_lease_an_old_address_and_a_router_raise_none() {
    let mut segment = Segment::new(8);
    segment.claim(REPLY, 10, 1, 0);
    assert_eq!(segment.claim(ClaimKind::Lease, 10, 2, 10), None);
    assert_eq!(segment.claim(REPLY, 10, 2, 11), None, "as leased");
    assert!(segment.claim(REPLY, 10, 3, 12).is_some(), "against the lease");
    assert_eq!(segment.claim(REPLY, 10, 2, 13), None, "the lease holds");

    segment.claim(REPLY, 20, 1, 0);
    assert_eq!(segment.claim(REPLY, 20, 4, 3601), None, "unused for an hour");
    let timid = ClaimKind::Advertisement { solicited: false, overrides: false };
    assert_eq!(segment.claim(timid, 20, 5, 3602), None);
    assert_eq!(segment.mac_of(20, 5), None, "it does not override");

    for n in 100..106 {
        segment.0.note(mac(7), ip(n));
    }
    segment.claim(REPLY, 30, 1, 4000);
    assert_eq!(segment.claim(REPLY, 30, 7, 4001), None, "a router");
    assert_eq!(segment.mac_of(30, 7), None, "whose MAC is nobody's");
}

#[test]
fn probes_and_group_addresses_bind_nothing() {
    let mut segment = Segment::new(8);
    for (address, device) in [(IpAddr::from([0, 0, 0, 0]), mac(1)), (IpAddr::from([224, 0, 0, 1]), mac(1))] {
        let claim = NeighbourClaim { tenant: Tenant::default(), ip: address, mac: device, kind: REPLY };
        assert_eq!(segment.0.claim(&claim, at(0)), None);
    }
    for nobody in [MacAddr([0; 6]), MacAddr([0xff; 6]), MacAddr([1, 0, 0x5e, 0, 0, 1])] {
        let claim = NeighbourClaim { tenant: Tenant::default(), ip: ip(1), mac: nobody, kind: REPLY };
        segment.0.claim(&claim, at(0));
    }
    assert!(segment.0.bound.is_empty());
}

#[test]
fn after_a_flood_of_claims_clients_are_still_known() {
    let mut segment = Segment::new(64);
    segment.claim(REPLY, 10, 1, 0);
    for n in 0..10_000u32 {
        // Every so often the client is seen; the flooder invents both addresses.
        if n % 32 == 0 {
            assert_eq!(segment.mac_of(10, 1), Some(mac(1)));
        }
        let [_, a, b, c] = n.to_be_bytes();
        let (ip, mac) = (IpAddr::from([10, a + 1, b, c]), MacAddr([6, 0, 0, a, b, c]));
        segment.0.claim(&NeighbourClaim { tenant: Tenant::default(), ip, mac, kind: REPLY }, at(1));
    }
    assert!(segment.0.bound.len() <= 64 && segment.0.holders.len() <= 2 * 64);
    assert!(segment.0.limit_hits > 9_000);
    assert!(segment.claim(REPLY, 10, 6, 2).is_some(), "and the plain attack is still seen");
}

#[test]
fn one_device_cannot_fill_the_table() {
    let mut segment = Segment::new(64);
    for n in 0..=u8::MAX {
        segment.claim(REPLY, n, 1, 0);
    }
    assert_eq!((segment.0.bound.len(), segment.0.limit_hits), (DEVICE_ADDRESSES + 1, 0));
}

#[test]
fn alarms_are_bounded() {
    let mut segment = Segment::new(8);
    segment.claim(REPLY, 10, 1, 0);
    for n in 0..3 * ALARMS {
        segment.claim(REPLY, 10, if n % 2 == 0 { 2 } else { 1 }, 1);
    }
    assert!(segment.0.alarm_order.len() <= ALARMS && segment.0.limit_hits > 0);
}
