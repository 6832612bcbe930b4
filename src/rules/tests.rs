//! Files in, rules or errors with their place out.

use std::path::PathBuf;

use super::*;
use crate::detect::{CATALOGUE, Severity, SeverityRule, SignalName};
use crate::token::TokenClass;
use crate::token::names::Verdict;

fn loaded(text: &str) -> Result<RuleSet, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("own.yaml");
    std::fs::write(&file, text).unwrap();
    load(true, &[file]).map_err(|errors| {
        let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
        all.join("\n").replace(&format!("{}/", dir.path().display()), "")
    })
}

fn class_of(rules: &RuleSet, cookie: &str) -> Option<TokenClass> {
    match rules.tokens.cookie(cookie.as_bytes(), "shop.test") {
        Verdict::Token(named) => named.rule.class,
        Verdict::Excluded | Verdict::Unnamed => None,
    }
}

#[test]
fn the_library_names_sessions_and_leaves_the_rest_alone() {
    let rules = load(true, &[]).unwrap();
    let session = [
        "PHPSESSID",
        "phpsessid",
        "JSESSIONID",
        "JSESSIONID.node1",
        "SESSION",
        "ASP.NET_SessionId",
        "ASPSESSIONIDQWERTY",
        ".AspNetCore.Cookies",
        "sessionid",
        "_myapp_session",
        "connect.sid",
        "koa:sess",
        "laravel_session",
        "SESS0123456789abcdef0123456789abcdef",
        "wordpress_logged_in_abc",
        "CFID",
        "CFTOKEN",
        "_myapp_key",
        "next-auth.session-token.0",
        "enwiki_session",
        "phpMyAdmin",
    ];
    for name in session {
        assert_eq!(class_of(&rules, name), Some(TokenClass::Session), "{name}");
    }
    let others = [
        ("remember_user_token", TokenClass::Remember),
        ("ESTSAUTHPERSISTENT", TokenClass::Idp),
        ("KEYCLOAK_SESSION", TokenClass::Idp),
        ("_oauth2_proxy_0", TokenClass::Idp),
        ("NSC_AAAC", TokenClass::Edge),
        ("webvpn", TokenClass::Edge),
    ];
    for (name, class) in others {
        assert_eq!(class_of(&rules, name), Some(class), "{name}");
    }
    for name in [
        "_ga",
        "_ga_X1",
        "__stripe_sid",
        "ai_session",
        "SERVERID",
        "session.sig",
        "csrftoken",
        "_csrf_session",
        "NSC_lb1",
        "BIGipServerpool",
        "cf_clearance",
        "OptanonConsent",
        "theme",
        "ab_bucket",
        "__Host-next-auth.csrf-token",
    ] {
        assert_eq!(class_of(&rules, name), None, "{name}");
    }
}

#[test]
fn every_detector_has_an_entry_and_every_signal_a_weight() {
    let rules = load(true, &[]).unwrap();
    assert_eq!(rules.count("detector"), CATALOGUE.len());
    assert_eq!(rules.count("weight"), SignalName::ALL.len());
    assert!(rules.detectors.detectors.iter().all(|d| d.enabled && !d.tags.is_empty()));
    assert!(rules.count("token") > 100 && rules.count("agent") > 40 && rules.count("login") == 1);
    assert!(rules.entries.iter().all(|e| super::KINDS.contains(&e.kind) && !e.text.is_empty()));
}

#[test]
fn later_files_override_by_id() {
    let rules = loaded(
        "schema: 1\ntokens:\n  - {token: php_session, where: [{cookie: MYID}], class: edge}\n\
         detectors:\n  - {detector: token.plaintext, severity: high, enabled: false}\nweights: {network: 33}\n",
    )
    .unwrap();
    assert_eq!(class_of(&rules, "PHPSESSID"), None);
    assert_eq!(class_of(&rules, "MYID"), Some(TokenClass::Edge));
    let plaintext = rules.detectors.of("TT-2001").unwrap();
    assert_eq!((plaintext.enabled, plaintext.severity), (false, SeverityRule::Fixed(Severity::High)));
    assert_eq!(rules.detectors.weights.of(SignalName::Network), 33);
    let shown = rules.entries.iter().filter(|e| e.id == "php_session").collect::<Vec<_>>();
    assert!(shown.len() == 1 && shown[0].source.ends_with("own.yaml") && shown[0].text.contains("MYID"));
}

