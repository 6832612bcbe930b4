//! How closely has a flow to be followed? Nearly all open ones are silent or calm and take a few bytes.

use super::{Piece, Reader, Voice};
use crate::flow::{FlowInfo, Interest, StreamConsumer, StreamEvent};
use crate::proto::http1::Calm;
use crate::proto::{Message, MessageSink};

/// One flow's conversation: it lives in the flow's entry and tells the sink what is said.
/// (No `Debug`: it may hold a part of a head, and so a token.)
pub struct Conversation<S: MessageSink> {
    /// What the sink remembers of the flow.
    state: S::FlowState,
    phase: Phase,
}

enum Phase {
    /// Nothing was said yet.
    Silent,
    /// HTTP/1 at the end of a message.
    Calm(Calm),
    /// Anything else.
    Busy(Box<Reader>),
    /// Nothing more is read of this flow.
    Over,
}

impl<S: MessageSink> StreamConsumer for Conversation<S> {
    type Shared = S;

    fn open(_: &FlowInfo, _: &mut S) -> Self {
        Self { state: S::FlowState::default(), phase: Phase::Silent }
    }

    fn on_event(&mut self, flow: &FlowInfo, event: StreamEvent<'_>, shared: &mut S) -> Interest {
        let voice = &mut Voice { state: &mut self.state, sink: shared, flow };
        let mut reader = match (&mut self.phase, event) {
            (Phase::Busy(reader), event) => {
                let interest = reader.hear(event, voice);
                if let Some(phase) = reader.settled() {
                    self.phase = phase;
                }
                return interest;
            }
            (Phase::Calm(calm), StreamEvent::Data { dir, offset, bytes, at }) => {
                let (http1, used) = match calm.read(dir, offset, bytes, at, voice) {
                    Ok(interest) => return interest,
                    Err(woken) => woken,
                };
                let mut reader = Reader::awake(http1, calm.depth());
                let interest = reader.go_on(Piece { dir, offset, bytes, at }.after(used), voice);
                self.phase = reader.settled().unwrap_or_else(|| Phase::Busy(Box::new(reader)));
                return interest;
            }
            (Phase::Calm(calm), StreamEvent::Gap { dir, offset, len, .. })
                if calm.has_passed(dir, offset.saturating_add(len)) =>
            {
                return calm.interest(dir, offset.saturating_add(len));
            }
            (Phase::Calm(calm), StreamEvent::Gap { .. } | StreamEvent::Rival { .. }) => {
                Reader::awake(Box::new(calm.wake()), calm.depth())
            }
            (Phase::Silent, StreamEvent::Data { .. } | StreamEvent::Gap { .. } | StreamEvent::Rival { .. }) => {
                Reader::new(flow.midstream)
            }
            (Phase::Silent | Phase::Calm(_), StreamEvent::Closed { at, .. }) => {
                voice.say(Message::End { at });
                self.phase = Phase::Over;
                return Interest::StopFlow;
            }
            (phase, event) => {
                if let StreamEvent::Anomaly(anomaly) = event {
                    voice.say(Message::Anomaly(anomaly));
                }
                return if matches!(phase, Phase::Over) { Interest::StopFlow } else { Interest::Continue };
            }
        };
        let interest = reader.hear(event, voice);
        self.phase = reader.settled().unwrap_or_else(|| Phase::Busy(Box::new(reader)));
        interest
    }

    fn held_bytes(&self) -> usize {
        let reader = if let Phase::Busy(reader) = &self.phase { reader.held_bytes() } else { 0 };
        reader.saturating_add(S::held_bytes(&self.state))
    }

    fn is_mid_message(&self) -> bool {
        if let Phase::Busy(reader) = &self.phase { reader.is_mid_message() } else { false }
    }
}

impl Reader {
    /// What takes its place, once so much is no longer needed.
    fn settled(&self) -> Option<Phase> {
        if self.is_over() { Some(Phase::Over) } else { self.rest().map(Phase::Calm) }
    }
}

impl<S: MessageSink> Conversation<S> {
    /// What the sink remembers of the flow.
    pub const fn state(&self) -> &S::FlowState {
        &self.state
    }

    /// Bytes looked at by the parser so far.
    #[cfg(test)]
    pub(in crate::proto) fn work(&self) -> u64 {
        match &self.phase {
            Phase::Calm(calm) => calm.work(),
            Phase::Busy(reader) => reader.work(),
            Phase::Silent | Phase::Over => 0,
        }
    }
}
