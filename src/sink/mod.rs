//! Floor 9: where do alerts and events go? Takes finished records, gives them to the outside.

pub mod json_lines;

use std::io;
use std::path::PathBuf;

pub use json_lines::{JsonLines, Start};

/// An output that takes one record after another.
pub trait Sink {
    /// Takes one record (a JSON object or a text) without its last newline. A record that fails
    /// is lost and counted; the sink stays usable.
    ///
    /// # Errors
    /// When the record, or what was waiting before it, cannot be written.
    fn write(&mut self, record: &str) -> Result<(), SinkError>;

    /// Passes on whatever is still buffered.
    ///
    /// # Errors
    /// When it cannot be written; it stays buffered.
    fn flush(&mut self) -> Result<(), SinkError>;

    /// Counters since the start.
    fn counters(&self) -> SinkCounters;
}

/// Plain counters of an output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SinkCounters {
    /// Records taken (`output_events_total{output}`).
    pub events: u64,
    /// Failed writes and flushes (`output_errors_total{output}`).
    pub errors: u64,
    /// Records lost (`output_dropped_total{output}`).
    pub dropped: u64,
}

/// What goes wrong with an output, and where.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The file cannot be opened or made.
    #[error("cannot open {} for writing: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Bytes cannot be written.
    #[error("cannot write to {}: {source}", path.display())]
    Write {
        /// The file; `-` is standard output.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
