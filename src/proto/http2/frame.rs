//! What is this frame? Its header, and what of its payload is not padding (RFC 9113 §4.1, §6).

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 9;

/// Longest payload that a host takes unless it said otherwise.
const USUAL_LENGTH: u32 = 16_384;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// Flags; the same bit acknowledges settings.
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
const PRIORITISED: u8 = 0x20;

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    /// Bytes of its payload.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// 0 for the connection.
    pub(super) stream: u32,
}

impl Frame {
    pub(super) const fn read(header: [u8; HEADER]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = header;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
        Self { length: u32::from_be_bytes([0, l0, l1, l2]), kind, flags, stream }
    }

    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a client or server would send it so, or nearly every one. Asked where it is not certain that
    /// a frame begins here.
    pub(super) const fn is_usual(self) -> bool {
        let odd = self.stream % 2 == 1;
        let (flags, fits) = match self.kind {
            DATA => (END_STREAM | PADDED, odd && self.length <= USUAL_LENGTH),
            HEADERS => {
                (END_STREAM | END_HEADERS | PADDED | PRIORITISED, odd && self.length > 0 && self.length <= USUAL_LENGTH)
            }
            PRIORITY => (0, odd && self.length == 5),
            RST_STREAM => (0, odd && self.length == 4),
            SETTINGS => {
                let length = if self.has(ACK) { self.length == 0 } else { self.length.is_multiple_of(6) };
                (ACK, self.stream == 0 && length && self.length <= 180)
            }
            PING => (ACK, self.stream == 0 && self.length == 8),
            GOAWAY => (0, self.stream == 0 && self.length >= 8 && self.length <= 1024),
            WINDOW_UPDATE => (0, (odd || self.stream == 0) && self.length == 4),
            PUSH_PROMISE => (END_HEADERS | PADDED, odd && self.length > 4 && self.length <= USUAL_LENGTH),
            CONTINUATION => (END_HEADERS, odd && self.length <= USUAL_LENGTH),
            _ => return false,
        };
        fits && self.flags & !flags == 0
    }

    /// Whether a direction that is joined in the middle may be taken for HTTP/2 when a segment begins with
    /// it: frames that other protocols rarely look like.
    pub(super) const fn is_telling(self) -> bool {
        let kind = matches!(self.kind, HEADERS | RST_STREAM | SETTINGS | PING | GOAWAY | WINDOW_UPDATE);
        kind && self.is_usual() && (self.kind != HEADERS || self.has(END_HEADERS))
    }

    /// The part of a header block in the payload of HEADERS, PUSH_PROMISE or CONTINUATION. `whole` when
    /// all of the payload is there. `None` where the payload is shorter than it says.
    pub(super) fn fragment(self, payload: &[u8], whole: bool) -> Option<&[u8]> {
        let mut rest = payload;
        let mut padding = 0;
        if self.kind != CONTINUATION && self.has(PADDED) {
            let (&length, after) = rest.split_first()?;
            (padding, rest) = (usize::from(length), after);
        }
        match self.kind {
            HEADERS if self.has(PRIORITISED) => rest = rest.get(5..)?,
            PUSH_PROMISE => rest = rest.get(4..)?,
            _ => {}
        }
        if whole { rest.get(..rest.len().checked_sub(padding)?) } else { Some(rest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: u32, kind: u8, flags: u8, stream: u32) -> Frame {
        let [_, l0, l1, l2] = length.to_be_bytes();
        let [s0, s1, s2, s3] = (stream | 0x8000_0000).to_be_bytes();
        Frame::read([l0, l1, l2, kind, flags, s0, s1, s2, s3])
    }

    #[test]
    fn the_header_says_four_things() {
        let read = frame(0x01_02_03, HEADERS, 0x25, 7);
        assert_eq!(
            read,
            Frame { length: 0x01_02_03, kind: 1, flags: 0x25, stream: 7 },
            "the reserved bit is none of it"
        );
        assert!(read.has(END_STREAM) && read.has(END_HEADERS) && !read.has(PADDED));
    }

    #[test]
    fn fragments_are_without_padding_and_priority() {
        let fragment = |kind, flags, payload: &'static [u8]| frame(0, kind, flags, 1).fragment(payload, true);
        assert_eq!(fragment(HEADERS, 0, b"abc"), Some(&b"abc"[..]));
        assert_eq!(fragment(HEADERS, PADDED, b"\x02abc\0\0"), Some(&b"abc"[..]));
        assert_eq!(fragment(HEADERS, PADDED | PRIORITISED, b"\x01\0\0\0\x03\x10abc\0"), Some(&b"abc"[..]));
        assert_eq!(fragment(PUSH_PROMISE, PADDED, b"\x01\0\0\0\x02abc\0"), Some(&b"abc"[..]));
        assert_eq!(fragment(CONTINUATION, PADDED, b"abc"), Some(&b"abc"[..]), "it has no padding");
        assert_eq!(fragment(HEADERS, PADDED, b"\x04abc"), None, "more padding than payload");
        assert_eq!(fragment(HEADERS, PRIORITISED, b"abc"), None);
        assert_eq!(frame(0, HEADERS, PADDED, 1).fragment(b"\x04abc", false), Some(&b"abc"[..]), "its end is missing");
    }

    #[test]
    fn usual_frames() {
        for good in [
            frame(1, HEADERS, 0x25, 1),
            frame(18, SETTINGS, 0, 0),
            frame(0, SETTINGS, ACK, 0),
            frame(8, PING, 0, 0),
            frame(4, WINDOW_UPDATE, 0, 0),
        ] {
            assert!(good.is_telling(), "{good:?}");
        }
        assert!(frame(16_384, DATA, 0, 3).is_usual() && !frame(16_384, DATA, 0, 3).is_telling());
        for odd in [
            frame(0, HEADERS, 0x24, 1),
            frame(1, HEADERS, 0x24, 0),
            frame(1, HEADERS, 0x40, 1),
            frame(17, SETTINGS, 0, 0),
            frame(6, SETTINGS, ACK, 0),
            frame(7, PING, 0, 0),
            frame(1, 0x42, 0, 0),
            frame(20_000, DATA, 0, 3),
        ] {
            assert!(!odd.is_usual(), "{odd:?}");
        }
    }
}
