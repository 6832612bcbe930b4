//! What does the next message of a SOCKS negotiation say? It is passed over, in each direction by
//! itself; what follows it is a conversation of its own.
//!
//! SOCKS 4 and 4a (the documents of their authors), SOCKS 5 (RFC 1928) without authentication or with user
//! and password (RFC 1929), which are passed over unread.

/// What comes next in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Version 4: the user id behind the request, then a name if `named`.
    User4 { named: bool },
    /// Version 4a: the name of the host.
    Host4,
    /// The reply of version 4.
    Reply4,
    /// Version 5: the request, or a user before it.
    Request5,
    /// The password.
    Password5,
    /// The method that the server chose.
    Method5,
    /// The server's reply, or its verdict on the password before it.
    Reply5,
}

/// What the first bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Too few to tell.
    NeedMore,
    /// So many bytes are passed over; with `None` the negotiation of this direction is over.
    Pass(usize, Option<Phase>),
    /// This is no negotiation, or one that failed.
    Refused,
}

/// Most bytes that any step needs.
#[cfg(test)]
const STEP_LIMIT: usize = 16;

/// Methods that a greeting may offer and be believed; clients offer one to three.
const METHODS_LIMIT: u8 = 16;

/// How the client of a negotiation begins: with how many bytes, what it sends next and what its
/// server does. `Refused` when this is none.
pub(super) fn greeting(bytes: &[u8]) -> (Step, Phase) {
    match *bytes {
        [5] => (Step::NeedMore, Phase::Method5),
        [5, n @ 1..=METHODS_LIMIT, ref methods @ ..] => {
            let n = usize::from(n);
            let offered = methods.get(..n);
            let known = |methods: &[u8]| methods.iter().all(|m| *m <= 9 || *m >= 0x80);
            let step = match offered {
                None => Step::NeedMore,
                Some(methods) if known(methods) => Step::Pass(n.saturating_add(2), Some(Phase::Request5)),
                Some(_) => Step::Refused,
            };
            (step, Phase::Method5)
        }
        [4] => (Step::NeedMore, Phase::Reply4),
        [4, 1 | 2, _, _, a, b, c, d, ..] => {
            let named = [a, b, c] == [0; 3] && d != 0;
            (Step::Pass(8, Some(Phase::User4 { named })), Phase::Reply4)
        }
        [4, 1 | 2, ..] => (Step::NeedMore, Phase::Reply4),
        _ => (Step::Refused, Phase::Reply4),
    }
}

/// Judges the next message.
pub(super) fn step(phase: Phase, bytes: &[u8]) -> Step {
    let text = |next: Option<Phase>| match memchr::memchr(0, bytes) {
        Some(end) => Step::Pass(end.saturating_add(1), next),
        None => Step::Pass(bytes.len(), Some(phase)),
    };
    match (phase, bytes) {
        (_, []) => Step::NeedMore,
        (Phase::User4 { named }, _) => text(named.then_some(Phase::Host4)),
        (Phase::Host4, _) => text(None),
        (Phase::Reply4, [0, 0x5a, rest @ ..]) => match rest.len() {
            0..6 => Step::NeedMore,
            _ => Step::Pass(8, None),
        },
        (Phase::Reply4, [0]) | (Phase::Method5, [5]) => Step::NeedMore,
        (Phase::Method5, [5, 0 | 2, ..]) => Step::Pass(2, Some(Phase::Reply5)),
        (Phase::Request5, [1]) => Step::NeedMore,
        (Phase::Request5, [1, user, ..]) => Step::Pass(usize::from(*user).saturating_add(2), Some(Phase::Password5)),
        (Phase::Password5, [password, ..]) => {
            Step::Pass(usize::from(*password).saturating_add(1), Some(Phase::Request5))
        }
        (Phase::Request5, [5, 1, rest @ ..]) => address5(rest),
        (Phase::Reply5, [1, 0, ..]) => Step::Pass(2, Some(Phase::Reply5)),
        (Phase::Reply5, [5, 0, rest @ ..]) => address5(rest),
        (Phase::Request5 | Phase::Reply5, [5]) | (Phase::Reply5, [1]) => Step::NeedMore,
        _ => Step::Refused,
    }
}

/// The address that ends a request or reply of version 5: `rest` follows its first two bytes.
fn address5(rest: &[u8]) -> Step {
    let (address, name) = match rest {
        [_, 1, ..] => (4, None),
        [_, 4, ..] => (16, None),
        [_, 3, length, ..] => (1, Some(usize::from(*length))),
        [] | [_] | [_, 3] => return Step::NeedMore,
        _ => return Step::Refused,
    };
    // Version, command, reserved, type, address, port: only how long they are matters.
    Step::Pass(4_usize.saturating_add(address).saturating_add(name.unwrap_or(0)).saturating_add(2), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        assert_eq!(greeting(b"\x05\x01\x00"), (Step::Pass(3, Some(Phase::Request5)), Phase::Method5));
        assert_eq!(greeting(b"\x05\x02\x00").0, Step::NeedMore);
        assert_eq!(greeting(b"\x05\x00").0, Step::Refused);
        assert_eq!(greeting(b"\x05\x02\x30\x31").0, Step::Refused);
        let named = |ip: [u8; 4]| greeting(&[&[4, 1, 0, 80][..], &ip].concat()).0;
        assert_eq!(named([10, 0, 0, 1]), Step::Pass(8, Some(Phase::User4 { named: false })));
        assert_eq!(named([0, 0, 0, 1]), Step::Pass(8, Some(Phase::User4 { named: true })));
        assert_eq!(greeting(b"\x04\x03\x00").0, Step::Refused);
    }

    #[test]
    fn messages_are_passed_over_by_their_length() {
        assert_eq!(step(Phase::Request5, b"\x01\x03bobby"), Step::Pass(5, Some(Phase::Password5)));
        assert_eq!(step(Phase::Password5, b"\x06secret"), Step::Pass(7, Some(Phase::Request5)));
        assert_eq!(step(Phase::Request5, b"\x05\x01\x00\x03\x08app.test\0P"), Step::Pass(15, None));
        assert_eq!(step(Phase::Request5, b"\x05\x01\x00\x01\x0a\0\0\x01\0P"), Step::Pass(10, None));
        assert_eq!(step(Phase::Reply5, b"\x05\x00\x00\x04"), Step::Pass(22, None));
        assert_eq!(step(Phase::Reply5, b"\x05\x01"), Step::Refused);
        assert_eq!(step(Phase::Request5, b"\x05\x02"), Step::Refused);
        assert_eq!(step(Phase::Method5, b"\x05\xff"), Step::Refused);
        assert_eq!(step(Phase::Reply4, b"\0\x5a\0\0\0\0\0\0"), Step::Pass(8, None));
        assert_eq!(step(Phase::Reply4, b"\0\x5b\0\0\0\0\0\0"), Step::Refused);
        assert_eq!(step(Phase::User4 { named: true }, b"bob\0"), Step::Pass(4, Some(Phase::Host4)));
        assert_eq!(step(Phase::Host4, b"app"), Step::Pass(3, Some(Phase::Host4)));
    }

    #[test]
    fn few_bytes_settle_every_step() {
        for phase in [Phase::Reply4, Phase::Request5, Phase::Password5, Phase::Method5, Phase::Reply5] {
            for first in 0..=255 {
                for second in 0..=255 {
                    for kind in [1, 3, 4, 9] {
                        let bytes = [first, second, 0, kind, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
                        assert_ne!(step(phase, &bytes[..STEP_LIMIT]), Step::NeedMore, "{phase:?} {first} {second}");
                    }
                }
            }
        }
    }
}
