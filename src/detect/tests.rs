//! Sightings in, findings out.

mod crowds;
mod ends;
mod facets;
mod paths;

use std::sync::Arc;

use super::credential::CREDENTIAL;
use super::*;
use crate::base::ids::Digest16;
use crate::session::Observation;
use crate::session::testing::{World, browser, client, curl, strong, with_mac};
use crate::token::{Carrier, Outcome, SeenToken, TokenClass, TokenUse};

/// Settings as the built-in rules have them.
fn settings() -> Settings {
    use TokenClass::{Api, Basic, Bearer, Edge, Idp, Remember, Session};
    let owned: Classes = [Session, Remember, Idp, Edge, Bearer].into_iter().collect();
    let weights =
        [(SignalName::Network, 20), (SignalName::Address, 10), (SignalName::UaOs, 35), (SignalName::UaFamily, 30)]
            .into_iter()
            .chain([
                (SignalName::Tool, 40),
                (SignalName::UaDowngrade, 15),
                (SignalName::Interleaved, 40),
                (SignalName::PriorLive, 10),
                (SignalName::Mac, 35),
                (SignalName::Tls, 30),
                (SignalName::HeaderOrder, 15),
                (SignalName::TcpStack, 15),
                (SignalName::Language, 10),
                (SignalName::FanIn, 40),
                (SignalName::PathAttack, 20),
            ])
            .fold(Weights::default(), |mut weights, (name, points)| {
                weights.set(name, points);
                weights
            });
    let scored = DetectorSettings {
        enabled: true,
        classes: owned,
        severity: SeverityRule::Score,
        graver_classes: Classes::default(),
        tags: Arc::from([]),
        thresholds: Thresholds::default(),
    };
    let fixed = |severity| DetectorSettings { severity: SeverityRule::Fixed(severity), ..scored.clone() };
    let detectors = CATALOGUE
        .iter()
        .map(|info| match info.id {
            "TT-1004" => fixed(Severity::Critical),
            "TT-1005" | "TT-1006" | "TT-1011" | "TT-4001" | "TT-4004" => fixed(Severity::High),
            "TT-3006" => fixed(Severity::Low),
            id if id.starts_with("TT-3") || id.starts_with("TT-4") => fixed(Severity::Medium),
            "TT-2001" => DetectorSettings {
                severity: SeverityRule::Fixed(Severity::Medium),
                classes: owned.with(Api),
                graver_classes: [Remember, Idp, Edge, Bearer].into_iter().collect(),
                ..scored.clone()
            },
            "TT-2007" => DetectorSettings { classes: Classes::default().with(Basic), ..fixed(Severity::High) },
            _ => scored.clone(),
        })
        .collect();
    Settings { detectors, weights }
}

/// A world whose observations go to the detectors.
struct Judge {
    world: World,
    detectors: Detectors,
}

impl Judge {
    fn new() -> Self {
        Self { world: World::new(), detectors: Detectors::new(&settings(), 3) }
    }

    fn used(&mut self, by: &crate::identity::ClientIdentity, token: &SeenToken, outcome: Outcome) -> Vec<Finding> {
        let seen = self.world.wait(5.0).exchange(by, token, outcome);
        self.judged(&seen)
    }

    fn judged(&mut self, seen: &[Arc<Observation>]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for observation in seen {
            self.detectors.judge(&Evidence::Use(Arc::clone(observation)), &mut findings);
        }
        findings
    }
}

/// The severities of what one detector found.
fn found_by(detector: &DetectorInfo, findings: &[Finding]) -> Vec<Severity> {
    findings.iter().filter(|f| f.detector == detector).map(|f| f.severity).collect()
}

/// (name, severity, score) of what was found beside exposure.
fn claims(findings: &[Finding]) -> Vec<(&'static str, Severity, u8)> {
    findings
        .iter()
        .filter(|f| matches!(f.subject, Subject::Suspect { .. }))
        .map(|f| (f.detector.name, f.severity, f.score))
        .collect()
}

fn victim() -> crate::identity::ClientIdentity {
    client("198.51.100.7", &browser("firefox", "linux", 140))
}

