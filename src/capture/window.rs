//! Which part of a file is in memory? A sliding window of fixed size over a stream of bytes.

use std::io::{self, ErrorKind, Read};

/// Size of the window, and so the longest run of bytes that can be seen at once.
pub(super) const CAPACITY: usize = 1024 * 1024;
/// Size of a read: few calls, and what was read is still in the processor's cache when it is used.
const READ: usize = 128 * 1024;

/// Why there are no more bytes.
#[derive(Debug)]
pub(super) enum End {
    /// The stream ended.
    Clean,
    /// A compressed stream ended before its own end.
    Cut,
    /// Reading or decompressing failed.
    Failed(io::Error),
}

/// The window.
pub(super) struct Window {
    source: Box<dyn Read + Send>,
    buffer: Box<[u8]>,
    /// First byte not consumed.
    start: usize,
    /// End of what has been read.
    filled: usize,
    /// Offset of the buffer in the (decompressed) stream.
    offset: u64,
    end: Option<End>,
}

impl Window {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        let buffer = vec![0; CAPACITY].into_boxed_slice();
        Self { source, buffer, start: 0, filled: 0, offset: 0, end: None }
    }

    /// What is in the window.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.filled).unwrap_or_default()
    }

    /// Offset of the window's first byte in the (decompressed) stream.
    pub(super) const fn offset(&self) -> u64 {
        self.offset.saturating_add(self.start as u64)
    }

    /// What is in the window, and where to count what is left behind of it.
    #[inline]
    pub(super) fn lend(&mut self) -> (&[u8], &mut usize) {
        (self.buffer.get(self.start..self.filled).unwrap_or_default(), &mut self.start)
    }

    /// Bytes in the window.
    const fn available(&self) -> usize {
        self.filled.saturating_sub(self.start)
    }

    /// Reads on until at least `n` bytes are in the window; false when the stream has no more.
    #[inline]
    pub(super) fn have(&mut self, n: usize) -> bool {
        self.available() >= n || self.fill(n)
    }

    #[cold]
    fn fill(&mut self, n: usize) -> bool {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.offset = self.offset();
        self.filled = self.available();
        self.start = 0;
        while self.filled < n && self.end.is_none() {
            let until = self.buffer.len().min(self.filled.saturating_add(READ));
            let Some(space) = self.buffer.get_mut(self.filled..until).filter(|space| !space.is_empty()) else { break };
            match self.source.read(space) {
                Ok(0) => self.end = Some(End::Clean),
                Ok(read) => self.filled = self.filled.saturating_add(read).min(until),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => self.end = Some(End::Cut),
                Err(e) => self.end = Some(End::Failed(e)),
            }
        }
        self.filled >= n
    }

    /// Leaves `n` bytes of the window behind.
    #[inline]
    pub(super) fn consume(&mut self, n: usize) {
        let n = n.min(self.available());
        self.start = self.start.saturating_add(n);
    }

    /// Leaves `n` bytes of the stream behind, however many; false when it has fewer.
    pub(super) fn skip(&mut self, mut n: u64) -> bool {
        while n > 0 {
            if !self.have(1) {
                return false;
            }
            let now = usize::try_from(n).unwrap_or(usize::MAX).min(self.available());
            self.consume(now);
            n = n.saturating_sub(now as u64);
        }
        true
    }

    /// Why the stream has no more bytes; asked once, after [`Window::have`] said so.
    pub(super) fn end(&mut self) -> End {
        self.end.take().unwrap_or(End::Clean)
    }
}
