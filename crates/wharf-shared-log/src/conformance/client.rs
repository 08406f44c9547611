//! How the checks use a log: through interruptions, until they know.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Batch, Change, Delete, Entry, Expect, Key, Lane, LeaseId, Loaded, LogError, Put, Revision, Settled,
    SharedLog, Timer, Txn, Watch, WatchError, timeout,
};

/// Two ways to the same empty log.
#[derive(Debug)]
pub struct Replicas<L, T> {
    /// That of one replica.
    pub first: L,
    /// That of another.
    pub second: L,
    /// Time.
    pub timer: T,
}

/// How long an answer may take before it counts as lost.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// How long a watch may be silent before it is given up.
const SILENCE: Duration = Duration::from_secs(5);
/// A replica as the checks use it: it tries again until it knows.
pub(super) struct Client<L, T> {
    pub(super) log: L,
    pub(super) timer: T,
    lane: Lane,
}

impl<L: SharedLog, T: Timer> Client<L, T> {
    pub(super) fn new(log: L, timer: T, writer: u64) -> Self {
        let lane = Lane::new(key(&format!("marker/{writer}")), writer, 0, PATIENCE);
        Self { log, timer, lane }
    }

    /// What becomes of a transaction in the end.
    pub(super) async fn settle(&mut self, txn: Txn) -> Settled {
        loop {
            match self.lane.commit(&self.log, &self.timer, txn.clone()).await {
                Settled::Failed(LogError::Unreachable { .. }) => self.pause().await,
                settled => return settled,
            }
        }
    }

    /// Makes a transaction that has to succeed.
    pub(super) async fn commit(&mut self, txn: Txn) -> Revision {
        match self.settle(txn).await {
            Settled::Committed(at) => at,
            other => panic!("expected a commit, found {other:?}"),
        }
    }

    /// Makes one that must not.
    pub(super) async fn stale(&mut self, txn: Txn) -> Vec<Key> {
        match self.settle(txn).await {
            Settled::Stale { keys, .. } => keys,
            other => panic!("expected stale keys, found {other:?}"),
        }
    }

    /// Everything but the markers.
    pub(super) async fn load(&self) -> Loaded {
        self.load_without(None).await
    }

    /// The same, but for keys that begin so.
    pub(super) async fn load_without(&self, without: Option<&Key>) -> Loaded {
        loop {
            if let Some(Ok(mut loaded)) = timeout(&self.timer, PATIENCE, self.log.load(without)).await {
                loaded.entries.retain(|entry| !entry.key.starts_with(b"marker/"));
                return loaded;
            }
            self.pause().await;
        }
    }

    /// All keys that begin so, as they were then, page by page; none if that is forgotten.
    pub(super) async fn at(&self, beginning: &str, at: Revision) -> Option<Vec<Entry>> {
        let beginning = key(beginning);
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map(|entry| entry.key.clone());
            let page = self.log.page(&beginning, after.as_ref(), at);
            match timeout(&self.timer, PATIENCE, page).await {
                Some(Ok(page)) if page.is_empty() => return Some(entries),
                Some(Ok(page)) => entries.extend(page),
                Some(Err(LogError::Forgotten)) => return None,
                _ => self.pause().await,
            }
        }
    }

    pub(super) async fn read(&self, key: &Key) -> Option<Entry> {
        loop {
            if let Some(Ok(found)) = timeout(&self.timer, PATIENCE, self.log.read(key)).await {
                return found;
            }
            self.pause().await;
        }
    }

    pub(super) async fn grant(&self, ttl: Duration) -> LeaseId {
        loop {
            if let Some(Ok(lease)) = timeout(&self.timer, PATIENCE, self.log.grant(ttl)).await {
                return lease;
            }
            self.pause().await;
        }
    }

    /// Says no error but that the lease is over.
    pub(super) async fn keep_alive(&self, lease: LeaseId) -> bool {
        loop {
            match timeout(&self.timer, PATIENCE, self.log.keep_alive(lease)).await {
                Some(Ok(())) => return true,
                Some(Err(LogError::NoLease)) => return false,
                _ => self.pause().await,
            }
        }
    }

    pub(super) async fn compact(&self, at: Revision) {
        while !matches!(
            timeout(&self.timer, PATIENCE, self.log.compact(at)).await,
            Some(Ok(()))
        ) {
            self.pause().await;
        }
    }

    pub(super) async fn pause(&self) {
        self.timer.sleep(Duration::from_millis(20)).await;
    }

    pub(super) fn follow(&self, after: Revision) -> Follower<'_, L, T> {
        Follower {
            client: self,
            last: after,
            watch: None,
        }
    }
}

