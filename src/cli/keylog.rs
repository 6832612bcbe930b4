//! Which secrets of TLS connections did the command line name? Reads the files of `--keylog`.

use std::fs;
use std::path::PathBuf;

use super::refusal::Refusal;
use super::{Exit, complain};
use crate::base::secret::Secret;
use crate::proto::tls::keys::KeyLog;

/// Reads all of them, and says which lines are broken; never what is in them.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<KeyLog>, Refusal> {
    files
        .iter()
        .map(|path| {
            let name = path.display();
            let text =
                fs::read(path).map_err(|error| Refusal::new(Exit::Invalid, format_args!("key log {name}: {error}")))?;
            let log = KeyLog::read(Secret::new(text).expose());
            for (line, why) in &log.broken_lines {
                complain::line(&format!("key log {name}: line {line} is left out: {why}"));
            }
            let named = log.broken_lines.len() as u64;
            if log.broken > named {
                complain::line(&format!(
                    "key log {name}: {} more lines are left out",
                    log.broken.saturating_sub(named)
                ));
            }
            Ok(log)
        })
        .collect()
}
