//! Segments made ready, and segments given back, away from the commit path.
//!
//! One helper thread keeps one segment ahead. If each commit is to be quick, that is an old segment with a new header, or a
//! new file full of zeros: a sync of blocks that the file already has costs the disk half of what it costs to make the file
//! longer. If there are few syncs, that is not worth writing everything twice, and it is a new file that grows.

use std::{
    io,
    sync::{Arc, Condvar, Mutex},
};

use crate::{
    Options, SyncMode,
    disk::{Disk, DiskFile},
    error::{DiskError, During},
    format::{self, SegmentHeader, Start},
    lock, wait,
};

/// How much of a new segment is written between two syncs: few enough bytes that a commit that meanwhile waits for
/// the same disk does not wait long.
const ZEROS_PER_SYNC_BYTES: u64 = 4 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A segment that nothing was written to yet, on stable storage with its name and header.
#[derive(Debug)]
pub(crate) struct NewSegment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) id: u64,
    pub(crate) stamp: u64,
    /// Whether the log is to leave it as soon as the helper has made another one ready.
    pub(crate) is_makeshift: bool,
}

/// The segments that are not in use.
#[derive(Debug)]
pub(crate) struct Pool {
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    /// Whether segments have their full length before they are used.
    prewrites: bool,
    state: Mutex<State>,
    /// Wakes the helper.
    work: Condvar,
    /// Wakes the committer.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    ready: Option<NewSegment>,
    /// Why the last attempt to make one ready has failed; the helper tries again when somebody needs one.
    failure: Option<Arc<str>>,
    /// The committer waits for a segment.
    urgent: bool,
    /// Segments whose records a checkpoint covers.
    released: Vec<u64>,
    /// Files of the right length to become segments.
    spares: Vec<String>,
    stopped: bool,
}

/// What the helper does next.
enum Work {
    Prepare { id: u64, spare: Option<String> },
    Release(Vec<u64>),
    Stop,
}

impl Pool {
    pub(crate) fn new(disk: Arc<dyn Disk>, options: &Options, next_id: u64, spares: Vec<String>) -> Self {
        let state = State {
            next_id,
            spares,
            ..State::default()
        };
        Self {
            disk,
            segment_bytes: options.segment_bytes,
            prewrites: options.sync == SyncMode::Always,
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// The helper thread.
    pub(crate) fn run(&self) {
        loop {
            match self.next_work() {
                Work::Stop => return,
                Work::Release(ids) => self.recycle_or_remove(&ids),
                Work::Prepare { id, spare } => self.prepare(id, spare.as_deref()),
            }
        }
    }

    pub(crate) fn stop(&self) {
        lock(&self.state).stopped = true;
        self.work.notify_one();
        self.done.notify_all();
    }

    /// Gives back segments whose records nobody needs.
    pub(crate) fn release(&self, ids: impl IntoIterator<Item = u64>) {
        lock(&self.state).released.extend(ids);
        self.work.notify_one();
    }

    /// Whether the segment after `current` can be had without waiting.
    pub(crate) fn is_ready(&self, current: u64) -> bool {
        lock(&self.state)
            .ready
            .as_ref()
            .is_some_and(|segment| segment.id > current)
    }

    /// The segment after `current`; waits for the helper if it has none yet.
    pub(crate) fn take(&self, current: u64) -> Result<NewSegment, Arc<str>> {
        let mut state = lock(&self.state);
        // An attempt that has failed may lie long back: only one made now counts.
        state.failure = None;
        loop {
            if let Some(segment) = state.ready.take() {
                self.work.notify_one();
                if segment.id > current {
                    state.urgent = false;
                    return Ok(segment);
                }
                // The helper was making it ready during a restart.
                state.released.push(segment.id);
            }
            if state.stopped {
                return Err("the ledger is closed".into());
            }
            if let Some(failure) = &state.failure {
                let failure = Arc::clone(failure);
                state.urgent = false;
                return Err(failure);
            }
            state.urgent = true;
            self.work.notify_one();
            state = wait(&self.done, state);
        }
    }

    /// Creates a segment on the calling thread. It grows with what is written to it.
    pub(crate) fn create(&self, start: Start) -> Result<NewSegment, DiskError> {
        let id = {
            let mut state = lock(&self.state);
            state.next_id += 1;
            state.next_id - 1
        };
        let name = format::segment_name(id);
        let temporary = format!("{name}.tmp");
        let header = SegmentHeader {
            id,
            stamp: format::new_stamp(),
            start: Some(start),
        };
        self.disk
            .create(&temporary)
            .and_then(|file| self.finish(file, &temporary, &name, &header))
            .map(|file| NewSegment {
                file,
                id,
                stamp: header.stamp,
                is_makeshift: self.prewrites,
            })
            .during("create log segment", &name)
    }

    /// Gives up what was made ready and what was kept, and makes nothing ready until [`Pool::go_on`]. After a
    /// restart the number of the ready segment is too low; and when the disk is full, its room is needed.
    pub(crate) fn shrink(&self) {
        let mut state = lock(&self.state);
        state.failure = Some("the ledger has failed".into());
        let ready = state.ready.take().map(|segment| format::segment_name(segment.id));
        let spares = std::mem::take(&mut state.spares);
        drop(state);
        for name in ready.into_iter().chain(spares) {
            self.discard(&name);
        }
    }

    /// Makes segments ready again.
    pub(crate) fn go_on(&self) {
        lock(&self.state).failure = None;
        self.work.notify_one();
    }

    fn next_work(&self) -> Work {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return Work::Stop;
            }
            if !state.released.is_empty() {
                return Work::Release(std::mem::take(&mut state.released));
            }
            if state.ready.is_none() && (state.urgent || state.failure.is_none()) {
                state.next_id += 1;
                return Work::Prepare {
                    id: state.next_id - 1,
                    spare: state.spares.pop(),
                };
            }
            state = wait(&self.work, state);
        }
    }

