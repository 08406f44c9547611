//! The ledger: one handle to queue, committer, helper and checkpoints.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    AppendError, CheckpointError, CommitError, Options, Sequence, Ticket,
    checkpoint::{self, CheckpointWriter},
    commit::{Counters, Framed, Health, Live, Shared, Writer, nanoseconds},
    disk::Disk,
    error::{BoxError, During, OpenError},
    format::Start,
    lock,
    pool::Pool,
    recover::{self, LocatedRecord, Recovery, Replay, Replayed, Stopped, Survey},
};

/// A durable log of records. Clones are handles to the same ledger; the last one to go closes it.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// Held while a checkpoint is written.
    checkpoints: Mutex<Checkpoints>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(out)
    }
}

/// Which states a checkpoint may not be made of.
#[derive(Debug)]
struct Checkpoints {
    newest: Sequence,
    /// Numbers that were handed out, and then taken back by a restart: those between the two.
    void: Option<(Sequence, Sequence)>,
}

impl Checkpoints {
    fn admit(&self, at: Sequence) -> Result<(), CheckpointError> {
        let rolled_back = self.void.is_some_and(|(last, next)| last < at && at < next);
        if at < self.newest || rolled_back {
            return Err(CheckpointError::Stale {
                at,
                checkpoint: self.newest,
            });
        }
        Ok(())
    }

    /// The last number before `next` that is not void.
    fn last_before(&self, next: Sequence) -> Sequence {
        match self.void {
            Some((last, end)) if end == next => last,
            _ => Sequence(next.0.saturating_sub(1)),
        }
    }
}

/// A checkpoint that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointReport {
    /// It has the effects of all records up to this one.
    pub sequence: Sequence,
    /// Its records.
    pub records: u64,
    /// Its size on disk.
    pub bytes: u64,
    /// How long it took.
    pub duration: Duration,
    /// Segments of the log that are not needed any more.
    pub released_segments: usize,
}

/// What a ledger has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Syncs of the log, each of which made one or more records durable.
    pub commits: u64,
    /// Records made durable.
    pub records: u64,
    /// Bytes written to the log.
    pub bytes: u64,
    /// Time spent in syncs of the log.
    pub sync_time: Duration,
    /// Segments that a restart would look at.
    pub segments: u64,
    /// Times that the disk failed.
    pub failures: u64,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Bytes of all checkpoints written.
    pub checkpoint_bytes: u64,
    /// How long the last checkpoint took.
    pub checkpoint_time: Duration,
}

