//! What was removed, and taking it back.
//!
//! Whoever had the right to remove something may see that it was removed, and may undo it: for a wipe that is `admin`, otherwise
//! `delete` for each of the groups.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use wharf_model::{Choice, Effort, GroupingKey};
use wharf_settings::ByteSize;
use wharf_store::{
    Named, Removal, RemovalKind, RemovalState, RemovedStatus, Revision, UndoError, Undone, WhyLost,
};

use crate::access::caller::Caller;
use crate::access::right::{Need, Right, Scope};
use crate::audit::{Action, ActionKind, Actor, why};
use crate::gateway::Gateway;
use crate::places::Permit;
use crate::refusal::{Reason, Refusal};
use crate::time_text::rfc3339;
use crate::work::Work;

/// Removals that are looked at together.
const AT_ONCE: usize = 256;
/// To see whether a group that was removed may be seen.
const KEY_STEPS: u64 = 64;
/// Groups of a removal that are named.
const MOST_NAMED: usize = 1_000;

/// Removals that somebody may undo.
#[derive(Debug)]
pub struct Removals {
    /// Newest first.
    pub removals: Vec<Removal>,
    /// Whether there are more; they are those before the last one.
    pub has_more: bool,
    /// How removals are kept; none: they are not.
    pub status: Option<RemovedStatus>,
    /// That of the work, for as long as somebody is told.
    pub place: Permit,
}

/// A removal with its groups.
#[derive(Debug)]
pub struct RemovedGroups {
    /// The removal.
    pub removal: Removal,
    /// Its groups, as long as it can be undone.
    pub groups: Option<Named>,
    /// How removals are kept.
    pub status: Option<RemovedStatus>,
    /// That of the work, for as long as somebody is told.
    pub place: Permit,
}

/// What came of undoing a removal, or would come of it.
#[derive(Debug)]
pub struct UndoneRemoval {
    /// The removal.
    pub id: Revision,
    /// Whether nothing has changed yet.
    pub dry_run: bool,
    /// What came of it.
    pub undone: Undone,
    /// That of the work, for as long as somebody is told.
    pub place: Permit,
}

/// Why a removal cannot be undone, in a few words on one line.
pub fn why_lost(why: &WhyLost) -> String {
    match why {
        WhyLost::Off => "nothing that is removed is kept (--undo.max-age, --undo.max-bytes)".to_owned(),
        WhyLost::TooLarge { max_bytes } => {
            format!("it is larger than --undo.max-bytes={}", ByteSize(*max_bytes))
        }
        WhyLost::MadeRoom => "later removals needed its place (--undo.max-bytes)".to_owned(),
        WhyLost::TooMany => "there were too many removals at once".to_owned(),
        // What the disk says names files, and is in the log.
        WhyLost::Disk(_) => "it could not be written to disk".to_owned(),
        WhyLost::Full => "etcd is full, and takes nothing but deletions".to_owned(),
        WhyLost::Unreadable => "a later version of Wharf has written what was there".to_owned(),
        WhyLost::Unfinished => {
            "etcd has not taken all of it yet; GET /api/v1/admin/removed says whether it does".to_owned()
        }
        WhyLost::Forgotten => "etcd was compacted before it could be kept".to_owned(),
    }
}

