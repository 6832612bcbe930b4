//! Is a path a login page, or a way out?

use super::names::Hosts;
use super::pattern::Pattern;
use super::url;

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
    /// Paths of a second factor; the same way.
    pub mfa_paths: Vec<Pattern>,
    /// Form field that names the account.
    pub user_field: Option<Box<str>>,
}

/// All login rules.
#[derive(Clone, Debug, Default)]
pub struct LoginRules {
    rules: Vec<LoginRule>,
    last_words: LastWords,
}

/// In how a path ends that any rule may fit: a small filter, since every request is put to it.
#[derive(Clone, Debug, Default)]
struct LastWords {
    bits: [u64; 16],
    /// Some pattern may fit anything.
    any: bool,
}

impl LastWords {
    fn place(path: &[u8]) -> (usize, u64) {
        let word = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let letter = |b: Option<&u8>| b.map_or(0, |b| usize::from(b.to_ascii_lowercase()));
        let hash = word.len().wrapping_mul(37) ^ letter(word.first()).wrapping_mul(11) ^ letter(word.last()) << 3;
        (hash / 64 % 16, 1 << (hash % 64))
    }

    fn add(&mut self, pattern: &Pattern) {
        match pattern.as_exact() {
            Some(exact) if exact.starts_with('/') => {
                let (slot, bit) = Self::place(plain(exact.as_bytes()));
                if let Some(bits) = self.bits.get_mut(slot) {
                    *bits |= bit;
                }
            }
            // It may fit what does not end in a word of its own.
            _ => self.any = true,
        }
    }

    fn may_fit(&self, path: &[u8]) -> bool {
        let (slot, bit) = Self::place(plain(path));
        self.any || self.bits.get(slot).is_some_and(|bits| bits & bit != 0)
    }
}

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

    /// What a path on a host (lower case, no port) is for; a way out goes before a way in.
    #[must_use]
    pub fn page(&self, host: &str, path: &[u8]) -> Page {
        if !self.last_words.may_fit(path) {
            Page::Other
        } else if self.is_logout(host, path) {
            Page::Logout
        } else if self.is_login(host, path) {
            Page::Login
        } else {
            Page::Other
        }
    }

    /// Whether a path on a host (lower case, no port) is a login page.
    #[must_use]
    pub fn is_login(&self, host: &str, path: &[u8]) -> bool {
        self.any(host, path, |rule| &rule.paths)
    }

    /// Whether a path on a host ends a session.
    #[must_use]
    pub fn is_logout(&self, host: &str, path: &[u8]) -> bool {
        self.any(host, path, |rule| &rule.logout_paths)
    }

    /// Whether a path on a host is one whose reply may issue tokens in its body: a token endpoint
    /// (RFC 6749 §3.2) by its usual names, or a login page.
    #[must_use]
    pub fn is_token_endpoint(&self, host: &str, path: &[u8]) -> bool {
        let page = plain(path).rsplit(|b| *b == b'/').next().unwrap_or_default();
        TOKEN_PAGES.iter().any(|name| page.eq_ignore_ascii_case(name)) || self.is_login(host, path)
    }

    /// Whether a `Location` sends the client to a login page; `host` is where it was sent from.
    #[must_use]
    pub fn is_login_redirect(&self, host: &str, location: &[u8]) -> bool {
        let target = url::reference(location.trim_ascii());
        let authority = target.authority.map(String::from_utf8_lossy);
        let there = authority.as_deref().map(|a| a.split(':').next().unwrap_or(a).to_ascii_lowercase());
        self.is_login(there.as_deref().unwrap_or(host), target.path)
    }

    fn any(&self, host: &str, path: &[u8], of: fn(&LoginRule) -> &Vec<Pattern>) -> bool {
        let path = plain(path);
        self.rules.iter().filter(|rule| rule.hosts.include(host)).flat_map(of).any(|pattern| fits(pattern, path))
    }
}

/// The path without parameters, fragment, final `/` and the ending of a page name.
fn plain(path: &[u8]) -> &[u8] {
    let end = path.iter().position(|b| b";?#".contains(b)).unwrap_or(path.len());
    let path = path.get(..end).unwrap_or_default();
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let without = |ending: &&[u8]| {
        let (page, end) = path.split_at_checked(path.len().checked_sub(ending.len())?)?;
        end.eq_ignore_ascii_case(ending).then_some(page)
    };
    ENDINGS.iter().find_map(without).unwrap_or(path)
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
            ["/login", "/account/logout.php", "/"].map(|path| rules.page("", path.as_bytes())),
            [Page::Login, Page::Logout, Page::Other]
        );
        assert!(rules.is_login("www.shop.test", b"/enter") && rules.is_logout("a", b"/account/logout.php"));
    }

    #[test]
    fn token_endpoints() {
        let rules = rules();
        for path in ["/oauth2/v1/Token", "/token/", "/api/auth/refresh-token", "/login.php"] {
            assert!(rules.is_token_endpoint("", path.as_bytes()), "{path}");
        }
        assert!(!rules.is_token_endpoint("", b"/tokens/list"));
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
