//! How are sizes and durations written? With a unit: `256MiB`, `15m`.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A number of bytes: `4096`, `256MiB`, `1GB`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(pub u64);

/// A span of time: `500ms`, `2s`, `15m`, `1h`, `30d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

const SPAN_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

impl Size {
    /// Reads a size; `None` for anything but a whole number with one of the units above.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, SIZE_UNITS).map(Self)
    }
}

impl Span {
    /// Reads a span; `None` for anything but a whole number with one of the units above.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, SPAN_UNITS).map(|millis| Self(Duration::from_millis(millis)))
    }
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// A value that is read from one word of the file, with an error that names what was expected.
pub trait FromText: Sized {
    /// The value, or one line that says what is wrong.
    ///
    /// # Errors
    /// When `text` is no such value.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Its JSON Schema.
    fn schema() -> Schema;
}

/// A value as written in the file. Reads it where it stands, so that an error has its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written<T>(pub T);

impl<'de, T: FromText> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Word(PhantomData))
    }
}

struct Word<T>(PhantomData<T>);

impl<T: FromText> de::Visitor<'_> for Word<T> {
    type Value = Written<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one value")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Written<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Written<T>, E> {
        T::from_text(text).map(Written).map_err(E::custom)
    }
}

impl<T: FromText> JsonSchema for Written<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

impl FromText for Size {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("`{text}` is no size such as 256MiB"))
    }

    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?$"}
            ]
        })
    }
}

impl FromText for Span {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
            .ok_or_else(|| format!("`{text}` is no duration with its unit (ms, s, m, h, d, w) such as 15m"))
    }

    fn schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d|w)$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(Size::parse("256MiB"), Some(Size(256 << 20)));
        assert_eq!(Size::parse("1 GB"), Some(Size(1_000_000_000)));
        assert_eq!(Size::parse("4096"), Some(Size(4096)));
        for bad in ["", "MiB", "-1", "1.5GiB", "256 mib", "99999999999TiB"] {
            assert_eq!(Size::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn spans() {
        assert_eq!(Span::parse("15m"), Some(Span(Duration::from_secs(900))));
        assert_eq!(Span::parse("500ms"), Some(Span(Duration::from_millis(500))));
        for bad in ["15", "m", "-1s", "1 year", ""] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
    }
}
