//! Does a password travel in cleartext? TT-2007.
//!
//! Attack: anyone on the path reads the password, and logs in with it wherever and whenever they like:
//! neither a logout nor the end of the session helps.
//! Signal: Basic credentials (RFC 7617) or the password field of a form on a connection without TLS.
//! Known false alarms: as of TT-2001, which such a password is not told under; a form whose field has
//! the name of a password and holds none.
//! How it is counted and told, [`super::exposure`] says.

use super::finding::DetectorInfo;

/// TT-2007.
pub const CREDENTIAL: DetectorInfo =
    DetectorInfo::new("TT-2007", "credential.plaintext", "Passwords travel in cleartext");
