//! Which bytes come next? Tells one direction's bytes in order and once, holds what is early or in
//! doubt, and gives up what will not come.
//!
//! Where two copies of a byte differ, the one told first counts: an in-order segment is told as it
//! came, then held bytes fill what it left open; among held bytes the first copy stays. The others
//! are told as rivals (see `contest`).

use std::time::Duration;

use super::chunks::{Label, part};
use super::contest::{Contest, HeldCopy};
use super::counters::FlowCounters;
use super::profile::Profile;
use super::recall::{self, Recall};
use super::stream::{Origin, Stream};
use super::{Direction, Doubt, FlowConfig, Interest, StreamConsumer, StreamEvent};
use crate::base::time::{Stamp, Timestamp};

/// Segments of a flow that may pass after a hole was acknowledged, before it is a gap: captures put
/// the two directions slightly out of order.
const PATIENCE_SEGMENTS: u8 = 16;
/// The same as time.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// A receiver heard within this time would have acknowledged what it got.
const LATELY: Duration = Duration::from_secs(5);

/// The way out for events of one direction while one segment (or timeout) is handled.
pub(super) struct Outlet<'a, C: StreamConsumer> {
    pub(super) profile: &'a mut Profile,
    pub(super) consumer: Option<&'a mut C>,
    pub(super) shared: &'a mut C::Shared,
    pub(super) counters: &'a mut FlowCounters,
    pub(super) config: &'a FlowConfig,
    pub(super) recall: &'a mut Recall,
    /// Where the table keeps the flow.
    pub(super) slot: u32,
    /// The highest packet time.
    pub(super) now: Timestamp,
    /// The frame at hand.
    pub(super) at: Stamp,
    /// Its TTL or hop limit.
    pub(super) ttl: u8,
    /// The direction at hand.
    pub(super) dir: Direction,
    /// The consumer wants no more.
    pub(super) stop: bool,
}

impl<C: StreamConsumer> Outlet<'_, C> {
    fn label(&self, counts_at_last: bool) -> Label {
        Label { at: self.at, since: self.now, ttl: self.ttl, counts_at_last }
    }

    pub(super) fn tell(&mut self, event: StreamEvent<'_>) -> Interest {
        match &mut self.consumer {
            Some(consumer) if !self.stop => {
                let interest = consumer.on_event(&self.profile.info(), event, self.shared);
                self.stop = interest == Interest::StopFlow;
                interest
            }
            _ => Interest::StopFlow,
        }
    }
}

/// Bytes of one segment at their position in the stream.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) start: i64,
    pub(super) bytes: &'a [u8],
    /// Bytes that the snap length cut off behind them.
    pub(super) cut: i64,
}

impl Piece<'_> {
    pub(super) const fn end(&self) -> i64 {
        self.start + self.bytes.len() as i64 + self.cut
    }

    /// Without what lies beyond `end`.
    pub(super) fn limited_to(self, end: i64) -> Self {
        let cut = (self.cut - (self.end() - end)).max(0);
        Self { bytes: part(self.bytes, self.start, self.start, end.max(self.start)), cut: cut.min(self.cut), ..self }
    }
}

impl Stream {
    /// Takes bytes that are beyond doubt.
    pub(super) fn accept<C: StreamConsumer>(&mut self, piece: Piece<'_>, out: &mut Outlet<'_, C>) {
        self.skip_through(piece.start, piece.end(), out);
        if piece.end() <= self.next {
            return;
        }
        if piece.start > self.next {
            self.hold_early(piece, out);
            return;
        }
        let end = piece.end() - piece.cut;
        let fresh = part(piece.bytes, piece.start, self.next, end);
        if self.has_early() {
            self.overtake(fresh, out);
        }
        self.pass(fresh, (out.at, out.ttl), out);
        self.skip_through(self.next, piece.end(), out);
        if piece.cut > 0 && self.next < piece.end() {
            self.gap_to(piece.end(), out);
        }
        self.tell_contiguous(out);
    }

    /// Bytes in order come over early ones: where these differ they are another copy.
    fn overtake<C: StreamConsumer>(&mut self, fresh: &[u8], out: &mut Outlet<'_, C>) {
        let next = self.next;
        let rare = self.rare();
        rare.went_on = true;
        let mut conflicts = 0;
        for (start, chunk, differing) in rare.early.contradicted(next, fresh) {
            let copy = HeldCopy { start, bytes: chunk.bytes.clone(), label: chunk.label, differing, firm: true };
            rare.copies.keep(copy);
            conflicts += differing;
        }
        self.report_conflict(conflicts, out);
    }