impl Gateway {
    /// Up to so many removals that the caller may undo, newest first, from before one on.
    ///
    /// # Errors
    /// If that takes too long.
    pub async fn removals(
        self: &Arc<Self>,
        work: Work,
        caller: &Caller,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Removals, Refusal> {
        let (gateway, caller) = (Arc::clone(self), caller.clone());
        let listed = work.run(move |effort, place| {
            let mut removals = Vec::new();
            let has_more = gateway.each_removal(&caller, before, effort, |removal| {
                let is_enough = removals.len() == limit;
                if !is_enough {
                    removals.push(removal);
                }
                is_enough
            })?;
            Ok(Removals {
                removals,
                has_more,
                status: gateway.store.removed_status(),
                place,
            })
        });
        listed.await
    }

    /// A removal with its groups, as many of them as are named.
    ///
    /// # Errors
    /// If there is no such removal, or none that the caller may undo.
    pub async fn removed_groups(
        self: &Arc<Self>,
        work: Work,
        caller: &Caller,
        id: Revision,
    ) -> Result<RemovedGroups, Refusal> {
        let (gateway, caller) = (Arc::clone(self), caller.clone());
        let shown = work.run(move |effort, place| {
            let removal = gateway.removal_for(&caller, id, effort)?;
            let groups = match gateway.removed_keys(id) {
                Ok(keys) => Some(named(keys)?),
                // It was undone, or has gone.
                Err(UndoError::Unavailable(error)) => return Err(error.into()),
                Err(_) => None,
            };
            Ok(RemovedGroups {
                removal,
                groups,
                status: gateway.store.removed_status(),
                place,
            })
        });
        shown.await
    }

    /// Undoes a removal; without an id, the newest one that the caller may undo and that was not undone. A dry run only says
    /// what would come of it.
    ///
    /// # Errors
    /// If there is no such removal, it cannot be undone, or the caller may not. If the ledger takes nothing, some groups may have
    /// come back; undone once more, it leaves them as they are.
    ///
    /// # Cancel safety
    /// If this is dropped before anything has come back, nothing does. Otherwise all does, and it is logged and counted.
    pub async fn undo(
        self: &Arc<Self>,
        work: Work,
        caller: &Caller,
        id: Option<Revision>,
        dry_run: bool,
        address: Option<IpAddr>,
    ) -> Result<UndoneRemoval, Refusal> {
        let (gateway, caller, runtime) = (Arc::clone(self), caller.clone(), Handle::current());
        let undone = work.run(move |effort, place| {
            let id = match id {
                Some(id) => gateway.removal_for(&caller, id, effort)?.id,
                None => gateway.newest_for(&caller, effort)?,
            };
            // The last look: from here on it is done.
            effort.look()?;
            let undone = gateway.undo_now(id, dry_run, &runtime);
            if !dry_run {
                gateway.book_undo(Actor::of(&caller, address), id, &undone);
            }
            let undone = undone?;
            Ok(UndoneRemoval {
                id,
                dry_run,
                undone,
                place,
            })
        });
        undone.await
    }

    /// Brings the groups of a removal back, and waits for the disk. Blocks.
    fn undo_now(&self, id: Revision, dry_run: bool, runtime: &Handle) -> Result<Undone, Refusal> {
        if self.store.is_shared() {
            let undone = self.store.shared_undo(id, dry_run, self.now());
            return runtime.block_on(undone).map_err(|error| refused(id, error));
        }
        let undoing = self.store.undo(id, dry_run, self.now());
        let (undoing, commits) = undoing.map_err(|error| refused(id, error))?;
        for commit in commits {
            runtime.block_on(commit.wait())?;
        }
        Ok(if dry_run { undoing.undone } else { undoing.settle() })
    }

    /// The keys of the groups of a removal. Blocks.
    fn removed_keys(&self, id: Revision) -> Result<Keys<'_>, UndoError> {
        if self.store.is_shared() {
            let keys = Handle::current().block_on(self.store.shared_removed_keys(id))?;
            return Ok(Box::new(keys.into_iter().map(Ok)));
        }
        Ok(Box::new(self.store.removed_keys(id)?))
    }

    /// Books what came of undoing a removal. What was settled before has changed nothing.
    fn book_undo(&self, actor: Actor, id: Revision, undone: &Result<Undone, Refusal>) {
        let (what, groups, error) = match undone {
            Ok(undone) => {
                self.telemetry.undos().record_undo(undone.groups);
                (told(id, undone), undone.groups, None)
            }
            Err(refusal) if matches!(refusal.reason, Reason::Settled | Reason::NoRemoval) => return,
            Err(refusal) => (format!("removal {id}"), 0, Some(why(refusal))),
        };
        self.book(Action {
            kind: ActionKind::Undo,
            actor,
            what,
            groups,
            error,
        });
        // It is rare: the list is on the disk before the answer goes out.
        self.save_audit();
    }

    /// Hands over the removals that the caller may undo, newest first, until somebody has enough; whether somebody had.
    fn each_removal(
        &self,
        caller: &Caller,
        mut before: Option<Revision>,
        effort: &Effort,
        mut is_enough: impl FnMut(Removal) -> bool,
    ) -> Result<bool, Refusal> {
        loop {
            let removals = self.store.removals(before, AT_ONCE);
            let Some(last) = removals.last() else {
                return Ok(false);
            };
            before = Some(last.id);
            for removal in removals {
                if self.may_undo(caller, &removal, effort)? && is_enough(removal) {
                    return Ok(true);
                }
            }
        }
    }

