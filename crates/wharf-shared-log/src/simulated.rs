//! A log in memory behind a network that does what networks do.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

mod cluster;

use self::cluster::Cluster;
use crate::simulation::{Slot, lock};
use crate::{
    Batch, Committed, Entry, Key, LeaseId, Limits, Loaded, LogError, Revision, SharedLog, Simulation, Timer,
    Txn, Watch, WatchError,
};

/// When the engine itself gives up on an answer, as etcd does: long after callers should have.
const ENGINE_LIMIT: Duration = Duration::from_secs(7);
/// How often a watch without changes says how far it is.
const PROGRESS: Duration = Duration::from_millis(400);

/// Keys of a page.
const PAGE: usize = 3;

/// How badly a [`SimulatedLog`] is to be reached. The numbers are of a thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Longest way of a request to the log, and of its answer back.
    pub delay: Duration,
    /// Longest way of a batch to a watch, beyond that.
    pub watch_delay: Duration,
    /// Requests that never arrive.
    pub lost_requests: u64,
    /// Requests that have arrived, and whose answers never do.
    pub lost_answers: u64,
    /// Requests that arrive up to three seconds late, when nobody waits for them any more.
    pub late_requests: u64,
    /// Watches that end behind a batch.
    pub ended_watches: u64,
    /// Changes after which all history is forgotten.
    pub compactions: u64,
    /// Changes after which the next revision is missing, as if others used the engine.
    pub gaps: u64,
}

impl Default for Faults {
    /// A good network: up to 2 ms a way, no losses.
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(2),
            watch_delay: Duration::ZERO,
            lost_requests: 0,
            lost_answers: 0,
            late_requests: 0,
            ended_watches: 0,
            compactions: 0,
            gaps: 100,
        }
    }
}

impl Faults {
    /// A network in which everything happens now and then.
    pub fn bad() -> Self {
        Self {
            delay: Duration::from_millis(40),
            watch_delay: Duration::from_millis(200),
            lost_requests: 40,
            lost_answers: 40,
            late_requests: 40,
            ended_watches: 30,
            compactions: 30,
            gaps: 200,
        }
    }
}

/// One replica's way to a log in memory. [`Self::replica`] gives another way to the same log.
#[derive(Clone)]
pub struct SimulatedLog {
    simulation: Simulation,
    cluster: Arc<Mutex<Cluster>>,
    limits: Arc<Mutex<Limits>>,
    /// The watches of all replicas.
    watches: Arc<Mutex<Vec<Watching>>>,
    link: Arc<Mutex<Link>>,
}

/// A replica's link and a watch of it.
type Watching = (Weak<Mutex<Link>>, Weak<Mutex<Feed>>);

#[derive(Debug)]
struct Link {
    faults: Faults,
    /// Nothing gets to the log.
    is_cut: bool,
    /// Nothing gets back.
    is_deaf: bool,
}

/// A watch, as the network sees it.
#[derive(Debug)]
struct Feed {
    /// The last revision that was taken from the log.
    sent: Revision,
    arrived: VecDeque<Result<Batch, WatchError>>,
    waker: Option<Waker>,
    /// Whether the next batch is on its way.
    is_under_way: bool,
    is_over: bool,
}

/// What has come to a watch.
enum Taken {
    Batch,
    Nothing,
    /// It is cut off.
    Cut,
}

impl fmt::Debug for SimulatedLog {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SimulatedLog")
            .field("revision", &lock(&self.cluster).revision)
            .finish_non_exhaustive()
    }
}

impl SimulatedLog {
    /// An empty log, and the way of the first replica to it.
    pub fn new(simulation: &Simulation, faults: Faults) -> Self {
        let link = Link {
            faults,
            is_cut: false,
            is_deaf: false,
        };
        Self {
            simulation: simulation.clone(),
            cluster: Arc::default(),
            limits: Arc::default(),
            watches: Arc::default(),
            link: Arc::new(Mutex::new(link)),
        }
    }

    /// The way of another replica to the same log, with the same faults. Its network is its own.
    #[must_use]
    pub fn replica(&self) -> Self {
        let link = Link {
            faults: self.faults(),
            is_cut: false,
            is_deaf: false,
        };
        Self {
            link: Arc::new(Mutex::new(link)),
            ..self.clone()
        }
    }

