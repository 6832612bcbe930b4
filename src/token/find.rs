//! Which tokens does a message carry? Every reading of its cookies, headers and target.

use smallvec::SmallVec;

use crate::base::time::Timestamp;
use crate::proto::{RequestHead, ResponseHead};

use super::authorization;
use super::cookie::{self, Pair, SetCookie};
use super::counters::TokenCounters;
use super::form;
use super::json;
use super::names::{self, Named, Part, TokenNames, TokenRule, Verdict};
use super::sighting::{Carrier, TokenClass};
use super::url::{self, Target};
use super::value::{Canonical, base64_decode, percent_decode};

/// More cookie pairs in one message, or parameters in one target, than clients send. What is beyond is
/// read and counted: servers read it, and somebody may hide a token there. The length of a head
/// bounds the work.
pub(super) const PAIR_LIMIT: usize = 1024;

/// Set-Cookie fields read in one message: more than a browser keeps for a site.
const SET_COOKIE_LIMIT: usize = 256;

/// Readings of one pair or of one chunked cookie whose parts are repeated.
const REPEAT_LIMIT: usize = 8;

/// A token as found: still raw, never leaves this floor.
pub(super) struct Found<'a, 'r> {
    /// The rule that named it.
    pub(super) rule: &'r TokenRule,
    /// Name on the wire; of a chunk without its number, of a pair the first.
    pub(super) name: &'a [u8],
    /// How the rule writes the name.
    pub(super) spelling: Option<&'r std::sync::Arc<str>>,
    /// In what it travelled.
    pub(super) carrier: Carrier,
    /// Its bytes on the wire, which no text may show.
    pub(super) wire: SmallVec<[&'a [u8]; 1]>,
    /// Its value.
    pub(super) value: Canonical<'a>,
    /// Attributes, where a server set it as a cookie.
    pub(super) set: Attributes,
}

/// What a Set-Cookie says beside name and value.
#[derive(Clone, Copy, Default)]
pub(super) struct Attributes {
    /// Secure attribute.
    pub(super) secure: bool,
    /// `HttpOnly` attribute.
    pub(super) http_only: bool,
    /// `SameSite` attribute is present.
    pub(super) same_site: bool,
    /// It deletes the cookie.
    pub(super) deletes: bool,
}

/// A part of a token that several cookies or parameters carry.
struct Piece<'a, 'r> {
    named: Named<'r>,
    /// Its own name.
    base: &'a [u8],
    /// Name with the separator before the number: parts that share it belong together.
    stem: &'a [u8],
    carrier: Carrier,
    value: &'a [u8],
    set: Attributes,
}

/// Collects the tokens of one message.
pub(super) struct Finder<'a, 'r, 'c> {
    names: &'r TokenNames,
    host: &'c str,
    counters: &'c mut TokenCounters,
    found: Vec<Found<'a, 'r>>,
    pieces: Vec<Piece<'a, 'r>>,
    cookies: usize,
}

impl<'a, 'r, 'c> Finder<'a, 'r, 'c> {
    /// For a message to or from `host` (lower case, no port).
    pub(super) fn new(names: &'r TokenNames, host: &'c str, counters: &'c mut TokenCounters) -> Self {
        Self { names, host, counters, found: Vec::new(), pieces: Vec::new(), cookies: 0 }
    }

    /// Reads a request.
    pub(super) fn request(&mut self, head: &'a RequestHead<'a>, target: Target<'a>) {
        for header in head.headers {
            if header.name.eq_ignore_ascii_case(b"cookie") {
                self.cookie_field(&header.value);
            } else if self.names.may_name_header(header.name) {
                self.header_field(header.name, &header.value);
            }
        }
        self.target(target);
    }

