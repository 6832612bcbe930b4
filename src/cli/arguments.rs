//! What can be typed? Every command and flag, with its help.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use tracing_subscriber::filter::LevelFilter;

use crate::capture::time_range::Bound;
use crate::detect::Severity;
use crate::engine::config::Format;
use crate::identity::topology::{self, Nat, Topology};

/// Workers that may be asked for; each has a thread.
const MOST_WORKERS: u32 = 64;

/// Watches session tokens on the wire and raises an alert when one is used by someone else.
#[derive(Parser, Debug)]
#[command(
    name = "tokentrail",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "`tokentrail -i IFACE`, `-r FILE` and `-T` are short for run, replay and check.\n\
                  Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration or rules invalid, 4 input unreadable or \
                  truncated, 5 not permitted, 10 alerts at or above --fail-on, 130 interrupted."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Flags of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
pub(super) struct Global {
    /// Configuration file [default: what TOKENTRAIL_CONFIG names, if set]
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    pub(super) config: Option<PathBuf>,
    /// More rules: a file or a directory; repeatable, later ones override by id
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) rules: Vec<PathBuf>,
    /// Set one configuration key, such as memory=256MiB; repeatable
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    pub(super) set: Vec<String>,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Say more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Colours
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(super) color: Color,
    /// The mildest logs to write [default: info]
    #[arg(long = "log.level", value_name = "LEVEL", global = true, value_parser = levels())]
    pub(super) log_level: Option<LevelFilter>,
    /// Form of the logs
    #[arg(long = "log.format", value_name = "FORM", default_value = "text", global = true)]
    pub(super) log_format: LogFormat,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Replay the bundled captures and explain each alert
    Demo(DemoArguments),
    /// Replay capture files: pcap, pcapng, .gz, .zst
    Replay(ReplayArguments),
    /// Capture from interfaces until stopped
    Run(RunArguments),
    /// Check the configuration and the rules
    Check {
        /// Warnings are errors
        #[arg(long)]
        strict: bool,
    },
    /// Show the rules in use
    Rules {
        #[command(subcommand)]
        command: RulesCommand,
    },
    /// Print a JSON Schema
    Schema {
        /// Of what
        #[arg(value_name = "alert|event|config")]
        of: SchemaOf,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Args, Debug)]
pub(super) struct DemoArguments {
    /// Form of the alerts: text or ecs [default: text]
    #[arg(long, value_name = "FORM", value_parser = format)]
    pub(super) format: Option<Format>,
    /// Milder alerts are not shown [default: low]
    #[arg(long, value_name = "SEVERITY", value_parser = severities())]
    pub(super) min_severity: Option<Severity>,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArguments {
    /// Capture files, directories, globs or `-`, then the words of a libpcap filter
    #[arg(value_name = "PCAP|DIR|GLOB|- … [FILTER]", required_unless_present = "read")]
    pub(super) words: Vec<String>,
    /// The words of a libpcap filter, when the first could be taken for an input
    #[arg(last = true, value_name = "FILTER")]
    pub(super) filter: Vec<String>,
    /// A capture file, as for tcpdump; repeatable
    #[arg(short, long, value_name = "FILE")]
    pub(super) read: Vec<String>,
    /// Ignore frames before this time: RFC 3339, seconds since 1970, or +90s after the first frame
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<Bound>,
    /// Ignore frames at and after this time
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<Bound>,
    /// Secrets of TLS connections, as programs write them where SSLKEYLOGFILE says; repeatable
    #[arg(long, value_name = "FILE")]
    pub(super) keylog: Vec<PathBuf>,
    /// Exit with 10 when there is an alert at or above this severity
    #[arg(long, value_name = "SEVERITY", value_parser = severities())]
    pub(super) fail_on: Option<Severity>,
    /// No progress bar
    #[arg(long)]
    pub(super) no_progress: bool,
    #[command(flatten)]
    pub(super) between: Between,
    #[command(flatten)]
    pub(super) results: Results,
}

#[derive(Args, Debug)]
pub(super) struct RunArguments {
    /// Interface to capture from; repeatable
    #[arg(short, long, value_name = "IFACE")]
    pub(super) interface: Vec<String>,
    /// The words of a libpcap filter
    #[arg(value_name = "FILTER")]
    pub(super) words: Vec<String>,
    /// The same
    #[arg(last = true, value_name = "FILTER", hide = true)]
    pub(super) filter: Vec<String>,
    /// Loopback address for metrics, health and readiness
    #[arg(long = "web.listen-address", value_name = "ADDRESS", value_parser = crate::config::listen_address)]
    pub(super) listen: Option<SocketAddr>,
    /// Web configuration of Prometheus exporters: the certificate and key for TLS
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub(super) web_config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) between: Between,
    #[command(flatten)]
    pub(super) results: Results,
}

