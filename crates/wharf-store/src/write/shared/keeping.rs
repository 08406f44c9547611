//! Looks after what was removed: writes what wipes took, and lets go what is over.

use std::sync::Arc;
use std::time::Duration;

use wharf_shared_log::{
    Committed, Delete, Expect, Expected, Key, LogError, Put, Revision, SharedLog, Timer, Txn, timeout,
};

use super::kept::Entry;
use super::queue::Shared;
use super::removal::{
    Became, Head, Name, all_heads, all_images, encode_images, first_part, head_key, image_key, state_key,
};
use super::value::{GROUPS, GroupValue};
use crate::record;
use crate::removed::book::MOST;
use crate::removed::summary::Counts;
use crate::store::Store;

/// How often it is looked whether something is to be written.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often it is looked whether something is over.
const LET_GO_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a part, as the log has them: small enough not to hold up others.
const PART_BYTES: usize = 192 << 10;
/// Removals that are let go with one transaction.
const AT_ONCE: usize = 32;

/// Looks after it for ever.
pub(super) async fn run<L: SharedLog, T: Timer>(
    store: Arc<Store>,
    shared: Arc<Shared>,
    log: Arc<L>,
    timer: T,
) {
    let mut let_go_at = Duration::ZERO;
    loop {
        timer.sleep(LOOK_EVERY).await;
        if !shared.is_loaded() {
            continue;
        }
        let unfinished = shared.kept().unfinished();
        for (writer, name, wiped_at, head) in unfinished {
            let is_orphan = |writer| shared.is_sweeper() && !shared.replicas().has_writer(writer);
            let is_ours = writer.is_none_or(|writer| writer == shared.sharing.writer || is_orphan(writer));
            if is_ours {
                let wipe = Wipe {
                    store: &store,
                    shared: &shared,
                    log: &*log,
                    timer: &timer,
                    name,
                    wiped_at,
                    head,
                };
                wipe.write().await;
            }
        }
        if timer.now() >= let_go_at && shared.is_sweeper() {
            let_go_at = timer.now() + LET_GO_EVERY;
            let_go(&shared, &*log, &timer).await;
        }
    }
}

/// A wipe of which something is still to be written.
struct Wipe<'w, L, T> {
    store: &'w Store,
    shared: &'w Shared,
    log: &'w L,
    timer: &'w T,
    name: Name,
    wiped_at: Revision,
    head: Head,
}

/// Why it was not written to its end.
enum Stopped {
    /// It is tried again.
    Later,
    /// It cannot be.
    Never(Became),
    /// The log takes nothing, or the removal is not there any more.
    Given,
}

/// Groups that are written together.
#[derive(Default)]
struct Part {
    records: Vec<Vec<u8>>,
    counts: Counts,
    bytes: usize,
}

impl<L: SharedLog, T: Timer> Wipe<'_, L, T> {
    /// Writes what the log had right before, from its history. Whoever does that writes the same.
    async fn write(&self) {
        let became = match self.write_all().await {
            Ok(parts) if parts > 0 => Became::Written,
            Err(Stopped::Later) => return,
            Err(Stopped::Never(became)) => became,
            // There was nothing; or the log is full, and lets go of what was written.
            Ok(_) | Err(Stopped::Given) => {
                drop(self.commit(forget(std::slice::from_ref(&self.name))).await);
                return;
            }
        };
        let (part, at) = (first_part(), self.wiped_at);
        // What has not worked is done the next time.
        let mut txn = become_txn(&self.name, (part, at), became);
        // Unless it had to make room meanwhile.
        txn.expected.push(undecided(&self.name));
        drop(self.commit(txn).await);
    }

    /// Writes all of it, in so many parts.
    async fn write_all(&self) -> Result<u32, Stopped> {
        let before = Revision(self.wiped_at.0.saturating_sub(1));
        let (mut after, mut number, mut stored) = (None, 0, 0);
        let mut part = Part::default();
        loop {
            let page = self.page(after.as_ref(), before).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for entry in page {
                if part.bytes + entry.value.len() > PART_BYTES && !part.records.is_empty() {
                    number += 1;
                    self.write_part(std::mem::take(&mut part), number, &mut stored)
                        .await?;
                }
                part.bytes += entry.value.len();
                // One that a later version has written cannot be put back by this one.
                if let Some(value) = GroupValue::decode(&entry.value) {
                    part.add(self.store, value.record);
                }
            }
        }
        if !part.records.is_empty() {
            number += 1;
            self.write_part(part, number, &mut stored).await?;
        }
        Ok(number)
    }

    async fn page(&self, after: Option<&Key>, at: Revision) -> Result<Vec<wharf_shared_log::Entry>, Stopped> {
        let groups = Key::from_static(GROUPS);
        let limit = self.shared.sharing.answer_limit * 4;
        match timeout(self.timer, limit, self.log.page(&groups, after, at)).await {
            Some(Ok(page)) => Ok(page),
            Some(Err(LogError::Forgotten)) => Err(Stopped::Never(Became::Forgotten)),
            Some(Err(_)) | None => Err(Stopped::Later),
        }
    }

    async fn write_part(&self, part: Part, number: u32, stored: &mut u64) -> Result<(), Stopped> {
        let images = encode_images(part.records.iter().map(Vec::as_slice));
        *stored += images.len() as u64;
        let is_too_large = images.len() > self.log.limits().value_bytes;
        if is_too_large || *stored > self.shared.sharing.undo_max_bytes {
            return Err(Stopped::Never(Became::TooLarge));
        }
        let mut head = Head {
            stored: images.len() as u64,
            ..self.head.clone()
        };
        head.removed.counts = part.counts;
        let name = format!("w{number:08}");
        let puts = vec![
            put(head_key(&self.name, &name), head.encode()),
            put(image_key(&self.name, &name), images),
        ];
        let txn = Txn {
            puts,
            expected: vec![
                expected(&self.name, (first_part(), self.wiped_at)),
                undecided(&self.name),
            ],
            ..Txn::default()
        };
        match self.commit(txn).await {
            Some(Ok(Committed::At(_))) => Ok(()),
            Some(Ok(Committed::Stale { .. }) | Err(LogError::Full { .. })) => Err(Stopped::Given),
            Some(Err(_)) | None => Err(Stopped::Later),
        }
    }

    async fn commit(&self, txn: Txn) -> Option<Result<Committed, LogError>> {
        timeout(self.timer, self.shared.sharing.answer_limit, self.log.commit(txn)).await
    }
}

