//! Floor 12: what was typed? Takes arguments, picks a command, gives an exit code.
//!
//! Results go to standard output, everything else to standard error.

mod arguments;
mod clash;
mod closing;
mod complain;
mod demo;
mod exit;
mod keylog;
mod logging;
mod manual;
mod refusal;
mod replay;
mod rules;
mod run;
mod setup;
mod short_form;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::alert;
use arguments::{Arguments, Color, Command, Global, RulesCommand, SchemaOf};
pub use exit::Exit;
use refusal::{OrExit, Refusal};

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
            run(&command, &global).unwrap_or_else(|refusal| {
                refusal.reasons.iter().for_each(|reason| complain::line(reason));
                refusal.exit
            })
        }
        Err(error) => complain::about_usage(&error),
    };
    exit.into()
}

fn run(command: &Command, global: &Global) -> Result<Exit, Refusal> {
    match command {
        Command::Demo(arguments) => demo::run(arguments, global),
        Command::Replay(arguments) => replay::run(arguments, global),
        Command::Run(arguments) => run::run(arguments, global),
        Command::Check { strict } => rules::check(*strict, global),
        Command::Rules { command: RulesCommand::List } => rules::list(global),
        Command::Rules { command: RulesCommand::Show { id } } => rules::show(id, global),
        Command::Schema { of } => print(&schema(*of)),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "tokentrail", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            manual::render(Arguments::command(), &mut page).or_exit(Exit::Failed)?;
            print(&String::from_utf8_lossy(&page))
        }
    }
}

fn schema(of: SchemaOf) -> String {
    let schema = match of {
        SchemaOf::Alert => alert::schema_alert(),
        SchemaOf::Event => alert::schema_event(),
        SchemaOf::Config => schemars::schema_for!(crate::config::Layer).to_value(),
    };
    format!("{schema:#}\n")
}

/// Writes a result to standard output; a reader that went away is no failure.
fn print(text: &str) -> Result<Exit, Refusal> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Refusal::new(Exit::Failed, format_args!("cannot write to standard output: {error}")))
        }
        _ => Ok(Exit::Ok),
    }
}
