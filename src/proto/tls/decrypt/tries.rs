//! How much is tried to go on behind a hole? A few records may be lost, and time is not without end.

/// Records that may be lost in one hole.
const AHEAD: u64 = 64;

/// Records that are tried in one direction of a connection, under all numbers together.
const BUDGET: u32 = 1024;

/// What is left of the budget of a direction.
pub(super) struct Tries {
    left: u32,
    /// Records that may be lost in the hole under way.
    ahead: u64,
}

impl Tries {
    pub(super) const fn new() -> Self {
        Self { left: BUDGET, ahead: 0 }
    }

    /// A hole of so many bytes.
    pub(super) fn begin(&mut self, bytes: u64) {
        // A record has at least a header and a tag.
        self.ahead = AHEAD.min((bytes / 16).saturating_add(1));
    }

    /// Numbers to try, from `first` on; each costs.
    pub(super) fn numbers(&mut self, first: u64) -> impl Iterator<Item = u64> {
        let left = &mut self.left;
        (first..=first.saturating_add(self.ahead)).take_while(move |_| {
            let may = *left > 0;
            *left = left.saturating_sub(1);
            may
        })
    }

    /// Whether nothing more may be tried.
    pub(super) const fn are_over(&self) -> bool {
        self.left == 0
    }
}
