//! Changes of many groups at once: pushes that carry several groups, deletion by selector, expiry.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use wharf_model::{Exposition, GroupingKey, Selector};

use crate::checks::Incoming;
use crate::clashes::Clashes;
use crate::lifetime::{Lifetime, Ttl};
use crate::merge;
use crate::prepare::Prepared;
use crate::record::Several;
use crate::state::{State, Undo};
use crate::store::{Commit, Guarded, PushMode, Store};
use crate::{PushError, UnixNanos};

/// What a push of several groups brings to one of them.
#[derive(Debug)]
pub struct GroupPush<'a> {
    /// The group.
    pub key: GroupingKey,
    /// What it is to hold.
    pub exposition: Exposition<'a>,
    /// For how long it is to live.
    pub ttl: Option<Ttl>,
}

/// Why a push of several groups is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRefused {
    /// The first group that is to blame; none if the ledger takes nothing.
    pub key: Option<GroupingKey>,
    /// What is wrong with it.
    pub error: PushError,
    /// Other groups that contradict themselves or what is stored.
    pub others: Vec<(GroupingKey, Clashes)>,
    /// How many there are beyond these.
    pub more: usize,
}

impl fmt::Display for GroupRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "group {key}: ")?;
        }
        self.error.fmt(f)?;
        for (key, clashes) in &self.others {
            write!(f, "\ngroup {key}: {clashes}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more groups"),
        }
    }
}

impl std::error::Error for GroupRefused {}

/// What [`Store::expire`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Groups that are gone.
    pub deleted: Vec<GroupingKey>,
    /// Groups of which the push times are left.
    pub kept_times: usize,
}

/// Groups of a refused push that are named beside the first one.
const MAX_OTHERS: usize = 10;

/// Groups that expire under one hold of the lock: some milliseconds.
const EXPIRED_AT_ONCE: usize = 512;

impl Store {
    /// Pushes to several groups: to all of them, or to none.
    ///
    /// A snapshot has all of it or nothing, and so has the ledger, where it is one record. The lock is held while
    /// all is stored, so whoever calls this should bound the number of groups.
    ///
    /// # Errors
    /// The first group that is refused, and why; its failure time moves as after [`Store::push_with_ttl`], and no
    /// other's. Groups behind it that contradict something are named too.
    pub fn push_all(
        &self,
        pushes: &[GroupPush<'_>],
        mode: PushMode,
        now: UnixNanos,
    ) -> Result<Commit, GroupRefused> {
        match self.try_push_all(pushes, mode, now) {
            Ok(commit) => Ok(commit),
            Err((Some(push), error)) => {
                let lifetime = push.ttl.map(|ttl| ttl.from(now));
                self.record_failure(&push.key, &error, lifetime, now);
                Err(self.explain_all(pushes, push, mode, now, error))
            }
            Err((None, error)) => Err(GroupRefused {
                key: None,
                error,
                others: Vec::new(),
                more: 0,
            }),
        }
    }

    /// The refusal of a push of several groups with all that it contradicts, from the group on that was refused first.
    fn explain_all(
        &self,
        pushes: &[GroupPush<'_>],
        first: &GroupPush<'_>,
        mode: PushMode,
        now: UnixNanos,
        error: PushError,
    ) -> GroupRefused {
        let mut refused = GroupRefused {
            key: Some(first.key.clone()),
            error,
            others: Vec::new(),
            more: 0,
        };
        if !matches!(refused.error, PushError::Inconsistent(_)) {
            return refused;
        }
        let mut pushes = pushes.iter().skip_while(|push| !std::ptr::eq(*push, first));
        pushes.next();
        if let Some(clashes) = self.survey_group(first, mode, now) {
            refused.error = clashes.into();
        }
        for push in pushes {
            match self.survey_group(push, mode, now) {
                Some(clashes) if refused.others.len() < MAX_OTHERS => {
                    refused.others.push((push.key.clone(), clashes));
                }
                Some(_) => refused.more += 1,
                None => {}
            }
        }
        refused
    }

    /// What one of several groups contradicts.
    fn survey_group(&self, push: &GroupPush<'_>, mode: PushMode, now: UnixNanos) -> Option<Clashes> {
        let GroupPush { key, exposition, .. } = push;
        let refused = match self.preparer.prepare(key, exposition, now) {
            Err(unfit) => self.explain_unfit(key, mode, unfit),
            Ok(prepared) if mode == PushMode::ReplaceSeries => {
                let stored = self.lock().state.image_of(key, prepared.names());
                match merge::merge(&self.preparer, key, exposition, &prepared, &stored) {
                    Err(error) => self.explain_merge(key, &prepared, error),
                    Ok(merged) => {
                        let prepared = &self.preparer.prepare(key, &merged, now).ok()?;
                        return self.clashes_of(Incoming { key, mode, prepared });
                    }
                }
            }
            Ok(prepared) => {
                let prepared = &prepared;
                return self.clashes_of(Incoming { key, mode, prepared });
            }
        };
        match refused {
            PushError::Inconsistent(clashes) => Some(clashes),
            _ => None,
        }
    }

    fn try_push_all<'p>(
        &self,
        pushes: &'p [GroupPush<'p>],
        mode: PushMode,
        now: UnixNanos,
    ) -> Result<Commit, (Option<&'p GroupPush<'p>>, PushError)> {
        // Without the lock. What comes after a push that is refused is not looked at.
        let mut prepared = Vec::with_capacity(pushes.len());
        for push in pushes {
            let one = self.preparer.prepare(&push.key, &push.exposition, now);
            prepared.push(one.map_err(PushError::from));
            if prepared.last().is_some_and(Result::is_err) {
                break;
            }
        }
        let mut record = self.has_ledger().then(Several::new);
        let mut guarded = self.lock();
        let mut undos = Vec::with_capacity(pushes.len());
        for (push, prepared) in pushes.iter().zip(prepared) {
            let done = prepared
                .and_then(|prepared| self.put_one(&mut guarded, push, prepared, mode, now, record.as_mut()));
            match done {
                Ok(undo) => undos.push(undo),
                Err(error) => {
                    guarded.state.undo(&self.preparer, Undo::Several(undos));
                    Self::unlock(guarded);
                    return Err((Some(push), error));
                }
            }
        }
        let undo = Undo::Several(undos);
        let commit = self.append(&mut guarded, record.map(Several::finish));
        if commit.is_ok() {
            self.book_undo(&mut guarded, undo);
        } else {
            guarded.state.undo(&self.preparer, undo);
        }
        Self::unlock(guarded);
        commit.map_err(|error| (None, error))
    }

