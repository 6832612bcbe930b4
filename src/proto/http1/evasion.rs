//! Is every plausible reading read, and what hosts read differently told? One test per kind of trick.

use super::tests::{client, pairs, requests, responses};
use crate::flow::Direction::{self, Forward, Reverse};
use crate::proto::testing::{Driver, Recorder, Seen, messages};
use crate::proto::{Ambiguity, FIRST_RIVAL};

use Ambiguity::{BareLineEnd, DifferingLengths, LengthAndEncoding, ObfuscatedEncoding, SpaceBeforeColon};

const SMUGGLED: &str = "GET /account HTTP/1.1\r\nCookie: s=1\r\n\r\n";

fn kinds(seen: &[Seen]) -> Vec<(Option<u32>, Ambiguity)> {
    let kind = |m: &Seen| if let Seen::Ambiguous { ordinal, kind } = m { Some((*ordinal, *kind)) } else { None };
    seen.iter().filter_map(kind).collect()
}

fn of_client(text: &str) -> Vec<(Option<u32>, Ambiguity)> {
    client(text); // whatever the cuts
    kinds(&messages(&[(Forward, text)]))
}

#[test]
fn what_hosts_read_differently_is_told_once_a_message() {
    let get = |fields: &str| of_client(&format!("POST / HTTP/1.1\r\n{fields}\r\nGET /next HTTP/1.1\r\n\r\n"));
    for (fields, kind) in [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", LengthAndEncoding),
        ("Content-Length: 4\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n", ObfuscatedEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n", ObfuscatedEncoding),
        ("Content-Length: 2\r\nContent-Length: 3\r\n\r\nab", DifferingLengths),
        ("Content-Length: 2\r\nCookie : a=b\r\nX : y\r\n\r\na\n", SpaceBeforeColon),
        ("Cookie: a=b\nX: y\r\n", BareLineEnd),
        ("X: y\rCookie: a=b\r\n", BareLineEnd),
        ("Transfer-Encoding: chunked\r\n\r\n1;a\nx\n1\ny\r\n0\r\n", BareLineEnd),
    ] {
        assert_eq!(get(fields), [(Some(0), kind)], "{fields:?}");
    }
    assert_eq!(of_client("GET / HTTP/1.1\rCookie: s=1\r\n\r\n"), [(Some(0), BareLineEnd)]);
}

#[test]
fn ordinary_traffic_is_not_ambiguous() {
    for text in [
        "GET / HTTP/1.1\nHost: x\nCookie: a=b\n\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nCookie: a=b\r\n c=d\r\n\r\nhi",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;ext=\"a\"\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
        "GET / HTTP/1.0\r\nX: a\rb\r\nConnection: close\r\n\r\n",
        "\r\n\r\nGET /?a HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    ] {
        assert_eq!(of_client(text), [], "{text:?}");
    }
    let mut d = Driver::new(Recorder::default());
    d.forward("GET / HTTP/1.1\r\n\r\n");
    d.reverse("HTTP/1.1 200 OK\r\nContent-Length : 7\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\r\n\r\n").close();
    assert_eq!(kinds(&d.sink.messages), [], "a careless server deceives no other client");
}

#[test]
fn bare_line_ends_hide_no_request() {
    let n = SMUGGLED.len();
    for body in [
        // a host that does not end a chunk size at LF finds the request at another place
        format!("2;\nxx\r\n{:x}\r\n\r\n{SMUGGLED}\r\n0\r\n\r\n", n + 2),
        format!("1\nx\n{n:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"),
        format!("1;\rx\r\na\r\n{n:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"),
    ] {
        let read = client(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        assert_eq!(read, pairs(&[("/", ""), ("/account", "s=1")]), "{body:?}");
    }
    assert_eq!(client("GET / HTTP/1.1\r\nX: y\rCookie: s=1\r\n\r\n"), pairs(&[("/", "s=1")]));
    assert_eq!(client("GET / HTTP/1.1\rCookie: s=1\r\n\r\n"), pairs(&[("/", "s=1")]));
}

#[test]
fn other_ends_outlast_the_message_that_gave_them() {
    // Found at 5 bytes: a request whose own body would swallow what begins at 90.
    let first = "hello";
    let inner = "GET /a HTTP/1.1\r\nContent-Length: 500\r\nX: ";
    let filler = "x".repeat(90 - first.len() - inner.len() - 4);
    let text = format!(
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 90\r\nContent-Length: 400\r\n\r\n{first}{inner}{filler}\r\n\r\n{SMUGGLED}"
    );
    assert_eq!(client(&text), pairs(&[("/", ""), ("/a", ""), ("/account", "s=1")]));
    // A prefix whose last field swallows the first line of the next request.
    let prefix = "GET /a HTTP/1.1\r\nX: y";
    let n = prefix.len() + 5;
    let text = format!(
        "POST / HTTP/1.1\r\nContent-Length: {n}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{prefix}{SMUGGLED}"
    );
    assert_eq!(client(&text), pairs(&[("/", ""), ("/a", ""), ("/account", "s=1")]));
}

/// A client sends a file that holds requests; the server says what `replies` hold.
fn upload(head: &str, body: &str, replies: &str) -> Vec<Seen> {
    let mut d = Driver::new(Recorder::default());
    d.forward(format!("{head}\r\n\r\n")).forward(body).reverse(replies);
    d.forward("GET /next HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 204 X\r\n\r\n").close();
    d.sink.messages
}

#[test]
fn a_request_in_a_body_counts_only_when_it_is_answered() {
    let head = format!("POST /up HTTP/1.1\r\nContent-Length: {}", SMUGGLED.len());
    let reply = "HTTP/1.1 501 No\r\nContent-Length: 0\r\n\r\n";
    let taken = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let quiet = upload(&head, SMUGGLED, reply);
    assert_eq!(requests(&quiet), pairs(&[("/up", ""), ("/next", "")]), "a log of requests is no request");
    assert_eq!(responses(&quiet), [(501, Some(0)), (204, Some(1))]);
    let seen = upload(&head, SMUGGLED, &format!("{reply}{taken}"));
    assert_eq!(requests(&seen), pairs(&[("/up", ""), ("/account", "s=1"), ("/next", "")]));
    assert_eq!(responses(&seen), [(501, Some(0)), (200, Some(1)), (204, Some(2))]);
    let chunked = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let seen = upload("POST /up HTTP/1.1\r\nTransfer-Encoding: chunked", &chunked, &format!("{reply}{taken}"));
    assert_eq!(requests(&seen).len(), 3, "servers that do not know chunks");
    let timeout = "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n";
    let seen = upload(&head, SMUGGLED, &format!("{reply}{timeout}"));
    assert_eq!(requests(&seen).len(), 2, "a server gives up unasked");
    let log = "Cookie: s=1\r\n".repeat(20);
    let seen = upload(&format!("POST /up HTTP/1.1\r\nContent-Length: {}", log.len()), &log, &format!("{reply}{taken}"));
    assert_eq!(requests(&seen).len(), 2, "fields alone are no request");
}

#[test]
fn rival_copies_of_a_request_are_read_beside_it() {
    let decoy = "GET / HTTP/1.1\r\nCookie: s=decoy\r\n\r\n";
    let real = "GET / HTTP/1.1\r\nCookie: s=stole\r\n\r\n";
    let reply = "HTTP/1.1 204 X\r\n\r\n";
    let told = |d: &mut Driver<Recorder>| {
        let ordinals = |m: &Seen| if let Seen::Request { ordinal, .. } = m { Some(*ordinal) } else { None };
        (requests(&d.sink.messages), d.sink.messages.iter().filter_map(ordinals).collect::<Vec<u32>>())
    };
    let mut d = Driver::new(Recorder::default());
    d.forward(decoy).rival(Forward, 0, real).reverse(reply).forward(decoy).reverse(reply).close();
    let (read, ordinals) = told(&mut d);
    assert_eq!(read, pairs(&[("/", "s=decoy"), ("/", "s=stole"), ("/", "s=decoy")]));
    assert!(ordinals[0] == 0 && ordinals[1] >= FIRST_RIVAL && ordinals[2] == 1, "{ordinals:?}");
    assert_eq!(responses(&d.sink.messages), [(204, Some(0)), (204, Some(1))], "pairing is not disturbed");

    // the rest of the head comes later, in order
    let mut d = Driver::new(Recorder::default());
    d.forward(&decoy[..33]).rival(Forward, 0, &real[..33]).forward(&decoy[33..]).close();
    assert_eq!(told(&mut d).0, pairs(&[("/", "s=decoy"), ("/", "s=stole")]));
    // it never comes
    let mut d = Driver::new(Recorder::default());
    d.forward(&decoy[..35]).rival(Forward, 0, &real[..35]).close();
    assert_eq!(told(&mut d).0, pairs(&[("/", "s=decoy"), ("/", "s=stole")]));
    // another body of the same request; a reply; what was told already
    let mut d = Driver::new(Recorder::default());
    d.forward(decoy).rival(Forward, 0, decoy).reverse(reply).rival(Reverse, 0, "HTTP/1.1 200 OK\r\n\r\n").close();
    assert_eq!(told(&mut d).0, pairs(&[("/", "s=decoy")]));
    // before anything was recognised
    let mut d = Driver::new(Recorder::default());
    d.forward(vec![b'G'; real.len()]).rival(Forward, 0, real).close();
    assert_eq!(told(&mut d).0, pairs(&[("/", "s=stole")]));
    // a flood is bounded
    let mut d = Driver::new(Recorder::default());
    for _ in 0..100 {
        d.forward("GET / HTTP/1.1\r\nX: ").rival(Forward, 0, format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(60_000)));
    }
    assert!(d.most_held < 300_000, "{} bytes held", d.most_held);
}

fn bodies(seen: &[Seen]) -> Vec<(u32, Direction, String, bool)> {
    let body = |m: &Seen| match m {
        Seen::Body { ordinal, dir, bytes, whole } => Some((*ordinal, *dir, bytes.clone(), *whole)),
        _ => None,
    };
    seen.iter().filter_map(body).collect()
}

#[test]
fn wanted_bodies_are_told_under_any_cut() {
    let forward = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n4;x\r\n&b=2\r\n0\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 30\r\n\r\n012345678901234567890123456789GET /3 HTTP/1.1\r\n\r\n";
    let reverse = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 204 X\r\n\r\nHTTP/1.0 200 OK\r\n\r\n{1}";
    let want = |f: &str, whole| (1, Forward, f.to_owned(), whole);
    let expected = [
        (0, Forward, "a=1&b=2".to_owned(), true),
        want("01234567890123456789", false),
        (0, Reverse, "{}".to_owned(), true),
        (2, Reverse, "{1}".to_owned(), true),
    ];
    for step in 1..forward.len() {
        let mut d = Driver::new(Recorder { wanted: 20, ..Recorder::default() });
        for c in forward.as_bytes().chunks(step) {
            d.forward(c);
        }
        for c in reverse.as_bytes().chunks(step) {
            d.reverse(c);
        }
        d.close();
        assert_eq!(bodies(&d.sink.messages), expected, "in pieces of {step}");
        assert_eq!(requests(&d.sink.messages).len(), 3);
    }
    let mut d = Driver::new(Recorder { wanted: 20, ..Recorder::default() });
    d.forward("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\na=1").gap(Forward, 3).forward("&b=2").close();
    assert_eq!(bodies(&d.sink.messages), [(0, Forward, "a=1".into(), false)], "what is behind a gap is not joined on");
}

#[test]
fn a_gap_inside_a_wanted_reply_leaves_the_pairing_alone() {
    let mut d = Driver::new(Recorder { wanted: 100, ..Recorder::default() });
    d.forward("GET / HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{").gap(Reverse, 9);
    d.forward("GET /2 HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").close();
    assert_eq!(responses(&d.sink.messages), [(200, Some(0)), (404, Some(1))]);
}
