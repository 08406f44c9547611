//! The end of groups whose time is over.

use std::borrow::Cow;
use std::time::Duration;

use wharf_model::GroupingKey;

use crate::change::{Cause, Change};
use crate::effect::By;
use crate::lifetime::Lifetime;
use crate::mode::PushMode;
use crate::prepare::Prepared;
use crate::record::{self, Several};
use crate::store::Store;
use crate::write::local::Local;
use crate::write::lock::let_others;
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
            without: None,
        });
        let (_, commit) = local.change(&mut guarded, &self.preparer, record, changes)?;
        drop(commit);
        Ok(())
    }

    /// Some groups, under one hold of the lock; whether there may be more to do.
    fn expire_some(&self, local: &Local, now: UnixNanos, expired: &mut Expired) -> Result<bool, PushError> {
        let mut guarded = self.lock();
        let due = guarded.state.lifetimes().due(now, EXPIRED_AT_ONCE);
        if due.is_empty() {
            return Ok(false);
        }
        let large = due.iter().find(|(key, _)| {
            let key = std::slice::from_ref(key);
            guarded.state.has_large(key, self.few_families)
        });
        if let Some((key, lifetime)) = large {
            drop(guarded);
            self.expire_large(local, key, *lifetime, now, expired)?;
            return Ok(true);
        }
        let mode = PushMode::ReplaceGroup;
        let record = local.has_ledger().then(|| {
            let mut record = Several::new();
            for (key, lifetime) in &due {
                if lifetime.ttl.keep_times {
                    record.put(key, mode, None, Prepared::default().parts());
                } else {
                    record.delete(key);
                }
            }
            record.finish()
        });
        let has_more = due.len() == EXPIRED_AT_ONCE;
        let (kept, gone): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, lifetime)| lifetime.ttl.keep_times);
        let mut gone: Vec<GroupingKey> = gone.into_iter().map(|(key, _)| key).collect();
        gone.sort_unstable();
        let emptied = kept.iter().map(|(key, _)| Change::Put {
            key: Cow::Borrowed(key),
            mode,
            lifetime: None,
            prepared: Prepared::default(),
            cause: Cause::Expiry,
            without: None,
        });
        let deleted = Change::Delete {
            keys: Cow::Borrowed(&gone),
            by: By::Expiry,
            without: None,
        };
        let changes = emptied.chain([deleted]);
        // Nobody waits for it.
        let (_, commit) = local.change(&mut guarded, &self.preparer, record, changes)?;
        drop(commit);
        drop(guarded);
        expired.kept_times += kept.len();
        expired.deleted.append(&mut gone);
        Ok(has_more)
    }

    /// A group of very many families.
    fn expire_large(
        &self,
        local: &Local,
        key: &GroupingKey,
        lifetime: Lifetime,
        now: UnixNanos,
        expired: &mut Expired,
    ) -> Result<(), PushError> {
        let keys = std::slice::from_ref(key);
        let nothing = Prepared::default();
        let keeps_times = lifetime.ttl.keep_times;
        let (without, mut guarded) = self.hold_without(keys, keeps_times.then_some(&nothing));
        let still = guarded.state.lifetimes().get(key);
        if still.is_none_or(|still| still.expires_at > now || still.ttl.keep_times != keeps_times) {
            // It was pushed meanwhile, and is looked at again if it is due.
            return Ok(());
        }
        let mode = PushMode::ReplaceGroup;
        let (record, change) = if keeps_times {
            let change = Change::Put {
                key: Cow::Borrowed(key),
                mode,
                lifetime: None,
                prepared: Prepared::default(),
                cause: Cause::Expiry,
                without,
            };
            (record::put(key, mode, None, nothing.parts()), change)
        } else {
            let change = Change::Delete {
                keys: Cow::Borrowed(keys),
                by: By::Expiry,
                without,
            };
            (record::delete(key), change)
        };
        let record = local.has_ledger().then_some(record);
        let (applied, commit) = local.change_one(&mut guarded, &self.preparer, record, change)?;
        // Nobody waits for it.
        drop(commit);
        drop(guarded);
        self.forget_series(applied.taken);
        if keeps_times {
            expired.kept_times += 1;
        } else {
            expired.deleted.push(key.clone());
        }
        Ok(())
    }
}