    fn faults(&self) -> Faults {
        lock(&self.link).faults
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.link).faults = faults;
    }

    /// Sets how large things may be, for all replicas. Whoever has asked before does not ask again.
    pub fn set_limits(&self, limits: Limits) {
        *lock(&self.limits) = limits;
    }

    /// Cuts this replica off, in both directions, or ends that.
    pub fn set_cut(&self, is_cut: bool) {
        lock(&self.link).is_cut = is_cut;
    }

    /// Lets nothing get back to this replica while its requests arrive, or ends that.
    pub fn set_deaf(&self, is_deaf: bool) {
        lock(&self.link).is_deaf = is_deaf;
    }

    /// Whether the log is full.
    pub fn set_full(&self, is_full: bool) {
        lock(&self.cluster).is_full = is_full;
    }

    /// Lets the next transaction that brings something happen, and be answered as if the log had been full. It is full from then on.
    pub fn fill_with_next(&self) {
        lock(&self.cluster).becomes_full = true;
    }

    /// Forgets all history, whoever still needs it.
    pub fn forget_history(&self) {
        let mut cluster = lock(&self.cluster);
        let at = cluster.revision;
        cluster.compact(at);
    }

    /// Ends this replica's watches.
    pub fn end_watches(&self) {
        let watches = lock(&self.watches).clone();
        let own = watches
            .into_iter()
            .filter(|(link, _)| link.as_ptr() == Arc::as_ptr(&self.link));
        for feed in own.filter_map(|(_, feed)| feed.upgrade()) {
            end(
                &feed,
                WatchError::Ended {
                    reason: "the connection was reset".to_owned(),
                },
            );
        }
    }

    /// What the log has, whatever the network does.
    pub fn contents(&self) -> Loaded {
        lock(&self.cluster).load()
    }

    /// Sends a request: `work` is what it does at the log, whenever it gets there. Gives what comes back, or `lost`.
    async fn call<T: Send + 'static>(
        &self,
        lost: LogError,
        work: impl FnOnce(&mut Cluster) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let answer: Slot<Result<T, LogError>> = Slot::default();
        let simulation = &self.simulation;
        let faults = self.faults();
        let patience = Duration::from_millis(1 + simulation.below(ENGINE_LIMIT.as_secs() * 1000));
        {
            // Whatever happens to request and answer, the engine says at last that it does not know.
            let answer = answer.clone();
            simulation.after(patience, move || answer.fill(Err(lost)));
        }
        if !simulation.happens(faults.lost_requests) {
            let mut way = simulation.time_below(faults.delay);
            if simulation.happens(faults.late_requests) {
                way += simulation.time_below(Duration::from_secs(3));
            }
            let (to, back) = (self.clone(), answer.clone());
            simulation.after(way, move || to.arrive(work, back));
        }
        answer.await
    }

    /// A request is at the log.
    fn arrive<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Cluster) -> Result<T, LogError>,
        answer: Slot<Result<T, LogError>>,
    ) {
        if lock(&self.link).is_cut {
            return;
        }
        let (result, has_changed) = {
            let mut cluster = lock(&self.cluster);
            cluster.now = self.simulation.now();
            let before = cluster.revision;
            let result = work(&mut cluster);
            (result, cluster.revision != before)
        };
        let faults = self.faults();
        if has_changed {
            self.changed(faults);
        }
        if self.simulation.happens(faults.lost_answers) {
            return;
        }
        let to = self.clone();
        self.simulation
            .after(self.simulation.time_below(faults.delay), move || {
                let link = lock(&to.link);
                if !link.is_cut && !link.is_deaf {
                    answer.fill(result);
                }
            });
    }

    /// After a change.
    fn changed(&self, faults: Faults) {
        let mut cluster = lock(&self.cluster);
        if self.simulation.happens(faults.gaps) {
            cluster.revision.0 += 1;
        }
        if self.simulation.happens(faults.compactions) {
            let at = cluster.revision;
            cluster.compact(at);
        }
        drop(cluster);
        let watches = {
            let mut watches = lock(&self.watches);
            watches.retain(|(_, feed)| feed.strong_count() > 0);
            watches.clone()
        };
        for (link, feed) in watches {
            if let Some(link) = link.upgrade() {
                let log = Self { link, ..self.clone() };
                log.pump(&feed);
            }
        }
    }

    /// Brings the next batch to a watch, again and again as long as there is one.
    fn pump(&self, feed: &Weak<Mutex<Feed>>) {
        let Some(held) = feed.upgrade() else { return };
        {
            let mut held = lock(&held);
            if held.is_over || held.is_under_way {
                return;
            }
            held.is_under_way = true;
        }
        let faults = self.faults();
        let way = self.simulation.time_below(faults.delay)
            + self.simulation.time_below(faults.watch_delay)
            + Duration::from_micros(1);
        let (log, feed) = (self.clone(), feed.clone());
        self.simulation.after(way, move || {
            let Some(held) = feed.upgrade() else { return };
            let taken = log.take_next(&held);
            lock(&held).is_under_way = false;
            match taken {
                Taken::Nothing => {}
                Taken::Batch => log.pump(&feed),
                Taken::Cut => {
                    let again = log.clone();
                    let pause = Duration::from_millis(50);
                    log.simulation.after(pause, move || again.pump(&feed));
                }
            }
        });
    }

    /// Brings the next batch to a watch, if there is one.
    fn take_next(&self, feed: &Mutex<Feed>) -> Taken {
        {
            let link = lock(&self.link);
            if link.is_cut || link.is_deaf {
                return Taken::Cut;
            }
        }
        let next = lock(&self.cluster).next_after(lock(feed).sent);
        let next = match next {
            Ok(Some(batch)) => batch,
            Ok(None) => return Taken::Nothing,
            Err(error) => {
                end(feed, error);
                return Taken::Nothing;
            }
        };
        {
            let mut feed = lock(feed);
            feed.sent = next.at;
            feed.arrive(Ok(next));
        }
        if self.simulation.happens(self.faults().ended_watches) {
            let reason = "the connection was reset".to_owned();
            end(feed, WatchError::Ended { reason });
        }
        Taken::Batch
    }

    /// Says from time to time how far a watch is.
    fn tell_progress(&self, feed: &Weak<Mutex<Feed>>) {
        let Some(held) = feed.upgrade() else { return };
        let (is_cut, at) = {
            let link = lock(&self.link);
            (link.is_cut || link.is_deaf, lock(&self.cluster).revision)
        };
        {
            let mut held = lock(&held);
            let has_all = matches!(lock(&self.cluster).next_after(held.sent), Ok(None));
            if !is_cut && has_all && !held.is_over {
                held.sent = at;
                let changes = Vec::new();
                held.arrive(Ok(Batch { at, changes }));
            }
        }
        let (log, feed) = (self.clone(), feed.clone());
        self.simulation.after(PROGRESS, move || log.tell_progress(&feed));
    }

    /// Ends a lease when its time is over, unless it was lengthened.
    fn expire_later(&self, lease: LeaseId, time: Duration) {
        let log = self.clone();
        self.simulation.after(time + Duration::from_micros(1), move || {
            let now = log.simulation.now();
            let has_changed = {
                let mut cluster = lock(&log.cluster);
                let is_over = cluster.ends_at(lease).is_some_and(|end| end <= now);
                is_over && cluster.revoke(lease)
            };
            if has_changed {
                log.changed(log.faults());
            }
        });
    }

    /// How long a lease lives after a sign of life: a new leader may begin to count again.
    fn lifetime(&self, ttl: Duration) -> Duration {
        if self.simulation.happens(200) {
            ttl + self.simulation.time_below(ttl * 2)
        } else {
            ttl
        }
    }
}

