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
    waiting: Option<Waiting>,
}

struct Waiting {
    incidents: Incidents,
    most: usize,
    /// Times that there were too many of them.
    limit_hits: u64,
}

/// When people are told by a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Telling {
    /// As it happens, and again when it goes on: somebody watches.
    AtOnce,
    /// At the end of the history, each alert once; as soon as `most` wait, these are told and forgotten.
    AtTheEnd {
        /// Alerts that wait at most.
        most: usize,
    },
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
        for text in std::mem::take(&mut waiting.incidents).texts(sensor, self.color) {
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
        let waiting = match telling {
            Telling::AtOnce => None,
            Telling::AtTheEnd { most } => Some(most),
        };
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
                waiting: waiting.filter(|_| settings.format == Format::Text).map(|most| Waiting {
                    incidents: Incidents::default(),
                    most,
                    limit_hits: 0,
                }),
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
                waiting.incidents.note(alert);
                if waiting.incidents.alerts().len() >= waiting.most {
                    waiting.limit_hits += 1;
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
            if let Some(waiting) = &mut output.waiting {
                waiting.incidents.end();
            }
            output.tell_waiting(sensor, &mut self.trouble, &mut self.gone);
        }
        self.dirty = true;
    }

    /// Times that alerts were told before the end since no more could wait
    /// (`limit_hits_total{limit="waiting_alerts"}`).
    #[must_use]
    pub fn waiting_limit_hits(&self) -> u64 {
        self.alerts.iter().filter_map(|output| output.waiting.as_ref()).map(|waiting| waiting.limit_hits).sum()
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::alert::testing::{alert, finding, sensor, stolen_session};

    /// What a text output says of a history of three alerts, each of which came twice, when `most` may wait.
    fn told(most: usize) -> (String, u64) {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("alerts.txt");
        let output = Output {
            name: "alerts".into(),
            target: Target::File(path.clone()),
            format: Format::Text,
            min_severity: Severity::Low,
        };
        let telling = Telling::AtTheEnd { most };
        let mut outputs = Outputs::open(&[output], None, Start::Replace, telling, Color::Never).unwrap();
        for (id, count) in
            [("TT-1001", 1), ("TT-1003", 1), ("TT-1004", 1), ("TT-1001", 7), ("TT-1003", 7), ("TT-1004", 7)]
        {
            let mut told = alert(finding(id, Severity::High, stolen_session()));
            (told.id, told.count) = (Digest16([id.as_bytes()[6]; 16]), count);
            outputs.alert(&told, &sensor());
        }
        outputs.finish(&sensor());
        outputs.flush();
        assert!(outputs.take_trouble().is_none());
        (std::fs::read_to_string(&path).unwrap(), outputs.waiting_limit_hits())
    }

    #[test]
    fn each_alert_is_told_once_unless_too_many_wait() {
        let (text, limit_hits) = told(4);
        assert_eq!((text.matches("token.new_client").count(), limit_hits), (1, 0), "{text}");
        assert!(text.contains("count 7") && !text.contains("count 1"), "{text}");
        let (text, limit_hits) = told(3);
        assert_eq!((text.matches("token.new_client").count(), limit_hits), (2, 2), "{text}");
        assert!(text.contains("count 7") && text.contains("count 1"), "{text}");
    }
}
