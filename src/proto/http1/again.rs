//! Does it matter how a message was read? Messages that lie whole in a segment, and requests that repeat
//! the fields of the one before, come to the same as when they are read byte by byte.

use proptest::prelude::*;
use proptest::sample::select;

use crate::flow::Direction::{self, Forward, Reverse};
use crate::proto::testing::{Driver, Recorder, latin1};

const LINES: &[&str] =
    &["GET /a HTTP/1.1\r\n", "GET /b?x=1 HTTP/1.1\r\n", "PURGEX /c HTTP/1.0\r\n", "POST /d HTTP/1.1\r\n"];

const ODD_LINES: &[&str] = &[
    "HEAD /h HTTP/1.1\r\n",
    "CONNECT h:1 HTTP/1.1\r\n",
    "GET  /two HTTP/1.1\r\n",
    "GET /old\r\n",
    "GET /lf HTTP/1.1\n",
    "GET /cr HTTP/1.1\rX: y\r\n",
    "GET http://h/ HTTP/1.1\r\n",
    "\r\nGET /late HTTP/1.1\r\n",
    "nothing\r\n",
    "",
];

const BLOCKS: &[&str] = &["Host: a\r\nCookie: s=1\r\n\r\n", "Host: a\r\nCookie: s=2\r\n\r\n", "\r\n"];

const ODD_BLOCKS: &[&str] = &[
    "Content-Length: 0\r\n\r\n",
    "Content-Length: 3\r\n\r\n",
    "Content-Length: 3\r\n\r\nabc",
    "Content-Length: 3\r\n\r\nabcGET /in HTTP/1.1\r\n\r\n",
    "Content-Length: 1, 0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "Upgrade: x\r\n\r\n",
    "Host : a\r\n\r\n",
    "Host: a\n\r\n",
    "Host: a\rCookie: b\r\n\r\n",
    "Cookie: s=1\r\n folded\r\n\r\n",
    "Host: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
    "Host: a\r\n",
];

const REPLIES: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 302 Found\r\nContent-Length: 5\r\nSet-Cookie: s=2\r\n\r\nhe",
    "HTTP/1.1 304 Not Modified\r\n\r\n",
];

const ODD_REPLIES: &[&str] = &[
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 5, 2\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 204 None\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "llo",
    "HTTP/1.1 200",
    " OK\r\nContent-Length: 0\r\n\r\n",
    "\r\n",
];

#[derive(Clone, Debug)]
enum Event {
    Segment(Direction, String),
    Gap(Direction, u64),
    Rival(String),
}

fn request() -> impl Strategy<Value = String> {
    let line = prop_oneof![12 => select(LINES), 1 => select(ODD_LINES)];
    let block = prop_oneof![12 => select(BLOCKS), 1 => select(ODD_BLOCKS)];
    (line, block).prop_map(|(line, block)| format!("{line}{block}"))
}

fn reply() -> impl Strategy<Value = String> {
    prop_oneof![8 => select(REPLIES), 1 => select(ODD_REPLIES)].prop_map(String::from)
}

fn exchange() -> impl Strategy<Value = Vec<Event>> {
    let (ask, answer) = (|text| vec![Event::Segment(Forward, text)], |text| vec![Event::Segment(Reverse, text)]);
    prop_oneof![
        20 => (request(), reply()).prop_map(move |(asked, said)| [ask(asked), answer(said)].concat()),
        2 => request().prop_map(ask),
        2 => reply().prop_map(answer),
        1 => (any::<bool>(), 1..40_u64).prop_map(|(forward, n)| {
            vec![Event::Gap(if forward { Forward } else { Reverse }, n)]
        }),
        1 => request().prop_map(|text| vec![Event::Rival(text)]),
    ]
}

fn read(events: &[Event], step: usize, obey: bool, sink: Recorder) -> Driver<Recorder> {
    let driver = Driver::new(sink);
    let mut driver = if obey { driver } else { driver.show_everything() };
    for event in events {
        match event {
            Event::Segment(dir, text) => text.as_bytes().chunks(step).for_each(|piece| {
                driver.data(*dir, piece);
            }),
            Event::Gap(dir, n) => {
                driver.gap(*dir, *n);
            }
            Event::Rival(text) => {
                driver.rival(Forward, 0, text);
            }
        }
    }
    driver.close();
    driver
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn how_a_message_is_read_does_not_matter(
        events in prop::collection::vec(exchange(), 1..14).prop_map(|events| events.concat()),
        wanted in select(&[0_usize, 0, 3, 20][..]),
        obey in any::<bool>(),
    ) {
        let sink = |takes_again| Recorder { wanted, takes_again, ..Recorder::default() };
        let (told, again) = (read(&events, usize::MAX, obey, sink(false)).sink, read(&events, usize::MAX, obey, sink(true)).sink);
        let script: Vec<_> = events.iter().map(|event| match event {
            Event::Segment(dir, text) => format!("{dir:?} {}", latin1(text.as_bytes())),
            other => format!("{other:?}"),
        }).collect();
        prop_assert_eq!(&again.messages, &told.messages, "again: {:#?}", script);
        prop_assert_eq!(&again.frames, &told.frames, "again: {:#?}", script);
        prop_assert_eq!(format!("{:?}", again.counters), format!("{:?}", told.counters), "again: {:#?}", script);
        if events.iter().all(|event| matches!(event, Event::Segment(..))) {
            let slow = read(&events, 1, obey, sink(false)).sink;
            prop_assert_eq!(&told.messages, &slow.messages, "by byte: {:#?}", script);
            prop_assert_eq!(format!("{:?}", told.counters), format!("{:?}", slow.counters), "by byte: {:#?}", script);
        }
    }
}

#[test]
fn requests_that_repeat_their_fields_are_told_again() {
    let again = |requests: &[&str], reply: &str| {
        let mut d = Driver::new(Recorder { takes_again: true, ..Recorder::default() });
        for request in requests {
            d.forward(request).reverse(reply);
        }
        d.sink.again
    };
    let (ok, chunked) = (REPLIES[1], ODD_REPLIES[5]);
    let [a, b, old] =
        ["GET /a HTTP/1.1", "POST /b HTTP/1.1", "GET /c HTTP/1.0"].map(|l| format!("{l}\r\nCookie: s=1\r\n\r\n"));
    let other = "GET /a HTTP/1.1\r\nCookie: s=2\r\n\r\n";
    assert_eq!(again(&[&a, &b, &old], ok), 2);
    assert_eq!(again(&[&a, &b, &old], chunked), 2);
    assert_eq!(again(&[&a, other, &a, &a], ok), 1, "only of the request before");
    for odd in ODD_BLOCKS.iter().filter(|b| !b.contains("Length: 0") && !b.contains("folded")) {
        let odd = format!("GET /a HTTP/1.1\r\n{odd}");
        assert_eq!(again(&[&odd, &odd, &odd], ok), 0, "{odd:?}");
    }
}
