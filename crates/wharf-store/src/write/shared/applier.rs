//! From the log to memory: the only way in.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_shared_log::{
    Batch, Bytes, Change as LogChange, Loaded, Revision, SharedLog, Timer, TxnId, Watch, WatchError, timeout,
};

use super::ids;
use super::kept::Kept;
use super::queue::Shared;
use super::removal::images;
use super::value::{GroupValue, IDS, MARKERS, Why, group_of};
use crate::change::{Cause, Change};
use crate::effect::{By, Effect, Effects, Facts, Stored, What};
use crate::fold::Intent;
use crate::lifetime::Lifetime;
use crate::memory::state::{State, Tell};
use crate::mode::{Counters, PushMode};
use crate::prepare::{Prepared, Preparer};
use crate::read::snapshot::snapshot_of;
use crate::record;
use crate::store::Store;
use crate::write::lock::let_others;

/// How long a watch may be silent before another one is begun.
const SILENCE: Duration = Duration::from_secs(3);
/// Groups that are looked up under one hold of the lock.
const LOOKED_UP_AT_ONCE: usize = 512;
/// What is changed under one hold, in the units of [`Store::longest_hold`], and one change more: a millisecond.
const AT_ONCE: u64 = 1024;
/// Groups that are deleted together: from a leaf that they share they go in one go.
const DELETED_AT_ONCE: usize = 64;
/// The pause before the log is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// What follows the log.
pub(super) struct Applier<L, T> {
    pub(super) store: Arc<Store>,
    pub(super) shared: Arc<Shared>,
    pub(super) log: Arc<L>,
    pub(super) timer: T,
}

/// A group as the log has it now; none if it is gone.
type Group = (Revision, GroupingKey, Option<GroupValue>);

impl<L: SharedLog, T: Timer> Applier<L, T> {
    /// Follows the log for ever.
    pub(super) async fn run(self) {
        loop {
            self.load().await;
            while let Err(WatchError::Ended { reason }) = self.follow().await {
                self.shared.book().trouble = Some(reason);
                self.timer.sleep(PAUSE).await;
            }
        }
    }

    /// Brings memory to what the log has, whatever it has itself.
    async fn load(&self) {
        let loaded = loop {
            // It may be much; whoever waits for memory waits for all of it.
            match self.log.load(Some(&images())).await {
                Ok(loaded) => break loaded,
                Err(error) => {
                    self.shared.book().trouble = Some(error.to_string());
                    self.timer.sleep(PAUSE).await;
                }
            }
        };
        self.shared.book().statistics.loads += 1;
        let Loaded { at, entries } = loaded;
        let mut known = self.known();
        let mut changed = Vec::new();
        let mut others = Vec::new();
        for entry in entries {
            let Some(key) = group_of(&entry.key) else {
                others.push((entry.at, entry.key, Some(entry.value)));
                continue;
            };
            if known.remove(&key) != Some(crate::Revision(entry.at.0)) {
                changed.extend(self.read(entry.at, key, &entry.value));
            }
        }
        // Effects are told in the order of revisions.
        changed.sort_by_key(|(at, ..)| *at);
        changed.extend(known.into_keys().map(|key| (at, key, None)));
        self.shared.replicas().reset();
        self.note_removals(&others, Some(Kept::default()));
        self.note(others);
        // What there was before this process is no news.
        let is_first = self.shared.book().lag(self.timer.now()).is_none();
        self.apply(at, &changed, &[], !is_first);
    }

    /// The groups that memory has, with their last changes. Nobody else changes it meanwhile.
    fn known(&self) -> BTreeMap<GroupingKey, crate::Revision> {
        let keys = self.store.snapshot().keys();
        let mut known = self.store.lock().state.held_groups();
        for keys in keys.chunks(LOOKED_UP_AT_ONCE) {
            let guarded = self.store.lock();
            let revisions = keys.iter().map(|key| (key, guarded.state.revision_of(key)));
            known.extend(revisions.filter_map(|(key, at)| Some((key.clone(), at?))));
        }
        known
    }

