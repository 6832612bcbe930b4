//! What is in the captures? Writes them: connections that overlap in time, the same bytes for the
//! same seed.

mod http;
mod random;
mod talk;
mod tls;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use http::{Bodies, Visit, Visitor};
use random::{Filler, Random};
use talk::{Acks, Talk};
use tokentrail::base::net::Endpoint;

/// Thieves, and nobody else, live in this network (RFC 2544, for benchmarks).
pub(crate) const THIEVES: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// The captures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// No packet: what it costs to start.
    Empty,
    /// Web pages: keep-alive HTTP with cookies and bodies of all sizes, about 700 bytes a packet.
    HttpMix,
    /// Polls: short requests and responses, each segment acknowledged, about 120 bytes a packet.
    SmallPackets,
    /// Hellos, then records that nobody can read.
    TlsMix,
    /// A hundred thousand connections that stay open, a packet of each in turn.
    OpenConnections,
}

/// What a capture holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Totals {
    /// Frames.
    pub(crate) packets: u64,
    /// Bytes of the frames, without what the file adds.
    pub(crate) bytes: u64,
    /// TCP connections.
    pub(crate) connections: u64,
    /// Connections that use the cookie of someone else, each from an address of its own in
    /// [`THIEVES`].
    pub(crate) thefts: u64,
}

impl Kind {
    /// Every capture, in the order of the report.
    pub(crate) const ALL: [Self; 5] =
        [Self::Empty, Self::HttpMix, Self::SmallPackets, Self::TlsMix, Self::OpenConnections];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::HttpMix => "http-mix",
            Self::SmallPackets => "small-packets",
            Self::TlsMix => "tls-mix",
            Self::OpenConnections => "open-connections",
        }
    }

    /// Packets (of `OpenConnections`: connections) at scale 1.
    const fn size(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::HttpMix => 400_000,
            Self::SmallPackets => 800_000,
            Self::TlsMix => 300_000,
            Self::OpenConnections => 100_000,
        }
    }

    /// Requests of a connection, on average.
    const fn exchanges(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::HttpMix => 6,
            Self::SmallPackets => 20,
            Self::TlsMix => 3,
            Self::OpenConnections => 2,
        }
    }
}

/// What a capture is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// A kind in its usual size.
    Mix(Kind),
    /// So many connections that stay open, with so many polls each.
    Open { connections: u64, exchanges: u64 },
    /// So many connections, each idle after two polls that were answered, before the next one opens.
    Idle { connections: u64 },
    /// So many sessions, all live, over a few connections as from a proxy.
    Sessions { sessions: u64, connections: u64 },
}

/// Writes a capture of about [`Kind::size`] times `scale` packets.
///
/// # Errors
/// When `out` fails.
pub(crate) fn write(kind: Kind, scale: f64, seed: u64, out: &mut impl Write) -> io::Result<Totals> {
    write_shape(Shape::Mix(kind), scale, seed, out)
}

/// Writes a capture of this shape; `scale` is for the sizes of kinds.
///
/// # Errors
/// When `out` fails.
pub(crate) fn write_shape(shape: Shape, scale: f64, seed: u64, out: &mut impl Write) -> io::Result<Totals> {
    let kind = match shape {
        Shape::Mix(kind) => kind,
        Shape::Open { .. } | Shape::Idle { .. } | Shape::Sessions { .. } => Kind::OpenConnections,
    };
    let mut traffic = Traffic::new(kind, seed);
    let mut file = PcapWriter::new(out)?;
    let size = (kind.size() as f64 * scale) as u64;
    match shape {
        Shape::Mix(Kind::Empty) => {}
        Shape::Mix(Kind::OpenConnections) => traffic.take_turns(size, kind.exchanges(), &mut file)?,
        Shape::Mix(_) => traffic.overlap(size, &mut file)?,
        Shape::Open { connections, exchanges } => traffic.take_turns(connections, exchanges, &mut file)?,
        Shape::Idle { connections } => traffic.fall_idle(connections, &mut file)?,
        Shape::Sessions { sessions, connections } => traffic.share(sessions, connections, &mut file)?,
    }
    Ok(Totals { packets: file.packets, bytes: file.bytes, connections: traffic.connections, thefts: traffic.thefts })
}

/// Who opens connections, and what they say.
struct Traffic {
    kind: Kind,
    random: Random,
    bodies: Bodies,
    noise: Filler,
    /// Visits that are over, the oldest first: a cookie must have been seen before it is stolen.
    past: VecDeque<Visit>,
    connections: u64,
    thefts: u64,
}