    fn prepare(&self, id: u64, spare: Option<&str>) {
        let made = self.make(id, spare);
        let mut state = lock(&self.state);
        match made {
            Ok(segment) => {
                state.ready = Some(segment);
                state.failure = None;
            }
            Err(error) => state.failure = Some(error.to_string().into()),
        }
        state.urgent = false;
        drop(state);
        self.done.notify_all();
    }

    fn make(&self, id: u64, spare: Option<&str>) -> Result<NewSegment, DiskError> {
        let name = format::segment_name(id);
        let header = SegmentHeader {
            id,
            stamp: format::new_stamp(),
            start: None,
        };
        let file = match spare {
            Some(spare) => self
                .disk
                .open(spare)
                .and_then(|file| self.finish(file, spare, &name, &header)),
            None => self.write_new(&name, &header),
        };
        file.map(|file| NewSegment {
            file,
            id,
            stamp: header.stamp,
            is_makeshift: false,
        })
        .during("prepare log segment", &name)
    }

    fn write_new(&self, name: &str, header: &SegmentHeader) -> io::Result<Box<dyn DiskFile>> {
        let temporary = format!("{name}.tmp");
        let file = self.disk.create(&temporary)?;
        let filled = if self.prewrites {
            self.write_zeros(&*file)
        } else {
            Ok(())
        };
        filled
            .and_then(|()| self.finish(file, &temporary, name, header))
            .inspect_err(|_| self.discard(&temporary))
    }

    /// Zeros that are really written: room that is only promised is still to be found at the first write.
    fn write_zeros(&self, file: &dyn DiskFile) -> io::Result<()> {
        let mut offset = 0;
        while offset < self.segment_bytes {
            let end = self.segment_bytes.min(offset + ZEROS_PER_SYNC_BYTES);
            while offset < end {
                let length = usize::try_from(end - offset).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
                file.write_at(offset, ZEROS.get(..length).unwrap_or(&ZEROS))?;
                offset += length as u64;
            }
            file.sync_data()?;
        }
        Ok(())
    }

    /// Header, then name: whatever is called a segment has a header.
    fn finish(
        &self,
        file: Box<dyn DiskFile>,
        from: &str,
        to: &str,
        header: &SegmentHeader,
    ) -> io::Result<Box<dyn DiskFile>> {
        file.write_at(0, &header.encode())?;
        file.sync_data()?;
        self.disk.rename(from, to)?;
        self.disk.sync_dir()?;
        Ok(file)
    }

    /// Keeps segments to be written again, for a log as long as theirs, and removes the others. Nothing depends on either;
    /// what remains because the disk fails is found at the next start.
    fn recycle_or_remove(&self, ids: &[u64]) {
        for &id in ids {
            let name = format::segment_name(id);
            let wanted = lock(&self.state).spares.len() < ids.len() && self.has_full_length(&name);
            if !wanted {
                self.discard(&name);
                continue;
            }
            let spare = format::spare_name(id);
            // The name must be gone for certain before the header is overwritten.
            if self
                .disk
                .rename(&name, &spare)
                .and_then(|()| self.disk.sync_dir())
                .is_ok()
            {
                lock(&self.state).spares.push(spare);
            }
        }
    }

    fn has_full_length(&self, name: &str) -> bool {
        let length = self.disk.open(name).and_then(|file| file.length());
        length.is_ok_and(|length| length >= self.segment_bytes && length - self.segment_bytes <= length / 8)
    }

    fn discard(&self, name: &str) {
        // A file that stays costs room and nothing else.
        drop(self.disk.remove(name));
    }
}
