//! What does a TLS connection say? Reads the hellos of both sides, which travel in the clear; what
//! follows them only where the operator gave its secrets.
//!
//! | file | question |
//! |---|---|
//! | `record` | which handshake bytes do records carry? |
//! | `hello` | what does a hello say? |
//! | `negotiation` | what did the two agree on? |
//! | `version` | which versions are there? |
//! | `cipher` | what are cipher suites called? |
//! | `keys` | which secrets did the operator give? |
//! | `decrypt` | what is said inside? |
//! | `unread` | why does a connection stay unread? |

pub mod cipher;
mod decrypt;
pub mod hello;
pub mod keys;
pub mod negotiation;
mod record;
#[cfg(test)]
mod tests;
mod unread;
pub mod version;

use crate::base::time::Stamp;
use crate::flow::{Direction, Interest};

use super::conversation::{Voice, of};
use super::{Message, MessageSink};
pub(super) use decrypt::{Part, Plaintext};
use decrypt::{Session, Standing};
pub use hello::{ClientHello, ServerHello};
pub use negotiation::Offer;
pub(super) use record::RECORD_LIMIT;
use record::{Collected, HandshakeMessage, Records, SSL2_CLIENT_HELLO};
pub use unread::Unread;
pub use version::TlsVersion;

/// Types of handshake messages (RFC 8446 §4).
const CLIENT_HELLO: u16 = 1;
const SERVER_HELLO: u16 = 2;

