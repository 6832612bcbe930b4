//! How is memory asked for before it is needed? A hint to the processor, which changes no result.

/// Bytes that the processor fetches at once.
const LINE: usize = 64;

/// Asks for the first `lines` cache lines of a value, without waiting for them.
#[inline]
pub(crate) fn prefetch<T>(value: &T, lines: usize) {
    for offset in (0..size_of::<T>().min(lines * LINE)).step_by(LINE) {
        line(std::ptr::from_ref(value).wrapping_byte_add(offset).cast());
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "nothing safe asks for a cache line")]
#[inline]
fn line(at: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint reads nothing and may name any address; SSE is part of every x86_64.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
const fn line(_: *const i8) {}
