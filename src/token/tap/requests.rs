//! What does a request say? It is read, unless it repeats the one before on its flow.

use std::net::IpAddr;
use std::sync::Arc;

use super::latest::Like;
use super::replies::judged;
use super::tokens::{distinct, known};
use super::view::{ends, http_view, is_as_before, request_hash, view_of_flow};
use super::waiting::{FlowTokens, Waiting, judged_by_reply};
use super::{PATH_TOKENS, Seen, TapRules, TokenTap};
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowInfo};
use crate::identity::Language;
use crate::identity::forwarded::{self, Sender};
use crate::proto::{Again, Ambiguity, HttpVersion, RequestHead};
use crate::token::find::{self, Finder};
use crate::token::login::Page;
use crate::token::mask::{self, Known};
use crate::token::recall::{Key, Reading, Secrets};
use crate::token::service::Site;
use crate::token::sighting::{
    HttpView, Outcome, PathKind, PathSighting, Request, RequestId, RequestLine, RequestView, SeenToken, TokenUse,
};
use crate::token::url::{self, Target};
use crate::token::{client, form};

/// The purpose of a path that logs nobody in or out, and whose reply issues no tokens in its body.
const NO_LOGIN: (Page, bool) = (Page::Other, false);

/// What tells one request from others with the same fields.
struct Line<'a> {
    id: RequestId,
    dir: Direction,
    first: Stamp,
    complete: Stamp,
    method: &'a [u8],
    wire: &'a [u8],
    target: Target<'a>,
    version: HttpVersion,
}

impl Line<'_> {
    /// Whether it and the state of its flow are as usual, so that it differs from its like in nothing else.
    fn repeats(&self, like: &Like, flow: &FlowInfo, rules: &TapRules) -> bool {
        let Reading { site, secrets, .. } = &*like.reading;
        is_as_before(flow, &like.view)
            && like.view.source == ends(flow, self.dir).0
            && !secrets.may_stand_in(self.method)
            && !secrets.may_stand_in(self.wire)
            && !find::may_name_token(self.target, &rules.names, site.host())
            // What logs in is told as it is.
            && rules.login.purpose(site.host(), self.target.path) == NO_LOGIN
    }

    fn hash(&self, key: &[u8; 16]) -> u64 {
        request_hash(self.method, self.target, key)
    }
}

impl TokenTap {
    /// A request whose fields are those of the flow's last.
    pub(super) fn repeated(&mut self, state: &mut FlowTokens, flow: &FlowInfo, again: &Again<'_>) -> bool {
        let Again { ordinal, dir, first, complete, method, target: wire, version } = *again;
        let (id, target) = (RequestId { flow: flow.id, ordinal }, url::split(method, wire));
        let line = Line { id, dir, first, complete, method, wire, target, version };
        let like = self.latest.get(state.last, flow.id).filter(|like| {
            like.by_fields
                && !id.is_rival()
                && target.authority.is_none()
                && like.view.http.as_ref().is_some_and(|http| http.version == version)
                && line.repeats(like, flow, &self.rules)
        });
        let Some(like) = like else { return false };
        let (reading, view, sender) = (like.reading.clone(), like.view.clone(), like.sender);
        self.on_repeat(state, &line, reading, view, sender, false);
        true
    }

    /// Tells a request that differs from an earlier one of its flow in its line alone.
    fn on_repeat(
        &mut self,
        state: &mut FlowTokens,
        line: &Line<'_>,
        reading: Arc<Reading>,
        view: Arc<RequestView>,
        sender: Sender,
        has_form: bool,
    ) {
        self.counters.ignored.add(reading.ignored);
        let asks = RequestLine::new(line.method, line.wire);
        let hash = line.hash(&self.hash_key);
        let request = Request::repeat(line.id, (line.first, line.complete), hash, view, asks);
        self.on_presented(state, line, Waiting::new(request, reading, NO_LOGIN), sender, has_form);
    }

