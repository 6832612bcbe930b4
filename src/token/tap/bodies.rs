//! What do bodies say of tokens? Forms present them, the replies of token endpoints issue them.

use std::sync::Arc;

use smallvec::SmallVec;

use super::TokenTap;
use super::tokens::{distinct, known, replaced};
use super::waiting::{FlowTokens, Waiting};
use crate::base::time::Stamp;
use crate::flow::Direction;
use crate::proto::HttpVersion;
use crate::token::find::Finder;
use crate::token::mask::{self, Known};
use crate::token::service::Site;
use crate::token::sighting::{HttpView, Issued, Request, RequestView, SeenToken, TokenUse};
use crate::token::{form, json};

/// Bodies of one flow that are awaited; of fewer at a time HTTP/2 is read.
const BODY_LIMIT: usize = 16;

/// A body that was asked for.
pub(super) struct Awaited {
    dir: Direction,
    /// It is of a reply.
    reply: bool,
    request: Arc<Request>,
    site: Arc<Site>,
    /// Of a reply: what its request presented.
    presented: SmallVec<[Arc<SeenToken>; 2]>,
}

impl FlowTokens {
    /// The body of a request, or of the reply to one, in `dir`, will be told. Before HTTP/2 one at a time is
    /// under way in each direction; more are parts of long heads.
    pub(super) fn await_body(&mut self, dir: Direction, reply: bool, request: &Waiting, version: HttpVersion) {
        let bodies = &mut self.rare().bodies;
        bodies.retain(|a| a.dir != dir || version >= HttpVersion::V2);
        if bodies.len() >= BODY_LIMIT {
            bodies.remove(0); // it had no body, or it is not read
        }
        let (asked, site) = (request.request.clone(), request.reading.site.clone());
        let presented = if reply { request.presented().into() } else { SmallVec::new() };
        bodies.push(Awaited { dir, reply, request: asked, site, presented });
    }
}

impl Awaited {
    /// Tokens held beside the entry.
    pub(super) fn tokens(&self) -> usize {
        if self.presented.spilled() { self.presented.capacity() } else { 0 }
    }
}

impl TokenTap {
    /// The beginning of a body that was asked for.
    pub(super) fn on_body(
        &mut self,
        state: &mut FlowTokens,
        (ordinal, dir): (u32, Direction),
        at: Stamp,
        body: &[u8],
        whole: bool,
    ) {
        let of_it = |a: &Awaited| a.dir == dir && a.request.id.ordinal == ordinal;
        let Some(bodies) = state.rare.as_mut().map(|rare| &mut rare.bodies) else { return };
        let Some(index) = bodies.iter().position(of_it) else { return };
        let awaited = bodies.swap_remove(index);
        if bodies.is_empty() {
            *bodies = Vec::new();
            state.rare = state.rare.take().filter(|rare| rare.is_needed());
        }
        match awaited.reply {
            true => self.on_json(&awaited, at, body),
            false => self.on_form(state, awaited, at, body, whole),
        }
    }

    /// A form presents tokens.
    fn on_form(&mut self, state: &mut FlowTokens, form: Awaited, at: Stamp, body: &[u8], whole: bool) {
        let Awaited { mut request, site, .. } = form;
        let rules = self.rules.clone();
        let mut finder = Finder::new(&rules.names, site.host(), &mut self.counters);
        finder.form(body, whole);
        let found = finder.finish();
        let tokens: Vec<Arc<SeenToken>> = found.iter().map(|f| self.seen_token(f, &site)).collect();
        let view = request.view();
        if let Some(http) = view.http.as_ref().and_then(|http| without(http, &known(&found, &tokens))) {
            let masked = RequestView { http: Some(http), ..(*view).clone() };
            request = Request::new(Arc::new(masked), request.hash);
        }
        let tokens = distinct(tokens);
        for token in &tokens {
            self.sighting(token, TokenUse::Presented, &request, at);
        }
        // Its reply, if that is still to come, judges these as well.
        if let Some(waiting) = state.waiting().iter_mut().find(|w| w.request.id == request.id) {
            waiting.asks_for_tokens |= form::asks_for_tokens(body, whole);
            waiting.request = request;
            // A password is none of the request's tokens: nothing that the reply says of it matters.
            let mut of_body = tokens.into_iter().filter(|token| !token.is_password()).peekable();
            if of_body.peek().is_some() {
                waiting.with_body = Some(waiting.presented().iter().cloned().chain(of_body).collect());
            }
        }
    }

    /// The reply of a token endpoint issues tokens.
    fn on_json(&mut self, reply: &Awaited, at: Stamp, body: &[u8]) {
        let plain = json::with_plain_slashes(body);
        let rules = self.rules.clone();
        let mut finder = Finder::new(&rules.names, reply.site.host(), &mut self.counters);
        finder.json(plain.as_ref().map_or(body, |p| p));
        let tokens = finder.finish().iter().map(|f| self.seen_token(f, &reply.site)).collect();
        for token in distinct(tokens) {
            let old = replaced(&reply.presented, &token);
            let issue = Issued {
                replaces: old.map(|t| t.token),
                replaces_by_address: old.and_then(|t| t.by_address),
                ..Issued::default()
            };
            self.sighting(&token, TokenUse::Issued(issue), &reply.request, at);
        }
    }
}

/// The texts of a request, where one of them holds a token that was not known when they were masked.
fn without(http: &HttpView, known: &[Known<'_>]) -> Option<HttpView> {
    let holds = |text: &str| mask::may_hold(text.as_bytes(), known);
    let hide = |text: &mut Box<str>| {
        if holds(text) {
            *text = mask::HIDDEN.into();
        }
    };
    let texts = [Some(&http.host), Some(&http.path), http.query.as_ref(), Some(&http.method)];
    texts.into_iter().flatten().any(|text| holds(text)).then(|| {
        let mut http = http.clone();
        [&mut http.host, &mut http.path, &mut http.method].into_iter().chain(http.query.as_mut()).for_each(hide);
        http
    })
}