    /// Reads a response at the time `now`.
    pub(super) fn response(&mut self, head: &'a ResponseHead<'a>, now: Timestamp) {
        for header in head.headers {
            if header.name.eq_ignore_ascii_case(b"set-cookie") {
                self.cookies += 1;
                if self.cookies > SET_COOKIE_LIMIT {
                    self.counters.cookie_pairs_limit_hits += u64::from(self.cookies == SET_COOKIE_LIMIT + 1);
                    continue;
                }
                if let Some(SetCookie { pair, secure, http_only, same_site, deletes }) =
                    cookie::set_cookie(&header.value, now)
                {
                    self.cookie(pair, Attributes { secure, http_only, same_site, deletes });
                }
            } else if self.names.may_name_header(header.name) {
                self.header_field(header.name, &header.value);
            }
        }
    }

    /// Reads a form in the body of a request; `whole` when nothing of it is missing.
    pub(super) fn form(&mut self, body: &'a [u8], whole: bool) {
        let mut fields = 0_usize;
        for pair in form::fields(body, whole) {
            fields = fields.saturating_add(1);
            self.counters.parameters_limit_hits += u64::from(fields == PAIR_LIMIT + 1);
            let decoded = percent_decode(pair.name);
            let verdict = self.names.form(decoded.as_ref().map_or(pair.name, |d| d.expose()), self.host);
            // Most fields are none; only named ones count.
            if let Verdict::Token(_) = verdict {
                self.offer(verdict, pair, Carrier::Form, Attributes::default());
            }
        }
    }

    /// Reads the JSON reply of a token endpoint.
    pub(super) fn json(&mut self, body: &'a [u8]) {
        for pair in json::members(body) {
            let verdict = self.names.json(pair.name, self.host);
            if let Verdict::Token(_) = verdict {
                self.offer(verdict, pair, Carrier::Json, Attributes::default());
            }
        }
    }

    /// Cookie pairs seen in the message, those beyond the limit included.
    pub(super) const fn cookies(&self) -> usize {
        self.cookies
    }

    /// What was found, with split tokens put together and what is no value taken out.
    pub(super) fn finish(mut self) -> Vec<Found<'a, 'r>> {
        self.join_pieces();
        let counters = self.counters;
        self.found.retain(|f| f.set.deletes || is_followed(f, counters));
        self.found
    }

    fn cookie_field(&mut self, field: &'a [u8]) {
        for pair in cookie::pairs(field) {
            self.cookies += 1;
            self.counters.cookie_pairs_limit_hits += u64::from(self.cookies == PAIR_LIMIT + 1);
            self.cookie(pair, Attributes::default());
            for other in cookie::other_readings(pair) {
                let verdict = self.names.cookie(other.name, self.host);
                if let Verdict::Token(_) = verdict {
                    self.offer(verdict, other, Carrier::Cookie, Attributes::default());
                }
            }
        }
    }

    fn cookie(&mut self, pair: Pair<'a>, set: Attributes) {
        let mut verdict = self.names.cookie(pair.name, self.host);
        // Some servers decode the name, too.
        if let (Verdict::Unnamed, Some(decoded)) = (&verdict, percent_decode(pair.name)) {
            verdict = self.names.cookie(decoded.expose(), self.host);
        }
        if let (Verdict::Unnamed, Some(variable)) = (&verdict, cookie::as_variable(pair.name)) {
            verdict = self.names.cookie(&variable, self.host);
        }
        self.offer(verdict, pair, Carrier::Cookie, set);
    }

    fn header_field(&mut self, name: &'a [u8], value: &'a [u8]) {
        let with_scheme =
            name.eq_ignore_ascii_case(b"authorization") || name.eq_ignore_ascii_case(b"proxy-authorization");
        let (scheme, value) = if with_scheme {
            let credential = authorization::split(value);
            if credential.is_never_a_token() {
                self.counters.ignored.never_scheme += 1;
                return;
            }
            (credential.scheme, credential.value)
        } else if name.eq_ignore_ascii_case(b"sec-websocket-protocol") {
            match authorization::websocket_bearer(value) {
                Some(value) => (&b""[..], value),
                None => return,
            }
        } else {
            let credential = authorization::split(value);
            (&b""[..], if credential.scheme.eq_ignore_ascii_case(b"bearer") { credential.value } else { value })
        };
        let verdict = self.names.header(name, scheme, self.host);
        // The length test lets other headers of that length through: they are not worth counting.
        if with_scheme || !matches!(verdict, Verdict::Unnamed) {
            self.offer(verdict, Pair { name, value }, Carrier::Header, Attributes::default());
        }
    }

