//! How is a frame written? Builds frames, fragments and small conversations for tests and benchmarks.
//!
//! ```
//! use tokentrail::base::time::Stamp;
//! use tokentrail::packet::{Decoded, craft, decode};
//!
//! let request = craft::TcpFrame::new(craft::endpoint("10.0.0.5:40000"), craft::endpoint("10.0.1.20:80"))
//!     .seq(1000)
//!     .payload(b"GET / HTTP/1.1\r\n\r\n");
//! let bytes = request.bytes();
//! let Ok(Decoded::Tcp(segment)) = decode(&craft::frame(&request, &bytes, Stamp::default())) else { panic!() };
//! assert_eq!(segment.payload, b"GET / HTTP/1.1\r\n\r\n");
//! ```

mod link;

use std::net::{IpAddr, SocketAddr};

use super::checksum::{TCP, fold, pseudo_header, sum};
use super::{Frame, LinkType, MacPair, TcpFlags};
use crate::base::net::{Endpoint, MacAddr};
use crate::base::time::{Stamp, Timestamp};

/// Reads `10.0.0.5:80` or `[2001:db8::1]:80`.
///
/// # Panics
/// When it is neither.
#[must_use]
#[allow(clippy::expect_used, reason = "the text is a literal of a test")]
pub fn endpoint(text: &str) -> Endpoint {
    let address: SocketAddr = text.parse().expect("an address and a port");
    Endpoint { ip: address.ip(), port: address.port() }
}

/// A frame that carries one TCP segment, or a piece of one. All sums and lengths are right unless
/// [`TcpFrame::bad_checksum`] asks for another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpFrame {
    /// Link type; one of those that `decode` reads.
    pub link: LinkType,
    /// VLAN tags from the outside in: `EtherType` and tag control (priority and VLAN id).
    pub vlans: Vec<(u16, u16)>,
    /// MAC addresses.
    pub mac: MacPair,
    /// Sender.
    pub source: Endpoint,
    /// Receiver; of the same address family.
    pub destination: Endpoint,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// Identification of the datagram; 16 bits in IPv4.
    pub id: u32,
    /// IPv4 options, filled up to a multiple of 4 bytes; at most 40.
    pub ip_options: Vec<u8>,
    /// IPv6 extension headers: type, and content behind its two first bytes, filled up to a multiple
    /// of 8 bytes in all. An atomic fragment header is (44, `[]`).
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: u8,
    /// Window.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// TCP options, filled up to a multiple of 4 bytes; at most 40.
    pub options: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
    /// Bytes behind the datagram: padding or a trailer.
    pub trailer: Vec<u8>,
    /// Is added to the TCP checksum.
    pub checksum_error: u16,
}

impl TcpFrame {
    /// An Ethernet frame with a segment without payload: ACK set, sequence number 1.
    #[must_use]
    pub fn new(source: Endpoint, destination: Endpoint) -> Self {
        Self {
            link: LinkType::ETHERNET,
            vlans: Vec::new(),
            mac: MacPair { source: mac_of(source), destination: mac_of(destination) },
            source,
            destination,
            ttl: 64,
            id: 1,
            ip_options: Vec::new(),
            extensions: Vec::new(),
            seq: 1,
            ack: 1,
            flags: TcpFlags::ACK,
            window: 64_240,
            urgent: 0,
            options: Vec::new(),
            payload: Vec::new(),
            trailer: Vec::new(),
            checksum_error: 0,
        }
    }

    /// Under another link type.
    #[must_use]
    pub const fn link(mut self, link: LinkType) -> Self {
        self.link = link;
        self
    }

    /// In one more VLAN, inside those before it.
    #[must_use]
    pub fn vlan(mut self, id: u16) -> Self {
        self.vlans.push((0x8100, id));
        self
    }

    /// With this TTL or hop limit.
    #[must_use]
    pub const fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    /// With this sequence number.
    #[must_use]
    pub const fn seq(mut self, seq: u32) -> Self {
        self.seq = seq;
        self
    }

    /// With this acknowledgement number.
    #[must_use]
    pub const fn ack(mut self, ack: u32) -> Self {
        self.ack = ack;
        self
    }

    /// With exactly these flags ([`TcpFlags`]).
    #[must_use]
    pub const fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    /// With these TCP options.
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    /// With this payload.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// With a TCP checksum that does not hold.
    #[must_use]
    pub const fn bad_checksum(mut self) -> Self {
        self.checksum_error = 1;
        self
    }

