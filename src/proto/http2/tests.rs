//! What is read of HTTP/2 in order, in pieces, from the middle, with holes, and when somebody floods it?

use super::frame;
use super::streams::STREAM_LIMIT;
use super::write::{PREFACE, block, block_to_keep, frame, get, headers, opening, reply, settings};
use crate::flow::Direction::{Forward, Reverse};
use crate::proto::HttpVersion;
use crate::proto::testing::{Driver, Fields, Recorder, Seen, latin1};

const END_STREAM: u8 = frame::END_STREAM;
const END_HEADERS: u8 = frame::END_HEADERS;
const PADDED: u8 = frame::PADDED;

fn driver() -> Driver<Recorder> {
    Driver::new(Recorder::default())
}

/// A connection that has begun.
fn begun() -> Driver<Recorder> {
    let mut d = driver();
    d.forward(opening()).reverse(settings(&[])).forward(frame(4, 1, 0, &[])).reverse(frame(4, 1, 0, &[]));
    d
}

/// Requests as `ordinal method target`, replies as `ordinal status`, and what else was said.
fn told(d: &Driver<Recorder>) -> Vec<String> {
    let name = |n: &Option<u32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let line = |m: &Seen| match m {
        Seen::Request { ordinal, method, target, .. } => Some(format!("{ordinal} {method} {target}")),
        Seen::Response { answers, status, .. } => Some(format!("{} {status}", name(answers))),
        Seen::Body { ordinal, bytes, whole, .. } => Some(format!("{ordinal} body {bytes} {whole}")),
        Seen::Abandoned(ordinal) => Some(format!("{ordinal} abandoned")),
        Seen::Http2Client(_) => None,
        Seen::End => Some("end".into()),
        other => Some(format!("{other:?}")),
    };
    d.sink.messages.iter().filter_map(line).collect()
}

fn fields_of(d: &Driver<Recorder>, which: usize) -> Fields {
    let fields = |m: &Seen| match m {
        Seen::Request { headers, .. } | Seen::Response { headers, .. } => Some(headers.clone()),
        _ => None,
    };
    d.sink.messages.iter().filter_map(fields).nth(which).unwrap()
}

fn pairs(list: &[(&str, &str)]) -> Fields {
    list.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
}

#[test]
fn replies_come_in_any_order() {
    let mut d = begun();
    d.forward([get(1, "/a", &[]), get(3, "/b", &[]), get(5, "/c", &[])].concat());
    d.reverse([reply(3, "100", &[]), reply(5, "200", &[]), reply(1, "404", &[]), reply(3, "302", &[])].concat());
    d.forward(get(7, "/d", &[])).close();
    assert_eq!(told(&d), ["1 GET /a", "3 GET /b", "5 GET /c", "5 200", "1 404", "3 302", "7 GET /d", "end"]);
    assert_eq!((d.sink.counters.http2_requests, d.sink.counters.http2_responses), (4, 3));
    assert_eq!(d.sink.counters.http2_errors + d.sink.counters.unknown_protocol, 0);
    let Seen::Request { version, dir, .. } = &d.sink.messages[1] else { panic!("{:?}", d.sink.messages) };
    assert_eq!((*version, *dir), (HttpVersion::V2, Forward));
}

#[test]
fn a_head_is_given_as_http1_has_it() {
    let mut d = begun();
    let crumbs = [("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"), ("x-last", "1"), ("cookie", "c=3")];
    d.forward(get(1, "/x?y", &crumbs));
    d.reverse(reply(1, "200", &[("set-cookie", "a=1"), ("set-cookie", "b=2")]));
    let head = [("host", "shop.test"), ("cookie", "a=1; b=2; c=3"), ("accept", "*/*"), ("x-last", "1")];
    assert_eq!(fields_of(&d, 0), pairs(&head));
    assert_eq!(fields_of(&d, 1), pairs(&[("set-cookie", "a=1"), ("set-cookie", "b=2")]));
    let shape = Seen::Http2Client("3:100;4:65535|0|m,s,p,a".into());
    assert_eq!(d.sink.messages[0], shape, "told once, before the first request");
}

#[test]
fn the_authority_names_the_host() {
    let mut d = begun();
    d.forward(get(1, "/", &[("host", "other.test")]));
    d.forward(headers(3, &[(":method", "GET"), (":path", "/"), ("host", "only.test")]));
    assert_eq!(fields_of(&d, 0), pairs(&[("host", "shop.test"), ("host", "other.test")]));
    assert_eq!(fields_of(&d, 1), pairs(&[("host", "only.test")]));
}

