//! Is the thief found behind a proxy, a NAT and a mirror of two ports, and nobody else accused?
//! Crafted captures in which the sensor sees every leg.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::{Replay, field, rank, text};
use tokentrail::base::time::Timestamp;
use tokentrail::packet::craft::{Conversation, TcpFrame, endpoint, pcap_file};

const VICTIM: &str = "198.51.100.7";
const THIEF: &str = "203.0.113.9";
const PROXY: &str = "10.0.2.5";
const SERVER: &str = "10.0.1.20";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const TOKEN: &str = "699deef4f79d4de90c447a4488735140";

/// Frames of many connections, and the time of the next request.
struct Wire {
    frames: Vec<(Timestamp, TcpFrame)>,
    now: Timestamp,
    port: u16,
}

impl Wire {
    fn new() -> Self {
        Self { frames: Vec::new(), now: Timestamp::from_parts(1_767_225_600, 0), port: 40_000 }
    }

    /// One request over these legs, from the client to the server: from whom to whom, and what is
    /// added to the head there. The first reply hands out the token, later requests bring it.
    fn request(&mut self, path: &str, agent: &str, legs: &[(&str, &str, String)]) {
        self.port += 1;
        let login = path == "/login";
        let cookie = if login { String::new() } else { format!("Cookie: PHPSESSID={TOKEN}\r\n") };
        let set = if login { format!("Set-Cookie: PHPSESSID={TOKEN}\r\n") } else { String::new() };
        let reply = format!("HTTP/1.1 200 OK\r\n{set}Content-Length: 0\r\n\r\n");
        let mut now = self.now;
        let mut talks: Vec<Conversation> = Vec::new();
        for (from, to, added) in legs {
            let mut talk = Conversation::new(endpoint(&format!("{from}:{}", self.port)), endpoint(&format!("{to}:80")));
            talk.now = now;
            talk.step = 200_000;
            talk.open();
            let head = format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: {agent}\r\n{cookie}{added}\r\n");
            talk.client(head.as_bytes());
            now = talk.now;
            talks.push(talk);
        }
        for talk in talks.iter_mut().rev() {
            talk.now = now;
            talk.server(reply.as_bytes());
            now = talk.now;
        }
        self.frames.extend(talks.into_iter().flat_map(|talk| talk.frames));
        self.now = Timestamp(self.now.0 + 5_000_000_000);
    }

