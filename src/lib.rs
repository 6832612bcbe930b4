//! Watches session tokens on the wire and says when one is used by someone else.
//!
//! # The journey of a packet
//!
//! A packet climbs floors; each floor imports only from lower ones, and nothing calls back
//! down except one small [`flow::Interest`] value. Floors 0 to 8 are pure: no thread, clock,
//! file, socket or global.
//!
//! | floor | module | takes → gives |
//! |---|---|---|
//! | 12 | `main`, `cli` | arguments → a command, an exit code |
//! | 11 | `config` | file, environment, flags → one typed configuration |
//! | 10 | `engine` | threads, queues, clock, shutdown |
//! | 9 | `capture`, `sink`, `metrics`, `rules` | the edges; they never import each other |
//! | 8 | [`alert`] | finding → alert: dedup, incident, formats |
//! | 7 | [`detect`] | observation → finding |
//! | 6 | [`session`] | sighting → session → observation |
//! | 5 | [`token`] | message → sighting; the only floor that touches raw tokens |
//! | 4 | [`identity`] | what a client looks like |
//! | 3 | [`proto`] | bytes → message |
//! | 2 | [`flow`] | segment → stream of bytes |
//! | 1 | [`packet`] | frame → segment |
//! | 0 | [`base`] | time, addresses, ids, secrets, bounded tables |
//!
//! 1. `capture` takes a frame with its time.
//! 2. `packet::decode` peels link layer, IP and TCP into a borrowed [`packet::Segment`].
//! 3. `flow::FlowTable` finds the flow and advances TCP.
//! 4. In-order bytes pass straight through, uncopied; early bytes wait in a bounded buffer.
//! 5. The `proto::Conversation` probes once, then feeds one parser.
//! 6. A message head completes; it is still borrowed.
//! 7. [`token`] asks the rules which names matter, digests each token, masks the texts that
//!    travel on; the raw value dies here.
//! 8. The worker sends the sighting on.
//! 9. [`session`] applies it and [`detect`] judges.
//! 10. [`alert`] groups and deduplicates; sinks and metrics get the result.

pub mod alert;
pub mod base;
#[cfg(feature = "daemon")]
pub mod capture;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod config;
pub mod detect;
#[cfg(feature = "daemon")]
pub mod engine;
pub mod flow;
pub mod identity;
#[cfg(feature = "daemon")]
pub mod metrics;
pub mod packet;
pub mod proto;
#[cfg(feature = "daemon")]
pub mod rules;
pub mod session;
#[cfg(feature = "daemon")]
pub mod sink;
pub mod token;
