//! How is a pcapng file read? Sections, interfaces and packets (draft-ietf-opsawg-pcapng).

use super::byte_order::ByteOrder;
use super::file::{Damage, Record, Stop};
use super::window::{CAPACITY, Window};
use super::{MAX_FRAME, Secrets};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::packet::LinkType;

/// Type of a section header; the same in both byte orders.
const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const SECRETS: u32 = 10;
/// The type of secrets that are lines of key logs.
const KEY_LOG: u32 = 0x544c_534b;
/// Bytes of secrets that are held at once: several hundred thousand lines.
const SECRETS_LIMIT: usize = 64 * 1024 * 1024;
/// Blocks of them.
const MOST_BLOCKS: usize = 1024;
/// Block type and length in front of a block, and the length again behind it.
const FRAMING: usize = 12;
/// A block that is not all there.
const SHORT: Stop = Stop::Short { need: FRAMING, within: "a block" };
/// Interfaces that a section may have.
const MAX_INTERFACES: usize = 65_536;

/// What the blocks so far said.
pub(super) struct PcapNg {
    order: ByteOrder,
    /// Interfaces of this section.
    interfaces: Vec<Interface>,
    /// Time of the last frame; that of a simple packet, which has none of its own.
    last: Timestamp,
    /// Secrets that nobody took yet.
    secrets: Option<Secrets>,
}

struct Interface {
    link: LinkType,
    /// Longest frame that was captured; 0 is no limit.
    snap_len: u32,
    resolution: Resolution,
    /// Seconds to add to every time.
    offset: i64,
}

/// How long a tick of an interface's clock is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Resolution {
    /// That many nanoseconds.
    Nanos(u64),
    /// One so-manieth of a nanosecond.
    PerNano(u128),
    /// A second halved so many times.
    Halvings(u32),
}

impl Resolution {
    /// From the option `if_tsresol`.
    fn from_option(value: u8) -> Self {
        let exponent = u32::from(value & 0x7f);
        if value & 0x80 != 0 {
            Self::Halvings(exponent)
        } else if let Some(power) = 9_u32.checked_sub(exponent) {
            Self::Nanos(10_u64.pow(power))
        } else {
            Self::PerNano(10_u128.saturating_pow(exponent.saturating_sub(9)))
        }
    }

    /// Ticks in nanoseconds. At most 2⁶⁴ ticks of a second each, which fits.
    fn nanos(self, ticks: u64) -> i128 {
        let ticks = u128::from(ticks);
        let nanos = match self {
            Self::Nanos(n) => ticks.saturating_mul(u128::from(n)),
            Self::PerNano(n) => ticks.checked_div(n).unwrap_or_default(),
            Self::Halvings(n) => ticks.saturating_mul(1_000_000_000).checked_shr(n).unwrap_or_default(),
        };
        i128::try_from(nanos).unwrap_or(i128::MAX)
    }
}

impl Interface {
    /// From an interface block.
    fn read(order: ByteOrder, block: &[u8]) -> Option<Self> {
        let mut interface = Self {
            link: LinkType(order.u16_at(block, 8)?.into()),
            snap_len: order.u32_at(block, 12)?,
            resolution: Resolution::from_option(6),
            offset: 0,
        };
        let mut at = 16;
        while let (Some(code @ 1..), Some(len)) = (order.u16_at(block, at), order.u16_at(block, at + 2)) {
            let value = block.get(at + 4..).and_then(|rest| rest.get(..usize::from(len)))?;
            match (code, value) {
                (9, [resolution]) => interface.resolution = Resolution::from_option(*resolution),
                (14, _) => interface.offset = order.i64_at(value, 0).unwrap_or_default(),
                _ => {}
            }
            at += 4 + usize::from(len).next_multiple_of(4);
        }
        Some(interface)
    }

