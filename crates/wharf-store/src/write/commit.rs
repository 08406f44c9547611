//! What whoever makes a change waits for.

use std::sync::Arc;

use wharf_ledger::Ticket;

use crate::PushError;
use crate::feed::Feed;

/// A change that is visible, and about to be on stable storage.
#[derive(Debug)]
#[must_use = "a change is safe only when this has been waited for"]
pub struct Commit {
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    /// Those who follow it see the change when its sender does.
    feed: Option<Arc<Feed>>,
}

impl Commit {
    /// A change that is as safe as it gets.
    pub(crate) fn done() -> Self {
        Self { waiting: None }
    }

    /// A change that is safe when the ticket says so.
    pub(crate) fn waiting(ticket: Ticket, feed: Option<Arc<Feed>>) -> Self {
        Self {
            waiting: Some(Waiting { ticket, feed }),
        }
    }

    /// Waits until the change is as safe as the ledger's mode promises.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if it did not get to stable storage; it has been taken back then.
    pub async fn wait(self) -> Result<(), PushError> {
        let Some(Waiting { ticket, feed }) = self.waiting else {
            return Ok(());
        };
        let outcome = ticket.await.map_err(|error| unavailable(&error));
        if let Some(feed) = feed {
            feed.wake();
        }
        outcome
    }
}

pub(crate) fn unavailable(reason: &impl ToString) -> PushError {
    PushError::Unavailable {
        reason: reason.to_string(),
    }
}
