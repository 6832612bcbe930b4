//! How is an alert written for machines? One line of JSON in the Elastic Common Schema 9.

mod sides;
mod subject;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use sides::{Prior, Suspect};
use subject::{Anomaly, Mode, TakenOver, Token, Told};

use super::Sensor;
use super::alert::{Alert, Explanation, Status};
use super::fields::{ECS, Ecs, Observer, Request, SCHEMA, Time};
use super::fit::{self, Fit};
use crate::base::ids::Digest16;
use crate::detect::{ExposureTotals, Severity, Signal};
use crate::token::Outcome;

/// The alert as one JSON object of at most [`fit::LINE_BYTES`], without a newline.
#[must_use]
pub fn line(alert: &Alert, sensor: &Sensor) -> String {
    fit::line(|fit| EcsAlert::new(alert, sensor, fit))
}

/// An alert as published by `tokentrail schema alert`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EcsAlert<'a> {
    /// Time of the frame that decided it.
    #[serde(rename = "@timestamp")]
    timestamp: Time,
    ecs: Ecs,
    event: Event<'a>,
    /// What happened, in one sentence.
    message: Cow<'a, str>,
    rule: Rule,
    #[serde(skip_serializing_if = "Option::is_none")]
    threat: Option<Threat<'a>>,
    /// Absent where no connection is concerned.
    #[serde(flatten)]
    request: Option<Request<'a>>,
    observer: Observer<'a>,
    related: Related,
    tokentrail: Tokentrail<'a>,
}

