//! What does it find? The bundled captures, replayed and explained one after the other.

use std::io::{self, Cursor};
use std::num::NonZeroU32;

use serde::Deserialize;

use super::arguments::{DemoArguments, Global};
use super::refusal::{OrExit, Refusal};
use super::setup::Setup;
use super::{Exit, closing, print};
use crate::alert::incidents::Incidents;
use crate::alert::text::{self, Color};
use crate::alert::{Alert, Sensor, ecs};
use crate::base::secret::Secret;
use crate::capture::CaptureFile;
use crate::detect::Severity;
use crate::engine::config::Format;
use crate::engine::judge::Audience;
use crate::engine::{build, counts};
use crate::token::{TlsHandshake, Transaction};

/// The captures are public and so may be their key: the demonstration says the same every time.
const KEY: [u8; 32] = *b"the key of the demonstration ...";

/// Titles and stories, in the order in which they are shown.
const STORIES: &str = include_str!("../../pcaps/demo.json");

macro_rules! captures {
    ($($name:literal),+ $(,)?) => {
        /// The captures that are part of the program.
        const CAPTURES: &[(&str, &[u8])] = &[$(($name, include_bytes!(concat!("../../pcaps/", $name)))),+];
    };
}

captures![
    "token-replay.pcap",
    "copied-user-agent.pcap",
    "same-address-other-browser.pcap",
    "bearer-token.pcap",
    "url-session-id.pcap",
    "rejected-replay.pcap",
    "roaming-client.pcap",
    "ipv6-privacy.pcap",
    "cookie-rotation.pcap",
    "api-key-fleet.pcap",
];

#[derive(Deserialize)]
struct Story {
    capture: String,
    title: String,
    story: String,
}

#[derive(Default)]
struct Collected(Incidents);

impl Audience for Collected {
    fn alert(&mut self, alert: &Alert) {
        self.0.note(alert);
    }

    fn transaction(&mut self, _: &Transaction) {}

    fn handshake(&mut self, _: &TlsHandshake) {}
}

/// Replays each capture on its own and explains its alerts.
pub(super) fn run(arguments: &DemoArguments, global: &Global) -> Result<Exit, Refusal> {
    let setup = Setup::read(global)?;
    let color = if global.color.on(&io::stdout()) { Color::Always } else { Color::Never };
    let min_severity = arguments.min_severity.unwrap_or(Severity::Low);
    let format = arguments.format.unwrap_or(Format::Text);
    let stories: Vec<Story> = serde_json::from_str(STORIES).or_exit(Exit::Failed)?;
    for (number, (story, bytes)) in stories.iter().filter_map(|story| Some((story, bytes_of(story)?))).enumerate() {
        let sensor = build::sensor(vec![story.capture.as_str().into()]);
        let mut pipeline = setup.pipeline(&Secret::new(KEY), min_severity, false, NonZeroU32::MIN, &[])?;
        let mut collected = Collected::default();
        let mut capture = CaptureFile::read(Cursor::new(bytes)).or_exit(Exit::Failed)?;
        while let Some(frame) = capture.next_frame().or_exit(Exit::Failed)? {
            pipeline.frame(&frame, &mut collected);
        }
        pipeline.finish(&mut collected);
        collected.0.end();
        let mut page = String::new();
        if format == Format::Text {
            headline(&mut page, number + 1, story);
        }
        match format {
            Format::Ecs => {
                collected
                    .0
                    .alerts()
                    .iter()
                    .for_each(|alert| page.push_str(&format!("{}\n", ecs::line(alert, &sensor))));
            }
            Format::Text => incidents(&mut page, &collected.0, &sensor, color),
        }
        if format == Format::Text {
            let told = counts::summary(&pipeline, None, sensor.captures.clone(), Vec::new());
            page += &closing::lines(&told, 0, min_severity);
            page.push('\n');
        }
        print(&page)?;
    }
    Ok(Exit::Ok)
}

fn bytes_of(story: &Story) -> Option<&'static [u8]> {
    CAPTURES.iter().find(|(name, _)| *name == story.capture).map(|(_, bytes)| *bytes)
}

fn headline(page: &mut String, number: usize, story: &Story) {
    let title = format!("{number}. {}", story.title);
    page.push_str(&format!("{title}\n{}\n", "=".repeat(title.chars().count())));
    paragraph(page, &story.story);
}

/// Whoever is accused is explained in full; what merely travelled in the open comes last and takes one
/// sentence.
fn incidents(page: &mut String, collected: &Incidents, sensor: &Sensor, color: Color) {
    let (open, accused): (Vec<_>, Vec<_>) =
        collected.grouped().into_iter().partition(|group| group.iter().all(|alert| alert.totals.is_some()));
    for (first, others) in accused.iter().filter_map(|group| group.split_first()) {
        page.push_str(&text::incident(first, others, sensor, color));
        page.push('\n');
    }
    for (place, alert) in open.iter().flatten().enumerate() {
        let severity = alert.severity.as_str();
        let first = accused.is_empty() && place == 0;
        let severity = if first { severity.to_uppercase() } else { format!("Also {severity}") };
        paragraph(page, &format!("{severity}: {} {}: {}", alert.detector.id, alert.detector.name, alert.message));
    }
}

fn paragraph(page: &mut String, words: &str) {
    page.push_str(&text::fold(words, text::WIDTH).join("\n"));
    page.push_str("\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_capture_has_a_story() {
        let stories: Vec<Story> = serde_json::from_str(STORIES).unwrap();
        for (name, _) in CAPTURES {
            assert!(stories.iter().any(|story| story.capture == *name), "{name}");
        }
    }
}
