//! Requests and replies, as they are seen.

mod bodies;
mod repeats;

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::base::net::{Endpoint, MacAddr, Tenant};
use crate::base::time::{FrameId, Timestamp};
use crate::flow::FlowId;
use crate::identity::AddressSource;
use crate::packet::MacPair;
use crate::proto::{Header, HttpVersion, PIPELINE_LIMIT, RequestHead, ResponseHead};
use crate::token::login::LoginRule;
use crate::token::names::{Hosts, Place, TokenRule};
use crate::token::pattern::Pattern;
use crate::token::{Outcome, TokenClass};

mod proxies;

const STRONG: &str = "699deef4f79d4de90c447a4488735140";
const OTHER: &str = "c1223cb0354359277083cec8934b186f";
const THIRD: &str = "4edd7db2ab42f2ea5371e03bce57f2e7";

fn rule(id: &str, class: Option<TokenClass>, places: Vec<Place>) -> TokenRule {
    TokenRule {
        id: id.into(),
        class,
        places,
        hosts: Hosts::Any,
        min_length: 8,
        chunked: false,
        except: Vec::new(),
        until: Box::default(),
        layer: 0,
    }
}

fn rules() -> TapRules {
    let cookie = |name: &str| Place::Cookie(Pattern::parse(name));
    let header = |name: &str, scheme: Option<&str>| Place::Header { name: name.into(), scheme: scheme.map(Into::into) };
    let session = Some(TokenClass::Session);
    let mut next = rule("next_auth", session, vec![cookie("next.token"), cookie("wild-*")]);
    next.chunked = true;
    next.except = vec![Pattern::parse("chunks-*")];
    let mut basic = rule("basic", Some(TokenClass::Basic), vec![header("Authorization", Some("Basic"))]);
    basic.min_length = 2;
    let mut checkout = rule("session_id", session, vec![Place::Query(Pattern::parse("session_id"))]);
    checkout.except = vec![Pattern::parse("cs_*")];
    TapRules {
        names: TokenNames::new(vec![
            rule("php_session", session, vec![cookie("PHPSESSID")]),
            rule("java_session", session, vec![cookie("JSESSIONID"), Place::Matrix(Pattern::parse("jsessionid"))]),
            rule("any_session", session, vec![cookie("_*_session")]),
            rule("aspnet", session, vec![Place::Path(b'S')]),
            rule("cold_fusion", session, vec![Place::Cookies(vec![Pattern::parse("CFID"), Pattern::parse("CFTOKEN")])]),
            rule("bearer", Some(TokenClass::Bearer), vec![header("Authorization", Some("Bearer"))]),
            rule("x_api_key", Some(TokenClass::Api), vec![header("X-Api-Key", None)]),
            rule("never", None, vec![cookie("_ga*")]),
            next,
            basic,
            checkout,
        ]),
        login: LoginRules::new(vec![LoginRule { paths: vec![Pattern::parse("/login")], ..LoginRule::default() }]),
        agents: Arc::default(),
        topology: Arc::default(),
    }
}

/// A tap with one flow.
struct Bench {
    tap: TokenTap,
    state: FlowTokens,
    flow: FlowInfo,
    next: u32,
}

fn stamp(number: u64) -> Stamp {
    Stamp { ts: Timestamp::from_parts(1_700_000_000, 0), frame: FrameId { number, ..FrameId::default() } }
}

fn headers<'h>(list: &[(&'h str, &'h str)]) -> Vec<Header<'h>> {
    list.iter().map(|(n, v)| Header { name: n.as_bytes(), value: Cow::Borrowed(v.as_bytes()) }).collect()
}