/// Who stands between clients and servers.
#[derive(Args, Debug)]
#[command(next_help_heading = "Clients")]
pub(super) struct Between {
    /// A proxy whose word on who its client is counts, such as 10.0.1.5/32; repeatable, added to
    /// clients.trusted_proxies
    #[arg(long, value_name = "CIDR", value_parser = topology::network)]
    trusted_proxy: Vec<IpNet>,
    /// An address translation of which both sides are seen; repeatable, added to clients.nat
    #[arg(long, value_name = "INSIDE_CIDR:OUTSIDE_IP")]
    nat: Vec<Nat>,
}

impl Between {
    /// Adds what the flags say to what the configuration says.
    pub(super) fn add_to(&self, clients: &mut Topology) {
        clients.trusted_proxies.0.extend(&self.trusted_proxy);
        clients.nat.extend(&self.nat);
    }
}

/// What comes out of a replay or a live run.
#[derive(Args, Debug)]
#[command(next_help_heading = "Results")]
pub(super) struct Results {
    /// Alerts go here; `-` is standard output, the default. `run` writes to the configured outputs instead,
    /// where there are any and this is not given
    #[arg(long, value_name = "FILE")]
    pub(super) alerts: Option<PathBuf>,
    /// One JSON line per HTTP transaction and TLS handshake goes here; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// Form of the alerts: ecs or text [default: text on a terminal, else ecs]
    #[arg(long, value_name = "FORM", value_parser = format)]
    pub(super) format: Option<Format>,
    /// Milder alerts are counted, not written [default: low]
    #[arg(long, value_name = "SEVERITY", value_parser = severities())]
    pub(super) min_severity: Option<Severity>,
    /// The 32-byte key of token refs, instead of sessions.key_file; without one refs differ from run to run
    #[arg(long, value_name = "FILE")]
    pub(super) token_key_file: Option<PathBuf>,
    /// Flow workers: with 2 or more, that many threads beside the one that reads; what is told does not depend on it
    #[arg(long, value_name = "N", default_value = "1", value_parser = workers)]
    pub(super) workers: NonZeroU32,
}

#[derive(Subcommand, Debug)]
pub(super) enum RulesCommand {
    /// One line per rule
    List,
    /// One rule in full
    Show {
        /// A token, a detector's id or its name
        id: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum SchemaOf {
    Alert,
    Event,
    Config,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// What the raw arguments ask for: needed before they are parsed, since errors have colours too.
    pub(super) fn of(arguments: &[OsString]) -> Self {
        let mut words = arguments.iter().filter_map(|word| word.to_str());
        let mut chosen = Self::Auto;
        while let Some(word) = words.next() {
            let value = if word == "--color" { words.next() } else { word.strip_prefix("--color=") };
            chosen = value.and_then(|value| Self::from_str(value, false).ok()).unwrap_or(chosen);
        }
        chosen
    }

    pub(super) fn for_clap(self) -> ColorChoice {
        match self {
            Self::Auto if crate::config::no_color() => ColorChoice::Never,
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }

    /// Whether to colour what goes to this stream.
    pub(super) fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Self::Auto => !crate::config::no_color() && stream.is_terminal(),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl Global {
    /// Whether logs on standard error are coloured.
    pub(super) fn colored_logs(&self) -> bool {
        self.color.on(&io::stderr())
    }
}

fn levels() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["off", "error", "warn", "info", "debug", "trace"])
        .try_map(|level| level.parse::<LevelFilter>())
}

fn severities() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str))
        .try_map(|name| Severity::ALL.into_iter().find(|severity| severity.as_str() == name).ok_or("no such severity"))
}

fn format(name: &str) -> Result<Format, String> {
    match name {
        "ecs" => Ok(Format::Ecs),
        "text" => Ok(Format::Text),
        "ocsf" | "eve" | "cef" => Err(format!("`{name}` is not available in this version")),
        _ => Err("expected ecs or text".to_owned()),
    }
}

fn workers(number: &str) -> Result<NonZeroU32, String> {
    let number = number.parse().ok().filter(|number: &NonZeroU32| number.get() <= MOST_WORKERS);
    number.ok_or_else(|| format!("expected a number of workers from 1 to {MOST_WORKERS}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn colour_is_known_before_parsing() {
        let of = |words: &[&str]| Color::of(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&["tokentrail", "man"]), Color::Auto);
        assert_eq!(of(&["tokentrail", "--color", "never", "man"]), Color::Never);
        assert_eq!(of(&["tokentrail", "man", "--color=always"]), Color::Always);
        assert_eq!(of(&["tokentrail", "--color", "blue"]), Color::Auto);
    }
}
