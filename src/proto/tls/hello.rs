//! What does a hello say? Reads the body of a ClientHello or ServerHello, wherever it came from:
//! TLS records, a QUIC CRYPTO stream, or a stored handshake.
//!
//! The views borrow. Lists that end too early are read as far as they go: hosts disagree on what they
//! refuse, and a fingerprint of half a hello is still the same half.

use super::version::TlsVersion;
use crate::base::reader::Reader;

/// Extensions that are looked into (IANA TLS ExtensionType values).
pub mod extension {
    /// RFC 6066 §3.
    pub const SERVER_NAME: u16 = 0;
    /// Supported groups, RFC 8422 §5.1.1.
    pub const GROUPS: u16 = 10;
    /// Point formats, RFC 8422 §5.1.2.
    pub const POINT_FORMATS: u16 = 11;
    /// RFC 8446 §4.2.3.
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    /// RFC 7301.
    pub const ALPN: u16 = 16;
    /// RFC 7685.
    pub const PADDING: u16 = 21;
    /// RFC 7366.
    pub const ENCRYPT_THEN_MAC: u16 = 22;
    /// RFC 5077.
    pub const SESSION_TICKET: u16 = 35;
    /// RFC 8446 §4.2.11.
    pub const PRE_SHARED_KEY: u16 = 41;
    /// RFC 8446 §4.2.10.
    pub const EARLY_DATA: u16 = 42;
    /// RFC 8446 §4.2.1.
    pub const SUPPORTED_VERSIONS: u16 = 43;
}

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Longest session id (RFC 5246 §7.4.1.2).
pub const SESSION_ID_LIMIT: usize = 32;

/// A ClientHello, borrowed.
#[derive(Clone, Copy)]
pub struct ClientHello<'a> {
    /// `legacy_version`: what the client can at most, unless it sends `supported_versions`.
    pub version: TlsVersion,
    /// Its random.
    pub random: &'a [u8],
    /// The session id that it offers, or one made up for TLS 1.3; perhaps empty.
    pub session_id: &'a [u8],
    /// It came in the form of SSL 2.0 (RFC 5246 Appendix E.2): there are no extensions, and the
    /// ciphers are three bytes each.
    pub ssl2: bool,
    ciphers: &'a [u8],
    extensions: Extensions<'a>,
}

impl std::fmt::Debug for ClientHello<'_> {
    /// Session ids and tickets are tokens: only how much there is is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ciphers, extensions) = (self.ciphers().count(), self.extensions.0.len());
        write!(f, "ClientHello({:04x}, {ciphers} ciphers, {extensions} bytes of extensions)", self.version.0)
    }
}

impl<'a> ClientHello<'a> {
    /// Reads the body of a handshake message of type 1 (RFC 8446 §4.1.2). `None` where it ends
    /// before its extensions would begin.
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = TlsVersion(reader.u16()?);
        let random = reader.take(32)?;
        let session_id = vector8(&mut reader).filter(|id| id.len() <= SESSION_ID_LIMIT)?;
        let ciphers = vector16(&mut reader)?;
        vector8(&mut reader)?; // compression methods
        Some(Self { version, random, session_id, ssl2: false, ciphers, extensions: Extensions::read(reader) })
    }

    /// Reads the body of a CLIENT-HELLO of SSL 2.0 after its type (RFC 5246 Appendix E.2).
    #[must_use]
    pub fn read_ssl2(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let version = TlsVersion(reader.u16()?);
        let (ciphers, id, challenge) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let ciphers = reader.take(ciphers.into())?;
        let session_id = reader.take(id.into()).filter(|id| id.len() <= SESSION_ID_LIMIT)?;
        let random = reader.take(challenge.into())?;
        Some(Self { version, random, session_id, ssl2: true, ciphers, extensions: Extensions(&[]) })
    }

    /// Cipher suites in order; those that only SSL 2.0 knows are left out.
    pub fn ciphers(&self) -> impl Iterator<Item = u16> + 'a {
        let size = if self.ssl2 { 3 } else { 2 };
        self.ciphers.chunks_exact(size).filter_map(|code| match *code {
            [high, low] | [0, high, low] => Some(u16::from_be_bytes([high, low])),
            _ => None,
        })
    }

    /// Extensions in wire order.
    #[must_use]
    pub const fn extensions(&self) -> Extensions<'a> {
        self.extensions
    }

    /// The server's name (SNI) as on the wire; no other name type was ever defined.
    #[must_use]
    pub fn server_name(&self) -> Option<&'a [u8]> {
        let mut reader = Reader::new(self.extensions.get(extension::SERVER_NAME)?);
        reader.u16()?;
        let kind = reader.u8()?;
        vector16(&mut reader).filter(|name| kind == 0 && !name.is_empty())
    }

    /// Application protocols that it offers, in order.
    #[must_use]
    pub fn protocols(&self) -> Protocols<'a> {
        Protocols::read(self.extensions)
    }

    /// Versions that it offers where it sends the extension, in order.
    pub fn supported_versions(&self) -> impl Iterator<Item = TlsVersion> + 'a {
        let mut reader = Reader::new(self.extensions.get(extension::SUPPORTED_VERSIONS).unwrap_or_default());
        codes(vector8(&mut reader).unwrap_or_default()).map(TlsVersion)
    }

    /// Groups for the key exchange, in order.
    pub fn groups(&self) -> impl Iterator<Item = u16> + 'a {
        self.codes_of(extension::GROUPS)
    }

    /// Signature algorithms, in order.
    pub fn signature_algorithms(&self) -> impl Iterator<Item = u16> + 'a {
        self.codes_of(extension::SIGNATURE_ALGORITHMS)
    }

    /// Formats of points on curves, in order.
    #[must_use]
    pub fn point_formats(&self) -> &'a [u8] {
        let mut reader = Reader::new(self.extensions.get(extension::POINT_FORMATS).unwrap_or_default());
        vector8(&mut reader).unwrap_or_default()
    }

    /// The session ticket that it offers (RFC 5077): empty where it asks for a new one, `None` without
    /// the extension.
    #[must_use]
    pub fn ticket(&self) -> Option<&'a [u8]> {
        self.extensions.get(extension::SESSION_TICKET)
    }

    /// How many pre-shared keys it offers (RFC 8446 §4.2.11).
    #[must_use]
    pub fn psk_identities(&self) -> usize {
        let mut reader = Reader::new(self.extensions.get(extension::PRE_SHARED_KEY).unwrap_or_default());
        let mut identities = Reader::new(vector16(&mut reader).unwrap_or_default());
        std::iter::from_fn(|| {
            vector16(&mut identities)?;
            identities.u32() // obfuscated ticket age
        })
        .count()
    }

    fn codes_of(&self, extension: u16) -> impl Iterator<Item = u16> + 'a {
        let mut reader = Reader::new(self.extensions.get(extension).unwrap_or_default());
        codes(vector16(&mut reader).unwrap_or_default())
    }
}

