//! How do entries become rules? Checked, overridden by id, and compiled.

use std::collections::HashSet;

use super::error::{RuleError, nearest};
use super::file::{AgentEntry, DetectorEntry, Document, LoginEntry, PlaceEntry, TokenEntry};
use super::{Entry, RuleSet};
use crate::detect::{CATALOGUE, Classes, DetectorInfo, DetectorSettings, Settings, SignalName, Thresholds, Weights};
use crate::identity::user_agent::{AgentRule, AgentRules};
use crate::token::login::{LoginRule, LoginRules};
use crate::token::names::{Hosts, Place, TokenNames, TokenRule};
use crate::token::pattern::Pattern;

/// Rules as they are gathered, file by file.
#[derive(Default)]
pub(super) struct Compiler {
    tokens: Vec<TokenRule>,
    logins: Vec<LoginRule>,
    agents: Vec<AgentRule>,
    detectors: Vec<(usize, DetectorSettings)>,
    weights: Weights,
    entries: Vec<Entry>,
}

impl Compiler {
    /// Adds a file; its entries take the place of those of the same id in earlier files. A detector
    /// keeps what its new entry does not say. Gives the entries' mistakes.
    pub(super) fn add(&mut self, file: &str, text: &str, layer: u16, document: Document) -> Vec<RuleError> {
        let sources = Sources::new(file, text);
        let mut errors = twice(file, text, &document);
        let mut wrong = |word: &str, message: String| errors.push(RuleError::about(file, text, word, message));
        for (index, entry) in document.tokens.into_iter().enumerate() {
            let id = entry.token.clone();
            match token(entry, layer) {
                Ok(rule) => {
                    self.tokens.retain(|known| known.id != rule.id);
                    self.tokens.push(rule);
                    self.note(sources.entry("token", id, "tokens", index));
                }
                Err(message) => wrong(&id, message),
            }
        }
        for (index, entry) in document.login.into_iter().enumerate() {
            let id = if entry.hosts.is_empty() { "*".to_owned() } else { entry.hosts.join(",") };
            self.logins.push(login(entry));
            self.entries.push(sources.entry("login", id, "login", index));
        }
        for (index, entry) in document.agents.into_iter().enumerate() {
            let id = entry.agent.clone();
            self.agents.retain(|known| *known.name != *id);
            self.agents.push(agent(entry));
            self.note(sources.entry("agent", id, "agents", index));
        }
        for (index, entry) in document.detectors.into_iter().enumerate() {
            let name = entry.detector.clone();
            let known = |position| self.detectors.iter().find(|(p, _)| *p == position).map(|(_, settings)| settings);
            match detector(entry, known) {
                Ok((position, settings)) => {
                    self.detectors.retain(|(known, _)| *known != position);
                    self.detectors.push((position, settings));
                    self.note(sources.entry("detector", name, "detectors", index));
                }
                Err(message) => wrong(&name, message),
            }
        }
        for (name, points) in document.weights {
            match SignalName::ALL.into_iter().find(|signal| signal.as_str() == name) {
                None => wrong(&name, unknown("signal", &name, SignalName::ALL.map(SignalName::as_str))),
                Some(_) if points > 100 => wrong(&name, format!("{name} weighs {points}, expected 0 to 100")),
                Some(signal) => {
                    self.weights.set(signal, points);
                    let text = format!("{name}: {points}\n");
                    self.note(Entry { kind: "weight", id: name, source: file.to_owned(), text, instead_of: None });
                }
            }
        }
        errors
    }

    fn note(&mut self, mut entry: Entry) {
        if let Some(at) = self.entries.iter().position(|known| (known.kind, &known.id) == (entry.kind, &entry.id)) {
            let earlier = self.entries.remove(at);
            if entry.kind == "detector" {
                entry.text = overlaid(&earlier.text, &entry.text);
            }
            entry.instead_of = Some(earlier.source);
        }
        self.entries.push(entry);
    }

