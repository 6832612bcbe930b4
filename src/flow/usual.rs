//! Is it what most segments are: the next bytes of an established connection, or an acknowledgement?
//! Then a few tests replace the general way; anything else is left to it.

use super::flow::{Desk, Flow, pair};
use super::news::{note_timestamp, take_ack};
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
        if !own.is_usual() || !peer.is_usual() || own.position(segment.seq) != own.next {
            return None;
        }
        let (start, len) = (own.next, segment.payload.len() as i64);
        let is_read = start + len > own.skip_to().max(start);
        let is_odd = match segment.payload {
            [] => peer.position(segment.ack) > peer.sent(),
            _ => is_read && doubt::of(segment, own, peer).is_some(),
        };
        if is_odd {
            return None;
        }
        self.hear(dir, at);
        let (streams, mut out) = self.parts(dir, desk);
        out.ttl = segment.ttl;
        let (own, peer) = pair(streams, dir);
        if own.is_offered() || peer.is_offered() {
            out.profile.note_handshake();
        }
        take_ack(segment, peer, &mut out);
        if len > 0 {
            own.note_sent(start + len);
            note_timestamp(segment, own, peer);
            own.accept(Piece { start, bytes: segment.payload, cut: 0 }, &mut out);
        }
        let stop = out.stop;
        if stop {
            self.after_events(stop, desk);
        }
        Some(if is_read { Usual::Told } else { Usual::Quiet })
    }
}

impl Stream {
    /// Where it begins is known, where it ends is not, and nothing about it is rare.
    fn is_usual(&self) -> bool {
        self.origin == Origin::Known && self.rare.is_none() && self.fin().is_none()
    }
}
