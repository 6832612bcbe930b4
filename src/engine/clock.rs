//! What time is it outside of captures? The only clock; everything below is told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::time::Timestamp;

/// Wall-clock time, as captured frames carry it.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub fn now() -> Timestamp {
    let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => Timestamp(nanos(after)),
        Err(before) => Timestamp(-nanos(before.duration())),
    }
}

/// Measures time that never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts at zero.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Whether `span` has passed; if so it starts again at zero.
    pub fn lapped(&mut self, span: Duration) -> bool {
        let passed = self.elapsed() >= span;
        if passed {
            *self = Self::start();
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_of_this_century() {
        let now = now();
        assert!(now > Timestamp::from_parts(1_700_000_000, 0));
        assert!(now < Timestamp::from_parts(4_102_444_800, 0));
    }

    #[test]
    fn a_lap_starts_anew() {
        let mut watch = Stopwatch::start();
        assert!(!watch.lapped(Duration::from_secs(60)));
        assert!(watch.lapped(Duration::ZERO));
        assert!(watch.elapsed() < Duration::from_secs(60));
    }
}
