//! Floor 2: which connection, and what bytes? Takes segments, gives each direction's bytes in
//! order and never twice, with gaps and anomalies named.
//!
//! A sensor is not the receiving host, and whoever evades it lives in the difference. Three ideas
//! keep the difference small:
//!
//! * **A packet that a host would ignore must not cost us the flow.** Resets, SYNs and FINs are
//!   noted; what the sides do next decides what they meant.
//! * **A doubtful segment waits for its acknowledgement** (see `doubt`): a bad checksum, an
//!   unexpected signature, an old timestamp … A forgery is never acknowledged, an offloaded checksum
//!   always is.
//! * **A hole is a gap when the receiver has got past it** and the bytes still do not come; or, where
//!   only one side is seen, when the sender stays silent or the bounds are reached.
//!
//! | file | question |
//! |---|---|
//! | `tracker` | which flow does a segment belong to, and how long is it remembered? |
//! | `hash` | under which number is a flow filed? |
//! | `profile` | what is known of a flow, in few bytes? |
//! | `flow` | what does a segment mean for its connection? |
//! | `news` | what does a segment bring? |
//! | `handshake` | where do the sequence numbers of a connection begin? |
//! | `doubt` | would the receiving host take this segment? |
//! | `stream` | how far has one side sent, and how far has the other acknowledged? |
//! | `reassembler` | which bytes come next? |
//! | `contest` | which other copies of its bytes does a stream have? |
//! | `recall` | what was told lately? |
//! | `chunks` | which bytes are held? |
//! | `defrag` | which fragments make a datagram, and when is it whole? |
//! | `storm` | are both sides out of step? |
//! | `timer` | who has been silent for too long? |
//! | `fairness` | how many flows has each source? |
//! | `counters` | what has happened so far? |

mod chunks;
mod contest;
mod counters;
pub mod defrag;
mod doubt;
mod fairness;
#[allow(clippy::module_inception, reason = "the floor is named after its main word")]
mod flow;
mod handshake;
mod hash;
mod news;
mod profile;
mod reassembler;
mod recall;
mod storm;
mod stream;
#[cfg(test)]
mod tests;
mod timer;
mod tracker;
mod usual;

use std::fmt;

use std::time::Duration;

pub use counters::FlowCounters;
pub use defrag::{DefragConfig, DefragCounters, Defragmenter};
pub use doubt::Doubt;
pub use hash::FlowHash;
pub use tracker::FlowTable;

use crate::base::net::{Endpoint, Tenant};
use crate::base::time::Stamp;
use crate::packet::{MacPair, SynTraits};

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

/// Identity of a flow: the segment of a frame that opened it, unique in a history and the same for
/// every number of workers.
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
    /// TTL or hop limit of the first segment, when it was the initiator's.
    pub initiator_ttl: Option<u8>,
    /// The initiator's TCP stack, when its SYN was the first segment.
    pub syn: Option<SynTraits>,
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
#[derive(Clone, Copy)]
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
    /// Other bytes for a range that was delivered before: no part of the stream, and perhaps what the
    /// receiver took. `bytes` is the remembered neighbourhood (up to 4 KiB, as far as it is without
    /// a gap) with the rival copy in its place, so that a head which began before it can be read as a
    /// whole; the urgent byte left out is a reading too. Where what was delivered is forgotten, `bytes` is
    /// the copy itself with what is known around it, and no anomaly was told. Told after the anomaly: when the other side
    /// goes on, 2 KiB later, after a second of silence or at the end, and again when more of it is known.
    /// An answer other than `StopFlow` does not matter.
    Rival {
        /// Which way.
        dir: Direction,
        /// Stream offset of the first byte of `bytes`.
        offset: u64,
        /// What the stream would have been.
        bytes: &'a [u8],
        /// The frame that carried the newest rival copy.
        at: Stamp,
    },
    /// Odd TCP behaviour, not yet a verdict.
    Anomaly(Anomaly),
    /// No more bytes in this direction: its FIN was acknowledged (where only one side is seen: the
    /// flow is closing). The other may go on.
    HalfClosed {
        /// Which way.
        dir: Direction,
        /// When.
        at: Stamp,
    },
    /// The last event of a flow; the answer does not matter.
    Closed {
        /// Why.
        reason: CloseReason,
        /// The last frame of the flow.
        at: Stamp,
    },
}

