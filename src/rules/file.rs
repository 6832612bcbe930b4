//! What does a rule file look like? Its form, entry by entry, as people write it.

use serde::Deserialize;

use super::document::{self, Spared};
use super::error::RuleError;
use crate::detect::Severity;
use crate::identity::user_agent::Kind;
use crate::token::TokenClass;

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "keys with their values, such as `tokens:`")]
pub(super) struct Document {
    pub(super) schema: Option<u32>,
    pub(super) tokens: Vec<TokenEntry>,
    pub(super) login: Vec<LoginEntry>,
    pub(super) agents: Vec<AgentEntry>,
    pub(super) detectors: Vec<DetectorEntry>,
    #[serde(deserialize_with = "weights")]
    pub(super) weights: Vec<(String, u8)>,
    exceptions: Option<Later>,
    tests: Option<Later>,
}

/// Signals and their points; a name that comes twice is a mistake.
fn weights<'de, D: serde::Deserializer<'de>>(map: D) -> Result<Vec<(String, u8)>, D::Error> {
    struct Weights;
    impl<'de> serde::de::Visitor<'de> for Weights {
        type Value = Vec<(String, u8)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("signals with their points, such as `network: 20`")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all: Self::Value = Vec::new();
            while let Some((name, points)) = map.next_entry::<String, u8>()? {
                if all.iter().any(|(known, _)| *known == name) {
                    return Err(serde::de::Error::custom(format_args!("duplicate signal `{name}`")));
                }
                all.push((name, points));
            }
            Ok(all)
        }
    }
    map.deserialize_map(Weights)
}

/// A part whose form is settled and which this version does not have.
#[derive(Debug)]
struct Later;

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: serde::Deserializer<'de>>(part: D) -> Result<Self, D::Error> {
        struct Refusing;
        impl serde::de::Visitor<'_> for Refusing {
            type Value = Later;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("nothing: this key is not available in this version")
            }
        }
        part.deserialize_any(Refusing)
    }
}

/// One token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenEntry {
    pub(super) token: String,
    #[serde(rename = "where")]
    pub(super) places: Vec<PlaceEntry>,
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    pub(super) class: ClassEntry,
    #[serde(default = "min_length")]
    pub(super) min_length: usize,
    #[serde(default)]
    pub(super) chunked: bool,
    #[serde(default)]
    pub(super) except: Vec<String>,
    #[serde(default)]
    pub(super) until: String,
}

const fn min_length() -> usize {
    8
}

/// A class of tokens, or none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClassEntry {
    Session,
    Remember,
    Idp,
    Edge,
    Bearer,
    Api,
    Basic,
    Ticket,
    Ignore,
}

impl From<ClassEntry> for Option<TokenClass> {
    fn from(class: ClassEntry) -> Self {
        Some(match class {
            ClassEntry::Session => TokenClass::Session,
            ClassEntry::Remember => TokenClass::Remember,
            ClassEntry::Idp => TokenClass::Idp,
            ClassEntry::Edge => TokenClass::Edge,
            ClassEntry::Bearer => TokenClass::Bearer,
            ClassEntry::Api => TokenClass::Api,
            ClassEntry::Basic => TokenClass::Basic,
            ClassEntry::Ticket => TokenClass::Ticket,
            ClassEntry::Ignore => return None,
        })
    }
}

/// One place: exactly one carrier is named, `scheme` only with `header`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PlaceEntry {
    pub(super) cookie: Option<String>,
    pub(super) cookies: Option<Vec<String>>,
    pub(super) header: Option<String>,
    pub(super) scheme: Option<String>,
    pub(super) query: Option<String>,
    pub(super) matrix: Option<String>,
    pub(super) path: Option<String>,
    pub(super) form: Option<String>,
    pub(super) json: Option<String>,
}

/// Login and logout of some hosts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginEntry {
    #[serde(default)]
    pub(super) hosts: Vec<String>,
    #[serde(default)]
    pub(super) paths: Vec<String>,
    #[serde(default)]
    pub(super) logout_paths: Vec<String>,
    #[serde(default, rename = "mfa_paths")]
    _mfa_paths: Option<Later>,
    #[serde(default, rename = "user_field")]
    _user_field: Option<Later>,
}

/// One program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentEntry {
    pub(super) agent: String,
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) products: Vec<String>,
    #[serde(default)]
    pub(super) contains: Vec<String>,
}

/// One detector; what it does not say is as in an earlier entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DetectorEntry {
    pub(super) detector: String,
    pub(super) id: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) tokens: Option<ClassesEntry>,
    pub(super) graver: Option<ClassesEntry>,
    pub(super) severity: Option<SeverityEntry>,
    pub(super) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) thresholds: std::collections::BTreeMap<String, u32>,
}

/// A choice of token classes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClassesEntry {
    pub(super) class: Vec<TokenClass>,
}

/// `score`, or a fixed severity.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SeverityEntry {
    Score,
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityEntry> for crate::detect::SeverityRule {
    fn from(severity: SeverityEntry) -> Self {
        Self::Fixed(match severity {
            SeverityEntry::Score => return Self::Score,
            SeverityEntry::Informational => Severity::Informational,
            SeverityEntry::Low => Severity::Low,
            SeverityEntry::Medium => Severity::Medium,
            SeverityEntry::High => Severity::High,
            SeverityEntry::Critical => Severity::Critical,
        })
    }
}

/// Reads a file's text as far as it can be: what is there but for the mistakes, and those.
pub(super) fn read(name: &str, text: &str) -> (Document, Vec<RuleError>) {
    if document::is_empty(text) {
        return (Document::default(), Vec::new());
    }
    let mut spared = Spared::new();
    let (_, mistakes) = document::read(text, &mut spared, |yaml| Document::deserialize(yaml));
    // What is left of an entry in which there is a mistake would only seem to have more.
    let mut spared = spared.iter().filter_map(|path| path.split_inclusive(']').next()).map(String::from).collect();
    let (read, _) = document::read(text, &mut spared, |yaml| Document::deserialize(yaml));
    let mut errors: Vec<_> = mistakes.into_iter().map(|mistake| RuleError::yaml(name, mistake)).collect();
    let read = read.unwrap_or_default();
    if let Some(other) = read.schema.filter(|schema| *schema != 1) {
        errors.push(RuleError::about(name, text, "schema", format!("schema is {other}, expected 1")));
    }
    (read, errors)
}
