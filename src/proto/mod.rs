//! Floor 3: what do the bytes say? Takes stream events, gives [`Message`]s.

mod collect;
mod conversation;
mod http1;
mod http2;
mod probe;
mod proxy;
mod socks;
#[cfg(test)]
pub(crate) mod testing;
pub mod tls;

use std::borrow::Cow;
use std::fmt;

use crate::base::net::Endpoint;
use crate::base::time::Stamp;
use crate::flow::{Anomaly, Direction, FlowInfo};
pub use conversation::Conversation;
pub use tls::{ClientHello, ServerHello, TlsVersion};
use tls::{Unread, keys::KeyStore};

/// One header field as read, in wire order. The name is as on the wire without surrounding white
/// space; the value is trimmed and, where it was folded over lines, joined by one space.
#[derive(Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Name, case as on the wire.
    pub name: &'a [u8],
    /// Value.
    pub value: Cow<'a, [u8]>,
}

impl fmt::Debug for Header<'_> {
    /// A field may be a secret as a whole: only how long it is is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({} + {} bytes)", self.name.len(), self.value.len())
    }
}

/// Version of HTTP as spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub enum HttpVersion {
    /// HTTP/0.9: a request line without version.
    #[serde(rename = "0.9")]
    V09,
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    V10,
    /// HTTP/1.1 (and any other HTTP/1.x).
    #[serde(rename = "1.1")]
    V11,
    /// HTTP/2.
    #[serde(rename = "2")]
    V2,
}

impl HttpVersion {
    /// As in `http.version`: `1.1`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V09 => "0.9",
            Self::V10 => "1.0",
            Self::V11 => "1.1",
            Self::V2 => "2",
        }
    }
}

/// The head of a request, borrowed.
#[derive(Clone)]
pub struct RequestHead<'a> {
    /// Method as on the wire.
    pub method: &'a [u8],
    /// Request target as on the wire: origin, absolute, authority or asterisk form (RFC 9112 §3.2).
    pub target: &'a [u8],
    /// Version.
    pub version: HttpVersion,
    /// Fields in wire order.
    pub headers: &'a [Header<'a>],
}

impl fmt::Debug for RequestHead<'_> {
    /// The target may hold a token: only how long it is is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RequestHead({:?}, {} + {} bytes, {:?})",
            self.version,
            self.method.len(),
            self.target.len(),
            self.headers
        )
    }
}

/// The head of a response, borrowed.
#[derive(Clone, Debug)]
pub struct ResponseHead<'a> {
    /// Status code, 100 to 999.
    pub status: u16,
    /// Version.
    pub version: HttpVersion,
    /// Fields in wire order.
    pub headers: &'a [Header<'a>],
}

impl<'a> RequestHead<'a> {
    /// Values of every field of this name, in wire order, case-insensitively.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> + 's {
        all(self.headers, name)
    }
}

impl<'a> ResponseHead<'a> {
    /// Values of every field of this name, in wire order, case-insensitively.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> + 's {
        all(self.headers, name)
    }
}

fn all<'s>(headers: &'s [Header<'_>], name: &'s str) -> impl Iterator<Item = &'s [u8]> + 's {
    headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name.as_bytes())).map(|h| h.value.as_ref())
}

/// Requests of one connection that may wait for their replies. Beyond it pairing is lost, tokens are still
/// read.
pub const PIPELINE_LIMIT: u32 = 128;

/// Ordinals from here on are of requests that only a rival copy of bytes holds: they count down from
/// the highest, and no reply answers them.
pub const FIRST_RIVAL: u32 = 1 << 31;

