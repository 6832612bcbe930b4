//! What does a TCP header say? Wrap-safe sequence numbers, flags, options and checksum.

use std::fmt;

/// A TCP sequence number; arithmetic and order are modulo 2³² (RFC 9293 §3.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// `self + n`, wrapping.
    #[must_use]
    pub const fn plus(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }

    /// Signed distance from `other` to `self`: positive when `self` is later, within ±2³¹.
    #[must_use]
    #[allow(clippy::cast_possible_wrap, reason = "the wrap is the meaning")]
    pub const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

/// The flag bits of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement field is meaningful.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer is meaningful.
    pub const URG: u8 = 0x20;

    /// FIN is set.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.0 & Self::FIN != 0
    }

    /// SYN is set.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// RST is set.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// ACK is set.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// URG is set.
    #[must_use]
    pub const fn urg(self) -> bool {
        self.0 & Self::URG != 0
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0)
            .try_for_each(|(_, name)| write!(f, "{name} "))
    }
}

/// The option bytes of a TCP header, read on demand; broken ones end the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpOptions<'a>(pub &'a [u8]);

/// Whether a TCP checksum holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// It does.
    Valid,
    /// It does not: forged, damaged, or left to the network card of the capturing host.
    Invalid,
    /// The frame was cut, so nobody can tell.
    Unverifiable,
}