    /// Stores one of several groups, adds it to the record, and says how to take it back.
    fn put_one(
        &self,
        guarded: &mut Guarded,
        push: &GroupPush<'_>,
        prepared: Prepared<'_>,
        mode: PushMode,
        now: UnixNanos,
        record: Option<&mut Several>,
    ) -> Result<Undo, PushError> {
        let (preparer, key) = (&self.preparer, &push.key);
        guarded.state.check_push(&prepared)?;
        let merged;
        let prepared = if mode == PushMode::ReplaceSeries {
            let stored = guarded.state.image_of(key, prepared.names());
            merged = merge::merge(preparer, key, &push.exposition, &prepared, &stored)?;
            preparer.prepare(key, &merged, now)?
        } else {
            prepared
        };
        guarded.admit(preparer, key, mode, &prepared)?;
        let lifetime = push.ttl.map(|ttl| ttl.from(now));
        if let Some(record) = record {
            record.put(key, mode, lifetime, prepared.parts());
        }
        Ok(guarded.state.put(preparer, key, mode, lifetime, prepared, true))
    }

    /// Removes families of a group; how many there were. The group and its push times stay.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn delete_families(&self, key: &GroupingKey, names: &[&str]) -> Result<(usize, Commit), PushError> {
        let record = self.has_ledger().then(|| {
            let mut record = Several::new();
            record.delete_families(key, names.iter().copied());
            record.finish()
        });
        let mut guarded = self.lock();
        let commit = self.append(&mut guarded, record)?;
        let undo = guarded.state.undo_of_delete_families(key, names);
        let removed = guarded.state.delete_families(&self.preparer, key, names);
        self.book_undo(&mut guarded, undo);
        Self::unlock(guarded);
        Ok((removed, commit))
    }

    /// The groups that one of the selectors selects, and that were pushed before a time if one is given, sorted by
    /// key. Looks at every group, without keeping anybody waiting.
    ///
    /// Pushed means the last successful push, or the refused one that made the group.
    pub fn matching(&self, selectors: &[Selector], pushed_before: Option<UnixNanos>) -> Vec<GroupingKey> {
        self.snapshot().keys_matching(selectors, pushed_before)
    }

    /// Removes the groups that [`Self::matching`] gives: all of them, or none. The keys of those that are gone.
    ///
    /// A group that is pushed meanwhile, so that it is not old enough any more, stays. The lock is held while the
    /// groups are removed, and the ledger has it as one record.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn delete_matching(
        &self,
        selectors: &[Selector],
        pushed_before: Option<UnixNanos>,
    ) -> Result<(Vec<GroupingKey>, Commit), PushError> {
        let mut keys = self.matching(selectors, pushed_before);
        let mut guarded = self.lock();
        let still = |state: &State, key: &GroupingKey| {
            let pushed_at = state.pushed_at(key);
            pushed_at.is_some_and(|at| pushed_before.is_none_or(|before| at < before))
        };
        keys.retain(|key| still(&guarded.state, key));
        // Also if there are none: the end of one may still be on the way to the disk, and this answer must not
        // overtake it.
        let record = self.has_ledger().then(|| {
            let mut record = Several::new();
            for key in &keys {
                record.delete(key);
            }
            record.finish()
        });
        let commit = self.append(&mut guarded, record)?;
        let undo = guarded.state.delete_all(&self.preparer, &keys, self.waits());
        self.book_undo(&mut guarded, undo);
        Self::unlock(guarded);
        Ok((keys, commit))
    }

    /// Lets the groups go whose time is over at `now`. Costs a look at the next deadline if there are none, and
    /// otherwise what they hold; the lock is given away every some hundred groups.
    ///
    /// Nobody needs to wait for the ledger: if it loses the record, the groups expire again.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing; the groups stay then.
    pub fn expire(&self, now: UnixNanos) -> Result<Expired, PushError> {
        let mut expired = Expired::default();
        loop {
            match self.expire_some(now, &mut expired) {
                Ok(true) => Self::give_way(),
                // What was done before counts; the next call is going to say what is wrong.
                Err(error) if expired == Expired::default() => return Err(error),
                Ok(false) | Err(_) => return Ok(expired),
            }
        }
    }

    /// Counts the time to live from `now` for groups whose push seems to be in the future by more than `tolerance`: the
    /// clock that told it was wrong, and they would live for as long as that. Says how many there were. Costs a look at
    /// every group that is to expire; the lock is given away every some hundred groups.
    ///
    /// It is kept as pushes are, so another start does not begin to count again. Nobody needs to wait for that.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn live_from(&self, now: UnixNanos, tolerance: Duration) -> Result<usize, PushError> {
        let tolerance = i64::try_from(tolerance.as_nanos()).unwrap_or(i64::MAX);
        let latest = UnixNanos(now.0.saturating_add(tolerance));
        let is_ahead = |lifetime: &Lifetime| lifetime.expires_at > lifetime.ttl.from(latest).expires_at;
        let lifetimes = self.lock().state.lifetimes().by_key().clone();
        let keys = lifetimes.iter().filter(|(_, lifetime)| is_ahead(lifetime));
        let keys: Vec<&GroupingKey> = keys.map(|(key, _)| key).collect();
        for (at, keys) in keys.chunks(EXPIRED_AT_ONCE).enumerate() {
            if at > 0 {
                Self::give_way();
            }
            self.set_lifetimes(keys, |lifetime| {
                is_ahead(&lifetime).then(|| lifetime.ttl.from(now))
            })?;
        }
        Ok(keys.len())
    }

    /// Sets the lifetimes of groups that have one, where `change` has another, under one hold of the lock.
    fn set_lifetimes(
        &self,
        keys: &[&GroupingKey],
        change: impl Fn(Lifetime) -> Option<Lifetime>,
    ) -> Result<(), PushError> {
        let mut guarded = self.lock();
        let changed = keys.iter().filter_map(|key| {
            let before = guarded.state.lifetimes().get(key)?;
            Some((*key, change(before)?))
        });
        let changed: Vec<(&GroupingKey, Lifetime)> = changed.collect();
        if changed.is_empty() {
            return Ok(());
        }
        // A push of no families changes nothing else.
        let nothing = || Prepared::empty(Cow::Borrowed(&[]));
        let mode = PushMode::ReplaceFamilies;
        let record = self.has_ledger().then(|| {
            let mut record = Several::new();
            for (key, lifetime) in &changed {
                record.put(key, mode, Some(*lifetime), nothing().parts());
            }
            record.finish()
        });
        drop(self.append(&mut guarded, record)?);
        let undos = changed.into_iter().map(|(key, lifetime)| {
            let lifetime = Some(lifetime);
            guarded
                .state
                .put(&self.preparer, key, mode, lifetime, nothing(), self.waits())
        });
        let undos = undos.collect();
        self.book_undo(&mut guarded, Undo::Several(undos));
        Self::unlock(guarded);
        Ok(())
    }

    /// One hold of the lock; whether there may be more to do.
    fn expire_some(&self, now: UnixNanos, expired: &mut Expired) -> Result<bool, PushError> {
        let mut guarded = self.lock();
        let due = guarded.state.lifetimes().due(now, EXPIRED_AT_ONCE);
        if due.is_empty() {
            return Ok(false);
        }
        let nothing = || Prepared::empty(Cow::Borrowed(&[]));
        let mode = PushMode::ReplaceGroup;
        let record = self.has_ledger().then(|| {
            let mut record = Several::new();
            for (key, lifetime) in &due {
                if lifetime.ttl.keep_times {
                    record.put(key, mode, None, nothing().parts());
                } else {
                    record.delete(key);
                }
            }
            record.finish()
        });
        // Nobody waits for it.
        drop(self.append(&mut guarded, record)?);
        let mut undos = Vec::new();
        let has_more = due.len() == EXPIRED_AT_ONCE;
        let mut gone = Vec::with_capacity(due.len());
        for (key, lifetime) in due {
            if lifetime.ttl.keep_times {
                undos.push(
                    guarded
                        .state
                        .put(&self.preparer, &key, mode, None, nothing(), self.waits()),
                );
                expired.kept_times += 1;
            } else {
                gone.push(key);
            }
        }
        gone.sort_unstable();
        undos.push(guarded.state.delete_all(&self.preparer, &gone, self.waits()));
        self.book_undo(&mut guarded, Undo::Several(undos));
        Self::unlock(guarded);
        expired.deleted.append(&mut gone);
        Ok(has_more)
    }
}
