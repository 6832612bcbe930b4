//! Is the right entry found, also among hostile ones?

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::identity::topology::{Networks, network};

const PROXY: &str = "10.0.1.5";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Trusts 10.0.1.0/24 and 2001:db8:99::/64.
fn topology() -> Topology {
    let trusted = ["10.0.1.0/24", "2001:db8:99::/64"].map(|text| network(text).unwrap());
    Topology { trusted_proxies: Networks(trusted.to_vec()), ..Topology::default() }
}

fn believing_forwarded() -> Topology {
    Topology { headers: vec![ListHeader::Forwarded], ..topology() }
}

fn heads<'h>(list: &[(&'h str, &'h [u8])]) -> Vec<Header<'h>> {
    list.iter().map(|(name, value)| Header { name: name.as_bytes(), value: Cow::Borrowed(value) }).collect()
}

/// Who a request with these lines is from.
fn behind(topology: &Topology, list: &[(&str, &str)]) -> Result<(IpAddr, AddressSource), Unresolved> {
    let list: Vec<(&str, &[u8])> = list.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    match sender(topology, ip(PROXY), None, &heads(&list)) {
        Sender::Behind { client, .. } => client,
        Sender::Peer { .. } => panic!("the peer is a proxy"),
    }
}

fn disagree(topology: &Topology, list: &[(&str, &str)]) -> bool {
    let list: Vec<(&str, &[u8])> = list.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    matches!(sender(topology, ip(PROXY), None, &heads(&list)), Sender::Behind { disagree: true, .. })
}

#[test]
fn x_forwarded_for_is_walked_from_the_right() {
    for (lines, expected) in [
        (&["192.0.2.1"][..], Ok("192.0.2.1")),
        (&["203.0.113.66, 192.0.2.1"], Ok("192.0.2.1")),
        (&["203.0.113.66 ,192.0.2.1 , 10.0.1.9"], Ok("192.0.2.1")),
        (&["192.0.2.1,,10.0.1.9,"], Ok("192.0.2.1")),
        (&["203.0.113.66", "192.0.2.1, 10.0.1.9", "10.0.1.8"], Ok("192.0.2.1")),
        (&["192.0.2.1:4711, [2001:db8:99::7]:80"], Ok("192.0.2.1")),
        (&["2001:db8::1, ::ffff:10.0.1.7"], Ok("2001:db8::1")),
        (&["\"open, 192.0.2.1"], Ok("192.0.2.1")),
        (&["192.0.2.1, unknown, 10.0.1.9"], Err(Unresolved::Hidden)),
        (&["192.0.2.1, rubbish"], Err(Unresolved::Malformed)),
        (&["192.0.2.1 10.0.1.9"], Err(Unresolved::Malformed)),
        (&["10.0.1.9, 10.0.1.8"], Err(Unresolved::OnlyProxies)),
        (&["", " , ,"], Err(Unresolved::Absent)),
        (&[], Err(Unresolved::Absent)),
    ] {
        let list: Vec<_> = lines.iter().map(|line| ("X-FORWARDED-for", *line)).collect();
        let expected = expected.map(|text| (ip(text), AddressSource::XForwardedFor));
        assert_eq!(behind(&topology(), &list), expected, "{lines:?}");
    }
}

