//! What do tests of this floor judge? One stolen session, built by hand: change what matters.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use super::{Alert, AlertDesk, DeskConfig, Sensor};
use crate::base::ids::{Digest16, DigestKey};
use crate::base::net::{Endpoint, MacAddr, Tenant};
use crate::base::time::{FrameId, Stamp, Timestamp};
use crate::detect::{DetectorInfo, ExposureTotals, Finding, Severity, Signal, Subject};
use crate::flow::FlowId;
use crate::identity::user_agent::Kind;
use crate::identity::{AddressChange, AddressSource, AgentChange, ClientIdentity, Comparison, IdentityDiff, UserAgent};
use crate::proto::HttpVersion;
use crate::session::{BindingView, Evidence, Observation, PathObservation, SessionView, Takeover, Trigger};
use crate::token::sighting::HttpView;
use crate::token::{
    Carrier, Outcome, PathKind, RequestId, RequestView, SeenToken, TokenClass, Transaction, TransactionToken,
};

/// 2026-11-22T10:42:07.311Z plus some seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(1_795_344_127 + seconds, 311_000_000)
}

/// The sensor `gw1` with one capture.
pub(crate) fn sensor() -> Sensor {
    Sensor { name: "gw1".into(), captures: vec!["token-replay.pcap".into()] }
}

/// A detector with this id.
pub(crate) fn detector(id: &str) -> &'static DetectorInfo {
    const fn info(id: &'static str, name: &'static str) -> DetectorInfo {
        DetectorInfo::new(id, name, "A token is used by someone else")
    }
    static KNOWN: [DetectorInfo; 9] = [
        info("TT-1001", "token.new_ip"),
        info("TT-1002", "token.new_user_agent"),
        info("TT-1003", "token.new_client"),
        info("TT-1004", "token.interleaved"),
        info("TT-1008", "token.fingerprint_shift"),
        info("TT-2001", "token.plaintext"),
        info("TT-4001", "tcp.overlap_conflict"),
        info("TT-4005", "arp.spoof"),
        info("TT-4011", "http.ambiguous"),
    ];
    KNOWN.iter().find(|known| known.id == id).expect("a detector that tests know")
}

/// The session cookie `PHPSESSID` of `shop.test`.
pub(crate) fn token() -> SeenToken {
    SeenToken {
        token: Digest16([0x7f; 16]),
        by_address: None,
        strength: 130,
        id: "php_session".into(),
        name: "PHPSESSID".into(),
        carrier: Carrier::Cookie,
        class: TokenClass::Session,
        service: "shop.test".into(),
    }
}

/// Firefox 140 on Linux.
pub(crate) fn firefox() -> UserAgent {
    UserAgent {
        kind: Kind::Browser,
        family: "firefox".into(),
        os: "linux".into(),
        major: 140,
        original: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into(),
    }
}

/// curl 8.9.
pub(crate) fn curl() -> UserAgent {
    UserAgent { kind: Kind::Tool, family: "curl".into(), os: "".into(), major: 8, original: "curl/8.9".into() }
}

/// A client at this address.
pub(crate) fn client(address: &str, agent: UserAgent) -> ClientIdentity {
    ClientIdentity {
        address: Some(address.parse().unwrap()),
        address_from: AddressSource::Packet,
        frame_mac: None,
        direct: false,
        user_agent: Some(Arc::new(agent)),
        ..ClientIdentity::unknown()
    }
}

/// The suspect's request: frames 10,121 and 10,122, through the proxy 10.0.0.5.
pub(crate) fn request() -> RequestView {
    let stamp = |number| Stamp { ts: at(0), frame: FrameId { number, ..FrameId::default() } };
    let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    RequestView {
        id: RequestId { flow: FlowId(FrameId { number: 10_100, ..FrameId::default() }), ordinal: 0 },
        first: stamp(10_121),
        complete: stamp(10_122),
        tenant: Tenant::default(),
        source: end("10.0.0.5", 51_934),
        destination: end("10.0.1.20", 8080),
        client: client("203.0.113.9", curl()),
        next_hop: None,
        inner_hop: false,
        decrypted: false,
        http: Some(HttpView {
            version: HttpVersion::V11,
            method: "POST".into(),
            host: "shop.test".into(),
            path: "/account/email".into(),
            query: Some("to=‹…›".into()),
        }),
        midstream: false,
        one_sided: false,
        gaps: 0,
    }
}

/// The transaction of that request, with a token presented and one issued.
pub(crate) fn transaction() -> Transaction {
    let seen = |issued| TransactionToken { token: Arc::new(token()), issued };
    Transaction { request: Arc::new(request()), status: Some(200), cookies: 3, tokens: vec![seen(false), seen(true)] }
}

