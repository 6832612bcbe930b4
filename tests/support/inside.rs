//! Runs the pipeline inside the test, without a process: frames in, lines out, and no clock but that
//! of the capture.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use tokentrail::alert::{Alert, Sensor, ecs, event, summary, tls_event};
use tokentrail::base::time::{FrameId, Stamp, Timestamp};
use tokentrail::capture::CaptureFile;
use tokentrail::detect::Severity;
use tokentrail::engine::build::{self, Ground};
use tokentrail::engine::config::Config;
use tokentrail::engine::counts;
use tokentrail::engine::judge::Audience;
use tokentrail::engine::pipeline::Pipeline;
use tokentrail::engine::worker::WorkerCounts;
use tokentrail::packet::{Frame, LinkType};
use tokentrail::rules::{self, RuleSet};
use tokentrail::token::{TapRules, TlsHandshake, Transaction};

/// A frame that owns its bytes.
#[derive(Clone, Debug)]
pub struct Owned {
    pub ts: Timestamp,
    pub link: LinkType,
    pub wire_len: u32,
    pub data: Vec<u8>,
}

impl Owned {
    /// The frame, as number `number` of a capture.
    pub fn frame(&self, number: u64) -> Frame<'_> {
        let at = Stamp { ts: self.ts, frame: FrameId { number, ..FrameId::default() } };
        Frame { at, link: self.link, wire_len: self.wire_len, data: &self.data }
    }
}

/// All frames of a capture, as far as it can be read.
pub fn frames(capture: &Path) -> Vec<Owned> {
    let mut file = CaptureFile::open(capture).unwrap_or_else(|e| panic!("{}: {e}", capture.display()));
    let mut frames = Vec::new();
    while let Ok(Some(Frame { at, link, wire_len, data })) = file.next_frame() {
        frames.push(Owned { ts: at.ts, link, wire_len, data: data.to_vec() });
    }
    frames
}

/// Rules and settings, read once for many runs.
pub struct Bench {
    rules: RuleSet,
    tap: Arc<TapRules>,
    pub config: Config,
}

/// What a run told.
#[derive(Default)]
pub struct Told {
    pub alerts: Vec<Alert>,
    /// Alerts, transactions and handshakes as they are written, in the order in which they were told.
    pub lines: Vec<String>,
    /// The closing summary as it is written.
    pub summary: String,
    /// What the workers counted.
    pub counts: WorkerCounts,
}

impl Audience for Told {
    fn alert(&mut self, alert: &Alert) {
        self.lines.push(ecs::line(alert, &sensor()));
        self.alerts.push(alert.clone());
    }

    fn transaction(&mut self, transaction: &Transaction) {
        self.lines.push(event::line(transaction, &sensor()));
    }

    fn handshake(&mut self, handshake: &TlsHandshake) {
        self.lines.push(tls_event::line(handshake, &sensor()));
    }
}

fn sensor() -> Sensor {
    Sensor { name: "test".into(), captures: vec!["capture".into()] }
}

impl Bench {
    /// The rules and settings of a fresh installation, with little memory.
    pub fn new() -> Self {
        let rules = rules::load(true, &[]).expect("the built-in rules load");
        let tap = TapRules {
            names: rules.tokens.clone(),
            login: rules.logins.clone(),
            agents: Arc::new(rules.agents.clone()),
            topology: Arc::default(),
        };
        Self { rules, tap: Arc::new(tap), config: Config { memory: 256 << 20, ..Config::default() } }
    }

    /// A pipeline that has seen nothing.
    pub fn pipeline(&self, workers: u32) -> Pipeline {
        let ground = Ground {
            tap: Arc::clone(&self.tap),
            settings: &self.rules.detectors,
            key: &[0x5a; 32],
            keys: &[],
            min_severity: Severity::Informational,
            transactions: true,
            workers: NonZeroU32::new(workers).expect("a number of workers"),
        };
        build::pipeline(&self.config, &ground).expect("threads")
    }

    /// Replays frames to their end.
    pub fn replay(&self, frames: &[Owned], workers: u32) -> Told {
        let mut pipeline = self.pipeline(workers);
        let mut told = Told::default();
        for (number, frame) in (1..).zip(frames) {
            pipeline.frame(&frame.frame(number), &mut told);
        }
        pipeline.finish(&mut told);
        told.summary = summary::line(&counts::summary(&pipeline, None, Vec::new(), Vec::new()), &sensor());
        told.counts = pipeline.counts();
        told
    }
}
