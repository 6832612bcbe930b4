//! What may a configuration file say of the network? Proxies, NAT, shared exits, internal hops.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

use super::layer::set;
use super::list::List;
use super::quantity::{FromText, Written};
use crate::identity::topology::{self, EgressGroup, Hop, ListHeader, Nat, Networks, Topology};

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Clients {
    /// Networks of proxies that are believed when they say for whom they speak. Default none.
    trusted_proxies: Option<List<Written<IpNet>>>,
    /// Headers that your proxies add to: x-forwarded-for, forwarded. Default x-forwarded-for.
    headers: Option<List<HeaderEntry>>,
    /// Headers that your proxies set to the client's address, such as cf-connecting-ip. Default none.
    single_value_headers: Option<List<Written<HeaderName>>>,
    /// Whether a PROXY preamble of a trusted proxy is believed. Default auto: wherever there is one.
    proxy_protocol: Option<ProxyProtocol>,
    /// Headers in which your proxies give fingerprints of the client's connection.
    fingerprint_headers: FingerprintHeaders,
    /// Exits of one organisation: a client that changes among them has not moved. Default none.
    egress_groups: Option<Vec<EgressEntry>>,
    /// Address translations of which both sides are seen. Default none.
    nat: Option<Vec<NatEntry>>,
    /// Hops behind a TLS terminator, on which cleartext is no exposure. Default none.
    cleartext_ok: Option<Vec<HopEntry>>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum HeaderEntry {
    XForwardedFor,
    Forwarded,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ProxyProtocol {
    /// Wherever a trusted proxy sends a preamble.
    Auto,
    /// A preamble is skipped.
    Ignore,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct FingerprintHeaders {
    /// The header with the client's JA4. Default none.
    ja4: Option<Written<HeaderName>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EgressEntry {
    /// A name for people.
    name: String,
    /// Its networks.
    networks: List<Written<IpNet>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NatEntry {
    /// The network behind it.
    inside: Written<IpNet>,
    /// The address that it has outside.
    outside: Written<IpAddr>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HopEntry {
    /// Who sends requests: the terminator.
    from: Written<IpNet>,
    /// To whom.
    to: Written<IpNet>,
}

impl Clients {
    /// Puts what is said here over `clients`.
    pub(super) fn apply(self, clients: &mut Topology) {
        set(&mut clients.trusted_proxies, self.trusted_proxies.map(networks));
        set(&mut clients.headers, self.headers.map(|list| list.0.into_iter().map(Into::into).collect()));
        set(
            &mut clients.single_value_headers,
            self.single_value_headers.map(|list| list.0.into_iter().map(|name| name.0.0).collect()),
        );
        set(&mut clients.proxy_protocol, self.proxy_protocol.map(|said| said == ProxyProtocol::Auto));
        set(&mut clients.ja4_header, self.fingerprint_headers.ja4.map(|name| Some(name.0.0)));
        let group = |entry: EgressEntry| EgressGroup { name: entry.name.into(), networks: networks(entry.networks) };
        set(&mut clients.egress_groups, self.egress_groups.map(|list| list.into_iter().map(group).collect()));
        let nat = |entry: NatEntry| Nat { inside: entry.inside.0, outside: entry.outside.0 };
        set(&mut clients.nat, self.nat.map(|list| list.into_iter().map(nat).collect()));
        let hop = |entry: HopEntry| Hop { from: entry.from.0, to: entry.to.0 };
        set(&mut clients.cleartext_ok, self.cleartext_ok.map(|list| list.into_iter().map(hop).collect()));
    }
}

fn networks(list: List<Written<IpNet>>) -> Networks {
    Networks(list.0.into_iter().map(|network| network.0).collect())
}

impl From<HeaderEntry> for ListHeader {
    fn from(entry: HeaderEntry) -> Self {
        match entry {
            HeaderEntry::XForwardedFor => Self::XForwardedFor,
            HeaderEntry::Forwarded => Self::Forwarded,
        }
    }
}

impl FromText for IpNet {
    fn from_text(text: &str) -> Result<Self, String> {
        topology::network(text)
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["10.0.0.0/24", "2001:db8::/32", "10.0.1.5"]})
    }
}

impl FromText for IpAddr {
    fn from_text(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| format!("`{text}` is no address such as 203.0.113.5"))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["203.0.113.5", "2001:db8::5"]})
    }
}

/// The name of a header field, in lower case (RFC 9110 §5.1).
#[derive(Clone, Debug)]
struct HeaderName(Box<str>);

impl FromText for HeaderName {
    fn from_text(text: &str) -> Result<Self, String> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if !text.is_empty() && text.bytes().all(token) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(format!("`{text}` is no name of a header, such as cf-connecting-ip"))
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"})
    }
}
