//! Groups that begin anew: what they have counted is gone, and their label sets stay.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wharf_model::{Effort, GroupingKey};
use wharf_store::{Commit, Gauges};

use crate::access::caller::Caller;
use crate::access::right::Right;
use crate::audit::{ActionKind, Actor};
use crate::gateway::Gateway;
use crate::gateway::delete::removal;
use crate::refusal::Refusal;
use crate::work::Work;

impl Gateway {
    /// Lets what a group has counted begin from nothing. Who may delete the group may do so. `gauges` is how its gauges are added
    /// up; none: as a rule says.
    ///
    /// # Errors
    /// If the caller may not, there is no such group, or that cannot be stored.
    ///
    /// # Cancel safety
    /// If this is dropped, the group begins anew, which is booked, or nothing is done.
    pub async fn reset(
        self: &Arc<Self>,
        work: Work,
        caller: &Caller,
        key: &GroupingKey,
        gauges: Option<Gauges>,
        address: Option<IpAddr>,
    ) -> Result<(), Refusal> {
        caller.demand_for(Right::Delete, key)?;
        let (gateway, caller, key) = (Arc::clone(self), caller.clone(), key.clone());
        let gauges = gauges.unwrap_or_else(|| self.policy().gauges(&key));
        let settled =
            work.run(move |effort, _place| gateway.reset_now(&caller, key, gauges, address, effort));
        settled.await?.await.unwrap_or_else(|_| Err(Refusal::internal()))
    }

    /// It shows when this returns. A task of its own waits until it is safe, and books it, also if its sender has left.
    fn reset_now(
        self: Arc<Self>,
        caller: &Caller,
        key: GroupingKey,
        gauges: Gauges,
        address: Option<IpAddr>,
        effort: &Effort,
    ) -> Result<JoinHandle<Result<(), Refusal>>, Refusal> {
        let (actor, now) = (Actor::of(caller, address), self.now());
        let (reset, held) = self.memory.lend_for(&caller.client(), effort, |memory| {
            self.store.reset(&key, gauges, now, memory)
        });
        drop(held);
        let reset = reset.map_err(Refusal::from).inspect_err(|refusal| {
            self.book(removal(
                ActionKind::Reset,
                actor.clone(),
                key.brief(),
                Err(refusal),
            ));
        });
        let (existed, commit) = reset?;
        if existed {
            return Ok(Handle::current().spawn(self.settle_reset(key, commit, actor)));
        }
        // That it is not there may have to become safe too.
        Ok(Handle::current().spawn(async move {
            commit.wait().await.map_err(Refusal::from)?;
            Err(Refusal::no_group(&key))
        }))
    }

    async fn settle_reset(
        self: Arc<Self>,
        key: GroupingKey,
        commit: Commit,
        actor: Actor,
    ) -> Result<(), Refusal> {
        let settled = commit.wait().await.map_err(Refusal::from);
        let groups = settled.as_ref().map(|()| 1);
        self.book(removal(ActionKind::Reset, actor, key.brief(), groups));
        settled
    }
}