    /// Follows the log from where memory is, until the watch is over.
    async fn follow(&self) -> Result<(), WatchError> {
        let after = self.shared.book().applied();
        let limit = self.shared.sharing.answer_limit;
        let silent = || WatchError::Ended {
            reason: "nothing comes".to_owned(),
        };
        let watch = timeout(&self.timer, limit, self.log.watch(after)).await;
        let mut watch = watch.unwrap_or_else(|| Err(silent()))?;
        loop {
            let next = timeout(&self.timer, SILENCE, watch.next()).await;
            let Batch { at, changes } = next.unwrap_or_else(|| Err(silent()))?;
            let mut groups = Vec::new();
            let mut others = Vec::new();
            for change in changes {
                let (key, value) = match change {
                    LogChange::Put { key, value } => (key, Some(value)),
                    LogChange::Delete { key } => (key, None),
                };
                match (group_of(&key), value) {
                    (None, value) => others.push((at, key, value)),
                    (Some(key), None) => {
                        self.shared.book().note_readable(&key, true);
                        groups.push((at, key, None));
                    }
                    (Some(key), Some(value)) => groups.extend(self.read(at, key, &value)),
                }
            }
            self.note_removals(&others, None);
            let happened = self.note(others);
            self.apply(at, &groups, &happened, true);
            if self.shared.book().missing(self.timer.now()) > SILENCE {
                // The next watch is one of the member that answers the lanes.
                return Err(WatchError::Ended {
                    reason: "what is followed does not show what has been committed".to_owned(),
                });
            }
        }
    }

    fn read(&self, at: Revision, key: GroupingKey, value: &Bytes) -> Option<Group> {
        let value = GroupValue::decode(value);
        self.shared.book().note_readable(&key, value.is_some());
        Some((at, key, Some(value?)))
    }

    /// Takes note of what is no group; the transactions of this writer that have happened.
    fn note(&self, others: Vec<(Revision, Bytes, Option<Bytes>)>) -> Vec<TxnId> {
        let mut happened = Vec::new();
        let now = self.shared.sharing.clock.now();
        let own = (&*self.shared.sharing.name, self.shared.sharing.writer);
        for (at, key, value) in others {
            if key.starts_with(IDS) {
                self.note_ids(at, &key, value.as_deref());
                continue;
            }
            let marked = value.as_deref().filter(|_| key.starts_with(MARKERS));
            let id = marked.and_then(TxnId::from_bytes);
            happened.extend(id.filter(|id| id.writer == self.shared.sharing.writer));
            self.shared.replicas().note(&key, at, value, (now, own));
        }
        happened
    }

    /// Takes note of ids of pushes. Before memory has the groups that they are in: nobody may find a group as such a push has left it,
    /// and nothing of the push.
    fn note_ids(&self, at: Revision, key: &[u8], value: Option<&[u8]>) {
        let Some(value) = value else {
            self.shared.replicas().ids.remove(key);
            return;
        };
        let Some(ids) = ids::decode(value) else {
            self.shared.book().statistics.unreadable += 1;
            return;
        };
        self.shared.replicas().ids.add(key, ids.len());
        let mut guarded = self.store.lock();
        for id in ids {
            guarded.push_ids.add(id, crate::Revision(at.0));
        }
    }

    /// Takes note of what is about removals; with something new, in the place of what was known.
    fn note_removals(&self, others: &[(Revision, Bytes, Option<Bytes>)], anew: Option<Kept>) {
        let now = self.shared.sharing.clock.now();
        let note = |kept: &mut Kept| {
            for (at, key, value) in others {
                kept.note(key, *at, value.as_ref(), now);
            }
        };
        match anew {
            Some(mut kept) => {
                note(&mut kept);
                *self.shared.kept() = kept;
            }
            None => note(&mut self.shared.kept()),
        }
    }

    /// Changes memory, and says so to those who wait for it.
    fn apply(&self, at: Revision, groups: &[Group], happened: &[TxnId], is_news: bool) {
        if !groups.is_empty() {
            let reasons = self.shared.book().reasons(happened);
            let is_told = is_news && self.shared.feed.is_followed();
            apply(&self.store, &self.shared, at, groups, (&reasons, is_told));
        }
        let changed = groups.iter().map(|(_, key, _)| key);
        let now = self.timer.now();
        self.shared.book().advance(at, changed, happened, now);
        self.shared.feed.wake();
        self.shared.work.ring();
    }
}

