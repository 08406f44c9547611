//! The end of groups whose time is over.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use wharf_model::GroupingKey;

use crate::change::{Cause, Change};
use crate::effect::{By, Facts};
use crate::fold::Intent;
use crate::lifetime::Lifetime;
use crate::memory::state::State;
use crate::mode::{Counters, PushMode};
use crate::prepare::Prepared;
use crate::record::{self, Several};
use crate::store::Store;
use crate::write::commit::Commit;
use crate::write::local::Local;
use crate::write::lock::let_others;
use crate::write::shared::Op;
use crate::write::writer::Writer;
use crate::{PushError, UnixNanos};

/// Groups that expire under one hold of the lock: some milliseconds.
const EXPIRED_AT_ONCE: usize = 512;

/// What [`Store::expire`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Groups that are gone.
    pub deleted: Vec<GroupingKey>,
    /// Groups of which the push times are left.
    pub kept_times: usize,
}

impl Store {
    /// Lets the groups go whose time is over at `now`. Costs a look at the next deadline if there are none, and
    /// otherwise what they hold; the lock is given away every some hundred groups.
    ///
    /// Nobody needs to wait for the ledger: if it loses the record, the groups expire again.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing; the groups stay then.
    pub fn expire(&self, now: UnixNanos) -> Result<Expired, PushError> {
        let mut expired = Expired::default();
        let local = match &self.writer {
            Writer::Local(local) => local,
            // One of the replicas lets groups expire for all.
            Writer::Shared(_) => return Ok(expired),
        };
        loop {
            match self.expire_some(local, now, &mut expired) {
                Ok(true) => let_others(),
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
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(_) => return Ok(0),
        };
        let tolerance = i64::try_from(tolerance.as_nanos()).unwrap_or(i64::MAX);
        let latest = UnixNanos(now.0.saturating_add(tolerance));
        let is_ahead = |lifetime: &Lifetime| lifetime.expires_at > lifetime.ttl.from(latest).expires_at;
        let lifetimes = self.lock().state.lifetimes().by_key().clone();
        let keys = lifetimes.iter().filter(|(_, lifetime)| is_ahead(lifetime));
        let keys: Vec<&GroupingKey> = keys.map(|(key, _)| key).collect();
        for (at, keys) in keys.chunks(EXPIRED_AT_ONCE).enumerate() {
            if at > 0 {
                let_others();
            }
            self.set_lifetimes(local, keys, |lifetime| {
                is_ahead(&lifetime).then(|| lifetime.ttl.from(now))
            })?;
        }
        Ok(keys.len())
    }

    /// Lets families of a group go whose time is over, as whoever has pushed them says, and the group with the last of them; how many
    /// families there were. Nothing is kept of what has expired, so that cannot be undone.
    ///
    /// # Errors
    /// [`PushError::Unavailable`] if the ledger takes nothing.
    pub fn expire_families(&self, key: &GroupingKey, names: &[&str]) -> Result<(usize, Commit), PushError> {
        let by = By::Expiry;
        let names: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !crate::is_standing(name))
            .collect();
        let names = names.as_slice();
        let expires = |name: &str| names.contains(&name);
        // How many there are, and whether the group goes with them.
        let find = |state: &State| {
            let of_group = state.family_names(key).unwrap_or_default();
            let found = of_group.iter().filter(|name| expires(name)).count();
            let is_all = of_group
                .iter()
                .all(|name| crate::is_standing(name) || expires(name));
            (found, is_all && !state.is_expected(key))
        };
        let local = match &self.writer {
            Writer::Local(local) => local,
            Writer::Shared(shared) => {
                let (found, _) = find(&self.lock().state);
                // Whether that is all is asked of the group as it is then: somebody may have pushed to it.
                let commit = shared.change_all([key], || {
                    let names = names.iter().map(|name| (*name).to_owned());
                    Op::ExpireFamilies {
                        names: names.collect(),
                    }
                })?;
                return Ok((found, commit));
            }
        };
        let record = |is_all| {
            local.has_ledger().then(|| {
                if is_all {
                    return record::delete(key);
                }
                let mut several = Several::new();
                several.delete_families(key, names.iter().copied());
                several.finish()
            })
        };
        let keys = std::slice::from_ref(key);
        let mut guarded = self.lock();
        if !guarded.state.is_heavy(key, self.few) {
            let (found, is_all) = find(&guarded.state);
            let change = if is_all {
                let keys = Cow::Borrowed(keys);
                Change::Delete { keys, by }
            } else {
                Change::DeleteFamilies {
                    keys: Cow::Borrowed(keys),
                    names: names.to_vec(),
                    by,
                }
            };
            let record = record(is_all);
            let (_, commit) = local.change_one(&mut guarded, &self.preparer, record.as_deref(), change)?;
            return Ok((found, commit));
        }
        drop(guarded);
        let mut found = 0;
        let expired = self.change_aside(local, keys, |drafting| {
            let (families, is_all) = find(drafting.state());
            found = families;
            if is_all {
                drop(drafting.delete(keys, by));
            } else {
                drop(drafting.delete_families(keys, names, by));
            }
            Ok(record(is_all).map(Arc::new))
        });
        let commit = expired.map_err(|(_, error)| error)?;
        Ok((found, commit))
    }

