//! Who is the client of what a proxy passes on?

use super::*;
use crate::identity::topology::{Hop, Networks, network};
use crate::packet::SynTraits;
use crate::proto::Ambiguity;

const JA4: &str = "t13d1516h2_8daaf6152771_e5627efa2ab1";

/// A tap that sees 10.0.0.10 speak, a trusted proxy or not.
fn bench(topology: Topology) -> Bench {
    let mut bench = Bench::new();
    bench.tap.set_rules(Arc::new(TapRules { topology: Arc::new(topology), ..rules() }));
    bench.flow.syn = Some(SynTraits { options: [2; 6], window_scale: None, initial_ttl: 64 });
    bench
}

fn trusting() -> Topology {
    let trusted_proxies = Networks(vec![network("10.0.0.10").unwrap()]);
    Topology { trusted_proxies, ja4_header: Some("x-ja4".into()), ..Topology::default() }
}

fn view(seen: &[Seen]) -> Arc<RequestView> {
    tokens(seen).first().expect("a token").request.view()
}

fn cookie() -> String {
    format!("PHPSESSID={STRONG}")
}

fn preamble(bench: &mut Bench, dir: Direction, client: Option<&str>) {
    let client = client.map(|ip| Endpoint { ip: ip.parse().unwrap(), port: 4711 });
    bench.tap.on_message(&mut bench.state, &bench.flow, Message::ProxyPreamble { dir, client });
}

#[test]
fn behind_a_trusted_proxy_the_client_is_the_one_it_names() {
    let mut bench = bench(trusting());
    let fields = [
        ("Cookie", &*cookie()),
        ("User-Agent", "Acme/1"),
        ("X-Forwarded-For", "203.0.113.66, 192.0.2.1"),
        ("X-JA4", JA4),
    ];
    let view = view(&bench.request("/", &fields));
    let client = &view.client;
    assert_eq!(
        (client.address, client.address_from),
        (Some("192.0.2.1".parse().unwrap()), AddressSource::XForwardedFor)
    );
    assert_eq!(client.user_agent.as_ref().map(|agent| &*agent.original), Some("Acme/1"));
    assert_eq!(client.tls.as_deref(), Some("t13d15h2_8daaf6152771"));
    // what the packets show is the proxy's
    assert!(
        client.frame_mac.is_none() && !client.direct && client.tcp_stack.is_none() && client.header_order.is_none()
    );
    assert!(view.inner_hop, "the hop behind a terminator");
    assert_eq!(view.source.ip, bench.flow.initiator.ip);
    let counters = bench.tap.token_counters();
    assert_eq!((counters.unresolved, counters.forwarded_ignored), ([0; 5], 0));
    // what is issued belongs to him
    let issued = bench.response(200, &[("Set-Cookie", &format!("PHPSESSID={OTHER}"))]);
    assert_eq!(tokens(&issued)[0].request.like.client.address, client.address);
}

#[test]
fn a_trusted_proxy_that_names_nobody_is_no_client() {
    let mut bench = bench(trusting());
    let unknown = |seen: &[Seen]| {
        let client = &view(seen).client;
        (client.address, client.address_from) == (None, AddressSource::Unresolved)
    };
    assert!(unknown(&bench.request("/", &[("Cookie", &cookie())])));
    for said in ["unknown", "rubbish", "10.0.0.10"] {
        assert!(unknown(&bench.request("/", &[("Cookie", &cookie()), ("X-Forwarded-For", said)])), "{said}");
    }
    assert_eq!(bench.tap.token_counters().unresolved, [1, 1, 1, 1, 0]);
    // nor is it the client of a reply whose request was not seen
    assert!(unknown(&bench.answer(None, 200, &[("Set-Cookie", &cookie())])));
}

#[test]
fn nobody_else_is_believed() {
    let mut bench = bench(Topology { trusted_proxies: Networks::default(), ..trusting() });
    preamble(&mut bench, Direction::Forward, Some("192.0.2.1"));
    for name in ["X-Forwarded-For", "Forwarded", "Accept"] {
        let fields = [("Cookie", &*cookie()), (name, "for=192.0.2.1"), ("X-JA4", JA4)];
        let view = view(&bench.request("/", &fields));
        assert_eq!((view.client.address, view.client.address_from), (Some(view.source.ip), AddressSource::Packet));
        assert!(view.client.frame_mac.is_some() && view.client.tcp_stack.is_some() && view.client.tls.is_none());
        assert!(!view.inner_hop);
    }
    assert_eq!(bench.tap.token_counters().forwarded_ignored, 3, "the preamble stands for the whole connection");
}

