//! What does a User-Agent text mean? Family, system, major version, and what kind of program.

use serde::{Deserialize, Serialize};

use super::{AgentChange, AgentReason, Comparison};

/// What kind of program speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A browser that a person drives.
    Browser,
    /// An app, or the HTTP library of apps (okhttp, CFNetwork …).
    App,
    /// A command-line tool or script library (curl, Wget, python-requests …), or a headless browser.
    Tool,
    /// A known fetcher: link preview, health check, crawler.
    Fetcher,
    /// A helper of a browser that speaks with a name of its own: says nothing about the client.
    Helper,
    /// No User-Agent field at all.
    Absent,
    /// A text that says none of these.
    Other,
}

/// A User-Agent by meaning, and its text with random-looking runs masked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserAgent {
    /// What kind of program.
    pub kind: Kind,
    /// Family in lower case: `firefox`, `chrome`, `curl`; the first product name where unknown.
    pub family: Box<str>,
    /// Operating system in lower case: `windows`, `linux`, `android`; empty when not said.
    pub os: Box<str>,
    /// Major version; 0 when not said.
    pub major: u32,
    /// The text, masked and cut at 1 KiB: `user_agent.original` of alerts and events.
    pub original: Box<str>,
}

/// Bytes of a User-Agent text that are looked at; what follows changes nothing.
const READ_LIMIT: usize = 1024;

/// Product names of browsers and the family they mean, the most particular first: an Edge text
/// also says `Chrome`, and a Chrome text also says `Safari`.
const FAMILIES: [(&str, &str); 27] = [
    ("edg", "edge"),
    ("edga", "edge"),
    ("edgios", "edge"),
    ("edge", "edge"),
    ("opr", "opera"),
    ("opt", "opera"),
    ("opios", "opera"),
    ("opera", "opera"),
    ("samsungbrowser", "samsung"),
    ("brave", "brave"),
    ("vivaldi", "vivaldi"),
    ("yabrowser", "yandex"),
    ("ucbrowser", "uc"),
    ("duckduckgo", "duckduckgo"),
    ("ddg", "duckduckgo"),
    ("miuibrowser", "miui"),
    ("huaweibrowser", "huawei"),
    ("silk", "silk"),
    ("seamonkey", "seamonkey"),
    ("palemoon", "palemoon"),
    ("fxios", "firefox"),
    ("focus", "firefox"),
    ("klar", "firefox"),
    ("firefox", "firefox"),
    ("crios", "chrome"),
    ("chromium", "chrome"),
    ("chrome", "chrome"),
];

/// Words in a text and the system they mean, the most particular first.
const SYSTEMS: [(&str, &str); 15] = [
    ("windows phone", "windows phone"),
    ("windows", "windows"),
    ("android", "android"),
    ("iphone", "ios"),
    ("ipad", "ios"),
    ("ipod", "ios"),
    ("macintosh", "macos"),
    ("mac os x", "macos"),
    ("macos", "macos"),
    ("cros ", "chromeos"),
    ("kaios", "kaios"),
    ("freebsd", "freebsd"),
    ("openbsd", "openbsd"),
    ("linux", "linux"),
    ("x11", "linux"),
];

/// One program known by name: a tool, the library of apps, a fetcher, a helper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentRule {
    /// Name, used as the family: `curl`.
    pub name: Box<str>,
    /// What kind of program it is.
    pub kind: Kind,
    /// Product names that mean it (`curl` in `curl/8.9`), compared without case.
    pub products: Vec<Box<str>>,
    /// Texts that mean it anywhere (`googlebot` in a comment), compared without case.
    pub contains: Vec<Box<str>>,
}

/// Programs known by name, in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct AgentRules(Vec<AgentRule>);

impl AgentRules {
    /// The first rule that fits a text names its program.
    #[must_use]
    pub fn new(mut rules: Vec<AgentRule>) -> Self {
        for text in rules.iter_mut().flat_map(|r| r.products.iter_mut().chain(&mut r.contains)) {
            *text = text.to_lowercase().into();
        }
        Self(rules)
    }

