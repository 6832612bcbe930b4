//! What does a run need to know? The one typed configuration, with every default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::Severity;
use crate::identity::topology::Topology;
use crate::packet::Decapsulation;

/// Everything that can be configured. `Default` is what an empty file means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Interfaces to capture from.
    pub interfaces: Vec<Interface>,
    /// Which tunnels are opened. Default all, on their usual ports.
    pub decapsulation: Decapsulation,
    /// Who stands between clients and servers. Default: nobody.
    pub clients: Topology,
    /// The memory budget in bytes: sessions 50 %, flows 20 %, reassembly 25 %. Default 1 GiB.
    pub memory: u64,
    /// Sessions.
    pub sessions: Sessions,
    /// Flows.
    pub flows: Flows,
    /// Rules.
    pub rules: Rules,
    /// Where alerts go, besides what the command line asks for.
    pub outputs: Vec<Output>,
    /// Where metrics are served; a loopback address. Default 127.0.0.1:9977.
    pub web_listen: SocketAddr,
    /// The web configuration file: TLS for the listener. Default none: plain HTTP.
    pub web_config_file: Option<PathBuf>,
}

/// One interface to capture from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Name, as in `ip link`.
    pub name: String,
    /// Bytes of the kernel's ring for it. Default 64 MiB.
    pub ring: u32,
    /// A libpcap filter; none takes everything.
    pub filter: Option<String>,
}

/// How long sessions live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sessions {
    /// Silence after which a session counts as over. Default 1 hour.
    pub idle_timeout: Duration,
    /// Age after which a session counts as over. Default 24 hours.
    pub absolute_timeout: Duration,
    /// How long the owner of a session is remembered for comparison. Default 30 days.
    pub retention: Duration,
    /// The 32-byte key of token refs. Without one a random key is used, and refs differ from run to run.
    pub key_file: Option<PathBuf>,
}

/// How long flows live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flows {
    /// Silence after which an established flow is forgotten. Default 15 minutes.
    pub established_timeout: Duration,
    /// Silence in the middle of a message after which missing bytes are given up. Default 2 minutes.
    pub mid_message_timeout: Duration,
}

/// Which rules are used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Whether the built-in library is used. Default yes.
    pub builtin: bool,
    /// Files and directories with more; later ones override by id.
    pub paths: Vec<PathBuf>,
}

/// One place that alerts go to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Its name in logs and metrics.
    pub name: String,
    /// What it writes to.
    pub target: Target,
    /// Form of the alerts.
    pub format: Format,
    /// Milder alerts are not written. Default `low`.
    pub min_severity: Severity,
}

/// What an output writes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// Form of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON line after the Elastic Common Schema.
    #[default]
    Ecs,
    /// A paragraph for people.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            decapsulation: Decapsulation::default(),
            clients: Topology::default(),
            memory: 1 << 30,
            sessions: Sessions {
                idle_timeout: Duration::from_secs(3600),
                absolute_timeout: Duration::from_secs(24 * 3600),
                retention: Duration::from_secs(30 * 24 * 3600),
                key_file: None,
            },
            flows: Flows {
                established_timeout: Duration::from_secs(15 * 60),
                mid_message_timeout: Duration::from_secs(2 * 60),
            },
            rules: Rules { builtin: true, paths: Vec::new() },
            outputs: Vec::new(),
            web_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9977)),
            web_config_file: None,
        }
    }
}

impl Interface {
    /// An interface with the default ring and no filter.
    #[must_use]
    pub const fn new(name: String) -> Self {
        Self { name, ring: 64 << 20, filter: None }
    }
}
