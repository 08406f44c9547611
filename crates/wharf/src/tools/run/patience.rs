//! How long pushes may take once the job has ended: as the flags say, unless somebody wants this process to end too.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use super::job::{Event, Events};
use crate::tools::delivery::{self, Failure};

/// For how long anything is waited for once somebody wants us to end: whoever does so kills what has not gone soon.
const HASTE: Duration = Duration::from_secs(5);

/// How long is waited for a gateway.
#[derive(Debug)]
pub(super) struct Patience<'a> {
    /// A wish to end comes here.
    events: &'a Events,
    /// Nothing is waited for after this.
    end: Cell<Option<Instant>>,
}

impl<'a> Patience<'a> {
    /// Patience that a wish to end puts an end to, one that has come before included.
    pub(super) fn new(events: &'a Events, was_asked_to_end: bool) -> Self {
        let patience = Self {
            events,
            end: Cell::new(None),
        };
        if was_asked_to_end {
            patience.hurry();
        }
        patience
    }

    fn hurry(&self) {
        self.end
            .set(self.end.get().or_else(|| Some(Instant::now() + HASTE)));
    }

    /// Does something on a thread of its own and waits for it; nothing if it was not done in time, and goes on.
    pub(super) fn wait_for<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, result) = mpsc::channel();
        let notice = self.events.notice_of_end();
        thread::spawn(move || {
            // The notice comes last, also from a thread that panics.
            let _notice = notice;
            let sender = sender;
            // Nobody listens to what has come too late.
            let _unheard = sender.send(work());
        });
        loop {
            match self.events.next(self.end.get()) {
                Ok(Event::Ended) => match result.try_recv() {
                    Ok(result) => return Some(result),
                    Err(TryRecvError::Disconnected) => return None,
                    // The end of something that came too late.
                    Err(TryRecvError::Empty) => {}
                },
                Ok(event) if event.is_wish_to_end() => self.hurry(),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

impl delivery::Patience for Patience<'_> {
    fn attempt(&self, attempt: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<(), Failure> {
        self.wait_for(attempt).unwrap_or(Err(Failure::Hurried))
    }

    fn pause(&self, pause: Duration) -> ControlFlow<()> {
        let until = Instant::now() + pause;
        if self.end.get().is_some_and(|end| until > end) {
            return ControlFlow::Break(());
        }
        loop {
            match self.events.next(Some(until)) {
                Ok(event) if event.is_wish_to_end() => return ControlFlow::Break(()),
                Ok(_) => {}
                Err(_) => return ControlFlow::Continue(()),
            }
        }
    }
}
