//! Which fields do all lines share? Names and nesting are those of the Elastic Common Schema.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::fit::Fit;
use super::{Sensor, community_id};
use crate::base::net::Endpoint;
use crate::base::time::Timestamp;
use crate::token::RequestView;

/// Version of `tokentrail.*`; it grows only by additions.
pub const SCHEMA: u8 = 1;

/// A time in RFC 3339, UTC, with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// `ecs`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Ecs {
    /// Version of ECS that the names follow.
    version: &'static str,
}

/// The version of ECS in use.
pub const ECS: Ecs = Ecs { version: "9.0.0" };

/// `observer`: the sensor.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Observer<'a> {
    /// Kind of sensor.
    #[serde(rename = "type")]
    kind: &'static str,
    /// This program.
    product: &'static str,
    /// Host name.
    name: Cow<'a, str>,
    /// Version of this program.
    version: &'static str,
}

impl<'a> Observer<'a> {
    /// The sensor as lines name it.
    #[must_use]
    pub fn new(sensor: &'a Sensor, fit: Fit) -> Self {
        Self { kind: "ids", product: "tokentrail", name: fit.text(&sensor.name), version: env!("CARGO_PKG_VERSION") }
    }
}

/// `event` of a line of the metadata log; `D` names the kind of line.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Event<D> {
    /// Always `event`.
    kind: &'static str,
    /// What kind of thing it is about.
    category: [&'static str; 1],
    /// What happened there.
    #[serde(rename = "type")]
    types: &'static [&'static str],
    /// This program.
    module: &'static str,
    /// By this lines are told apart.
    dataset: D,
}

impl<D> Event<D> {
    /// Of this category and these types.
    #[must_use]
    pub const fn new(category: &'static str, types: &'static [&'static str], dataset: D) -> Self {
        Self { kind: "event", category: [category], types, module: "tokentrail", dataset }
    }
}

/// `source` or `destination`: one end of the packets.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Peer {
    /// Address.
    ip: IpAddr,
    /// TCP port.
    port: u16,
}

impl From<Endpoint> for Peer {
    fn from(end: Endpoint) -> Self {
        Self { ip: end.ip, port: end.port }
    }
}

/// `client`: who the request comes from, behind whatever proxy.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Client {
    /// Address.
    ip: IpAddr,
}

impl Client {
    /// The client of a connection, where it is known.
    #[must_use]
    pub fn of(view: &RequestView) -> Option<Self> {
        view.client.address.map(|ip| Self { ip })
    }
}

/// How well the sensor saw the connection.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Visibility {
    /// It was joined after its beginning.
    midstream: bool,
    /// Only one direction was seen.
    one_sided: bool,
    /// Gaps so far.
    gaps: u32,
}

impl Visibility {
    /// Of the connection that a view is of.
    #[must_use]
    pub const fn of(view: &RequestView) -> Self {
        Self { midstream: view.midstream, one_sided: view.one_sided, gaps: view.gaps }
    }
}

/// `network`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Network {
    /// Transport protocol.
    transport: &'static str,
    /// Application protocol.
    protocol: &'static str,
    /// Community ID, version 1, seed 0.
    community_id: String,
}

impl Network {
    /// The TCP connection of a view, which carries this protocol.
    #[must_use]
    pub fn tcp(view: &RequestView, protocol: &'static str) -> Self {
        Self { transport: "tcp", protocol, community_id: community_id::tcp(view.source, view.destination) }
    }
}

/// `url`; tokens, values and random-looking runs are masked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Url<'a> {
    /// Host without port; absent when the request names none.
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: Cow<'a, str>,
    /// Path.
    path: Cow<'a, str>,
    /// Query; absent without a `?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Cow<'a, str>>,
}

/// `http`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Http<'a> {
    /// `0.9`, `1.0`, `1.1` or `2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    /// Absent when only the reply was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<HttpRequest<'a>>,
    /// Absent when no reply was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<HttpResponse>,
}

/// `http.request`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HttpRequest<'a> {
    /// Method as on the wire.
    method: Cow<'a, str>,
}

/// `http.response`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct HttpResponse {
    /// Status code.
    status_code: u16,
}

/// `user_agent`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Agent<'a> {
    /// The text, masked.
    original: Cow<'a, str>,
}

/// The request that a line is about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Request<'a> {
    /// Sender of the packets: the client, or a proxy before it.
    source: Peer,
    /// Receiver of the packets.
    destination: Peer,
    /// The client; absent when a proxy does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client>,
    /// The connection.
    network: Network,
    /// What was asked for; absent when only the reply was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Url<'a>>,
    /// Request and reply.
    http: Http<'a>,
    /// Absent when the request says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Agent<'a>>,
}

impl<'a> Request<'a> {
    /// The request as lines show it, with the status of its reply.
    #[must_use]
    pub fn new(view: &'a RequestView, status: Option<u16>, fit: Fit) -> Self {
        let http = view.http.as_ref();
        let agent = view.client.user_agent.as_deref().map(|agent| &*agent.original);
        Self {
            source: view.source.into(),
            destination: view.destination.into(),
            client: Client::of(view),
            network: Network::tcp(view, "http"),
            url: http.map(|http| Url {
                domain: fit.text(&http.host),
                path: fit.text(&http.path),
                query: http.query.as_deref().map(|query| fit.text(query)),
            }),
            http: Http {
                version: http.map(|http| http.version.as_str()),
                request: http.map(|http| HttpRequest { method: fit.text(&http.method) }),
                response: status.map(|status_code| HttpResponse { status_code }),
            },
            user_agent: agent.filter(|text| !text.is_empty()).map(|text| Agent { original: fit.text(text) }),
        }
    }
}
