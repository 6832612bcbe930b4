//! What do the rules say of a name? Compiled for a lookup by carrier, name and host.

use std::sync::Arc;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::chunks::{ChunkName, chunk_of};
use super::{Hosts, Named, Part, Place, TokenRule, Verdict};
use crate::token::pattern::Pattern;
use crate::token::shapes::Shapes;
use crate::token::sighting::TokenClass;

/// Longer names are never looked up: no rule has such a one.
const NAME_LIMIT: usize = 256;

/// One name of one rule.
#[derive(Clone, Debug)]
struct Entry {
    /// Index in [`TokenNames::rules`].
    rule: u32,
    part: Part,
    spelling: Option<Arc<str>>,
}

type Map = std::collections::HashMap<Box<[u8]>, Vec<Entry>, FixedState>;

/// The names of one carrier: exact, without regard to case, and wildcards by their first byte.
#[derive(Clone, Debug, Default)]
struct Table {
    exact: Map,
    folded: Map,
    /// Of the exact names.
    shapes: Shapes,
    /// Wildcards that begin with a fixed character, in lower case; the last list holds the others.
    wild: Vec<Vec<(Pattern, Entry)>>,
}

/// All rules, compiled.
#[derive(Clone, Debug, Default)]
pub struct TokenNames {
    rules: Vec<TokenRule>,
    cookies: Table,
    parameters: Table,
    matrix: Table,
    forms: Table,
    json: Table,
    headers: Map,
    header_shapes: Shapes,
    paths: Vec<(u8, Entry)>,
}

/// Which carrier's names are asked.
#[derive(Clone, Copy)]
enum Source {
    Cookie,
    Query,
    Matrix,
    Form,
    Json,
}

impl TokenNames {
    /// Compiles rules. On one name the later file wins, then exclusions, then rules for
    /// particular hosts, then the order given.
    #[must_use]
    pub fn new(mut rules: Vec<TokenRule>) -> Self {
        rules.sort_by_key(|r| (std::cmp::Reverse(r.layer), r.class.is_some(), r.hosts == Hosts::Any));
        let mut names = Self::default();
        for (index, rule) in (0_u32..).zip(&rules) {
            for place in &rule.places {
                names.add(index, place);
            }
        }
        names.rules = rules;
        names
    }

    fn add(&mut self, rule: u32, place: &Place) {
        let entry = |part, spelling: Option<&str>| Entry { rule, part, spelling: spelling.map(Arc::from) };
        match place {
            Place::Cookie(name) => self.cookies.add(name, entry(Part::Whole, name.as_exact())),
            Place::Cookies(list) => {
                let of = u8::try_from(list.len()).unwrap_or(u8::MAX);
                for (index, name) in (0..of).zip(list) {
                    self.cookies.add(name, entry(Part::Pair { index, of }, name.as_exact()));
                }
            }
            Place::Query(name) => self.parameters.add(name, entry(Part::Whole, name.as_exact())),
            Place::Matrix(name) => self.matrix.add(name, entry(Part::Whole, name.as_exact())),
            Place::Path(letter) => {
                let shown = format!("({}())", char::from(*letter));
                self.paths.push((*letter, entry(Part::Whole, Some(&shown))));
            }
            Place::Header { name, scheme } => {
                let spelling = Some(&**name);
                self.header_shapes.add(name.as_bytes());
                let key = header_key(name.as_bytes(), scheme.as_deref().unwrap_or("").as_bytes());
                self.headers.entry(key.as_slice().into()).or_default().push(entry(Part::Whole, spelling));
            }
            Place::Form(name) => self.forms.add(name, entry(Part::Whole, name.as_exact())),
            Place::Json(name) => self.json.add(&Pattern::parse(name), entry(Part::Whole, Some(name))),
        }
    }

    /// The rules, those of the last file first.
    #[must_use]
    pub fn rules(&self) -> &[TokenRule] {
        &self.rules
    }