/// Changes memory, some groups under each hold of the lock: whoever comes meanwhile waits for some of them only. Each group is
/// changed at once, and after each what is shown contradicts nothing, so a scrape in between sees some groups as they are now and
/// others as they were a moment ago. Nobody is told of an outcome before all is done. If everything goes, that is done at once.
fn apply(
    store: &Store,
    shared: &Shared,
    at: Revision,
    groups: &[Group],
    (reasons, is_told): (&BTreeMap<GroupingKey, By>, bool),
) {
    // What is put is read without the lock; what goes, goes together.
    let mut changes: BTreeMap<Revision, Vec<Change<'_>>> = BTreeMap::new();
    let mut gone: BTreeMap<(Revision, By), Vec<GroupingKey>> = BTreeMap::new();
    for (at, key, value) in groups {
        if let Some(value) = value {
            let put = put_of(&store.preparer, key, value);
            changes.entry(*at).or_default().extend(put);
        } else {
            let by = reasons.get(key).copied().unwrap_or(By::Request);
            gone.entry((*at, by)).or_default().push(key.clone());
        }
    }
    let going: usize = gone.values().map(Vec::len).sum();
    if changes.is_empty() && going > DELETED_AT_ONCE && is_everything(store, groups) {
        return wipe(store, shared, at, is_told);
    }
    for ((at, by), mut keys) in gone {
        keys.sort_unstable();
        let some = changes.entry(at).or_default();
        some.extend(keys.chunks(DELETED_AT_ONCE).map(|keys| Change::Delete {
            keys: Cow::Owned(keys.to_vec()),
            by,
        }));
    }
    let tell = Tell {
        before: false,
        effects: is_told,
    };
    let values = groups.iter();
    let values = values.filter_map(|(at, key, value)| Some(((*at, key), value.as_ref()?)));
    let values: BTreeMap<(Revision, &GroupingKey), &GroupValue> = values.collect();
    let changes = changes
        .into_iter()
        .flat_map(|(at, changes)| changes.into_iter().map(move |change| (at, change)));
    let mut guarded = store.lock();
    let mut began = guarded.state.work();
    for (at, change) in changes {
        if guarded.state.work() - began >= AT_ONCE {
            drop(guarded);
            let_others();
            guarded = store.lock();
            began = guarded.state.work();
        }
        let revision = crate::Revision(at.0);
        let mut pushes = Effects::None;
        if is_told && let Change::Put { key, lifetime, .. } = &change {
            let created = !guarded.state.has(key);
            let value = values.get(&(at, &**key));
            for effect in value.map_or_else(Vec::new, |value| {
                effects_of(revision, key, value, *lifetime, created)
            }) {
                pushes.add(effect);
            }
        }
        let publish = |effects| shared.feed.publish(effects, false);
        if is_heavy(store, &guarded.state, &change) {
            drop(guarded);
            let left = apply_aside(store, revision, change, publish);
            guarded = store.lock();
            began = guarded.state.work();
            if let Some(change) = left {
                let applied = guarded
                    .state
                    .apply_shared(&store.preparer, revision, [change], tell);
                publish(applied.effects);
            }
        } else {
            let applied = guarded
                .state
                .apply_shared(&store.preparer, revision, [change], tell);
            publish(applied.effects);
        }
        publish(pushes);
    }
    guarded.last = crate::Revision(at.0).max(guarded.last);
}

/// Whether a change puts so much, or in the place of so much, that it takes long.
fn is_heavy(store: &Store, state: &State, change: &Change<'_>) -> bool {
    match change {
        Change::Put { key, prepared, .. } => {
            let most = prepared.weight() + state.most_to_warm(prepared.families.len() as u64);
            most > store.few || state.is_heavy(key, store.few)
        }
        Change::Delete { keys, .. } => state.weight_of(keys.iter()) > store.few,
        Change::DeleteFamilies { .. } | Change::Wipe => false,
    }
}

