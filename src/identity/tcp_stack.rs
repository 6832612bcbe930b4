//! Do two SYNs come from one TCP stack? Options, their order, and where the TTL begins.
//!
//! One system sends different SYNs for reasons that say nothing of who uses it, and those do not count:
//! the window scale follows the buffer that a program asks for; the options of Multipath TCP and
//! Fast Open come and go with what a program wants and what is remembered of a server; and a SYN that
//! was not answered is sent again with fewer options, or loses them to a firewall on the way. A
//! router tells its hosts where the IPv6 hop limit begins (RFC 4861 §4.2), so that IPv4 and
//! IPv6 of one system may begin with different values.
//!
//! Where a middlebox opens the connections that the sensor sees (a transparent proxy, a performance
//! enhancing proxy of a mobile network), the stack is the middlebox's: it then looks the same for
//! all clients behind it and hides a difference, or two such boxes show one that is not there.

use super::Likeness;
use crate::packet::SynTraits;

/// TCP options that come and go on one system: Multipath TCP (RFC 8684), Fast Open (RFC 7413), and
/// experiments (RFC 4727).
const FLEETING: [u8; 4] = [30, 34, 253, 254];

/// Options from which a SYN counts as complete: one with the segment size alone may be a last
/// attempt.
const ENOUGH_OPTIONS: usize = 2;

/// Compares the traits of two SYNs; `same_family` when both went over the same version of IP.
#[must_use]
pub fn compare(prior: Option<SynTraits>, now: Option<SynTraits>, same_family: bool) -> Likeness {
    let (Some(a), Some(b)) = (prior, now) else { return Likeness::Unknown };
    if same_family && a.initial_ttl != b.initial_ttl {
        return Likeness::Different;
    }
    if lasting(&a).count() < ENOUGH_OPTIONS || lasting(&b).count() < ENOUGH_OPTIONS {
        return Likeness::Unknown;
    }
    if lasting(&a).eq(lasting(&b)) { Likeness::Same } else { Likeness::Different }
}

/// Whether a SYN shows enough of its sender's stack to be compared with others.
#[must_use]
pub fn is_telling(traits: &SynTraits) -> bool {
    lasting(traits).count() >= ENOUGH_OPTIONS
}

/// Kinds of the options that a system always sends, in order.
fn lasting(traits: &SynTraits) -> impl Iterator<Item = u8> {
    traits.options.into_iter().filter(|kind| *kind != 0 && !FLEETING.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: SynTraits = SynTraits { options: [2, 4, 8, 3, 0, 0], window_scale: Some(7), initial_ttl: 64 };
    const WINDOWS: SynTraits = SynTraits { options: [2, 3, 4, 0, 0, 0], window_scale: Some(8), initial_ttl: 128 };

    fn compared(a: SynTraits, b: SynTraits) -> Likeness {
        compare(Some(a), Some(b), true)
    }

    #[test]
    fn systems_differ_in_options_or_ttl() {
        assert_eq!(compared(LINUX, LINUX), Likeness::Same);
        assert_eq!(compared(LINUX, WINDOWS), Likeness::Different);
        assert_eq!(compared(LINUX, SynTraits { initial_ttl: 128, ..LINUX }), Likeness::Different);
        assert_eq!(compared(LINUX, SynTraits { options: [2, 8, 4, 3, 0, 0], ..LINUX }), Likeness::Different);
        assert_eq!(compare(None, Some(LINUX), true), Likeness::Unknown);
    }

    #[test]
    fn what_one_system_does_now_and_then_is_no_difference() {
        assert_eq!(compared(LINUX, SynTraits { window_scale: Some(10), ..LINUX }), Likeness::Same);
        assert_eq!(compared(LINUX, SynTraits { options: [2, 4, 8, 3, 34, 0], ..LINUX }), Likeness::Same);
        assert_eq!(compared(LINUX, SynTraits { options: [2, 4, 8, 3, 30, 0], ..LINUX }), Likeness::Same);
        let retried = SynTraits { options: [2, 0, 0, 0, 0, 0], window_scale: None, ..LINUX };
        assert_eq!(compared(LINUX, retried), Likeness::Unknown);
        assert!(is_telling(&LINUX) && !is_telling(&retried));
        let ipv6 = SynTraits { initial_ttl: 255, ..LINUX };
        assert_eq!(compare(Some(LINUX), Some(ipv6), false), Likeness::Same);
        assert_eq!(compare(Some(LINUX), Some(WINDOWS), false), Likeness::Different);
    }
}
