//! What do the messages of a flow say of tokens? Presented by requests, judged, issued and deleted
//! by replies.

mod bodies;
mod view;
mod waiting;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::base::ids::DigestKey;
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowId, FlowInfo};
use crate::identity::Language;
use crate::identity::forwarded::{self, Sender};
use crate::identity::ja4::{Transport, ja4_stable};
use crate::identity::topology::Topology;
use crate::identity::user_agent::AgentRules;
use crate::proto::{
    Ambiguity, ClientHello, HttpVersion, Message, MessageSink, ProtoCounters, RequestHead, ResponseHead,
};

use view::{ends, http_view, is_as_before, request_hash, view_of_flow};
pub use waiting::FlowTokens;
use waiting::Waiting;

use super::agents::UserAgents;
use super::client::{self, Fingerprints};
use super::counters::TokenCounters;
use super::find::{self, Finder, Found};
use super::header_orders::HeaderOrders;
use super::login::{LoginRules, Page};
use super::mask::{self, Known};
use super::names::TokenNames;
use super::recall::{Key, Like, Reading, Recall, Secrets};
use super::service::Site;
use super::sighting::{
    Carrier, HttpView, Issued, Outcome, OutcomeSighting, PathKind, PathSighting, Request, RequestId, RequestView,
    SeenToken, TokenClass, TokenSighting, TokenUse, Transaction, TransactionToken,
};
use super::strength;
use super::tls::TlsHandshake;
use super::url::{self, Target};
use super::{form, json};

/// The purpose of a path that logs nobody in or out, and whose reply issues no tokens in its body.
const NO_LOGIN: (Page, bool) = (Page::Other, false);

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
    header_orders: HeaderOrders,
    transactions: bool,
    /// Bytes wanted of the body of the message read last.
    wanted: usize,
    seen: Vec<Seen>,
    counters: TokenCounters,
    proto: ProtoCounters,
}

impl TokenTap {
    /// `key` makes the token refs, `hash_key` (random in the daemon) finds interned user agents.
    /// `transactions` asks for [`Seen::Transaction`] and [`Seen::Tls`]; without it they cost nothing.
    #[must_use]
    pub fn new(rules: Arc<TapRules>, key: DigestKey, hash_key: [u8; 16], transactions: bool) -> Self {
        let agents = UserAgents::new(rules.agents.clone(), hash_key);
        let fingerprints = Fingerprints::new(u64::from_le_bytes(hash_key.first_chunk().copied().unwrap_or_default()));
        let (counters, proto) = Default::default();
        let (recall, header_orders) = (Recall::new(hash_key), HeaderOrders::new(hash_key));
        let (wanted, seen) = Default::default();
        Self {
            rules,
            key,
            hash_key,
            agents,
            fingerprints,
            recall,
            header_orders,
            transactions,
            wanted,
            seen,
            counters,
            proto,
        }
    }

