//! What runs beside requests: listeners, the upkeep of the storage, expiry, senders. Every part starts, says when it is ready,
//! drains and stops in the same way.
//!
//! * A part is a thread or a task with a [`Life`], by which it says that it is ready and learns that it is to stop.
//! * Parts stop one after the other, what was started last first. So a part may use those that were started before it, up to its
//!   own end.
//! * Each has a time limit for its end. A part that exceeds it is left behind, which is a failure.
//! * A part that ends before anybody stops it, by an error, a panic or by itself, ends the process with a failure. Nothing is
//!   restarted: after a panic nobody knows what was left half done, while a new start reads everything from the disk.

mod board;
mod life;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

pub use self::board::Started;
use self::board::{Board, Pace, States};
pub use self::life::Life;
use crate::Shutdown;

/// What a part ends with.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// For how long a part may take to end, unless it says otherwise.
const USUAL_LIMIT: Duration = Duration::from_secs(15);

/// What is said of a part when it is started.
#[derive(Debug)]
pub struct Part {
    name: &'static str,
    after: Vec<Started>,
    limit: Duration,
}

impl Part {
    /// A part that begins at once, and may take 15 seconds to end.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            after: Vec::new(),
            limit: USUAL_LIMIT,
        }
    }

    /// It begins when that other one is ready, and not at all if it is to stop before that.
    #[must_use]
    pub fn after(mut self, other: Started) -> Self {
        self.after.push(other);
        self
    }

    /// For how long it may take to end once it is told to.
    #[must_use]
    pub fn ends_within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// All parts of a process.
#[derive(Debug)]
pub struct Parts {
    shutdown: Shutdown,
    board: Arc<Board>,
    /// Those that have not ended, as far as is known, in the order in which they were started.
    running: Vec<Running>,
    ends: mpsc::UnboundedReceiver<End>,
    end: mpsc::UnboundedSender<End>,
    /// What has gone wrong first.
    failure: Option<PartError>,
}

#[derive(Debug)]
struct Running {
    part: Started,
    name: &'static str,
    limit: Duration,
    /// None for threads, which nobody can end but themselves.
    task: Option<AbortHandle>,
}

#[derive(Debug)]
struct End {
    part: Started,
    outcome: Result<(), Cause>,
}

impl Parts {
    /// None yet. They stop when `shutdown` is triggered, which the first one that dies does as well.
    pub fn new(shutdown: Shutdown) -> Self {
        Self::with_pace(shutdown, Pace::Clock)
    }

    /// The same for tests: what a part does again and again it does only when [`Self::turn`] says so.
    pub fn by_hand(shutdown: Shutdown) -> Self {
        Self::with_pace(shutdown, Pace::Hand)
    }

    fn with_pace(shutdown: Shutdown, pace: Pace) -> Self {
        let (end, ends) = mpsc::unbounded_channel();
        Self {
            shutdown,
            board: Arc::new(Board::new(pace)),
            running: Vec::new(),
            ends,
            end,
            failure: None,
        }
    }

    /// Whether all parts are ready, for those who are asked that.
    pub fn readiness(&self) -> Readiness {
        Readiness(Some(Arc::clone(&self.board)))
    }

    /// Starts a part on a thread of its own, where it may block.
    ///
    /// # Errors
    /// If the system has no thread for it.
    pub fn thread(
        &mut self,
        part: Part,
        work: impl FnOnce(&mut Life) -> Outcome + Send + 'static,
    ) -> io::Result<Started> {
        let started = self.board.add(part.name);
        let (board, end) = (Arc::clone(&self.board), self.end.clone());
        let after = part.after;
        let thread = std::thread::Builder::new().name(part.name.to_owned());
        thread.spawn(move || {
            let mut life = Life::new(started, Arc::clone(&board));
            let ended = catch_unwind(AssertUnwindSafe(move || {
                let begins = after.iter().all(|other| life.wait_for(*other));
                if begins { work(&mut life) } else { Ok(()) }
            }));
            let outcome = match ended {
                Ok(outcome) => outcome.map_err(Cause::Failed),
                // What it said is in the log: the panic hook has written it.
                Err(_panic) => Err(Cause::Panicked),
            };
            report(&board, &end, started, outcome);
        })?;
        self.running.push(Running {
            part: started,
            name: part.name,
            limit: part.limit,
            task: None,
        });
        Ok(started)
    }

