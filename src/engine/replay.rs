//! How is a history of files replayed? Frame after frame to the end, as far as it can be read.

use super::judge::Audience;
use super::outputs::Outputs;
use super::pipeline::Pipeline;
use super::progress::ProgressLine;
use super::signals::Signals;
use crate::alert::{Alert, Sensor};
use crate::capture::Secrets;
use crate::capture::{CaptureError, PacketSource, Progress};
use crate::token::{TlsHandshake, Transaction};

/// Frames between two times that what was found is passed on, at least.
const LOOK_EVERY: u64 = 1024;

/// How a replay went.
#[derive(Debug, Default)]
pub struct Replayed {
    /// What could not be read, or not to its end.
    pub unread: Vec<CaptureError>,
    /// Someone asked to stop before the end.
    pub interrupted: bool,
}

/// Outputs with the names that go into every line.
pub struct Tellers<'a> {
    /// The outputs.
    pub outputs: &'a mut Outputs,
    /// Who watches what.
    pub sensor: &'a Sensor,
}

impl Audience for Tellers<'_> {
    fn alert(&mut self, alert: &Alert) {
        self.outputs.alert(alert, self.sensor);
    }

    fn transaction(&mut self, transaction: &Transaction) {
        self.outputs.transaction(transaction, self.sensor);
    }

    fn handshake(&mut self, handshake: &TlsHandshake) {
        self.outputs.handshake(handshake, self.sensor);
    }
}

/// Replays `source` to its end. `position` says how far a source is.
pub fn replay<S: PacketSource>(
    source: &mut S,
    pipeline: &mut Pipeline,
    tellers: &mut Tellers<'_>,
    signals: &Signals,
    progress: &mut ProgressLine,
    position: impl Fn(&S) -> Progress,
) -> Replayed {
    let mut replayed = Replayed::default();
    let mut until_look = LOOK_EVERY;
    loop {
        match source.advance() {
            Ok(true) => {
                if let Some(secrets) = source.take_secrets() {
                    learn(&secrets, pipeline);
                }
                until_look = until_look.saturating_sub(pipeline.frames(source.frames(), tellers));
            }
            Ok(false) => break,
            Err(error) => replayed.unread.push(error),
        }
        // Even where no frame passes a filter there is somebody who waits.
        if signals.stop().is_some() {
            replayed.interrupted = true;
            break;
        }
        if progress.is_shown() {
            let alerts = pipeline.stage().desk().told;
            progress.set(position(source).read, pipeline.reading().frames, alerts);
        }
        if until_look == 0 {
            until_look = LOOK_EVERY;
            if tellers.outputs.nobody_listens() {
                break;
            }
            pipeline.hand_out(tellers);
            // Whoever follows a stream wants to see alerts while it goes on.
            if tellers.outputs.is_dirty() {
                progress.aside(|| tellers.outputs.flush());
            }
        }
    }
    progress.clear();
    pipeline.finish(tellers);
    tellers.outputs.finish(tellers.sensor);
    replayed
}

/// Hands on secrets that a capture holds, and logs what is wrong with them.
fn learn(secrets: &Secrets, pipeline: &mut Pipeline) {
    let broken = pipeline.secrets(secrets);
    if secrets.cut {
        tracing::warn!("the capture holds more TLS secrets at once than are read");
    }
    if broken > 0 {
        tracing::warn!(lines = broken, "the capture holds lines of TLS secrets that are broken");
    }
}
