//! What may a configuration file say? Every key, none required.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::clients::Clients;
use super::list::List;
use super::quantity::{FromText, Size, Span, Written};
use crate::detect::Severity;
use crate::engine::config::{Config, Format, Interface, Output, Target};
use crate::packet::Encapsulation;
use crate::rules::document::{Mistake, places};

/// One source of settings: a file, or one `--set`. What it does not say stays as it was.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "keys with their values, such as `memory: 1GiB`")]
#[schemars(title = "tokentrail.yaml")]
pub struct Layer {
    /// Where frames come from.
    capture: Capture,
    /// Who stands between clients and servers: proxies, NAT, shared exits.
    clients: Clients,
    /// The memory budget: sessions 50 %, flows 20 %, reassembly 25 %. At least 16MiB. Default 1GiB.
    memory: Option<Written<Memory>>,
    /// How long sessions live.
    sessions: Sessions,
    /// How long flows live.
    flows: Flows,
    /// Which rules are used.
    rules: Rules,
    /// Where alerts go.
    outputs: Option<Vec<OutputEntry>>,
    /// The listener for metrics.
    web: Web,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Capture {
    /// Interfaces to capture from: names, or names with options.
    interfaces: Option<List<InterfaceEntry>>,
    /// Which tunnels are opened: vlan, pppoe, mpls, gre, erspan, ipip, vxlan, geneve, gtpu, teredo. Default all.
    decapsulate: Option<List<Written<Opened>>>,
    /// UDP ports of tunnels.
    tunnel_ports: Ports,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Ports {
    /// Of VXLAN. Default 4789 and 8472.
    vxlan: Option<List<u16>>,
    /// Of GENEVE. Default 6081.
    geneve: Option<List<u16>>,
    /// Of GTP-U. Default 2152.
    gtpu: Option<List<u16>>,
}

#[derive(Clone, Debug, JsonSchema)]
#[serde(untagged)]
enum InterfaceEntry {
    Name(String),
    WithOptions(InterfaceOptions),
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InterfaceOptions {
    /// Name, as in `ip link`.
    name: String,
    /// The kernel's ring for this interface, 1MiB to 2047MiB. Default 64MiB.
    ring: Option<Written<Ring>>,
    /// A libpcap filter.
    filter: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Sessions {
    /// Silence after which a session counts as over, at least 1s. Default 1h.
    idle_timeout: Option<Written<Timeout>>,
    /// Age after which a session counts as over, at least 1s. Default 24h.
    absolute_timeout: Option<Written<Timeout>>,
    /// How long the owner of a session is remembered for comparison, at least 1s. Default 30d.
    retention: Option<Written<Timeout>>,
    /// The 32-byte key of token refs; made on the first start of `run`. Without one a random key is
    /// used, and refs differ from run to run.
    key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Flows {
    /// Silence after which an established flow is forgotten, at least 1s. Default 15m.
    established_timeout: Option<Written<Timeout>>,
    /// Silence in the middle of a message after which missing bytes are given up, at least 1s. Default 2m.
    mid_message_timeout: Option<Written<Timeout>>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Rules {
    /// Whether the built-in library is used. Default true.
    builtin: Option<bool>,
    /// Files and directories with more rules; later ones override by id.
    paths: Option<Vec<PathBuf>>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OutputEntry {
    /// Its name in logs and metrics: 1 to 32 of a-z, 0-9, `_`, `-`.
    name: Written<OutputName>,
    /// The file, appended to; `-` is standard output.
    path: PathBuf,
    /// Form of the alerts. Default ecs.
    #[serde(default)]
    format: Format,
    /// Milder alerts are not written. Default low.
    min_severity: Option<Severity>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Web {
    /// Where metrics are served; a loopback address. Default 127.0.0.1:9977.
    listen: Option<Written<Loopback>>,
    /// A web configuration file as Prometheus exporters have it: TLS for the listener.
    config_file: Option<PathBuf>,
}

impl Layer {
    /// Puts what this layer says over `config`.
    pub fn apply(self, config: &mut Config) {
        set(&mut config.interfaces, self.capture.interfaces.map(|list| list.0.into_iter().map(Into::into).collect()));
        let (decapsulation, ports) = (&mut config.decapsulation, self.capture.tunnel_ports);
        set(&mut decapsulation.kinds, self.capture.decapsulate.map(|l| l.0.into_iter().map(|kind| kind.0.0).collect()));
        set(&mut decapsulation.ports.vxlan, ports.vxlan.map(|list| list.0));
        set(&mut decapsulation.ports.geneve, ports.geneve.map(|list| list.0));
        set(&mut decapsulation.ports.gtpu, ports.gtpu.map(|list| list.0));
        self.clients.apply(&mut config.clients);
        set(&mut config.memory, self.memory.map(|memory| memory.0.0));
        set(&mut config.sessions.idle_timeout, self.sessions.idle_timeout.map(|span| span.0.0));
        set(&mut config.sessions.absolute_timeout, self.sessions.absolute_timeout.map(|span| span.0.0));
        set(&mut config.sessions.retention, self.sessions.retention.map(|span| span.0.0));
        set(&mut config.sessions.key_file, self.sessions.key_file.map(Some));
        set(&mut config.flows.established_timeout, self.flows.established_timeout.map(|span| span.0.0));
        set(&mut config.flows.mid_message_timeout, self.flows.mid_message_timeout.map(|span| span.0.0));
        set(&mut config.rules.builtin, self.rules.builtin);
        set(&mut config.rules.paths, self.rules.paths);
        set(&mut config.outputs, self.outputs.map(|list| list.into_iter().map(Into::into).collect()));
        set(&mut config.web_listen, self.web.listen.map(|listen| listen.0.0));
        set(&mut config.web_config_file, self.web.config_file.map(Some));
    }

    /// Outputs with one name or to one file, of which `text` tells the place.
    pub(super) fn outputs_in_conflict(&self, text: &str) -> Vec<Mistake> {
        let outputs = self.outputs.as_deref().unwrap_or_default();
        let mut mistakes = Vec::new();
        let mut twice = |key: &str, value: &str, message: String| {
            let written = [format!("{key}: {value}"), format!("{key}: '{value}'"), format!("{key}: \"{value}\"")];
            let mut all: Vec<_> = written.iter().flat_map(|written| places(text, written)).collect();
            all.sort_unstable();
            let (line, column) = all.get(1).copied().unwrap_or((1, 1));
            mistakes.push(Mistake { line, column, message });
        };
        for (n, output) in outputs.iter().enumerate() {
            let earlier = || outputs.iter().take(n);
            let OutputName(name) = &output.name.0;
            if earlier().any(|other| other.name.0.0 == *name) {
                twice("name", name, format!("two outputs are named `{name}`; expected a name of its own for each"));
            }
            if earlier().any(|other| other.path == output.path) {
                let path = output.path.display().to_string();
                twice("path", &path, format!("two outputs write to `{path}`; expected a file of its own for each"));
            }
        }
        mistakes
    }
}

pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl From<InterfaceEntry> for Interface {
    fn from(entry: InterfaceEntry) -> Self {
        match entry {
            InterfaceEntry::Name(name) => Self::new(name),
            InterfaceEntry::WithOptions(options) => {
                let mut interface = Self::new(options.name);
                set(&mut interface.ring, options.ring.map(|ring| ring.0.0));
                Self { filter: options.filter, ..interface }
            }
        }
    }
}

impl From<OutputEntry> for Output {
    fn from(entry: OutputEntry) -> Self {
        let target = if entry.path.as_os_str() == "-" { Target::Stdout } else { Target::File(entry.path) };
        let min_severity = entry.min_severity.unwrap_or(Severity::Low);
        Self { name: entry.name.0.0, target, format: entry.format, min_severity }
    }
}

/// Not derived as untagged: that would lose the place of an error.
impl<'de> Deserialize<'de> for InterfaceEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = InterfaceEntry;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of an interface, or {name, ring, filter}")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<InterfaceEntry, E> {
                Ok(InterfaceEntry::Name(name.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<InterfaceEntry, A::Error> {
                let options = de::value::MapAccessDeserializer::new(map);
                InterfaceOptions::deserialize(options).map(InterfaceEntry::WithOptions)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A kind of tunnel.
#[derive(Clone, Copy, Debug)]
struct Opened(Encapsulation);

impl FromText for Opened {
    fn from_text(text: &str) -> Result<Self, String> {
        let known = Encapsulation::ALL.into_iter().find(|kind| kind.label() == text);
        known.map(Self).ok_or_else(|| format!("`{text}` is none of {}", Encapsulation::LABELS.join(", ")))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "enum": Encapsulation::LABELS})
    }
}

/// A memory budget of at least 16 MiB, in bytes.
#[derive(Clone, Copy, Debug)]
struct Memory(u64);

impl FromText for Memory {
    fn from_text(text: &str) -> Result<Self, String> {
        let Size(bytes) = Size::from_text(text)?;
        if bytes < 16 << 20 { Err(format!("`{text}` is less than 16MiB")) } else { Ok(Self(bytes)) }
    }

    fn schema() -> Schema {
        Size::schema()
    }
}

/// A span after which something is over. In less than a second there is hardly a reply.
#[derive(Clone, Copy, Debug)]
struct Timeout(Duration);

impl FromText for Timeout {
    fn from_text(text: &str) -> Result<Self, String> {
        let Span(span) = Span::from_text(text)?;
        if span < Duration::from_secs(1) { Err(format!("`{text}` is too short: at least 1s")) } else { Ok(Self(span)) }
    }

    fn schema() -> Schema {
        Span::schema()
    }
}

/// A kernel ring that libpcap can ask for, in bytes.
#[derive(Clone, Copy, Debug)]
struct Ring(u32);

impl FromText for Ring {
    fn from_text(text: &str) -> Result<Self, String> {
        let bytes = u32::try_from(Size::from_text(text)?.0).ok();
        bytes
            .filter(|bytes| (1 << 20..=2047 << 20).contains(bytes))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not between 1MiB and 2047MiB"))
    }

    fn schema() -> Schema {
        Size::schema()
    }
}

/// The name of an output, which becomes a metric label.
#[derive(Clone, Debug)]
struct OutputName(String);

impl FromText for OutputName {
    fn from_text(text: &str) -> Result<Self, String> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{text}` is not 1 to 32 of a-z, 0-9, `_`, `-`"))
        }
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[a-z0-9_-]{1,32}$"})
    }
}

/// A loopback address with its port.
#[derive(Clone, Copy, Debug)]
struct Loopback(SocketAddr);

impl FromText for Loopback {
    fn from_text(text: &str) -> Result<Self, String> {
        listen_address(text).map(Self)
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "examples": ["127.0.0.1:9977", "[::1]:9977"]})
    }
}

/// Reads an address to listen on; only loopback addresses are served in this version.
///
/// # Errors
/// One line that says what is wrong with it.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let address = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}").parse::<SocketAddr>(),
        None => text.parse::<SocketAddr>(),
    };
    let address = address.map_err(|_| format!("`{text}` is no address with a port, such as 127.0.0.1:9977"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{address} is no loopback address: others need TLS and authentication, not available in this version"
        ))
    }
}
