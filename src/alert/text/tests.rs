//! Can people read it, and can nothing on the wire steer their terminal?

use std::sync::Arc;

use super::super::testing::{alert, at, exposure, finding, odd_path, sensor, stolen_session, takeover};
use super::*;

#[test]
fn a_reader_finds_who_what_why_and_what_to_do() {
    let text = render(&alert(finding("TT-1003", Severity::Critical, stolen_session())), &sensor(), Color::Never);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "CRITICAL  score 100  TT-1003 token.new_client  2026-11-22T10:42:07.311Z  frame 10122 of token-replay.pcap"
    );
    let line = |start: &str| lines.iter().find(|line| line.trim_start().starts_with(start)).unwrap().to_string();
    let address = line("address");
    assert!(address.find("198.51.100.7").unwrap() < address.find("203.0.113.9").unwrap(), "{address}");
    let heads = line("victim");
    assert_eq!(heads.find("suspect"), address.find("203.0.113.9"), "side by side");
    assert!(line("request ").contains("POST shop.test/account/email?to=‹…›, accepted (200)"));
    assert!(line("why").contains("other network +20"));
    assert!(line("what to do").contains("1. Revoke this session of shop.test"));
    assert!(text.contains("Firefox/140.0"), "a long user agent is folded, not cut");
    assert!(lines.iter().all(|line| line.chars().count() <= 110 && !line.ends_with(' ')), "{text}");
}

#[test]
fn an_exposure_has_one_side() {
    let text = render(&alert(exposure(3)), &sensor(), Color::Never);
    assert!(!text.contains("victim") && text.contains("203.0.113.9"), "{text}");
    assert!(text.contains("1 token of 2 clients in 3 requests"));
}

#[test]
fn what_became_of_one_use_is_not_said_of_an_exposure_of_many() {
    let mut told = alert(exposure(3));
    (told.first, told.last) = (at(-60), at(90));
    let text = render(&told, &sensor(), Color::Never);
    let line = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_string();
    assert!(line("first seen").ends_with(&at(-60).to_string()) && line("last seen").ends_with(&at(90).to_string()));
    assert!(line("request ").contains("POST shop.test/account/email?to=‹…›; 10.0.0.5:51934 to "), "{text}");
    assert!(line("token ").ends_with("(rule php_session)"), "{text}");
    assert!(!text.contains("  requests") && !text.contains("accepted"), "{text}");
}

#[test]
fn an_odd_path_has_two_ends() {
    let kind = crate::token::PathKind::FragmentConflict;
    for (carried, token) in [(false, "none known"), (true, "7f7f7f7f")] {
        let text = render(&alert(odd_path("TT-4001", kind, carried)), &sensor(), Color::Never);
        let line = |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap().to_string();
        assert!(line("client").contains("203.0.113.9") && line("server").contains("10.0.1.20:8080"), "{text}");
        assert!(line("token").contains(token) && !text.contains("victim"), "{text}");
    }
}

#[test]
fn a_takeover_names_both_devices() {
    let text = render(&alert(takeover()), &sensor(), Color::Never);
    for part in ["address     198.51.100.1\n", "was at      02-00-00-00-51-01\n", "now at      02-00-00-00-51-66\n"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains("1. Find the device") && !text.contains("token  "), "{text}");
}

#[test]
fn an_update_says_what_is_new() {
    let told = alert(finding("TT-1003", Severity::Critical, stolen_session()));
    let text = update(&told, &sensor(), Color::Never);
    assert!(text.starts_with("CRITICAL  score 100  TT-1003 token.new_client"), "{text}");
    assert!(text.contains(&format!("count {}", told.count)) && text.contains("203.0.113.9"), "{text}");
    assert!(text.lines().count() < render(&told, &sensor(), Color::Never).lines().count() / 2, "{text}");
}

#[test]
fn hostile_texts_cannot_steer_the_terminal() {
    let evil = "a\u{1b}]0;x\u{7}\u{1b}[2J\0\r\nFAKE  score 0\u{202e}\u{9b}31m";
    let mut seen = stolen_session();
    (seen.token.name, seen.token.id, seen.token.service) = (evil.into(), evil.into(), evil.into());
    let request = Arc::make_mut(&mut seen.request);
    let http = request.http.as_mut().unwrap();
    (http.method, http.host, http.path, http.query) = (evil.into(), evil.into(), evil.into(), Some(evil.into()));
    let mut agent = super::super::testing::curl();
    (agent.original, agent.family) = (evil.into(), evil.into());
    seen.subject.client.user_agent = Some(Arc::new(agent));
    let alert = alert(finding("TT-1003", Severity::High, seen));
    let sensor = Sensor { name: evil.into(), captures: vec![evil.into()] };

    let plain = render(&alert, &sensor, Color::Never);
    assert!(!plain.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{plain:?}");
    assert!(!plain.lines().any(|line| line.starts_with("FAKE")), "{plain}");

    let colored = render(&alert, &sensor, Color::Always);
    let ours = ["\u{1b}[0m", "\u{1b}[2m", "\u{1b}[31m"];
    let stripped = ours.iter().fold(colored, |text, code| text.replace(code, ""));
    assert_eq!(stripped, plain, "the only sequences are our own colours");
}

#[test]
fn folding_keeps_every_word_and_breaks_what_has_no_space() {
    assert_eq!(fold("one two three", 7), ["one two", "three"]);
    assert_eq!(fold("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    assert_eq!(fold("", 5), [""]);
}
