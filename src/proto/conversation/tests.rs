//! What is inside tunnels, and behind preambles? SOCKS, CONNECT and the PROXY protocol, nested.

use crate::base::net::Endpoint;
use crate::flow::Direction::{self, Forward, Reverse};
use crate::proto::testing::{Driver, Recorder, Seen, latin1};

const GET: &[u8] = b"GET /in HTTP/1.1\r\nCookie: s=1\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.1 204 X\r\n\r\n";

type Script = Vec<(Direction, Vec<u8>)>;

/// Feeds a script in pieces; what is said in it.
fn said(script: &Script, step: usize) -> Driver<Recorder> {
    let mut d = Driver::new(Recorder::default());
    for (dir, bytes) in script {
        for c in bytes.chunks(step) {
            d.data(*dir, c);
        }
    }
    d.close();
    d
}

/// Whether the exchange inside is read and paired, under any cut.
fn is_read_inside(script: Script) {
    let whole = [script, vec![(Forward, GET.to_vec()), (Reverse, REPLY.to_vec())]].concat();
    for step in (1..40).chain([usize::MAX]) {
        let d = said(&whole, step);
        let inside = d.sink.messages.iter().position(|m| matches!(m, Seen::Request { target, .. } if target == "/in"));
        let Some(Seen::Request { ordinal, .. }) = inside.and_then(|at| d.sink.messages.get(at)) else {
            panic!("nothing is read in pieces of {step}: {:?}", d.sink.messages)
        };
        let answer = |m: &&Seen| matches!(m, Seen::Response { answers: Some(of), .. } if of == ordinal);
        assert_eq!(d.sink.messages.iter().filter(answer).count(), 1, "in pieces of {step}");
        assert_eq!(d.sink.counters.unknown_protocol, 0);
    }
}

fn socks5(method: u8) -> Script {
    let mut script = vec![(Forward, vec![5, 2, 0, 2]), (Reverse, vec![5, method])];
    if method == 2 {
        script.push((Forward, [&[1, 5][..], b"alice", &[7], b"hunter2"].concat()));
        script.push((Reverse, vec![1, 0]));
    }
    script.push((Forward, [&[5, 1, 0, 3, 8][..], b"app.test", &[0, 80]].concat()));
    script.push((Reverse, vec![5, 0, 0, 1, 10, 0, 0, 1, 0, 80]));
    script
}

fn socks4(name: Option<&[u8]>) -> Script {
    let ip: &[u8] = if name.is_some() { &[0, 0, 0, 1] } else { &[10, 0, 1, 20] };
    let mut request = [&[4, 1, 0, 80], ip, b"alice\0"].concat();
    request.extend(name.into_iter().flatten());
    request.extend(name.map(|_| 0));
    vec![(Forward, request), (Reverse, vec![0, 0x5a, 0, 0, 0, 0, 0, 0])]
}

#[test]
fn socks_is_passed_over_in_every_version() {
    is_read_inside(socks5(0));
    is_read_inside(socks5(2));
    is_read_inside(socks4(None));
    is_read_inside(socks4(Some(b"app.test")));
    is_read_inside([socks4(None), socks5(2)].concat());
    let connect = vec![
        (Forward, b"CONNECT app.test:80 HTTP/1.1\r\n\r\n".to_vec()),
        (Reverse, b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
    ];
    is_read_inside([socks5(0), connect.clone()].concat());
    is_read_inside([connect, socks5(0)].concat());
}

#[test]
fn a_refused_negotiation_is_no_tunnel() {
    let refused: Script =
        vec![(Forward, vec![5, 1, 0]), (Reverse, vec![5, 0xff]), (Forward, GET.to_vec()), (Reverse, REPLY.to_vec())];
    let d = said(&refused, usize::MAX);
    let read = d.sink.messages.iter().any(|m| matches!(m, Seen::Request { .. }));
    assert!(read, "whoever answers in HTTP has read a request: {:?}", d.sink.messages);
    let unanswered = said(&refused.into_iter().take(3).collect(), usize::MAX);
    assert!(!unanswered.sink.messages.iter().any(|m| matches!(m, Seen::Request { .. })));
}

#[test]
fn tunnels_are_read_to_a_depth() {
    let nested = |depth: usize| [vec![socks4(None); depth].concat(), vec![(Forward, GET.to_vec())]].concat();
    let read = |d: &Driver<Recorder>| d.sink.messages.iter().any(|m| matches!(m, Seen::Request { .. }));
    let (within, beyond) = (said(&nested(8), usize::MAX), said(&nested(9), usize::MAX));
    assert_eq!((read(&within), within.sink.counters.tunnel_limit_hits), (true, 0));
    assert_eq!((read(&beyond), beyond.sink.counters.tunnel_limit_hits), (false, 1));
}

#[test]
fn preambles_tell_the_client_as_often_as_they_come() {
    let line: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.80 41000 80\r\n";
    let header =
        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x07\x0a\0\0\x02\x9c\x40\0\x50", &[3, 0, 0][..]].concat();
    let local: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let named = |port| Some(Endpoint { ip: "192.0.2.7".parse().unwrap(), port });
    let script = vec![(Forward, [line, &header, local, b"PROXY UNKNOWN\r\n", GET].concat())];
    for step in (1..60).chain([usize::MAX]) {
        let d = said(&script, step);
        let clients = |m: &Seen| if let Seen::ProxyPreamble(client) = m { Some(*client) } else { None };
        let told: Vec<_> = d.sink.messages.iter().filter_map(clients).collect();
        assert_eq!(told, [named(41000), named(40000), None, None], "in pieces of {step}");
        assert!(d.sink.messages.iter().any(|m| matches!(m, Seen::Request { .. })), "{}", latin1(line));
    }
}