    /// How many programs are known.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no program is known.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule that fits and the major version that the text says.
    fn find(&self, lower: &str, products: &[Product<'_>]) -> Option<(&AgentRule, u32)> {
        self.0.iter().find_map(|rule| {
            let product = products.iter().find(|p| rule.products.iter().any(|name| **name == *p.name));
            if let Some(product) = product {
                return Some((rule, product.major()));
            }
            let at = rule.contains.iter().find_map(|text| lower.find(&**text).map(|at| at + text.len()))?;
            let version = lower.get(at..).and_then(|rest| rest.strip_prefix('/')).unwrap_or("");
            Some((rule, leading_number(version)))
        })
    }
}

/// `name/version` outside of parentheses.
#[derive(Clone, Copy)]
struct Product<'a> {
    name: &'a str,
    version: &'a str,
}

impl Product<'_> {
    fn major(&self) -> u32 {
        leading_number(self.version)
    }
}

/// The products of a text in order; comments in parentheses are left out.
fn products(lower: &str) -> Vec<Product<'_>> {
    let mut depth = 0_u32;
    lower
        .split_inclusive(['(', ')', ' ', '\t', ';', ','])
        .filter_map(|piece| {
            let word = piece.trim_end_matches(['(', ')', ' ', '\t', ';', ',']);
            let inside = depth > 0;
            match piece.as_bytes().last() {
                Some(b'(') => depth += 1,
                Some(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            let (name, version) = word.split_once('/').unwrap_or((word, ""));
            (!inside && !name.is_empty()).then_some(Product { name, version })
        })
        .collect()
}

/// The number that a text begins with (after a `v`); 0 when there is none or it is absurd.
fn leading_number(text: &str) -> u32 {
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Family, major version and kind of a browser or an embedded web view.
fn browser<'t>(lower: &str, products: &[Product<'t>], os: &str) -> Option<(&'t str, u32, Kind)> {
    let named = |name: &str| products.iter().find(|p| p.name == name);
    if lower.contains("; wv)") {
        return Some(("webview", named("chrome").map_or(0, Product::major), Kind::App));
    }
    if let Some((product, family)) = FAMILIES.iter().find_map(|(name, family)| Some((named(name)?, *family))) {
        return Some((family, product.major(), Kind::Browser));
    }
    if let Some((_, version)) = lower.split_once("msie ") {
        return Some(("ie", leading_number(version), Kind::Browser));
    }
    if lower.contains("trident/") {
        return Some(("ie", lower.split_once("rv:").map_or(0, |(_, version)| leading_number(version)), Kind::Browser));
    }
    if named("safari").is_some() {
        return named("version").map(|version| ("safari", version.major(), Kind::Browser));
    }
    // A page inside an app of iOS says everything that Safari says but Safari.
    (os == "ios" && named("applewebkit").is_some()).then_some(("webview", 0, Kind::App))
}

impl UserAgent {
    /// The value of a request without a User-Agent field.
    #[must_use]
    pub fn absent() -> Self {
        Self { kind: Kind::Absent, family: "".into(), os: "".into(), major: 0, original: "".into() }
    }

    /// Reads a User-Agent text. `original` is the same text as it may be shown (masked, printable
    /// and cut): only that is kept, and the name of an unknown program is taken from it.
    #[must_use]
    pub fn read(text: &str, original: Box<str>, rules: &AgentRules) -> Self {
        let text = text.trim();
        if text.is_empty() {
            return Self::absent();
        }
        let lower = text.get(..text.floor_char_boundary(READ_LIMIT)).unwrap_or(text).to_lowercase();
        let products = products(&lower);
        let os = SYSTEMS.iter().find(|(word, _)| lower.contains(word)).map_or("", |(_, os)| os);
        if let Some((rule, major)) = rules.find(&lower, &products) {
            return Self { kind: rule.kind, family: rule.name.clone(), os: os.into(), major, original };
        }
        if let Some((family, major, kind)) = browser(&lower, &products, os) {
            return Self { kind, family: family.into(), os: os.into(), major, original };
        }
        let shown = original.to_lowercase();
        let (family, major) = self::products(&shown).first().map_or(("", 0), |p| (p.name, p.major()));
        Self { kind: Kind::Other, family: family.into(), os: os.into(), major, original }
    }

