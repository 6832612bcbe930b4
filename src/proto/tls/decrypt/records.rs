//! Where does a record begin and end? Collects the records of one direction over any cut of segments,
//! and finds the next one behind a hole.

use super::super::RECORD_LIMIT;

/// Length of the header of a record.
pub(super) const HEADER: usize = 5;

/// Types of records (RFC 8446 §5.1).
pub(super) mod content {
    pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in super::super) const ALERT: u8 = 21;
    pub(in super::super) const HANDSHAKE: u8 = 22;
    pub(in super::super) const APPLICATION_DATA: u8 = 23;
}

/// What some bytes came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// There is no whole record yet.
    NeedMore,
    /// A record is there; so many of the bytes belong to it.
    Record(usize),
    /// These are no records.
    Broken,
}

/// The record under way of one direction.
#[derive(Default)]
pub(super) struct Records {
    /// Header and body, as far as they are there.
    buffer: Vec<u8>,
    /// Bytes to pass over: the rest of a record that was read elsewhere, or that has a hole.
    pass: usize,
    /// The buffer holds a whole record, which was handed out.
    handed_out: bool,
}

impl Records {
    /// The first `pass` bytes belong to a record that was read elsewhere.
    pub(super) const fn after(pass: usize) -> Self {
        Self { buffer: Vec::new(), pass, handed_out: false }
    }

    /// The same, for one at which nothing was read yet.
    pub(super) const fn begin_after(&mut self, pass: usize) {
        self.pass = pass;
    }

    /// Heap memory held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether a record has begun and is not whole.
    pub(super) const fn is_mid_record(&self) -> bool {
        self.pass > 0 || (!self.buffer.is_empty() && !self.handed_out)
    }

    /// Takes the next bytes. After a record the bytes behind it are to be given again.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Taken {
        if std::mem::take(&mut self.handed_out) {
            self.buffer.clear();
        }
        let passed = self.pass.min(bytes.len());
        self.pass = self.pass.saturating_sub(passed);
        let mut used = passed;
        loop {
            let missing = match wanted(&self.buffer) {
                Some(wanted) => wanted.saturating_sub(self.buffer.len()),
                None => return Taken::Broken,
            };
            if missing == 0 {
                self.handed_out = true;
                return Taken::Record(used);
            }
            let rest = bytes.get(used..).unwrap_or_default();
            let part = rest.get(..missing).unwrap_or(rest);
            if part.is_empty() {
                return Taken::NeedMore;
            }
            self.buffer.extend_from_slice(part);
            used = used.saturating_add(part.len());
        }
    }

    /// The record that was handed out: its header and its body, which may be changed.
    pub(super) fn record(&mut self) -> Option<([u8; HEADER], &mut [u8])> {
        let (header, body) = self.buffer.split_first_chunk_mut::<HEADER>()?;
        Some((*header, body))
    }

    /// Forgets the last record, and the memory of a long one.
    pub(super) fn rest(&mut self) {
        if self.handed_out {
            self.handed_out = false;
            self.buffer = Vec::new();
        }
    }

    /// `len` bytes are missing here. Where they end in a record that was read elsewhere, nothing is lost:
    /// `None`. Else nobody knows where the next record begins; so many bytes since the last one are gone.
    pub(super) fn on_gap(&mut self, len: u64) -> Option<u64> {
        self.rest();
        let passed = len.min(self.pass as u64);
        self.pass = self.pass.saturating_sub(usize::try_from(passed).unwrap_or_default());
        if passed == len {
            return None;
        }
        let begun = std::mem::take(&mut self.buffer).len();
        Some(len.saturating_sub(passed).saturating_add(begun as u64))
    }
}

/// Bytes that the buffer is to have next: a header's, or a whole record's. `None` where that is none.
fn wanted(buffer: &[u8]) -> Option<usize> {
    match *buffer {
        [content::CHANGE_CIPHER_SPEC..=content::APPLICATION_DATA, 3, 0..=4, high, low, ..] => {
            let len = u16::from_be_bytes([high, low]);
            (len <= RECORD_LIMIT).then(|| usize::from(len).saturating_add(HEADER))
        }
        [_, _, _, _, _, ..] => None,
        _ => Some(HEADER),
    }
}