    /// From now on works by other rules; what was read stays as it was.
    pub fn set_rules(&mut self, rules: Arc<TapRules>) {
        self.agents.set_rules(rules.agents.clone());
        self.recall.clear();
        self.rules = rules;
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

    fn on_request(
        &mut self,
        state: &mut FlowTokens,
        flow: &FlowInfo,
        (ordinal, dir): (u32, Direction),
        (first, complete): (Stamp, Stamp),
        head: &RequestHead<'_>,
    ) {
        let (source, server) = ends(flow, dir);
        let server = server.ip;
        let target = url::split(head.method, head.target);
        // The target's own authority goes before the Host field (RFC 9112 §3.2.2).
        let host = target.authority.or_else(|| head.all("host").next()).unwrap_or_default();
        let rules = self.rules.clone();
        let key = self.recall.key(host, server, head, &rules.names);
        let sender = forwarded::sender(&rules.topology, source.ip, state.named(dir), head.headers);
        let tls = self.tls_client(state, sender, head);
        let hash = Some(request_hash(head.method, target, &self.hash_key));
        let id = RequestId { flow: flow.id, ordinal };
        let like = self.recall.like(key, flow.id).filter(|_| !id.is_rival()).filter(|like| {
            // What logs in is told as it is.
            let is_plain = rules.login.purpose(like.reading.site.host(), target.path) == NO_LOGIN;
            let of_target = find::may_name_token(target, &rules.names, like.reading.site.host());
            is_plain
                && !of_target
                && like.sender == sender
                && like.view.client.tls == tls
                && is_as_before(flow, &like.view)
        });
        let (reading, request, (page, asks_for_tokens)) = match like {
            Some(like) => {
                self.counters.ignored.add(like.reading.ignored);
                let request = Request { id, first, complete, hash, like: like.view.clone() };
                (like.reading.clone(), request, NO_LOGIN)
            }
            None => {
                let (reading, http, is_small) = self.read(key, head, target, host, server);
                let mut view = RequestView {
                    id,
                    first,
                    complete,
                    http: Some(http),
                    inner_hop: rules.topology.is_inner_hop(source.ip, server),
                    ..view_of_flow(flow, dir, Some(reading.user_agent.clone()), first)
                };
                let client = &mut view.client;
                if id.is_rival() {
                    // Its bytes may be a mixture of two copies: what they say of a program speaks against nobody.
                    client.user_agent = None;
                } else {
                    let limit_hits = &mut self.counters.header_orders_limit_hits;
                    client.header_order = Some(self.header_orders.read(head, limit_hits));
                    client.language = head.all("accept-language").next().and_then(Language::read);
                }
                client::behind(client, sender);
                client.tls = tls;
                let view = Arc::new(view);
                let disagrees = matches!(sender, Sender::Behind { disagree: true, .. });
                if disagrees {
                    let kind = PathKind::Ambiguous(Ambiguity::ForwardedHeaders);
                    let tokens = reading.tokens.iter().take(PATH_TOKENS).cloned().collect();
                    let request = view.clone();
                    self.seen.push(Seen::Path(PathSighting { kind, from_client: true, request, tokens, at: complete }));
                }
                // The metadata log shows each request as it is.
                let is_usual = is_small && !disagrees && !id.is_rival() && !reading.tokens.is_empty();
                if is_usual && !self.transactions {
                    let like = Like { reading: reading.clone(), view: view.clone(), sender };
                    self.recall.remember_like(key, flow.id, like);
                }
                let purpose = rules.login.purpose(reading.site.host(), target.path);
                (reading, Request::new(view, hash), purpose)
            }
        };
        self.count_sender(sender);
        for token in &reading.tokens {
            self.sighting(token, TokenUse::Presented, &request, complete);
        }
        let waiting = Box::new(Waiting { request, reading, with_body: None, page, asks_for_tokens });
        if id.is_rival() {
            return self.transaction(&waiting, None, &[]);
        }
        if form::is_form(head.headers) {
            self.wanted = form::LIMIT;
            state.await_body(dir, false, &waiting, head.version);
        }
        if state.has_room() {
            state.waiting.push(waiting);
        } else {
            self.counters.pipelined_limit_hits += 1;
            self.transaction(&waiting, None, &[]);
        }
    }

    /// What the fields of a request came to and its texts, read now or an equal one before. The last: it is
    /// worth remembering, and nothing of it is in the target.
    fn read(
        &mut self,
        key: Key,
        head: &RequestHead<'_>,
        target: Target<'_>,
        host: &[u8],
        server: IpAddr,
    ) -> (Arc<Reading>, HttpView, bool) {
        let rules = self.rules.clone();
        let repeated = self.recall.reading(key).and_then(|reading| {
            let known = reading.known(head, &rules.names)?;
            let of_target = find::may_name_token(target, &rules.names, reading.site.host());
            let http = (!of_target).then(|| http_view(head, target, &reading.host, &known))?;
            Some((reading, http))
        });
        if let Some((reading, http)) = repeated {
            self.counters.ignored.add(reading.ignored);
            return (reading, http, true);
        }
        let (before, limits) = (self.counters.ignored, self.counters.limits());
        let site = self.recall.site(host, server);
        let mut finder = Finder::new(&rules.names, site.host(), &mut self.counters);
        finder.request(head, target);
        let cookies = u32::try_from(finder.cookies()).unwrap_or(u32::MAX);
        let found = finder.finish();
        let tokens: Vec<SeenToken> = found.iter().map(|f| self.seen_token(f, &site)).collect();
        let known = known(&found, &tokens);
        let limit_hits = &mut self.counters.interned_user_agents_limit_hits;
        let user_agent = self.agents.read(head.all("user-agent").next(), &known, limit_hits);
        let host = shown_host(&site, &known);
        let http = http_view(head, target, &host, &known);
        let reading = Arc::new(Reading {
            host,
            user_agent,
            tokens: distinct(tokens),
            cookies,
            ignored: self.counters.ignored.since(&before),
            secrets: Secrets::of(&known, head.headers, &rules.names),
            site,
        });
        let of_target = find::may_name_token(target, &rules.names, reading.site.host());
        let is_small = !of_target && limits == self.counters.limits() && reading.is_small();
        if is_small {
            self.recall.remember(key, &reading);
        }
        (reading, http, is_small)
    }

    fn on_response(
        &mut self,
        state: &mut FlowTokens,
        flow: &FlowInfo,
        (answers, dir): (Option<u32>, Direction),
        (first, complete): (Stamp, Stamp),
        head: &ResponseHead<'_>,
    ) {
        let request = answers.and_then(|ordinal| self.take_waiting(state, ordinal, head.version));
        let (site, answered) = match &request {
            Some(waiting) => (waiting.reading.site.clone(), waiting.request.clone()),
            None => {
                let client_dir = dir.opposite();
                let id = RequestId { flow: flow.id, ordinal: answers.unwrap_or(u32::MAX) };
                let view = RequestView { id, complete, ..self.flow_view(state, flow, client_dir, first) };
                (Arc::new(Site::new(b"", ends(flow, dir).0.ip)), Request::new(Arc::new(view), None))
            }
        };
        let presented = request.as_deref().map_or(&[][..], Waiting::presented);
        let page = request.as_ref().map_or(Page::Other, |r| r.page);

        let rules = self.rules.clone();
        let mut finder = Finder::new(&rules.names, site.host(), &mut self.counters);
        finder.response(head, complete.ts);
        let found = finder.finish();
        let mut set: Vec<(SeenToken, &Found<'_, '_>)> = Vec::with_capacity(found.len());
        for one in &found {
            let token = self.seen_token(one, &site);
            if !set.iter().any(|(t, f)| same(t, &token) && f.set.deletes == one.set.deletes) {
                set.push((token, one));
            }
        }
        // A reply may delete a cookie of one path and set it for another: then it lives on.
        let deleted = |token: &SeenToken| {
            let mut of_name = set.iter().filter(|(t, _)| same_name(t, token)).peekable();
            of_name.peek().is_some() && of_name.all(|(_, f)| f.set.deletes)
        };

        let to_login = (300..400).contains(&head.status)
            && head.all("location").next().is_some_and(|l| rules.login.is_login_redirect(site.host(), l));
        let refused = matches!(head.status, 401 | 403) || to_login;
        if !presented.is_empty() {
            let outcome = match head.status {
                _ if refused => Outcome::Rejected,
                101 | 200..=399 => Outcome::Accepted,
                _ => Outcome::Unknown,
            };
            let judged = presented.iter().flat_map(|t| {
                let outcome = if deleted(t) { Outcome::Rejected } else { outcome };
                [Some(t.token), t.by_address].into_iter().flatten().map(move |token| (token, outcome))
            });
            self.seen.push(Seen::Outcome(OutcomeSighting {
                request: answered.clone(),
                tokens: judged.collect(),
                renewed: set
                    .iter()
                    .filter(|(_, f)| !f.set.deletes)
                    .filter_map(|(token, _)| replaced(presented, token))
                    .flat_map(|old| [Some(old.token), old.by_address])
                    .flatten()
                    .collect(),
                login: page == Page::Login,
                status: head.status,
                at: complete,
            }));
        }
        let logged_out = |t: &SeenToken| {
            page == Page::Logout
                && to_login
                && matches!(t.class, TokenClass::Session | TokenClass::Idp | TokenClass::Edge)
        };
        for token in presented.iter().filter(|t| t.carrier == Carrier::Cookie && deleted(t) || logged_out(t)) {
            self.sighting(token, TokenUse::Deleted, &answered, complete);
        }
        let mut issued: SmallVec<[SeenToken; 2]> = SmallVec::new();
        for (token, found) in set.iter().filter(|(_, f)| !f.set.deletes) {
            let old = if refused { None } else { replaced(presented, token) };
            let issue = Issued {
                replaces: old.map(|t| t.token),
                replaces_by_address: old.and_then(|t| t.by_address),
                secure: found.set.secure,
                http_only: found.set.http_only,
                same_site: found.set.same_site,
            };
            self.sighting(token, TokenUse::Issued(issue), &answered, complete);
            issued.push(token.clone());
        }
        if let Some(request) = request {
            let succeeds = matches!(head.status, 200..=299) && request.asks_for_tokens;
            if succeeds && form::has_type(head.headers, &[b"application/json"]) {
                self.wanted = json::LIMIT;
                state.await_body(dir, true, &request, head.version);
            }
            self.transaction(&request, Some(head.status), &issued);
        }
        if state.waiting.is_empty() {
            state.waiting = SmallVec::new(); // most flows are idle
        }
    }

    /// The request with this ordinal. Replies of HTTP/1 come in order, so requests before it will
    /// get none.
    fn take_waiting(&mut self, state: &mut FlowTokens, ordinal: u32, version: HttpVersion) -> Option<Box<Waiting>> {
        let at = state.waiting.iter().position(|w| w.request.id.ordinal == ordinal)?;
        if version < HttpVersion::V2 {
            for unanswered in state.waiting.drain(..at) {
                self.transaction(&unanswered, None, &[]);
            }
            return Some(state.waiting.remove(0));
        }
        Some(state.waiting.remove(at))
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

    fn transaction(&mut self, request: &Waiting, status: Option<u16>, issued: &[SeenToken]) {
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

    fn sighting(&mut self, token: &SeenToken, action: TokenUse, request: &Request, at: Stamp) {
        self.counters.sighted(token.class);
        self.seen.push(Seen::Token(TokenSighting {
            token: token.clone(),
            action,
            request: request.clone(),
            at,
            // What cannot be decrypted gives no message, so every message travelled in the clear.
            plaintext: true,
        }));
    }

    /// The TLS client that sent a request: of its own connection, or as a trusted proxy tells.
    fn tls_client(&mut self, state: &FlowTokens, sender: Sender, head: &RequestHead<'_>) -> Option<Arc<str>> {
        match sender {
            Sender::Peer { .. } => state.rare.as_ref()?.tls.fingerprint(),
            Sender::Behind { .. } => {
                let limit_hits = &mut self.counters.interned_fingerprints_limit_hits;
                let ja4 = self.rules.topology.ja4_header.as_deref();
                ja4.and_then(|name| self.fingerprints.read(head.all(name), limit_hits))
            }
        }
    }

    fn count_sender(&mut self, sender: Sender) {
        match sender {
            Sender::Peer { ignored } => self.counters.forwarded_ignored += u64::from(ignored),
            Sender::Behind { client: Err(why), .. } => self.counters.unresolved(why),
            Sender::Behind { .. } => {}
        }
    }

    /// A view without a request.
    fn flow_view(&self, state: &FlowTokens, flow: &FlowInfo, dir: Direction, at: Stamp) -> RequestView {
        let mut view = view_of_flow(flow, dir, None, at);
        let (peer, topology) = (view.source.ip, &*self.rules.topology);
        view.inner_hop = topology.is_inner_hop(peer, view.destination.ip);
        client::behind(&mut view.client, forwarded::sender(topology, peer, state.named(dir), &[]));
        view
    }

    /// Something is odd about what travels in `dir`. Who the client is, its requests say; without
    /// one, whoever opened the flow.
    fn path(&mut self, state: &FlowTokens, flow: &FlowInfo, kind: PathKind, dir: Direction, at: Stamp) {
        let (request, tokens) = match state.waiting.last() {
            Some(waiting) => (waiting.request.view(), waiting.presented().iter().take(PATH_TOKENS).cloned().collect()),
            None => (Arc::new(self.flow_view(state, flow, Direction::Forward, at)), SmallVec::new()),
        };
        let from_client = ends(flow, dir).0 == request.source;
        self.seen.push(Seen::Path(PathSighting { kind, from_client, request, tokens, at }));
    }

    /// Digests a token: here the raw value becomes a ref.
    fn seen_token(&self, found: &Found<'_, '_>, site: &Site) -> SeenToken {
        let value = found.value.bytes();
        let bits = strength::bits(value);
        let id = &found.rule.id;
        let of_service = |service: &str| self.key.digest(&[service.as_bytes(), id.as_bytes(), value]);
        let (token, by_address) = if bits >= strength::STRONG {
            (self.key.digest(&[value]), None)
        } else {
            (of_service(site.service()), Some(of_service(site.address())))
        };
        // A segment of the path has no name of its own but that of the rule.
        let spelled = found.spelling.filter(|s| found.name.is_empty() || s.as_bytes() == found.name);
        SeenToken {
            token,
            by_address,
            strength: bits,
            id: id.clone(),
            name: spelled.cloned().unwrap_or_else(|| mask::text(found.name, &[]).into()),
            carrier: found.carrier,
            class: found.rule.class.unwrap_or(TokenClass::Session),
            service: site.shown_service.clone(),
        }
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
                if let Some(client) = client {
                    state.rare().preamble.get_or_insert((dir, client.ip));
                }
            }
            Message::Body { ordinal, dir, at, bytes, whole } => {
                self.on_body(state, (ordinal, dir), at, bytes, whole);
            }
            Message::ClientHello { dir, first, complete, hello } => {
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
            Message::Http2Client { .. } | Message::ServerHello { .. } => {}
            Message::End { .. } => {
                for unanswered in std::mem::take(&mut state.waiting) {
                    self.transaction(&unanswered, None, &[]);
                }
            }
        }
        state.count_tokens();
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

/// The host of a request, masked.
fn shown_host(site: &Site, known: &[Known<'_>]) -> Box<str> {
    let host = site.host().as_bytes();
    if mask::may_hold(host, known) { mask::text(host, known) } else { site.shown_host.clone() }
}

/// All bytes that the texts of a message must not show.
fn known<'k>(found: &'k [Found<'_, '_>], tokens: &[SeenToken]) -> Vec<Known<'k>> {
    let mut known: Vec<Known<'k>> = Vec::new();
    for (found, seen) in found.iter().zip(tokens) {
        let value = found.value.bytes();
        // A password alone is as secret as with its user.
        let password = (seen.class == TokenClass::Basic).then(|| value.splitn(2, |b| *b == b':').nth(1)).flatten();
        let forms = found.wire.iter().copied().chain([value]).chain(password);
        for value in forms.filter(|v| !v.is_empty()) {
            if !known.iter().rev().take(4).any(|k| k.value == value) {
                known.push(Known { value, token: seen.token });
            }
        }
    }
    known
}

/// Each token once, in order.
fn distinct(mut tokens: Vec<SeenToken>) -> Vec<SeenToken> {
    if tokens.len() > 1 {
        let mut seen = BTreeSet::new();
        tokens.retain(|t| seen.insert((t.token, t.carrier, t.id.clone())));
    }
    tokens
}

/// The same token in the same carrier by the same rule.
fn same(a: &SeenToken, b: &SeenToken) -> bool {
    a.token == b.token && a.carrier == b.carrier && a.id == b.id
}

/// Whether two tokens go by one name, or by one rule in different carriers.
fn same_name(a: &SeenToken, b: &SeenToken) -> bool {
    a.id == b.id && (a.carrier != b.carrier || a.name.eq_ignore_ascii_case(&b.name))
}

/// The presented token that an issued one takes the place of.
fn replaced<'t>(presented: &'t [SeenToken], issued: &SeenToken) -> Option<&'t SeenToken> {
    let mut of_name = presented.iter().filter(|p| same_name(p, issued));
    let kept = of_name.clone().any(|p| p.token == issued.token);
    if kept { None } else { of_name.next() }
}

#[cfg(test)]
mod tests;
