//! How does a segment outlive its frame? Its bytes are copied to a buffer that many segments share.

use std::ops::Range;

use super::{Segment, TcpOptions};

/// A segment whose bytes lie in a shared buffer.
#[derive(Clone, Copy, Debug)]
pub struct PackedSegment {
    /// All that does not point into the frame.
    plain: Segment<'static>,
    options: Place,
    payload: Place,
    ip_header: Place,
    tcp_bytes: Place,
}

/// Where bytes lie in the buffer.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    len: u32,
}

impl PackedSegment {
    /// Copies the bytes of `segment` to the end of `buffer`. `None` when the buffer is at 4 GiB.
    #[must_use]
    pub fn pack(segment: &Segment<'_>, buffer: &mut Vec<u8>) -> Option<Self> {
        let tcp_bytes = copy(segment.tcp_bytes, buffer)?;
        // Options and payload are parts of those, where they are known.
        let mut part = |bytes: &[u8]| match offset_within(segment.tcp_bytes, bytes) {
            Some(offset) => Some(Place { start: tcp_bytes.start.checked_add(offset)?, len: length(bytes)? }),
            None => copy(bytes, buffer),
        };
        Some(Self {
            options: part(segment.options.0)?,
            payload: part(segment.payload)?,
            ip_header: copy(segment.ip_header, buffer)?,
            tcp_bytes,
            plain: Segment {
                tenant: segment.tenant,
                source: segment.source,
                destination: segment.destination,
                mac: segment.mac,
                ttl: segment.ttl,
                seq: segment.seq,
                ack: segment.ack,
                flags: segment.flags,
                window: segment.window,
                cut: segment.cut,
                fragment_conflict: segment.fragment_conflict,
                options: TcpOptions(&[]),
                payload: &[],
                ip_header: &[],
                tcp_bytes: &[],
            },
        })
    }

    /// The segment, with the same bytes as before. `buffer` is the one that it was packed to.
    #[must_use]
    pub fn unpack<'a>(&self, buffer: &'a [u8]) -> Segment<'a> {
        let bytes = |place: Place| buffer.get(place.range()).unwrap_or_default();
        Segment {
            options: TcpOptions(bytes(self.options)),
            payload: bytes(self.payload),
            ip_header: bytes(self.ip_header),
            tcp_bytes: bytes(self.tcp_bytes),
            ..self.plain
        }
    }
}

impl Place {
    const fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

fn copy(bytes: &[u8], buffer: &mut Vec<u8>) -> Option<Place> {
    let place = Place { start: length(buffer)?, len: length(bytes)? };
    buffer.extend_from_slice(bytes);
    Some(place)
}

fn length(bytes: &[u8]) -> Option<u32> {
    u32::try_from(bytes.len()).ok()
}

/// Where `part` begins in `whole`, if it is a part of it and not just equal.
fn offset_within(whole: &[u8], part: &[u8]) -> Option<u32> {
    let offset = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = offset.checked_add(part.len())?;
    if end <= whole.len() { u32::try_from(offset).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::net::Endpoint;
    use crate::base::time::Stamp;
    use crate::packet::craft::TcpFrame;
    use crate::packet::{Checksum, Decoded, Frame, LinkType, decode};

    #[test]
    fn a_segment_is_the_same_after_its_frame_is_gone() {
        let end = |address: [u8; 4], port| Endpoint { ip: address.into(), port };
        let (a, b) = (end([10, 0, 0, 5], 40_000), end([10, 0, 1, 20], 80));
        let mut buffer = Vec::new();
        let mut packed = Vec::new();
        for text in [&b"GET / HTTP/1.1\r\n"[..], b"", b"x"] {
            let data = TcpFrame::new(a, b).payload(text).bytes();
            let frame =
                Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len: data.len() as u32, data: &data };
            let Ok(Decoded::Tcp(segment)) = decode(&frame) else { panic!("no segment") };
            let length_before = buffer.len();
            let bytes = [segment.options.0, segment.payload, segment.ip_header, segment.tcp_bytes].map(<[u8]>::to_vec);
            packed.push((PackedSegment::pack(&segment, &mut buffer).unwrap(), format!("{segment:?}"), bytes));
            assert_eq!(buffer.len() - length_before, segment.ip_header.len() + segment.tcp_bytes.len());
        }
        for (one, before, bytes) in packed {
            let segment = one.unpack(&buffer);
            assert_eq!(format!("{segment:?}"), before);
            assert_eq!([segment.options.0, segment.payload, segment.ip_header, segment.tcp_bytes], bytes);
            assert_eq!(segment.checksum(), Checksum::Valid);
        }
    }

    #[test]
    fn bytes_from_elsewhere_are_copied_too() {
        let end = Endpoint { ip: [10, 0, 0, 5].into(), port: 1 };
        let data = TcpFrame::new(end, end).payload(b"abc").bytes();
        let frame = Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len: 1, data: &data };
        let Ok(Decoded::Tcp(segment)) = decode(&frame) else { panic!("no segment") };
        let elsewhere = Segment { payload: b"other", tcp_bytes: &[], ..segment };
        let mut buffer = vec![1, 2, 3];
        let packed = PackedSegment::pack(&elsewhere, &mut buffer).unwrap();
        assert_eq!(packed.unpack(&buffer).payload, b"other");
        assert_eq!(packed.unpack(&buffer).options.0, segment.options.0);
    }
}
