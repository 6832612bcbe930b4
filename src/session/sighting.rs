//! What arrives at the session stage from the workers.

use crate::token::{OutcomeSighting, TokenSighting};

/// One thing seen on the wire: owned, `Send`, free of secrets.
#[derive(Clone, Debug)]
pub enum Sighting {
    /// A token was presented, issued or deleted.
    Token(TokenSighting),
    /// A server replied to a request that presented tokens.
    Outcome(OutcomeSighting),
}
