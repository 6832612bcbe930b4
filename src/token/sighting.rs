//! What travels on from a message: owned, small and without any token. The line of a repeated request is masked
//! once somebody wants to see it, and wiped with it.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use zeroize::Zeroize;

use super::{mask, url};
use crate::base::ids::TokenRef;
use crate::base::net::{Endpoint, MacAddr, Tenant};
use crate::base::time::Stamp;
use crate::flow::{AnomalyKind, FlowId};
use crate::identity::ClientIdentity;
use crate::proto::{Ambiguity, FIRST_RIVAL, HttpVersion};

/// What a token opens, and so who may rightly share it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenClass {
    /// A web session.
    Session,
    /// A "remember me" login.
    Remember,
    /// A session at an identity provider.
    Idp,
    /// A VPN or admin appliance.
    Edge,
    /// A bearer token of one user.
    Bearer,
    /// An API key, rightly shared by several machines.
    Api,
    /// HTTP Basic credentials.
    Basic,
    /// A TLS session id or ticket.
    Ticket,
}

impl TokenClass {
    /// All classes, in the order of their names in rules.
    pub const ALL: [Self; 8] =
        [Self::Session, Self::Remember, Self::Idp, Self::Edge, Self::Bearer, Self::Api, Self::Basic, Self::Ticket];

    /// Whether it opens what belongs to one person, so that nobody else rightly has it.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::Session | Self::Remember | Self::Idp | Self::Edge | Self::Bearer)
    }

    /// The word used in rules, alerts and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Remember => "remember",
            Self::Idp => "idp",
            Self::Edge => "edge",
            Self::Bearer => "bearer",
            Self::Api => "api",
            Self::Basic => "basic",
            Self::Ticket => "ticket",
        }
    }
}

/// In what a token travelled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// `Cookie` or `Set-Cookie`.
    Cookie,
    /// `Authorization` or another header field.
    Header,
    /// The query of the target.
    Query,
    /// A matrix parameter: `/page;jsessionid=…`.
    Matrix,
    /// A path segment: `/(S(…))/`.
    Path,
    /// A field of a form in the body of a request.
    Form,
    /// A member of a JSON object in the body of a reply.
    Json,
}

/// Which request: unique in a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RequestId {
    /// The flow that carried it.
    pub flow: FlowId,
    /// Which request of the flow, from 0.
    pub ordinal: u32,
}

impl RequestId {
    /// Whether only a rival copy of bytes holds the request: what it says may be a mixture of two.
    #[must_use]
    pub const fn is_rival(self) -> bool {
        self.ordinal >= FIRST_RIVAL && self.ordinal < u32::MAX
    }
}

/// One request as everyone above may see it; all texts are masked. Shared by its sightings.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// Identity.
    pub id: RequestId,
    /// Frame of its first byte.
    pub first: Stamp,
    /// Frame that completed its head.
    pub complete: Stamp,
    /// VLANs and tunnels.
    pub tenant: Tenant,
    /// Sender of the packets: the client, or a proxy before it.
    pub source: Endpoint,
    /// Receiver of the packets.
    pub destination: Endpoint,
    /// The client.
    pub client: ClientIdentity,
    /// Destination MAC of the frames: the server's own or that of a router on the way to it.
    pub next_hop: Option<MacAddr>,
    /// An internal hop behind a terminator: what travels on it in the clear is not exposed by that.
    pub inner_hop: bool,
    /// It travelled inside TLS and was decrypted.
    pub decrypted: bool,
    /// `None` when only the response was seen.
    pub http: Option<HttpView>,
    /// The flow was joined after its beginning.
    pub midstream: bool,
    /// Only one direction of the flow was seen so far.
    pub one_sided: bool,
    /// Gaps in the flow so far.
    pub gaps: u32,
}

/// One request as it travels on. Most repeat an earlier one of their flow in all but method and target:
/// the same fields of the same client. These share the view of that one.
#[derive(Clone, Debug)]
pub struct Request {
    /// Identity.
    pub id: RequestId,
    /// Frame of its first byte.
    pub first: Stamp,
    /// Frame that completed its head.
    pub complete: Stamp,
    /// Keyed hash of method, path and query as on the wire: equal for one request on both legs of a
    /// proxy. `None` when only the response was seen.
    pub hash: Option<u64>,
    /// The request, or the one that it repeats.
    pub like: Arc<RequestView>,
    /// What a repeat asks for instead.
    asks: Option<RequestLine>,
}

