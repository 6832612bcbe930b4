//! What do all commands that watch need? Configuration, rules, key and outputs, before anything is read.

use std::io::{self, IsTerminal};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use super::arguments::{Global, Results};
use super::refusal::{OrExit, Refusal};
use super::{Exit, clash, complain};
use crate::alert::text::Color;
use crate::config::token_key::{self, KeyError, TokenKey};
use crate::detect::Severity;
use crate::engine::build::{self, Ground};
use crate::engine::config::{Config, Format, Output, Target};
use crate::engine::outputs::{Outputs, Telling};
use crate::engine::pipeline::Pipeline;
use crate::proto::tls::keys::KeyLog;
use crate::rules::{self, RuleSet};
use crate::sink::Start;
use crate::token::TapRules;

/// Configuration and rules as the file and the flags say.
pub(super) struct Setup {
    pub(super) config: Config,
    pub(super) rules: RuleSet,
}

impl Setup {
    /// Reads both.
    pub(super) fn read(global: &Global) -> Result<Self, Refusal> {
        Self::checked(global, |_| Vec::new())
    }

    /// Reads both and refuses them with every mistake in either, and with what is `further` wrong with
    /// the configuration.
    pub(super) fn checked(global: &Global, further: impl Fn(&Config) -> Vec<String>) -> Result<Self, Refusal> {
        let file = crate::config::path(global.config.clone());
        let (mut config, mistakes) = crate::config::load(file.as_deref(), &global.set);
        config.rules.paths.extend(global.rules.iter().cloned());
        let mut reasons: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        reasons.extend(further(&config));
        match rules::load(config.rules.builtin, &config.rules.paths) {
            Ok(rules) if reasons.is_empty() => return Ok(Self { config, rules }),
            Ok(_) => {}
            Err(errors) => reasons.extend(errors.iter().map(ToString::to_string)),
        }
        Err(Refusal { exit: Exit::Invalid, reasons })
    }

    /// Logs what in the rules is hardly meant.
    pub(super) fn warn(&self) {
        self.rules.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    }

    /// A pipeline that has seen nothing.
    pub(super) fn pipeline(
        &self,
        key: &TokenKey,
        min_severity: Severity,
        transactions: bool,
        workers: NonZeroU32,
        keys: &[KeyLog],
    ) -> Result<Pipeline, Refusal> {
        let tap = TapRules {
            names: self.rules.tokens.clone(),
            login: self.rules.logins.clone(),
            agents: Arc::new(self.rules.agents.clone()),
            topology: Arc::new(self.config.clients.clone()),
        };
        let ground = Ground {
            tap: Arc::new(tap),
            settings: &self.rules.detectors,
            key: key.expose(),
            keys,
            min_severity,
            transactions,
            workers,
        };
        build::pipeline(&self.config, &ground).or_exit(Exit::Failed)
    }

    /// Opens the outputs: those of the flags, else those of the file, else standard output. The file's are
    /// for the daemon, which appends: a replay writes nothing that nobody named on its command line.
    pub(super) fn outputs(
        &self,
        results: &Results,
        global: &Global,
        start: Start,
        telling: Telling,
    ) -> Result<Outputs, Refusal> {
        let daemon = start == Start::Append;
        let configured: &[Output] =
            if daemon && results.alerts.is_none() { self.config.outputs.as_slice() } else { &[] };
        let flags = [("alerts", &results.alerts), ("events", &results.events)];
        let flags = flags.into_iter().filter_map(|(what, path)| Some((what.to_owned(), path.as_deref()?)));
        clash::among(&flags.chain(clash::of_config(configured)).collect::<Vec<_>>())?;
        let stdout_is_terminal = io::stdout().is_terminal();
        let stdout_format = if stdout_is_terminal { Format::Text } else { Format::Ecs };
        let mut alerts = match &results.alerts {
            Some(path) => vec![output("alerts", path, stdout_format)],
            None if configured.is_empty() => vec![output("stdout", Path::new("-"), stdout_format)],
            None => configured.to_vec(),
        };
        let events_on_stdout = results.events.as_deref() == Some(Path::new("-"));
        for output in &mut alerts {
            if events_on_stdout && output.target == Target::Stdout {
                // Both on one stream are told apart by their JSON.
                output.format = Format::Ecs;
            }
            output.format = results.format.unwrap_or(output.format);
            output.min_severity = results.min_severity.unwrap_or(output.min_severity);
        }
        let color = if global.color.on(&io::stdout()) { Color::Always } else { Color::Never };
        Outputs::open(&alerts, results.events.as_deref(), start, telling, color).or_exit(Exit::Failed)
    }
}

/// The key of a replay: that of the flag's file, which must be there, else the configured one where
/// the daemon has made it, else a fresh one.
pub(super) fn replay_key(results: &Results, config: &Config) -> Result<TokenKey, Refusal> {
    if let Some(path) = &results.token_key_file {
        return token_key::read(path).or_exit(Exit::Invalid);
    }
    match config.sessions.key_file.as_deref().map(token_key::read) {
        Some(Err(missing @ KeyError::Missing { .. })) => tracing::warn!("{missing}; token refs are of this run only"),
        Some(configured) => return configured.or_exit(Exit::Invalid),
        None => {}
    }
    token_key::random().or_exit(Exit::Failed)
}

/// The key of the daemon: that of the flag's file, which must be there, else the configured one, which
/// is made when it is not, else a fresh one.
pub(super) fn daemon_key(results: &Results, config: &Config) -> Result<TokenKey, Refusal> {
    if let Some(path) = &results.token_key_file {
        return token_key::read(path).or_exit(Exit::Invalid);
    }
    let Some(path) = &config.sessions.key_file else {
        tracing::warn!("no token key is configured (sessions.key_file): token refs will differ after a restart");
        return token_key::random().or_exit(Exit::Failed);
    };
    let (key, made) = token_key::read_or_create(path).or_exit(Exit::Invalid)?;
    if made {
        tracing::info!(path = %path.display(), "made a new token key");
    }
    Ok(key)
}

fn output(name: &str, path: &Path, stdout_format: Format) -> Output {
    let (target, format) = match path == Path::new("-") {
        true => (Target::Stdout, stdout_format),
        false => (Target::File(path.to_owned()), Format::Ecs),
    };
    Output { name: name.to_owned(), target, format, min_severity: Severity::Low }
}

/// Tells what went wrong with an output, if anything did.
pub(super) fn output_trouble(outputs: &mut Outputs) -> Exit {
    match outputs.take_trouble() {
        Some(error) => {
            complain::line(&error.to_string());
            Exit::Failed
        }
        None => Exit::Ok,
    }
}
