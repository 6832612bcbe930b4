//! How are records written to a file or to standard output? One a line, buffered, never torn.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Sink, SinkCounters, SinkError};

/// Bytes buffered before they are written; several of the longest lines.
const BUFFER_BYTES: usize = 128 * 1024;

/// Mode of a new file: no secrets are in it, but addresses are.
const MODE: u32 = 0o640;

/// What becomes of a file that is already there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// It is emptied: the output of one replay.
    Replace,
    /// It grows: the log of a daemon.
    Append,
}

/// Records in a file, one a line.
pub struct JsonLines {
    path: PathBuf,
    writer: BufWriter<Box<dyn Write + Send>>,
    counters: SinkCounters,
}

impl JsonLines {
    /// Opens `path`; `-` is standard output.
    ///
    /// # Errors
    /// When the file can be neither opened nor made.
    pub fn open(path: &Path, start: Start) -> Result<Self, SinkError> {
        if path == Path::new("-") {
            return Ok(Self::over(path, Box::new(io::stdout())));
        }
        let mut options = OpenOptions::new();
        options.create(true).mode(MODE);
        match start {
            Start::Replace => options.write(true).truncate(true),
            Start::Append => options.append(true),
        };
        let file = options.open(path).map_err(|source| SinkError::Open { path: path.into(), source })?;
        Ok(Self::over(path, Box::new(file)))
    }

    /// Opens the file again by its name, after log rotation moved it away; it then grows. Standard
    /// output stays as it is.
    ///
    /// # Errors
    /// When what was buffered cannot be written, or the file cannot be opened: then the old one goes on.
    pub fn reopen(&mut self) -> Result<(), SinkError> {
        let flushed = self.flush();
        let path = self.path.clone();
        let fresh = Self::open(&path, Start::Append)?;
        if flushed.is_ok() {
            self.writer = fresh.writer;
        }
        flushed
    }

    fn over(path: &Path, writer: Box<dyn Write + Send>) -> Self {
        let writer = BufWriter::with_capacity(BUFFER_BYTES, writer);
        Self { path: path.into(), writer, counters: SinkCounters::default() }
    }

    fn failed(&mut self, source: io::Error) -> SinkError {
        self.counters.errors += 1;
        SinkError::Write { path: self.path.clone(), source }
    }
}

impl Sink for JsonLines {
    fn write(&mut self, record: &str) -> Result<(), SinkError> {
        // A record goes into the buffer whole or not at all: a full disk loses lines, never parts of them.
        let room = self.writer.capacity() - self.writer.buffer().len();
        let cleared = if record.len() < room { Ok(()) } else { self.writer.flush() };
        match cleared.and_then(|()| writeln!(self.writer, "{record}")) {
            Ok(()) => {
                self.counters.events += 1;
                Ok(())
            }
            Err(source) => {
                self.counters.dropped += 1;
                Err(self.failed(source))
            }
        }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.writer.flush().map_err(|source| self.failed(source))
    }

    fn counters(&self) -> SinkCounters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn lines_reach_the_file_which_others_cannot_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.json");
        let write = |start, record| {
            let mut sink = JsonLines::open(&path, start).unwrap();
            sink.write(record).unwrap();
            sink.flush().unwrap();
            assert_eq!(sink.counters(), SinkCounters { events: 1, ..SinkCounters::default() });
            fs::read_to_string(&path).unwrap()
        };
        assert_eq!(write(Start::Append, "{\"a\":1}"), "{\"a\":1}\n");
        assert_eq!(write(Start::Append, "{\"a\":2}"), "{\"a\":1}\n{\"a\":2}\n");
        assert_eq!(write(Start::Replace, "{\"a\":3}"), "{\"a\":3}\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o007, 0);
    }

    #[test]
    fn a_rotated_file_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        let mut sink = JsonLines::open(&path, Start::Append).unwrap();
        sink.write("before").unwrap();
        fs::rename(&path, &moved).unwrap();
        sink.reopen().unwrap();
        sink.write("after").unwrap();
        sink.flush().unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "before\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(sink.counters().events, 2);
    }

    #[test]
    fn an_error_names_the_path() {
        let path = Path::new("/nonexistent/alerts.json");
        let error = JsonLines::open(path, Start::Replace).err().unwrap();
        assert!(error.to_string().starts_with("cannot open /nonexistent/alerts.json for writing: "), "{error}");
    }

    /// A disk that takes so many bytes, then is full until it is given more room.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (written, room) = &mut *self.0.lock().unwrap();
            let n = bytes.len().min(*room);
            if n == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= n;
            written.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_whole_lines_and_recovers() {
        let disk = Disk::default();
        disk.0.lock().unwrap().1 = 1_000;
        let mut sink = JsonLines::over(Path::new("log"), Box::new(disk.clone()));
        for n in 0..2_000 {
            let _ = sink.write(&format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(200)));
        }
        let error = sink.flush().unwrap_err();
        assert!(error.to_string().starts_with("cannot write to log: "), "{error}");
        let counters = sink.counters();
        assert!(counters.dropped > 0 && counters.errors == counters.dropped + 1, "{counters:?}");
        assert_eq!(counters.events + counters.dropped, 2_000);

        disk.0.lock().unwrap().1 = usize::MAX;
        sink.write("{\"n\":-1}").unwrap();
        sink.flush().unwrap();
        let text = String::from_utf8(disk.0.lock().unwrap().0.clone()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len() as u64, counters.events + 1, "nothing torn, nothing twice");
    }

    #[test]
    fn what_was_flushed_survives_a_record_larger_than_the_buffer() {
        let disk = Disk::default();
        disk.0.lock().unwrap().1 = usize::MAX;
        let mut sink = JsonLines::over(Path::new("log"), Box::new(disk.clone()));
        sink.write("first").unwrap();
        sink.write(&"y".repeat(BUFFER_BYTES)).unwrap();
        sink.write("last").unwrap();
        sink.flush().unwrap();
        let lengths: Vec<_> = disk.0.lock().unwrap().0.split(|b| *b == b'\n').map(<[u8]>::len).collect();
        assert_eq!(lengths, [5, BUFFER_BYTES, 4, 0]);
    }
}
