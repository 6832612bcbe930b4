//! Is each finding told once, again when it should be, and counted when not?

use std::sync::Arc;
use std::time::Duration;

use super::super::testing::{alert, at, desk, exposure, finding, odd_path, seen, seen_mut, stolen_session};
use super::*;
use crate::session::Observation;

fn stolen(id: &str, severity: Severity) -> Finding {
    finding(id, severity, stolen_session())
}

/// Another suspect of the same session.
fn other_suspect(n: u8) -> Observation {
    let mut seen = stolen_session();
    seen.subject.id = Digest16([n; 16]);
    seen
}

/// Another request of the same suspect.
fn next_request(n: u32, mut finding: Finding) -> Finding {
    let seen = seen_mut(&mut finding);
    Arc::make_mut(&mut seen.request).id.ordinal = n;
    finding
}

fn balanced(desk: &AlertDesk, findings: u64) {
    let counters = desk.counters();
    let suppressed: u64 = counters.suppressed.by_reason().iter().map(|(_, n)| n).sum();
    assert_eq!(counters.told + suppressed, findings, "{counters:?}");
}

#[test]
fn repeats_are_told_at_powers_of_two_and_at_the_end() {
    let mut desk = desk(DeskConfig::default());
    let told: Vec<_> = (1..=20)
        .filter_map(|n| desk.absorb(stolen("TT-1003", Severity::High), at(n)))
        .map(|alert| (alert.count, alert.status))
        .collect();
    assert_eq!(told, [1, 2, 4, 8, 16].map(|count| (count, Status::Ongoing)));
    let ended = desk.finish();
    assert_eq!(ended.iter().map(|a| (a.count, a.status)).collect::<Vec<_>>(), [(20, Status::Ended)]);
    assert!(desk.finish().is_empty(), "the end is told once");
    assert_eq!(desk.counters().alerts, [(("TT-1003", Severity::High), 1)].into());
    assert_eq!(desk.counters().suppressed.repeat, 15);
    balanced(&desk, 20);
}

#[test]
fn nothing_new_is_not_told_at_the_end() {
    let mut desk = desk(DeskConfig::default());
    desk.absorb(stolen("TT-1003", Severity::High), at(0));
    desk.absorb(stolen("TT-1003", Severity::High), at(1));
    assert!(desk.finish().is_empty());
}

#[test]
fn a_rise_in_severity_is_told_at_once_and_a_fall_is_not() {
    let mut desk = desk(DeskConfig::default());
    let steps =
        [Severity::Medium, Severity::Medium, Severity::High, Severity::Low, Severity::Medium, Severity::Critical];
    let told: Vec<_> = (0..)
        .zip(steps)
        .filter_map(|(n, severity)| desk.absorb(next_request(n, stolen("TT-1003", severity)), at(i64::from(n))))
        .map(|alert| (alert.count, alert.severity))
        .collect();
    // The fourth repeat is told by its number; it shows the strongest claim so far.
    assert_eq!(
        told,
        [
            (1, Severity::Medium),
            (2, Severity::Medium),
            (3, Severity::High),
            (4, Severity::High),
            (6, Severity::Critical)
        ]
    );
    let tally: Vec<_> = desk.tally().values().copied().collect();
    assert_eq!(tally, [0, 0, 0, 0, 1], "one alert, at its highest");
    assert_eq!(desk.counters().alerts.len(), 3, "counted at each height it reached");
}

#[test]
fn later_knowledge_of_the_same_request_replaces_what_was_shown() {
    let mut desk = desk(DeskConfig::default());
    assert!(desk.absorb(stolen("TT-1003", Severity::Medium), at(0)).is_some());
    let update = desk.absorb(stolen("TT-1003", Severity::Low), at(1)).unwrap();
    assert_eq!((update.severity, update.count), (Severity::Low, 2));
    assert!(desk.absorb(stolen("TT-1003", Severity::Medium), at(2)).is_none(), "no rise over what was told");
    assert_eq!(desk.finish().len(), 1);
}

#[test]
fn the_fullest_claim_wins_and_the_weaker_falls_silent() {
    let mut desk = desk(DeskConfig::default());
    assert!(desk.absorb(stolen("TT-1001", Severity::Low), at(0)).is_some());
    for n in 1..3 {
        desk.absorb(stolen("TT-1001", Severity::Low), at(n));
    }
    assert!(desk.absorb(stolen("TT-1003", Severity::High), at(3)).is_some());
    for id in ["TT-1001", "TT-1002", "TT-1008"] {
        assert!(desk.absorb(stolen(id, Severity::Critical), at(4)).is_none(), "{id}");
    }
    assert_eq!(desk.counters().suppressed.excluded, 3);
    assert!(desk.absorb(stolen("TT-1004", Severity::Critical), at(5)).is_some(), "all others add");
    assert!(desk.absorb(finding("TT-1001", Severity::Low, other_suspect(9)), at(6)).is_some(), "another suspect");
    assert!(desk.finish().is_empty(), "the third TT-1001 is not told any more");
    balanced(&desk, 9);
}

