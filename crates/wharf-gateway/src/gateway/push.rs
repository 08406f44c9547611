//! A push to one group: read, relabelled, stored, and booked once, whatever becomes of it.
//!
//! ```text
//! admit (before the body)  ->  push (stored and visible)  ->  settle (safe, or taken back; booked)
//! ```
//!
//! A push whose sender leaves after it was stored is settled all the same, by a task of its own: it counts as stored when it
//! is safe, and as refused if the disk fails. Only if the runtime ends first it counts as neither. What is stored goes into
//! histories and notices by the feed of the store, also if nobody settles it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use wharf_model::{Effort, Exposition, Meter};
use wharf_store::{
    Commit, Counters, Facts, KnownBody, Note, Patience, PushError, PushId, PushMode, PushOptions, TextBody,
    Ttl, UnixNanos,
};

use crate::activity::{Content, Pushed};
use crate::body::Body;
use crate::conflict;
use crate::expectations::Said;
use crate::gateway::Gateway;
use crate::gateway::admit::Admission;
use crate::memory::Held;
use crate::push_cost;
use crate::push_id::PushIds;
use crate::refusal::{Reason, Refusal};
use crate::source::Source;

/// The memory of a push on a thread that others wait for: one such push at a time has it on each of these threads, and
/// borrows nothing.
const QUICK_BYTES: usize = 4 << 20;

/// What has become of a push that is answered with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is stored, as safe as the storage promises.
    Stored,
    /// It contradicts something and was dropped: the check is switched off, and its sender is not to know.
    Dropped,
}

/// A push that was stored or refused, and is still to be settled. Dropped before it is, it is settled in the background.
#[derive(Debug)]
#[must_use = "a push is only safe once it is settled"]
pub struct Pending(Option<Unsettled>);

#[derive(Debug)]
struct Unsettled {
    gateway: Arc<Gateway>,
    source: Source,
    pushed: Pushed,
    outcome: Outcome,
    /// What the push has borrowed: its record waits for the disk.
    _held: Option<Held>,
}

#[derive(Debug)]
enum Outcome {
    Visible(Commit),
    Dropped(Refusal),
    Refused(Refusal),
}

impl Admission {
    /// Makes a body and stores what it says, with memory that its sender borrows until the push is settled: visible to scrapes
    /// when this returns, unless it is refused. That may take long.
    pub fn push<B: Body>(
        self,
        effort: &Effort,
        body: impl FnOnce(&Meter<'_>) -> Result<B, Refusal>,
    ) -> Pending {
        let store = |memory: &Meter<'_>| match body(memory) {
            Ok(body) => self.store(&body, memory, Patience::Unlimited),
            Err(refusal) => Stored {
                outcome: Err(refusal),
                content: self.pushed.content,
                dropped: 0,
            },
        };
        let (stored, held) = self.gateway.memory.lend_for(&self.caller.client(), effort, store);
        self.pending(stored, held)
    }

