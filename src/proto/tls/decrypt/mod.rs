//! What is said inside a TLS connection whose secrets are known? Its records, opened, give application
//! data. A record whose tag is wrong gives nothing.
//!
//! | file | question |
//! |---|---|
//! | `session` | what do both directions of a connection say? |
//! | `lane` | what do the bytes of one direction say? |
//! | `lane12`, `lane13` | how are its records opened? |
//! | `records` | where does a record begin and end? |
//! | `tries` | how much is tried behind a hole? |
//! | `messages` | which handshake messages are in the records? |
//! | `suite`, `derive` | which suites are there, and how do secrets become keys? |
//! | `aead`, `cbc` | how is one record opened? |
//! | `plaintext` | what came out? |

mod aead;
mod cbc;
mod derive;
mod lane;
mod lane12;
mod lane13;
mod messages;
mod plaintext;
mod records;
mod session;
mod suite;
#[cfg(test)]
mod tests;
mod tries;

pub(in crate::proto) use plaintext::{Part, Plaintext};
pub(super) use session::{Session, Standing};
