//! How is a conversation put to the test? Scripts of bytes in, messages out.

use std::net::{IpAddr, Ipv4Addr};

use super::tls::keys::KeyStore;
use super::{Again, Ambiguity, Conversation, Header, HttpVersion, Message, MessageSink, ProtoCounters, TlsVersion};
use crate::base::net::{Endpoint, Tenant};
use crate::base::time::{FrameId, Stamp, Timestamp};
use crate::flow::{AnomalyKind, CloseReason, Direction, FlowId, FlowInfo, Interest, StreamConsumer, StreamEvent};

/// One message, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Request { ordinal: u32, dir: Direction, method: String, target: String, version: HttpVersion, headers: Fields },
    Response { answers: Option<u32>, dir: Direction, status: u16, version: HttpVersion, headers: Fields },
    Body { ordinal: u32, dir: Direction, bytes: String, whole: bool },
    Ambiguous { ordinal: Option<u32>, kind: Ambiguity },
    ProxyPreamble(Option<Endpoint>),
    Http2Client(String),
    Abandoned(u32),
    Anomaly(AnomalyKind),
    ClientHello { server_name: String, session_id: usize, frames: (u64, u64) },
    ServerHello { version: TlsVersion, cipher: u16, retry: bool, resumed: Option<bool> },
    TlsOpaque,
    TlsDecrypted(String),
    End,
}

/// Names and values, latin-1 as text.
pub(crate) type Fields = Vec<(String, String)>;

/// Bytes as text, one character a byte.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn owned(headers: &[Header<'_>]) -> Fields {
    headers.iter().map(|h| (latin1(h.name), latin1(&h.value))).collect()
}

/// A sink that writes everything down.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) messages: Vec<Seen>,
    /// Frames of the first byte and of the completion of each request and response.
    pub(crate) frames: Vec<(u64, u64)>,
    pub(crate) counters: ProtoCounters,
    /// Bytes that are wanted of every body.
    pub(crate) wanted: usize,
    /// Takes requests that repeat the fields of the one before without them.
    pub(crate) takes_again: bool,
    /// Secrets of TLS connections.
    pub(crate) keys: KeyStore,
    /// How often it did.
    pub(crate) again: usize,
}

impl MessageSink for Recorder {
    type FlowState = ();

    fn on_message(&mut self, (): &mut (), _: &FlowInfo, message: Message<'_>) {
        self.messages.push(match message {
            Message::Request { ordinal, dir, first, complete, head } => {
                self.frames.push((first.frame.number, complete.frame.number));
                let (method, target) = (latin1(head.method), latin1(head.target));
                Seen::Request { ordinal, dir, method, target, version: head.version, headers: owned(head.headers) }
            }
            Message::Response { answers, dir, first, complete, head } => {
                self.frames.push((first.frame.number, complete.frame.number));
                let headers = owned(head.headers);
                Seen::Response { answers, dir, status: head.status, version: head.version, headers }
            }
            Message::Body { ordinal, dir, bytes, whole, .. } => {
                Seen::Body { ordinal, dir, bytes: latin1(bytes), whole }
            }
            Message::Ambiguous { ordinal, kind, .. } => Seen::Ambiguous { ordinal, kind },
            Message::ProxyPreamble { client, .. } => Seen::ProxyPreamble(client),
            Message::Http2Client { shape, .. } => Seen::Http2Client(shape.into()),
            Message::Abandoned { ordinal, .. } => Seen::Abandoned(ordinal),
            Message::Anomaly(anomaly) => Seen::Anomaly(anomaly.kind),
            Message::ClientHello { first, complete, hello, .. } => Seen::ClientHello {
                server_name: latin1(hello.server_name().unwrap_or_default()),
                session_id: hello.session_id.len(),
                frames: (first.frame.number, complete.frame.number),
            },
            Message::ServerHello { hello, resumed, .. } => Seen::ServerHello {
                version: hello.version(),
                cipher: hello.cipher,
                retry: hello.is_retry_request(),
                resumed,
            },
            Message::TlsOpaque => Seen::TlsOpaque,
            Message::TlsDecrypted { protocol } => Seen::TlsDecrypted(latin1(protocol.unwrap_or_default())),
            Message::End { .. } => Seen::End,
        });
    }

    fn on_again(&mut self, (): &mut (), _: &FlowInfo, again: &Again<'_>) -> bool {
        let before = self.messages.iter().rev().find_map(|m| match m {
            Seen::Request { headers, .. } => Some(headers.clone()),
            _ => None,
        });
        let Some(headers) = before.filter(|_| self.takes_again) else { return false };
        self.again += 1;
        self.frames.push((again.first.frame.number, again.complete.frame.number));
        let (method, target) = (latin1(again.method), latin1(again.target));
        let Again { ordinal, dir, version, .. } = *again;
        self.messages.push(Seen::Request { ordinal, dir, method, target, version, headers });
        true
    }

    fn keys(&self) -> Option<&KeyStore> {
        (!self.keys.is_empty()).then_some(&self.keys)
    }

    fn body_wanted(&mut self, (): &mut ()) -> usize {
        self.wanted
    }

    fn held_bytes((): &()) -> usize {
        0
    }

    fn counters(&mut self) -> &mut ProtoCounters {
        &mut self.counters
    }
}

/// How a direction's bytes are withheld, as the flow floor does.
#[derive(Clone, Copy, Default)]
struct Withheld {
    skip: u64,
    stopped: bool,
}