/// One parsed message. `ordinal` counts the requests of a connection from 0; in HTTP/2 it is the stream, and
/// what was counted before comes on top.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// A request head is complete.
    Request {
        /// Which request of this connection.
        ordinal: u32,
        /// Direction it travels: from the client.
        dir: Direction,
        /// Frame of its first byte.
        first: Stamp,
        /// Frame that completed the head.
        complete: Stamp,
        /// The head.
        head: RequestHead<'a>,
    },
    /// A final response head (not 1xx, except 101) is complete.
    Response {
        /// The request it answers; `None` when that request was not seen or pairing was lost.
        answers: Option<u32>,
        /// Direction it travels: from the server.
        dir: Direction,
        /// Frame of its first byte.
        first: Stamp,
        /// Frame that completed the head.
        complete: Stamp,
        /// The head.
        head: ResponseHead<'a>,
    },
    /// The beginning of a body that [`MessageSink::body_wanted`] asked for: told once, when it is
    /// whole, when the wanted bytes are there, or when no more will come.
    Body {
        /// Of which request, or of the reply to which.
        ordinal: u32,
        /// Direction it travels.
        dir: Direction,
        /// Frame of its last byte here.
        at: Stamp,
        /// The bytes, without chunk framing, as encoded on the wire.
        bytes: &'a [u8],
        /// Nothing is missing.
        whole: bool,
    },
    /// Hosts read this message differently, and tokens or framing depend on how.
    Ambiguous {
        /// The request, when it is one, or when it is the reply to a known one.
        ordinal: Option<u32>,
        /// Direction it travels.
        dir: Direction,
        /// The frame that showed it.
        at: Stamp,
        /// In what the readings differ.
        kind: Ambiguity,
    },
    /// A PROXY protocol preamble (proxy-protocol.txt, HAProxy) said who is behind the peer.
    ProxyPreamble {
        /// Direction it travels.
        dir: Direction,
        /// The client that it names; `None` for `UNKNOWN` and `LOCAL`.
        client: Option<Endpoint>,
    },
    /// A client of HTTP/2 sends its first request on a connection of which the beginning was seen.
    Http2Client {
        /// Direction it travels.
        dir: Direction,
        /// The frame that completed the request.
        at: Stamp,
        /// How the program begins a connection: its settings, how far it opens the window, the order of
        /// pseudo fields; as `1:65536;4:6291456|15663105|m,a,s,p`.
        shape: &'a str,
    },
    /// A request gets no reply: its stream was reset, or the server takes up no more.
    Abandoned {
        /// Which request.
        ordinal: u32,
        /// When that was said.
        at: Stamp,
    },
    /// Odd TCP behaviour of the flow.
    Anomaly(Anomaly),
    /// A client begins a TLS connection.
    ClientHello {
        /// Direction it travels: from the client.
        dir: Direction,
        /// Frame of its first byte.
        first: Stamp,
        /// Frame that completed it.
        complete: Stamp,
        /// The hello.
        hello: ClientHello<'a>,
    },
    /// A server answers a ClientHello; twice where it first asks for another
    /// ([`ServerHello::is_retry_request`]).
    ServerHello {
        /// Direction it travels: from the server.
        dir: Direction,
        /// Frame that completed it.
        complete: Stamp,
        /// The hello.
        hello: ServerHello<'a>,
        /// Whether it takes up an earlier session; `None` where the client's hello was not read.
        resumed: Option<bool>,
    },
    /// A TLS connection is under way, and nothing more in it can be read without its keys. Comes after its
    /// hellos, where they were seen.
    TlsOpaque,
    /// A TLS connection is under way whose secrets are known: all messages after this one travelled
    /// inside it. Comes after its hellos.
    TlsDecrypted {
        /// The application protocol that the server chose, where it said so under encryption.
        protocol: Option<&'a [u8]>,
    },
    /// The conversation is over: requests without a response will get none.
    End {
        /// When.
        at: Stamp,
    },
}

/// A request whose fields are, byte for byte, those of the request told last on its connection: most
/// requests of a client are. Its fields were not read again.
#[derive(Clone, Copy)]
pub struct Again<'a> {
    /// Which request of this connection.
    pub ordinal: u32,
    /// Direction it travels: from the client.
    pub dir: Direction,
    /// Frame of its first byte.
    pub first: Stamp,
    /// Frame that completed the head.
    pub complete: Stamp,
    /// Method as on the wire.
    pub method: &'a [u8],
    /// Request target as on the wire.
    pub target: &'a [u8],
    /// Version.
    pub version: HttpVersion,
}

