//! Which suspects wait for their server's reply? A verdict without the reply is weaker, so it waits
//! a moment for it, in capture time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::observation::{Evidence, Observation};
use crate::base::time::Timestamp;
use crate::token::RequestId;

#[derive(Debug)]
struct Waiting {
    observation: Observation,
    judged: bool,
}

/// Observations whose request has no reply yet, bounded; in the order of their arrival.
#[derive(Debug, Default)]
pub struct Pending {
    waiting: BTreeMap<RequestId, Vec<Waiting>>,
    /// Observations in `waiting`: one request may present thousands of tokens.
    held: usize,
    deadlines: VecDeque<(Timestamp, RequestId)>,
    expiries: VecDeque<(Timestamp, RequestId)>,
}

impl Pending {
    /// Observations that wait, the judged ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Lets an observation wait until `deadline`.
    pub fn push(&mut self, observation: Observation, deadline: Timestamp) {
        let id = observation.request.id;
        let waiting = self.waiting.entry(id).or_default();
        if waiting.is_empty() {
            self.deadlines.push_back((deadline, id));
        }
        waiting.push(Waiting { observation, judged: false });
        self.held += 1;
    }

    /// The reply to a request has come: whatever waits for it, each with whether it has been judged without.
    pub fn answered(&mut self, id: RequestId) -> Vec<(Observation, bool)> {
        // Answered requests leave their place in the queues; too many of them are swept out.
        let most = 2 * self.waiting.len() + 1024;
        for queue in [&mut self.deadlines, &mut self.expiries] {
            if queue.len() > most {
                queue.retain(|(_, id)| self.waiting.contains_key(id));
            }
        }
        self.take(id).into_iter().map(|w| (w.observation, w.judged)).collect()
    }

    fn take(&mut self, id: RequestId) -> Vec<Waiting> {
        let waiting = self.waiting.remove(&id).unwrap_or_default();
        self.held -= waiting.len();
        waiting
    }

    /// Observations whose deadline is at or before `now`; they stay known until `expiry` after it, in
    /// case the reply comes late.
    pub fn due(&mut self, now: Timestamp, late: std::time::Duration, out: &mut Vec<Evidence>) {
        while let Some((deadline, id)) = self.deadlines.front().copied()
            && deadline <= now
        {
            self.deadlines.pop_front();
            self.judge(id, now, out);
            if self.waiting.contains_key(&id) {
                self.expiries.push_back((deadline.after(late), id));
            }
        }
        while let Some((expiry, id)) = self.expiries.front().copied()
            && expiry <= now
        {
            self.expiries.pop_front();
            self.take(id);
        }
    }

    /// Makes room: the request that has waited longest is judged now and forgotten.
    pub fn shed(&mut self, now: Timestamp, out: &mut Vec<Evidence>) {
        while let Some((_, id)) = self.expiries.pop_front().or_else(|| self.deadlines.pop_front()) {
            self.judge(id, now, out);
            if !self.take(id).is_empty() {
                return;
            }
        }
    }

    /// The end: everything that still waits is judged.
    pub fn drain(&mut self, now: Timestamp, out: &mut Vec<Evidence>) {
        while let Some((_, id)) = self.deadlines.pop_front() {
            self.judge(id, now, out);
        }
        self.waiting.clear();
        self.held = 0;
        self.expiries.clear();
    }

    fn judge(&mut self, id: RequestId, now: Timestamp, out: &mut Vec<Evidence>) {
        for waiting in self.waiting.get_mut(&id).into_iter().flatten().filter(|w| !w.judged) {
            waiting.judged = true;
            out.push(Evidence::Use(Arc::new(Observation { now, ..waiting.observation.clone() })));
        }
    }
}