#[test]
fn a_claim_too_mild_to_be_told_silences_nobody() {
    let mut desk = desk(DeskConfig::default());
    assert!(desk.absorb(stolen("TT-1002", Severity::Informational), at(0)).is_none());
    assert!(desk.absorb(stolen("TT-1001", Severity::Low), at(1)).is_some());
    assert_eq!(desk.counters().suppressed.below_min_severity, 1);
}

#[test]
fn mild_findings_are_counted_and_told_once_they_rise() {
    let mut desk = desk(DeskConfig { min_severity: Severity::Medium, ..DeskConfig::default() });
    for n in 0..5 {
        assert!(desk.absorb(stolen("TT-1003", Severity::Low), at(n)).is_none());
    }
    assert!(desk.finish().is_empty());
    assert_eq!(desk.counters().alerts, [(("TT-1003", Severity::Low), 1)].into());
    let risen = desk.absorb(stolen("TT-1003", Severity::Medium), at(5)).unwrap();
    assert_eq!(risen.count, 6);
}

#[test]
fn an_exposure_is_told_each_time_with_its_own_count() {
    let mut desk = desk(DeskConfig::default());
    let counts: Vec<_> =
        [1, 3, 100].into_iter().filter_map(|n| desk.absorb(exposure(n), at(0))).map(|a| a.count).collect();
    assert_eq!(counts, [1, 3, 100]);
    let update = desk.absorb(exposure(200), at(7)).unwrap();
    assert_eq!((update.first, update.last), (at(0), at(7)));
    assert!(desk.finish().is_empty());
}

#[test]
fn an_incident_speaks_ten_lines_a_minute_and_then_counts() {
    let mut desk = desk(DeskConfig::default());
    let told = |desk: &mut AlertDesk, from: u64, to: u64, second| {
        (from..to).filter_map(|n| desk.absorb(exposure(n), at(second))).count()
    };
    assert_eq!(told(&mut desk, 1, 31, 0), 10);
    assert_eq!(told(&mut desk, 31, 41, 59), 0, "still the same minute");
    assert_eq!(told(&mut desk, 41, 42, -30), 0, "time that runs backwards opens nothing");
    assert_eq!(told(&mut desk, 42, 72, 60), 10);
    assert_eq!(desk.counters().suppressed.incident_rate, 10 + 10 + 20 + 11);
    assert_eq!(desk.finish().iter().map(|a| a.count).collect::<Vec<_>>(), [71], "the end carries the count");
    balanced(&desk, 71);
}

#[test]
fn other_incidents_are_not_held_back() {
    let mut desk = desk(DeskConfig::default());
    for n in 1..100 {
        desk.absorb(exposure(n), at(0));
    }
    assert!(desk.absorb(stolen("TT-1003", Severity::High), at(0)).is_some());
}

#[test]
fn the_longest_silent_is_forgotten_at_the_bound() {
    let mut desk = desk(DeskConfig { max_keys: 2, ..DeskConfig::default() });
    let mut tell =
        |n, second| desk.absorb(finding("TT-1003", Severity::High, other_suspect(n)), at(second)).map(|a| a.count);
    assert_eq!((tell(1, 0), tell(2, 1), tell(1, 2)), (Some(1), Some(1), Some(2)));
    assert_eq!(tell(3, 3), Some(1), "pushes 2 out, which was silent longest");
    assert_eq!((tell(1, 4), tell(2, 5)), (None, Some(1)), "1 is still known, 2 is told anew");
    assert_eq!(desk.counters().dedup_limit_hits, 2);
    assert_eq!(desk.finish().len(), 1);
}

#[test]
fn after_a_flood_of_alerts_the_plain_attack_is_still_told() {
    let mut desk = desk(DeskConfig { max_keys: 64, ..DeskConfig::default() });
    for n in 0..=u8::MAX {
        let mut seen = other_suspect(n);
        seen.session.id = Digest16([n; 16]);
        desk.absorb(finding("TT-1001", Severity::Low, seen), at(0));
    }
    assert_eq!(desk.counters().dedup_limit_hits, 256 - 64);
    let told = desk.absorb(stolen("TT-1003", Severity::Critical), at(1)).unwrap();
    assert_eq!(told.severity, Severity::Critical);
}