#[test]
fn tunnels_and_websockets_are_requests() {
    let mut d = begun();
    d.forward(headers(1, &[(":method", "CONNECT"), (":authority", "db.test:5432")]));
    let socket = [(":method", "CONNECT"), (":protocol", "websocket"), (":path", "/chat"), (":authority", "shop.test")];
    d.forward(frame(1, END_HEADERS, 3, &block(&socket)));
    d.reverse(frame(1, END_HEADERS, 3, &block(&[(":status", "200")]))).forward(frame(0, 0, 3, b"\x81\x02hi"));
    d.forward(get(5, "/next", &[]));
    assert_eq!(told(&d), ["1 CONNECT db.test:5432", "3 GET /chat", "3 200", "5 GET /next"]);
}

#[test]
fn padding_priority_and_pieces_of_blocks() {
    let fields = block(&[(":method", "POST"), (":path", "/p"), (":authority", "a.test"), ("cookie", "s=1")]);
    let (one, rest) = fields.split_at(7);
    let padded = [&[4][..], &[0x80, 0, 0, 3, 7], one, &[0; 4]].concat();
    let mut d = begun();
    d.forward(frame(2, 0, 9, &[0, 0, 0, 0, 5])).forward(frame(0x42, 0xff, 1, b"unknown"));
    d.forward(frame(1, PADDED | 0x20, 1, &padded)).forward(frame(9, 0, 1, &[]));
    d.forward([frame(9, 0, 1, &rest[..3]), frame(9, END_HEADERS, 1, &rest[3..])].concat());
    d.forward(frame(0, PADDED, 1, &[&[3][..], b"text", &[0; 3]].concat()));
    let trailers = [("x-trailer", "1")];
    d.forward(headers(1, &trailers)).forward(get(3, "/q", &[])).reverse(reply(1, "200", &[]));
    assert_eq!(told(&d), ["1 POST /p", "3 GET /q", "1 200"]);
    assert_eq!(fields_of(&d, 0), pairs(&[("host", "a.test"), ("cookie", "s=1")]));
    assert_eq!(d.sink.frames[0], (7, 9), "from the frame with its first byte to that with its last");
}

#[test]
fn data_is_not_even_shown() {
    let mut d = begun();
    d.forward(frame(1, END_HEADERS, 1, &block(&[(":method", "POST"), (":path", "/up")])));
    let shown = d.shown;
    let body = frame(0, END_STREAM, 1, &[b'x'; 16_000]);
    for piece in body.chunks(1000) {
        d.forward(piece);
    }
    assert_eq!(d.shown - shown, 1000, "the piece with the header");
    d.forward(get(3, "/after", &[]));
    assert_eq!(told(&d), ["1 POST /up", "3 GET /after"]);
}

#[test]
fn bodies_that_are_wanted_are_told_whatever_lies_between() {
    let mut d = Driver::new(Recorder { wanted: 8, ..Recorder::default() });
    d.forward(opening()).reverse(settings(&[]));
    let post =
        |stream, path, more| frame(1, END_HEADERS | more, stream, &block(&[(":method", "POST"), (":path", path)]));
    d.forward([post(1, "/a", 0), post(3, "/b", 0), post(5, "/none", END_STREAM), post(7, "/c", 0)].concat());
    d.forward([frame(0, 0, 1, b"one"), frame(0, PADDED, 3, b"\x02three..")].concat());
    d.forward(frame(0, END_STREAM, 1, b"=1")).forward(frame(0, 0, 7, b"longer than wanted"));
    d.forward(frame(0, END_STREAM, 3, &[]));
    d.reverse(frame(1, END_HEADERS, 1, &block(&[(":status", "200")]))).reverse(frame(0, 0, 1, b"so"));
    d.reverse(headers(1, &[("x-trailer", "1")]));
    d.reverse(frame(1, END_HEADERS, 3, &block(&[(":status", "200")]))).reverse(frame(0, 0, 3, b"cut"));
    d.reverse(frame(3, 0, 3, &[0; 4])).close();
    let all = told(&d);
    let bodies: Vec<&str> = all.iter().filter(|l| l.contains("body")).map(String::as_str).collect();
    let expected =
        ["1 body one=1 true", "7 body longer t false", "3 body three true", "1 body so true", "3 body cut false"];
    assert_eq!(bodies, expected);
}

