//! What is known of a flow, in few bytes? The packed form of [`FlowInfo`], which is made anew for every event.

use std::net::{IpAddr, Ipv4Addr};

use super::{Direction, FlowId, FlowInfo};
use crate::base::net::{Endpoint, MacAddr, Tenant};
use crate::base::time::{FrameId, Stamp, Timestamp};
use crate::packet::{MacPair, Segment, SynTraits};

/// Ports below this are assigned to services (RFC 6335 §6).
const WELL_KNOWN_PORTS: u16 = 1024;

/// The two ends, the initiator's first.
enum Ends {
    Ipv4 { ips: [u32; 2], ports: [u16; 2] },
    Other(Box<[Endpoint; 2]>),
}

/// Between whom a segment travels, in the form in which flows are looked up.
#[derive(Clone, Copy)]
pub(super) enum Route {
    /// IPv4 addresses, each with its port in the lowest 16 bits.
    Ipv4 {
        from: u64,
        to: u64,
    },
    Other {
        from: Endpoint,
        to: Endpoint,
    },
}

impl Route {
    #[inline]
    pub(super) fn new(from: &Endpoint, to: &Endpoint) -> Self {
        match (from.ip, to.ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                Self::Ipv4 { from: packed(a.to_bits(), from.port), to: packed(b.to_bits(), to.port) }
            }
            _ => Self::Other { from: *from, to: *to },
        }
    }
}

fn packed(ip: u32, port: u16) -> u64 {
    u64::from(ip) << 16 | u64::from(port)
}

/// What is known of a flow beside its streams.
pub(super) struct Profile {
    ends: Ends,
    tenant: Tenant,
    opened: Timestamp,
    opened_number: u64,
    last: Timestamp,
    last_number: u64,
    opened_capture: u32,
    opened_part: u16,
    /// Captures since the one in which the flow opened.
    last_capture: u16,
    pub(super) gaps: u16,
    /// Zeros where there is none.
    mac: MacPair,
    syn: Option<Stack>,
    initiator_ttl: u8,
    marks: u8,
}

/// The initiator's TCP stack, but for the TTL that it began with: that is in the marks.
#[derive(Clone, Copy)]
struct Stack {
    options: [u8; 6],
    window_scale: Option<u8>,
}

/// Segments were seen of the initiator,
const HEARD_INITIATOR: u8 = 1;
/// and of the responder.
const HEARD_RESPONDER: u8 = 2;
/// No handshake was seen.
const MIDSTREAM: u8 = 4;
/// The TTL is the initiator's.
const TTL: u8 = 8;
/// There are MAC addresses.
const MAC: u8 = 16;
/// The TTL that the initiator's stack began with, by its place among these.
const INITIAL_TTLS: [u8; 4] = [32, 64, 128, 255];
const INITIAL_TTL_SHIFT: u32 = 5;
const INITIAL_TTL: u8 = 3 << INITIAL_TTL_SHIFT;

const NO_MAC: MacPair = MacPair { source: MacAddr([0; 6]), destination: MacAddr([0; 6]) };

