//! How is a record of a CBC suite opened? Decryption, padding and MAC, in either order (RFC 5246
//! §6.2.3.2, RFC 7366).
//!
//! Nobody can time this reader: it answers nobody. So it checks without regard for how long that takes.

use aes::cipher::{Array, BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes256};
use cbc::Decryptor;
use ring::hmac;

use super::derive::Wiped;
use super::suite::Mac;

/// Bytes of a block, and of the IV before each record.
const BLOCK: usize = 16;

/// The keys of one direction.
pub(super) struct Cbc {
    key: Wiped,
    mac_key: hmac::Key,
    mac_len: usize,
    /// The MAC is of what was encrypted, and stands behind it.
    encrypt_then_mac: bool,
}

impl Cbc {
    pub(super) fn new(key: Wiped, mac: Mac, mac_key: &[u8], encrypt_then_mac: bool) -> Self {
        Self { key, mac_key: hmac::Key::new(mac.algorithm(), mac_key), mac_len: mac.len(), encrypt_then_mac }
    }

    /// Bytes that a record has beside its content, with the least padding.
    pub(super) const fn overhead(&self) -> usize {
        BLOCK + self.mac_len + 1
    }

    /// Opens a record in place; `prefix` is its number, type and version.
    pub(super) fn open<'a>(&self, prefix: [u8; 11], body: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let body = if self.encrypt_then_mac {
            let (body, mac) = body.split_at_mut_checked(body.len().checked_sub(self.mac_len)?)?;
            self.verify(prefix, body, mac)?;
            body
        } else {
            body
        };
        let (iv, text) = body.split_first_chunk_mut::<BLOCK>()?;
        self.decrypt(iv, text)?;
        let padding = usize::from(*text.last()?).checked_add(1)?;
        let (content, pad) = text.split_at_mut_checked(text.len().checked_sub(padding)?)?;
        if pad.iter().any(|byte| usize::from(*byte).saturating_add(1) != padding) {
            return None;
        }
        if self.encrypt_then_mac {
            return Some(content);
        }
        let (content, mac) = content.split_at_mut_checked(content.len().checked_sub(self.mac_len)?)?;
        self.verify(prefix, content, mac)?;
        Some(content)
    }

    fn verify(&self, prefix: [u8; 11], of: &[u8], mac: &[u8]) -> Option<()> {
        let mut context = hmac::Context::with_key(&self.mac_key);
        context.update(&prefix);
        context.update(&u16::try_from(of.len()).ok()?.to_be_bytes());
        context.update(of);
        (context.sign().as_ref() == mac).then_some(())
    }

    fn decrypt(&self, iv: &[u8; BLOCK], text: &mut [u8]) -> Option<()> {
        let (blocks, []) = Array::slice_as_chunks_mut(text) else { return None };
        match self.key.len() {
            16 => Decryptor::<Aes128>::new_from_slices(&self.key, iv).ok()?.decrypt_blocks(blocks),
            _ => Decryptor::<Aes256>::new_from_slices(&self.key, iv).ok()?.decrypt_blocks(blocks),
        }
        Some(())
    }
}
