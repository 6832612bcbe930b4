//! What does a User-Agent text mean? Family, system, major version, and what kind of program.

use serde::{Deserialize, Serialize};

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

/// TEMP
pub fn compare(a: &UserAgent, b: &UserAgent, u: bool) -> super::Comparison<super::AgentChange, super::AgentReason> {
    let _ = (a, b, u);
    super::Comparison::Same
}
