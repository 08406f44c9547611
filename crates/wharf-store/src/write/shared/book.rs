//! What waits to be committed, what is on its way, and how far memory is.
//!
//! Changes wait by group. The changes of a group that wait together are folded into one value; while that is on its way, or
//! committed and not yet applied, later changes of the group wait. So nothing is ever folded from a value that this gateway
//! itself has overtaken.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_shared_log::{LogError, Revision, Settled, TxnId};

use super::intent::Op;
use super::outcome::Promise;
use super::value::group_of;
use crate::PushError;
use crate::effect::By;
use crate::removed::WhyLost;
use crate::write::commit::unavailable;

/// A change that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) op: Op,
    /// Who waits for it; none if nobody does.
    pub(super) promise: Option<Promise>,
    /// When whoever waits gives up.
    pub(super) deadline: Duration,
    /// Whether it is a push that has been made already, as far as is known.
    pub(super) is_repeated: bool,
    /// Whether he has.
    given_up: bool,
}

impl Waiting {
    pub(super) fn new(op: Op, promise: Option<Promise>, deadline: Duration) -> Self {
        Self {
            op,
            promise,
            deadline,
            is_repeated: false,
            given_up: false,
        }
    }

    /// Says what has become of it.
    pub(super) fn tell(self, told: Result<Revision, PushError>) {
        if let Some(promise) = self.promise {
            promise.tell(told.map(|revision| crate::Revision(revision.0)));
        }
    }
}

/// How much may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most changes.
    pub(super) changes: usize,
    /// Most bytes of them.
    pub(super) bytes: usize,
    /// How old memory may be.
    pub(super) max_lag: Duration,
    /// What the log is called.
    pub(super) engine: &'static str,
}

/// What a lane is to do.
#[derive(Debug)]
pub(super) enum Work {
    /// To fold these changes of a group.
    Group(GroupingKey, Vec<Waiting>),
    /// To remove everything.
    Wipe(Vec<Waiting>),
}

#[derive(Debug)]
struct Group {
    waiting: VecDeque<Waiting>,
    /// Whether changes of it are on their way.
    is_busy: bool,
    /// It was not as expected at this revision: memory has to have what changed it first.
    behind: Option<Revision>,
}

/// A transaction that is on its way, or committed and not yet applied.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) groups: Vec<(GroupingKey, Vec<Waiting>)>,
    pub(super) wipes: Vec<Waiting>,
    /// Whether it does more than to remove, so that a full log refuses it.
    brings: bool,
    /// Whether the log was known to be full when it was made.
    is_into_full: bool,
    /// When it was sent.
    sent: Duration,
    /// The revision that it has got, and when that was known.
    committed: Option<(Revision, Duration)>,
}

impl Flight {
    pub(super) fn new(groups: Vec<(GroupingKey, Vec<Waiting>)>, wipes: Vec<Waiting>, now: Duration) -> Self {
        Self {
            groups,
            wipes,
            brings: true,
            is_into_full: false,
            sent: now,
            committed: None,
        }
    }

    /// Whether it only removes, which a full log takes.
    pub(super) fn of_what_only_removes(self, only_removes: bool) -> Self {
        Self {
            brings: !only_removes,
            ..self
        }
    }

    /// Whether the log is known to be full.
    pub(super) fn into_full_log(self, is_full: bool) -> Self {
        Self {
            is_into_full: is_full,
            ..self
        }
    }
}

/// What came after a wipe that is not done yet.
#[derive(Debug)]
enum Later {
    Change(GroupingKey, Waiting),
    Wipe(Waiting),
}

/// Changes of a group that are folded together: their ids have to fit into a value.
const MOST_AT_ONCE: usize = 4096;

/// Traces of refused pushes: at most one a group in so much time.
const FAILURES_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Failures {
    written: Duration,
    next: Option<Op>,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    groups: BTreeMap<GroupingKey, Group>,
    /// Groups with changes, in the order in which these came; some may have none any more, or have to wait.
    ready: VecDeque<GroupingKey>,
    behind: BTreeSet<(Revision, GroupingKey)>,
    flights: BTreeMap<TxnId, Flight>,
    /// Wipes that wait until all before them is done.
    wipes: Vec<Waiting>,
    is_wiping: bool,
    later: VecDeque<Later>,
    failures: BTreeMap<GroupingKey, Failures>,
    /// Groups whose values cannot be read.
    unreadable_groups: BTreeSet<GroupingKey>,
    /// What went wrong when the log was asked last, for those who look after the gateway.
    pub(super) trouble: Option<String>,
    changes: usize,
    bytes: usize,
    /// Up to where memory has everything.
    applied: Revision,
    /// When that was last heard; none before memory has been loaded.
    heard: Option<Duration>,
    /// Why the log takes nothing more, if it has said so to the last transaction.
    pub(super) full: Option<String>,
    pub(super) statistics: Counts,
    /// Pushes that were answered as those with the same ids before, and not made again.
    pub(super) repeated: u64,
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Changes that were committed.
    pub changes: u64,
    /// Transactions that were committed.
    pub commits: u64,
    /// The time from the moment when each of these was sent until its answer, or the watch, told of it.
    pub commit_time: Duration,
    /// Transactions that were not, because another replica was quicker: folded again.
    pub stale: u64,
    /// Transactions that were sent in vain.
    pub failures: u64,
    /// How often everything was loaded: at the start, and when history was forgotten.
    pub loads: u64,
    /// Values that could not be read: a later version has written them.
    pub unreadable: u64,
}