struct Connection {
    talk: Talk,
    visitor: Visitor,
    stage: Stage,
    exchanges_left: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unopened,
    Opened,
    Talking,
    Closed,
}

impl Traffic {
    const CLIENTS: u64 = 20_000;
    const SERVERS: u64 = 400;
    /// Most connections at the same time, but for `OpenConnections`.
    const OVERLAPPING: u64 = 3_000;
    /// One connection in so many is a theft, as soon as there is something to steal.
    const THEFT_EVERY: u64 = 250;
    /// Past visits that are kept for thieves.
    const PAST: usize = 256;

    fn new(kind: Kind, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let bodies = Bodies::new(&mut random);
        let noise = Filler::noise(&mut random);
        Self { kind, random, bodies, noise, past: VecDeque::new(), connections: 0, thefts: 0 }
    }

    /// Connections come and go; any of those that are open sends the next one to four packets.
    fn overlap(&mut self, packets: u64, file: &mut PcapWriter<'_, impl Write>) -> io::Result<()> {
        let at_once = Self::OVERLAPPING.min(packets / 100).max(4);
        let mut open: Vec<_> = (0..at_once).map(|_| self.arrive()).collect();
        while !open.is_empty() {
            let at = self.random.below(open.len() as u64) as usize;
            let Some(connection) = open.get_mut(at) else { continue };
            // Those that are left at the end finish what they say, and close.
            if file.packets >= packets {
                connection.exchanges_left = 0;
            }
            let mut is_over = false;
            for _ in 0..self.random.between(1, 4) {
                is_over = !self.send_one(connection, file)?;
            }
            if !is_over {
                continue;
            }
            let visitor = connection.visitor;
            if !matches!(visitor, Visitor::Thief(_)) {
                self.past.push_back(visitor.visit());
                self.past.truncate(Self::PAST);
            }
            if file.packets < packets {
                *connection = self.arrive();
            } else {
                open.swap_remove(at);
            }
        }
        Ok(())
    }

    /// All connections are opened and stay so; each sends one packet before the first sends its next.
    fn take_turns(
        &mut self,
        connections: u64,
        exchanges: u64,
        file: &mut PcapWriter<'_, impl Write>,
    ) -> io::Result<()> {
        let mut open: Vec<_> = (0..connections).map(|n| self.arrive_to_stay(n, exchanges)).collect();
        let mut has_more = true;
        while has_more {
            has_more = false;
            for connection in &mut open {
                if connection.talk.queue.is_empty() && connection.exchanges_left == 0 {
                    continue;
                }
                has_more |= self.send_one(connection, file)?;
            }
        }
        Ok(())
    }

    /// Each connection opens, asks twice, gets its answers and says nothing more.
    fn fall_idle(&mut self, connections: u64, file: &mut PcapWriter<'_, impl Write>) -> io::Result<()> {
        for n in 0..connections {
            let Connection { mut talk, visitor, .. } = self.arrive_to_stay(n, 0);
            talk.open();
            for is_first in [true, false] {
                http::tiny_exchange(&mut talk, visitor, is_first, &mut self.random);
            }
            talk.queue.iter().try_for_each(|frame| file.frame(frame))?;
        }
        Ok(())
    }

    /// Each session is used once, on one of the connections in turn.
    fn share(&mut self, sessions: u64, connections: u64, file: &mut PcapWriter<'_, impl Write>) -> io::Result<()> {
        let visit = |client| Visit { client, server: client % Self::SERVERS };
        let mut open: Vec<_> = (0..connections).map(|n| self.connect(Visitor::Known(visit(n)), 0)).collect();
        open.iter_mut().for_each(|connection| connection.talk.open());
        for session in 0..sessions {
            let Some(Connection { talk, .. }) = open.get_mut((session % connections) as usize) else { continue };
            http::tiny_exchange(talk, Visitor::Known(visit(session)), false, &mut self.random);
            while let Some(frame) = talk.queue.pop_front() {
                file.frame(&frame)?;
            }
        }
        Ok(())
    }

    /// The next connection: of a client that comes back, of a new one, or of a thief.
    fn arrive(&mut self) -> Connection {
        let client = self.random.below(Self::CLIENTS);
        // A client has four shops that it goes to.
        let server = Random::of(client, self.random.below(4), 5).below(Self::SERVERS);
        let visit = Visit { client, server };
        let is_due = self.kind != Kind::TlsMix && self.thefts * Self::THEFT_EVERY <= self.connections;
        let stolen = if is_due { self.past.pop_front() } else { None };
        let visitor = match stolen {
            Some(stolen) => Visitor::Thief(stolen),
            None if self.random.once_in(5) => Visitor::New(visit),
            None => Visitor::Known(visit),
        };
        let exchanges = 1 + self.random.below(2 * self.kind.exchanges());
        self.connect(visitor, exchanges)
    }

