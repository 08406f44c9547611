//! From changes that wait to transactions.

use std::sync::Arc;
use std::time::Duration;

use wharf_model::GroupingKey;
use wharf_shared_log::{
    Delete, Expect, Expected, Lane, Limits, LogError, Put, Settled, SharedLog, Timer, Txn, TxnId,
};

use super::book::{Flight, Waiting, Work};
use super::ids::{self, ID_BYTES};
use super::intent::Op;
use super::keeping::put;
use super::proposal::{Proposal, Proposed, Taken, propose};
use super::queue::Shared;
use super::removal::{encode_images, first_part, head_key, image_key};
use super::removing::Removing;
use super::value::{GROUPS, group_key, marker_key};
use crate::change::Change;
use crate::memory::checks::Incoming;
use crate::push_ids::Known;
use crate::removed::WhyLost;
use crate::removed::summary::Counts;
use crate::store::Store;
use crate::{PUSH_TIME, PushError, PushId, PushMode, UnixNanos, record};

/// The pause after a transaction that did not get through.
const PAUSE: Duration = Duration::from_millis(50);
/// And after one that was made in vain.
const SHORT_PAUSE: Duration = Duration::from_millis(5);

/// A transaction, and the changes that it is made of.
#[derive(Default)]
struct Batch {
    /// Whether the log was full when it was begun.
    is_full: bool,
    txn: Txn,
    groups: Vec<(GroupingKey, Vec<Waiting>)>,
    /// The ids of pushes among them.
    ids: Vec<PushId>,
    wipes: Vec<Waiting>,
    /// What removals take away with it.
    gone: Vec<Gone>,
}

/// What a removal takes away in a transaction.
struct Gone {
    removing: Arc<Removing>,
    records: Vec<Vec<u8>>,
    counts: Counts,
}

impl Batch {
    /// How many operations it has, with those of what is kept, the ids and the marker.
    fn operations(&self) -> usize {
        self.groups.len() + 2 * self.gone.len() + 2
    }

    /// About as many bytes as it has.
    fn bytes(&self) -> usize {
        let kept = self.gone.iter().flat_map(|gone| &gone.records);
        self.txn.bytes() + kept.map(Vec::len).sum::<usize>()
    }

    /// What one more group adds to these.
    fn operations_of(&self, taken: Option<&Taken>) -> usize {
        let is_new = taken.is_some_and(|taken| {
            let mut gone = self.gone.iter();
            gone.all(|gone| gone.removing.name != taken.removing.name)
        });
        if is_new { 3 } else { 1 }
    }

    /// Keeps what a removal takes away of a group.
    fn keep(&mut self, taken: Taken) {
        let Taken {
            removing,
            record,
            counts,
        } = taken;
        let known = self.gone.iter_mut();
        if let Some(gone) = known.into_iter().find(|gone| gone.removing.name == removing.name) {
            gone.records.push(record);
            gone.counts.add(counts);
            return;
        }
        self.gone.push(Gone {
            removing,
            records: vec![record],
            counts,
        });
    }

    /// Adds what is to be kept to the transaction, under the name of it.
    fn keep_all(&mut self, id: TxnId, limits: &Limits, most_bytes: u64) {
        let part = format!("{}.{}", id.lane, id.number);
        for (place, gone) in std::mem::take(&mut self.gone).into_iter().enumerate() {
            let images = encode_images(gone.records.iter().map(Vec::as_slice));
            if images.len() as u64 > most_bytes || images.len() > limits.value_bytes {
                let max_bytes = most_bytes.min(limits.value_bytes as u64);
                gone.removing.lose(WhyLost::TooLarge { max_bytes });
                continue;
            }
            gone.removing.is_open_again();
            let place = u8::try_from(place).unwrap_or(u8::MAX);
            let (name, stored) = (&gone.removing.name, images.len() as u64);
            let head = gone.removing.head(place, gone.counts, stored, false);
            let puts = &mut self.txn.puts;
            puts.push(put(head_key(name, &part), head.encode()));
            puts.push(put(image_key(name, &part), images));
        }
    }

