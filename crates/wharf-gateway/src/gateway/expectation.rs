//! Expectations that are paused, go on, or are taken away: of one group, by somebody who may.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use wharf_model::GroupingKey;
use wharf_store::{Note, UnixNanos};

use crate::access::caller::Caller;
use crate::access::right::Right;
use crate::audit::{ActionKind, Actor};
use crate::expectations::Origin;
use crate::gateway::Gateway;
use crate::gateway::delete::removal;
use crate::refusal::{Reason, Refusal};

impl Gateway {
    /// Lets nothing be expected of a group until this time, whoever expects it. Who may delete the group may do so: it hides what is
    /// missing.
    ///
    /// # Errors
    /// If the caller may not, the time is over, nobody expects the group, or that cannot be stored.
    ///
    /// # Cancel safety
    /// If this is dropped, it is done and booked, or nothing is done.
    pub async fn pause_expectation(
        self: &Arc<Self>,
        caller: &Caller,
        key: &GroupingKey,
        until: UnixNanos,
        address: Option<IpAddr>,
    ) -> Result<(), Refusal> {
        let kind = ActionKind::PauseExpectation;
        self.change_expectation(caller, key, address, kind, |_, now| {
            if until <= now {
                let text = "until: expected a time that is still to come, found one that is over";
                return Err(Refusal::parameter(&text));
            }
            Ok(Note::PausedUntil(until))
        })
        .await
    }

    /// Ends such a pause: the group is expected as if a push had come now.
    ///
    /// # Errors
    /// As [`Self::pause_expectation`]; if there is no such pause. One that stands in the configuration file ends there.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn resume_expectation(
        self: &Arc<Self>,
        caller: &Caller,
        key: &GroupingKey,
        address: Option<IpAddr>,
    ) -> Result<(), Refusal> {
        let kind = ActionKind::ResumeExpectation;
        self.change_expectation(caller, key, address, kind, |_, now| {
            let until = self.store.snapshot().paused_until(key);
            if until.is_none_or(|until| until <= now) {
                let text = format!("what is expected of {} is not paused by a request", key.brief());
                return Err(Refusal::new(Reason::NotExpected, text));
            }
            Ok(Note::PausedUntil(now))
        })
        .await
    }

    /// Takes away what a push has said of those to come.
    ///
    /// # Errors
    /// As [`Self::pause_expectation`]; if a rule expects the group: that goes with its file.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn remove_expectation(
        self: &Arc<Self>,
        caller: &Caller,
        key: &GroupingKey,
        address: Option<IpAddr>,
    ) -> Result<(), Refusal> {
        let kind = ActionKind::RemoveExpectation;
        self.change_expectation(caller, key, address, kind, |origin, _| match origin {
            Origin::Push(_) => Ok(Note::Expected(None)),
            Origin::Rule(index) => {
                let text = format!(
                    "group {} is expected by rule {} of the configuration file, which goes only there\n\
                     hint: take it out of the file and reload, or pause it",
                    key.brief(),
                    index + 1
                );
                Err(Refusal::new(Reason::Settled, text))
            }
        })
        .await
    }

    async fn change_expectation(
        self: &Arc<Self>,
        caller: &Caller,
        key: &GroupingKey,
        address: Option<IpAddr>,
        kind: ActionKind,
        note: impl FnOnce(Origin, UnixNanos) -> Result<Note<'static>, Refusal>,
    ) -> Result<(), Refusal> {
        caller.demand_for(Right::Delete, key)?;
        let (actor, now) = (Actor::of(caller, address), self.now());
        let origin = self.expectations.origin(&self.store, &self.policy(), key);
        let origin = origin.ok_or_else(|| {
            let text = format!("no push is expected of {}", key.brief());
            Refusal::new(Reason::NotExpected, text)
        })?;
        let note = note(origin, now)?;
        let gateway = Arc::clone(self);
        let settled = Handle::current().spawn(gateway.settle_expectation(key.clone(), note, kind, actor));
        settled.await.unwrap_or_else(|_| Err(Refusal::internal()))
    }

    /// To be run to its end, also if nobody waits for it any more.
    async fn settle_expectation(
        self: Arc<Self>,
        key: GroupingKey,
        note: Note<'static>,
        kind: ActionKind,
        actor: Actor,
    ) -> Result<(), Refusal> {
        let (gateway, what) = (Arc::clone(&self), key.brief());
        // The group may have very much, and others may be about to change it.
        let noted = spawn_blocking(move || gateway.store.set_note(&key, note, gateway.now())).await;
        let settled = match noted {
            Ok(Ok(commit)) => commit.wait().await.map_err(Refusal::from),
            Ok(Err(error)) => Err(error.into()),
            Err(_panicked) => Err(Refusal::internal()),
        };
        let groups = settled.as_ref().map(|()| 1);
        self.book(removal(kind, actor, what, groups));
        settled
    }
}
