//! The same traffic in other packets, and the same packets with more workers: what is told stays.
//!
//! Every bundled capture, and where shared captures are at hand those too, cut into other segments, with
//! every packet twice, in another order within a small window, and read by several workers.

#![cfg(feature = "daemon")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(unreachable_pub, dead_code, reason = "modules that tests share are no crate")]

#[path = "support/inside.rs"]
mod inside;
#[path = "support/mutate.rs"]
mod mutate;
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;

use inside::{Bench, Owned, Told, frames};
use support::{Replay, bundled, shared};
use tokentrail::base::time::Timestamp;
use tokentrail::detect::Severity;
use tokentrail::flow::CloseReason;
use tokentrail::packet::craft::{self, TcpFrame};

/// Bundled captures, and shared ones where there are any.
fn captures() -> Vec<PathBuf> {
    let mut captures = bundled();
    for part in ["evasion", "corpus/captures"] {
        let Some(folder) = shared(part) else { continue };
        let files = tokentrail::capture::inputs::expand(&[folder.into_os_string()]).expect("captures");
        captures.extend(files.iter().map(|input| PathBuf::from(input.to_string())));
    }
    captures
}

/// What an alert is about, whichever packets told it: rule, suspect, owner, severity.
fn gist(told: &Told) -> BTreeSet<String> {
    let of = |line: &String| {
        let alert: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        let field = |path: &str| support::field(&alert, path).to_string();
        let names = ["rule.name", "client.ip", "tokentrail.prior.ip", "tokentrail.severity"];
        (support::text(&alert, "event.kind") == "alert").then(|| names.map(field).join(" "))
    };
    told.lines.iter().filter_map(of).collect()
}

/// A change of packets that must not change what is told.
type Change = fn(&[Owned]) -> Vec<Owned>;

const CHANGES: [(&str, Change); 7] = [
    ("cut into 3 bytes", |frames| mutate::recut(frames, 3)),
    ("cut into 100 bytes", |frames| mutate::recut(frames, 100)),
    ("duplicated", mutate::duplicated),
    ("in fragments of 24 bytes", |frames| mutate::fragmented(frames, 24)),
    ("in fragments of 400 bytes, each twice", |frames| mutate::duplicated(&mutate::fragmented(frames, 400))),
    ("reordered", |frames| mutate::reordered(frames, 4)),
    ("cut into 40 bytes and reordered", |frames| mutate::reordered(&mutate::recut(frames, 40), 4)),
];

