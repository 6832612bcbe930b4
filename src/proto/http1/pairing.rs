//! Which request does a response answer? Responses come in the order of the requests (RFC 9112 §9.3.2).

/// Requests that may wait for their responses on one connection.
pub(super) const PIPELINE_LIMIT: u32 = 128;

/// What of a request's method decides how its response is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// HEAD: the response has no body, whatever it declares.
    Head,
    /// CONNECT: a 2xx opens a tunnel.
    Connect,
    /// Any other method, with an Upgrade field: a 101 ends HTTP.
    Upgrade,
    /// Any other method.
    Other,
    /// The request was not seen, or nobody can tell which it was.
    Unknown,
}

/// A request was counted.
pub(super) struct Counted {
    /// Which request of the connection.
    pub(super) ordinal: u32,
    /// It is beyond [`PIPELINE_LIMIT`]: pairing is lost until all requests are answered.
    pub(super) beyond_limit: bool,
}

/// The unanswered requests of a connection: the last `open` ordinals before `next`.
#[derive(Debug, Default)]
pub(super) struct Pairing {
    next: u32,
    open: u32,
    /// One bit per open request, the oldest lowest: it was HEAD, it was CONNECT, it asked for an upgrade.
    head: u128,
    connect: u128,
    upgrade: u128,
    /// More were open than the bits can tell apart.
    lost: bool,
    /// A message may have been missed, so the count of open requests may be too high.
    doubt: bool,
}

impl Pairing {
    /// For a connection whose requests are counted from `next`.
    pub(super) fn from_ordinal(next: u32) -> Self {
        Self { next, ..Self::default() }
    }

    /// The ordinal of the next request.
    pub(super) const fn next_ordinal(&self) -> u32 {
        self.next
    }

    /// Whether any request waits for its response.
    pub(super) const fn any_open(&self) -> bool {
        self.open > 0
    }

    /// A request was read.
    pub(super) fn ask(&mut self, asked: Asked) -> Counted {
        let ordinal = self.next;
        self.next = self.next.wrapping_add(1);
        let beyond_limit = self.open >= PIPELINE_LIMIT;
        if beyond_limit {
            self.lost = true;
        } else {
            let bit = 1_u128.checked_shl(self.open).unwrap_or(0);
            match asked {
                Asked::Head => self.head |= bit,
                Asked::Connect => self.connect |= bit,
                Asked::Upgrade => self.upgrade |= bit,
                Asked::Other | Asked::Unknown => {}
            }
        }
        self.open = self.open.saturating_add(1);
        Counted { ordinal, beyond_limit }
    }

    /// Whether the last request was a CONNECT.
    pub(super) fn last_was_connect(&self) -> bool {
        let last = self.open.checked_sub(1).and_then(|n| self.connect.checked_shr(n));
        last.is_some_and(|bits| bits & 1 == 1)
    }

    /// Whether the request that is answered next asked for an upgrade.
    pub(super) const fn next_may_upgrade(&self) -> bool {
        self.open > 0 && !self.lost && !(self.doubt && self.open > 1) && self.upgrade & 1 == 1
    }

    /// A final response was read: which request it answers, and what that asked.
    pub(super) fn answer(&mut self) -> (Option<u32>, Asked) {
        if self.open == 0 || (self.doubt && self.open > 1) {
            // Its request was missed, or it cannot be told which of several it answers. Clients wait
            // for a response before they ask again, so counting starts afresh with the next request.
            *self = Self { next: self.next, doubt: true, ..Self::default() };
            return (None, Asked::Unknown);
        }
        let ordinal = self.next.wrapping_sub(self.open);
        let asked = match (self.head & 1, self.connect & 1) {
            (1, _) => Asked::Head,
            (_, 1) => Asked::Connect,
            _ => Asked::Other,
        };
        self.open -= 1;
        self.head >>= 1;
        self.connect >>= 1;
        self.upgrade >>= 1;
        let answer = if self.lost { (None, Asked::Unknown) } else { (Some(ordinal), asked) };
        if self.open == 0 {
            self.lost = false;
            self.doubt = false;
        }
        answer
    }

    /// Bytes were lost or could not be read: messages may have been among them.
    pub(super) fn doubt(&mut self) {
        self.doubt = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_order_with_the_method() {
        let mut p = Pairing::default();
        for asked in [Asked::Other, Asked::Head, Asked::Connect] {
            p.ask(asked);
        }
        assert_eq!(p.answer(), (Some(0), Asked::Other));
        assert_eq!(p.answer(), (Some(1), Asked::Head));
        assert_eq!(p.answer(), (Some(2), Asked::Connect));
        assert_eq!(p.answer(), (None, Asked::Unknown));
    }

    #[test]
    fn beyond_the_limit_pairing_is_lost_until_all_are_answered() {
        let mut p = Pairing::default();
        for n in 0..=PIPELINE_LIMIT {
            assert_eq!(p.ask(Asked::Other).beyond_limit, n == PIPELINE_LIMIT);
        }
        for _ in 0..=PIPELINE_LIMIT {
            assert_eq!(p.answer().0, None);
        }
        p.ask(Asked::Head);
        assert_eq!(p.answer(), (Some(PIPELINE_LIMIT + 1), Asked::Head));
    }

    #[test]
    fn a_missed_response_costs_one_pairing_not_all_later_ones() {
        let mut p = Pairing::default();
        p.ask(Asked::Other);
        p.doubt(); // the response to 0 fell into a gap
        p.ask(Asked::Other);
        assert_eq!(p.answer().0, None);
        p.ask(Asked::Other);
        assert_eq!(p.answer().0, Some(2));
        p.ask(Asked::Other);
        p.ask(Asked::Other);
        assert_eq!((p.answer().0, p.answer().0), (Some(3), Some(4)), "no doubt is left");
    }

    #[test]
    fn a_response_captured_before_its_request_shifts_nothing() {
        let mut p = Pairing::default();
        assert_eq!(p.answer().0, None);
        p.ask(Asked::Other);
        p.ask(Asked::Other);
        assert_eq!(p.answer().0, None);
        p.ask(Asked::Other);
        assert_eq!(p.answer().0, Some(2));
    }
}
