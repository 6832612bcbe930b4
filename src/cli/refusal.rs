//! Why does a command end before its work is done? A line for each reason, and an exit code.

use super::Exit;

/// A command's end, with what to say about it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) exit: Exit,
    /// One line each.
    pub(super) reasons: Vec<String>,
}

impl Refusal {
    pub(super) fn new(exit: Exit, reason: impl std::fmt::Display) -> Self {
        Self { exit, reasons: vec![reason.to_string()] }
    }
}

/// Attaches the exit code that an error means.
pub(super) trait OrExit<T> {
    fn or_exit(self, exit: Exit) -> Result<T, Refusal>;
}

impl<T, E: std::fmt::Display> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Refusal> {
        self.map_err(|error| Refusal::new(exit, error))
    }
}
