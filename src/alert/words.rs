//! In what words is an alert told? The only place that turns findings into sentences.

use std::net::IpAddr;

use super::alert::Explanation;
use crate::detect::{ExposureTotals, Finding, Subject};
use crate::flow::AnomalyKind;
use crate::identity::user_agent::Kind;
use crate::identity::{AddressReason, AgentChange, AgentReason, ClientIdentity, Comparison};
use crate::proto::Ambiguity;
use crate::session::{Evidence, PathObservation, Takeover};
use crate::token::{PathKind, SeenToken, TokenClass};

/// What a signal means. One that has no words here speaks with its own name.
#[must_use]
pub fn signal(name: &'static str) -> &'static str {
    match name {
        "network" => "other network",
        "address" => "other address",
        "mac" => "two MAC addresses",
        "interleaved" => "takes turns with the owner",
        "fan_in" => "presents others' tokens too",
        "prior_live" => "owner still live",
        "ua_os" => "other operating system",
        "ua_family" => "user agent family",
        "tool" => "browser to tool",
        "ua_downgrade" => "lower browser version",
        "tls" => "other TLS fingerprint",
        "header_order" => "other header order",
        "tcp_stack" => "other TCP stack",
        "language" => "other language",
        "path_attack" => "attack on the victim's path",
        other => other,
    }
}

/// What an explanation means.
#[must_use]
pub const fn explanation(explanation: Explanation) -> &'static str {
    match explanation {
        Explanation::Address(AddressReason::SameIpv6Network) => "another address of the same IPv6 /64",
        Explanation::Address(AddressReason::DualStack) => "IPv4 and IPv6 of one device",
        Explanation::Address(AddressReason::Nat) => "inside and outside of one address translation",
        Explanation::Address(AddressReason::EgressGroup) => "exits of one network",
        Explanation::Address(AddressReason::SameMac) => "another address of the same device, by its MAC address",
        Explanation::Agent(AgentReason::Upgrade) => "the browser was updated",
    }
}

/// What people call a token of this class.
#[must_use]
pub const fn class(class: TokenClass) -> &'static str {
    match class {
        TokenClass::Session => "session token",
        TokenClass::Remember => "remember-me token",
        TokenClass::Idp => "identity provider session",
        TokenClass::Edge => "appliance session",
        TokenClass::Bearer => "bearer token",
        TokenClass::Api => "API key",
        TokenClass::Basic => "Basic credentials",
        TokenClass::Ticket => "TLS ticket",
    }
}

/// Which token: `session token PHPSESSID of shop.test`.
#[must_use]
pub fn token(token: &SeenToken) -> String {
    let SeenToken { name, service, .. } = token;
    if token.is_password() {
        return format!("password (form field {name}) of {service}");
    }
    format!("{} {name} of {service}", class(token.class))
}

/// An address, or that it is not known.
#[must_use]
pub fn address(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "an unknown address".into(), |ip| ip.to_string())
}

/// What happened, in one sentence.
#[must_use]
pub fn message(finding: &Finding) -> String {
    let seen = match &finding.evidence {
        Evidence::Use(seen) => seen,
        Evidence::Path(seen) => return path(seen, &finding.subject),
        Evidence::Takeover(taken, _) => return takeover(taken, &finding.subject),
    };
    let token = token(&seen.token);
    let suspect = &seen.subject.client;
    match (finding.detector.name, seen.prior.as_ref().map(|prior| &prior.client)) {
        ("token.plaintext" | "credential.plaintext", _) => {
            let plural = seen.token.class == TokenClass::Basic && !seen.token.is_password();
            format!("{token} {} in cleartext", if plural { "travel" } else { "travels" })
        }
        ("token.fan_out", _) => {
            format!(
                "{token}, used by {}, lately by {}",
                counted(seen.session.actors.into(), "client"),
                with_program(suspect)
            )
        }
        ("client.fan_in", _) => {
            let tokens = seen.fan_in.map_or(0, |fan| fan.tokens);
            format!("{} uses {} of others, lately {token}", with_program(suspect), counted(tokens.into(), "token"))
        }
        ("token.mac_conflict", Some(prior)) => {
            format!("{token}, used by the devices {} and {}", device(prior), device(suspect))
        }
        ("token.after_logout", _) => format!("{token}, ended by a logout, accepted from {}", address(suspect.address)),
        ("token.enumeration", _) => {
            let guesses = seen.guesses.map_or(0, |guesses| guesses.values);
            let name = &seen.token.name;
            format!(
                "{} tries values of {name} that nobody was issued: at least {guesses} in a minute",
                address(suspect.address)
            )
        }
        (_, Some(_)) if matches!(finding.subject, Subject::Session(_)) => {
            format!("{token}, presented by many clients, lately by {}", with_program(suspect))
        }
        ("token.interleaved", Some(prior)) => {
            format!("{token}, used in turns by {} and {}", address(prior.address), address(suspect.address))
        }
        (_, Some(prior)) => {
            if finding.detector.name == "token.fingerprint_shift" {
                return format!(
                    "{token}, first used by {}, presented from there under the same name by another machine: {}",
                    with_program(prior),
                    shift(finding)
                );
            }
            // At one address only the programs tell the two apart, and perhaps an update is all there is.
            let updated = is_higher_version(finding);
            let tell = if prior.address == suspect.address || updated { with_program } else { by_address };
            let began = if seen.is_unused_by_owner() { "issued to" } else { "first used by" };
            let perhaps = if updated { ": an update on the way, or a thief with a newer browser" } else { "" };
            format!("{token}, {began} {}, presented by {}{perhaps}", tell(prior), tell(suspect))
        }
        (_, None) => format!("{token}: {}", finding.detector.title),
    }
}

