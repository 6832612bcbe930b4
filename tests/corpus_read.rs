//! Can real captures be read? Opens every capture of a shared corpus, where there is one, and
//! compares what is read with libpcap.

#![cfg(feature = "daemon")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokentrail::capture::{CaptureFile, inputs};
use tokentrail::packet::{Checksum, Decoded, decode};

/// The corpus: `TOKENTRAIL_SHARED`, or `shared` beside this crate.
fn shared() -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "a test may be told where its material is")]
    let named = std::env::var("TOKENTRAIL_SHARED").map(PathBuf::from);
    let path = named.unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    path.is_dir().then_some(path)
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let files = inputs::expand(&[folder.as_os_str().to_owned()]).unwrap_or_default();
    let path = |input| match input {
        tokentrail::capture::Input::File(path) => Some(path),
        tokentrail::capture::Input::Stdin => None,
    };
    files.into_iter().filter_map(path).collect()
}

/// Frames that libpcap reads, and what it says when it does not reach the end: it refuses
/// compressed files and mixed link types.
fn libpcap(path: &Path) -> (u64, Option<pcap::Error>) {
    let mut capture = match pcap::Capture::from_file(path) {
        Ok(capture) => capture,
        Err(e) => return (0, Some(e)),
    };
    let mut frames = 0;
    loop {
        match capture.next_packet() {
            Ok(_) => frames += 1,
            Err(pcap::Error::NoMorePackets) => return (frames, None),
            Err(e) => return (frames, Some(e)),
        }
    }
}

#[test]
fn every_capture_is_read_at_least_as_far_as_libpcap_reads_it() {
    let Some(shared) = shared() else { return println!("skipped: there is no shared corpus") };
    let files: Vec<_> = ["corpus", "evasion"].iter().flat_map(|folder| captures(&shared.join(folder))).collect();
    assert!(!files.is_empty(), "{} holds no capture", shared.display());
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    let mut count = |what: &str| *totals.entry(what.to_owned()).or_default() += 1;
    for path in &files {
        let name = path.display();
        let mut frames = 0;
        let mut ended = None;
        let mut file = CaptureFile::open(path).unwrap_or_else(|e| panic!("{name}: {e}"));
        loop {
            match file.next_frame() {
                Ok(Some(frame)) => {
                    frames += 1;
                    match decode(&frame) {
                        Ok(Decoded::Tcp(segment)) => count(match segment.checksum() {
                            Checksum::Valid => "tcp",
                            Checksum::Invalid => "tcp, bad checksum",
                            Checksum::Unverifiable => "tcp, cut",
                        }),
                        Ok(Decoded::Fragment(_)) => count("fragment"),
                        Ok(Decoded::Neighbour(_)) => count("neighbour"),
                        Ok(Decoded::Aggregate(_)) => count("aggregate"),
                        Ok(Decoded::Inner(_)) => count("tunnel"),
                        Ok(Decoded::Udp(_)) => count("udp"),
                        Ok(Decoded::NotTracked) => count("not tracked"),
                        Err(e) => {
                            println!("{name} frame {}: {e}", frame.at.frame.number);
                            count(e.layer());
                        }
                    }
                }
                Ok(None) => break,
                Err(e) => {
                    println!("{name}: {e}");
                    ended = Some(e);
                    break;
                }
            }
        }
        match libpcap(path) {
            (theirs, None) => assert!(frames == theirs && ended.is_none(), "{name}: {frames} of {theirs}, {ended:?}"),
            (theirs, Some(e)) => {
                println!("{name}: {frames} frames; libpcap reads {theirs}: {e}");
                assert!(frames >= theirs, "{name}: {frames} of {theirs}");
            }
        }
    }
    println!("{} files: {totals:?}", files.len());
    assert!(totals.get("tcp").is_some_and(|n| *n > 1000), "{totals:?}");
}
