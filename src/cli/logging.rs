//! Where do logs and panics go? To standard error, and neither shows what came off the wire.

use std::io;
use std::panic;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use super::arguments::{Global, LogFormat};
use super::complain;

/// Starts logging as the flags ask.
pub(super) fn start(global: &Global) {
    let level = match (global.log_level, global.quiet, global.verbose) {
        (Some(level), _, _) => level,
        (None, true, _) => LevelFilter::ERROR,
        (None, false, 0) => LevelFilter::INFO,
        (None, false, 1) => LevelFilter::DEBUG,
        (None, false, _) => LevelFilter::TRACE,
    };
    let logs = fmt().with_max_level(level).with_writer(io::stderr).with_target(false);
    let _already_started = match global.log_format {
        LogFormat::Text => logs.with_ansi(global.colored_logs()).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
}

/// Makes panics say where they happened and nothing else: their message may hold bytes of the wire.
pub(super) fn quiet_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        complain::line(&format!("internal error at {place}; please report it"));
    }));
}
