//! What the tests of the whole program share: running it, reading what it wrote, finding captures.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub, reason = "test support")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The project's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The program under test.
pub fn tokentrail() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokentrail"));
    command.env_remove("TOKENTRAIL_CONFIG");
    command
}

/// Third-party captures beside the checkout, or where `TOKENTRAIL_SHARED` says; they are never part of
/// it. `None` when they are not there: then the test says that it was skipped.
#[allow(clippy::disallowed_methods, reason = "a test may be told where its material is")]
pub fn shared(part: &str) -> Option<PathBuf> {
    let named = std::env::var("TOKENTRAIL_SHARED").map(PathBuf::from);
    let place = named.unwrap_or_else(|_| root().join("../shared")).join(part);
    if place.is_dir() {
        return Some(place);
    }
    println!("skipped: there is no {}", place.display());
    None
}

/// The project's own captures, in order of their names.
pub fn bundled() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root().join("pcaps"))
        .expect("pcaps/ is part of the project")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng"))
        .collect();
    files.sort();
    files
}

/// Everything one replay wrote.
pub struct Replay {
    /// Its exit.
    pub output: Output,
    /// Bytes of the alerts file.
    pub alerts_bytes: Vec<u8>,
    /// Bytes of the events file.
    pub events_bytes: Vec<u8>,
}

impl Replay {
    /// Replays captures with a fixed token key, alerts and events to files.
    pub fn of(captures: &[&Path], extra: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let key = dir.path().join("key");
        std::fs::write(&key, [0x5a; 32]).expect("written");
        private(&key);
        let (alerts, events) = (dir.path().join("alerts"), dir.path().join("events"));
        let mut command = tokentrail();
        command.arg("replay").args(captures).args(["--format", "ecs", "--no-progress"]);
        command.arg("--token-key-file").arg(&key);
        command.arg("--alerts").arg(&alerts).arg("--events").arg(&events).args(extra);
        let output = command.output().expect("the program runs");
        let read = |path: &Path| std::fs::read(path).unwrap_or_default();
        Self { output, alerts_bytes: read(&alerts), events_bytes: read(&events) }
    }

    /// Its exit code.
    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    /// The alerts, one JSON object a line.
    pub fn alerts(&self) -> Vec<Value> {
        lines(&self.alerts_bytes)
    }

    /// The events.
    pub fn events(&self) -> Vec<Value> {
        lines(&self.events_bytes)
    }

    /// Every byte that it wrote anywhere.
    pub fn all_output(&self) -> Vec<u8> {
        [&self.output.stdout[..], &self.output.stderr, &self.alerts_bytes, &self.events_bytes].concat()
    }
}

/// JSON lines; every line must be one object.
pub fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("output is UTF-8");
    text.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
            assert!(value.is_object() && line.len() <= 16 * 1024, "{line}");
            value
        })
        .collect()
}

/// A field by its dotted path; `Null` when it is not there.
pub fn field<'v>(value: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(value, |v, key| &v[key])
}

/// The text of a field.
pub fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    field(value, path).as_str().unwrap_or_default()
}

/// Rank of a severity word: 0 informational to 4 critical.
pub fn rank(alert: &Value) -> usize {
    let word = text(alert, "tokentrail.severity");
    ["informational", "low", "medium", "high", "critical"].iter().position(|w| *w == word).expect("a severity")
}

/// Makes a file readable by its owner alone.
pub fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("permissions");
}

/// A secret in all the forms in which it must not occur in any output.
pub fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
    let percent: String = secret.iter().map(|b| format!("%{b:02X}")).collect();
    let reversed = secret.iter().rev().copied().collect();
    vec![
        secret.to_vec(),
        hex.clone().into_bytes(),
        hex.to_uppercase().into_bytes(),
        percent.into_bytes(),
        reversed,
        base64(secret),
    ]
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(ALPHABET[(n >> (18 - 6 * i) & 63) as usize]);
        }
    }
    out
}

/// Whether `needle` occurs in `hay`.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && hay.windows(needle.len()).any(|w| w == needle)
}