    /// Stores what a small body says, on a thread that others wait for.
    ///
    /// # Errors
    /// If it turns out to take long: nothing has been done then, and it is to be [pushed](Self::push) by another thread.
    #[expect(
        clippy::result_large_err,
        reason = "it is what goes on, and no error to be passed up"
    )]
    pub fn push_quickly<B: Body>(self, body: &B) -> Result<Pending, Self> {
        if body.is_text() && push_cost::is_much_text(body.bytes(), &self.pushed.key) {
            return Err(self);
        }
        let memory = Meter::up_to(QUICK_BYTES);
        let stored = self.store(body, &memory, Patience::Little);
        // What takes much memory takes long too.
        let is_denied = memory.has_denied() && !stored.is_visible();
        if is_denied || matches!(stored.outcome, Ok(Err(PushError::TakesLong))) {
            return Err(self);
        }
        Ok(self.pending(stored, None))
    }

    fn pending(self, stored: Stored, held: Option<Held>) -> Pending {
        let Self {
            gateway,
            source,
            mut pushed,
            caller,
            ..
        } = self;
        pushed.content = stored.content;
        gateway.telemetry.record_dropped(stored.dropped);
        let outcome = match stored.outcome {
            Ok(Ok(commit)) => Outcome::Visible(commit),
            Ok(Err(error)) => {
                let is_inconsistent = conflict::is_of_content(&error);
                if is_inconsistent {
                    conflict::log(&error, &source, &pushed);
                }
                let refusal = conflict::of_push(error, &caller);
                // Who switched the check off expects success; what would break scrapes is dropped all the same.
                if is_inconsistent && gateway.settings.pushes.unchecked {
                    Outcome::Dropped(refusal)
                } else {
                    Outcome::Refused(refusal)
                }
            }
            Err(refusal) => Outcome::Refused(refusal),
        };
        Pending(Some(Unsettled {
            gateway,
            source,
            pushed,
            outcome,
            _held: held,
        }))
    }

    #[inline]
    fn store<B: Body>(&self, body: &B, memory: &Meter<'_>, patience: Patience) -> Stored {
        let Self {
            gateway, rules, wish, ..
        } = self;
        let key = &self.pushed.key;
        let settings = &gateway.settings;
        let received_at = gateway.now();
        let reading = Reading {
            gateway,
            source: &self.source,
            facts: Facts {
                received_at,
                input: self.source.input.as_str(),
                ..Facts::default()
            },
            body,
            memory,
            counters: rules.counters(key, wish.counters, wish.mode),
            once: self.id(body.bytes(), received_at),
            note: wish.expect.as_ref().map(Said::note),
            content: Cell::new(self.pushed.content),
            dropped: Cell::new(0),
            patience,
            read_at: Cell::new(None),
        };
        let ttl = rules.ttl(key, wish.ttl, settings.pushes.default_ttl());
        let now = wish.time(received_at);
        let outcome = if body.is_text() && rules.relabelling().is_empty() {
            gateway.store.push_text(key, wish.mode, &reading, ttl, now)
        } else {
            let read = reading.decode(body.bytes(), memory);
            read.and_then(|exposition| self.store_read(exposition, &reading, ttl, now))
        };
        if let (Some(trace), Some(read_at)) = (&self.source.trace, reading.read_at.get()) {
            trace.add("check and store", read_at, gateway.instant());
        }
        if let Err(refusal) = &outcome
            && refusal.reason == Reason::NotUtf8
        {
            gateway.store.record_failure_time(key, ttl, now);
        }
        Stored {
            outcome,
            content: reading.content.get(),
            dropped: reading.dropped.get(),
        }
    }

    /// The id of a push that is added up, if it has one: others come to the same however often they are made.
    fn id(&self, body: &[u8], received_at: UnixNanos) -> Option<PushId> {
        let asked = self
            .wish
            .id
            .filter(|_| matches!(self.wish.mode, PushMode::Aggregate(_)))?;
        let ids = PushIds::of(asked, body, &self.caller, received_at);
        Some(ids.of_group(&self.pushed.key))
    }

    /// Stores what has been read, after the rules have worked on it.
    fn store_read<B: Body>(
        &self,
        mut exposition: Exposition<'_>,
        reading: &Reading<'_, B>,
        ttl: Option<Ttl>,
        now: UnixNanos,
    ) -> Result<Result<Commit, PushError>, Refusal> {
        let Self {
            gateway, rules, wish, ..
        } = self;
        let (key, patience) = (&self.pushed.key, reading.patience);
        let looks = rules.looks();
        if patience == Patience::Little && push_cost::is_much(&exposition, key, looks) {
            return Ok(Err(PushError::TakesLong));
        }
        reading.was_read(&exposition);
        if self.source.input.is_relabelled() {
            let _relabelling = self.source.step("relabel");
            reading
                .dropped
                .set(gateway.relabel(rules, key, &mut exposition, reading.memory)?);
        }
        let options = PushOptions {
            mode: wish.mode,
            counters: reading.counters,
            ttl,
            now,
            once: reading.once,
            note: wish.expect.as_ref().map(Said::note),
            facts: reading.facts(),
            memory: reading.memory,
            patience,
        };
        Ok(gateway.store.push_with(key, &exposition, &options))
    }
}

/// What has become of a body, and what was in it.
struct Stored {
    outcome: Result<Result<Commit, PushError>, Refusal>,
    content: Content,
    /// Metrics that rules have dropped. Booked with the outcome: a push that is begun twice drops them twice.
    dropped: u64,
}