/// Bytes looked through for a record behind a hole.
const SEARCH_LIMIT: u64 = 256 * 1024;

/// Looks for a record behind a hole.
#[derive(Default)]
pub(super) struct Search {
    buffer: Vec<u8>,
    /// Bytes that were looked through.
    passed: u64,
}

impl Search {
    /// Heap memory held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What may be a record, once it is whole: header and body, to be tried.
    pub(super) fn candidate(&mut self) -> Option<([u8; HEADER], &[u8])> {
        let starts = self.buffer.windows(HEADER).position(may_begin);
        // The last bytes may begin a header.
        let skip = starts.unwrap_or_else(|| self.buffer.len().saturating_sub(HEADER - 1));
        self.drop_front(skip);
        starts?;
        let whole = wanted(&self.buffer)?;
        let (header, body) = self.buffer.get(..whole)?.split_first_chunk::<HEADER>()?;
        Some((*header, body))
    }

    /// The candidate is none: the next one may begin at the next byte.
    pub(super) fn refuse(&mut self) {
        self.drop_front(1);
    }

    /// Bytes before the candidate since the hole.
    pub(super) const fn passed(&self) -> u64 {
        self.passed
    }

    /// Bytes held.
    pub(super) const fn held(&self) -> u64 {
        self.buffer.len() as u64
    }

    /// Whether it has looked for long enough.
    pub(super) const fn is_hopeless(&self) -> bool {
        self.passed > SEARCH_LIMIT
    }

    /// The candidate was a record: what follows it.
    pub(super) fn found(self) -> Vec<u8> {
        let whole = wanted(&self.buffer).unwrap_or_default();
        self.buffer.get(whole..).unwrap_or_default().to_vec()
    }

    fn drop_front(&mut self, n: usize) {
        let n = n.min(self.buffer.len());
        self.buffer.drain(..n);
        self.passed = self.passed.saturating_add(n as u64);
    }
}

/// Whether an encrypted record may begin so.
fn may_begin(header: &[u8]) -> bool {
    let [content::ALERT..=content::APPLICATION_DATA, 3, 3, high, low] = *header else { return false };
    (1..=RECORD_LIMIT).contains(&u16::from_be_bytes([high, low]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_any_cut_are_the_same() {
        let stream =
            [&b"rest"[..], b"\x17\x03\x03\x00\x03abc", b"\x16\x03\x01\x00\x00", b"\x17\x03\x03\x00\x02de"].concat();
        for step in 1..stream.len() {
            let (mut records, mut seen) = (Records::after(4), Vec::new());
            for mut piece in stream.chunks(step) {
                while let Taken::Record(used) = records.take(piece) {
                    let (header, body) = records.record().unwrap();
                    seen.push((header[0], body.to_vec()));
                    piece = &piece[used..];
                }
            }
            assert_eq!(seen, [(0x17, b"abc".to_vec()), (0x16, vec![]), (0x17, b"de".to_vec())], "{step}");
            assert!(!records.is_mid_record());
        }
        assert_eq!(Records::default().take(b"\x18\x03\x03\x00\x01"), Taken::Broken);
        assert_eq!(Records::default().take(b"\x17\x03\x03\xff\xff"), Taken::Broken);
    }

    #[test]
    fn a_hole_may_end_in_what_was_read_elsewhere() {
        let begun = |bytes: &[u8]| {
            let mut records = Records::after(2);
            records.take(bytes);
            records
        };
        assert_eq!(begun(b"a").on_gap(1), None);
        assert_eq!(begun(b"a").on_gap(3), Some(2));
        assert_eq!(begun(b"ab\x17\x03\x03\x00\x09abc").on_gap(4), Some(12));
    }

    #[test]
    fn a_record_is_found_behind_a_hole() {
        let mut search = Search::default();
        search.take(b"xx\x17\x03\x03\x00\x02a");
        assert!(search.candidate().is_none());
        search.take(b"b\x17\x03\x03\x00\x03cde\x17");
        assert_eq!(search.candidate(), Some((*b"\x17\x03\x03\x00\x02", &b"ab"[..])));
        search.refuse();
        assert_eq!(search.candidate(), Some((*b"\x17\x03\x03\x00\x03", &b"cde"[..])));
        assert_eq!((search.passed(), search.found()), (9, b"\x17".to_vec()));
    }
}