/// In what two plausible readings of one message differ (RFC 9112 §6.3, §11.2; RFC 6093 for urgent
/// bytes); the words of alerts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ambiguity {
    /// Content-Length and Transfer-Encoding in one message.
    LengthAndEncoding,
    /// Several Content-Lengths that differ, or one that is no number.
    DifferingLengths,
    /// A Transfer-Encoding that some hosts take for `chunked`.
    ObfuscatedEncoding,
    /// White space between a field's name and the colon.
    SpaceBeforeColon,
    /// A line or chunk size that ends in a bare CR or LF where hosts disagree on it.
    BareLineEnd,
    /// An urgent byte inside a head: hosts may leave it out of the stream.
    UrgentByte,
    /// Forwarded headers of different kinds that name different clients.
    ForwardedHeaders,
}

/// Where messages go: the next floor's eyes on one flow.
pub trait MessageSink {
    /// What the sink remembers of one flow (which requests are unanswered …).
    type FlowState: Default;

    /// One message of a flow.
    fn on_message(&mut self, state: &mut Self::FlowState, flow: &FlowInfo, message: Message<'_>);

    /// The key of the hashes by which fields are known again, random in the daemon: nobody can make two
    /// requests look alike.
    fn fields_key(&self) -> [u8; 16] {
        [0; 16]
    }

    /// A request that repeats the fields of the one told last. False when the sink has to see them: then
    /// nothing has happened, and the request is told as [`Message::Request`].
    fn on_again(&mut self, _state: &mut Self::FlowState, _flow: &FlowInfo, _again: &Again<'_>) -> bool {
        false
    }

    /// How many bytes of the body are wanted of the message whose head was told last: a form, a
    /// token endpoint's reply. 0 for none; they are held until told, so ask for few.
    fn body_wanted(&mut self, _state: &mut Self::FlowState) -> usize {
        0
    }

    /// The secrets of TLS connections that the operator gave, where there are any.
    fn keys(&self) -> Option<&KeyStore> {
        None
    }

    /// Heap bytes held by a flow's state.
    fn held_bytes(state: &Self::FlowState) -> usize;

    /// The protocol floor's counters, shared by all conversations of a worker.
    fn counters(&mut self) -> &mut ProtoCounters;
}

/// Plain counters of this floor; the owner snapshots them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProtoCounters {
    /// Requests read on HTTP/1 (`http_requests_total{protocol="http1"}`).
    pub http1_requests: u64,
    /// Responses read on HTTP/1.
    pub http1_responses: u64,
    /// Heads that could not be read (`http_parse_errors_total{protocol="http1"}`).
    pub http1_errors: u64,
    /// Heads given up at the size limit (`limit_hits_total{limit="http_head"}`).
    pub head_limit_hits: u64,
    /// Fields beyond the limit of one head (`limit_hits_total{limit="http_headers"}`).
    pub header_limit_hits: u64,
    /// Requests beyond the pipelining limit (`limit_hits_total{limit="http_pipeline"}`).
    pub pipeline_limit_hits: u64,
    /// Tunnels inside tunnels beyond the depth that is read (`limit_hits_total{limit="tunnel_depth"}`).
    pub tunnel_limit_hits: u64,
    /// Requests read on HTTP/2 (`http_requests_total{protocol="http2"}`).
    pub http2_requests: u64,
    /// Responses read on HTTP/2.
    pub http2_responses: u64,
    /// Header blocks that could not be read to their end: what their direction said before is unknown
    /// from there on (`http_parse_errors_total{protocol="http2"}`).
    pub http2_errors: u64,
    /// Requests of HTTP/2 beyond those that may wait (`limit_hits_total{limit="http2_streams"}`).
    pub stream_limit_hits: u64,
    /// Header blocks longer than is read (`limit_hits_total{limit="http2_block"}`).
    pub block_limit_hits: u64,
    /// Messages of HTTP/2 with more fields than are kept (`limit_hits_total{limit="http2_header_list"}`).
    pub list_limit_hits: u64,
    /// Entries of header tables beyond those that are kept (`limit_hits_total{limit="http2_table"}`).
    pub table_limit_hits: u64,
    /// Bodies of HTTP/2 beyond those that are read at a time (`limit_hits_total{limit="http2_bodies"}`).
    pub body_limit_hits: u64,
    /// Connections that went over to another protocol (101) and are not read from there on.
    pub upgrades_unread: u64,
    /// TLS connections in which something was read (`tls_decrypted_connections_total`).
    pub tls_decrypted: u64,
    /// TLS connections that stayed unread, in the order of [`Unread::LABELS`]
    /// (`tls_undecrypted_connections_total{reason}`).
    pub tls_undecrypted: [u64; Unread::LABELS.len()],
    /// TLS connections by version, in the order of [`TlsVersion::LABELS`]
    /// (`tls_connections_total{version}`).
    pub tls_versions: [u64; TlsVersion::LABELS.len()],
    /// Connections whose secrets were forgotten at the bound (`limit_hits_total{limit="tls_keys"}`).
    pub tls_keys_limit_hits: u64,
    /// Hellos longer than the bound (`limit_hits_total{limit="tls_handshake"}`).
    pub tls_handshake_limit_hits: u64,
    /// Connections whose first bytes are no protocol of ours.
    pub unknown_protocol: u64,
}