    /// The frame.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let segment = self.segment();
        let mut out = Vec::with_capacity(1600);
        match (self.source.ip, self.destination.ip) {
            (IpAddr::V4(_), IpAddr::V4(_)) => self.ipv4_header(&mut out, segment.len(), 0),
            _ => self.ipv6_header(&mut out, segment.len(), None),
        }
        out.extend(segment);
        out.extend(&self.trailer);
        link::framed(self, &out)
    }

    /// The same datagram in fragments of at most `size` bytes of payload each, rounded down to a
    /// multiple of 8 but at least 8.
    #[must_use]
    pub fn fragments(&self, size: usize) -> Vec<Vec<u8>> {
        let segment = self.segment();
        let size = (size / 8).max(1) * 8;
        let last = segment.len().saturating_sub(1) / size;
        let piece = |(n, bytes): (usize, &[u8])| {
            let field = (n * size) as u16;
            let mut out = Vec::with_capacity(1600);
            match (self.source.ip, self.destination.ip) {
                (IpAddr::V4(_), IpAddr::V4(_)) => {
                    let more = if n == last { 0 } else { 0x2000 };
                    self.ipv4_header(&mut out, bytes.len(), (field / 8) | more);
                }
                _ => self.ipv6_header(&mut out, bytes.len(), Some(field | u16::from(n != last))),
            }
            out.extend(bytes);
            out.extend(&self.trailer);
            link::framed(self, &out)
        };
        segment.chunks(size).enumerate().map(piece).collect()
    }

    fn segment(&self) -> Vec<u8> {
        let options = padded(&self.options, 4);
        let mut out = Vec::with_capacity(20 + options.len() + self.payload.len());
        out.extend(self.source.port.to_be_bytes());
        out.extend(self.destination.port.to_be_bytes());
        out.extend(self.seq.to_be_bytes());
        out.extend(self.ack.to_be_bytes());
        out.extend([((20 + options.len()) as u8 / 4) << 4, self.flags]);
        out.extend(self.window.to_be_bytes());
        out.extend([0; 2]);
        out.extend(self.urgent.to_be_bytes());
        out.extend(options);
        out.extend(&self.payload);
        let correct = !fold(pseudo_header(self.source.ip, self.destination.ip, TCP, out.len()) + sum(&out));
        put(&mut out, 16, correct.wrapping_add(self.checksum_error));
        out
    }

    /// `field` is the flags and fragment offset of the header.
    fn ipv4_header(&self, out: &mut Vec<u8>, payload: usize, field: u16) {
        let options = padded(&self.ip_options, 4);
        let start = out.len();
        let len = 20 + options.len();
        out.extend([0x40 | (len / 4) as u8, 0]);
        out.extend(((len + payload) as u16).to_be_bytes());
        out.extend((self.id as u16).to_be_bytes());
        out.extend(field.to_be_bytes());
        out.extend([self.ttl, 6, 0, 0]);
        for ip in [self.source.ip, self.destination.ip] {
            if let IpAddr::V4(ip) = ip {
                out.extend(ip.octets());
            }
        }
        out.extend(options);
        let checksum = !fold(sum(out.get(start..).unwrap_or_default()));
        put(out, start + 10, checksum);
    }

    /// `fragment` is the offset and flag of a fragment header behind all other extensions.
    fn ipv6_header(&self, out: &mut Vec<u8>, payload: usize, fragment: Option<u16>) {
        let mut headers = Vec::new();
        let last = fragment.map(|_| 44);
        let mut types =
            self.extensions.iter().map(|(kind, _)| *kind).chain(last).chain([6]).collect::<Vec<u8>>().into_iter();
        let first = types.next().unwrap_or(6);
        for ((kind, content), next) in self.extensions.iter().zip(types.by_ref()) {
            if *kind == 44 {
                headers.extend([next, 0, 0, 0]);
                headers.extend(self.id.to_be_bytes());
                continue;
            }
            let header = padded(&[&[next, 0], content.as_slice()].concat(), 8);
            let at = headers.len() + 1;
            // AH counts in units of 4 bytes without the first two, the others of 8 without the first.
            let len = if *kind == 51 { header.len() / 4 - 2 } else { header.len() / 8 - 1 };
            headers.extend(header);
            if let Some(byte) = headers.get_mut(at) {
                *byte = len as u8;
            }
        }
        if let Some(field) = fragment {
            headers.extend([6, 0]);
            headers.extend(field.to_be_bytes());
            headers.extend(self.id.to_be_bytes());
        }
        out.extend([0x60, 0, 0, 0]);
        out.extend(((headers.len() + payload) as u16).to_be_bytes());
        out.extend([first, self.ttl]);
        for ip in [self.source.ip, self.destination.ip] {
            match ip {
                IpAddr::V6(ip) => out.extend(ip.octets()),
                IpAddr::V4(ip) => out.extend(ip.to_ipv6_mapped().octets()),
            }
        }
        out.extend(headers);
    }
}

/// `bytes`, made by `frame`, as a capture would hand them up: not cut.
#[must_use]
pub const fn frame<'a>(frame: &TcpFrame, bytes: &'a [u8], at: Stamp) -> Frame<'a> {
    Frame { at, link: frame.link, wire_len: bytes.len() as u32, data: bytes }
}

