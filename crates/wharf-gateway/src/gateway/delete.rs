//! Deleting: one group, one of its families, what selectors select, or everything.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use wharf_model::{Choice, Effort, GroupingKey, Selector, duration};
use wharf_store::{Author, Commit, PushError, Receipt, Store, UnixNanos};

use crate::access::caller::Caller;
use crate::access::right::{Right, Scope};
use crate::audit::{Action, ActionKind, Actor, why};
use crate::gateway::Gateway;
use crate::places::Permit;
use crate::refusal::Refusal;
use crate::work::Work;

/// Which groups are to be deleted, or lose a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Groups that one of these selects.
    pub selectors: Vec<Selector>,
    /// Of them, those that were not pushed for so long.
    pub older_than: Option<Duration>,
    /// Only this family of each group.
    pub family: Option<String>,
    /// Whether it is only to be said what would go.
    pub dry_run: bool,
}

/// The groups that were deleted, or would be.
#[derive(Debug)]
pub struct Deleted {
    /// Their keys.
    pub keys: Vec<GroupingKey>,
    /// Whether they are still there.
    pub dry_run: bool,
    /// Whether it can be undone; none if nothing was removed.
    pub undo: Option<Receipt>,
    /// That of the work, for as long as somebody is told.
    pub place: Permit,
}

/// What came of a request that removes something.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed {
    /// Whether there was something.
    pub existed: bool,
    /// Whether it can be undone; none if nothing was removed.
    pub undo: Option<Receipt>,
}

/// The groups that are gone, and whether that can be undone.
type Gone = (Vec<GroupingKey>, Option<Receipt>);

/// As the metric calls the ways in which groups are removed.
mod way {
    pub(super) const REQUEST: &str = "request";
    pub(super) const SELECTOR: &str = "selector";
    pub(super) const WIPE: &str = "wipe";
}

/// What a selection has come to.
enum Selected {
    /// These would go.
    Shown(Vec<GroupingKey>),
    /// They are gone. A task of its own waits until that is safe, and says so, also if its sender has left.
    Deleted(JoinHandle<Result<Gone, Refusal>>),
}

impl Gateway {
    /// Deletes a group; whether there was one. One that has very much needs a place.
    ///
    /// # Errors
    /// If the caller may not, there is no place, or that cannot be stored.
    ///
    /// # Cancel safety
    /// If this is dropped, the group is deleted and booked, or not deleted.
    pub async fn delete(
        self: &Arc<Self>,
        caller: &Caller,
        key: &GroupingKey,
        address: Option<IpAddr>,
        place: impl FnOnce() -> Result<Permit, Refusal>,
    ) -> Result<Removed, Refusal> {
        caller.demand_for(Right::Delete, key)?;
        let place = self.place_for(key, place)?;
        let (gateway, actor) = (Arc::clone(self), Actor::of(caller, address));
        let (what, key) = (key.brief(), key.clone());
        let author = author(caller, address, what.clone());
        let delete = async move {
            let remove = move |store: &Store, key: &GroupingKey| store.remove(key, &author);
            let deleted = gateway.delete_from(&key, place, remove).await;
            let groups = deleted.as_ref().map(|(existed, _)| u64::from(*existed));
            if let Ok(groups) = groups {
                gateway.telemetry.undos().record_removed(way::REQUEST, groups);
            }
            gateway.book_removal(ActionKind::Delete, actor, what, groups);
            if groups == Ok(0)
                && let Some(history) = gateway.activity.history()
            {
                // A push that was refused while its group was deleted may have left some.
                history.forget(key);
            }
            let (existed, undo) = deleted?;
            Ok(Removed { existed, undo })
        };
        to_the_end(delete).await
    }

    /// Deletes a family of a group; whether there was one. A group that has very much needs a place.
    ///
    /// # Errors
    /// If the caller may not, there is no place, or that cannot be stored.
    ///
    /// # Cancel safety
    /// As [`Self::delete`].
    pub async fn delete_family(
        self: &Arc<Self>,
        caller: &Caller,
        key: &GroupingKey,
        family: &str,
        address: Option<IpAddr>,
        place: impl FnOnce() -> Result<Permit, Refusal>,
    ) -> Result<Removed, Refusal> {
        caller.demand_for(Right::Delete, key)?;
        let place = self.place_for(key, place)?;
        let (gateway, actor) = (Arc::clone(self), Actor::of(caller, address));
        let (what, key) = (format!("{family} of {}", key.brief()), key.clone());
        let author = author(caller, address, what.clone());
        let family = family.to_owned();
        let delete = async move {
            let remove =
                move |store: &Store, key: &GroupingKey| store.remove_families(key, &[&family], &author);
            let deleted = gateway.delete_from(&key, place, remove).await;
            let groups = deleted.as_ref().map(|(families, _)| u64::from(*families > 0));
            gateway.book_removal(ActionKind::DeleteFamily, actor, what, groups);
            let (families, undo) = deleted?;
            let existed = families > 0;
            Ok(Removed { existed, undo })
        };
        to_the_end(delete).await
    }

