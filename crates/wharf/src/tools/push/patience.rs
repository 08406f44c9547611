//! How long a push may take: as the flags say, unless somebody wants this process to end and the push can be kept.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGTERM;

use crate::tools::delivery::{self, Failure};

/// How often is looked whether somebody wants this process to end.
const LOOK: Duration = Duration::from_millis(50);

/// How long is waited for a gateway.
#[derive(Debug, Default)]
pub(super) struct Patience {
    asked_to_end: Arc<AtomicBool>,
}

impl Patience {
    /// Patience that `SIGTERM` puts an end to, instead of to the process.
    ///
    /// # Errors
    /// If the system does not let the signal be handled.
    pub(super) fn until_asked_to_end() -> io::Result<Self> {
        let patience = Self::default();
        signal_hook::flag::register(SIGTERM, Arc::clone(&patience.asked_to_end))?;
        Ok(patience)
    }

    fn is_asked_to_end(&self) -> bool {
        self.asked_to_end.load(Ordering::Relaxed)
    }
}

impl delivery::Patience for Patience {
    fn attempt(&self, attempt: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<(), Failure> {
        let (sender, result) = mpsc::channel();
        thread::spawn(move || {
            // Nobody listens to what has come too late.
            let _unheard = sender.send(attempt());
        });
        loop {
            match result.recv_timeout(LOOK) {
                Ok(result) => return result,
                Err(mpsc::RecvTimeoutError::Timeout) if !self.is_asked_to_end() => {}
                Err(_) => return Err(Failure::Hurried),
            }
        }
    }

    fn pause(&self, pause: Duration) -> ControlFlow<()> {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.is_asked_to_end() {
                return ControlFlow::Break(());
            }
            if left.is_zero() {
                return ControlFlow::Continue(());
            }
            thread::sleep(left.min(LOOK));
        }
    }
}
