//! Puts groups back that were removed, in steps, each checked against what is stored by then.

use std::collections::VecDeque;
use std::sync::Arc;

use wharf_model::GroupingKey;

use crate::change::{Cause, Change};
use crate::effect::Facts;
use crate::fold::Intent;
use crate::lifetime::Lifetime;
use crate::memory::state::State;
use crate::mode::{Counters, PushMode};
use crate::prepare::{Prepared, PreparedFamily};
use crate::record::{self, Several};
use crate::removed::WhyLost;
use crate::removed::summary::Counts;
use crate::store::Store;
use crate::write::aside::Stopped;
use crate::write::commit::Commit;
use crate::write::fate::{Fate, Present, fate, push_time};
use crate::write::local::Local;
use crate::write::lock::let_others;
use crate::write::push::{NotNow, admit, change_of};
use crate::{PUSH_FAILURE_TIME, PushError, UnixNanos, is_standing};

/// Groups of each kind that are named, of those that do not come back.
const MOST_NAMED: usize = 1_000;
/// Bytes of records that wait for the disk, of those that put groups back, before it is waited for.
const MOST_ON_THE_WAY: usize = 32 << 20;
/// How often it is tried to put back a group that has very much while others change it.
const ATTEMPTS: usize = 8;

/// Why a removal is not undone.
#[derive(Debug)]
#[non_exhaustive]
pub enum UndoError {
    /// There is no such removal, or not any more.
    Unknown,
    /// It was undone then.
    Undone(UnixNanos),
    /// It cannot be undone.
    Lost(WhyLost),
    /// Somebody is just about to undo it.
    Busy,
    /// What was removed cannot be read.
    Unreadable(String),
    /// The ledger takes nothing.
    Unavailable(PushError),
}

/// Keys of groups: some, and how many more.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// The first ones.
    pub keys: Vec<GroupingKey>,
    /// How many there are beside these.
    pub more: u64,
}

impl Named {
    fn add(&mut self, key: &GroupingKey) {
        if self.keys.len() < MOST_NAMED {
            self.keys.push(key.clone());
        } else {
            self.more += 1;
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.keys.len() as u64 + self.more
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What came of undoing a removal, or would come of it.
#[derive(Debug, Default)]
pub struct Undone {
    /// Groups that came back, or got families back.
    pub groups: u64,
    /// Lines of these.
    pub series: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Groups that were pushed since, or got the family again: they stay as they are.
    pub kept: Named,
    /// Groups whose time is over.
    pub expired: Named,
    /// Groups that are not there, so that a family of theirs cannot come back.
    pub missing: Named,
    /// Groups that contradict what is stored now, or pass a limit, and why.
    pub refused: Vec<(GroupingKey, PushError)>,
    /// How many more there are of these.
    pub more_refused: u64,
}

impl Undone {
    /// Whether nothing is left that could come back later.
    pub fn is_complete(&self) -> bool {
        self.refused.is_empty()
    }

    pub(super) fn refuse(&mut self, key: &GroupingKey, error: PushError) {
        if self.refused.len() < MOST_NAMED {
            self.refused.push((key.clone(), error));
        } else {
            self.more_refused += 1;
        }
    }

    pub(super) fn restored(&mut self, counts: Counts) {
        self.groups += counts.groups;
        self.series += counts.series;
        self.bytes += counts.bytes;
    }
}

/// A group as it was, that may come back.
struct Image<'r> {
    key: GroupingKey,
    mode: PushMode,
    lifetime: Option<Lifetime>,
    prepared: Prepared<'r>,
}

/// What is to become of a group that was removed, by what is stored here.
fn fate_of(
    state: &State,
    (key, mode, lifetime): (&GroupingKey, PushMode, Option<Lifetime>),
    prepared: &Prepared<'_>,
    now: UnixNanos,
) -> Fate {
    let names = state.family_names(key);
    let has = |name: &str| names.as_ref().is_some_and(|names| names.has(name));
    let present = names.as_ref().map(|names| Present {
        has: &has,
        is_bare: names.iter().all(|name| is_standing(name))
            && !state.is_as_late(key, push_time(prepared).next_up()),
        lifetime: state.lifetimes().get(key),
    });
    fate(present, (mode, lifetime), &prepared.families, now)
}

/// Whether a group has one of these families.
fn has_some(state: &State, key: &GroupingKey, families: &[PreparedFamily<'_>]) -> bool {
    let names = state.family_names(key).unwrap_or_default();
    families.iter().any(|family| names.has(family.name))
}

impl Image<'_> {
    fn fate(&self, state: &State, now: UnixNanos) -> Fate {
        fate_of(state, (&self.key, self.mode, self.lifetime), &self.prepared, now)
    }

    /// Takes what does not come back out of what does.
    fn narrow(&mut self, state: &State, keeps_failure: bool) {
        if keeps_failure {
            self.prepared
                .families
                .retain(|family| family.name != PUSH_FAILURE_TIME);
        } else if self.mode == PushMode::ReplaceFamilies
            && let Some(names) = state.family_names(&self.key)
        {
            self.prepared.families.retain(|family| !names.has(family.name));
        }
    }

    fn counts(&self) -> Counts {
        let size = self.prepared.size();
        Counts {
            groups: 1,
            series: size.series,
            bytes: size.bytes,
        }
    }

    fn intent<'i>(
        key: &'i GroupingKey,
        prepared: Prepared<'i>,
        mode: PushMode,
        lifetime: Option<Lifetime>,
    ) -> Intent<'i> {
        Intent {
            key,
            mode,
            counters: Counters::Total,
            delta: prepared,
            lifetime,
            once: None,
            facts: Facts::NONE,
        }
    }
}