    /// What the rules say of a cookie name on a host (lower case, no port).
    #[must_use]
    pub fn cookie(&self, name: &[u8], host: &str) -> Verdict<'_> {
        self.look_up(Source::Cookie, name, host)
    }

    /// What the rules say of a query parameter.
    #[must_use]
    pub fn query(&self, name: &[u8], host: &str) -> Verdict<'_> {
        self.look_up(Source::Query, name, host)
    }

    /// What the rules say of a matrix parameter.
    #[must_use]
    pub fn matrix(&self, name: &[u8], host: &str) -> Verdict<'_> {
        self.look_up(Source::Matrix, name, host)
    }

    /// What the rules say of a field of a form.
    #[must_use]
    pub fn form(&self, name: &[u8], host: &str) -> Verdict<'_> {
        self.look_up(Source::Form, name, host)
    }

    /// What the rules say of a member of a JSON reply of a token endpoint.
    #[must_use]
    pub fn json(&self, name: &[u8], host: &str) -> Verdict<'_> {
        self.look_up(Source::Json, name, host)
    }

    /// What the rules say of a cookieless path segment `(X(…))`, by its letter.
    #[must_use]
    pub fn path(&self, letter: u8, host: &str) -> Verdict<'_> {
        let entries = self.paths.iter().filter(|(l, _)| l.eq_ignore_ascii_case(&letter)).map(|(_, e)| e);
        self.pick(entries, host).unwrap_or(Verdict::Unnamed)
    }

    /// Whether any rule reads a header field of this name: a test of two instructions, true for
    /// few other names.
    #[must_use]
    pub fn may_name_header(&self, name: &[u8]) -> bool {
        self.header_shapes.may_fit(name)
    }

    /// What the rules say of a header field, with the scheme of its value ("" for none).
    #[must_use]
    pub fn header(&self, name: &[u8], scheme: &[u8], host: &str) -> Verdict<'_> {
        if name.len() + scheme.len() > NAME_LIMIT {
            return Verdict::Unnamed;
        }
        let entries = self.headers.get(header_key(name, scheme).as_slice());
        entries.and_then(|e| self.pick(e, host)).unwrap_or(Verdict::Unnamed)
    }

    fn look_up(&self, source: Source, name: &[u8], host: &str) -> Verdict<'_> {
        if name.is_empty() || name.len() > NAME_LIMIT {
            return Verdict::Unnamed;
        }
        let lower: SmallVec<[u8; 32]> = name.iter().map(u8::to_ascii_lowercase).collect();

        let own = match source {
            Source::Cookie => &self.cookies,
            Source::Query => &self.parameters,
            Source::Matrix => &self.matrix,
            Source::Form => &self.forms,
            Source::Json => &self.json,
        };
        if let Some(verdict) = self.in_table(own, name, &lower, host) {
            return verdict;
        }
        if matches!(source, Source::Cookie | Source::Json) || !self.cookies.shapes.may_fit(name) {
            return Verdict::Unnamed;
        }
        // A session name means the same token in any carrier, exclusions of cookies do not.
        let found = [(&self.cookies.exact, name), (&self.cookies.folded, &lower)]
            .into_iter()
            .find_map(|(map, key)| self.pick(map.get(key)?, host));
        match found {
            Some(Verdict::Token(named)) if named.rule.class == Some(TokenClass::Session) => Verdict::Token(named),
            _ => Verdict::Unnamed,
        }
    }

    fn in_table<'s>(&'s self, table: &'s Table, name: &[u8], lower: &[u8], host: &str) -> Option<Verdict<'s>> {
        let exact = |name: &[u8], lower: &[u8]| {
            if !table.shapes.may_fit(name) {
                return None;
            }
            let first = table.exact.get(name).and_then(|e| self.pick(e, host));
            first.or_else(|| table.folded.get(lower).and_then(|e| self.pick(e, host)))
        };
        if let Some(verdict) = exact(name, lower) {
            return Some(verdict);
        }
        if let Some(ChunkName { base, order, .. }) = chunk_of(name) {
            let (name, lower) = (name.get(..base)?, lower.get(..base)?);
            if let Some(named) =
                chunk(exact(name, lower), order).or_else(|| chunk(self.wild(table, name, lower, host), order))
            {
                return Some(Verdict::Token(named));
            }
        }
        self.wild(table, name, lower, host)
    }

    fn wild<'s>(&'s self, table: &'s Table, name: &[u8], lower: &[u8], host: &str) -> Option<Verdict<'s>> {
        let first = lower.first().copied().unwrap_or_default();
        let candidates = || {
            let by_first = table.wild.get(usize::from(first)).into_iter().flatten();
            by_first.chain(table.wild.get(256).into_iter().flatten())
        };
        let fitting = |fits: fn(&Pattern, &[u8]) -> bool| {
            let best = candidates().filter(|(p, _)| fits(p, name)).map(|(_, e)| e);
            // Two lists were chained, so their order is settled again.
            best.filter(|e| self.holds(e, host)).min_by_key(|e| e.rule)
        };
        let entry = fitting(Pattern::fits).or_else(|| fitting(Pattern::fits_without_case))?;
        self.pick([entry], host)
    }

    fn holds(&self, entry: &Entry, host: &str) -> bool {
        self.rules.get(entry.rule as usize).is_some_and(|rule| rule.hosts.include(host))
    }

    /// The first entry that holds on this host; entries stand in the order of precedence.
    fn pick<'s>(&'s self, entries: impl IntoIterator<Item = &'s Entry>, host: &str) -> Option<Verdict<'s>> {
        entries.into_iter().find(|e| self.holds(e, host)).and_then(|entry| {
            let rule = self.rules.get(entry.rule as usize)?;
            Some(match rule.class {
                None => Verdict::Excluded,
                Some(_) => Verdict::Token(Named { rule, part: entry.part, spelling: entry.spelling.as_ref() }),
            })
        })
    }
}

impl Table {
    fn add(&mut self, name: &Pattern, entry: Entry) {
        if let Some(exact) = name.as_exact() {
            self.shapes.add(exact.as_bytes());
            self.exact.entry(exact.as_bytes().into()).or_default().push(entry.clone());
            self.folded.entry(exact.to_ascii_lowercase().into_bytes().into()).or_default().push(entry);
            return;
        }
        self.wild.resize(257, Vec::new());
        let list = name.first_byte().map_or(256, |b| usize::from(b.to_ascii_lowercase()));
        if let Some(list) = self.wild.get_mut(list) {
            list.push((name.clone(), entry));
        }
    }
}

fn chunk(verdict: Option<Verdict<'_>>, order: u8) -> Option<Named<'_>> {
    match verdict {
        Some(Verdict::Token(named)) if named.rule.chunked => Some(Named { part: Part::Chunk(order), ..named }),
        _ => None,
    }
}

/// Name and scheme in lower case, with a separator that neither can hold.
fn header_key(name: &[u8], scheme: &[u8]) -> SmallVec<[u8; 64]> {
    let whole = name.iter().chain(b"\n").chain(scheme);
    whole.map(u8::to_ascii_lowercase).collect()
}