    /// Sets the lifetimes of groups that have one, where `change` has another, under one hold of the lock.
    fn set_lifetimes(
        &self,
        local: &Local,
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
        let mode = PushMode::ReplaceFamilies;
        let record = local.has_ledger().then(|| {
            let mut record = Several::new();
            for (key, lifetime) in &changed {
                record.put(key, mode, Some(*lifetime), Prepared::default().parts());
            }
            record.finish()
        });
        let changes = changed.into_iter().map(|(key, lifetime)| Change::Put {
            key: Cow::Borrowed(key),
            mode,
            lifetime: Some(lifetime),
            prepared: Prepared::default(),
            cause: Cause::Lifetime,
        });
        let (_, commit) = local.change(&mut guarded, &self.preparer, record.as_deref(), changes)?;
        drop(commit);
        Ok(())
    }

    /// Some groups, under one hold of the lock; whether there may be more to do.
    fn expire_some(&self, local: &Local, now: UnixNanos, expired: &mut Expired) -> Result<bool, PushError> {
        let mut guarded = self.lock();
        let mut due = guarded.state.lifetimes().due(now, EXPIRED_AT_ONCE);
        for (key, lifetime) in &mut due {
            lifetime.ttl.keep_times |= guarded.state.is_expected(key);
        }
        if due.is_empty() {
            return Ok(false);
        }
        let has_more = due.len() == EXPIRED_AT_ONCE;
        if guarded.state.weight_of(due.iter().map(|(key, _)| key)) > self.few {
            drop(guarded);
            self.expire_aside(local, due, now, expired)?;
            return Ok(has_more);
        }
        let (record, kept, gone) = split(local, due);
        let emptied = kept.iter().map(|key| Change::Put {
            key: Cow::Borrowed(key),
            mode: PushMode::ReplaceGroup,
            lifetime: None,
            prepared: Prepared::default(),
            cause: Cause::Expiry,
        });
        let deleted = Change::Delete {
            keys: Cow::Borrowed(&gone),
            by: By::Expiry,
        };
        let changes = emptied.chain([deleted]);
        // Nobody waits for it.
        let (_, commit) = local.change(&mut guarded, &self.preparer, record.as_deref(), changes)?;
        drop(commit);
        drop(guarded);
        expired.kept_times += kept.len();
        expired.deleted.extend(gone);
        Ok(has_more)
    }

    /// The same of groups that have much.
    fn expire_aside(
        &self,
        local: &Local,
        mut due: Vec<(GroupingKey, Lifetime)>,
        now: UnixNanos,
        expired: &mut Expired,
    ) -> Result<(), PushError> {
        due.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let keys: Vec<GroupingKey> = due.into_iter().map(|(key, _)| key).collect();
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        let changed = self.change_aside(local, &keys, |drafting| {
            let state = drafting.state();
            let due = keys.iter().filter_map(|key| {
                // Some may have been pushed meanwhile.
                let mut lifetime = state.lifetimes().get(key)?;
                lifetime.ttl.keep_times |= state.is_expected(key);
                (lifetime.expires_at <= now).then(|| (key.clone(), lifetime))
            });
            let record;
            (record, kept, gone) = split(local, due.collect());
            for key in &kept {
                drafting.empty(&Intent {
                    key,
                    mode: PushMode::ReplaceGroup,
                    counters: Counters::Total,
                    delta: Prepared::default(),
                    lifetime: None,
                    once: None,
                    facts: Facts::NONE,
                })?;
            }
            drop(drafting.delete(&gone, By::Expiry));
            Ok(record.map(Arc::new))
        });
        // Nobody waits for it.
        drop(changed.map_err(|(_, error)| error)?);
        expired.kept_times += kept.len();
        expired.deleted.append(&mut gone);
        Ok(())
    }
}

/// The record of the end of groups, those that keep their times, and those that go, sorted by key.
fn split(
    local: &Local,
    due: Vec<(GroupingKey, Lifetime)>,
) -> (Option<Vec<u8>>, Vec<GroupingKey>, Vec<GroupingKey>) {
    let record = local.has_ledger().then(|| {
        let mut record = Several::new();
        for (key, lifetime) in &due {
            if lifetime.ttl.keep_times {
                let nothing = Prepared::default();
                record.put(key, PushMode::ReplaceGroup, None, nothing.parts());
            } else {
                record.delete(key);
            }
        }
        record.finish()
    });
    let (kept, gone): (Vec<_>, Vec<_>) = due.into_iter().partition(|(_, lifetime)| lifetime.ttl.keep_times);
    let keys = |groups: Vec<(GroupingKey, Lifetime)>| groups.into_iter().map(|(key, _)| key).collect();
    let (kept, mut gone): (Vec<GroupingKey>, Vec<GroupingKey>) = (keys(kept), keys(gone));
    gone.sort_unstable();
    (record, kept, gone)
}
