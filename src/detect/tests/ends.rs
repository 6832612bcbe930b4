//! Tokens after their end, and tokens that never were.

use super::super::after_logout::AFTER_LOGOUT;
use super::super::enumeration::ENUMERATION;
use super::*;
use crate::session::testing::weak;

/// A session of [`victim`] that its home ended a moment ago.
fn logged_out() -> Judge {
    let mut judge = Judge::new();
    judge.world.issue(&victim(), &strong(1), None);
    judge.used(&victim(), &strong(1), Outcome::Accepted);
    judge.world.delete(&victim(), &strong(1));
    judge
}

/// What the detector says of one more use, `wait` seconds later (5 are always waited).
fn used_again(judge: &mut Judge, by: &crate::identity::ClientIdentity, wait: f64, outcome: Outcome) -> Vec<Severity> {
    judge.world.wait(wait - 5.0);
    found_by(&AFTER_LOGOUT, &judge.used(by, &strong(1), outcome))
}

#[test]
fn an_accepted_use_after_the_logout_is_told() {
    assert_eq!(used_again(&mut logged_out(), &victim(), 60.0, Outcome::Accepted), [Severity::Medium]);
    let thief = client("203.0.113.9", &curl());
    assert_eq!(used_again(&mut logged_out(), &thief, 60.0, Outcome::Accepted), [Severity::Critical]);
}

#[test]
fn five_seconds_are_left_to_requests_under_way() {
    assert_eq!(used_again(&mut logged_out(), &victim(), 4.9, Outcome::Accepted), []);
    assert_eq!(used_again(&mut logged_out(), &victim(), 5.0, Outcome::Accepted), [Severity::Medium]);
}

#[test]
fn a_refused_or_renewed_use_and_a_login_page_are_none() {
    for outcome in [Outcome::Rejected, Outcome::Unknown] {
        assert_eq!(used_again(&mut logged_out(), &victim(), 60.0, outcome), []);
    }
    let mut judge = logged_out();
    judge.world.renews = true;
    assert_eq!(used_again(&mut judge, &victim(), 60.0, Outcome::Accepted), [], "another value was handed out");
    let mut judge = logged_out();
    judge.world.at_login = true;
    assert_eq!(used_again(&mut judge, &victim(), 60.0, Outcome::Accepted), []);
    assert_eq!(used_again(&mut judge, &victim(), 60.0, Outcome::Accepted), [Severity::Medium], "looking is no login");
}

#[test]
fn a_login_with_the_old_value_begins_anew_for_its_owner_alone() {
    let login = |judge: &mut Judge, by: &crate::identity::ClientIdentity| {
        (judge.world.at_login, judge.world.method) = (true, "POST");
        assert_eq!(used_again(judge, by, 60.0, Outcome::Accepted), []);
        judge.world.method = "GET";
    };
    let mut judge = logged_out();
    login(&mut judge, &victim());
    assert_eq!(used_again(&mut judge, &victim(), 60.0, Outcome::Accepted), []);
    let mut judge = logged_out();
    let thief = client("203.0.113.9", &curl());
    login(&mut judge, &thief);
    assert_eq!(used_again(&mut judge, &thief, 60.0, Outcome::Accepted), [Severity::Critical]);
}

#[test]
fn only_home_ends_a_session() {
    let mut judge = Judge::new();
    judge.world.issue(&victim(), &strong(1), None);
    judge.world.server = "192.0.2.99".parse().unwrap();
    judge.world.delete(&victim(), &strong(1));
    judge.world.server = crate::session::testing::SERVER.parse().unwrap();
    assert_eq!(used_again(&mut judge, &victim(), 60.0, Outcome::Accepted), []);
}

fn guessed(n: u8) -> SeenToken {
    // Every other one too weak to be followed.
    if n.is_multiple_of(2) { weak(n) } else { strong(n) }
}

