//! Is everything read that some server reads, and nothing else? One test per class of traffic.

use super::head::{HEAD_LIMIT, HEADER_LIMIT};
use crate::flow::Direction::{self, Forward, Reverse};
use crate::flow::StreamConsumer;
use crate::proto::testing::{Driver, Recorder, Seen, flow, messages};
use crate::proto::{HttpVersion, PIPELINE_LIMIT};

/// Targets of the requests and the Cookie values in them, in order.
pub(super) fn requests(seen: &[Seen]) -> Vec<(String, String)> {
    seen.iter()
        .filter_map(|m| match m {
            Seen::Request { target, headers, .. } => {
                let cookies = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("cookie"));
                Some((target.clone(), cookies.map(|(_, v)| v.as_str()).collect::<Vec<_>>().join("&")))
            }
            _ => None,
        })
        .collect()
}

/// Statuses of the responses and what they answer, in order.
pub(super) fn responses(seen: &[Seen]) -> Vec<(u16, Option<u32>)> {
    seen.iter()
        .filter_map(|m| match m {
            Seen::Response { status, answers, .. } => Some((*status, *answers)),
            _ => None,
        })
        .collect()
}

pub(super) fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect()
}

/// What the client's bytes say, under every cut into two and byte by byte: always the same.
pub(super) fn client(bytes: &str) -> Vec<(String, String)> {
    let bytes: Vec<u8> = bytes.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let whole = messages(&[(Forward, &bytes)]);
    for cut in 1..bytes.len() {
        assert_eq!(messages(&[(Forward, &bytes[..cut]), (Forward, &bytes[cut..])]), whole, "cut at {cut}");
    }
    let single: Vec<_> = bytes.iter().map(|b| (Forward, [*b])).collect();
    assert_eq!(messages(&single), whole, "byte by byte");
    requests(&whole)
}

fn driver() -> Driver<Recorder> {
    Driver::new(Recorder::default())
}

#[test]
fn a_request_and_its_response_with_their_frames() {
    let mut d = driver();
    d.forward("GET /a HTTP/1.1\r\nHost: x\r\n").forward("Cookie: s=1\r\n\r\n");
    d.reverse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").close();
    assert_eq!(
        d.sink.messages,
        [
            Seen::Request {
                ordinal: 0,
                dir: Forward,
                method: "GET".into(),
                target: "/a".into(),
                version: HttpVersion::V11,
                headers: pairs(&[("Host", "x"), ("Cookie", "s=1")])
            },
            Seen::Response {
                answers: Some(0),
                dir: Reverse,
                status: 200,
                version: HttpVersion::V11,
                headers: pairs(&[("Content-Length", "2")])
            },
            Seen::End
        ]
    );
    assert_eq!(d.sink.frames, [(1, 2), (3, 3)]);
    assert_eq!((d.sink.counters.http1_requests, d.sink.counters.http1_responses), (1, 1));
}

#[test]
fn odd_heads_that_servers_accept() {
    let cookie = |head: &str| client(&format!("{head}\r\n\r\n"));
    let want = |target: &str| pairs(&[(target, "s=1")]);
    assert_eq!(cookie("GET / HTTP/1.1\r\nCookie:\r\n s=1"), want("/"), "obs-fold");
    assert_eq!(cookie("GET / HTTP/1.1\nCookie: s=1\n"), want("/"), "bare LF");
    assert_eq!(cookie("GET / HTTP/1.1\r\nCookie : s=1"), want("/"), "space before the colon");
    assert_eq!(cookie("\r\n\r\nGET / HTTP/1.1\r\ncOOKIE:s=1"), want("/"), "leading blank lines, case");
    assert_eq!(cookie("PURGEX  /account  HTTP/1.1\r\nCookie: s=1"), want("/account"), "odd method");
    assert_eq!(cookie("GET http://h/p HTTP/1.0\r\nCookie: s=1"), want("http://h/p"), "absolute form, no Host");
    assert_eq!(cookie("GET / HTTP/1.1\r\njunk\r\nCookie: s=1"), want("/"), "a line without colon");
    assert_eq!(cookie("GET / HTTP/1.1\r\nX: \0\u{ff}\r\nCookie: s=1"), want("/"), "odd bytes");
    assert_eq!(client("GET /?s=1\r\n"), pairs(&[("/?s=1", "")]), "HTTP/0.9");
    assert_eq!(cookie("GET /\r\nCookie: s=1"), want("/"), "no version, but fields");
    assert_eq!(
        cookie("PROXY TCP4 10.0.0.66 198.51.100.80 41000 80\r\nGET / HTTP/1.1\r\nCookie: s=1"),
        want("/"),
        "PROXY v1"
    );
    assert_eq!(
        cookie("\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{4}abcdGET / HTTP/1.1\r\nCookie: s=1"),
        want("/"),
        "PROXY v2"
    );
}

