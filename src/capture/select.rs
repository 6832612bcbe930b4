//! Which frames go on? A source of which a filter and a time range let only some pass.

use std::collections::VecDeque;

use super::{CaptureError, Filter, FilterError, PacketSource, Secrets, TimeRange};
use crate::packet::Frame;

/// A source with a selection; frames keep the numbers that they have in the capture.
#[derive(Debug)]
pub struct Selected<S> {
    source: S,
    filter: Option<Filter>,
    range: TimeRange,
    /// What the filter said of link types for which it makes no sense: at most once of each.
    failures: VecDeque<FilterError>,
    /// Frames that did not pass.
    passed_over: u64,
    /// Nothing is left out.
    is_all: bool,
}

impl<S: PacketSource> Selected<S> {
    /// Everything that passes both.
    pub fn new(source: S, filter: Option<Filter>, range: TimeRange) -> Self {
        let is_all = filter.is_none() && range == TimeRange::default();
        Self { source, filter, range, failures: VecDeque::new(), passed_over: 0, is_all }
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
        match self.failures.pop_front() {
            Some(failure) => Err(failure.into()),
            None => self.source.advance(),
        }
    }

    fn take_secrets(&mut self) -> Option<Secrets> {
        self.source.take_secrets()
    }

    #[inline]
    fn frames(&mut self) -> impl Iterator<Item = Frame<'_>> {
        let Self { source, filter, range, failures, passed_over, is_all } = self;
        source.frames().filter(move |frame| {
            if *is_all {
                return true;
            }
            let in_range = range.contains(frame.at.ts);
            let passes = match filter {
                Some(filter) if in_range => filter.matches(frame).unwrap_or_else(|failure| {
                    failures.push_back(failure);
                    false
                }),
                _ => in_range,
            };
            *passed_over = passed_over.saturating_add((!passes).into());
            passes
        })
    }
}
