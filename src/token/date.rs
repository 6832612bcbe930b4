//! When is an HTTP date? Reads the three formats of RFC 9110 §5.6.7 and what browsers accept.

use crate::base::time::Timestamp;

/// Reads a cookie date by the algorithm of RFC 6265 §5.1.1, which takes the IMF, RFC 850 and
/// asctime formats and their relatives; `None` when it is no date.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Timestamp> {
    let (mut clock, mut day, mut month, mut year) = (None, None, None, None);
    let delimiter = |b: &u8| !(b.is_ascii_alphanumeric() || *b == b':');
    for word in text.split(delimiter).filter(|w| !w.is_empty()) {
        if clock.is_none() && word.contains(&b':') {
            clock = time_of_day(word);
        } else if day.is_none() && (1..=2).contains(&digits(word)) {
            day = number(word);
        } else if month.is_none() && month_of(word).is_some() {
            month = month_of(word);
        } else if year.is_none() && (2..=4).contains(&digits(word)) {
            year = number(word);
        }
    }
    let (day, month, year, clock) = (day?, month?, year?, clock?);
    let year = match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    };
    ((1..=31).contains(&day) && year >= 1601)
        .then(|| Timestamp::from_parts(days_since_1970(year, month, day) * 86_400 + clock, 0))
}

/// Seconds since midnight of `hh:mm:ss`.
fn time_of_day(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|b| *b == b':');
    let mut part = |limit: i64| parts.next().and_then(number).filter(|n| *n < limit);
    let (hour, minute, second) = (part(24)?, part(60)?, part(61)?);
    Some(hour * 3600 + minute * 60 + second)
}

/// How many digits a word begins with.
fn digits(word: &[u8]) -> usize {
    word.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// The number that a word begins with, of at most four digits.
fn number(word: &[u8]) -> Option<i64> {
    let digits = word.get(..digits(word)).filter(|d| (1..=4).contains(&d.len()))?;
    Some(digits.iter().fold(0, |n, b| n * 10 + i64::from(b.saturating_sub(b'0'))))
}

/// 1 to 12, by the first three letters.
fn month_of(word: &[u8]) -> Option<i64> {
    const NAMES: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let name = word.first_chunk::<3>()?;
    (1..).zip(NAMES).find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(month, _)| month)
}

/// Days from 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap
/// day is the last of its year; 400 years have 146,097 days.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_formats_and_their_relatives() {
        let expected = Some(Timestamp::from_parts(784_111_777, 0));
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "6 november 94 08:49:37",
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(parse(b"Thu, 29 Feb 2024 00:00:00 GMT"), Some(Timestamp::from_parts(1_709_164_800, 0)));
        assert_eq!(parse(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(Timestamp(0)));
        for text in ["", "0", "never", "Sun, 06 Nov 1994", "32 Jan 2020 00:00:00", "01 Jan 2020 25:00:00"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&text);
        }

        #[test]
        fn agrees_with_the_calendar(seconds in -11_000_000_000_i64..250_000_000_000) {
            let zoned = jiff::Timestamp::from_second(seconds).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let text = zoned.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            prop_assert_eq!(parse(text.as_bytes()), Some(Timestamp::from_parts(seconds, 0)));
        }
    }
}
