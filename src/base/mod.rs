//! Floor 0: time, addresses, ids, secrets, bounded tables. Takes nothing, gives the small words everyone uses.

pub mod bounded;
pub mod find;
pub mod ids;
pub(crate) mod index;
pub mod net;
pub(crate) mod prefetch;
pub mod reader;
pub mod secret;
pub(crate) mod slab;
pub mod time;
