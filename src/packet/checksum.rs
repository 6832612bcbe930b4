//! Do the sums hold? The Internet checksum (RFC 1071) of TCP and of the IPv4 header.

use std::net::IpAddr;

use super::{Checksum, Segment};

/// TCP's protocol number.
pub(super) const TCP: u8 = 6;

impl Segment<'_> {
    /// Verifies the TCP checksum (RFC 9293 §3.1) and the IPv4 header's, since a host drops a packet
    /// for either. Not free: it reads the whole payload, so ask only where the answer matters.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        if !self.ip_header.is_empty() && fold(sum(self.ip_header)) != u16::MAX {
            Checksum::Invalid
        } else if self.cut > 0 || self.tcp_bytes.is_empty() {
            Checksum::Unverifiable
        } else if holds(self.source.ip, self.destination.ip, TCP, self.tcp_bytes) {
            Checksum::Valid
        } else {
            Checksum::Invalid
        }
    }

    /// Whether invalid checksums look like ones that the sending host left to its network card: TCP's
    /// holds the sum of the pseudo-header alone, or nothing, and the IPv4 header's is right or nothing.
    /// Easy to forge, so it proves nothing.
    #[must_use]
    pub fn checksum_left_to_card(&self) -> bool {
        let pseudo = fold(pseudo_header(self.source.ip, self.destination.ip, TCP, self.tcp_bytes.len()));
        let field = self.tcp_bytes.get(16..).and_then(<[u8]>::first_chunk).map(|&bytes| u16::from_be_bytes(bytes));
        let header_is_fine =
            self.ip_header.get(10..12).is_none_or(|field| field == [0, 0]) || fold(sum(self.ip_header)) == u16::MAX;
        header_is_fine && field.is_some_and(|field| field == pseudo || field == 0)
    }
}

/// Whether the sum over `bytes` of a protocol holds, whose header contains it.
pub(super) fn holds(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> bool {
    fold(pseudo_header(source, destination, protocol, bytes.len()) + sum(bytes)) == u16::MAX
}

/// The sum of the pseudo-header that precedes `len` bytes of a protocol (RFC 9293 §3.1, RFC 8200 §8.1).
pub(super) fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> u64 {
    // A word of 32 bits adds up to the same as its two halves.
    let address = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => [0, 32, 64, 96].map(|bit| u64::from((ip.to_bits() >> bit) as u32)).iter().sum(),
    };
    address(source) + address(destination) + u64::from(protocol) + len as u64
}

/// The sum of the bytes, of which the order may wait until the end (RFC 1071 §2 (B)): words of 64 bits,
/// with what runs over added at the low end, add up to the same as words of 16 bits.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum: u128 = words.iter().map(|word| u128::from(u64::from_ne_bytes(*word))).sum();
    let (half, rest) = rest.split_first_chunk().map_or((0, rest), |(half, rest)| (u32::from_ne_bytes(*half), rest));
    let (quarter, rest) = rest.split_first_chunk().map_or((0, rest), |(two, rest)| (u16::from_ne_bytes(*two), rest));
    let last = rest.first().map_or(0, |last| u16::from_ne_bytes([*last, 0]));
    sum += u128::from(u64::from(half) + u64::from(quarter) + u64::from(last));
    // What ran over the first 64 bits cannot run over again: there are not that many words.
    let (low, high) = (sum as u64, (sum >> 64) as u64);
    let sum = (low >> 32) + (low & 0xffff_ffff) + high;
    u64::from(u16::from_be(fold(sum)))
}

/// The 16-bit ones' complement sum; all ones when a correct checksum was summed with its bytes.
pub(super) fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_checksums_left_to_the_card() {
        use crate::base::time::Stamp;
        use crate::packet::{Decoded, craft, decode};
        for (client, server) in [("10.0.0.5:4000", "10.0.1.20:80"), ("[2001:db8::5]:4000", "[2001:db8::20]:80")] {
            let request = craft::TcpFrame::new(craft::endpoint(client), craft::endpoint(server)).payload(b"GET /");
            let mut bytes = request.bytes();
            let at = bytes.len() - 5 - 4;
            let mut is_left_open = |field: Option<u16>| {
                if let Some(field) = field {
                    bytes[at..at + 2].copy_from_slice(&field.to_be_bytes());
                }
                let Ok(Decoded::Tcp(segment)) = decode(&craft::frame(&request, &bytes, Stamp::default())) else {
                    panic!()
                };
                (segment.checksum_left_to_card(), segment.checksum())
            };
            assert_eq!(is_left_open(None), (false, Checksum::Valid));
            let pseudo = fold(pseudo_header(request.source.ip, request.destination.ip, TCP, 25));
            assert_eq!(is_left_open(Some(pseudo)), (true, Checksum::Invalid));
            assert_eq!(is_left_open(Some(0)), (true, Checksum::Invalid));
            assert_eq!(is_left_open(Some(pseudo ^ 1)), (false, Checksum::Invalid));
        }
    }

    #[test]
    fn sums_agree_with_the_definition() {
        // RFC 1071 §3: the worked example.
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
        let bytes: Vec<u8> = (0..=255).cycle().take(1501).collect();
        for len in [0, 1, 2, 3, 4, 5, 7, 64, 1499, 1500, 1501] {
            let naive: u64 =
                bytes[..len].chunks(2).map(|c| u64::from(c[0]) << 8 | u64::from(c.get(1).copied().unwrap_or(0))).sum();
            assert_eq!(fold(sum(&bytes[..len])), fold(naive), "{len} bytes");
        }
    }
}
