//! Are key logs read as they are written, and never shown?

use std::sync::Arc;

use super::*;

fn hex(byte: u8, len: usize) -> String {
    format!("{byte:02x}").repeat(len)
}

fn lines(lines: &[String]) -> KeyLog {
    KeyLog::read(lines.join("\n").as_bytes())
}

#[test]
fn lines_of_every_kind() {
    let (random, other) = (hex(1, 32), hex(2, 32));
    let log = lines(&[
        "# a comment".into(),
        format!("CLIENT_RANDOM {random} {}", hex(0xab, 48)),
        String::new(),
        format!("SERVER_TRAFFIC_SECRET_0 {other} {}\r", hex(0xcd, 32).to_uppercase()),
        format!("  CLIENT_TRAFFIC_SECRET_0\t{other}  {} ", hex(0xce, 48)),
        format!("EXPORTER_SECRET {other} {}", hex(3, 32)),
        format!("RSA {} {}", hex(3, 8), hex(3, 48)),
    ]);
    assert_eq!((log.len(), log.broken, log.skipped), (3, 0, 3));
    let mut store = KeyStore::new(8, 1);
    assert!(store.is_empty() && store.find(&[1; 32]).is_none());
    store.learn(&log);
    let secret = |random: u8, label| store.find(&[random; 32])?.get(label).map(|secret| secret.expose().clone());
    assert_eq!(secret(1, Label::Master), Some(vec![0xab; 48]));
    assert_eq!(secret(2, Label::Server), Some(vec![0xcd; 32]));
    assert_eq!(secret(2, Label::Client), Some(vec![0xce; 48]));
    assert_eq!((secret(1, Label::Server), secret(3, Label::Master)), (None, None));
    assert!(store.find(&[1; 31]).is_none());
}

#[test]
fn broken_lines_are_named_by_number_and_spoil_no_other() {
    let (random, secret) = (hex(1, 32), hex(7, 48));
    let log = lines(&[
        format!("CLIENT_RANDOM {random}"),
        format!("CLIENT_RANDOM {random} {secret} more"),
        format!("CLIENT_RANDOM {random}0 {secret}"),
        format!("CLIENT_RANDOM {random} {secret}0"),
        format!("CLIENT_RANDOM {random} {}", hex(7, 32)),
        format!("CLIENT_RANDOM {} {secret}", random.replace('1', "g")),
        "hello".into(),
        format!("CLIENT_RANDOM {random} {secret}"),
        "\u{0}\u{1}".into(),
    ]);
    use Broken::{ClientRandom, Secret, Words};
    let expected = [
        (1, Words),
        (2, Words),
        (3, ClientRandom),
        (4, Secret),
        (5, Secret),
        (6, ClientRandom),
        (7, Words),
        (9, Words),
    ];
    assert_eq!(log.broken_lines, expected);
    assert_eq!((log.len(), log.broken), (1, 8));
    assert_eq!(KeyLog::read(&b"hello\n".repeat(100)).broken_lines.len(), NAMED);
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let text = format!("CLIENT_RANDOM {} {}\nbroken deadbeefdeadbeef\n", hex(0x5a, 32), hex(0xc3, 48));
    let log = KeyLog::read(text.as_bytes());
    let mut store = KeyStore::new(4, 1);
    store.learn(&log);
    let shown = format!("{log:?} {store:?} {:?} {:?}", store.find(&[0x5a; 32]), log.broken_lines);
    for raw in ["c3c3", "195, 195", "deadbeef"] {
        assert!(!shown.contains(raw), "{shown}");
    }
}

#[test]
fn the_oldest_connections_make_room_and_workers_share_what_was_known_first() {
    let line = |random: u8, label: &str| format!("{label} {} {}\n", hex(random, 32), hex(9, 48));
    let mut first = KeyStore::new(2, 1);
    for random in 1..=3 {
        first.learn(&KeyLog::read(line(random, "CLIENT_RANDOM").as_bytes()));
    }
    assert_eq!((first.find(&[1; 32]).is_none(), first.limit_hits()), (true, 1));
    let first = Arc::new(first);
    let mut worker = KeyStore::over(Arc::clone(&first), 2, 1);
    assert!(worker.find(&[2; 32]).is_some() && !worker.is_empty());
    worker.learn(&KeyLog::read(line(2, "CLIENT_TRAFFIC_SECRET_0").as_bytes()));
    let known = worker.find(&[2; 32]).unwrap();
    assert!(known.get(Label::Master).is_some() && known.get(Label::Client).is_some(), "both sources count");
    assert!(first.find(&[2; 32]).unwrap().get(Label::Client).is_none());
}