#[test]
fn too_many_bodies_are_counted() {
    let mut d = Driver::new(Recorder { wanted: 8, ..Recorder::default() });
    d.forward(opening());
    for stream in 0..6 {
        d.forward(frame(1, END_HEADERS, stream * 2 + 1, &block(&[(":method", "POST"), (":path", "/")])));
    }
    assert_eq!(d.sink.counters.body_limit_hits, 2);
    d.close();
    assert_eq!(told(&d).iter().filter(|l| l.ends_with("body  false")).count(), 4);
}

#[test]
fn what_a_server_pushes_is_no_request_but_fills_the_table() {
    let mut d = begun();
    d.forward(get(1, "/", &[]));
    let promised = [&2_u32.to_be_bytes()[..], &block_to_keep(&[(":status", "203"), (":method", "GET")])].concat();
    d.reverse(frame(5, END_HEADERS, 1, &promised));
    d.reverse(frame(1, END_HEADERS, 1, &[0xbf])).reverse(frame(1, END_HEADERS, 2, &[0x88]));
    assert_eq!(told(&d), ["1 GET /", "1 203", "- 200"]);
}

#[test]
fn streams_that_end_early_get_no_reply() {
    let mut d = begun();
    d.forward([get(1, "/a", &[]), get(3, "/b", &[]), get(5, "/c", &[])].concat());
    d.reverse(frame(3, 0, 1, &[0, 0, 0, 7]));
    d.forward(frame(3, 0, 3, &[0, 0, 0, 8])).reverse(reply(3, "200", &[]));
    d.reverse(frame(7, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    d.reverse(frame(7, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]));
    d.close();
    let expected = ["1 GET /a", "3 GET /b", "5 GET /c", "1 abandoned", "3 200", "5 abandoned", "end"];
    assert_eq!(told(&d), expected, "the reply to a request that was called off may be under way");
}

#[test]
fn a_server_may_speak_first() {
    let mut d = driver();
    d.reverse(settings(&[(3, 100)])).forward(opening()).forward(get(1, "/", &[])).reverse(reply(1, "200", &[])).close();
    assert_eq!(told(&d), ["1 GET /", "1 200", "end"]);
    let mut d = driver();
    d.reverse(settings(&[(3, 100)])).forward("GET / HTTP/1.1\r\n\r\n").close();
    assert_eq!(told(&d), ["0 GET /", "end"], "a forged beginning hides nothing");
}

#[test]
fn an_upgrade_answers_the_request_on_stream_one() {
    let upgrade = "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    for before in 0..3_u32 {
        let mut d = driver();
        for n in 0..before {
            d.forward(format!("GET /{n} HTTP/1.1\r\n\r\n")).reverse("HTTP/1.1 204 No\r\n\r\n");
        }
        let shift = before.wrapping_sub(1);
        d.forward(upgrade);
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        d.reverse([&switch[..], &settings(&[])].concat());
        d.forward(opening()).reverse(reply(1, "200", &[("x", "1")]));
        d.forward(get(3, "/next", &[("cookie", "sid=2")])).reverse(reply(3, "201", &[])).close();
        let next = shift.wrapping_add(3);
        let expected = [
            format!("{before} GET /up"),
            format!("{before} 200"),
            format!("{next} GET /next"),
            format!("{next} 201"),
            "end".into(),
        ];
        assert_eq!(told(&d)[before as usize * 2..], expected);
    }
}

#[test]
fn joined_in_the_middle() {
    let mut d = Driver::midstream(Recorder::default());
    // What the table held is not known: an authority, and a cookie.
    let known = block(&[(":method", "GET"), (":path", "/late")]);
    d.forward(frame(1, 5, 41, &[&known[..], &[0xbe, 0xbf], &block_to_keep(&[("x-new", "1")])].concat()));
    d.reverse(frame(0, 1, 39, &[b'x'; 50])).reverse(reply(41, "200", &[]));
    d.forward(frame(1, 5, 43, &[&known[..], &[0xbe, 0xc0]].concat())).close();
    assert_eq!(told(&d), ["41 GET /late", "41 200", "43 GET /late", "end"]);
    assert_eq!(fields_of(&d, 0), pairs(&[("x-new", "1")]));
    assert_eq!(fields_of(&d, 2), pairs(&[("x-new", "1")]), "what was added since is known");
    assert_eq!(d.sink.counters.http2_errors, 0);
}