/// Puts groups back.
pub(super) struct PuttingBack<'s> {
    store: &'s Store,
    local: &'s Local,
    now: UnixNanos,
    dry_run: bool,
    undone: Undone,
    /// Of the steps that have not been waited for, oldest first, with the bytes of their records.
    commits: VecDeque<(Commit, usize)>,
    /// The sum of these.
    on_the_way: usize,
}

impl<'s> PuttingBack<'s> {
    /// Nothing has come back yet.
    pub(super) fn new(store: &'s Store, local: &'s Local, now: UnixNanos, dry_run: bool) -> Self {
        Self {
            store,
            local,
            now,
            dry_run,
            undone: Undone::default(),
            commits: VecDeque::new(),
            on_the_way: 0,
        }
    }

    /// Puts back what these records have.
    pub(super) fn put_back(&mut self, records: &[Vec<u8>]) -> Result<(), UndoError> {
        let (mut some, mut weight) = (Vec::new(), 0);
        let most_to_warm = self.store.lock().state.most_to_warm(1);
        for record in records {
            let Some(image) = self.image(record)? else {
                continue;
            };
            let families = image.prepared.families.len() as u64;
            let more = image.prepared.weight() + families * most_to_warm;
            if weight + more > self.store.few && !some.is_empty() {
                self.put_some(std::mem::take(&mut some))?;
                weight = 0;
            }
            if more > self.store.few {
                self.put_aside(record, image)?;
                continue;
            }
            weight += more;
            some.push((image, record));
        }
        self.put_some(some)
    }