#[test]
fn bodies_are_passed_over_whatever_text_they_hold() {
    let trap = "GET /trap HTTP/1.1\r\nCookie: s=trap\r\n\r\n";
    let n = trap.len();
    let next = "GET /next HTTP/1.1\r\n\r\n";
    let bodies = [
        format!("Content-Length: {n}\r\n\r\n{trap}"),
        format!("Content-Length: {n}, {n}\r\n\r\n{trap}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{n:x};ext=1\r\n{trap}\r\n0\r\nTrailer: {n}\r\n\r\n"),
        format!("Transfer-Encoding: gzip, chunked\r\n\r\n{n:X}\r\n{trap}\r\n{n:x}\n{trap}\n0\r\n\r\n"),
        format!("Content-Length: {}\r\n\r\n\r\n{trap}", n + 2),
    ];
    for body in bodies {
        let all = client(&format!("PUT /up HTTP/1.1\r\n{body}{next}"));
        assert_eq!(all, pairs(&[("/up", ""), ("/next", "")]), "{body}");
    }
}

#[test]
fn ambiguous_framing_is_read_every_plausible_way() {
    let smuggled = "GET /account HTTP/1.1\r\nCookie: s=1\r\n\r\n";
    let n = smuggled.len();
    let heads = [
        // chunked ends early, the length says less or more
        format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}", n + 5),
        format!("Content-Length: {}\r\nTransfer-Encoding:\u{b}chunked\r\n\r\n0\r\n\r\n{smuggled}", n + 5),
        // the length ends inside a chunk
        format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{n:x}\r\n{smuggled}\r\n0\r\n\r\n"),
        // only some read this as chunked, and it is not
        format!("Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n\r\nhello{smuggled}"),
        format!("Transfer-Encoding: xchunked\r\n\r\n{smuggled}"),
        format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello{smuggled}"),
        // differing, careless and impossible lengths
        format!("Content-Length: 5\r\nContent-Length: {}\r\n\r\nhello{smuggled}", n + 5),
        format!("Content-Length: 200\r\nContent-Length: 5\r\n\r\nhello{smuggled}"),
        format!("Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello{smuggled}"),
        format!("Content-Length: +5\r\n\r\nhello{smuggled}"),
        format!("Content-Length: +{n}\r\n\r\n{smuggled}"),
        format!("Content-Length: five\r\n\r\n{smuggled}"),
        format!("Content-Length: 99999999999999999999\r\n\r\nhello\r\n{smuggled}"),
        // lengths that differ by a part of the next request line
        format!("Content-Length: 5\r\nContent-Length: 8\r\n\r\nhello{smuggled}"),
        format!("Content-Length: 5\r\nContent-Length: 8\r\n\r\nhelloab {smuggled}"),
        format!("Content-Length: 5\r\nContent-Length: 6\r\nContent-Length: 8\r\n\r\nhello{smuggled}"),
        // chunks that are no chunks, a trailer that is none
        format!("Transfer-Encoding: chunked\r\n\r\n5\r\nhello world\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0\r\n{smuggled}"),
        format!("Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n{smuggled}"),
        // a body nobody announced
        format!("\r\nuser=alice&pass=x\r\n{smuggled}"),
    ];
    for head in heads {
        let all = client(&format!("POST / HTTP/1.1\r\n{head}"));
        assert_eq!(all, pairs(&[("/", ""), ("/account", "s=1")]), "{head}");
    }
}

