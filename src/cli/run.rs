//! How does `tokentrail run` go? Interfaces opened, metrics served, watched until a signal.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::arguments::{Global, RunArguments};
use super::refusal::{OrExit, Refusal};
use super::setup::{self, Setup};
use super::{Exit, closing, complain};
use crate::capture::live::interfaces;
use crate::capture::{LiveCapture, LiveConfig, LiveError};
use crate::detect::CATALOGUE;
use crate::engine::config::Interface;
use crate::engine::listener::Listener;
use crate::engine::live::{Watched, publish, watch};
use crate::engine::outputs::{Outputs, Telling};
use crate::engine::replay::Tellers;
use crate::engine::signals::{Signals, Stop};
use crate::engine::{build, clock, counts, web_config};
use crate::metrics::{Layout, Metrics};
use crate::rules::KINDS;
use crate::sink::Start;

pub(super) fn run(arguments: &RunArguments, global: &Global) -> Result<Exit, Refusal> {
    let mut setup = Setup::read(global)?;
    arguments.between.add_to(&mut setup.config.clients);
    if !arguments.interface.is_empty() {
        setup.config.interfaces = arguments.interface.iter().cloned().map(Interface::new).collect();
    }
    if setup.config.interfaces.is_empty() {
        let known = interfaces().join(", ");
        let meant = arguments.words.first().filter(|word| interfaces().contains(word));
        let meant = meant.map(|word| format!("; did you mean `-i {word}`?")).unwrap_or_default();
        let message =
            format!("no interface to capture from: give -i IFACE or capture.interfaces; there are: {known}{meant}");
        return Err(Refusal::new(Exit::Usage, message));
    }
    setup.warn();
    let words: Vec<&str> = arguments.words.iter().chain(&arguments.filter).map(String::as_str).collect();
    let filter = (!words.is_empty()).then(|| words.join(" "));
    if let Some(address) = arguments.listen {
        setup.config.web_listen = address;
    }
    let web_config = arguments.web_config.as_ref().or(setup.config.web_config_file.as_ref());
    let tls = web_config.map(|file| web_config::load(file)).transpose().or_exit(Exit::Invalid)?;

    let signals = Signals::listen(true).or_exit(Exit::Failed)?;
    let mut watched = open(&setup.config.interfaces, filter.as_deref())?;
    let key = setup::daemon_key(&arguments.results, &setup.config)?;
    let mut outputs = setup.outputs(&arguments.results, global, Start::Append, Telling::AtOnce)?;
    let metrics = Arc::new(metrics(&setup, &watched, &outputs, arguments.results.workers).or_exit(Exit::Failed)?);
    let ready = Arc::new(AtomicBool::new(false));
    let listener = Listener::start(setup.config.web_listen, tls, Arc::clone(&metrics), Arc::clone(&ready))
        .or_exit(Exit::Failed)?;

    let names: Vec<Box<str>> = watched.iter().map(|interface| interface.name().into()).collect();
    let sensor = build::sensor(names.clone());
    let min_severity = outputs.min_severity();
    let mut pipeline = setup.pipeline(&key, min_severity, outputs.takes_events(), arguments.results.workers, &[])?;
    tracing::info!(interfaces = names.join(","), web = %listener.address(), "capturing");
    let mut tellers = Tellers { outputs: &mut outputs, sensor: &sensor };
    publish(&mut watched, &pipeline, &tellers, &metrics);
    let stop = watch(&mut watched, &mut pipeline, &mut tellers, &signals, &metrics, &ready);
    drop(listener);

    let told = counts::summary(&pipeline, Some(&outputs), names, Vec::new());
    outputs.summary(&told, &sensor);
    outputs.flush();
    let exit = setup::output_trouble(&mut outputs);
    if !global.quiet {
        complain::block(&closing::lines(&told, 0, min_severity));
    }
    Ok(match stop {
        Stop::Terminate => exit,
        Stop::Interrupt => exit.or(Exit::Interrupted),
    })
}

fn open(interfaces: &[Interface], filter: Option<&str>) -> Result<Vec<Watched>, Refusal> {
    let open = |(at, interface): (usize, &Interface)| {
        let config = LiveConfig {
            filter: filter.map(str::to_owned).or_else(|| interface.filter.clone()),
            ring_bytes: interface.ring,
            capture: u32::try_from(at).unwrap_or(u32::MAX),
            ..LiveConfig::new(interface.name.as_str())
        };
        let capture = LiveCapture::open(config).map_err(|error| {
            let exit = match &error {
                LiveError::NotPermitted { .. } => Exit::Denied,
                LiveError::Filter(_) => Exit::Usage,
                LiveError::NoSuchInterface { .. } => Exit::Input,
                LiveError::Open { .. } | LiveError::Lost { .. } => Exit::Failed,
            };
            Refusal::new(exit, error)
        })?;
        Ok(Watched::new(capture))
    };
    interfaces.iter().enumerate().map(open).collect()
}

fn metrics(
    setup: &Setup,
    watched: &[Watched],
    outputs: &Outputs,
    workers: NonZeroU32,
) -> Result<Metrics, impl std::fmt::Display + use<>> {
    Metrics::new(&Layout {
        interfaces: &watched.iter().map(|interface| interface.name().to_owned()).collect::<Vec<_>>(),
        outputs: &outputs.counters().map(|(name, _)| name.to_owned()).collect::<Vec<_>>(),
        detectors: &CATALOGUE.map(|detector| detector.name),
        rules: &KINDS.map(|kind| (kind, setup.rules.count(kind))),
        pools: &build::pools(setup.config.memory),
        workers: workers.get(),
        loaded: clock::now(),
    })
}
