//! Does it hold for any bytes, however cut? What was said is read back; cuts change nothing; hostile
//! bytes cost bounded memory and linear work.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::head::HEAD_LIMIT;
use crate::flow::Direction::{self, Forward, Reverse};
use crate::proto::testing::{Driver, Fields, Recorder, Seen, latin1};
use crate::proto::{Ambiguity, HttpVersion};

/// How a body travels.
#[derive(Clone, Debug)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

/// A field: name, white space before the colon, the lines of its value.
type Field = (String, bool, Vec<String>);

#[derive(Clone, Debug)]
struct Request {
    blank_lines: usize,
    method: &'static str,
    target: String,
    version: HttpVersion,
    fields: Vec<Field>,
    body: Body,
}

#[derive(Clone, Debug)]
struct Response {
    interim: usize,
    status: u16,
    fields: Vec<Field>,
    body: Body,
}

type Exchange = (Request, Response);

/// Text that looks like messages.
const TRAPS: [&str; 6] = [
    "GET /trap HTTP/1.1\r\nCookie: trap\r\n\r\n",
    "HTTP/1.1 200 OK\r\nSet-Cookie: trap\r\n\r\n",
    "\r\n\r\n",
    "0\r\n\r\n",
    "GET ",
    "\n",
];

fn body_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![prop::collection::vec(any::<u8>(), 0..20), select(&TRAPS[..]).prop_map(Vec::from)];
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

fn body() -> impl Strategy<Value = Body> {
    let chunk = body_text().prop_filter("a chunk has bytes", |b| !b.is_empty());
    prop_oneof![
        Just(Body::None),
        body_text().prop_map(Body::Length),
        prop::collection::vec(chunk, 0..4).prop_map(Body::Chunked),
    ]
}

fn fields() -> impl Strategy<Value = Vec<Field>> {
    let value = prop::collection::vec("[!-~]([ -~]{0,12}[!-~])?", 1..4);
    prop::collection::vec(("(x|X)-[a-zA-Z0-9]{1,8}|Cookie|Set-Cookie|Host", any::<bool>(), value), 0..6)
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let method = select(&["GET", "HEAD", "POST", "PURGEX"][..]);
    let version = select(&[HttpVersion::V10, HttpVersion::V11][..]);
    let request = (0..3_usize, method, "/[!-~]{0,20}", version, fields(), body()).prop_map(
        |(blank_lines, method, target, version, fields, body)| {
            // A second blank line after a body is no blank line of the next message's only.
            Request { blank_lines, method, target, version, fields, body }
        },
    );
    let status = select(&[200_u16, 204, 302, 304, 401, 500][..]);
    let response = (0..3_usize, status, fields(), body()).prop_map(|(interim, status, fields, body)| Response {
        interim,
        status,
        fields,
        body,
    });
    (request, response)
}

/// Writes fields and body; gives the fields as they are to be read.
fn write_rest(out: &mut Vec<u8>, fields: &[Field], body: &Body, eol: &str, bodiless: bool) -> Fields {
    let mut expected = Fields::new();
    for (name, space, lines) in fields {
        let space = if *space { " " } else { "" };
        out.extend(format!("{name}{space}: {}{eol}", lines.join(&format!("{eol}\t"))).bytes());
        expected.push((name.clone(), lines.join(" ")));
    }
    let mut framing = |name: &str, value: String| {
        let line = format!("{name}: {value}{eol}{eol}");
        expected.push((name.into(), value));
        line
    };
    match body {
        Body::None if bodiless => out.extend(eol.bytes()),
        Body::None => out.extend(framing("Content-Length", "0".into()).bytes()),
        Body::Length(text) => {
            out.extend(framing("content-length", text.len().to_string()).bytes());
            out.extend(text.iter().filter(|_| !bodiless));
        }
        Body::Chunked(chunks) => {
            out.extend(framing("Transfer-Encoding", "chunked".into()).bytes());
            for chunk in chunks.iter().filter(|_| !bodiless) {
                out.extend(format!("{:x}\r\n", chunk.len()).bytes());
                out.extend(chunk);
                out.extend(b"\r\n");
            }
            if !bodiless {
                out.extend(b"0\r\n\r\n");
            }
        }
    }
    expected
}

