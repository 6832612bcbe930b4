//! Which keys exist? One table; a key that is not in it is an error that names the nearest.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Keys that have an effect. `[]` is an entry of a list.
pub const KEYS: &[&str] = &[
    "capture",
    "capture.interfaces",
    "capture.interfaces[].name",
    "capture.interfaces[].ring",
    "capture.interfaces[].filter",
    "clients",
    "clients.trusted_proxies",
    "clients.headers",
    "clients.single_value_headers",
    "clients.proxy_protocol",
    "clients.fingerprint_headers",
    "clients.fingerprint_headers.ja4",
    "clients.egress_groups",
    "clients.egress_groups[].name",
    "clients.egress_groups[].networks",
    "clients.nat",
    "clients.nat[].inside",
    "clients.nat[].outside",
    "clients.cleartext_ok",
    "clients.cleartext_ok[].from",
    "clients.cleartext_ok[].to",
    "memory",
    "sessions",
    "sessions.idle_timeout",
    "sessions.absolute_timeout",
    "sessions.retention",
    "sessions.key_file",
    "flows",
    "flows.established_timeout",
    "flows.mid_message_timeout",
    "rules",
    "rules.builtin",
    "rules.paths",
    "outputs",
    "outputs[].name",
    "outputs[].path",
    "outputs[].format",
    "outputs[].min_severity",
    "web",
    "web.listen",
    "web.config_file",
];

/// Keys whose names are settled and which this version does not have. They are refused by name,
/// since a setting that is silently without effect is worse than none.
pub const LATER: &[&str] = &[
    "capture.interfaces[].fanout",
    "capture.listen",
    "capture.tunnel_ports",
    "capture.decapsulate",
    "tls",
    "privacy",
    "canaries",
    "response",
    "state_dir",
    "control_socket",
    "enrich",
    "outputs[].syslog",
    "outputs[].webhook",
    "outputs[].alertmanager",
    "outputs[].token_file",
    "web.enable_lifecycle",
    "process",
];

/// Walks a document and fails at the first key that is not in [`KEYS`], with its place. Types are
/// checked afterwards, and so is what comes after that key, by walking on without it.
pub fn check<'de, D: Deserializer<'de>>(document: D) -> Result<(), D::Error> {
    Walk { path: String::new() }.deserialize(document)
}

/// Walks one value; `path` is the key that leads to it.
struct Walk {
    path: String,
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Vec::new();
        while let Some(path) = map.next_key_seed(Key { parent: &self.path, seen: &seen })? {
            seen.push(path.clone());
            map.next_value_seed(Self { path })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let path = format!("{}[]", self.path);
        while entries.next_element_seed(Self { path: path.clone() })?.is_some() {}
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.deserialize(value)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let _: (IgnoredAny, _) = tagged.variant()?;
        Err(de::Error::custom("YAML tags (`!name`) have no meaning here"))
    }
}

/// Reads one key and answers its full path.
struct Key<'p> {
    parent: &'p str,
    /// Paths of the keys before it in the same map.
    seen: &'p [String],
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<String, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        let path = if self.parent.is_empty() { key.to_owned() } else { format!("{}.{key}", self.parent) };
        if self.seen.contains(&path) {
            Err(E::custom(format_args!("key `{key}` is given twice")))
        } else if KEYS.contains(&path.as_str()) {
            Ok(path)
        } else if LATER.contains(&path.as_str()) {
            Err(E::custom(format_args!("key `{key}` is not available in this version")))
        } else {
            Err(match nearest(&path) {
                Some(near) => E::custom(format_args!("unknown key `{key}`; the nearest known key is `{near}`")),
                None => E::custom(format_args!("unknown key `{path}`; `tokentrail schema config` has all")),
            })
        }
    }
}

/// The known key with the fewest edits between the last parts of the two; among equals the one with
/// the fewest edits in all. None when every key has other letters in more than half of its places.
fn nearest(path: &str) -> Option<&'static str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let meant = last(path);
    let distance = |key: &&str| (edits(&last(key), &meant), edits(key, path));
    let near = KEYS.iter().copied().min_by_key(distance)?;
    (2 * edits(&last(near), &meant) <= meant.chars().count()).then_some(near)
}

/// Levenshtein distance in characters.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut next = vec![i + 1];
        for ((to, diagonal), above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(from != *to)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("same", "same"), 0);
    }

    #[test]
    fn the_nearest_key_is_near() {
        assert_eq!(nearest("sessions.idle_timout"), Some("sessions.idle_timeout"));
        assert_eq!(nearest("memroy"), Some("memory"));
        assert_eq!(nearest("idle_timeout"), Some("sessions.idle_timeout"));
        assert_eq!(nearest("flows.retention"), Some("sessions.retention"));
        assert_eq!(nearest("nonsense"), None);
        assert_eq!(nearest("workers"), None);
    }
}