    /// Holds doubtful bytes until the receiver acknowledges them.
    pub(super) fn set_aside<C: StreamConsumer>(
        &mut self,
        piece: Piece<'_>,
        doubt: Doubt,
        counts_at_last: bool,
        out: &mut Outlet<'_, C>,
    ) {
        let start = piece.start.max(self.next).max(self.skip_to().min(piece.end()));
        let bytes = part(piece.bytes, piece.start, start, piece.end() - piece.cut);
        if bytes.is_empty() {
            return;
        }
        let label = out.label(counts_at_last);
        let rare = self.rare();
        let differing = rare.aside.insert(start, bytes, label);
        if differing > 0 {
            rare.copies.keep(HeldCopy { start, bytes: bytes.to_vec(), label, differing, firm: false });
        }
        rare.ignored = false;
        if doubt == Doubt::SynData {
            rare.syn_bytes = bytes.len() as i64;
        }
        // What is acknowledged already, before its frame was seen, need not wait.
        self.confirm(self.acked(), out);
        self.keep_bounds(out);
    }

    /// The receiver has got everything before `to`: doubtful bytes among it count, unless better
    /// copies came.
    pub(super) fn confirm<C: StreamConsumer>(&mut self, to: i64, out: &mut Outlet<'_, C>) {
        let next = self.next;
        let Some(rare) = &mut self.rare else { return };
        let mut disputed = 0;
        if rare.aside.first_span().is_none_or(|(start, _)| start >= to) {
            return;
        }
        while rare.aside.first_span().is_some_and(|(start, _)| start < to) {
            let Some((start, chunk)) = rare.aside.pop_first() else { break };
            let end = start + chunk.bytes.len() as i64;
            let counted = part(&chunk.bytes, start, next.max(start), end.min(to));
            let before = rare.early.bytes();
            rare.early.insert(next.max(start), counted, chunk.label);
            let confirmed = rare.early.bytes() - before;
            if confirmed > 0 {
                disputed += rare.copies.confirm(start, end.min(to));
            }
            out.counters.doubtful_confirmed_bytes += confirmed;
            out.counters.doubtful_dropped_bytes += (end.min(to) - start) as u64 - confirmed;
            if end > to {
                rare.aside.insert(to, part(&chunk.bytes, start, to, end), chunk.label);
            }
        }
        self.report_conflict(disputed, out);
        self.tell_contiguous(out);
    }