/// What is odd between whom.
fn path(seen: &PathObservation, subject: &Subject) -> String {
    let client = address(seen.request.client.address);
    let server = seen.request.destination;
    let ends =
        if seen.from_client { format!("from {client} to {server}") } else { format!("from {server} to {client}") };
    let many = if *subject == Subject::Path(None) { "on many paths, lately " } else { "" };
    let carried =
        seen.token.as_ref().map(|(carried, _)| format!("; the request carries {}", token(carried))).unwrap_or_default();
    format!("{}, {many}{ends}{carried}", anomaly(seen.kind))
}

/// Which address moved where.
fn takeover(taken: &Takeover, subject: &Subject) -> String {
    let Takeover { ip, from, to, gateway, .. } = taken;
    let whose = if *gateway { ", the gateway," } else { "" };
    let many = if *subject == Subject::Address(None) { "many addresses are taken over, lately " } else { "" };
    format!("{many}{ip}{whose} was at {from} and is now said to be at {to}, without a lease")
}

/// What is odd about a path.
#[must_use]
pub const fn anomaly(kind: PathKind) -> &'static str {
    match kind {
        PathKind::Tcp(AnomalyKind::OverlapConflict) => "the same range of the connection sent twice with other bytes",
        PathKind::Tcp(AnomalyKind::SynAckConflict) => "two answers to one attempt to connect",
        PathKind::Tcp(AnomalyKind::RstInjected) => "a reset after which the same side went on",
        PathKind::Tcp(AnomalyKind::UrgentInside) => "urgent bytes inside the connection",
        PathKind::Tcp(AnomalyKind::DesyncStorm) => "acknowledgements that answer one another without end",
        PathKind::Ambiguous(Ambiguity::LengthAndEncoding) => "Content-Length and Transfer-Encoding in one message",
        PathKind::Ambiguous(Ambiguity::DifferingLengths) => "differing or odd Content-Lengths in one message",
        PathKind::Ambiguous(Ambiguity::ObfuscatedEncoding) => "a Transfer-Encoding that not all take for chunked",
        PathKind::Ambiguous(Ambiguity::SpaceBeforeColon) => "white space before the colon of a header field",
        PathKind::Ambiguous(Ambiguity::BareLineEnd) => "line ends that not all take for one",
        PathKind::Ambiguous(Ambiguity::UrgentByte) => "an urgent byte inside a head",
        PathKind::Ambiguous(Ambiguity::ForwardedHeaders) => "forwarded headers that name different clients",
        PathKind::Tcp(AnomalyKind::FragmentConflict) | PathKind::FragmentConflict => {
            "overlapping fragments with other bytes"
        }
    }
}

/// The same browser came back from elsewhere in a higher version.
fn is_higher_version(finding: &Finding) -> bool {
    let diff = finding.evidence.token_use().and_then(|seen| seen.diff);
    diff.is_some_and(|diff| diff.address.is_different() && is_update(diff.user_agent))
}

/// Whether nothing but a higher version tells two programs apart.
pub fn is_update(change: Comparison<AgentChange, AgentReason>) -> bool {
    matches!(change, Comparison::Different(AgentChange { version: true, os: false, family: false, .. }))
}

fn device(client: &ClientIdentity) -> String {
    let mac = client.mac.map_or_else(|| "with an unknown MAC address".into(), |mac| mac.to_string());
    format!("{mac} at {}", address(client.address))
}

/// In what the two machines behind one address and user agent differ.
fn shift(finding: &Finding) -> String {
    let Some(diff) = finding.evidence.token_use().and_then(|seen| seen.diff) else { return String::new() };
    let facets = [(diff.tls, "tls"), (diff.tcp_stack, "tcp_stack"), (diff.mac, "mac")];
    let names: Vec<_> = facets.iter().filter(|(facet, _)| facet.is_different()).map(|(_, name)| signal(name)).collect();
    names.join(", ")
}

fn by_address(client: &ClientIdentity) -> String {
    address(client.address)
}

fn with_program(client: &ClientIdentity) -> String {
    format!("{} with {}", address(client.address), program(client))
}

