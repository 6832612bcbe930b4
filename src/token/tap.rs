//! What do the messages of a flow say of tokens? Presented by requests, judged, issued and deleted
//! by replies.

mod bodies;
mod latest;
mod replies;
mod requests;
mod tokens;
mod view;
mod waiting;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::ids::DigestKey;
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowId, FlowInfo};
use crate::identity::forwarded;
use crate::identity::ja4::{Transport, ja4_stable};
use crate::identity::topology::Topology;
use crate::identity::user_agent::AgentRules;
use crate::proto::tls::keys::{KeyLog, KeyStore};
use crate::proto::{Again, ClientHello, HttpVersion, Message, MessageSink, ProtoCounters};

use latest::Latest;
use view::{ends, view_of_flow};
pub use waiting::FlowTokens;
use waiting::Waiting;

use super::agents::UserAgents;
use super::client::{self, Fingerprints};
use super::counters::TokenCounters;
use super::header_orders::HeaderOrders;
use super::login::LoginRules;
use super::names::TokenNames;
use super::recall::Recall;
use super::sighting::{
    OutcomeSighting, PathKind, PathSighting, Request, RequestView, SeenToken, TokenSighting, TokenUse, Transaction,
    TransactionToken,
};
use super::tls::TlsHandshake;

/// Tokens of a request that what is odd about its path is told with.
const PATH_TOKENS: usize = 2;

/// The rules this floor works by; a reload swaps them as one.
#[derive(Clone, Debug, Default)]
pub struct TapRules {
    /// Which names mean a token.
    pub names: TokenNames,
    /// Which paths are login pages.
    pub login: LoginRules,
    /// Programs known by their user agent.
    pub agents: Arc<AgentRules>,
    /// Who stands between clients and servers.
    pub topology: Arc<Topology>,
}

/// What passes on to the next floors, in the order in which it was seen.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A token was presented, issued or deleted.
    Token(TokenSighting),
    /// A request that presented tokens was answered. Comes before what that reply issued.
    Outcome(OutcomeSighting),
    /// Something on the path of a flow is odd.
    Path(PathSighting),
    /// A request and its reply, for the metadata log.
    Transaction(Transaction),
    /// The hellos of a TLS connection, for the metadata log.
    Tls(Box<TlsHandshake>),
}

impl Seen {
    /// The flow in which it was seen.
    #[must_use]
    pub fn flow(&self) -> FlowId {
        let request = match self {
            Self::Token(token) => token.request.id,
            Self::Outcome(outcome) => outcome.request.id,
            Self::Path(path) => path.request.id,
            Self::Transaction(transaction) => transaction.request.id,
            Self::Tls(handshake) => handshake.view.id,
        };
        request.flow
    }
}

/// Reads tokens from the messages of all flows of one worker.
pub struct TokenTap {
    rules: Arc<TapRules>,
    key: DigestKey,
    hash_key: [u8; 16],
    agents: UserAgents,
    fingerprints: Fingerprints,
    recall: Recall,
    latest: Latest,
    header_orders: HeaderOrders,
    transactions: bool,
    /// Bytes wanted of the body of the message read last.
    wanted: usize,
    seen: Vec<Seen>,
    keys: KeyStore,
    counters: TokenCounters,
    proto: ProtoCounters,
}

impl TokenTap {
    /// `key` makes the token refs, `hash_key` (random in the daemon) finds interned user agents.
    /// `transactions` asks for [`Seen::Transaction`] and [`Seen::Tls`]; without it they cost nothing.
    /// `memory` in bytes bounds what is remembered of flows' last requests.
    #[must_use]
    pub fn new(rules: Arc<TapRules>, key: DigestKey, hash_key: [u8; 16], memory: u64, transactions: bool) -> Self {
        let agents = UserAgents::new(rules.agents.clone(), hash_key);
        let fingerprints = Fingerprints::new(u64::from_le_bytes(hash_key.first_chunk().copied().unwrap_or_default()));
        let (counters, proto) = Default::default();
        let (recall, header_orders) = (Recall::new(hash_key), HeaderOrders::new(hash_key));
        let latest = Latest::within(memory);
        let (wanted, seen) = Default::default();
        Self {
            rules,
            key,
            hash_key,
            agents,
            fingerprints,
            recall,
            latest,
            header_orders,
            transactions,
            wanted,
            seen,
            keys: KeyStore::new(0, 0),
            counters,
            proto,
        }
    }

