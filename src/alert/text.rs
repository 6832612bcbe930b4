//! How is an alert written for people? Several lines for a terminal: what happened, victim and
//! suspect side by side, why it is believed, and what to do.

#[cfg(test)]
mod tests;

use std::iter;

use super::alert::{Alert, Status};
use super::fit::Fit;
use super::{Sensor, words};
use crate::detect::Severity;
use crate::session::{BindingView, Evidence, Observation, SessionView};
use crate::token::{Outcome, RequestView, SeenToken};

/// Whether the text may colour itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    /// No control character but newline.
    Never,
    /// ANSI colours, and nothing else that steers a terminal.
    Always,
}

/// Columns of a line.
pub(crate) const WIDTH: usize = 100;
/// Columns of the labels on the left.
const LABEL: usize = 14;
/// Columns of one side of the comparison.
const SIDE: usize = 41;

/// The alert in several lines, each ended by a newline.
#[must_use]
pub fn render(alert: &Alert, sensor: &Sensor, color: Color) -> String {
    incident(alert, &[], sensor, color)
}

/// An alert in several lines, with a sentence for each of the others of its incident.
#[must_use]
pub fn incident(alert: &Alert, others: &[&Alert], sensor: &Sensor, color: Color) -> String {
    let mut page = Page { text: String::new(), color };
    page.headline(alert, sensor);
    page.paragraph("", &alert.message);
    match &alert.evidence {
        // The first use stands for all of them: what became of it alone says little.
        Evidence::Use(seen) if alert.totals.is_some() => {
            let (first_seen, last_seen) = (alert.first, alert.last);
            page.client(&BindingView { first_seen, last_seen, requests: 0, ..seen.subject.clone() });
            page.paragraph("request", &request(&seen.request, ""));
        }
        Evidence::Use(seen) => {
            page.sides(seen);
            page.paragraph("request", &request(&seen.request, &answer(seen)));
        }
        Evidence::Path(seen) => {
            page.paragraph("client", &words::address(seen.request.client.address));
            page.paragraph("server", &seen.request.destination.to_string());
            page.paragraph("request", &request(&seen.request, ""));
        }
        Evidence::Takeover(taken, _) => {
            page.paragraph("address", &taken.ip.to_string());
            page.paragraph("was at", &taken.from.to_string());
            page.paragraph("now at", &taken.to.to_string());
        }
    }
    page.paragraph("why", &alert.reason);
    for explanation in &alert.explained {
        page.paragraph("innocent", words::explanation(*explanation));
    }
    for (n, other) in others.iter().enumerate() {
        let severity = other.severity.as_str().to_uppercase();
        let (detector, count) = (other.detector, other.count);
        page.paragraph(
            if n == 0 { "also" } else { "" },
            &format!("{severity} {} {}, count {count}: {}", detector.id, detector.name, other.message),
        );
    }
    for (n, step) in alert.advice.iter().enumerate() {
        page.paragraph(if n == 0 { "what to do" } else { "" }, &format!("{}. {step}", n + 1));
    }
    let token = match &alert.evidence {
        Evidence::Use(seen) if alert.totals.is_some() => Some((digest(&seen.token), way(seen.plaintext))),
        Evidence::Use(seen) => Some((token(&seen.token, Some(&seen.session)), way(seen.plaintext))),
        Evidence::Path(seen) => {
            let carried = seen.token.as_ref().map(|(carried, session)| token(carried, session.as_ref()));
            Some((carried.unwrap_or_else(|| "none known".into()), "on the way"))
        }
        Evidence::Takeover(..) => None,
    };
    if let (Some((of, way)), Some(request)) = (token, alert.evidence.request()) {
        page.paragraph("token", &of);
        page.paragraph("seen", &visibility(request, way));
    }
    page.paragraph(
        "alert",
        &format!("{} of incident {}, {}, count {}", alert.id, alert.incident, alert.status.as_str(), alert.count),
    );
    page.text
}

/// One line for an alert whose full text was given before: its new count, score and reason.
#[must_use]
pub fn update(alert: &Alert, sensor: &Sensor, color: Color) -> String {
    let mut page = Page { text: String::new(), color };
    page.headline(alert, sensor);
    let state = match alert.status {
        Status::Ongoing => "again",
        Status::Ended => "at the end",
    };
    page.paragraph(
        "",
        &format!("{state}: {} (count {}; {})", alert.message, alert.count, words::uncapitalized(&alert.reason)),
    );
    page.text
}

/// What was asked for, with what became of it, and between whom.
fn request(request: &RequestView, answer: &str) -> String {
    let asked = request.http.as_ref().map_or_else(
        || String::from("not seen"),
        |http| {
            let query = http.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{} {}{}{query}", http.method, http.host, http.path)
        },
    );
    format!("{asked}{answer}; {} to {}", request.source, request.destination)
}

fn answer(seen: &Observation) -> String {
    let outcome = match seen.outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Unknown => "outcome unknown",
    };
    let status = seen.status.map(|status| format!(" ({status})")).unwrap_or_default();
    format!(", {outcome}{status}")
}