/// Both directions' bytes of exchanges that are sent in batches, and what is to be read.
fn write(batches: &[Vec<Exchange>], eol: &str) -> (Vec<(Direction, Vec<u8>)>, Vec<Seen>) {
    let (mut script, mut expected, mut ordinal) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        let (mut asked, mut answered, first) = (Vec::new(), Vec::new(), ordinal);
        for (request, _) in batch {
            asked.extend(eol.repeat(request.blank_lines).bytes());
            asked.extend(
                format!("{} {} HTTP/{}{eol}", request.method, request.target, request.version.as_str()).bytes(),
            );
            // A request without body says nothing of its length, as a response to HEAD need not.
            let none = matches!(request.body, Body::None);
            let headers = write_rest(&mut asked, &request.fields, &request.body, eol, none);
            let (method, target, version) = (request.method.into(), request.target.clone(), request.version);
            expected.push(Seen::Request { ordinal, dir: Forward, method, target, version, headers });
            // What some host would read otherwise is told.
            let old = version == HttpVersion::V10 && matches!(request.body, Body::Chunked(_));
            let spaced = request.fields.iter().any(|(_, space, _)| *space);
            let kinds = [old.then_some(Ambiguity::ObfuscatedEncoding), spaced.then_some(Ambiguity::SpaceBeforeColon)];
            let told = |kind| Seen::Ambiguous { ordinal: Some(ordinal), kind };
            expected.extend(kinds.into_iter().flatten().map(told));
            ordinal += 1;
        }
        for (answers, (request, response)) in (first..).zip(batch) {
            answered.extend(format!("HTTP/1.1 103 Hints{eol}Link: x{eol}{eol}").repeat(response.interim).bytes());
            answered.extend(format!("HTTP/1.1 {} Because{eol}", response.status).bytes());
            let bodiless = request.method == "HEAD" || matches!(response.status, 204 | 304);
            let headers = write_rest(&mut answered, &response.fields, &response.body, eol, bodiless);
            let (status, version) = (response.status, HttpVersion::V11);
            expected.push(Seen::Response { answers: Some(answers), dir: Reverse, status, version, headers });
        }
        script.push((Forward, asked));
        script.push((Reverse, answered));
    }
    expected.push(Seen::End);
    (script, expected)
}

/// The same script in smaller pieces.
fn cut(script: &[(Direction, Vec<u8>)], cuts: &[Index]) -> Vec<(Direction, Vec<u8>)> {
    let mut pieces = Vec::new();
    for (dir, bytes) in script.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let mut ends: Vec<_> = cuts.iter().map(|c| c.index(bytes.len())).chain([0, bytes.len()]).collect();
        ends.sort_unstable();
        ends.dedup();
        pieces.extend(ends.windows(2).map(|w| (*dir, bytes[w[0]..w[1]].to_vec())));
    }
    pieces
}

fn read(script: &[(Direction, Vec<u8>)], obey: bool) -> Driver<Recorder> {
    let driver = Driver::new(Recorder::default());
    let mut driver = if obey { driver } else { driver.show_everything() };
    for (dir, bytes) in script {
        driver.data(*dir, bytes);
    }
    driver.close();
    driver
}

