//! Do we read TLS hellos as others do? Compares the metadata log with what an independent reader saw
//! in the captures of a shared corpus, where there is one.

#![cfg(feature = "daemon")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use serde_json::Value;
use support::{Replay, field};
use tokentrail::proto::TlsVersion;
use tokentrail::proto::tls::cipher;
use tokentrail::token::mask;

/// A table of tab-separated values by the names of its columns.
fn table(file: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file).expect("a table");
    let mut lines = text.lines().map(|line| line.split('\t'));
    let names: Vec<&str> = lines.next().map(Iterator::collect).unwrap_or_default();
    lines.map(|line| names.iter().map(|name| (*name).into()).zip(line.map(String::from)).collect()).collect()
}

/// The two ends of a connection, the client first.
type Ends = (String, String);

fn ends(row: &BTreeMap<String, String>, client: bool) -> Ends {
    let end = |ip: &str, port: &str| format!("{}:{}", row[ip], row[port]);
    let (source, destination) = (end("src", "sport"), end("dst", "dport"));
    if client { (source, destination) } else { (destination, source) }
}

/// What the truth says of one handshake.
#[derive(Default, Debug)]
struct Truth {
    client: Option<BTreeMap<String, String>>,
    server: Option<BTreeMap<String, String>>,
}

/// Handshakes over TCP in order, by connection. A second hello of a client that was asked to try again,
/// and the request to do so, belong to the same handshake.
fn truths(rows: Vec<BTreeMap<String, String>>) -> BTreeMap<Ends, VecDeque<Truth>> {
    let mut all: BTreeMap<Ends, VecDeque<Truth>> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row["transport"] == "tcp") {
        match row["type"].as_str() {
            "client_hello" => {
                let of = all.entry(ends(&row, true)).or_default();
                let again = of.back().and_then(|last| last.client.as_ref());
                // The random stays the same (RFC 8446 §4.1.2).
                if again.is_none_or(|first| first["client_random"] != row["client_random"]) {
                    of.push_back(Truth { client: Some(row), server: None });
                }
            }
            "server_hello" => {
                let of = all.entry(ends(&row, false)).or_default();
                if of.is_empty() {
                    of.push_back(Truth::default());
                }
                of.back_mut().unwrap().server = Some(row);
            }
            _ => {}
        }
    }
    all
}

fn text<'v>(event: &'v Value, path: &str) -> &'v str {
    field(event, path).as_str().unwrap_or_default()
}

/// What our line says differently.
fn differences(event: &Value, truth: &Truth) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, ours: &str, theirs: &str| {
        if ours != theirs {
            wrong.push(format!("{what}: {ours} instead of {theirs}"));
        }
    };
    if let Some(client) = &truth.client {
        check("ja3", text(event, "tls.client.ja3"), &client["ja3"]);
        check("ja4", text(event, "tls.client.ja4"), &client["ja4"]);
        // What looks random in a name is masked as in every text.
        check("sni", text(event, "tls.client.server_name"), &mask::text(client["sni"].as_bytes(), &[]));
    }
    if let Some(server) = &truth.server {
        let number = |text: &str| u16::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal number");
        check("cipher", text(event, "tls.cipher"), &cipher::name(number(&server["cipher"])));
        let chosen = server["supported_versions"].split(',').next().filter(|v| !v.is_empty());
        let version = TlsVersion(number(chosen.unwrap_or(&server["legacy_version"])));
        check("version", text(event, "tls.version"), version.name().map_or("", |(name, _)| name));
        check("alpn", text(event, "tls.next_protocol"), &server["alpn"]);
    }
    wrong
}