#[test]
fn forwarded_is_walked_from_the_right() {
    for (lines, expected) in [
        (&["for=192.0.2.1"][..], Ok("192.0.2.1")),
        (&["For=\"192.0.2.1:80\";proto=https;by=10.0.1.5"], Ok("192.0.2.1")),
        (&["proto=http; FOR = 192.0.2.1"], Ok("192.0.2.1")),
        (&["for=203.0.113.66, for=\"[2001:db8::7]:4711\", for=10.0.1.9"], Ok("2001:db8::7")),
        (&["for=203.0.113.66", "for=192.0.2.1", "for=\"[2001:db8:99::1]\""], Ok("192.0.2.1")),
        (&["for=192.0.2.1;ext=\"a, for=10.9.9.9; \\\" b\", for=10.0.1.9"], Ok("192.0.2.1")),
        // quotes that a client leaves open do not swallow what the proxy adds
        (&["for=\"203.0.113.66, for=192.0.2.1"], Ok("192.0.2.1")),
        (&["for=\"203.0.113.66, for=\"[2001:db8::7]\""], Ok("2001:db8::7")),
        (&["for=\"a\\\", for=192.0.2.1;proto=http"], Ok("192.0.2.1")),
        (&["for=192.0.2.1, for=unknown"], Err(Unresolved::Hidden)),
        (&["for=192.0.2.1, for=_hidden, for=10.0.1.9"], Err(Unresolved::Hidden)),
        (&["for=192.0.2.1, proto=https"], Err(Unresolved::Hidden)),
        (&["for=192.0.2.1, for=10.0.1.9;for=192.0.2.7"], Err(Unresolved::Malformed)),
        (&["for=192.0.2.1, for="], Err(Unresolved::Malformed)),
        (&["for"], Err(Unresolved::Malformed)),
        (&["192.0.2.1"], Err(Unresolved::Hidden)),
        (&["for=10.0.1.9"], Err(Unresolved::OnlyProxies)),
        (&[" ,, "], Err(Unresolved::Absent)),
    ] {
        let list: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
        let expected = expected.map(|text| (ip(text), AddressSource::Forwarded));
        assert_eq!(behind(&believing_forwarded(), &list), expected, "{lines:?}");
    }
}

#[test]
fn too_many_hops_are_not_walked() {
    let hops = |n: usize| [&["192.0.2.1"][..], &vec!["10.0.1.9"; n]].concat();
    let (near, far) = (hops(list::HOPS - 1), hops(list::HOPS));
    let (x_near, x_far) = (near.join(","), far.join(","));
    assert!(behind(&topology(), &[("x-forwarded-for", &x_near)]).is_ok());
    assert_eq!(behind(&topology(), &[("x-forwarded-for", &x_far)]), Err(Unresolved::TooMany));
    let with_for = |list: &[&str]| list.iter().map(|hop| format!("for={hop}")).collect::<Vec<_>>().join(",");
    assert!(behind(&believing_forwarded(), &[("forwarded", &with_for(&near))]).is_ok());
    assert_eq!(behind(&believing_forwarded(), &[("forwarded", &with_for(&far))]), Err(Unresolved::TooMany));
}

#[test]
fn a_header_with_one_value_comes_first_and_may_not_contradict_itself() {
    let names = ["cf-connecting-ip", "true-client-ip"].map(Into::into);
    let topology = Topology { single_value_headers: names.to_vec(), ..topology() };
    let single = |text| Ok((ip(text), AddressSource::SingleValueHeader));
    let xff = ("x-forwarded-for", "192.0.2.1");
    assert_eq!(behind(&topology, &[xff, ("CF-Connecting-IP", " 192.0.2.9 ")]), single("192.0.2.9"));
    assert_eq!(behind(&topology, &[("true-client-ip", "2001:db8::1")]), single("2001:db8::1"));
    let twice = ("cf-connecting-ip", "192.0.2.9");
    assert_eq!(behind(&topology, &[twice, twice]), single("192.0.2.9"));
    let other = ("cf-connecting-ip", "192.0.2.8");
    assert_eq!(behind(&topology, &[twice, other]), Err(Unresolved::Malformed));
    assert_eq!(behind(&topology, &[("cf-connecting-ip", "192.0.2.9, 192.0.2.8")]), Err(Unresolved::Malformed));
    // what resolves wins over what does not
    assert_eq!(
        behind(&topology, &[("cf-connecting-ip", PROXY), xff]),
        Ok((ip("192.0.2.1"), AddressSource::XForwardedFor))
    );
}

#[test]
fn kinds_that_name_different_clients_disagree() {
    let topology = topology();
    let xff = ("x-forwarded-for", "192.0.2.1");
    assert!(!disagree(&topology, &[xff, ("forwarded", "for=192.0.2.1, for=10.0.1.7")]));
    assert!(!disagree(&topology, &[xff, ("forwarded", "for=unknown")]));
    assert!(disagree(&topology, &[xff, ("forwarded", "for=192.0.2.2")]));
    let both = Topology { single_value_headers: vec!["x-real-ip".into()], ..topology };
    assert!(disagree(&both, &[xff, ("x-real-ip", "192.0.2.2")]));
    // the believed kind decides all the same
    assert_eq!(
        behind(&both, &[xff, ("forwarded", "for=192.0.2.2")]),
        Ok((ip("192.0.2.1"), AddressSource::XForwardedFor))
    );
}