#[test]
fn an_idle_connection_is_small() {
    let mut d = driver();
    for _ in 0..3 {
        d.forward("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n").forward("hi");
        d.reverse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe").reverse("llo");
    }
    assert_eq!(d.conversation.held_bytes(), 0);
    let size = size_of_val(&d.conversation) - 2 * size_of::<u64>(); // each side counts its work in tests
    assert!(size <= 48, "{size} bytes");
    d.forward("GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(d.conversation.held_bytes(), 0, "nor does a request that waits need more");
    d.reverse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(d.conversation.held_bytes(), 0);
}

#[test]
fn bodies_cost_nothing() {
    let mut d = driver();
    d.forward("PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n");
    d.reverse("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nF4240\r\n");
    let heads = d.shown;
    for _ in 0..1000 {
        d.forward([b'x'; 1000]).reverse([b'\n'; 1000]);
    }
    assert_eq!(d.shown, heads + 9_000, "of what is sent the beginning is looked at, the rest not even shown");
    d.forward("GET /next HTTP/1.1\r\n\r\n").reverse("\r\n0\r\n\r\nHTTP/1.1 404 No\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages), pairs(&[("/", ""), ("/next", "")]));
    assert_eq!(responses(&d.sink.messages), [(200, Some(0)), (404, Some(1))]);
}

#[test]
fn responses_without_a_body() {
    let mut d = driver();
    d.forward("HEAD / HTTP/1.1\r\n\r\nGET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nPOST /3 HTTP/1.1\r\n\r\n");
    d.reverse("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    d.reverse("HTTP/1.1 204 None\r\n\r\nHTTP/1.1 304 Same\r\nContent-Length: 99\r\n\r\n");
    d.reverse("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Made\r\n\r\n").close();
    assert_eq!(responses(&d.sink.messages), [(200, Some(0)), (204, Some(1)), (304, Some(2)), (201, Some(3))]);
}

#[test]
fn a_body_until_close_is_not_read_on() {
    let mut d = driver();
    d.forward("GET / HTTP/1.1\r\n\r\n").reverse("HTTP/1.0 200 OK\r\n\r\n");
    let shown = d.shown;
    d.reverse("HTTP/1.1 200 OK\r\nSet-Cookie: s=trap\r\n\r\n").forward("GET /2 HTTP/1.1\r\n\r\n").close();
    assert_eq!(responses(&d.sink.messages), [(200, Some(0))]);
    assert_eq!(d.shown, shown + 19, "only the request was shown");
}

#[test]
fn the_sender_of_requests_is_the_client_whoever_opened() {
    let mut d = driver();
    d.reverse("GET / HTTP/1.1\r\n\r\n").forward("HTTP/1.1 200 OK\r\n\r\n").close();
    assert!(matches!(d.sink.messages[0], Seen::Request { dir: Reverse, .. }));
    assert!(matches!(d.sink.messages[1], Seen::Response { dir: Forward, answers: Some(0), .. }));
}

#[test]
fn one_sided_connections() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    // the second response is to a HEAD that was not seen
    let script = format!("{response}hello{response}{response}hello");
    for step in 1..script.len() {
        let cut: Vec<_> = script.as_bytes().chunks(step).map(|c| (Forward, c)).collect();
        assert_eq!(responses(&messages(&cut)), [(200, None); 3], "in pieces of {step}");
    }
    assert_eq!(client("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n").len(), 2);
}

#[test]
fn pipelining_beyond_the_limit_loses_pairing_but_no_request() {
    let n = PIPELINE_LIMIT + 2;
    let mut d = driver();
    d.forward("GET / HTTP/1.1\r\nCookie: s=1\r\n\r\n".repeat(n as usize));
    d.reverse("HTTP/1.1 204 X\r\n\r\n".repeat(n as usize));
    d.forward("GET / HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 204 X\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages).len(), n as usize + 1);
    let answers = responses(&d.sink.messages);
    assert_eq!(answers.iter().filter(|(_, a)| a.is_none()).count(), n as usize);
    assert_eq!(answers.last(), Some(&(204, Some(n))));
    assert_eq!(d.sink.counters.pipeline_limit_hits, 2);
}

#[test]
fn a_head_beyond_the_limit_is_read_in_parts() {
    let long = format!("GET /long HTTP/1.1\r\nCookie: s=1\r\nX: {}\r\n\r\n", "x".repeat(HEAD_LIMIT));
    let next = "GET /next HTTP/1.1\r\nCookie: s=2\r\n\r\n";
    for step in [1, 7, 1460, HEAD_LIMIT - 1, HEAD_LIMIT, usize::MAX] {
        let mut d = driver();
        format!("{long}{next}").as_bytes().chunks(step).for_each(|c| {
            d.forward(c);
        });
        d.close();
        assert_eq!(requests(&d.sink.messages), pairs(&[("/long", "s=1"), ("/long", ""), ("/next", "s=2")]), "{step}");
        assert_eq!((d.sink.counters.head_limit_hits, d.sink.counters.http1_requests), (1, 2));
        assert!(d.most_held <= 3 * HEAD_LIMIT, "{} bytes held", d.most_held);
    }
    // a cookie in a later part, in fields or in one field of any length
    for filler in
        [format!("X: {}\r\n", "x".repeat(8000)).repeat(20) + "Cookie: ", format!("Cookie: {}", "a=1; ".repeat(40_000))]
    {
        let mut d = driver();
        d.forward(format!("GET /long HTTP/1.1\r\nHost: h\r\n{filler}s=2\r\n\r\n")).reverse("HTTP/1.1 204 X\r\n\r\n");
        d.forward("GET /next HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 204 X\r\n\r\n").close();
        let read = requests(&d.sink.messages);
        assert!(read.iter().any(|(target, cookie)| target == "/long" && cookie.ends_with("s=2")), "{}", read.len());
        assert_eq!(responses(&d.sink.messages), [(204, Some(0)), (204, Some(1))], "pairing is kept");
        let hosts = d.sink.messages.iter().filter(|m| match m {
            Seen::Request { headers, target, .. } => target == "/long" && headers.iter().any(|(n, _)| n == "Host"),
            _ => false,
        });
        assert_eq!(hosts.count() + 1, read.len(), "each part says for whom");
    }
    // one byte less is a head like any other
    let filler = HEAD_LIMIT - "GET / HTTP/1.1\r\nX: \r\nCookie: s=1\r\n\r\n".len();
    let most = format!("GET / HTTP/1.1\r\nX: {}\r\nCookie: s=1\r\n\r\n", "x".repeat(filler));
    assert_eq!(requests(&messages(&[(Forward, &most)])), pairs(&[("/", "s=1")]));
}

#[test]
fn an_endless_first_line_is_given_up_and_the_next_message_found() {
    let mut d = driver();
    d.forward("GET / HTTP/1.1\r\n\r\n").forward(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(HEAD_LIMIT)));
    d.forward("GET /next HTTP/1.1\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages), pairs(&[("/", ""), ("/next", "")]));
    assert_eq!(d.sink.counters.head_limit_hits, 1);
}

#[test]
fn fields_beyond_the_limit_are_counted_and_hide_no_cookie() {
    let mut d = driver();
    let filler = "A: b\r\n".repeat(HEADER_LIMIT + 5);
    d.forward(format!("GET / HTTP/1.1\r\n{filler}Cookie:\r\n s=1\r\nA: b\r\n c\r\n\r\n")).close();
    assert!(matches!(&d.sink.messages[0], Seen::Request { headers, .. } if headers.len() == HEADER_LIMIT + 1));
    assert_eq!(d.sink.counters.header_limit_hits, 6);
    assert_eq!(requests(&d.sink.messages), pairs(&[("/", "s=1")]));
}

#[test]
fn a_head_that_never_ends_is_read_when_the_connection_closes() {
    assert_eq!(client("GET / HTTP/1.1\r\nCookie: s=1\r\nX: cu"), pairs(&[("/", "s=1")]));
    assert_eq!(client("GET / HTTP/1.1\r\nCookie: s="), pairs(&[]));
    let mut d = driver();
    d.forward("GET / HTTP/1.1\r\nCookie: s=1\r\n").half_close(Forward);
    assert!(d.sink.messages.is_empty(), "not before it closes");
    d.close();
    assert_eq!(requests(&d.sink.messages).len(), 1);
}

#[test]
fn a_gap_in_a_framed_body_loses_nothing() {
    for (head, tail) in
        [("Content-Length: 1000\r\n\r\n", ""), ("Transfer-Encoding: chunked\r\n\r\n3e8\r\n", "\r\n0\r\n\r\n")]
    {
        let mut d = driver();
        d.forward("GET / HTTP/1.1\r\n\r\n").reverse(format!("HTTP/1.1 200 OK\r\n{head}"));
        d.reverse("x".repeat(200)).gap(Reverse, 300).reverse("x".repeat(400)).gap(Reverse, 100);
        d.forward("GET /2 HTTP/1.1\r\n\r\n").reverse(format!("{tail}HTTP/1.1 404 No\r\n\r\n")).close();
        assert_eq!(responses(&d.sink.messages), [(200, Some(0)), (404, Some(1))], "{head}");
    }
}

#[test]
fn after_a_gap_the_next_message_is_found_and_text_is_not_taken_for_one() {
    let mut d = driver();
    d.forward("GET /1 HTTP/1.1\r\nCookie: s=1\r\nX: y").gap(Forward, 100);
    d.forward("rest of something\r\nGET me if you can\r\nCookie: s=trap\r\n\r\nuser speaks HTTP/1.1\r\nlast");
    d.forward("GET /2 HTTP/1.1\r\nCookie: s=2\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages), pairs(&[("/1", "s=1"), ("/2", "s=2")]));
}

#[test]
fn a_lost_response_does_not_shift_the_pairing() {
    let mut d = driver();
    d.forward("GET /1 HTTP/1.1\r\n\r\n").gap(Reverse, 300);
    d.forward("GET /2 HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n");
    d.forward("GET /3 HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").close();
    assert_eq!(responses(&d.sink.messages), [(401, None), (200, Some(2))]);
}

#[test]
fn an_upgrade_ends_the_reading() {
    let mut d = driver();
    d.forward("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nCookie: s=1\r\n\r\n");
    d.reverse("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\u{1}\u{2}");
    d.forward("GET /trap HTTP/1.1\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages), pairs(&[("/ws", "s=1")]));
    assert_eq!(responses(&d.sink.messages), [(101, Some(0))]);
    assert_eq!(d.sink.messages.iter().filter(|m| **m == Seen::End).count(), 1);
    assert_eq!(d.sink.counters.upgrades_unread, 1);
}

#[test]
fn a_switch_that_nobody_asked_for_ends_nothing() {
    let mut d = driver();
    d.forward("GET / HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
    d.reverse("HTTP/1.1 204 X\r\n\r\n").forward("GET /next HTTP/1.1\r\nCookie: s=1\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages), pairs(&[("/", ""), ("/next", "s=1")]));
    assert_eq!(responses(&d.sink.messages), [(204, Some(0))]);
}

#[test]
fn a_tunnel_is_a_conversation_of_its_own() {
    let connect = "CONNECT app.test:80 HTTP/1.1\r\nContent-Length: 9\r\n\r\n";
    let get = "GET /in HTTP/1.1\r\nCookie: s=1\r\n\r\n";
    let scripts: [&[(Direction, &str)]; 3] = [
        &[(Forward, connect), (Reverse, "HTTP/1.1 200 Established\r\n\r\n"), (Forward, get)],
        &[
            (Forward, connect),
            (Reverse, "HTTP/1.1 407 No\r\n"),
            (Reverse, "Content-Length: 0\r\n\r\n"),
            (Forward, "xxxxxxxxx"),
            (Forward, get),
        ],
        &[(Forward, connect), (Forward, get), (Reverse, "HTTP/1.1 200 Established\r\n\r\n")],
    ];
    for script in scripts {
        let mut script = script.to_vec();
        script.push((Reverse, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"));
        let seen = messages(&script);
        assert_eq!(requests(&seen), pairs(&[("app.test:80", ""), ("/in", "s=1")]), "{script:?}");
        assert_eq!(responses(&seen)[1], (403, Some(1)), "{script:?}");
    }
    let mut d = driver();
    d.forward(connect).reverse("HTTP/1.1 200 Established\r\n\r\n").forward([0x16, 3, 1, 2, 0, 1]).close();
    assert_eq!(d.sink.messages[2..], [Seen::TlsOpaque, Seen::End]);
    assert_eq!(d.sink.counters.unknown_protocol, 0);
}

#[test]
fn tunnels_nest() {
    let mut d = driver();
    for n in 0..5 {
        d.forward(format!("CONNECT h{n}:1 HTTP/1.1\r\n\r\n")).reverse("HTTP/1.1 200 OK\r\n\r\n");
    }
    d.forward("GET / HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 204 X\r\n\r\n").close();
    assert_eq!(responses(&d.sink.messages).last(), Some(&(204, Some(5))));
}

#[test]
fn other_protocols_are_left_alone() {
    let mut d = driver();
    d.reverse("220 mail.test ESMTP\r\n").forward("EHLO x\r\n");
    d.forward("GET / HTTP/1.1\r\n\r\n").close();
    assert_eq!((d.sink.messages, d.sink.counters.unknown_protocol), (vec![Seen::End], 1));

    let mut d = driver();
    d.reverse("220 mail.test ESMTP\r\n").forward("EHLO x\r\n").forward([b'x'; 70_000]).reverse("250\r\n");
    let shown = d.shown;
    d.forward("more").reverse("HTTP/1.1 200 OK\r\n\r\n").forward("GET / HTTP/1.1\r\n\r\n");
    assert!(d.shown < shown + 50, "a direction is looked at for 64 KiB: {} bytes more", d.shown - shown);

    let mut d = driver();
    d.forward([0x16, 3, 1, 2, 0, 1, 0, 1]).forward("GET / HTTP/1.1\r\n\r\n").close();
    assert_eq!(d.sink.messages, [Seen::TlsOpaque, Seen::End]);
    assert_eq!((d.sink.counters.tls_opaque(), d.sink.counters.unknown_protocol), (1, 0));

    let mut d = driver();
    d.forward("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").close();
    assert_eq!((d.sink.messages, d.sink.counters.unknown_protocol), (vec![Seen::End], 0));

    let mut d = driver();
    d.close().close();
    assert_eq!((d.sink.messages, d.sink.counters.unknown_protocol), (vec![Seen::End], 0));
}

#[test]
fn connections_joined_in_the_middle() {
    let mut d = Driver::midstream(Recorder::default());
    d.reverse("the end of a page\r\nGET /trap HTTP/1.1\r\n\r\n").forward([0, 1, 2]).reverse("more of it");
    d.forward("GET /1 HTTP/1.1\r\nCookie: s=1\r\n\r\n").reverse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages), pairs(&[("/1", "s=1")]));
    assert_eq!(responses(&d.sink.messages), [(200, Some(0))]);

    let mut d = Driver::midstream(Recorder::default());
    d.reverse([0x17, 3, 3, 1, 0, 1]).close();
    assert_eq!(d.sink.messages, [Seen::TlsOpaque, Seen::End]);

    let mut d = Driver::midstream(Recorder::default());
    (0..10_000).for_each(|_| {
        d.forward([0xff; 1000]);
    });
    assert!(d.shown < 6_000_000, "a flow in which nothing is recognised is given up");
    assert_eq!(d.sink.counters.unknown_protocol, 1);
}

/// Requests told of an upload that was joined in its middle, in pieces, and then one request of its own.
fn joined_in_an_upload(pieces: &[&str]) -> Vec<(String, String)> {
    let mut d = Driver::midstream(Recorder::default());
    for piece in pieces {
        d.forward(piece);
    }
    d.reverse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    d.forward("GET /own HTTP/1.1\r\nCookie: s=own\r\n\r\n").reverse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    d.close();
    requests(&d.sink.messages)
}

#[test]
fn requests_in_an_upload_that_was_joined_in_its_middle_are_nobodys() {
    let own = pairs(&[("/own", "s=own")]);
    let logged = |n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\nCookie: s={n}\r\n\r\n");
    let (one, two) = (logged(1), logged(2));
    let log = [&*one, &*two].concat();
    let cut = one.len() / 2;
    for pieces in [
        &[&log[cut..]][..],                  // the last bytes are a request
        &[&log[cut..one.len()], &two, &one], // in segments of their own
        &[&log[cut..cut + 9], &log[cut + 9..], "the end\r\n"],
        &[&one[cut..], &two, "12:00:00 127.0.0.1\r\n", &one, "12:00:01 127.0.0.1\r\n"],
        &["tail of a line\r\n", &log, &log, &log],
    ] {
        assert_eq!(joined_in_an_upload(pieces), own, "{pieces:?}");
    }
}

#[test]
fn every_request_after_text_counts_once_the_server_has_answered_as_often() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let asked = |n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\nCookie: s={n}\r\n\r\n");
    let (one, two) = (asked(1), asked(2));
    let both = [&*one, &*two].concat();
    // What the client sends, the answers, and how many requests are told.
    for (pieces, answers, told) in [
        (&["user=a b,c\r\n", &both][..], 2, 2),
        (&["user=a b,c\r\n", &one, &two], 2, 2),
        (&["rest of a body\r\n", &both], 3, 2),
        (&["rest of a body\r\n", &one, "12:00:00 127.0.0.1\r\n"], 2, 1),
        (&["rest of a body\r\n", &one, "12:00:00 127.0.0.1\r\n"], 1, 0),
        (&["rest of a body\r\n", &both], 1, 0),
    ] {
        let mut d = Driver::midstream(Recorder::default());
        pieces.iter().for_each(|piece| _ = d.forward(piece));
        (0..answers).for_each(|_| _ = d.reverse(ok));
        assert_eq!(requests(&d.sink.messages).len(), told, "{pieces:?} {answers}");
    }
}

#[test]
fn a_request_after_the_rest_of_another_counts_once_it_is_answered() {
    let asked = "GET /1 HTTP/1.1\r\nCookie: s=1\r\n\r\n";
    let both = pairs(&[("/1", "s=1"), ("/own", "s=own")]);
    assert_eq!(joined_in_an_upload(&["rest of a body", asked]), both);
    assert_eq!(joined_in_an_upload(&["rest of a body", &asked[..9], &asked[9..]]), both);
    assert_eq!(joined_in_an_upload(&[asked]), both);
    // Where the server is not seen, nothing confirms it, and every request counts.
    let mut d = Driver::midstream(Recorder::default());
    d.flow.two_sided = false;
    d.forward("rest of a body").forward(asked).forward(asked).close();
    assert_eq!(requests(&d.sink.messages).len(), 2);
}

#[test]
fn a_gap_at_the_beginning_is_a_late_join() {
    let mut d = driver();
    d.gap(Forward, 10).forward("\0\0").forward("GET /1 HTTP/1.1\r\nCookie: s=1\r\n\r\n").close();
    assert_eq!(requests(&d.sink.messages), pairs(&[("/1", "s=1")]));
}

#[test]
fn work_is_linear_in_the_bytes() {
    let fold = format!("GET / HTTP/1.1\r\nX: a\r\n{}\r\n", " b\r\n".repeat(60_000));
    let texts = [
        fold,
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(60_000)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(60_000)),
        format!("GET / HTTP/1.1\r\n\r\n{}", "GET / HTTP/1.1 x\r\n".repeat(4_000)),
        format!("GET / HTTP/1.1\r\n\r\njunk\r\n{}", "GET /x ".repeat(10_000)),
        format!("GET / HTTP/1.1\r\n\r\n{}", "\r\n".repeat(40_000)),
        format!("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", "GET /x ".repeat(10_000)),
        format!("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}", "1\r\nx\r\n".repeat(10_000)),
        format!("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;{}", "x".repeat(60_000)),
    ];
    for text in texts {
        let mut d = driver().show_everything();
        text.as_bytes().iter().for_each(|b| {
            d.forward([*b]);
        });
        let (work, bytes) = (d.conversation.work(), text.len() as u64);
        assert!(work >= bytes / 2 && work <= 2 * bytes, "{work} bytes looked at of {bytes}");
        d.close();
    }
}

#[test]
fn folds_are_joined_whole() {
    let folds = 15_000;
    let seen = messages(&[(Forward, format!("GET / HTTP/1.1\r\nCookie: a\r\n{}\r\n", " b\r\n".repeat(folds)))]);
    let value = format!("a{}", " b".repeat(folds));
    assert_eq!(requests(&seen), pairs(&[("/", &value)]));
}

#[test]
fn one_sided_pipelines_are_not_counted_as_a_limit() {
    let mut d = Driver::with_flow(Recorder::default(), crate::flow::FlowInfo { two_sided: false, ..flow() });
    d.forward("GET / HTTP/1.1\r\n\r\n".repeat(500)).close();
    assert_eq!((d.sink.counters.http1_requests, d.sink.counters.pipeline_limit_hits), (500, 0));
}
