//! What does the exit code say? Scripts depend on these numbers.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done, alerts or not.
    Ok = 0,
    /// Failed while running.
    Failed = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// The configuration or the rules are wrong.
    Invalid = 3,
    /// An input could not be read, or not to its end.
    Input = 4,
    /// Not permitted.
    Denied = 5,
    /// Alerts at or above `--fail-on`.
    Alerts = 10,
    /// Interrupted, after everything was written.
    Interrupted = 130,
}

impl Exit {
    /// The graver of two ends of one run: failed, then interrupted, then unreadable input, then alerts.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        const GRAVEST_FIRST: [Exit; 7] =
            [Exit::Usage, Exit::Invalid, Exit::Denied, Exit::Failed, Exit::Interrupted, Exit::Input, Exit::Alerts];
        GRAVEST_FIRST.into_iter().find(|exit| *exit == self || *exit == other).unwrap_or(Self::Ok)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_graver_end_wins() {
        assert_eq!(Exit::Ok.or(Exit::Ok), Exit::Ok);
        assert_eq!(Exit::Alerts.or(Exit::Ok), Exit::Alerts);
        assert_eq!(Exit::Alerts.or(Exit::Input), Exit::Input);
        assert_eq!(Exit::Input.or(Exit::Failed).or(Exit::Alerts), Exit::Failed);
        assert_eq!(Exit::Interrupted as u8, 130);
    }
}
