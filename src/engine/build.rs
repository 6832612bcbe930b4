//! How are the floors put together from a configuration? Every bound and every key in one place.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::config::Config;
use super::crew::Crew;
use super::judge::Judge;
use super::pipeline::{Hands, Pipeline};
use super::stage::Stage;
use super::worker::{Flows, Worker};
use crate::alert::{AlertDesk, DeskConfig, Sensor};
use crate::base::ids::DigestKey;
use crate::detect::{Detectors, Settings, Severity};
use crate::flow::{DefragConfig, Defragmenter, FlowConfig, FlowHash};
use crate::proto::tls::keys::{self, KeyLog, KeyStore};
use crate::session::{SessionConfig, SessionTable};
use crate::token::{TapRules, TokenTap};

/// What a pipeline is built from, beside the configuration.
#[derive(Clone, Debug)]
pub struct Ground<'a> {
    /// Which values are tokens.
    pub tap: Arc<TapRules>,
    /// How the detectors are tuned.
    pub settings: &'a Settings,
    /// The installation's key. All others, and the seeds of hashes, are derived from it: the same
    /// capture with the same key gives the same bytes.
    pub key: &'a [u8; 32],
    /// The secrets of TLS connections that were given.
    pub keys: &'a [KeyLog],
    /// The mildest severity that is told.
    pub min_severity: Severity,
    /// Whether transactions are told too.
    pub transactions: bool,
    /// Flow workers. What is told does not depend on it.
    pub workers: NonZeroU32,
}

/// The parts of the memory budget in bytes: sessions 50 %, flows 20 %, reassembly 25 %.
#[must_use]
pub const fn pools(memory: u64) -> [(&'static str, u64); 3] {
    [("sessions", memory / 2), ("flows", memory / 5), ("reassembly", memory / 4)]
}

/// How much of what stands beside the pools a memory budget allows: `full` at 1 GiB and more, and in
/// proportion less below, to a sixty-fourth.
fn within(memory: u64, full: usize) -> usize {
    let part = (full as u128 * u128::from(memory)) >> 30;
    usize::try_from(part).unwrap_or(full).clamp(full / 64, full)
}

/// Alerts of a replay that wait for its end, to be told as texts then.
#[must_use]
pub fn waiting_alerts(config: &Config) -> usize {
    within(config.memory, 16_384)
}

/// A pipeline that has seen nothing.
///
/// # Errors
/// When the system gives no threads for several workers.
pub fn pipeline(config: &Config, ground: &Ground<'_>) -> io::Result<Pipeline> {
    let [(_, table_bytes), ..] = pools(config.memory);
    let derived = |purpose| DigestKey::derive(ground.key, purpose);
    let hash_key = derived("hash seed").digest(&[]).0;
    let seed = u64::from_le_bytes(hash_key.first_chunk().copied().unwrap_or_default());

    let (usual, memory) = (SessionConfig::default(), config.memory);
    let sessions = SessionConfig {
        table_bytes,
        pending: within(memory, usual.pending),
        legs: within(memory, usual.legs),
        neighbours: within(memory, usual.neighbours),
        guessers: within(memory, usual.guessers),
        presenters: within(memory, usual.presenters),
        attacked: within(memory, usual.attacked),
        idle_timeout: config.sessions.idle_timeout,
        absolute_timeout: config.sessions.absolute_timeout,
        retention: config.sessions.retention,
        topology: Arc::clone(&ground.tap.topology),
        ..usual
    };
    let desk = DeskConfig::default();
    let max_keys = within(memory, desk.max_keys);
    let desk = DeskConfig { min_severity: ground.min_severity, max_keys, ..desk };
    let judge = Judge::new(Stage::new(
        SessionTable::new(sessions, ground.key, seed),
        Detectors::new(ground.settings, seed),
        AlertDesk::new(desk, derived(AlertDesk::KEY_PURPOSE)),
    ));
    let mut keys = KeyStore::new(within(memory, keys::CONNECTIONS), seed);
    ground.keys.iter().for_each(|log| keys.learn(log));
    let keys = Arc::new(keys);
    let hands = match ground.workers.get() {
        1 => Hands::One(Box::new(worker(config, ground, &keys, hash_key, seed))),
        workers => {
            let workers = (0..workers).map(|_| worker(config, ground, &keys, hash_key, seed));
            Hands::Many(Crew::start(workers.collect())?)
        }
    };
    let defragmenter = Defragmenter::new(defrag(config));
    Ok(Pipeline::new(FlowHash::new(seed), config.decapsulation.clone(), defragmenter, hands, judge))
}

/// The reader puts fragments together, for all workers, with a part of the memory for reassembly.
fn defrag(config: &Config) -> DefragConfig {
    let [.., (_, reassembly_bytes)] = pools(config.memory);
    let defrag = DefragConfig::default();
    DefragConfig { bytes: defrag.bytes.min(reassembly_bytes / 8), ..defrag }
}

/// A worker with its share of the memory.
fn worker(config: &Config, ground: &Ground<'_>, known: &Arc<KeyStore>, hash_key: [u8; 16], seed: u64) -> Worker {
    let workers = u64::from(ground.workers.get());
    let [_, (_, table_bytes), (_, reassembly_bytes)] = pools(config.memory / workers);
    // Fragments, and what was delivered lately, in the pool of what waits to be.
    let recall_bytes = reassembly_bytes / 32;
    let flows = Flows::new(FlowConfig {
        table_bytes,
        reassembly_bytes: reassembly_bytes.saturating_sub(recall_bytes + defrag(config).bytes / workers),
        recall_bytes,
        established_timeout: config.flows.established_timeout,
        mid_message_timeout: config.flows.mid_message_timeout,
        hash_seed: seed,
        ..FlowConfig::default()
    });
    let token_key = DigestKey::derive(ground.key, "token ref");
    let memory = config.memory / workers / 16;
    let mut tap = TokenTap::new(Arc::clone(&ground.tap), token_key, hash_key, memory, ground.transactions);
    tap.set_keys(KeyStore::over(Arc::clone(known), within(config.memory, keys::CONNECTIONS), seed));
    Worker::new(flows, tap)
}

/// Who watches: this host, and the captures by their index.
#[must_use]
pub fn sensor(captures: Vec<Box<str>>) -> Sensor {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Sensor { name: name.trim().into(), captures }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_budget_makes_small_tables() {
        let of = |mebibytes: u64| within(mebibytes << 20, 65_536);
        assert_eq!([1024, 4096, 512, 64, 16, 1].map(of), [65_536, 65_536, 32_768, 4096, 1024, 1024]);
        assert_eq!(within(u64::MAX, 65_536), 65_536);
    }
}
