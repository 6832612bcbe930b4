//! How is authenticated encryption undone? A wrong tag opens nothing.

use aes::{Aes128, Aes256};
use ccm::Ccm;
use ccm::aead::{AeadInOut, KeyInit};
use ccm::consts::{U8, U12, U16};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use super::suite::Algorithm;

/// A key that opens.
pub(super) enum Aead {
    Ring(Box<LessSafeKey>),
    Ccm128(Box<Ccm<Aes128, U16, U12>>),
    Ccm256(Box<Ccm<Aes256, U16, U12>>),
    Ccm128Short(Box<Ccm<Aes128, U8, U12>>),
    Ccm256Short(Box<Ccm<Aes256, U8, U12>>),
}

impl Aead {
    /// `None` for a key of another length.
    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Option<Self> {
        let ring = |of| Some(Self::Ring(Box::new(LessSafeKey::new(UnboundKey::new(of, key).ok()?))));
        match algorithm {
            Algorithm::Aes128Gcm => ring(&AES_128_GCM),
            Algorithm::Aes256Gcm => ring(&AES_256_GCM),
            Algorithm::ChaCha20Poly1305 => ring(&CHACHA20_POLY1305),
            Algorithm::Aes128Ccm => Ccm::new_from_slice(key).ok().map(|key| Self::Ccm128(Box::new(key))),
            Algorithm::Aes256Ccm => Ccm::new_from_slice(key).ok().map(|key| Self::Ccm256(Box::new(key))),
            Algorithm::Aes128Ccm8 => Ccm::new_from_slice(key).ok().map(|key| Self::Ccm128Short(Box::new(key))),
            Algorithm::Aes256Ccm8 => Ccm::new_from_slice(key).ok().map(|key| Self::Ccm256Short(Box::new(key))),
        }
    }

    /// Opens in place what stands before its tag; gives the content. Where the tag is wrong the bytes are
    /// of no use any more.
    pub(super) fn open<'a>(&self, nonce: [u8; 12], aad: &[u8], sealed: &'a mut [u8]) -> Option<&'a mut [u8]> {
        match self {
            Self::Ring(key) => key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed).ok(),
            Self::Ccm128(key) => open::<_, 16>(&**key, nonce, aad, sealed),
            Self::Ccm256(key) => open::<_, 16>(&**key, nonce, aad, sealed),
            Self::Ccm128Short(key) => open::<_, 8>(&**key, nonce, aad, sealed),
            Self::Ccm256Short(key) => open::<_, 8>(&**key, nonce, aad, sealed),
        }
    }
}

fn open<'a, K: AeadInOut<NonceSize = U12>, const TAG: usize>(
    key: &K,
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &'a mut [u8],
) -> Option<&'a mut [u8]> {
    let (content, tag) = sealed.split_last_chunk_mut::<TAG>()?;
    let tag = tag.as_slice().try_into().ok()?;
    key.decrypt_inout_detached(&nonce.into(), aad, (&mut *content).into(), tag).ok()?;
    Some(content)
}