#[test]
fn a_preamble_names_the_client_of_its_connection() {
    let mut bench = bench(trusting());
    preamble(&mut bench, Direction::Forward, Some("192.0.2.1"));
    preamble(&mut bench, Direction::Forward, Some("192.0.2.2"));
    for _ in 0..2 {
        let client = &view(&bench.request("/", &[("Cookie", &cookie())])).client;
        let expected = (Some("192.0.2.1".parse().unwrap()), AddressSource::ProxyProtocol);
        assert_eq!((client.address, client.address_from), expected);
    }
    let seen = bench.answer(None, 200, &[("Set-Cookie", &format!("PHPSESSID={OTHER}"))]);
    assert_eq!(view(&seen).client.address_from, AddressSource::ProxyProtocol);
}

#[test]
fn a_preamble_without_a_client_says_nothing() {
    let mut bench = bench(trusting());
    preamble(&mut bench, Direction::Forward, None);
    preamble(&mut bench, Direction::Reverse, Some("192.0.2.1"));
    let client = &view(&bench.request("/", &[("Cookie", &cookie()), ("X-Forwarded-For", "192.0.2.9")])).client;
    assert_eq!(client.address, Some("192.0.2.9".parse().unwrap()));
}

#[test]
fn headers_that_contradict_one_another_are_told() {
    let mut bench = bench(trusting());
    let fields = [("Cookie", &*cookie()), ("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=192.0.2.2")];
    let seen = bench.request("/", &fields);
    let told: Vec<_> = seen.iter().filter_map(|s| if let Seen::Path(path) = s { Some(path) } else { None }).collect();
    let [path] = told[..] else { panic!("told once") };
    assert_eq!(path.kind, PathKind::Ambiguous(Ambiguity::ForwardedHeaders));
    assert_eq!(path.request.id, view(&seen).id);
    let same = [("X-Forwarded-For", "192.0.2.1"), ("Forwarded", "for=\"192.0.2.1:80\"")];
    assert!(bench.request("/", &same).iter().all(|s| !matches!(s, Seen::Path(_))));
}

#[test]
fn a_fingerprint_that_is_none_is_not_taken() {
    let mut bench = bench(trusting());
    let mut tls = |fields: &[(&str, &str)]| {
        let cookie = cookie();
        let list: Vec<_> = [("Cookie", &*cookie)].iter().chain(fields).copied().collect();
        view(&bench.request("/", &list)).client.tls.clone()
    };
    let known = tls(&[("x-ja4", JA4)]).unwrap();
    assert!(Arc::ptr_eq(&known, &tls(&[("x-ja4", "t13d1517h2_8daaf6152771_b1ff8ab2d16f")]).unwrap()), "resumed");
    assert_eq!(tls(&[("x-ja4", "hunter2")]), None);
    assert_eq!(tls(&[("x-ja4", JA4), ("x-ja4", "t13d0000h2_000000000000_000000000000")]), None);
    assert_eq!(tls(&[]), None);
}

#[test]
fn a_flood_of_fingerprints_is_forgotten_and_counted() {
    let mut fingerprints = Fingerprints::new(1);
    let mut hits = 0;
    for n in 0..=4096 {
        let ja4 = format!("t13d1516h2_{n:012x}_e5627efa2ab1");
        assert!(fingerprints.read([ja4.as_bytes()].into_iter(), &mut hits).is_some());
    }
    assert_eq!(hits, 1);
}

#[test]
fn configured_hops_are_inner_ones() {
    let net = |text| network(text).unwrap();
    let hop = Hop { from: net("10.0.0.0/24"), to: net("10.0.1.20") };
    let mut bench = bench(Topology { cleartext_ok: vec![hop], ..Topology::default() });
    let view = view(&bench.request("/", &[("Cookie", &cookie())]));
    assert!(view.inner_hop);
    assert_eq!(view.client.address_from, AddressSource::Packet);
}

#[test]
fn one_request_has_one_hash_in_either_form_of_its_target() {
    let mut bench = bench(Topology::default());
    let mut hash = |target: &str| tokens(&bench.request(target, &[("Cookie", &cookie())]))[0].request.hash.unwrap();
    let plain = hash("/a?b=1");
    assert_eq!(plain, hash("http://shop.test:8080/a?b=1"));
    assert_eq!(hash("/"), hash("http://shop.test"));
    for other in ["/a?b=2", "/a", "/a?", "/a/?b=1", "/A?b=1"] {
        assert_ne!(plain, hash(other), "{other}");
    }
}