impl Book {
    pub(super) fn applied(&self) -> Revision {
        self.applied
    }

    /// How old memory is; none before it has been loaded.
    pub(super) fn lag(&self, now: Duration) -> Option<Duration> {
        self.heard.map(|heard| now.saturating_sub(heard))
    }

    /// Whether memory is young enough for changes to be checked against it.
    pub(super) fn is_current(&self, bounds: &Bounds, now: Duration) -> Result<(), PushError> {
        let engine = bounds.engine;
        let Some(lag) = self.lag(now) else {
            return Err(unavailable(&format!(
                "the groups are still being loaded from {engine}"
            )));
        };
        if lag > bounds.max_lag {
            let seconds = lag.as_secs();
            return Err(unavailable(&format!(
                "nothing has been heard from {engine} for {seconds} seconds"
            )));
        }
        Ok(())
    }

    /// Whether a change may wait.
    pub(super) fn admit(&self, bounds: &Bounds, now: Duration) -> Result<(), PushError> {
        self.is_current(bounds, now)?;
        if self.changes >= bounds.changes || self.bytes >= bounds.bytes {
            let (changes, bytes, engine) = (self.changes, self.bytes, bounds.engine);
            return Err(unavailable(&format!(
                "{changes} changes of {bytes} bytes wait for {engine} already"
            )));
        }
        Ok(())
    }

    /// Changes that wait or are on their way.
    pub(super) fn waiting(&self) -> usize {
        self.changes
    }

    /// Adds a change of a group.
    pub(super) fn add(&mut self, key: GroupingKey, waiting: Waiting) {
        self.changes += 1;
        self.bytes += waiting.op.bytes();
        if self.wipes.is_empty() && !self.is_wiping {
            self.queue(key, waiting);
        } else {
            self.later.push_back(Later::Change(key, waiting));
        }
    }

    /// Adds a wipe. What came before is done first, what comes after waits.
    pub(super) fn add_wipe(&mut self, waiting: Waiting) {
        self.changes += 1;
        self.bytes += waiting.op.bytes();
        if self.is_wiping || !self.later.is_empty() {
            self.later.push_back(Later::Wipe(waiting));
        } else {
            self.wipes.push(waiting);
        }
        self.failures.clear();
    }

    /// Adds the trace of a refused push, soon: those of a group that come quickly become one.
    pub(super) fn add_failure(&mut self, key: &GroupingKey, op: Op, now: Duration) {
        if let Some(failures) = self.failures.get_mut(key)
            && now < failures.written + FAILURES_EVERY
        {
            failures.next = Some(op);
            return;
        }
        let failures = Failures {
            written: now,
            next: None,
        };
        self.failures.insert(key.clone(), failures);
        self.add(key.clone(), Waiting::new(op, None, Duration::MAX));
    }

