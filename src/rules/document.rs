//! How is a YAML document read so that every mistake in it is told? Again and again, each time without
//! the parts in which one was found.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Mistakes told of one document: each costs reading it once more.
const MOST: usize = 50;

/// What is wrong, and where.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl From<serde_yaml::Error> for Mistake {
    fn from(error: serde_yaml::Error) -> Self {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let message = error.to_string().replace(&format!(" at line {line} column {column}"), "");
        Self { line, column, message }
    }
}

/// Parts that are passed over, by the path of keys and places that leads there: `outputs[1].name`.
pub type Spared = BTreeSet<String>;

/// Reads `text` by `read` until there is no mistake left but in the parts that are `spared`, which grow
/// by those in which one was found. Gives what was read, unless nothing can be, and the mistakes.
pub fn read<T>(
    text: &str,
    spared: &mut Spared,
    read: impl Fn(Sparing<'_, serde_yaml::Deserializer<'_>>) -> Result<T, serde_yaml::Error>,
) -> (Option<T>, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    loop {
        let failed = RefCell::new(None);
        let place = Place { path: String::new(), spared, failed: &failed };
        let error = match read(Sparing { inner: serde_yaml::Deserializer::from_str(text), place }) {
            Ok(read) => return (Some(read), mistakes),
            Err(error) => error,
        };
        let mistake = Mistake::from(error);
        let part = failed.into_inner();
        // A text that is no YAML fails in the same place whatever is passed over.
        let again = mistakes.contains(&mistake);
        // What a part lacks since something in it was passed over is no mistake of its own.
        let follows = part.as_ref().is_some_and(|part| spared.iter().any(|known| is_within(known, part)));
        if !again && !follows {
            mistakes.push(mistake);
        }
        let goes_on = !again && mistakes.len() < MOST && part.is_some_and(|part| spared.insert(part));
        if !goes_on {
            return (None, mistakes);
        }
    }
}

/// Whether the path `inner` leads on from `outer`: `memory.x` does from `memory`, and `memoryx` does not.
fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a document says nothing at all.
#[must_use]
pub fn is_empty(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

/// Lines and columns, from 1, where `word` stands as a whole word.
pub fn places<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = (usize, usize)> + 't {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let whole = move |line: &str, at: usize| {
        let before = line.get(..at).and_then(|rest| rest.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|rest| rest.chars().next());
        !before.is_some_and(inner) && !after.is_some_and(inner)
    };
    text.lines().enumerate().flat_map(move |(n, line)| {
        let found = line.match_indices(word).map(|(at, _)| at).filter(move |at| whole(line, *at));
        found.map(move |at| (n + 1, at + 1))
    })
}

/// Where in the document something is, and what is to be passed over in it.
#[derive(Clone)]
struct Place<'s> {
    path: String,
    spared: &'s Spared,
    /// The innermost part that failed.
    failed: &'s RefCell<Option<String>>,
}

impl Place<'_> {
    fn key(&self, key: &str) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { path, ..self.clone() }
    }

    fn entry(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), ..self.clone() }
    }

    fn is_spared(&self) -> bool {
        self.spared.contains(&self.path)
    }

    /// Notes the part in which reading failed first.
    fn noting<T, E>(&self, result: Result<T, E>) -> Result<T, E> {
        result.inspect_err(|_| {
            self.failed.borrow_mut().get_or_insert_with(|| self.path.clone());
        })
    }
}

/// A deserializer that passes over some parts. Also what reads a value with it, and what it shows of one.
pub struct Sparing<'s, T> {
    inner: T,
    place: Place<'s>,
}

impl<'s, T> Sparing<'s, T> {
    fn around<U>(&self, inner: U) -> Sparing<'s, U> {
        Sparing { inner, place: self.place.clone() }
    }
}

