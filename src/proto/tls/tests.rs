//! Are hellos read over any cut, and like another reader reads them?

use proptest::collection::vec;
use proptest::prelude::*;
use tls_parser::{TlsMessage, TlsMessageHandshake};

use super::hello::extension;
use super::*;
use crate::flow::Direction::{Forward, Reverse};
use crate::flow::StreamConsumer;
use crate::proto::testing::{Driver, Recorder, Seen};

/// A list with its length before it, in `size` bytes.
fn list(size: usize, bytes: &[u8]) -> Vec<u8> {
    [&bytes.len().to_be_bytes()[8 - size..], bytes].concat()
}

/// An extension.
fn ext(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &list(2, value)].concat()
}

/// A handshake message.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &list(3, body)].concat()
}

/// A message cut into records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &list(2, part)].concat()).collect()
}

fn client_hello(session_id: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let ciphers = [0x0a, 0x0a, 0x13, 0x01, 0xc0, 0x2f];
    let head = [&[3, 3][..], &[7; 32], &list(1, session_id), &list(2, &ciphers), &[1, 0]].concat();
    message(1, &[head, list(2, &extensions.concat())].concat())
}

fn server_hello(random: [u8; 32], session_id: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let head = [&[3, 3][..], &random, &list(1, session_id), &[0x13, 0x01, 0]].concat();
    message(2, &[head, list(2, &extensions.concat())].concat())
}

fn shop() -> Vec<u8> {
    ext(extension::SERVER_NAME, &list(2, &[&[0][..], &list(2, b"shop.test")].concat()))
}

fn tls13() -> Vec<u8> {
    ext(extension::SUPPORTED_VERSIONS, &[3, 4])
}