/// Which program a client is: `firefox 140 on linux`.
#[must_use]
pub fn program(client: &ClientIdentity) -> String {
    let Some(agent) = &client.user_agent else { return "an unknown user agent".into() };
    if agent.kind == Kind::Absent {
        return "no user agent".into();
    }
    let mut said = if agent.family.is_empty() { String::from("an unnamed program") } else { agent.family.to_string() };
    if agent.major > 0 {
        said.push_str(&format!(" {}", agent.major));
    }
    if !agent.os.is_empty() {
        said.push_str(&format!(" on {}", agent.os));
    }
    said
}

/// What a finding rests on: each signal with its points, or totals, or what the detector looks for.
#[must_use]
pub fn reason(finding: &Finding) -> String {
    if let Some(sums) = finding.totals {
        let thing = if finding.detector.name == "credential.plaintext" { "credential" } else { "token" };
        return format!("{}: {}", finding.detector.title, totals(sums, thing));
    }
    if finding.signals.is_empty() {
        return finding.detector.title.into();
    }
    let mut parts: Vec<_> = finding.signals.iter().map(|s| format!("{} +{}", signal(s.name), s.points)).collect();
    if is_higher_version(finding) {
        parts.push("higher browser version".into()); // it speaks against nobody, and yet another client it is
    }
    parts.join(", ")
}

fn totals(sums: ExposureTotals, thing: &str) -> String {
    let ExposureTotals { tokens, clients, requests } = sums;
    format!("{} of {} in {}", counted(tokens, thing), counted(clients, "client"), counted(requests, "request"))
}

/// The same sentence, to stand behind other words: `A token …` becomes `a token …`. A word that is
/// not merely capitalized, such as `TLS`, stays.
#[must_use]
pub fn uncapitalized(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), next) if !next.is_some_and(char::is_uppercase) => first.to_lowercase().chain(chars).collect(),
        _ => sentence.to_owned(),
    }
}

/// A number of things: `1 request`, `2 requests`.
#[must_use]
pub fn counted(n: u64, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::detect::settings::SignalName;

    #[test]
    fn every_signal_in_use_has_words() {
        for name in SignalName::ALL.map(SignalName::as_str) {
            assert_ne!(signal(name), name);
        }
        assert_eq!(signal("something_new"), "something_new");
    }

    #[test]
    fn a_shift_is_told_with_what_differs() {
        use crate::detect::Severity;
        use crate::identity::{Comparison, IdentityDiff, Likeness};
        let mut seen = testing::stolen_session();
        let same = IdentityDiff::of(Comparison::Same, Comparison::Same);
        seen.diff = Some(IdentityDiff { tls: Likeness::Different, tcp_stack: Likeness::Different, ..same });
        let said = message(&testing::finding("TT-1008", Severity::Low, seen));
        assert!(said.contains("198.51.100.7 with firefox 140 on linux"), "{said}");
        assert!(said.ends_with("by another machine: other TLS fingerprint, other TCP stack"), "{said}");
    }

    #[test]
    fn sentences_can_follow_other_words() {
        assert_eq!(uncapitalized("A token"), "a token");
        assert_eq!(uncapitalized("TLS ticket"), "TLS ticket");
        assert_eq!(uncapitalized(""), "");
    }

    #[test]
    fn who_only_got_a_token_did_not_use_it() {
        let told = |requests| {
            let mut seen = testing::stolen_session();
            seen.prior.as_mut().unwrap().requests = requests;
            message(&testing::finding("TT-1003", crate::detect::Severity::High, seen))
        };
        assert!(told(1).contains("first used by 198.51.100.7, presented by 203.0.113.9"), "{}", told(1));
        assert!(told(0).contains("issued to 198.51.100.7, presented by 203.0.113.9"), "{}", told(0));
    }

    #[test]
    fn a_move_with_an_update_is_told_as_what_it_may_be() {
        use crate::detect::Severity;
        use crate::identity::{AddressChange, IdentityDiff};
        let mut seen = testing::stolen_session();
        let version = AgentChange { version: true, ..AgentChange::default() };
        let moved = Comparison::Different(AddressChange::OtherNetwork);
        seen.diff = Some(IdentityDiff::of(moved, Comparison::Different(version)));
        let finding = testing::finding("TT-1003", Severity::High, seen);
        let said = message(&finding);
        assert!(said.contains("198.51.100.7 with firefox 140 on linux"), "{said}");
        assert!(said.ends_with(": an update on the way, or a thief with a newer browser"), "{said}");
        assert!(reason(&finding).ends_with(", higher browser version"));
    }

    #[test]
    fn one_thing_is_not_plural() {
        assert_eq!(
            (counted(0, "gap"), counted(1, "gap"), counted(2, "gap")),
            ("0 gaps".into(), "1 gap".into(), "2 gaps".into())
        );
    }
}
