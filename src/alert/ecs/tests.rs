//! Does an alert line say what the contract names, and nothing that it must not?

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::testing::{alert, exposure, finding, odd_path, sensor, stolen_session, takeover, validate};
use super::super::{fit, schema_alert};
use super::*;
use crate::detect::Finding;
use crate::identity::{AddressReason, AgentReason, Comparison, IdentityDiff};
use crate::session::Observation;

fn told(finding: Finding) -> Value {
    let text = line(&alert(finding), &sensor());
    assert!(text.len() <= fit::LINE_BYTES, "{} bytes", text.len());
    let value = serde_json::from_str(&text).unwrap();
    validate(&schema_alert(), &value);
    value
}

#[test]
fn an_alert_is_the_line_of_the_contract() {
    let seen = stolen_session();
    let alert = alert(finding("TT-1003", Severity::Critical, seen.clone()));
    let expected = json!({
        "@timestamp": "2026-11-22T10:42:07.311Z", "ecs": {"version": "9.0.0"},
        "event": {
            "id": alert.id, "kind": "alert", "category": ["intrusion_detection", "session"], "type": ["info"],
            "action": "token.new_client", "severity": 95, "risk_score": 100,
            "start": "2026-11-22T10:42:07.311Z", "end": "2026-11-22T10:42:07.311Z",
            "module": "tokentrail", "dataset": "tokentrail.alert", "outcome": "success",
            "reason": "other network +20, user agent family +30, browser to tool +40, owner still live +10",
        },
        "message": "session token PHPSESSID of shop.test, first used by 198.51.100.7, presented by 203.0.113.9",
        "rule": {"id": "TT-1003", "name": "token.new_client", "version": "1", "ruleset": "builtin"},
        "threat": {
            "framework": "MITRE ATT&CK",
            "technique": {"id": ["T1550"], "subtechnique": {"id": ["T1550.004"]}},
        },
        "source": {"ip": "10.0.0.5", "port": 51_934}, "destination": {"ip": "10.0.1.20", "port": 8080},
        "client": {"ip": "203.0.113.9"},
        "network": {
            "transport": "tcp", "protocol": "http",
            "community_id": super::super::community_id::tcp(
                seen.request.source, seen.request.destination),
        },
        "url": {"domain": "shop.test", "path": "/account/email", "query": "to=‹…›"},
        "http": {"version": "1.1", "request": {"method": "POST"}, "response": {"status_code": 200}},
        "user_agent": {"original": "curl/8.9"},
        "observer": {"type": "ids", "product": "tokentrail", "name": "gw1", "version": env!("CARGO_PKG_VERSION")},
        "related": {"ip": ["203.0.113.9", "198.51.100.7"]},
        "tokentrail": {
            "schema": 1, "severity": "critical", "score": 100, "incident": alert.incident,
            "token": {
                "ref": "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f", "id": "php_session", "carrier": "cookie",
                "name": "PHPSESSID", "class": "session", "service": "shop.test",
                "issued": "2026-11-22T10:32:07.311Z", "lineage": 0, "sightings": 24, "actors": 2,
            },
            "anomaly": null,
            "signals": [
                {"name": "network", "points": 20}, {"name": "ua_family", "points": 30},
                {"name": "tool", "points": 40}, {"name": "prior_live", "points": 10},
            ],
            "explained": [],
            "prior": {
                "ip": "198.51.100.7", "mac": null,
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "ja4": null,
                "first_seen": "2026-11-22T10:32:07.311Z", "last_seen": "2026-11-22T10:42:07.311Z", "requests": 23,
            },
            "suspect": {
                "ip": "203.0.113.9", "mac": null, "user_agent": "curl/8.9", "ja4": null, "requests": 1,
                "address_from": "packet",
            },
            "outcome": "accepted",
            "visibility": {"mode": "plaintext", "midstream": false, "one_sided": false, "gaps": 0},
            "frame": 10_122, "capture": "token-replay.pcap", "status": "ongoing", "count": 1,
            "advice": alert.advice,
        },
    });
    let text = line(&alert, &sensor());
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, expected);
    validate(&schema_alert(), &value);
    assert!(text.starts_with(r#"{"@timestamp":"#), "in the order of the contract");
    assert!(alert.advice[0].starts_with("Revoke this session of shop.test"));
}

#[test]
fn an_exposure_tells_totals_and_no_prior() {
    let value = told(exposure(40));
    assert_eq!(value["message"], "session token PHPSESSID of shop.test travels in cleartext");
    assert_eq!(value["tokentrail"]["totals"], json!({"tokens": 1, "clients": 2, "requests": 40}));
    assert_eq!(value["tokentrail"]["count"], 40);
    assert_eq!(value["tokentrail"]["prior"], Value::Null);
    assert_eq!(value["related"]["ip"], json!(["203.0.113.9"]));
    assert!(value["event"]["reason"].as_str().unwrap().ends_with("1 token of 2 clients in 40 requests"));
    assert!(value["tokentrail"]["advice"][0].as_str().unwrap().starts_with("Serve shop.test over HTTPS only"));
}

#[test]
fn techniques_are_split_from_their_subtechniques() {
    let threat = |tags: &[&str]| {
        let tags = tags.iter().map(|tag| Box::from(*tag)).collect();
        told(Finding { tags, ..finding("TT-1003", Severity::Low, stolen_session()) })["threat"].clone()
    };
    assert_eq!(
        threat(&["T1550.004", "T1539", "T1550.001"])["technique"],
        json!({"id": ["T1539", "T1550"], "subtechnique": {"id": ["T1550.004", "T1550.001"]}})
    );
    assert_eq!(threat(&["T1040"])["technique"], json!({"id": ["T1040"]}));
    assert_eq!(threat(&[]), Value::Null);
}

#[test]
fn outcomes_have_their_ecs_words() {
    for (outcome, word) in
        [(Outcome::Accepted, "success"), (Outcome::Rejected, "failure"), (Outcome::Unknown, "unknown")]
    {
        let value = told(finding("TT-1003", Severity::Low, Observation { outcome, ..stolen_session() }));
        assert_eq!(value["event"]["outcome"], word);
        assert_eq!(value["tokentrail"]["outcome"], serde_json::to_value(outcome).unwrap());
    }
}

#[test]
fn explanations_are_named() {
    let diff = IdentityDiff::of(
        Comparison::SameBecause(AddressReason::SameIpv6Network),
        Comparison::SameBecause(AgentReason::Upgrade),
    );
    let value = told(finding("TT-1001", Severity::Low, Observation { diff: Some(diff), ..stolen_session() }));
    assert_eq!(value["tokentrail"]["explained"], json!(["same_ipv6_network", "upgrade"]));
}

#[test]
fn unknown_things_are_null_or_left_out() {
    let mut seen = stolen_session();
    seen.status = None;
    seen.session.issued = None;
    seen.subject.client.address = None;
    seen.subject.client.user_agent = None;
    let request = Arc::make_mut(&mut seen.request);
    request.client = seen.subject.client.clone();
    request.http = None;
    request.complete.frame.capture = 9;
    let value = told(finding("TT-1003", Severity::Low, seen));
    for absent in ["client", "url", "user_agent", "user"] {
        assert!(value.get(absent).is_none(), "{absent}");
    }
    for null in
        ["/tokentrail/capture", "/tokentrail/suspect/ip", "/tokentrail/suspect/user_agent", "/tokentrail/token/issued"]
    {
        assert_eq!(value.pointer(null), Some(&Value::Null), "{null}");
    }
    assert!(value["message"].as_str().unwrap().ends_with("presented by an unknown address"));
}

#[test]
fn at_one_address_the_programs_tell_the_two_apart() {
    let mut seen = stolen_session();
    seen.subject.client.address = seen.prior.as_ref().unwrap().client.address;
    let value = told(finding("TT-1002", Severity::Medium, seen));
    assert_eq!(
        value["message"],
        "session token PHPSESSID of shop.test, first used by 198.51.100.7 with firefox 140 on linux, \
         presented by 198.51.100.7 with curl 8"
    );
}

#[test]
fn taking_turns_is_said_so() {
    let value = told(finding("TT-1004", Severity::Critical, stolen_session()));
    assert_eq!(value["message"], "session token PHPSESSID of shop.test, used in turns by 198.51.100.7 and 203.0.113.9");
}

#[test]
fn an_odd_path_is_an_alert_without_a_token() {
    use crate::proto::Ambiguity;
    use crate::token::PathKind;
    let value = told(odd_path("TT-4011", PathKind::Ambiguous(Ambiguity::LengthAndEncoding), false));
    assert_eq!(
        value["message"],
        "Content-Length and Transfer-Encoding in one message, from 203.0.113.9 to 10.0.1.20:8080"
    );
    assert_eq!(value["event"]["category"], json!(["intrusion_detection", "network"]));
    assert_eq!((&value["source"]["ip"], &value["client"]["ip"]), (&json!("10.0.0.5"), &json!("203.0.113.9")));
    assert_eq!(value["destination"], json!({"ip": "10.0.1.20", "port": 8080}));
    assert!(value["network"]["community_id"].is_string() && value["url"]["domain"] == "shop.test");
    assert_eq!(value["related"]["ip"], json!(["203.0.113.9", "10.0.1.20"]));
    let ours = &value["tokentrail"];
    for null in ["token", "suspect", "prior"] {
        assert!(ours.as_object().unwrap().contains_key(null) && ours[null].is_null(), "{null}");
    }
    assert_eq!(ours["anomaly"], json!({"kind": "length_and_encoding", "from": "client"}));
    assert_eq!((&ours["frame"], &ours["outcome"]), (&json!(10_140), &json!("unknown")));
    assert!(ours["advice"].as_array().unwrap().iter().all(|step| !step.as_str().unwrap().contains("PHPSESSID")));

    let value = told(odd_path("TT-4001", PathKind::Tcp(crate::flow::AnomalyKind::OverlapConflict), true));
    assert_eq!(value["tokentrail"]["token"]["id"], "php_session");
    assert!(value["message"].as_str().unwrap().ends_with("the request carries session token PHPSESSID of shop.test"));
}

#[test]
fn a_takeover_concerns_no_connection() {
    let value = told(takeover());
    assert_eq!(
        value["message"],
        "198.51.100.1, the gateway, was at 02-00-00-00-51-01 and is now said to be at 02-00-00-00-51-66, without a lease"
    );
    assert_eq!((&value["related"]["ip"], &value["source"]), (&json!(["198.51.100.1"]), &Value::Null));
    let ours = &value["tokentrail"];
    let taken = json!({
        "ip": "198.51.100.1", "from": "02-00-00-00-51-01", "to": "02-00-00-00-51-66", "gateway": true,
    });
    assert_eq!((&ours["takeover"], &ours["visibility"], &ours["token"]), (&taken, &Value::Null, &Value::Null));
    assert_eq!((&ours["frame"], &ours["severity"]), (&json!(46), &json!("critical")));
}

/// An observation with this text wherever the wire could put one.
fn said_everywhere(text: &str) -> Observation {
    let mut seen = stolen_session();
    (seen.token.id, seen.token.name, seen.token.service) = (text.into(), text.into(), text.into());
    let request = Arc::make_mut(&mut seen.request);
    let http = request.http.as_mut().unwrap();
    (http.method, http.host, http.path, http.query) = (text.into(), text.into(), text.into(), Some(text.into()));
    let mut agent = super::super::testing::curl();
    (agent.original, agent.family, agent.os) = (text.into(), text.into(), text.into());
    let agent = Some(Arc::new(agent));
    request.client.user_agent.clone_from(&agent);
    seen.subject.client.user_agent.clone_from(&agent);
    if let Some(prior) = &mut seen.prior {
        prior.client.user_agent = agent;
    }
    seen
}

#[test]
fn long_and_hostile_texts_stay_within_field_and_line() {
    // Quotes double when escaped; an override becomes three bytes; both at any length.
    for unit in ["\"", "\\", "\u{202e}", "\0", "x", "ß"] {
        let text = unit.repeat(20_000);
        let value = told(finding("TT-1003", Severity::High, said_everywhere(&text)));
        let path = value["url"]["path"].as_str().unwrap();
        assert!(path.len() <= 1024 && path.ends_with('…'), "{} bytes of {unit:?}", path.len());
    }
}

proptest! {
    #[test]
    fn every_line_is_one_object(text in any::<String>(), long in 0_usize..3_000) {
        let text = text.repeat(1 + long / text.len().max(1));
        let alert = alert(finding("TT-1001", Severity::Low, said_everywhere(&text)));
        let line = line(&alert, &sensor());
        prop_assert!(line.len() <= fit::LINE_BYTES);
        prop_assert!(!line.chars().any(char::is_control));
        prop_assert!(serde_json::from_str::<serde_json::Map<String, Value>>(&line).is_ok());
    }
}
