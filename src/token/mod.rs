//! Floor 5: which values prove who a client is? Takes messages, gives sightings. The only floor
//! that touches raw tokens; nothing secret leaves it.

pub mod sighting;

pub use sighting::{
    Carrier, Issued, Outcome, OutcomeSighting, RequestId, RequestView, SeenToken, TokenClass, TokenSighting, TokenUse,
    Transaction, TransactionToken,
};