    /// From now on works by other rules; what was read stays as it was.
    pub fn set_rules(&mut self, rules: Arc<TapRules>) {
        self.agents.set_rules(rules.agents.clone());
        self.recall.clear();
        self.latest.clear();
        self.rules = rules;
    }

    /// From now on opens TLS connections with these secrets.
    pub fn set_keys(&mut self, keys: KeyStore) {
        self.keys = keys;
    }

    /// More secrets came.
    pub fn learn(&mut self, keys: &KeyLog) {
        self.keys.learn(keys);
        self.proto.tls_keys_limit_hits = self.keys.limit_hits();
    }

    /// Takes what was seen since the last call, in order. The owner drains after every segment, so
    /// that no more is held than one segment can say.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Seen> {
        self.seen.drain(..)
    }

    /// Nothing was seen since the last drain.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.seen.is_empty()
    }

    /// Orders what was seen since the last drain by flow: for a step that concerned many flows, whose
    /// order must not depend on how they lie in a table.
    pub fn order_by_flow(&mut self) {
        self.seen.sort_by_key(Seen::flow);
    }

    /// Counters of this floor.
    #[must_use]
    pub const fn token_counters(&self) -> &TokenCounters {
        &self.counters
    }

    /// Counters of the protocol floor below it.
    #[must_use]
    pub const fn proto_counters(&self) -> &ProtoCounters {
        &self.proto
    }

    fn on_client_hello(
        &mut self,
        state: &mut FlowTokens,
        flow: &FlowInfo,
        dir: Direction,
        (first, complete): (Stamp, Stamp),
        hello: &ClientHello<'_>,
    ) {
        let limit_hits = &mut self.counters.interned_fingerprints_limit_hits;
        let fingerprint = self.fingerprints.share(ja4_stable(hello, Transport::Tcp), limit_hits);
        let view = self.transactions.then(|| RequestView { complete, ..self.flow_view(state, flow, dir, first) });
        state.rare().tls.offered(hello, fingerprint, view);
    }

    fn transaction(&mut self, request: &Waiting, status: Option<u16>, issued: &[Arc<SeenToken>]) {
        if !self.transactions {
            return;
        }
        let presented =
            request.presented().iter().map(|token| TransactionToken { token: token.clone(), issued: false });
        let issued = issued.iter().map(|token| TransactionToken { token: token.clone(), issued: true });
        self.seen.push(Seen::Transaction(Transaction {
            tokens: presented.chain(issued).collect(),
            cookies: request.reading.cookies,
            request: request.request.view(),
            status,
        }));
    }

    fn sighting(&mut self, token: &Arc<SeenToken>, action: TokenUse, request: &Arc<Request>, at: Stamp) {
        self.counters.sighted(token.class);
        self.seen.push(Seen::Token(TokenSighting {
            token: token.clone(),
            action,
            request: request.clone(),
            at,
            plaintext: !request.like.decrypted,
        }));
    }

    /// A view without a request.
    fn flow_view(&self, state: &FlowTokens, flow: &FlowInfo, dir: Direction, at: Stamp) -> RequestView {
        let mut view = view_of_flow(flow, dir, None, at);
        let (peer, topology) = (view.source.ip, &*self.rules.topology);
        view.decrypted = state.is_decrypted();
        view.inner_hop = topology.is_inner_hop(peer, view.destination.ip);
        client::behind(&mut view.client, forwarded::sender(topology, peer, state.named(dir), &[]));
        view
    }

    /// Something is odd about what travels in `dir`. Who the client is, its requests say; without
    /// one, whoever opened the flow.
    fn path(&mut self, state: &mut FlowTokens, flow: &FlowInfo, kind: PathKind, dir: Direction, at: Stamp) {
        let (request, tokens) = match state.waiting().last() {
            Some(waiting) => (waiting.request.view(), waiting.presented().iter().take(PATH_TOKENS).cloned().collect()),
            None => (Arc::new(self.flow_view(state, flow, Direction::Forward, at)), SmallVec::new()),
        };
        let from_client = ends(flow, dir).0 == request.source;
        self.seen.push(Seen::Path(PathSighting { kind, from_client, request, tokens, at }));
    }
}