/// A ServerHello, borrowed.
#[derive(Clone, Copy)]
pub struct ServerHello<'a> {
    /// `legacy_version`; see [`Self::version`].
    pub legacy_version: TlsVersion,
    /// Its random.
    pub random: &'a [u8],
    /// The session id: that of a resumed or new session, or an echo in TLS 1.3.
    pub session_id: &'a [u8],
    /// The cipher suite that it chose.
    pub cipher: u16,
    extensions: Extensions<'a>,
}

impl std::fmt::Debug for ServerHello<'_> {
    /// A session id is a token: it is not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerHello({:04x}, cipher {:04x})", self.version().0, self.cipher)
    }
}

impl<'a> ServerHello<'a> {
    /// Reads the body of a handshake message of type 2 (RFC 8446 §4.1.3).
    #[must_use]
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let legacy_version = TlsVersion(reader.u16()?);
        let random = reader.take(32)?;
        // Drafts of TLS 1.3 up to the 21st had neither session id nor compression here.
        let early_draft = legacy_version.is_draft13();
        let session_id = if early_draft { &[] } else { vector8(&mut reader)? };
        let cipher = reader.u16()?;
        if !early_draft {
            reader.u8()?; // compression method
        }
        let session_id = Some(session_id).filter(|id| id.len() <= SESSION_ID_LIMIT)?;
        Some(Self { legacy_version, random, session_id, cipher, extensions: Extensions::read(reader) })
    }

    /// The version that is spoken from here on.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        let chosen = self.extensions.get(extension::SUPPORTED_VERSIONS).and_then(|value| Reader::new(value).u16());
        chosen.map_or(self.legacy_version, TlsVersion)
    }

    /// The application protocol that it chose; in TLS 1.3 that is said under encryption.
    #[must_use]
    pub fn protocol(&self) -> Option<&'a [u8]> {
        Protocols::read(self.extensions).next()
    }

    /// Its MACs are of what is encrypted (RFC 7366).
    #[must_use]
    pub fn encrypts_then_macs(&self) -> bool {
        self.extensions.get(extension::ENCRYPT_THEN_MAC).is_some()
    }

    /// It took one of the client's pre-shared keys.
    #[must_use]
    pub fn takes_psk(&self) -> bool {
        self.extensions.get(extension::PRE_SHARED_KEY).is_some()
    }

    /// It asks for another ClientHello (RFC 8446 §4.1.4).
    #[must_use]
    pub fn is_retry_request(&self) -> bool {
        self.random == RETRY_RANDOM
    }
}

/// Extensions: types and values in wire order, unknown ones included.
#[derive(Clone, Copy)]
pub struct Extensions<'a>(&'a [u8]);

impl<'a> Extensions<'a> {
    /// The list with its length before it, as far as it goes.
    fn read(mut reader: Reader<'a>) -> Self {
        let len = usize::from(reader.u16().unwrap_or_default());
        let rest = reader.rest();
        Self(rest.get(..len).unwrap_or(rest))
    }

    /// The list of extensions that a handshake message is.
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self::read(Reader::new(body))
    }

    /// Value of the first extension of this type.
    #[must_use]
    pub fn get(mut self, wanted: u16) -> Option<&'a [u8]> {
        self.find_map(|(kind, value)| (kind == wanted).then_some(value))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = Reader::new(self.0);
        let kind = reader.u16()?;
        let value = vector16(&mut reader)?;
        self.0 = reader.rest();
        Some((kind, value))
    }
}

/// Names of application protocols (RFC 7301 §3.1), such as `h2`.
#[derive(Clone, Copy)]
pub struct Protocols<'a>(Reader<'a>);

impl<'a> Protocols<'a> {
    fn read(extensions: Extensions<'a>) -> Self {
        let mut reader = Reader::new(extensions.get(extension::ALPN).unwrap_or_default());
        Self(Reader::new(vector16(&mut reader).unwrap_or_default()))
    }
}

impl<'a> Iterator for Protocols<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        vector8(&mut self.0)
    }
}

fn vector8<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut ahead = *reader;
    let len = ahead.u8()?;
    let bytes = ahead.take(len.into())?;
    *reader = ahead;
    Some(bytes)
}

fn vector16<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut ahead = *reader;
    let len = ahead.u16()?;
    let bytes = ahead.take(len.into())?;
    *reader = ahead;
    Some(bytes)
}

fn codes<'a>(bytes: &'a [u8]) -> impl Iterator<Item = u16> + 'a {
    bytes.as_chunks::<2>().0.iter().map(|code| u16::from_be_bytes(*code))
}
