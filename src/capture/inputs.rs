//! Which captures did someone ask for? Files, directories, globs and standard input, told apart from
//! filter words.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{CaptureFile, FileError};

/// Files that one history may have.
const MAX_FILES: usize = 65_536;
/// How deep directories are entered.
const MAX_DEPTH: usize = 32;

/// One capture to read.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Input {
    /// A file or a named pipe.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// Why the inputs cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No input was named.
    #[error("no capture was named")]
    None,
    /// A path leads nowhere.
    #[error("{}: {source}", .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory without a capture in it.
    #[error("{}: no capture file in this directory or below ({seen} files looked at)", .path.display())]
    EmptyDirectory {
        /// The directory.
        path: PathBuf,
        /// Files looked at.
        seen: usize,
    },
    /// A glob that matches nothing.
    #[error("{pattern}: matches no file")]
    NoMatch {
        /// The glob.
        pattern: String,
    },
    /// A glob that is none.
    #[error("{pattern}: {source}")]
    Pattern {
        /// The glob.
        pattern: String,
        /// Why.
        source: glob::PatternError,
    },
    /// A URL.
    #[error("{url}: captures are not fetched from URLs; download it, or pipe it to `-`")]
    Url {
        /// The URL.
        url: String,
    },
    /// Standard input was named twice.
    #[error("standard input (`-`) can be read only once")]
    StdinTwice,
    /// More files than a history may have.
    #[error("more than {MAX_FILES} capture files")]
    TooMany,
}

/// Arguments told apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Arguments {
    /// Files, directories, globs, URLs, `-`.
    pub inputs: Vec<OsString>,
    /// The filter words, joined by spaces.
    pub filter: Option<String>,
}

/// Leading arguments that exist, are globs, URLs or `-` are inputs; the first other one starts a
/// filter, and so does `--`. A name that can only be a capture's (`x.pcap.gz`) is an input even
/// where it does not exist, so that a misspelt one is reported as what it is.
#[must_use]
pub fn split_arguments(arguments: &[OsString]) -> Arguments {
    let inputs = arguments.iter().take_while(|a| *a != "--" && is_input(a)).count();
    let (inputs, rest) = arguments.split_at_checked(inputs).unwrap_or((arguments, &[]));
    let words = match rest {
        [first, words @ ..] if first == "--" => words,
        words => words,
    };
    let filter = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
    Arguments { inputs: inputs.to_vec(), filter: (!words.is_empty()).then_some(filter) }
}

fn is_input(argument: &OsStr) -> bool {
    if argument == "-" || fs::symlink_metadata(argument).is_ok() {
        return true;
    }
    let text = argument.to_string_lossy();
    // A filter may index a header as a glob indexes characters: `tcp[13]`, `ip[0]`.
    is_url(&text) || text.contains(['*', '?']) || looks_named_as_capture(&text) || matches_something(&text)
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn looks_named_as_capture(text: &str) -> bool {
    let plain = text.strip_suffix(".gz").or_else(|| text.strip_suffix(".zst")).unwrap_or(text);
    [".pcap", ".pcapng", ".cap"].iter().any(|suffix| plain.ends_with(suffix))
}

fn matches_something(text: &str) -> bool {
    text.contains('[') && glob::glob(text).is_ok_and(|mut paths| paths.next().is_some())
}

/// The captures that the inputs stand for, each once: files as named, files of a directory and
/// below that are captures by their content (sorted by name; links to directories are not
/// followed), what a glob matches.
///
/// # Errors
/// When an input leads to no capture.
pub fn expand(inputs: &[OsString]) -> Result<Vec<Input>, InputError> {
    let mut found = Found::default();
    for input in inputs {
        if input == "-" {
            if found.inputs.contains(&Input::Stdin) {
                return Err(InputError::StdinTwice);
            }
            found.inputs.push(Input::Stdin);
            continue;
        }
        let path = Path::new(input);
        let text = input.to_string_lossy();
        match fs::metadata(path) {
            Ok(_) => found.path(path)?,
            Err(_) if is_url(&text) => return Err(InputError::Url { url: text.into_owned() }),
            Err(source) if !text.contains(['*', '?', '[']) => {
                return Err(InputError::Path { path: path.to_owned(), source });
            }
            Err(_) => found.glob(&text)?,
        }
    }
    if found.inputs.is_empty() { Err(InputError::None) } else { Ok(found.inputs) }
}

#[derive(Default)]
struct Found {
    inputs: Vec<Input>,
    /// Where the files really are, so that none is read twice.
    real: BTreeSet<PathBuf>,
}

impl Found {
    fn path(&mut self, path: &Path) -> Result<(), InputError> {
        let failed = |source| InputError::Path { path: path.to_owned(), source };
        if !fs::metadata(path).map_err(failed)?.is_dir() {
            return self.add(path);
        }
        let mut seen = 0;
        let mut captures = Vec::new();
        captures_below(path, MAX_DEPTH, &mut seen, &mut captures)?;
        if captures.is_empty() {
            return Err(InputError::EmptyDirectory { path: path.to_owned(), seen });
        }
        captures.iter().try_for_each(|capture| self.add(capture))
    }

    fn glob(&mut self, pattern: &str) -> Result<(), InputError> {
        let paths =
            glob::glob(pattern).map_err(|source| InputError::Pattern { pattern: pattern.to_owned(), source })?;
        let mut matches = 0_usize;
        for path in paths {
            matches = matches.saturating_add(1);
            match path {
                Ok(path) => self.path(&path)?,
                Err(e) => return Err(InputError::Path { path: e.path().to_owned(), source: e.into() }),
            }
        }
        if matches == 0 { Err(InputError::NoMatch { pattern: pattern.to_owned() }) } else { Ok(()) }
    }

    fn add(&mut self, path: &Path) -> Result<(), InputError> {
        // A path without a real place (a pipe of the shell) is taken as it is.
        if self.real.insert(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())) {
            self.inputs.push(Input::File(path.to_owned()));
        }
        if self.inputs.len() > MAX_FILES { Err(InputError::TooMany) } else { Ok(()) }
    }
}

/// Adds the captures in `directory` and below, by name.
fn captures_below(
    directory: &Path,
    depth: usize,
    seen: &mut usize,
    captures: &mut Vec<PathBuf>,
) -> Result<(), InputError> {
    let failed = |source| InputError::Path { path: directory.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(failed)?;
    let mut paths = entries.map(|entry| entry.map(|e| e.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    paths.sort();
    for path in paths {
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        if about.is_dir() {
            if let Some(depth) = depth.checked_sub(1) {
                captures_below(&path, depth, seen, captures)?;
            }
        } else if fs::metadata(&path).is_ok_and(|about| about.is_file()) {
            *seen = seen.saturating_add(1);
            if is_capture(&path) {
                captures.push(path);
            }
        }
        if captures.len() > MAX_FILES {
            return Err(InputError::TooMany);
        }
    }
    Ok(())
}

/// Whether the content begins as a capture does; a damaged one is one too, so that it is reported.
fn is_capture(path: &Path) -> bool {
    !matches!(
        CaptureFile::open(path),
        Err(FileError::Empty | FileError::NotCapture(_) | FileError::Open(_) | FileError::Read { .. })
    )
}
