//! How do several workers share the flows? Each has a thread and its flows; one reader hands out
//! segments in rounds, and takes back what was seen in the order in which it would have seen it alone.
//!
//! A round is a few hundred steps (segments and rounds of timers, numbered). Each worker gets its part
//! of it as one [`Batch`] and gives the batch back with what it saw. Timers go off at all workers in
//! the same step. What comes back is ordered by step, so it does not show how many workers there were,
//! as long as no memory bound is reached (each worker has its share of the budget).

use std::collections::VecDeque;
use std::io;
use std::panic;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};

use super::batch::{Batch, Heard, Moment, Order, What};
use super::worker::{Worker, WorkerCounts};
use crate::base::time::{Stamp, Timestamp};
use crate::packet::{NeighbourClaim, Segment};
use crate::proto::tls::keys::KeyLog;

/// Steps of a round.
const STEPS: u32 = 1024;
/// Bytes copied for one worker after which a round ends, too.
const BYTES: usize = 1 << 20;
/// Rounds handed out and not taken back. With [`BYTES`] this bounds what waits for each worker to
/// 8 MiB and a frame; the reader waits beyond it.
const AHEAD: usize = 8;

/// Several workers, seen from the reader.
pub struct Crew {
    members: Vec<Member>,
    step: u32,
    /// The reader's own part of the next round.
    own: Vec<Heard>,
    under_way: VecDeque<Round>,
    /// Batches that came back, to be used again.
    spare: Vec<Batch>,
}

/// One worker, seen from the reader.
struct Member {
    /// What it gets next.
    next: Batch,
    todo: Option<Sender<Batch>>,
    done: Receiver<Batch>,
    thread: Option<JoinHandle<()>>,
    counts: WorkerCounts,
    busy: Duration,
}

/// A round that was handed out.
struct Round {
    /// Members that had a part in it and have not given it back.
    waiting: VecDeque<usize>,
    heard: Vec<Heard>,
}