    fn queue(&mut self, key: GroupingKey, waiting: Waiting) {
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group {
            waiting: VecDeque::new(),
            is_busy: false,
            behind: None,
        });
        group.waiting.push_back(waiting);
        if group.waiting.len() == 1 && !group.is_busy && group.behind.is_none() {
            self.ready.push_back(key);
        }
    }

    /// The next thing to do.
    pub(super) fn take(&mut self) -> Option<Work> {
        while let Some(key) = self.ready.pop_front() {
            let Some(group) = self.groups.get_mut(&key) else {
                continue;
            };
            if group.is_busy || group.behind.is_some() || group.waiting.is_empty() {
                continue;
            }
            group.is_busy = true;
            let most = group.waiting.len().min(MOST_AT_ONCE);
            let waiting = group.waiting.drain(..most).collect();
            return Some(Work::Group(key, waiting));
        }
        if self.wipes.is_empty() || self.is_wiping || !self.groups.is_empty() {
            return None;
        }
        self.is_wiping = true;
        Some(Work::Wipe(std::mem::take(&mut self.wipes)))
    }

    /// Puts changes of a group back that were taken, before those that came since. With a revision, they wait until memory
    /// has what was there then.
    pub(super) fn put_back(&mut self, key: GroupingKey, taken: Vec<Waiting>, behind: Option<Revision>) {
        let taken: Vec<Waiting> = taken
            .into_iter()
            .filter_map(|one| self.unless_given_up(one))
            .collect();
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        for waiting in taken.into_iter().rev() {
            group.waiting.push_front(waiting);
        }
        group.is_busy = false;
        if let Some(at) = behind.filter(|at| *at > self.applied) {
            group.behind = Some(at);
            self.behind.insert((at, key));
        } else {
            self.free(key);
        }
    }

    /// What was taken of a group, and has to wait until the rest of that has happened. It comes before what has been added since.
    pub(super) fn put_behind(&mut self, key: &GroupingKey, taken: Vec<Waiting>) {
        let taken: Vec<Waiting> = taken
            .into_iter()
            .filter_map(|one| self.unless_given_up(one))
            .collect();
        if let Some(group) = self.groups.get_mut(key) {
            for waiting in taken.into_iter().rev() {
                group.waiting.push_front(waiting);
            }
        }
    }

    fn unless_given_up(&mut self, waiting: Waiting) -> Option<Waiting> {
        if waiting.given_up {
            self.forget(&waiting);
            return None;
        }
        Some(waiting)
    }

    /// A group of which nothing is on its way.
    fn free(&mut self, key: GroupingKey) {
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        group.is_busy = false;
        if group.waiting.is_empty() {
            self.groups.remove(&key);
        } else {
            self.ready.push_back(key);
        }
    }

    fn forget(&mut self, waiting: &Waiting) {
        self.changes -= 1;
        self.bytes -= waiting.op.bytes();
    }

    /// Takes note that the value of a group can be read, or cannot.
    pub(super) fn note_readable(&mut self, key: &GroupingKey, is_readable: bool) {
        if is_readable {
            self.unreadable_groups.remove(key);
        } else {
            self.statistics.unreadable += 1;
            self.unreadable_groups.insert(key.clone());
        }
    }

    /// Refuses those of a group's changes that depend on what it holds, if that cannot be read. The others are left.
    pub(super) fn without_unreadable(&mut self, key: &GroupingKey, waiting: Vec<Waiting>) -> Vec<Waiting> {
        if !self.unreadable_groups.contains(key) {
            return waiting;
        }
        let mut waiting = waiting;
        for one in &mut waiting {
            one.op.lose(WhyLost::Unreadable);
        }
        let (refused, left) = waiting.into_iter().partition(|one| one.op.depends(false));
        let refused: Vec<Waiting> = refused;
        for one in refused {
            let reason = "a later version of Wharf has written this group, and this one cannot read it";
            self.tell(one, Err(unavailable(&reason)));
        }
        left
    }

    /// The log has taken something, or has refused it because it is full.
    pub(super) fn set_full(&mut self, full: Option<String>) {
        self.full = full;
    }

    /// Says what has become of changes that were taken.
    pub(super) fn tell(&mut self, waiting: Waiting, told: Result<Revision, PushError>) {
        self.forget(&waiting);
        waiting.tell(told);
    }

    /// Of what was taken of the group nothing is left to be sent.
    pub(super) fn done(&mut self, key: GroupingKey) {
        self.free(key);
    }

    /// A transaction is about to be sent.
    pub(super) fn launch(&mut self, id: TxnId, flight: Flight) {
        self.flights.insert(id, flight);
    }

    /// What became of a transaction is known.
    pub(super) fn settle(&mut self, id: TxnId, settled: Settled, now: Duration) {
        // The watch may have told already that it has happened.
        let Some(mut flight) = self.flights.remove(&id) else {
            return;
        };
        match settled {
            Settled::Committed(at) => {
                flight.committed = Some((at, now));
                self.statistics.commit_time += now.saturating_sub(flight.sent);
                if at <= self.applied {
                    self.finish(flight, at);
                } else {
                    self.flights.insert(id, flight);
                }
            }
            Settled::Stale { at, keys } => {
                self.statistics.stale += 1;
                let stale: BTreeSet<GroupingKey> = keys.iter().filter_map(|key| group_of(key)).collect();
                for (key, taken) in flight.groups {
                    let behind = stale.contains(&key).then_some(at);
                    self.put_back(key, taken, behind);
                }
                self.wipe_again(flight.wipes);
            }
            Settled::Failed(LogError::Unreachable { .. }) => self.again(flight),
            Settled::Failed(LogError::Full { reason }) if !flight.is_into_full || !flight.brings => {
                // What only removes was refused for what went along, or for the lane's marker. From now on it goes apart, without one.
                self.full = Some(reason);
                self.again(flight);
            }
            Settled::Failed(error) => {
                self.statistics.failures += 1;
                if let LogError::Full { reason } = &error {
                    self.full = Some(reason.clone());
                }
                let refused = match error {
                    LogError::TooLarge { limit_bytes, .. } => PushError::TooLarge { limit_bytes },
                    LogError::Unknown { reason } => not_known(&reason),
                    error => unavailable(&error),
                };
                self.finish_with(flight, &Err(refused));
            }
        }
    }

    /// What a transaction was made of is folded and sent again.
    fn again(&mut self, flight: Flight) {
        self.statistics.failures += 1;
        for (key, taken) in flight.groups {
            self.put_back(key, taken, None);
        }
        self.wipe_again(flight.wipes);
    }

    fn wipe_again(&mut self, wipes: Vec<Waiting>) {
        if wipes.is_empty() {
            return;
        }
        let wipes: Vec<Waiting> = wipes
            .into_iter()
            .filter_map(|one| self.unless_given_up(one))
            .collect();
        self.is_wiping = false;
        self.wipes = wipes;
        self.after_wipe();
    }

    fn finish(&mut self, flight: Flight, at: Revision) {
        self.statistics.commits += 1;
        if flight.brings {
            self.full = None;
        }
        let changes = flight.groups.iter().map(|(_, taken)| taken.len() as u64);
        self.statistics.changes += changes.sum::<u64>() + flight.wipes.len() as u64;
        let made_of = flight.groups.iter().flat_map(|(_, taken)| taken);
        self.repeated += made_of.filter(|one| one.is_repeated).count() as u64;
        self.finish_with(flight, &Ok(at));
    }

    fn finish_with(&mut self, flight: Flight, told: &Result<Revision, PushError>) {
        for (key, taken) in flight.groups {
            for waiting in taken {
                self.tell(waiting, told.clone());
            }
            self.free(key);
        }
        if !flight.wipes.is_empty() {
            for waiting in flight.wipes {
                self.tell(waiting, told.clone());
            }
            self.is_wiping = false;
        }
        self.after_wipe();
    }

    /// Lets in what has waited for a wipe, up to the next one, if there is none any more.
    fn after_wipe(&mut self) {
        while !self.is_wiping && self.wipes.is_empty() {
            match self.later.pop_front() {
                Some(Later::Change(key, waiting)) => self.queue(key, waiting),
                Some(Later::Wipe(waiting)) => self.wipes.push(waiting),
                None => return,
            }
        }
    }

    /// Since when something is known to be committed that is behind a revision; none if nothing is.
    fn missed_since(&self, at: Revision) -> Option<Duration> {
        let committed = self.flights.values().filter_map(|flight| flight.committed);
        committed
            .filter(|(committed, _)| *committed > at)
            .map(|(_, since)| since)
            .min()
    }

    /// For how long the watch has not shown what is known to be committed.
    pub(super) fn missing(&self, now: Duration) -> Duration {
        let since = self.missed_since(self.applied);
        since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Memory has everything up to a revision, these groups have changed, and of this writer's transactions these have
    /// happened.
    pub(super) fn advance<'k>(
        &mut self,
        at: Revision,
        changed: impl IntoIterator<Item = &'k GroupingKey>,
        happened: &[TxnId],
        now: Duration,
    ) {
        self.applied = self.applied.max(at);
        // A watch of a member that is behind says how far that member is, again and again. What was committed and has not come says more.
        let missed_since = self.missed_since(at);
        self.heard = self.heard.max(Some(missed_since.unwrap_or(now)));
        if missed_since.is_none() {
            self.trouble = None;
        }
        for id in happened {
            if let Some(flight) = self.flights.remove(id) {
                if flight.committed.is_none() {
                    self.statistics.commit_time += now.saturating_sub(flight.sent);
                }
                self.finish(flight, at);
            }
        }
        let committed = |flight: &Flight| flight.committed.is_some_and(|(committed, _)| committed <= at);
        let arrived: Vec<TxnId> = self
            .flights
            .iter()
            .filter(|(_, flight)| committed(flight))
            .map(|(id, _)| *id)
            .collect();
        for id in arrived {
            if let Some(flight) = self.flights.remove(&id) {
                let at = flight.committed.map_or(at, |(committed, _)| committed);
                self.finish(flight, at);
            }
        }
        for key in changed {
            let behind = self.groups.get_mut(key).and_then(|group| group.behind.take());
            if let Some(behind) = behind {
                self.behind.remove(&(behind, key.clone()));
                self.free(key.clone());
            }
        }
        while let Some((behind, key)) = self.behind.pop_first() {
            if behind > at {
                self.behind.insert((behind, key));
                break;
            }
            if let Some(group) = self.groups.get_mut(&key) {
                group.behind = None;
            }
            self.free(key);
        }
    }

    /// Lets those give up whose time is over, and writes the traces of refused pushes that are due.
    pub(super) fn tick(&mut self, now: Duration) {
        let late = |waiting: &Waiting| waiting.deadline <= now;
        let mut told = Vec::new();
        let groups = self.groups.values_mut();
        for group in groups.filter(|group| group.waiting.iter().any(late)) {
            let (over, on): (VecDeque<_>, _) = std::mem::take(&mut group.waiting).into_iter().partition(late);
            group.waiting = on;
            told.extend(over);
        }
        let (over, on): (Vec<_>, _) = std::mem::take(&mut self.wipes).into_iter().partition(late);
        self.wipes = on;
        told.extend(over);
        for later in std::mem::take(&mut self.later) {
            match later {
                Later::Change(_, waiting) | Later::Wipe(waiting) if late(&waiting) => told.push(waiting),
                later => self.later.push_back(later),
            }
        }
        for waiting in told {
            self.tell(
                waiting,
                Err(unavailable(&"no answer from the log that the replicas share")),
            );
        }
        self.groups
            .retain(|_, group| group.is_busy || group.behind.is_some() || !group.waiting.is_empty());
        self.after_wipe();
        for flight in self.flights.values_mut() {
            let waiting = flight.groups.iter_mut().flat_map(|(_, taken)| taken);
            for one in waiting.chain(&mut flight.wipes).filter(|one| late(one)) {
                one.given_up = true;
                if let Some(promise) = one.promise.take() {
                    promise.tell(Err(not_known(&"no answer from the log that the replicas share")));
                }
            }
        }
        self.tick_failures(now);
    }

    fn tick_failures(&mut self, now: Duration) {
        let due: Vec<(GroupingKey, Op)> = self
            .failures
            .iter_mut()
            .filter(|(_, failures)| now >= failures.written + FAILURES_EVERY)
            .filter_map(|(key, failures)| Some((key.clone(), failures.next.take()?)))
            .collect();
        self.failures
            .retain(|_, failures| failures.next.is_some() || now < failures.written + FAILURES_EVERY);
        for (key, op) in due {
            self.add_failure(&key, op, now);
        }
    }

    /// Whether there may be something to do.
    pub(super) fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.wipes.is_empty()
    }

    /// Why groups went in transactions of this writer: of those of others that is not known.
    pub(super) fn reasons(&self, happened: &[TxnId]) -> BTreeMap<GroupingKey, By> {
        let flights = happened.iter().filter_map(|id| self.flights.get(id));
        let groups = flights.flat_map(|flight| &flight.groups);
        let reasons = groups.filter_map(|(key, made_of)| {
            let last = made_of.iter().rev().find_map(|one| match one.op {
                Op::Delete { by, .. } => Some(by),
                Op::Expire { .. } => Some(By::Expiry),
                _ => None,
            });
            Some((key.clone(), last?))
        });
        reasons.collect()
    }
}

/// The answer to whoever may have succeeded, and should look or try again.
fn not_known(reason: &impl ToString) -> PushError {
    let reason = reason.to_string();
    unavailable(&format!("{reason}; whether it is stored is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_old_while_it_lacks_what_is_known_to_be_committed() {
        let seconds = Duration::from_secs;
        let mut book = Book::default();
        book.advance(Revision(3), [], &[], seconds(1));
        assert_eq!(book.lag(seconds(1)), Some(seconds(0)));
        let id = TxnId {
            writer: 1,
            lane: 0,
            number: 1,
        };
        book.launch(id, Flight::new(Vec::new(), Vec::new(), seconds(1)));
        book.settle(id, Settled::Committed(Revision(5)), seconds(2));
        // A member that is behind says where it is.
        book.advance(Revision(3), [], &[], seconds(6));
        assert_eq!(book.lag(seconds(6)), Some(seconds(4)));
        assert_eq!(book.missing(seconds(6)), seconds(4));
        book.advance(Revision(5), [], &[], seconds(7));
        assert_eq!(book.lag(seconds(7)), Some(seconds(0)));
        assert_eq!(book.missing(seconds(7)), seconds(0));
    }
}