fn token(token: &SeenToken, session: Option<&SessionView>) -> String {
    let digest = digest(token);
    let Some(session) = session else { return format!("{digest}, not followed") };
    let issued = session.issued.map_or_else(|| String::from("issue not seen"), |at| format!("issued {at}"));
    let used = match session.sightings {
        0 if session.issued.is_some() => String::from("not presented yet"),
        // Too short or too common to tell one owner from another.
        0 => String::from("not followed"),
        n => format!("{} by {}", words::counted(n, "sighting"), words::counted(session.actors.into(), "client")),
    };
    format!("{digest}, {issued}, {used}")
}

fn digest(token: &SeenToken) -> String {
    format!("{} (rule {})", token.token, token.id)
}

const fn way(plaintext: bool) -> &'static str {
    if plaintext { "in cleartext" } else { "decrypted" }
}

fn visibility(request: &RequestView, way: &str) -> String {
    let mut said = String::from(way);
    if request.midstream {
        said.push_str(", connection joined after its beginning");
    }
    if request.one_sided {
        said.push_str(", only one direction visible");
    }
    if request.gaps > 0 {
        said.push_str(&format!(", {} in the connection", words::counted(request.gaps.into(), "gap")));
    }
    said
}

/// The text so far. Only this type writes, and whatever it writes is cleaned.
struct Page {
    text: String,
    color: Color,
}

impl Page {
    fn headline(&mut self, alert: &Alert, sensor: &Sensor) {
        let at = alert.at();
        let place = sensor.capture(at.frame).map(|name| format!(" of {}", Fit::WIDE.text(name))).unwrap_or_default();
        self.colored(severity_color(alert.severity), &alert.severity.as_str().to_uppercase());
        self.text.push_str(&format!(
            "  score {}  {} {}  {}  frame {}{place}\n",
            alert.score, alert.detector.id, alert.detector.name, at.ts, at.frame.number
        ));
    }

    fn client(&mut self, client: &BindingView) {
        for (label, value) in iter::zip(SIDE_LABELS, side(client)).filter(|(_, value)| !value.is_empty()) {
            self.paragraph(if label == "address" { "client" } else { label }, &value);
        }
    }

    /// Victim and suspect; the client alone where there is no victim.
    fn sides(&mut self, seen: &Observation) {
        let Some(prior) = &seen.prior else { return self.client(&seen.subject) };
        let suspect = side(&seen.subject);
        self.row("", ["victim", "suspect"]);
        for (label, (victim, suspect)) in iter::zip(SIDE_LABELS, iter::zip(side(prior), suspect)) {
            // The token was issued to the victim, who has not used it yet.
            let victim = if label == "requests" && victim.is_empty() { "none yet".into() } else { victim };
            if !victim.is_empty() || !suspect.is_empty() {
                self.row(label, [&victim, &suspect]);
            }
        }
    }

    fn row(&mut self, label: &str, [left, right]: [&str; 2]) {
        let (left, right) = (fold(left, SIDE), fold(right, SIDE));
        for n in 0..left.len().max(right.len()) {
            self.label(if n == 0 { label } else { "" });
            let cell = |side: &[String]| side.get(n).cloned().unwrap_or_default();
            let line = format!("{:<width$}  {}", cell(&left), cell(&right), width = SIDE);
            self.text.push_str(line.trim_end());
            self.text.push('\n');
        }
    }

    fn paragraph(&mut self, label: &str, text: &str) {
        for (n, line) in fold(text, WIDTH - LABEL).iter().enumerate() {
            self.label(if n == 0 { label } else { "" });
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn label(&mut self, label: &str) {
        let padded = format!("  {label:<width$}", width = LABEL - 2);
        self.colored("2", &padded);
    }

    fn colored(&mut self, code: &str, text: &str) {
        match self.color {
            Color::Never => self.text.push_str(text),
            Color::Always => self.text.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m")),
        }
    }
}

/// What is said of either side; what neither shows is left out.
const SIDE_LABELS: [&str; 9] =
    ["address", "MAC address", "user agent", "language", "TLS", "TCP stack", "first seen", "last seen", "requests"];

fn side(binding: &BindingView) -> [String; 9] {
    let agent = match &binding.client.user_agent {
        Some(agent) if !agent.original.is_empty() => agent.original.to_string(),
        _ => words::program(&binding.client),
    };
    [
        words::address(binding.client.address),
        binding.client.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        agent,
        binding.client.language.map(|language| language.to_string()).unwrap_or_default(),
        binding.client.tls.as_deref().unwrap_or_default().into(),
        binding.client.tcp_stack.map(|stack| stack.to_string()).unwrap_or_default(),
        binding.first_seen.to_string(),
        binding.last_seen.to_string(),
        match binding.requests {
            0 => String::new(),
            n => format!("{n}, {} accepted", binding.accepted),
        },
    ]
}

/// SGR parameters (ECMA-48 §8.3.117).
const fn severity_color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Informational => "2",
    }
}

/// The text, cleaned, cut and broken into lines of at most `width` characters: at spaces where
/// it has them.
pub(crate) fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut room = width;
    for word in Fit::WIDE.text(text).split_whitespace() {
        let length = word.chars().count();
        if !line.is_empty() && length < room {
            line.push(' ');
            room -= 1;
        } else if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
            room = width;
        }
        for c in word.chars() {
            if room == 0 {
                lines.push(std::mem::take(&mut line));
                room = width;
            }
            line.push(c);
            room -= 1;
        }
    }
    lines.push(line);
    lines
}