    fn newest_for(&self, caller: &Caller, effort: &Effort) -> Result<Revision, Refusal> {
        let mut newest = None;
        self.each_removal(caller, None, effort, |removal| {
            let is_kept = removal.state == RemovalState::Kept;
            if is_kept {
                newest = Some(removal.id);
            }
            is_kept
        })?;
        newest.ok_or_else(|| {
            let text = if self.store.removed_status().is_some() {
                "there is nothing that you can undo".to_owned()
            } else {
                format!("there is nothing that you can undo: {}", why_lost(&WhyLost::Off))
            };
            Refusal::new(Reason::NoRemoval, text)
        })
    }

    fn removal_for(&self, caller: &Caller, id: Revision, effort: &Effort) -> Result<Removal, Refusal> {
        let removal = self.store.removal(id).ok_or_else(|| unknown(id))?;
        if self.may_undo(caller, &removal, effort)? {
            return Ok(removal);
        }
        if removal.kind == RemovalKind::Wipe {
            caller.demand(Need::ForEvery(Right::Admin))?;
        }
        // Which groups there were is not for everybody.
        Err(unknown(id))
    }

    /// Whether the caller had the right to make this removal.
    fn may_undo(&self, caller: &Caller, removal: &Removal, effort: &Effort) -> Result<bool, Refusal> {
        if removal.kind == RemovalKind::Wipe {
            return Ok(caller.demand(Need::ForEvery(Right::Admin)).is_ok());
        }
        let allowed = match caller.scope(Right::Delete) {
            Scope::Everything => return Ok(true),
            Scope::Nothing => return Ok(false),
            scope @ Scope::Groups(_) => scope.groups(),
        };
        match self.removed_keys(removal.id) {
            Ok(keys) => has_all(&allowed, keys, effort),
            // Its groups are not known any more. Who has removed them knows of it.
            Err(_) => Ok(!caller.identities().is_empty() && removal.author.by == caller.who()),
        }
    }
}

/// Keys of groups, as far as they can be read.
type Keys<'k> = Box<dyn Iterator<Item = Result<GroupingKey, UndoError>> + 'k>;

/// Which removal, and what stays away, for those who look at the audit list.
fn told(id: Revision, undone: &Undone) -> String {
    let refused = undone.refused.len() as u64 + undone.more_refused;
    let away = [
        (undone.kept.len(), "pushed since"),
        (undone.expired.len(), "expired"),
        (undone.missing.len(), "missing"),
        (refused, "refused"),
    ];
    let mut text = format!("removal {id}");
    for (count, why) in away.iter().filter(|(count, _)| *count > 0) {
        // Writing to a string cannot fail.
        let _infallible = write!(text, ", {count} {why}");
    }
    text
}

fn has_all(
    allowed: &Choice,
    keys: impl Iterator<Item = Result<GroupingKey, UndoError>>,
    effort: &Effort,
) -> Result<bool, Refusal> {
    let mut allowed = allowed.begin(effort);
    for key in keys {
        effort.spend(KEY_STEPS)?;
        let Ok(key) = key else {
            return Ok(false);
        };
        if !allowed.has(&key)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn named(keys: impl Iterator<Item = Result<GroupingKey, UndoError>>) -> Result<Named, Refusal> {
    let mut named = Named::default();
    for key in keys {
        let key = key.map_err(|error| refused(Revision::default(), error))?;
        if named.keys.len() < MOST_NAMED {
            named.keys.push(key);
        } else {
            named.more += 1;
        }
    }
    Ok(named)
}

fn unknown(id: Revision) -> Refusal {
    let text = format!(
        "there is no removal {id} that you can undo\nhint: a removal is kept for --undo.max-age; GET /api/v1/admin/removed \
         lists those that are"
    );
    Refusal::new(Reason::NoRemoval, text)
}

fn refused(id: Revision, error: UndoError) -> Refusal {
    let settled = |text: String| Refusal::new(Reason::Settled, text);
    match error {
        UndoError::Unknown => unknown(id),
        UndoError::Undone(at) => settled(format!("removal {id} was undone at {}", rfc3339(at))),
        UndoError::Lost(why) => settled(format!("removal {id} cannot be undone: {}", why_lost(&why))),
        UndoError::Busy => settled(format!("removal {id} is being undone by another request")),
        UndoError::Unavailable(error) => error.into(),
        UndoError::Unreadable(error) => {
            tracing::error!(id = id.0, err = error, "what was removed cannot be read");
            Refusal::internal()
        }
        // There may be others in later versions of the store.
        _ => Refusal::internal(),
    }
}
