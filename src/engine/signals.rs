//! What did the operating system ask for? Stop after flushing, or open the log files again; a
//! second request to stop is obeyed at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Requests so far. Clones see the same.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicUsize>,
    reopen: Arc<AtomicBool>,
}

/// Who asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// SIGINT: a person.
    Interrupt,
    /// SIGTERM: the service manager.
    Terminate,
}

impl Signals {
    /// Listens from now on. With `reopen`, SIGHUP is a request and no longer ends the process.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn listen(reopen: bool) -> io::Result<Self> {
        let signals = Self::default();
        let asked_before = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down, raises it and only stores the request.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked_before))?;
            flag::register(signal, Arc::clone(&asked_before))?;
            flag::register_usize(signal, Arc::clone(&signals.stop), usize::try_from(signal).unwrap_or(1))?;
        }
        if reopen {
            flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        }
        Ok(signals)
    }

    /// Who asked to stop, if anybody did.
    #[must_use]
    pub fn stop(&self) -> Option<Stop> {
        match i32::try_from(self.stop.load(Ordering::Relaxed)) {
            Ok(0) => None,
            Ok(SIGTERM) => Some(Stop::Terminate),
            _ => Some(Stop::Interrupt),
        }
    }

    /// Whether log files are to be opened again; answers once per request.
    #[must_use]
    pub fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn requests_are_seen() {
        let signals = Signals::listen(true).unwrap();
        assert_eq!(signals.stop(), None);
        raise(SIGHUP).unwrap();
        assert!(signals.clone().take_reopen());
        assert!(!signals.take_reopen());
        raise(SIGTERM).unwrap();
        assert_eq!(signals.stop(), Some(Stop::Terminate));
    }
}
