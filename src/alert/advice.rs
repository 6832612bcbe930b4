//! What should people do? Concrete next steps for each detector, the most urgent first.

use super::words;
use crate::detect::DetectorInfo;
use crate::session::{Evidence, Observation, PathObservation, Takeover};
use crate::token::{Carrier, PathKind, TokenClass};

/// A step that responders take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Find out whether it was the owner.
    AskOwner,
    /// Take the token out of use.
    Revoke,
    /// Take all tokens in one wrong hand out of use.
    RevokeAll,
    /// See what was done with it.
    ReviewUse,
    /// See whether a guess was right.
    ReviewGuesses,
    /// Keep a client from going on.
    SlowDown,
    /// Find the machine that has this MAC address.
    FindDevice,
    /// Think of a session that was made for somebody else to log in with.
    Fixation,
    /// Encrypt the way.
    Https,
    /// Encrypt the way of the password.
    HttpsLogin,
    /// Make a stolen token not enough.
    SecondFactor,
    /// Get the victim off the tapped path.
    LeaveNetwork,
    /// Make a read password worthless.
    ChangePassword,
    /// End tokens on the server, not only in the browser.
    EndOnServer,
    /// Draw tokens at random.
    StrongIds,
    /// Keep tokens out of addresses.
    OutOfUrls,
}

/// Sentences for a detector's alert on `evidence`.
#[must_use]
pub fn of(detector: &DetectorInfo, evidence: &Evidence) -> Vec<String> {
    match evidence {
        Evidence::Use(seen) => of_use(detector, seen),
        Evidence::Path(seen) => of_path(seen),
        Evidence::Takeover(taken, _) => of_takeover(taken),
    }
}

fn of_path(seen: &PathObservation) -> Vec<String> {
    let (client, server) = (words::address(seen.request.client.address), seen.request.destination);
    let mut steps = Vec::new();
    if matches!(seen.kind, PathKind::Ambiguous(_)) {
        steps.push(format!("Look in the logs of {server} and of the proxies before it for what {client} asked for."));
        steps.push(format!("Let {server} and its proxies refuse such messages and close the connection."));
    } else {
        steps.push(format!("Check the network between {client} and {server} for a host that forges packets."));
    }
    steps.extend(seen.token.as_ref().map(|(token, _)| {
        if matches!(seen.kind, PathKind::Ambiguous(_)) && seen.from_client {
            return format!("Find out whether the owner of the {} sent it.", words::token(token));
        }
        format!("Assume that others have read the {}; revoke it when another alert names it.", words::token(token))
    }));
    steps
}

fn of_takeover(taken: &Takeover) -> Vec<String> {
    let Takeover { ip, from, to, .. } = taken;
    vec![
        format!("Find the device with the MAC address {to} and take it off the network, unless {ip} was given to it."),
        format!("Bind {ip} to {from} on the switch (dynamic ARP inspection) or on its neighbours (a static entry)."),
        String::from("Take tokens that passed in cleartext on this segment since then for read; end their sessions."),
    ]
}

fn of_use(detector: &DetectorInfo, seen: &Observation) -> Vec<String> {
    use Step::{
        AskOwner, ChangePassword, EndOnServer, FindDevice, Fixation, Https, HttpsLogin, LeaveNetwork, OutOfUrls,
        ReviewGuesses, ReviewUse, Revoke, RevokeAll, SecondFactor, SlowDown, StrongIds,
    };
    let steps: &[Step] = match detector.id {
        "TT-1001" | "TT-1002" | "TT-1008" => &[AskOwner, Revoke, SecondFactor],
        "TT-1006" => &[RevokeAll, ReviewUse, SecondFactor],
        "TT-1011" => &[Revoke, FindDevice, ReviewUse, SecondFactor],
        "TT-2001" if matches!(seen.token.class, TokenClass::Bearer | TokenClass::Api) => &[Https, OutOfUrls, Revoke],
        "TT-2001" => &[Https, OutOfUrls, LeaveNetwork],
        "TT-2007" if seen.token.is_password() => &[HttpsLogin, ChangePassword, LeaveNetwork],
        "TT-2007" => &[Https, ChangePassword, LeaveNetwork],
        "TT-3003" if seen.prior.is_some() => &[Revoke, ReviewUse, EndOnServer],
        "TT-3003" => &[EndOnServer, Revoke],
        "TT-3006" => &[SlowDown, ReviewGuesses, StrongIds],
        _ => &[Revoke, ReviewUse, SecondFactor],
    };
    // A browser updated on the way from one network to the other looks the same.
    let perhaps_updated = seen.diff.is_some_and(|diff| words::is_update(diff.user_agent));
    let first: &[Step] = if perhaps_updated { &[AskOwner] } else { &[] };
    // A stolen token that travelled in cleartext was most likely read on the way.
    let on_the_way: &[Step] =
        if seen.plaintext && detector.id.starts_with("TT-1") { &[OutOfUrls, Https, LeaveNetwork] } else { &[] };
    let fixed: &[Step] = if seen.is_unused_by_owner() && detector.id.starts_with("TT-1") { &[Fixation] } else { &[] };
    let mut sentences = Vec::new();
    let asked = perhaps_updated || steps.contains(&AskOwner);
    for step in first.iter().chain(steps).chain(fixed).chain(on_the_way) {
        let Some(mut said) = sentence(*step, seen) else { continue };
        if asked && *step == Revoke {
            said = format!("If not: {}", words::uncapitalized(&said));
        }
        if !sentences.contains(&said) {
            sentences.push(said);
        }
    }
    sentences
}

