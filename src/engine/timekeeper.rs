//! Which time is believed? The highest capture time, but no leap that a single frame makes.

use std::time::Duration;

use crate::base::time::Timestamp;

/// A frame may take time forward by so much at once.
const STRIDE: Duration = Duration::from_secs(600);

/// So many frames in a row, without one that contradicts, may take it anywhere.
const WITNESSES: u32 = 16;

/// Capture time as the timers may believe it: it never runs backwards, and one frame with a damaged
/// time does not make everything expire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timekeeper {
    now: Option<Timestamp>,
    /// Frames in a row that were far ahead, and the lowest of their times.
    ahead: (u32, Timestamp),
}

impl Timekeeper {
    /// The time believed; the lowest while none was heard.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or(Timestamp::MIN)
    }

    /// Hears the time of a frame, or of the clock; gives the time believed.
    pub fn hear(&mut self, ts: Timestamp) -> Timestamp {
        let Some(now) = self.now else {
            self.now = Some(ts);
            return ts;
        };
        let believed = if ts <= now.after(STRIDE) {
            self.ahead.0 = 0;
            now.max(ts)
        } else {
            let (witnesses, lowest) = match self.ahead {
                (0, _) => (1, ts),
                (n, lowest) => (n + 1, lowest.min(ts)),
            };
            self.ahead = (witnesses % WITNESSES, lowest);
            if witnesses == WITNESSES { lowest } else { now }
        };
        self.now = Some(believed);
        believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn time_follows_frames_and_never_runs_back() {
        let mut keeper = Timekeeper::default();
        assert_eq!([100, 99, 101, 700, 0].map(|s| keeper.hear(at(s))), [100, 100, 101, 700, 700].map(at));
    }

    #[test]
    fn a_single_leap_is_not_believed_and_many_are() {
        let mut keeper = Timekeeper::default();
        keeper.hear(at(100));
        for _ in 0..100 {
            assert_eq!(keeper.hear(at(i64::from(u32::MAX))), at(100));
            assert_eq!(keeper.hear(at(100)), at(100));
        }
        for n in 0..15 {
            assert_eq!(keeper.hear(at(100_000 + n)), at(100));
        }
        assert_eq!(keeper.hear(at(100_015)), at(100_000));
        assert_eq!(keeper.hear(at(100_016)), at(100_016));
    }

    #[test]
    fn the_ends_of_the_range_do_no_harm() {
        let mut keeper = Timekeeper::default();
        assert_eq!(keeper.hear(Timestamp(i64::MAX)), Timestamp(i64::MAX));
        assert_eq!(keeper.hear(Timestamp::MIN), Timestamp(i64::MAX));
    }
}
