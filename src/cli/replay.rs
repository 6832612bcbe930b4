//! How does `tokentrail replay` go? Inputs told apart from the filter, one history, an exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use super::arguments::{Global, ReplayArguments};
use super::refusal::{OrExit, Refusal};
use super::setup::{self, Setup};
use super::{Exit, clash, closing, complain, keylog};
use crate::alert::Summary;
use crate::capture::inputs::{Input, expand, split_arguments};
use crate::capture::{CaptureError, Filter, FilterError, History, InputError, Selected, TimeRange};
use crate::detect::Severity;
use crate::engine::outputs::Telling;
use crate::engine::progress::ProgressLine;
use crate::engine::replay::{Tellers, replay};
use crate::engine::signals::Signals;
use crate::engine::{build, counts};
use crate::sink::Start;

pub(super) fn run(arguments: &ReplayArguments, global: &Global) -> Result<Exit, Refusal> {
    let mut setup = Setup::read(global)?;
    arguments.between.add_to(&mut setup.config.clients);
    let key = setup::replay_key(&arguments.results, &setup.config)?;
    let (inputs, filter) = inputs_and_filter(arguments);
    let filter = filter.map(|words| Filter::new(&words).map_err(|error| no_filter(&words, &error))).transpose()?;
    let range = TimeRange::new(arguments.from, arguments.to);
    if range.is_empty() {
        return Err(Refusal::new(Exit::Usage, "--to is not after --from: no frame is between them"));
    }
    setup.warn();
    let inputs = expand(&inputs).map_err(|error| {
        let exit = match error {
            InputError::Url { .. } | InputError::StdinTwice | InputError::Pattern { .. } => Exit::Usage,
            _ => Exit::Input,
        };
        Refusal::new(exit, error)
    })?;
    let written = arguments.results.alerts.iter().chain(&arguments.results.events).cloned();
    let read: Vec<PathBuf> = files(&inputs).into_iter().chain(arguments.keylog.iter().cloned()).collect();
    clash::with_inputs(&written.collect::<Vec<_>>(), &read)?;
    let keys = keylog::read(&arguments.keylog)?;
    // Whoever reads from a pipe may follow what is happening now.
    let telling = match inputs.contains(&Input::Stdin) {
        true => Telling::AtOnce,
        false => Telling::AtTheEnd { most: build::waiting_alerts(&setup.config) },
    };
    let history = History::open(inputs);
    let captures: Vec<Box<str>> = history.names().iter().map(|name| (**name).into()).collect();
    let total = history.progress().total;
    let mut source = Selected::new(history, filter, range);

    let mut outputs = setup.outputs(&arguments.results, global, Start::Replace, telling)?;
    let sensor = build::sensor(captures.clone());
    let min_severity = outputs.min_severity();
    let mut pipeline = setup.pipeline(&key, min_severity, outputs.takes_events(), arguments.results.workers, &keys)?;
    let signals = Signals::listen(false).or_exit(Exit::Failed)?;
    let shown = !arguments.no_progress && !global.quiet && io::stderr().is_terminal();
    let mut progress = ProgressLine::new(total, shown);

    let mut tellers = Tellers { outputs: &mut outputs, sensor: &sensor };
    let position = |source: &Selected<History>| source.source().progress();
    let replayed = replay(&mut source, &mut pipeline, &mut tellers, &signals, &mut progress, position);

    let truncated = replayed.unread.iter().filter_map(|error| match error {
        CaptureError::File { name, .. } => Some(name.as_str().into()),
        CaptureError::Filter(_) => None,
    });
    let told = counts::summary(&pipeline, Some(&outputs), captures, truncated.collect());
    outputs.summary(&told, &sensor);
    outputs.flush();

    let mut exit = setup::output_trouble(&mut outputs);
    for error in &replayed.unread {
        complain::line(&error.to_string());
        exit = exit.or(Exit::Input);
    }
    if !global.quiet && (told.frames > 0 || replayed.unread.is_empty()) {
        complain::block(&closing::lines(&told, source.passed_over(), min_severity));
        if arguments.results.alerts.is_none() && !setup.config.outputs.is_empty() {
            complain::block(
                "written standard output: the outputs of the configuration are those of `run`; see --alerts\n",
            );
        }
    }
    if replayed.interrupted {
        complain::line("interrupted: what was read until then is reported");
        exit = exit.or(Exit::Interrupted);
    }
    if arguments.fail_on.is_some_and(|threshold| reached(&told, threshold)) {
        exit = exit.or(Exit::Alerts);
    }
    Ok(exit)
}

/// Those inputs that are files.
fn files(inputs: &[Input]) -> Vec<PathBuf> {
    let path = |input: &Input| match input {
        Input::File(path) => Some(path.clone()),
        Input::Stdin => None,
    };
    inputs.iter().filter_map(path).collect()
}

/// What is wrong with a filter; its first word may have been meant as an input.
fn no_filter(words: &str, error: &FilterError) -> Refusal {
    let first = words.split(' ').next().unwrap_or_default();
    let path = first.contains('/').then(|| format!("; if `{first}` is meant as an input: there is no such file"));
    Refusal::new(Exit::Usage, format_args!("{error}{}", path.unwrap_or_default()))
}

/// Whether an alert is at or above the threshold.
fn reached(told: &Summary, threshold: Severity) -> bool {
    told.alerts.iter().any(|(severity, n)| *severity >= threshold && *n > 0)
}

/// What is read, and the filter over it. A first word that is neither an input nor followed by one
/// was meant as an input when nothing else is.
fn inputs_and_filter(arguments: &ReplayArguments) -> (Vec<OsString>, Option<String>) {
    let words: Vec<OsString> = arguments.words.iter().map(Into::into).collect();
    let split = split_arguments(&words);
    let mut inputs: Vec<OsString> = arguments.read.iter().map(Into::into).collect();
    inputs.extend(split.inputs);
    if inputs.is_empty() {
        return (words.into_iter().take(1).collect(), None);
    }
    let forced = (!arguments.filter.is_empty()).then(|| arguments.filter.join(" "));
    let filter = [split.filter, forced].into_iter().flatten().collect::<Vec<_>>().join(" ");
    (inputs, (!filter.is_empty()).then_some(filter))
}
