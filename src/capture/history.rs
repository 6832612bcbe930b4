//! In which order are several captures one history? By the time of their first frames, then by name.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::iter;
use std::path::Path;
use std::sync::Arc;

use super::{CaptureError, CaptureFile, FileError, Input, PacketSource, Secrets};
use crate::base::time::Timestamp;
use crate::packet::Frame;

/// How much of a history has been read, in bytes of the files as stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes read so far.
    pub read: u64,
    /// Bytes in all; `None` when one input is a stream of unknown length.
    pub total: Option<u64>,
}

/// One capture of a history.
#[derive(Debug)]
struct Capture {
    input: Input,
    first: Option<Timestamp>,
    /// Length as stored; `None` for a stream.
    len: Option<u64>,
    /// A stream cannot be opened again, so it stays open from the first look on.
    opened: Option<CaptureFile>,
}

/// Several captures as one source of frames. The captures are numbered in the order in which they
/// are read; [`crate::base::time::FrameId::capture`] is that number.
#[derive(Debug)]
pub struct History {
    captures: Vec<Capture>,
    names: Vec<Arc<str>>,
    /// What is wrong with inputs that could not be opened at all.
    failures: VecDeque<CaptureError>,
    current: Option<CaptureFile>,
    /// Captures opened so far.
    begun: usize,
    /// Bytes of the captures that were left behind.
    read_before: u64,
}

impl History {
    /// Looks at the first frame of every input and puts them in order. An input that cannot be
    /// read does not prevent the others: [`PacketSource::advance`] tells of it first of all.
    #[must_use]
    pub fn open(inputs: Vec<Input>) -> Self {
        let mut failures = VecDeque::new();
        let mut captures = Vec::new();
        let alone = inputs.len() == 1;
        for input in inputs {
            match look(&input, alone) {
                Ok((first, len, opened)) => captures.push(Capture { input, first, len, opened }),
                Err(error) => failures.push_back(CaptureError::File { name: input.to_string(), error }),
            }
        }
        captures.sort_by(|a, b| (a.first, &a.input).cmp(&(b.first, &b.input)));
        let names = names(&captures);
        Self { captures, names, failures, current: None, begun: 0, read_before: 0 }
    }

    /// Names of the captures by their number: the file's name, or its whole path where two files
    /// have one name; `-` for standard input.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// How much has been read.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let now = self.current.as_ref().map_or(0, CaptureFile::bytes_read);
        Progress {
            read: self.read_before.saturating_add(now),
            total: self.captures.iter().map(|c| c.len).try_fold(0_u64, |sum, len| Some(sum.saturating_add(len?))),
        }
    }

    /// Opens the next capture; false when there is none.
    fn begin(&mut self) -> Result<bool, CaptureError> {
        let Some(capture) = self.captures.get_mut(self.begun) else { return Ok(false) };
        let number = u32::try_from(self.begun).unwrap_or(u32::MAX);
        self.begun = self.begun.saturating_add(1);
        let opened = match capture.opened.take() {
            Some(opened) => Ok(opened),
            None => open(&capture.input),
        };
        let mut file = opened.map_err(|error| CaptureError::File { name: capture.input.to_string(), error })?;
        file.capture = number;
        self.current = Some(file);
        Ok(true)
    }

    fn leave(&mut self) {
        let read = self.current.take().map_or(0, |file| file.bytes_read());
        self.read_before = self.read_before.saturating_add(read);
    }
}

impl PacketSource for History {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if let Some(error) = self.failures.pop_front() {
            return Err(error);
        }
        loop {
            if let Some(file) = &mut self.current {
                match file.advance() {
                    Ok(true) => return Ok(true),
                    Ok(false) => self.leave(),
                    Err(error) => {
                        self.leave();
                        let input = self.captures.get(self.begun.saturating_sub(1)).map(|c| c.input.to_string());
                        return Err(CaptureError::File { name: input.unwrap_or_default(), error });
                    }
                }
            }
            if !self.begin()? {
                return Ok(false);
            }
        }
    }

    fn take_secrets(&mut self) -> Option<Secrets> {
        self.current.as_mut()?.take_secrets()
    }

    #[inline]
    fn frames(&mut self) -> impl Iterator<Item = Frame<'_>> {
        let mut frames = self.current.as_mut().map(CaptureFile::frames);
        iter::from_fn(move || frames.as_mut()?.next())
    }
}

type Look = (Option<Timestamp>, Option<u64>, Option<CaptureFile>);

/// Time of the first frame, length, and the open file where it must or may stay open.
fn look(input: &Input, alone: bool) -> Result<Look, FileError> {
    let len = match input {
        Input::Stdin => None,
        Input::File(path) => regular_len(path).map_err(FileError::Open)?,
    };
    let mut file = open(input)?;
    let first = match file.peek_time() {
        Ok(first) => first,
        // Told again when it is read.
        Err(_) if len.is_some() => None,
        Err(error) => return Err(error),
    };
    let keep = len.is_none() || alone && first.is_some();
    Ok((first, len, keep.then_some(file)))
}

fn open(input: &Input) -> Result<CaptureFile, FileError> {
    match input {
        Input::Stdin => CaptureFile::read(io::stdin()),
        Input::File(path) => CaptureFile::open(path),
    }
}

/// Length of a file; `None` for a pipe, which can be read once only.
fn regular_len(path: &Path) -> io::Result<Option<u64>> {
    let about = fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    Ok(about.is_file().then_some(about.len()))
}

fn names(captures: &[Capture]) -> Vec<Arc<str>> {
    let short = |capture: &Capture| match &capture.input {
        Input::File(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        Input::Stdin => None,
    };
    let mut counts = std::collections::BTreeMap::new();
    for name in captures.iter().filter_map(short) {
        *counts.entry(name).or_insert(0_u32) += 1;
    }
    let name = |capture: &Capture| {
        let unique = short(capture).filter(|name| counts.get(name) == Some(&1));
        Arc::from(unique.unwrap_or_else(|| capture.input.to_string()))
    };
    captures.iter().map(name).collect()
}