impl Request {
    /// A request that repeats none.
    #[must_use]
    pub fn new(view: Arc<RequestView>, hash: Option<u64>) -> Arc<Self> {
        Arc::new(Self { id: view.id, first: view.first, complete: view.complete, hash, like: view, asks: None })
    }

    /// A request that repeats another in all but its line, which shows none of its secrets.
    pub(super) fn repeat(
        id: RequestId,
        (first, complete): (Stamp, Stamp),
        hash: u64,
        like: Arc<RequestView>,
        asks: RequestLine,
    ) -> Arc<Self> {
        Arc::new(Self { id, first, complete, hash: Some(hash), like, asks: Some(asks) })
    }

    /// A view of its own.
    #[must_use]
    pub fn view(&self) -> Arc<RequestView> {
        let Some(asks) = &self.asks else { return Arc::clone(&self.like) };
        let mut view = (*self.like).clone();
        (view.id, view.first, view.complete) = (self.id, self.first, self.complete);
        if let Some(http) = &mut view.http {
            asks.show(http);
        }
        Arc::new(view)
    }
}

/// Method and target of a repeat as on the wire. They are masked when somebody wants to see them, which
/// is seldom; until then nobody can.
#[derive(Clone)]
pub(super) struct RequestLine {
    /// The target behind the method.
    wire: SmallVec<[u8; 48]>,
    method: usize,
}

impl RequestLine {
    pub(super) fn new(method: &[u8], target: &[u8]) -> Self {
        let mut wire = SmallVec::with_capacity(method.len().saturating_add(target.len()));
        wire.extend_from_slice(method);
        wire.extend_from_slice(target);
        Self { wire, method: method.len() }
    }

    fn show(&self, http: &mut HttpView) {
        let (method, target) = self.wire.split_at_checked(self.method).unwrap_or_default();
        let target = url::split(method, target);
        http.method = mask::text(method, &[]);
        http.path = mask::text(target.path, &[]);
        http.query = target.query.map(|query| mask::query(query, &[]));
    }
}

impl Drop for RequestLine {
    /// Its query values may matter to somebody, though none of them is a token.
    fn drop(&mut self) {
        self.wire.as_mut_slice().zeroize();
    }
}

impl fmt::Debug for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestLine({} bytes)", self.wire.len())
    }
}

/// The HTTP part of a request; texts are masked, printable and cut at 1 KiB.
#[derive(Clone, Debug)]
pub struct HttpView {
    /// Version.
    pub version: HttpVersion,
    /// Method.
    pub method: Box<str>,
    /// Host without port, lower case; empty when there is none.
    pub host: Box<str>,
    /// Path.
    pub path: Box<str>,
    /// Query with every value masked; `None` without a `?`.
    pub query: Option<Box<str>>,
}

/// One token as it may be seen: its ref and what the rules say of it.
#[derive(Clone, Debug)]
pub struct SeenToken {
    /// Keyed digest: of the value when strong, else of (service, token id, value).
    pub token: TokenRef,
    /// For a weak value: the same digest with the server's address as service, under which it is
    /// looked up as well. `None` for a strong one.
    pub by_address: Option<TokenRef>,
    /// Estimated strength in bits.
    pub strength: u16,
    /// The rule that named it: `php_session`.
    pub id: Arc<str>,
    /// Name on the wire: `PHPSESSID`; masked and cut when hostile.
    pub name: Arc<str>,
    /// In what it travelled.
    pub carrier: Carrier,
    /// Class.
    pub class: TokenClass,
    /// Where a weak token is valid: registrable domain of the Host, or the server's address.
    pub service: Arc<str>,
}

impl SeenToken {
    /// Whether it is the password of a form: a secret that proves who somebody is once, at the login. It
    /// is told when it is exposed, and nobody's session.
    #[must_use]
    pub fn is_password(&self) -> bool {
        self.class == TokenClass::Basic && self.carrier != Carrier::Header
    }
}

/// What was done with a token.
#[derive(Clone, Debug)]
pub enum TokenUse {
    /// A client presented it.
    Presented,
    /// A server issued it.
    Issued(Issued),
    /// A server ended it: its reply to a request that presented the token deleted it, or sent the
    /// client from a logout path to a login page.
    Deleted,
}

