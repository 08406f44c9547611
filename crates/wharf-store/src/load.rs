//! A start: what a ledger has, made into groups, on several processors.
//!
//! ```text
//! reader (the caller)  reads, checks checksums, copies each record into a batch of the part that has its group
//! parts                each makes the changes of its groups, in the order of the records, in a state of its own
//! in the end           the states become one
//! ```
//!
//! Groups are independent while nothing is checked, so each [belongs to a part](division), and the order of the records of a group
//! is all that has to be kept. Records that concern several groups, and wipes, go to all parts, and each takes what is its own.
//! What is under way has a bound ([`MOST_BYTES`]), and a record that is longer than a batch is handed on when nothing else is, or made
//! by the reader ([`LONG_RECORD_BYTES`]).
//!
//! What a later record of the log replaces is [left out](outlook): a group that was pushed a hundred times costs one push, and
//! one that was deleted nothing. Its times are not, since a push keeps the failure time of the group.
//!
//! Where a removal comes that nobody has written to the archive yet, the states become one, and what follows is made one by one: what it is
//! about to take is [taken](crate::removed) from memory.

mod division;
mod outlook;

use std::ops::Range;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use wharf_ledger::{BoxError, NotReplayed, Replay, Replayed, Sequence};
use wharf_model::{GroupingKey, GroupingKeyError};

use self::division::{Division, FIRST_RUN_BYTES};
use self::outlook::{Outlook, Verdict};
use crate::change::Change;
use crate::memory::state::{Applied, State, Tell};
use crate::parts::FamilyParts;
use crate::prepare::{Prepared, Preparer};
use crate::record::{self, Names, Reading, Touch};
use crate::store::Store;
use crate::write::writer::Writer;
use crate::{PUSH_FAILURE_TIME, PUSH_TIME, PushId, RecordError, Revision};

/// A batch is handed on when it has so many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// Or so many records.
const BATCH_RECORDS: usize = 512;
/// So many bytes of records are under way at most.
const MOST_BYTES: usize = 8 << 20;
/// From a longer record on they are made one by one, by the reader: nobody copies it.
const LONG_RECORD_BYTES: usize = MOST_BYTES / 2;
/// More parts than these wait for the reader.
const MOST_PARTS: usize = 8;

/// Takes the records of a ledger into a store, see the head of this file.
#[derive(Debug)]
pub struct Loading<'scope, 'env> {
    store: &'env Store,
    scope: &'scope Scope<'scope, 'env>,
    /// What the log is going to replace; nothing is added once the first record has been replayed.
    outlook: Arc<Outlook>,
    /// The first record of the log that removes something of which somebody wants to know what it was.
    watched: Option<Revision>,
    /// How many parts there are to be; none later, when they have become one.
    wanted: usize,
    parts: Vec<Part<'scope>>,
    division: Division,
    /// The division when the log began: from then on it stays as it is.
    divided: Arc<OnceLock<Division>>,
    under_way: Arc<UnderWay>,
    batch_records: usize,
    run_bytes: usize,
    replaced: u64,
}

/// A part of the groups.
#[derive(Debug)]
struct Part<'scope> {
    batch: Batch,
    batches: Sender<Batch>,
    thread: ScopedJoinHandle<'scope, Result<Loaded, NotRead>>,
}

/// A record that cannot be read.
type NotRead = (Revision, RecordError);

/// Records on their way.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    records: Vec<(Revision, Range<usize>)>,
    counted: Option<Arc<UnderWay>>,
}

/// How many bytes of records are under way.
#[derive(Debug, Default)]
struct UnderWay {
    bytes: Mutex<usize>,
    fewer: Condvar,
}

/// What a part has come to.
#[derive(Debug, Default)]
struct Loaded {
    state: State,
    ids: Vec<(Revision, PushId)>,
    last: Revision,
    replaced: u64,
}