impl ProtoCounters {
    /// Counts a TLS connection that stays unread.
    fn undecrypted(&mut self, why: Unread) {
        if let Some(count) = self.tls_undecrypted.get_mut(why as usize) {
            *count += 1;
        }
    }

    /// TLS connections of which nothing was read but the hellos.
    #[must_use]
    pub fn tls_opaque(&self) -> u64 {
        let lost = self.tls_undecrypted.get(Unread::Lost as usize).copied().unwrap_or_default();
        self.tls_undecrypted.iter().sum::<u64>().saturating_sub(lost)
    }

    /// Adds what another worker counted.
    pub fn add(&mut self, other: Self) {
        let Self {
            http1_requests,
            http1_responses,
            http1_errors,
            head_limit_hits,
            header_limit_hits,
            pipeline_limit_hits,
            tunnel_limit_hits,
            http2_requests,
            http2_responses,
            http2_errors,
            stream_limit_hits,
            block_limit_hits,
            list_limit_hits,
            table_limit_hits,
            body_limit_hits,
            upgrades_unread,
            tls_decrypted,
            tls_undecrypted,
            tls_versions,
            tls_keys_limit_hits,
            tls_handshake_limit_hits,
            unknown_protocol,
        } = other;
        self.http1_requests += http1_requests;
        self.http1_responses += http1_responses;
        self.http1_errors += http1_errors;
        self.head_limit_hits += head_limit_hits;
        self.header_limit_hits += header_limit_hits;
        self.pipeline_limit_hits += pipeline_limit_hits;
        self.tunnel_limit_hits += tunnel_limit_hits;
        self.http2_requests += http2_requests;
        self.http2_responses += http2_responses;
        self.http2_errors += http2_errors;
        self.stream_limit_hits += stream_limit_hits;
        self.block_limit_hits += block_limit_hits;
        self.list_limit_hits += list_limit_hits;
        self.table_limit_hits += table_limit_hits;
        self.body_limit_hits += body_limit_hits;
        self.upgrades_unread += upgrades_unread;
        self.tls_decrypted += tls_decrypted;
        self.tls_undecrypted.iter_mut().zip(tls_undecrypted).for_each(|(mine, theirs)| *mine += theirs);
        self.tls_versions.iter_mut().zip(tls_versions).for_each(|(mine, theirs)| *mine += theirs);
        // Every worker learns the same.
        self.tls_keys_limit_hits = self.tls_keys_limit_hits.max(tls_keys_limit_hits);
        self.tls_handshake_limit_hits += tls_handshake_limit_hits;
        self.unknown_protocol += unknown_protocol;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_head() {
        let headers = [Header { name: b"cookie", value: Cow::Borrowed(b"sid=hunter2") }];
        let head =
            RequestHead { method: b"GET", target: b"/?sid=hunter2", version: HttpVersion::V11, headers: &headers };
        assert_eq!(format!("{head:?}"), "RequestHead(V11, 3 + 13 bytes, [Header(6 + 11 bytes)])");
    }
}
