//! What arrives at the session stage from the workers.

use crate::base::time::Stamp;
use crate::packet::NeighbourClaim;
use crate::token::{OutcomeSighting, PathSighting, TokenSighting};

/// One thing seen on the wire: owned, `Send`, free of secrets.
#[derive(Clone, Debug)]
pub enum Sighting {
    /// A token was presented, issued or deleted.
    Token(TokenSighting),
    /// A server replied to a request that presented tokens.
    Outcome(OutcomeSighting),
    /// Something on the path of a flow is odd.
    Path(PathSighting),
    /// Somebody said where on a segment an address is.
    Neighbour(NeighbourClaim, Stamp),
}
