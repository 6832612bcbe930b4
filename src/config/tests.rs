//! Are files read as documented, and mistakes named with their place?

use std::fs;
use std::time::Duration;

use super::*;
use crate::detect::Severity;
use crate::engine::config::{Format, Interface, Target};
use crate::identity::topology::{self, EgressGroup, Hop, ListHeader, Networks, Topology};

const EXAMPLE: &str = include_str!("../../deploy/tokentrail.example.yaml");

fn apply(text: &str) -> Config {
    let mut config = Config::default();
    let (layer, mistakes) = parse(text);
    assert_eq!(mistakes, []);
    layer.apply(&mut config);
    config
}

fn refusals(text: &str) -> Vec<String> {
    let (_, mistakes) = parse(text);
    mistakes.into_iter().map(|mistake| ConfigError::in_file(Path::new("t.yaml"), mistake).to_string()).collect()
}

fn refusal(text: &str) -> String {
    let mut all = refusals(text);
    assert_eq!(all.len(), 1, "{text:?}: {all:?}");
    all.remove(0)
}

fn loaded(file: Option<&Path>, settings: &[String]) -> Config {
    let (config, errors) = load(file, settings);
    assert!(errors.is_empty(), "{errors:?}");
    config
}

#[test]
fn the_example_states_the_defaults() {
    assert_eq!(apply(EXAMPLE), Config::default(), "a copy of it does nothing that nobody asked for");
}

#[test]
fn what_the_example_leaves_out_may_be_put_in() {
    let put_in = |line: &str| match line.trim_start().strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '-' || c.is_alphanumeric()) => line.replacen('#', "", 1),
        _ => line.to_owned(),
    };
    let config = apply(&EXAMPLE.lines().map(put_in).collect::<Vec<_>>().join("\n"));
    let expected = Config {
        interfaces: vec![Interface { filter: Some("tcp".to_owned()), ..Interface::new("eth1".to_owned()) }],
        outputs: config.outputs.clone(),
        sessions: crate::engine::config::Sessions {
            key_file: Some("/etc/tokentrail/token.key".into()),
            ..Config::default().sessions
        },
        web_config_file: Some("/etc/tokentrail/web.yaml".into()),
        ..Config::default()
    };
    assert_eq!(config, expected);
    assert_eq!(config.outputs.len(), 1);
}

#[test]
fn the_example_shows_every_key() {
    for key in keys::KEYS {
        let name = key.rsplit('.').next().unwrap();
        let shown = EXAMPLE.lines().any(|line| {
            let words = line.trim_start_matches(['#', ' ', '-']);
            words.starts_with(&format!("{name}:"))
                || words.contains(&format!(" {name}: "))
                || words.contains(&format!("{{{name}: "))
        });
        assert!(shown, "deploy/tokentrail.example.yaml does not show `{key}`");
    }
}

#[test]
fn every_known_key_is_in_the_schema_and_the_other_way_round() {
    let schema = serde_json::to_string(&schemars::schema_for!(Layer)).unwrap();
    for key in keys::KEYS {
        assert!(schema.contains(&format!("\"{}\":", key.rsplit('.').next().unwrap())), "the schema lacks `{key}`");
    }
    for key in keys::LATER.iter().filter(|key| !key.contains('.')) {
        assert!(!schema.contains(&format!("\"{key}\":")), "the schema has `{key}`, which is of a later version");
    }
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(apply(""), Config::default());
    assert_eq!(apply("# nothing\n\n"), Config::default());
    assert_eq!(apply("capture:\n"), Config::default());
}

#[test]
fn values_are_read() {
    let config = apply(
        "capture: {interfaces: [eth0, {name: eth1, ring: 128MiB, filter: tcp port 80}]}\n\
         memory: 256MiB\n\
         sessions: {idle_timeout: 2h, retention: 1s}\n\
         rules: {builtin: false, paths: [/r]}\n\
         outputs: [{name: siem, path: /a.json, format: text, min_severity: high}, {name: out, path: '-'}]\n\
         web: {listen: 'localhost:1'}\n",
    );
    assert_eq!(config.interfaces[0], Interface::new("eth0".to_owned()));
    assert_eq!(config.interfaces[1].ring, 128 << 20);
    assert_eq!(config.interfaces[1].filter.as_deref(), Some("tcp port 80"));
    assert_eq!(config.memory, 256 << 20);
    assert_eq!(config.sessions.idle_timeout, Duration::from_secs(7200));
    assert_eq!(config.sessions.retention, Duration::from_secs(1));
    assert_eq!(config.sessions.absolute_timeout, Config::default().sessions.absolute_timeout);
    assert!(!config.rules.builtin);
    assert_eq!(config.outputs[0].format, Format::Text);
    assert_eq!(config.outputs[0].min_severity, Severity::High);
    assert_eq!(config.outputs[1].target, Target::Stdout);
    assert_eq!(config.outputs[1].min_severity, Severity::Low);
    assert_eq!(config.web_listen.to_string(), "127.0.0.1:1");
}