/// Plays the part of the flow floor: feeds one conversation and obeys what it asks for. Every call
/// is one frame, numbered from 1, a millisecond after the one before.
pub(crate) struct Driver<S: MessageSink> {
    pub(crate) sink: S,
    pub(crate) flow: FlowInfo,
    pub(crate) conversation: Conversation<S>,
    /// Bytes that were shown to the conversation.
    pub(crate) shown: u64,
    /// Most bytes that were held after any event.
    pub(crate) most_held: usize,
    offsets: [u64; 2],
    withheld: [Withheld; 2],
    obey: bool,
    frame: u64,
}

impl<S: MessageSink> Driver<S> {
    /// A connection seen from its SYN, from port 40000 to port 80.
    pub(crate) fn new(sink: S) -> Self {
        Self::with_flow(sink, flow())
    }

    /// A connection joined in the middle.
    pub(crate) fn midstream(sink: S) -> Self {
        Self::with_flow(sink, FlowInfo { midstream: true, ..flow() })
    }

    pub(crate) fn with_flow(mut sink: S, flow: FlowInfo) -> Self {
        let conversation = Conversation::open(&flow, &mut sink);
        let (offsets, withheld) = ([0; 2], [Withheld::default(); 2]);
        Self { sink, flow, conversation, shown: 0, most_held: 0, offsets, withheld, obey: true, frame: 0 }
    }

    /// From now on shows even the bytes that the conversation does not want.
    pub(crate) fn show_everything(mut self) -> Self {
        self.obey = false;
        self
    }

    /// Bytes of one direction arrive, in one frame.
    pub(crate) fn data(&mut self, dir: Direction, bytes: impl AsRef<[u8]>) -> &mut Self {
        let (i, bytes) = (dir.index(), bytes.as_ref());
        let skipped = usize::try_from(self.withheld[i].skip).unwrap_or(usize::MAX).min(bytes.len());
        self.withheld[i].skip -= skipped as u64;
        let at = self.tick();
        let (from, rest) = (self.offsets[i] + skipped as u64, &bytes[skipped..]);
        self.offsets[i] += bytes.len() as u64;
        if !rest.is_empty() && !self.withheld[i].stopped {
            self.shown += rest.len() as u64;
            self.event(Some(dir), StreamEvent::Data { dir, offset: from, bytes: rest, at });
        }
        self
    }

    /// A rival copy of what stands at `offset` of a direction, told before.
    pub(crate) fn rival(&mut self, dir: Direction, offset: u64, bytes: impl AsRef<[u8]>) -> &mut Self {
        let at = self.tick();
        self.event(Some(dir), StreamEvent::Rival { dir, offset, bytes: bytes.as_ref(), at });
        self
    }

    /// Bytes from the initiator.
    pub(crate) fn forward(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.data(Direction::Forward, bytes)
    }

    /// Bytes from the responder.
    pub(crate) fn reverse(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.data(Direction::Reverse, bytes)
    }

    /// `len` bytes of one direction are lost.
    pub(crate) fn gap(&mut self, dir: Direction, len: u64) -> &mut Self {
        let i = dir.index();
        let at = self.tick();
        let offset = self.offsets[i];
        self.offsets[i] += len;
        self.withheld[i].skip = self.withheld[i].skip.saturating_sub(len);
        self.event(Some(dir), StreamEvent::Gap { dir, offset, len, at });
        self
    }

    /// One direction ends.
    pub(crate) fn half_close(&mut self, dir: Direction) -> &mut Self {
        let at = self.tick();
        self.event(None, StreamEvent::HalfClosed { dir, at });
        self
    }

    /// The flow ends.
    pub(crate) fn close(&mut self) -> &mut Self {
        let at = self.tick();
        self.event(None, StreamEvent::Closed { reason: CloseReason::Fin, at });
        self
    }

    fn tick(&mut self) -> Stamp {
        self.frame += 1;
        let ts = Timestamp(i64::try_from(self.frame).unwrap() * 1_000_000);
        Stamp { ts, frame: FrameId { number: self.frame, ..FrameId::default() } }
    }

    fn event(&mut self, dir: Option<Direction>, event: StreamEvent<'_>) {
        let interest = self.conversation.on_event(&self.flow, event, &mut self.sink);
        self.most_held = self.most_held.max(self.conversation.held_bytes());
        match (interest, dir) {
            (Interest::StopFlow, _) if self.obey => self.withheld.iter_mut().for_each(|w| w.stopped = true),
            (Interest::StopDirection, Some(dir)) if self.obey => self.withheld[dir.index()].stopped = true,
            (Interest::SkipBytes(n), Some(dir)) if self.obey => self.withheld[dir.index()].skip = n,
            _ => {}
        }
    }
}

/// What is said when these bytes travel, and the connection then closes.
pub(crate) fn messages<B: AsRef<[u8]>>(script: &[(Direction, B)]) -> Vec<Seen> {
    let mut driver = Driver::new(Recorder::default());
    for (dir, bytes) in script {
        driver.data(*dir, bytes);
    }
    driver.close();
    driver.sink.messages
}

/// A flow from 10.0.0.10:40000 to 198.51.100.80:80.
pub(crate) fn flow() -> FlowInfo {
    let end = |ip: [u8; 4], port| Endpoint { ip: IpAddr::V4(Ipv4Addr::from(ip)), port };
    FlowInfo {
        id: FlowId(FrameId { number: 1, ..FrameId::default() }),
        tenant: Tenant::default(),
        initiator: end([10, 0, 0, 10], 40000),
        responder: end([198, 51, 100, 80], 80),
        mac: None,
        initiator_ttl: Some(64),
        syn: None,
        opened: Stamp::default(),
        midstream: false,
        two_sided: true,
        gaps: 0,
    }
}
