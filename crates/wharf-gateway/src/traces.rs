//! Traces of requests: when each began, what was done for it and for how long. Off unless rules say where they go.
//!
//! ```text
//! begin (the head of a request has come) -> steps (while it is dealt with) -> finish (its answer is made) -> queue -> exporter
//! ```
//!
//! Nobody who asks or pushes waits for an exporter: what finds the queue full is dropped and counted. While this is off, a request
//! pays for one look at a flag.

mod ids;
mod parent;
mod queue;
mod sender;
mod trace;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wharf_store::Clock;

use self::ids::Ids;
pub use self::ids::{SpanId, TraceId};
pub use self::parent::Parent;
use self::queue::Queue;
pub use self::sender::TraceSender;
pub use self::trace::{Attribute, Ended, FinishedTrace, Step, StepSpan, Trace};
use crate::lock::lock;

/// Where traces go, and of how many requests there are some.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// How many of the requests that begin here are traced: from 0 to 1. Of those with a parent the parent decides.
    pub sampling_fraction: f64,
    /// Who takes them.
    pub exporter: Arc<dyn TraceExporter>,
}

/// Takes traces to where somebody looks at them.
pub trait TraceExporter: fmt::Debug + Send + Sync {
    /// Hands over some traces, within this time at most. Blocks.
    ///
    /// # Errors
    /// Why they were not taken.
    fn export(&self, traces: &[FinishedTrace], within: Option<Duration>) -> Result<Exported, ExportError>;
}

/// What became of traces that were handed over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// How many spans were not taken after all, and why.
    pub rejected: Option<(u64, String)>,
}

/// Traces were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportError {
    /// Why, for people.
    pub text: String,
    /// Whether it is worth to try again.
    pub is_transient: bool,
    /// How long to wait before that, if anybody has said so.
    pub retry_after: Option<Duration>,
}

/// Traces that are handed over at once.
const MAX_BATCH: usize = 512;
/// Traces that wait. One of a push takes about a kilobyte.
const MAX_WAITING: usize = 4096;

/// How many traces there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceCounts {
    /// Those that were taken.
    pub exported: u64,
    /// Those for which there was no room.
    pub dropped_full: u64,
    /// Those that nobody took in time, or at all.
    pub dropped_failed: u64,
}

/// The traces of a gateway.
pub(crate) struct Traces {
    is_on: AtomicBool,
    /// Whether it was ever on.
    was_on: AtomicBool,
    /// Of the numbers below 2^63 those below this one are sampled.
    bound: AtomicU64,
    ids: Ids,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    /// The last one that there was: what waits still goes there when traces have been switched off.
    exporter: Mutex<Option<Arc<dyn TraceExporter>>>,
    exported: AtomicU64,
    dropped_full: AtomicU64,
    dropped_failed: AtomicU64,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces")
            .field("is_on", &self.is_on)
            .finish_non_exhaustive()
    }
}

impl Traces {
    /// Off, until [`Self::set`].
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            is_on: AtomicBool::new(false),
            was_on: AtomicBool::new(false),
            bound: AtomicU64::new(0),
            ids: Ids::default(),
            clock,
            queue: Mutex::new(Queue::new(MAX_WAITING)),
            exporter: Mutex::default(),
            exported: AtomicU64::new(0),
            dropped_full: AtomicU64::new(0),
            dropped_failed: AtomicU64::new(0),
        }
    }

    /// Where they go from now on; none switches them off. What waits is not lost: it goes to the new place, or to the last one that
    /// there was.
    pub(crate) fn set(&self, tracing: Option<&Tracing>) {
        if let Some(tracing) = tracing {
            *lock(&self.exporter) = Some(Arc::clone(&tracing.exporter));
            self.bound
                .store(bound(tracing.sampling_fraction), Ordering::Relaxed);
            self.was_on.store(true, Ordering::Relaxed);
        }
        self.is_on.store(tracing.is_some(), Ordering::Relaxed);
    }

    /// Begins the trace of a request, if there is to be one.
    #[inline]
    pub(crate) fn begin(self: &Arc<Self>, parent: impl FnOnce() -> Option<Parent>) -> Option<Traced> {
        if !self.is_on.load(Ordering::Relaxed) {
            return None;
        }
        self.begin_below(parent())
    }

    /// A parent decides whether its children are sampled, as in Prometheus. Without one the number of the trace does, so that all
    /// who see the same trace decide alike.
    #[cold]
    fn begin_below(self: &Arc<Self>, parent: Option<Parent>) -> Option<Traced> {
        let id = parent
            .as_ref()
            .map_or_else(|| self.ids.trace(), |parent| parent.trace_id);
        let is_sampled = match &parent {
            Some(parent) => parent.is_sampled,
            None => id.low() >> 1 < self.bound.load(Ordering::Relaxed),
        };
        is_sampled.then(|| {
            let trace = Trace::new(id, self.ids.span(), parent, Arc::clone(&self.clock));
            Traced::new(Arc::new(trace), Arc::clone(self))
        })
    }

    /// Takes a trace that is finished.
    fn take(&self, finished: FinishedTrace) {
        if !lock(&self.queue).push(finished) {
            self.dropped_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there were; none if they were never on.
    pub(crate) fn counts(&self) -> Option<TraceCounts> {
        self.was_on.load(Ordering::Relaxed).then(|| TraceCounts {
            exported: self.exported.load(Ordering::Relaxed),
            dropped_full: self.dropped_full.load(Ordering::Relaxed),
            dropped_failed: self.dropped_failed.load(Ordering::Relaxed),
        })
    }

    /// Those that have waited longest, as many as are handed over at once.
    fn next_batch(&self) -> Vec<FinishedTrace> {
        lock(&self.queue).take(MAX_BATCH)
    }

    fn exporter(&self) -> Option<Arc<dyn TraceExporter>> {
        lock(&self.exporter).clone()
    }
}

/// Holds the trace of a request until its answer has been made. Dropped before, its client has gone.
#[derive(Debug)]
pub struct Traced {
    trace: Arc<Trace>,
    traces: Arc<Traces>,
    /// What the request is called, and how it has ended.
    ended: (String, Ended),
}

impl Traced {
    fn new(trace: Arc<Trace>, traces: Arc<Traces>) -> Self {
        Self {
            trace,
            traces,
            ended: ("request".to_owned(), Ended::Gone),
        }
    }

    /// The trace, for those who add to it.
    pub fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    /// The request, which is called so, was answered.
    pub fn finish(mut self, name: String, ended: Ended) {
        self.ended = (name, ended);
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let ended = std::mem::replace(&mut self.ended, (String::new(), Ended::Gone));
        self.traces.take(self.trace.finished(ended, &self.traces.ids));
    }
}

/// See [`Traces::bound`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a fraction of 2^63 is such a number, but for its last digits"
)]
fn bound(fraction: f64) -> u64 {
    (fraction.clamp(0.0, 1.0) * (1u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests;
