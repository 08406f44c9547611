//! The queue of records, and the one thread that brings them to disk.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    AppendError, CommitError, Options, Sequence, SyncMode, Ticket,
    disk::{Disk, DiskFile, DiskLock},
    error::During,
    format::{self, BlockBuilder, BlockKind, FILE_HEADER_BYTES, MAX_RECORD_BYTES, framed_bytes},
    lock,
    pool::{NewSegment, Pool},
    ticket::{Outcome, Promise},
    wait, wait_timeout,
};

/// One sync covers at most about this much.
const COMMIT_BYTES: usize = 64 << 20;
/// In the mode that syncs every so often: this much is not kept waiting for the next time.
const EARLY_COMMIT_BYTES: usize = 8 << 20;
/// Room for a block: it is full with the record that makes it so. With a larger one the buffer grows, and is not kept.
const BUFFER_BYTES: usize = format::BLOCK_TARGET_BYTES + (64 << 10);
/// Buffers that are kept for the next blocks: as many as are filled before a sync begins.
const KEPT_BUFFERS: usize = EARLY_COMMIT_BYTES / format::BLOCK_TARGET_BYTES;

/// Called with the reason when the ledger fails.
pub(crate) type Hook = Arc<dyn Fn(&str) + Send + Sync>;

/// How the ledger is.
#[derive(Debug, Clone)]
pub enum Health {
    /// Records are taken and brought to disk.
    Ok,
    /// The disk has failed; nothing is taken until [`Ledger::restart`](crate::Ledger::restart) succeeds.
    Failed {
        /// What the disk said.
        reason: Arc<str>,
        /// When it did.
        since: Instant,
    },
}

/// What all parts of an open ledger share.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) pool: Pool,
    pub(crate) queue: Mutex<Queue>,
    /// Wakes the committer.
    wake: Condvar,
    /// Wakes who waits for a record to become durable, for a failure, or for the end.
    progress: Condvar,
    durable: AtomicU64,
    failed: AtomicBool,
    /// As [`Shared::backlog`]; written only when it is another, so that it costs nothing to look at it all the time.
    backlog: AtomicU8,
    pub(crate) hooks: Mutex<Vec<Hook>>,
    pub(crate) live: Mutex<Live>,
    pub(crate) counters: Counters,
    pub(crate) folder: Mutex<Option<Box<dyn DiskLock>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared")
            .field("disk", &self.disk)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

/// What happened since the ledger was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) sync_nanoseconds: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_bytes: AtomicU64,
    pub(crate) checkpoint_nanoseconds: AtomicU64,
    /// Bytes of log that stood before the last checkpoint was begun, in the same count as `bytes`.
    pub(crate) log_baseline: AtomicU64,
    /// Bytes of log that the start had to replay and no checkpoint has covered since.
    pub(crate) log_inherited: AtomicU64,
}

/// The segments that a restart would read.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Segments that are not written any more, with their last records.
    pub(crate) finished: Vec<(u64, u64)>,
    pub(crate) active: u64,
}

impl Live {
    /// Takes out the segments that a checkpoint at `sequence` covers.
    pub(crate) fn take_covered(&mut self, sequence: Sequence) -> Vec<u64> {
        let covered = self.finished.extract_if(.., |(_, last)| *last <= sequence.0);
        covered.map(|(id, _)| id).collect()
    }
}

/// Records on their way to disk.
#[derive(Debug)]
pub(crate) struct Queue {
    blocks: VecDeque<Pending>,
    /// Bytes in `blocks` and in the commit under way.
    queued: usize,
    /// The number of the next record.
    pub(crate) next: u64,
    pub(crate) health: Health,
    /// When the oldest record in `blocks` came.
    since: Option<Instant>,
    /// Somebody waits for a record to become durable.
    hurry: bool,
    committer: Committer,
    closing: bool,
    stopped: bool,
    /// The segment to go on with after a restart.
    writer: Option<Writer>,
    buffers: Vec<Vec<u8>>,
}