    /// The group of a record; none if the record says something else.
    fn image<'r>(&self, record: &'r [u8]) -> Result<Option<Image<'r>>, UndoError> {
        if record::record_key(record).is_none() {
            return Ok(None);
        }
        let changes = record::decode(record, &self.store.preparer).map_err(|error| unreadable(&error))?;
        let image = changes.into_iter().find_map(|change| match change {
            Change::Put {
                key,
                mode,
                lifetime,
                prepared,
                ..
            } => Some(Image {
                key: key.into_owned(),
                mode,
                lifetime,
                prepared,
            }),
            _ => None,
        });
        Ok(image)
    }

    /// Puts back groups that have little, all together, under one hold of the lock.
    fn put_some(&mut self, images: Vec<(Image<'_>, &Vec<u8>)>) -> Result<(), UndoError> {
        if images.is_empty() {
            return Ok(());
        }
        let store = self.store;
        for (image, _) in &images {
            store.claims.wait_for(&image.key);
        }
        let mut heavy = Vec::new();
        let mut record = self.local.has_ledger().then(Several::new);
        let mut restored = Counts::default();
        let mut guarded = store.lock();
        let mut together = self.local.begin(&mut guarded, &store.preparer);
        for (mut image, bytes) in images {
            let fate = image.fate(together.state(), self.now);
            let Fate::Put {
                mode,
                lifetime,
                keeps_failure,
            } = fate
            else {
                self.undone.leave(&image.key, fate);
                continue;
            };
            image.narrow(together.state(), keeps_failure);
            let counts = image.counts();
            let Image { key, prepared, .. } = image;
            let intent = Image::intent(&key, prepared, mode, lifetime);
            match admit(together.state(), &store.preparer, &intent, store.few) {
                Ok(()) => {}
                Err(NotNow::Refused(error)) => {
                    self.undone.refuse(&key, error);
                    continue;
                }
                Err(NotNow::Heavy) => {
                    heavy.push(bytes);
                    continue;
                }
            }
            restored.add(counts);
            if self.dry_run {
                continue;
            }
            if let Some(record) = &mut record {
                record.put(&key, mode, lifetime, intent.delta.parts());
            }
            together.apply(change_of(intent, Cause::Restore));
        }
        if restored.groups > 0 && !self.dry_run {
            let record = record.map(Several::finish);
            let commit = together.finish(record.as_deref());
            let commit = commit.map_err(UndoError::Unavailable)?;
            self.wait_later(commit, record.map_or(0, |record| record.len()));
        } else {
            together.give_up();
        }
        drop(guarded);
        self.undone.restored(restored);
        for bytes in heavy {
            if let Some(image) = self.image(bytes)? {
                self.put_aside(bytes, image)?;
            }
        }
        self.let_others()
    }

    /// Puts back a group that has very much.
    fn put_aside(&mut self, bytes: &[u8], first: Image<'_>) -> Result<(), UndoError> {
        let (store, mut image) = (self.store, first);
        for _ in 0..ATTEMPTS {
            let (was, until) = (image.mode, image.lifetime);
            let fate = {
                let state = &store.lock().state;
                let fate = image.fate(state, self.now);
                if let Fate::Put { keeps_failure, .. } = fate {
                    image.narrow(state, keeps_failure);
                }
                fate
            };
            let Fate::Put { mode, lifetime, .. } = fate else {
                self.undone.leave(&image.key, fate);
                return Ok(());
            };
            let counts = image.counts();
            let Image { key, prepared, .. } = image;
            let intent = Image::intent(&key, prepared, mode, lifetime);
            let record = self.local.record_of(&intent).map(Arc::new);
            let record_bytes = record.as_ref().map_or(0, |record| record.len());
            let (mut is_another, dry_run, now) = (false, self.dry_run, self.now);
            let stored = store.change_aside(self.local, std::slice::from_ref(&key), |drafting| {
                let (state, families) = (drafting.state(), &intent.delta.families);
                is_another = fate_of(state, (&key, was, until), &intent.delta, now) != fate
                    || was == PushMode::ReplaceFamilies && has_some(state, &key, families);
                if is_another {
                    return Err(Stopped::Needless);
                }
                drafting.push(&intent, Cause::Restore)?;
                if dry_run {
                    return Err(Stopped::Needless);
                }
                Ok(record.clone())
            });
            match stored {
                Ok(_) if is_another => {}
                Ok(commit) => {
                    self.undone.restored(counts);
                    if !dry_run {
                        self.wait_later(commit, record_bytes);
                    }
                    return self.let_others();
                }
                Err((None, error)) => return Err(UndoError::Unavailable(error)),
                Err((Some(_), error)) => {
                    self.undone.refuse(&key, error);
                    return Ok(());
                }
            }
            // Somebody has pushed to it meanwhile.
            let Some(again) = self.image(bytes)? else {
                return Ok(());
            };
            image = again;
        }
        self.undone.leave(&image.key, Fate::Kept);
        Ok(())
    }

    fn wait_later(&mut self, commit: Commit, record_bytes: usize) {
        self.commits.push_back((commit, record_bytes));
        self.on_the_way += record_bytes;
    }

    /// Lets others have the lock, and waits for the disk while much is on the way there.
    fn let_others(&mut self) -> Result<(), UndoError> {
        let_others();
        while self.on_the_way > MOST_ON_THE_WAY
            && let Some((oldest, record_bytes)) = self.commits.pop_front()
        {
            self.on_the_way -= record_bytes;
            oldest.block().map_err(UndoError::Unavailable)?;
        }
        Ok(())
    }

    /// What has come of it, and what is to be waited for before that is safe.
    pub(super) fn finish(self) -> (Undone, Vec<Commit>) {
        let commits = self.commits.into_iter().map(|(commit, _)| commit);
        (self.undone, commits.collect())
    }
}

impl Undone {
    /// A group does not come back.
    pub(super) fn leave(&mut self, key: &GroupingKey, fate: Fate) {
        match fate {
            Fate::Put { .. } => {}
            Fate::Kept => self.kept.add(key),
            Fate::Expired => self.expired.add(key),
            Fate::Missing => self.missing.add(key),
        }
    }
}

/// What was removed cannot be read.
pub(super) fn unreadable(error: &impl ToString) -> UndoError {
    UndoError::Unreadable(error.to_string())
}
