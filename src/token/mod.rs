//! Floor 5: which values prove who a client is? Takes messages, gives sightings. The only floor
//! that touches raw tokens; nothing secret leaves it.

mod agents;
pub mod authorization;
mod client;
pub mod cookie;
pub mod counters;
pub mod date;
mod find;
mod form;
mod generations;
mod header_orders;
mod json;
pub mod login;
pub mod mask;
pub mod names;
pub mod pattern;
mod recall;
pub mod service;
mod shapes;
pub mod sighting;
pub mod strength;
pub mod tap;
pub mod tls;
pub mod url;
pub mod value;

pub use counters::TokenCounters;
pub use sighting::{
    Carrier, Issued, Outcome, OutcomeSighting, PathKind, PathSighting, Request, RequestId, RequestView, SeenToken,
    TokenClass, TokenSighting, TokenUse, Transaction, TransactionToken,
};
pub use tap::{Seen, TapRules, TokenTap};
pub use tls::TlsHandshake;
