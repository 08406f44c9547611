//! Work that may take long, beside the threads that serve: it has a place, a budget, and somebody who waits for it.
//!
//! ```text
//! place (fair shares)  ->  turn, if it looks at groups one by one  ->  a thread that may block  ->  steps are spent as groups are looked at  ->  done, or given up
//! ```
//!
//! It is given up when its client has gone, when it has taken as many steps as one request may, or as much time. What it changes
//! it changes at its end, in one go: that is never given up.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wharf_model::{Effort, Stopped};

use crate::client::Client;
use crate::gateway::Gateway;
use crate::places::Permit;
use crate::refusal::Refusal;

/// Steps of one request: about two seconds of one processor. Eight selectors with two regular expressions each over a million
/// groups take 700 million.
pub const MAX_STEPS: u64 = 2_000_000_000;
/// Bytes of all regular expressions of one request, compiled.
pub const MAX_EXPRESSION_BYTES: u64 = 4 << 20;
/// For one request, from its place on. It counts where processors are busy: without that, the steps end first.
pub const MAX_TIME: Duration = Duration::from_secs(30);

/// Steps of one push, to be relabelled and merged with what is stored: as many as its time has nanoseconds. The largest push with some
/// tens of rules takes less.
pub const MAX_PUSH_STEPS: u64 = 30_000_000_000;

/// Ends when the client has gone that waits for something.
pub type Gone = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A piece of work that may begin.
pub struct Work {
    gateway: Arc<Gateway>,
    place: Permit,
    gone: Gone,
    /// Who has to wait for a turn.
    client: Option<Client>,
}

impl Work {
    /// In this place, until the client has gone.
    pub fn new(gateway: &Arc<Gateway>, place: Permit, gone: Gone) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            place,
            gone,
            client: None,
        }
    }

    /// The same, which looks at groups one by one and so keeps a processor busy: it waits for its turn among those of this and
    /// other clients.
    #[must_use]
    pub fn in_turn(self, client: Client) -> Self {
        Self {
            client: Some(client),
            ..self
        }
    }

    /// Does it. The work owns its place, also if nobody waits for it any more: it gives the place back at its end, or hands it to
    /// the body that it makes.
    ///
    /// # Errors
    /// Those of the work; if it was given up; [`Refusal::internal`] if it panics.
    ///
    /// # Cancel safety
    /// If this is dropped, the work is given up soon.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&Effort, Permit) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let Self {
            gateway,
            place,
            mut gone,
            client,
        } = self;
        let turn = match client {
            None => None,
            Some(client) => tokio::select! {
                turn = gateway.looks().turn(&client) => Some(turn?),
                () = &mut gone => return Err(gateway.given_up(Stopped::Gone.into())),
            },
        };
        let effort = gateway.effort();
        let waiting = Waiting::new(&effort);
        let mut job = tokio::task::spawn_blocking(move || {
            // It may have had to wait for a thread.
            let begun = effort.look().map_err(Refusal::from);
            let done = begun.and_then(|()| work(&effort, place));
            drop(turn);
            done.map_err(|refusal| gateway.given_up(refusal))
        });
        let done = tokio::select! {
            done = &mut job => done,
            () = gone => {
                // Whoever has closed one half of the connection may still listen.
                waiting.end();
                job.await
            }
        };
        done.unwrap_or_else(|_panicked| Err(Refusal::internal()))
    }
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Somebody who waits, until this is dropped.
#[derive(Debug)]
#[must_use = "the work is given up when it is dropped"]
pub struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// Whoever waits for what this effort is spent on.
    pub fn new(effort: &Effort) -> Self {
        Self(effort.is_gone())
    }

    fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.end();
    }
}

impl Gateway {
    /// Counts a request that was given up, if it was.
    fn given_up(&self, refusal: Refusal) -> Refusal {
        if refusal.reason.is_of_effort() {
            self.telemetry().record_stopped(refusal.reason.label());
        }
        refusal
    }

    /// What one request may take, from now on.
    pub fn effort(&self) -> Effort {
        self.timed(Effort::new(MAX_STEPS, MAX_EXPRESSION_BYTES))
    }

    /// What one push that is not quick may take, from now on. Its expressions are those of the rules, which count for nothing.
    pub fn push_effort(&self) -> Effort {
        self.timed(Effort::new(MAX_PUSH_STEPS, 0))
    }

    fn timed(&self, effort: Effort) -> Effort {
        let clock = Arc::clone(&self.clock);
        let began = clock.instant();
        let is_over = move || clock.instant().saturating_duration_since(began) > MAX_TIME;
        effort.within(MAX_TIME, is_over)
    }
}
