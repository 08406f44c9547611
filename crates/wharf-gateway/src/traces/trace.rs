//! One trace: that of a request, and of what was done for it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wharf_store::{Clock, UnixNanos};

use super::ids::{Ids, SpanId, TraceId};
use super::parent::Parent;
use crate::lock::lock;

/// Steps of one trace. A push to one group has six.
const MAX_STEPS: usize = 64;

/// The trace of a request that is under way. Those who do something for it say so by [`Self::step`].
pub struct Trace {
    id: TraceId,
    span: SpanId,
    parent: Option<Parent>,
    began: (UnixNanos, Instant),
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
}

/// What is known so far.
#[derive(Debug, Default)]
struct Known {
    steps: Vec<Timed>,
    attributes: Vec<(&'static str, Attribute)>,
}

#[derive(Debug)]
struct Timed {
    name: &'static str,
    began: Instant,
    ended: Instant,
}

/// What is said of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// In words.
    Text(String),
    /// By a number.
    Number(i64),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Trace {
    pub(super) fn new(id: TraceId, span: SpanId, parent: Option<Parent>, clock: Arc<dyn Clock>) -> Self {
        Self {
            id,
            span,
            parent,
            began: (clock.now(), clock.instant()),
            clock,
            known: Mutex::default(),
        }
    }

    /// Its number.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Begins something that is done for the request, and that ends when the result is dropped.
    pub fn step(&self, name: &'static str) -> Step<'_> {
        Step {
            trace: self,
            name,
            began: self.clock.instant(),
        }
    }

    /// Something was done for the request in this time.
    pub(crate) fn add(&self, name: &'static str, began: Instant, ended: Instant) {
        let mut known = lock(&self.known);
        // A push of many groups could have thousands.
        if known.steps.len() < MAX_STEPS {
            known.steps.push(Timed { name, began, ended });
        }
    }

    /// Says something of the request.
    pub fn note(&self, key: &'static str, value: impl Into<Attribute>) {
        lock(&self.known).attributes.push((key, value.into()));
    }

    /// What is known of it, now that the request is over.
    pub(super) fn finished(&self, (name, ended): (String, Ended), ids: &Ids) -> FinishedTrace {
        let Known { steps, attributes } = std::mem::take(&mut *lock(&self.known));
        let steps = steps.into_iter().map(|Timed { name, began, ended }| StepSpan {
            id: ids.span(),
            name,
            began: self.wall(began),
            ended: self.wall(ended),
        });
        let (began, _) = self.began;
        FinishedTrace {
            id: self.id,
            span: self.span,
            parent: self.parent.as_ref().map(|parent| parent.span_id),
            state: self
                .parent
                .as_ref()
                .map(|parent| parent.state.clone())
                .unwrap_or_default(),
            name,
            ended,
            began,
            end: self.wall(self.clock.instant()),
            attributes,
            steps: steps.collect(),
        }
    }

    /// The wall time of a moment. It is reckoned from the beginning of the request, so that its steps lie within it, whatever
    /// happens to the clock of the machine.
    fn wall(&self, at: Instant) -> UnixNanos {
        let (wall, began) = self.began;
        UnixNanos(wall.0.saturating_add(nanos(at.saturating_duration_since(began))))
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Something that is being done for a request.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Step<'t> {
    trace: &'t Trace,
    name: &'static str,
    began: Instant,
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.trace.add(self.name, self.began, self.trace.clock.instant());
    }
}

/// How a request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was answered, be it with a refusal.
    Answered,
    /// It failed here.
    Failed,
    /// Its client has gone.
    Gone,
}

/// The trace of a request that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedTrace {
    /// Its number.
    pub id: TraceId,
    /// The number of the request's own span.
    pub span: SpanId,
    /// The span of the client, if it has sent one.
    pub parent: Option<SpanId>,
    /// What the client has passed on of other tracing systems; empty if nothing.
    pub state: String,
    /// What the request is called.
    pub name: String,
    /// How it has ended.
    pub ended: Ended,
    /// When it began.
    pub began: UnixNanos,
    /// When its answer had been made.
    pub end: UnixNanos,
    /// What is said of it.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What was done for it, in the order in which it ended.
    pub steps: Vec<StepSpan>,
}

/// Something that was done for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSpan {
    /// Its number.
    pub id: SpanId,
    /// What was done.
    pub name: &'static str,
    /// When it began.
    pub began: UnixNanos,
    /// When it ended.
    pub ended: UnixNanos,
}
