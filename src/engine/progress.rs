//! How far is a replay? A bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::clock::Stopwatch;

/// How often the bar is drawn, per second.
const FRAMES_PER_SECOND: u8 = 8;

/// Time between two updates of what it says.
const UPDATE_EVERY: Duration = Duration::from_millis(200);

/// The bar, or its absence.
#[derive(Debug)]
pub struct ProgressLine {
    bar: ProgressBar,
    watch: Stopwatch,
    packets: u64,
}

impl ProgressLine {
    /// A bar over `total` bytes on standard error when `shown` and that is a terminal.
    #[must_use]
    pub fn new(total: Option<u64>, shown: bool) -> Self {
        let target = match shown {
            true => ProgressDrawTarget::stderr_with_hz(FRAMES_PER_SECOND),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => "{bar:24} {binary_bytes} of {binary_total_bytes}, {msg}, {eta} left",
            None => "{spinner} {binary_bytes}, {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message("starting");
        Self { bar, watch: Stopwatch::start(), packets: 0 }
    }

    /// Whether anything is drawn.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Says how far it is: bytes of the inputs read, frames read, alerts raised.
    pub fn set(&mut self, bytes: u64, packets: u64, alerts: u64) {
        let elapsed = self.watch.elapsed();
        if !self.is_shown() || !self.watch.lapped(UPDATE_EVERY) {
            return;
        }
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = packets.saturating_sub(self.packets).saturating_mul(1000) / millis;
        self.packets = packets;
        self.bar.set_position(bytes);
        self.bar.set_message(format!("{} packets/s, {} alerts", HumanCount(rate), HumanCount(alerts)));
    }

    /// Does something that writes to the terminal, without tearing the bar.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.is_shown() { self.bar.suspend(write) } else { write() }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