/// Bytes that are nearly messages.
fn mess() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "GET / HTTP/1.1\r\n",
        "POST /x HTTP/1.0\n",
        "HEAD /h HTTP/1.1\r\n",
        "CONNECT h:1 HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 30\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: x\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Connection: close\r\n",
        "Cookie: a=b\r\n",
        " folded\r\n",
        "\r\n",
        "\n",
        "\r",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        "3;x=y\r\n",
        "GET /old\r\n",
        "GE",
        "T / HTTP/1.1",
        "HTTP/",
        " ",
        "word ",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY ",
        "5\nhello\r\n",
        "3;a\rb\r\nGET\r\n",
        "hello\n0\n\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "X: y\rCookie: s=1\r\n",
        "GET / HTTP/1.1\rCookie: s=1\r\n",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x1c\x40\0\x50",
        "\x05\x01\0",
        "\x05\x02\x01\x03abc\x02de",
        "\x05\x01\0\x03\x01h\0\x50",
        "\x05\0",
        "\x05\0\0\x01\0\0\0\0\0\0",
        "\x04\x01\0\x50\0\0\0\x01u\0h\0",
        "\0\x5a\0\0\0\0\0\0",
        "PRI * HTTP/2.0\r\n\r\n",
        "\r\n\r\n\0\r\nQUIT\n!\u{11}\0\u{3}",
        "\u{16}\u{3}\u{1}\0\u{5}",
    ];
    let piece = prop_oneof![
        20 => select(PIECES).prop_map(Vec::from),
        1 => prop::collection::vec(any::<u8>(), 0..10),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn script_of_mess() -> impl Strategy<Value = Vec<(Direction, Vec<u8>)>> {
    let start = select(
        &["", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"][..],
    );
    let part = (prop::bool::weighted(0.6), mess());
    (start, prop::collection::vec(part, 1..5)).prop_map(|(start, parts)| {
        let dir = |forward| if forward { Forward } else { Reverse };
        let rest = parts.into_iter().map(|(forward, bytes)| (dir(forward), bytes));
        [(Forward, Vec::from(start))].into_iter().chain(rest).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_said_is_read_back(
        batches in prop::collection::vec(prop::collection::vec(exchange(), 1..4), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
        eol in select(&["\r\n", "\n"][..]),
        obey in any::<bool>(),
    ) {
        let (script, expected) = write(&batches, eol);
        let driver = read(&cut(&script, &cuts), obey);
        prop_assert_eq!(&driver.sink.messages, &expected, "{:?}",
            script.iter().map(|(_, b)| latin1(b)).collect::<Vec<_>>());
        prop_assert_eq!(driver.sink.counters.http1_errors, 0);
    }

    #[test]
    fn a_body_until_close_ends_a_connection(
        batches in prop::collection::vec(prop::collection::vec(exchange(), 1..3), 0..3),
        text in body_text(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let (mut script, mut expected) = write(&batches, "\r\n");
        let ordinal = expected.iter().filter(|m| matches!(m, Seen::Request { .. })).count().try_into().unwrap();
        let (method, target, version) = ("GET".into(), "/last".into(), HttpVersion::V11);
        expected.pop();
        expected.push(Seen::Request { ordinal, dir: Forward, method, target, version, headers: vec![] });
        let (dir, status) = (Reverse, 200);
        expected.push(Seen::Response { answers: Some(ordinal), dir, status, version, headers: vec![] });
        expected.push(Seen::End);
        script.push((Forward, b"GET /last HTTP/1.1\r\n\r\n".to_vec()));
        script.push((Reverse, [b"HTTP/1.1 200 OK\r\n\r\n", &text[..]].concat()));
        prop_assert_eq!(read(&cut(&script, &cuts), true).sink.messages, expected);
    }

    #[test]
    fn cuts_change_nothing(
        script in script_of_mess(),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let whole = read(&script, true).sink;
        let single: Vec<_> = script.iter().flat_map(|(dir, b)| b.iter().map(|b| (*dir, vec![*b]))).collect();
        for (pieces, obey) in [(&script, false), (&cut(&script, &cuts), true), (&single, true)] {
            let cut = read(pieces, obey).sink;
            prop_assert_eq!(&cut.messages, &whole.messages, "obey {} of {:?}", obey,
                script.iter().map(|(d, b)| (d, latin1(b))).collect::<Vec<_>>());
            prop_assert_eq!(format!("{:?}", cut.counters), format!("{:?}", whole.counters), "obey {} of {:?}", obey,
                script.iter().map(|(d, b)| (d, latin1(b))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn gaps_and_any_bytes_are_survived_in_bounded_memory(
        midstream in any::<bool>(),
        events in prop::collection::vec((any::<bool>(), prop_oneof![
            8 => mess().prop_map(Ok),
            2 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Ok),
            2 => (0..100_u64).prop_map(Err),
            1 => select(vec![Err(u64::from(u32::MAX)), Ok(vec![b'x'; 70_000]), Ok(b"GET / HTTP/1.1
A: ".to_vec())]),
        ]), 0..30),
    ) {
        let sink = Recorder::default();
        let mut driver = if midstream { Driver::midstream(sink) } else { Driver::new(sink) };
        for (forward, event) in &events {
            let dir = if *forward { Forward } else { Reverse };
            match event {
                Ok(bytes) => driver.data(dir, bytes),
                Err(len) => driver.gap(dir, *len),
            };
        }
        driver.close();
        prop_assert!(driver.most_held <= 5 * HEAD_LIMIT, "{} bytes held", driver.most_held);
        prop_assert_eq!(driver.sink.messages.iter().filter(|m| **m == Seen::End).count(), 1);
        let mut ordinals: Vec<_> = driver.sink.messages.iter().filter_map(|m| match m {
            Seen::Request { ordinal, .. } => Some(*ordinal),
            _ => None,
        }).collect();
        ordinals.dedup(); // the parts of a long head
        if driver.sink.counters.http2_requests == 0 {
            prop_assert_eq!(&ordinals, &(0..).take(ordinals.len()).collect::<Vec<u32>>());
        }
        prop_assert!(driver.conversation.work() <= 2 * driver.shown);
    }
}
