//! How does a TLS connection begin? Reads the hellos of both sides, which travel in the clear, and
//! nothing after them.
//!
//! | file | question |
//! |---|---|
//! | `record` | which handshake bytes do records carry? |
//! | `hello` | what does a hello say? |
//! | `negotiation` | what did the two agree on? |
//! | `version` | which versions are there? |
//! | `cipher` | what are cipher suites called? |

pub mod cipher;
pub mod hello;
pub mod negotiation;
mod record;
#[cfg(test)]
mod tests;
pub mod version;

use crate::base::time::Stamp;
use crate::flow::{Direction, Interest};

use super::conversation::{Voice, of};
use super::{Message, MessageSink};
pub use hello::{ClientHello, ServerHello};
pub use negotiation::Offer;
pub(super) use record::RECORD_LIMIT;
use record::{Collected, HandshakeMessage, Records, SSL2_CLIENT_HELLO};
pub use version::TlsVersion;

/// Types of handshake messages (RFC 8446 §4).
const CLIENT_HELLO: u16 = 1;
const SERVER_HELLO: u16 = 2;

/// The beginning of one TLS connection.
pub(super) struct Tls {
    sides: [Side; 2],
    /// What the client offered, once its hello was read.
    offer: Option<Offer>,
    /// The version that is spoken, once a server said so.
    version: Option<TlsVersion>,
}

/// One direction until its hello was read.
enum Side {
    Reading {
        records: Records,
        /// Frame of the first byte of the message.
        first: Option<Stamp>,
    },
    /// Its hello was read, or will never be.
    Done,
}

impl Side {
    const fn new() -> Self {
        Self::Reading { records: Records::new(), first: None }
    }
}

impl Tls {
    pub(super) const fn new() -> Self {
        Self { sides: [Side::new(), Side::new()], offer: None, version: None }
    }

    /// Place in [`TlsVersion::LABELS`] of the version that is spoken.
    pub(super) fn label_index(&self) -> usize {
        self.version.unwrap_or(TlsVersion(0)).label_index()
    }

    /// Whether a server has agreed to speak TLS.
    pub(super) const fn is_agreed(&self) -> bool {
        self.version.is_some()
    }

    /// Heap memory held.
    pub(super) fn held_bytes(&self) -> usize {
        let sides = self.sides.iter().map(|side| match side {
            Side::Reading { records, .. } => records.held_bytes(),
            Side::Done => 0,
        });
        size_of::<Self>().saturating_add(sides.sum())
    }

    /// Takes the next bytes of a direction. `StopFlow` when there is nothing more to read.
    pub(super) fn on_data<S: MessageSink>(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) -> Interest {
        let Side::Reading { records, first } = of(&mut self.sides, dir) else { return self.done() };
        let mut rest = bytes;
        while !rest.is_empty() {
            let begun = *first.get_or_insert(at);
            match records.take(rest) {
                Collected::NeedMore => return Interest::Continue,
                Collected::Message(message, used) => {
                    rest = rest.get(used..).unwrap_or_default();
                    *first = None;
                    let told = Told { dir, first: begun, complete: at };
                    if told.hello(message, &mut self.offer, &mut self.version, voice) {
                        continue;
                    }
                }
                Collected::TooLong => voice.counters().tls_handshake_limit_hits += 1,
                Collected::NotHandshake => {}
            }
            return self.give_up(dir);
        }
        Interest::Continue
    }

    /// Bytes of a direction never arrived. What follows a hello is of no interest; a hello with a hole
    /// in it cannot be read.
    pub(super) fn on_gap(&mut self, dir: Direction) -> Interest {
        self.give_up(dir)
    }

    /// Nothing more is read of a direction.
    fn give_up(&mut self, dir: Direction) -> Interest {
        *of(&mut self.sides, dir) = Side::Done;
        self.done()
    }

    fn done(&self) -> Interest {
        if self.sides.iter().all(|side| matches!(side, Side::Done)) {
            Interest::StopFlow
        } else {
            Interest::StopDirection
        }
    }
}

/// Who said a message, and when.
struct Told {
    dir: Direction,
    first: Stamp,
    complete: Stamp,
}

impl Told {
    /// Tells a hello. Whether another message of this direction is of interest: after a request to
    /// try again, the server's answer to the second hello. (The second hello itself names the same
    /// client and says nothing new.)
    fn hello<S: MessageSink>(
        &self,
        message: HandshakeMessage<'_>,
        offer: &mut Option<Offer>,
        version: &mut Option<TlsVersion>,
        voice: &mut Voice<'_, S>,
    ) -> bool {
        let Self { dir, first, complete } = *self;
        match message.kind {
            CLIENT_HELLO | SSL2_CLIENT_HELLO => {
                let read = if message.kind == CLIENT_HELLO { ClientHello::read } else { ClientHello::read_ssl2 };
                if let Some(hello) = read(message.body) {
                    *offer = Some(Offer::of(&hello));
                    voice.say(Message::ClientHello { dir, first, complete, hello });
                }
                false
            }
            SERVER_HELLO => {
                let Some(hello) = ServerHello::read(message.body) else { return false };
                *version = Some(hello.version());
                let resumed = offer.as_ref().map(|offer| offer.is_resumed_by(&hello));
                voice.say(Message::ServerHello { dir, complete, hello, resumed });
                hello.is_retry_request()
            }
            _ => false,
        }
    }
}
