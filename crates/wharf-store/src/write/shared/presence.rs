//! This replica among the others: it says that it is there and what its clock says, and lets groups expire if that is for it
//! to do.
//!
//! Each replica writes its clock under its lease, again and again. "Now" of expiry is the smallest clock of those that are
//! there: a clock that is ahead makes nothing expire early. One that is behind makes groups live longer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wharf_shared_log::{
    Bytes, Committed, Delete, Expect, LeaseId, LogError, Put, Revision, SharedLog, Timer, Txn, timeout,
};

use super::book::Waiting;
use super::claim::claim;
use super::compaction::Compaction;
use super::intent::Op;
use super::queue::Shared;
use super::replicas::Replica;
use super::value::{SWEEPER, replica_key};
use crate::UnixNanos;
use crate::store::Store;

/// Groups that one sweep lets expire.
const AT_ONCE: usize = 512;
/// Leases after which the markers of a writer that is gone are removed.
const FORGOTTEN_AFTER: u32 = 60;
/// Minutes of ids that are removed one after the other.
const MINUTES_AT_ONCE: usize = 16;
/// How often it is looked at whether everything is loaded, at the start.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Sweeps for each time that a replica says that it is there.
const SWEEPS: u32 = 3;

/// Says again and again that this replica is there, and lets groups expire if it is for it to do so.
pub(super) async fn run<L: SharedLog, T: Timer>(
    store: Arc<Store>,
    shared: Arc<Shared>,
    log: Arc<L>,
    timer: T,
) {
    let pause = shared.sharing.lease / 3;
    let mut lease = None;
    let mut absent = Absent::new();
    let mut compaction = Compaction::default();
    loop {
        let held = tend(&shared, &*log, &timer, lease).await;
        let is_new = held.is_some() && held != lease;
        lease = held;
        shared.set_lease(lease);
        // Before everything is loaded it is not known what others have written.
        let is_loaded = shared.is_loaded();
        if is_loaded {
            claim(&shared, &*log, &timer).await;
        }
        if let Some(lease) = lease
            && (is_new || shared.replicas().sweeper.is_none())
        {
            stand_for_sweeper(&shared, &*log, &timer, lease).await;
        }
        if !is_loaded {
            // Whoever starts next is to find the settings of this replica, so they are claimed before it is ready.
            until_loaded(&shared, &timer, pause).await;
            continue;
        }
        for _ in 0..SWEEPS {
            timer.sleep(pause / SWEEPS).await;
            if lease.is_some() {
                sweep(&store, &shared);
            }
        }
        if shared.is_sweeper() {
            tidy(&shared, &*log, &timer, &mut absent).await;
            if shared.sharing.compacts {
                compaction.run(&shared, &*log, &timer).await;
            }
            forget_ids(&store, &shared, &*log, &timer).await;
        }
    }
}

/// Ends the presence of this replica at once, so that nobody waits until its lease is over.
pub(super) async fn leave<L: SharedLog, T: Timer>(shared: Arc<Shared>, log: Arc<L>, timer: T) {
    if let Some(lease) = shared.lease() {
        // If it does not get through, the lease ends by itself.
        drop(timeout(&timer, shared.sharing.answer_limit, log.revoke(lease)).await);
    }
}

/// Waits until everything is loaded, and at most so long.
async fn until_loaded(shared: &Shared, timer: &impl Timer, limit: Duration) {
    let end = timer.now() + limit;
    while !shared.is_loaded() && timer.now() < end {
        timer.sleep(LOOK_EVERY.min(limit)).await;
    }
}

/// Writers that have left markers and are not there, and since when.
type Absent = BTreeMap<u64, Duration>;

/// Removes the markers of writers that have not been there for so many times of a lease. One that comes back after that finds
/// out, and goes on.
async fn tidy<L: SharedLog>(shared: &Shared, log: &L, timer: &impl Timer, absent: &mut Absent) {
    let now = timer.now();
    let orphans = shared.replicas().orphans();
    absent.retain(|writer, _| orphans.contains_key(writer));
    for (writer, keys) in orphans {
        let since = *absent.entry(writer).or_insert(now);
        if now < since + shared.sharing.lease * FORGOTTEN_AFTER {
            continue;
        }
        let deletes = keys.into_iter().map(|key| Delete {
            key,
            expect: Expect::Any,
        });
        let txn = Txn {
            deletes: deletes.collect(),
            ..Txn::default()
        };
        // If it does not get through, they are still there the next time.
        drop(timeout(timer, shared.sharing.answer_limit, log.commit(txn)).await);
    }
}