    fn target(&mut self, target: Target<'a>) {
        let mut parameters = 0;
        let names = self.names;
        let mut look = |finder: &mut Self, pair: Pair<'a>, carrier: Carrier| {
            if pair.name.is_empty() {
                return;
            }
            parameters += 1;
            finder.counters.parameters_limit_hits += u64::from(parameters == PAIR_LIMIT + 1);
            let decoded = percent_decode(pair.name);
            let name = decoded.as_ref().map_or(pair.name, |d| d.expose());
            let verdict = match carrier {
                Carrier::Matrix => names.matrix(name, finder.host),
                _ => names.query(name, finder.host),
            };
            // Most parameters are none; only named ones count.
            if let Verdict::Token(_) = verdict {
                finder.offer(verdict, pair, carrier, Attributes::default());
            }
        };
        for pair in target.query.into_iter().flat_map(url::query_pairs) {
            look(self, pair, Carrier::Query);
        }
        if target.path.contains(&b';') {
            url::matrix_pairs(target.path).for_each(|pair| look(self, pair, Carrier::Matrix));
        }
        if target.path.contains(&b'(') {
            for (letter, value) in url::cookieless(target.path) {
                let verdict = names.path(letter, self.host);
                if let Verdict::Token(_) = verdict {
                    self.offer(verdict, Pair { name: b"", value }, Carrier::Path, Attributes::default());
                }
            }
        }
    }

    fn offer(&mut self, verdict: Verdict<'r>, pair: Pair<'a>, carrier: Carrier, set: Attributes) {
        let named = match verdict {
            Verdict::Token(named) => named,
            Verdict::Excluded => return self.counters.ignored.excluded += 1,
            Verdict::Unnamed => return self.counters.ignored.unnamed += 1,
        };
        if named.part != Part::Whole || named.rule.chunked {
            if named.rule.except.iter().any(|pattern| pattern.fits(Canonical::of(pair.value).bytes())) {
                return self.counters.ignored.excluded += 1;
            }
            let (base, stem) = match named.part {
                Part::Chunk(_) => names::chunk_of(pair.name).map_or((None, None), |n| (Some(n.base), Some(n.stem))),
                Part::Whole | Part::Pair { .. } => (None, None),
            };
            let upto = |end: Option<usize>| end.and_then(|end| pair.name.get(..end)).unwrap_or(pair.name);
            let (base, stem) = (upto(base), upto(stem));
            self.pieces.push(Piece { named, base, stem, carrier, value: pair.value, set });
            return;
        }
        let value = match named.rule.class {
            Some(TokenClass::Basic) if carrier == Carrier::Header => base64_decode(pair.value).map(Canonical::Decoded),
            _ => None,
        };
        self.found.push(Found {
            rule: named.rule,
            name: pair.name,
            spelling: named.spelling,
            carrier,
            wire: SmallVec::from_elem(pair.value, 1),
            value: value.unwrap_or_else(|| Canonical::of(pair.value).until(&named.rule.until).without_unused_bits()),
            set,
        });
    }

    /// Puts pairs and chunks together. Where parts are repeated, the n-th of each belong together.
    fn join_pieces(&mut self) {
        let group = |p: &Piece<'_, '_>| {
            let chunked = matches!(p.named.part, Part::Chunk(_) | Part::Whole);
            (p.named.rule.id.clone(), p.carrier, if chunked { p.stem.to_ascii_lowercase() } else { Vec::new() })
        };
        // The sort is stable: repeated parts keep their order.
        self.pieces.sort_by_cached_key(|p| (group(p), p.named.part));
        let pieces = std::mem::take(&mut self.pieces);
        for same in pieces.chunk_by(|a, b| group(a) == group(b)) {
            let mut parts: Vec<&[Piece<'a, 'r>]> = same.chunk_by(|a, b| a.named.part == b.named.part).collect();
            let Some(first) = same.first() else { continue };
            if let Part::Pair { of, .. } = first.named.part
                && parts.len() < usize::from(of)
            {
                self.counters.ignored.unpaired += 1;
                continue;
            }
            parts.truncate(row(&parts));
            let repeats = parts.iter().map(|p| p.len()).max().unwrap_or_default().min(REPEAT_LIMIT);
            for nth in 0..repeats {
                let chosen: SmallVec<[&Piece<'a, 'r>; 4]> =
                    parts.iter().filter_map(|p| p.get(nth).or(p.first())).collect();
                self.found.push(joined(first, &chosen));
            }
        }
    }
}

