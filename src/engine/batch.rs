//! What travels between the reader and a worker? Steps one way, what was seen in them the other way.

use std::sync::Arc;
use std::time::Duration;

use super::clock::Stopwatch;
use super::worker::{Worker, WorkerCounts};
use crate::base::time::{Stamp, Timestamp};
use crate::flow::FlowId;
use crate::packet::{NeighbourClaim, PackedSegment, Segment};
use crate::proto::tls::keys::KeyLog;
use crate::token::Seen;

/// Steps before which the memory of their flows is asked for.
const LOOK_AHEAD: usize = 16;

/// The time believed at one step.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Number of the step, from 0 in its round. Every worker counts all steps, its own or not.
    pub step: u32,
    /// The time that flows go by.
    pub timers: Timestamp,
    /// The time that sessions go by.
    pub now: Timestamp,
}

/// Something for the judge, and when.
pub struct Heard {
    /// When.
    pub moment: Moment,
    /// Where in its step.
    pub order: Order,
    /// What.
    pub what: What,
}

/// The order of what belongs to one step; equal ones stay as they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Order {
    /// The step is a segment: one worker saw everything.
    Segment,
    /// Every worker did the step: by flow, as one worker alone orders it.
    Flow(FlowId),
    /// The reader's own, after what workers saw.
    Reader,
}

/// What the judge is told.
pub enum What {
    /// A worker saw this.
    Seen(Seen),
    /// Time went on.
    Time,
    /// Somebody said where an address is.
    Neighbour(NeighbourClaim, Stamp),
}

/// What a worker does.
#[allow(clippy::large_enum_variant, reason = "nearly all are segments")]
#[derive(Debug)]
enum Work {
    /// With the hash of its flow.
    Segment(PackedSegment, u32, Stamp),
    Time,
    Learn(Arc<KeyLog>),
    Finish,
}

impl Work {
    /// The hash of the flow that it is done for.
    const fn hash(&self) -> Option<u32> {
        match self {
            Self::Segment(_, hash, _) => Some(*hash),
            Self::Time | Self::Learn(_) | Self::Finish => None,
        }
    }
}

/// One worker's part of a round. It travels to the worker and back and keeps its memory.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    steps: Vec<(Moment, Work)>,
    /// Out: what was seen.
    pub heard: Vec<Heard>,
    /// Out: what the worker has counted so far.
    pub counts: WorkerCounts,
    /// Out: how long it took.
    pub busy: Duration,
}

impl Batch {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Bytes copied.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a segment.
    pub fn segment(&mut self, segment: &Segment<'_>, hash: u32, at: Stamp, moment: Moment) {
        if let Some(packed) = PackedSegment::pack(segment, &mut self.bytes) {
            self.steps.push((moment, Work::Segment(packed, hash, at)));
        }
    }

    /// Adds a round of timers.
    pub fn time(&mut self, moment: Moment) {
        self.steps.push((moment, Work::Time));
    }

    /// Adds secrets that came.
    pub fn learn(&mut self, keys: Arc<KeyLog>, moment: Moment) {
        self.steps.push((moment, Work::Learn(keys)));
    }

    /// Adds the end of the history.
    pub fn finish(&mut self, moment: Moment) {
        self.steps.push((moment, Work::Finish));
    }

    /// Lets `worker` do it all.
    pub fn work(&mut self, worker: &mut Worker) {
        let watch = Stopwatch::start();
        for steps in self.steps.chunks(LOOK_AHEAD) {
            worker.expect(steps.iter().filter_map(|(_, work)| work.hash()));
            for &(moment, ref work) in steps {
                match work {
                    Work::Segment(packed, hash, at) => {
                        worker.segment(&packed.unpack(&self.bytes), *hash, *at, moment.timers);
                    }
                    Work::Time => worker.on_time(moment.timers),
                    Work::Learn(keys) => worker.learn(keys),
                    Work::Finish => worker.finish(),
                }
                self.heard.extend(worker.drain().map(|seen| {
                    let order = match work {
                        Work::Segment(..) => Order::Segment,
                        Work::Time | Work::Learn(_) | Work::Finish => Order::Flow(seen.flow()),
                    };
                    Heard { moment, order, what: What::Seen(seen) }
                }));
            }
        }
        self.steps.clear();
        self.bytes.clear();
        self.counts = worker.counts();
        self.busy = watch.elapsed();
    }
}
