//! What does a TCP header say? Wrap-safe sequence numbers, flags, options and checksum.

use std::fmt;

use super::ip::Envelope;
use super::{Cause, DecodeError, Segment};
use crate::base::net::Endpoint;
use crate::base::reader::Reader;

/// A header without options.
const MIN_HEADER: usize = 20;

/// A TCP sequence number; arithmetic and order are modulo 2³² (RFC 9293 §3.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// `self + n`, wrapping.
    #[must_use]
    pub const fn plus(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// Signed distance from `other` to `self`: positive when `self` is later, within ±2³¹.
    #[must_use]
    #[allow(clippy::cast_possible_wrap, reason = "the wrap is the meaning")]
    pub const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

/// The flag bits of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field is meaningful.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer is meaningful.
    pub const URG: u8 = 0x20;

    /// FIN is set.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// SYN is set.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// RST is set.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// ACK is set.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// URG is set.
    #[must_use]
    pub const fn urg(self) -> bool {
        self.0 & Self::URG != 0
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .try_for_each(|(_, name)| write!(f, "{name} "))
    }
}

/// The option bytes of a TCP header, read on demand; broken ones end the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpOptions<'a>(pub &'a [u8]);

impl<'a> TcpOptions<'a> {
    /// Maximum segment size (RFC 9293 §3.7.1).
    pub const MSS: u8 = 2;
    /// Window scale (RFC 7323 §2).
    pub const WINDOW_SCALE: u8 = 3;
    /// Selective acknowledgements are permitted (RFC 2018 §2).
    pub const SACK_PERMITTED: u8 = 4;
    /// Timestamps (RFC 7323 §3).
    pub const TIMESTAMPS: u8 = 8;
    /// MD5 signature (RFC 2385).
    pub const MD5: u8 = 19;
    /// Authentication (RFC 5925), the successor of MD5.
    pub const AUTHENTICATION: u8 = 29;
    /// Fast Open (RFC 7413 §4.1.1).
    pub const FAST_OPEN: u8 = 34;

    /// Every option as (kind, its bytes without kind and length), in wire order, without padding.
    /// Ends at the end-of-list option or at the first one whose length is impossible.
    #[must_use]
    pub const fn iter(self) -> TcpOptionIter<'a> {
        TcpOptionIter(Reader::new(self.0))
    }

    /// The first option of this kind.
    #[must_use]
    pub fn find(self, kind: u8) -> Option<&'a [u8]> {
        self.iter().find(|&(k, _)| k == kind).map(|(_, bytes)| bytes)
    }

    /// Maximum segment size in bytes.
    #[must_use]
    pub fn mss(self) -> Option<u16> {
        self.find(Self::MSS)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// Window scale: how far windows are shifted left, as on the wire (more than 14 means 14).
    #[must_use]
    pub fn window_scale(self) -> Option<u8> {
        match self.find(Self::WINDOW_SCALE)? {
            &[shift] => Some(shift),
            _ => None,
        }
    }

    /// Whether selective acknowledgements are permitted.
    #[must_use]
    pub fn sack_permitted(self) -> bool {
        self.find(Self::SACK_PERMITTED).is_some()
    }

    /// Timestamp value and echo reply.
    #[must_use]
    pub fn timestamps(self) -> Option<(u32, u32)> {
        // Nearly all segments have this option alone, behind two fillers (RFC 7323, appendix A).
        if let [1, 1, Self::TIMESTAMPS, 10, a, b, c, d, e, f, g, h] = *self.0 {
            return Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
        }
        let mut bytes = Reader::new(self.find(Self::TIMESTAMPS).filter(|bytes| bytes.len() == 8)?);
        Some((bytes.u32()?, bytes.u32()?))
    }

    /// Whether the segment is signed (MD5 or its successor): a host that does not expect a
    /// signature drops it.
    #[must_use]
    pub fn has_md5(self) -> bool {
        if matches!(self.0, [1, 1, Self::TIMESTAMPS, 10, ..] if self.0.len() == 12) {
            return false;
        }
        self.iter().any(|(kind, _)| kind == Self::MD5 || kind == Self::AUTHENTICATION)
    }

    /// The Fast Open cookie; empty where one is asked for.
    #[must_use]
    pub fn fast_open(self) -> Option<&'a [u8]> {
        self.find(Self::FAST_OPEN)
    }
}

impl<'a> IntoIterator for TcpOptions<'a> {
    type Item = (u8, &'a [u8]);
    type IntoIter = TcpOptionIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// See [`TcpOptions::iter`].
#[derive(Clone, Copy, Debug)]
pub struct TcpOptionIter<'a>(Reader<'a>);

impl<'a> Iterator for TcpOptionIter<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const END_OF_LIST: u8 = 0;
        const NO_OPERATION: u8 = 1;
        let kind = loop {
            match self.0.u8()? {
                NO_OPERATION => {}
                kind => break kind,
            }
        };
        // The length counts the kind and itself.
        let rest = if kind == END_OF_LIST { None } else { self.0.u8().and_then(|len| len.checked_sub(2)) };
        let option = rest.and_then(|len| self.0.take(usize::from(len))).map(|bytes| (kind, bytes));
        if option.is_none() {
            self.0 = Reader::new(&[]);
        }
        option
    }
}

