//! Floor 9, the way in: where do frames come from? Takes files and interfaces, gives [`Frame`]s.
//!
//! A replay reads a [`History`]: all files that were asked for, one after the other, through a
//! [`Selected`] that applies `--from`, `--to` and the filter words. The daemon reads a
//! [`LiveCapture`] in batches. Neither owns a thread.

mod byte_order;
mod dlt;
pub mod file;
pub mod filter;
pub mod history;
pub mod inputs;
pub mod live;
mod pcap_file;
mod pcapng;
pub mod select;
#[cfg(test)]
mod tests;
pub mod time_range;
mod unwrapped;
mod window;

pub use file::{CaptureFile, FileError};
pub use filter::{Filter, FilterError};
pub use history::{History, Progress};
pub use inputs::{Arguments, Input, InputError};
pub use live::{LiveCapture, LiveConfig, LiveError, Polled};
pub use select::Selected;
pub use time_range::{TimeRange, TimeRangeError};

use crate::base::secret::Secret;
use crate::packet::Frame;

/// Secrets of TLS connections that a capture holds: lines of key logs.
#[derive(Debug, Default)]
pub struct Secrets {
    /// The lines, in blocks.
    pub blocks: Vec<Secret<Vec<u8>>>,
    /// There were more of them at once than are read.
    pub cut: bool,
}

/// Longest frame that is read or captured, in bytes; libpcap's own limit.
pub const MAX_FRAME: usize = 256 * 1024;

/// Frames, as many at a time as are there.
///
/// An error does not end the source: the next call goes on with what can still be read (the next
/// file of a history), so call until the end and count what failed.
pub trait PacketSource {
    /// Reads on until there are frames; false at the end.
    ///
    /// # Errors
    /// When something could not be read, or not to its end. What came before is whole.
    fn advance(&mut self) -> Result<bool, CaptureError>;

    /// Secrets of TLS connections that came before the frames that are there, each once.
    fn take_secrets(&mut self) -> Option<Secrets> {
        None
    }

    /// Lends the frames that are there, each once; those that are not asked for stay. There may be
    /// none, where all of them are left out.
    fn frames(&mut self) -> impl Iterator<Item = Frame<'_>>;
}

/// Why frames are missing.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// A file is unreadable, or not readable to its end.
    #[error("{name}: {error}")]
    File {
        /// The file as it was named.
        name: String,
        /// What is wrong with it.
        error: FileError,
    },
    /// The filter makes no sense for a link type that the capture turned out to have. Frames of
    /// that link type are left out.
    #[error(transparent)]
    Filter(#[from] FilterError),
}