    /// Compares by meaning. `address_explains`: both were seen at the same or an explained
    /// address; `upgrade_left`: the session has not used up its one upgrade.
    #[must_use]
    pub fn compare(
        prior: &Self,
        now: &Self,
        address_explains: bool,
        upgrade_left: bool,
    ) -> Comparison<AgentChange, AgentReason> {
        // A helper speaks for the browser beside it; from elsewhere its name is a disguise.
        if prior.kind == Kind::Helper || now.kind == Kind::Helper {
            let change = AgentChange { family: true, ..AgentChange::default() };
            return if address_explains { Comparison::Unknown } else { Comparison::Different(change) };
        }
        let os = prior.os != now.os && !prior.os.is_empty() && !now.os.is_empty();
        let family = prior.family != now.family || prior.kind != now.kind;
        if os || family {
            let tool = prior.kind == Kind::Browser && now.kind == Kind::Tool;
            let app = !os && is_app_beside(prior.kind, now.kind);
            return Comparison::Different(AgentChange { os, family, tool, app, ..AgentChange::default() });
        }
        // A version that is not said is not known, and unknown is never different.
        if prior.major == now.major || prior.major == 0 || now.major == 0 {
            return Comparison::Same;
        }
        if now.major < prior.major {
            return Comparison::Different(AgentChange { downgrade: true, ..AgentChange::default() });
        }
        if address_explains && upgrade_left {
            return Comparison::SameBecause(AgentReason::Upgrade);
        }
        Comparison::Different(AgentChange { version: true, ..AgentChange::default() })
    }
}

