//! What has happened so far? Plain counters of one flow table; the owner snapshots them.

use super::{CloseReason, Doubt};

/// Counters of one [`super::FlowTable`]. All only grow, but for those marked as levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FlowCounters {
    /// Segments given to the table.
    pub segments: u64,
    /// Segments of no known flow that cannot begin one: no SYN and no payload.
    pub untracked: u64,
    /// Flows ever made.
    pub flows_created: u64,
    /// Level: flows in the table that have not ended, stopped ones included.
    pub flows_active: u64,
    /// `Closed` events by [`CloseReason`], in the order of [`CloseReason::ALL`].
    pub closed: [u64; CloseReason::ALL.len()],
    /// Flows dropped because their consumer panicked.
    pub quarantined: u64,

    /// Bytes that receivers acknowledged.
    pub tcp_acked_bytes: u64,
    /// Bytes that receivers acknowledged and that were never captured.
    pub tcp_acked_unseen_bytes: u64,
    /// Bytes that came again with another value while the first copy was held or remembered.
    pub conflicting_overlap_bytes: u64,
    /// Segments whose bytes had all been seen: retransmissions, keep-alive probes, frames captured twice.
    pub duplicates: u64,
    /// Payload bytes that came after the acknowledged end of their stream.
    pub after_fin_bytes: u64,
    /// `Gap` events.
    pub gaps: u64,
    /// Bytes in them.
    pub gap_bytes: u64,
    /// Held bytes forgotten because the sender went on in order far before them: they were never part
    /// of the stream (one-sided captures).
    pub stray_bytes: u64,
    /// Resets that were not believed: wrong sequence number, checksum or signature.
    pub resets_ignored: u64,

    /// Segments in doubt, by [`Doubt`], in the order of [`Doubt::ALL`].
    pub doubtful: [u64; Doubt::ALL.len()],
    /// Doubtful bytes that counted in the end: the receiver acknowledged them, or was not heard again
    /// and their doubt was a slight one.
    pub doubtful_confirmed_bytes: u64,
    /// Doubtful bytes dropped: better copies came, or nobody acknowledged them.
    pub doubtful_dropped_bytes: u64,

    /// Times that a direction held `direction_segments` segments.
    pub limit_direction_segments: u64,
    /// Times that a direction held `direction_bytes` bytes.
    pub limit_direction_bytes: u64,
    /// Times that all flows together held `reassembly_bytes` bytes.
    pub limit_reassembly_bytes: u64,
    /// Times that a copy was to be compared with what is remembered no more (`recall_bytes`).
    pub limit_recall: u64,
    /// Readings beyond the most that are told of one direction.
    pub limit_rivals: u64,
    /// Flows evicted because the table was full.
    pub limit_flow_table: u64,

    /// Level: bytes held because they came early or are in doubt.
    pub held_bytes: u64,
    /// Level: bytes of heap memory beside the entries, consumers' and flows' own.
    pub heap_bytes: u64,
    /// Level: bytes of memory in which delivered bytes are remembered.
    pub recall_bytes: u64,
}

impl FlowCounters {
    /// Adds what another worker counted.
    pub fn add(&mut self, other: Self) {
        let Self {
            segments,
            untracked,
            flows_created,
            flows_active,
            closed,
            quarantined,
            tcp_acked_bytes,
            tcp_acked_unseen_bytes,
            conflicting_overlap_bytes,
            duplicates,
            after_fin_bytes,
            gaps,
            gap_bytes,
            stray_bytes,
            resets_ignored,
            doubtful,
            doubtful_confirmed_bytes,
            doubtful_dropped_bytes,
            limit_direction_segments,
            limit_direction_bytes,
            limit_reassembly_bytes,
            limit_recall,
            limit_rivals,
            limit_flow_table,
            held_bytes,
            heap_bytes,
            recall_bytes,
        } = other;
        self.segments += segments;
        self.untracked += untracked;
        self.flows_created += flows_created;
        self.flows_active += flows_active;
        self.closed.iter_mut().zip(closed).for_each(|(mine, theirs)| *mine += theirs);
        self.quarantined += quarantined;
        self.tcp_acked_bytes += tcp_acked_bytes;
        self.tcp_acked_unseen_bytes += tcp_acked_unseen_bytes;
        self.conflicting_overlap_bytes += conflicting_overlap_bytes;
        self.duplicates += duplicates;
        self.after_fin_bytes += after_fin_bytes;
        self.gaps += gaps;
        self.gap_bytes += gap_bytes;
        self.stray_bytes += stray_bytes;
        self.resets_ignored += resets_ignored;
        self.doubtful.iter_mut().zip(doubtful).for_each(|(mine, theirs)| *mine += theirs);
        self.doubtful_confirmed_bytes += doubtful_confirmed_bytes;
        self.doubtful_dropped_bytes += doubtful_dropped_bytes;
        self.limit_direction_segments += limit_direction_segments;
        self.limit_direction_bytes += limit_direction_bytes;
        self.limit_reassembly_bytes += limit_reassembly_bytes;
        self.limit_recall += limit_recall;
        self.limit_rivals += limit_rivals;
        self.limit_flow_table += limit_flow_table;
        self.held_bytes += held_bytes;
        self.heap_bytes += heap_bytes;
        self.recall_bytes += recall_bytes;
    }

    /// How many flows ended for this reason.
    #[must_use]
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed.get(reason as usize).copied().unwrap_or_default()
    }

    /// How many segments were in this doubt.
    #[must_use]
    pub fn doubtful(&self, doubt: Doubt) -> u64 {
        self.doubtful.get(doubt as usize).copied().unwrap_or_default()
    }

    /// One more flow ended for this reason.
    pub(super) fn count_closed(&mut self, reason: CloseReason) {
        self.closed.get_mut(reason as usize).into_iter().for_each(|n| *n += 1);
    }

    /// One more segment in this doubt.
    pub(super) fn count_doubtful(&mut self, doubt: Doubt) {
        self.doubtful.get_mut(doubt as usize).into_iter().for_each(|n| *n += 1);
    }
}
