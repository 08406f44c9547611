//! What the members of a simulated log agree on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Batch, Change, Committed, Entry, Key, LeaseId, Loaded, LogError, Put, Revision, Txn, WatchError,
};

#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) now: Duration,
    pub(super) revision: Revision,
    pub(super) is_full: bool,
    /// The next transaction that brings something happens, and is answered as one that finds the log full.
    pub(super) becomes_full: bool,
    keys: BTreeMap<Key, Stored>,
    /// The batches after `compacted`, each with what was there before it.
    history: VecDeque<(Batch, Vec<Before>)>,
    /// What was there before the changes that are being made.
    before: Vec<Before>,
    compacted: Revision,
    leases: BTreeMap<LeaseId, Lease>,
    last_lease: i64,
}

/// A key, and what it had before a batch.
type Before = (Key, Option<Stored>);

#[derive(Debug, Clone)]
struct Stored {
    value: Bytes,
    at: Revision,
    lease: Option<LeaseId>,
}

#[derive(Debug)]
struct Lease {
    ttl: Duration,
    ends_at: Duration,
}

impl Cluster {
    pub(super) fn load(&self) -> Loaded {
        let entries = self.keys.iter().map(|(key, stored)| stored.entry(key));
        Loaded {
            at: self.revision,
            entries: entries.collect(),
        }
    }

    /// All keys that begin so, as they were at a revision.
    pub(super) fn load_at(&self, beginning: &Key, at: Revision) -> Result<Vec<Entry>, LogError> {
        if at < self.compacted {
            return Err(LogError::Forgotten);
        }
        let mut keys = self.keys.clone();
        let later = self.history.iter().rev().take_while(|(batch, _)| batch.at > at);
        for (key, before) in later.flat_map(|(_, before)| before.iter().rev()) {
            match before {
                Some(stored) => drop(keys.insert(key.clone(), stored.clone())),
                None => drop(keys.remove(key)),
            }
        }
        let of_it = keys.iter().filter(|(key, _)| key.starts_with(beginning));
        Ok(of_it.map(|(key, stored)| stored.entry(key)).collect())
    }

    pub(super) fn read(&self, key: &Key) -> Option<Entry> {
        self.keys.get(key).map(|stored| stored.entry(key))
    }

    pub(super) fn commit(&mut self, txn: Txn) -> Result<Committed, LogError> {
        check_keys(&txn)?;
        let full = || LogError::Full {
            reason: "database space exceeded".to_owned(),
        };
        if self.is_full && !txn.puts.is_empty() {
            return Err(full());
        }
        if std::mem::take(&mut self.becomes_full) && !txn.puts.is_empty() {
            // It happens, and its answer says something else.
            self.commit(txn)?;
            self.is_full = true;
            return Err(full());
        }
        let leases = txn.puts.iter().filter_map(|put| put.lease);
        if leases.into_iter().any(|lease| !self.leases.contains_key(&lease)) {
            return Err(LogError::NoLease);
        }
        let stale = txn.expectations().filter(|(key, expect)| {
            let found = self.keys.get(*key).map(|stored| stored.at);
            !expect.holds(found)
        });
        let stale: BTreeSet<Key> = stale.map(|(key, _)| key.clone()).collect();
        if !stale.is_empty() {
            return Ok(Committed::Stale {
                at: self.revision,
                keys: stale.into_iter().collect(),
            });
        }
        let at = Revision(self.revision.0 + 1);
        let mut changes = Vec::new();
        for prefix in &txn.delete_prefixes {
            let keys = self.keys.keys().filter(|key| key.starts_with(prefix));
            let keys: Vec<Key> = keys.cloned().collect();
            changes.extend(keys.into_iter().filter_map(|key| self.remove(key)));
        }
        let deletes = txn.deletes.into_iter();
        changes.extend(deletes.filter_map(|delete| self.remove(delete.key)));
        changes.extend(txn.puts.into_iter().map(|put| self.put(put, at)));
        if changes.is_empty() {
            return Ok(Committed::At(self.revision));
        }
        self.push(Batch { at, changes });
        Ok(Committed::At(at))
    }

    fn put(&mut self, put: Put, at: Revision) -> Change {
        let stored = Stored {
            value: put.value.clone(),
            at,
            lease: put.lease,
        };
        let before = self.keys.insert(put.key.clone(), stored);
        self.before.push((put.key.clone(), before));
        Change::Put {
            key: put.key,
            value: put.value,
        }
    }

