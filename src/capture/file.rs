//! What does a capture file hold, and how far can it be read? One file of either format, in any wrapping.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::iter;
use std::path::Path;

use super::pcap_file::PcapFile;
use super::pcapng::PcapNg;
use super::unwrapped::{ReadCounter, unwrapped};
use super::window::{End, Window};
use super::{MAX_FRAME, Secrets};
use crate::base::time::{FrameId, Stamp, Timestamp};
use crate::packet::{Frame, LinkType};

/// What is wrong with a capture file. Numbers of bytes count the decompressed content.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is not there, or not for us.
    #[error("cannot be opened: {0}")]
    Open(#[source] io::Error),
    /// Nothing in it.
    #[error("is empty; expected a pcap or pcapng capture")]
    Empty,
    /// Something else is in it.
    #[error(
        "not a capture file: begins with {0}; expected pcap (d4 c3 b2 a1, 4d 3c b2 a1 or reversed) or pcapng \
         (0a 0d 0d 0a), plain or compressed with gzip or zstd"
    )]
    NotCapture(FirstBytes),
    /// The file ends before it should; all whole frames before that were given.
    #[error("truncated after {frames} frames: ends at byte {offset}, within {within}")]
    Truncated {
        /// Whole frames before the end.
        frames: u64,
        /// Where the file ends.
        offset: u64,
        /// What is incomplete.
        within: &'static str,
    },
    /// The bytes make no sense from here on; all frames before were given.
    #[error("corrupt at frame {frame} (byte {offset}): {damage}")]
    Corrupt {
        /// Number of the frame that would have come.
        frame: u64,
        /// Where it would have been.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// A frame longer than any link carries; all frames before were given.
    #[error("frame {frame} (byte {offset}) claims {size} bytes; at most {MAX_FRAME} are read")]
    FrameTooLarge {
        /// Number of the frame.
        frame: u64,
        /// Where it is.
        offset: u64,
        /// Its size by its header.
        size: u64,
    },
    /// Reading or decompressing failed; all frames before were given.
    #[error("cannot be read further after {frames} frames: {source}")]
    Read {
        /// Whole frames before.
        frames: u64,
        /// Why.
        source: io::Error,
    },
}

/// What contradicts itself in a capture file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// A version of the format that nothing is known about.
    #[error("version {major}.{minor} of the format is not known")]
    Version {
        /// Before the dot.
        major: u16,
        /// After the dot.
        minor: u16,
    },
    /// A pcapng section says no byte order.
    #[error("byte order magic is {found:08x}, expected 1a2b3c4d or 4d3c2b1a")]
    ByteOrderMagic {
        /// What is there, as if big endian.
        found: u32,
    },
    /// A pcapng block cannot have this length.
    #[error("block length {len} is too small or no multiple of 4")]
    BlockLength {
        /// The length.
        len: u32,
    },
    /// A pcapng block says two lengths.
    #[error("block length {front} in front, {behind} behind")]
    BlockLengths {
        /// In front.
        front: usize,
        /// Behind.
        behind: u32,
    },
    /// A pcapng block is longer than what is held in memory.
    #[error("block of {len} bytes; at most {limit} are read")]
    BlockTooLong {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// The fields of a pcapng block do not fit in it.
    #[error("block of type {kind} is too short for what it says it holds")]
    BlockContent {
        /// Type of the block.
        kind: u32,
    },
    /// A frame of an interface that was not described.
    #[error("interface {id} is not described; the section has {known}")]
    UnknownInterface {
        /// The frame's interface.
        id: u32,
        /// Interfaces described so far.
        known: usize,
    },
    /// More interfaces than any machine has.
    #[error("more than {limit} interfaces in a section")]
    TooManyInterfaces {
        /// The limit.
        limit: usize,
    },
}

/// The first bytes of a file that is no capture: at most 8.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirstBytes(pub Vec<u8>);

impl fmt::Display for FirstBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if n == 0 { "" } else { " " })?;
        }
        write!(f, " (\"{}\")", self.0.escape_ascii())
    }
}

/// A frame with what its record in the file says of it.
pub(super) struct Record<'a> {
    pub(super) ts: Timestamp,
    pub(super) link: LinkType,
    pub(super) wire_len: u32,
    /// The captured bytes.
    pub(super) data: &'a [u8],
    /// Length with everything around it: how far it is to the next.
    pub(super) whole: usize,
}

/// Why a reader found no frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// There are too few bytes.
    Short {
        /// How many there should be.
        need: usize,
        /// What is incomplete.
        within: &'static str,
    },
    /// The bytes make no sense.
    Damaged(Damage),
    /// A frame of so many bytes.
    TooLarge(u64),
}

enum Format {
    Pcap(PcapFile),
    PcapNg(PcapNg),
}

impl Format {
    /// The frame at the start of `bytes`, if it is whole.
    #[inline]
    fn record<'a>(&mut self, bytes: &'a [u8]) -> Option<Record<'a>> {
        match self {
            Self::Pcap(file) => file.record(bytes).ok(),
            Self::PcapNg(file) => file.record(bytes),
        }
    }
}