    /// A place for what is done to a group that has very much.
    fn place_for(
        &self,
        key: &GroupingKey,
        place: impl FnOnce() -> Result<Permit, Refusal>,
    ) -> Result<Option<Permit>, Refusal> {
        self.store.is_large(key).then(place).transpose()
    }

    /// Deletes something of a group. With a place it is done by a thread of its own: others go on with their requests, and so
    /// should this one.
    async fn delete_from<T: Send + 'static>(
        &self,
        key: &GroupingKey,
        place: Option<Permit>,
        delete: impl FnOnce(&Store, &GroupingKey) -> Result<(T, Commit, Option<Receipt>), PushError>
        + Send
        + 'static,
    ) -> Result<(T, Option<Receipt>), Refusal> {
        let (deleted, commit, undo) = match place {
            Some(place) => {
                let (store, key) = (Arc::clone(&self.store), key.clone());
                let deleting = tokio::task::spawn_blocking(move || {
                    let _place = place;
                    delete(&store, &key)
                });
                deleting.await.map_err(|_panicked| Refusal::internal())??
            }
            None => delete(&self.store, key)?,
        };
        let undo = commit.wait_removed(undo).await?;
        Ok((deleted, undo))
    }

    /// Books that groups were removed. Where there was none, nothing was done.
    fn book_removal(&self, kind: ActionKind, actor: Actor, what: String, groups: Result<u64, &Refusal>) {
        if groups != Ok(0) {
            self.book(removal(kind, actor, what, groups));
        }
    }

    /// Deletes groups, or a family of them: up to 10,000 as one change, all of them or, if that cannot be stored, none; more of
    /// them in steps. Those that it was. A dry run shows which they are, of those that may be seen.
    ///
    /// Groups that may not be seen are as if they were not there, but that they go if they may be deleted.
    ///
    /// # Errors
    /// If a group may be seen that is selected, and may not be deleted: nothing stays behind in silence. If it is not
    /// enabled, costs too much, or cannot be stored.
    ///
    /// # Cancel safety
    /// If this is dropped before anything is deleted, nothing is. Otherwise all is, and it is logged and counted.
    pub async fn delete_selected(
        self: &Arc<Self>,
        work: Work,
        caller: &Caller,
        selection: impl FnOnce(&Effort) -> Result<Selection, Refusal> + Send + 'static,
        address: Option<IpAddr>,
    ) -> Result<Deleted, Refusal> {
        self.settings.admin.allow_selectors()?;
        let (gateway, caller) = (Arc::clone(self), caller.clone());
        let selected = work.run(move |effort, place| {
            let selection = selection(effort)?;
            Ok((gateway.delete_now(&caller, &selection, address, effort)?, place))
        });
        let (selected, place) = selected.await?;
        let (keys, undo, dry_run) = match selected {
            Selected::Shown(keys) => (keys, None, true),
            Selected::Deleted(settled) => {
                let (keys, undo) = settled.await.unwrap_or_else(|_| Err(Refusal::internal()))?;
                (keys, undo, false)
            }
        };
        Ok(Deleted {
            keys,
            dry_run,
            undo,
            place,
        })
    }

    /// Deletes all groups; whether that can be undone, if there were any. That the caller may do that has been asked before.
    ///
    /// # Errors
    /// If that cannot be stored.
    ///
    /// # Cancel safety
    /// If this is dropped, all is deleted and booked.
    pub async fn wipe(
        self: &Arc<Self>,
        caller: &Caller,
        address: Option<IpAddr>,
    ) -> Result<Option<Receipt>, Refusal> {
        let (gateway, actor) = (Arc::clone(self), Actor::of(caller, address));
        let author = author(caller, address, String::new());
        let wipe = async move {
            let wiped = gateway.wipe_now(author).await;
            let groups = wiped.as_ref().map(|(groups, _)| *groups);
            let action = removal(ActionKind::Wipe, actor, String::new(), groups);
            gateway.book_safely(action).await;
            wiped.map(|(_, undo)| undo)
        };
        to_the_end(wipe).await
    }

    /// How many groups there were, and whether they can come back.
    async fn wipe_now(&self, author: Author) -> Result<(u64, Option<Receipt>), Refusal> {
        // It shows at once, and what was there is freed by this thread.
        let store = Arc::clone(&self.store);
        let wiped = tokio::task::spawn_blocking(move || store.remove_all(&author));
        let (groups, commit, undo) = wiped.await.map_err(|_panicked| Refusal::internal())??;
        let undo = commit.wait_removed(undo).await?;
        let groups = groups as u64;
        self.telemetry.undos().record_removed(way::WIPE, groups);
        Ok((groups, undo))
    }

    fn before(&self, older_than: Option<Duration>) -> Option<UnixNanos> {
        older_than.map(|age| {
            let age = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
            UnixNanos(self.now().0.saturating_sub(age))
        })
    }

    /// Finds the groups, which may take long, and then deletes them.
    fn delete_now(
        self: Arc<Self>,
        caller: &Caller,
        selection: &Selection,
        address: Option<IpAddr>,
        effort: &Effort,
    ) -> Result<Selected, Refusal> {
        let pushed_before = self.before(selection.older_than);
        let choice = self.deletable(caller, selection, pushed_before, effort)?;
        let (store, family) = (&self.store, selection.family.as_deref());
        let keys = match family {
            None => store.matching(&choice, pushed_before, effort)?,
            Some(family) => store.matching_with_family(&choice, pushed_before, family, effort)?,
        };
        if selection.dry_run {
            return Ok(Selected::Shown(keys));
        }
        // The last look: from here on it is done.
        effort.look()?;
        let author = author(caller, address, what(&asked_for(&selection.selectors), selection));
        let deleted = match family {
            None => store.remove_groups(keys, pushed_before, &author),
            Some(family) => store.remove_family_of(keys, pushed_before, family, &author),
        };
        if let (None, Ok((keys, ..))) = (family, &deleted) {
            let groups = keys.len() as u64;
            self.telemetry.undos().record_removed(way::SELECTOR, groups);
        }
        let what = what(&choice.to_string(), selection);
        let (actor, gateway) = (Actor::of(caller, address), Arc::clone(&self));
        let settled = async move { gateway.settle_deleted(deleted, what, actor).await };
        Ok(Selected::Deleted(Handle::current().spawn(settled)))
    }

    async fn settle_deleted(
        self: Arc<Self>,
        deleted: Result<(Vec<GroupingKey>, Commit, Option<Receipt>), PushError>,
        what: String,
        actor: Actor,
    ) -> Result<Gone, Refusal> {
        let settled = async {
            let (keys, commit, undo) = deleted?;
            let undo = commit.wait_removed(undo).await?;
            Ok::<_, Refusal>((keys, undo))
        };
        let settled = settled.await;
        let groups = settled.as_ref().map(|(keys, _)| keys.len() as u64);
        if let Ok(groups) = groups {
            self.telemetry.record_deleted(groups);
        }
        let action = removal(ActionKind::DeleteBySelector, actor, what, groups);
        self.book_safely(action).await;
        settled
    }

    /// The groups of a selection that the caller may delete; of a dry run, those of them that it may see.
    fn deletable(
        &self,
        caller: &Caller,
        selection: &Selection,
        pushed_before: Option<UnixNanos>,
        effort: &Effort,
    ) -> Result<Choice, Refusal> {
        let [read, delete] = [Right::Read, Right::Delete].map(|right| caller.scope(right));
        let asked = |choice: Choice| choice.and(selection.selectors.clone());
        if delete != Scope::Everything {
            let seen = self
                .store
                .matching(&asked(read.groups()), pushed_before, effort)?;
            let allowed = delete.groups();
            let mut allowed = allowed.begin(effort);
            for key in seen {
                if !allowed.has(&key)? {
                    caller.demand_for(Right::Delete, &key)?;
                }
            }
        }
        let shown = if selection.dry_run {
            read
        } else {
            Scope::Everything
        };
        Ok(asked(delete.narrow(shown.groups())))
    }
}

/// Who removes something.
fn author(caller: &Caller, address: Option<IpAddr>, what: String) -> Author {
    Author {
        by: caller.who(),
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        what,
    }
}

/// What was taken away, in one line: of these groups.
fn what(groups: &str, selection: &Selection) -> String {
    let mut what = match &selection.family {
        None => groups.to_owned(),
        Some(family) => format!("{family} of {groups}"),
    };
    if let Some(age) = selection.older_than {
        // Writing to a string cannot fail.
        let _infallible = write!(what, ", not pushed for {}", duration::format(age));
    }
    what
}

/// What was asked for, in one line.
fn asked_for(selectors: &[Selector]) -> String {
    let selectors: Vec<String> = selectors.iter().map(Selector::to_string).collect();
    selectors.join(" or ")
}

pub(super) fn removal(kind: ActionKind, actor: Actor, what: String, groups: Result<u64, &Refusal>) -> Action {
    Action {
        kind,
        actor,
        what,
        groups: groups.unwrap_or_default(),
        error: groups.err().map(why),
    }
}

/// Does something to its end, also if nobody waits for it any more.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|_panicked| Err(Refusal::internal()))
}
