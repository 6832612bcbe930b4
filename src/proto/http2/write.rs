//! How is HTTP/2 written? Frames and header blocks for tests.

use super::hpack::encode;

/// The preface of a client.
pub(in crate::proto) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
pub(in crate::proto) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, l0, l1, l2] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[l0, l1, l2, kind, flags], &stream.to_be_bytes()[..], payload].concat()
}

/// SETTINGS with these values.
pub(in crate::proto) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(4, 0, 0, &payload)
}

/// What a client sends at first.
pub(in crate::proto) fn opening() -> Vec<u8> {
    [PREFACE.to_vec(), settings(&[(3, 100), (4, 65_535)])].concat()
}

/// A header block without a table: each field whole, as a literal.
pub(in crate::proto) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| [vec![0], encode(name.as_bytes()), encode(value.as_bytes())].concat())
        .collect()
}

/// A header block whose fields are added to the table.
pub(in crate::proto) fn block_to_keep(fields: &[(&str, &str)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(name, value)| [vec![0x40], encode(name.as_bytes()), encode(value.as_bytes())].concat())
        .collect()
}

/// HEADERS with a whole block, without data.
pub(in crate::proto) fn headers(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(1, 5, stream, &block(fields))
}

/// A GET.
pub(in crate::proto) fn get(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "shop.test")];
    headers(stream, &[&pseudo[..], fields].concat())
}

/// A reply without a body.
pub(in crate::proto) fn reply(stream: u32, status: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    headers(stream, &[&[(":status", status)][..], fields].concat())
}