    /// Adds to a wipe that what it takes is to be kept.
    fn keep_everything(&mut self) {
        let mut removings = self.wipes.iter().filter_map(|wipe| wipe.op.removing());
        let Some(first) = removings.next() else { return };
        if self.is_full {
            first.lose(WhyLost::Full);
        } else {
            first.is_open_again();
            let head = first.head(0, Counts::default(), 0, true);
            self.txn
                .puts
                .push(put(head_key(&first.name, first_part()), head.encode()));
        }
        for other in removings {
            other.is_same_as(first);
        }
    }

    /// Whether it takes away and brings nothing: a full log takes that, but for the lane's marker.
    fn only_removes(&self) -> bool {
        self.txn.puts.is_empty() && self.txn.operations() > 0
    }

    /// Puts the ids of its pushes, under a key of its own.
    fn put_ids(&mut self, id: TxnId) {
        if let Some((key, value)) = ids::encode(&self.ids, id) {
            self.txn.puts.push(Put {
                key,
                value,
                expect: Expect::Any,
                lease: None,
            });
        }
    }

    /// Whether something else is to go into another transaction: while the log is full, what brings nothing goes apart.
    fn is_of_another_kind(&self, what: &Proposed) -> bool {
        let removes = matches!(what, Proposed::Delete);
        !self.groups.is_empty() && removes != self.only_removes()
    }
}

/// Sends one transaction after the other, of what waits.
pub(super) async fn run<L: SharedLog, T: Timer>(
    store: Arc<Store>,
    shared: Arc<Shared>,
    log: Arc<L>,
    timer: T,
    number: u16,
) {
    let writer = shared.sharing.writer;
    let patience = shared.sharing.answer_limit;
    let mut lane = Lane::new(marker_key(writer, number), writer, number, patience);
    let limits = log.limits();
    loop {
        let rung = shared.work.rung();
        let Some(mut batch) = next_batch(&store, &shared, &limits) else {
            shared.work.wait(rung).await;
            continue;
        };
        let id = lane.next_id();
        batch.put_ids(id);
        batch.keep_all(id, &limits, shared.sharing.undo_max_bytes);
        let only_removes = batch.only_removes();
        let flight = Flight::new(batch.groups, batch.wipes, timer.now())
            .of_what_only_removes(only_removes)
            .into_full_log(batch.is_full);
        shared.book().launch(id, flight);
        let settled = if batch.is_full && only_removes {
            lane.remove(&*log, &timer, batch.txn).await
        } else {
            lane.commit(&*log, &timer, batch.txn).await
        };
        let pause = match &settled {
            Settled::Failed(LogError::Unreachable { .. }) => PAUSE,
            // Memory has that already, and it is still not as expected: the next attempt may find the same.
            Settled::Stale { at, .. } if *at <= shared.book().applied() => SHORT_PAUSE,
            _ => Duration::ZERO,
        };
        shared.book().settle(id, settled, timer.now());
        shared.work.ring();
        if !pause.is_zero() {
            timer.sleep(pause).await;
        }
    }
}

/// Folds what waits, as much as fits into a transaction.
fn next_batch(store: &Store, shared: &Shared, limits: &Limits) -> Option<Batch> {
    let mut batch = Batch {
        is_full: shared.book().full.is_some(),
        ..Batch::default()
    };
    while batch.operations() < limits.operations {
        let work = shared.book().take();
        let (key, waiting) = match work {
            None => break,
            Some(Work::Wipe(wipes)) => {
                // Nothing else is on its way then.
                batch.txn.delete_prefixes.push(GROUPS.into());
                batch.wipes = wipes;
                batch.keep_everything();
                return Some(batch);
            }
            Some(Work::Group(key, waiting)) => (key, waiting),
        };
        let waiting = shared.book().without_unreadable(&key, waiting);
        let mut proposal = propose(store, &key, waiting, limits.value_bytes);
        let later = std::mem::take(&mut proposal.later);
        let was_cut = !later.is_empty() || !proposal.refused.is_empty();
        shared.book().put_behind(&key, later);
        if batch.is_full {
            if proposal.what == Proposed::Delete {
                proposal.expect = proposal.found;
                // What brings nothing is all that a full log takes.
                proposal.ids.clear();
            }
            if let Some(taken) = proposal.taken.take() {
                taken.removing.lose(WhyLost::Full);
            }
        }
        let added = match &proposal.what {
            Proposed::Put(value) => value.len() + key.as_bytes().len() * 2,
            Proposed::Delete | Proposed::Nothing => key.as_bytes().len(),
        };
        let ids = batch.ids.len() + proposal.ids.len();
        let kept = proposal.taken.as_ref().map_or(0, |taken| taken.record.len());
        let is_too_much = !batch.groups.is_empty()
            && (batch.bytes() + added + kept + ids * ID_BYTES > limits.txn_bytes
                || batch.operations() + batch.operations_of(proposal.taken.as_ref()) > limits.operations);
        if is_too_much || batch.is_full && batch.is_of_another_kind(&proposal.what) {
            give_back(store, shared, key, proposal);
            break;
        }
        add(store, shared, &mut batch, key, proposal);
        // It may be the next one again, and again: what is ready does not wait for that.
        if was_cut && !batch.groups.is_empty() {
            break;
        }
    }
    (!batch.groups.is_empty()).then_some(batch)
}