#[test]
fn other_packets_of_the_same_conversations_tell_the_same() {
    let bench = Bench::new();
    let (mut told, mut changed, mut wrong) = (0, 0, Vec::new());
    for capture in captures() {
        let plain = frames(&capture);
        if plain.len() > 2_000 {
            continue; // its size is its point, and it is no other in other packets
        }
        let before = gist(&bench.replay(&plain, 1));
        told += before.len();
        for (name, change) in CHANGES {
            let other = change(&plain);
            let same = other.len() == plain.len() && other.iter().zip(&plain).all(|(a, b)| a.data == b.data);
            changed += usize::from(!same);
            let after = gist(&bench.replay(&other, 1));
            if before != after {
                let lost: Vec<_> = before.difference(&after).collect();
                let new: Vec<_> = after.difference(&before).collect();
                wrong.push(format!("{} {name}: lost {lost:?}, new {new:?}", capture.display()));
            }
        }
    }
    println!("{told} different alerts, {changed} changed captures");
    assert!(told >= 20 && changed >= 60, "{told} {changed}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn any_number_of_workers_tells_the_same_bytes() {
    let bench = Bench::new();
    for capture in captures() {
        let frames = frames(&capture);
        let one = bench.replay(&frames, 1);
        for workers in [2, 5] {
            let several = bench.replay(&frames, workers);
            assert_eq!(one.lines, several.lines, "{} with {workers} workers", capture.display());
            assert_eq!(one.summary, several.summary, "{} with {workers} workers", capture.display());
        }
    }
}

/// Requests that nobody answers, and streams with holes: of them something is told only when a timer goes
/// off, while the frames of others come and times run back a little, or leap.
#[test]
fn workers_agree_on_time_however_it_runs() {
    let bench = Bench::new();
    let second = 1_000_000_000_i64;
    let start = 1_700_000_000 * second;
    let server = craft::endpoint("10.0.1.20:80");
    let mut frames = Vec::new();
    let mut put = |at: i64, frame: &TcpFrame| {
        let data = frame.bytes();
        let wire_len = u32::try_from(data.len()).expect("short");
        frames.push(Owned { ts: Timestamp(start + at), link: frame.link, wire_len, data });
    };
    for n in 0..120_u16 {
        let client = craft::endpoint(&format!("10.0.{}.5:{}", 2 + n % 7, 40_000 + n));
        let at = i64::from(n) * second * 3 / 5;
        let request = format!("GET /{n} HTTP/1.1\r\nHost: shop.test\r\nCookie: PHPSESSID={}\r\n\r\n", token(n % 9));
        let from_client = TcpFrame::new(client, server).seq(1000).ack(5000);
        put(at, &from_client.clone().payload(request.as_bytes()));
        // Acknowledged bytes that were never captured, then the next request.
        let after = 1000 + u32::try_from(request.len()).expect("short");
        put(at + second / 9, &TcpFrame::new(server, client).seq(5000).ack(after + 700));
        if n % 2 == 0 {
            put(at + second / 7, &from_client.seq(after + 700).payload(request.as_bytes()));
        }
    }
    for n in 0..2_000_i64 {
        let client = craft::endpoint(&format!("10.0.9.9:{}", 20_000 + n % 50));
        put(n * second * 7 / 10, &TcpFrame::new(client, server).seq(u32::try_from(n).expect("few")).payload(b"GET "));
    }
    frames.sort_by_key(|frame| frame.ts);
    for (n, frame) in frames.iter_mut().enumerate() {
        match n % 97 {
            13 => frame.ts.0 -= 3 * second,
            14 => frame.ts.0 += 2 * second,
            40 => frame.ts.0 += 86_400 * second,
            _ => {}
        }
    }

    let one = bench.replay(&frames, 1);
    assert!(one.counts.flows.closed(CloseReason::Timeout) >= 100 && one.counts.flows.gaps >= 40, "{:?}", one.counts);
    assert!(one.alerts.iter().any(|alert| alert.severity >= Severity::Medium));
    for workers in 2..=8 {
        let several = bench.replay(&frames, workers);
        let first = one.lines.iter().zip(&several.lines).position(|(a, b)| a != b);
        assert!(one.lines == several.lines, "{workers} workers: another line {first:?} of {}", one.lines.len());
        assert_eq!(one.summary, several.summary, "{workers} workers");
    }
}

/// A strong value, one of many.
fn token(n: u16) -> String {
    let mixed = |salt: u64| (u64::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ salt);
    format!("{:016x}{:016x}", mixed(0), mixed(0x5bd1_e995_7b64_a1f3))
}

#[test]
fn the_program_writes_the_same_files_with_every_number_of_workers() {
    let captures = bundled();
    let all: Vec<&std::path::Path> = captures.iter().map(PathBuf::as_path).collect();
    let one = Replay::of(&all, &[]);
    assert_eq!(one.code(), 0);
    assert!(one.alerts().len() > 20);
    for workers in ["2", "3", "8"] {
        let several = Replay::of(&all, &["--workers", workers]);
        assert_eq!(several.code(), 0);
        assert!(one.alerts_bytes == several.alerts_bytes, "alerts with {workers} workers");
        assert!(one.events_bytes == several.events_bytes, "events with {workers} workers");
        assert_eq!(one.output.stderr, several.output.stderr, "the closing lines with {workers} workers");
    }
}