/// Whether two kinds of programs may be an app and what it shows pages with.
fn is_app_beside(one: Kind, other: Kind) -> bool {
    let shows_pages = |kind| matches!(kind, Kind::App | Kind::Browser | Kind::Other);
    matches!(one, Kind::App) && shows_pages(other) || matches!(other, Kind::App) && shows_pages(one)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> AgentRules {
        let rule = |name: &str, kind, products: &[&str], contains: &[&str]| AgentRule {
            name: name.into(),
            kind,
            products: products.iter().map(|p| (*p).into()).collect(),
            contains: contains.iter().map(|p| (*p).into()).collect(),
        };
        AgentRules::new(vec![
            rule("contype", Kind::Helper, &["contype"], &[]),
            rule("curl", Kind::Tool, &["curl"], &[]),
            rule("headless chrome", Kind::Tool, &["HeadlessChrome"], &[]),
            rule("googlebot", Kind::Fetcher, &[], &["Googlebot"]),
            rule("dalvik", Kind::App, &["Dalvik"], &[]),
        ])
    }

    fn read(text: &str) -> UserAgent {
        UserAgent::read(text, text.into(), &rules())
    }

    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.6045.105 Safari/537.36";

    #[test]
    fn reads_by_meaning() {
        let cases = [
            (FIREFOX, Kind::Browser, "firefox", "linux", 140),
            (CHROME, Kind::Browser, "chrome", "windows", 119),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/121.0",
                Kind::Browser,
                "edge",
                "windows",
                121,
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 OPR/106.0",
                Kind::Browser,
                "opera",
                "linux",
                106,
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 Chrome/115.0 Mobile Safari/537.36",
                Kind::Browser,
                "samsung",
                "android",
                23,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/120.0 Mobile/15E148 Safari/604.1",
                Kind::Browser,
                "chrome",
                "ios",
                120,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/121.0 Mobile/15E148 Safari/605.1.15",
                Kind::Browser,
                "firefox",
                "ios",
                121,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Safari/605.1.15",
                Kind::Browser,
                "safari",
                "macos",
                17,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
                Kind::App,
                "webview",
                "ios",
                0,
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; Pixel 7; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/119.0 Mobile Safari/537.36",
                Kind::App,
                "webview",
                "android",
                119,
            ),
            ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)", Kind::Browser, "ie", "windows", 8),
            (
                "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
                Kind::Browser,
                "ie",
                "windows",
                11,
            ),
            ("curl/8.9", Kind::Tool, "curl", "", 8),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0 Safari/537.36",
                Kind::Tool,
                "headless chrome",
                "linux",
                120,
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                Kind::Fetcher,
                "googlebot",
                "",
                2,
            ),
            ("Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7)", Kind::App, "dalvik", "android", 2),
            ("contype", Kind::Helper, "contype", "", 0),
            ("AcmeSync/v4.2 (build 7)", Kind::Other, "acmesync", "", 4),
            ("", Kind::Absent, "", "", 0),
            ("  ", Kind::Absent, "", "", 0),
        ];
        for (text, kind, family, os, major) in cases {
            let ua = read(text);
            assert_eq!((ua.kind, &*ua.family, &*ua.os, ua.major), (kind, family, os, major), "{text}");
        }
    }

    #[test]
    fn an_unknown_program_is_named_by_the_masked_text_only() {
        let ua = UserAgent::read("4f9c591ea46738e7f9177be32e1cfd1c/1.0", "‹…›/1.0".into(), &rules());
        assert_eq!((&*ua.family, &*ua.original), ("‹…›", "‹…›/1.0"));
    }

    fn change(prior: &str, now: &str, address: bool, upgrade: bool) -> Comparison<AgentChange, AgentReason> {
        UserAgent::compare(&read(prior), &read(now), address, upgrade)
    }

    #[test]
    fn a_minor_update_is_the_same_and_a_major_one_is_an_upgrade_once() {
        let newer = CHROME.replace("119.0.6045.105", "119.0.6045.199");
        assert_eq!(change(CHROME, &newer, false, false), Comparison::Same);
        let newer = CHROME.replace("119.0", "120.0");
        assert_eq!(change(CHROME, &newer, true, true), Comparison::SameBecause(AgentReason::Upgrade));
        let version = Comparison::Different(AgentChange { version: true, ..AgentChange::default() });
        assert_eq!(change(CHROME, &newer, true, false), version);
        assert_eq!(change(CHROME, &newer, false, true), version);
        let downgrade = Comparison::Different(AgentChange { downgrade: true, ..AgentChange::default() });
        assert_eq!(change(&newer, CHROME, true, true), downgrade);
    }

    #[test]
    fn what_differs_is_named() {
        let different =
            |os, family, tool| Comparison::Different(AgentChange { os, family, tool, ..AgentChange::default() });
        assert_eq!(change(FIREFOX, CHROME, true, true), different(true, true, false));
        assert_eq!(change(FIREFOX, "curl/8.9", true, true), different(false, true, true));
        assert_eq!(change(FIREFOX, "", true, true), different(false, true, false));
        assert_eq!(change("curl/8.9", FIREFOX, true, true), different(false, true, false));
        assert_eq!(
            change(FIREFOX, &FIREFOX.replace("X11; Linux x86_64", "Windows NT 10.0"), true, true),
            different(true, false, false)
        );
        assert_eq!(change("", "", false, false), Comparison::Same);
        assert_eq!(change(FIREFOX, "contype", true, false), Comparison::Unknown);
        assert_eq!(change(FIREFOX, "contype", false, false), different(false, true, false));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,200}") {
            let ua = read(&text);
            prop_assert_eq!(UserAgent::compare(&ua, &ua, false, false).is_different(), false);
        }
    }
}
