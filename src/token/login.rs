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
pub struct LoginRules(pub Vec<LoginRule>);

/// Endings of page names that say nothing.
const ENDINGS: [&[u8]; 9] = [b".php", b".aspx", b".asp", b".jsp", b".jsf", b".html", b".htm", b".do", b".action"];

impl LoginRules {
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
        self.0.iter().filter(|rule| rule.hosts.include(host)).flat_map(of).any(|pattern| fits(pattern, path))
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
        LoginRules(vec![
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
        assert!(rules.is_login("www.shop.test", b"/enter") && rules.is_logout("a", b"/account/logout.php"));
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
