//! What do the two hellos of a TLS connection say? Put together for the metadata log.

use std::sync::Arc;

use super::mask;
use super::sighting::RequestView;
use crate::identity::ja4::{Transport, ja3, ja4};
use crate::proto::{ClientHello, ServerHello, TlsVersion};

/// A TLS handshake as far as it was seen; texts are masked, printable and cut at 1 KiB.
#[derive(Clone, Debug)]
pub struct TlsHandshake {
    /// The connection, from its client's side: `first` and `complete` are the frames of the client's
    /// hello, or of the server's where that was not seen.
    pub view: RequestView,
    /// What the client offered.
    pub offered: Option<TlsOffer>,
    /// What the server chose.
    pub chosen: Option<TlsChoice>,
    /// What follows the hellos could be read.
    pub decrypted: bool,
}

/// What a ClientHello says.
#[derive(Clone, Debug)]
pub struct TlsOffer {
    /// Name of the server (SNI).
    pub server_name: Option<Box<str>>,
    /// JA3.
    pub ja3: Box<str>,
    /// JA4.
    pub ja4: Box<str>,
    /// JA4 in the form that survives resumption.
    pub ja4_stable: Arc<str>,
}

/// What a ServerHello says.
#[derive(Clone, Debug)]
pub struct TlsChoice {
    /// Version that is spoken.
    pub version: TlsVersion,
    /// Cipher suite.
    pub cipher: u16,
    /// Application protocol (ALPN), where it is said in the clear, before TLS 1.3, or was decrypted.
    pub protocol: Option<Box<str>>,
    /// It takes up an earlier session; `None` where the client's hello was not seen.
    pub resumed: Option<bool>,
}

impl TlsOffer {
    fn of(hello: &ClientHello<'_>, ja4_stable: Arc<str>) -> Self {
        Self {
            server_name: hello.server_name().map(|name| mask::text(name, &[])),
            ja3: ja3(hello).into(),
            ja4: ja4(hello, Transport::Tcp).into(),
            ja4_stable,
        }
    }
}

impl TlsChoice {
    fn of(hello: &ServerHello<'_>, resumed: Option<bool>) -> Self {
        Self {
            version: hello.version(),
            cipher: hello.cipher,
            protocol: hello.protocol().map(|name| mask::text(name, &[])),
            resumed,
        }
    }
}

/// What is remembered of the hellos of one connection.
#[derive(Default)]
pub(super) struct FlowTls {
    fingerprint: Option<Arc<str>>,
    /// Both hellos so far, when the metadata log wants them.
    handshake: Option<Box<TlsHandshake>>,
    /// What comes now is decrypted.
    decrypted: bool,
}

impl FlowTls {
    /// Nothing was seen.
    pub(super) const fn is_empty(&self) -> bool {
        self.fingerprint.is_none() && self.handshake.is_none() && !self.decrypted
    }

    /// The client's fingerprint in the form that survives resumption.
    pub(super) fn fingerprint(&self) -> Option<Arc<str>> {
        self.fingerprint.clone()
    }

    /// The client's hello; `view` is of its connection, when the metadata log wants handshakes.
    pub(super) fn offered(&mut self, hello: &ClientHello<'_>, fingerprint: Arc<str>, view: Option<RequestView>) {
        self.fingerprint = Some(Arc::clone(&fingerprint));
        if let Some(view) = view {
            let chosen = self.handshake.take().and_then(|earlier| earlier.chosen);
            let offered = Some(TlsOffer::of(hello, fingerprint));
            self.handshake = Some(Box::new(TlsHandshake { view, offered, chosen, decrypted: false }));
        }
    }

    /// The server's hello; `view` is used where the client's was not seen.
    pub(super) fn chosen(&mut self, hello: &ServerHello<'_>, resumed: Option<bool>, view: RequestView) {
        let handshake = self
            .handshake
            .get_or_insert_with(|| Box::new(TlsHandshake { view, offered: None, chosen: None, decrypted: false }));
        handshake.chosen = Some(TlsChoice::of(hello, resumed));
    }

    /// From now on messages are decrypted. Both hellos, to be told; `protocol` is what the server chose
    /// under encryption.
    pub(super) fn decrypted(&mut self, protocol: Option<&[u8]>) -> Option<Box<TlsHandshake>> {
        self.decrypted = true;
        let mut told = self.handshake.take()?;
        told.decrypted = true;
        if let Some(chosen) = &mut told.chosen
            && chosen.protocol.is_none()
        {
            chosen.protocol = protocol.map(|name| mask::text(name, &[]));
        }
        Some(told)
    }

    /// Whether messages are decrypted.
    pub(super) const fn is_decrypted(&self) -> bool {
        self.decrypted
    }

    /// Both hellos, to be told.
    pub(super) fn take_handshake(&mut self) -> Option<Box<TlsHandshake>> {
        self.handshake.take()
    }

    /// Heap bytes, roughly: the texts of hellos are short.
    pub(super) fn held_bytes(&self) -> usize {
        self.handshake.as_ref().map_or(0, |handshake| size_of_val(&**handshake) + 256)
    }
}
