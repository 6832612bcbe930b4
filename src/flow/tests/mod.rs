//! A small laboratory: frames of one connection, written and decoded as on the wire, and what the
//! flow's consumer is told.

mod bounds;
mod closing;
mod conflicts;
mod evasion;
mod handshake;
mod oddities;
mod order;
mod properties;
mod usual;

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::base::time::{FrameId, Timestamp};
use crate::packet::craft::{TcpFrame, endpoint, frame};
use crate::packet::{Decoded, TcpFlags, decode};
use Direction::{Forward, Reverse};

/// An event as the consumer was told it.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Opened,
    Data { dir: Direction, offset: u64, bytes: Vec<u8>, frame: u64 },
    Gap { dir: Direction, offset: u64, len: u64 },
    Conflict(Direction),
    Odd(AnomalyKind, Direction),
    Rival { dir: Direction, offset: u64, bytes: Vec<u8> },
    HalfClosed(Direction),
    Closed(CloseReason),
}

/// What all consumers share.
#[derive(Default)]
struct Log {
    told: Vec<(FlowId, Told)>,
    flows: Vec<FlowInfo>,
    /// Answers to the next events; then `Continue`.
    answers: VecDeque<Interest>,
    /// What each consumer says to hold.
    held: usize,
    /// Each consumer says that it is in the middle of a message.
    mid_message: bool,
}

struct Recorder {
    held: u32,
    mid_message: bool,
}

impl StreamConsumer for Recorder {
    type Shared = Log;

    fn open(flow: &FlowInfo, log: &mut Log) -> Self {
        log.told.push((flow.id, Told::Opened));
        log.flows.push(flow.clone());
        Self { held: log.held as u32, mid_message: log.mid_message }
    }

    fn on_event(&mut self, flow: &FlowInfo, event: StreamEvent<'_>, log: &mut Log) -> Interest {
        let told = match event {
            StreamEvent::Data { dir, offset, bytes, at } => {
                assert!(!bytes.is_empty());
                Told::Data { dir, offset, bytes: bytes.to_vec(), frame: at.frame.number }
            }
            StreamEvent::Gap { dir, offset, len, .. } => {
                assert!(len > 0);
                Told::Gap { dir, offset, len }
            }
            StreamEvent::Rival { dir, offset, bytes, .. } => Told::Rival { dir, offset, bytes: bytes.to_vec() },
            StreamEvent::Anomaly(Anomaly { kind: AnomalyKind::OverlapConflict, dir, .. }) => Told::Conflict(dir),
            StreamEvent::Anomaly(Anomaly { kind, dir, .. }) => Told::Odd(kind, dir),
            StreamEvent::HalfClosed { dir, .. } => Told::HalfClosed(dir),
            StreamEvent::Closed { reason, .. } => Told::Closed(reason),
        };
        log.told.push((flow.id, told));
        if let Ok(index) = log.flows.binary_search_by_key(&flow.id, |info| info.id) {
            log.flows[index] = flow.clone();
        }
        (self.held, self.mid_message) = (log.held as u32, log.mid_message);
        log.answers.pop_front().unwrap_or(Interest::Continue)
    }

    fn held_bytes(&self) -> usize {
        self.held as usize
    }

    fn is_mid_message(&self) -> bool {
        self.mid_message
    }
}

/// A table, a wire and two hosts. Offsets are relative to the byte after each side's SYN.
struct Lab {
    table: FlowTable<Recorder>,
    log: Log,
    now: Timestamp,
    number: u64,
    client: TcpFrame,
    server: TcpFrame,
    client_isn: u32,
    server_isn: u32,
}

const START: Timestamp = Timestamp(1_767_225_600_000_000_000);

impl Lab {
    fn new() -> Self {
        Self::with(FlowConfig::default())
    }