impl Part {
    fn add(&mut self, store: &Store, record: Vec<u8>) {
        let size = record::decode_image(&record, &store.preparer).size();
        self.counts.add(Counts {
            groups: 1,
            series: size.series,
            bytes: size.bytes,
        });
        self.records.push(record);
    }
}

/// Lets go what is over, and the oldest where there is too much. What has not worked is done the next time.
async fn let_go<L: SharedLog>(shared: &Shared, log: &L, timer: &impl Timer) {
    let Some(now) = shared.replicas().now(&shared.sharing.name) else {
        return;
    };
    let limit = shared.sharing.answer_limit;
    let over = shared.kept().over(now, MOST);
    for names in over.chunks(AT_ONCE) {
        drop(timeout(timer, limit, log.commit(forget(names))).await);
    }
    let beyond = shared.kept().beyond(shared.sharing.undo_max_bytes);
    for (name, entry) in beyond {
        let Some(txn) = made_room(&name, &entry) else {
            continue;
        };
        let answer = timeout(timer, limit, log.commit(txn)).await;
        if matches!(answer, Some(Err(LogError::Full { .. }))) {
            let txn = forget(std::slice::from_ref(&name));
            drop(timeout(timer, limit, log.commit(txn)).await);
        }
    }
}

fn made_room(name: &Name, entry: &Entry) -> Option<Txn> {
    let witness = entry.witness()?;
    Some(become_txn(name, witness, Became::MadeRoom))
}

/// Writes what has become of a removal, as long as it is there. Its images go, unless it is to be undone from them.
pub(super) fn become_txn(name: &Name, witness: (&str, Revision), became: Became) -> Txn {
    let delete_prefixes = match became {
        Became::Written => Vec::new(),
        _ => vec![all_images(name)],
    };
    Txn {
        puts: vec![put(state_key(name), became.encode())],
        delete_prefixes,
        expected: vec![expected(name, witness)],
        ..Txn::default()
    }
}

/// Takes away all that there is of these removals.
fn forget(names: &[Name]) -> Txn {
    let states = names.iter().map(|name| Delete {
        key: state_key(name),
        expect: Expect::Any,
    });
    let others = names.iter().flat_map(|name| [all_heads(name), all_images(name)]);
    Txn {
        deletes: states.collect(),
        delete_prefixes: others.collect(),
        ..Txn::default()
    }
}

/// A key that is to have this, whatever it has.
pub(super) fn put(key: Key, value: wharf_shared_log::Bytes) -> Put {
    Put {
        key,
        value,
        expect: Expect::Any,
        lease: None,
    }
}

/// Nobody has said yet what has become of a removal.
fn undecided(name: &Name) -> Expected {
    Expected {
        key: state_key(name),
        expect: Expect::Absent,
    }
}

fn expected(name: &Name, (part, at): (&str, Revision)) -> Expected {
    Expected {
        key: head_key(name, part),
        expect: Expect::At(at),
    }
}