    pub(super) fn on_request(
        &mut self,
        state: &mut FlowTokens,
        flow: &FlowInfo,
        (ordinal, dir): (u32, Direction),
        (first, complete): (Stamp, Stamp),
        head: &RequestHead<'_>,
    ) {
        let (source, server) = ends(flow, dir);
        let target = url::split(head.method, head.target);
        let id = RequestId { flow: flow.id, ordinal };
        let version = head.version;
        let line = Line { id, dir, first, complete, method: head.method, wire: head.target, target, version };
        // The target's own authority goes before the Host field (RFC 9112 §3.2.2).
        let host = target.authority.or_else(|| head.all("host").next()).unwrap_or_default();
        let key = self.recall.key(host, server.ip, head, &self.rules.names);
        let sender = forwarded::sender(&self.rules.topology, source.ip, state.named(dir), head.headers);
        let tls = self.tls_client(state, sender, head);
        let has_form = form::is_form(head.headers);
        // A form is to be awaited, and an authority names the host, whatever the fields say.
        let by_fields = !has_form && target.authority.is_none();

        let like = self.latest.get(state.last, flow.id).filter(|_| !id.is_rival());
        let like = like.filter(|like| like.key == key && like.sender == sender && like.view.client.tls == tls);
        let has_like = like.is_some();
        if let Some(like) = like {
            like.by_fields = by_fields;
            if line.repeats(like, flow, &self.rules) {
                let (reading, view) = (like.reading.clone(), like.view.clone());
                return self.on_repeat(state, &line, reading, view, sender, has_form);
            }
        }

        let (reading, http, is_small) = self.read(key, head, target, host, server.ip);
        let mut view = RequestView {
            id,
            first,
            complete,
            http: Some(http),
            decrypted: state.is_decrypted(),
            inner_hop: self.rules.topology.is_inner_hop(source.ip, server.ip),
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
        if !id.is_rival() {
            if is_small && !disagrees {
                let like = Like { key, reading: reading.clone(), view: view.clone(), sender, by_fields };
                self.latest.put(&mut state.last, like, &mut self.counters.repeats_limit_hits);
            } else if !has_like {
                self.latest.forget(&mut state.last, flow.id);
            }
        }
        let purpose = self.rules.login.purpose(reading.site.host(), target.path);
        let request = Request::new(view, Some(line.hash(&self.hash_key)));
        self.on_presented(state, &line, Waiting::new(request, reading, purpose), sender, has_form);
    }

    /// Tells the tokens of a request, which then waits for its reply.
    fn on_presented(
        &mut self,
        state: &mut FlowTokens,
        line: &Line<'_>,
        waiting: Waiting,
        sender: Sender,
        has_form: bool,
    ) {
        self.count_sender(sender);
        for token in &waiting.reading.tokens {
            self.sighting(token, TokenUse::Presented, &waiting.request, line.complete);
        }
        if line.id.is_rival() {
            return self.transaction(&waiting, None, &[]);
        }
        if has_form {
            self.wanted = form::LIMIT;
            state.await_body(line.dir, false, &waiting, line.version);
        }
        if let Err(waiting) = state.wait(waiting) {
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
        let tokens: Vec<Arc<SeenToken>> = found.iter().map(|f| self.seen_token(f, &site)).collect();
        let known = known(&found, &tokens);
        let limit_hits = &mut self.counters.interned_user_agents_limit_hits;
        let user_agent = self.agents.read(head.all("user-agent").next(), &known, limit_hits);
        let host = shown_host(&site, &known);
        let http = http_view(head, target, &host, &known);
        let secrets = Secrets::of(&known, head.headers, &rules.names);
        let tokens: Box<[Arc<SeenToken>]> = distinct(tokens).into();
        let reading = Arc::new(Reading {
            host,
            user_agent,
            accepted: judged(judged_by_reply(&tokens), |_| Outcome::Accepted),
            tokens,
            cookies,
            ignored: self.counters.ignored.since(&before),
            secrets,
            site,
        });
        let of_target = find::may_name_token(target, &rules.names, reading.site.host());
        let is_small = !of_target && limits == self.counters.limits() && reading.is_small();
        if is_small {
            self.recall.remember(key, &reading);
        }
        (reading, http, is_small)
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
}

/// The host of a request, masked.
fn shown_host(site: &Site, known: &[Known<'_>]) -> Box<str> {
    let host = site.host().as_bytes();
    if mask::may_hold(host, known) { mask::text(host, known) } else { site.shown_host.clone() }
}
