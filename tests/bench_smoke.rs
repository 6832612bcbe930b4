//! Are the captures of the benchmark what they should be?

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "bench/generate/mod.rs"]
mod generate;

use generate::{Kind, Shape};
use tokentrail::base::time::Stamp;
use tokentrail::packet::{Checksum, Decoded, Frame, LinkType, decode};

/// One capture of a kind, with about a thousand packets or more.
fn capture(kind: Kind, seed: u64) -> (Vec<u8>, generate::Totals) {
    let mut file = Vec::new();
    let totals = generate::write(kind, 0.005, seed, &mut file).unwrap();
    (file, totals)
}

fn frames(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = &file[24..];
    let mut out = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        out.push(&rest[16..16 + len]);
        rest = &rest[16 + len..];
    }
    out
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Empty) {
        let (first, totals) = capture(kind, 1);
        assert!(capture(kind, 1) == (first.clone(), totals), "{}", kind.name());
        assert!(capture(kind, 2).0 != first, "{}", kind.name());
    }
}

#[test]
fn every_frame_is_a_tcp_segment_with_the_right_checksum() {
    for kind in Kind::ALL {
        let (file, totals) = capture(kind, 1);
        let frames = frames(&file);
        assert_eq!(frames.len() as u64, totals.packets, "{}", kind.name());
        for data in frames {
            let wire_len = data.len() as u32;
            let frame = Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len, data };
            let Ok(Decoded::Tcp(segment)) = decode(&frame) else { panic!("{}: {data:?}", kind.name()) };
            assert_eq!(segment.checksum(), Checksum::Valid, "{}", kind.name());
        }
    }
}

#[test]
fn packets_have_the_promised_size_and_cookies_are_stolen() {
    let bytes = [
        (Kind::HttpMix, 650..750),
        (Kind::SmallPackets, 110..130),
        (Kind::TlsMix, 650..750),
        (Kind::OpenConnections, 100..150),
    ];
    for (kind, expected) in bytes {
        let (_, totals) = capture(kind, 1);
        let mean = totals.bytes / totals.packets;
        assert!(expected.contains(&mean), "{}: {mean}", kind.name());
        assert_eq!(totals.thefts > 0, kind != Kind::TlsMix, "{}: {totals:?}", kind.name());
    }
}

#[test]
fn shapes_have_the_connections_and_sessions_they_promise() {
    let mut file = Vec::new();
    let totals = generate::write_shape(Shape::Idle { connections: 50 }, 1.0, 1, &mut file).unwrap();
    assert_eq!(totals.connections, 50);
    let mut file = Vec::new();
    let totals = generate::write_shape(Shape::Open { connections: 40, exchanges: 3 }, 1.0, 1, &mut file).unwrap();
    assert_eq!((totals.connections, frames(&file).len() as u64), (40, totals.packets));
    // A handshake and three polls of at least two segments each; nobody says goodbye.
    assert!(totals.packets >= 40 * (3 + 3 * 2), "{totals:?}");

    file.clear();
    let totals = generate::write_shape(Shape::Sessions { sessions: 60, connections: 7 }, 1.0, 1, &mut file).unwrap();
    assert_eq!(totals.connections, 7);
    let text = String::from_utf8_lossy(&file).into_owned();
    let cookies: std::collections::BTreeSet<_> =
        text.split("Cookie: ").skip(1).filter_map(|rest| rest.split_once('\r')).map(|(cookie, _)| cookie).collect();
    assert_eq!(cookies.len(), 60);
}