fn retry_request() -> Vec<u8> {
    let random = hex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
    server_hello(random.try_into().unwrap(), &[], &[tls13()])
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// What is said of two sides' bytes, each cut into segments of `size`.
fn said(client: &[u8], server: &[u8], size: usize) -> Vec<Seen> {
    let mut driver = Driver::new(Recorder::default());
    for (dir, bytes) in [(Forward, client), (Reverse, server)] {
        for segment in bytes.chunks(size) {
            driver.data(dir, segment);
        }
    }
    driver.close();
    driver.sink.messages
}

fn answer(seen: &[Seen]) -> Option<(TlsVersion, Option<bool>)> {
    seen.iter().find_map(|seen| match seen {
        Seen::ServerHello { version, resumed, retry: false, .. } => Some((*version, *resumed)),
        _ => None,
    })
}

#[test]
fn a_hello_is_read_over_any_cut_of_records_and_segments() {
    // As long as one with a post-quantum key share.
    let client = client_hello(&[9; 32], &[ext(51, &[5; 1_800]), shop()]);
    let server = server_hello([1; 32], &[9; 32], &[tls13()]);
    for record in [1, 3, 4, 40, 1_000, 16_384] {
        for segment in [1, 5, 17, 600, 1_460, 100_000] {
            let seen = said(&records(&client, record), &records(&server, record), segment);
            let [
                Seen::ClientHello { server_name, session_id: 32, .. },
                Seen::ServerHello { .. },
                Seen::TlsOpaque,
                Seen::End,
            ] = &seen[..]
            else {
                panic!("records of {record}, segments of {segment}: {seen:?}")
            };
            assert_eq!(server_name, "shop.test");
            assert_eq!(answer(&seen), Some((TlsVersion::TLS13, Some(false))));
        }
    }
}

#[test]
fn the_frames_are_those_of_the_first_and_last_byte() {
    let mut driver = Driver::new(Recorder::default());
    for segment in records(&client_hello(&[], &[shop()]), 1_000).chunks(50) {
        driver.forward(segment);
    }
    let [Seen::ClientHello { frames, .. }] = &driver.sink.messages[..] else { panic!() };
    assert_eq!(*frames, (1, 2));
}

#[test]
fn nothing_is_read_after_the_hellos() {
    let mut driver = Driver::new(Recorder::default());
    driver.forward(records(&client_hello(&[], &[]), 1_000)).reverse(records(&server_hello([1; 32], &[], &[]), 1_000));
    let shown = driver.shown;
    (0..10).for_each(|_| {
        driver.forward([0x17; 1_000]).reverse([0x17; 1_000]);
    });
    assert_eq!((driver.shown, driver.conversation.held_bytes()), (shown, 0));
    let counters = driver.sink.counters;
    assert_eq!(
        (counters.tls_opaque(), counters.tls_versions, counters.unknown_protocol),
        (1, [0, 0, 0, 0, 1, 0, 0], 0)
    );
}

#[test]
fn a_server_may_ask_for_another_hello() {
    let retry = records(&retry_request(), 1_000);
    let hello = records(&server_hello([1; 32], &[], &[tls13(), ext(extension::PRE_SHARED_KEY, &[0, 0])]), 1_000);
    let server = [retry.clone(), vec![20, 3, 3, 0, 1, 1], hello].concat();
    let seen = said(&records(&client_hello(&[], &[]), 1_000), &server, 7);
    assert!(matches!(seen[1], Seen::ServerHello { retry: true, .. }), "{seen:?}");
    assert_eq!(answer(&seen), Some((TlsVersion::TLS13, Some(true))));
    // Both in one record.
    let both = [retry_request(), server_hello([1; 32], &[], &[tls13()])].concat();
    let seen = said(&records(&client_hello(&[], &[]), 1_000), &records(&both, 1_000), 1_460);
    assert_eq!(answer(&seen), Some((TlsVersion::TLS13, Some(false))));
}

#[test]
fn a_session_is_resumed_where_the_server_says_so() {
    let psk = || ext(extension::PRE_SHARED_KEY, &[0, 0]);
    let (none, one, two) = (&[][..], &[1; 32][..], &[2; 32][..]);
    for (offered, echoed, extensions, resumed) in [
        (one, one, vec![], true),
        (one, two, vec![], false),
        (none, none, vec![], false),
        (none, two, vec![], false),
        // In TLS 1.3 the id is an echo.
        (one, one, vec![tls13()], false),
        (one, one, vec![tls13(), psk()], true),
    ] {
        let client = records(&client_hello(offered, &[]), 1_000);
        let seen = said(&client, &records(&server_hello([1; 32], echoed, &extensions), 1_000), 1_460);
        assert_eq!(answer(&seen).map(|a| a.1), Some(Some(resumed)), "{offered:?} {echoed:?}");
    }
    let seen = said(&[], &records(&server_hello([1; 32], &[1; 32], &[]), 1_000), 1_460);
    assert_eq!(answer(&seen), Some((TlsVersion::TLS12, None)), "the client's hello was not seen");
}

#[test]
fn warnings_before_the_answer_are_passed_over_and_holes_are_not() {
    let client = records(&client_hello(&[], &[]), 1_000);
    let server = records(&server_hello([1; 32], &[], &[]), 1_000);
    let warned = [&[21, 3, 3, 0, 2, 1, 112][..], &server].concat();
    assert!(answer(&said(&client, &warned, 3)).is_some());

    let mut driver = Driver::new(Recorder::default());
    driver.forward(&client[..20]).gap(Forward, 10).forward(&client[30..]).reverse(&server).close();
    assert_eq!(driver.sink.messages.len(), 3, "{:?}", driver.sink.messages);
    assert!(answer(&driver.sink.messages).is_some());

    let mut driver = Driver::new(Recorder::default());
    driver.forward(&client).gap(Reverse, 10).reverse(&server).close();
    assert!(matches!(driver.sink.messages[..], [Seen::ClientHello { .. }, Seen::TlsOpaque, Seen::End]));
}

#[test]
fn a_hello_in_the_form_of_ssl2_is_read() {
    let body = [&[3, 1, 0, 6, 0, 0, 0, 16, 0, 0, 0x2f, 7, 0, 0xc0][..], &[8; 16]].concat();
    let hello = ClientHello::read_ssl2(&body).unwrap();
    assert_eq!((hello.version, hello.ciphers().collect::<Vec<_>>()), (TlsVersion::TLS10, vec![0x2f]));
    let client = [&[0x80, u8::try_from(body.len() + 1).unwrap(), 1][..], &body].concat();
    let server = records(&server_hello([1; 32], &[], &[]), 1_000);
    for segment in [1, 4, 100] {
        let seen = said(&client, &server, segment);
        assert!(matches!(seen[0], Seen::ClientHello { session_id: 0, .. }), "{segment}: {seen:?}");
        assert!(answer(&seen).is_some());
    }
}

#[test]
fn early_drafts_had_no_session_id_in_the_answer() {
    let body = [&[0x7f, 0x12][..], &[1; 32], &[0x13, 0x01], &list(2, &ext(51, &[1; 4]))].concat();
    let hello = ServerHello::read(&body).unwrap();
    assert_eq!((hello.version(), hello.cipher), (TlsVersion(0x7f12), 0x1301));
}

#[test]
fn a_hello_without_end_is_given_up() {
    let endless = message(1, &vec![0; 70_000]);
    let mut driver = Driver::new(Recorder::default());
    for segment in records(&endless, 16_000).chunks(1_460) {
        driver.forward(segment);
    }
    assert_eq!(driver.sink.counters.tls_handshake_limit_hits, 1);
    assert!(
        driver.most_held < 20_000,
        "what its own header says is enough, but for 8 KiB of what may be answered: {}",
        driver.most_held
    );
    let long = message(1, &vec![0; record::MESSAGE_LIMIT - 4]);
    let mut driver = Driver::new(Recorder::default());
    for segment in records(&long, 16_000).chunks(1_460) {
        driver.forward(segment);
    }
    assert_eq!(driver.sink.counters.tls_handshake_limit_hits, 0);
    assert!(driver.most_held < 3 * record::MESSAGE_LIMIT, "{}", driver.most_held);
}

#[test]
fn a_hello_inside_a_tunnel_is_read() {
    let mut driver = Driver::new(Recorder::default());
    driver.forward("CONNECT shop.test:443 HTTP/1.1\r\n\r\n").reverse("HTTP/1.1 200 OK\r\n\r\n");
    driver.forward(records(&client_hello(&[], &[shop()]), 20)).close();
    let hello = driver.sink.messages.iter().find_map(|seen| match seen {
        Seen::ClientHello { server_name, .. } => Some(server_name.as_str()),
        _ => None,
    });
    assert_eq!(hello, Some("shop.test"));
}

#[test]
fn debug_shows_no_session_id() {
    let hello = client_hello(b"0123456789abcdef", &[ext(extension::SESSION_TICKET, b"ticket")]);
    let shown = format!("{:?}", ClientHello::read(&hello[4..]).unwrap());
    assert_eq!(shown, "ClientHello(0303, 3 ciphers, 10 bytes of extensions)");
}

fn extensions() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let names = vec(any::<u8>(), 1..20).prop_map(|n| ext(0, &list(2, &[&[0][..], &list(2, &n)].concat())));
    let alpn = vec(vec(any::<u8>(), 1..9), 1..4)
        .prop_map(|names| ext(16, &list(2, &names.iter().flat_map(|n| list(1, n)).collect::<Vec<_>>())));
    let codes = |kind: u16| vec(any::<u16>(), 1..6).prop_map(move |c| ext(kind, &list(2, &bytes(&c))));
    let versions = vec(any::<u16>(), 1..6).prop_map(|c| ext(43, &list(1, &bytes(&c))));
    let ticket = vec(any::<u8>(), 0..40).prop_map(|t| ext(35, &t));
    let psk = vec(vec(any::<u8>(), 1..9), 1..4).prop_map(|ids| {
        let ids: Vec<u8> = ids.iter().flat_map(|id| [list(2, id), vec![0; 4]].concat()).collect();
        ext(41, &[list(2, &ids), vec![0, 0]].concat())
    });
    let other = (100..200u16, vec(any::<u8>(), 0..20)).prop_map(|(kind, value)| ext(kind, &value));
    (names, alpn, codes(10), codes(13), versions, ticket, psk, vec(other, 0..4))
        .prop_map(|(a, b, c, d, e, f, g, others)| [a, b, c, d, e, f, g].into_iter().chain(others).collect())
}

