//! Floor 9: what is it doing? Takes the counts that the engine snapshots, gives Prometheus metrics.
//!
//! Every series exists from the start at 0, and none is ever added: no label comes from the wire.

mod process;
mod router;
pub mod snapshot;

use std::time::Duration;

use prometheus::{
    Counter, CounterVec, Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::base::time::Timestamp;
use crate::detect::Severity;
use process::Process;
pub use router::router;
pub use snapshot::Snapshot;

/// What the set of series depends on; all of it is known at start.
#[derive(Clone, Debug)]
pub struct Layout<'a> {
    /// Interfaces, in the order of [`Snapshot::interfaces`].
    pub interfaces: &'a [String],
    /// Outputs, in the order of [`Snapshot::outputs`].
    pub outputs: &'a [String],
    /// Names of the detectors, in the order of [`Snapshot::alerts`].
    pub detectors: &'a [&'static str],
    /// How many rules of each kind are in use.
    pub rules: &'a [(&'static str, usize)],
    /// Bytes that each pool of the memory budget may use.
    pub pools: &'a [(&'static str, u64)],
    /// Flow workers.
    pub workers: u32,
    /// When the configuration was loaded.
    pub loaded: Timestamp,
}

/// Upper bounds of [`Metrics::told_after`] in seconds: the capture hands frames over within a tenth of
/// a second, and a request waits some seconds for its reply.
const DELAYS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];

/// All metrics, with their handles.
pub struct Metrics {
    registry: Registry,
    process: Process,
    capture_packets: Vec<IntCounter>,
    capture_bytes: Vec<IntCounter>,
    capture_kernel_drops: Vec<IntCounter>,
    capture_interface_drops: Vec<IntCounter>,
    capture_gaps: Vec<IntCounter>,
    capture_last_packet: Vec<Gauge>,
    counters: Vec<(&'static str, &'static str, IntCounter)>,
    gauges: Vec<(&'static str, &'static str, IntGauge)>,
    alerts: Vec<[IntCounter; Severity::ALL.len()]>,
    output_events: Vec<IntCounter>,
    output_errors: Vec<IntCounter>,
    output_dropped: Vec<IntCounter>,
    detection_delay: Histogram,
    worker_busy: Vec<Counter>,
}

