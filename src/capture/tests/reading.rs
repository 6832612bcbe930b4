//! One file: every variant, every cut, every damage.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::capture::file::Damage;

#[test]
fn pcap_in_every_variant() {
    let rows = rows();
    for order in [Little, Big] {
        for magic in [MICROS, NANOS, MODIFIED] {
            assert_eq!(read_whole(&pcap(order, magic, &rows)), rows, "{order:?} {magic:x}");
        }
    }
    let mut fine = rows.clone();
    fine[0].0 += 1;
    assert_eq!(read_whole(&pcap(Little, NANOS, &fine)), fine);
    // What was cut by a snap length, and a frame check sequence announced in the link type.
    fine[1].3.truncate(20);
    let mut bytes = pcap(Big, NANOS, &fine);
    bytes[20] = 0x54;
    assert_eq!(read_whole(&bytes), fine);
    assert_eq!(read_whole(&pcap(Little, MICROS, &[])), []);
}

#[test]
fn old_pcap_versions_have_their_lengths_swapped() {
    let mut rows = rows();
    rows[1].3.truncate(20);
    let swap = |bytes: &mut Vec<u8>, minor: u8, swapped: bool| {
        bytes[6] = minor;
        let mut at = 24;
        for (_, _, wire_len, data) in &rows {
            if swapped {
                bytes[at + 8..at + 12].copy_from_slice(&wire_len.to_le_bytes());
                bytes[at + 12..at + 16].copy_from_slice(&(data.len() as u32).to_le_bytes());
            }
            at += 16 + data.len();
        }
    };
    for (minor, swapped) in [(2, true), (3, true), (3, false)] {
        let mut bytes = pcap(Little, MICROS, &rows);
        swap(&mut bytes, minor, swapped);
        assert_eq!(read_whole(&bytes), rows, "2.{minor}");
    }
}

#[test]
fn times_beyond_the_calendar_do_no_harm() {
    let mut bytes = pcap(Little, MICROS, &rows()[..1]);
    bytes[24..32].fill(0xff);
    let expected = i64::from(u32::MAX) * 1_000_000_000 + i64::from(u32::MAX) * 1000;
    assert_eq!(read_whole(&bytes)[0].0, expected);
    let mut bytes = plain_pcapng(Little, &rows()[..1]);
    let at = bytes.windows(4).position(|w| w == [6, 0, 0, 0]).unwrap();
    bytes[at + 12..at + 20].fill(0xff);
    assert_eq!(read_whole(&bytes)[0].0, i64::MAX);
}

#[test]
fn pcapng_in_both_byte_orders() {
    let rows = rows();
    for order in [Little, Big] {
        assert_eq!(read_whole(&plain_pcapng(order, &rows)), rows, "{order:?}");
    }
}

#[test]
fn pcapng_with_many_kinds_of_blocks() {
    let [a, b, c, d, e, ..] = &rows()[..] else { panic!() };
    let raw = |row: &Row| (row.0, 101, row.2 - 14, row.3[14..].to_vec());
    let (b_raw, d_raw) = (raw(b), raw(d));
    let micros = |row: &Row| row.0 as u64 / 1000;
    let offset = 1_700_000_000_i64;
    let file = PcapNg::new(Little)
        .interface(1, 0, &[(2, b"eth0"), (9, &[9]), (12, b"Linux")])
        .block(10, b"secrets that nobody reads here")
        .interface(101, 0, &[(9, &[6]), (14, &offset.to_le_bytes())])
        .enhanced(0, a.0 as u64, a)
        .block(4, &[1; 40])
        .enhanced(1, micros(b) - offset as u64 * 1_000_000, &b_raw)
        .obsolete(0, c.0 as u64, c)
        .block(0x0bad, &vec![7; 3_000_000])
        .section(Big)
        .interface(101, 40, &[])
        .obsolete(0, micros(d), &d_raw)
        .simple(&(0, 101, 500, raw(e).3[..40].to_vec()))
        .block(5, &[0; 12]);
    let simple = (d.0, 101, 500, raw(e).3[..40].to_vec());
    assert_eq!(read_whole(&file.bytes), [a.clone(), b_raw, c.clone(), d_raw, simple]);
}

#[test]
fn compressed_files_are_known_by_their_content() {
    let rows = rows();
    for plain in [pcap(Little, MICROS, &rows), plain_pcapng(Big, &rows)] {
        assert_eq!(read_whole(&gzip(&plain)), rows);
        assert_eq!(read_whole(&zstandard(&plain)), rows);
        // gzip in several members, as `cat a.gz b.gz` makes them.
        let (head, tail) = plain.split_at(100);
        assert_eq!(read_whole(&[gzip(head), gzip(tail)].concat()), rows);
        assert_eq!(read_whole(&[zstandard(head), zstandard(tail)].concat()), rows);
    }
}

