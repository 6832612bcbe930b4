//! Which time is believed? The highest capture time, but no leap that a single frame makes.

use std::time::Duration;

use crate::base::time::Timestamp;

/// A frame may take time forward by so many nanoseconds at once, and may lag so far behind it.
const STRIDE: u64 = Duration::from_secs(600).as_nanos() as u64;

/// Frames in a row whose times are no more nanoseconds apart agree.
const AGREEMENT: u64 = Duration::from_secs(60).as_nanos() as u64;

/// So many frames in a row that agree take time back; so many that are far ahead take it forward
/// even when they do not agree.
const WITNESSES: u32 = 16;

/// Capture time as it may be believed. One frame with a damaged time does not make everything expire,
/// and a time that was too high does not stop the timers for good.
#[derive(Clone, Copy, Debug)]
pub struct Timekeeper {
    now: Option<Timestamp>,
    /// How far the timers are ahead of `now`, in nanoseconds: by so much time was taken back.
    lead: u64,
    doubted: Option<Doubted>,
}

/// Frames in a row that were far from the believed time, on one side of it.
#[derive(Clone, Copy, Debug)]
struct Doubted {
    ahead: bool,
    frames: u32,
    last: Timestamp,
    lowest: Timestamp,
}

impl Timekeeper {
    /// Nothing was heard yet.
    pub const NOTHING: Self = Self { now: None, lead: 0, doubted: None };

    /// The time believed; the lowest while none was heard. It runs back when many frames say that it
    /// was too high.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now.unwrap_or(Timestamp::MIN)
    }

    /// The same for timers: it goes on from where it was when time runs back.
    #[must_use]
    pub fn timers(&self) -> Timestamp {
        Timestamp(self.now().0.saturating_add_unsigned(self.lead))
    }

    /// Hears the time of a frame, or of the clock.
    #[inline]
    pub fn hear(&mut self, ts: Timestamp) {
        let Some(now) = self.now else {
            self.now = Some(ts);
            return;
        };
        // Nearly every frame comes at this time or a little later.
        if self.doubted.is_none() && ts >= now && ts.nanos_since(now) <= STRIDE {
            self.now = Some(ts);
            return;
        }
        self.doubt(now, ts);
    }

    /// Hears a time that is earlier than `now` or far ahead of it, or comes after such a one.
    #[cold]
    fn doubt(&mut self, now: Timestamp, ts: Timestamp) {
        let ahead = ts > now;
        let distance = apart(ts, now);
        if distance <= STRIDE {
            self.doubted = None;
            self.now = Some(now.max(ts));
            return;
        }
        let doubted = match self.doubted.filter(|doubted| doubted.ahead == ahead) {
            Some(Doubted { frames, last, lowest, .. }) => {
                let agrees = apart(ts, last) <= AGREEMENT;
                if ahead && agrees {
                    return self.leap(now, ts.min(last));
                }
                let frames = if ahead || agrees { frames + 1 } else { 1 };
                Doubted { ahead, frames, last: ts, lowest: lowest.min(ts) }
            }
            None => Doubted { ahead, frames: 1, last: ts, lowest: ts },
        };
        self.doubted = Some(doubted);
        if doubted.frames >= WITNESSES {
            match ahead {
                true => self.leap(now, doubted.lowest),
                false => {
                    self.lead = self.lead.saturating_add(distance);
                    (self.now, self.doubted) = (Some(ts), None);
                }
            }
        }
    }

    /// Time goes far forward. Timers follow only so far as they have not been there already.
    fn leap(&mut self, now: Timestamp, to: Timestamp) {
        self.lead = self.lead.saturating_sub(to.nanos_since(now));
        (self.now, self.doubted) = (Some(to), None);
    }
}

/// Nanoseconds between two times, whichever is the earlier.
const fn apart(a: Timestamp, b: Timestamp) -> u64 {
    a.0.abs_diff(b.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    fn heard(keeper: &mut Timekeeper, seconds: i64) -> Timestamp {
        keeper.hear(at(seconds));
        keeper.now()
    }

    #[test]
    fn time_follows_frames_and_a_late_frame_does_not_take_it_back() {
        let mut keeper = Timekeeper::NOTHING;
        let believed = [100, 99, 101, 700, 0].map(|s| heard(&mut keeper, s));
        assert_eq!(believed, [100, 100, 101, 700, 700].map(at));
        assert_eq!(keeper.timers(), at(700));
    }

    #[test]
    fn a_single_leap_is_not_believed_and_one_that_the_next_frame_confirms_is() {
        let mut keeper = Timekeeper::NOTHING;
        keeper.hear(at(100));
        for _ in 0..100 {
            assert_eq!(heard(&mut keeper, i64::from(u32::MAX)), at(100));
            assert_eq!(heard(&mut keeper, 100), at(100));
        }
        assert_eq!(heard(&mut keeper, 100_000), at(100));
        assert_eq!(heard(&mut keeper, 100_059), at(100_000));
        assert_eq!(heard(&mut keeper, 100_060), at(100_060));
        assert_eq!(keeper.timers(), at(100_060));
    }

    #[test]
    fn frames_far_apart_take_time_forward_when_they_are_many() {
        let mut keeper = Timekeeper::NOTHING;
        keeper.hear(at(0));
        for n in 1..16 {
            assert_eq!(heard(&mut keeper, n * 1000), at(0));
        }
        assert_eq!(heard(&mut keeper, 16_000), at(1000));
    }

    #[test]
    fn a_first_time_that_is_years_too_high_is_taken_back_and_timers_go_on() {
        let mut keeper = Timekeeper::NOTHING;
        keeper.hear(at(1_000_000_000));
        for n in 0..15 {
            assert_eq!(heard(&mut keeper, 1000 + n), at(1_000_000_000));
        }
        assert_eq!(heard(&mut keeper, 1015), at(1015));
        assert_eq!(keeper.timers(), at(1_000_000_000));
        assert_eq!(heard(&mut keeper, 1020), at(1020));
        assert_eq!(keeper.timers(), at(1_000_000_005));
    }

    #[test]
    fn frames_that_contradict_each_other_do_not_take_time_back() {
        let mut keeper = Timekeeper::NOTHING;
        keeper.hear(at(1_000_000));
        for n in 0..100 {
            assert_eq!(heard(&mut keeper, (n % 5) * 1000), at(1_000_000));
        }
        // Nor do those with one in time between them.
        for n in 0..100 {
            assert_eq!(heard(&mut keeper, if n % 15 == 0 { 1_000_000 } else { 1000 }), at(1_000_000));
        }
    }

    #[test]
    fn two_clocks_in_turn_do_not_run_the_timers_away() {
        let mut keeper = Timekeeper::NOTHING;
        for _ in 0..10 {
            for seconds in [1_000_000, 100] {
                (0..20).for_each(|_| keeper.hear(at(seconds)));
                assert_eq!((keeper.now(), keeper.timers()), (at(seconds), at(1_000_000)));
            }
        }
    }

    #[test]
    fn the_ends_of_the_range_do_no_harm() {
        let mut keeper = Timekeeper::NOTHING;
        keeper.hear(Timestamp(i64::MAX));
        (0..16).for_each(|_| keeper.hear(Timestamp::MIN));
        assert_eq!(keeper.now(), Timestamp::MIN);
        (0..2).for_each(|_| keeper.hear(Timestamp(i64::MAX)));
        assert_eq!(keeper.now(), Timestamp(i64::MAX));
    }
}
