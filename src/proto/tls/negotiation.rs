//! What did the two hellos agree on? Only what needs both: whether a session was resumed.

use smallvec::SmallVec;

use super::hello::{ClientHello, SESSION_ID_LIMIT, ServerHello};
use super::version::TlsVersion;

/// What a ClientHello offered that the server's answer is judged by.
#[derive(Clone, Default)]
pub struct Offer {
    session_id: SmallVec<[u8; SESSION_ID_LIMIT]>,
}

impl Offer {
    /// What `hello` offers.
    #[must_use]
    pub fn of(hello: &ClientHello<'_>) -> Self {
        Self { session_id: hello.session_id.into() }
    }

    /// Whether the server took up an earlier session.
    ///
    /// TLS 1.3: it took a pre-shared key; session ids are mere echoes there (RFC 8446 §4.1.3). Before
    /// that: it repeats the non-empty session id of the hello, be that an old session's or one that
    /// the client made up beside a ticket in order to know (RFC 5077 §3.4).
    #[must_use]
    pub fn is_resumed_by(&self, hello: &ServerHello<'_>) -> bool {
        let version = hello.version();
        if version >= TlsVersion::TLS13 {
            return hello.takes_psk();
        }
        !self.session_id.is_empty() && *hello.session_id == *self.session_id
    }
}
