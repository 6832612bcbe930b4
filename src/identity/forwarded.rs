//! Who is behind the proxy? Forwarded headers and PROXY preambles, believed from trusted proxies only.

mod list;
mod node;

use std::net::IpAddr;

use smallvec::SmallVec;

use super::AddressSource;
use super::topology::{ListHeader, Topology};
use crate::proto::Header;

/// Names of the headers that proxies add to.
const X_FORWARDED_FOR: &[u8] = b"x-forwarded-for";
const FORWARDED: &[u8] = b"forwarded";

/// Why nobody knows who is behind a trusted proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unresolved {
    /// It did not say.
    Absent,
    /// It said that it does not tell: `unknown` or an obfuscated name.
    Hidden,
    /// What it said is no address.
    Malformed,
    /// It named trusted proxies only.
    OnlyProxies,
    /// It named more of them than are looked at.
    TooMany,
}

impl Unresolved {
    /// The reasons as they are counted: `client_address_unresolved_total{reason}`.
    pub const REASONS: [&'static str; 5] = ["absent", "hidden", "malformed", "only_proxies", "too_many"];
}

/// Who sends the request of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    /// The peer itself. `ignored`: it claims to speak for another and is not trusted to.
    Peer {
        /// It sent forwarded headers, or a PROXY preamble.
        ignored: bool,
    },
    /// Somebody behind the peer, which is a trusted proxy.
    Behind {
        /// Its address, and where it was read.
        client: Result<(IpAddr, AddressSource), Unresolved>,
        /// Headers of different kinds name different clients.
        disagree: bool,
    },
}

/// Reads who is behind `peer`. `preamble` is the address that a PROXY preamble named; `headers` are
/// those of the request, none where it was not seen.
#[must_use]
pub fn sender(topology: &Topology, peer: IpAddr, preamble: Option<IpAddr>, headers: &[Header<'_>]) -> Sender {
    if !topology.is_proxy(peer) {
        let claims = |header: &Header<'_>| {
            let named = |name: &[u8]| header.name.eq_ignore_ascii_case(name);
            named(X_FORWARDED_FOR)
                || named(FORWARDED)
                || topology.single_value_headers.iter().any(|name| named(name.as_bytes()))
        };
        return Sender::Peer { ignored: preamble.is_some() || headers.iter().any(claims) };
    }
    let preamble = preamble.filter(|_| topology.proxy_protocol).map(|ip| ip.to_canonical());
    match preamble.filter(|ip| !ip.is_unspecified() && !topology.is_proxy(*ip)) {
        // The proxy passed bytes on: the headers in them are the client's own words.
        Some(ip) => Sender::Behind { client: Ok((ip, AddressSource::ProxyProtocol)), disagree: false },
        None => by_headers(topology, headers),
    }
}

fn by_headers(topology: &Topology, headers: &[Header<'_>]) -> Sender {
    let is_proxy = |ip| topology.is_proxy(ip);
    let lines = |name: &'static [u8]| values(headers, name);
    let listed = |kind| match kind {
        ListHeader::XForwardedFor => {
            (list::x_forwarded_for(lines(X_FORWARDED_FOR), is_proxy), AddressSource::XForwardedFor)
        }
        ListHeader::Forwarded => (list::forwarded(lines(FORWARDED), is_proxy), AddressSource::Forwarded),
    };
    let single = |name: &str| single_value(values(headers, name.as_bytes()), is_proxy);

    let mut client = Err(Unresolved::Absent);
    let mut named: SmallVec<[IpAddr; 4]> = SmallVec::new();
    let mut hear = |(said, from): (Result<IpAddr, Unresolved>, AddressSource), believed: bool| {
        named.extend(said.ok());
        match said {
            Ok(ip) if believed && client.is_err() => client = Ok((ip, from)),
            Err(why) if believed && client == Err(Unresolved::Absent) => client = Err(why),
            _ => {}
        }
    };
    for name in &topology.single_value_headers {
        hear((single(name), AddressSource::SingleValueHeader), true);
    }
    for kind in &topology.headers {
        hear(listed(*kind), true);
    }
    // What is not believed here may be believed by the server.
    for kind in [ListHeader::XForwardedFor, ListHeader::Forwarded] {
        if !topology.headers.contains(&kind) {
            hear(listed(kind), false);
        }
    }
    let disagree = named.iter().any(|ip| Some(ip) != named.first());
    Sender::Behind { client, disagree }
}

/// Every line of a header that holds one address must name the same.
fn single_value<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Unresolved> {
    let mut all = lines.map(node::address);
    let first = all.next().ok_or(Unresolved::Absent)??;
    match () {
        () if all.any(|other| other != Ok(first)) => Err(Unresolved::Malformed),
        () if is_proxy(first) => Err(Unresolved::OnlyProxies),
        () => Ok(first),
    }
}

/// Values of every field of this name, in wire order.
fn values<'h>(headers: &'h [Header<'_>], name: &'h [u8]) -> impl DoubleEndedIterator<Item = &'h [u8]> {
    headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_ref())
}

#[cfg(test)]
mod tests;
