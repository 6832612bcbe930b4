//! What time is it? Capture time as a number; the core never looks at a clock.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Capture time: nanoseconds since 1970-01-01T00:00:00Z, negative before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The smallest representable time: earlier than any frame.
    pub const MIN: Self = Self(i64::MIN);

    /// From whole seconds and nanoseconds; saturates at the ends of the range (years 1677, 2262).
    #[must_use]
    pub fn from_parts(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanos)))
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later, since a negative age is zero.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// The same in nanoseconds, for what is asked of every packet.
    #[must_use]
    #[inline]
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        // The difference of any two fits in 64 bits without a sign.
        if self.0 > earlier.0 { self.0.wrapping_sub(earlier.0).cast_unsigned() } else { 0 }
    }

    /// This time moved forward by `span`, saturating.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-11-22T10:42:07.311Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which segment of which frame: the capture it came from (file or interface, numbered from 0 in the order of
/// the history) and its number there, counted from 1 as capture tools do. The order of these is
/// the order of events.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct FrameId {
    /// Index of the capture.
    pub capture: u32,
    /// Number of the frame in its capture, from 1.
    pub number: u64,
    /// Which of the segments in it, from 0: an aggregate holds several, and fragments that conflict end
    /// in several readings of one datagram.
    pub part: u16,
}

/// When and where something was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Capture time of the frame.
    pub ts: Timestamp,
    /// The frame.
    pub frame: FrameId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_rfc3339_milliseconds() {
        assert_eq!(Timestamp::from_parts(1_763_800_927, 311_999_999).to_string(), "2025-11-22T08:42:07.311Z");
    }

    #[test]
    fn negative_age_is_zero() {
        let (early, late) = (Timestamp(5), Timestamp(9));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_nanos(4));
        assert!(Timestamp(i64::MAX).since(Timestamp::MIN) > Duration::from_secs(1 << 33));
        assert_eq!(Timestamp(i64::MAX).after(Duration::MAX), Timestamp(i64::MAX));
    }
}
