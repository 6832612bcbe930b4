//! Which part of a capture did someone ask for? Reads and applies `--from` and `--to`.

use std::str::FromStr;
use std::time::Duration;

use crate::base::time::Timestamp;

/// One end of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// A point in time.
    At(Timestamp),
    /// So long after the first frame.
    After(Duration),
}

/// A text that says no time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{text}` is no time; expected one as 2026-11-22T10:42:07Z, seconds since 1970 as 1763800927.5, or a time \
     after the first frame as +90s or +1h30m"
)]
pub struct TimeRangeError {
    /// The text.
    pub text: String,
}

impl FromStr for Bound {
    type Err = TimeRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bound = match text.strip_prefix('+') {
            Some(span) => span
                .parse::<jiff::SignedDuration>()
                .ok()
                .and_then(|span| Duration::try_from(span).ok())
                .map(Self::After),
            None => epoch(text).or_else(|| rfc3339(text)).map(Self::At),
        };
        bound.ok_or_else(|| TimeRangeError { text: text.to_owned() })
    }
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    let nanos = text.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
    i64::try_from(nanos).ok().map(Timestamp)
}

/// Seconds since 1970 with a fraction of up to nine digits.
fn epoch(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    Some(Timestamp::from_parts(seconds.parse().ok()?, format!("{fraction:0<9}").parse().ok()?))
}

/// Frames from one time on and up to, not including, another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimeRange {
    /// The first time that is in it.
    pub from: Option<Bound>,
    /// The first time that is not.
    pub to: Option<Bound>,
    start: Option<Timestamp>,
}

impl TimeRange {
    /// A range; open where a bound is `None`.
    #[must_use]
    pub const fn new(from: Option<Bound>, to: Option<Bound>) -> Self {
        Self { from, to, start: None }
    }

    /// Whether no frame of any capture can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (self.from, self.to) {
            (Some(Bound::At(from)), Some(Bound::At(to))) => from >= to,
            (Some(Bound::After(from)), Some(Bound::After(to))) => from >= to,
            (_, Some(Bound::After(to))) => to.is_zero(),
            _ => false,
        }
    }

    /// Whether a frame of this time is in it. The first call settles when the capture began.
    pub fn contains(&mut self, ts: Timestamp) -> bool {
        let start = *self.start.get_or_insert(ts);
        let time = |bound| match bound {
            Bound::At(time) => time,
            Bound::After(span) => start.after(span),
        };
        self.from.is_none_or(|from| time(from) <= ts) && self.to.is_none_or(|to| ts < time(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<Timestamp, TimeRangeError> {
        text.parse().map(|bound| match bound {
            Bound::At(time) => time,
            Bound::After(span) => panic!("{span:?}"),
        })
    }

    #[test]
    fn times_are_read_in_three_forms() {
        assert_eq!(at("2025-11-22T10:42:07.5+02:00"), Ok(Timestamp(1_763_800_927_500_000_000)));
        assert_eq!(at("2025-11-22T08:42:07Z"), Ok(Timestamp(1_763_800_927_000_000_000)));
        assert_eq!(at("1763800927"), Ok(Timestamp(1_763_800_927_000_000_000)));
        assert_eq!(at("1763800927.000001"), Ok(Timestamp(1_763_800_927_000_001_000)));
        assert_eq!("+90s".parse(), Ok(Bound::After(Duration::from_secs(90))));
        assert_eq!("+1h30m".parse(), Ok(Bound::After(Duration::from_secs(5400))));
        for bad in ["", "+", "-5", "+-5s", "10:42", "2025-11-22", "2025-11-22T08:42:07", "1.", "1.1234567890", "x"] {
            let error = bad.parse::<Bound>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{bad}` is no time; expected")), "{error}");
        }
    }

    #[test]
    fn ranges_are_half_open() {
        let seconds = |s| Timestamp::from_parts(s, 0);
        let mut range = TimeRange::new(Some(Bound::At(seconds(10))), Some(Bound::After(Duration::from_secs(15))));
        // The first frame is at 5 s, so the range ends at 20 s.
        let inside: Vec<bool> = [5, 9, 10, 19, 20, 3].map(|s| range.contains(seconds(s))).to_vec();
        assert_eq!(inside, [false, false, true, true, false, false]);
        assert!(TimeRange::default().contains(Timestamp::MIN));
        let empty = |from: &str, to: &str| TimeRange::new(from.parse().ok(), to.parse().ok()).is_empty();
        assert!(empty("+8s", "+5s") && empty("9", "9") && empty("", "+0s"));
        assert!(!empty("+5s", "+8s") && !empty("9", "+1s") && !empty("", ""));
    }
}
