//! How much one request may cost.
//!
//! Whatever a request makes the gateway look at is paid for in **steps**. A step is about what a nanosecond of one processor
//! does: half of what it takes to go over a byte of a label value, a sixteenth of a look at a matcher. Steps are counted, not
//! measured, so the same request over the same groups costs the same number of them on every machine.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether somebody still waits, and the time, are looked at after so many steps.
const LOOK_EVERY: u64 = 1 << 16;

/// What a piece of work may still cost, and whether anybody waits for it.
pub struct Effort {
    max_steps: u64,
    steps: Cell<u64>,
    max_bytes: u64,
    bytes: Cell<u64>,
    /// As many steps as make the next look due.
    look_at: Cell<u64>,
    is_gone: Arc<AtomicBool>,
    deadline: Option<Deadline>,
}

/// The end of the time for it.
struct Deadline {
    time: Duration,
    has_passed: Box<dyn Fn() -> bool + Send>,
}

/// Why a piece of work was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Nobody waits for it any more.
    Gone,
    /// It takes more steps than this.
    TooCostly {
        /// The limit.
        max_steps: u64,
    },
    /// Its expressions take more memory than this.
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// It took longer than this.
    TooLate {
        /// The limit.
        time: Duration,
    },
}

impl Effort {
    /// At most so many steps, and expressions of so many bytes together.
    pub fn new(max_steps: u64, max_bytes: u64) -> Self {
        Self {
            max_steps,
            steps: Cell::new(0),
            max_bytes,
            bytes: Cell::new(0),
            look_at: Cell::new(0),
            is_gone: Arc::default(),
            deadline: None,
        }
    }

    /// For the gateway's own work, and for tools.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, u64::MAX)
    }

    /// The same, given up as well when this says so, which is after that time.
    #[must_use]
    pub fn within(self, time: Duration, has_passed: impl Fn() -> bool + Send + 'static) -> Self {
        let has_passed = Box::new(has_passed);
        let deadline = Some(Deadline { time, has_passed });
        Self { deadline, ..self }
    }

    /// The flag that ends it: to be set when nobody waits any more.
    pub fn is_gone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_gone)
    }

    /// How many steps it has taken.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Takes so many steps. To be called before they are taken.
    ///
    /// # Errors
    /// If there are not so many left, or, now and then, if nobody waits or the time is over.
    #[inline]
    pub fn spend(&self, steps: u64) -> Result<(), Stopped> {
        let steps = self.steps.get().saturating_add(steps);
        self.steps.set(steps);
        if steps < self.look_at.get() {
            return Ok(());
        }
        self.look()
    }

    /// Takes so many bytes, and keeps them to its end.
    ///
    /// # Errors
    /// If there are not so many left.
    pub fn hold(&self, bytes: u64) -> Result<(), Stopped> {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        if self.bytes.get() > self.max_bytes {
            let max_bytes = self.max_bytes;
            return Err(Stopped::TooLarge { max_bytes });
        }
        Ok(())
    }

    /// Looks now.
    ///
    /// # Errors
    /// As [`Self::spend`].
    pub fn look(&self) -> Result<(), Stopped> {
        let (steps, max_steps) = (self.steps.get(), self.max_steps);
        if self.is_gone.load(Ordering::Relaxed) {
            return Err(Stopped::Gone);
        }
        if steps > max_steps {
            return Err(Stopped::TooCostly { max_steps });
        }
        if let Some(Deadline { time, has_passed }) = &self.deadline
            && has_passed()
        {
            return Err(Stopped::TooLate { time: *time });
        }
        let next = steps.saturating_add(LOOK_EVERY);
        self.look_at.set(next.min(max_steps.saturating_add(1)));
        Ok(())
    }
}

impl fmt::Debug for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effort")
            .field("max_steps", &self.max_steps)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_taken_up_to_the_limit() {
        let effort = Effort::new(10, 0);
        assert_eq!(effort.spend(10), Ok(()));
        let costly = Err(Stopped::TooCostly { max_steps: 10 });
        assert_eq!([effort.spend(1), effort.spend(0)], [costly, costly]);
        let effort = Effort::unlimited();
        assert_eq!([effort.spend(u64::MAX), effort.spend(1)], [Ok(()); 2]);
    }

    #[test]
    fn bytes_are_held_up_to_the_limit() {
        let effort = Effort::new(0, 10);
        assert_eq!(effort.hold(10), Ok(()));
        assert_eq!(effort.hold(1), Err(Stopped::TooLarge { max_bytes: 10 }));
    }

    #[test]
    fn work_that_nobody_waits_for_ends_after_some_steps() {
        let effort = Effort::unlimited();
        assert_eq!(effort.spend(1), Ok(()));
        effort.is_gone().store(true, Ordering::Relaxed);
        assert_eq!(effort.spend(1), Ok(()));
        assert_eq!(effort.spend(LOOK_EVERY), Err(Stopped::Gone));
        assert_eq!(effort.look(), Err(Stopped::Gone));
    }

    #[test]
    fn work_ends_when_its_time_is_over() {
        let is_over = Arc::new(AtomicBool::new(false));
        let (clock, time) = (Arc::clone(&is_over), Duration::from_secs(5));
        let effort = Effort::unlimited().within(time, move || clock.load(Ordering::Relaxed));
        assert_eq!(effort.spend(LOOK_EVERY), Ok(()));
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(effort.spend(LOOK_EVERY), Err(Stopped::TooLate { time }));
    }
}