impl Metrics {
    /// Registers every series at 0.
    ///
    /// # Errors
    /// When two series have one name: a mistake in this file, which its tests would show.
    pub fn new(layout: &Layout<'_>) -> Result<Self, prometheus::Error> {
        let make = Maker { registry: Registry::new() };
        let interfaces: Vec<&str> = layout.interfaces.iter().map(String::as_str).collect();
        let outputs: Vec<&str> = layout.outputs.iter().map(String::as_str).collect();

        let build = make.gauge_vec("build_info", "Version of the running program.", &["version", "revision"])?;
        let revision = option_env!("TOKENTRAIL_REVISION").unwrap_or("unknown");
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), revision]).set(1.0);
        make.gauge("config_last_reload_successful", "Whether the last load of the configuration worked.")?.set(1.0);
        make.gauge("config_last_reload_success_timestamp_seconds", "When the configuration was last loaded.")?
            .set(seconds(layout.loaded));
        let rules = make.int_gauge_vec("rules_loaded", "Rules in use.", &["kind"])?;
        for (kind, count) in layout.rules {
            rules.with_label_values(&[kind]).set(gauge_value(*count as u64));
        }
        let limits = make.int_gauge_vec("memory_limit_bytes", "Bytes that a pool may use.", &["pool"])?;
        for (pool, bytes) in layout.pools {
            limits.with_label_values(&[pool]).set(gauge_value(*bytes));
        }

        let drops = make.counter_vec(
            "capture_drops_total",
            "Frames lost before they were read: the ring was full (kernel), or the interface dropped them.",
            &["interface", "reason"],
        )?;
        let dropped = |reason| interfaces.iter().map(|name| drops.with_label_values(&[*name, reason])).collect();
        let last_packet =
            make.gauge_vec("capture_last_packet_timestamp_seconds", "Capture time of the last frame.", &["interface"])?;

        let delay = HistogramOpts::from(opts(
            "detection_delay_seconds",
            "Time from the capture of the frame that decided to the alert being written.",
        ));
        let busy = CounterVec::new(opts("worker_busy_seconds_total", "Time spent on frames."), &["worker"]);
        let busy = make.register(busy)?;

        let (mut counters, mut gauges) = (Vec::new(), Vec::new());
        for family in snapshot::COUNTERS {
            match family.label {
                None => counters.push((family.name, "", make.counter(family.name, family.help)?)),
                Some(label) => {
                    let vec = make.counter_vec(family.name, family.help, &[label])?;
                    counters.extend(family.values.iter().map(|v| (family.name, *v, vec.with_label_values(&[v]))));
                }
            }
        }
        for family in snapshot::GAUGES {
            match family.label {
                None => gauges.push((family.name, "", make.int_gauge(family.name, family.help)?)),
                Some(label) => {
                    let vec = make.int_gauge_vec(family.name, family.help, &[label])?;
                    gauges.extend(family.values.iter().map(|v| (family.name, *v, vec.with_label_values(&[v]))));
                }
            }
        }

        let alerts = make.counter_vec("alerts_total", "Alerts raised.", &["detector", "severity"])?;
        let alerts = layout
            .detectors
            .iter()
            .map(|detector| Severity::ALL.map(|severity| alerts.with_label_values(&[detector, severity.as_str()])))
            .collect();

        Ok(Self {
            process: Process::new(&make.registry)?,
            capture_packets: make.per("capture_packets_total", "Frames read.", "interface", &interfaces)?,
            capture_bytes: make.per("capture_bytes_total", "Bytes of frames read.", "interface", &interfaces)?,
            capture_gaps: make.per(
                "capture_gaps_total",
                "Times the interface was lost and had to be opened again.",
                "interface",
                &interfaces,
            )?,
            capture_kernel_drops: dropped("kernel"),
            capture_interface_drops: dropped("interface"),
            capture_last_packet: interfaces.iter().map(|name| last_packet.with_label_values(&[name])).collect(),
            counters,
            gauges,
            alerts,
            output_events: make.per("output_events_total", "Alerts written.", "output", &outputs)?,
            output_errors: make.per("output_errors_total", "Failed writes of an output.", "output", &outputs)?,
            output_dropped: make.per("output_dropped_total", "Alerts that an output lost.", "output", &outputs)?,
            detection_delay: make.register(Histogram::with_opts(delay.buckets(DELAYS.to_vec())))?,
            worker_busy: (0..layout.workers).map(|worker| busy.with_label_values(&[&worker.to_string()])).collect(),
            registry: make.registry,
        })
    }

    /// Brings every series to what the engine counted. Counters never go back.
    pub fn update(&self, now: &Snapshot) {
        for (at, interface) in now.interfaces.iter().enumerate() {
            advance(self.capture_packets.get(at), interface.packets);
            advance(self.capture_bytes.get(at), interface.bytes);
            advance(self.capture_kernel_drops.get(at), interface.kernel_drops);
            advance(self.capture_interface_drops.get(at), interface.interface_drops);
            advance(self.capture_gaps.get(at), interface.gaps);
            if let (Some(gauge), Some(last)) = (self.capture_last_packet.get(at), interface.last_packet) {
                gauge.set(seconds(last));
            }
        }
        for (name, value, counter) in &self.counters {
            if let Some(total) = now.get(name, value) {
                advance(Some(counter), total);
            }
        }
        for (name, value, gauge) in &self.gauges {
            if let Some(level) = now.get(name, value) {
                gauge.set(gauge_value(level));
            }
        }
        for (counters, counts) in self.alerts.iter().zip(&now.alerts) {
            for (counter, total) in counters.iter().zip(counts) {
                advance(Some(counter), *total);
            }
        }
        for (at, output) in now.outputs.iter().enumerate() {
            advance(self.output_events.get(at), output.events);
            advance(self.output_errors.get(at), output.errors);
            advance(self.output_dropped.get(at), output.dropped);
        }
    }

    /// An alert was written so long after the frame that decided was captured.
    pub fn told_after(&self, delay: Duration) {
        self.detection_delay.observe(delay.as_secs_f64());
    }

    /// The worker of this number, from 0, has spent so much time on frames since the start.
    pub fn worked(&self, worker: usize, since_start: Duration) {
        if let Some(counter) = self.worker_busy.get(worker) {
            counter.inc_by((since_start.as_secs_f64() - counter.get()).max(0.0));
        }
    }

    /// The text exposition format, version 0.0.4.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        self.process.refresh();
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn advance(counter: Option<&IntCounter>, total: u64) {
    if let Some(counter) = counter {
        counter.inc_by(total.saturating_sub(counter.get()));
    }
}

fn gauge_value(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floating point; nanoseconds do not matter here")]
fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1e9
}

/// Makes metrics with the common prefix and registers them.
struct Maker {
    registry: Registry,
}

impl Maker {
    fn register<C>(&self, made: Result<C, prometheus::Error>) -> Result<C, prometheus::Error>
    where
        C: prometheus::core::Collector + Clone + 'static,
    {
        let collector = made?;
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(opts(name, help)))
    }

    fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(opts(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.register(Gauge::with_opts(opts(name, help)))
    }

    fn gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
        self.register(GaugeVec::new(opts(name, help), labels))
    }

    fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(opts(name, help)))
    }

    fn int_gauge_vec(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(opts(name, help), labels))
    }

    /// One counter for each value of one label, in the order of the values.
    fn per(&self, name: &str, help: &str, label: &str, values: &[&str]) -> Result<Vec<IntCounter>, prometheus::Error> {
        let vec = self.counter_vec(name, help, &[label])?;
        Ok(values.iter().map(|value| vec.with_label_values(&[value])).collect())
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("tokentrail")
}

#[cfg(test)]
mod tests;
