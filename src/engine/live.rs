//! How is an interface watched? In batches until someone asks to stop; one that is lost is opened
//! again every second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::clock::{self, Stopwatch};
use super::counts;
use super::judge::Audience;
use super::pipeline::Pipeline;
use super::replay::Tellers;
use super::signals::{Signals, Stop};
use crate::alert::Alert;
use crate::base::time::Timestamp;
use crate::capture::live::Statistics;
use crate::capture::{LiveCapture, LiveError, Polled};
use crate::metrics::Metrics;
use crate::metrics::snapshot::InterfaceCounts;
use crate::packet::Frame;
use crate::token::{TlsHandshake, Transaction};

/// Frames taken from one interface before the next gets its turn.
const BATCH: usize = 128;
/// The longest wait for frames when no interface has any.
const WAIT: Duration = Duration::from_millis(100);
/// How far the timers of an idle run stay behind the clock: the kernel may hold frames back so long.
const SLACK: Duration = Duration::from_millis(200);
/// The longest that reading goes on after the request to stop.
const LAST_READING: Duration = Duration::from_secs(2);
/// Time between two attempts to open a lost interface again.
const REOPEN_EVERY: Duration = Duration::from_secs(1);
/// Time between two snapshots for the metrics.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);
/// Time between two log lines about the same output.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// One interface and what became of it.
#[derive(Debug)]
pub struct Watched {
    capture: LiveCapture,
    lost: Option<Stopwatch>,
    counts: InterfaceCounts,
}

impl Watched {
    /// Watches an open interface.
    #[must_use]
    pub fn new(capture: LiveCapture) -> Self {
        Self { capture, lost: None, counts: InterfaceCounts::default() }
    }

    /// What the kernel counted and what was read.
    pub fn counts(&mut self) -> InterfaceCounts {
        let Statistics { dropped, interface_dropped, .. } = self.capture.statistics();
        InterfaceCounts { kernel_drops: dropped, interface_drops: interface_dropped, ..self.counts }
    }

    /// Name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        self.capture.interface()
    }

    /// Takes a batch of what is there, and waits for nothing. Says whether frames came.
    fn take(&mut self, mut on_frame: impl FnMut(Frame<'_>)) -> bool {
        if let Some(lost) = &mut self.lost {
            if !lost.lapped(REOPEN_EVERY) {
                return false;
            }
            match self.capture.reopen() {
                Ok(()) => {
                    self.lost = None;
                    tracing::info!(interface = self.capture.interface(), "the interface is back");
                }
                Err(error) => {
                    tracing::debug!(%error, "the interface is still away");
                    return false;
                }
            }
        }
        let counts = &mut self.counts;
        let polled = self.capture.take(BATCH, |frame| {
            counts.packets += 1;
            counts.bytes += u64::from(frame.wire_len);
            counts.last_packet = counts.last_packet.max(Some(frame.at.ts));
            on_frame(frame);
        });
        match polled {
            Polled::Frames(_) => true,
            Polled::Idle => false,
            Polled::Lost(error) => {
                self.gone(&error);
                false
            }
        }
    }

    fn gone(&mut self, error: &LiveError) {
        self.counts.gaps += 1;
        self.lost = Some(Stopwatch::start());
        tracing::warn!(%error, "nothing is seen there until it is back; trying every second");
    }
}

/// Tells, and remembers until the outputs are flushed when each alert was decided.
struct Timed<'a, 'b> {
    tellers: &'a mut Tellers<'b>,
    /// Capture times of the frames that decided.
    decided: &'a mut Vec<Timestamp>,
}

impl Audience for Timed<'_, '_> {
    fn alert(&mut self, alert: &Alert) {
        self.decided.push(alert.evidence.now());
        self.tellers.alert(alert);
    }

    fn transaction(&mut self, transaction: &Transaction) {
        self.tellers.transaction(transaction);
    }

    fn handshake(&mut self, handshake: &TlsHandshake) {
        self.tellers.handshake(handshake);
    }
}