/// A record that is ready to be queued.
#[derive(Debug)]
pub struct Framed {
    block: BlockBuilder,
    length: usize,
}

impl Framed {
    /// Copies the record, so that [`Ledger::append_framed`](crate::Ledger::append_framed) need not do it while others wait.
    pub fn new(record: &[u8]) -> Self {
        let mut block = BlockBuilder::with_room(record.len());
        block.push(record);
        let length = record.len();
        Self { block, length }
    }
}

/// What the committer is doing, so that it is not woken for nothing: waking a thread costs more than queueing a
/// record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Committer {
    /// It works, or is about to: it looks at the queue again before it sleeps.
    Busy,
    /// It sleeps until there is a record.
    Idle,
    /// It sleeps until the time for the next sync has come, or much has been queued.
    Patient,
}

/// A block that is not on disk yet.
#[derive(Debug)]
struct Pending {
    builder: BlockBuilder,
    first: u64,
    /// What its records count for in [`Queue::queued`].
    queued: usize,
    outcome: Promise,
}

impl Pending {
    fn last(&self) -> u64 {
        self.first + u64::from(self.builder.count()) - 1
    }

    fn resolve(self, result: Result<(), CommitError>) -> Vec<u8> {
        self.outcome.keep(result);
        self.builder.into_buffer()
    }
}

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Writer {
    file: Box<dyn DiskFile>,
    name: String,
    id: u64,
    stamp: u64,
    offset: u64,
    is_makeshift: bool,
    /// The last record of the log so far.
    last: u64,
    /// Something was written since the last sync.
    dirty: bool,
}

