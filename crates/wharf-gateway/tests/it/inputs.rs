//! Ways in. Whoever adds an input implements [`Way`] for it, and it runs through all of `conformance.rs`.

use std::sync::Arc;

use wharf_exposition::text::Options;
use wharf_gateway::{Adding, Body, Caller, Gateway, Grouping, Input, Refusal, Source, Wish};
use wharf_model::{Effort, Exposition, Meter};
use wharf_store::{PushMode, UnixNanos};

use crate::support::key;

/// A push to the group of one job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Push<'p> {
    pub(crate) job: &'p str,
    /// Lines of the text format, each a series without labels.
    pub(crate) lines: &'p str,
    pub(crate) pushed_at: Option<UnixNanos>,
}

impl<'p> Push<'p> {
    pub(crate) fn new(job: &'p str, lines: &'p str) -> Self {
        Self {
            job,
            lines,
            pushed_at: None,
        }
    }

    fn wish(&self) -> Wish {
        Wish {
            expect: None,
            mode: PushMode::ReplaceGroup,
            adding: Adding::default(),
            counters: None,
            ttl: None,
            id: None,
            pushed_at: self.pushed_at,
        }
    }
}

/// A way in.
pub(crate) trait Way {
    /// Pushes, and returns when the sender would be answered.
    async fn push(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>) -> Result<(), Refusal>;

    /// Pushes as far as scrapes see it, and leaves.
    fn push_and_leave(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>);
}

/// A push to one group.
pub(crate) struct One;

/// A push to many groups, which is stored whole or not at all.
pub(crate) struct Together;

/// A push to many groups, each stored for itself.
pub(crate) struct Each;

pub(crate) fn source(gateway: &Gateway, input: Input) -> Source {
    Source {
        input,
        peer: None,
        request_id: gateway.request_ids().make(),
        trace: None,
        began: gateway.instant(),
        request_bytes: 100,
    }
}

/// A body in the text format.
pub(crate) struct Text(pub(crate) String);

pub(crate) fn text(lines: impl Into<String>) -> Text {
    Text(lines.into())
}

impl Body for Text {
    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn is_text(&self) -> bool {
        true
    }

    fn decode<'t>(&self, bytes: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
        wharf_exposition::text::decode_within(bytes, Options::default(), memory)
            .map_err(|error| Refusal::syntax(&error))
    }
}

impl Way for One {
    async fn push(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>) -> Result<(), Refusal> {
        let source = source(gateway, Input::Push);
        let group = (key(push.job), PushMode::ReplaceGroup);
        let mut admission = gateway.admit(caller, source, group, || Ok(push.wish()))?;
        admission.received(push.lines.len() as u64);
        let pending = admission.push(&Effort::unlimited(), |_| Ok(text(push.lines)));
        pending.settle().await.map(drop)
    }

    fn push_and_leave(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>) {
        let source = source(gateway, Input::Push);
        let group = (key(push.job), PushMode::ReplaceGroup);
        let admission = gateway.admit(caller, source, group, || Ok(push.wish()));
        if let Ok(admission) = admission {
            drop(admission.push(&Effort::unlimited(), |_| Ok(text(push.lines))));
        }
    }
}

/// The same lines with the label that says to which group they belong.
fn labelled(push: Push<'_>) -> Text {
    let job = push.job;
    let lines = push.lines.lines().map(|line| match line.split_once(' ') {
        Some((name, value)) if !line.starts_with('#') => match name.split_once('{') {
            Some((name, labels)) => format!("{name}{{job=\"{job}\",{labels} {value}\n"),
            None => format!("{name}{{job=\"{job}\"}} {value}\n"),
        },
        _ => format!("{line}\n"),
    });
    text(lines.collect::<String>())
}

async fn push_many(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    push: Push<'_>,
    partial: bool,
) -> Result<(), Refusal> {
    let source = source(gateway, Input::Many);
    let admission = gateway.admit_many(caller, source, || Ok(push.wish()))?;
    let pending = admission.push(&by_job(partial), &Effort::unlimited(), |_| Ok(labelled(push)));
    let outcome = pending.settle().await?;
    match outcome.refused.into_iter().next() {
        Some((_, refusal)) => Err(refusal),
        None => Ok(()),
    }
}

pub(crate) fn by_job(partial: bool) -> Grouping {
    Grouping {
        labels: vec!["job".to_owned()],
        partial,
    }
}

fn push_many_and_leave(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>, partial: bool) {
    let source = source(gateway, Input::Many);
    if let Ok(admission) = gateway.admit_many(caller, source, || Ok(push.wish())) {
        drop(admission.push(&by_job(partial), &Effort::unlimited(), |_| Ok(labelled(push))));
    }
}

impl Way for Together {
    async fn push(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>) -> Result<(), Refusal> {
        push_many(gateway, caller, push, false).await
    }

    fn push_and_leave(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>) {
        push_many_and_leave(gateway, caller, push, false);
    }
}

impl Way for Each {
    async fn push(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>) -> Result<(), Refusal> {
        push_many(gateway, caller, push, true).await
    }

    fn push_and_leave(gateway: &Arc<Gateway>, caller: &Caller, push: Push<'_>) {
        push_many_and_leave(gateway, caller, push, true);
    }
}
