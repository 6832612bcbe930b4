//! What is the least that reading a capture costs? libpcap's own loop, which counts and does nothing else.

use std::path::Path;

use anyhow::{Context, Result};
use pcap::Capture;

/// Prints the packets and bytes of a capture.
pub(crate) fn run(file: &Path) -> Result<()> {
    let mut capture = Capture::from_file(file).with_context(|| file.display().to_string())?;
    let (mut packets, mut bytes) = (0_u64, 0_u64);
    capture.for_each(None, |packet| {
        packets += 1;
        bytes += u64::from(packet.header.len);
    })?;
    println!("{packets} {bytes}");
    Ok(())
}