    /// Starts a part as a task of the runtime, where it must not block.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn task<F>(&mut self, part: Part, work: impl FnOnce(Life) -> F + Send + 'static) -> Started
    where
        F: Future<Output = Outcome> + Send,
    {
        let started = self.board.add(part.name);
        let (board, end) = (Arc::clone(&self.board), self.end.clone());
        let (life, after) = (Life::new(started, Arc::clone(&board)), part.after);
        let task = tokio::spawn(async move {
            for other in after {
                if !life.is_after(other).await {
                    return Ok(());
                }
            }
            work(life).await
        });
        self.running.push(Running {
            part: started,
            name: part.name,
            limit: part.limit,
            task: Some(task.abort_handle()),
        });
        tokio::spawn(async move {
            let outcome = match task.await {
                Ok(outcome) => outcome.map_err(Cause::Failed),
                Err(error) if error.is_panic() => Err(Cause::Panicked),
                Err(_aborted) => Ok(()),
            };
            report(&board, &end, started, outcome);
        });
        started
    }

    /// Returns when a part is ready, or has ended without ever having been.
    pub async fn ready(&self, part: Started) {
        self.board.until(|states| states.is_settled(part)).await;
    }

    /// Returns when all that were started are ready, or one has ended without ever having been.
    pub async fn all_ready(&self) {
        self.board.until(States::are_settled).await;
    }

    /// Lets a part do once what it does again and again, and waits until that is done. Blocks. See [`Self::by_hand`].
    pub fn turn(&self, part: Started) {
        self.board.turn(part);
    }

    /// Waits until something ends the process, and stops all parts then.
    ///
    /// # Errors
    /// What has gone wrong first: a part that has died, could not end well, or not in time.
    pub async fn run(mut self) -> Result<(), PartError> {
        let shutdown = self.shutdown.wait();
        tokio::select! {
            biased;
            () = shutdown => {}
            Some(end) = self.ends.recv() => {
                self.book(end);
                self.shutdown.trigger();
            }
        }
        while let Some(last) = self.running.last() {
            let (part, limit) = (last.part, last.limit);
            self.stop(part, limit).await;
        }
        self.failure.map_or(Ok(()), Err)
    }

    /// Tells a part to stop, and waits for its end.
    async fn stop(&mut self, part: Started, limit: Duration) {
        self.board.stop(part);
        let deadline = Instant::now() + limit;
        while self.running.iter().any(|running| running.part == part) {
            let outcome = match timeout_at(deadline, self.ends.recv()).await {
                Ok(Some(end)) => {
                    self.book(end);
                    continue;
                }
                // We have a sender ourselves, so this is never said.
                Ok(None) => Ok(()),
                Err(_elapsed) => Err(Cause::Late(limit)),
            };
            self.book(End { part, outcome });
        }
    }

    /// Takes down that a part has ended.
    fn book(&mut self, End { part, outcome }: End) {
        let Some(index) = self.running.iter().position(|running| running.part == part) else {
            // It was too late, and is not waited for any more.
            return;
        };
        let Running { name, task, .. } = self.running.remove(index);
        let is_dead = !self.shutdown.is_triggered();
        if is_dead {
            tracing::error!(part = name, "a part has ended before it was to: the process ends");
        }
        let cause = match outcome {
            Ok(()) if !is_dead => return,
            Ok(()) => Cause::Ended,
            Err(cause) => cause,
        };
        if let (Cause::Late(_), Some(task)) = (&cause, task) {
            task.abort();
        }
        let error = PartError { part: name, cause };
        if self.failure.is_none() {
            self.failure = Some(error);
        } else {
            tracing::error!(err = %error, "a part could not end well either");
        }
    }
}

fn report(board: &Board, end: &mpsc::UnboundedSender<End>, part: Started, outcome: Result<(), Cause>) {
    board.set_ended(part);
    // If nobody waits any more, the process is ending.
    let _heard = end.send(End { part, outcome });
}

/// Whether all parts of a process are ready. The default is one without parts.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Option<Arc<Board>>);

impl Readiness {
    /// The part that is waited for; none if all are ready.
    pub fn waits_for(&self) -> Option<&'static str> {
        self.0.as_ref()?.unready()
    }
}

/// A part that has died, could not end well, or not in time.
#[derive(Debug)]
pub struct PartError {
    part: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Failed(Box<dyn Error + Send + Sync>),
    Panicked,
    /// By itself, without an error.
    Ended,
    /// It has not ended within this time.
    Late(Duration),
}

impl PartError {
    /// The name of the part.
    pub fn part(&self) -> &'static str {
        self.part
    }
}

/// An error of the part itself is shown as it is.
impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part;
        match &self.cause {
            Cause::Failed(error) => error.fmt(f),
            Cause::Panicked => write!(f, "the part `{part}` has panicked"),
            Cause::Ended => write!(f, "the part `{part}` has ended, and nobody has told it to"),
            Cause::Late(limit) => write!(f, "the part `{part}` has not ended within {limit:?}"),
        }
    }
}

impl Error for PartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Failed(error) => error.source(),
            _ => None,
        }
    }
}
