//! Which frames go on? A source of which a filter and a time range let only some pass.

use super::{CaptureError, Filter, PacketSource, TimeRange};
use crate::packet::Frame;

/// A source with a selection; frames keep the numbers that they have in the capture.
#[derive(Debug)]
pub struct Selected<S> {
    source: S,
    filter: Option<Filter>,
    range: TimeRange,
    /// Frames that did not pass.
    passed_over: u64,
    passes: bool,
    /// Nothing is left out.
    is_all: bool,
}

impl<S: PacketSource> Selected<S> {
    /// Everything that passes both.
    pub fn new(source: S, filter: Option<Filter>, range: TimeRange) -> Self {
        let is_all = filter.is_none() && range == TimeRange::default();
        Self { source, filter, range, passed_over: 0, passes: false, is_all }
    }

    /// What it selects from.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// Frames that did not pass so far.
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }
}

impl<S: PacketSource> PacketSource for Selected<S> {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        if self.is_all {
            self.passes = false;
            self.passes = self.source.advance()?;
            return Ok(self.passes);
        }
        loop {
            self.passes = false;
            self.passes = self.source.advance()?;
            let Some(frame) = self.source.frame().filter(|_| self.passes) else { return Ok(false) };
            let in_range = self.range.contains(frame.at.ts);
            let wanted = match &mut self.filter {
                Some(filter) if in_range => filter.matches(&frame),
                _ => Ok(in_range),
            };
            self.passes = matches!(wanted, Ok(true));
            if self.passes {
                return Ok(true);
            }
            self.passed_over = self.passed_over.saturating_add(1);
            wanted?;
        }
    }

    fn frame(&self) -> Option<Frame<'_>> {
        self.source.frame().filter(|_| self.passes)
    }
}