impl fmt::Debug for StreamEvent<'_> {
    /// The bytes may hold a token: only how many they are is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data { dir, offset, bytes, at } => {
                write!(f, "Data({dir:?}, {} bytes at {offset}, {at:?})", bytes.len())
            }
            Self::Gap { dir, offset, len, at } => write!(f, "Gap({dir:?}, {len} bytes at {offset}, {at:?})"),
            Self::Rival { dir, offset, bytes, at } => {
                write!(f, "Rival({dir:?}, {} bytes at {offset}, {at:?})", bytes.len())
            }
            Self::Anomaly(anomaly) => write!(f, "{anomaly:?}"),
            Self::HalfClosed { dir, at } => write!(f, "HalfClosed({dir:?}, {at:?})"),
            Self::Closed { reason, at } => write!(f, "Closed({reason:?}, {at:?})"),
        }
    }
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AnomalyKind {
    /// A retransmitted or overlapping range carried other bytes than the copy seen first.
    OverlapConflict,
    /// A segment came in IP fragments that overlap with other bytes (RFC 5722).
    FragmentConflict,
    /// Two SYNs with ACK answer one SYN with different sequence numbers.
    SynAckConflict,
    /// Data goes on after a reset of the same side whose number of hops, or line of datagram
    /// identifications, was another.
    RstInjected,
    /// An urgent pointer to a byte inside the data that is read: hosts may leave that byte out (RFC 6093).
    UrgentInside,
    /// Both sides keep telling each other that they are out of step.
    DesyncStorm,
}

impl AnomalyKind {
    /// The label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::OverlapConflict => "overlap_conflict",
            Self::FragmentConflict => "fragment_conflict",
            Self::SynAckConflict => "synack_conflict",
            Self::RstInjected => "rst_injected",
            Self::UrgentInside => "urgent_inside",
            Self::DesyncStorm => "desync_storm",
        }
    }
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

impl CloseReason {
    /// Every reason, for creating the metric at 0.
    pub const ALL: [Self; 7] =
        [Self::Fin, Self::Reset, Self::Reused, Self::Timeout, Self::Evicted, Self::Stopped, Self::Drained];

    /// The label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Reset => "reset",
            Self::Reused => "reused",
            Self::Timeout => "timeout",
            Self::Evicted => "evicted",
            Self::Stopped => "stopped",
            Self::Drained => "drained",
        }
    }
}

/// The one small value that travels down: what the consumer wants of a flow from now on.
/// Applies to the direction of the event it answers, except `StopFlow`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Keep the bytes coming.
    Continue,
    /// No more bytes of this direction; sequence numbers are still followed.
    StopDirection,
    /// No more bytes of either direction. `Closed` with [`CloseReason::Stopped`] follows at once and
    /// the consumer is dropped; what is left is an entry that knows the flow's segments by their headers.
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

    /// A message has begun and waits for its end: then the flow is kept longer.
    fn is_mid_message(&self) -> bool {
        false
    }
}

/// Bounds and timeouts of flow tracking. What happens at a bound, and the counter that tells:
///
/// * `table_bytes`: the flow idle longest goes with [`CloseReason::Evicted`] (flows that only opened
///   first, when they fill a quarter of the table; and before it a flow of a source that has more than
///   an eighth of the table and twice as many as the idle one's); `limit_flow_table`.
/// * `reassembly_bytes`: of the flows that hold bytes, the one idle longest declares its holes to be
///   gaps and goes on; `limit_reassembly_bytes`.
/// * `direction_bytes`, `direction_segments`: if the receiver was heard lately and still waits for the
///   hole, the bytes farthest ahead are forgotten (they become a gap unless they are sent again);
///   otherwise the hole becomes a gap; `limit_direction_bytes`, `limit_direction_segments`.
/// * `recall_bytes`: the oldest bytes are forgotten, and copies of them are not compared; `limit_recall`.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// Bytes for flow entries and for what their consumers hold; at about 230 bytes and the
    /// consumer's own size each this bounds their number. Default 20 % of the budget.
    pub table_bytes: u64,
    /// Bytes held over all flows because they came early or are in doubt. Default 25 % of the budget.
    pub reassembly_bytes: u64,
    /// Bytes of memory for delivered bytes with which later copies are compared, over all flows; less
    /// than 8 KiB remembers nothing. Default 1/128 of the budget.
    pub recall_bytes: u64,
    /// The same as `reassembly_bytes` per direction. Default 256 KiB.
    pub direction_bytes: u32,
    /// Segments held per direction. Default 1,024.
    pub direction_segments: u32,
    /// Silence after which an established flow is forgotten; four times as long in the middle of a
    /// message. Default 15 minutes.
    pub established_timeout: Duration,
    /// Silence after which a flow that is opening or closing is forgotten. Default 60 s.
    pub closing_timeout: Duration,
    /// Silence after which missing bytes are given up in the middle of a message, where the other
    /// side's acknowledgements are not seen. Default 2 minutes.
    pub mid_message_timeout: Duration,
    /// Seed of the table's hash; random in the daemon, an argument in tests.
    pub hash_seed: u64,
}

/// The defaults of a budget of 1 GiB, with a fixed seed.
impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            table_bytes: (1 << 30) / 5,
            reassembly_bytes: 1 << 28,
            recall_bytes: 1 << 23,
            direction_bytes: 256 << 10,
            direction_segments: 1024,
            established_timeout: Duration::from_secs(15 * 60),
            closing_timeout: Duration::from_secs(60),
            mid_message_timeout: Duration::from_secs(2 * 60),
            hash_seed: 0,
        }
    }
}