impl Crew {
    /// Starts a thread for each worker.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(workers: Vec<Worker>) -> io::Result<Self> {
        let start = |(number, worker)| Member::start(number, worker);
        Ok(Self {
            members: (0_usize..).zip(workers).map(start).collect::<Result<_, _>>()?,
            step: 0,
            own: Vec::new(),
            under_way: VecDeque::new(),
            spare: Vec::new(),
        })
    }

    /// Hands a segment to the worker that has its flow.
    pub fn segment(&mut self, segment: &Segment<'_>, hash: u32, at: Stamp, timers: Timestamp, now: Timestamp) {
        let moment = self.moment(timers, now);
        let place = self.place(hash);
        if let Some(member) = self.members.get_mut(place) {
            member.next.segment(segment, hash, at, moment);
        }
    }

    /// Tells all workers the time, and the judge after them.
    pub fn on_time(&mut self, timers: Timestamp, now: Timestamp) {
        let moment = self.moment(timers, now);
        self.members.iter_mut().for_each(|member| member.next.time(moment));
        self.own.push(Heard { moment, order: Order::Reader, what: What::Time });
    }

    /// Tells all workers of secrets that came.
    pub fn learn(&mut self, keys: &Arc<KeyLog>, timers: Timestamp, now: Timestamp) {
        let moment = self.moment(timers, now);
        self.members.iter_mut().for_each(|member| member.next.learn(Arc::clone(keys), moment));
    }

    /// Passes a claim on to the judge in its turn.
    pub fn neighbour(&mut self, claim: NeighbourClaim, at: Stamp, now: Timestamp) {
        let moment = self.moment(now, now);
        self.own.push(Heard { moment, order: Order::Reader, what: What::Neighbour(claim, at) });
    }

    /// Tells all workers that the history ends.
    pub fn finish(&mut self, timers: Timestamp, now: Timestamp) {
        let moment = self.moment(timers, now);
        self.members.iter_mut().for_each(|member| member.next.finish(moment));
    }

    /// The next step, of a worker or of the reader itself.
    const fn moment(&mut self, timers: Timestamp, now: Timestamp) -> Moment {
        let step = self.step;
        self.step = step.saturating_add(1);
        Moment { step, timers, now }
    }

    /// Whether the round is long enough to be handed out.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.step >= STEPS || self.members.iter().any(|member| member.next.len() >= BYTES)
    }

    /// Hands the round out; may be done while [`Crew::has_room`], and waits for nothing then.
    pub fn hand_out(&mut self) {
        let mut waiting = VecDeque::new();
        for (place, member) in self.members.iter_mut().enumerate() {
            if !member.next.is_empty() {
                let batch = std::mem::replace(&mut member.next, self.spare.pop().unwrap_or_default());
                member.give(batch);
                waiting.push_back(place);
            }
        }
        self.step = 0;
        self.under_way.push_back(Round { waiting, heard: std::mem::take(&mut self.own) });
    }

    /// Whether a round may be handed out without waiting for another.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.under_way.len() < AHEAD
    }

    /// Takes the oldest round back, in the order of steps. With `wait` only `None` when there is none.
    pub fn take_back(&mut self, wait: bool) -> Option<Vec<Heard>> {
        let round = self.under_way.front_mut()?;
        while let Some(place) = round.waiting.front() {
            let member = self.members.get_mut(*place)?;
            let mut batch = member.take(wait)?;
            member.counts = batch.counts;
            member.busy += batch.busy;
            round.heard.append(&mut batch.heard);
            round.waiting.pop_front();
            self.spare.push(batch);
        }
        let mut heard = self.under_way.pop_front()?.heard;
        heard.sort_by_key(|heard| (heard.moment.step, heard.order));
        Some(heard)
    }

    /// What all workers have counted in the rounds that were taken back.
    #[must_use]
    pub fn counts(&self) -> WorkerCounts {
        let mut sum = WorkerCounts::default();
        self.members.iter().for_each(|member| sum.add(&member.counts));
        sum
    }

    /// How long each worker has been at work in those rounds.
    pub fn busy(&self) -> impl Iterator<Item = Duration> {
        self.members.iter().map(|member| member.busy)
    }

    /// Which worker has the flows with this hash.
    const fn place(&self, hash: u32) -> usize {
        // The high bits, scaled: no division, and nothing of the low bits by which a worker files them.
        ((hash as u64 * self.members.len() as u64) >> 32) as usize
    }
}

impl Member {
    fn start(number: usize, mut worker: Worker) -> io::Result<Self> {
        let (todo, to_do) = bounded::<Batch>(AHEAD);
        let (did, done) = bounded::<Batch>(AHEAD);
        let thread = thread::Builder::new().name(format!("flows-{number}")).spawn(move || {
            for mut batch in to_do {
                batch.work(&mut worker);
                if did.send(batch).is_err() {
                    return; // nobody listens any more
                }
            }
        })?;
        Ok(Self {
            next: Batch::default(),
            todo: Some(todo),
            done,
            thread: Some(thread),
            counts: WorkerCounts::default(),
            busy: Duration::ZERO,
        })
    }

    fn give(&mut self, batch: Batch) {
        if self.todo.as_ref().is_none_or(|todo| todo.send(batch).is_err()) {
            self.failed();
        }
    }

    fn take(&mut self, wait: bool) -> Option<Batch> {
        let taken = if wait { self.done.recv().map_err(|_| TryRecvError::Disconnected) } else { self.done.try_recv() };
        match taken {
            Ok(batch) => Some(batch),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.failed();
                None
            }
        }
    }

    /// The thread ended by itself: it panicked where no flow could be blamed, and so does the reader.
    fn failed(&mut self) {
        if let Some(Err(cause)) = self.thread.take().map(JoinHandle::join) {
            panic::resume_unwind(cause);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.todo = None;
        if let Some(thread) = self.thread.take() {
            let _panicked_at_the_end = thread.join();
        }
    }
}