/// A pcap file (nanoseconds) of these frames.
#[must_use]
pub fn pcap_file<'a>(link: LinkType, frames: impl IntoIterator<Item = (Timestamp, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, link.0] {
        out.extend(u32::to_le_bytes(word));
    }
    for (ts, bytes) in frames {
        let (seconds, nanos) = (ts.0.div_euclid(1_000_000_000), ts.0.rem_euclid(1_000_000_000));
        for word in [seconds as u32, nanos as u32, bytes.len() as u32, bytes.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(bytes);
    }
    out
}

/// A TCP connection as it would be captured: every call adds frames, one step of time apart.
///
/// ```
/// use tokentrail::packet::craft::{Conversation, endpoint};
///
/// let mut talk = Conversation::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80"));
/// talk.open();
/// talk.client(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n");
/// talk.server(b"HTTP/1.1 204 No Content\r\n\r\n");
/// talk.close();
/// assert_eq!(talk.frames.len(), 3 + 1 + 1 + 3);
/// ```
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The frames so far, each with its time.
    pub frames: Vec<(Timestamp, TcpFrame)>,
    /// Time of the next frame.
    pub now: Timestamp,
    /// Time between two frames, in nanoseconds; 1 ms at first.
    pub step: i64,
    /// Most payload bytes in a segment; 1,460 at first.
    pub mss: usize,
    client: TcpFrame,
    server: TcpFrame,
}

impl Conversation {
    /// Nothing has been said yet; initial sequence numbers are 1,000 and 5,000, time starts at
    /// 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new(client: Endpoint, server: Endpoint) -> Self {
        Self {
            frames: Vec::new(),
            now: Timestamp(1_767_225_600_000_000_000),
            step: 1_000_000,
            mss: 1460,
            client: TcpFrame::new(client, server).seq(1000).ack(0),
            server: TcpFrame::new(server, client).seq(5000).ack(0),
        }
    }

    /// The handshake.
    pub fn open(&mut self) {
        const OPTIONS: &[u8] = &[2, 4, 0x05, 0xb4, 4, 2, 1, 3, 3, 7];
        self.send(true, TcpFlags::SYN, OPTIONS, b"");
        self.send(false, TcpFlags::SYN | TcpFlags::ACK, OPTIONS, b"");
        self.send(true, TcpFlags::ACK, b"", b"");
    }

    /// The client says something, in segments of at most `mss` bytes.
    pub fn client(&mut self, bytes: &[u8]) {
        self.say(true, bytes);
    }

    /// The server says something.
    pub fn server(&mut self, bytes: &[u8]) {
        self.say(false, bytes);
    }

    /// Both sides finish, the client first.
    pub fn close(&mut self) {
        self.send(true, TcpFlags::FIN | TcpFlags::ACK, b"", b"");
        self.send(false, TcpFlags::FIN | TcpFlags::ACK, b"", b"");
        self.send(true, TcpFlags::ACK, b"", b"");
    }

    /// A pcap file of it.
    #[must_use]
    pub fn pcap_file(&self) -> Vec<u8> {
        let frames: Vec<_> = self.frames.iter().map(|(ts, frame)| (*ts, frame.bytes())).collect();
        pcap_file(self.client.link, frames.iter().map(|(ts, bytes)| (*ts, bytes.as_slice())))
    }

    fn say(&mut self, from_client: bool, bytes: &[u8]) {
        for piece in bytes.chunks(self.mss.max(1)) {
            self.send(from_client, TcpFlags::PSH | TcpFlags::ACK, b"", piece);
        }
    }

    fn send(&mut self, from_client: bool, flags: u8, options: &[u8], payload: &[u8]) {
        let (from, to) =
            if from_client { (&mut self.client, &mut self.server) } else { (&mut self.server, &mut self.client) };
        self.frames.push((self.now, from.clone().flags(flags).options(options).payload(payload)));
        // SYN and FIN take one sequence number each (RFC 9293 §3.4).
        let counted = payload.len() as u32 + u32::from(flags & (TcpFlags::SYN | TcpFlags::FIN) != 0);
        from.seq = from.seq.wrapping_add(counted);
        to.ack = from.seq;
        from.id = from.id.wrapping_add(1);
        self.now = Timestamp(self.now.0.saturating_add(self.step));
    }
}

/// A locally administered MAC address that depends on the IP address.
fn mac_of(endpoint: Endpoint) -> MacAddr {
    let [.., a, b, c, d] = match endpoint.ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    MacAddr([2, 0, a, b, c, d])
}

fn padded(bytes: &[u8], to: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(bytes.len().next_multiple_of(to), 0);
    out
}

fn put(out: &mut [u8], at: usize, value: u16) {
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