/// Follows a log through interruptions.
pub(super) struct Follower<'c, L: SharedLog, T> {
    client: &'c Client<L, T>,
    pub(super) last: Revision,
    watch: Option<L::Watch>,
}

impl<L: SharedLog, T: Timer> Follower<'_, L, T> {
    /// The next batch with or without changes; an error if history is forgotten.
    pub(super) async fn step(&mut self) -> Result<Batch, WatchError> {
        let timer = &self.client.timer;
        loop {
            let Some(watch) = &mut self.watch else {
                match timeout(timer, PATIENCE, self.client.log.watch(self.last)).await {
                    Some(Ok(watch)) => self.watch = Some(watch),
                    Some(Err(error @ WatchError::Compacted { .. })) => return Err(error),
                    _ => self.client.pause().await,
                }
                continue;
            };
            match timeout(timer, SILENCE, watch.next()).await {
                Some(Ok(batch)) => {
                    let is_next = if batch.changes.is_empty() {
                        batch.at >= self.last
                    } else {
                        batch.at > self.last
                    };
                    assert!(is_next, "{} after {}", batch.at, self.last);
                    self.last = batch.at;
                    return Ok(batch);
                }
                Some(Err(error @ WatchError::Compacted { .. })) => return Err(error),
                Some(Err(WatchError::Ended { .. })) | None => self.watch = None,
            }
        }
    }

    /// The next batch that changes anything but markers, without what it does to these.
    pub(super) async fn next(&mut self) -> Batch {
        loop {
            let mut batch = match self.step().await {
                Ok(batch) => batch,
                Err(error) => panic!("expected a batch, found: {error}"),
            };
            batch
                .changes
                .retain(|change| !change.key().starts_with(b"marker/"));
            if !batch.changes.is_empty() {
                batch.changes.sort_by(|a, b| a.key().cmp(b.key()));
                return batch;
            }
        }
    }
}

pub(super) fn key(text: &str) -> Key {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn put_of(name: &str, value: &str, expect: Expect) -> Put {
    Put {
        key: key(name),
        value: key(value),
        expect,
        lease: None,
    }
}

pub(super) fn put(name: &str, value: &str, expect: Expect) -> Txn {
    Txn {
        puts: vec![put_of(name, value, expect)],
        ..Txn::default()
    }
}

pub(super) fn delete(name: &str, expect: Expect) -> Txn {
    let deletes = vec![Delete {
        key: key(name),
        expect,
    }];
    Txn {
        deletes,
        ..Txn::default()
    }
}

pub(super) fn has(name: &str, value: &str) -> Change {
    Change::Put {
        key: key(name),
        value: key(value),
    }
}

pub(super) fn gone(name: &str) -> Change {
    Change::Delete { key: key(name) }
}

pub(super) fn names(loaded: &Loaded) -> Vec<&[u8]> {
    loaded.entries.iter().map(|entry| &*entry.key).collect()
}

pub(super) type Both<L, T> = (Client<L, T>, Client<L, T>);

pub(super) fn clients<L: SharedLog, T: Timer>(replicas: Replicas<L, T>) -> Both<L, T> {
    let first = Client::new(replicas.first, replicas.timer.clone(), 1);
    (first, Client::new(replicas.second, replicas.timer, 2))
}