/// What the detector says when a client tries so many values, one every `gap` seconds, of which the
/// first `accepted` are taken.
fn guesses(values: u8, gap: f64, accepted: u8) -> Vec<Severity> {
    let mut judge = Judge::new();
    let guesser = client("203.0.113.9", &browser("firefox", "linux", 140));
    let mut all = Vec::new();
    for n in 0..values {
        judge.world.wait(gap);
        let outcome = if n < accepted { Outcome::Accepted } else { Outcome::Rejected };
        let seen = judge.world.exchange(&guesser, &guessed(n), outcome);
        all.extend(judge.judged(&seen));
    }
    found_by(&ENUMERATION, &all)
}

#[test]
fn thirty_refused_values_in_a_minute_are_guessing() {
    assert_eq!(guesses(30, 1.0, 0), [Severity::Low]);
    assert_eq!(guesses(29, 1.0, 0), []);
    assert_eq!(guesses(60, 2.1, 0), [], "28 in a minute");
    assert_eq!(guesses(40, 1.0, 9), [], "a server that takes many of them");
}

#[test]
fn a_guess_that_is_accepted_is_high() {
    let told = guesses(35, 1.0, 1);
    assert_eq!(told.first(), Some(&Severity::High), "{told:?}");
}

#[test]
fn a_value_in_exchange_is_a_refusal() {
    let mut judge = Judge::new();
    let guesser = client("203.0.113.9", &curl());
    let mut all = Vec::new();
    for n in 0..30 {
        judge.world.wait(1.0);
        judge.world.renews = true;
        let seen = judge.world.exchange(&guesser, &guessed(n), Outcome::Accepted);
        all.extend(judge.judged(&seen));
    }
    assert_eq!(found_by(&ENUMERATION, &all), [Severity::Low]);
}

/// What the detector says when 35 values are rejected but the one before the last, which is answered with
/// success and another value; on a login page or elsewhere.
fn a_value_in_exchange_among_rejections(at_login: bool) -> Vec<Severity> {
    let mut judge = Judge::new();
    let guesser = client("203.0.113.9", &curl());
    let mut all = Vec::new();
    for n in 0..35 {
        judge.world.wait(1.0);
        (judge.world.renews, judge.world.at_login) = (n == 33, n == 33 && at_login);
        let outcome = if n == 33 { Outcome::Accepted } else { Outcome::Rejected };
        let seen = judge.world.exchange(&guesser, &guessed(n), outcome);
        all.extend(judge.judged(&seen));
    }
    found_by(&ENUMERATION, &all)
}

#[test]
fn where_guesses_are_rejected_a_value_in_exchange_is_a_hit() {
    let told = a_value_in_exchange_among_rejections(false);
    assert_eq!((told.first(), told.last()), (Some(&Severity::Low), Some(&Severity::High)), "{told:?}");
    let told = a_value_in_exchange_among_rejections(true);
    assert!(told.iter().all(|severity| *severity == Severity::Low) && !told.is_empty(), "{told:?}");
}

#[test]
fn one_value_again_and_again_or_many_clients_are_no_guessing() {
    let mut judge = Judge::new();
    let mut all = Vec::new();
    for n in 0..100 {
        judge.world.wait(0.1);
        let seen = judge.world.exchange(&client("203.0.113.9", &curl()), &guessed(n % 2), Outcome::Rejected);
        all.extend(judge.judged(&seen));
        let seen = judge.world.exchange(&client(&format!("10.0.{n}.1"), &curl()), &guessed(n + 2), Outcome::Rejected);
        all.extend(judge.judged(&seen));
    }
    assert_eq!(found_by(&ENUMERATION, &all), []);
}

#[test]
fn issued_values_are_no_guesses() {
    let mut judge = Judge::new();
    let user = client("203.0.113.9", &curl());
    let mut all = Vec::new();
    for n in 0..100 {
        judge.world.issue(&user, &guessed(n), None);
        judge.world.wait(0.1);
        let seen = judge.world.exchange(&user, &guessed(n), Outcome::Rejected);
        all.extend(judge.judged(&seen));
    }
    assert_eq!(found_by(&ENUMERATION, &all), []);
}
