//! The changes from a revision on, in their order.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wharf_shared_log::{Batch, Change, Revision, Watch, WatchError};

use crate::calls::Method;
use crate::errors::{Failure, failure_of};
use crate::log::{Etcd, end_of, number, revision_of};
use crate::messages::{Event, EventType, Nothing, WatchAsk, WatchCreate, WatchRequest, WatchResponse};

/// How long a watch is silent before etcd is asked how far it is.
const QUIET: Duration = Duration::from_millis(300);

/// The changes from a revision on.
#[derive(Debug)]
pub struct EtcdWatch {
    /// Up to where everything has been given away.
    given: Revision,
    /// Knows which keys are ours.
    etcd: Etcd,
    answers: Streaming<WatchResponse>,
    questions: mpsc::Sender<WatchRequest>,
    /// Changes that have come, and are not given away: whole revisions, but for the last one if it comes in parts.
    events: Vec<Event>,
    ready: VecDeque<Batch>,
    /// When etcd is asked how far it is.
    ask_at: Instant,
}

fn revision_of_event(event: &Event) -> Option<i64> {
    event.kv.as_ref().map(|found| found.mod_revision)
}

fn ended(reason: impl Into<String>) -> WatchError {
    let reason = reason.into();
    WatchError::Ended { reason }
}

impl EtcdWatch {
    pub(crate) async fn open(etcd: &Etcd, after: Revision) -> Result<Self, WatchError> {
        let prefix = etcd.members.settings().prefix.clone();
        let create = WatchRequest {
            ask: Some(WatchAsk::Create(WatchCreate {
                key: prefix.clone(),
                range_end: end_of(&prefix),
                // One early, and what is known already is left out: a watch that begins in the future does not say how far it is.
                start_revision: number(after).max(1),
                fragment: true,
            })),
        };
        let failed = |failure: Failure| match failure {
            Failure::Compacted => WatchError::Compacted { before: after },
            other => ended(other.into_log_error().to_string()),
        };
        let (mut answers, questions) = etcd.open_watch(create.clone()).await.map_err(failed)?;
        let mut created = first(&mut answers).await?;
        let mut questions = questions;
        if created.canceled && created.cancel_reason.contains("Unauthenticated") {
            // The token is looked at now, and in the stream. Asking for anything else finds that out, and gets another one.
            etcd.peek().await.map_err(failed)?;
            (answers, questions) = etcd.open_watch(create).await.map_err(failed)?;
            created = first(&mut answers).await?;
        }
        refuse(&created)?;
        Ok(Self {
            given: after,
            etcd: etcd.clone(),
            answers,
            questions,
            events: Vec::new(),
            ready: VecDeque::new(),
            ask_at: Instant::now() + QUIET,
        })
    }

    /// Takes what etcd has sent.
    fn take(&mut self, answer: WatchResponse) -> Result<(), WatchError> {
        refuse(&answer)?;
        let at = revision_of(answer.header.as_ref());
        let is_progress = answer.events.is_empty() && !answer.fragment && self.events.is_empty();
        self.events.extend(answer.events);
        if answer.fragment {
            // All but the last revision are whole: events come in their order. A long catch-up is not kept as a whole.
            let last = self.events.last().and_then(revision_of_event);
            let whole = self
                .events
                .partition_point(|event| revision_of_event(event) < last);
            let rest = self.events.split_off(whole);
            for event in std::mem::replace(&mut self.events, rest) {
                self.add(event)?;
            }
            return Ok(());
        }
        if is_progress {
            // Everything up to it has been sent. That it is where we are already is worth saying too: etcd can be reached.
            if at >= self.given {
                self.given = at;
                self.ready.push_back(Batch {
                    at,
                    changes: Vec::new(),
                });
            }
            return Ok(());
        }
        for event in std::mem::take(&mut self.events) {
            self.add(event)?;
        }
        Ok(())
    }

    /// Adds a change to its revision.
    fn add(&mut self, event: Event) -> Result<(), WatchError> {
        let found = event.kv.ok_or_else(|| ended("a change without a key"))?;
        let at = u64::try_from(found.mod_revision).map_err(|_| ended("a change without a revision"))?;
        let at = Revision(at);
        let Some(key) = self.etcd.own(&found.key) else {
            return Err(ended("a change of a key that was not asked for"));
        };
        let change = if event.kind == i32::from(EventType::Delete) {
            Change::Delete { key }
        } else {
            Change::Put {
                key,
                value: found.value,
            }
        };
        match self
            .ready
            .back_mut()
            .filter(|batch| batch.at == at && !batch.changes.is_empty())
        {
            Some(batch) => batch.changes.push(change),
            None if at > self.given => {
                self.given = at;
                self.ready.push_back(Batch {
                    at,
                    changes: vec![change],
                });
            }
            // Known before the watch began.
            None => {}
        }
        Ok(())
    }
}

impl Watch for EtcdWatch {
    async fn next(&mut self) -> Result<Batch, WatchError> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(batch);
            }
            match timeout_at(self.ask_at, self.answers.message()).await {
                Ok(Ok(Some(answer))) => {
                    self.ask_at = Instant::now() + QUIET;
                    self.take(answer)?;
                }
                Ok(Ok(None)) => return Err(ended("etcd has ended it")),
                Ok(Err(status)) => return Err(ended(status.message())),
                Err(_) => {
                    self.ask_at = Instant::now() + QUIET;
                    let progress = WatchRequest {
                        ask: Some(WatchAsk::Progress(Nothing {})),
                    };
                    // If the last question has not even left, another one is of no use.
                    let asked = self.questions.try_send(progress);
                    if let Err(mpsc::error::TrySendError::Closed(_)) = asked {
                        return Err(ended("the connection is gone"));
                    }
                }
            }
        }
    }
}

impl Etcd {
    /// Opens a stream and asks for a watch on it.
    async fn open_watch(
        &self,
        create: WatchRequest,
    ) -> Result<(Streaming<WatchResponse>, mpsc::Sender<WatchRequest>), Failure> {
        let (mut sender, _) = mpsc::channel(1);
        let questions = || {
            let (new, receiver) = mpsc::channel(2);
            sender = new;
            let further = ReceiverStream::new(receiver);
            tokio_stream::once(create.clone()).chain(further)
        };
        let answers = self.open(Method::WATCH, questions).await?;
        Ok((answers, sender))
    }
}

/// The answer to the wish for a watch.
async fn first(answers: &mut Streaming<WatchResponse>) -> Result<WatchResponse, WatchError> {
    match answers.message().await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(ended("etcd has ended it at once")),
        Err(status) => Err(ended(failure_of(&status).into_log_error().to_string())),
    }
}

/// Whether a watch is over. One that begins too early is told so without an error and without a reason.
fn refuse(answer: &WatchResponse) -> Result<(), WatchError> {
    if !answer.canceled {
        return Ok(());
    }
    match u64::try_from(answer.compact_revision) {
        Ok(before) if before > 0 => Err(WatchError::Compacted {
            before: Revision(before),
        }),
        _ => Err(ended(answer.cancel_reason.clone())),
    }
}
