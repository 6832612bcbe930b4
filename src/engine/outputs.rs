//! Where do alerts and transactions go? To every output that was asked for, each in its form.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::config::{Format, Output, Target};
use crate::alert::incidents::Incidents;
use crate::alert::text::Color;
use crate::alert::{Alert, Sensor, Summary, ecs, event, summary, text, tls_event};
use crate::base::ids::Digest16;
use crate::detect::Severity;
use crate::sink::{JsonLines, Sink, SinkCounters, SinkError, Start};
use crate::token::{TlsHandshake, Transaction};

/// All open outputs.
pub struct Outputs {
    alerts: Vec<AlertOutput>,
    events: Option<JsonLines>,
    dirty: bool,
    trouble: Option<SinkError>,
    gone: bool,
}

struct AlertOutput {
    settings: Output,
    sink: JsonLines,
    color: Color,
    /// Alerts that were written in full as a text, with their severity then.
    explained: HashSet<(Digest16, Severity)>,
    /// Alerts that wait for the end of the history, where texts are told then.
    waiting: Option<Incidents>,
}

/// When people are told by a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Telling {
    /// As it happens, and again when it goes on: somebody watches.
    AtOnce,
    /// At the end of the history, each alert once.
    AtTheEnd,
}

/// Alerts that an output of texts remembers having explained; beyond it all are explained anew.
const EXPLAINED_LIMIT: usize = 65_536;

impl AlertOutput {
    /// The alert in this output's form. People get a text in full once, then a line for each update.
    fn record(&mut self, alert: &Alert, sensor: &Sensor) -> String {
        if self.settings.format == Format::Ecs {
            return ecs::line(alert, sensor);
        }
        if self.explained.len() >= EXPLAINED_LIMIT {
            self.explained.clear();
        }
        if self.explained.insert((alert.id, alert.severity)) {
            return text::render(alert, sensor, self.color);
        }
        text::update(alert, sensor, self.color)
    }

    fn tell_waiting(&mut self, sensor: &Sensor, trouble: &mut Option<SinkError>, gone: &mut bool) {
        let Some(waiting) = &mut self.waiting else { return };
        for text in std::mem::take(waiting).texts(sensor, self.color) {
            note(self.sink.write(&text), trouble, gone);
        }
    }
}

impl Outputs {
    /// Opens outputs of alerts, and of transactions where asked for. `start` says what becomes of files
    /// that are there, `telling` when texts are written, `color` is for those
    /// on standard output.
    ///
    /// # Errors
    /// When a file can be neither opened nor made.
    pub fn open(
        alerts: &[Output],
        events: Option<&Path>,
        start: Start,
        telling: Telling,
        color: Color,
    ) -> Result<Self, SinkError> {
        let alert_output = |settings: &Output| {
            let (path, color) = match &settings.target {
                Target::Stdout => (Path::new("-"), color),
                Target::File(path) => (path.as_path(), Color::Never),
            };
            Ok(AlertOutput {
                settings: settings.clone(),
                sink: JsonLines::open(path, start)?,
                color,
                explained: HashSet::new(),
                waiting: (settings.format == Format::Text && telling == Telling::AtTheEnd).then(Incidents::default),
            })
        };
        Ok(Self {
            alerts: alerts.iter().map(alert_output).collect::<Result<_, _>>()?,
            events: events.map(|path| JsonLines::open(path, start)).transpose()?,
            dirty: false,
            trouble: None,
            gone: false,
        })
    }

    /// The mildest severity that any output takes; what is milder need not be told.
    #[must_use]
    pub fn min_severity(&self) -> Severity {
        self.alerts.iter().map(|output| output.settings.min_severity).min().unwrap_or(Severity::Low)
    }

    /// Writes an alert to every output that takes its severity.
    pub fn alert(&mut self, alert: &Alert, sensor: &Sensor) {
        for output in self.alerts.iter_mut().filter(|output| alert.severity >= output.settings.min_severity) {
            if let Some(waiting) = &mut output.waiting {
                waiting.note(alert);
                if waiting.is_full() {
                    output.tell_waiting(sensor, &mut self.trouble, &mut self.gone);
                }
                continue;
            }
            let record = output.record(alert, sensor);
            let written = output.sink.write(&record);
            note(written, &mut self.trouble, &mut self.gone);
            self.dirty = true;
        }
    }

    /// The history is over: tells what waited for that.
    pub fn finish(&mut self, sensor: &Sensor) {
        for output in &mut self.alerts {
            output.tell_waiting(sensor, &mut self.trouble, &mut self.gone);
        }
        self.dirty = true;
    }

    /// Whether transactions are written at all.
    #[must_use]
    pub const fn takes_events(&self) -> bool {
        self.events.is_some()
    }

    /// Writes a transaction to the metadata log.
    pub fn transaction(&mut self, transaction: &Transaction, sensor: &Sensor) {
        self.event_line(|| event::line(transaction, sensor));
    }

    /// Writes a TLS handshake to the metadata log.
    pub fn handshake(&mut self, handshake: &TlsHandshake, sensor: &Sensor) {
        self.event_line(|| tls_event::line(handshake, sensor));
    }

    /// Writes the summary to the metadata log.
    pub fn summary(&mut self, told: &Summary, sensor: &Sensor) {
        self.event_line(|| summary::line(told, sensor));
    }

    fn event_line(&mut self, line: impl FnOnce() -> String) {
        if let Some(events) = &mut self.events {
            note(events.write(&line()), &mut self.trouble, &mut self.gone);
            self.dirty = true;
        }
    }

    /// Whether something waits to be flushed.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Passes on whatever is still buffered.
    pub fn flush(&mut self) {
        let sinks = self.alerts.iter_mut().map(|output| &mut output.sink).chain(&mut self.events);
        for sink in sinks {
            note(sink.flush(), &mut self.trouble, &mut self.gone);
        }
        self.dirty = false;
    }

    /// Opens every file again by its name, after it was moved away by log rotation.
    pub fn reopen(&mut self) {
        let sinks = self.alerts.iter_mut().map(|output| &mut output.sink).chain(&mut self.events);
        for sink in sinks {
            note(sink.reopen(), &mut self.trouble, &mut self.gone);
        }
    }

    /// What went wrong first since this was last asked.
    pub fn take_trouble(&mut self) -> Option<SinkError> {
        self.trouble.take()
    }

    /// Whether the reader of standard output went away and there is no other output.
    #[must_use]
    pub fn nobody_listens(&self) -> bool {
        let only_stdout = self.alerts.iter().all(|output| output.settings.target == Target::Stdout);
        self.gone && only_stdout && self.events.is_none()
    }

    /// Names and counters of the outputs of alerts, then of the metadata log.
    pub fn counters(&self) -> impl Iterator<Item = (&str, SinkCounters)> {
        let alerts = self.alerts.iter().map(|output| (output.settings.name.as_str(), output.sink.counters()));
        alerts.chain(self.events.iter().map(|events| ("events", events.counters())))
    }
}

fn note(result: Result<(), SinkError>, trouble: &mut Option<SinkError>, gone: &mut bool) {
    match result {
        Err(SinkError::Write { source, path }) if source.kind() == io::ErrorKind::BrokenPipe => {
            *gone |= path == Path::new("-");
        }
        Err(error) => {
            trouble.get_or_insert(error);
        }
        Ok(()) => {}
    }
}
