//! Which rules and which configuration are in force? `check`, `rules list` and `rules show`.

use std::fmt::Write;

use super::arguments::Global;
use super::refusal::Refusal;
use super::setup::Setup;
use super::{Exit, print};
use crate::rules::KINDS;

/// Says that everything can be used, or why not.
pub(super) fn check(global: &Global) -> Result<Exit, Refusal> {
    let setup = Setup::read(global)?;
    let counts: Vec<String> = KINDS.iter().map(|kind| format!("{} {kind}", setup.rules.count(kind))).collect();
    let file = crate::config::path(global.config.clone());
    let configuration = file.map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
    print(&format!("configuration: {configuration}: ok\nrules: {}: ok\n", counts.join(", ")))
}

/// One line per rule: kind, id, file.
pub(super) fn list(global: &Global) -> Result<Exit, Refusal> {
    let setup = Setup::read(global)?;
    let width = setup.rules.entries.iter().map(|entry| entry.id.len()).max().unwrap_or_default();
    let mut text = String::new();
    for entry in &setup.rules.entries {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<9} {:<width$}  {}", entry.kind, entry.id, entry.source);
    }
    print(&text)
}

/// A rule as it is written. A detector is also found by its number.
pub(super) fn show(id: &str, global: &Global) -> Result<Exit, Refusal> {
    let setup = Setup::read(global)?;
    let name = crate::detect::CATALOGUE.iter().find(|detector| detector.id == id).map_or(id, |detector| detector.name);
    let found: Vec<_> = setup.rules.entries.iter().filter(|entry| entry.id == name).collect();
    if found.is_empty() {
        return Err(Refusal::new(Exit::Usage, format_args!("no rule `{id}`; `tokentrail rules list` names them all")));
    }
    let shown = found.iter().map(|entry| format!("# {} of {}\n{}\n", entry.kind, entry.source, entry.text.trim_end()));
    print(&shown.collect::<String>())
}
