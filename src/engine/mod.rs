//! Floor 10: how does it run? Threads, the clock and shutdown; ties the floors together.
//!
//! Takes a configuration and frames from `capture`, leads each frame through the floors, and gives
//! alerts to `sink` and counts to `metrics`. One thread does it all, without a lock or a queue; with
//! more workers that thread reads and judges, and flows are read on others. The HTTP listener has a
//! thread of its own.
//!
//! | file | question |
//! |---|---|
//! | `build` | how are the floors put together from a configuration? |
//! | `pipeline` | what becomes of a frame? |
//! | `worker` | what does one worker do? |
//! | `crew`, `batch` | how do several workers share the flows? |
//! | `judge`, `stage` | who judges, and who is told? |
//! | `replay`, `live` | where do frames come from, and when does it end? |
//! | `outputs` | where do alerts and transactions go? |
//! | `counts`, `reading` | how much was read and found? |
//! | `clock`, `timekeeper` | what time is it, and which time is believed? |
//! | `signals`, `progress`, `listener` | what do people and machines around it see? |
//! | `web_config`, `tls` | how is the listener protected? |

pub mod batch;
pub mod build;
pub mod clock;
pub mod config;
pub mod counts;
pub mod crew;
pub mod judge;
pub mod listener;
pub mod live;
pub mod outputs;
pub mod pipeline;
pub mod progress;
pub mod reading;
pub mod replay;
pub mod signals;
pub mod stage;
pub mod timekeeper;
mod tls;
pub mod web_config;
pub mod worker;
