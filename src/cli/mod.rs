//! Floor 12: what was typed? Takes arguments, picks a command, gives an exit code.
//!
//! Results go to standard output, everything else to standard error.

mod arguments;
mod complain;
mod exit;
mod logging;
mod short_form;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use arguments::{Arguments, Color, Command, Global, SchemaOf};
pub use exit::Exit;

/// The program: reads `arguments` (the first is the program's name), does what they say, and gives
/// the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    logging::quiet_panics();
    let arguments = short_form::expand(&Arguments::command(), arguments.into_iter().collect());
    let color = Color::of(&arguments);
    let parsed = Arguments::command().color(color.for_clap()).try_get_matches_from(arguments);
    let exit = match parsed.and_then(|mut matches| Arguments::from_arg_matches_mut(&mut matches)) {
        Ok(Arguments { global, command }) => {
            logging::start(&global);
            run(command, &global)
        }
        Err(error) => complain::about_usage(&error),
    };
    exit.into()
}

fn run(command: Command, global: &Global) -> Exit {
    let _ = global;
    match command {
        Command::Schema { of: SchemaOf::Config } => {
            print_or_fail(&(json(&schemars::schema_for!(crate::config::Layer)) + "\n"))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tokentrail", &mut script);
            print_or_fail(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            match clap_mangen::Man::new(Arguments::command()).render(&mut page) {
                Ok(()) => print_or_fail(&String::from_utf8_lossy(&page)),
                Err(error) => fail(Exit::Failed, &error),
            }
        }
        _ => unreachable!(),
    }
}

/// Writes a result; a reader that went away is no failure.
fn print_or_fail(text: &str) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(Exit::Failed, &error),
        _ => Exit::Ok,
    }
}

/// One line about what went wrong.
fn fail(exit: Exit, error: &dyn std::fmt::Display) -> Exit {
    complain::line(&error.to_string());
    exit
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