    /// All rules, compiled. A detector without an entry does not run.
    pub(super) fn finish(self) -> RuleSet {
        let off = DetectorSettings {
            enabled: false,
            classes: Classes::default(),
            severity: crate::detect::SeverityRule::Score,
            graver_classes: Classes::default(),
            tags: std::sync::Arc::from([]),
            thresholds: Thresholds::default(),
        };
        let mut detectors = vec![off; CATALOGUE.len()];
        for (position, settings) in self.detectors {
            if let Some(slot) = detectors.get_mut(position) {
                *slot = settings;
            }
        }
        RuleSet {
            tokens: TokenNames::new(self.tokens),
            logins: LoginRules::new(self.logins),
            agents: AgentRules::new(self.agents),
            detectors: Settings { detectors, weights: self.weights },
            entries: self.entries,
            warnings: Vec::new(),
        }
    }
}

/// Rules that one file says more than once.
fn twice(file: &str, text: &str, document: &Document) -> Vec<RuleError> {
    let tokens = document.tokens.iter().map(|entry| ("token", entry.token.as_str()));
    let agents = document.agents.iter().map(|entry| ("agent", entry.agent.as_str()));
    let detectors = document.detectors.iter().map(|entry| ("detector", entry.detector.as_str()));
    let (mut once, mut again) = (HashSet::new(), HashSet::new());
    let repeated = tokens.chain(agents).chain(detectors).filter(|rule| !once.insert(*rule) && again.insert(*rule));
    repeated.map(|(kind, id)| RuleError::twice(file, text, kind, id)).collect()
}

/// The YAML of a file's entries, for people to read.
struct Sources<'f> {
    file: &'f str,
    document: serde_yaml::Value,
}

impl<'f> Sources<'f> {
    fn new(file: &'f str, text: &str) -> Self {
        Self { file, document: serde_yaml::from_str(text).unwrap_or(serde_yaml::Value::Null) }
    }

    fn entry(&self, kind: &'static str, id: String, list: &str, index: usize) -> Entry {
        let text = self.document.get(list).and_then(|l| l.get(index)).and_then(|e| serde_yaml::to_string(e).ok());
        Entry { kind, id, source: self.file.to_owned(), text: text.unwrap_or_default(), instead_of: None }
    }
}

