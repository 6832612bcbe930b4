//! Who is in an alert? The owner of a session and whoever else used it, as far as they are known.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::fields::Time;
use super::super::fit::Fit;
use crate::identity::{AddressSource, ClientIdentity};
use crate::session::BindingView;

/// What is known of a client, whichever side it is on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Facets<'a> {
    ip: Option<IpAddr>,
    /// Known only where ARP, NDP or DHCP tells it: the MAC of a frame may be a router's.
    mac: Option<Cow<'a, str>>,
    /// Empty when its requests carry none, null when none was seen.
    user_agent: Option<Cow<'a, str>>,
    /// TLS fingerprint: JA4 in the form that survives resumption.
    ja4: Option<Cow<'a, str>>,
    /// What its SYN shows: where the TTL begins, the kinds of its options in order, window scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_stack: Option<String>,
    /// First language that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
}

impl<'a> Facets<'a> {
    fn new(client: &'a ClientIdentity, fit: Fit) -> Self {
        Self {
            ip: client.address,
            mac: client.mac.map(|mac| mac.to_string().into()),
            user_agent: client.user_agent.as_deref().map(|agent| fit.text(&agent.original)),
            ja4: client.tls.as_deref().map(|ja4| fit.text(ja4)),
            tcp_stack: client.tcp_stack.map(|stack| stack.to_string()),
            language: client.language.map(|language| language.to_string()),
        }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Prior<'a> {
    #[serde(flatten)]
    facets: Facets<'a>,
    first_seen: Time,
    last_seen: Time,
    requests: u64,
}

impl<'a> Prior<'a> {
    pub(super) fn new(binding: &'a BindingView, fit: Fit) -> Self {
        Self {
            facets: Facets::new(&binding.client, fit),
            first_seen: Time(binding.first_seen),
            last_seen: Time(binding.last_seen),
            requests: binding.requests,
        }
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Suspect<'a> {
    #[serde(flatten)]
    facets: Facets<'a>,
    requests: u64,
    /// Where its address was read.
    #[schemars(with = "String")]
    address_from: AddressSource,
}

impl<'a> Suspect<'a> {
    pub(super) fn new(binding: &'a BindingView, fit: Fit) -> Self {
        Self {
            facets: Facets::new(&binding.client, fit),
            requests: binding.requests,
            address_from: binding.client.address_from,
        }
    }
}