    fn time(&self, ticks: u64) -> Timestamp {
        let offset = i128::from(self.offset).saturating_mul(1_000_000_000);
        let nanos = self.resolution.nanos(ticks).saturating_add(offset);
        Timestamp(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl PcapNg {
    /// Whether a file that begins so is pcapng.
    pub(super) fn is(magic: [u8; 4]) -> bool {
        magic == SECTION
    }

    /// A file of which nothing is known; its first block says the byte order.
    pub(super) const fn new() -> Self {
        Self { order: ByteOrder::Little, interfaces: Vec::new(), last: Timestamp(0), secrets: None }
    }

    /// Passes blocks until one with a frame stands at the start of the window; false at the end.
    pub(super) fn advance(&mut self, window: &mut Window) -> Result<bool, Stop> {
        loop {
            if !window.have(FRAMING) {
                return if window.bytes().is_empty() { Ok(false) } else { Err(SHORT) };
            }
            if window.bytes().starts_with(&SECTION) {
                self.section(window)?;
                continue;
            }
            let (kind, len) = framing(self.order, window.bytes())?;
            match kind {
                INTERFACE => {
                    let block = awaited_block(self.order, window, len)?;
                    let interface = Interface::read(self.order, block);
                    self.interfaces.push(interface.ok_or(Stop::Damaged(Damage::BlockContent { kind }))?);
                    if self.interfaces.len() > MAX_INTERFACES {
                        return Err(Stop::Damaged(Damage::TooManyInterfaces { limit: MAX_INTERFACES }));
                    }
                    window.consume(len);
                }
                ENHANCED_PACKET | OBSOLETE_PACKET | SIMPLE_PACKET => {
                    let block = awaited_block(self.order, window, len)?;
                    return self.packet(kind, block).map(|_| true);
                }
                SECRETS => self.secrets(window, len)?,
                // Names, statistics and blocks that nobody here knows.
                _ => {
                    if !window.skip(len.saturating_sub(4) as u64) || !window.have(4) {
                        return Err(SHORT);
                    }
                    check_trailer(self.order, window.bytes(), len)?;
                    window.consume(4);
                }
            }
        }
    }

    /// Takes what was read of secrets.
    pub(super) fn take_secrets(&mut self) -> Option<Secrets> {
        self.secrets.take()
    }

    /// Reads a block of secrets, which may be longer than the window. One that makes no sense is passed
    /// over: the frames behind it do.
    fn secrets(&mut self, window: &mut Window, len: usize) -> Result<(), Stop> {
        const HEADER: usize = 16;
        window.have(HEADER);
        let word = |at| self.order.u32_at(window.bytes(), at).unwrap_or_default();
        let (kind, mut left) = (word(8), word(12) as usize);
        let mut behind = len.saturating_sub(4);
        if kind == KEY_LOG
            && let Some(room) = behind.checked_sub(HEADER)
            && left <= room
        {
            window.consume(HEADER);
            behind = room;
            let secrets = self.secrets.get_or_insert_default();
            let held: usize = secrets.blocks.iter().map(|block| block.expose().len()).sum();
            let room = if secrets.blocks.len() < MOST_BLOCKS { SECRETS_LIMIT.saturating_sub(held) } else { 0 };
            secrets.cut |= left > room;
            left = left.min(room);
            behind = behind.saturating_sub(left);
            let mut text = Vec::new();
            while left > 0 {
                if !window.have(1) {
                    return Err(SHORT);
                }
                let part = window.bytes().get(..left).unwrap_or(window.bytes());
                text.extend_from_slice(part);
                let taken = part.len();
                window.consume(taken);
                left = left.saturating_sub(taken);
            }
            secrets.blocks.push(Secret::new(text));
        }
        if !window.skip(behind as u64) || !window.have(4) {
            return Err(SHORT);
        }
        check_trailer(self.order, window.bytes(), len)?;
        window.consume(4);
        Ok(())
    }

    /// The frame in the block at the start of `bytes`, if that is a sound one with a frame.
    #[inline]
    pub(super) fn record<'a>(&mut self, bytes: &'a [u8]) -> Option<Record<'a>> {
        let (kind @ (ENHANCED_PACKET | OBSOLETE_PACKET | SIMPLE_PACKET), len) = framing(self.order, bytes).ok()? else {
            return None;
        };
        let record = self.packet(kind, whole_block(self.order, bytes, len).ok()?).ok()?;
        self.last = record.ts;
        Some(record)
    }

    /// Reads a section header: the byte order may change, and interfaces are counted anew.
    fn section(&mut self, window: &mut Window) -> Result<(), Stop> {
        let magic: [u8; 4] = window.bytes().get(8..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        self.order = [ByteOrder::Little, ByteOrder::Big]
            .into_iter()
            .find(|order| order.u32(magic) == BYTE_ORDER_MAGIC)
            .ok_or(Stop::Damaged(Damage::ByteOrderMagic { found: u32::from_be_bytes(magic) }))?;
        let len = self.order.u32_at(window.bytes(), 4).unwrap_or_default();
        if len < 28 || !len.is_multiple_of(4) {
            return Err(Stop::Damaged(Damage::BlockLength { len }));
        }
        let len = len as usize;
        let block = awaited_block(self.order, window, len)?;
        let version = |at| self.order.u16_at(block, at).unwrap_or_default();
        let (major, minor) = (version(12), version(14));
        if major != 1 {
            return Err(Stop::Damaged(Damage::Version { major, minor }));
        }
        window.consume(len);
        self.interfaces.clear();
        Ok(())
    }

    /// Reads a block with a frame.
    fn packet<'a>(&self, kind: u32, block: &'a [u8]) -> Result<Record<'a>, Stop> {
        let broken = Stop::Damaged(Damage::BlockContent { kind });
        let word = |at| self.order.u32_at(block, at);
        let simple = kind == SIMPLE_PACKET;
        let id = match kind {
            SIMPLE_PACKET => Some(0),
            OBSOLETE_PACKET => self.order.u16_at(block, 8).map(u32::from),
            _ => word(8),
        };
        let wire_len = if simple { word(8) } else { word(24) };
        let (Some(id), Some(wire_len)) = (id, wire_len) else { return Err(broken) };
        let known = self.interfaces.len();
        let interface =
            self.interfaces.get(id as usize).ok_or(Stop::Damaged(Damage::UnknownInterface { id, known }))?;
        let (ts, captured, start) = if simple {
            let snap_len = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
            (self.last, wire_len.min(snap_len), 12)
        } else {
            let (Some(high), Some(low), Some(captured)) = (word(12), word(16), word(20)) else { return Err(broken) };
            (interface.time(u64::from(high) << 32 | u64::from(low)), captured, 28)
        };
        let len = captured as usize;
        if len > MAX_FRAME {
            return Err(Stop::TooLarge(u64::from(captured)));
        }
        let data = block.get(start..len + start).ok_or(broken)?;
        Ok(Record { ts, link: interface.link, wire_len, data, whole: block.len() + 4 })
    }
}