    fn remove(&mut self, key: Key) -> Option<Change> {
        let before = self.keys.remove(&key)?;
        self.before.push((key.clone(), Some(before)));
        Some(Change::Delete { key })
    }

    fn push(&mut self, batch: Batch) {
        self.revision = batch.at;
        let before = std::mem::take(&mut self.before);
        self.history.push_back((batch, before));
    }

    /// The next batch after a revision, if there is one yet.
    pub(super) fn next_after(&self, after: Revision) -> Result<Option<Batch>, WatchError> {
        self.check_watch(after)?;
        let next = self.history.partition_point(|(batch, _)| batch.at <= after);
        Ok(self.history.get(next).map(|(batch, _)| batch.clone()))
    }

    pub(super) fn check_watch(&self, after: Revision) -> Result<(), WatchError> {
        let before = self.compacted;
        if after < before {
            return Err(WatchError::Compacted { before });
        }
        Ok(())
    }

    pub(super) fn compact(&mut self, at: Revision) {
        self.compacted = self.compacted.max(at.min(self.revision));
        let compacted = self.compacted;
        self.history.retain(|(batch, _)| batch.at > compacted);
    }

    pub(super) fn grant(&mut self, ttl: Duration, lifetime: Duration) -> Result<LeaseId, LogError> {
        if self.is_full {
            return Err(LogError::Full {
                reason: "database space exceeded".to_owned(),
            });
        }
        self.last_lease += 1;
        let id = LeaseId(self.last_lease);
        let ends_at = self.now + lifetime;
        self.leases.insert(id, Lease { ttl, ends_at });
        Ok(id)
    }

    pub(super) fn ttl(&self, lease: LeaseId) -> Option<Duration> {
        self.leases.get(&lease).map(|lease| lease.ttl)
    }

    pub(super) fn ends_at(&self, lease: LeaseId) -> Option<Duration> {
        self.leases.get(&lease).map(|lease| lease.ends_at)
    }

    pub(super) fn keep_alive(&mut self, lease: LeaseId, lifetime: Duration) -> Result<(), LogError> {
        let ends_at = self.now + lifetime;
        let lease = self.leases.get_mut(&lease).ok_or(LogError::NoLease)?;
        lease.ends_at = lease.ends_at.max(ends_at);
        Ok(())
    }

    /// Whether a key went with the lease.
    pub(super) fn revoke(&mut self, lease: LeaseId) -> bool {
        if self.leases.remove(&lease).is_none() {
            return false;
        }
        let under = self.keys.iter().filter(|(_, stored)| stored.lease == Some(lease));
        let under: Vec<Key> = under.map(|(key, _)| key.clone()).collect();
        let changes: Vec<Change> = under.into_iter().filter_map(|key| self.remove(key)).collect();
        let has_changed = !changes.is_empty();
        if has_changed {
            let at = Revision(self.revision.0 + 1);
            self.push(Batch { at, changes });
        }
        has_changed
    }
}

impl Stored {
    fn entry(&self, key: &Key) -> Entry {
        Entry {
            key: key.clone(),
            value: self.value.clone(),
            at: self.at,
        }
    }
}

/// Refuses what etcd refuses: no operation, an empty key, a key that is changed twice.
fn check_keys(txn: &Txn) -> Result<(), LogError> {
    let refuse = |reason: &str| {
        Err(LogError::Refused {
            reason: reason.to_owned(),
        })
    };
    let puts = txn.puts.iter().map(|put| &put.key);
    let changed: Vec<&Key> = puts.chain(txn.deletes.iter().map(|delete| &delete.key)).collect();
    if txn.operations() == 0 {
        return refuse("expected an operation");
    }
    let mut all = txn.expectations().map(|(key, _)| key).chain(&txn.delete_prefixes);
    if changed.iter().any(|key| key.is_empty()) || all.any(Bytes::is_empty) {
        return refuse("key is not provided");
    }
    let once: BTreeSet<&Key> = changed.iter().copied().collect();
    let is_below = |key: &Key| {
        let mut prefixes = txn.delete_prefixes.iter();
        prefixes.any(|prefix| key.starts_with(prefix))
    };
    if once.len() < changed.len() || changed.iter().any(|key| is_below(key)) {
        return refuse("duplicate key given in txn request");
    }
    Ok(())
}