#[test]
fn a_preamble_names_the_client_and_its_headers_are_its_own_words() {
    let headers = heads(&[("x-forwarded-for", b"203.0.113.66")]);
    let client = |preamble, topology: &Topology| match sender(topology, ip(PROXY), preamble, &headers) {
        Sender::Behind { client, .. } => client,
        Sender::Peer { .. } => panic!("the peer is a proxy"),
    };
    let by_preamble = Ok((ip("192.0.2.1"), AddressSource::ProxyProtocol));
    let by_header = Ok((ip("203.0.113.66"), AddressSource::XForwardedFor));
    assert_eq!(client(Some(ip("192.0.2.1")), &topology()), by_preamble);
    assert_eq!(client(Some(ip("::ffff:192.0.2.1")), &topology()), by_preamble);
    // a balancer before a proxy: the preamble names the proxy, whose header names the client
    assert_eq!(client(Some(ip("10.0.1.9")), &topology()), by_header);
    assert_eq!(client(None, &topology()), by_header);
    let off = Topology { proxy_protocol: false, ..topology() };
    assert_eq!(client(Some(ip("192.0.2.1")), &off), by_header);
}

#[test]
fn nobody_else_is_believed() {
    let untrusted = ip("203.0.113.9");
    let topology = Topology { single_value_headers: vec!["cf-connecting-ip".into()], ..topology() };
    let peer = |preamble, list: &[(&str, &[u8])]| sender(&topology, untrusted, preamble, &heads(list));
    assert_eq!(peer(None, &[("accept", b"x")]), Sender::Peer { ignored: false });
    for name in ["X-Forwarded-For", "Forwarded", "CF-Connecting-IP"] {
        assert_eq!(peer(None, &[(name, b"192.0.2.1")]), Sender::Peer { ignored: true }, "{name}");
    }
    assert_eq!(peer(Some(ip("192.0.2.1")), &[]), Sender::Peer { ignored: true });
}

proptest! {
    /// Whatever stands left of what the proxy adds, the client is the one that the proxy names.
    #[test]
    fn nothing_before_the_last_entry_matters(
        before in prop::collection::vec(prop_oneof![
            any::<u8>(),
            prop::sample::select(b"\",;= \\[]:.0123456789for".as_slice()),
        ], 0..200),
        quoted in any::<bool>(),
    ) {
        let x: Vec<u8> = [&before[..], b", 192.0.2.1"].concat();
        let added: &[u8] = if quoted { b", for=\"[2001:db8::1]:80\";proto=http" } else { b", for=2001:db8::1;proto=http" };
        let f: Vec<u8> = [&before[..], added].concat();
        let list = heads(&[("x-forwarded-for", &x), ("forwarded", &f)]);
        let expected = |text, from| Sender::Behind { client: Ok((ip(text), from)), disagree: true };
        prop_assert_eq!(
            sender(&topology(), ip(PROXY), None, &list),
            expected("192.0.2.1", AddressSource::XForwardedFor)
        );
        prop_assert_eq!(
            sender(&believing_forwarded(), ip(PROXY), None, &list),
            expected("2001:db8::1", AddressSource::Forwarded)
        );
    }

    /// Any bytes are read without a panic, and a trusted proxy is never named.
    #[test]
    fn any_lines_are_read(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..40)) {
        let list: Vec<(&str, &[u8])> = lines
            .iter()
            .zip(["forwarded", "x-forwarded-for", "x-real-ip"].into_iter().cycle())
            .map(|(line, name)| (name, line.as_slice()))
            .collect();
        let topology = Topology {
            headers: vec![ListHeader::Forwarded, ListHeader::XForwardedFor],
            single_value_headers: vec!["x-real-ip".into()],
            ..topology()
        };
        if let Sender::Behind { client: Ok((client, _)), .. } = sender(&topology, ip(PROXY), None, &heads(&list)) {
            prop_assert!(!topology.is_proxy(client));
        }
    }
}
