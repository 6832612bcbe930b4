//! Which handshake bytes do TLS records carry? Collects the first message of one direction over any
//! cut of records and segments.

use smallvec::SmallVec;

use crate::base::reader::Reader;

/// Largest handshake message that is collected; real hellos are below 4 KiB.
pub(super) const MESSAGE_LIMIT: usize = 64 * 1024;

/// Largest TLS record: 2^14 bytes and what encryption may add (RFC 8446 §5.2, RFC 5246 §6.2.3).
pub(in crate::proto) const RECORD_LIMIT: u16 = (1 << 14) + 2048;

/// Types of records that may come up to the hello (RFC 8446 §5.1): application data never does.
mod content {
    pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(super) const ALERT: u8 = 21;
    pub(super) const HANDSHAKE: u8 = 22;
}

/// Length of the header of a record, and of a handshake message.
const RECORD_HEADER: usize = 5;
const MESSAGE_HEADER: usize = 4;

/// One handshake message: its type and body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct HandshakeMessage<'a> {
    /// Type (RFC 8446 §4); [`SSL2_CLIENT_HELLO`] for the hello of SSL 2.0.
    pub(super) kind: u16,
    /// What follows type and length.
    pub(super) body: &'a [u8],
}

/// The kind of a hello in the form of SSL 2.0, which no type of a handshake message can be.
pub(super) const SSL2_CLIENT_HELLO: u16 = 0x0100;

/// What some bytes came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Collected<'a> {
    /// The message is not complete yet.
    NeedMore,
    /// A message, and how many of the bytes it took.
    Message(HandshakeMessage<'a>, usize),
    /// These are no records in the clear, or no handshake.
    NotHandshake,
    /// The message is longer than [`MESSAGE_LIMIT`].
    TooLong,
}

/// Collects handshake messages of one direction, one after the other.
pub(super) struct Records {
    /// Header of a record, or of an SSL 2.0 hello, while it is not whole.
    header: SmallVec<[u8; RECORD_HEADER]>,
    /// Bytes left of the current record.
    left: usize,
    /// The current record says nothing here.
    skipping: bool,
    /// Handshake bytes of the current message so far.
    message: Vec<u8>,
    /// The last message was handed out: the next byte begins a new one.
    handed_out: bool,
}

impl Records {
    pub(super) const fn new() -> Self {
        Self { header: SmallVec::new_const(), left: 0, skipping: false, message: Vec::new(), handed_out: false }
    }

    /// Heap memory held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// Bytes left of the record in which the last message ended.
    pub(super) const fn left(&self) -> usize {
        self.left
    }

    /// Takes the next bytes of the direction. After a message is handed out the bytes behind it are
    /// to be given again.
    pub(super) fn take<'s>(&'s mut self, bytes: &'s [u8]) -> Collected<'s> {
        if std::mem::take(&mut self.handed_out) {
            self.message.clear();
        }
        if self.is_at_start()
            && let Some((message, used)) = whole(bytes)
        {
            return Collected::Message(message, used);
        }
        let mut reader = Reader::new(bytes);
        while let Some(byte) = reader.rest().first().copied() {
            if self.left == 0 {
                reader.u8();
                self.header.push(byte);
                if let Err(refusal) = self.begin_record() {
                    return refusal;
                }
                continue;
            }
            let wanted = if self.skipping { self.left } else { self.left.min(self.missing()) };
            let part = reader.take(wanted.min(reader.remaining())).unwrap_or_default();
            self.left = self.left.saturating_sub(part.len());
            if self.skipping {
                continue;
            }
            self.message.extend_from_slice(part);
            if message_len(&self.message).is_some_and(|len| len > MESSAGE_LIMIT) {
                return Collected::TooLong;
            }
            if self.missing() == 0 {
                let used = bytes.len().saturating_sub(reader.remaining());
                self.handed_out = true;
                return match split_message(&self.message) {
                    Some((message, _)) => Collected::Message(message, used),
                    None => Collected::NotHandshake,
                };
            }
        }
        Collected::NeedMore
    }

    /// Whether nothing is held: the next byte begins a record and a message.
    fn is_at_start(&self) -> bool {
        self.left == 0 && self.header.is_empty() && self.message.is_empty()
    }

    /// Bytes that the current message still lacks, as far as is known; at least its header.
    fn missing(&self) -> usize {
        message_len(&self.message).unwrap_or(MESSAGE_HEADER).saturating_sub(self.message.len())
    }

    /// Looks at a header that has grown by a byte.
    fn begin_record(&mut self) -> Result<(), Collected<'static>> {
        let may_be_ssl2 = self.message.is_empty();
        let (left, skipping) = match *self.header {
            [content::CHANGE_CIPHER_SPEC | content::ALERT | content::HANDSHAKE] => return Ok(()),
            [_, 3] | [_, 3, 0..=4] | [_, 3, 0..=4, _] => return Ok(()),
            [kind, 3, 0..=4, high, low] => {
                let len = u16::from_be_bytes([high, low]);
                if len == 0 || len > RECORD_LIMIT {
                    return Err(Collected::NotHandshake);
                }
                (usize::from(len), kind != content::HANDSHAKE)
            }
            [0x80..=0xff] | [0x80..=0xff, _] if may_be_ssl2 => return Ok(()),
            // A hello of SSL 2.0 (RFC 5246 Appendix E.2) is held as a message whose type is marked.
            [first @ 0x80..=0xff, second, 1] if may_be_ssl2 => {
                let left = u16::from_be_bytes([first & 0x7f, second]).saturating_sub(1);
                let [high, low] = left.to_be_bytes();
                self.message.extend([1 | SSL2_MARK, 0, high, low]);
                (left.into(), false)
            }
            _ => return Err(Collected::NotHandshake),
        };
        self.header.clear();
        (self.left, self.skipping) = (left, skipping);
        Ok(())
    }
}

/// Marks the type of a held message as one of SSL 2.0.
const SSL2_MARK: u8 = 0x80;

/// A message that lies whole in one record at the beginning of `bytes`, and what record and message
/// took of them. A record that holds more than the message is not taken apart here.
fn whole(bytes: &[u8]) -> Option<(HandshakeMessage<'_>, usize)> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER>()?;
    let [content::HANDSHAKE, 3, 0..=4, high, low] = *header else { return None };
    let record = rest.get(..u16::from_be_bytes([high, low]).into())?;
    let (message, used) = split_message(record)?;
    (used == record.len()).then_some((message, RECORD_HEADER.saturating_add(used)))
}

/// Length of the message that begins here, header included; `None` while its header is not whole.
fn message_len(bytes: &[u8]) -> Option<usize> {
    let [_, a, b, c] = *bytes.first_chunk::<MESSAGE_HEADER>()?;
    usize::try_from(u32::from_be_bytes([0, a, b, c])).ok().map(|len| len.saturating_add(MESSAGE_HEADER))
}

/// The message at the beginning of `bytes`, when it is whole, and its length.
pub(super) fn split_message(bytes: &[u8]) -> Option<(HandshakeMessage<'_>, usize)> {
    let len = message_len(bytes)?;
    let whole = bytes.get(..len)?;
    let (kind, body) = (whole.first()?, whole.get(MESSAGE_HEADER..)?);
    let kind = if kind & SSL2_MARK == 0 { u16::from(*kind) } else { SSL2_CLIENT_HELLO };
    Some((HandshakeMessage { kind, body }, len))
}
