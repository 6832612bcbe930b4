//! Is what two real peers say read over any cut, and nothing else?

#[path = "tests/peers.rs"]
mod peers;

use proptest::prelude::*;

use crate::flow::Direction::{self, Forward, Reverse};
use crate::proto::testing::{Driver, Recorder, Seen};
use crate::proto::tls::Unread;
use crate::proto::tls::keys::{KeyLog, KeyStore};

/// What travels between two peers, and their key log.
#[derive(Clone, Default, Debug)]
pub(super) struct Talk {
    pub(super) name: String,
    pub(super) keys: String,
    pub(super) script: Vec<(Direction, Vec<u8>)>,
}

/// Sessions of OpenSSL 3.0 with a pre-shared key, of suites that other libraries lack and one that was
/// renegotiated: `GET /a` with a cookie, and `hello`.
fn recorded() -> Vec<Talk> {
    let hex = |text: &str| {
        let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect::<Vec<u8>>()
    };
    let mut talks: Vec<Talk> = Vec::new();
    for line in include_str!("tests/sessions.txt").lines() {
        match (line.split_at(1), talks.last_mut()) {
            (("=", name), _) => talks.push(Talk { name: name.trim().into(), ..Talk::default() }),
            ((">", bytes), Some(talk)) => talk.script.push((Forward, hex(bytes))),
            (("<", bytes), Some(talk)) => talk.script.push((Reverse, hex(bytes))),
            (_, Some(talk)) => talk.keys.push_str(&format!("{line}\n")),
            (_, None) => panic!("{line}"),
        }
    }
    talks
}

/// A conversation with these secrets.
pub(super) fn knowing(keys: &str) -> Driver<Recorder> {
    let mut store = KeyStore::new(8, 1);
    store.learn(&KeyLog::read(keys.as_bytes()));
    Driver::new(Recorder { keys: store, ..Recorder::default() })
}

/// What is said where the bytes come in pieces of at most `step`.
pub(super) fn read(talk: &Talk, step: usize) -> Driver<Recorder> {
    let mut driver = knowing(&talk.keys);
    for (dir, bytes) in &talk.script {
        for piece in bytes.chunks(step) {
            driver.data(*dir, piece);
        }
    }
    driver.close();
    driver
}

/// Requests by target and replies by status.
pub(super) fn said(driver: &Driver<Recorder>) -> Vec<String> {
    let said = driver.sink.messages.iter().filter_map(|message| match message {
        Seen::Request { target, .. } => Some(target.clone()),
        Seen::Response { status, .. } => Some(status.to_string()),
        _ => None,
    });
    said.collect()
}

/// Counted as decrypted, and as unread by reason.
fn counted(driver: &Driver<Recorder>) -> (u64, Vec<&'static str>) {
    let counters = &driver.sink.counters;
    let unread = Unread::LABELS.into_iter().zip(counters.tls_undecrypted);
    (counters.tls_decrypted, unread.flat_map(|(label, n)| vec![label; n as usize]).collect())
}

#[test]
fn sessions_of_every_suite_are_read() {
    let talks = recorded();
    assert_eq!(talks.len(), 14);
    for talk in &talks {
        let driver = read(talk, usize::MAX);
        assert_eq!(said(&driver), ["/a", "200"], "{}", talk.name);
        assert_eq!(counted(&driver), (1, vec![]), "{}", talk.name);
        let opaque = driver.sink.messages.iter().filter(|m| matches!(m, Seen::TlsOpaque)).count();
        let ends = driver.sink.messages.iter().filter(|m| matches!(m, Seen::End)).count();
        assert_eq!((opaque, ends), (0, 1), "{}", talk.name);
    }
}

#[test]
fn any_cut_says_the_same() {
    for talk in &recorded() {
        let whole = read(talk, usize::MAX).sink.messages;
        let stripped = |messages: &[Seen]| {
            let mut messages = messages.to_vec();
            messages.retain(|message| !matches!(message, Seen::ClientHello { .. })); // it tells its frames
            messages
        };
        for step in [1, 2, 5, 16, 61] {
            assert_eq!(stripped(&read(talk, step).sink.messages), stripped(&whole), "{} by {step}", talk.name);
        }
    }
}

#[test]
fn a_session_inside_a_tunnel_is_read() {
    for talk in &recorded() {
        let mut tunnelled = talk.clone();
        let connect = b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n".to_vec();
        let established = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        tunnelled.script.splice(0..0, [(Forward, connect), (Reverse, established)]);
        let driver = read(&tunnelled, 90);
        assert_eq!(said(&driver), ["shop.test:443", "200", "/a", "200"], "{}", talk.name);
        let ordinals = driver.sink.messages.iter().filter_map(|message| match message {
            Seen::Request { ordinal, .. } => Some(*ordinal),
            _ => None,
        });
        assert_eq!(ordinals.collect::<Vec<_>>(), [0, 1], "each request of a flow has its number");
    }
}

#[test]
fn without_its_secrets_a_connection_stays_as_cheap_as_it_was() {
    let [one, other] = [&recorded()[4], &recorded()[8]];
    for keys in ["", &other.keys] {
        let driver = read(&Talk { keys: keys.into(), ..one.clone() }, usize::MAX);
        assert_eq!((said(&driver), counted(&driver)), (vec![], (0, vec!["no_key"])));
        let hellos = one.script[0].1.len() + one.script[1].1.len();
        assert!(driver.shown <= hellos as u64, "{} of {hellos} bytes were asked for", driver.shown);
    }
}

#[test]
fn wrong_secrets_open_nothing() {
    for talk in &recorded() {
        let wrong = |line: &str| {
            let (head, secret) = line.rsplit_once(' ').unwrap();
            format!("{head} {}\n", secret.replace('a', "b").replace('0', "1"))
        };
        let keys = talk.keys.lines().map(wrong).collect();
        let driver = read(&Talk { keys, ..talk.clone() }, usize::MAX);
        assert_eq!((said(&driver), counted(&driver)), (vec![], (0, vec!["wrong_key"])), "{}", talk.name);
    }
}

#[test]
fn a_record_that_was_tampered_with_gives_nothing() {
    for talk in &recorded() {
        let (at, _) = (0..).zip(&talk.script).filter(|(_, (dir, _))| *dir == Forward).nth(2).unwrap();
        let request = talk.script[at].1.len();
        // The request's record: behind its header, in its middle, and its last byte.
        for flipped in [5, request / 2, request - 1] {
            let mut talk = talk.clone();
            talk.script[at].1[flipped] ^= 1;
            let driver = read(&talk, usize::MAX);
            assert!(!said(&driver).contains(&"/a".to_owned()), "{} at {flipped}", talk.name);
            let (decrypted, unread) = counted(&driver);
            assert!(decrypted == 1 && unread.contains(&"lost"), "{} at {flipped}: {unread:?}", talk.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Hostile bytes behind the hellos break nothing and are bounded in memory.
    #[test]
    fn noise_inside_is_survived(which in 0..14_usize, at in 0..8_usize, noise in proptest::collection::vec(any::<u8>(), 1..400)) {
        let mut talk = recorded().swap_remove(which);
        let at = at.min(talk.script.len() - 1);
        let bytes = &mut talk.script[at].1;
        let cut = noise[0] as usize % bytes.len();
        bytes.splice(cut.., noise);
        let driver = read(&talk, 50);
        prop_assert!(said(&driver).iter().all(|said| ["/a", "200"].contains(&said.as_str())));
        prop_assert!(driver.most_held < 256 * 1024);
    }
}
