//! Does a token travel in cleartext? TT-2001.
//!
//! Attack: anyone on the path (an open network, a mirror, a provider) reads the token and owns the session.
//! Signal: a token presented or issued on a connection without TLS.
//! Known false alarms: the internal hop behind a TLS terminator, unless it is configured
//! (`clients.trusted_proxies`, `clients.cleartext_ok`).
//! How it is counted and told, [`super::exposure`] says. Passwords are the business of TT-2007.

use super::finding::DetectorInfo;

/// TT-2001.
pub const PLAINTEXT: DetectorInfo = DetectorInfo::new("TT-2001", "token.plaintext", "Tokens travel in cleartext");
