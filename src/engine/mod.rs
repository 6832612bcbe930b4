//! Floor 10: how does it run? Threads, queues, the clock and shutdown; ties the floors together.

pub mod clock;
pub mod config;
pub mod listener;
pub mod outputs;
pub mod progress;
pub mod signals;
pub mod stage;