#[test]
fn a_file_larger_than_the_window_is_read_to_its_end() {
    let big: Vec<Row> = (0..2000_i64)
        .map(|n| {
            let len = if n % 500 == 0 { crate::capture::MAX_FRAME } else { 1400 + n as usize % 97 };
            (n * 1000, 1, len as u32, vec![n as u8; len])
        })
        .collect();
    for bytes in [pcap(Little, MICROS, &big), plain_pcapng(Little, &big), zstandard(&pcap(Big, NANOS, &big))] {
        assert!(read_whole(&bytes) == big);
    }
}

/// Whole frames in the first bytes of a file, by its length at the end of each.
fn ends(file_with: Writer, rows: &[Row]) -> Vec<usize> {
    (0..=rows.len()).map(|n| file_with(&rows[..n]).len()).collect()
}

type Writer = fn(&[Row]) -> Vec<u8>;

#[test]
fn a_file_cut_at_any_byte_gives_all_whole_frames_before() {
    let rows = rows();
    let variants: [Writer; 4] = [
        |rows| pcap(Little, MICROS, rows),
        |rows| pcap(Big, MODIFIED, rows),
        |rows| plain_pcapng(Little, rows),
        |rows| plain_pcapng(Big, rows),
    ];
    for file_with in variants {
        let (bytes, ends) = (file_with(&rows), ends(file_with, &rows));
        for len in 4..=bytes.len() {
            let (read, error) = read(&bytes[..len]);
            let whole = ends.iter().filter(|end| **end <= len).count().saturating_sub(1);
            assert_eq!(read, rows[..whole], "cut at {len}");
            match error {
                // Between two frames, or between the blocks in front of the first.
                None => assert!(ends.contains(&len) || len == 28, "cut at {len}"),
                Some(FileError::Truncated { frames, offset, .. }) => {
                    assert!(!ends.contains(&len));
                    assert_eq!((frames, offset), (whole as u64, len as u64), "cut at {len}");
                }
                Some(other) => panic!("cut at {len}: {other}"),
            }
        }
    }
}

#[test]
fn a_cut_compressed_file_says_so_at_any_byte() {
    let rows = rows();
    let plain = pcap(Little, MICROS, &rows);
    for bytes in [gzip(&plain), zstandard(&plain)] {
        for len in 4..bytes.len() {
            let (read, error) = read(&bytes[..len]);
            assert_eq!(read, rows[..read.len()], "cut at {len}");
            let error = error.unwrap_or_else(|| panic!("cut at {len}: no error"));
            let known = matches!(
                error,
                FileError::Truncated { .. } | FileError::Read { .. } | FileError::NotCapture(_) | FileError::Empty
            );
            assert!(known, "cut at {len}: {error}");
        }
    }
}

#[test]
fn errors_name_what_was_found_and_where() {
    let error = |bytes: &[u8]| read(bytes).1.unwrap().to_string();
    assert_eq!(error(b""), "is empty; expected a pcap or pcapng capture");
    assert!(
        error(b"GET / HTTP/1.1").starts_with(
            r#"not a capture file: begins with 47 45 54 20 2f 20 48 54 ("GET / HT"); expected pcap (d4 c3 b2 a1"#
        ),
        "{}",
        error(b"GET / HTTP/1.1")
    );
    assert!(error(&gzip(b"text")).starts_with("not a capture file: begins with 74 65 78 74"));
    let rows = rows();
    let mut bytes = pcap(Little, MICROS, &rows);
    bytes.pop();
    assert_eq!(error(&bytes), format!("truncated after 7 frames: ends at byte {}, within a frame", bytes.len()));
    assert_eq!(error(&bytes[..20]), "truncated after 0 frames: ends at byte 20, within the file header");
    assert_eq!(error(&bytes[..24 + 10]), "truncated after 0 frames: ends at byte 34, within the header of a frame");
    let second = 24 + 16 + rows[0].3.len();
    bytes[second + 8..second + 12].copy_from_slice(&300_000_u32.to_le_bytes());
    assert_eq!(error(&bytes), format!("frame 2 (byte {second}) claims 300000 bytes; at most 262144 are read"));
    bytes[4] = 9;
    assert_eq!(error(&bytes), "corrupt at frame 1 (byte 0): version 9.4 of the format is not known");
    let mut damaged = gzip(&pcap(Little, MICROS, &rows));
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    assert!(error(&damaged).starts_with("cannot be read further after 8 frames: "), "{}", error(&damaged));
}