/// One TLS connection.
pub(super) struct Tls {
    sides: [Side; 2],
    /// What the client offered, once its hello was read.
    offer: Option<Offer>,
    /// The version that is spoken, once a server said so.
    version: Option<TlsVersion>,
    /// What follows the hellos, where secrets are known for it.
    session: Option<Box<Session>>,
    /// It is counted as read or unread.
    counted: bool,
    /// It is counted as lost.
    lost: bool,
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
        let sides = [Side::new(), Side::new()];
        Self { sides, offer: None, version: None, session: None, counted: false, lost: false }
    }

    /// Place in [`TlsVersion::LABELS`] of the version that is spoken.
    pub(super) fn label_index(&self) -> usize {
        self.version.unwrap_or(TlsVersion(0)).label_index()
    }

    /// Whether a server has agreed to speak TLS.
    pub(super) const fn is_agreed(&self) -> bool {
        self.version.is_some()
    }

    /// Whether what follows the hellos is read, or tried to.
    pub(super) const fn is_followed(&self) -> bool {
        self.session.is_some()
    }

    /// Whether something inside was read.
    pub(super) fn is_decrypted(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.standing() == Standing::Open)
    }

    /// Whether a record has begun that is not whole.
    pub(super) fn is_mid_record(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_mid_record())
    }

    /// Heap memory held.
    pub(super) fn held_bytes(&self) -> usize {
        let sides = self.sides.iter().map(|side| match side {
            Side::Reading { records, .. } => records.held_bytes(),
            Side::Done => 0,
        });
        let session = self.session.as_ref().map_or(0, |session| session.held_bytes());
        size_of::<Self>().saturating_add(sides.sum()).saturating_add(session)
    }

    /// Takes the next bytes of a direction; what they say inside goes to `out`. `StopFlow` when there is
    /// nothing more to read.
    pub(super) fn on_data<S: MessageSink>(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        at: Stamp,
        voice: &mut Voice<'_, S>,
        out: &mut Plaintext,
    ) -> Interest {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Self { sides, offer, version, session, .. } = self;
            let Side::Reading { records, first } = of(sides, dir) else { return self.inside(dir, rest, voice, out) };
            let begun = *first.get_or_insert(at);
            match records.take(rest) {
                Collected::NeedMore => return Interest::Continue,
                Collected::Message(message, used) => {
                    rest = rest.get(used..).unwrap_or_default();
                    *first = None;
                    let (first, complete) = (begun, at);
                    let mut told = Told { dir, first, complete, offer, version, session, unread: None, out };
                    let is_more = told.hello(message, voice);
                    if let Some(why) = told.unread {
                        return self.leave(why, voice);
                    }
                    if is_more {
                        continue;
                    }
                    if let Some(session) = session {
                        session.begin_after(dir, records.left());
                        *of(sides, dir) = Side::Done;
                        self.look(voice);
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

    /// Takes bytes behind the hello of their direction.
    fn inside<S: MessageSink>(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        voice: &mut Voice<'_, S>,
        out: &mut Plaintext,
    ) -> Interest {
        let Some(session) = &mut self.session else { return self.done() };
        if session.take(dir, bytes, voice.keys(), out) {
            self.look(voice)
        } else {
            self.leave(Unread::Incomplete, voice)
        }
    }

    /// Bytes of a direction never arrived. A hello with a hole in it cannot be read.
    pub(super) fn on_gap<S: MessageSink>(&mut self, dir: Direction, len: u64, voice: &mut Voice<'_, S>) -> Interest {
        let Some(session) = &mut self.session else { return self.give_up(dir) };
        if matches!(of(&mut self.sides, dir), Side::Done) && session.on_gap(dir, len) {
            Interest::Continue
        } else {
            self.leave(Unread::Incomplete, voice)
        }
    }

    /// Looks at what has become of the records, and tells what is new of it.
    fn look<S: MessageSink>(&mut self, voice: &mut Voice<'_, S>) -> Interest {
        let Some(session) = &mut self.session else { return self.done() };
        if session.is_news() {
            voice.counters().tls_decrypted += 1;
            self.counted = true;
            voice.say(Message::TlsDecrypted { protocol: session.protocol() });
        }
        if session.is_half_lost() && !self.lost && session.standing() == Standing::Open {
            self.lost = true;
            voice.counters().undecrypted(Unread::Lost);
        }
        if session.is_lost() { Interest::StopFlow } else { Interest::Continue }
    }

    /// What follows the hellos is not read after all.
    fn leave<S: MessageSink>(&mut self, why: Unread, voice: &mut Voice<'_, S>) -> Interest {
        self.session = None;
        self.count(why, voice);
        self.sides = [Side::Done, Side::Done];
        self.done()
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

    /// Counts it as unread, once.
    fn count<S: MessageSink>(&mut self, why: Unread, voice: &mut Voice<'_, S>) {
        if !std::mem::replace(&mut self.counted, true) {
            voice.counters().undecrypted(why);
        }
    }

    /// TLS was recognised: without any secrets nothing more is to be known.
    pub(super) fn begin<S: MessageSink>(&mut self, voice: &mut Voice<'_, S>) {
        if voice.keys().is_none() {
            self.count(Unread::NoKey, voice);
        }
    }

    /// Nothing more will come.
    pub(super) fn finish<S: MessageSink>(&mut self, voice: &mut Voice<'_, S>) {
        let why = match self.session.as_ref().map(|session| session.standing()) {
            None => Unread::NoKey,
            Some(Standing::Waiting | Standing::Begun | Standing::Open) => Unread::Incomplete,
            Some(Standing::Sealed) => Unread::WrongKey,
        };
        self.count(why, voice);
    }
}

/// Who said a message, and when; and what it may change.
struct Told<'t> {
    dir: Direction,
    first: Stamp,
    complete: Stamp,
    offer: &'t mut Option<Offer>,
    version: &'t mut Option<TlsVersion>,
    session: &'t mut Option<Box<Session>>,
    /// Why what they agreed on cannot be opened.
    unread: Option<Unread>,
    out: &'t mut Plaintext,
}

impl Told<'_> {
    /// Tells a hello. Whether another message of this direction is of interest: after a request to
    /// try again, the server's answer to the second hello. (The second hello itself names the same
    /// client and says nothing new.)
    fn hello<S: MessageSink>(&mut self, message: HandshakeMessage<'_>, voice: &mut Voice<'_, S>) -> bool {
        let (dir, first, complete) = (self.dir, self.first, self.complete);
        match message.kind {
            CLIENT_HELLO | SSL2_CLIENT_HELLO => {
                let read = if message.kind == CLIENT_HELLO { ClientHello::read } else { ClientHello::read_ssl2 };
                if let Some(hello) = read(message.body) {
                    *self.offer = Some(Offer::of(&hello));
                    voice.say(Message::ClientHello { dir, first, complete, hello });
                    let secrets = voice.keys().and_then(|keys| keys.find(hello.random));
                    // A hello of the other direction after one of this is no client's.
                    if self.version.is_none() && self.session.is_none() {
                        *self.session = secrets.and_then(|secrets| Session::new(dir, &hello, secrets)).map(Box::new);
                    }
                }
                false
            }
            SERVER_HELLO => {
                let Some(hello) = ServerHello::read(message.body) else { return false };
                *self.version = Some(hello.version());
                let resumed = self.offer.as_ref().map(|offer| offer.is_resumed_by(&hello));
                voice.say(Message::ServerHello { dir, complete, hello, resumed });
                if hello.is_retry_request() {
                    if let Some(session) = self.session {
                        session.retried();
                    }
                    return true;
                }
                self.unread = match self.session {
                    Some(session) => session.agree(dir, &hello, self.out).err(),
                    None => None,
                };
                false
            }
            _ => false,
        }
    }
}