#[test]
fn what_stands_between_clients_and_servers_is_read() {
    let config = apply(
        "clients:\n  trusted_proxies: [10.0.1.5/32, '2001:db8::/64']\n  headers: [forwarded, x-forwarded-for]\n  \
         single_value_headers: [CF-Connecting-IP]\n  proxy_protocol: ignore\n  fingerprint_headers: {ja4: X-JA4}\n  \
         egress_groups: [{name: office, networks: [192.0.2.0/24]}]\n  nat: [{inside: 10.0.0.0/24, outside: 203.0.113.5}]\n  \
         cleartext_ok: [{from: 10.0.0.50/32, to: 10.0.1.0/24}]\n",
    );
    let network = |text| topology::network(text).unwrap();
    let expected = Topology {
        trusted_proxies: Networks(vec![network("10.0.1.5"), network("2001:db8::/64")]),
        headers: vec![ListHeader::Forwarded, ListHeader::XForwardedFor],
        single_value_headers: vec!["cf-connecting-ip".into()],
        proxy_protocol: false,
        ja4_header: Some("x-ja4".into()),
        egress_groups: vec![EgressGroup { name: "office".into(), networks: Networks(vec![network("192.0.2.0/24")]) }],
        nat: vec!["10.0.0.0/24:203.0.113.5".parse().unwrap()],
        cleartext_ok: vec![Hop { from: network("10.0.0.50"), to: network("10.0.1.0/24") }],
    };
    assert_eq!(config.clients, expected);
}

#[test]
fn a_list_of_one_may_be_that_one() {
    let config = apply("capture: {interfaces: eth1}\nclients: {trusted_proxies: 10.0.1.5, headers: forwarded}\n");
    assert_eq!(config.interfaces, [Interface::new("eth1".to_owned())]);
    assert_eq!(config.clients.trusted_proxies.0.len(), 1);
    assert_eq!(config.clients.headers, [ListHeader::Forwarded]);
    let settings = ["capture.interfaces=eth7".to_owned(), "clients.trusted_proxies=10.0.0.0/8".to_owned()];
    let config = loaded(None, &settings);
    assert_eq!(config.interfaces[0].name, "eth7");
    assert!(config.clients.is_proxy("10.9.9.9".parse().unwrap()));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (
            "memory: 1GiB\nsessions:\n  idle_timout: 1h\n",
            "t.yaml:3:3: sessions: unknown key `idle_timout`; the nearest known key is `sessions.idle_timeout`",
        ),
        ("memmory: 1GiB\n", "t.yaml:1:1: unknown key `memmory`; the nearest known key is `memory`"),
        ("memory: 1GiB\ntls:\n  key_wait: 2s\n", "t.yaml:2:1: key `tls` is not available in this version"),
        (
            "outputs:\n  - {name: a, syslog: 'tls://x:1'}\n",
            "t.yaml:2:15: outputs[0]: key `syslog` is not available in this version",
        ),
        (
            "clients:\n  trusted_proxies: [10.0.1.5, 10.0.0.0/33]\n",
            "t.yaml:2:31: clients.trusted_proxies[1]: `10.0.0.0/33` is no network such as 10.0.0.0/24",
        ),
        (
            "clients:\n  headers: [x-forwarded-from]\n",
            "t.yaml:2:13: clients.headers[0]: unknown variant `x-forwarded-from`, expected `x-forwarded-for` or `forwarded`",
        ),
        (
            "clients:\n  nat:\n    - {inside: 10.0.0.0/24, outside: 203.0.113.0/24}\n",
            "t.yaml:3:38: clients.nat[0].outside: `203.0.113.0/24` is no address such as 203.0.113.5",
        ),
        (
            "clients:\n  single_value_headers: 'cf connecting'\n",
            "t.yaml:2:25: clients.single_value_headers: `cf connecting` is no name of a header, such as cf-connecting-ip",
        ),
        (
            "clients:\n  trusted_proxy: 10.0.1.5\n",
            "t.yaml:2:3: clients: unknown key `trusted_proxy`; the nearest known key is `clients.trusted_proxies`",
        ),
        ("memory: lots\n", "t.yaml:1:9: memory: `lots` is no size such as 256MiB"),
        ("memory: 1KiB\n", "t.yaml:1:9: memory: `1KiB` is less than 16MiB"),
        (
            "flows:\n  established_timeout: 15\n",
            "t.yaml:2:24: flows.established_timeout: `15` is no duration with its unit (ms, s, m, h, d, w) such as 15m",
        ),
        (
            "flows:\n  mid_message_timeout: 999ms\n",
            "t.yaml:2:24: flows.mid_message_timeout: `999ms` is too short: at least 1s",
        ),
        (
            "flows: {established_timeout: 0s}\n",
            "t.yaml:1:30: flows.established_timeout: `0s` is too short: at least 1s",
        ),
        ("sessions: {idle_timeout: 0m}\n", "t.yaml:1:26: sessions.idle_timeout: `0m` is too short: at least 1s"),
        (
            "sessions: {absolute_timeout: 1ms}\n",
            "t.yaml:1:30: sessions.absolute_timeout: `1ms` is too short: at least 1s",
        ),
        ("sessions: {retention: 0d}\n", "t.yaml:1:23: sessions.retention: `0d` is too short: at least 1s"),
        (
            "web: {listen: '0.0.0.0:9977'}\n",
            "t.yaml:1:15: web.listen: 0.0.0.0:9977 is no loopback address: others need TLS and authentication, not available in this version",
        ),
        ("memory: 1GiB\nmemory: 2GiB\n", "t.yaml:2:1: key `memory` is given twice"),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(text), expected, "{text:?}");
    }
    for text in ["memory: [", "- a\n- b\n", "!x {a: b}", "memory: 1GiB\n---\nmemory: 1GiB\n"] {
        assert!(refusal(text).starts_with("t.yaml:"), "{text:?}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let text = "memroy: 1GiB\ncapture:\n  interfaces: [{name: eth0, ring: 1}]\nsessions: {idle_timeout: 5, retention: 1d}\n\
                tls: {key_wait: 2s}\nclients:\n  trusted_proxies: [10.0.1.5, a, b]\noutputs:\n  - {nam: x, path: /a}\n\
                flows: [1]\n";
    let expected = [
        "t.yaml:1:1: unknown key `memroy`",
        "t.yaml:3:35: capture.interfaces[0].ring: `1` is not between",
        "t.yaml:4:26: sessions.idle_timeout: `5` is no duration",
        "t.yaml:5:1: key `tls` is not available",
        "t.yaml:7:31: clients.trusted_proxies[1]: `a` is no network",
        "t.yaml:7:34: clients.trusted_proxies[2]: `b` is no network",
        "t.yaml:9:6: outputs[0]: unknown key `nam`",
        "t.yaml:10:8: flows: invalid type: sequence",
    ];
    let all = refusals(text);
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (said, expected) in all.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}: {expected}");
    }
    assert_eq!(refusals("memoryx: 1\nmemory: bad\n").len(), 2);
    let (config, errors) = load(None, &["memory=lots".to_owned(), "memory=64MiB".to_owned(), "x=1".to_owned()]);
    assert_eq!((config.memory, errors.len()), (64 << 20, 2), "what can be read is");
}

