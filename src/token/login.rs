//! Is a path a login page, or a way out?

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::names::Hosts;
use super::pattern::Pattern;
use super::shapes::Shapes;
use super::url;
use crate::base::find::find_any;

/// Paths of one group of hosts.
#[derive(Clone, Debug, Default)]
pub struct LoginRule {
    /// On which hosts.
    pub hosts: Hosts,
    /// Login pages. A path fits when it equals a pattern or ends with it (`/login` fits
    /// `/shop/login`); its case, a final `/` and an ending such as `.php` do not count.
    pub paths: Vec<Pattern>,
    /// Paths that end a session; the same way.
    pub logout_paths: Vec<Pattern>,
}

/// All login rules.
#[derive(Clone, Debug, Default)]
pub struct LoginRules {
    rules: Vec<LoginRule>,
    last_words: LastWords,
}

/// The last segments of the paths that rules fit: every request is put to them first.
#[derive(Clone, Debug, Default)]
struct LastWords {
    shapes: Shapes,
    hashes: HashSet<u32, FixedState>,
    /// Some pattern may fit anything.
    any: bool,
}

impl LastWords {
    /// FNV-1a in lower case; two words that collide only cost time. `path` is plain.
    fn hash(path: &[u8]) -> u32 {
        let word = last_word(path).iter();
        word.fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193))
    }

    fn add(&mut self, pattern: &Pattern) {
        match pattern.as_exact() {
            Some(exact) if exact.starts_with('/') => {
                let path = plain(exact.as_bytes());
                self.shapes.add(last_word(path));
                self.hashes.insert(Self::hash(path));
            }
            // It may fit what does not end in a word of its own.
            _ => self.any = true,
        }
    }

    fn may_fit(&self, path: &[u8]) -> bool {
        self.any || self.shapes.may_fit(last_word(path)) && self.hashes.contains(&Self::hash(path))
    }
}

/// One kind of paths of a rule.
type Paths = fn(&LoginRule) -> &Vec<Pattern>;
const LOGINS: Paths = |rule| &rule.paths;
const LOGOUTS: Paths = |rule| &rule.logout_paths;

/// What a path is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// Neither.
    Other,
    /// A login page.
    Login,
    /// It ends a session.
    Logout,
}

/// Last segments of the paths of token endpoints.
const TOKEN_PAGES: [&[u8]; 8] =
    [b"token", b"tokens", b"access_token", b"refresh", b"refresh_token", b"refresh-token", b"auth", b"authenticate"];

/// Endings of page names that say nothing.
const ENDINGS: [&[u8]; 9] = [b".php", b".aspx", b".asp", b".jsp", b".jsf", b".html", b".htm", b".do", b".action"];

impl LoginRules {
    /// These rules.
    #[must_use]
    pub fn new(rules: Vec<LoginRule>) -> Self {
        let mut last_words = LastWords::default();
        rules.iter().flat_map(|rule| rule.paths.iter().chain(&rule.logout_paths)).for_each(|p| last_words.add(p));
        Self { rules, last_words }
    }

    /// What a path on a host (lower case, no port) is for; a way out goes before a way in. With it
    /// whether the reply may issue tokens in its body: of a token endpoint (RFC 6749 §3.2) by its usual
    /// names, or of a login page.
    #[must_use]
    pub fn purpose(&self, host: &str, path: &[u8]) -> (Page, bool) {
        let path = plain(path);
        let page = last_word(path);
        let is_token_page = TOKEN_PAGES.iter().any(|name| page.eq_ignore_ascii_case(name));
        if !self.last_words.may_fit(path) {
            return (Page::Other, is_token_page);
        }
        let is_login = self.fits_any(host, path, LOGINS);
        let page = match is_login {
            _ if self.fits_any(host, path, LOGOUTS) => Page::Logout,
            true => Page::Login,
            false => Page::Other,
        };
        (page, is_token_page || is_login)
    }

    /// Whether a path on a host (lower case, no port) is a login page.
    #[must_use]
    pub fn is_login(&self, host: &str, path: &[u8]) -> bool {
        self.any(host, path, LOGINS)
    }

    /// Whether a path on a host ends a session.
    #[must_use]
    pub fn is_logout(&self, host: &str, path: &[u8]) -> bool {
        self.any(host, path, LOGOUTS)
    }