/// A capture, words of the differences in it that are explained, and why.
type Explanation = (&'static str, &'static [&'static str], &'static str);

/// Hellos that the other reader saw where there are none, or missed, and those that travel where this one
/// does not look. Whatever else differs in these captures is wrong.
const EXPLAINED: [Explanation; 5] = [
    (
        "corner-cases.pcap",
        &[
            "nobody else saw (\"10.82.252.206:53832\", \"173.36.7.6:443\")",
            "nobody else saw (\"10.82.252.206:53875\", \"173.37.239.62:443\")",
        ],
        "single packets: hellos whose records go on in packets that are not there",
    ),
    (
        "corner-cases.pcap",
        &["missed (\"192.168.10.12:51098\", \"160.68.205.252:443\")"],
        "bytes in the middle of an encrypted connection that look like a hello of version 0",
    ),
    (
        "haproxy.pcap",
        &["missed (\"1.1.1.1:48502\", \"2.2.2.2:443\")"],
        "one packet with a bad checksum and no acknowledgement: a receiver would not take it",
    ),
    (
        "tls12renogotiation.pcapng",
        &["missed (\"::1:12960\", \"::1:9000\")"],
        "the second handshake is encrypted by the first",
    ),
    (
        "geneve.pcap",
        &["version:  instead of", "cipher:  instead of", "alpn:  instead of", "nobody else saw (\"10.3.30.122:"],
        "only the clients' packets travel in the tunnel, whose network is not the one of the servers' packets",
    ),
];

#[test]
fn hellos_are_read_as_an_independent_reader_reads_them() {
    let Some(corpus) = support::shared("corpus") else { return println!("SKIPPED: there is no shared corpus") };
    let (mut hellos, mut agreed, mut explained, mut wrong) = (0, 0, 0, Vec::new());
    let mut unused: Vec<_> =
        EXPLAINED.iter().flat_map(|(capture, words, _)| words.iter().map(move |w| (capture, *w))).collect();
    for kind in std::fs::read_dir(corpus.join("truth")).unwrap().map(|entry| entry.unwrap().path()) {
        for file in std::fs::read_dir(&kind).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let Some(capture) = name.strip_suffix(".tls.tsv") else { continue };
            let capture = corpus.join("captures").join(kind.file_name().unwrap()).join(capture);
            let mut found = compare(&capture, truths(table(&file)));
            hellos += found.handshakes;
            agreed += found.agreed;
            found.wrong.retain(|difference| {
                let of = EXPLAINED.iter().filter(|(capture, ..)| name.contains(capture));
                let mut why = of.flat_map(|(capture, words, why)| words.iter().map(move |word| (capture, *word, why)));
                let Some((capture, word, why)) = why.find(|(_, word, _)| difference.contains(word)) else {
                    return true;
                };
                unused.retain(|known| *known != (capture, word));
                explained += 1;
                println!("{difference} ({why})");
                false
            });
            wrong.append(&mut found.wrong);
        }
    }
    println!("{agreed} of {hellos} handshakes agree, {explained} differences are explained");
    assert!(hellos > 300, "{hellos}");
    assert!(unused.is_empty(), "nothing differs there any more: {unused:?}");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// How our lines about one capture compare.
#[derive(Default)]
struct Compared {
    handshakes: usize,
    agreed: usize,
    wrong: Vec<String>,
}

fn compare(capture: &Path, mut truths: BTreeMap<Ends, VecDeque<Truth>>) -> Compared {
    let mut found = Compared::default();
    if truths.is_empty() {
        return found;
    }
    let name = capture.file_name().unwrap().to_string_lossy();
    for event in Replay::of(&[capture], &[]).events() {
        if text(&event, "event.dataset") != "tokentrail.tls" {
            continue;
        }
        let end =
            |side: &str| format!("{}:{}", text(&event, &format!("{side}.ip")), field(&event, &format!("{side}.port")));
        let ends = (end("source"), end("destination"));
        found.handshakes += 1;
        match truths.get_mut(&ends).and_then(VecDeque::pop_front) {
            None => found.wrong.push(format!("{name}: nobody else saw {ends:?}")),
            Some(truth) => {
                let differences = differences(&event, &truth);
                found.agreed += usize::from(differences.is_empty());
                found.wrong.extend(differences.iter().map(|difference| format!("{name}: {ends:?}: {difference}")));
            }
        }
    }
    for (ends, missed) in truths {
        found.handshakes += missed.len();
        found.wrong.extend(missed.iter().map(|_| format!("{name}: missed {ends:?}")));
    }
    found
}

/// Fingerprints that third parties published for some of the captures: all of those with which the
/// published description agrees.
#[test]
fn fingerprints_are_those_that_others_published() {
    let Some(corpus) = support::shared("corpus") else { return println!("SKIPPED: there is no shared corpus") };
    let mut compared = 0;
    for row in table(&corpus.join("truth/ja4_expected.tsv")).iter().filter(|row| row["agrees_with_oracle"] == "equal") {
        let events = Replay::of(&[&corpus.join("captures").join(&row["file"])], &[]).events();
        let ours: Vec<&str> = events.iter().map(|event| text(event, "tls.client.ja4")).collect();
        assert!(ours.contains(&row["ja4"].as_str()), "{}: {} is not among {ours:?}", row["file"], row["ja4"]);
        compared += 1;
    }
    assert!(compared >= 5, "{compared}");
}