#[test]
fn outputs_have_names_and_files_of_their_own() {
    assert_eq!(
        refusal("outputs:\n  - {name: a, path: /x/a.json}\n  - {name: b, path: /x/a.json}\n"),
        "t.yaml:3:15: two outputs write to `/x/a.json`; expected a file of its own for each"
    );
    assert_eq!(
        refusal("outputs:\n  - {name: a, path: '-'}\n  - {name: b, path: \"-\", format: text}\n"),
        "t.yaml:3:15: two outputs write to `-`; expected a file of its own for each"
    );
    assert_eq!(
        refusal("outputs:\n  - {name: a, path: /a}\n  - {name: a, path: /b}\n"),
        "t.yaml:3:6: two outputs are named `a`; expected a name of its own for each"
    );
}

#[test]
fn later_sources_win_and_only_where_they_speak() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "memory: 64MiB\nsessions: {retention: 1d}\n").unwrap();
    let settings = ["memory=128MiB".to_owned(), "capture.interfaces=[eth7]".to_owned()];
    let config = loaded(Some(file.path()), &settings);
    assert_eq!(config.memory, 128 << 20);
    assert_eq!(config.sessions.retention, Duration::from_secs(86_400));
    assert_eq!(config.interfaces, [Interface::new("eth7".to_owned())]);
}

#[test]
fn a_wrong_setting_is_named() {
    let says = |setting: &str| load(None, &[setting.to_owned()]).1[0].to_string();
    assert_eq!(says("memory"), "--set memory: expected KEY=VALUE");
    assert!(says("memroy=1GiB").contains("unknown key `memroy`; the nearest known key is `memory`"));
    assert!(says("tls.key_wait=2s").contains("key `tls` is not available in this version"));
    assert!(says("memory=lots").contains("`lots` is no size such as 256MiB"));
    assert!(load(Some(Path::new("/nonexistent.yaml")), &[]).1[0].to_string().starts_with("/nonexistent.yaml: "));
}
