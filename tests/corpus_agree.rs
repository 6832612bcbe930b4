//! Does an independent reader see the same requests? Compares the metadata log of real captures with
//! what tshark read in them, where that corpus is beside the checkout.

#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Replay, field, shared, text};

/// A direction of a flow: sender and receiver as `address port`.
type Way = (String, String);

/// What is compared of a request: method, host and number of cookie pairs, in the order of each flow.
type Requests = BTreeMap<Way, Vec<(String, String, u64)>>;

/// Kinds of captures, and the share of requests that must agree in each.
const KINDS: [(&str, f64); 18] = [
    ("http-cookie", 0.99),
    ("http-auth", 0.99),
    ("http-edge", 0.99),
    ("linktype", 0.99),
    ("vlan-qinq", 0.99),
    ("ipv6", 0.99),
    ("ipfrag", 0.99),
    ("proxy-socks", 0.99),
    ("websocket", 0.99),
    ("http2-h2c", 1.0),
    ("tcp-anomaly", 0.99),
    ("tunnel-erspan", 0.99),
    ("tunnel-geneve", 0.99),
    ("tunnel-gre", 0.99),
    ("tunnel-ip", 0.99),
    ("tunnel-mpls", 0.99),
    ("tunnel-pppoe", 0.99),
    ("tunnel-vxlan", 0.99),
];

/// Why tshark has nothing to say of some captures.
const ODD_PORT: &str = "tshark looks for HTTP/2 on its usual ports only; told to, it reads the same requests";

/// Flows of which the two readers rightly say different things: capture, part of the flow, why.
const EXPLAINED: &[(&str, &str, &str)] = &[
    ("zeek-zeek__http_09.pcap", "", "requests of HTTP/0.9, which tshark does not read"),
    (
        "zeek-zeek__variant-01-chunk_2pow64_overflow.pcap",
        "",
        "a chunk size of 2^64: a host that wraps it reads a second request, and so it is read here",
    ),
    (
        "zeek-zeek__vlan-collisions.pcap",
        "",
        "one connection copied into three VLANs: each is a network of its own here, tshark makes one of them",
    ),
    (
        "seladb-PcapPlusPlus__unidirectional_tcp_stream_with_missing_packet.pcap",
        "",
        "only the client was captured, with losses: tshark reads none of its two whole heads",
    ),
    (
        "arkime-arkime__http-digestauth.pcap",
        "10.0.0.1 4411 ",
        "the capture ends before anybody acknowledges the request, whose checksum is wrong",
    ),
    (
        "OISF-suricata-verify__bug-5437-01.pcap",
        "183.171.100.129 59938",
        "two lone segments whose checksum is wrong, and nobody acknowledges them",
    ),
    ("OISF-suricata-verify__http2-keywords.pcap", "", ODD_PORT),
    ("OISF-suricata-verify__http2-long-frame.pcap", "", ODD_PORT),
    ("ntop-nDPI__http2.pcapng", "", ODD_PORT),
    ("wireshark__packet-h2-14_headers.pcapng", "", ODD_PORT),
    (
        "arkime-arkime__http2-nghttp2.pcap",
        "",
        "the table has a request that the server promises, and not the client's own, whose block has two frames",
    ),
];

fn address(text: &str) -> String {
    text.parse::<std::net::IpAddr>().map_or_else(|_| text.to_owned(), |ip| ip.to_string())
}

/// The requests that tshark read, from its tables: of HTTP/1, and of HTTP/2 by stream.
fn theirs(truth: &Path, name: &str) -> Requests {
    let mut requests = Requests::new();
    for (kind, host) in [("http", "host"), ("h2", "authority")] {
        read_table(&truth.join(format!("{name}.{kind}.tsv")), host, &mut requests);
    }
    requests
}

