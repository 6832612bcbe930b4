//! Which names mean a token? The rules, compiled for a lookup by carrier, name and host.

use std::sync::Arc;

use foldhash::fast::FixedState;

use super::pattern::Pattern;
use super::sighting::TokenClass;

/// Longer names are never looked up: no rule has such a one.
const NAME_LIMIT: usize = 256;

/// One rule: what a token is called, where it is looked for, what it opens.
#[derive(Clone, Debug)]
pub struct TokenRule {
    /// Token id: `php_session`.
    pub id: Arc<str>,
    /// Class; `None` for names that are never a token.
    pub class: Option<TokenClass>,
    /// Where it is looked for.
    pub places: Vec<Place>,
    /// On which hosts.
    pub hosts: Hosts,
    /// Shorter values (bytes) are not followed.
    pub min_length: usize,
    /// Large values are cut over `name.0`, `name.1` …: one token.
    pub chunked: bool,
    /// Values that are none.
    pub except: Vec<Pattern>,
    /// The value ends before the first of these bytes: what follows names a server.
    pub until: Box<[u8]>,
    /// Rules of a later file (higher number) go before those of an earlier one.
    pub layer: u16,
}

/// Where a rule looks for a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A cookie. One of a session is also recognised, in the same spelling, as a query, matrix or
    /// form parameter: servers that take it from there do so under the same name.
    Cookie(Pattern),
    /// Several cookies that make one token together, in this order.
    Cookies(Vec<Pattern>),
    /// A header field; with the authentication scheme, where the field begins with one.
    Header {
        /// Name of the field.
        name: Box<str>,
        /// Scheme: `Bearer`.
        scheme: Option<Box<str>>,
    },
    /// A query parameter.
    Query(Pattern),
    /// A matrix parameter of the path: `;jsessionid=…`.
    Matrix(Pattern),
    /// A cookieless path segment `/(S(…))/`, by its letter.
    Path(u8),
    /// A field of a form body.
    Form(Pattern),
    /// A member of a JSON reply of a token endpoint.
    Json(Box<str>),
}

/// On which hosts a rule holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Hosts {
    /// On all.
    #[default]
    Any,
    /// On these names and every name below them (lower case, without port).
    Below(Vec<Box<str>>),
}

impl Hosts {
    /// From the words of a rule: `*` is any host, `shop.example` and `*.shop.example` are that
    /// name and all below it.
    #[must_use]
    pub fn from_words<S: AsRef<str>>(words: &[S]) -> Self {
        if words.is_empty() || words.iter().any(|w| w.as_ref() == "*") {
            return Self::Any;
        }
        let bare = |w: &S| w.as_ref().trim_start_matches("*.").to_ascii_lowercase().into_boxed_str();
        Self::Below(words.iter().map(bare).collect())
    }

    /// Whether they include `host` (lower case, without port; empty when there is none).
    #[must_use]
    pub fn include(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Below(names) => names
                .iter()
                .any(|name| host.strip_suffix(&**name).is_some_and(|front| front.is_empty() || front.ends_with('.'))),
        }
    }
}

/// What the rules say of a name.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'r> {
    /// It is a token.
    Token(Named<'r>),
    /// It is never one.
    Excluded,
    /// No rule names it.
    Unnamed,
}

/// The rule that named a token, and which part of it the name carries.
#[derive(Clone, Copy, Debug)]
pub struct Named<'r> {
    /// The rule.
    pub rule: &'r TokenRule,
    /// The whole, or a part.
    pub part: Part,
    /// How the rule itself writes the name; `None` for a wildcard.
    pub spelling: Option<&'r Arc<str>>,
}