/// It is for another transaction.
fn give_back(store: &Store, shared: &Shared, key: GroupingKey, proposal: Proposal) {
    let Proposal { made_of, refused, .. } = proposal;
    refuse(store, shared, &key, refused);
    shared.book().put_back(key, made_of, None);
    shared.work.ring();
}

/// Adds what the changes of a group come to.
fn add(store: &Store, shared: &Shared, batch: &mut Batch, key: GroupingKey, proposal: Proposal) {
    let Proposal {
        what,
        expect,
        ids,
        made_of,
        refused,
        taken,
        ..
    } = proposal;
    refuse(store, shared, &key, refused);
    batch.ids.extend(ids);
    {
        let mut book = shared.book();
        // Where nobody waits, what comes to nothing need not be made sure of.
        let is_needless = what == Proposed::Nothing && made_of.iter().all(|one| one.promise.is_none());
        if made_of.is_empty() || is_needless {
            for waiting in made_of {
                let at = book.applied();
                book.tell(waiting, Ok(at));
            }
            book.done(key);
            return;
        }
    }
    if let Some(taken) = taken {
        batch.keep(taken);
    }
    let name = group_key(&key);
    match what {
        Proposed::Put(value) => batch.txn.puts.push(Put {
            key: name,
            value,
            expect,
            lease: None,
        }),
        Proposed::Delete => batch.txn.deletes.push(Delete { key: name, expect }),
        Proposed::Nothing if expect == Expect::Any => {}
        Proposed::Nothing => batch.txn.expected.push(Expected { key: name, expect }),
    }
    batch.groups.push((key, made_of));
}

/// Tells those whose changes were refused when they were folded, and leaves the traces of pushes.
fn refuse(store: &Store, shared: &Shared, key: &GroupingKey, refused: Vec<(Waiting, PushError)>) {
    for (waiting, error) in refused {
        if error == PushError::OtherBody {
            store.lock().push_ids.count(Known::OtherBody);
        }
        let (error, trace) = explained(store, key, &waiting.op, error);
        shared.book().tell(waiting, Err(error));
        if let Some(trace) = trace {
            shared.fail(key, trace);
        }
    }
}

/// The whole of a refusal, and the trace that it leaves.
fn explained(store: &Store, key: &GroupingKey, op: &Op, error: PushError) -> (PushError, Option<Op>) {
    let Op::Push { mode, record, .. } = op else {
        return (error, None);
    };
    let changes = record::decode(record, &store.preparer).unwrap_or_default();
    let Some(Change::Put {
        lifetime, prepared, ..
    }) = changes.into_iter().next()
    else {
        return (error, None);
    };
    let error = match mode {
        PushMode::ReplaceSeries | PushMode::Aggregate(_) => store.explain_merge(key, &prepared, error),
        PushMode::ReplaceGroup | PushMode::ReplaceFamilies => {
            let (mode, prepared) = (*mode, &prepared);
            store.explain(Incoming { key, mode, prepared }, error)
        }
    };
    let trace = error.makes_group().map(|makes| Op::Failed {
        makes,
        lifetime,
        at: prepared
            .get(PUSH_TIME)
            .map_or_else(UnixNanos::default, |time| time.pushed_at),
    });
    (error, trace)
}