impl Profile {
    /// Of a flow that begins with this segment.
    pub(super) fn new(segment: &Segment<'_>, at: Stamp, sender_opened: bool) -> Self {
        let turned = |mac: MacPair| MacPair { source: mac.destination, destination: mac.source };
        let (initiator, responder, mac) = if sender_opened {
            (segment.source, segment.destination, segment.mac)
        } else {
            (segment.destination, segment.source, segment.mac.map(turned))
        };
        let ends = match (initiator.ip, responder.ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                Ends::Ipv4 { ips: [a.to_bits(), b.to_bits()], ports: [initiator.port, responder.port] }
            }
            _ => Ends::Other(Box::new([initiator, responder])),
        };
        let mut profile = Self {
            ends,
            tenant: segment.tenant,
            opened: at.ts,
            opened_number: at.frame.number,
            last: at.ts,
            last_number: at.frame.number,
            opened_capture: at.frame.capture,
            opened_part: at.frame.part,
            last_capture: 0,
            gaps: 0,
            mac: mac.unwrap_or(NO_MAC),
            syn: None,
            initiator_ttl: segment.ttl,
            marks: if segment.flags.syn() { 0 } else { MIDSTREAM }
                | if sender_opened { TTL } else { 0 }
                | if mac.is_some() { MAC } else { 0 },
        };
        if sender_opened {
            profile.note_syn(SynTraits::of(segment));
        }
        profile
    }

    /// What consumers see.
    pub(super) fn info(&self) -> FlowInfo {
        let (initiator, responder) = self.ends();
        let opened = self.opened();
        FlowInfo {
            id: FlowId(opened.frame),
            tenant: self.tenant,
            initiator,
            responder,
            mac: self.is(MAC).then_some(self.mac),
            initiator_ttl: self.is(TTL).then_some(self.initiator_ttl),
            syn: self.syn.map(|Stack { options, window_scale }| SynTraits {
                options,
                window_scale,
                initial_ttl: self.initial_ttl(),
            }),
            opened,
            midstream: self.is(MIDSTREAM),
            two_sided: self.is_two_sided(),
            gaps: u32::from(self.gaps),
        }
    }

    fn initial_ttl(&self) -> u8 {
        let place = usize::from((self.marks & INITIAL_TTL) >> INITIAL_TTL_SHIFT);
        INITIAL_TTLS.get(place).copied().unwrap_or(u8::MAX)
    }

    /// The flow's identity.
    pub(super) fn id(&self) -> FlowId {
        FlowId(self.opened().frame)
    }

    fn opened(&self) -> Stamp {
        let frame = FrameId { capture: self.opened_capture, number: self.opened_number, part: self.opened_part };
        Stamp { ts: self.opened, frame }
    }

    /// The VLANs and tunnels.
    pub(super) fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// The initiator and the responder.
    pub(super) fn ends(&self) -> (Endpoint, Endpoint) {
        match &self.ends {
            Ends::Ipv4 { ips: [a, b], ports: [p, q] } => {
                let end = |ip: u32, port| Endpoint { ip: Ipv4Addr::from_bits(ip).into(), port };
                (end(*a, *p), end(*b, *q))
            }
            Ends::Other(ends) => {
                let [initiator, responder] = **ends;
                (initiator, responder)
            }
        }
    }

    /// The initiator's address.
    pub(super) fn source(&self) -> IpAddr {
        self.ends().0.ip
    }

    /// The direction of a segment between the flow's endpoints; `None` when it is of another flow.
    #[inline]
    pub(super) fn direction_of(&self, tenant: Tenant, route: &Route) -> Option<Direction> {
        let (forward, reverse) = match (&self.ends, route) {
            (Ends::Ipv4 { ips: [a, b], ports: [p, q] }, Route::Ipv4 { from, to }) => {
                let (a, b) = (packed(*a, *p), packed(*b, *q));
                ((a ^ from) | (b ^ to) == 0, (b ^ from) | (a ^ to) == 0)
            }
            (Ends::Other(ends), Route::Other { from, to }) => (**ends == [*from, *to], **ends == [*to, *from]),
            _ => return None,
        };
        match (forward, reverse) {
            _ if self.tenant != tenant => None,
            (true, _) => Some(Direction::Forward),
            (_, true) => Some(Direction::Reverse),
            _ => None,
        }
    }

    /// A segment of this direction was seen.
    pub(super) fn hear(&mut self, dir: Direction, at: Stamp) {
        self.marks |= if dir == Direction::Forward { HEARD_INITIATOR } else { HEARD_RESPONDER };
        self.last = at.ts;
        self.last_number = at.frame.number;
        let captures = at.frame.capture.saturating_sub(self.opened_capture);
        self.last_capture = u16::try_from(captures).unwrap_or(u16::MAX);
    }

    /// Which directions were heard.
    pub(super) fn heard(&self) -> [bool; 2] {
        [self.is(HEARD_INITIATOR), self.is(HEARD_RESPONDER)]
    }

    /// A SYN was seen.
    pub(super) fn note_handshake(&mut self) {
        self.marks &= !MIDSTREAM;
    }

    /// The initiator's SYN said this, unless another one is known.
    pub(super) fn note_syn(&mut self, traits: Option<SynTraits>) {
        if self.syn.is_none()
            && let Some(SynTraits { options, window_scale, initial_ttl }) = traits
        {
            let place = INITIAL_TTLS.iter().position(|ttl| *ttl == initial_ttl).unwrap_or(0) as u8;
            self.syn = Some(Stack { options, window_scale });
            self.marks = self.marks & !INITIAL_TTL | place << INITIAL_TTL_SHIFT;
        }
    }

    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// Segments of both directions were seen.
    pub(super) fn is_two_sided(&self) -> bool {
        self.heard() == [true; 2]
    }

    /// The last frame.
    pub(super) fn last(&self) -> Stamp {
        let capture = self.opened_capture.saturating_add(u32::from(self.last_capture));
        Stamp { ts: self.last, frame: FrameId { capture, number: self.last_number, part: 0 } }
    }

    /// Heap memory in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        match self.ends {
            Ends::Ipv4 { .. } => 0,
            Ends::Other(_) => size_of::<[Endpoint; 2]>(),
        }
    }
}

/// Whether the sender of a flow's first segment is believed to have opened it.
pub(super) fn is_opener(segment: &Segment<'_>) -> bool {
    let from_service = segment.source.port < segment.destination.port && segment.source.port < WELL_KNOWN_PORTS;
    if segment.flags.syn() { !segment.flags.ack() } else { !from_service }
}
