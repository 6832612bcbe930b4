//! Captures of evasion, benign and hostile traffic with a known truth, where they are at hand.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use support::{Replay, contains, forms, rank, shared, text};

/// Detectors that accuse a client of using another's token.
const ACCUSES: [&str; 5] =
    ["token.new_ip", "token.new_user_agent", "token.new_client", "token.interleaved", "token.tool_replay"];

struct Case {
    name: String,
    class: String,
    config: String,
    attacker: String,
    secrets: Vec<String>,
}

fn cases(dir: &Path) -> Vec<Case> {
    let table = std::fs::read_to_string(dir.join("cases.tsv")).expect("cases.tsv");
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = rows.next().expect("a header");
    let column = |name: &str| header.iter().position(|h| *h == name).expect("a column");
    let get = |row: &[&str], name: &str| row.get(column(name)).copied().unwrap_or_default().to_owned();
    rows.map(|row| Case {
        name: get(&row, "case"),
        class: get(&row, "class"),
        config: get(&row, "config"),
        attacker: get(&row, "attacker"),
        secrets: std::iter::once(get(&row, "token"))
            .chain(get(&row, "secrets").split(' ').map(str::to_owned))
            .filter(|s| s.len() >= 6)
            .collect(),
    })
    .filter(|case| dir.join(format!("{}.pcap", case.name)).exists())
    .collect()
}

/// The flags that a case's configuration means.
fn flags(config: &str, dir: &Path) -> Vec<String> {
    let words = config.split_whitespace().filter_map(|word| word.split_once('=')).map(|(key, value)| match key {
        "trusted_proxy" => ["--trusted-proxy".to_owned(), value.to_owned()],
        "nat" => ["--nat".to_owned(), value.to_owned()],
        "keylog" => ["--keylog".to_owned(), dir.join(value).display().to_string()],
        _ => panic!("no flag for {key}"),
    });
    words.flatten().collect()
}

#[test]
fn stolen_tokens_are_found_and_nothing_leaks() {
    let Some(dir) = shared("evasion") else { return };
    let (mut found, mut missed) = (0, Vec::new());
    for case in cases(&dir) {
        let flags = flags(&case.config, &dir);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let capture = dir.join(format!("{}.pcap", case.name));
        let replay = Replay::of(&[&capture], &[&["--set", "memory=256MiB"], &*flags].concat());
        assert_eq!(replay.code(), 0, "{}: {}", case.name, String::from_utf8_lossy(&replay.output.stderr));
        let output = replay.all_output();
        for secret in &case.secrets {
            for form in forms(secret.as_bytes()) {
                assert!(!contains(&output, &form), "{}: a raw token is in the output", case.name);
            }
        }
        let alerts = replay.alerts();
        let accusations: Vec<_> =
            alerts.iter().filter(|a| ACCUSES.contains(&text(a, "rule.name")) && rank(a) >= 1).collect();
        match case.class.as_str() {
            "evasion" => {
                if accusations.iter().any(|a| text(a, "client.ip") == case.attacker) {
                    found += 1;
                } else {
                    missed.push(case.name.clone());
                }
            }
            "benign" => assert!(accusations.is_empty(), "{}: {accusations:?}", case.name),
            _ => {}
        }
    }
    println!("{found} evasions caught, missed: {missed:?}");
    assert!(found >= 40, "missed: {missed:?}");
}
