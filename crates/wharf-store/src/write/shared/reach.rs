//! The log as those reach it who wait for an answer themselves, beside lanes and watch.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use wharf_shared_log::{Committed, Entry, Key, LogError, SharedLog, Timer, Txn, timeout};

/// What is under way.
pub(super) type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Single questions, whatever the log is made of.
pub(super) trait Reach: Send + Sync {
    /// A key, and what it has.
    fn read<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Option<Entry>, LogError>>;

    /// Makes a transaction, which does no harm if it is made twice.
    fn commit(&self, txn: Txn) -> Pending<'_, Result<Committed, LogError>>;

    /// Waits.
    fn sleep(&self, time: Duration) -> Pending<'_, ()>;
}

/// The way to a log, with a limit for answers.
pub(super) struct Way<L, T> {
    pub(super) log: Arc<L>,
    pub(super) timer: T,
    pub(super) limit: Duration,
}

fn no_answer() -> LogError {
    LogError::Unknown {
        reason: "no answer in time".to_owned(),
    }
}

impl<L: SharedLog, T: Timer> Reach for Way<L, T> {
    fn read<'a>(&'a self, key: &'a Key) -> Pending<'a, Result<Option<Entry>, LogError>> {
        Box::pin(async move {
            let found = timeout(&self.timer, self.limit, self.log.read(key)).await;
            found.unwrap_or_else(|| Err(no_answer()))
        })
    }

    fn commit(&self, txn: Txn) -> Pending<'_, Result<Committed, LogError>> {
        Box::pin(async move {
            let answer = timeout(&self.timer, self.limit, self.log.commit(txn)).await;
            answer.unwrap_or_else(|| Err(no_answer()))
        })
    }

    fn sleep(&self, time: Duration) -> Pending<'_, ()> {
        Box::pin(self.timer.sleep(time))
    }
}