    /// A victim who logs in and looks around, a thief with his cookie, and the victim again.
    fn theft(
        mut self,
        legs: impl Fn(&'static str) -> Vec<(&'static str, &'static str, String)>,
        thief: &'static str,
    ) -> Self {
        for path in ["/login", "/account", "/orders"] {
            self.request(path, FIREFOX, &legs(VICTIM));
        }
        self.request("/account", "curl/8.9.1", &legs(thief));
        self.request("/orders", FIREFOX, &legs(VICTIM));
        self
    }

    fn write(mut self, dir: &Path) -> PathBuf {
        self.frames.sort_by_key(|(ts, _)| *ts);
        let frames: Vec<_> = self.frames.iter().map(|(ts, frame)| (*ts, frame.bytes())).collect();
        let bytes = pcap_file(self.frames[0].1.link, frames.iter().map(|(ts, bytes)| (*ts, bytes.as_slice())));
        let file = dir.join("legs.pcap");
        std::fs::write(&file, bytes).expect("written");
        file
    }
}

/// Who is accused of what: detector, victim, suspect; and the requests of the suspect.
fn accused(capture: &Path, flags: &[&str]) -> BTreeSet<(String, String, String, u64)> {
    let replay = Replay::of(&[capture], flags);
    assert_eq!(replay.code(), 0, "{}", String::from_utf8_lossy(&replay.output.stderr));
    let several = Replay::of(&[capture], &[flags, &["--workers", "3"]].concat());
    assert_eq!(replay.alerts_bytes, several.alerts_bytes, "several workers tell the same");
    let accusing = replay.alerts().into_iter().filter(|a| text(a, "rule.name") != "token.plaintext" && rank(a) >= 1);
    let name = |alert: &serde_json::Value, path| field(alert, path).as_str().unwrap_or("unknown").to_owned();
    accusing
        .map(|alert| {
            let requests = field(&alert, "tokentrail.suspect.requests").as_u64().expect("a number");
            let [victim, suspect] = ["tokentrail.prior.ip", "tokentrail.suspect.ip"].map(|path| name(&alert, path));
            (text(&alert, "rule.name").to_owned(), victim, suspect, requests)
        })
        .collect()
}

/// The one that every capture here must give.
fn one_theft(thief: &str) -> BTreeSet<(String, String, String, u64)> {
    ["token.new_client", "token.tool_replay"]
        .map(|detector| (detector.to_owned(), VICTIM.to_owned(), thief.to_owned(), 1))
        .into()
}

fn forwarded_for(client: &str) -> String {
    // the client's own word comes first: a thief says that he is the victim
    format!("X-Forwarded-For: {VICTIM}, {client}\r\n")
}

#[test]
fn on_both_legs_of_a_proxy() {
    let dir = tempfile::tempdir().expect("a folder");
    let by_xff = |client| vec![(client, PROXY, String::new()), (PROXY, SERVER, forwarded_for(client))];
    let silent = |client| vec![(client, PROXY, String::new()), (PROXY, SERVER, String::new())];
    let trusted = ["--trusted-proxy", PROXY];
    let capture = Wire::new().theft(by_xff, THIEF).write(dir.path());
    assert_eq!(accused(&capture, &trusted), one_theft(THIEF));
    assert_eq!(accused(&capture, &[]), one_theft(THIEF), "also of a proxy that nobody configured");
    let capture = Wire::new().theft(silent, THIEF).write(dir.path());
    assert_eq!(accused(&capture, &trusted), one_theft(THIEF));
}

#[test]
fn on_the_servers_leg_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let trusted = ["--trusted-proxy", "10.0.2.0/24"];
    let only = |added: fn(&str) -> String| move |client| vec![(PROXY, SERVER, added(client))];
    let capture = Wire::new().theft(only(forwarded_for), THIEF).write(dir.path());
    assert_eq!(accused(&capture, &trusted), one_theft(THIEF));
    let forwarded = |client: &str| format!("Forwarded: for=\"{VICTIM}, for={client};proto=https\r\n");
    let capture = Wire::new().theft(only(forwarded), THIEF).write(dir.path());
    assert_eq!(accused(&capture, &[&trusted[..], &["--set", "clients.headers=forwarded"]].concat()), one_theft(THIEF));
    let single = |client: &str| format!("CF-Connecting-IP: {client}\r\n");
    let capture = Wire::new().theft(only(single), THIEF).write(dir.path());
    let flags = [&trusted[..], &["--set", "clients.single_value_headers=cf-connecting-ip"]].concat();
    assert_eq!(accused(&capture, &flags), one_theft(THIEF));
}

#[test]
fn on_both_sides_of_a_translation() {
    let dir = tempfile::tempdir().expect("a folder");
    let legs = |client| vec![(client, SERVER, String::new()), ("192.0.2.1", SERVER, String::new())];
    let capture = Wire::new().theft(legs, "198.51.100.66").write(dir.path());
    assert_eq!(accused(&capture, &["--nat", "198.51.100.0/24:192.0.2.1"]), one_theft("198.51.100.66"));
}

#[test]
fn in_two_mirrors_on_two_vlans() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut wire = Wire::new().theft(|client| vec![(client, SERVER, String::new())], THIEF);
    let again = wire.frames.clone().into_iter().map(|(ts, frame)| {
        let mut copy = frame.vlan(7);
        std::mem::swap(&mut copy.mac.source, &mut copy.mac.destination);
        (Timestamp(ts.0 + 300_000), copy)
    });
    wire.frames.extend(again.collect::<Vec<_>>());
    assert_eq!(accused(&wire.write(dir.path()), &[]), one_theft(THIEF));
}
