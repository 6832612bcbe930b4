//! Is what travels inside TLS read as an independent reader reads it with the same keys? Compares the
//! metadata log with what tshark read, where that corpus is beside the checkout.

#![cfg(feature = "daemon")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};

use support::{Replay, contains, field, forms, shared, text};

/// Captures with what opens them: a key log beside them, or secrets inside.
fn captures(corpus: &Path) -> Vec<(PathBuf, Option<PathBuf>)> {
    let folder = std::fs::read_dir(corpus.join("captures/tls-keylog")).expect("a folder");
    let mut found: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|e| e != "keys");
    let with_keys = |path: PathBuf| {
        let keys = Some(path.with_extension("keys")).filter(|keys| keys.exists());
        (path, keys)
    };
    found.into_iter().filter(is_capture).map(with_keys).collect()
}

fn replay(capture: &Path, keys: Option<&Path>, extra: &[&str]) -> Replay {
    let mut arguments = extra.to_vec();
    if let Some(keys) = keys {
        arguments.extend(["--keylog", keys.to_str().expect("a name")]);
    }
    Replay::of(&[capture], &arguments)
}

/// Requests that tshark read: sender's port, method, host, target without its query. In order.
fn theirs(table: &Path) -> Vec<[String; 4]> {
    let content = std::fs::read_to_string(table).unwrap_or_default();
    let mut lines = content.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let names = lines.next().unwrap_or_default();
    let cell = |row: &[&str], name: &str| {
        names.iter().position(|n| *n == name).and_then(|at| row.get(at)).copied().unwrap_or_default().to_owned()
    };
    let mut requests: Vec<[String; 4]> = lines
        .filter(|row| cell(row, "type") == "req")
        .map(|row| {
            let (host, target) = (cell(&row, "host"), cell(&row, "uri"));
            let host = host.split(':').next().unwrap_or_default().to_owned();
            let path = target.split('?').next().unwrap_or_default().to_owned();
            [cell(&row, "sport"), cell(&row, "method"), host, path]
        })
        .collect();
    requests.sort_by(|a, b| a[0].cmp(&b[0])); // stable: by connection
    requests
}

fn ours(replay: &Replay) -> Vec<[String; 4]> {
    let mut events = replay.events();
    events.retain(|event| text(event, "event.dataset") == "tokentrail.http");
    events.sort_by_key(|event| field(event, "tokentrail.frame").as_u64());
    let mut requests: Vec<[String; 4]> = events
        .iter()
        .map(|event| {
            let port = field(event, "source.port").to_string();
            let text = |path| text(event, path).to_owned();
            [port, text("http.request.method"), text("url.domain"), text("url.path")]
        })
        .collect();
    requests.sort_by(|a, b| a[0].cmp(&b[0]));
    requests
}

#[test]
fn requests_inside_tls_agree_with_tshark() {
    let Some(corpus) = shared("corpus") else { return };
    let (mut connections, mut requests, mut wrong) = (0, 0, Vec::new());
    for (capture, keys) in captures(&corpus) {
        let name = capture.file_name().unwrap().to_str().unwrap();
        let replay = replay(&capture, keys.as_deref(), &[]);
        assert_eq!(replay.code(), 0, "{name}: {}", String::from_utf8_lossy(&replay.output.stderr));
        for event in replay.events() {
            if text(&event, "event.dataset") == "tokentrail.tls" {
                connections += 1;
                if field(&event, "tokentrail.decrypted") != true {
                    wrong.push(format!("{name}: a connection stayed closed"));
                }
            }
        }
        // What HTTP/2 says has tables of its own.
        let table = corpus.join("truth/tls-keylog").join(format!("{name}.http.tsv"));
        if !table.exists() {
            continue;
        }
        let (theirs, ours) = (theirs(&table), ours(&replay));
        requests += theirs.len();
        if theirs != ours {
            wrong.push(format!("{name}:\n  tshark {theirs:?}\n  here   {ours:?}"));
        }
    }
    println!("{connections} connections and {requests} requests inside them agree");
    assert!(connections >= 27 && requests >= 25, "{connections} {requests}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_told_does_not_depend_on_the_number_of_workers() {
    let Some(corpus) = shared("corpus") else { return };
    for (capture, keys) in captures(&corpus) {
        let of = |workers| replay(&capture, keys.as_deref(), &["--workers", workers]);
        let (one, four) = (of("1"), of("4"));
        assert_eq!(one.alerts_bytes, four.alerts_bytes, "{}", capture.display());
        assert_eq!(one.events_bytes, four.events_bytes, "{}", capture.display());
    }
}

#[test]
fn nothing_of_a_key_log_is_in_any_output() {
    let Some(corpus) = shared("corpus") else { return };
    let mut searched = 0;
    for (capture, keys) in captures(&corpus) {
        let Some(keys) = keys else { continue };
        let log = std::fs::read_to_string(&keys).expect("a key log");
        // Some lines broken, so that they are complained about.
        let dir = tempfile::tempdir().expect("a scratch folder");
        let broken = dir.path().join("broken.keys");
        let spoilt: Vec<String> = log.lines().map(|line| format!("{line}0")).collect();
        std::fs::write(&broken, spoilt.join("\n")).expect("written");
        let loud = ["--min-severity", "informational", "--log.level", "trace", "-v"];
        let more = [&loud[..], &["--keylog", broken.to_str().expect("a name")]].concat();
        let output = replay(&capture, Some(&keys), &more).all_output();
        for secret in log.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').nth(2)) {
            let raw: Vec<u8> = secret
                .as_bytes()
                .chunks(2)
                .filter_map(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok())
                .collect();
            let pieces = secret.as_bytes().windows(12).map(<[u8]>::to_vec);
            assert!(forms(&raw).into_iter().chain(pieces).all(|form| !contains(&output, &form)), "{}", keys.display());
            searched += 1;
        }
    }
    assert!(searched > 20, "{searched}");
}

/// Tokens inside TLS are told as decrypted, never as exposed, and never raw.
#[test]
fn decrypted_tokens_are_not_in_cleartext() {
    let Some(evasion) = shared("evasion") else { return };
    for (case, token) in [
        ("E106_tls12_keylog", "982dc51f727fbed638d08ab215fb7c02"),
        ("E107_tls13_split_clienthello", "e589e0e45a265ab47f71af755f2f0873"),
    ] {
        let capture = evasion.join(format!("{case}.pcap"));
        let replay = replay(&capture, Some(&capture.with_extension("keys")), &["--min-severity", "informational"]);
        let alerts = replay.alerts();
        assert!(!alerts.is_empty(), "{case}");
        for alert in &alerts {
            assert_eq!(text(alert, "tokentrail.visibility.mode"), "decrypted", "{case}: {alert}");
            assert!(!text(alert, "rule.name").ends_with(".plaintext"), "{case}: {alert}");
        }
        assert!(forms(token.as_bytes()).iter().all(|form| !contains(&replay.all_output(), form)), "{case}");
        let summary = replay.events().pop().expect("a summary");
        println!("{}", field(&summary, "tokentrail"));
    }
}