impl Writer {
    /// Writes the records after `last` to a segment.
    pub(crate) fn new(segment: NewSegment, last: u64) -> Self {
        let NewSegment {
            file,
            id,
            stamp,
            is_makeshift,
        } = segment;
        let name = format::segment_name(id);
        Self {
            file,
            name,
            id,
            stamp,
            offset: FILE_HEADER_BYTES as u64,
            is_makeshift,
            last,
            dirty: false,
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Arc<str>> {
        self.dirty = true;
        self.file
            .write_at(self.offset, bytes)
            .during("write log segment", &self.name)
            .map_err(reason)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn reason(error: impl fmt::Display) -> Arc<str> {
    error.to_string().into()
}

/// What the committer does next.
enum Work {
    Commit(Vec<Pending>),
    Close,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        options: Options,
        pool: Pool,
        live: Live,
        last: u64,
        folder: Box<dyn DiskLock>,
    ) -> Self {
        let queue = Queue {
            blocks: VecDeque::new(),
            queued: 0,
            next: last.saturating_add(1),
            health: Health::Ok,
            since: None,
            hurry: false,
            committer: Committer::Busy,
            closing: false,
            stopped: false,
            writer: None,
            buffers: Vec::new(),
        };
        Self {
            disk,
            options,
            pool,
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            progress: Condvar::new(),
            durable: AtomicU64::new(last),
            failed: AtomicBool::new(false),
            backlog: AtomicU8::new(0),
            hooks: Mutex::default(),
            live: Mutex::new(live),
            counters: Counters::default(),
            folder: Mutex::new(Some(folder)),
        }
    }

    pub(crate) fn durable(&self) -> Sequence {
        Sequence(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// How many quarters of the room for records that wait are taken.
    pub(crate) fn backlog(&self) -> u8 {
        self.backlog.load(Ordering::Relaxed)
    }

    fn note_backlog(&self, queue: &Queue) {
        let room = self.options.max_queued_bytes.max(1);
        let quarters = (queue.queued.saturating_mul(4) / room).min(4);
        let quarters = u8::try_from(quarters).unwrap_or(4);
        if self.backlog() != quarters {
            self.backlog.store(quarters, Ordering::Relaxed);
        }
    }

    pub(crate) fn append(&self, record: &[u8]) -> Result<(Sequence, Ticket), AppendError> {
        self.queue(record.len(), |queue| queue.push(record))
    }

    pub(crate) fn append_framed(&self, record: Framed) -> Result<(Sequence, Ticket), AppendError> {
        self.queue(record.length, |queue| queue.push_block(record))
    }

    fn queue(
        &self,
        length: usize,
        push: impl FnOnce(&mut Queue) -> Arc<Outcome>,
    ) -> Result<(Sequence, Ticket), AppendError> {
        let limit = self.options.max_record_bytes.min(MAX_RECORD_BYTES);
        if length > limit {
            return Err(AppendError::TooLarge { length, limit });
        }
        let framed = framed_bytes(length);
        let mut queue = lock(&self.queue);
        if let Health::Failed { reason, .. } = &queue.health {
            return Err(AppendError::Failed {
                reason: Arc::clone(reason),
            });
        }
        if queue.closing {
            return Err(AppendError::Closed);
        }
        let limit = self.options.max_queued_bytes;
        if queue.queued > 0 && queue.queued.saturating_add(framed) > limit {
            return Err(AppendError::Full {
                queued: queue.queued,
                limit,
            });
        }
        let sequence = queue.next;
        let outcome = push(&mut queue);
        let ticket = match self.options.sync {
            SyncMode::Always => Ticket::pending(outcome),
            SyncMode::Every(_) => {
                queue.since.get_or_insert_with(Instant::now);
                Ticket::resolved()
            }
        };
        let wakes = queue.wakes_committer();
        self.note_backlog(&queue);
        drop(queue);
        if wakes {
            self.wake.notify_one();
        }
        Ok((Sequence(sequence), ticket))
    }

    /// Waits until the records up to `at` are on stable storage.
    pub(crate) fn wait_durable(&self, at: Sequence) -> Result<(), CommitError> {
        let mut queue = lock(&self.queue);
        loop {
            if let Health::Failed { reason, .. } = &queue.health {
                return Err(CommitError {
                    reason: Arc::clone(reason),
                });
            }
            if self.durable() >= at {
                return Ok(());
            }
            if queue.stopped {
                return Err(CommitError {
                    reason: "the ledger is closed".into(),
                });
            }
            queue.hurry = true;
            self.wake.notify_one();
            queue = wait(&self.progress, queue);
        }
    }

    /// Goes on after a failure: with a new segment, and with all up to `at` on stable storage. Returns the segments
    /// that are no longer needed.
    pub(crate) fn resume(&self, writer: Writer, at: Sequence) -> Vec<u64> {
        let mut live = lock(&self.live);
        let mut old: Vec<u64> = live.finished.drain(..).map(|(id, _)| id).collect();
        old.push(std::mem::replace(&mut live.active, writer.id));
        drop(live);
        let mut queue = lock(&self.queue);
        queue.writer = Some(writer);
        queue.health = Health::Ok;
        self.durable.store(at.0, Ordering::Release);
        self.failed.store(false, Ordering::Release);
        old
    }

    /// Asks the committer to finish.
    pub(crate) fn begin_close(&self) {
        lock(&self.queue).closing = true;
        self.wake.notify_one();
    }

    /// Asks the committer to finish, and waits until it has.
    pub(crate) fn finish(&self) {
        let mut queue = lock(&self.queue);
        queue.closing = true;
        self.wake.notify_one();
        while !queue.stopped {
            queue = wait(&self.progress, queue);
        }
    }

    /// The committer thread.
    pub(crate) fn run(&self, writer: Writer) {
        let mut writer = Some(writer);
        // Whatever ends this thread: nobody waits for it for ever.
        let _stopped = StopOnDrop(self);
        loop {
            match self.next_work(&mut writer) {
                Work::Commit(group) => self.commit(&mut writer, group),
                Work::Close => {
                    self.write_end(&mut writer);
                    return;
                }
            }
        }
    }

    fn next_work(&self, writer: &mut Option<Writer>) -> Work {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(next) = queue.writer.take() {
                *writer = Some(next);
            }
            if queue.blocks.is_empty() {
                if queue.closing {
                    return Work::Close;
                }
                queue.committer = Committer::Idle;
                queue = wait(&self.wake, queue);
            } else if let Some(left) = self.patience(&queue) {
                queue.committer = Committer::Patient;
                queue = wait_timeout(&self.wake, queue, left);
            } else {
                return Work::Commit(queue.take_group());
            }
            queue.committer = Committer::Busy;
        }
    }

    /// How long the queued records may still wait for company.
    fn patience(&self, queue: &Queue) -> Option<Duration> {
        let SyncMode::Every(interval) = self.options.sync else {
            return None;
        };
        if queue.hurry || queue.closing || queue.queued >= EARLY_COMMIT_BYTES {
            return None;
        }
        let left = interval.saturating_sub(queue.since?.elapsed());
        (!left.is_zero()).then_some(left)
    }

    fn commit(&self, writer: &mut Option<Writer>, mut group: Vec<Pending>) {
        let written = match writer.as_mut() {
            Some(writer) => self.write_group(writer, &mut group),
            None => Err("there is no segment to write to".into()),
        };
        match written {
            Ok(()) => self.committed(group),
            Err(reason) => {
                // Nobody knows what this segment holds now.
                *writer = None;
                self.fail(group, &reason);
            }
        }
    }

    fn write_group(&self, writer: &mut Writer, group: &mut [Pending]) -> Result<(), Arc<str>> {
        if writer.is_makeshift && self.pool.is_ready(writer.id) {
            self.roll(writer)?;
        }
        let durable = self.durable().0;
        for pending in group {
            let end = format::padded(writer.offset + pending.builder.len() as u64);
            if end > self.options.segment_bytes && writer.offset > FILE_HEADER_BYTES as u64 {
                self.roll(writer)?;
            }
            let bytes = pending
                .builder
                .seal(BlockKind::Records, writer.stamp, pending.first, durable);
            self.counters
                .bytes
                .fetch_add(bytes.len() as u64, Ordering::Relaxed);
            writer.write(bytes)?;
            writer.last = pending.last();
        }
        self.sync(writer)
    }

    fn sync(&self, writer: &mut Writer) -> Result<(), Arc<str>> {
        let begun = Instant::now();
        writer
            .file
            .sync_data()
            .during("sync log segment", &writer.name)
            .map_err(reason)?;
        writer.dirty = false;
        self.counters
            .sync_nanoseconds
            .fetch_add(nanoseconds(begun.elapsed()), Ordering::Relaxed);
        Ok(())
    }

    /// Goes on in the next segment.
    fn roll(&self, writer: &mut Writer) -> Result<(), Arc<str>> {
        // A block in the next segment means that all of this one is on stable storage.
        if writer.dirty {
            self.sync(writer)?;
        }
        let next = Writer::new(self.pool.take(writer.id)?, writer.last);
        let mut live = lock(&self.live);
        live.finished.push((writer.id, writer.last));
        live.active = next.id;
        drop(live);
        *writer = next;
        Ok(())
    }

    fn committed(&self, group: Vec<Pending>) {
        let Some(last) = group.last().map(Pending::last) else {
            return;
        };
        let records: u64 = group
            .iter()
            .map(|pending| u64::from(pending.builder.count()))
            .sum();
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.records.fetch_add(records, Ordering::Relaxed);
        self.durable.store(last, Ordering::Release);
        let queued: usize = group.iter().map(|pending| pending.queued).sum();
        let buffers: Vec<_> = group.into_iter().map(|pending| pending.resolve(Ok(()))).collect();
        let mut queue = lock(&self.queue);
        queue.queued -= queued;
        queue.keep(buffers);
        self.note_backlog(&queue);
        drop(queue);
        self.progress.notify_all();
    }

    /// Refuses everything that waits. First the ledger takes no more, then the store learns of it, and only then do
    /// those who wait: whoever sees a failed ticket finds the store already rolled back.
    fn fail(&self, group: Vec<Pending>, reason: &Arc<str>) {
        let mut queue = lock(&self.queue);
        self.failed.store(true, Ordering::Release);
        queue.health = Health::Failed {
            reason: Arc::clone(reason),
            since: Instant::now(),
        };
        let refused = std::mem::take(&mut queue.blocks);
        queue.queued = 0;
        queue.since = None;
        self.note_backlog(&queue);
        drop(queue);
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        self.progress.notify_all();
        let hooks = lock(&self.hooks).clone();
        for hook in hooks {
            hook(reason);
        }
        for pending in group.into_iter().chain(refused) {
            pending.resolve(Err(CommitError {
                reason: Arc::clone(reason),
            }));
        }
    }

    /// Says at the end of the log that nothing is missing after it.
    fn write_end(&self, writer: &mut Option<Writer>) {
        let Some(open) = writer.as_mut() else { return };
        let mut end = BlockBuilder::new(Vec::new());
        let bytes = end.seal(
            BlockKind::End,
            open.stamp,
            open.last.saturating_add(1),
            self.durable().0,
        );
        if let Err(reason) = open.write(bytes).and_then(|()| self.sync(open)) {
            *writer = None;
            self.fail(Vec::new(), &reason);
        }
    }
}

/// Marks the committer as gone, and fails what it leaves behind.
struct StopOnDrop<'s>(&'s Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        queue.closing = true;
        queue.stopped = true;
        let left = std::mem::take(&mut queue.blocks);
        drop(queue);
        for pending in left {
            pending.resolve(Err(CommitError {
                reason: "the ledger is closed".into(),
            }));
        }
        self.0.progress.notify_all();
    }
}

impl Queue {
    pub(crate) fn closing(&self) -> bool {
        self.closing
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped
    }

    fn push(&mut self, record: &[u8]) -> Arc<Outcome> {
        let fresh = self.blocks.back().is_none_or(|pending| pending.builder.is_full());
        if fresh {
            let builder = BlockBuilder::new(
                self.buffers
                    .pop()
                    .unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES)),
            );
            self.blocks.push_back(Pending {
                builder,
                first: self.next,
                queued: 0,
                outcome: Promise::default(),
            });
        }
        self.next += 1;
        let Some(pending) = self.blocks.back_mut() else {
            return Arc::default();
        };
        pending.builder.push(record);
        pending.queued += framed_bytes(record.len());
        self.queued += framed_bytes(record.len());
        pending.outcome.outcome()
    }