/// Which part of a token a cookie or parameter carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// All of it.
    Whole,
    /// One of several names that belong together.
    Pair {
        /// Which, from 0.
        index: u8,
        /// Of how many.
        of: u8,
    },
    /// A piece of a value that was too large for one cookie, by its order.
    Chunk(u8),
}

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
    /// For each first letter of a header name (lower 5 bits), which lengths exist.
    header_lengths: Vec<u64>,
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
        let mut names = Self { header_lengths: vec![0; 32], ..Self::default() };
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
                if let (Some(bits), true) = (self.header_lengths.get_mut(slot(name.as_bytes())), name.len() < 64) {
                    *bits |= 1 << name.len();
                }
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
        name.len() < 64 && self.header_lengths.get(slot(name)).is_some_and(|bits| bits & (1 << name.len()) != 0)
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
        let mut lower = [0; NAME_LIMIT];
        let Some(lower) = lower.get_mut(..name.len()) else { return Verdict::Unnamed };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();

        let own = match source {
            Source::Cookie => &self.cookies,
            Source::Query => &self.parameters,
            Source::Matrix => &self.matrix,
            Source::Form => &self.forms,
            Source::Json => &self.json,
        };
        if let Some(verdict) = self.in_table(own, name, lower, host) {
            return verdict;
        }
        if matches!(source, Source::Cookie | Source::Json) {
            return Verdict::Unnamed;
        }
        // A session name means the same token in any carrier, exclusions of cookies do not.
        let found = [(&self.cookies.exact, name), (&self.cookies.folded, &*lower)]
            .into_iter()
            .find_map(|(map, key)| self.pick(map.get(key)?, host));
        match found {
            Some(Verdict::Token(named)) if named.rule.class == Some(TokenClass::Session) => Verdict::Token(named),
            _ => Verdict::Unnamed,
        }
    }

    fn in_table<'s>(&'s self, table: &'s Table, name: &[u8], lower: &[u8], host: &str) -> Option<Verdict<'s>> {
        let exact = |name: &[u8], lower: &[u8]| {
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

/// How the name of a piece is made up: `.AspNetCore.CookiesC2`.
#[derive(Clone, Copy)]
pub(super) struct ChunkName {
    /// Length of the cookie's own name.
    pub(super) base: usize,
    /// Length with the separator: pieces with another one belong to another token.
    pub(super) stem: usize,
    /// The number plus one: the bare name counts as the piece before all others.
    order: u8,
}

/// Takes the name of a piece apart: `.0` and `_0` count from 0, `C1` and a mere `1` from 1.
pub(super) fn chunk_of(name: &[u8]) -> Option<ChunkName> {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (stem, number) = name.split_at_checked(name.len().checked_sub(digits)?)?;
    if digits == 0 || digits > 2 {
        return None;
    }
    let number = number.iter().fold(0_u8, |n, b| n.saturating_mul(10).saturating_add(b.saturating_sub(b'0')));
    let from_zero = stem.ends_with(b".") || stem.ends_with(b"_");
    let base = stem.len().saturating_sub(usize::from(from_zero || stem.ends_with(b"C")));
    (from_zero || number > 0).then_some(ChunkName { base, stem: stem.len(), order: number.saturating_add(1) })
}

fn chunk(verdict: Option<Verdict<'_>>, order: u8) -> Option<Named<'_>> {
    match verdict {
        Some(Verdict::Token(named)) if named.rule.chunked => Some(Named { part: Part::Chunk(order), ..named }),
        _ => None,
    }
}

fn slot(name: &[u8]) -> usize {
    usize::from(name.first().copied().unwrap_or_default() & 31)
}

/// Name and scheme in lower case, with a separator that neither can hold.
fn header_key(name: &[u8], scheme: &[u8]) -> smallvec::SmallVec<[u8; 64]> {
    let whole = name.iter().chain(b"\n").chain(scheme);
    whole.map(u8::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, class: Option<TokenClass>, cookies: &[&str]) -> TokenRule {
        TokenRule {
            id: id.into(),
            class,
            places: cookies.iter().map(|c| Place::Cookie(Pattern::parse(c))).collect(),
            hosts: Hosts::Any,
            min_length: 8,
            chunked: false,
            except: Vec::new(),
            until: Box::default(),
            layer: 0,
        }
    }

    const SESSION: Option<TokenClass> = Some(TokenClass::Session);

    fn said(verdict: Verdict<'_>) -> String {
        match verdict {
            Verdict::Token(named) => format!("{} {:?}", named.rule.id, named.part),
            Verdict::Excluded => "excluded".into(),
            Verdict::Unnamed => "unnamed".into(),
        }
    }

    #[test]
    fn exact_goes_before_folded_before_wildcards_and_exclusions_before_tokens() {
        let names = TokenNames::new(vec![
            rule("any_session", SESSION, &["_*_session", "*_session"]),
            rule("upper", Some(TokenClass::Idp), &["SID"]),
            rule("lower", SESSION, &["sid"]),
            rule("analytics", None, &["_ga*", "ai_session", "NSC_*"]),
            rule("gateway", Some(TokenClass::Edge), &["NSC_AAAC"]),
            rule("drupal", SESSION, &["SESS<32 hex>"]),
        ]);
        let cases = [
            ("SID", "upper Whole"),
            ("sid", "lower Whole"),
            ("Sid", "upper Whole"),
            ("NSC_AAAC", "gateway Whole"),
            ("nsc_aaac", "gateway Whole"),
            ("NSC_other", "excluded"),
            ("ai_session", "excluded"),
            ("_ga_x", "excluded"),
            ("_ga_session", "excluded"),
            ("_shop_session", "any_session Whole"),
            ("Wiki_Session", "any_session Whole"),
            ("SESS0123456789abcdef0123456789abcdef", "drupal Whole"),
            ("SESS0123456789abcdef0123456789abcde", "unnamed"),
            ("", "unnamed"),
            ("other", "unnamed"),
        ];
        for (name, expected) in cases {
            assert_eq!(said(names.cookie(name.as_bytes(), "shop.test")), expected, "{name}");
        }
        assert_eq!(said(names.cookie(&[b'a'; 300], "")), "unnamed");
    }

    #[test]
    fn a_session_name_is_a_token_in_queries_and_an_excluded_cookie_is_not_excluded_there() {
        let names = TokenNames::new(vec![
            rule("php", SESSION, &["PHPSESSID"]),
            rule("idp", Some(TokenClass::Idp), &["SSID"]),
            rule("never", None, &["lang"]),
        ]);
        assert_eq!(said(names.query(b"PHPSESSID", "")), "php Whole");
        assert_eq!(said(names.matrix(b"phpsessid", "")), "php Whole");
        assert_eq!(said(names.query(b"SSID", "")), "unnamed");
        assert_eq!(said(names.query(b"lang", "")), "unnamed");
    }

    #[test]
    fn chunks_and_pairs() {
        let mut next = rule("next", SESSION, &["next-auth.session-token", "sb-*-auth-token*", "FedAuth"]);
        next.chunked = true;
        let mut pair = rule("cold_fusion", SESSION, &[]);
        pair.places = vec![Place::Cookies(vec![Pattern::parse("CFID"), Pattern::parse("CFTOKEN")])];
        let names = TokenNames::new(vec![next, pair, rule("plain", SESSION, &["sid"])]);
        let cases = [
            ("next-auth.session-token", "next Whole"),
            ("next-auth.session-token.0", "next Chunk(1)"),
            ("next-auth.session-token.11", "next Chunk(12)"),
            ("sb-abc-auth-token.1", "next Chunk(2)"),
            ("FedAuth1", "next Chunk(2)"),
            ("FedAuthC1", "next Chunk(2)"),
            ("FedAuth0", "unnamed"),
            ("FedAuthC0", "unnamed"),
            ("sid.0", "unnamed"),
            ("CFTOKEN", "cold_fusion Pair { index: 1, of: 2 }"),
        ];
        for (name, expected) in cases {
            assert_eq!(said(names.cookie(name.as_bytes(), "")), expected, "{name}");
        }
    }

    #[test]
    fn hosts_and_layers() {
        let mut only = rule("only", Some(TokenClass::Edge), &["sid"]);
        only.hosts = Hosts::from_words(&["shop.example"]);
        let mut later = rule("mine", Some(TokenClass::Api), &["SERVERID"]);
        later.layer = 1;
        let names = TokenNames::new(vec![rule("any", SESSION, &["sid"]), rule("lb", None, &["SERVERID"]), only, later]);
        assert_eq!(said(names.cookie(b"sid", "shop.example")), "only Whole");
        assert_eq!(said(names.cookie(b"sid", "www.shop.example")), "only Whole");
        assert_eq!(said(names.cookie(b"sid", "notshop.example")), "any Whole");
        assert_eq!(said(names.cookie(b"SERVERID", "")), "mine Whole");
    }

    #[test]
    fn headers_by_scheme() {
        let mut bearer = rule("bearer", Some(TokenClass::Bearer), &[]);
        bearer.places = vec![Place::Header { name: "Authorization".into(), scheme: Some("Bearer".into()) }];
        let mut key = rule("x_api_key", Some(TokenClass::Api), &[]);
        key.places = vec![Place::Header { name: "X-Api-Key".into(), scheme: None }];
        let names = TokenNames::new(vec![bearer, key]);
        assert_eq!(said(names.header(b"authorization", b"bEaReR", "")), "bearer Whole");
        assert_eq!(said(names.header(b"authorization", b"Basic", "")), "unnamed");
        assert_eq!(said(names.header(b"X-API-KEY", b"", "")), "x_api_key Whole");
        assert!(names.may_name_header(b"x-api-key") && names.may_name_header(b"AUTHORIZATION"));
        assert!(!names.may_name_header(b"accept") && !names.may_name_header(b""));
    }
}
