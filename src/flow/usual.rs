//! Is it what most segments are: the next bytes of an established connection, or an acknowledgement?
//! Then a few tests replace the general way; anything else is left to it.

use super::flow::{Desk, Flow, pair};
use super::reassembler::Piece;
use super::stream::{Origin, Stream};
use super::{Direction, StreamConsumer, doubt};
use crate::base::time::Stamp;
use crate::packet::{Segment, TcpFlags};

/// The flags that say nothing about the stream.
const SILENT: u8 = !(TcpFlags::FIN | TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK | TcpFlags::URG);

/// What a usual segment came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Usual {
    /// Nothing was told: the flow holds what it held and waits, established, for what comes.
    Quiet,
    /// The consumer was told of bytes.
    Told,
}

impl<C: StreamConsumer> Flow<C> {
    /// Takes a usual segment, to the same effect as [`Flow::on_segment`] has; `None` when it is not
    /// usual, and nothing has happened.
    #[inline]
    pub(super) fn on_usual_segment(
        &mut self,
        dir: Direction,
        segment: &Segment<'_>,
        at: Stamp,
        desk: &mut Desk<'_, C::Shared>,
    ) -> Option<Usual> {
        let plain = segment.flags.0 & !SILENT == TcpFlags::ACK && segment.cut == 0 && !segment.fragment_conflict;
        if !plain || !self.is_undisturbed() {
            return None;
        }
        let (own, peer) = pair(&mut self.streams, dir);
        if !own.is_usual() || !peer.is_usual() || !own.is_next(segment.seq) {
            return None;
        }
        let len = segment.payload.len();
        let is_read = own.is_read(len);
        let timestamp = if len > 0 { doubt::timestamp(segment, own, peer) } else { None };
        let is_odd = if is_read {
            doubt::with_timestamp(timestamp, segment, own, peer).is_some()
        } else {
            len == 0 && peer.is_unsent(segment.ack)
        };
        if is_odd {
            return None;
        }
        if own.is_offered() || peer.is_offered() {
            self.profile.note_handshake();
        }
        if let Some(news) = peer.acknowledge(segment.ack, desk.now) {
            desk.counters.tcp_acked_bytes += news;
        }
        if let Some(value) = timestamp {
            own.note_timestamp(value);
        }
        if len > 0 && !is_read {
            own.advance_to(own.next + len as i64);
        }
        self.hear(dir, at);
        if !is_read {
            return Some(Usual::Quiet);
        }
        let (streams, mut out) = self.parts(dir, desk);
        out.ttl = segment.ttl;
        let (own, _) = pair(streams, dir);
        if own.skips_nothing() {
            own.pass(segment.payload, (out.at, out.ttl), &mut out);
        } else {
            own.accept(Piece { start: own.next, bytes: segment.payload, cut: 0 }, &mut out);
        }
        if out.stop {
            self.after_events(true, desk);
        }
        Some(Usual::Told)
    }
}

impl Stream {
    /// Where it begins is known, where it ends is not, and nothing about it is rare.
    #[inline]
    pub(super) fn is_usual(&self) -> bool {
        self.origin == Origin::Known && self.rare.is_none() && self.fin().is_none()
    }
}