    /// Adds a record in a block of its own.
    fn push_block(&mut self, record: Framed) -> Arc<Outcome> {
        let promise = Promise::default();
        let (outcome, queued) = (promise.outcome(), framed_bytes(record.length));
        self.blocks.push_back(Pending {
            builder: record.block,
            first: self.next,
            queued,
            outcome: promise,
        });
        self.next += 1;
        self.queued += queued;
        outcome
    }

    /// Whether a record that was just queued has to wake the committer. Says so once.
    fn wakes_committer(&mut self) -> bool {
        let wakes = match self.committer {
            Committer::Busy => false,
            Committer::Idle => true,
            Committer::Patient => self.queued >= EARLY_COMMIT_BYTES,
        };
        if wakes {
            self.committer = Committer::Busy;
        }
        wakes
    }

    /// The blocks that share the next sync.
    fn take_group(&mut self) -> Vec<Pending> {
        let mut bytes = 0;
        let mut group = Vec::new();
        while bytes < COMMIT_BYTES {
            let Some(pending) = self.blocks.pop_front() else {
                break;
            };
            bytes += pending.builder.len();
            group.push(pending);
        }
        if self.blocks.is_empty() {
            self.hurry = false;
            self.since = None;
        }
        group
    }

    fn keep(&mut self, buffers: Vec<Vec<u8>>) {
        let room = KEPT_BUFFERS.saturating_sub(self.buffers.len());
        self.buffers.extend(
            buffers
                .into_iter()
                .filter(|buffer| buffer.capacity() <= BUFFER_BYTES)
                .take(room),
        );
    }
}

pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