/// Type and length of the block at the start of `bytes`.
#[inline]
fn framing(order: ByteOrder, bytes: &[u8]) -> Result<(u32, usize), Stop> {
    let (Some(kind), Some(len)) = (order.u32_at(bytes, 0), order.u32_at(bytes, 4)) else { return Err(SHORT) };
    if (len as usize) < FRAMING || !len.is_multiple_of(4) {
        return Err(Stop::Damaged(Damage::BlockLength { len }));
    }
    Ok((kind, len as usize))
}

/// The block of `len` bytes at the start of the window without the length behind it, once all of
/// it is there.
fn awaited_block(order: ByteOrder, window: &mut Window, len: usize) -> Result<&[u8], Stop> {
    if len > CAPACITY {
        return Err(Stop::Damaged(Damage::BlockTooLong { len, limit: CAPACITY }));
    }
    window.have(len);
    whole_block(order, window.bytes(), len)
}

/// The same, if all of it is there now.
#[inline]
fn whole_block(order: ByteOrder, bytes: &[u8], len: usize) -> Result<&[u8], Stop> {
    let block = bytes.get(..len).ok_or(SHORT)?;
    let (block, trailer) = block.split_at_checked(len.saturating_sub(4)).unwrap_or_default();
    check_trailer(order, trailer, len)?;
    Ok(block)
}

/// The length behind a block must be the one in front of it.
fn check_trailer(order: ByteOrder, trailer: &[u8], len: usize) -> Result<(), Stop> {
    match order.u32_at(trailer, 0).unwrap_or_default() {
        behind if behind as usize == len => Ok(()),
        behind => Err(Stop::Damaged(Damage::BlockLengths { front: len, behind })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_every_resolution() {
        let second = |option, ticks| Resolution::from_option(option).nanos(ticks);
        assert_eq!(second(0, 3), 3_000_000_000);
        assert_eq!(second(3, 5), 5_000_000);
        assert_eq!(second(6, 1_500_000), 1_500_000_000);
        assert_eq!(second(9, 7), 7);
        assert_eq!(second(12, 7_999), 7);
        assert_eq!(second(127, u64::MAX), 0);
        assert_eq!(second(0x80, 2), 2_000_000_000);
        assert_eq!(second(0x80 | 10, 1536), 1_500_000_000);
        assert_eq!(second(0xff, u64::MAX), 0);
        assert_eq!(second(0, u64::MAX), i128::from(u64::MAX) * 1_000_000_000);
    }

    #[test]
    fn times_saturate() {
        let clock = |offset, resolution| Interface { link: LinkType::ETHERNET, snap_len: 0, resolution, offset };
        assert_eq!(clock(i64::MAX, Resolution::Nanos(1_000_000_000)).time(u64::MAX), Timestamp(i64::MAX));
        assert_eq!(clock(i64::MIN, Resolution::Nanos(1)).time(5), Timestamp::MIN);
        assert_eq!(clock(-1, Resolution::Nanos(1)).time(5), Timestamp(-999_999_995));
    }
}