impl Store {
    /// Replays what a ledger has, on so many processors: `read` hands the records over, and is given back what it returns when
    /// all of them are in the store. The store has to be empty, and nobody may change it meanwhile.
    pub fn load<T>(&self, processors: usize, read: impl FnOnce(&mut Loading<'_, '_>) -> T) -> T {
        thread::scope(|scope| {
            let mut loading = Loading {
                store: self,
                scope,
                outlook: Arc::default(),
                watched: None,
                wanted: if processors > 1 {
                    processors.min(MOST_PARTS)
                } else {
                    0
                },
                parts: Vec::new(),
                division: Division::default(),
                divided: Arc::default(),
                under_way: Arc::default(),
                batch_records: BATCH_RECORDS,
                run_bytes: FIRST_RUN_BYTES,
                replaced: 0,
            };
            read(&mut loading)
        })
    }

    /// Reads a record and makes its changes, all by itself. How many of them were replaced.
    fn load_record(&self, at: Revision, record: &[u8], outlook: &Outlook) -> Result<u64, RecordError> {
        let mut choosing = Choosing::new(&self.preparer, outlook, None);
        let changes = choosing.read(at, record)?;
        let Writer::Local(local) = &self.writer else {
            return Ok(0);
        };
        let mut guarded = self.lock();
        guarded.last = at.max(guarded.last);
        let recovered = self.recover_removed(local, &guarded, at, &changes);
        apply(
            &mut guarded.state,
            &self.preparer,
            at,
            changes,
            &choosing.verdicts,
        );
        for (at, id) in choosing.ids {
            guarded.push_ids.add(id, at);
        }
        // What a long log has deleted must not pile up until the first change after the start: the lock frees it.
        drop(guarded);
        if recovered && let Some(keeper) = local.keeper() {
            // It is on stable storage, since it was read from there.
            keeper.write(None);
        }
        Ok(choosing.replaced)
    }
}

/// Makes the changes of a record, as far as they are to be made: `verdicts` are those of its changes of groups.
fn apply(
    state: &mut State,
    preparer: &Preparer,
    at: Revision,
    changes: Vec<Change<'_>>,
    verdicts: &[Verdict],
) {
    let mut verdicts = verdicts.iter();
    for mut change in changes {
        if !matches!(change, Change::Wipe)
            && let Some(Verdict::TimesOnly { push, failure }) = verdicts.next()
            && let Change::Put { key, prepared, .. } = &mut change
            && state.revision_of(key).is_some()
        {
            prepared.families.retain(|family| match family.name {
                PUSH_TIME => *push,
                PUSH_FAILURE_TIME => *failure,
                // What stands beside the times, which no later record of the group says again by itself.
                _ => true,
            });
            if prepared.families.is_empty() {
                continue;
            }
        }
        let mut applied = Applied::default();
        state.apply_one(preparer, at, change, Tell::default(), &mut applied);
    }
}

impl Loaded {
    /// Makes the changes of one part's groups.
    fn run(
        store: &Store,
        outlook: &Outlook,
        part: (usize, &OnceLock<Division>),
        batches: Receiver<Batch>,
    ) -> Result<Self, NotRead> {
        let mut loaded = Self::default();
        let mut choosing = Choosing::new(&store.preparer, outlook, Some(part));
        for batch in batches {
            for (at, range) in &batch.records {
                let record = batch.bytes.get(range.clone()).unwrap_or_default();
                let changes = choosing.read(*at, record).map_err(|error| (*at, error))?;
                apply(
                    &mut loaded.state,
                    &store.preparer,
                    *at,
                    changes,
                    &choosing.verdicts,
                );
                drop(loaded.state.take_litter());
                loaded.last = *at;
            }
        }
        loaded.replaced = choosing.replaced;
        loaded.ids = choosing.ids;
        Ok(loaded)
    }
}

impl UnderWay {
    /// Waits until there is room for so many bytes more.
    fn take(self: &Arc<Self>, bytes: usize) {
        let mut taken = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken > 0 && *taken + bytes > MOST_BYTES {
            taken = self.fewer.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
    }

    fn give_back(&self, bytes: usize) {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) -= bytes;
        self.fewer.notify_one();
    }
}

/// Whoever takes it has done with it, or never will.
impl Drop for Batch {
    fn drop(&mut self) {
        if let Some(counted) = &self.counted {
            counted.give_back(self.weight());
        }
    }
}