impl Stored {
    fn is_visible(&self) -> bool {
        matches!(self.outcome, Ok(Ok(_)))
    }
}

impl Pending {
    /// Waits until the push is as safe as the storage promises, and books it.
    ///
    /// # Errors
    /// If it was refused, or could not be kept: then it has been taken back.
    ///
    /// # Cancel safety
    /// It is settled and booked once, also if this is dropped.
    pub async fn settle(mut self) -> Result<Settled, Refusal> {
        let mut outcome = Ok(());
        if let Some(Unsettled {
            outcome: Outcome::Visible(commit),
            source,
            ..
        }) = &mut self.0
        {
            let is_to_wait = !commit.is_done();
            let _waiting = is_to_wait.then(|| source.step("ledger"));
            outcome = commit.settled().await;
        }
        // It is there until it is taken here, or by the drop.
        self.0
            .take()
            .map_or(Ok(Settled::Stored), |unsettled| unsettled.book(outcome))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let Some(mut unsettled) = self.0.take() else {
            return;
        };
        match &mut unsettled.outcome {
            Outcome::Visible(commit) if !commit.is_done() => {
                let Ok(runtime) = Handle::try_current() else {
                    return;
                };
                runtime.spawn(async move {
                    let mut outcome = Ok(());
                    if let Outcome::Visible(commit) = &mut unsettled.outcome {
                        outcome = commit.settled().await;
                    }
                    unsettled.book(outcome)
                });
            }
            _ => drop(unsettled.book(Ok(()))),
        }
    }
}

impl Unsettled {
    /// Books the push, whose commit has come to this.
    fn book(self, committed: Result<(), PushError>) -> Result<Settled, Refusal> {
        let Self {
            gateway,
            source,
            pushed,
            outcome,
            _held,
        } = self;
        let (refusal, settled) = match (outcome, committed) {
            (Outcome::Visible(_), Ok(())) => {
                gateway.book_request(&source, true);
                return Ok(Settled::Stored);
            }
            (Outcome::Visible(_), Err(error)) => (error.into(), None),
            (Outcome::Dropped(refusal), _) => (refusal, Some(Settled::Dropped)),
            (Outcome::Refused(refusal), _) => (refusal, None),
        };
        gateway.refuse(&source, Some(pushed), &refusal);
        settled.ok_or(refusal)
    }
}

/// A body on its way into the store, which may know it already.
struct Reading<'a, B> {
    gateway: &'a Gateway,
    source: &'a Source,
    facts: Facts,
    body: &'a B,
    memory: &'a Meter<'a>,
    counters: Counters,
    once: Option<PushId>,
    note: Option<Note<'a>>,
    content: Cell<Content>,
    dropped: Cell<u64>,
    patience: Patience,
    /// When it had been read, for the trace of its request.
    read_at: Cell<Option<Instant>>,
}

impl<B: Body> Reading<'_, B> {
    fn add(&self, what: impl FnOnce(&mut Content)) {
        let mut content = self.content.get();
        what(&mut content);
        self.content.set(content);
        if self.source.trace.is_some() {
            self.read_at.set(Some(self.gateway.instant()));
        }
    }
}

impl<B: Body> TextBody for Reading<'_, B> {
    type Error = Refusal;

    fn text(&self) -> &[u8] {
        self.body.bytes()
    }

    fn decode<'t>(&self, text: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
        let _decoding = self.source.step("decode");
        let mut exposition = self.body.decode(text, memory)?;
        self.gateway.limit(&mut exposition)?;
        Ok(exposition)
    }

    fn memory(&self) -> &Meter<'_> {
        self.memory
    }

    fn was_read(&self, exposition: &Exposition<'_>) {
        self.add(|content| content.read(exposition));
    }

    fn was_known(&self, known: &KnownBody<'_>) {
        self.add(|content| content.read_known(known));
    }

    fn facts(&self) -> Facts {
        let Content {
            body_bytes,
            series,
            duration_seconds,
        } = self.content.get();
        Facts {
            address: self.source.address(),
            body_bytes,
            series,
            duration_seconds,
            ..self.facts
        }
    }

    fn once(&self) -> Option<PushId> {
        self.once
    }

    fn note(&self) -> Option<Note<'_>> {
        self.note
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn patience(&self) -> Patience {
        self.patience
    }
}
