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
use crate::rules::document::{self, Mistake, Spared};
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

/// Defaults, then `file`, then each `KEY=VALUE` of `settings` in order: as far as they can be read, and
/// every mistake in them.
#[must_use]
pub fn load(file: Option<&Path>, settings: &[String]) -> (Config, Vec<ConfigError>) {
    let mut config = Config::default();
    let mut errors = Vec::new();
    if let Some(path) = file {
        match fs::read_to_string(path) {
            Ok(text) => {
                let (layer, mistakes) = parse(&text);
                layer.apply(&mut config);
                errors.extend(mistakes.into_iter().map(|mistake| ConfigError::in_file(path, mistake)));
            }
            Err(cause) => errors.push(ConfigError::Unreadable { path: path.to_owned(), cause }),
        }
    }
    for setting in settings {
        match assignment(setting) {
            Ok(layer) => layer.apply(&mut config),
            Err(message) => errors.push(ConfigError::Set { setting: setting.clone(), message }),
        }
    }
    (config, errors)
}

impl ConfigError {
    fn in_file(path: &Path, Mistake { line, column, message }: Mistake) -> Self {
        Self::File { path: path.to_owned(), line, column, message }
    }
}

/// Reads a whole document: its keys first, so that a wrong one is named with the nearest, then types,
/// then what does not go together.
fn parse(text: &str) -> (Layer, Vec<Mistake>) {
    if document::is_empty(text) {
        return (Layer::default(), Vec::new());
    }
    let mut spared = Spared::new();
    let (keys, mut mistakes) = document::read(text, &mut spared, |yaml| keys::check(yaml));
    if keys.is_none() {
        return (Layer::default(), mistakes);
    }
    let (layer, more) = document::read(text, &mut spared, |yaml| Layer::deserialize(yaml));
    let layer = layer.unwrap_or_default();
    mistakes.extend(more);
    mistakes.extend(layer.outputs_in_conflict(text));
    mistakes.sort();
    (layer, mistakes)
}

/// Reads `a.b=VALUE`; the value is YAML.
fn assignment(setting: &str) -> Result<Layer, String> {
    let (key, value) = setting.split_once('=').ok_or("expected KEY=VALUE")?;
    let value: Value = serde_yaml::from_str(value).map_err(|e| Mistake::from(e).message)?;
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