    /// Connection `n` of those that stay. Each client has one; a thief takes the cookie of a client
    /// that comes before it in the turn.
    fn arrive_to_stay(&mut self, n: u64, exchanges: u64) -> Connection {
        let visit = |client| Visit { client, server: client % Self::SERVERS };
        let visitor = match n % Self::THEFT_EVERY {
            20 => Visitor::Thief(visit(n - 10)),
            _ => Visitor::Known(visit(n)),
        };
        self.connect(visitor, exchanges)
    }

    fn connect(&mut self, visitor: Visitor, exchanges_left: u64) -> Connection {
        let visit = visitor.visit();
        let client = match visitor {
            Visitor::Thief(_) => {
                self.thefts += 1;
                numbered(THIEVES, self.thefts)
            }
            _ => numbered(Ipv4Addr::new(10, 0, 0, 0), visit.client + 1),
        };
        // A port comes back only after 28,000 other connections.
        let port = 32_768 + (self.connections % 28_000) as u16;
        self.connections += 1;
        let server_port = if self.kind == Kind::TlsMix { 443 } else { 80 };
        let server = Endpoint { ip: numbered(Ipv4Addr::new(172, 16, 0, 0), visit.server + 1), port: server_port };
        let acks = if self.kind == Kind::SmallPackets { Acks::Each } else { Acks::Delayed };
        let talk = Talk::new(Endpoint { ip: client, port }, server, acks, &mut self.random);
        Connection { talk, visitor, stage: Stage::Unopened, exchanges_left }
    }

    /// Writes the next packet of a connection; false when there is none any more.
    fn send_one(&mut self, connection: &mut Connection, file: &mut PcapWriter<'_, impl Write>) -> io::Result<bool> {
        if connection.talk.queue.is_empty() {
            self.go_on(connection);
        }
        match connection.talk.queue.pop_front() {
            Some(frame) => file.frame(&frame).map(|()| true),
            None => Ok(false),
        }
    }

    fn go_on(&mut self, connection: &mut Connection) {
        let Connection { talk, visitor, stage, exchanges_left } = connection;
        match stage {
            Stage::Unopened => {
                talk.open();
                if self.kind == Kind::TlsMix {
                    tls::handshake(talk, visitor.visit().server, &self.noise, &mut self.random);
                }
                *stage = Stage::Opened;
            }
            Stage::Opened | Stage::Talking if *exchanges_left > 0 => {
                let is_first = *stage == Stage::Opened;
                match self.kind {
                    Kind::Empty => {}
                    Kind::HttpMix => http::full_exchange(talk, *visitor, is_first, &self.bodies, &mut self.random),
                    Kind::SmallPackets | Kind::OpenConnections => {
                        http::tiny_exchange(talk, *visitor, is_first, &mut self.random);
                    }
                    Kind::TlsMix => tls::exchange(talk, &self.noise, &mut self.random),
                }
                *stage = Stage::Talking;
                *exchanges_left -= 1;
            }
            Stage::Opened | Stage::Talking => {
                talk.close();
                *stage = Stage::Closed;
            }
            Stage::Closed => {}
        }
    }
}

/// Address `n` of a network.
fn numbered(network: Ipv4Addr, n: u64) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(network.to_bits() + n as u32))
}

/// A pcap file with nanoseconds, as from a link of 1 Gb/s that is never idle.
struct PcapWriter<'a, W> {
    out: &'a mut W,
    /// Nanoseconds since the epoch.
    now: u64,
    packets: u64,
    bytes: u64,
}

impl<'a, W: Write> PcapWriter<'a, W> {
    /// 2026-01-01T00:00:00Z.
    const START: u64 = 1_767_225_600_000_000_000;
    /// Preamble, check sequence and gap around a frame on Ethernet, in bytes.
    const AROUND: u64 = 24;

    fn new(out: &'a mut W) -> io::Result<Self> {
        for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(Self { out, now: Self::START, packets: 0, bytes: 0 })
    }

    fn frame(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        self.now += (len + Self::AROUND) * 8;
        self.packets += 1;
        self.bytes += len;
        for word in [self.now / 1_000_000_000, self.now % 1_000_000_000, len, len] {
            self.out.write_all(&(word as u32).to_le_bytes())?;
        }
        self.out.write_all(bytes)
    }
}
