//! How much was read of the capture itself?

use crate::base::time::Timestamp;
use crate::packet::{DecodeError, Encapsulation, Frame};

/// Plain counters of frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// Frames.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// The lowest time seen and the highest, if there are frames.
    times: (Timestamp, Timestamp),
    /// Frames that could not be decoded, in the order of [`DecodeError::LAYERS`].
    pub undecoded: [u64; DecodeError::LAYERS.len()],
    /// Packets taken out of a tunnel, and TCP segments that came with VLAN tags, in the order of
    /// [`Encapsulation::ALL`].
    pub decapsulated: [u64; Encapsulation::ALL.len()],
    /// Packets in more tunnels, fragments and aggregates than are opened (`limit_hits_total{limit="tunnel_depth"}`).
    pub too_deep: u64,
    /// Frames lost to a panic while they were decoded (`panics_total{stage="packet"}`).
    pub panics: u64,
}

impl Reading {
    /// Nothing was read yet.
    pub const NOTHING: Self = Self {
        frames: 0,
        bytes: 0,
        times: (Timestamp(i64::MAX), Timestamp::MIN),
        undecoded: [0; DecodeError::LAYERS.len()],
        decapsulated: [0; Encapsulation::ALL.len()],
        too_deep: 0,
        panics: 0,
    };

    /// Counts a frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        self.bytes += u64::from(frame.wire_len);
        let (first, last) = self.times;
        self.times = (first.min(frame.at.ts), last.max(frame.at.ts));
    }

    /// The lowest time seen and the highest.
    #[must_use]
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        (self.frames > 0).then_some(self.times)
    }

    /// Counts a frame that could not be decoded.
    pub fn undecoded(&mut self, error: DecodeError) {
        let layers = self.undecoded.iter_mut().zip(DecodeError::LAYERS);
        layers.filter(|(_, layer)| *layer == error.layer()).for_each(|(count, _)| *count += 1);
    }

    /// Counts what came in a tunnel.
    pub fn decapsulated(&mut self, from: Encapsulation) {
        let kinds = self.decapsulated.iter_mut().zip(Encapsulation::ALL);
        kinds.filter(|(_, kind)| *kind == from).for_each(|(count, _)| *count += 1);
    }

    /// What came in tunnels, by kind.
    pub fn decapsulated_by_kind(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Encapsulation::LABELS.into_iter().zip(self.decapsulated)
    }

    /// Frames that could not be decoded, by layer.
    pub fn undecoded_by_layer(&self) -> impl Iterator<Item = (&'static str, u64)> {
        DecodeError::LAYERS.into_iter().zip(self.undecoded)
    }
}