#[test]
fn other_bytes_in_the_middle_are_not_taken_for_frames() {
    let mut d = Driver::midstream(Recorder::default());
    d.forward(frame(1, 5, 1, b"\x04\x05hello")).forward("GET / HTTP/1.1\r\nHost: a\r\n\r\n").close();
    assert_eq!(told(&d), ["0 GET /", "end"]);
    let mut d = Driver::midstream(Recorder::default());
    d.reverse(frame(6, 0, 0, &[0; 8]))
        .forward("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .reverse("HTTP/1.1 200 OK\r\n\r\n")
        .close();
    assert_eq!(told(&d), ["0 GET /", "0 200", "end"]);
}

#[test]
fn a_hole_in_data_costs_nothing() {
    let mut d = begun();
    d.forward(frame(1, END_HEADERS, 1, &block(&[(":method", "POST"), (":path", "/up")])));
    let data = frame(0, END_STREAM, 1, &[b'x'; 900]);
    d.forward(&data[..100]).gap(Forward, 500).forward(&data[600..]).forward(get(3, "/after", &[]));
    assert_eq!(told(&d), ["1 POST /up", "3 GET /after"]);
}

#[test]
fn after_a_hole_the_next_frames_are_found_and_the_table_is_unknown() {
    let mut d = begun();
    let post = block(&[(":method", "POST"), (":path", "/up")]);
    d.forward(frame(1, 5, 1, &[&post[..], &block_to_keep(&[("cookie", "sid=1")])].concat()));
    d.gap(Forward, 40);
    // The end of something, then frames.
    d.forward(
        [
            vec![b'.'; 30],
            frame(8, 0, 0, &[0, 0, 1, 0]),
            frame(1, 5, 5, &[&post[..], &[0xbe], &block(&[("x", "y")])].concat()),
        ]
        .concat(),
    );
    assert_eq!(told(&d), ["1 POST /up", "5 POST /up"]);
    assert_eq!(fields_of(&d, 1), pairs(&[("x", "y")]), "the cookie is not guessed");
    // A hole inside a header block: what came before it is told.
    let whole =
        frame(1, 5, 7, &[&block(&[(":method", "GET"), (":path", "/cut"), ("a", "b")])[..], &[b'?'; 60]].concat());
    d.forward(&whole[..whole.len() - 50]).gap(Forward, 50).forward(get(9, "/on", &[]));
    assert_eq!(told(&d)[2..], ["7 GET /cut", "9 GET /on"]);
}

#[test]
fn an_error_in_a_block_is_counted_and_forgets_the_table() {
    let mut d = begun();
    let post = block(&[(":method", "POST"), (":path", "/up")]);
    d.forward(frame(1, 5, 1, &[&post[..], &block_to_keep(&[("cookie", "sid=1")])].concat()));
    d.forward(frame(1, 5, 3, &[&post[..], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat()));
    d.forward(frame(1, 5, 5, &[&post[..], &[0xbe]].concat())).reverse(reply(5, "200", &[]));
    assert_eq!(told(&d), ["1 POST /up", "3 POST /up", "5 POST /up", "5 200"]);
    assert_eq!((fields_of(&d, 2), d.sink.counters.http2_errors), (vec![], 1));
    d.forward(frame(1, PADDED | 5, 7, &[9, 0x82])).forward(get(9, "/", &[]));
    assert_eq!(d.sink.counters.http2_errors, 2, "more padding than payload");
    assert_eq!(told(&d)[4..], ["9 GET /"]);
}

#[test]
fn a_block_that_breaks_off_is_read_as_far_as_it_came() {
    let mut d = begun();
    let fields = block(&[(":method", "GET"), (":path", "/half"), ("cookie", "s=1")]);
    d.forward(frame(1, 1, 1, &fields)).forward(get(3, "/next", &[]));
    assert_eq!(told(&d), ["1 GET /half", "3 GET /next"]);
}

#[test]
fn a_flood_of_continuations_costs_no_memory() {
    let mut d = begun();
    let fields = block(&[(":method", "GET"), (":path", "/flood"), ("cookie", "s=1")]);
    d.forward(frame(1, 1, 1, &fields));
    for n in 0..400_u32 {
        d.forward(frame(9, 0, 1, &block(&[("x-long", &"a".repeat(4000 + n as usize % 3))])));
    }
    assert!(d.most_held < 700_000, "{}", d.most_held);
    assert_eq!((d.sink.counters.block_limit_hits, told(&d)), (1, vec!["1 GET /flood".to_owned()]));
    assert_eq!(fields_of(&d, 0)[0], ("cookie".into(), "s=1".into()));
    d.forward(frame(9, END_HEADERS, 1, &[])).forward(get(3, "/on", &[]));
    assert_eq!(told(&d)[1..], ["3 GET /on"], "the connection goes on");
    // In one frame.
    d.forward(frame(1, 5, 5, &[&fields[..], &block(&[("x", &"a".repeat(300_000))])].concat())).forward(get(
        7,
        "/",
        &[],
    ));
    assert_eq!(
        (d.sink.counters.block_limit_hits, &told(&d)[2..]),
        (2, &["5 GET /flood".to_owned(), "7 GET /".to_owned()][..])
    );
}

#[test]
fn a_flood_of_streams_forgets_the_oldest() {
    let mut d = begun();
    for n in 0..2000_u32 {
        d.forward([get(n * 2 + 1, "/", &[]), frame(3, 0, n * 2 + 1, &[0; 4])].concat());
    }
    let abandoned = told(&d).iter().filter(|l| l.ends_with("abandoned")).count();
    assert_eq!(abandoned, 2000 - 32, "of those that were called off few wait for a reply");
    assert_eq!(d.sink.counters.stream_limit_hits, 0);
    for n in 2000..4000_u32 {
        d.forward(get(n * 2 + 1, "/", &[]));
    }
    assert_eq!(d.sink.counters.stream_limit_hits, 2000 + 32 - STREAM_LIMIT as u64);
    d.reverse(reply(7999, "200", &[])).reverse(reply(4001, "200", &[]));
    assert_eq!(told(&d)[told(&d).len() - 2..], ["7999 200", "- 200"]);
    assert!(d.most_held < 20_000, "{}", d.most_held);
}

#[test]
fn a_bomb_of_references_is_a_few_fields() {
    let mut d = begun();
    let cookie = "a".repeat(4000);
    let pseudo = block(&[(":method", "GET"), (":path", "/bomb")]);
    d.forward(frame(1, 5, 1, &[&pseudo[..], &block_to_keep(&[("cookie", &cookie)]), &[0xbe; 12_000]].concat()));
    assert_eq!(fields_of(&d, 0), pairs(&[("cookie", &cookie)]));
    let wide: Vec<u8> = (0..10).flat_map(|n| block(&[("x", &n.to_string().repeat(30_000))])).collect();
    let many: Vec<Vec<u8>> = wide
        .chunks(16_000)
        .enumerate()
        .map(|(n, c)| if n == 0 { frame(1, 1, 3, &[&pseudo[..], c].concat()) } else { frame(9, 0, 3, c) })
        .collect();
    d.forward(many.concat()).forward(frame(9, END_HEADERS, 3, &[]));
    let size: usize = fields_of(&d, 1).iter().map(|(n, v)| n.len() + v.len()).sum();
    assert!(size <= 256 * 1024 && d.sink.counters.block_limit_hits == 1, "{size}");
}

#[test]
fn a_preface_that_is_answered_in_http1_was_a_decoy() {
    let mut d = driver();
    d.forward(opening()).forward(get(1, "/fake", &[]));
    d.reverse("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    d.forward("GET /true HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 204 No\r\n\r\n").close();
    let told = told(&d);
    assert!(told.iter().any(|l| l.ends_with("GET /true")) && told.iter().any(|l| l.ends_with(" 204")), "{told:?}");
}

#[test]
fn a_preface_is_enough_to_know_the_protocol() {
    let mut d = driver();
    d.forward(PREFACE).close();
    assert_eq!((told(&d), d.sink.counters.unknown_protocol), (vec!["end".to_owned()], 0));
    assert_eq!(latin1(&PREFACE[..3]), "PRI");
    let mut d = driver();
    d.data(Reverse, opening()).data(Reverse, get(1, "/", &[])).data(Forward, reply(1, "200", &[]));
    assert_eq!(told(&d), ["1 GET /", "1 200"], "the client is who asks, whoever opened the connection");
}
