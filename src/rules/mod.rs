//! Floor 9: which rules hold? YAML files → the typed rules of the lower floors.
//!
//! The built-in files are part of the program; those of the operator override their entries by id.
//! `document` reads YAML on after a mistake, `file` is the form of a file, `compile` makes rules of it,
//! `error` says what is wrong and where, `gist` shows an entry in one line.

mod compile;
pub mod document;
mod error;
mod file;
mod gist;

use std::path::{Path, PathBuf};

use crate::detect::Settings;
use crate::identity::user_agent::AgentRules;
use crate::token::login::LoginRules;
use crate::token::names::TokenNames;
pub use error::RuleError;

/// The files that are part of the program.
const BUILTIN: [(&str, &str); 3] = [
    ("rules/tokens.yaml", include_str!("../../rules/tokens.yaml")),
    ("rules/tools.yaml", include_str!("../../rules/tools.yaml")),
    ("rules/detectors.yaml", include_str!("../../rules/detectors.yaml")),
];

/// Whether a file of this name is part of the program.
#[must_use]
pub fn is_builtin(file: &str) -> bool {
    BUILTIN.iter().any(|(name, _)| *name == file)
}

/// All rules, compiled.
#[derive(Clone)]
pub struct RuleSet {
    /// Names of tokens.
    pub tokens: TokenNames,
    /// Login and logout paths.
    pub logins: LoginRules,
    /// Programs known by their user agent.
    pub agents: AgentRules,
    /// Detectors and weights.
    pub detectors: Settings,
    /// Every entry in force, for people to read.
    pub entries: Vec<Entry>,
    /// What is no mistake but hardly meant, one line each.
    pub warnings: Vec<String>,
}

/// One entry in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `token`, `login`, `agent`, `detector` or `weight`.
    pub kind: &'static str,
    /// Its id: `php_session`, `token.new_client`.
    pub id: String,
    /// The file that it is from.
    pub source: String,
    /// Its YAML.
    pub text: String,
    /// The file with an entry of the same id that it overrides.
    pub instead_of: Option<String>,
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rules", self.entries.len())
    }
}

impl RuleSet {
    /// How many entries of a kind are in force.
    #[must_use]
    pub fn count(&self, kind: &str) -> usize {
        self.entries.iter().filter(|e| e.kind == kind).count()
    }
}

/// Kinds of entries: the labels of `rules_loaded{kind}`.
pub const KINDS: [&str; 5] = ["token", "login", "agent", "detector", "weight"];

/// Loads the built-in rules, where wanted, and then each of `paths`: a file, or the `*.yaml` and
/// `*.yml` of a directory in order of their names.
///
/// # Errors
/// Every mistake in every file.
pub fn load(builtin: bool, paths: &[PathBuf]) -> Result<RuleSet, Vec<RuleError>> {
    let mut texts: Vec<(String, String)> = Vec::new();
    if builtin {
        texts.extend(BUILTIN.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for path in paths {
        match files(path) {
            Ok(files) => {
                if files.is_empty() {
                    warnings.push(format!("{}: no *.yaml or *.yml file in this directory", path.display()));
                }
                for file in files {
                    match std::fs::read_to_string(&file) {
                        Ok(text) => texts.push((file.display().to_string(), text)),
                        Err(cause) => errors.push(RuleError::unreadable(&file, &cause)),
                    }
                }
            }
            Err(cause) => errors.push(RuleError::unreadable(path, &cause)),
        }
    }
    let mut compiler = compile::Compiler::default();
    for (layer, (name, text)) in texts.iter().enumerate() {
        let layer = u16::try_from(layer).unwrap_or(u16::MAX);
        let (document, mut mistakes) = file::read(name, text);
        mistakes.extend(compiler.add(name, text, layer, document));
        mistakes.sort_by_key(RuleError::place);
        errors.append(&mut mistakes);
    }
    if errors.is_empty() { Ok(RuleSet { warnings, ..compiler.finish() }) } else { Err(errors) }
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod library;
#[cfg(test)]
mod tests;