/// How a token was issued.
#[derive(Clone, Copy, Debug, Default)]
pub struct Issued {
    /// The token of the same id that the answered request presented, when another value: it is rotated.
    /// Only on replies other than 401, 403 and login redirects.
    pub replaces: Option<TokenRef>,
    /// The same token by the server's address, where it is weak.
    pub replaces_by_address: Option<TokenRef>,
    /// Secure attribute.
    pub secure: bool,
    /// `HttpOnly` attribute.
    pub http_only: bool,
    /// `SameSite` attribute is present.
    pub same_site: bool,
}

/// One token seen once.
#[derive(Clone, Debug)]
pub struct TokenSighting {
    /// The token; shared by all requests with the same fields.
    pub token: Arc<SeenToken>,
    /// What was done with it.
    pub action: TokenUse,
    /// The request that presented it, or that the issuing reply answers.
    pub request: Arc<Request>,
    /// The frame judged by: completing the request head, or the reply head.
    pub at: Stamp,
    /// It travelled in cleartext.
    pub plaintext: bool,
}

/// What the server made of a presented token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 401, 403, redirect to a login path, or deletion of the token.
    Rejected,
    /// No reply, another 4xx, or 5xx.
    #[default]
    Unknown,
    /// Another 2xx or 3xx, or 101.
    Accepted,
}

/// The reply to a request that presented tokens.
#[derive(Clone, Debug)]
pub struct OutcomeSighting {
    /// The request.
    pub request: Arc<Request>,
    /// The refs of the tokens it presented, those by the server's address included, each with what
    /// became of it. Shared by all requests with the same fields that were accepted.
    pub tokens: Arc<[(TokenRef, Outcome)]>,
    /// Of these, the ones in whose place the reply hands out another value.
    pub renewed: Box<[TokenRef]>,
    /// The request went to a login page.
    pub login: bool,
    /// Status code.
    pub status: u16,
    /// The frame that completed the reply head.
    pub at: Stamp,
}

/// Something on the path of a flow that an honest network does not do, or that hosts read differently.
#[derive(Clone, Debug)]
pub struct PathSighting {
    /// What.
    pub kind: PathKind,
    /// The side that sent it, or in whose name it was sent.
    pub from_client: bool,
    /// The latest unanswered request of the flow; without one, the flow as a request of its client
    /// would be seen.
    pub request: Arc<RequestView>,
    /// The first tokens of that request.
    pub tokens: SmallVec<[Arc<SeenToken>; 2]>,
    /// The frame that showed it.
    pub at: Stamp,
}

/// Kinds of odd behaviour on a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PathKind {
    /// Of TCP.
    Tcp(AnomalyKind),
    /// Of HTTP: two plausible readings.
    Ambiguous(Ambiguity),
    /// Overlapping fragments of one datagram carry other bytes (RFC 5722).
    FragmentConflict,
}

impl From<AnomalyKind> for PathKind {
    fn from(kind: AnomalyKind) -> Self {
        match kind {
            AnomalyKind::FragmentConflict => Self::FragmentConflict,
            tcp => Self::Tcp(tcp),
        }
    }
}

impl PathKind {
    /// The word of alerts.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tcp(kind) => kind.label(),
            Self::Ambiguous(Ambiguity::LengthAndEncoding) => "length_and_encoding",
            Self::Ambiguous(Ambiguity::DifferingLengths) => "differing_lengths",
            Self::Ambiguous(Ambiguity::ObfuscatedEncoding) => "obfuscated_encoding",
            Self::Ambiguous(Ambiguity::SpaceBeforeColon) => "space_before_colon",
            Self::Ambiguous(Ambiguity::BareLineEnd) => "bare_line_end",
            Self::Ambiguous(Ambiguity::UrgentByte) => "urgent_byte",
            Self::Ambiguous(Ambiguity::ForwardedHeaders) => "forwarded_headers",
            Self::FragmentConflict => "fragment_conflict",
        }
    }
}

/// One HTTP transaction for the metadata log: emitted when its reply head is complete, or at the end
/// of the flow.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// The request.
    pub request: Arc<RequestView>,
    /// Status of the reply, when one was seen.
    pub status: Option<u16>,
    /// Cookie pairs in the request.
    pub cookies: u32,
    /// Tokens presented and issued.
    pub tokens: Vec<TransactionToken>,
}

/// A token in a transaction.
#[derive(Clone, Debug)]
pub struct TransactionToken {
    /// The token.
    pub token: Arc<SeenToken>,
    /// Whether a server issued it; otherwise a client presented it.
    pub issued: bool,
}