impl Segment<'_> {
    /// The urgent pointer, where the URG flag is set: an offset from the sequence number (RFC 9293 §3.1).
    #[must_use]
    pub fn urgent(&self) -> Option<u16> {
        let field = self.tcp_bytes.get(18..).and_then(<[u8]>::first_chunk).filter(|_| self.flags.urg())?;
        Some(u16::from_be_bytes(*field))
    }

    /// The identification of the IPv4 datagram, where it came in one piece.
    #[must_use]
    pub fn ip_id(&self) -> Option<u16> {
        self.ip_header.get(4..).and_then(<[u8]>::first_chunk).map(|&field| u16::from_be_bytes(field))
    }
}

/// Whether a TCP checksum holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// It does.
    Valid,
    /// It does not: forged, damaged, or left to the network card of the capturing host.
    Invalid,
    /// The frame was cut, so nobody can tell.
    Unverifiable,
}

/// Reads the TCP header at the start of `bytes`, the payload of a datagram of which `cut` more bytes
/// were not captured.
pub(super) fn decode<'a>(ip: &Envelope<'a>, bytes: &'a [u8], cut: u32) -> Result<Segment<'a>, DecodeError> {
    segment(ip, bytes, cut).ok_or_else(|| broken(bytes))
}

/// The same; `None` where the header is cut or broken.
#[inline]
pub(super) fn segment<'a>(ip: &Envelope<'a>, bytes: &'a [u8], cut: u32) -> Option<Segment<'a>> {
    let header = bytes.first_chunk::<MIN_HEADER>()?;
    let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, ..] = *header;
    let len = usize::from(offset >> 4) * 4;
    let (options, payload) = (bytes.get(MIN_HEADER..len)?, bytes.get(len..)?);
    Some(Segment {
        tenant: ip.tenant,
        source: Endpoint { ip: ip.source, port: u16::from_be_bytes([s0, s1]) },
        destination: Endpoint { ip: ip.destination, port: u16::from_be_bytes([d0, d1]) },
        mac: ip.mac,
        ttl: ip.ttl,
        seq: SeqNumber(u32::from_be_bytes([q0, q1, q2, q3])),
        ack: SeqNumber(u32::from_be_bytes([a0, a1, a2, a3])),
        flags: TcpFlags(flags),
        window: u16::from_be_bytes([w0, w1]),
        options: TcpOptions(options),
        payload,
        cut,
        fragment_conflict: false,
        ip_header: ip.header,
        tcp_bytes: bytes,
    })
}

/// What is wrong with a header that cannot be read.
#[cold]
fn broken(bytes: &[u8]) -> DecodeError {
    let words = bytes.get(12).map_or(0, |offset| offset >> 4);
    DecodeError::Tcp(match bytes.len() {
        have @ 0..MIN_HEADER => Cause::Short { have, need: MIN_HEADER },
        _ if words < 5 => Cause::Field { field: "data offset", value: words.into() },
        have => Cause::Short { have, need: usize::from(words) * 4 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_by_kind() {
        let options = TcpOptions(&[
            2, 4, 0x05, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 34, 6, 1, 2, 3, 4, 0, 0, 99,
        ]);
        assert_eq!(options.mss(), Some(1460));
        assert_eq!(options.window_scale(), Some(7));
        assert!(options.sack_permitted());
        assert_eq!(options.timestamps(), Some((9, 8)));
        assert_eq!(options.fast_open(), Some(&[1, 2, 3, 4][..]));
        assert!(!options.has_md5());
        assert_eq!(options.iter().map(|(kind, _)| kind).collect::<Vec<_>>(), [2, 3, 4, 8, 34]);
        assert_eq!(TcpOptions(&[34, 2]).fast_open(), Some(&[][..]));
        assert!(TcpOptions(&[1, 29, 4, 0, 0]).has_md5() && TcpOptions(&[19, 2]).has_md5());
    }

    #[test]
    fn a_broken_option_ends_the_list() {
        for broken in [&[2, 4, 5][..], &[2], &[2, 1, 3, 3, 7], &[2, 0, 4, 2], &[8, 200, 0]] {
            assert_eq!(TcpOptions(broken).iter().count(), 0, "{broken:?}");
        }
        assert_eq!(TcpOptions(&[4, 2, 8, 11, 0, 0]).iter().count(), 1);
        // A known kind with another length than it must have says nothing.
        assert_eq!(TcpOptions(&[2, 3, 5]).mss(), None);
        assert_eq!(TcpOptions(&[3, 4, 1, 1]).window_scale(), None);
        assert_eq!(TcpOptions(&[8, 6, 0, 0, 0, 1]).timestamps(), None);
    }

    #[test]
    fn sequence_numbers_wrap() {
        assert_eq!(SeqNumber(u32::MAX).plus(2), SeqNumber(1));
        assert_eq!(SeqNumber(1).distance_from(SeqNumber(u32::MAX)), 2);
        assert_eq!(SeqNumber(u32::MAX).distance_from(SeqNumber(1)), -2);
    }
}