impl Batch {
    /// The bytes that it takes.
    fn weight(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<(Revision, Range<usize>)>()
    }

    fn add(&mut self, at: Revision, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.records.push((at, start..self.bytes.len()));
    }
}

impl Part<'_> {
    /// Hands the batch on. Whether there is somebody who takes it.
    fn send(&mut self, under_way: &Arc<UnderWay>) -> bool {
        if self.batch.records.is_empty() {
            return true;
        }
        let mut batch = std::mem::take(&mut self.batch);
        under_way.take(batch.weight());
        batch.counted = Some(Arc::clone(under_way));
        self.batches.send(batch).is_ok()
    }
}

impl Loading<'_, '_> {
    /// How many changes were not made, or only their times, since a later record replaces them. To be asked in the end.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Hands so few records on at once, and gives each part so few neighbours, for tests.
    #[doc(hidden)]
    pub fn set_batch_records(&mut self, records: usize) {
        self.batch_records = records;
        self.run_bytes = 1;
    }

    /// Begins with the parts, if there are to be some.
    fn begin(&mut self) {
        let wanted = std::mem::take(&mut self.wanted);
        let (store, outlook, divided) = (self.store, &self.outlook, &self.divided);
        self.division = Division::among(wanted, self.run_bytes);
        for which in 0..wanted {
            let (batches, records) = mpsc::channel();
            let (outlook, divided) = (Arc::clone(outlook), Arc::clone(divided));
            let run = move || Loaded::run(store, &outlook, (which, &divided), records);
            let started = thread::Builder::new().name("load".into());
            let Ok(thread) = started.spawn_scoped(self.scope, run) else {
                // Those that have begun end, with nothing: one by one it takes longer.
                self.parts.clear();
                return;
            };
            self.parts.push(Part {
                batch: Batch::default(),
                batches,
                thread,
            });
        }
    }

