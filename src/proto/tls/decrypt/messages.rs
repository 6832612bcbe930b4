//! Which handshake messages are in the records? Cut out of their contents, which may hold several, or a
//! part of one.

use super::super::hello::{Extensions, extension};
use super::super::record::{MESSAGE_LIMIT, split_message};

/// Types of handshake messages (RFC 8446 §4) that mean something here.
pub(super) mod kind {
    pub(in super::super) const CLIENT_HELLO: u16 = 1;
    pub(in super::super) const SERVER_HELLO: u16 = 2;
    pub(in super::super) const ENCRYPTED_EXTENSIONS: u16 = 8;
    pub(in super::super) const KEY_UPDATE: u16 = 24;
}

/// Handshake bytes of one direction that were not asked for, or are no whole message yet.
pub(super) struct Messages(Vec<u8>);

impl Messages {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Heap memory held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Adds the content of a record; false where a message is longer than is read.
    pub(super) fn put(&mut self, content: &[u8]) -> bool {
        self.0.extend_from_slice(content);
        self.0.len() <= MESSAGE_LIMIT
    }

    /// The next whole message: its type and body.
    pub(super) fn next(&mut self) -> Option<(u16, Vec<u8>)> {
        let (message, len) = split_message(&self.0)?;
        let message = (message.kind, message.body.to_vec());
        self.0.drain(..len);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(message)
    }

    /// Forgets a message of which a part is lost.
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

/// The application protocol that a server chose, of the body of its EncryptedExtensions.
pub(super) fn protocol(body: &[u8]) -> Option<&[u8]> {
    let list = Extensions::of(body).get(extension::ALPN)?;
    let (_, names) = list.split_first_chunk::<2>()?;
    let (len, names) = names.split_first()?;
    names.get(..usize::from(*len))
}
