//! What whoever makes a change waits for.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use wharf_ledger::Ticket;

use crate::PushError;
use crate::feed::Feed;
use crate::removed::Receipt;
use crate::write::shared::outcome::Outcome;

/// A change that is visible, and about to be on stable storage; or one that goes to a shared log, and is visible when it has come
/// back from there.
#[derive(Debug)]
#[must_use = "a change is safe only when this has been waited for"]
pub struct Commit {
    waiting: Option<Waiting>,
    /// If it is a removal that a shared log keeps.
    receipt: Option<Later>,
}

/// What is told of a removal once it has been made: whether it can be undone. It is asked with whether there was something to remove.
struct Later(Box<dyn FnOnce(bool) -> ReceiptFuture + Send + Sync>);

type ReceiptFuture = Pin<Box<dyn Future<Output = Option<Receipt>> + Send>>;

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

#[derive(Debug)]
enum Waiting {
    Ledger {
        ticket: Ticket,
        /// Those who follow it see the change when its sender does.
        feed: Option<Arc<Feed>>,
    },
    Shared {
        /// Those that have not come to an end.
        outcomes: VecDeque<Outcome>,
        first_error: Option<PushError>,
    },
}

impl Commit {
    /// A change that is as safe as it gets.
    pub(crate) fn done() -> Self {
        Self::of(None)
    }

    /// A change that is safe when the ticket says so.
    pub(crate) fn waiting(ticket: Ticket, feed: Option<Arc<Feed>>) -> Self {
        Self::of(Some(Waiting::Ledger { ticket, feed }))
    }

    /// Changes that are made when a shared log has them, and they have come back from it.
    pub(crate) fn shared(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self::of(Some(Waiting::Shared {
            outcomes: outcomes.into_iter().collect(),
            first_error: None,
        }))
    }

    fn of(waiting: Option<Waiting>) -> Self {
        Self {
            waiting,
            receipt: None,
        }
    }

    /// The same, of a removal that a shared log keeps: what is told of it then.
    pub(crate) fn with_receipt<F>(self, receipt: impl FnOnce(bool) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Receipt>> + Send + 'static,
    {
        Self {
            receipt: Some(Later(Box::new(|was_there| Box::pin(receipt(was_there))))),
            ..self
        }
    }

    /// [`Self::wait`] for a removal; whether it can be undone, of which this has been said so far. With a shared log that is known only now.
    ///
    /// # Errors
    /// As there.
    pub async fn wait_removed(mut self, so_far: Option<Receipt>) -> Result<Option<Receipt>, PushError> {
        let receipt = self.receipt.take();
        self.wait().await?;
        match receipt {
            Some(Later(receipt)) => Ok(receipt(so_far.is_some()).await),
            None => Ok(so_far),
        }
    }

    /// Waits until the change is as safe as the ledger's mode promises.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if it did not get to stable storage; it has been taken back then. With a shared log, also
    /// what is found out when the change is folded, and an error may mean that it is not known whether the change is stored.
    /// Of several changes, the first error.
    pub async fn wait(mut self) -> Result<(), PushError> {
        self.settled().await
    }

    /// [`Self::wait`], for those who may be interrupted and go on to wait. Asked again after it has told the outcome, it says
    /// that all is well.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// Nothing is lost if it is dropped.
    pub async fn settled(&mut self) -> Result<(), PushError> {
        let outcome = match &mut self.waiting {
            None => return Ok(()),
            Some(Waiting::Ledger { ticket, .. }) => ticket.await.map_err(|error| unavailable(&error)),
            Some(Waiting::Shared {
                outcomes,
                first_error,
            }) => {
                while let Some(outcome) = outcomes.front_mut() {
                    let outcome = outcome.await;
                    outcomes.pop_front();
                    if let Err(error) = outcome {
                        first_error.get_or_insert(error);
                    }
                }
                first_error.take().map_or(Ok(()), Err)
            }
        };
        if let Some(Waiting::Ledger { feed: Some(feed), .. }) = self.waiting.take() {
            feed.wake();
        }
        outcome
    }

    /// [`Self::wait`] by a thread that may block, of a change that goes to a ledger. Others count as safe.
    pub(crate) fn block(self) -> Result<(), PushError> {
        let Some(Waiting::Ledger { ticket, feed }) = self.waiting else {
            return Ok(());
        };
        let outcome = ticket.wait().map_err(|error| unavailable(&error));
        if let Some(feed) = feed {
            feed.wake();
        }
        outcome
    }

    /// Whether there is nothing to wait for.
    pub fn is_done(&self) -> bool {
        self.waiting.is_none()
    }
}

pub(crate) fn unavailable(reason: &impl ToString) -> PushError {
    PushError::Unavailable {
        reason: reason.to_string(),
    }
}
