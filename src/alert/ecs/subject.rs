//! What is an alert about? A token, what is odd on a path, an address that went to another device; with
//! whose they are and how it was seen.

use std::borrow::Cow;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::alert::Alert;
use super::super::fields::Time;
use super::super::fit::Fit;
use crate::base::ids::Digest16;
use crate::session::{BindingView, Evidence, PathObservation, SessionView, Takeover};
use crate::token::{Carrier, Outcome, SeenToken, TokenClass};

/// What an alert says beside its request, by what it rests on.
pub(super) struct Told<'a> {
    pub(super) category: &'static str,
    pub(super) token: Option<Token<'a>>,
    pub(super) anomaly: Option<Anomaly>,
    pub(super) takeover: Option<TakenOver>,
    pub(super) suspect: Option<&'a BindingView>,
    pub(super) prior: Option<&'a BindingView>,
    pub(super) related: Vec<IpAddr>,
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) mode: Mode,
}

impl<'a> Told<'a> {
    /// What is said of an alert.
    pub(super) fn of(alert: &'a Alert, fit: Fit) -> Self {
        let mut told = match &alert.evidence {
            Evidence::Use(seen) => Self {
                category: "session",
                token: Some(Token::new(&seen.token, Some(&seen.session), fit)),
                anomaly: None,
                takeover: None,
                suspect: alert.totals.is_none().then_some(&seen.subject),
                prior: seen.prior.as_ref(),
                related: [Some(&seen.subject), seen.prior.as_ref()]
                    .into_iter()
                    .filter_map(|side| side?.client.address)
                    .collect(),
                outcome: seen.outcome,
                status: seen.status,
                mode: if seen.plaintext { Mode::Plaintext } else { Mode::Decrypted },
            },
            Evidence::Path(seen) => Self {
                category: "network",
                token: seen.token.as_ref().map(|(token, session)| Token::new(token, session.as_ref(), fit)),
                anomaly: Some(Anomaly::from(&**seen)),
                takeover: None,
                suspect: None,
                prior: None,
                related: seen.request.client.address.into_iter().chain([seen.request.destination.ip]).collect(),
                outcome: Outcome::Unknown,
                status: None,
                mode: if seen.request.decrypted { Mode::Decrypted } else { Mode::Plaintext },
            },
            Evidence::Takeover(taken, _) => Self {
                category: "network",
                token: None,
                anomaly: None,
                takeover: Some(TakenOver::from(taken)),
                suspect: None,
                prior: None,
                related: vec![taken.ip],
                outcome: Outcome::Unknown,
                status: None,
                mode: Mode::Plaintext,
            },
        };
        told.related.dedup();
        told
    }
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Token<'a> {
    /// Keyed digest of the token.
    #[serde(rename = "ref")]
    reference: Digest16,
    /// The rule that named it.
    id: Cow<'a, str>,
    carrier: Carrier,
    /// Name on the wire.
    name: Cow<'a, str>,
    class: TokenClass,
    /// Registrable domain, or the server's address.
    service: Cow<'a, str>,
    /// When a server was seen issuing it.
    issued: Option<Time>,
    /// Rotations behind it.
    lineage: u32,
    /// Sightings of its session.
    sightings: u64,
    /// Distinct actors of its session.
    actors: u32,
}

impl<'a> Token<'a> {
    fn new(token: &'a SeenToken, session: Option<&SessionView>, fit: Fit) -> Self {
        Self {
            reference: token.token,
            id: fit.text(&token.id),
            carrier: token.carrier,
            name: fit.text(&token.name),
            class: token.class,
            service: fit.text(&token.service),
            issued: session.and_then(|session| session.issued).map(Time),
            lineage: session.map_or(0, |session| session.lineage),
            sightings: session.map_or(0, |session| session.sightings),
            actors: session.map_or(0, |session| session.actors),
        }
    }
}

/// `tokentrail.anomaly`.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(super) struct Anomaly {
    /// `overlap_conflict`, `length_and_encoding` …
    kind: &'static str,
    /// The side that sent it, or in whose name it was sent.
    from: Side,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Side {
    Client,
    Server,
}

impl From<&PathObservation> for Anomaly {
    fn from(seen: &PathObservation) -> Self {
        Self { kind: seen.kind.label(), from: if seen.from_client { Side::Client } else { Side::Server } }
    }
}

/// `tokentrail.takeover`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct TakenOver {
    /// The address.
    ip: IpAddr,
    /// The MAC address at which it was.
    from: String,
    /// The MAC address at which it is said to be now.
    to: String,
    /// Clients of the segment reach other networks by it.
    gateway: bool,
}

impl From<&Takeover> for TakenOver {
    fn from(taken: &Takeover) -> Self {
        let Takeover { ip, from, to, gateway, .. } = *taken;
        Self { ip, from: from.to_string(), to: to.to_string(), gateway }
    }
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Plaintext,
    Decrypted,
}
