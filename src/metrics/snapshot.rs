//! What is counted? The families of metrics, and their values at one moment.

use crate::base::time::Timestamp;
use crate::detect::Severity;
use crate::identity::forwarded::Unresolved;
use crate::packet::{DecodeError, Encapsulation};
use crate::proto::TlsVersion;
use crate::proto::tls::Unread;

/// A family of series: its name without prefix, and the values of its one label.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Name, without `tokentrail_`.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Its label, when it has one.
    pub label: Option<&'static str>,
    /// Every value of the label.
    pub values: &'static [&'static str],
}

const fn plain(name: &'static str, help: &'static str) -> Family {
    Family { name, help, label: None, values: &[] }
}

const fn by(label: &'static str, values: &'static [&'static str], name: &'static str, help: &'static str) -> Family {
    Family { name, help, label: Some(label), values }
}

/// Families that only grow.
pub const COUNTERS: &[Family] = &[
    by(
        "layer",
        &DecodeError::LAYERS,
        "decode_errors_total",
        "Frames that could not be decoded, by the layer at fault.",
    ),
    by(
        "encapsulation",
        &Encapsulation::LABELS,
        "decapsulated_packets_total",
        "Packets taken out of a tunnel, and TCP segments that came with VLAN tags.",
    ),
    by(
        "reason",
        &["ip_fragment", "upgrade", "unknown_protocol"],
        "capture_unread_total",
        "What was captured and not read: fragments of IP datagrams that never became whole, and connections of other protocols.",
    ),
    plain("flows_created_total", "TCP connections first seen."),
    by("reason", &["timeout", "evicted"], "flows_evicted_total", "Flows forgotten before they ended."),
    plain("tcp_acked_bytes_total", "Bytes that receivers acknowledged."),
    plain("tcp_acked_unseen_bytes_total", "Bytes that receivers acknowledged and that were never captured."),
    plain("tcp_conflicting_overlap_bytes_total", "Bytes sent twice with different content."),
    by(
        "kind",
        &["segment", "proxy_leg", "nat_leg", "mirror"],
        "duplicates_total",
        "What had been seen before and was left out: TCP segments, and requests on another leg.",
    ),
    by(
        "reason",
        &Unresolved::REASONS,
        "client_address_unresolved_total",
        "Requests of trusted proxies whose client stayed unknown.",
    ),
    plain(
        "forwarded_ignored_total",
        "Requests with forwarded headers or a PROXY preamble whose sender is no trusted proxy.",
    ),
    by("version", &TlsVersion::LABELS, "tls_connections_total", "TLS connections, by the version that they agreed on."),
    plain("tls_decrypted_connections_total", "TLS connections in which something was read with the keys given."),
    by(
        "reason",
        &Unread::LABELS,
        "tls_undecrypted_connections_total",
        "TLS connections whose content stayed unread, from the beginning or (lost) from some record on.",
    ),
    by("protocol", &["http1", "http2"], "http_requests_total", "HTTP requests read."),
    by("protocol", &["http1", "http2"], "http_parse_errors_total", "HTTP heads that could not be read."),
    by(
        "class",
        &["session", "remember", "idp", "edge", "bearer", "api", "basic", "ticket"],
        "token_sightings_total",
        "Tokens seen, presented or issued.",
    ),
    by(
        "reason",
        &["excluded", "unnamed", "placeholder", "short", "never_scheme", "unpaired", "weak_unissued", "fetcher"],
        "tokens_ignored_total",
        "Values that are no token, or none that is followed.",
    ),
    by("reason", &["memory", "retention"], "sessions_evicted_total", "Sessions forgotten."),
    by(
        "reason",
        &["below_min_severity", "excluded", "incident_rate", "repeat"],
        "alerts_suppressed_total",
        "Findings that were not told.",
    ),
    by("limit", LIMITS, "limit_hits_total", "Times that a bound on hostile input was reached."),
    by(
        "stage",
        &["packet", "flow", "session"],
        "panics_total",
        "Panics caught; each lost one frame, one flow or one sighting.",
    ),
];

/// Names of the bounds.
const LIMITS: &[&str] = &[
    "datagrams",
    "datagram_bytes",
    "datagram_size",
    "datagram_rereads",
    "direction_segments",
    "direction_bytes",
    "reassembly_bytes",
    "recall_bytes",
    "rivals",
    "flow_table",
    "http_head",
    "http_headers",
    "http_pipeline",
    "http2_streams",
    "http2_block",
    "http2_header_list",
    "http2_table",
    "http2_bodies",
    "tunnel_depth",
    "cookie_pairs",
    "parameters",
    "pipelined",
    "interned_user_agents",
    "interned_fingerprints",
    "header_orders",
    "repeats",
    "tls_handshake",
    "tls_keys",
    "secrets_block",
    "bindings",
    "pending_replies",
    "aliases",
    "suspects",
    "once",
    "guessers",
    "presenters",
    "attacked",
    "exposures",
    "neighbours",
    "dedup",
    "session_alerts",
    "waiting_alerts",
    "sessions",
];

/// Families that go up and down.
pub const GAUGES: &[Family] = &[
    plain("flows_active", "TCP connections followed."),
    plain("sessions_tracked", "Sessions remembered."),
    by("pool", &["sessions", "flows", "reassembly"], "memory_bytes", "Bytes in use by a pool, estimated."),
];

/// All counts at one moment; totals since the start.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Per interface, in the order of [`super::Layout::interfaces`].
    pub interfaces: Vec<InterfaceCounts>,
    /// Per output, in the order of [`super::Layout::outputs`].
    pub outputs: Vec<OutputCounts>,
    /// Alerts per detector, in the order of [`super::Layout::detectors`], by severity from the mildest.
    pub alerts: Vec<[u64; Severity::ALL.len()]>,
    /// Values of [`COUNTERS`] and [`GAUGES`]: name, value of the label (empty without one), count.
    pub values: Vec<(&'static str, &'static str, u64)>,
}

/// Counts of one interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterfaceCounts {
    /// Frames read.
    pub packets: u64,
    /// Bytes of frames read.
    pub bytes: u64,
    /// Frames that found the ring full.
    pub kernel_drops: u64,
    /// Frames that the interface dropped.
    pub interface_drops: u64,
    /// Times it was lost and opened again.
    pub gaps: u64,
    /// Time of the last frame.
    pub last_packet: Option<Timestamp>,
}

/// Counts of one output.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputCounts {
    /// Alerts written.
    pub events: u64,
    /// Failed writes.
    pub errors: u64,
    /// Alerts lost.
    pub dropped: u64,
}

impl Snapshot {
    /// The value of a series; `None` when the engine said nothing about it.
    #[must_use]
    pub fn get(&self, name: &str, label_value: &str) -> Option<u64> {
        self.values.iter().find(|(n, v, _)| *n == name && *v == label_value).map(|(_, _, count)| *count)
    }
}