#[test]
fn damaged_pcapng_is_told_by_its_cause() {
    let rows = rows();
    let damage = |bytes: &[u8]| match read(bytes) {
        (_, Some(FileError::Corrupt { frame, damage, .. })) => (frame, damage),
        other => panic!("{other:?}"),
    };
    let file = || PcapNg::new(Little).interface(1, 0, &[]);
    let mut bytes = PcapNg::new(Little).bytes;
    bytes[8] = 0;
    assert_eq!(damage(&bytes), (1, Damage::ByteOrderMagic { found: 0x003c_2b1a }));
    let mut bytes = PcapNg::new(Big).bytes;
    bytes[13] = 2;
    assert_eq!(damage(&bytes), (1, Damage::Version { major: 2, minor: 0 }));
    let bytes = file().enhanced(0, 5, &rows[0]).enhanced(1, 6, &rows[1]).bytes;
    assert_eq!(damage(&bytes), (2, Damage::UnknownInterface { id: 1, known: 1 }));
    // A new section forgets the interfaces of the one before.
    let bytes = file().section(Little).simple(&rows[0]).bytes;
    assert_eq!(damage(&bytes), (1, Damage::UnknownInterface { id: 0, known: 0 }));
    let mut bytes = file().enhanced(0, 5, &rows[0]).bytes;
    let last = bytes.len() - 4;
    let front = bytes.len() - 52;
    bytes[last] += 4;
    assert_eq!(damage(&bytes), (1, Damage::BlockLengths { front, behind: front as u32 + 4 }));
    let mut bytes = file().block(77, &[0; 8]).bytes;
    let block = bytes.len() - 20;
    bytes[block + 4] = 18;
    assert_eq!(damage(&bytes), (1, Damage::BlockLength { len: 18 }));
    bytes[block + 4] = 8;
    assert_eq!(damage(&bytes), (1, Damage::BlockLength { len: 8 }));
    bytes[block + 4] = 24;
    assert!(matches!(read(&bytes).1, Some(FileError::Truncated { frames: 0, within: "a block", .. })));
    let mut bytes = file().enhanced(0, 5, &rows[0]).bytes;
    bytes[52 + 20] += 100;
    assert_eq!(damage(&bytes), (1, Damage::BlockContent { kind: 6 }));
    bytes[52 + 22] = 5;
    assert!(matches!(read(&bytes).1, Some(FileError::FrameTooLarge { frame: 1, offset: 52, .. })));
    assert_eq!(damage(&file().block(6, &[0; 4]).bytes), (1, Damage::BlockContent { kind: 6 }));
    assert_eq!(damage(&file().block(1, &[0; 4]).bytes), (1, Damage::BlockContent { kind: 1 }));
    let long = file().block(6, &vec![0; 2_000_000]).bytes;
    assert_eq!(damage(&long), (1, Damage::BlockTooLong { len: 2_000_012, limit: 1024 * 1024 }));
}

/// What libpcap reads, up to its first error.
fn libpcap(bytes: &[u8]) -> Vec<Row> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let mut capture = ::pcap::Capture::from_file_with_precision(file.path(), ::pcap::Precision::Nano).unwrap();
    let link = crate::capture::dlt::from_libpcap(capture.get_datalink());
    let mut rows = Vec::new();
    while let Ok(packet) = capture.next_packet() {
        let nanos = packet.header.ts.tv_sec * 1_000_000_000 + packet.header.ts.tv_usec;
        rows.push((nanos, link.0, packet.header.len, packet.data.to_vec()));
    }
    rows
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let link = prop_oneof![Just(1_u32), Just(101), Just(113), Just(276), Just(0)];
    // libpcap takes the seconds of pcap as signed, the specification as unsigned.
    let row = (0..1_i64 << 31, 0..1_000_000_i64, vec(any::<u8>(), 0..300), 0..2000_u32);
    (link, vec(row, 0..20)).prop_map(|(link, rows)| {
        let row = |(s, us, data, more): (i64, i64, Vec<u8>, u32)| {
            (s * 1_000_000_000 + us * 1000, link, data.len() as u32 + more, data)
        };
        rows.into_iter().map(row).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_libpcap(rows in any_rows(), big in any::<bool>(), variant in 0..4_usize, cut in 0..400_usize) {
        let order = if big { Big } else { Little };
        let mut bytes = match variant {
            0 => pcap(order, MICROS, &rows),
            1 => pcap(order, NANOS, &rows),
            2 => pcap(order, MODIFIED, &rows),
            _ => plain_pcapng(order, &rows),
        };
        let headers = if variant == 3 { 28 + 32 } else { 24 };
        bytes.truncate(bytes.len().saturating_sub(cut).max(headers));
        let ours = read(&bytes).0;
        prop_assert_eq!(&ours, &libpcap(&bytes));
        prop_assert!(cut > 0 || ours == rows);
    }
}

proptest! {
    #[test]
    fn damage_does_no_harm(
        ng in any::<bool>(),
        wrapping in 0..3_usize,
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let rows = rows();
        let mut bytes = if ng { plain_pcapng(Little, &rows) } else { pcap(Little, MICROS, &rows) };
        bytes = match wrapping {
            0 => bytes,
            1 => gzip(&bytes),
            _ => zstandard(&bytes),
        };
        for (at, value) in damage {
            *at.get_mut(&mut bytes) = value;
        }
        if let Some(error) = read(&bytes).1 {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn arbitrary_content_does_no_harm(magic in 0..4_usize, content in vec(any::<u8>(), 0..2000)) {
        let header = match magic {
            0 => Vec::new(),
            1 => pcap(Little, MICROS, &[]),
            2 => PcapNg::new(Big).interface(1, 0, &[]).bytes,
            _ => vec![0x1f, 0x8b, 8, 0],
        };
        read(&[header, content].concat());
    }
}
