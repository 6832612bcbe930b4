//! Which rules and which configuration are in force? `check`, `rules list` and `rules show`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::arguments::Global;
use super::refusal::Refusal;
use super::setup::Setup;
use super::{Exit, clash, complain, print};
use crate::capture::Filter;
use crate::config::token_key::{self, KeyError};
use crate::engine::config::Config;
use crate::engine::web_config;
use crate::rules::{self, Entry, KINDS};

/// Says that everything can be used, or why not, and which entries each file of the operator has.
pub(super) fn check(strict: bool, global: &Global) -> Result<Exit, Refusal> {
    let setup = Setup::checked(global, unusable)?;
    if strict && !setup.rules.warnings.is_empty() {
        return Err(Refusal { exit: Exit::Invalid, reasons: setup.rules.warnings });
    }
    setup.rules.warnings.iter().for_each(|warning| complain::line(&format!("warning: {warning}")));
    if global.quiet {
        return Ok(Exit::Ok);
    }
    let counts: Vec<String> = KINDS.iter().map(|kind| format!("{} {kind}", setup.rules.count(kind))).collect();
    let file = crate::config::path(global.config.clone());
    let configuration = file.map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
    let mut text = format!("configuration: {configuration}: ok\nrules: {}: ok\n", counts.join(", "));
    let mut own: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for entry in setup.rules.entries.iter().filter(|entry| !rules::is_builtin(&entry.source)) {
        let instead = entry.instead_of.as_ref().map(|file| format!(" (instead of that in {file})"));
        own.entry(&entry.source).or_default().push(format!("{}{}", entry.id, instead.unwrap_or_default()));
    }
    for (file, ids) in own {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "rules of {file}: {}", ids.join(", "));
    }
    print(&text)
}

/// What a daemon would refuse in a configuration that can be read.
fn unusable(config: &Config) -> Vec<String> {
    let filters = config.interfaces.iter().filter_map(|interface| interface.filter.as_deref());
    let filters = filters.filter_map(|filter| Some(Filter::new(filter).err()?.to_string()));
    let web = config.web_config_file.iter().filter_map(|file| Some(web_config::load(file).err()?.to_string()));
    // A missing key is made by the daemon, and who checks need not be allowed to read it.
    let key = config.sessions.key_file.as_deref().and_then(|file| match token_key::read(file) {
        Err(error @ (KeyError::Exposed { .. } | KeyError::Shape { .. })) => Some(error.to_string()),
        _ => None,
    });
    let outputs = clash::among(&clash::of_config(&config.outputs)).err();
    filters.chain(web).chain(key).chain(outputs.into_iter().flat_map(|refusal| refusal.reasons)).collect()
}

/// One line per rule: kind, id, file, and what it is about.
pub(super) fn list(global: &Global) -> Result<Exit, Refusal> {
    let setup = Setup::read(global)?;
    let width = |of: fn(&Entry) -> &str| setup.rules.entries.iter().map(|entry| of(entry).len()).max();
    let (ids, files) = (width(|e| &e.id).unwrap_or_default(), width(|e| &e.source).unwrap_or_default());
    let mut text = String::new();
    for entry in &setup.rules.entries {
        let line = format!("{:<9} {:<ids$}  {:<files$}  {}", entry.kind, entry.id, entry.source, entry.gist());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    print(&text)
}

/// A rule in full: as it is written, of a detector with what its earlier entries say. A detector is also
/// found by its number.
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
