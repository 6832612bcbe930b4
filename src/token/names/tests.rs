//! Lookups of names, in their order.

use super::*;

fn rule(id: &str, class: Option<TokenClass>, cookies: &[&str]) -> TokenRule {
    TokenRule {
        id: id.into(),
        class,
        places: cookies.iter().map(|c| Place::Cookie(Pattern::parse(c))).collect(),
        hosts: Hosts::Any,
        min_length: 8,
        chunked: false,
        except: Vec::new(),
        until: Box::default(),
        layer: 0,
    }
}

const SESSION: Option<TokenClass> = Some(TokenClass::Session);

fn said(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Token(named) => format!("{} {:?}", named.rule.id, named.part),
        Verdict::Excluded => "excluded".into(),
        Verdict::Unnamed => "unnamed".into(),
    }
}

#[test]
fn exact_goes_before_folded_before_wildcards_and_exclusions_before_tokens() {
    let names = TokenNames::new(vec![
        rule("any_session", SESSION, &["_*_session", "*_session"]),
        rule("upper", Some(TokenClass::Idp), &["SID"]),
        rule("lower", SESSION, &["sid"]),
        rule("analytics", None, &["_ga*", "ai_session", "NSC_*"]),
        rule("gateway", Some(TokenClass::Edge), &["NSC_AAAC"]),
        rule("drupal", SESSION, &["SESS<32 hex>"]),
    ]);
    let cases = [
        ("SID", "upper Whole"),
        ("sid", "lower Whole"),
        ("Sid", "upper Whole"),
        ("NSC_AAAC", "gateway Whole"),
        ("nsc_aaac", "gateway Whole"),
        ("NSC_other", "excluded"),
        ("ai_session", "excluded"),
        ("_ga_x", "excluded"),
        ("_ga_session", "excluded"),
        ("_shop_session", "any_session Whole"),
        ("Wiki_Session", "any_session Whole"),
        ("SESS0123456789abcdef0123456789abcdef", "drupal Whole"),
        ("SESS0123456789abcdef0123456789abcde", "unnamed"),
        ("", "unnamed"),
        ("other", "unnamed"),
    ];
    for (name, expected) in cases {
        assert_eq!(said(names.cookie(name.as_bytes(), "shop.test")), expected, "{name}");
    }
    assert_eq!(said(names.cookie(&[b'a'; 300], "")), "unnamed");
}

#[test]
fn a_session_name_is_a_token_in_queries_and_an_excluded_cookie_is_not_excluded_there() {
    let names = TokenNames::new(vec![
        rule("php", SESSION, &["PHPSESSID"]),
        rule("idp", Some(TokenClass::Idp), &["SSID"]),
        rule("never", None, &["lang"]),
    ]);
    assert_eq!(said(names.query(b"PHPSESSID", "")), "php Whole");
    assert_eq!(said(names.matrix(b"phpsessid", "")), "php Whole");
    assert_eq!(said(names.query(b"SSID", "")), "unnamed");
    assert_eq!(said(names.query(b"lang", "")), "unnamed");
}

#[test]
fn chunks_and_pairs() {
    let mut next = rule("next", SESSION, &["next-auth.session-token", "sb-*-auth-token*", "FedAuth"]);
    next.chunked = true;
    let mut pair = rule("cold_fusion", SESSION, &[]);
    pair.places = vec![Place::Cookies(vec![Pattern::parse("CFID"), Pattern::parse("CFTOKEN")])];
    let names = TokenNames::new(vec![next, pair, rule("plain", SESSION, &["sid"])]);
    let cases = [
        ("next-auth.session-token", "next Whole"),
        ("next-auth.session-token.0", "next Chunk(1)"),
        ("next-auth.session-token.11", "next Chunk(12)"),
        ("sb-abc-auth-token.1", "next Chunk(2)"),
        ("FedAuth1", "next Chunk(2)"),
        ("FedAuthC1", "next Chunk(2)"),
        ("FedAuth0", "unnamed"),
        ("FedAuthC0", "unnamed"),
        ("sid.0", "unnamed"),
        ("CFTOKEN", "cold_fusion Pair { index: 1, of: 2 }"),
    ];
    for (name, expected) in cases {
        assert_eq!(said(names.cookie(name.as_bytes(), "")), expected, "{name}");
    }
}

#[test]
fn hosts_and_layers() {
    let mut only = rule("only", Some(TokenClass::Edge), &["sid"]);
    only.hosts = Hosts::from_words(&["shop.example"]);
    let mut later = rule("mine", Some(TokenClass::Api), &["SERVERID"]);
    later.layer = 1;
    let names = TokenNames::new(vec![rule("any", SESSION, &["sid"]), rule("lb", None, &["SERVERID"]), only, later]);
    assert_eq!(said(names.cookie(b"sid", "shop.example")), "only Whole");
    assert_eq!(said(names.cookie(b"sid", "www.shop.example")), "only Whole");
    assert_eq!(said(names.cookie(b"sid", "notshop.example")), "any Whole");
    assert_eq!(said(names.cookie(b"SERVERID", "")), "mine Whole");
}

#[test]
fn headers_by_scheme() {
    let mut bearer = rule("bearer", Some(TokenClass::Bearer), &[]);
    bearer.places = vec![Place::Header { name: "Authorization".into(), scheme: Some("Bearer".into()) }];
    let mut key = rule("x_api_key", Some(TokenClass::Api), &[]);
    key.places = vec![Place::Header { name: "X-Api-Key".into(), scheme: None }];
    let names = TokenNames::new(vec![bearer, key]);
    assert_eq!(said(names.header(b"authorization", b"bEaReR", "")), "bearer Whole");
    assert_eq!(said(names.header(b"authorization", b"Basic", "")), "unnamed");
    assert_eq!(said(names.header(b"X-API-KEY", b"", "")), "x_api_key Whole");
    assert!(names.may_name_header(b"x-api-key") && names.may_name_header(b"AUTHORIZATION"));
    assert!(!names.may_name_header(b"accept") && !names.may_name_header(b""));
}