/// Watches until a signal asks to stop, then ends every flow and tells what waited. `ready` is set
/// while every interface is captured from.
pub fn watch(
    interfaces: &mut [Watched],
    pipeline: &mut Pipeline,
    tellers: &mut Tellers<'_>,
    signals: &Signals,
    metrics: &Metrics,
    ready: &Arc<AtomicBool>,
) -> Stop {
    let mut snapshots = Stopwatch::start();
    let mut complaints = None;
    let mut decided = Vec::new();
    let mut worked = Duration::ZERO;
    let stop = loop {
        if let Some(stop) = signals.stop() {
            break stop;
        }
        let work = Stopwatch::start();
        let busy = turn(interfaces, pipeline, &mut Timed { tellers, decided: &mut decided });
        if busy {
            worked += work.elapsed();
        }
        ready.store(interfaces.iter().all(|interface| interface.lost.is_none()), Ordering::Relaxed);
        if !busy {
            let settled = clock::now().0.saturating_sub_unsigned(SLACK.as_nanos() as u64);
            let mut timed = Timed { tellers, decided: &mut decided };
            pipeline.on_time(Timestamp(settled), &mut timed);
            pipeline.settle(&mut timed);
        }
        if tellers.outputs.is_dirty() {
            tellers.outputs.flush();
        }
        if !decided.is_empty() {
            let written = clock::now();
            decided.drain(..).for_each(|at| metrics.told_after(written.since(at)));
        }
        if signals.take_reopen() {
            tellers.outputs.reopen();
            tracing::info!("opened the output files again; the configuration is not reloaded in this version");
        }
        if tellers.outputs.nobody_listens() {
            break Stop::Terminate;
        }
        complain(tellers, &mut complaints);
        if snapshots.lapped(SNAPSHOT_EVERY) {
            publish(interfaces, pipeline, tellers, metrics);
            tell_busy(pipeline, worked, metrics);
        }
        if !busy {
            wait(interfaces);
        }
    };
    ready.store(false, Ordering::Relaxed);
    take_the_rest(interfaces, pipeline, tellers);
    pipeline.finish(tellers);
    tellers.outputs.flush();
    complain(tellers, &mut None);
    publish(interfaces, pipeline, tellers, metrics);
    tell_busy(pipeline, worked, metrics);
    stop
}

/// Takes what the kernel held back until the moment of stopping. A busy interface never runs dry, so
/// this ends by itself.
fn take_the_rest(interfaces: &mut [Watched], pipeline: &mut Pipeline, tellers: &mut Tellers<'_>) {
    let stopping = Stopwatch::start();
    while stopping.elapsed() < LAST_READING && interfaces.iter().any(|interface| interface.lost.is_none()) {
        if !turn(interfaces, pipeline, tellers) {
            if stopping.elapsed() >= SLACK {
                break;
            }
            wait(interfaces);
        }
    }
}

/// Takes a batch from each interface in turn. Says whether frames came.
fn turn(interfaces: &mut [Watched], pipeline: &mut Pipeline, audience: &mut impl Audience) -> bool {
    let mut busy = false;
    for interface in interfaces {
        busy |= interface.take(|frame| pipeline.frame(&frame, audience));
    }
    busy
}

/// Waits until any interface has frames, so that a quiet one holds up nobody.
fn wait(interfaces: &[Watched]) {
    LiveCapture::wait_for_any(interfaces.iter().map(|interface| &interface.capture), WAIT);
}

/// Brings the metrics to what was counted.
pub fn publish(interfaces: &mut [Watched], pipeline: &Pipeline, tellers: &Tellers<'_>, metrics: &Metrics) {
    let counts = interfaces.iter_mut().map(Watched::counts).collect();
    metrics.update(&counts::snapshot(pipeline, tellers.outputs, counts));
}

/// Tells how long each worker was busy. One alone is the reader, whose time is `worked`.
fn tell_busy(pipeline: &Pipeline, worked: Duration, metrics: &Metrics) {
    match pipeline.busy() {
        alone if alone.is_empty() => metrics.worked(0, worked),
        several => several.into_iter().enumerate().for_each(|(worker, busy)| metrics.worked(worker, busy)),
    }
}

/// Logs what went wrong with an output, at most once a minute.
fn complain(tellers: &mut Tellers<'_>, last: &mut Option<Stopwatch>) {
    if last.as_ref().is_some_and(|last| last.elapsed() < COMPLAIN_EVERY) {
        return;
    }
    if let Some(error) = tellers.outputs.take_trouble() {
        tracing::error!(%error, "an output fails; detection goes on");
        *last = Some(Stopwatch::start());
    }
}