/// The session of 198.51.100.7 (Firefox) used by 203.0.113.9 (curl), in cleartext and accepted.
pub(crate) fn stolen_session() -> Observation {
    let binding = |id, client, first, requests| BindingView {
        id: Digest16([id; 16]),
        client,
        first_seen: at(first),
        last_seen: at(0),
        requests,
        accepted: requests,
        rejected: 0,
    };
    Observation {
        trigger: Trigger::Presented,
        token: token(),
        request: Arc::new(request()),
        plaintext: true,
        outcome: Outcome::Accepted,
        status: Some(200),
        session: SessionView {
            id: Digest16([0x5e; 16]),
            first_seen: at(-600),
            issued: Some(at(-600)),
            lineage: 0,
            sightings: 24,
            actors: 2,
            adopted: false,
            ended: None,
            crowd: Box::default(),
        },
        subject: binding(2, client("203.0.113.9", curl()), 0, 1),
        prior: Some(binding(1, client("198.51.100.7", firefox()), -600, 23)),
        diff: Some(IdentityDiff::of(
            Comparison::Different(AddressChange::OtherNetwork),
            Comparison::Different(AgentChange { family: true, tool: true, ..AgentChange::default() }),
        )),
        prior_live: true,
        interleaved: None,
        renewed: false,
        login: false,
        fan_in: None,
        guesses: None,
        path_attack: false,
        now: at(0),
    }
}

/// A finding about the observation's session and suspect.
pub(crate) fn finding(id: &str, severity: Severity, observation: Observation) -> Finding {
    Finding {
        detector: detector(id),
        tags: ["T1550.004".into()].into(),
        subject: Subject::Suspect { session: observation.session.id, suspect: observation.subject.id },
        severity,
        score: 100,
        signals: [("network", 20), ("ua_family", 30), ("tool", 40), ("prior_live", 10)]
            .map(|(name, points)| Signal { name, points })
            .into(),
        totals: None,
        evidence: Evidence::Use(Arc::new(observation)),
    }
}

/// The same session's token in cleartext, `requests` times so far.
pub(crate) fn exposure(requests: u64) -> Finding {
    let mut observation = stolen_session();
    (observation.prior, observation.diff) = (None, None);
    Finding {
        subject: Subject::Exposure { service: "shop.test".into(), token_id: "php_session".into(), day: 20_779 },
        signals: Vec::new(),
        totals: Some(ExposureTotals { tokens: 1, clients: 2, requests }),
        ..finding("TT-2001", Severity::Medium, observation)
    }
}

/// Something odd on the path of that request, with its token when `carried`.
pub(crate) fn odd_path(id: &str, kind: PathKind, carried: bool) -> Finding {
    let (stolen, request) = (stolen_session(), Arc::new(request()));
    let subject = Subject::Path(Some((request.tenant, request.source.ip, request.destination.ip)));
    let token = carried.then_some((stolen.token, Some(stolen.session)));
    let at = Stamp { ts: at(1), frame: FrameId { number: 10_140, ..FrameId::default() } };
    let seen = PathObservation { kind, from_client: true, request, at, token };
    Finding {
        subject,
        severity: Severity::High,
        score: 75,
        signals: Vec::new(),
        evidence: Evidence::Path(Arc::new(seen)),
        ..finding(id, Severity::High, stolen_session())
    }
}

/// The gateway 198.51.100.1 is said to be at another device.
pub(crate) fn takeover() -> Finding {
    let mac = |last| MacAddr([2, 0, 0, 0, 0x51, last]);
    let ip = IpAddr::from([198, 51, 100, 1]);
    let taken = Takeover { tenant: Tenant::default(), ip, gateway: true, from: mac(1), to: mac(0x66) };
    let at = Stamp { ts: at(1), frame: FrameId { number: 46, ..FrameId::default() } };
    Finding {
        subject: Subject::Address(Some((taken.tenant, ip))),
        signals: Vec::new(),
        evidence: Evidence::Takeover(taken, at),
        ..finding("TT-4005", Severity::Critical, stolen_session())
    }
}

/// The use of a token that a finding or alert of these tests rests on.
pub(crate) fn seen(evidence: &Evidence) -> &Arc<Observation> {
    evidence.token_use().expect("the use of a token")
}

/// The same, to be changed.
pub(crate) fn seen_mut(finding: &mut Finding) -> &mut Observation {
    match &mut finding.evidence {
        Evidence::Use(seen) => Arc::make_mut(seen),
        Evidence::Path(_) | Evidence::Takeover(..) => panic!("the use of a token"),
    }
}

/// A desk with a fixed key.
pub(crate) fn desk(config: DeskConfig) -> AlertDesk {
    AlertDesk::new(config, DigestKey::derive(&[7; 32], AlertDesk::KEY_PURPOSE))
}

/// The alert that a fresh desk makes of a finding.
pub(crate) fn alert(finding: Finding) -> Alert {
    let mut desk = desk(DeskConfig { min_severity: Severity::Informational, ..DeskConfig::default() });
    desk.absorb(finding, at(0)).expect("the first finding is told")
}

/// Fails with every violation when `line` is none of `schema`.
pub(crate) fn validate(schema: &Value, line: &Value) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).expect("a schema");
    let violations: Vec<_> =
        validator.iter_errors(line).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(violations.is_empty(), "{violations:#?}\n{line:#}");
}
