//! Forms and token endpoints, rival requests, values that name a server.

use super::*;
use crate::token::form;

/// A bench whose rules read bodies, too.
fn bench_of_bodies() -> Bench {
    let mut bench = Bench::new();
    let form = |name: &str| Place::Form(Pattern::parse(name));
    let mut more = rules().names.rules().to_vec();
    let bearer = Some(TokenClass::Bearer);
    more.push(rule("access_token", bearer, vec![form("access_token"), Place::Json("access_token".into())]));
    more.push(rule("refresh_token", bearer, vec![form("refresh_token"), Place::Json("refresh_token".into())]));
    bench.tap.set_rules(Arc::new(TapRules { names: TokenNames::new(more), ..rules() }));
    bench
}

impl Bench {
    fn body(&mut self, dir: Direction, text: &str, whole: bool) -> Vec<Seen> {
        let (ordinal, bytes) = (self.next - 1, text.as_bytes());
        let message = Message::Body { ordinal, dir, at: stamp(8), bytes, whole };
        self.tap.on_message(&mut self.state, &self.flow, message);
        self.tap.drain().collect()
    }

    fn wanted(&mut self) -> usize {
        self.tap.body_wanted(&mut self.state)
    }
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json; charset=utf-8");

#[test]
fn a_form_presents_tokens_when_it_is_there() {
    let mut bench = bench_of_bodies();
    let head = bench.request(&format!("/next/{OTHER}"), &[HOST, FORM, ("Cookie", &format!("PHPSESSID={STRONG}"))]);
    assert_eq!(ids(&head), ["php_session Cookie"], "what the head says does not wait");
    assert_eq!((bench.wanted(), bench.wanted()), (form::LIMIT, 0));
    let body = format!("user=a&%50HPSESSID={OTHER}&access_token={}%41&password=hunter2", &THIRD[..31]);
    let seen = bench.body(Direction::Forward, &body, true);
    assert_eq!(ids(&seen), ["php_session Form", "access_token Form"]);
    let (form, value) = (tokens(&seen)[0], format!("{}A", &THIRD[..31]));
    assert_eq!((form.token.token, tokens(&seen)[1].token.token), (bench.digest(OTHER), bench.digest(&value)));
    assert_eq!((form.at, &*form.token.service), (stamp(8), "shop.test"));
    let outcome = bench.response(302, &[]);
    let Some(Seen::Outcome(outcome)) = outcome.first() else { panic!("no outcome") };
    let judged: Vec<_> = outcome.tokens.iter().map(|(t, _)| *t).collect();
    assert_eq!(judged, [bench.digest(STRONG), bench.digest(OTHER), bench.digest(&value)]);
    assert!(!format!("{seen:?}").contains("hunter2"));
    assert_eq!(TokenTap::held_bytes(&bench.state), 0, "an idle flow holds nothing");
}

#[test]
fn the_password_of_a_form_is_told_and_is_no_token_of_its_request() {
    let mut bench = Bench::new();
    let mut more = rules().names.rules().to_vec();
    let password = rule("password", Some(TokenClass::Basic), vec![Place::Form(Pattern::parse("password"))]);
    more.push(TokenRule { min_length: 1, ..password });
    bench.tap.set_rules(Arc::new(TapRules { names: TokenNames::new(more), ..rules() }));
    bench.request("/login?next=hunter2", &[HOST, FORM, ("Cookie", &format!("PHPSESSID={STRONG}"))]);
    let seen = bench.body(Direction::Forward, "username=alice&passwords=2&password=hunter2", true);
    assert_eq!(ids(&seen), ["password Form"]);
    assert!(tokens(&seen)[0].token.is_password());
    let replied = bench.response(302, &[]);
    let Some(Seen::Outcome(outcome)) = replied.first() else { panic!("no outcome") };
    assert_eq!(outcome.tokens.iter().map(|(t, _)| *t).collect::<Vec<_>>(), [bench.digest(STRONG)]);
    let Some(Seen::Transaction(told)) = replied.last() else { panic!("no transaction") };
    assert_eq!(told.tokens.iter().map(|t| &*t.token.id).collect::<Vec<_>>(), ["php_session"]);
    assert!(!format!("{seen:?} {replied:?}").contains("hunter2"));
}

#[test]
fn texts_hide_what_a_form_shows_to_be_a_token() {
    let mut bench = bench_of_bodies();
    bench.request("/club/sunshine-rider", &[HOST, FORM]);
    let seen = bench.body(Direction::Forward, "PHPSESSID=sunshine-rider", true);
    assert_eq!(tokens(&seen)[0].request.like.http.as_ref().map(|h| &*h.path), Some("‹…›"));
    let Some(Seen::Transaction(told)) = bench.response(200, &[]).pop() else { panic!("no transaction") };
    assert_eq!(told.request.http.as_ref().map(|h| &*h.path), Some("‹…›"));
}

#[test]
fn a_cut_field_is_no_token_and_other_bodies_are_not_asked_for() {
    let mut bench = bench_of_bodies();
    bench.request("/", &[HOST, FORM]);
    assert!(bench.body(Direction::Forward, &format!("a=b&PHPSESSID={}", &STRONG[..20]), false).is_empty());
    for list in [&[HOST][..], &[HOST, JSON], &[HOST, FORM, ("Content-Encoding", "gzip")]] {
        bench.request("/", list);
        assert_eq!(bench.wanted(), 0);
    }
    assert!(bench.body(Direction::Forward, &format!("PHPSESSID={STRONG}"), true).is_empty(), "nobody asked");
}

#[test]
fn the_reply_of_a_token_endpoint_issues_tokens() {
    let mut bench = bench_of_bodies();
    let mut ask = |target: &str, form: &str, reply: &[(&str, &str)], status| {
        bench.request(target, &[HOST, FORM]);
        bench.wanted();
        bench.body(Direction::Forward, form, true);
        bench.response(status, reply);
        let wanted = bench.wanted() > 0;
        (wanted, bench.body(Direction::Reverse, &format!("{{\"refresh_token\":\"{THIRD}\",\"x\":\"{STRONG}\"}}"), true))
    };
    let (wanted, seen) = ask("/oauth/token", &format!("refresh_token={OTHER}"), &[JSON], 200);
    assert!(wanted);
    assert_eq!(ids(&seen), ["refresh_token Json"]);
    let by_grant = ask("/connect", "grant_type=password&username=a", &[JSON], 200);
    assert!(by_grant.0 && ids(&by_grant.1) == ["refresh_token Json"]);
    for (target, form, reply, status) in [
        ("/page", "a=b", &[JSON][..], 200),
        ("/oauth/token", "a=b", &[JSON], 401),
        ("/oauth/token", "a=b", &[("Content-Type", "text/html")], 200),
    ] {
        let (wanted, seen) = ask(target, form, reply, status);
        assert!(!wanted && seen.is_empty(), "{target} {status}");
    }
    let TokenUse::Issued(issued) = &tokens(&seen)[0].action else { panic!("not issued") };
    assert_eq!(issued.replaces, Some(bench.digest(OTHER)), "a refresh token is rotated");
    assert_eq!(tokens(&seen)[0].token.token, bench.digest(THIRD));
}

#[test]
fn a_rival_request_presents_tokens_and_waits_for_no_reply() {
    let mut bench = Bench::new();
    bench.request("/", &[HOST]);
    let cookie = format!("PHPSESSID={STRONG}");
    let habits = [("User-Agent", "curl/8.5.0"), ("Accept-Language", "de")];
    let headers = headers(&[HOST, ("Cookie", &cookie), habits[0], habits[1]]);
    let head = RequestHead { method: b"GET", target: b"/", version: HttpVersion::V11, headers: &headers };
    let (dir, ordinal) = (Direction::Forward, u32::MAX - 1);
    let message = Message::Request { ordinal, dir, first: stamp(4), complete: stamp(5), head };
    bench.tap.on_message(&mut bench.state, &bench.flow, message);
    let seen: Vec<Seen> = bench.tap.drain().collect();
    assert_eq!(ids(&seen), ["php_session Cookie"]);
    let client = &tokens(&seen)[0].request.like.client;
    assert_eq!(client.address, Some(bench.flow.initiator.ip));
    let habits = (&client.user_agent, &client.header_order, client.language);
    assert!(matches!(habits, (None, None, None)), "they may be a mixture of two copies: {habits:?}");
    assert!(matches!(seen.last(), Some(Seen::Transaction(told)) if told.status.is_none()));
    let reply = bench.response(200, &[]);
    assert!(matches!(reply.last(), Some(Seen::Transaction(told)) if told.request.id.ordinal == 0));
}

#[test]
fn what_names_a_server_behind_a_session_does_not_hide_it() {
    let mut bench = Bench::new();
    let mut java = rule("java_session", Some(TokenClass::Session), vec![Place::Cookie(Pattern::parse("JSESSIONID"))]);
    java.until = b".!:".as_slice().into();
    bench.tap.set_rules(Arc::new(TapRules { names: TokenNames::new(vec![java]), ..rules() }));
    for value in
        [STRONG.to_owned(), format!("{STRONG}.node0"), format!("{STRONG}!-14082!NONE"), format!("{STRONG}.jvm7")]
    {
        let seen = bench.request("/", &[HOST, ("Cookie", &format!("JSESSIONID={value}"))]);
        assert_eq!(tokens(&seen)[0].token.token, bench.digest(STRONG), "{value}");
    }
}