/// Removes ids of pushes whose time is over by the clocks of all, or of which there are too many.
async fn forget_ids<L: SharedLog>(store: &Store, shared: &Shared, log: &L, timer: &impl Timer) {
    let limits = store.lock().push_ids.limits();
    for _ in 0..MINUTES_AT_ONCE {
        let due = {
            let replicas = shared.replicas();
            let now = replicas.now(&shared.sharing.name);
            now.and_then(|now| replicas.ids.due(limits, now))
        };
        let Some(prefix) = due else { return };
        let txn = Txn {
            delete_prefixes: vec![prefix.clone()],
            ..Txn::default()
        };
        match timeout(timer, shared.sharing.answer_limit, log.commit(txn)).await {
            // The watch says the same.
            Some(Ok(_)) => shared.replicas().ids.remove(&prefix),
            // They are still there the next time.
            _ => return,
        }
    }
}

/// Keeps the lease alive, or gets one, and writes the clock under it. The lease, if that has worked.
async fn tend<L: SharedLog>(
    shared: &Shared,
    log: &L,
    timer: &impl Timer,
    lease: Option<LeaseId>,
) -> Option<LeaseId> {
    let limit = shared.sharing.answer_limit;
    let lease = match lease {
        Some(lease) => match timeout(timer, limit, log.keep_alive(lease)).await {
            Some(Err(LogError::NoLease)) => None,
            _ => Some(lease),
        },
        None => None,
    };
    let lease = match lease {
        Some(lease) => lease,
        None => timeout(timer, limit, log.grant(shared.sharing.lease))
            .await?
            .ok()?,
    };
    let put = Put {
        key: replica_key(&shared.sharing.name),
        value: own_word(shared, timer.now()).encode(),
        expect: Expect::Any,
        lease: Some(lease),
    };
    let puts = vec![put];
    let txn = Txn {
        puts,
        ..Txn::default()
    };
    match timeout(timer, limit, log.commit(txn)).await {
        Some(Err(LogError::NoLease)) => None,
        // A clock that is not written is written the next time.
        Some(Err(LogError::Full { reason })) => {
            shared.book().set_full(Some(reason));
            Some(lease)
        }
        Some(Ok(_)) => {
            shared.book().set_full(None);
            Some(lease)
        }
        _ => Some(lease),
    }
}

/// What this replica says of itself.
fn own_word(shared: &Shared, now: Duration) -> Replica {
    let (revision, lag) = {
        let book = shared.book();
        (book.applied().0, book.lag(now).unwrap_or_default())
    };
    let sharing = &shared.sharing;
    Replica {
        clock: sharing.clock.now(),
        writer: sharing.writer,
        revision,
        lag_ms: u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
        scraped_at: shared.scraped_at(),
        started_at: shared.started_at,
        address: sharing.address.clone(),
        version: sharing.version.clone(),
        rules: shared.rules().digest(),
    }
}

async fn stand_for_sweeper<L: SharedLog>(shared: &Shared, log: &L, timer: &impl Timer, lease: LeaseId) {
    let put = Put {
        key: Bytes::from_static(SWEEPER),
        value: Bytes::copy_from_slice(shared.sharing.name.as_bytes()),
        expect: Expect::Absent,
        lease: Some(lease),
    };
    let puts = vec![put];
    let txn = Txn {
        puts,
        ..Txn::default()
    };
    // Whoever it is now, the watch tells.
    let answer = timeout(timer, shared.sharing.answer_limit, log.commit(txn)).await;
    debug_assert!(
        !matches!(answer, Some(Ok(Committed::At(Revision(0))))),
        "a put has a revision"
    );
}

/// Proposes the end of groups whose time is over, if that is for this replica to do. Nobody needs to wait for it: what does
/// not get through is proposed again.
fn sweep(store: &Store, shared: &Shared) {
    let now = shared.replicas().now(&shared.sharing.name);
    let Some(now) = now.filter(|_| shared.is_sweeper()) else {
        return;
    };
    sweep_series(store, shared, now);
    let due = store.lock().state.lifetimes().due(now, AT_ONCE);
    if due.is_empty() || shared.admit().is_err() {
        return;
    }
    let deadline = (shared.now)() + shared.sharing.change_limit;
    {
        let mut book = shared.book();
        for (key, _) in due {
            book.add(key, Waiting::new(Op::Expire { now }, None, deadline));
        }
    }
    shared.work.ring();
}

/// The same of series whose time is over.
fn sweep_series(store: &Store, shared: &Shared, now: UnixNanos) {
    let deadline = (shared.now)() + shared.sharing.change_limit;
    // If it does not get through, it is proposed again.
    let again = i64::try_from(shared.sharing.change_limit.as_nanos()).unwrap_or(i64::MAX);
    let again = UnixNanos(now.0.saturating_add(again));
    for _ in 0..AT_ONCE {
        if shared.admit().is_err() {
            return;
        }
        let Some(key) = store.take_due_series(now) else {
            return;
        };
        if !store.looks_due(&key, now) {
            continue;
        }
        store.lock().state.note_series_end(&key, again);
        let op = Op::ExpireSeries { now };
        shared.book().add(key, Waiting::new(op, None, deadline));
        shared.work.ring();
    }
}