impl Bench {
    fn new() -> Self {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        let flow = FlowInfo {
            id: FlowId(stamp(1).frame),
            tenant: Tenant::default(),
            initiator: end("10.0.0.10", 40_000),
            responder: end("10.0.1.20", 80),
            mac: Some(MacPair { source: MacAddr([1; 6]), destination: MacAddr([2; 6]) }),
            initiator_ttl: Some(64),
            syn: None,
            opened: stamp(1),
            midstream: false,
            two_sided: true,
            gaps: 0,
        };
        let tap = TokenTap::new(Arc::new(rules()), DigestKey::derive(&[7; 32], "token ref"), [3; 16], 1 << 20, true);
        Self { tap, state: FlowTokens::default(), flow, next: 0 }
    }

    fn request(&mut self, target: &str, list: &[(&str, &str)]) -> Vec<Seen> {
        self.request_bytes(target.as_bytes(), &headers(list))
    }

    fn request_bytes(&mut self, target: &[u8], headers: &[Header<'_>]) -> Vec<Seen> {
        let head = RequestHead { method: b"GET", target, version: HttpVersion::V11, headers };
        let ordinal = self.next;
        self.next += 1;
        let message = Message::Request { ordinal, dir: Direction::Forward, first: stamp(4), complete: stamp(5), head };
        self.tap.on_message(&mut self.state, &self.flow, message);
        self.tap.drain().collect()
    }

    /// The reply to the latest request.
    fn response(&mut self, status: u16, list: &[(&str, &str)]) -> Vec<Seen> {
        let answers = self.next.checked_sub(1);
        self.answer(answers, status, list)
    }

    fn answer(&mut self, answers: Option<u32>, status: u16, list: &[(&str, &str)]) -> Vec<Seen> {
        let headers = headers(list);
        let head = ResponseHead { status, version: HttpVersion::V11, headers: &headers };
        let message = Message::Response { answers, dir: Direction::Reverse, first: stamp(6), complete: stamp(7), head };
        self.tap.on_message(&mut self.state, &self.flow, message);
        self.tap.drain().collect()
    }

    fn end(&mut self) -> Vec<Seen> {
        self.tap.on_message(&mut self.state, &self.flow, Message::End { at: stamp(9) });
        self.tap.drain().collect()
    }

    fn digest(&self, value: &str) -> crate::base::ids::TokenRef {
        self.tap.key.digest(&[value.as_bytes()])
    }
}

fn tokens(seen: &[Seen]) -> Vec<&TokenSighting> {
    seen.iter().filter_map(|s| if let Seen::Token(t) = s { Some(t) } else { None }).collect()
}

fn ids(seen: &[Seen]) -> Vec<String> {
    tokens(seen).iter().map(|t| format!("{} {:?}", t.token.id, t.token.carrier)).collect()
}

const HOST: (&str, &str) = ("Host", "www.shop.test");

#[test]
fn a_request_presents_its_tokens_in_every_carrier() {
    let mut bench = Bench::new();
    let target =
        format!("/a;jsessionid={STRONG}/(S(q7f0k2m9x4v8b1c6z3n5aa))/?PHPSESSID={OTHER}&session_id=cs_live_a1B2c3D4e5");
    let cookie = format!("_ga=1; PHPSESSID={STRONG};JSESSIONID = \"{THIRD}\"; basket=x; CFID=12345; CFTOKEN={OTHER}");
    let seen = bench.request(
        &target,
        &[HOST, ("cookie", &cookie), ("X-Api-Key", THIRD), ("Authorization", &format!("bEaReR \t {OTHER}"))],
    );
    assert_eq!(
        ids(&seen),
        [
            "php_session Cookie",
            "java_session Cookie",
            "x_api_key Header",
            "bearer Header",
            "php_session Query",
            "java_session Matrix",
            "aspnet Path",
            "cold_fusion Cookie",
        ]
    );
    let first = tokens(&seen)[0];
    assert_eq!(first.token.token, bench.digest(STRONG));
    assert_eq!((first.token.by_address, &*first.token.name, &*first.token.service), (None, "PHPSESSID", "shop.test"));
    assert!(first.token.strength >= 64 && first.plaintext && matches!(first.action, TokenUse::Presented));
    assert_eq!((first.at, first.request.like.first), (stamp(5), stamp(4)));
    let client = &first.request.like.client;
    assert_eq!((client.address, client.frame_mac), (Some("10.0.0.10".parse().unwrap()), Some(MacAddr([1; 6]))));
    let http = first.request.like.http.as_ref().unwrap();
    assert_eq!((&*http.method, &*http.host), ("GET", "www.shop.test"));
    let marks = |t: &str| format!("‹ref:{}›", &bench.digest(t).to_string()[..4]);
    assert_eq!(*http.path, format!("/a;jsessionid={}/(S({}))/", marks(STRONG), marks("q7f0k2m9x4v8b1c6z3n5aa")));
    assert_eq!(http.query.as_deref(), Some(format!("PHPSESSID={}&session_id=‹…›", marks(OTHER)).as_str()));
    let ignored = bench.tap.token_counters().ignored;
    assert_eq!((ignored.excluded, ignored.unnamed), (2, 1));
}

#[test]
fn one_value_is_one_ref_however_it_is_written_and_is_seen_once() {
    let mut bench = Bench::new();
    let encoded = format!("%36{}", &STRONG[1..]);
    let cookies = format!("PHPSESSID={STRONG}; PHPSESSID=\"{STRONG}\"; PHPSESSID={encoded}; %50HPSESSID={STRONG}");
    let seen = bench.request("/", &[HOST, ("Cookie", &cookies), ("Cookie", &format!("PHPSESSID={OTHER}"))]);
    let refs: Vec<_> = tokens(&seen).iter().map(|t| t.token.token).collect();
    assert_eq!(refs, [bench.digest(STRONG), bench.digest(OTHER)]);
    let joined = bench.request("/", &[HOST, ("Cookie", &format!("a=1, PHPSESSID={STRONG}"))]);
    assert_eq!(tokens(&joined)[0].token.token, bench.digest(STRONG));
}

#[test]
fn weak_values_belong_to_a_service_and_a_server() {
    let mut bench = Bench::new();
    let mut weak = |host: &str| {
        let seen = bench.request("/", &[("Host", host), ("Cookie", "PHPSESSID=healthcheck")]);
        let token = tokens(&seen)[0].token.clone();
        (token.token, token.by_address.unwrap())
    };
    let (a, b, c) = (weak("a.shop.test"), weak("b.shop.test"), weak("other.test"));
    assert_eq!(a, b);
    assert!(a.0 != c.0 && a.1 == c.1 && a.0 != a.1);
    let (none, number) = (weak(""), weak("10.0.1.20:80"));
    assert_eq!((none.0, number.0), (a.1, a.1));
}

#[test]
fn placeholders_short_values_and_signatures_are_counted_and_left_out() {
    let mut bench = Bench::new();
    let cookies = "PHPSESSID=deleted; PHPSESSID=; PHPSESSID=abc; CFID=12345678; basket=1";
    let seen = bench.request("/", &[HOST, ("Cookie", cookies), ("Authorization", "Digest username=x, nonce=y")]);
    assert!(tokens(&seen).is_empty());
    let ignored = bench.tap.token_counters().ignored;
    assert_eq!(
        (ignored.placeholder, ignored.short, ignored.unpaired, ignored.unnamed, ignored.never_scheme),
        (2, 1, 1, 1, 1)
    );
}

#[test]
fn basic_credentials_are_one_value_in_either_spelling() {
    let mut bench = Bench::new();
    let seen = bench.request("/open%20sesame", &[HOST, ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]);
    let first = tokens(&seen)[0].token.clone();
    let again = bench.request("/open sesame", &[HOST, ("Authorization", "basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ")]);
    assert_eq!((first.class, first.token), (TokenClass::Basic, tokens(&again)[0].token.token));
    assert!(!format!("{again:?}").contains("sesame"));
}

#[test]
fn chunks_are_one_token_in_any_order() {
    let mut bench = Bench::new();
    let whole = bench.digest(&format!("{STRONG}{OTHER}"));
    for cookies in [
        format!("next.token.0={STRONG}; next.token.1={OTHER}"),
        format!("next.token.1={OTHER}; x=1; next.token.0={STRONG}"),
        format!("next.token={STRONG}{OTHER}"),
    ] {
        let seen = bench.request("/", &[HOST, ("Cookie", &cookies)]);
        let found: Vec<_> = tokens(&seen).iter().map(|t| (t.token.token, t.token.name.to_string())).collect();
        assert_eq!(found, [(whole, "next.token".to_owned())], "{cookies}");
    }
}

#[test]
fn what_is_added_to_a_chunked_cookie_does_not_hide_it() {
    let mut bench = Bench::new();
    let whole = bench.digest(&format!("{STRONG}{OTHER}"));
    let chunks = format!("next.token.0={STRONG}; next.token.1={OTHER}");
    for cookies in [
        format!("{chunks}; next.token.5=junkjunk"),
        format!("{chunks}; next.token=junkjunk"),
        format!("next.token={STRONG}{OTHER}; next.token.0=junkjunk"),
        format!("{chunks}; next.tokenC1=junkjunk; next.token_0=junkjunk"),
        format!("next.token=chunks-2; next.tokenC0=junkjunk; next.tokenC1={STRONG}; next.tokenC2={OTHER}"),
        format!("next.token={STRONG}; next.token1={OTHER}; next.token3=junkjunk"),
        format!("wild-a.0={STRONG}; wild-a.1={OTHER}; wild-b.0=junkjunk"),
    ] {
        let seen = bench.request("/", &[HOST, ("Cookie", &cookies)]);
        assert_eq!(tokens(&seen).iter().filter(|t| t.token.token == whole).count(), 1, "{cookies}");
    }
}

#[test]
fn a_token_in_the_path_has_a_name() {
    let mut bench = Bench::new();
    let seen = bench.request(&format!("/(s({STRONG}))/"), &[HOST]);
    assert_eq!(&*tokens(&seen)[0].token.name, "(S())");
}

#[test]
fn a_comma_may_part_cookies() {
    let mut bench = Bench::new();
    let seen = bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={STRONG}, x=1, JSESSIONID={OTHER}"))]);
    for value in [STRONG, OTHER] {
        assert!(tokens(&seen).iter().any(|t| t.token.token == bench.digest(value)), "{value}");
    }
}

#[test]
fn outcomes() {
    let location = |to: &'static str| vec![("Location", to)];
    let gone = vec![("Set-Cookie", "PHPSESSID=x; Max-Age=0")];
    let cases = [
        (200, vec![], Outcome::Accepted),
        (101, vec![], Outcome::Accepted),
        (304, vec![], Outcome::Accepted),
        (302, location("/home"), Outcome::Accepted),
        (302, location("https://shop.test/login?next=/"), Outcome::Rejected),
        (401, vec![], Outcome::Rejected),
        (403, vec![], Outcome::Rejected),
        (200, gone, Outcome::Rejected),
        (404, vec![], Outcome::Unknown),
        (500, vec![], Outcome::Unknown),
    ];
    for (status, list, expected) in cases {
        let mut bench = Bench::new();
        bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={STRONG}"))]);
        let seen = bench.response(status, &list);
        let Seen::Outcome(outcome) = &seen[0] else { panic!("{seen:?}") };
        assert_eq!((outcome.status, outcome.at, outcome.request.id.ordinal), (status, stamp(7), 0));
        assert_eq!(outcome.tokens.to_vec(), [(bench.digest(STRONG), expected)], "{status} {list:?}");
    }
}

#[test]
fn a_reply_issues_rotates_and_deletes() {
    let mut bench = Bench::new();
    bench.request("/login", &[HOST]);
    let seen = bench.response(
        302,
        &[("Location", "/"), ("set-cookie", &format!("PHPSESSID={STRONG}; Secure; HttpOnly; SameSite=Lax"))],
    );
    let [Seen::Token(issued), Seen::Transaction(transaction)] = &seen[..] else { panic!("{seen:?}") };
    let TokenUse::Issued(how) = issued.action else { panic!() };
    assert!(how.secure && how.http_only && how.same_site && how.replaces.is_none());
    assert_eq!((issued.at, issued.request.like.client.address), (stamp(7), Some("10.0.0.10".parse().unwrap())));
    assert_eq!((transaction.status, transaction.tokens.len(), transaction.tokens[0].issued), (Some(302), 1, true));

    bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={STRONG}"))]);
    let seen = bench.response(200, &[("Set-Cookie", &format!("PHPSESSID={OTHER}"))]);
    let [Seen::Outcome(_), Seen::Token(issued), Seen::Transaction(_)] = &seen[..] else { panic!("{seen:?}") };
    let TokenUse::Issued(how) = issued.action else { panic!() };
    assert_eq!((how.replaces, issued.token.token), (Some(bench.digest(STRONG)), bench.digest(OTHER)));

    for (status, list) in [(401, vec![]), (302, vec![("Location", "/login")])] {
        bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={OTHER}"))]);
        let set = format!("PHPSESSID={THIRD}");
        let seen = bench.response(status, &[&list[..], &[("Set-Cookie", set.as_str())]].concat());
        let TokenUse::Issued(how) = tokens(&seen)[0].action else { panic!() };
        assert_eq!(how.replaces, None, "a refused request renames nothing");
    }

    bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={OTHER}; _a_session={THIRD}"))]);
    let seen = bench.response(
        200,
        &[
            ("Set-Cookie", "PHPSESSID=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT"),
            ("Set-Cookie", "_b_session=; Max-Age=0"),
        ],
    );
    let [Seen::Outcome(outcome), Seen::Token(deleted), Seen::Transaction(_)] = &seen[..] else { panic!("{seen:?}") };
    assert!(matches!(deleted.action, TokenUse::Deleted) && deleted.token.token == bench.digest(OTHER));
    assert_eq!(
        outcome.tokens.to_vec(),
        [(bench.digest(OTHER), Outcome::Rejected), (bench.digest(THIRD), Outcome::Accepted)]
    );

    // Deleted for one path and set for another: it lives on.
    bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={OTHER}"))]);
    let set = format!("PHPSESSID={THIRD}; Path=/");
    let seen = bench.response(200, &[("Set-Cookie", "PHPSESSID=; Path=/old"), ("Set-Cookie", &set)]);
    let Seen::Outcome(outcome) = &seen[0] else { panic!() };
    assert_eq!(outcome.tokens[0].1, Outcome::Accepted);
    let TokenUse::Issued(how) = tokens(&seen)[0].action else { panic!("{seen:?}") };
    assert_eq!(how.replaces, Some(bench.digest(OTHER)));
}

#[test]
fn the_same_value_set_again_replaces_nothing() {
    let mut bench = Bench::new();
    let both = format!("PHPSESSID={OTHER}; PHPSESSID={STRONG}");
    bench.request("/", &[HOST, ("Cookie", &both)]);
    let seen = bench.response(200, &[("Set-Cookie", &format!("PHPSESSID={STRONG}"))]);
    let TokenUse::Issued(how) = tokens(&seen)[0].action else { panic!() };
    assert_eq!(how.replaces, None);
}

#[test]
fn a_reply_whose_request_was_not_seen_still_issues() {
    let mut bench = Bench::new();
    let seen = bench.answer(None, 200, &[("Set-Cookie", &format!("PHPSESSID={STRONG}"))]);
    let [Seen::Token(issued)] = &seen[..] else { panic!("{seen:?}") };
    assert!(issued.request.like.http.is_none() && issued.request.like.client.user_agent.is_none());
    assert_eq!(issued.request.like.client.address, Some("10.0.0.10".parse().unwrap()));
    assert_eq!(issued.request.like.client.frame_mac, Some(MacAddr([1; 6])));
    assert_eq!((issued.token.token, &*issued.token.service), (bench.digest(STRONG), "10.0.1.20"));
}

#[test]
fn replies_find_their_requests_and_the_rest_is_told_at_the_end() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        bench.request("/", &[HOST, ("Cookie", "a=1; b; PHPSESSID=null")]);
    }
    let status_of = |seen: &[Seen]| -> Vec<(u32, Option<u16>, u32)> {
        seen.iter()
            .map(|s| match s {
                Seen::Transaction(t) => (t.request.id.ordinal, t.status, t.cookies),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(status_of(&bench.answer(Some(1), 200, &[])), [(0, None, 3), (1, Some(200), 3)]);
    assert_eq!(status_of(&bench.answer(Some(1), 200, &[])), []);
    assert!(TokenTap::held_bytes(&bench.state) > 0);
    assert_eq!(status_of(&bench.end()), [(2, None, 3), (3, None, 3)]);
    assert_eq!(status_of(&bench.end()), []);
}

#[test]
fn beyond_the_pipeline_limit_tokens_are_still_read() {
    let mut bench = Bench::new();
    for n in 0..PIPELINE_LIMIT + 2 {
        let seen = bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={STRONG}"))]);
        assert_eq!((tokens(&seen).len(), seen.len()), (1, if n < PIPELINE_LIMIT { 1 } else { 2 }));
    }
    assert_eq!(bench.tap.token_counters().pipelined_limit_hits, 2);
    let seen = bench.answer(Some(129), 200, &[("Set-Cookie", &format!("PHPSESSID={OTHER}"))]);
    assert_eq!(tokens(&seen).len(), 1);
}

#[test]
fn what_waits_is_bounded_by_tokens_and_counts_as_memory() {
    let mut bench = Bench::new();
    let cookies = |n: usize| -> String { (0..1000).map(|m| format!("PHPSESSID={n:08}{m:08}; ")).collect() };
    let before = TokenTap::held_bytes(&bench.state);
    for n in 0..8 {
        assert_eq!(tokens(&bench.request("/", &[HOST, ("Cookie", &cookies(n))])).len(), 1000);
    }
    assert_eq!(bench.tap.token_counters().pipelined_limit_hits, 3, "five have more tokens than may wait");
    assert!(TokenTap::held_bytes(&bench.state) > before + 5000 * size_of::<SeenToken>());
    bench.end();
    assert_eq!(TokenTap::held_bytes(&bench.state), before);
}

#[test]
fn a_crowd_of_pairs_hides_no_token() {
    let mut bench = Bench::new();
    let cookies = format!("{}PHPSESSID={STRONG}", "j=1; ".repeat(5000));
    let target = format!("/?{}PHPSESSID={OTHER}", "j=1&".repeat(5000));
    assert_eq!(tokens(&bench.request(&target, &[HOST, ("Cookie", &cookies)])).len(), 2);
}

#[test]
fn pairs_beyond_the_limit_are_counted_and_hide_no_token() {
    let mut bench = Bench::new();
    let junk = "PHPSESSID=12345678; ".repeat(1023);
    let seen = bench.request("/", &[HOST, ("Cookie", &format!("{junk}PHPSESSID={STRONG}; PHPSESSID={OTHER}"))]);
    assert_eq!(tokens(&seen).len(), 3);
    assert_eq!(bench.tap.token_counters().cookie_pairs_limit_hits, 1);
    let Seen::Transaction(transaction) = &bench.end()[0] else { panic!() };
    assert_eq!(transaction.cookies, 1025);
    let parameters = "j=1&".repeat(1024);
    let seen = bench.request(&format!("/?{parameters}session_id={OTHER}"), &[HOST]);
    assert_eq!(tokens(&seen).len(), 1);
    assert_eq!(bench.tap.token_counters().parameters_limit_hits, 1);
}

#[test]
fn a_cookie_as_only_some_servers_read_it() {
    let mut bench = Bench::new();
    for cookie in [
        format!("a=b PHPSESSID={STRONG}"),
        format!("PHPSESSID={STRONG} x=1"),
        format!("PHPSESSID={STRONG},b=c"),
        format!("a, PHPSESSID={STRONG}"),
        format!("PHPSESSID=\"\\066{}\"", &STRONG[1..]),
    ] {
        let plain = bench.request("/", &[HOST, ("Cookie", &format!("PHPSESSID={STRONG}"))]);
        let odd = bench.request("/", &[HOST, ("Cookie", &cookie)]);
        assert!(tokens(&odd).iter().any(|t| t.token.token == tokens(&plain)[0].token.token), "{cookie}");
    }
    let seen = bench.request("/", &[HOST, ("Cookie", &format!("_shop.session={STRONG}"))]);
    assert_eq!(&*tokens(&seen)[0].token.id, "any_session");
}

#[test]
fn without_transactions_there_are_none() {
    let mut bench = Bench::new();
    bench.tap.transactions = false;
    bench.request("/", &[HOST]);
    assert!(bench.response(200, &[]).is_empty() && bench.end().is_empty());
}

#[test]
fn a_client_that_answered_the_call_is_still_the_client() {
    let mut bench = Bench::new();
    let headers = headers(&[HOST, ("Cookie", "PHPSESSID=699deef4f79d4de90c447a4488735140")]);
    let head = RequestHead { method: b"GET", target: b"/", version: HttpVersion::V11, headers: &headers };
    let message = Message::Request { ordinal: 0, dir: Direction::Reverse, first: stamp(1), complete: stamp(1), head };
    bench.tap.on_message(&mut bench.state, &bench.flow, message);
    let seen: Vec<_> = bench.tap.drain().collect();
    let request = &tokens(&seen)[0].request.like;
    assert_eq!((request.source.port, request.client.frame_mac), (80, Some(MacAddr([2; 6]))));
}

/// A value as servers make them; shrinking the seed leaves it random.
fn random_value(seed: u64, len: usize) -> String {
    let key = DigestKey::derive(&[9; 32], "values");
    let hex: String =
        (0..len.div_ceil(32)).map(|n| key.digest(&[&seed.to_be_bytes(), &n.to_be_bytes()]).to_string()).collect();
    hex[..len].to_owned()
}

fn percent_encoded(value: &str) -> String {
    value.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn base64(value: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    value
        .chunks(3)
        .flat_map(|c| {
            let n = c.iter().enumerate().fold(0_u32, |n, (i, b)| n | u32::from(*b) << (16 - 8 * i));
            (0..=c.len()).map(move |i| char::from(ALPHABET[(n >> (18 - 6 * i) & 63) as usize]))
        })
        .collect()
}

proptest! {
    #[test]
    fn no_token_is_ever_shown(seed: u64, len in 12_usize..80, place in 0_usize..12, encode: bool, word in "[a-z]{12,20}") {
        let random = random_value(seed, len);
        // What a rule names is hidden even when it is a word.
        let plain = if place < 7 && seed.is_multiple_of(3) { word } else { random };
        let value = if encode { percent_encoded(&plain) } else { plain.clone() };
        let mut bench = Bench::new();
        let cookie = format!("PHPSESSID={value}; JSESSIONID=\"{value}\"; _{value}_session=1");
        let credential = base64(format!("alice:{plain}").as_bytes());
        let (target, list): (String, Vec<(&str, String)>) = match place {
            0 => (format!("/{plain}?x={plain}"), vec![("Cookie", cookie)]),
            1 => (format!("/{value}"), vec![("Authorization", format!("Bearer {plain}")), ("User-Agent", format!("Acme/1 {plain}"))]),
            2 => (format!("/?PHPSESSID={value}"), vec![("User-Agent", format!("Mozilla/5.0 ({plain})")), ("Cookie", format!("PHPSESSID={plain}"))]),
            3 => (format!("/a;jsessionid={value}/b"), vec![]),
            4 => (format!("/(S({value}))/b"), vec![]),
            5 => (format!("/{plain}"), vec![("Authorization", format!("Basic {credential}"))]),
            6 => (format!("/{plain}"), vec![("Cookie", format!("CFID=12345; CFTOKEN={value}")), ("X-Api-Key", plain.clone())]),
            7 => (format!("/{value}"), vec![("User-Agent", value.clone())]),
            8 => (format!("/?{value}"), vec![("Cookie", format!("{plain}=1; _{plain}_session={plain}"))]),
            9 => (format!("/?a={value}&{plain}=1"), vec![("User-Agent", format!("Acme-{plain}/1.0"))]),
            10 => (format!("http://{plain}.test/x/{plain}.html"), vec![("Cookie", format!("PHPSESSID={plain}"))]),
            _ => (format!("/reset/{plain}/{plain}"), vec![]),
        };
        let host = if place == 10 { format!("{plain}.test") } else { "shop.test".to_owned() };
        let mut list: Vec<(&str, &str)> = list.iter().map(|(n, v)| (*n, v.as_str())).collect();
        list.push(("Host", &host));
        let mut seen = bench.request(&target, &list);
        let set = format!("PHPSESSID={value}; _{plain}_session={plain}; Path=/");
        seen.extend(bench.response(200, &[("Set-Cookie", &set), ("Location", &target)]));
        seen.extend(bench.answer(None, 200, &[("Set-Cookie", &set)]));
        let shown = format!("{seen:?}").to_lowercase();
        for secret in [&plain, &value, &credential] {
            for piece in secret.to_lowercase().as_bytes().windows(12) {
                let piece = std::str::from_utf8(piece).unwrap();
                prop_assert!(!shown.contains(piece), "{} of {} in {}", piece, place, shown);
            }
        }
    }

    #[test]
    fn any_bytes(
        target in proptest::collection::vec(any::<u8>(), 0..80),
        fields in proptest::collection::vec(
            ("Cookie|Set-Cookie|Host|User-Agent|Authorization|X-Api-Key|Location", proptest::collection::vec(any::<u8>(), 0..60)),
            0..6,
        ),
        piece in prop::sample::select(vec!["PHPSESSID=", "; CFID=1", "Basic ", "Bearer ", "next.token.1=", "/login", ""]),
    ) {
        let values: Vec<(String, Vec<u8>)> = fields.into_iter().map(|(n, v)| (n, [piece.as_bytes(), &v].concat())).collect();
        let headers: Vec<Header<'_>> =
            values.iter().map(|(n, v)| Header { name: n.as_bytes(), value: Cow::Borrowed(v) }).collect();
        let mut bench = Bench::new();
        bench.request_bytes(&target, &headers);
        let head = ResponseHead { status: 302, version: HttpVersion::V11, headers: &headers };
        let message = Message::Response { answers: Some(0), dir: Direction::Reverse, first: stamp(6), complete: stamp(7), head };
        bench.tap.on_message(&mut bench.state, &bench.flow, message);
        for seen in bench.tap.drain() {
            if let Seen::Token(sighting) = seen {
                prop_assert!(sighting.token.name.chars().all(|c| !c.is_control()));
            }
        }
    }
}

#[test]
fn what_was_decrypted_is_not_in_cleartext() {
    let mut bench = Bench::new();
    let cookie = format!("PHPSESSID={STRONG}");
    let fields = [HOST, ("Cookie", cookie.as_str())];
    let plaintext = |seen: &[Seen]| tokens(seen).iter().map(|token| token.plaintext).collect::<Vec<_>>();
    assert_eq!(plaintext(&bench.request("/", &fields)), [true]);
    bench.tap.on_message(&mut bench.state, &bench.flow, Message::TlsDecrypted { protocol: None });
    // The same fields again: what was remembered of them was said in the open.
    for _ in 0..3 {
        assert_eq!(plaintext(&bench.request("/", &fields)), [false]);
        let set = format!("PHPSESSID={OTHER}; Path=/");
        assert_eq!(plaintext(&bench.response(200, &[("Set-Cookie", &set)])), [false]);
    }
}
