//! What do rival copies of bytes say? Read beside the stream that was told, for requests only.

use super::{Parser, Piece, Reader, Voice};
use crate::flow::{Direction, Interest};
use crate::proto::MessageSink;
use crate::proto::http1::{Seeker, tell_rival};

/// Reads rival copies of bytes that were told before.
pub(super) struct Rivals {
    dir: Direction,
    /// Waits for the end of a head.
    seeker: Option<Seeker>,
    /// Requests told.
    told: u32,
}

impl Rivals {
    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.seeker.as_ref().map_or(0, Seeker::held_bytes))
    }
}

impl Reader {
    /// Another reading of bytes that were told before.
    pub(super) fn on_rival<S: MessageSink>(&mut self, piece: Piece<'_>, voice: &mut Voice<'_, S>) {
        if matches!(&self.parser, Parser::Tls(tls) if tls.is_followed()) {
            return; // another reading of what is encrypted opens with no key
        }
        let client = if let Parser::Http1(http1) = &self.parser { http1.known_client() } else { None };
        if client.is_some_and(|client| client != piece.dir) {
            return; // replies issue tokens to whoever asked; a rival one names no other client
        }
        let told = self.rivals.as_ref().map_or(0, |r| r.told);
        let seeker = Some(Seeker::at(piece.offset));
        self.rivals = Some(Box::new(Rivals { dir: piece.dir, seeker, told }));
        self.read_rival(piece, false, voice);
    }

    /// In-order bytes have come: they may go on with a head that began in a rival copy.
    pub(super) fn after_rival<S: MessageSink>(
        &mut self,
        piece: Piece<'_>,
        interest: Interest,
        voice: &mut Voice<'_, S>,
    ) -> Interest {
        let waits = |c: &Self| c.rivals.as_ref().is_some_and(|r| r.dir == piece.dir && r.seeker.is_some());
        if waits(self) {
            self.read_rival(piece, false, voice);
        }
        match interest {
            Interest::SkipBytes(_) if waits(self) => Interest::Continue,
            interest => interest,
        }
    }

    /// Reads on in a rival copy; `over` when nothing more will come.
    pub(super) fn read_rival<S: MessageSink>(&mut self, piece: Piece<'_>, over: bool, voice: &mut Voice<'_, S>) {
        let Some(Rivals { seeker: waiting, told, dir }) = self.rivals.as_deref_mut() else { return };
        let Some(seeker) = waiting else { return };
        let http1 = if let Parser::Http1(http1) = &self.parser { Some(&**http1) } else { None };
        seeker.read(piece.offset, piece.bytes, piece.at, |head| {
            tell_rival(&head, (*dir, piece.at), (http1, told), voice);
        });
        if over && let Some(head) = seeker.unfinished() {
            tell_rival(&head, (*dir, piece.at), (http1, told), voice);
        }
        if over || !seeker.is_waiting() {
            *waiting = None;
        }
    }
}
