//! Which names mean a token? What a rule says, and what is said of a name by all of them.

mod chunks;
mod compiled;

use std::sync::Arc;

pub(super) use chunks::chunk_of;
pub use compiled::TokenNames;

use super::pattern::Pattern;
use super::sighting::TokenClass;

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

#[cfg(test)]
mod tests;
