//! What does a segment bring? Its acknowledgement, its bytes and its FIN, taken by the two streams.

use super::contest::Copy;
use super::handshake::{self, Reopened};
use super::reassembler::{Outlet, Piece};
use super::stream::{Origin, Stream};
use super::{Doubt, StreamConsumer, doubt};
use crate::packet::{Segment, SeqNumber};

/// What a segment brings.
pub(super) struct News {
    /// Sequence number of the first byte.
    first: SeqNumber,
    /// Bytes, those cut off included.
    pub(super) len: i64,
    doubt: Option<Doubt>,
}

impl News {
    pub(super) fn of(segment: &Segment<'_>, own: &Stream, peer: &Stream) -> Self {
        let first = segment.seq.plus(u32::from(segment.flags.syn()));
        let len = segment.payload.len() as i64 + i64::from(segment.cut);
        // Nobody reads what is old or skipped, so it need not be judged, nor its checksum computed.
        let end = own.position(first) + len;
        let unread = own.origin == Origin::Known && (end <= own.next || end <= own.skip_to());
        let matters = segment.flags.fin() || (len > 0 && !unread);
        Self { first, len, doubt: if matters { doubt::of(segment, own, peer) } else { None } }
    }

    /// Whether data goes on in a way that a reset before it cannot have been of the same side.
    pub(super) fn refutes_reset(&self, segment: &Segment<'_>, own: &mut Stream) -> bool {
        let end = own.position(self.first) + self.len;
        let goes_on = self.len > 0 && self.doubt.is_none() && end > own.next && own.is_near(segment.seq);
        let reset = own.rare.as_mut().and_then(|rare| rare.reset.as_mut());
        reset.filter(|_| goes_on).is_some_and(|reset| reset.is_refuted_by(segment))
    }

    /// Whether the acknowledgement of the segment says anything. A wrong checksum does not take it
    /// away: where both sides leave checksums to their network cards there is no other.
    pub(super) fn ack_counts(&self, segment: &Segment<'_>) -> bool {
        segment.flags.ack() && !matches!(self.doubt, Some(Doubt::BadAck | Doubt::Signature))
    }
}

/// Finds out where the streams begin, or that a new connection has begun.
pub(super) fn settle_origin(
    segment: &Segment<'_>,
    new: &News,
    own: &mut Stream,
    peer: &mut Stream,
    two_sided: bool,
) -> Option<Reopened> {
    if segment.flags.syn() {
        return handshake::on_syn(segment, own, peer);
    }
    if new.ack_counts(segment)
        && let reopened @ Some(_) = handshake::on_ack(segment, own, peer)
    {
        return reopened;
    }
    if new.len > 0 { handshake::on_bytes(segment.seq, own, new.doubt.is_some(), two_sided) } else { None }
}

/// The other side has got what it acknowledges.
pub(super) fn take_ack<C: StreamConsumer>(segment: &Segment<'_>, stream: &mut Stream, out: &mut Outlet<'_, C>) {
    if let Some(news) = stream.acknowledge(segment.ack, out.now) {
        out.counters.tcp_acked_bytes += news;
        if stream.rare.is_some() {
            stream.confirm(stream.acked(), out);
        }
    }
}

/// The timestamp of a segment that is next, or was.
#[inline]
pub(super) fn note_timestamp(segment: &Segment<'_>, own: &mut Stream, peer: &Stream) {
    if let Some(value) = doubt::timestamp(segment, own, peer) {
        own.note_timestamp(value);
    }
}

/// Bytes and FIN.
pub(super) fn take_bytes<C: StreamConsumer>(
    segment: &Segment<'_>,
    new: &News,
    own: &mut Stream,
    peer: &Stream,
    out: &mut Outlet<'_, C>,
) {
    let start = own.position(new.first);
    let mut piece = Piece { start, bytes: segment.payload, cut: i64::from(segment.cut) };
    let end = piece.end();
    if new.len > 0 {
        own.note_sent(end);
        let before = own.next;
        // A copy that no host takes is none.
        let copy = if start < before { own.compare(start, segment.payload, out) } else { Copy::default() };
        let contested = copy.may_differ() && new.doubt.or_else(|| doubt::of(segment, own, peer)).is_none();
        if contested {
            own.report_conflict(copy.differing, out);
        }
        if let Some(doubt) = new.doubt {
            out.counters.count_doubtful(doubt);
            own.set_aside(piece, doubt, doubt::counts_at_last(doubt, segment), out);
        } else if end <= own.next {
            out.counters.duplicates += 1;
            own.skip_through(start, end, out);
        } else {
            piece = piece.limited_to(own.limit_to_fin(end));
            out.counters.after_fin_bytes += (end - piece.end()) as u64;
            if start <= own.next {
                note_timestamp(segment, own, peer);
            }
            if let Some(pointer) = segment.urgent() {
                own.note_urgent(start, pointer, out);
            }
            own.accept(piece, out);
        }
        if contested && copy.forgotten {
            own.contest_alone(start, segment.payload, (out.at, out.ttl), out);
        } else if contested {
            own.contest(start, segment.payload, (out.at, out.ttl), out);
        }
        if own.rare.is_some() {
            own.settle_urgent(before, out);
        }
    }
    // A host notes where the urgent byte is before it comes, too (RFC 9293 §3.10.7.4).
    if new.len == 0
        && own.is_near(segment.seq)
        && let Some(pointer) = segment.urgent()
    {
        own.note_urgent(start, pointer, out);
    }
    // A FIN takes effect when it is acknowledged; where nobody is seen to, it must be beyond doubt.
    if segment.flags.fin() && (new.doubt.is_none() || (out.profile.is_two_sided() && own.fin().is_none())) {
        own.note_fin(end);
        own.skip_through(end, end, out);
    }
}
