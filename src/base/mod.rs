//! Floor 0: time, addresses, ids, secrets, bounded tables. Takes nothing, gives the small words everyone uses.

pub mod bounded;
pub mod ids;
pub mod net;
pub mod reader;
pub mod secret;
pub mod time;
