//! How do two hosts talk over TCP? Turns what they say into frames, with the acknowledgements, the
//! timestamps, and now and then a repeated or overtaken segment.

use std::collections::VecDeque;

use tokentrail::base::net::Endpoint;
use tokentrail::packet::TcpFlags;
use tokentrail::packet::craft::TcpFrame;

use super::random::Random;

/// Payload of a full segment with the timestamps option on Ethernet.
const MSS: usize = 1448;

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Client,
    Server,
}

/// When a receiver acknowledges by a segment of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acks {
    /// Every second segment and the end of what is longer than one (RFC 9293 §3.8.6.3).
    Delayed,
    /// Every segment.
    Each,
}

/// One connection; its frames wait in `queue` until they are written.
pub(crate) struct Talk {
    pub(crate) queue: VecDeque<Vec<u8>>,
    client: Side,
    server: Side,
    acks: Acks,
}

/// The next segment of a side, and the clock of its timestamps option.
struct Side {
    next: TcpFrame,
    clock: u32,
}

impl Talk {
    pub(crate) fn new(client: Endpoint, server: Endpoint, acks: Acks, random: &mut Random) -> Self {
        let mut side = |from, to, ttl| {
            let seq = random.next() as u32;
            Side { next: TcpFrame::new(from, to).ttl(ttl).seq(seq).ack(0), clock: random.next() as u32 }
        };
        let (client, server) = (side(client, server, 64), side(server, client, 57));
        Self { queue: VecDeque::new(), client, server, acks }
    }

    pub(crate) fn open(&mut self) {
        self.send(By::Client, TcpFlags::SYN, b"");
        self.send(By::Server, TcpFlags::SYN | TcpFlags::ACK, b"");
        self.send(By::Client, TcpFlags::ACK, b"");
    }

    pub(crate) fn close(&mut self) {
        self.send(By::Client, TcpFlags::FIN | TcpFlags::ACK, b"");
        self.send(By::Server, TcpFlags::FIN | TcpFlags::ACK, b"");
        self.send(By::Client, TcpFlags::ACK, b"");
    }

    /// Sends `bytes`; some segments come twice or overtake the one before.
    pub(crate) fn say(&mut self, by: By, bytes: &[u8], random: &mut Random) {
        let pieces = bytes.len().div_ceil(MSS);
        let listener = if by == By::Client { By::Server } else { By::Client };
        for (n, piece) in bytes.chunks(MSS).enumerate() {
            let is_last = n + 1 == pieces;
            let push = if is_last { TcpFlags::PSH } else { 0 };
            self.send(by, TcpFlags::ACK | push, piece);
            let newest = self.queue.len() - 1;
            if random.once_in(500) {
                self.queue.extend(self.queue.back().cloned());
            } else if self.acks == Acks::Delayed && n % 2 == 1 && random.once_in(300) {
                self.queue.swap(newest - 1, newest);
            }
            let is_due = match self.acks {
                Acks::Each => true,
                Acks::Delayed => n % 2 == 1 || (is_last && pieces > 1),
            };
            if is_due {
                self.send(listener, TcpFlags::ACK, b"");
            }
        }
    }

    fn send(&mut self, by: By, flags: u8, payload: &[u8]) {
        let (from, to) = match by {
            By::Client => (&mut self.client, &mut self.server),
            By::Server => (&mut self.server, &mut self.client),
        };
        from.clock = from.clock.wrapping_add(1);
        let mut options = if flags & TcpFlags::SYN == 0 { vec![1, 1] } else { vec![2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2] };
        options.extend([8, 10]);
        options.extend(from.clock.to_be_bytes());
        options.extend(if flags & TcpFlags::ACK == 0 { [0; 4] } else { to.clock.to_be_bytes() });
        self.queue.push_back(from.next.clone().flags(flags).options(&options).payload(payload).bytes());
        // SYN and FIN take one sequence number each (RFC 9293 §3.4).
        let counted = payload.len() as u32 + u32::from(flags & (TcpFlags::SYN | TcpFlags::FIN) != 0);
        from.next.seq = from.next.seq.wrapping_add(counted);
        from.next.id = from.next.id.wrapping_add(1);
        to.next.ack = from.next.seq;
    }
}
