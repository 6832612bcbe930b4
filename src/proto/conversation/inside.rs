//! What is said inside TLS? Where its records can be opened, a conversation of its own.

use super::{Piece, Reader, Voice, of};
use crate::base::time::Stamp;
use crate::flow::{CloseReason, Direction, Interest, StreamEvent};
use crate::proto::tls::{Part, Plaintext, Tls};
use crate::proto::{Message, MessageSink};

/// A TLS connection, and who follows what is said inside.
pub(super) struct Secured {
    tls: Tls,
    inside: Option<Box<Inside>>,
    /// Tunnels around the conversation inside, and the number of its first request.
    depth: u8,
    ordinal: u32,
}

/// The conversation inside, which reads as that of a flow does.
struct Inside {
    reader: Reader,
    ways: [Way; 2],
}

/// How far a direction is read.
#[derive(Default)]
struct Way {
    offset: u64,
    /// Bytes that are not wanted.
    skip: u64,
    stopped: bool,
}

impl Secured {
    /// TLS was recognised, with so many tunnels around it; the next request has this number.
    pub(super) fn begin<S: MessageSink>(depth: u8, ordinal: u32, voice: &mut Voice<'_, S>) -> Self {
        let mut tls = Tls::new();
        tls.begin(voice);
        Self { tls, inside: None, depth, ordinal }
    }

    pub(super) const fn is_agreed(&self) -> bool {
        self.tls.is_agreed()
    }

    /// Whether what follows the hellos is read, or tried to.
    pub(super) const fn is_followed(&self) -> bool {
        self.tls.is_followed()
    }

    pub(super) fn held_bytes(&self) -> usize {
        let inside = self.inside.as_ref().map_or(0, |inside| size_of::<Inside>() + inside.reader.held_bytes());
        self.tls.held_bytes().saturating_add(inside)
    }

    pub(super) fn is_mid_message(&self) -> bool {
        self.tls.is_mid_record() || self.inside.as_ref().is_some_and(|inside| inside.reader.is_mid_message())
    }

    pub(super) fn on_data<S: MessageSink>(&mut self, piece: &Piece<'_>, voice: &mut Voice<'_, S>) -> Interest {
        let mut plain = Plaintext::default();
        let interest = self.tls.on_data(piece.dir, piece.bytes, piece.at, voice, &mut plain);
        for (part, bytes) in plain.parts() {
            let inside = self.inside.get_or_insert_with(|| Box::new(Inside::new(self.depth, self.ordinal)));
            inside.hear(part, bytes, piece.at, voice);
        }
        match &self.inside {
            Some(inside) if inside.reader.is_over() => Interest::StopFlow,
            _ => interest,
        }
    }

    pub(super) fn on_gap<S: MessageSink>(&mut self, dir: Direction, len: u64, voice: &mut Voice<'_, S>) -> Interest {
        self.tls.on_gap(dir, len, voice)
    }

    /// Nothing more will come. True where the end of the conversation inside was told.
    pub(super) fn finish<S: MessageSink>(&mut self, at: Stamp, voice: &mut Voice<'_, S>) -> bool {
        self.tls.finish(voice);
        if let Some(count) = voice.counters().tls_versions.get_mut(self.tls.label_index()) {
            *count += 1;
        }
        if !self.tls.is_decrypted() {
            voice.say(Message::TlsOpaque);
        }
        let Some(mut inside) = self.inside.take() else { return false };
        inside.reader.hear(StreamEvent::Closed { reason: CloseReason::Fin, at }, voice);
        true
    }
}

impl Inside {
    fn new(depth: u8, ordinal: u32) -> Self {
        let reader = Reader { depth: depth.saturating_add(1), next_ordinal: ordinal, ..Reader::new(false) };
        Self { reader, ways: Default::default() }
    }

    /// Passes on what came out, as far as it is wanted.
    fn hear<S: MessageSink>(&mut self, part: Part, bytes: &[u8], at: Stamp, voice: &mut Voice<'_, S>) {
        let (Part::Data(dir, _) | Part::Gap(dir, _)) = part;
        let way = of(&mut self.ways, dir);
        let len = if let Part::Gap(_, len) = part { len } else { bytes.len() as u64 };
        let skipped = way.skip.min(len);
        let offset = way.offset.saturating_add(skipped);
        way.skip = way.skip.saturating_sub(len);
        way.offset = way.offset.saturating_add(len);
        if way.stopped || skipped == len {
            return;
        }
        let event = match part {
            Part::Gap(..) => StreamEvent::Gap { dir, offset, len: len.saturating_sub(skipped), at },
            Part::Data(..) => {
                let bytes = usize::try_from(skipped).ok().and_then(|skipped| bytes.get(skipped..)).unwrap_or_default();
                StreamEvent::Data { dir, offset, bytes, at }
            }
        };
        match self.reader.hear(event, voice) {
            Interest::SkipBytes(n) => of(&mut self.ways, dir).skip = n,
            Interest::StopDirection => of(&mut self.ways, dir).stopped = true,
            Interest::StopFlow => self.ways.iter_mut().for_each(|way| way.stopped = true),
            Interest::Continue => {}
        }
    }
}
