//! Floor 11: what did the operator ask for? Defaults, then the file, then `--set`, then flags.

mod clients;
pub mod keys;
mod layer;
mod list;
pub mod quantity;
pub mod token_key;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::{Mapping, Value};

use crate::engine::config::Config;
pub use layer::{Layer, listen_address};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Something in the file is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What, and what was expected.
        message: String,
    },
    /// Something about a `--set` is wrong.
    #[error("--set {setting}: {message}")]
    Set {
        /// As given.
        setting: String,
        /// What is wrong.
        message: String,
    },
}

/// The file that applies: the one given, else the one that `TOKENTRAIL_CONFIG` names, if any.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the floor that reads the environment")]
pub fn path(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| std::env::var("TOKENTRAIL_CONFIG").ok().filter(|path| !path.is_empty()).map(PathBuf::from))
}

/// Whether the environment asks for no colours: `NO_COLOR` is set and not empty (no-color.org), or
/// `TERM` names a terminal that has none.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the floor that reads the environment")]
pub fn no_color() -> bool {
    std::env::var("NO_COLOR").is_ok_and(|value| !value.is_empty()) || std::env::var("TERM").is_ok_and(|t| t == "dumb")
}

/// Defaults, then `file`, then each `KEY=VALUE` of `settings` in order.
///
/// # Errors
/// The first mistake, with its place.
pub fn load(file: Option<&Path>, settings: &[String]) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    if let Some(path) = file {
        let text =
            fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
        parse(&text).map_err(|error| error.in_file(path))?.apply(&mut config);
    }
    for setting in settings {
        let wrong = |message| ConfigError::Set { setting: setting.clone(), message };
        assignment(setting).map_err(wrong)?.apply(&mut config);
    }
    Ok(config)
}

/// A YAML error without its place, and the place.
struct Misread {
    message: String,
    line: usize,
    column: usize,
}

impl Misread {
    fn in_file(self, path: &Path) -> ConfigError {
        ConfigError::File { path: path.to_owned(), line: self.line, column: self.column, message: self.message }
    }
}

impl From<serde_yaml::Error> for Misread {
    fn from(error: serde_yaml::Error) -> Self {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let message = error.to_string().replace(&format!(" at line {line} column {column}"), "");
        Self { message, line, column }
    }
}

/// Reads a whole document: its keys first, so that a wrong one is named with its place, then types.
fn parse(text: &str) -> Result<Layer, Misread> {
    let empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if empty {
        return Ok(Layer::default());
    }
    keys::check(serde_yaml::Deserializer::from_str(text))?;
    Ok(serde_yaml::from_str(text)?)
}

/// Reads `a.b=VALUE`; the value is YAML.
fn assignment(setting: &str) -> Result<Layer, String> {
    let (key, value) = setting.split_once('=').ok_or("expected KEY=VALUE")?;
    let value: Value = serde_yaml::from_str(value).map_err(|e| Misread::from(e).message)?;
    let document = key.rsplit('.').fold(value, |inner, name| {
        let mut outer = Mapping::new();
        outer.insert(Value::String(name.to_owned()), inner);
        Value::Mapping(outer)
    });
    keys::check(document.clone()).map_err(|e| e.to_string())?;
    Layer::deserialize(document).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;