    /// One more segment of the flow went by: gives up what is overdue.
    pub(super) fn lose_patience<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        // Where the stream begins may have become known.
        self.tell_contiguous(out);
        let (next, acked) = (self.next, self.acked());
        let one_sided = !self.is_acknowledged();
        let Some(rare) = &mut self.rare else { return };
        rare.parked = false;
        if acked <= next || rare.early.is_empty() {
            rare.overdue = 0;
            let age = rare.early.first_since().map(|since| out.now.since(since));
            if one_sided && age.is_some_and(|age| age >= out.config.mid_message_timeout) {
                self.give_up_one_sided(out);
            }
            return;
        }
        if rare.overdue == 0 {
            rare.overdue_to = acked;
            rare.overdue_since = out.now;
        }
        rare.overdue += 1;
        if rare.overdue > PATIENCE_SEGMENTS || out.now.since(rare.overdue_since) >= PATIENCE {
            rare.overdue = 0;
            let to = rare.overdue_to;
            self.give_up(to, out);
        }
    }

    /// Where only the sender is seen: its holes are gaps. But if it went on in order before the early
    /// bytes, these were never part of the stream.
    pub(super) fn give_up_one_sided<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        if let Some(rare) = self.rare.as_mut().filter(|rare| rare.went_on) {
            out.counters.stray_bytes += std::mem::take(&mut rare.early).bytes();
        }
        self.give_up(i64::MAX, out);
        if let Some(rare) = &mut self.rare {
            out.counters.doubtful_dropped_bytes += rare.aside.keep_what_counts_at_last();
            rare.parked = true;
            self.release_if_empty(out);
        }
    }

    /// Every hole before `to` is a gap, as far as something follows it.
    pub(super) fn give_up<C: StreamConsumer>(&mut self, to: i64, out: &mut Outlet<'_, C>) {
        self.tell_contiguous(out);
        while self.next < to {
            let early = self.rare.as_ref().and_then(|rare| rare.early.first_span()).map(|(start, _)| start);
            let Some(follows) = early.or(self.fin().filter(|_| self.fin_acked())) else { break };
            let end = follows.min(to);
            if end <= self.next {
                break;
            }
            self.skip_through(end, end, out);
            self.lose_to(end, out);
            self.tell_contiguous(out);
        }
    }

    /// The flow ends: tells what is left, with its gaps.
    pub(super) fn flush<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        if let Some(rare) = self.rare.as_mut().filter(|rare| !rare.ignored) {
            out.counters.doubtful_dropped_bytes += rare.aside.keep_what_counts_at_last();
            self.confirm(i64::MAX, out);
        }
        self.give_up(i64::MAX, out);
        let seen = match self.fin() {
            Some(fin) if self.is_acknowledged() => fin.min(self.acked()),
            Some(fin) => fin,
            // One byte of what was acknowledged may be a FIN that was not seen.
            None => self.acked() - 1,
        };
        // Of a side that was never heard, all is missing; that is no gap, it is a capture of one side.
        if self.origin == Origin::Known && self.next < seen {
            self.skip_through(seen, seen, out);
            self.lose_to(seen, out);
        }
        self.settle_passed_over(out);
        self.tell_rivals(out);
        self.release(out);
        if self.fin() == Some(self.next) {
            self.tell_half_closed(out);
        }
    }

    /// Forgets what is rare.
    pub(super) fn release<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        self.drop_aside(out);
        if let Some(rare) = &mut self.rare {
            rare.release();
            self.tidy();
        }
    }

    /// Nothing of this direction is told any more.
    pub(super) fn stop<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        self.set_skip_to(i64::MAX);
        self.release(out);
        if let Some(rare) = &mut self.rare {
            rare.contest = Contest::default();
            self.tidy();
        }
    }

    /// `HalfClosed`, once.
    pub(super) fn tell_half_closed<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        self.tell_rivals(out);
        if self.finishes() {
            let interest = out.tell(StreamEvent::HalfClosed { dir: out.dir, at: out.at });
            self.obey(interest, out);
        }
    }

    /// Moves on over positions that the consumer does not want, as far as the sender is seen to have
    /// come: a segment from `start` to `end` was sent. What it passes over is no gap.
    pub(super) fn skip_through<C: StreamConsumer>(&mut self, start: i64, end: i64, out: &mut Outlet<'_, C>) {
        let skip_to = self.skip_to();
        if self.next >= skip_to {
            return;
        }
        let to = end.min(skip_to);
        if to > self.next {
            let unseen = (start.min(to) - self.next).max(0);
            if unseen > 0 {
                let passed_over = &mut self.rare().passed_over;
                *passed_over = passed_over.saturating_add(u32::try_from(unseen).unwrap_or(u32::MAX));
            }
            self.advance_to(to);
            if to == skip_to {
                self.settle_passed_over(out);
            }
        } else if let Some(rare) = &mut self.rare {
            // Late or again: what was missing comes.
            let seen = u32::try_from(end - start).unwrap_or(0);
            rare.passed_over = rare.passed_over.saturating_sub(seen);
        }
    }

    fn settle_passed_over<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        let Some(rare) = &mut self.rare else { return };
        let unseen = std::mem::take(&mut rare.passed_over);
        self.tidy();
        if self.is_acknowledged() {
            out.counters.tcp_acked_unseen_bytes += u64::from(unseen);
        }
    }

    fn hold_early<C: StreamConsumer>(&mut self, piece: Piece<'_>, out: &mut Outlet<'_, C>) {
        let one_sided = !self.is_acknowledged();
        let label = out.label(false);
        let rare = self.rare();
        rare.went_on = false;
        // What the snap length cut off stays a hole.
        let mut differing = rare.early.insert(piece.start, piece.bytes, label);
        if differing > 0 {
            let (start, bytes) = (piece.start, piece.bytes.to_vec());
            let is_new = rare.copies.keep(HeldCopy { start, bytes, label, differing, firm: true });
            differing = if is_new { differing } else { 0 };
        }
        let goes_on_from_syn = rare.syn_bytes == piece.start;
        self.report_conflict(differing, out);
        if one_sided && goes_on_from_syn {
            // The sender goes on behind what came with its SYN: it was accepted (RFC 7413).
            self.confirm(piece.start, out);
        }
        self.keep_bounds(out);
    }

    /// Holds no more than the bounds allow; see [`FlowConfig`].
    fn keep_bounds<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        loop {
            let (next, acked, lately) = (self.next, self.acked(), self.was_acknowledged(out.now, LATELY));
            let Some(rare) = &mut self.rare else { break };
            let count = rare.early.count() + rare.aside.count() + rare.copies.count();
            let too_many = count > out.config.direction_segments as usize;
            let bytes = rare.early.bytes() + rare.aside.bytes() + rare.copies.bytes();
            let too_much = bytes > u64::from(out.config.direction_bytes);
            out.counters.limit_direction_segments += u64::from(too_many);
            out.counters.limit_direction_bytes += u64::from(too_much && !too_many);
            if !too_many && !too_much {
                break;
            }
            let receiver_waits = acked <= next && lately;
            if rare.copies.pop().is_some() {
                continue;
            } else if let Some((_, chunk)) = rare.aside.pop_last() {
                out.counters.doubtful_dropped_bytes += chunk.bytes.len() as u64;
            } else if receiver_waits {
                rare.early.pop_last();
            } else if let Some((start, _)) = rare.early.first_span() {
                self.give_up(start.max(next + 1), out);
            }
            self.release_if_empty(out);
        }
    }

    /// Tells what follows without a hole.
    fn tell_contiguous<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        while let Some((start, end)) = self.rare.as_ref().and_then(|rare| rare.early.first_span()) {
            self.skip_through(start, end, out);
            if start > self.next {
                break;
            }
            let Some((_, chunk)) = self.rare.as_mut().and_then(|rare| rare.early.pop_first()) else { break };
            self.pass(part(&chunk.bytes, start, self.next, end), (chunk.label.at, chunk.label.ttl), out);
            self.settle_copies(out);
        }
        self.settle_copies(out);
        self.settle_syn_data(out);
        if let Some(rare) = &mut self.rare {
            out.counters.doubtful_dropped_bytes += rare.aside.forget_before(self.next);
            self.release_if_empty(out);
        }
    }

    /// Tells bytes that are next.
    pub(super) fn pass<C: StreamConsumer>(&mut self, bytes: &[u8], (at, ttl): (Stamp, u8), out: &mut Outlet<'_, C>) {
        if !bytes.is_empty() {
            let start = self.next;
            self.advance_to(start + bytes.len() as i64);
            let interest = out.tell(StreamEvent::Data { dir: out.dir, offset: start as u64, bytes, at });
            self.obey(interest, out);
            if !self.is_stopped() && !out.stop {
                self.told = out.recall.push(self.memory(out), recall::Piece { start, bytes, ttl, rival: false });
            }
        }
    }

    /// Bytes up to `to` were lost on the way to the sensor, or were never sent.
    fn lose_to<C: StreamConsumer>(&mut self, to: i64, out: &mut Outlet<'_, C>) {
        if self.is_acknowledged() {
            let unseen = to.min(self.acked()) - self.next;
            out.counters.tcp_acked_unseen_bytes += u64::try_from(unseen).unwrap_or(0);
        }
        if self.next < to {
            self.gap_to(to, out);
        }
    }

    fn gap_to<C: StreamConsumer>(&mut self, to: i64, out: &mut Outlet<'_, C>) {
        let (offset, len) = (self.next as u64, (to - self.next) as u64);
        self.advance_to(to);
        out.profile.gaps = out.profile.gaps.saturating_add(1);
        out.counters.gaps += 1;
        out.counters.gap_bytes += len;
        let interest = out.tell(StreamEvent::Gap { dir: out.dir, offset, len, at: out.at });
        self.obey(interest, out);
    }

    pub(super) fn obey<C: StreamConsumer>(&mut self, interest: Interest, out: &mut Outlet<'_, C>) {
        match interest {
            Interest::Continue => {}
            Interest::SkipBytes(n) => {
                let n = i64::try_from(n).unwrap_or(i64::MAX);
                self.set_skip_to(self.skip_to().max(self.next.saturating_add(n)));
            }
            Interest::StopDirection | Interest::StopFlow => {
                self.stop(out);
            }
        }
    }

    fn drop_aside<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        if let Some(rare) = &mut self.rare {
            out.counters.doubtful_dropped_bytes += std::mem::take(&mut rare.aside).bytes();
        }
    }

    fn release_if_empty<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        if self.rare.as_ref().is_some_and(|rare| rare.holds_nothing()) {
            self.release(out);
        }
    }
}
