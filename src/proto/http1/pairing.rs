//! Which request does a response answer? Responses come in the order of the requests (RFC 9112 §9.3.2).

use std::collections::VecDeque;

use crate::proto::PIPELINE_LIMIT;

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
    /// Open requests that asked for something other than [`Asked::Other`], which few do, in order.
    special: Option<Box<Special>>,
    /// More were open than are told apart.
    lost: bool,
    /// A message may have been missed, so the count of open requests may be too high.
    doubt: bool,
}

/// Ordinals with what they asked for.
#[derive(Debug, Default)]
struct Special(VecDeque<(u32, Asked)>);

impl Pairing {
    /// For a connection whose requests are counted from `next`.
    pub(super) fn from_ordinal(next: u32) -> Self {
        Self { next, ..Self::default() }
    }

    /// The same with the `open` latest ones waiting, which asked for nothing special.
    pub(super) fn waiting(next: u32, open: u32) -> Self {
        Self { next, open, ..Self::default() }
    }

    /// The ordinal of the next request.
    pub(super) const fn next_ordinal(&self) -> u32 {
        self.next
    }

    /// The request that was answered last, as far as anybody can tell.
    pub(super) const fn last_answered(&self) -> Option<u32> {
        match self.next.checked_sub(self.open) {
            Some(n) if !self.lost && !self.doubt => n.checked_sub(1),
            _ => None,
        }
    }

    /// Whether any request waits for its response.
    pub(super) const fn any_open(&self) -> bool {
        self.open > 0
    }

    /// Whether every request so far was seen and answered.
    pub(super) const fn is_settled(&self) -> bool {
        self.open == 0 && self.next > 0 && !self.doubt && !self.lost
    }

    /// Whether the ordinal of the next request, and how many wait, is all there is to know.
    pub(super) const fn is_plain(&self) -> bool {
        !self.lost && !self.doubt && self.special.is_none()
    }

    /// Requests that wait for their responses.
    pub(super) const fn open(&self) -> u32 {
        self.open
    }

    /// A request was read.
    pub(super) fn ask(&mut self, asked: Asked) -> Counted {
        let ordinal = self.next;
        self.next = self.next.wrapping_add(1);
        let beyond_limit = self.open >= PIPELINE_LIMIT;
        if beyond_limit {
            self.lost = true;
        } else if !matches!(asked, Asked::Other | Asked::Unknown) {
            self.special.get_or_insert_default().0.push_back((ordinal, asked));
        }
        self.open = self.open.saturating_add(1);
        Counted { ordinal, beyond_limit }
    }

    /// Whether the last request was a CONNECT.
    pub(super) fn last_was_connect(&self) -> bool {
        let last = (self.next.wrapping_sub(1), Asked::Connect);
        self.open > 0 && self.special.as_ref().and_then(|s| s.0.back()) == Some(&last)
    }

    /// Whether the request that is answered next asked for an upgrade.
    pub(super) fn next_may_upgrade(&self) -> bool {
        let next = (self.next.wrapping_sub(self.open), Asked::Upgrade);
        let sure = self.open > 0 && !self.lost && !(self.doubt && self.open > 1);
        sure && self.special.as_ref().and_then(|s| s.0.front()) == Some(&next)
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
        let asked = self.take_special(ordinal).unwrap_or(Asked::Other);
        self.open -= 1;
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

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let special = self.special.as_ref().map(|s| s.0.capacity().saturating_mul(size_of::<(u32, Asked)>()));
        special.map_or(0, |bytes| bytes.saturating_add(size_of::<Special>()))
    }

    fn take_special(&mut self, ordinal: u32) -> Option<Asked> {
        let Special(special) = self.special.as_deref_mut()?;
        let (_, asked) = special.pop_front_if(|(of, _)| *of == ordinal)?;
        if special.is_empty() {
            self.special = None;
        }
        Some(asked)
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
