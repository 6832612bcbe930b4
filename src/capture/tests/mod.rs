//! Are captures read as they were written? Writes files in every variant and reads them back.

mod histories;
mod interfaces;
mod reading;
mod secrets;
mod selecting;

use std::io::Write;

use crate::base::time::Timestamp;
use crate::packet::LinkType;
use crate::packet::craft::{Conversation, endpoint};

use super::byte_order::ByteOrder::{self, Big, Little};
use super::{CaptureFile, FileError};

/// A frame as it is compared: time, link type, length on the wire, bytes.
type Row = (i64, u32, u32, Vec<u8>);

/// A small conversation: 8 frames, whole microseconds apart.
fn rows() -> Vec<Row> {
    let mut talk = Conversation::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80"));
    talk.open();
    talk.client(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    talk.server(b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.close();
    let row = |(ts, frame): &(Timestamp, crate::packet::craft::TcpFrame)| {
        let bytes = frame.bytes();
        (ts.0, LinkType::ETHERNET.0, bytes.len() as u32, bytes)
    };
    talk.frames.iter().map(row).collect()
}

fn u16_in(order: ByteOrder, value: u16) -> [u8; 2] {
    match order {
        Little => value.to_le_bytes(),
        Big => value.to_be_bytes(),
    }
}

fn u32_in(order: ByteOrder, value: u32) -> [u8; 4] {
    match order {
        Little => value.to_le_bytes(),
        Big => value.to_be_bytes(),
    }
}

/// A pcap file with the given magic number.
fn pcap(order: ByteOrder, magic: u32, rows: &[Row]) -> Vec<u8> {
    let link = rows.first().map_or(1, |row| row.1);
    let mut out = Vec::new();
    out.extend(u32_in(order, magic));
    out.extend(u16_in(order, 2));
    out.extend(u16_in(order, 4));
    for word in [0, 0, 262_144, link] {
        out.extend(u32_in(order, word));
    }
    for (nanos, _, wire_len, data) in rows {
        let fraction = (nanos % 1_000_000_000) as u32;
        let fraction = if magic == NANOS { fraction } else { fraction / 1000 };
        for word in [(nanos / 1_000_000_000) as u32, fraction, data.len() as u32, *wire_len] {
            out.extend(u32_in(order, word));
        }
        if magic == MODIFIED {
            out.extend([0, 0, 0, 2, 8, 0, 4, 0]);
        }
        out.extend(data);
    }
    out
}

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// A pcapng file, block by block.
#[derive(Clone)]
struct PcapNg {
    order: ByteOrder,
    bytes: Vec<u8>,
}

impl PcapNg {
    fn new(order: ByteOrder) -> Self {
        Self { order, bytes: Vec::new() }.section(order)
    }

    fn section(mut self, order: ByteOrder) -> Self {
        self.order = order;
        let mut content = u32_in(order, 0x1a2b_3c4d).to_vec();
        content.extend(u16_in(order, 1));
        content.extend(u16_in(order, 0));
        content.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &content)
    }

    fn block(mut self, kind: u32, content: &[u8]) -> Self {
        let padded = content.len().next_multiple_of(4);
        let len = u32_in(self.order, padded as u32 + 12);
        self.bytes.extend(u32_in(self.order, kind));
        self.bytes.extend(len);
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len() + padded - content.len(), 0);
        self.bytes.extend(len);
        self
    }

    fn options(&self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, value) in options.iter().chain([&(0, &[][..])]) {
            out.extend(u16_in(self.order, *code));
            out.extend(u16_in(self.order, value.len() as u16));
            out.extend(*value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    fn interface(self, link: u32, snap_len: u32, options: &[(u16, &[u8])]) -> Self {
        let mut content = u16_in(self.order, link as u16).to_vec();
        content.extend([0, 0]);
        content.extend(u32_in(self.order, snap_len));
        content.extend(self.options(options));
        self.block(1, &content)
    }

    fn enhanced(self, interface: u32, ticks: u64, row: &Row) -> Self {
        let id = u32_in(self.order, interface);
        self.timed(6, &id, ticks, row)
    }

    fn obsolete(self, interface: u16, ticks: u64, row: &Row) -> Self {
        let id = [u16_in(self.order, interface), [0xff; 2]].concat();
        self.timed(2, &id, ticks, row)
    }

    fn timed(self, kind: u32, id: &[u8], ticks: u64, (_, _, wire_len, data): &Row) -> Self {
        let mut content = id.to_vec();
        for word in [(ticks >> 32) as u32, ticks as u32, data.len() as u32, *wire_len] {
            content.extend(u32_in(self.order, word));
        }
        content.extend(data);
        content.resize(content.len().next_multiple_of(4), 0);
        // A comment behind the frame.
        content.extend(self.options(&[(1, b"seen")]));
        self.block(kind, &content)
    }

    fn simple(self, (_, _, wire_len, data): &Row) -> Self {
        let content = [&u32_in(self.order, *wire_len)[..], data].concat();
        self.block(3, &content)
    }
}

/// The usual kind of pcapng: one section, one interface, microseconds.
fn plain_pcapng(order: ByteOrder, rows: &[Row]) -> Vec<u8> {
    let file = PcapNg::new(order).interface(rows.first().map_or(1, |row| row.1), 0, &[(2, b"eth0")]);
    rows.iter().fold(file, |file, row| file.enhanced(0, row.0 as u64 / 1000, row)).bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}

/// All frames of a file, and the error that ended them.
fn read(bytes: &[u8]) -> (Vec<Row>, Option<FileError>) {
    let mut rows = Vec::new();
    let mut file = match CaptureFile::read(std::io::Cursor::new(bytes.to_vec())) {
        Ok(file) => file,
        Err(e) => return (rows, Some(e)),
    };
    loop {
        match file.next_frame() {
            Ok(Some(frame)) => {
                assert_eq!(frame.at.frame.number, rows.len() as u64 + 1);
                rows.push((frame.at.ts.0, frame.link.0, frame.wire_len, frame.data.to_vec()));
            }
            Ok(None) => return (rows, None),
            Err(e) => {
                assert!(file.frames().next().is_none());
                assert!(file.next_frame().unwrap().is_none(), "an error is told once");
                return (rows, Some(e));
            }
        }
    }
}

#[track_caller]
fn read_whole(bytes: &[u8]) -> Vec<Row> {
    match read(bytes) {
        (rows, None) => rows,
        (rows, Some(e)) => panic!("{e} after {} frames", rows.len()),
    }
}