#[test]
fn a_stolen_cookie_in_curl_is_critical() {
    let mut judge = Judge::new();
    judge.world.issue(&victim(), &strong(1), None);
    assert!(claims(&judge.used(&victim(), &strong(1), Outcome::Accepted)).is_empty());
    let found = judge.used(&client("203.0.113.9", &curl()), &strong(1), Outcome::Accepted);
    // network 20 + family 30 + tool 40
    assert_eq!(
        claims(&found),
        [("token.new_client", Severity::Critical, 90), ("token.tool_replay", Severity::Critical, 90)]
    );
    // … and the owner's return adds 10.
    let back = judge.used(&victim(), &strong(1), Outcome::Accepted);
    assert_eq!(claims(&back)[0], ("token.new_client", Severity::Critical, 100));
}

#[test]
fn the_floor_follows_the_outcome() {
    for (outcome, severity) in
        [(Outcome::Accepted, Severity::High), (Outcome::Unknown, Severity::Medium), (Outcome::Rejected, Severity::Low)]
    {
        let mut judge = Judge::new();
        let owner = client("10.0.0.10", &browser("firefox", "linux", 140));
        judge.world.issue(&owner, &strong(1), None);
        judge.used(&owner, &strong(1), Outcome::Accepted);
        // address 10 + family 30 = 40 by itself
        let found = judge.used(&client("10.0.0.66", &browser("chrome", "linux", 119)), &strong(1), outcome);
        assert_eq!(claims(&found)[0].0, "token.new_client");
        assert_eq!(claims(&found)[0].1, severity);
    }
}

#[test]
fn a_one_way_move_is_low() {
    let mut judge = Judge::new();
    let agent = browser("safari", "ios", 18);
    judge.world.issue(&client("198.51.100.7", &agent), &strong(1), None);
    judge.used(&client("198.51.100.7", &agent), &strong(1), Outcome::Accepted);
    for _ in 0..5 {
        let found = judge.used(&client("203.0.113.9", &agent), &strong(1), Outcome::Accepted);
        assert_eq!(claims(&found), [("token.new_ip", Severity::Low, 20)]);
    }
}

#[test]
fn a_copied_user_agent_is_caught_by_taking_turns_and_stays_medium() {
    let mut judge = Judge::new();
    let agent = browser("firefox", "linux", 140);
    let (owner, thief) = (client("198.51.100.7", &agent), client("203.0.113.9", &agent));
    judge.world.issue(&owner, &strong(1), None);
    let mut all = Vec::new();
    for by in [&owner, &thief, &owner, &thief] {
        all.extend(claims(&judge.used(by, &strong(1), Outcome::Accepted)));
    }
    let turns: Vec<_> = all.iter().filter(|c| c.0 == "token.interleaved").collect();
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0].1, Severity::Medium);
    assert!(all.iter().all(|c| c.1 <= Severity::Medium), "{all:?}");
}

#[test]
fn taking_turns_with_other_software_is_critical() {
    let mut judge = Judge::new();
    let thief = client("203.0.113.9", &browser("chrome", "windows", 119));
    judge.world.issue(&victim(), &strong(1), None);
    let mut all = Vec::new();
    for by in [&victim(), &thief, &victim(), &thief] {
        all.extend(claims(&judge.used(by, &strong(1), Outcome::Accepted)));
    }
    assert!(all.iter().any(|c| (c.0, c.1) == ("token.interleaved", Severity::Critical)), "{all:?}");
}

#[test]
fn another_agent_at_one_address_counts_half() {
    let mut judge = Judge::new();
    let agent = |family, os| client("198.51.100.7", &browser(family, os, 100));
    judge.world.issue(&agent("firefox", "linux"), &strong(1), None);
    judge.used(&agent("firefox", "linux"), &strong(1), Outcome::Accepted);
    let found = judge.used(&agent("chrome", "windows"), &strong(1), Outcome::Accepted);
    // (35 + 30) / 2, rounded down per signal
    assert_eq!(claims(&found), [("token.new_user_agent", Severity::Low, 32)]);
}

