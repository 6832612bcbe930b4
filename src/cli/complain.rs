//! How is a mistake told? One line on standard error that says what and how to go on.

use std::io::{self, Write};
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Exit;

/// Flags whose names are settled and which this version does not have.
const LATER_FLAGS: &[&str] = &["--evidence", "--report", "--web.enable-lifecycle", "--coverage"];

/// Commands whose names are settled and which this version does not have.
const LATER_COMMANDS: &[&str] = &["explain", "doctor", "ctl", "test", "fields"];

/// Writes one line with the program's name. What could move a terminal's cursor is replaced.
pub(super) fn line(text: &str) {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // Nobody can be told when standard error is gone.
    let _gone = writeln!(io::stderr().lock(), "tokentrail: {clean}");
}

/// Writes several lines as they are. What could move a terminal's cursor is replaced.
pub(super) fn block(text: &str) {
    let clean: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    let _gone = io::stderr().lock().write_all(clean.as_bytes());
}

/// Help and versions are printed as they are; mistakes become one line.
pub(super) fn about_usage(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _gone = error.print();
            return Exit::Ok;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _gone = error.print();
            return Exit::Usage;
        }
        _ => {}
    }
    line(&in_one_line(error));
    Exit::Usage
}

fn in_one_line(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let flag = context(ContextKind::InvalidArg).map(|flag| flag.split(['=', ' ']).next().unwrap_or(flag));
    let command = context(ContextKind::InvalidSubcommand);
    let later = match error.kind() {
        ErrorKind::UnknownArgument => flag.filter(|flag| LATER_FLAGS.contains(flag)),
        ErrorKind::InvalidSubcommand => command.filter(|command| LATER_COMMANDS.contains(command)),
        _ => None,
    };
    if let Some(name) = later {
        return format!("`{name}` is not available in this version");
    }
    let text = error.render().to_string();
    let paragraph: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let said = paragraph.join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said);
    let near = context(ContextKind::SuggestedArg).or_else(|| context(ContextKind::SuggestedSubcommand));
    let near = near.or_else(|| context(ContextKind::SuggestedValue));
    // A path is no misspelt command, however alike they look (`/check/a.pcap` and `check`).
    if let Some(file) = command.filter(|word| Path::new(word).exists()) {
        return format!("{said}; did you mean `tokentrail replay {file}`? See --help");
    }
    match near {
        Some(near) => format!("{said}; did you mean `{near}`? See --help"),
        None => format!("{said}; see --help"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::arguments::Arguments;

    fn refusal(line: &str) -> String {
        in_one_line(&Arguments::try_parse_from(line.split(' ')).unwrap_err())
    }

    #[test]
    fn what_is_of_a_later_version_is_refused_by_name() {
        for flag in LATER_FLAGS {
            assert_eq!(
                refusal(&format!("tokentrail replay {flag} x a.pcap")),
                format!("`{flag}` is not available in this version")
            );
            assert_eq!(
                refusal(&format!("tokentrail replay {flag}=x a.pcap")),
                format!("`{flag}` is not available in this version")
            );
        }
        for command in ["explain x", "doctor", "ctl status"] {
            let name = command.split(' ').next().unwrap();
            assert_eq!(refusal(&format!("tokentrail {command}")), format!("`{name}` is not available in this version"));
        }
        assert_eq!(refusal("tokentrail rules test"), "`test` is not available in this version");
        assert!(refusal("tokentrail replay --format eve x").contains("`eve` is not available in this version"));
    }

    #[test]
    fn mistakes_take_one_line_and_name_the_nearest() {
        assert_eq!(
            refusal("tokentrail replay --alert x a"),
            "unexpected argument '--alert' found; did you mean `--alerts`? See --help"
        );
        assert_eq!(refusal("tokentrail repaly"), "unrecognized subcommand 'repaly'; did you mean `replay`? See --help");
        assert!(refusal("tokentrail Cargo.toml").contains("did you mean `tokentrail replay Cargo.toml`?"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("check");
        std::fs::write(&file, []).unwrap();
        let file = file.to_str().unwrap();
        assert!(refusal(&format!("tokentrail {file}")).contains(&format!("did you mean `tokentrail replay {file}`?")));
        assert!(refusal("tokentrail replay").starts_with("the following required arguments were not provided: "));
        for line in [
            "tokentrail replay --fail-on bad x",
            "tokentrail run --web.listen-address 0.0.0.0:1",
            "tokentrail replay -q -v x",
        ] {
            assert!(!refusal(line).contains('\n'), "{line}");
        }
    }
}
