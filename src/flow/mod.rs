//! Floor 2: which connection, and what bytes? Takes segments, gives each direction's bytes in
//! order and never twice, with gaps and anomalies named.

use std::time::Duration;

use crate::base::net::{Endpoint, Tenant};
use crate::base::time::Stamp;
use crate::packet::MacPair;

/// Which way bytes travel. `Forward` is from the side believed to have opened the connection
/// (sender of the SYN; joined mid-stream: the sender of the first segment seen, unless its port
/// is the lower, well-known one). Who is the client is decided by what they say, not here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// From the initiator.
    Forward,
    /// From the responder.
    Reverse,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Reverse,
            Self::Reverse => Self::Forward,
        }
    }

    /// 0 for `Forward`, 1 for `Reverse`.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Identity of a flow: the stamp frame that opened it, unique in a history and the same for every
/// number of workers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct FlowId(pub crate::base::time::FrameId);

/// What is known of a flow, passed with every event.
#[derive(Clone, Debug)]
pub struct FlowInfo {
    /// Identity.
    pub id: FlowId,
    /// VLANs and tunnels.
    pub tenant: Tenant,
    /// The side believed to have opened it.
    pub initiator: Endpoint,
    /// The other side.
    pub responder: Endpoint,
    /// Frame MACs of the first segment, oriented so that `source` is the initiator's.
    pub mac: Option<MacPair>,
    /// First frame.
    pub opened: Stamp,
    /// No handshake was seen.
    pub midstream: bool,
    /// Segments of both directions were seen.
    pub two_sided: bool,
    /// Gaps so far, both directions.
    pub gaps: u32,
}

/// What happens on a flow.
#[derive(Clone, Copy, Debug)]
pub enum StreamEvent<'a> {
    /// The next bytes of one direction, in order and never twice.
    Data {
        /// Which way.
        dir: Direction,
        /// Stream offset of the first byte: 0 is the first byte after the SYN (or first seen).
        /// Includes skipped bytes and gaps.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
        /// The frame that carried them (the buffered one's own when they arrived early).
        at: Stamp,
    },
    /// Bytes that will never come: lost, or cut by the snap length.
    Gap {
        /// Which way.
        dir: Direction,
        /// Stream offset of the first missing byte.
        offset: u64,
        /// How many.
        len: u64,
        /// The frame at which the gap was given up.
        at: Stamp,
    },
    /// Odd TCP behaviour, not yet a verdict.
    Anomaly(Anomaly),
    /// No more bytes in this direction (FIN in order). The other may go on.
    HalfClosed {
        /// Which way.
        dir: Direction,
        /// When.
        at: Stamp,
    },
    /// The last event of a flow.
    Closed {
        /// Why.
        reason: CloseReason,
        /// When: the last time known.
        at: Stamp,
    },
}

/// Odd TCP behaviour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anomaly {
    /// What.
    pub kind: AnomalyKind,
    /// Which direction's sender it concerns.
    pub dir: Direction,
    /// The frame that showed it.
    pub at: Stamp,
}

/// Kinds of odd TCP behaviour; the labels of metrics.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AnomalyKind {
    /// A retransmitted or overlapping range carried other bytes than the copy seen first.
    OverlapConflict,
}

/// Why a flow ended; the labels of `flows_evicted_total{reason}` and of counters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CloseReason {
    /// Both directions finished.
    Fin,
    /// A believable reset, and silence after it.
    Reset,
    /// A new connection took the same addresses and ports.
    Reused,
    /// Nothing for as long as the timeout.
    Timeout,
    /// The table was full; the flow idle longest went.
    Evicted,
    /// The consumer asked for it.
    Stopped,
    /// End of the capture.
    Drained,
}

/// The one small value that travels down: what the consumer wants of a flow from now on.
/// Applies to the direction of the event it answers, except `StopFlow`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Keep the bytes coming.
    Continue,
    /// No more bytes of this direction; sequence numbers are still followed.
    StopDirection,
    /// No more bytes of either direction.
    StopFlow,
    /// Do not show the next `n` bytes of this direction after those of this event (a body, an
    /// encrypted record): they are counted, not buffered.
    SkipBytes(u64),
}

/// What a flow's bytes are fed to; it lives in the flow's entry.
pub trait StreamConsumer {
    /// What all consumers of one worker share: outputs, counters, rules.
    type Shared;

    /// Made when a flow is first seen.
    fn open(flow: &FlowInfo, shared: &mut Self::Shared) -> Self;

    /// One event, in order.
    fn on_event(&mut self, flow: &FlowInfo, event: StreamEvent<'_>, shared: &mut Self::Shared) -> Interest;

    /// Bytes of heap memory held, for the memory budget.
    fn held_bytes(&self) -> usize;
}

/// Bounds and timeouts of flow tracking.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// Bytes for flow entries; at about 400 bytes each this bounds their number. Default 20 % of the budget.
    pub table_bytes: u64,
    /// Bytes buffered out of order over all flows. Default 25 % of the budget.
    pub reassembly_bytes: u64,
    /// Bytes buffered out of order per direction. Default 256 KiB.
    pub direction_bytes: u32,
    /// Segments buffered out of order per direction. Default 1,024.
    pub direction_segments: u32,
    /// Silence after which an established flow is forgotten. Default 15 minutes.
    pub established_timeout: Duration,
    /// Silence after which a flow that is opening or closing is forgotten. Default 60 s.
    pub closing_timeout: Duration,
    /// Silence after which missing bytes are given up in the middle of a message. Default 2 minutes.
    pub mid_message_timeout: Duration,
    /// Seed of the table's hash; random in the daemon, an argument in tests.
    pub hash_seed: u64,
}