    /// Makes one of the parts.
    fn gather(&mut self) -> Result<(), BoxError> {
        self.wanted = 0;
        let mut parts = std::mem::take(&mut self.parts);
        for part in &mut parts {
            // Who has given up says why.
            part.send(&self.under_way);
        }
        let threads: Vec<_> = parts.into_iter().map(|part| part.thread).collect();
        let (mut all, mut refused) = (Vec::new(), None);
        for thread in threads {
            match thread.join() {
                Ok(Ok(loaded)) => all.push(loaded),
                Ok(Err(error)) if refused.as_ref().is_none_or(|(at, _)| error.0 < *at) => {
                    refused = Some(error);
                }
                Ok(Err(_)) => {}
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        if let Some((at, cause)) = refused {
            return Err(Box::new(NotReplayed {
                sequence: Sequence(at.0),
                cause: cause.into(),
            }));
        }
        let mut guarded = self.store.lock();
        for Loaded {
            state,
            ids,
            last,
            replaced,
        } in all
        {
            for (at, id) in ids {
                guarded.push_ids.add(id, at);
            }
            guarded.last = guarded.last.max(last);
            guarded.state.absorb(state);
            self.replaced += replaced;
        }
        Ok(())
    }

    /// The part that has the group of a record; none if it may concern the groups of all.
    fn part_of(&mut self, record: &[u8], is_of_checkpoint: bool) -> Option<usize> {
        // Each of these is of one group, or of none: then anybody can read it.
        if is_of_checkpoint {
            let Some(key) = record::first_group(record) else {
                return Some(0);
            };
            self.division.note(key, record.len());
            return Some(self.division.part_of(key));
        }
        let divided = self.divided.get_or_init(|| self.division.clone());
        Some(divided.part_of(record::only_group(record)?))
    }

    /// Whether a record can be given to parts.
    fn is_for_parts(&self, at: Revision, record: &[u8]) -> bool {
        !self.parts.is_empty()
            && record.len() <= LONG_RECORD_BYTES
            && self.watched.is_none_or(|watched| at < watched)
    }
}

impl Replay for Loading<'_, '_> {
    fn look_ahead(&mut self, record: Replayed<'_>) {
        let at = Revision(record.sequence.0);
        let is_watched = match &self.store.writer {
            Writer::Local(local) => local.keeper().is_some_and(|keeper| keeper.misses(at)),
            Writer::Shared(_) => false,
        };
        if let Some(outlook) = Arc::get_mut(&mut self.outlook)
            && outlook.note(at, record.record, is_watched)
            && is_watched
        {
            self.watched.get_or_insert(at);
        }
    }

    fn replay(&mut self, record: Replayed<'_>) -> Result<(), BoxError> {
        let Replayed {
            sequence,
            is_of_checkpoint,
            record,
        } = record;
        let at = Revision(sequence.0);
        if self.wanted > 0 {
            self.begin();
        }
        if !self.is_for_parts(at, record) {
            self.gather()?;
            self.replaced += self.store.load_record(at, record, &self.outlook)?;
            return Ok(());
        }
        let only = self.part_of(record, is_of_checkpoint);
        let mut is_taken = true;
        for (which, part) in self.parts.iter_mut().enumerate() {
            if only.is_some_and(|only| only != which) {
                continue;
            }
            part.batch.add(at, record);
            if part.batch.weight() >= BATCH_BYTES || part.batch.records.len() >= self.batch_records {
                is_taken &= part.send(&self.under_way);
            }
        }
        // Why it is not is known there.
        if is_taken { Ok(()) } else { self.gather() }
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        self.gather()
    }
}

/// Reads of a record what is to be made of it by one part.
struct Choosing<'b> {
    preparer: &'b Preparer,
    outlook: &'b Outlook,
    /// Which part, and what it has; none if there is only one.
    part: Option<(usize, &'b OnceLock<Division>)>,
    /// Whether the record may concern groups of other parts.
    is_of_several: bool,
    at: Revision,
    verdict: Verdict,
    /// Those of the changes of groups that were read last.
    verdicts: Vec<Verdict>,
    /// Ids of pushes, if this is the first part.
    ids: Vec<(Revision, PushId)>,
    replaced: u64,
}

impl<'b> Choosing<'b> {
    fn new(
        preparer: &'b Preparer,
        outlook: &'b Outlook,
        part: Option<(usize, &'b OnceLock<Division>)>,
    ) -> Self {
        Self {
            preparer,
            outlook,
            part,
            is_of_several: false,
            at: Revision::default(),
            verdict: Verdict::Whole,
            verdicts: Vec::new(),
            ids: Vec::new(),
            replaced: 0,
        }
    }

    fn read<'a>(&mut self, at: Revision, record: &'a [u8]) -> Result<Vec<Change<'a>>, RecordError> {
        self.at = at;
        self.is_of_several = record::only_group(record).is_none();
        self.verdicts.clear();
        record::decode_by(record, self)
    }
}

impl<'a> Reading<'a> for Choosing<'_> {
    fn begin(
        &mut self,
        key: &'a [u8],
        kind: Touch,
        names: Names<'_, 'a>,
    ) -> Result<Option<GroupingKey>, GroupingKeyError> {
        if self.is_of_several
            && let Some((which, divided)) = self.part
            && divided
                .get()
                .is_some_and(|division| division.part_of(key) != which)
        {
            return Ok(None);
        }
        self.verdict = self.outlook.verdict(self.at, key, kind, &names);
        self.replaced += u64::from(self.verdict != Verdict::Whole);
        if self.verdict == Verdict::Nothing {
            return Ok(None);
        }
        self.verdicts.push(self.verdict);
        GroupingKey::from_bytes(key).map(Some)
    }

    fn wants(&self, name: &str) -> bool {
        self.verdict.wants(name)
    }

    fn add(&mut self, prepared: &mut Prepared<'a>, parts: &FamilyParts<'a>, text: Range<usize>) {
        self.preparer.add_stored(prepared, parts, text);
    }

    fn push_id(&mut self, id: PushId) {
        // Every part may read the record.
        if self.part.is_none_or(|(which, _)| which == 0) {
            self.ids.push((self.at, id));
        }
    }
}