fn bytes(codes: &[u16]) -> Vec<u8> {
    codes.iter().flat_map(|code| code.to_be_bytes()).collect()
}

proptest! {
    #[test]
    fn another_reader_agrees(id in vec(any::<u8>(), 0..=32), extensions in extensions()) {
        let hello = client_hello(&id, &extensions);
        let (_, theirs) = tls_parser::parse_tls_message_handshake(&hello).unwrap();
        let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(theirs)) = theirs else { panic!() };
        let ours = ClientHello::read(&hello[4..]).unwrap();
        prop_assert_eq!(ours.version.0, theirs.version.0);
        prop_assert_eq!(ours.random, theirs.random);
        prop_assert_eq!(ours.session_id, theirs.session_id.unwrap_or_default());
        prop_assert_eq!(ours.ciphers().collect::<Vec<_>>(), theirs.ciphers.iter().map(|c| c.0).collect::<Vec<_>>());
        let (_, list) = tls_parser::parse_tls_client_hello_extensions(theirs.ext.unwrap_or_default()).unwrap();
        prop_assert_eq!(ours.extensions().count(), list.len());
        for one in list {
            use tls_parser::TlsExtension as Theirs;
            match one {
                Theirs::SNI(names) => prop_assert_eq!(ours.server_name(), names.first().map(|name| name.1)),
                Theirs::ALPN(names) => prop_assert_eq!(ours.protocols().collect::<Vec<_>>(), names),
                Theirs::EllipticCurves(groups) =>
                    prop_assert_eq!(ours.groups().collect::<Vec<_>>(), groups.iter().map(|g| g.0).collect::<Vec<_>>()),
                Theirs::SignatureAlgorithms(all) =>
                    prop_assert_eq!(ours.signature_algorithms().collect::<Vec<_>>(), all),
                Theirs::SupportedVersions(all) => prop_assert_eq!(
                    ours.supported_versions().map(|v| v.0).collect::<Vec<_>>(),
                    all.iter().map(|v| v.0).collect::<Vec<_>>()
                ),
                Theirs::SessionTicket(ticket) => prop_assert_eq!(ours.ticket(), Some(ticket)),
                Theirs::PreSharedKey(_) => prop_assert!(ours.psk_identities() > 0),
                _ => {}
            }
        }
    }

    #[test]
    fn hostile_bytes_never_panic_and_cuts_change_nothing(
        hostile in vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in 1..400_usize,
    ) {
        let _ = (ClientHello::read(&hostile), ServerHello::read(&hostile), ClientHello::read_ssl2(&hostile));
        let mut client = records(&client_hello(&[3; 32], &[shop(), ext(extension::ALPN, &list(2, &list(1, b"h2")))]), 90);
        let changed = at.index(client.len());
        client[changed] = value;
        let server = records(&server_hello([1; 32], &[3; 32], &[]), 50);
        let without_frames = |mut seen: Vec<Seen>| {
            for seen in &mut seen {
                if let Seen::ClientHello { frames, .. } = seen {
                    *frames = (0, 0);
                }
            }
            seen
        };
        let whole = without_frames(said(&client, &server, usize::MAX));
        // Whether what begins like nothing of ours is given up depends on how much of it is seen at once.
        if whole.contains(&Seen::TlsOpaque) && changed > 5 {
            prop_assert_eq!(whole, without_frames(said(&client, &server, cut)));
        }
    }
}
