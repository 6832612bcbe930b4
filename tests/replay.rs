//! The bundled captures: each gives exactly the alerts that it is said to give.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Replay, bundled, field, lines, rank, tokentrail};

/// The last state of every alert, by its id.
fn final_alerts(replay: &Replay) -> Vec<Value> {
    let mut last = BTreeMap::new();
    for alert in replay.alerts() {
        last.insert(field(&alert, "event.id").to_string(), alert);
    }
    last.into_values().collect()
}

fn expected(capture: &Path) -> Vec<Value> {
    let file = capture.with_extension("expected.jsonl");
    lines(&std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())))
}

/// Whether an alert has every field of an expectation.
fn fits(alert: &Value, expectation: &Value) -> bool {
    let wanted = expectation.as_object().expect("an object");
    wanted.iter().filter(|(path, _)| *path != "why").all(|(path, value)| field(alert, path) == value)
}

#[test]
fn each_capture_gives_its_alerts_and_no_other() {
    let captures = bundled();
    assert!(captures.len() >= 8);
    for capture in captures {
        let replay = Replay::of(&[&capture], &[]);
        assert_eq!(replay.code(), 0, "{}", String::from_utf8_lossy(&replay.output.stderr));
        let (alerts, mut wanted) = (final_alerts(&replay), expected(&capture));
        for alert in &alerts {
            let known = wanted.iter().position(|w| fits(alert, w));
            let place = known.unwrap_or_else(|| panic!("{}: unexpected {alert}", capture.display()));
            wanted.remove(place);
        }
        assert!(wanted.is_empty(), "{}: missing {wanted:?}", capture.display());
    }
}

#[test]
fn the_same_capture_and_key_give_the_same_bytes() {
    for capture in bundled() {
        let (one, two) = (Replay::of(&[&capture], &[]), Replay::of(&[&capture], &[]));
        assert_eq!(one.alerts_bytes, two.alerts_bytes, "{}", capture.display());
        assert_eq!(one.events_bytes, two.events_bytes, "{}", capture.display());
    }
}

#[test]
fn all_lines_fit_their_schema() {
    let schema = |what: &str| {
        let output = tokentrail().args(["schema", what]).output().expect("it runs");
        let schema: Value = serde_json::from_slice(&output.stdout).expect("a schema is JSON");
        jsonschema::validator_for(&schema).expect("a schema is valid")
    };
    let (alert, event) = (schema("alert"), schema("event"));
    let captures = bundled();
    let all: Vec<&Path> = captures.iter().map(PathBuf::as_path).collect();
    let replay = Replay::of(&all, &["--min-severity", "informational"]);
    for (validator, lines) in [(&alert, replay.alerts()), (&event, replay.events())] {
        assert!(lines.len() > 30);
        for line in lines {
            let wrong: Vec<_> = validator.iter_errors(&line).map(|e| e.to_string()).collect();
            assert!(wrong.is_empty(), "{wrong:?}: {line}");
        }
    }
}

#[test]
fn a_replay_ends_with_what_was_read() {
    let capture = support::root().join("pcaps/token-replay.pcap");
    let events = Replay::of(&[&capture], &[]).events();
    let summary = events.last().expect("a summary");
    assert_eq!(support::text(summary, "event.dataset"), "tokentrail.summary");
    let requests = events.iter().filter(|e| !field(e, "http.request.method").is_null()).count() as u64;
    assert_eq!(field(summary, "tokentrail.summary.requests").as_u64(), Some(requests));
    assert_eq!(field(summary, "tokentrail.summary.frames").as_u64(), Some(134));
}

#[test]
fn compression_duplicates_and_parts_change_nothing_that_matters() {
    let dir = tempfile::tempdir().unwrap();
    let capture = support::root().join("pcaps/token-replay.pcap");
    let bytes = std::fs::read(&capture).unwrap();
    let names = |replay: &Replay| {
        let mut names: Vec<String> = final_alerts(replay)
            .iter()
            .map(|a| format!("{} {} {}", field(a, "rule.name"), rank(a), field(a, "tokentrail.suspect.requests")))
            .collect();
        names.sort();
        names
    };
    let plain = names(&Replay::of(&[&capture], &[]));

    // The same frames under gzip and zstd, whatever their names say.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gz, &bytes).unwrap();
    let packed = [("capture", gz.finish().unwrap()), ("capture.bin", zstd::encode_all(&bytes[..], 1).unwrap())];
    for (name, content) in packed {
        let file = dir.path().join(name);
        std::fs::write(&file, content).unwrap();
        assert_eq!(names(&Replay::of(&[&file], &[])), plain, "{name}");
    }

    // Every frame twice, as a mirror of both directions gives them; and cut into two files.
    let (header, mut rest) = bytes.split_at(24);
    let (mut twice, mut frames) = (header.to_vec(), Vec::new());
    while rest.len() >= 16 {
        let length = 16 + u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let (frame, tail) = rest.split_at(length);
        twice.extend([frame, frame].concat());
        frames.push(frame);
        rest = tail;
    }
    let mirrored = dir.path().join("twice.pcap");
    std::fs::write(&mirrored, twice).unwrap();
    assert_eq!(names(&Replay::of(&[&mirrored], &[])), plain, "every frame twice");
    let parts: Vec<PathBuf> = frames
        .chunks(frames.len() / 2 + 1)
        .enumerate()
        .map(|(n, part)| {
            // Named against their order in time: the history goes by the first timestamp.
            let file = dir.path().join(format!("part-{}.pcap", 9 - n));
            std::fs::write(&file, [header, &part.concat()].concat()).unwrap();
            file
        })
        .collect();
    let parts: Vec<&Path> = parts.iter().map(PathBuf::as_path).collect();
    assert_eq!(names(&Replay::of(&parts, &[])), plain, "one history in two files");
}