/// How many parts make the token. Chunks do as far as their numbers follow one another: a server
/// stops at the first that is missing, so what a client adds behind it changes nothing.
fn row(parts: &[&[Piece<'_, '_>]]) -> usize {
    let order = |part: &&[Piece<'_, '_>]| match part.first()?.named.part {
        Part::Chunk(order) => Some(order),
        Part::Whole => Some(1),
        Part::Pair { .. } => None,
    };
    match parts.first().and_then(order) {
        Some(first) => parts.iter().zip(first..).take_while(|(p, n)| order(p) == Some(*n)).count(),
        None => parts.len(),
    }
}

/// Whether a target may hold a token under a name that rules know, or more parameters than clients send.
pub(super) fn may_name_token(target: Target<'_>, names: &TokenNames, host: &str) -> bool {
    let is_named = |pair: Pair<'_>| {
        let decoded = percent_decode(pair.name);
        matches!(names.query(decoded.as_ref().map_or(pair.name, |d| d.expose()), host), Verdict::Token(_))
    };
    target.path.iter().any(|b| matches!(b, b';' | b'('))
        || target.query.is_some_and(|query| {
            let mut pairs = url::query_pairs(query);
            pairs.by_ref().take(PAIR_LIMIT).any(is_named) || pairs.next().is_some()
        })
}

fn joined<'a, 'r>(first: &Piece<'a, 'r>, parts: &[&Piece<'a, 'r>]) -> Found<'a, 'r> {
    let pair = matches!(first.named.part, Part::Pair { .. });
    // A reply may set some chunks and delete those that are no longer needed; half a pair is none.
    let deletes = if pair { parts.iter().any(|p| p.set.deletes) } else { parts.iter().all(|p| p.set.deletes) };
    let parts: SmallVec<[&Piece<'a, 'r>; 4]> = parts.iter().filter(|p| deletes || !p.set.deletes).copied().collect();
    let wire: SmallVec<[&[u8]; 1]> = parts.iter().map(|p| p.value).collect();
    let between: &[u8] = if pair { b"\0" } else { b"" };
    let value = match &*parts {
        [one] => Canonical::of(one.value),
        _ => {
            let values: Vec<Canonical<'_>> = wire.iter().map(|v| Canonical::of(v)).collect();
            Canonical::joined(&values.iter().map(Canonical::bytes).collect::<Vec<_>>(), between)
        }
    };
    Found {
        rule: first.named.rule,
        name: first.base,
        spelling: first.named.spelling,
        carrier: first.carrier,
        wire,
        value,
        set: Attributes {
            secure: parts.iter().all(|p| p.set.secure),
            http_only: parts.iter().all(|p| p.set.http_only),
            same_site: parts.iter().all(|p| p.set.same_site),
            deletes,
        },
    }
}

/// Whether the value is one: no placeholder, long enough, not excepted by its rule.
fn is_followed(found: &Found<'_, '_>, counters: &mut TokenCounters) -> bool {
    let value = found.value.bytes();
    if found.value.is_placeholder() {
        counters.ignored.placeholder += 1;
    } else if value.len() < found.rule.min_length {
        counters.ignored.short += 1;
    } else if found.rule.except.iter().any(|pattern| pattern.fits(value)) {
        counters.ignored.excluded += 1;
    } else {
        return true;
    }
    false
}
