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

const CHANGES: [(&str, Change); 5] = [
    ("cut into 3 bytes", |frames| mutate::recut(frames, 3)),
    ("cut into 100 bytes", |frames| mutate::recut(frames, 100)),
    ("duplicated", mutate::duplicated),
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

/// Timers of many flows go off between frames of others; times run back and leap.
#[test]
fn workers_agree_on_time_however_it_runs() {
    let bench = Bench::new();
    let mut all: Vec<Owned> = Vec::new();
    for (n, capture) in bundled().iter().enumerate() {
        let mut frames = frames(capture);
        // Cut off before the end, so that flows stay open and time out; every capture at its own pace.
        frames.truncate(frames.len() * 2 / 3);
        let start = frames.first().expect("frames").ts;
        for frame in &mut frames {
            let since = frame.ts.0 - start.0;
            frame.ts = Timestamp(1_700_000_000_000_000_000 + since * (1 + n as i64 * 7));
        }
        all.extend(frames);
    }
    all.sort_by_key(|frame| frame.ts);
    for (n, frame) in all.iter_mut().enumerate() {
        match n % 97 {
            13 => frame.ts.0 -= 3_000_000_000,
            40 => frame.ts.0 += 86_400_000_000_000,
            _ => {}
        }
    }
    let one = bench.replay(&all, 1);
    assert!(one.alerts.iter().any(|alert| alert.severity >= Severity::High));
    assert!(one.counts.flows.closed(CloseReason::Timeout) >= 10);
    for workers in 2..=8 {
        let several = bench.replay(&all, workers);
        assert_eq!(one.lines, several.lines, "{workers} workers");
        assert_eq!(one.summary, several.summary, "{workers} workers");
    }
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