/// What holds once `later` has changed what it says of `earlier`: keys of the one over those of the
/// other, thresholds one by one.
fn overlaid(earlier: &str, later: &str) -> String {
    let keys = |text| serde_yaml::from_str::<serde_yaml::Mapping>(text).unwrap_or_default();
    let mut whole = keys(earlier);
    for (key, value) in keys(later) {
        match (whole.get_mut(&key), value) {
            (Some(serde_yaml::Value::Mapping(known)), serde_yaml::Value::Mapping(new)) if key == "thresholds" => {
                known.extend(new);
            }
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
    serde_yaml::to_string(&whole).unwrap_or_else(|_| later.to_owned())
}

fn unknown<'c>(what: &str, word: &str, known: impl IntoIterator<Item = &'c str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    let near = nearest(word, known.iter().copied());
    let hint = near.map_or_else(|| format!("expected one of {}", known.join(", ")), |n| format!("did you mean `{n}`?"));
    format!("unknown {what} `{word}`; {hint}")
}

fn token(entry: TokenEntry, layer: u16) -> Result<TokenRule, String> {
    if entry.places.is_empty() {
        return Err(format!("{} has an empty `where`, expected at least one place", entry.token));
    }
    Ok(TokenRule {
        places: entry.places.into_iter().map(|p| place(&entry.token, p)).collect::<Result<_, _>>()?,
        id: entry.token.into(),
        class: entry.class.into(),
        hosts: Hosts::from_words(&entry.hosts),
        min_length: entry.min_length,
        chunked: entry.chunked,
        except: entry.except.iter().map(|e| Pattern::parse(e)).collect(),
        until: entry.until.into_bytes().into_boxed_slice(),
        layer,
    })
}

fn place(id: &str, place: PlaceEntry) -> Result<Place, String> {
    let pattern = |text: String| Pattern::parse(&text);
    if place.scheme.is_some() && place.header.is_none() {
        return Err(format!("{id}: `scheme` goes with `header`"));
    }
    let letter = |text: String| match text.as_bytes() {
        [b'(', letter, b'(', b')', b')'] if letter.is_ascii_alphabetic() => Ok(Place::Path(*letter)),
        _ => Err(format!("{id}: path is `{text}`, expected a segment such as `(S())`")),
    };
    let header =
        |name: String| Ok(Place::Header { name: name.into(), scheme: place.scheme.map(String::into_boxed_str) });
    let mut named = [
        place.cookie.map(|name| Ok(Place::Cookie(pattern(name)))),
        place.cookies.map(|names| Ok(Place::Cookies(names.into_iter().map(pattern).collect()))),
        place.header.map(header),
        place.query.map(|name| Ok(Place::Query(pattern(name)))),
        place.matrix.map(|name| Ok(Place::Matrix(pattern(name)))),
        place.path.map(letter),
        place.form.map(|name| Ok(Place::Form(pattern(name)))),
        place.json.map(|name| Ok(Place::Json(name.into()))),
    ]
    .into_iter()
    .flatten();
    match (named.next(), named.next()) {
        (Some(place), None) => place,
        _ => {
            Err(format!("{id}: a place names exactly one of cookie, cookies, header, query, matrix, path, form, json"))
        }
    }
}

fn login(entry: LoginEntry) -> LoginRule {
    let patterns = |words: &[String]| words.iter().map(|w| Pattern::parse(w)).collect();
    LoginRule {
        hosts: Hosts::from_words(&entry.hosts),
        paths: patterns(&entry.paths),
        logout_paths: patterns(&entry.logout_paths),
    }
}

fn agent(entry: AgentEntry) -> AgentRule {
    let texts = |words: Vec<String>| words.into_iter().map(String::into_boxed_str).collect();
    AgentRule {
        name: entry.agent.into(),
        kind: entry.kind,
        products: texts(entry.products),
        contains: texts(entry.contains),
    }
}

/// Attacks on the path need no token, so their rules name no class.
fn of_the_path(info: &DetectorInfo) -> Option<Classes> {
    info.id.starts_with("TT-4").then(Classes::default)
}

/// The detector's place in the catalogue, and its settings; `known` gives those of an earlier entry.
fn detector<'k>(
    entry: DetectorEntry,
    known: impl Fn(usize) -> Option<&'k DetectorSettings>,
) -> Result<(usize, DetectorSettings), String> {
    let position = CATALOGUE.iter().position(|info| info.name == entry.detector);
    let (Some(position), Some(info)) = (position, position.and_then(|p| CATALOGUE.get(p))) else {
        return Err(unknown("detector", &entry.detector, CATALOGUE.iter().map(|info| info.name)));
    };
    if let Some(id) = entry.id.filter(|id| id != info.id) {
        return Err(format!("{} has the id `{id}`, expected {}", entry.detector, info.id));
    }
    let known = known(position);
    let missing = |key: &str| format!("{} has no `{key}` and overrides no earlier entry", entry.detector);
    let classes = entry.tokens.map(|choice| choice.class.into_iter().collect());
    let severity = entry.severity.map(Into::into);
    let graver_classes = entry.graver.map(|choice| choice.class.into_iter().collect());
    let tags = entry.tags.map(|tags| tags.into_iter().map(String::into_boxed_str).collect());
    let mut thresholds = known.map(|k| k.thresholds.clone()).unwrap_or_default();
    for (name, value) in &entry.thresholds {
        if !thresholds.set(info, name, *value) {
            return Err(unknown("threshold", name, info.thresholds.iter().map(|(name, _)| *name)));
        }
    }
    let settings = DetectorSettings {
        enabled: entry.enabled.or(known.map(|k| k.enabled)).unwrap_or(true),
        classes: classes.or(known.map(|k| k.classes)).or_else(|| of_the_path(info)).ok_or_else(|| missing("tokens"))?,
        severity: severity.or(known.map(|k| k.severity)).ok_or_else(|| missing("severity"))?,
        graver_classes: graver_classes.or(known.map(|k| k.graver_classes)).unwrap_or_default(),
        tags: tags.or(known.map(|k| k.tags.clone())).unwrap_or_default(),
        thresholds,
    };
    Ok((position, settings))
}
