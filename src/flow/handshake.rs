//! Where do the sequence numbers of a connection begin? SYNs, and what to believe when there are several.
//!
//! No SYN is believed for itself once another was seen: the first one holds, a later one with another
//! number becomes its *rival*. The rival wins when the other side acknowledges it, or, where the other
//! side is not seen, when the data goes on from it. If bytes were told by then, the old connection is
//! over and a new one has taken its place.

use super::doubt;
use super::stream::{Origin, Stream, Terms};
use crate::packet::{Checksum, Segment, SeqNumber, SynTraits};

/// A SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    /// Its sequence number.
    pub(super) isn: SeqNumber,
    /// What it offers.
    pub(super) terms: Terms,
    /// It came with an ACK: the other side opened.
    pub(super) answers: bool,
    /// The sender's TCP stack, where the SYN itself was seen.
    pub(super) traits: Option<SynTraits>,
}

impl Offer {
    fn of(segment: &Segment<'_>) -> Self {
        Self {
            isn: segment.seq,
            terms: Terms {
                window_scale: segment.options.window_scale(),
                timestamps: segment.options.timestamps().is_some(),
                signed: segment.options.has_md5(),
            },
            answers: segment.flags.ack(),
            traits: SynTraits::of(segment),
        }
    }

    /// A SYN that was not captured, before the byte `first`.
    fn unseen(first: SeqNumber) -> Self {
        let terms = Terms { window_scale: None, timestamps: false, signed: false };
        Self { isn: first.plus(u32::MAX), terms, answers: false, traits: None }
    }

    /// The first byte after the SYN.
    fn first(self) -> SeqNumber {
        self.isn.plus(1)
    }

    /// Whether `seq` could be of a connection that has just begun with this SYN.
    pub(super) fn is_near(self, seq: SeqNumber) -> bool {
        (0..=1 << 20).contains(&seq.distance_from(self.first()))
    }
}

/// Sender or receiver of the segment at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Sender,
    Receiver,
}

/// A new connection has taken the place of the old one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reopened {
    pub(super) opener: Side,
    /// The SYN that proved right, and whose it was.
    pub(super) began: Option<(Side, Offer)>,
}

/// `own` sent a SYN, with or without ACK. A bare SYN in answer to a SYN (split handshake,
/// simultaneous opening) needs no case of its own.
pub(super) fn on_syn(segment: &Segment<'_>, own: &mut Stream, peer: &mut Stream) -> Option<Reopened> {
    if segment.flags.ack() && peer.origin == Origin::Known {
        let anew = begun_anew(segment.ack, own, peer);
        if anew.is_none() && peer.is_answered_by(segment.ack) {
            peer.set_rival(None);
        } else if let Some(rival) = anew.or_else(|| peer.rival().filter(|rival| rival.is_near(segment.ack))) {
            if !(own.is_fresh() && peer.is_fresh()) {
                return Some(Reopened { opener: Side::Receiver, began: Some((Side::Receiver, rival)) });
            }
            peer.change_over();
        } else {
            // Neither the SYN we hold nor its rival: perhaps one that was not captured.
            peer.set_rival(Some(Offer::unseen(segment.ack)));
        }
    }
    let offer = Offer::of(segment);
    if own.origin != Origin::Known {
        own.begin(offer.first(), Origin::Known);
        own.take_offer(segment);
    } else if own.began_with(offer.isn) {
        // Sent again, or captured after the first data.
        if own.terms().is_none() {
            own.take_offer(segment);
        }
    } else if own.fin().is_some() && peer.fin().is_some() && !offer.answers {
        return Some(Reopened { opener: Side::Sender, began: None });
    } else {
        own.set_rival(Some(offer));
    }
    None
}

/// The SYN that `own`, which has not opened before, answers by acknowledging `ack`, where that lies
/// inside what `peer` has sent: bytes before an initial sequence number are none of its connection. A
/// SYN that was not seen is believed only where `peer` began without one and alone.
fn begun_anew(ack: SeqNumber, own: &Stream, peer: &Stream) -> Option<Offer> {
    let inside = (1..=peer.sent()).contains(&peer.position(ack));
    if !inside || own.is_offered() {
        return None;
    }
    let unseen = !peer.is_offered() && !peer.is_fresh() && own.is_fresh();
    peer.rival().filter(|rival| rival.first() == ack).or_else(|| unseen.then(|| Offer::unseen(ack)))
}