    fn with(config: FlowConfig) -> Self {
        let (client, server) = (endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80"));
        Self {
            table: FlowTable::new(config),
            log: Log::default(),
            now: START,
            number: 0,
            client: TcpFrame::new(client, server),
            server: TcpFrame::new(server, client),
            client_isn: 1_000_000,
            server_isn: 500_000_000,
        }
    }

    /// After a handshake.
    fn opened() -> Self {
        let mut lab = Self::new();
        lab.handshake(&[]);
        lab
    }

    fn handshake(&mut self, options: &[u8]) {
        let syn = self.c(-1).flags(TcpFlags::SYN).options(options);
        self.put(syn);
        let syn_ack = self.s(-1, 0).flags(TcpFlags::SYN | TcpFlags::ACK).options(options);
        self.put(syn_ack);
        let ack = self.c(0);
        self.put(ack);
    }

    /// A client segment at this offset, which acknowledges the server's SYN.
    fn c(&self, offset: i64) -> TcpFrame {
        self.c_ack(offset, 0)
    }

    /// The same with an acknowledgement of the server's bytes before `ack`.
    fn c_ack(&self, offset: i64, ack: i64) -> TcpFrame {
        self.client.clone().seq(at(self.client_isn, offset)).ack(at(self.server_isn, ack))
    }

    /// A server segment.
    fn s(&self, offset: i64, ack: i64) -> TcpFrame {
        self.server.clone().seq(at(self.server_isn, offset)).ack(at(self.client_isn, ack))
    }

    /// On the wire, a millisecond after the last one.
    fn put(&mut self, segment: TcpFrame) {
        self.put_cut(segment, 0);
    }

    /// The same, with the last `cut` bytes of the frame not captured.
    fn put_cut(&mut self, segment: TcpFrame, cut: usize) {
        self.now = self.now.after(Duration::from_millis(1));
        self.number += 1;
        let at = Stamp { ts: self.now, frame: FrameId { number: self.number, ..FrameId::default() } };
        let bytes = segment.bytes();
        let mut captured = frame(&segment, &bytes, at);
        captured.data = &bytes[..bytes.len() - cut];
        let Ok(Decoded::Tcp(decoded)) = decode(&captured) else { panic!("{segment:?}") };
        self.table.on_segment(&decoded, at, &mut self.log);
    }

    /// Client data at an offset.
    fn say(&mut self, offset: i64, bytes: &[u8]) {
        let segment = self.c(offset).payload(bytes);
        self.put(segment);
    }

    /// Server data at an offset, acknowledging client bytes.
    fn answer(&mut self, offset: i64, ack: i64, bytes: &[u8]) {
        let segment = self.s(offset, ack).payload(bytes);
        self.put(segment);
    }

    /// The server acknowledges client bytes.
    fn acked(&mut self, ack: i64) {
        let segment = self.s(0, ack);
        self.put(segment);
    }

    /// Time passes on a silent wire.
    fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.table.on_time(self.now, &mut self.log);
    }

    fn drain(&mut self) {
        self.table.drain(&mut self.log);
    }

    /// What the newest flow was told of one direction: bytes as text, gaps as `<length>`.
    fn text(&self, dir: Direction) -> String {
        self.flow_text(self.log.told.last().unwrap().0, dir)
    }

    fn client_text(&self) -> String {
        self.text(Forward)
    }

    fn server_text(&self) -> String {
        self.text(Reverse)
    }

    fn flow_text(&self, id: FlowId, dir: Direction) -> String {
        let mut text = String::new();
        let mut end = 0;
        for (_, told) in self.log.told.iter().filter(|(flow, _)| *flow == id) {
            match told {
                Told::Data { dir: d, offset, bytes, .. } if *d == dir => {
                    assert!(*offset >= end, "in order and never twice");
                    end = offset + bytes.len() as u64;
                    text.push_str(&String::from_utf8_lossy(bytes));
                }
                Told::Gap { dir: d, offset, len } if *d == dir => {
                    assert!(*offset >= end, "in order and never twice");
                    end = offset + len;
                    text.push_str(&format!("<{len}>"));
                }
                _ => {}
            }
        }
        text
    }

    fn conflicts(&self) -> usize {
        self.log.told.iter().filter(|(_, told)| matches!(told, Told::Conflict(_))).count()
    }

    /// The other readings that were told, each once, sorted.
    fn rivals(&self) -> Vec<String> {
        let readings = self.log.told.iter().filter_map(|(_, told)| match told {
            Told::Rival { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        });
        let readings: std::collections::BTreeSet<_> = readings.collect();
        readings.into_iter().collect()
    }

    /// Anomalies other than conflicts, in order.
    fn odd(&self) -> Vec<AnomalyKind> {
        let kinds = self.log.told.iter().filter_map(|(_, told)| match told {
            Told::Odd(kind, _) => Some(*kind),
            _ => None,
        });
        kinds.collect()
    }

    /// Why flows ended, in order.
    fn closed(&self) -> Vec<CloseReason> {
        let reasons = self.log.told.iter().filter_map(|(_, told)| match told {
            Told::Closed(reason) => Some(*reason),
            _ => None,
        });
        reasons.collect()
    }

    fn flows(&self) -> usize {
        self.log.flows.len()
    }
}

fn at(isn: u32, offset: i64) -> u32 {
    isn.wrapping_add(1).wrapping_add(offset as u32)
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: sid=abcdef\r\n\r\n";

fn request() -> &'static str {
    std::str::from_utf8(REQUEST).unwrap()
}

/// An MD5 signature option (RFC 2385).
fn md5_option() -> Vec<u8> {
    [&[19, 18][..], &[0xaa; 16]].concat()
}

/// A timestamps option.
fn timestamp_option(value: u32) -> Vec<u8> {
    [&[1, 1, 8, 10][..], &value.to_be_bytes(), &[0; 4]].concat()
}
