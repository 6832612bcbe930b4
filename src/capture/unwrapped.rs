//! What is a file wrapped in? Undoes gzip and zstd by their first bytes, never by the file's name.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Largest zstd window accepted, as the `zstd` program does: 2^27 bytes, 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How many bytes have been read of a file, as stored; shared with whoever shows progress.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadCounter(Arc<AtomicU64>);

impl ReadCounter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The content of `source`, decompressed where it is compressed, and the count of bytes read of it.
pub(super) fn unwrapped(source: impl Read + Send + 'static) -> io::Result<(Box<dyn Read + Send>, ReadCounter)> {
    let counter = ReadCounter::default();
    let mut source = Counted { source, counter: counter.clone() };
    let mut first = Vec::with_capacity(ZSTD.len());
    source.by_ref().take(ZSTD.len() as u64).read_to_end(&mut first)?;
    let kind = first.clone();
    let whole = Cursor::new(first).chain(source);
    let content: Box<dyn Read + Send> = if kind.starts_with(&GZIP) {
        Box::new(flate2::read::MultiGzDecoder::new(whole))
    } else if kind == ZSTD {
        let mut decoder = zstd::stream::read::Decoder::new(whole)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG)?;
        Box::new(decoder)
    } else {
        Box::new(whole)
    };
    Ok((content, counter))
}

struct Counted<R> {
    source: R,
    counter: ReadCounter,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.counter.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