/// Whether a SYN with ACK answers the same SYN as the one before it did, with another number: one of
/// them is not of the host that was called.
pub(super) fn is_second_answer(segment: &Segment<'_>, own: &Stream, peer: &Stream) -> bool {
    segment.flags.syn()
        && segment.flags.ack()
        && own.terms().is_some()
        && !own.began_with(segment.seq)
        && peer.origin == Origin::Known
        && peer.is_answered_by(segment.ack)
        && !doubt::unexpected_signature(segment, own, peer)
        && segment.checksum() != Checksum::Invalid
}

/// `own` acknowledges a number that only the rival of the SYN we hold can have led to.
pub(super) fn on_ack(segment: &Segment<'_>, own: &Stream, peer: &mut Stream) -> Option<Reopened> {
    let rival = peer.rival().filter(|rival| rival.is_near(segment.ack))?;
    if peer.is_acknowledged_by(segment.ack) {
        None
    } else if peer.is_fresh() && own.is_fresh() {
        peer.change_over();
        None
    } else {
        let opener = if rival.answers { Side::Sender } else { Side::Receiver };
        Some(Reopened { opener, began: Some((Side::Receiver, rival)) })
    }
}

/// `own` sent bytes at `seq`: this settles where it begins, if that is still open.
pub(super) fn on_bytes(seq: SeqNumber, own: &mut Stream, doubtful: bool, two_sided: bool) -> Option<Reopened> {
    if own.origin != Origin::Known {
        let elsewhere = own.origin == Origin::Unknown || own.position(seq) < 0 || !own.is_near(seq);
        // Doubtful bytes settle nothing for those that come after them.
        let origin = if doubtful { Origin::Guessed } else { Origin::Known };
        if elsewhere {
            own.begin(seq, origin);
        }
        own.origin = origin;
        return None;
    }
    let rival = own.rival().filter(|_| !doubtful && !own.is_acknowledged())?;
    if own.position(seq) == own.next || !rival.is_near(seq) {
        // Data goes on from the SYN we hold.
        if own.is_fresh() && own.position(seq) == 0 {
            own.set_rival(None);
        }
    } else if own.is_fresh() {
        if seq == rival.first() || !own.is_near(seq) {
            own.change_over();
        }
    } else if !own.is_near(seq) && !two_sided {
        return Some(Reopened { opener: Side::Sender, began: Some((Side::Sender, rival)) });
    }
    None
}

impl Stream {
    /// Whether a SYN with ACK that acknowledges `seq` answers the SYN this stream began with, and
    /// perhaps the bytes in it; or is an old one.
    pub(super) fn is_answered_by(&self, seq: SeqNumber) -> bool {
        let syn_bytes = self.rare.as_ref().map_or(0, |rare| rare.syn_bytes);
        let end = if self.is_fresh() { syn_bytes } else { self.sent() };
        self.origin == Origin::Unknown || (0..=end).contains(&self.position(seq))
    }

    /// Whether `seq` may acknowledge what this stream has sent.
    fn is_acknowledged_by(&self, seq: SeqNumber) -> bool {
        (0..=self.sent()).contains(&self.position(seq)) || (!self.is_fresh() && self.is_near(seq))
    }

    /// Takes the offer of a SYN.
    fn take_offer(&mut self, segment: &Segment<'_>) {
        self.set_terms(Offer::of(segment).terms);
        self.timestamp = segment.options.timestamps().map_or(0, |(value, _)| value);
    }

    /// The rival was right.
    fn change_over(&mut self) {
        if let Some(rival) = self.rival() {
            self.set_rival(None);
            self.begin_with(rival);
        }
    }

    /// The stream begins with this SYN, which was seen some time ago.
    pub(super) fn begin_with(&mut self, offer: Offer) {
        self.begin(offer.first(), Origin::Known);
        // The value of its timestamp was not kept, so later ones cannot be judged.
        self.set_terms(Terms { timestamps: false, ..offer.terms });
    }
}
