//! What does a SYN say of the system that sent it? The traits of a TCP stack.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Segment;

/// What a SYN shows of its sender's TCP stack. The MSS is left out: tunnels change it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct SynTraits {
    /// Kinds of the options in wire order, then zeros; the first six count.
    pub options: [u8; 6],
    /// Window scale shift; `None` without the option.
    pub window_scale: Option<u8>,
    /// The TTL or hop limit that the sender began with: 32, 64, 128 or 255.
    pub initial_ttl: u8,
}

impl SynTraits {
    /// The traits of a segment with the SYN flag; `None` of any other.
    #[must_use]
    pub fn of(segment: &Segment<'_>) -> Option<Self> {
        if !segment.flags.syn() {
            return None;
        }
        let mut options = [0; 6];
        for (place, (kind, _)) in options.iter_mut().zip(segment.options) {
            *place = kind;
        }
        Some(Self { options, window_scale: segment.options.window_scale(), initial_ttl: initial_ttl(segment.ttl) })
    }
}

impl fmt::Display for SynTraits {
    /// For people: `TTL 64, options 2-4-8-3, window scale 7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TTL {}, ", self.initial_ttl)?;
        let kinds = self.options.iter().take_while(|kind| **kind != 0);
        for (n, kind) in kinds.enumerate() {
            write!(f, "{}{kind}", if n == 0 { "options " } else { "-" })?;
        }
        if self.options.first() == Some(&0) {
            f.write_str("no options")?;
        }
        self.window_scale.map_or(Ok(()), |scale| write!(f, ", window scale {scale}"))
    }
}

/// The next value from which systems count down.
const fn initial_ttl(ttl: u8) -> u8 {
    match ttl {
        0..=32 => 32,
        33..=64 => 64,
        65..=128 => 128,
        _ => 255,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Stamp;
    use crate::packet::craft::{TcpFrame, endpoint, frame};
    use crate::packet::{Decoded, TcpFlags, decode};

    fn traits(syn: &TcpFrame) -> Option<SynTraits> {
        let bytes = syn.bytes();
        let Ok(Decoded::Tcp(segment)) = decode(&frame(syn, &bytes, Stamp::default())) else { panic!() };
        SynTraits::of(&segment)
    }

    #[test]
    fn options_count_in_order_and_hops_do_not() {
        let mut syn = TcpFrame::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80")).flags(TcpFlags::SYN).ttl(61);
        syn.options = vec![2, 4, 5, 180, 4, 2, 1, 3, 3, 7];
        let linux = SynTraits { options: [2, 4, 3, 0, 0, 0], window_scale: Some(7), initial_ttl: 64 };
        assert_eq!(traits(&syn), Some(linux));
        assert_eq!(linux.to_string(), "TTL 64, options 2-4-3, window scale 7");
        syn.options = vec![2, 4, 5, 100, 4, 2, 1, 3, 3, 7];
        assert_eq!(traits(&syn), Some(linux), "a tunnel lowers the segment size");
        assert_eq!(traits(&syn.clone().ttl(120)), Some(SynTraits { initial_ttl: 128, ..linux }));
        syn.options = vec![2, 4, 5, 180, 1, 3, 3, 7, 4, 2];
        assert_eq!(traits(&syn), Some(SynTraits { options: [2, 3, 4, 0, 0, 0], ..linux }));
        assert_eq!(traits(&syn.flags(TcpFlags::ACK)), None);
    }
}