fn sentence(step: Step, seen: &Observation) -> Option<String> {
    let token = &seen.token;
    let (name, service) = (&token.name, &token.service);
    let suspect = words::address(seen.subject.client.address);
    let is_cookie = token.carrier == Carrier::Cookie;
    let in_address = matches!(token.carrier, Carrier::Query | Carrier::Matrix | Carrier::Path);
    // Programs hold these; nobody logs in with them.
    let of_program = matches!(token.class, TokenClass::Bearer | TokenClass::Api);
    let refused = seen.subject.accepted == 0 && seen.subject.rejected > 0;
    Some(match step {
        Step::AskOwner => {
            let one_address =
                seen.prior.as_ref().is_some_and(|prior| prior.client.address == seen.subject.client.address);
            let perhaps =
                if one_address { "other browser or device at that address" } else { "phone, VPN, other network" };
            let program = words::program(&seen.subject.client);
            format!("Ask the owner of the session whether {suspect} with {program} is theirs ({perhaps}).")
        }
        Step::Revoke if refused && token.class != TokenClass::Ticket => {
            format!("{service} refused {suspect} so far: make sure that this {} is over.", words::class(token.class))
        }
        Step::Revoke => match token.class {
            TokenClass::Session | TokenClass::Remember | TokenClass::Idp | TokenClass::Edge => {
                format!("Revoke this session of {service} (log the user out) and let the owner log in again.")
            }
            TokenClass::Bearer | TokenClass::Api => {
                format!("Revoke this {} of {service} and issue a new one.", words::class(token.class))
            }
            TokenClass::Basic => return sentence(Step::ChangePassword, seen),
            TokenClass::Ticket => format!("Rotate the TLS ticket keys of {service}."),
        },
        Step::RevokeAll => {
            format!(
                "Revoke every session and token that {suspect} used, not only this one; let the owners log in again."
            )
        }
        Step::Fixation => {
            let owner = words::address(seen.prior.as_ref()?.client.address);
            format!(
                "If {owner} made this session for {suspect} to log in with, {owner} is the attacker: let {service} issue \
                 a new {name} at login."
            )
        }
        Step::ReviewUse if refused => format!("Look in the logs of {service} for what else {suspect} tried."),
        Step::ReviewGuesses => format!("Look in the logs of {service} for guesses of {suspect} that were right."),
        Step::SlowDown => format!("Block {suspect} at {service}, or limit how many requests it may send."),
        Step::FindDevice => {
            let mac = seen.subject.client.mac?;
            format!("Find the device {mac} at the switch or access point, and look there for ARP spoofing.")
        }
        Step::ReviewUse => format!("Look in the logs of {service} for what {suspect} did with it."),
        Step::Https if is_cookie => format!(
            "Serve {service} over HTTPS only (redirect, Strict-Transport-Security) and set the Secure flag on {name}."
        ),
        Step::Https => {
            let what = if token.class == TokenClass::Basic { "passwords" } else { "tokens" };
            format!("Serve {service} over HTTPS only and refuse {what} in cleartext.")
        }
        Step::HttpsLogin => {
            format!("Move the login of {service} to HTTPS: the page with the form and the address it is sent to.")
        }
        Step::SecondFactor if of_program => {
            format!("Give such tokens of {service} a short life, or bind them to their client (DPoP, mutual TLS).")
        }
        Step::SecondFactor => format!("Require a second factor for logins and sensitive actions at {service}."),
        Step::LeaveNetwork if of_program => return None,
        Step::LeaveNetwork => {
            "If the owner is in an open or shared network: leave it, or use a VPN there, until this is settled.".into()
        }
        Step::ChangePassword => format!("Change the password of this account at {service} and wherever it is reused."),
        Step::EndOnServer => format!("Let {service} end {name} on the server at logout, not only in the browser."),
        Step::StrongIds => {
            format!("Let {service} draw {name} from at least 128 random bits and refuse unknown values.")
        }
        Step::OutOfUrls if !in_address => return None,
        Step::OutOfUrls => format!("Carry {name} in a cookie or header of {service}, never in an address."),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{detector, stolen_session};
    use super::*;
    use crate::detect::CATALOGUE;

    fn advice(id: &'static str, change: impl FnOnce(&mut Observation)) -> Vec<String> {
        let mut seen = stolen_session();
        change(&mut seen);
        of_use(&DetectorInfo { id, ..*detector("TT-1003") }, &seen)
    }

    #[test]
    fn every_detector_has_a_next_step_for_every_class() {
        let of_tokens = CATALOGUE.map(|detector| detector.id).into_iter().filter(|id| !id.starts_with("TT-4"));
        for id in of_tokens {
            for class in TokenClass::ALL {
                let steps = advice(id, |seen| seen.token.class = class);
                assert!(!steps.is_empty(), "{id}");
                let mut distinct = steps.clone();
                distinct.sort();
                distinct.dedup();
                assert_eq!(distinct.len(), steps.len(), "{id} {class:?} repeats itself: {steps:?}");
            }
        }
    }

    #[test]
    fn it_names_the_service_the_cookie_and_the_suspect() {
        let steps = advice("TT-1003", |_| ());
        assert_eq!(steps[0], "Revoke this session of shop.test (log the user out) and let the owner log in again.");
        assert!(steps[1].contains("203.0.113.9"));
        let steps = advice("TT-2001", |_| ());
        assert!(steps[0].contains("HTTPS only") && steps[0].ends_with("set the Secure flag on PHPSESSID."));
    }

    #[test]
    fn it_fits_who_the_suspect_is() {
        let elsewhere = advice("TT-1001", |_| ());
        assert!(elsewhere[0].ends_with("is theirs (phone, VPN, other network)."), "{elsewhere:?}");
        assert!(elsewhere[1].starts_with("If not: revoke this session"), "{elsewhere:?}");
        let here = advice("TT-1002", |seen| seen.subject.client.address = seen.prior.as_ref().unwrap().client.address);
        assert!(here[0].ends_with("(other browser or device at that address)."), "{here:?}");
        let refused = advice("TT-1003", |seen| (seen.subject.accepted, seen.subject.rejected) = (0, 3));
        assert_eq!(refused[0], "shop.test refused 203.0.113.9 so far: make sure that this session token is over.");
        assert!(refused[1].ends_with("for what else 203.0.113.9 tried."), "{refused:?}");
        let planted = advice("TT-1003", |seen| seen.prior.as_mut().unwrap().requests = 0);
        assert!(planted.iter().any(|step| step.contains("198.51.100.7 is the attacker")), "{planted:?}");
        assert!(!elsewhere.iter().any(|step| step.contains("attacker")), "{elsewhere:?}");
        let device = |step: &String| step.starts_with("Find the device");
        assert!(!advice("TT-1011", |_| ()).iter().any(device), "its MAC address is not known");
        let mac = crate::base::net::MacAddr([2, 0, 0, 0, 0x51, 0x66]);
        let known = advice("TT-1011", |seen| seen.subject.client.mac = Some(mac));
        assert!(known[1].contains("02-00-00-00-51-66"), "{known:?}");
    }

    #[test]
    fn it_fits_what_the_token_is() {
        let bearer = |seen: &mut Observation| {
            (seen.token.class, seen.token.carrier) = (TokenClass::Bearer, Carrier::Header);
        };
        assert_eq!(advice("TT-1003", bearer)[0], "Revoke this bearer token of shop.test and issue a new one.");
        assert!(!advice("TT-2001", bearer).iter().any(|step| step.contains("flag")));
        let steps = advice("TT-1003", |seen| seen.token.class = TokenClass::Basic);
        assert!(steps[0].starts_with("Change the password of this account at shop.test"));
        let login =
            advice("TT-2007", |seen| (seen.token.class, seen.token.carrier) = (TokenClass::Basic, Carrier::Form));
        assert!(login[0].starts_with("Move the login of shop.test to HTTPS"), "{login:?}");
        let basic =
            advice("TT-2007", |seen| (seen.token.class, seen.token.carrier) = (TokenClass::Basic, Carrier::Header));
        assert!(basic[0].ends_with("refuse passwords in cleartext."), "{basic:?}");
        let in_link = advice("TT-1003", |seen| seen.token.carrier = Carrier::Query);
        assert!(in_link.iter().any(|step| step.ends_with("never in an address.")), "{in_link:?}");
        assert!(!advice("TT-1003", |_| ()).iter().any(|step| step.contains("never in an address")));
        let decrypted = advice("TT-1003", |seen| seen.plaintext = false);
        assert!(!decrypted.iter().any(|step| step.contains("HTTPS")), "{decrypted:?}");
    }
}