/// Makes a change that takes long in a draft, some of it after the other. What is left of it, which contradicts something.
fn apply_aside<'c>(
    store: &Store,
    at: crate::Revision,
    change: Change<'c>,
    publish: impl Fn(Effects),
) -> Option<Change<'c>> {
    match change {
        Change::Put {
            key,
            mode,
            lifetime,
            prepared,
            cause,
        } => {
            let intent = Intent {
                key: &key,
                mode,
                counters: Counters::Total,
                // The lines are not copied.
                delta: Prepared {
                    families: prepared.families.clone(),
                    digest: prepared.digest,
                    text: Cow::Borrowed(&*prepared.text),
                    fingerprints: prepared.fingerprints.clone(),
                },
                lifetime,
                once: None,
                facts: Facts::NONE,
            };
            let is_done = store.take_over(at, &intent, cause, publish);
            drop(intent);
            (!is_done).then_some(Change::Put {
                key,
                mode,
                lifetime,
                prepared,
                cause,
            })
        }
        Change::Delete { keys, by } => {
            let mut left = keys.into_owned();
            left.retain(|key| !store.take_away(at, key, by, &publish));
            (!left.is_empty()).then_some(Change::Delete {
                keys: Cow::Owned(left),
                by,
            })
        }
        change => Some(change),
    }
}

/// Whether all groups that there are go.
fn is_everything(store: &Store, gone: &[Group]) -> bool {
    let gone: BTreeSet<&GroupingKey> = gone.iter().map(|(_, key, _)| key).collect();
    let (snapshot, held) = {
        let state = &store.lock().state;
        (snapshot_of(state), state.held_groups())
    };
    snapshot
        .keys()
        .iter()
        .chain(held.keys())
        .all(|key| gone.contains(key))
}

/// Removes everything, which takes no longer for much than for little.
fn wipe(store: &Store, shared: &Shared, at: Revision, is_told: bool) {
    let mut guarded = store.lock();
    let revision = crate::Revision(at.0);
    let tell = Tell {
        before: false,
        effects: is_told,
    };
    let applied = guarded
        .state
        .apply_shared(&store.preparer, revision, [Change::Wipe], tell);
    shared.feed.publish(applied.effects, false);
    guarded.last = revision.max(guarded.last);
}

/// What is to be told of the pushes of a value.
fn effects_of(
    revision: crate::Revision,
    key: &GroupingKey,
    value: &GroupValue,
    lifetime: Option<Lifetime>,
    created: bool,
) -> Vec<Effect> {
    let (Why::Pushed(pushes) | Why::Reset { pushes, .. }) = &value.why else {
        return Vec::new();
    };
    let pushes = pushes.iter().enumerate().map(|(number, push)| Stored {
        mode: push.mode,
        created: created && number == 0,
        families: usize::try_from(push.families).unwrap_or(usize::MAX),
        series: push.series,
        bytes: push.bytes,
        pushed_at: push.pushed_at,
        lifetime,
        facts: push.facts,
    });
    let effects = pushes.map(|stored| Effect {
        revision,
        key: Some(key.clone()),
        what: What::Pushed(stored),
    });
    effects.collect()
}

fn put_of<'a>(preparer: &Preparer, key: &'a GroupingKey, value: &'a GroupValue) -> Option<Change<'a>> {
    let changes = record::decode(&value.record, preparer).ok()?;
    let Some(Change::Put {
        lifetime, prepared, ..
    }) = changes.into_iter().next()
    else {
        return None;
    };
    let cause = match value.why {
        // Pushes are told one by one, see `effects_of`.
        Why::Pushed(_) | Why::FamiliesDeleted => Cause::Again,
        Why::Refused => Cause::Refusal,
        Why::Restored => Cause::Restore,
        Why::Expired => Cause::Expiry,
        Why::Reset { at, .. } => Cause::Reset(at),
    };
    Some(Change::Put {
        key: Cow::Borrowed(key),
        mode: PushMode::ReplaceGroup,
        lifetime,
        prepared,
        cause,
    })
}