/// `event`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Event<'a> {
    /// The same at every update of an alert.
    id: Digest16,
    kind: Kind,
    category: [&'static str; 2],
    #[serde(rename = "type")]
    types: [&'static str; 1],
    /// Name of the detector.
    action: &'static str,
    /// 10 informational, 30 low, 50 medium, 73 high, 95 critical.
    severity: u8,
    /// The score, 0 to 100.
    risk_score: u8,
    /// First use by the suspect; of an exposure: when it was first found.
    start: Time,
    /// Latest use by the suspect; of an exposure: when it was last found.
    end: Time,
    module: Module,
    dataset: Dataset,
    outcome: EventOutcome,
    /// The signals in words, with their points.
    reason: Cow<'a, str>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
enum Kind {
    #[serde(rename = "alert")]
    Alert,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
enum Module {
    #[serde(rename = "tokentrail")]
    Tokentrail,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
enum Dataset {
    #[serde(rename = "tokentrail.alert")]
    Alert,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum EventOutcome {
    Success,
    Failure,
    Unknown,
}

impl From<Outcome> for EventOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Success,
            Outcome::Rejected => Self::Failure,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

/// `rule`: the detector.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Rule {
    /// `TT-1003`.
    id: &'static str,
    /// `token.new_client`.
    name: &'static str,
    version: &'static str,
    ruleset: &'static str,
}

/// `threat`: MITRE ATT&CK.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Threat<'a> {
    framework: &'static str,
    technique: Technique<'a>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Technique<'a> {
    /// `T1550`.
    id: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtechnique: Option<Subtechnique<'a>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Subtechnique<'a> {
    /// `T1550.004`.
    id: Vec<&'a str>,
}

impl<'a> Threat<'a> {
    /// From tags like `T1539` and `T1550.004`; the latter names a technique as well.
    fn new(tags: &'a [Box<str>]) -> Option<Self> {
        let mut id: Vec<_> = tags.iter().map(|tag| tag.split_once('.').map_or(&**tag, |(id, _)| id)).collect();
        id.sort_unstable();
        id.dedup();
        let subs: Vec<_> = tags.iter().map(|tag| &**tag).filter(|tag| tag.contains('.')).collect();
        let subtechnique = (!subs.is_empty()).then_some(Subtechnique { id: subs });
        (!id.is_empty()).then_some(Self { framework: "MITRE ATT&CK", technique: Technique { id, subtechnique } })
    }
}

/// `related`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Related {
    /// Suspect and victim.
    ip: Vec<IpAddr>,
}

/// `tokentrail`: what ECS has no names for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Tokentrail<'a> {
    /// Version of these fields.
    schema: u8,
    severity: Severity,
    /// 0 to 100.
    score: u8,
    /// Shared by all alerts about one session and suspect.
    incident: Digest16,
    /// Null where no token is known: an attack on a path.
    token: Option<Token<'a>>,
    /// What is odd about a path; null for alerts about the use of a token.
    anomaly: Option<Anomaly>,
    /// The address that another device took over.
    #[serde(skip_serializing_if = "Option::is_none")]
    takeover: Option<TakenOver>,
    /// What the score is made of.
    signals: &'a [Signal],
    /// What differs and has an innocent explanation.
    explained: &'a [Explanation],
    /// Of exposures: what they add up to so far that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<ExposureTotals>,
    /// Whom the suspect is compared with: the owner of the session.
    prior: Option<Prior<'a>>,
    /// Who used it; null for an exposure, which accuses nobody.
    suspect: Option<Suspect<'a>>,
    /// What the server made of the token.
    outcome: Outcome,
    /// Null where no connection is concerned.
    visibility: Option<Visibility>,
    /// Number of the deciding frame in its capture, from 1.
    frame: u64,
    /// Name of the capture.
    capture: Option<Cow<'a, str>>,
    status: Status,
    /// How many findings (of exposures: requests) the alert stands for.
    count: u64,
    /// What to do, the most urgent first.
    advice: Vec<Cow<'a, str>>,
}

/// How well the sensor saw it.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
struct Visibility {
    mode: Mode,
    /// The connection was joined after its beginning.
    midstream: bool,
    /// Only one direction was seen.
    one_sided: bool,
    /// Gaps in the connection.
    gaps: u32,
}

impl<'a> EcsAlert<'a> {
    /// The alert as far as it fits.
    #[must_use]
    pub fn new(alert: &'a Alert, sensor: &'a Sensor, fit: Fit) -> Self {
        let at = alert.at();
        let request = alert.evidence.request();
        let told = Told::of(alert, fit);
        let (outcome, prior) = (told.outcome, told.prior);
        Self {
            timestamp: Time(at.ts),
            ecs: ECS,
            event: Event {
                id: alert.id,
                kind: Kind::Alert,
                category: ["intrusion_detection", told.category],
                types: ["info"],
                action: alert.detector.name,
                severity: alert.severity.ecs(),
                risk_score: alert.score,
                start: Time(alert.first),
                end: Time(alert.last),
                module: Module::Tokentrail,
                dataset: Dataset::Alert,
                outcome: outcome.into(),
                reason: fit.text(&alert.reason),
            },
            message: fit.text(&alert.message),
            rule: Rule { id: alert.detector.id, name: alert.detector.name, version: "1", ruleset: "builtin" },
            threat: Threat::new(&alert.tags),
            request: request.map(|request| Request::new(request, told.status, fit)),
            observer: Observer::new(sensor, fit),
            related: Related { ip: told.related },
            tokentrail: Tokentrail {
                schema: SCHEMA,
                severity: alert.severity,
                score: alert.score,
                incident: alert.incident,
                token: told.token,
                anomaly: told.anomaly,
                takeover: told.takeover,
                signals: &alert.signals,
                explained: &alert.explained,
                totals: alert.totals,
                prior: prior.map(|prior| Prior::new(prior, fit)),
                suspect: told.suspect.map(|suspect| Suspect::new(suspect, fit)),
                outcome,
                visibility: request.map(|request| Visibility {
                    mode: told.mode,
                    midstream: request.midstream,
                    one_sided: request.one_sided,
                    gaps: request.gaps,
                }),
                frame: at.frame.number,
                capture: sensor.capture(at.frame).map(|name| fit.text(name)),
                status: alert.status,
                count: alert.count,
                advice: alert.advice.iter().map(|step| fit.text(step)).collect(),
            },
        }
    }
}