impl Ledger {
    /// Takes the folder, replays what is in it, and begins a new segment.
    ///
    /// `replay` is called for each record of the newest checkpoint, and then for each record of the log after it, in
    /// the order in which they were appended. If this returns an error, what was replayed is to be thrown away.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another process has the folder, [`OpenError::Damaged`] if acknowledged records cannot
    /// be read, [`OpenError::Newer`] if a newer version has written them. Nothing on disk is changed then.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), BoxError>,
    ) -> Result<(Self, Recovery), OpenError> {
        Self::open_by(disk, options, |disk, survey| {
            let mut visit = |found: LocatedRecord<'_>| replay(found.into());
            recover::recover(disk, survey, &mut visit)
        })
    }

    /// [`Self::open`] for those who want to know what the log has before its first record is replayed, which costs to read it
    /// twice.
    ///
    /// # Errors
    /// As there.
    pub fn open_looking_ahead(
        disk: Arc<dyn Disk>,
        options: Options,
        replay: &mut dyn Replay,
    ) -> Result<(Self, Recovery), OpenError> {
        Self::open_by(disk, options, |disk, survey| {
            recover::look_ahead(survey, |record| replay.look_ahead(record))?;
            let mut visit = |found: LocatedRecord<'_>| replay.replay(found.into());
            let recovered = recover::recover(disk, survey, &mut visit);
            // What could not be replayed comes before what could not be read.
            let finished = replay.finish();
            finished.map_err(|cause| Stopped::Refused {
                sequence: recovered.as_ref().map_or(0, |recovery| recovery.last.0),
                cause,
            })?;
            recovered
        })
    }

    fn open_by(
        disk: Arc<dyn Disk>,
        options: Options,
        recover: impl FnOnce(&dyn Disk, &mut Survey) -> Result<Recovery, Stopped>,
    ) -> Result<(Self, Recovery), OpenError> {
        let describe = disk.describe();
        let folder = disk
            .lock()
            .map_err(|error| OpenError::not_locked(&describe, error))?;
        let mut survey = Survey::of(&*disk)?;
        let recovery = recover(&*disk, &mut survey).map_err(|stopped| stopped.at(&*disk))?;

        let last = recovery.last.0;
        let pool = Pool::new(Arc::clone(&disk), &options, survey.last_id + 1, survey.spares);
        for name in &survey.temporaries {
            // What stays costs room, and is found again at the next start.
            drop(disk.remove(name));
        }
        if !survey.temporaries.is_empty() {
            // A segment may get the name of a leftover on its way; the two must not be mixed up.
            disk.sync_dir().during("sync ledger folder", &describe)?;
        }
        let segment = pool.create(Start {
            follows: last,
            begins: last.saturating_add(1),
        })?;
        let (unused, finished): (Vec<_>, Vec<_>) =
            survey.segments.iter().partition(|segment| segment.is_unused());
        pool.release(
            survey
                .covered
                .into_iter()
                .chain(unused.iter().map(|segment| segment.id)),
        );
        let finished = finished.iter().map(|segment| (segment.id, last)).collect();

        let writer = Writer::new(segment, last);
        let live = Live {
            finished,
            active: writer.id(),
        };
        let shared = Arc::new(Shared::new(disk, options, pool, live, last, folder));
        shared
            .counters
            .log_inherited
            .store(recovery.log_bytes, Ordering::Relaxed);
        let checkpoints = Checkpoints {
            newest: recovery.checkpoint,
            void: None,
        };
        let inner = Inner {
            shared,
            checkpoints: Mutex::new(checkpoints),
            threads: Mutex::default(),
        };
        inner.start(writer).during("start threads for", &describe)?;
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            recovery,
        ))
    }

    /// Queues a record. The order of calls is the order in the log. Never waits for the disk.
    ///
    /// # Errors
    /// The record is not taken, and no number is used up: [`AppendError`] says why.
    pub fn append(&self, record: &[u8]) -> Result<(Sequence, Ticket), AppendError> {
        self.inner.shared.append(record)
    }

    /// [`Self::append`] of a record that was made ready for it: the record is not copied, however long it is.
    ///
    /// # Errors
    /// As there.
    pub fn append_framed(&self, record: Framed) -> Result<(Sequence, Ticket), AppendError> {
        self.inner.shared.append_framed(record)
    }

    /// How many quarters of the [room for records that wait](Options::max_queued_bytes) are taken, 4 at most. Whoever can slow
    /// down looks at it, and appends when there is some room. Costs a look at a number.
    pub fn backlog(&self) -> u8 {
        self.inner.shared.backlog()
    }

    /// The last record on stable storage.
    pub fn durable(&self) -> Sequence {
        self.inner.shared.durable()
    }

    /// The number that the next record gets, as long as nobody else appends.
    pub fn next(&self) -> Sequence {
        Sequence(lock(&self.inner.shared.queue).next)
    }

    /// How the ledger is.
    pub fn health(&self) -> Health {
        lock(&self.inner.shared.queue).health.clone()
    }

    /// Whether the disk has failed, and no restart has succeeded since.
    pub fn failed(&self) -> bool {
        self.inner.shared.failed()
    }

    /// Whether nobody writes records any more: the ledger has been closed, or the thread that does has panicked. Then no restart
    /// helps.
    pub fn has_stopped(&self) -> bool {
        lock(&self.inner.shared.queue).has_stopped()
    }

    /// Registers a function that is called with the reason each time the ledger fails.
    ///
    /// It is called on the committer's thread: when no record is taken any more, and before any ticket of a record
    /// that is lost resolves. So the owner of the state can take back everything after [`Ledger::durable`] before
    /// anybody learns that it was lost.
    pub fn on_failure(&self, hook: Box<dyn Fn(&str) + Send + Sync>) {
        lock(&self.inner.shared.hooks).push(hook.into());
    }

    /// Writes a checkpoint: `records`, replayed into an empty state, and then the log's records after `at`, give the
    /// state.
    ///
    /// So `records` have all effects of what was appended up to `at`. They may have some of what is appended while they
    /// are given, if to replay a record that has had its effect does no harm: a state need not stand still, or be copied,
    /// for as long as it is written down.
    ///
    /// Runs on the calling thread, and neither appending nor committing waits for it. It waits until what was appended
    /// before the last of `records` is on stable storage. Afterwards, older checkpoints are gone, and the segments of
    /// the log whose records are all covered are used again or removed.
    ///
    /// # Errors
    /// [`CheckpointError::Stale`] if there is a newer checkpoint, or if the state was rolled back by a restart. The
    /// ledger goes on as before after any error.
    pub fn checkpoint(
        &self,
        at: Sequence,
        records: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> Result<CheckpointReport, CheckpointError> {
        let shared = &self.inner.shared;
        let mut checkpoints = lock(&self.inner.checkpoints);
        checkpoints.admit(at)?;
        let last = Sequence(lock(&shared.queue).next - 1);
        if at > last {
            return Err(CheckpointError::Ahead { at, last });
        }
        self.inner.refuse_when_failed()?;
        let mut report = self.inner.write_checkpoint(&mut checkpoints, at, records)?;
        let covered = lock(&shared.live).take_covered(at);
        report.released_segments = covered.len();
        shared.pool.release(covered);
        Ok(report)
    }

    /// Goes on after a failure, without trusting the segment that failed: writes a checkpoint of the state at `at`,
    /// and begins a new segment. Numbers go on above all that were ever handed out.
    ///
    /// `at` is [`Ledger::durable`] if the state was rolled back. If it was not, `at` is the last record that it
    /// contains.
    ///
    /// # Errors
    /// [`CheckpointError::NotFailed`] if there is nothing to restart. After any other error the ledger is still
    /// failed; call this again when the disk may be better.
    pub fn restart(
        &self,
        at: Sequence,
        records: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> Result<CheckpointReport, CheckpointError> {
        let shared = &self.inner.shared;
        let mut checkpoints = lock(&self.inner.checkpoints);
        let next = {
            let queue = lock(&shared.queue);
            if !shared.failed() {
                return Err(CheckpointError::NotFailed);
            }
            if queue.closing() {
                return Err(CheckpointError::Closed);
            }
            queue.next
        };
        checkpoints.admit(at)?;
        if at < self.durable() {
            return Err(CheckpointError::Stale {
                at,
                checkpoint: self.durable(),
            });
        }
        if at.0 >= next {
            return Err(CheckpointError::Ahead {
                at,
                last: Sequence(next - 1),
            });
        }
        shared.pool.shrink();
        let mut report = self.inner.write_checkpoint(&mut checkpoints, at, records)?;
        let segment = shared.pool.create(Start {
            follows: at.0,
            begins: next,
        })?;
        checkpoints.void = Some((at, Sequence(next)));
        let old = shared.resume(Writer::new(segment, next - 1), at);
        report.released_segments = old.len();
        shared.pool.release(old);
        shared.pool.go_on();
        Ok(report)
    }

    /// Bytes of log that a restart of the process would replay: what was appended since the last checkpoint was
    /// begun.
    pub fn log_bytes(&self) -> u64 {
        let counters = &self.inner.shared.counters;
        let written = load(&counters.bytes).saturating_sub(load(&counters.log_baseline));
        written.saturating_add(load(&counters.log_inherited))
    }

    /// What the ledger has done since it was opened.
    pub fn statistics(&self) -> Statistics {
        let shared = &self.inner.shared;
        let Counters {
            commits,
            records,
            bytes,
            sync_nanoseconds,
            failures,
            checkpoints,
            checkpoint_bytes,
            checkpoint_nanoseconds,
            ..
        } = &shared.counters;
        Statistics {
            commits: load(commits),
            records: load(records),
            bytes: load(bytes),
            sync_time: Duration::from_nanos(load(sync_nanoseconds)),
            segments: lock(&shared.live).finished.len() as u64 + 1,
            failures: load(failures),
            checkpoints: load(checkpoints),
            checkpoint_bytes: load(checkpoint_bytes),
            checkpoint_time: Duration::from_nanos(load(checkpoint_nanoseconds)),
        }
    }

    /// Takes no more records, brings those that wait to stable storage, notes at the end of the log that it is
    /// complete, and gives the folder back. Calling it again does nothing.
    ///
    /// # Errors
    /// The ledger had failed, or failed now; what [`Ledger::durable`] says is safe.
    pub fn close(&self) -> Result<(), CommitError> {
        self.inner.close();
        match self.health() {
            Health::Ok => Ok(()),
            Health::Failed { reason, .. } => Err(CommitError { reason }),
        }
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Inner {
    fn start(&self, writer: Writer) -> io::Result<()> {
        let helper = Arc::clone(&self.shared);
        let helper = thread::Builder::new()
            .name("ledger-helper".into())
            .spawn(move || helper.pool.run())?;
        lock(&self.threads).push(helper);
        let committer = Arc::clone(&self.shared);
        let committer = thread::Builder::new()
            .name("ledger-committer".into())
            .spawn(move || committer.run(writer))?;
        lock(&self.threads).push(committer);
        Ok(())
    }

    fn refuse_when_failed(&self) -> Result<(), CheckpointError> {
        match &lock(&self.shared.queue).health {
            Health::Ok => Ok(()),
            Health::Failed { reason, .. } => Err(CheckpointError::Failed {
                reason: Arc::clone(reason),
            }),
        }
    }

    /// Writes and names a checkpoint. Unless the ledger has failed, its records must first be on stable storage in
    /// the log: if they were lost there, the checkpoint would bring them back.
    fn write_checkpoint(
        &self,
        checkpoints: &mut Checkpoints,
        at: Sequence,
        records: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> Result<CheckpointReport, CheckpointError> {
        let shared = &self.shared;
        let restarting = shared.failed();
        let begun = Instant::now();
        let baseline = load(&shared.counters.bytes);
        let mut writer = CheckpointWriter::create(&*shared.disk, at)?;
        for record in records {
            writer.push(&record)?;
        }
        // A state that is begun anew does not change meanwhile, and of what was appended some has been taken back.
        let through = if restarting {
            at
        } else {
            checkpoints.last_before(Sequence(lock(&shared.queue).next))
        };
        writer.finish(through)?;
        if !restarting {
            shared
                .wait_durable(through)
                .map_err(|error| CheckpointError::Failed { reason: error.reason })?;
        }
        let (records, bytes) = writer.publish()?;
        checkpoints.newest = at;
        // An older checkpoint that stays is removed after the next one.
        drop(checkpoint::remove_older(&*shared.disk, at));
        let duration = begun.elapsed();
        let counters = &shared.counters;
        counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        counters.checkpoint_bytes.fetch_add(bytes, Ordering::Relaxed);
        counters
            .checkpoint_nanoseconds
            .store(nanoseconds(duration), Ordering::Relaxed);
        counters.log_baseline.store(baseline, Ordering::Relaxed);
        counters.log_inherited.store(0, Ordering::Relaxed);
        Ok(CheckpointReport {
            sequence: at,
            records,
            bytes,
            duration,
            released_segments: 0,
        })
    }

    fn close(&self) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return;
        }
        // The last handle may be dropped by a hook, on the committer's own thread, which cannot wait for itself.
        let own = thread::current().id();
        if threads.iter().all(|handle| handle.thread().id() != own) {
            self.shared.finish();
        } else {
            self.shared.begin_close();
        }
        self.shared.pool.stop();
        for handle in threads {
            if handle.thread().id() != own {
                // A panic over there was already reported by the thread itself.
                drop(handle.join());
            }
        }
        drop(lock(&self.shared.folder).take());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