macro_rules! deserialize {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.around(visitor);
            self.inner.$method(visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Sparing<'_, D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_option deserialize_unit deserialize_seq deserialize_map deserialize_identifier
        deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_tuple_struct(name, len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_enum(name, variants, visitor)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Sparing<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<S::Value, D::Error> {
        let value = self.around(value);
        self.inner.deserialize(value)
    }
}

macro_rules! visit {
    ($($method:ident: $value:ty),*) => {
        $(fn $method<E: Error>(self, value: $value) -> Result<V::Value, E> {
            self.inner.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Sparing<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64,
        visit_str: &str, visit_borrowed_str: &'de str, visit_string: String
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.around(value);
        self.inner.visit_some(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.around(value);
        self.inner.visit_newtype_struct(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = Parts { inner: entries, place: self.place, key: None, index: 0 };
        self.inner.visit_seq(entries)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let map = Parts { inner: map, place: self.place, key: None, index: 0 };
        self.inner.visit_map(map)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(tagged)
    }
}

/// The entries of a list or of a map, without those that are passed over.
struct Parts<'s, A> {
    inner: A,
    place: Place<'s>,
    /// The key whose value comes next, in a map.
    key: Option<String>,
    /// The place of the next entry, in a list.
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Parts<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        loop {
            let place = self.place.entry(self.index);
            self.index += 1;
            if !place.is_spared() {
                let entry = self.inner.next_element_seed(Sparing { inner: seed, place: place.clone() });
                return place.noting(entry);
            }
            if self.inner.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Parts<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let mut seed = Some(seed);
        loop {
            let key = Key { seed: &mut seed, place: &self.place, read: &mut self.key };
            match self.inner.next_key_seed(key)? {
                Some(Some(key)) => return Ok(Some(key)),
                Some(None) => {
                    self.inner.next_value::<IgnoredAny>()?;
                }
                None => return Ok(None),
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let place = self.place.key(self.key.as_deref().unwrap_or_default());
        let value = self.inner.next_value_seed(Sparing { inner: seed, place: place.clone() });
        place.noting(value)
    }
}

/// Reads one key; none when its value is to be passed over.
struct Key<'k, 's, S> {
    seed: &'k mut Option<S>,
    place: &'k Place<'s>,
    read: &'k mut Option<String>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, '_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Key<'_, '_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let place = self.place.key(key);
        if place.is_spared() {
            return Ok(None);
        }
        *self.read = Some(key.to_owned());
        self.seed.take().map(|seed| place.noting(seed.deserialize(StrDeserializer::new(key)))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        name: String,
        size: Option<u8>,
    }

    #[derive(Deserialize, Debug, Default, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Whole {
        entries: Vec<Entry>,
        weights: BTreeMap<String, u8>,
        last: bool,
    }

    fn whole(text: &str) -> (Option<Whole>, Vec<String>) {
        let (read, mistakes) = read(text, &mut Spared::new(), |yaml| Whole::deserialize(yaml));
        let said = |Mistake { line, column, message }: Mistake| format!("{line}:{column} {message}");
        (read, mistakes.into_iter().map(said).collect())
    }

    #[test]
    fn a_document_without_a_mistake_is_read_as_it_is() {
        let text = "entries: [{name: a, size: 3}, {name: '7'}]\nweights: {x: 1}\nlast: true\n";
        let (read, mistakes) = whole(text);
        assert_eq!((read.unwrap(), mistakes.len()), (serde_yaml::from_str(text).unwrap(), 0));
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let text = "entries:\n  - {name: a, sise: 3}\n  - {name: b, size: 300}\n  - {size: 1}\n  - {name: c}\n\
                    weights: {x: much, y: 2, z: -1}\nother: 1\nlast: true\n";
        let (read, mistakes) = whole(text);
        for (said, expected) in mistakes.iter().zip([
            "2:15 entries[0]: unknown field `sise`",
            "3:21 entries[1].size: invalid value: integer `300`",
            "4:5 entries[2]: missing field `name`",
            "6:14 weights.x: invalid type: string \"much\"",
            "6:29 weights.z: invalid type: integer `-1`",
            "7:1 unknown field `other`",
        ]) {
            assert!(said.starts_with(expected), "{said}: {expected}");
        }
        assert_eq!(mistakes.len(), 6, "{mistakes:?}");
        let left = read.unwrap();
        assert_eq!((left.entries.len(), left.weights.len(), left.last), (3, 1, true), "{left:?}");
    }

    #[test]
    fn a_part_whose_name_begins_as_another_is_a_part_of_its_own() {
        let (_, mistakes) = whole("lasting: 1\nlast: much\nweights: {xy: a, x: b}\n");
        let parts: Vec<_> = mistakes.iter().map(|said| said.split(':').next().unwrap()).collect();
        assert_eq!((parts.as_slice(), mistakes.len()), (["1", "2", "3", "3"].as_slice(), 4), "{mistakes:?}");
    }

    #[test]
    fn a_mistake_is_told_once() {
        let (_, mistakes) = whole("entries:\n  - {nam: a}\n");
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let (read, mistakes) = whole("entries: [\n");
        assert!(read.is_none() && mistakes.len() == 1, "{mistakes:?}");
        let many: String = (0..1000).map(|n| format!("wrong{n}: 1\n")).collect();
        assert_eq!(whole(&many).1.len(), MOST);
    }
}