impl Feed {
    fn arrive(&mut self, next: Result<Batch, WatchError>) {
        self.arrived.push_back(next);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn end(feed: &Mutex<Feed>, error: WatchError) {
    let mut feed = lock(feed);
    if !feed.is_over {
        feed.is_over = true;
        feed.arrive(Err(error));
    }
}

fn unknown() -> LogError {
    LogError::Unknown {
        reason: "request timed out".to_owned(),
    }
}

fn unreachable() -> LogError {
    LogError::Unreachable {
        reason: "request timed out".to_owned(),
    }
}

impl SharedLog for SimulatedLog {
    type Watch = SimulatedWatch;

    fn limits(&self) -> Limits {
        *lock(&self.limits)
    }

    async fn load(&self, without: Option<&Key>) -> Result<Loaded, LogError> {
        let without = without.cloned();
        self.call(unreachable(), move |cluster| {
            let mut loaded = cluster.load();
            let entries = &mut loaded.entries;
            entries.retain(|entry| {
                without
                    .as_ref()
                    .is_none_or(|without| !entry.key.starts_with(without))
            });
            Ok(loaded)
        })
        .await
    }

    async fn page(&self, beginning: &Key, after: Option<&Key>, at: Revision) -> Result<Vec<Entry>, LogError> {
        let (beginning, after) = (beginning.clone(), after.cloned());
        self.call(unreachable(), move |cluster| {
            let all = cluster.load_at(&beginning, at)?;
            let rest = all
                .into_iter()
                .filter(|entry| after.as_ref().is_none_or(|after| entry.key > *after));
            Ok(rest.take(PAGE).collect())
        })
        .await
    }

    async fn read(&self, key: &Key) -> Result<Option<Entry>, LogError> {
        let key = key.clone();
        self.call(unreachable(), move |cluster| Ok(cluster.read(&key)))
            .await
    }

    async fn commit(&self, txn: Txn) -> Result<Committed, LogError> {
        txn.check(&self.limits())?;
        self.call(unknown(), move |cluster| cluster.commit(txn)).await
    }

    async fn watch(&self, after: Revision) -> Result<SimulatedWatch, WatchError> {
        let checked = self.call(unreachable(), move |cluster| Ok(cluster.check_watch(after)));
        match checked.await {
            Ok(checked) => checked?,
            Err(error) => {
                let reason = error.to_string();
                return Err(WatchError::Ended { reason });
            }
        }
        let feed = Arc::new(Mutex::new(Feed {
            sent: after,
            arrived: VecDeque::new(),
            waker: None,
            is_under_way: false,
            is_over: false,
        }));
        let weak = Arc::downgrade(&feed);
        {
            let link = Arc::downgrade(&self.link);
            lock(&self.watches).push((link, weak.clone()));
        }
        self.pump(&weak);
        self.tell_progress(&weak);
        Ok(SimulatedWatch { feed })
    }

    async fn grant(&self, ttl: Duration) -> Result<LeaseId, LogError> {
        let lifetime = self.lifetime(ttl);
        let log = self.clone();
        self.call(unknown(), move |cluster| {
            let lease = cluster.grant(ttl, lifetime)?;
            log.expire_later(lease, lifetime);
            Ok(lease)
        })
        .await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), LogError> {
        let lifetime = lock(&self.cluster).ttl(lease).map(|ttl| self.lifetime(ttl));
        let Some(lifetime) = lifetime else {
            return self.call(unreachable(), |_| Err(LogError::NoLease)).await;
        };
        let log = self.clone();
        self.call(unknown(), move |cluster| {
            cluster.keep_alive(lease, lifetime)?;
            log.expire_later(lease, lifetime);
            Ok(())
        })
        .await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), LogError> {
        self.call(unknown(), move |cluster| {
            cluster.revoke(lease);
            Ok(())
        })
        .await
    }

    async fn compact(&self, at: Revision) -> Result<(), LogError> {
        self.call(unknown(), move |cluster| {
            cluster.compact(at);
            Ok(())
        })
        .await
    }
}

/// The changes of a [`SimulatedLog`].
#[derive(Debug)]
pub struct SimulatedWatch {
    feed: Arc<Mutex<Feed>>,
}

impl Watch for SimulatedWatch {
    async fn next(&mut self) -> Result<Batch, WatchError> {
        poll_fn(|context| {
            let mut feed = lock(&self.feed);
            if let Some(next) = feed.arrived.pop_front() {
                return Poll::Ready(next);
            }
            feed.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
