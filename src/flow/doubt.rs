//! Would the receiving host take this segment? Reasons to doubt it.
//!
//! A doubtful segment is held aside. It counts once the receiver acknowledges its bytes and no copy
//! beyond doubt has come until then: what the host ignored is never acknowledged, and what the host
//! took always is, even where the sensor misjudged (checksums left to a network card, lost frames).
//! If the flow ends and the receiver was not heard since, nobody knows; then those bytes count at last
//! whose doubt has an innocent reason in most captures, and all others are dropped. They can add to
//! what is read, and never take the place of what came beyond doubt.

use super::stream::{LARGEST_SHIFT, Origin, Stream, Terms};
use crate::packet::{Checksum, Segment};

/// Why a host might ignore a segment; the labels of metrics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Doubt {
    /// The checksum does not hold: damaged, forged, or captured before the network card filled it in.
    Checksum,
    /// No ACK flag on a segment that is no SYN (RFC 9293 §3.10.7.4).
    NoAck,
    /// It acknowledges bytes that the other side has not sent, or that were acknowledged a window and
    /// more ago (RFC 5961 §5).
    BadAck,
    /// It is signed though the connection is not (RFC 2385 §2).
    Signature,
    /// Its timestamp is older than one taken before (RFC 7323 §5.3).
    OldTimestamp,
    /// Data in a SYN, which many hosts drop (RFC 9293 §3.10.7.2, RFC 7413).
    SynData,
}

impl Doubt {
    /// Every doubt, for creating the metric at 0.
    pub const ALL: [Self; 6] =
        [Self::Checksum, Self::NoAck, Self::BadAck, Self::Signature, Self::OldTimestamp, Self::SynData];

    /// The label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Checksum => "checksum",
            Self::NoAck => "no_ack",
            Self::BadAck => "bad_ack",
            Self::Signature => "signature",
            Self::OldTimestamp => "old_timestamp",
            Self::SynData => "syn_data",
        }
    }
}

/// The largest window that can be offered without scaling (RFC 9293 §3.1).
const WINDOW: i64 = 65_535;
/// A segment with fewer option bytes than this carries no signature (RFC 2385 §2, RFC 5925 §2.2: at
/// least 4, mostly 16 or more).
const SIGNATURE_OPTION: usize = 4;

/// The reason to doubt a segment that `own` sent, if any. Reads the payload only when nothing else is wrong.
pub(super) fn of(segment: &Segment<'_>, own: &Stream, peer: &Stream) -> Option<Doubt> {
    with_timestamp(timestamp(segment, own, peer), segment, own, peer)
}

/// The same for a caller that knows the segment's [`timestamp`].
#[inline]
pub(super) fn with_timestamp(
    timestamp: Option<u32>,
    segment: &Segment<'_>,
    own: &Stream,
    peer: &Stream,
) -> Option<Doubt> {
    if segment.flags.syn() {
        Some(Doubt::SynData)
    } else if !segment.flags.ack() {
        Some(Doubt::NoAck)
    } else if unexpected_signature(segment, own, peer) {
        Some(Doubt::Signature)
    } else if bad_ack(segment, own, peer) {
        Some(Doubt::BadAck)
    } else if timestamp.is_some_and(|value| is_older(value, own.timestamp)) {
        Some(Doubt::OldTimestamp)
    } else if segment.checksum() == Checksum::Invalid {
        Some(Doubt::Checksum)
    } else {
        None
    }
}

/// Whether doubtful bytes count when the flow ends without a word of the receiver: where the checksum
/// looks left to the network card, or where loss and order of the capture would explain the rest.
pub(super) fn counts_at_last(doubt: Doubt, segment: &Segment<'_>) -> bool {
    match doubt {
        Doubt::BadAck | Doubt::OldTimestamp => {
            segment.checksum() != Checksum::Invalid || segment.checksum_left_to_card()
        }
        Doubt::Checksum => segment.checksum_left_to_card(),
        Doubt::NoAck | Doubt::Signature | Doubt::SynData => false,
    }
}

/// Whether the segment is signed though a SYN of the connection was not. Without SYNs nobody knows.
pub(super) fn unexpected_signature(segment: &Segment<'_>, own: &Stream, peer: &Stream) -> bool {
    segment.options.0.len() >= SIGNATURE_OPTION
        && (own.is_unsigned() || peer.is_unsigned())
        && segment.options.has_md5()
}

fn bad_ack(segment: &Segment<'_>, own: &Stream, peer: &Stream) -> bool {
    if peer.origin != Origin::Known || peer.rival().is_some_and(|rival| rival.is_near(segment.ack)) {
        return false;
    }
    if peer.is_unsent(segment.ack) {
        return true;
    }
    let old = peer.acked() - peer.position(segment.ack);
    // Any window is as large as the smallest of the largest ones.
    old > WINDOW && old > largest_window(own.terms(), peer.terms())
}

/// Bytes that the sender of `own` can have offered at most.
fn largest_window(own: Option<Terms>, peer: Option<Terms>) -> i64 {
    match (own, peer) {
        (Some(own), Some(peer)) => {
            WINDOW << own.window_scale.and(peer.window_scale.and(own.window_scale)).unwrap_or(0).min(LARGEST_SHIFT)
        }
        _ => WINDOW << LARGEST_SHIFT,
    }
}

/// The timestamp of a segment of `own`, where both sides agreed to send them (RFC 7323 §3.2).
pub(super) fn timestamp(segment: &Segment<'_>, own: &Stream, peer: &Stream) -> Option<u32> {
    (own.has_timestamps() && peer.has_timestamps())
        .then(|| segment.options.timestamps())
        .flatten()
        .map(|(value, _)| value)
}

/// Timestamps wrap as sequence numbers do.
pub(super) fn is_older(value: u32, than: u32) -> bool {
    value.wrapping_sub(than) > u32::MAX / 2
}
