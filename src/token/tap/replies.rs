//! What does a reply say? It judges the tokens of its request, issues and deletes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::tokens::{replaced, same, same_name};
use super::view::ends;
use super::waiting::{FlowTokens, Waiting};
use super::{Seen, TokenTap};
use crate::base::ids::TokenRef;
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowInfo};
use crate::proto::{HttpVersion, ResponseHead};
use crate::token::find::{Finder, Found};
use crate::token::login::Page;
use crate::token::service::Site;
use crate::token::sighting::{
    Carrier, Issued, Outcome, OutcomeSighting, Request, RequestId, RequestView, SeenToken, TokenClass, TokenUse,
};
use crate::token::{form, json};

impl TokenTap {
    pub(super) fn on_response(
        &mut self,
        state: &mut FlowTokens,
        flow: &FlowInfo,
        (answers, dir): (Option<u32>, Direction),
        (first, complete): (Stamp, Stamp),
        head: &ResponseHead<'_>,
    ) {
        let request = answers.and_then(|ordinal| self.take_waiting(state, ordinal, head.version));
        if let Some(request) = &request
            && self.is_plain(request, head)
        {
            if !request.reading.tokens.is_empty() {
                self.seen.push(Seen::Outcome(OutcomeSighting {
                    request: request.request.clone(),
                    tokens: request.reading.accepted.clone(),
                    renewed: Box::default(),
                    login: request.page == Page::Login,
                    status: head.status,
                    at: complete,
                }));
            }
            return self.transaction(request, Some(head.status), &[]);
        }
        let (site, answered) = match &request {
            Some(waiting) => (waiting.reading.site.clone(), waiting.request.clone()),
            None => {
                let client_dir = dir.opposite();
                let id = RequestId { flow: flow.id, ordinal: answers.unwrap_or(u32::MAX) };
                let view = RequestView { id, complete, ..self.flow_view(state, flow, client_dir, first) };
                (Arc::new(Site::new(b"", ends(flow, dir).0.ip)), Request::new(Arc::new(view), None))
            }
        };
        self.on_telling_response(state, (request, &site, &answered), (dir, complete), head);
    }

    /// Whether a reply accepts what its request presented and says no more of tokens, as most do.
    fn is_plain(&self, request: &Waiting, head: &ResponseHead<'_>) -> bool {
        let tells = |name: &[u8]| {
            let words: &[&[u8]] = &[b"set-cookie", b"location"];
            words.iter().any(|word| name.eq_ignore_ascii_case(word)) || self.rules.names.may_name_header(name)
        };
        outcome(head.status) == Outcome::Accepted
            && request.with_body.is_none()
            && !request.asks_for_tokens
            && !head.headers.iter().any(|header| tells(header.name))
    }

    /// A reply that may refuse, issue or delete.
    fn on_telling_response(
        &mut self,
        state: &mut FlowTokens,
        (request, site, answered): (Option<Waiting>, &Site, &Arc<Request>),
        (dir, complete): (Direction, Stamp),
        head: &ResponseHead<'_>,
    ) {
        let presented = request.as_ref().map_or(&[][..], Waiting::presented);
        let page = request.as_ref().map_or(Page::Other, |r| r.page);

        let rules = self.rules.clone();
        let mut finder = Finder::new(&rules.names, site.host(), &mut self.counters);
        finder.response(head, complete.ts);
        let found = finder.finish();
        let mut set: Vec<(Arc<SeenToken>, &Found<'_, '_>)> = Vec::with_capacity(found.len());
        for one in &found {
            let token = self.seen_token(one, site);
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
        let refused = outcome(head.status) == Outcome::Rejected || to_login;
        if !presented.is_empty() {
            let outcome = if refused { Outcome::Rejected } else { outcome(head.status) };
            self.seen.push(Seen::Outcome(OutcomeSighting {
                request: answered.clone(),
                tokens: judged(presented, |token| if deleted(token) { Outcome::Rejected } else { outcome }),
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
            self.sighting(token, TokenUse::Deleted, answered, complete);
        }
        let mut issued: SmallVec<[Arc<SeenToken>; 2]> = SmallVec::new();
        for (token, found) in set.iter().filter(|(_, f)| !f.set.deletes) {
            let old = if refused { None } else { replaced(presented, token) };
            let issue = Issued {
                replaces: old.map(|t| t.token),
                replaces_by_address: old.and_then(|t| t.by_address),
                secure: found.set.secure,
                http_only: found.set.http_only,
                same_site: found.set.same_site,
            };
            self.sighting(token, TokenUse::Issued(issue), answered, complete);
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
    }

    /// The request with this ordinal. Replies of HTTP/1 come in order, so requests before it will
    /// get none.
    pub(super) fn take_waiting(
        &mut self,
        state: &mut FlowTokens,
        ordinal: u32,
        version: HttpVersion,
    ) -> Option<Waiting> {
        if version >= HttpVersion::V2 {
            return state.take(ordinal);
        }
        while state.waits_behind_another(ordinal) {
            let unanswered = state.take_first()?;
            self.transaction(&unanswered, None, &[]);
        }
        state.take(ordinal)
    }
}

/// What a status by itself says of the tokens that a request presented.
const fn outcome(status: u16) -> Outcome {
    match status {
        401 | 403 => Outcome::Rejected,
        101 | 200..=399 => Outcome::Accepted,
        _ => Outcome::Unknown,
    }
}

/// The refs of tokens, those by the server's address included, each with what became of it.
pub(super) fn judged(tokens: &[Arc<SeenToken>], outcome: impl Fn(&SeenToken) -> Outcome) -> Arc<[(TokenRef, Outcome)]> {
    let refs = tokens.iter().flat_map(|token| {
        let outcome = outcome(token);
        [Some(token.token), token.by_address].into_iter().flatten().map(move |token| (token, outcome))
    });
    refs.collect()
}
