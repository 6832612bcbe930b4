//! Floor 10: how does it run? Threads, queues, the clock and shutdown; ties the floors together.

pub mod config;
pub mod listener;