#[test]
fn ids_come_from_the_key_and_the_subject_alone() {
    let first = alert(stolen("TT-1003", Severity::High));
    let again = alert(next_request(7, stolen("TT-1003", Severity::Low)));
    assert_eq!((first.id, first.incident), (again.id, again.incident));

    let other_detector = alert(stolen("TT-1004", Severity::High));
    assert_ne!(first.id, other_detector.id);
    assert_eq!(first.incident, other_detector.incident);

    let other = alert(finding("TT-1003", Severity::High, other_suspect(9)));
    assert_ne!(first.id, other.id);
    assert_ne!(first.incident, other.incident);

    let mut other_key = AlertDesk::new(DeskConfig::default(), DigestKey::derive(&[8; 32], AlertDesk::KEY_PURPOSE));
    let renamed = other_key.absorb(stolen("TT-1003", Severity::High), at(0)).unwrap();
    assert_ne!((first.id, first.incident), (renamed.id, renamed.incident));

    let (today, mut tomorrow) = (exposure(1), exposure(1));
    tomorrow.subject = Subject::Exposure { service: "shop.test".into(), token_id: "php_session".into(), day: 20_780 };
    let (today, tomorrow) = (alert(today), alert(tomorrow));
    assert_ne!(today.id, tomorrow.id);
    assert_eq!(today.incident, tomorrow.incident);
}

#[test]
fn the_end_comes_in_the_order_of_the_beginning() {
    let mut desk = desk(DeskConfig::default());
    let order = [9_u8, 3, 200, 1, 77];
    for round in 0..3 {
        for n in order {
            desk.absorb(finding("TT-1003", Severity::High, other_suspect(n)), at(round));
        }
    }
    let ended: Vec<_> = desk.finish().iter().map(|a| seen(&a.evidence).subject.id.0[0]).collect();
    assert_eq!(ended, order);
}

#[test]
fn first_and_last_use_are_kept_across_updates() {
    let mut desk = desk(DeskConfig::default());
    desk.absorb(stolen("TT-1003", Severity::High), at(0));
    let mut later = next_request(1, stolen("TT-1003", Severity::High));
    let seen = seen_mut(&mut later);
    Arc::make_mut(&mut seen.request).complete.ts = at(30);
    let update = desk.absorb(later, at(30)).unwrap();
    assert_eq!(update.last.since(update.first), Duration::from_secs(30));
    assert_eq!(update.at().ts, at(30));
}

/// A finding about suspect `n` of the one session.
fn suspect(n: u32) -> Finding {
    let mut seen = stolen_session();
    seen.subject.id.0[..4].copy_from_slice(&n.to_be_bytes());
    finding("TT-1001", Severity::Low, seen)
}

#[test]
fn a_fan_of_thousands_is_a_few_alerts_and_a_count() {
    let mut desk = desk(DeskConfig::default());
    let told = (0..5_000).filter_map(|n| desk.absorb(suspect(n), at(i64::from(n)))).count();
    // 16 told apart; of the others the 1st, 2nd, 4th …
    assert_eq!(told, 16 + 13);
    let ended = desk.finish();
    assert_eq!(ended.iter().map(|a| a.count).collect::<Vec<_>>(), [5_000 - 16]);
    assert!(ended[0].message.contains("presented by many clients"), "{}", ended[0].message);
    assert_eq!(desk.counters().session_limit_hits, 5_000 - 16);
    assert!(desk.absorb(suspect(3), at(6_000)).is_some(), "known ones stay apart");
    balanced(&desk, 5_001);

    // Another session, another detector: the plain attack is still told.
    let mut plain = stolen_session();
    plain.session.id = Digest16([9; 16]);
    assert!(desk.absorb(finding("TT-1001", Severity::Low, plain), at(6_001)).is_some());
    let mut worse = suspect(77);
    (worse.detector, worse.severity) = (super::super::testing::detector("TT-1004"), Severity::Critical);
    assert!(desk.absorb(worse, at(6_002)).is_some());
}

#[test]
fn forgotten_suspects_make_room() {
    let mut desk = desk(DeskConfig { max_keys: 4, suspects: 3, ..DeskConfig::default() });
    for n in 0..3 {
        desk.absorb(suspect(n), at(0));
    }
    for n in 0..4 {
        let mut other = stolen_session();
        other.session.id = Digest16([n; 16]);
        desk.absorb(finding("TT-1001", Severity::Low, other), at(1));
    }
    desk.absorb(suspect(9), at(2));
    assert_eq!(desk.counters().session_limit_hits, 0);
}

#[test]
fn a_path_is_told_as_any_other_subject() {
    use crate::flow::AnomalyKind;
    use crate::token::PathKind;
    let odd = || odd_path("TT-4001", PathKind::Tcp(AnomalyKind::OverlapConflict), false);
    let mut desk = desk(DeskConfig::default());
    let counts: Vec<_> = (0..9).filter_map(|n| desk.absorb(odd(), at(n))).map(|a| a.count).collect();
    assert_eq!(counts, [1, 2, 4, 8]);
    let mut other = odd();
    other.subject = Subject::Path(None);
    assert_eq!(desk.absorb(other, at(9)).map(|a| a.count), Some(1));
}
