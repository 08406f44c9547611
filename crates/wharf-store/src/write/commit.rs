//! What whoever makes a change waits for.

use std::sync::Arc;

use wharf_ledger::Ticket;

use crate::PushError;
use crate::feed::Feed;
use crate::write::shared::outcome::Outcome;

/// A change that is visible, and about to be on stable storage; or one that goes to a shared log, and is visible when it has come
/// back from there.
#[derive(Debug)]
#[must_use = "a change is safe only when this has been waited for"]
pub struct Commit {
    waiting: Option<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Ledger {
        ticket: Ticket,
        /// Those who follow it see the change when its sender does.
        feed: Option<Arc<Feed>>,
    },
    Shared(Vec<Outcome>),
}

impl Commit {
    /// A change that is as safe as it gets.
    pub(crate) fn done() -> Self {
        Self { waiting: None }
    }

    /// A change that is safe when the ticket says so.
    pub(crate) fn waiting(ticket: Ticket, feed: Option<Arc<Feed>>) -> Self {
        Self {
            waiting: Some(Waiting::Ledger { ticket, feed }),
        }
    }

    /// Changes that are made when a shared log has them, and they have come back from it.
    pub(crate) fn shared(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self {
            waiting: Some(Waiting::Shared(outcomes.into_iter().collect())),
        }
    }

    /// Waits until the change is as safe as the ledger's mode promises.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if it did not get to stable storage; it has been taken back then. With a shared log, also
    /// what is found out when the change is folded, and an error may mean that it is not known whether the change is stored.
    /// Of several changes, the first error.
    pub async fn wait(self) -> Result<(), PushError> {
        let (ticket, feed) = match self.waiting {
            None => return Ok(()),
            Some(Waiting::Ledger { ticket, feed }) => (ticket, feed),
            Some(Waiting::Shared(outcomes)) => {
                let mut all = Ok(());
                for outcome in outcomes {
                    all = all.and(outcome.await.map(drop));
                }
                return all;
            }
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
