//! What does the manual page say? Everything that `--help` says, of every command, on one page.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Writes the page in roff. Options that every command has are told once, at the end.
pub(super) fn render(mut definition: Command, page: &mut dyn Write) -> io::Result<()> {
    definition.build();
    let about = definition.get_about().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(definition.clone());
    man.render_title(page)?;
    let mut intro = Roff::new();
    intro.control("SH", ["NAME"]).text([roman(format!("tokentrail - {}", about.to_lowercase()))]);
    intro.control("SH", ["SYNOPSIS"]);
    for command in definition.get_subcommands().filter(|command| !command.is_hide_set()) {
        intro.control("PP", []).text([bold(usage(command))]);
    }
    intro.control("SH", ["DESCRIPTION"]).text([roman(format!("{about}."))]);
    intro.to_writer(page)?;
    for command in definition.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name().to_uppercase();
        let mut section = Roff::new();
        section.control("SH", [name.as_str()]);
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        section.text([roman(format!("{about}."))]);
        for below in command.get_subcommands() {
            let about = below.get_about().map(ToString::to_string).unwrap_or_default();
            section.control("TP", []).text([bold(usage(below))]).text([roman(format!("{about}."))]);
        }
        for arg in command.get_arguments().filter(|arg| !arg.is_global_set() && !arg.is_hide_set()) {
            option(&mut section, arg);
        }
        section.to_writer(page)?;
    }
    let mut common = Roff::new();
    common.control("SH", ["COMMON OPTIONS"]);
    for arg in definition.get_arguments().filter(|arg| !arg.is_hide_set()) {
        option(&mut common, arg);
    }
    common.to_writer(page)?;
    man.render_extra_section(page)?;
    man.render_version_section(page)
}

/// `tokentrail rules show [OPTIONS] <ID>`.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    usage.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A flag or a word, with its values and its help.
fn option(section: &mut Roff, arg: &clap::Arg) {
    if matches!(arg.get_id().as_str(), "help" | "version") {
        return;
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let mut names: Vec<String> = short.into_iter().chain(long).collect();
    let values: Vec<&str> = arg.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
    if arg.get_action().takes_values() {
        match names.last_mut() {
            Some(name) => *name = format!("{name} {}", values.join(" ")),
            None => names.push(values.join(" ")),
        }
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible = arg.get_possible_values();
    let possible: Vec<&str> = possible.iter().map(clap::builder::PossibleValue::get_name).collect();
    let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let mut text = format!("{help}.");
    if !possible.is_empty() && arg.get_action().takes_values() {
        text.push_str(&format!(" One of {}.", possible.join(", ")));
    }
    if !default.is_empty() && arg.get_action().takes_values() {
        text.push_str(&format!(" Default: {}.", default.join(" ")));
    }
    section.control("TP", []).text([bold(names.join(", "))]).text([roman(text)]);
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    #[test]
    fn every_flag_of_every_command_is_on_the_page() {
        let mut page = Vec::new();
        render(Arguments::command(), &mut page).unwrap();
        let page = String::from_utf8(page).unwrap().replace("\\-", "-");
        let mut definition = Arguments::command();
        definition.build();
        let all = definition.get_subcommands().chain([&definition]).flat_map(Command::get_arguments);
        for long in all.filter(|arg| !arg.is_hide_set()).filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{long}")) || matches!(long, "help" | "version"), "{long}");
        }
        assert!(page.contains(".SH REPLAY") && page.contains("rules show") && page.contains("Exit codes"));
    }
}