#[test]
fn a_detector_is_shown_whole() {
    let rules =
        loaded("schema: 1\ndetectors:\n  - {detector: client.fan_in, thresholds: {critical_tokens: 9}}\n").unwrap();
    let shown = &rules.entries.iter().find(|e| e.id == "client.fan_in").unwrap().text;
    for said in ["TT-1006", "severity: high", "tokens: 2", "critical_tokens: 9"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
}

#[test]
fn mistakes_are_told_with_their_place_and_the_nearest_word() {
    for (text, expected) in [
        ("tokens:\n  - {token: a, where: [{cooky: A}], class: session}\n", "own.yaml:2:"),
        ("tokens:\n  - {token: a, where: [{cooky: A}], class: session}\n", "did you mean `cookie`?"),
        ("tokens:\n  - token: a\n    where: [{cookie: A}]\n    class: sesion\n", "own.yaml:4:"),
        ("tokens:\n  - token: a\n    where: [{cookie: A}]\n    class: sesion\n", "did you mean `session`?"),
        ("schema: 2\n", "own.yaml:1:1: schema is 2, expected 1"),
        ("detectors:\n  - {detector: token.new_clint, severity: score}\n", "own.yaml:2:16: unknown detector"),
        ("detectors:\n  - {detector: token.new_clint, severity: score}\n", "did you mean `token.new_client`?"),
        ("detectors:\n  - {detector: token.new_ip, id: TT-9, severity: score}\n", "expected TT-1001"),
        ("weights:\n  netwrk: 5\n", "own.yaml:2:3: unknown signal `netwrk`; did you mean `network`?"),
        ("weights:\n  network: 101\n", "own.yaml:2:3: network weighs 101, expected 0 to 100"),
        ("weights:\n  network: 5\n  network: 6\n", "duplicate"),
        ("tokens:\n  - {token: a, where: [], class: session}\n", "expected at least one place"),
        ("tokens:\n  - {token: a, where: [{cookie: A, query: B}], class: session}\n", "exactly one of"),
        ("exceptions: []\n", "exceptions: invalid type: sequence, expected nothing: this key is not available"),
        (
            "login:\n  - mfa_paths: [/otp]\n",
            "own.yaml:2:16: login[0].mfa_paths: invalid type: sequence, expected nothing: this key is not available",
        ),
        ("login:\n  - user_field: name\n", "expected nothing: this key is not available in this version"),
        ("tokens: [\n", "own.yaml:"),
    ] {
        let error = loaded(text).err().unwrap_or_else(|| panic!("{text:?} is taken"));
        assert!(error.contains(expected) && error.starts_with("own.yaml:"), "{text:?}: {error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "tokens:\n  - {token: a, where: [{cooky: A}], class: session}\n  - {token: b, where: [], class: session}\n  \
                - {token: c, where: [{cookie: C}], class: sesion}\n  - {token: d, where: [{cookie: D}], class: idp}\n  \
                - {token: d, where: [{cookie: D}], class: idp}\ndetectors:\n  - {detector: token.new_clint}\n\
                weights: {netwrk: 5, network: 101, tool: 300}\nexceptions: []\n";
    let all = loaded(text).unwrap_err();
    let lines: Vec<&str> = all.lines().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["2", "3", "4", "6", "8", "9", "9", "9", "10"], "{all}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let errors = load(true, &[PathBuf::from("/nowhere/rules.d")]).unwrap_err();
    assert!(errors[0].to_string().starts_with("/nowhere/rules.d: "), "{errors:?}");
}

#[test]
fn an_empty_file_changes_nothing() {
    assert_eq!(loaded("# nothing yet\n").unwrap().entries, load(true, &[]).unwrap().entries);
}