#[test]
fn explained_differences_are_informational() {
    let mut judge = Judge::new();
    let agent = browser("firefox", "linux", 140);
    let at = |address| with_mac(client(address, &agent), 1);
    judge.world.issue(&at("2001:db8:1::10"), &strong(1), None);
    let found = judge.used(&at("2001:db8:1::77"), &strong(1), Outcome::Accepted);
    assert_eq!(claims(&found), [("token.new_ip", Severity::Informational, 0)]);
    let update = with_mac(client("2001:db8:1::10", &browser("firefox", "linux", 141)), 1);
    let found = judge.used(&update, &strong(1), Outcome::Accepted);
    assert_eq!(claims(&found), [("token.new_user_agent", Severity::Informational, 0)]);
}

#[test]
fn an_adopted_owner_weighs_half() {
    let mut judge = Judge::new();
    judge.used(&victim(), &strong(1), Outcome::Unknown);
    let found = judge.used(&client("203.0.113.9", &curl()), &strong(1), Outcome::Rejected);
    // (20 + 30 + 40) / 2 = 45, only rejected: 35
    assert_eq!(claims(&found)[0], ("token.new_client", Severity::Low, 35));
    // Two accepted requests make the owner trusted.
    let mut judge = Judge::new();
    judge.used(&victim(), &strong(1), Outcome::Accepted);
    judge.used(&victim(), &strong(1), Outcome::Accepted);
    let found = judge.used(&client("203.0.113.9", &curl()), &strong(1), Outcome::Accepted);
    assert_eq!(claims(&found)[0].1, Severity::Critical);
}

#[test]
fn shared_keys_are_only_exposed() {
    let key = SeenToken { class: TokenClass::Api, id: "x_api_key".into(), ..strong(1) };
    let mut judge = Judge::new();
    let mut all = Vec::new();
    for n in 1..=8 {
        all.extend(judge.used(&client(&format!("10.0.{n}.1"), &curl()), &key, Outcome::Accepted));
    }
    assert!(claims(&all).is_empty());
    let totals = all.iter().filter_map(|f| f.totals).next_back().unwrap();
    assert_eq!((totals.tokens, totals.clients, totals.requests), (1, 8, 8));
    assert_eq!(all.len(), 4, "told at 1, 2, 4 and 8");
}

#[test]
fn exposure_is_told_once_a_day_with_totals() {
    let mut judge = Judge::new();
    let mut told = Vec::new();
    for n in 1..=5 {
        told.extend(judge.used(&victim(), &strong(n), Outcome::Accepted));
    }
    judge.world.wait(86_400.0);
    judge.detectors.on_time(judge.world.now(), &mut told);
    told.extend(judge.used(&victim(), &strong(1), Outcome::Accepted));
    judge.detectors.finish(&mut told);
    let totals: Vec<_> = told.iter().map(|f| f.totals.unwrap().requests).collect();
    assert_eq!(totals, [1, 2, 4, 5, 1], "the last of a day is told when it is over");
    assert!(told.iter().all(|f| f.severity == Severity::Medium));
    let bearer = SeenToken { class: TokenClass::Bearer, id: "bearer".into(), ..strong(9) };
    assert_eq!(judge.used(&victim(), &bearer, Outcome::Accepted)[0].severity, Severity::High);
}

#[test]
fn a_severity_of_the_rules_goes_before_the_score() {
    let mut fixed = settings();
    for detector in &mut fixed.detectors {
        detector.severity = SeverityRule::Fixed(Severity::High);
    }
    let mut judge = Judge { world: World::new(), detectors: Detectors::new(&fixed, 3) };
    let agent = browser("safari", "ios", 18);
    judge.world.issue(&client("198.51.100.7", &agent), &strong(1), None);
    judge.used(&client("198.51.100.7", &agent), &strong(1), Outcome::Accepted);
    let found = judge.used(&client("203.0.113.9", &agent), &strong(1), Outcome::Accepted);
    assert_eq!(claims(&found), [("token.new_ip", Severity::High, 75)]);
    let found = judge.used(&client("192.0.2.9", &agent), &strong(1), Outcome::Unknown);
    assert_eq!(claims(&found)[0].1, Severity::Medium, "one step lower without a reply");
}