    /// Whether a `Location` sends the client to a login page; `host` is where it was sent from.
    #[must_use]
    pub fn is_login_redirect(&self, host: &str, location: &[u8]) -> bool {
        let target = url::reference(location.trim_ascii());
        let authority = target.authority.map(String::from_utf8_lossy);
        let there = authority.as_deref().map(|a| a.split(':').next().unwrap_or(a).to_ascii_lowercase());
        self.is_login(there.as_deref().unwrap_or(host), target.path)
    }

    fn any(&self, host: &str, path: &[u8], of: Paths) -> bool {
        let path = plain(path);
        self.last_words.may_fit(path) && self.fits_any(host, path, of)
    }

    fn fits_any(&self, host: &str, path: &[u8], of: Paths) -> bool {
        self.rules.iter().filter(|rule| rule.hosts.include(host)).flat_map(of).any(|pattern| fits(pattern, path))
    }
}

/// The path without parameters, fragment, final `/` and the ending of a page name.
fn plain(path: &[u8]) -> &[u8] {
    let end = find_any(path, [b';', b'?', b'#']).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or_default();
    let path = path.strip_suffix(b"/").unwrap_or(path);
    // Only the last segment has an ending.
    let ended = path.iter().rposition(|b| matches!(b, b'.' | b'/')).and_then(|dot| path.split_at_checked(dot));
    match ended {
        Some((page, end)) if ENDINGS.iter().any(|ending| end.eq_ignore_ascii_case(ending)) => page,
        _ => path,
    }
}

fn last_word(path: &[u8]) -> &[u8] {
    let start = path.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash.saturating_add(1));
    path.get(start..).unwrap_or_default()
}

fn fits(pattern: &Pattern, path: &[u8]) -> bool {
    match pattern.as_exact() {
        // A pattern begins with `/`, so an end that fits begins at a segment.
        Some(exact) => {
            let exact = plain(exact.as_bytes());
            let start = path.len().checked_sub(exact.len());
            !exact.is_empty() && start.and_then(|s| path.get(s..)).is_some_and(|end| end.eq_ignore_ascii_case(exact))
        }
        None => pattern.fits_without_case(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> LoginRules {
        let patterns = |words: &[&str]| words.iter().map(|w| Pattern::parse(w)).collect();
        LoginRules::new(vec![
            LoginRule {
                paths: patterns(&["/login", "/wp-login.php", "/idp/*/sso"]),
                logout_paths: patterns(&["/logout"]),
                ..LoginRule::default()
            },
            LoginRule {
                hosts: Hosts::from_words(&["shop.test"]),
                paths: patterns(&["/enter"]),
                ..LoginRule::default()
            },
        ])
    }

    #[test]
    fn paths() {
        let rules = rules();
        for path in [
            "/login",
            "/shop/Login/",
            "/login.aspx",
            "/login;jsessionid=1",
            "/wp-login.php",
            "/blog/wp-login",
            "/idp/x/sso",
        ] {
            assert!(rules.is_login("", path.as_bytes()), "{path}");
        }
        for path in ["/", "", "/xlogin", "/login/help", "/loginx", "/enter", "/logout"] {
            assert!(!rules.is_login("", path.as_bytes()), "{path}");
        }
        assert_eq!(
            ["/login", "/account/logout.php", "/"].map(|path| rules.purpose("", path.as_bytes()).0),
            [Page::Login, Page::Logout, Page::Other]
        );
        assert!(rules.is_login("www.shop.test", b"/enter") && rules.is_logout("a", b"/account/logout.php"));
    }

    #[test]
    fn token_endpoints() {
        let rules = rules();
        for path in ["/oauth2/v1/Token", "/token/", "/api/auth/refresh-token", "/login.php"] {
            assert!(rules.purpose("", path.as_bytes()).1, "{path}");
        }
        assert!(!rules.purpose("", b"/tokens/list").1);
    }

    #[test]
    fn redirects() {
        let rules = rules();
        for location in
            ["/login?next=/a", "https://sso.test/login", "https://shop.test:444/enter#x", "login/../login", " /login "]
        {
            assert!(rules.is_login_redirect("other.test", location.as_bytes()), "{location}");
        }
        for location in ["/", "/home?from=/login", "https://sso.test", "", "/enter"] {
            assert!(!rules.is_login_redirect("other.test", location.as_bytes()), "{location}");
        }
    }
}