fn read_table(table: &Path, host: &str, requests: &mut Requests) {
    let content = std::fs::read_to_string(table).unwrap_or_default();
    let mut lines = content.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let names = lines.next().unwrap_or_default();
    for row in lines {
        let cell =
            |name: &str| names.iter().position(|n| *n == name).and_then(|at| row.get(at)).copied().unwrap_or_default();
        // A head quoted in an ICMP error has no ports: nobody sent it.
        let asks = cell("type") == "req" || host == "authority" && !cell("method").is_empty();
        if !asks || cell("sport").is_empty() || cell("transport") != "tcp" {
            continue;
        }
        let way = (
            format!("{} {}", address(cell("src")), cell("sport")),
            format!("{} {}", address(cell("dst")), cell("dport")),
        );
        let cookies = cell("cookie").split(';').filter(|pair| !pair.is_empty()).count() as u64;
        let whole = cell(host);
        let without_port = whole.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let name = without_port.map_or(whole, |(name, _)| name).to_ascii_lowercase();
        requests.entry(way).or_default().push((cell("method").to_owned(), name, cookies));
    }
}

/// The requests in our metadata log.
fn ours(capture: &Path) -> Requests {
    let mut events = Replay::of(&[capture], &[]).events();
    events.retain(|event| text(event, "event.dataset") == "tokentrail.http");
    // By frame; requests of one frame keep their order.
    events.sort_by_key(|event| field(event, "tokentrail.frame").as_u64());
    let mut requests = Requests::new();
    for event in events {
        let end = |side: &str| format!("{} {}", text(&event, &format!("{side}.ip")), field(&event, side)["port"]);
        let method = text(&event, "http.request.method").to_owned();
        if method.is_empty() {
            continue; // a reply whose request was not seen
        }
        let host = text(&event, "url.domain").to_owned();
        let cookies = field(&event, "tokentrail.cookies").as_u64().unwrap_or_default();
        requests.entry((end("source"), end("destination"))).or_default().push((method, host, cookies));
    }
    requests
}

/// Requests that agree by flow and ordinal, and those that should.
fn compare(name: &str, theirs: &Requests, ours: &Requests) -> (usize, usize) {
    let (mut agreed, mut all) = (0, 0);
    let nothing = Vec::new();
    for way in theirs.keys().chain(ours.keys().filter(|way| !theirs.contains_key(*way))) {
        let (a, b) = (theirs.get(way).unwrap_or(&nothing), ours.get(way).unwrap_or(&nothing));
        let flow = format!("{} > {}", way.0, way.1);
        if let Some((_, _, why)) = EXPLAINED.iter().find(|(file, part, _)| *file == name && flow.contains(part)) {
            println!("{name} {flow}: {why}");
            continue;
        }
        let same = |(x, y): &(&(String, String, u64), &(String, String, u64))| {
            // A host that looks random (`www.xxxxxxxxx.xx` of an anonymised capture) is masked.
            x.0 == y.0 && x.2 == y.2 && (x.1 == y.1 || x.1.is_empty() || y.1.contains('‹'))
        };
        let equal = a.iter().zip(b).filter(same).count();
        if equal < a.len().max(b.len()) {
            let shown = |list: &[(String, String, u64)]| {
                list.iter().map(|(m, h, c)| format!("{m} {h} {c}")).take(12).collect::<Vec<_>>().join(" | ")
            };
            println!("{name} {flow}\n  tshark: {}\n  here:   {}", shown(a), shown(b));
        }
        agreed += equal;
        all += a.len().max(b.len());
    }
    (agreed, all)
}

#[test]
fn requests_and_cookies_agree_with_tshark() {
    let Some(corpus) = shared("corpus") else { return };
    let mut wrong = Vec::new();
    for (kind, bar) in KINDS {
        let (mut agreed, mut all) = (0, 0);
        let mut captures: Vec<_> =
            std::fs::read_dir(corpus.join("captures").join(kind)).unwrap().map(|e| e.unwrap().path()).collect();
        captures.sort();
        for capture in captures.iter().filter(|path| path.extension().is_some_and(|e| e != "keys")) {
            let name = capture.file_name().unwrap().to_str().unwrap();
            let (a, b) = compare(name, &theirs(&corpus.join("truth").join(kind), name), &ours(capture));
            agreed += a;
            all += b;
        }
        println!("{kind}: {agreed} of {all} requests agree");
        if (agreed as f64) < bar * all as f64 {
            wrong.push(format!("{kind} {agreed}/{all}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join(", "));
}
