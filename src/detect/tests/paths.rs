//! Odd paths, with and without a token.

use super::super::path::{AMBIGUOUS, FRAGMENT_CONFLICT, OVERLAP_CONFLICT};
use super::*;
use crate::flow::AnomalyKind;
use crate::proto::Ambiguity;
use crate::token::PathKind;

const OVERLAP: PathKind = PathKind::Tcp(AnomalyKind::OverlapConflict);

impl Judge {
    fn odd(&mut self, kind: PathKind, address: &str, token: Option<&SeenToken>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for evidence in self.world.odd(kind, &client(address, &curl()), token) {
            self.detectors.judge(&evidence, &mut findings);
        }
        findings
    }
}

#[test]
fn an_address_taken_over_is_told_the_graver_the_more_goes_by_it() {
    use crate::packet::ClaimKind::{ArpReply, Lease, Solicitation};
    let mut judge = Judge::new();
    let mut claim = |address: &str, mac, kind| {
        let mut findings = Vec::new();
        for evidence in judge.world.wait(1.0).claim(address, mac, kind) {
            judge.detectors.judge(&evidence, &mut findings);
        }
        findings.iter().map(|f| (f.detector.id, f.severity)).collect::<Vec<_>>()
    };
    for address in ["10.0.0.1", "10.0.0.7", "fd00::7"] {
        assert_eq!(claim(address, 1, ArpReply), []);
    }
    assert_eq!(claim("10.0.0.7", 6, ArpReply), [("TT-4005", Severity::Medium)]);
    assert_eq!(claim("10.0.0.7", 8, Lease), []);
    assert_eq!(claim("fd00::7", 6, Solicitation), [], "neighbour discovery is not ARP");

    let mut request = judge.world.present(&victim(), &strong(1)).0;
    Arc::make_mut(&mut request).next_hop = Some(crate::base::net::MacAddr([2, 0, 0, 0, 0, 1]));
    judge.world.token(&strong(1), crate::token::TokenUse::Presented, &request);
    let told = judge.world.claim("10.0.0.1", 6, ArpReply);
    let mut findings = Vec::new();
    told.iter().for_each(|evidence| judge.detectors.judge(evidence, &mut findings));
    assert_eq!(found_by(&super::super::arp_spoof::ARP_SPOOF, &findings), [Severity::Critical]);
}

#[test]
fn each_kind_has_its_detector() {
    use AnomalyKind::{DesyncStorm, RstInjected, SynAckConflict, UrgentInside};
    let mut judge = Judge::new();
    for (kind, expected) in [
        (OVERLAP, Some(("TT-4001", Severity::High))),
        (PathKind::Tcp(SynAckConflict), Some(("TT-4002", Severity::Medium))),
        (PathKind::Tcp(RstInjected), Some(("TT-4003", Severity::Medium))),
        (PathKind::Tcp(DesyncStorm), Some(("TT-4004", Severity::High))),
        (PathKind::Tcp(UrgentInside), None),
        (PathKind::Ambiguous(Ambiguity::LengthAndEncoding), Some(("TT-4011", Severity::Medium))),
        (PathKind::Ambiguous(Ambiguity::UrgentByte), Some(("TT-4011", Severity::Medium))),
        (PathKind::FragmentConflict, Some(("TT-4012", Severity::Medium))),
    ] {
        let told: Vec<_> = judge.odd(kind, "10.0.0.66", None).iter().map(|f| (f.detector.id, f.severity)).collect();
        assert_eq!(told, Vec::from_iter(expected), "{kind:?}");
    }
}

#[test]
fn the_token_of_the_request_and_its_session_are_named() {
    let mut judge = Judge::new();
    judge.world.issue(&victim(), &strong(1), None);
    for (token, known) in [(Some(strong(1)), Some(true)), (Some(strong(9)), Some(false)), (None, None)] {
        let found = judge.odd(OVERLAP, "10.0.0.66", token.as_ref());
        let Evidence::Path(seen) = &found[0].evidence else { panic!("a path") };
        assert_eq!(seen.token.as_ref().map(|(_, session)| session.is_some()), known);
    }
}

#[test]
fn one_pair_is_one_subject_and_many_pairs_become_one() {
    let mut judge = Judge::new();
    let subject = |found: Vec<Finding>| found[0].subject.clone();
    let first = subject(judge.odd(OVERLAP, "10.0.0.66", None));
    assert_eq!(subject(judge.odd(OVERLAP, "10.0.0.66", None)), first);
    for n in 0..1000 {
        judge.odd(OVERLAP, &format!("10.7.{}.{}", n / 250, n % 250 + 1), None);
    }
    assert_eq!(subject(judge.odd(OVERLAP, "10.9.9.9", None)), Subject::Path(None));
    assert_eq!(subject(judge.odd(OVERLAP, "10.0.0.66", None)), first, "known ones stay apart");
    assert_eq!(judge.detectors.limit_hits(), 1000 - 63 + 1);
    assert_ne!(subject(judge.odd(PathKind::FragmentConflict, "10.9.9.9", None)), Subject::Path(None), "each by itself");

    // An hour later others are told apart again, and so the plain attack after the flood.
    judge.world.wait(3600.0);
    judge.detectors.on_time(judge.world.now(), &mut Vec::new());
    assert_ne!(subject(judge.odd(OVERLAP, "10.9.9.9", None)), Subject::Path(None));
    assert_eq!(OVERLAP_CONFLICT.name, "tcp.overlap_conflict");
    assert_eq!((AMBIGUOUS.name, FRAGMENT_CONFLICT.name), ("http.ambiguous", "ip.fragment_conflict"));
}

#[test]
fn an_attack_on_the_victims_path_speaks_against_the_suspect() {
    let points = |attack: Option<(PathKind, &str)>| {
        let mut judge = Judge::new();
        judge.world.issue(&victim(), &strong(1), None);
        judge.used(&victim(), &strong(1), Outcome::Accepted);
        if let Some((kind, address)) = attack {
            judge.odd(kind, address, None);
        }
        let agent = browser("firefox", "linux", 140);
        claims(&judge.used(&client("203.0.113.9", &agent), &strong(1), Outcome::Accepted))[0].2
    };
    assert_eq!(points(None), 20);
    assert_eq!(points(Some((OVERLAP, "198.51.100.7"))), 40);
    assert_eq!(points(Some((OVERLAP, "198.51.100.8"))), 20, "another client's path");
    assert_eq!(points(Some((PathKind::Ambiguous(Ambiguity::BareLineEnd), "198.51.100.7"))), 20, "no attack on it");
}