#[test]
fn one_exchange_is_one_request_in_the_open() {
    let mut judge = Judge::new();
    let (request, seen) = judge.world.present(&victim(), &strong(1));
    let mut told = judge.judged(&seen);
    told.extend(judge.world.reissue(&request, &strong(2)).iter().flat_map(|o| judge.judged(std::slice::from_ref(o))));
    judge.detectors.finish(&mut told);
    assert_eq!(told.iter().map(|f| f.totals.unwrap().requests).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_password_in_the_open_is_told_as_such_and_is_no_session() {
    let mut judge = Judge::new();
    let form = SeenToken { class: TokenClass::Basic, carrier: Carrier::Form, name: "password".into(), ..strong(1) };
    let mut told = judge.used(&victim(), &form, Outcome::Accepted);
    for n in 100..160 {
        let thief = client("203.0.113.9", &browser("curl", "", 8));
        let one_of_many = SeenToken { token: Digest16([n; 16]), ..form.clone() };
        told.extend(judge.used(&thief, &one_of_many, Outcome::Rejected));
    }
    judge.detectors.finish(&mut told);
    assert!(told.iter().all(|f| f.detector == &CREDENTIAL && f.severity == Severity::High), "{}", told.len());
    let totals = told.last().and_then(|f| f.totals).unwrap();
    assert_eq!((totals.tokens, totals.clients, totals.requests), (61, 2, 61));
    assert_eq!(judge.world.table.counters().created, 0);

    let header = SeenToken { carrier: Carrier::Header, id: "basic".into(), ..form };
    let told = judge.used(&victim(), &header, Outcome::Accepted);
    assert_eq!(found_by(&CREDENTIAL, &told), [Severity::High]);
    assert_eq!(found_by(&super::plaintext::PLAINTEXT, &told), []);
}

#[test]
fn the_way_behind_a_terminator_is_not_in_the_open() {
    let mut judge = Judge::new();
    let form = SeenToken { class: TokenClass::Basic, carrier: Carrier::Form, ..strong(1) };
    for token in [form, strong(2)] {
        let (mut request, _) = judge.world.present(&victim(), &token);
        Arc::make_mut(&mut request).inner_hop = true;
        let seen = judge.world.wait(1.0).token(&token, TokenUse::Presented, &request);
        let seen: Vec<_> = seen.into_iter().filter(|seen| seen.request.inner_hop).collect();
        assert!(!seen.is_empty() && judge.judged(&seen).is_empty());
    }
}

#[test]
fn invented_hosts_are_told_as_one() {
    let mut judge = Judge::new();
    let mut told = Vec::new();
    for n in 0..3000 {
        let token = SeenToken { service: format!("{n}.test").into(), ..strong(1) };
        told.extend(judge.used(&victim(), &token, Outcome::Accepted));
    }
    judge.detectors.finish(&mut told);
    assert!(told.len() < 200, "{}", told.len());
    let last = told
        .iter()
        .rfind(|f| matches!(&f.subject, Subject::Exposure { service, .. } if &**service == "other services"));
    assert_eq!(last.unwrap().totals.unwrap().requests, 3000 - 128);
    assert_eq!(judge.detectors.limit_hits(), 3000 - 128);
}

#[test]
fn repeats_among_the_services_told_as_one_are_counted_without_looking_at_the_whole() {
    let mut judge = Judge::new();
    let of = |n: u32| SeenToken { service: format!("{n}.test").into(), ..strong(1) };
    for n in 0..=128 {
        judge.used(&victim(), &of(n), Outcome::Accepted);
    }
    let hits = judge.detectors.limit_hits();
    let mut told = Vec::new();
    for n in [128, 129, 0] {
        let (request, _) = judge.world.present(&victim(), &of(n));
        let sighting = judge.world.sighting(&of(n), &request);
        judge.detectors.again(&sighting, || panic!("the whole is dear"), &mut told);
    }
    assert_eq!(judge.detectors.limit_hits(), hits + 2);
    judge.detectors.finish(&mut told);
    let requests = |name: &str| {
        let of_it =
            told.iter().filter(|f| matches!(&f.subject, Subject::Exposure { service, .. } if &**service == name));
        of_it.map(|f| f.totals.unwrap().requests).max()
    };
    assert_eq!((requests("other services"), requests("0.test")), (Some(3), Some(2)));
}

#[test]
fn a_detector_without_a_rule_does_not_run() {
    let mut quiet = settings();
    for detector in &mut quiet.detectors {
        detector.enabled = false;
    }
    assert_eq!(format!("{:?}", Detectors::new(&quiet, 1)), "0 detectors");
}