/// A capture that is being read in memory of a fixed size.
pub struct CaptureFile {
    window: Window,
    format: Format,
    counter: ReadCounter,
    /// Index of this capture in its history.
    pub(super) capture: u32,
    frames: u64,
    done: bool,
}

impl CaptureFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When it cannot be opened or is no capture.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::read(File::open(path).map_err(FileError::Open)?)
    }

    /// As [`CaptureFile::open`], of any stream.
    ///
    /// # Errors
    /// When it cannot be read or is no capture.
    pub fn read(source: impl Read + Send + 'static) -> Result<Self, FileError> {
        let failed = |source| FileError::Read { frames: 0, source };
        let (content, counter) = unwrapped(source).map_err(failed)?;
        let mut window = Window::new(content);
        window.have(8);
        let first = window.bytes();
        let format = match first.first_chunk::<4>() {
            Some(magic) if PcapNg::is(*magic) => Ok(Some(Format::PcapNg(PcapNg::new()))),
            Some(magic) if PcapFile::is(*magic) => PcapFile::open(&mut window).map(|file| file.map(Format::Pcap)),
            _ => Ok(None),
        };
        match format {
            Ok(Some(format)) => Ok(Self { window, format, counter, capture: 0, frames: 0, done: false }),
            Ok(None) => {
                let first = FirstBytes(window.bytes().iter().copied().take(8).collect());
                Err(match window.end() {
                    End::Failed(source) => failed(source),
                    _ if first.0.is_empty() => FileError::Empty,
                    _ => FileError::NotCapture(first),
                })
            }
            Err(stop) => Err(explain(stop, &mut window, 0)),
        }
    }

    /// Reads on until there are frames; false at the end. After an error there are no more frames.
    ///
    /// # Errors
    /// When the file ends too early, makes no sense or cannot be read further.
    pub fn advance(&mut self) -> Result<bool, FileError> {
        if self.done {
            return Ok(false);
        }
        let found = match &mut self.format {
            Format::Pcap(file) => file.advance(&mut self.window),
            Format::PcapNg(file) => file.advance(&mut self.window),
        };
        match found {
            Ok(true) => Ok(true),
            Ok(false) => {
                self.done = true;
                match self.window.end() {
                    End::Clean => Ok(false),
                    End::Cut => Err(FileError::Truncated {
                        frames: self.frames,
                        offset: self.window.offset(),
                        within: "the compressed data",
                    }),
                    End::Failed(source) => Err(FileError::Read { frames: self.frames, source }),
                }
            }
            Err(stop) => {
                self.done = true;
                Err(explain(stop, &mut self.window, self.frames))
            }
        }
    }

    /// Secrets of TLS connections that stand before the frames that are there.
    pub fn take_secrets(&mut self) -> Option<Secrets> {
        match &mut self.format {
            Format::PcapNg(file) => file.take_secrets(),
            Format::Pcap(_) => None,
        }
    }

    /// Lends the frames that are there: at least one after [`CaptureFile::advance`] said so.
    #[inline]
    pub fn frames(&mut self) -> impl Iterator<Item = Frame<'_>> {
        let Self { window, format, capture, frames, .. } = self;
        let (mut bytes, start) = window.lend();
        iter::from_fn(move || {
            let record = format.record(bytes)?;
            bytes = bytes.get(record.whole..)?;
            *start = start.saturating_add(record.whole);
            *frames = frames.saturating_add(1);
            Some(Frame {
                at: Stamp { ts: record.ts, frame: FrameId { capture: *capture, number: *frames, part: 0 } },
                link: record.link,
                wire_len: record.wire_len,
                data: record.data,
            })
        })
    }

    /// Gives the next frame; `None` at the end.
    ///
    /// # Errors
    /// As [`CaptureFile::advance`].
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FileError> {
        Ok(if self.advance()? { self.frames().next() } else { None })
    }

    /// Time of the next frame, which stays the next; `None` at the end.
    ///
    /// # Errors
    /// As [`CaptureFile::advance`].
    pub fn peek_time(&mut self) -> Result<Option<Timestamp>, FileError> {
        Ok(if self.advance()? { self.format.record(self.window.bytes()).map(|record| record.ts) } else { None })
    }

    /// Bytes read of the file as stored (compressed, where it is).
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.counter.get()
    }
}

impl fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFile").field("capture", &self.capture).field("frames", &self.frames).finish()
    }
}

/// A reader's answer in the words of the file.
fn explain(stop: Stop, window: &mut Window, frames: u64) -> FileError {
    let (frame, offset) = (frames.saturating_add(1), window.offset());
    match stop {
        Stop::Damaged(damage) => FileError::Corrupt { frame, offset, damage },
        Stop::TooLarge(size) => FileError::FrameTooLarge { frame, offset, size },
        Stop::Short { within, .. } => {
            let offset = offset.saturating_add(window.bytes().len() as u64);
            match window.end() {
                End::Clean => FileError::Truncated { frames, offset, within },
                End::Cut => FileError::Truncated { frames, offset, within: "the compressed data" },
                End::Failed(source) => FileError::Read { frames, source },
            }
        }
    }
}
