//! The way to one receiver: at most one message is on it, on a thread of its own, and after a failure the next one waits.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wharf_store::{Clock, UnixNanos};

use super::alerts::Now;
use super::message::{AlertError, AlertMessage};
use super::report::{LastError, ReceiverStatus};
use super::rules::AlertReceiver;

/// After the first failure; after each other one in a row it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// But no longer than this, whatever a receiver asks for.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// What has become of a message.
#[derive(Debug)]
pub(super) struct Landed<M> {
    pub(super) memo: M,
    pub(super) fate: Fate,
    pub(super) took: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Told,
    /// It is worth to try again.
    Again,
    /// It is not.
    Refused,
}

type Sent = (Result<(), AlertError>, Duration);

/// The way to one receiver. `M` is what is to be kept in mind of a message.
#[derive(Debug)]
pub(super) struct Line<M> {
    receiver: AlertReceiver,
    kind: &'static str,
    flight: Option<(M, JoinHandle<Sent>)>,
    failures: u64,
    failing_since: Option<Instant>,
    not_before: Option<Instant>,
    last_success: Option<UnixNanos>,
    last_error: Option<LastError>,
}

impl<M> Line<M> {
    /// `kind` is what such a receiver is, for the log.
    pub(super) fn new(receiver: AlertReceiver, kind: &'static str) -> Self {
        Self {
            receiver,
            kind,
            flight: None,
            failures: 0,
            failing_since: None,
            not_before: None,
            last_success: None,
            last_error: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.receiver.name
    }

    /// From the next message on it is reached so.
    pub(super) fn set_receiver(&mut self, receiver: AlertReceiver) {
        self.receiver = receiver;
    }

    /// Whether a message may go now.
    pub(super) fn is_free(&self, now: Now) -> bool {
        self.flight.is_none() && self.not_before.is_none_or(|at| now.instant >= at)
    }

    /// Since when nothing was taken.
    pub(super) fn failing_since(&self) -> Option<Instant> {
        self.failing_since
    }

    /// What is tried next is something else.
    pub(super) fn begin_anew(&mut self) {
        self.failing_since = None;
    }

    /// Lets a message go. That there is no thread for it is a failure as any other.
    pub(super) fn send(&mut self, message: AlertMessage, memo: M, now: Now, clock: Arc<dyn Clock>) {
        let sender = Arc::clone(&self.receiver.sender);
        let run = move || {
            let sent = sender.send(&message);
            (sent, clock.instant().saturating_duration_since(now.instant))
        };
        match thread::Builder::new().name("alert".to_owned()).spawn(run) {
            Ok(thread) => self.flight = Some((memo, thread)),
            Err(error) => {
                let error = AlertError {
                    text: format!("there is no thread to send it by: {error}"),
                    is_transient: true,
                    retry_after: None,
                };
                self.failed(error, now);
            }
        }
    }

    /// Whether a message is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.flight.is_some()
    }

    /// What has become of the message that was on its way; none: nothing yet.
    pub(super) fn landed(&mut self, now: Now) -> Option<Landed<M>> {
        let (memo, thread) = self.flight.take_if(|(_, thread)| thread.is_finished())?;
        // A panic there is one of the part.
        let (sent, took) = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        let fate = match sent {
            Ok(()) => {
                self.succeeded(now);
                Fate::Told
            }
            Err(error) => self.failed(error, now),
        };
        Some(Landed { memo, fate, took })
    }

    fn succeeded(&mut self, now: Now) {
        if self.failures > 0 {
            tracing::info!(receiver = self.receiver.name, "alerts reach {} again", self.kind);
        }
        self.failures = 0;
        self.failing_since = None;
        self.not_before = None;
        self.last_success = Some(now.unix);
    }

    /// Nothing is sent before a pause is over.
    fn failed(&mut self, error: AlertError, now: Now) -> Fate {
        if self.failures == 0 {
            tracing::warn!(
                receiver = self.receiver.name,
                err = error.text,
                "alerts do not reach {}; that is not logged again until they do",
                self.kind
            );
        }
        let doubled = u32::try_from(self.failures).unwrap_or(u32::MAX).min(16);
        let pause = error.retry_after.unwrap_or(FIRST_PAUSE * (1 << doubled));
        let pause = pause.max(FIRST_PAUSE);
        self.failures += 1;
        self.failing_since.get_or_insert(now.instant);
        self.not_before = Some(now.instant + pause.min(MAX_PAUSE));
        self.last_error = Some(LastError {
            at: now.unix,
            text: error.text,
        });
        if error.is_transient {
            Fate::Again
        } else {
            Fate::Refused
        }
    }

    /// How it goes, where so much waits.
    pub(super) fn status(&self, waiting: usize) -> ReceiverStatus {
        ReceiverStatus {
            name: self.receiver.name.clone(),
            waiting: waiting as u64,
            last_success: self.last_success,
            last_error: self.last_error.clone(),
            failures: self.failures,
        }
    }
}
