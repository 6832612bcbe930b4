//! What do `-i`, `-r` and `-T` without a command mean? run, replay and check, as in tcpdump, Zeek
//! and Suricata.

use std::ffi::OsString;

use clap::Command;

/// Inserts the command that a short form stands for; other arguments come back as they are.
pub(super) fn expand(definition: &Command, mut arguments: Vec<OsString>) -> Vec<OsString> {
    let mut at = 1;
    while let Some(word) = arguments.get(at).and_then(|word| word.to_str()) {
        let command = match word {
            "-T" => {
                arguments.remove(at);
                "check"
            }
            "-h" | "--help" | "-V" | "--version" | "--" => break,
            "--interface" | "--read" => {
                if word == "--read" {
                    "replay"
                } else {
                    "run"
                }
            }
            _ if word.starts_with("-i") => "run",
            _ if word.starts_with("-r") => "replay",
            _ if word.starts_with('-') => {
                at += if takes_next(definition, word) { 2 } else { 1 };
                continue;
            }
            // A command, or what is to be refused as one.
            _ => break,
        };
        arguments.insert(1, command.into());
        break;
    }
    arguments
}

/// Whether this common flag takes the next word as its value.
fn takes_next(definition: &Command, word: &str) -> bool {
    definition.get_arguments().filter(|arg| arg.get_action().takes_values()).any(|arg| {
        let long = arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long));
        let short = arg.get_short().is_some_and(|short| word.strip_prefix('-') == Some(short.to_string().as_str()));
        long || short
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    fn expanded(line: &str) -> String {
        let words = line.split(' ').map(OsString::from).collect();
        let words = expand(&Arguments::command(), words);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn short_forms_become_commands() {
        assert_eq!(expanded("tokentrail -i eth0 tcp"), "tokentrail run -i eth0 tcp");
        assert_eq!(expanded("tokentrail -ieth0"), "tokentrail run -ieth0");
        assert_eq!(expanded("tokentrail -r a.pcap --alerts x"), "tokentrail replay -r a.pcap --alerts x");
        assert_eq!(expanded("tokentrail -T"), "tokentrail check");
        assert_eq!(expanded("tokentrail -c run -T --quiet"), "tokentrail check -c run --quiet");
        assert_eq!(expanded("tokentrail -q --set memory=1GiB -i eth0"), "tokentrail run -q --set memory=1GiB -i eth0");
        assert_eq!(expanded("tokentrail --read x"), "tokentrail replay --read x");
    }

    #[test]
    fn commands_stay() {
        for line in [
            "tokentrail",
            "tokentrail run -i eth0",
            "tokentrail -c x check -T",
            "tokentrail -h -i",
            "tokentrail bogus -r x",
        ] {
            assert_eq!(expanded(line), line);
        }
    }
}
