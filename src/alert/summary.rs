//! What was read, and what was found? The last line of the metadata log.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Sensor;
use super::fields::{ECS, Ecs, Observer, SCHEMA, Time};
use super::fit::{self, Fit};
use crate::base::time::Timestamp;
use crate::detect::Severity;

/// Plain numbers about one history, put together from the counters of every floor.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Time of the first frame; none when there was no frame.
    pub first: Option<Timestamp>,
    /// The highest time seen.
    pub last: Option<Timestamp>,
    /// Frames read.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Flows.
    pub flows: u64,
    /// HTTP requests.
    pub requests: u64,
    /// HTTP responses.
    pub responses: u64,
    /// Sightings of tokens.
    pub tokens: u64,
    /// Sessions.
    pub sessions: u64,
    /// Encrypted connections that could not be read.
    pub opaque_connections: u64,
    /// Encrypted connections that could.
    pub decrypted_connections: u64,
    /// Gaps: stretches of bytes that never arrived.
    pub gaps: u64,
    /// Requests that name another client in headers or a preamble, whose sender is no trusted proxy.
    pub forwarded_ignored: u64,
    /// How often each limit was hit, by its name.
    pub limits_hit: BTreeMap<&'static str, u64>,
    /// Frames that could not be decoded, by layer.
    pub decode_errors: BTreeMap<&'static str, u64>,
    /// Alerts by severity, informational ones included.
    pub alerts: BTreeMap<Severity, u64>,
    /// Names of the captures.
    pub captures: Vec<Box<str>>,
    /// Names of those that ended early: truncated, or unreadable from some point on.
    pub truncated: Vec<Box<str>>,
}

/// The summary as one JSON object of at most [`fit::LINE_BYTES`], without a newline.
#[must_use]
pub fn line(summary: &Summary, sensor: &Sensor) -> String {
    fit::line(|fit| SummaryEvent::new(summary, sensor, fit))
}

/// A summary as published by `tokentrail schema event`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SummaryEvent<'a> {
    /// The highest time seen; absent when there was no frame.
    #[serde(rename = "@timestamp", skip_serializing_if = "Option::is_none")]
    timestamp: Option<Time>,
    ecs: Ecs,
    event: Event,
    observer: Observer<'a>,
    tokentrail: Tokentrail<'a>,
}

/// `event`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Event {
    kind: &'static str,
    module: &'static str,
    dataset: Dataset,
    /// Time of the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Time>,
    /// The highest time seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Time>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
enum Dataset {
    #[serde(rename = "tokentrail.summary")]
    Summary,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Tokentrail<'a> {
    /// Version of these fields.
    schema: u8,
    summary: Numbers<'a>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Numbers<'a> {
    /// Frames read.
    frames: u64,
    /// Their bytes on the wire.
    bytes: u64,
    /// Flows.
    flows: u64,
    /// HTTP requests.
    requests: u64,
    /// HTTP responses.
    responses: u64,
    /// Sightings of tokens.
    tokens: u64,
    /// Sessions.
    sessions: u64,
    /// Encrypted connections that could not be read.
    opaque_connections: u64,
    /// Encrypted connections that could.
    decrypted_connections: u64,
    /// Stretches of bytes that never arrived.
    gaps: u64,
    /// Requests that name another client and whose sender is no trusted proxy.
    forwarded_ignored: u64,
    /// How often each limit was hit.
    limits_hit: &'a BTreeMap<&'static str, u64>,
    /// Frames that could not be decoded, by layer.
    decode_errors: &'a BTreeMap<&'static str, u64>,
    /// Alerts by severity.
    alerts: BTreeMap<&'static str, u64>,
    /// Names of the captures.
    captures: Names<'a>,
    /// Names of those that ended early.
    truncated: Names<'a>,
}

/// A list of names as far as it fits.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Names<'a> {
    /// How many there are.
    count: usize,
    /// The first of them.
    names: Vec<std::borrow::Cow<'a, str>>,
}

impl<'a> Names<'a> {
    fn new(names: &'a [Box<str>], fit: Fit) -> Self {
        Self { count: names.len(), names: fit.items(names).0.map(|name| fit.text(name)).collect() }
    }
}

impl<'a> SummaryEvent<'a> {
    /// The summary as far as it fits.
    #[must_use]
    pub fn new(summary: &'a Summary, sensor: &'a Sensor, fit: Fit) -> Self {
        Self {
            timestamp: summary.last.map(Time),
            ecs: ECS,
            event: Event {
                kind: "event",
                module: "tokentrail",
                dataset: Dataset::Summary,
                start: summary.first.map(Time),
                end: summary.last.map(Time),
            },
            observer: Observer::new(sensor, fit),
            tokentrail: Tokentrail {
                schema: SCHEMA,
                summary: Numbers {
                    frames: summary.frames,
                    bytes: summary.bytes,
                    flows: summary.flows,
                    requests: summary.requests,
                    responses: summary.responses,
                    tokens: summary.tokens,
                    sessions: summary.sessions,
                    opaque_connections: summary.opaque_connections,
                    decrypted_connections: summary.decrypted_connections,
                    gaps: summary.gaps,
                    forwarded_ignored: summary.forwarded_ignored,
                    limits_hit: &summary.limits_hit,
                    decode_errors: &summary.decode_errors,
                    alerts: summary.alerts.iter().map(|(severity, n)| (severity.as_str(), *n)).collect(),
                    captures: Names::new(&summary.captures, fit),
                    truncated: Names::new(&summary.truncated, fit),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{schema_event, testing};
    use super::*;

    #[test]
    fn numbers_and_names_are_told() {
        let summary = Summary {
            last: Some(Timestamp::from_parts(1, 0)),
            frames: 7,
            tokens: 3,
            limits_hit: [("http_head", 2)].into(),
            decode_errors: [("ip", 1)].into(),
            alerts: [(Severity::High, 1), (Severity::Low, 0)].into(),
            captures: (0..5_000).map(|n| format!("{n}-{}.pcap", "x".repeat(300)).into()).collect(),
            truncated: vec!["3.pcap".into()],
            ..Summary::default()
        };
        let text = line(&summary, &testing::sensor());
        assert!(text.len() <= fit::LINE_BYTES);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        testing::validate(&schema_event(), &value);
        assert_eq!(value["@timestamp"], "1970-01-01T00:00:01.000Z");
        let told = &value["tokentrail"]["summary"];
        assert_eq!((&told["frames"], &told["tokens"]), (&7.into(), &3.into()));
        assert_eq!(told["limits_hit"], serde_json::json!({"http_head": 2}));
        assert_eq!(told["alerts"], serde_json::json!({"high": 1, "low": 0}));
        assert_eq!(told["captures"]["count"], 5_000);
        assert_eq!(told["truncated"], serde_json::json!({"count": 1, "names": ["3.pcap"]}));
    }

    #[test]
    fn an_empty_history_has_no_time() {
        let value: serde_json::Value = serde_json::from_str(&line(&Summary::default(), &testing::sensor())).unwrap();
        testing::validate(&schema_event(), &value);
        assert!(value.get("@timestamp").is_none());
    }
}