impl MessageSink for TokenTap {
    type FlowState = FlowTokens;

    fn on_message(&mut self, state: &mut FlowTokens, flow: &FlowInfo, message: Message<'_>) {
        self.wanted = 0;
        match message {
            Message::Request { ordinal, dir, first, complete, head } => {
                self.on_request(state, flow, (ordinal, dir), (first, complete), &head);
            }
            Message::Response { answers, dir, first, complete, head } => {
                self.on_response(state, flow, (answers, dir), (first, complete), &head);
            }
            Message::Ambiguous { dir, at, kind, .. } => self.path(state, flow, PathKind::Ambiguous(kind), dir, at),
            Message::Anomaly(anomaly) => self.path(state, flow, anomaly.kind.into(), anomaly.dir, anomaly.at),
            Message::ProxyPreamble { dir, client } => {
                self.latest.forget(&mut state.last, flow.id);
                if let Some(client) = client {
                    state.rare().preamble.get_or_insert((dir, client.ip));
                }
            }
            Message::Body { ordinal, dir, at, bytes, whole } => {
                self.on_body(state, (ordinal, dir), at, bytes, whole);
            }
            Message::ClientHello { dir, first, complete, hello } => {
                self.latest.forget(&mut state.last, flow.id);
                self.on_client_hello(state, flow, dir, (first, complete), &hello);
            }
            Message::ServerHello { dir, complete, hello, resumed } if self.transactions => {
                let view = self.flow_view(state, flow, dir.opposite(), complete);
                state.rare().tls.chosen(&hello, resumed, view);
            }
            Message::TlsOpaque => {
                let told = state.rare.as_mut().and_then(|rare| rare.tls.take_handshake());
                self.seen.extend(told.map(Seen::Tls));
            }
            Message::Abandoned { ordinal, .. } => {
                if let Some(unanswered) = self.take_waiting(state, ordinal, HttpVersion::V2) {
                    self.transaction(&unanswered, None, &[]);
                }
            }
            Message::TlsDecrypted { protocol } => {
                self.latest.forget(&mut state.last, flow.id);
                let told = state.rare().tls.decrypted(protocol);
                self.seen.extend(told.map(Seen::Tls));
            }
            Message::Http2Client { .. } | Message::ServerHello { .. } => {}
            Message::End { .. } => {
                while let Some(unanswered) = state.take_first() {
                    self.transaction(&unanswered, None, &[]);
                }
                self.latest.forget(&mut state.last, flow.id);
            }
        }
    }

    fn fields_key(&self) -> [u8; 16] {
        self.hash_key
    }

    fn keys(&self) -> Option<&KeyStore> {
        (!self.keys.is_empty()).then_some(&self.keys)
    }

    fn on_again(&mut self, state: &mut FlowTokens, flow: &FlowInfo, again: &Again<'_>) -> bool {
        self.wanted = 0;
        self.repeated(state, flow, again)
    }

    fn body_wanted(&mut self, _: &mut FlowTokens) -> usize {
        std::mem::take(&mut self.wanted)
    }

    fn held_bytes(state: &FlowTokens) -> usize {
        state.held_bytes()
    }

    fn counters(&mut self) -> &mut ProtoCounters {
        &mut self.proto
    }
}

#[cfg(test)]
mod tests;
