//! The histories of all groups, for many threads.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wharf_model::GroupingKey;

use crate::book::{Book, GroupHistory, Pulse};
use crate::file::{Log, NewFile, Opened, SaveError};
use crate::format::{self, Record};
use crate::push::Push;

/// Events that may wait to be settled. Who comes when there is no room settles them himself, and if somebody else is
/// just doing that, his event is lost: a push does not wait for its history.
const MAX_WAITING: usize = 64 * 1024;
/// The same for the bytes of their keys.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// Bytes that may wait for the file. When there are more, the disk takes nothing, and the file is written anew as soon
/// as it does.
const MAX_UNSAVED_BYTES: usize = 8 << 20;
/// Events that are booked under one hold of the book's lock.
const BOOKED_AT_ONCE: usize = 256;
/// Room for so many is kept when all are booked.
const USUAL_ROOM: usize = 4096;
/// Groups that are written to a new file in one frame.
const FRAME_GROUPS: usize = 512;

/// What has become of the last pushes of each group. Shared between threads by reference.
///
/// Locks are taken in the order of the fields.
#[derive(Debug)]
pub struct History {
    max_bytes: usize,
    file: Mutex<Option<Log>>,
    settling: Mutex<Settling>,
    book: Mutex<Book>,
    inbox: Mutex<Inbox>,
    lost: AtomicU64,
}

/// Events that nobody has booked yet.
#[derive(Debug, Default)]
struct Inbox {
    events: Vec<Event>,
    key_bytes: usize,
}

#[derive(Debug)]
enum Event {
    Push(GroupingKey, Push),
    Reset(GroupingKey, i64),
    Forget(GroupingKey),
    ForgetAll,
}

/// What only one thread at a time may do: the order of events in the book is that in the file.
#[derive(Debug, Default)]
struct Settling {
    /// The events being booked; its memory is used again.
    events: Vec<Event>,
    /// Whether there is a file that will want them.
    is_saved: bool,
    /// Records for the file.
    unsaved: Vec<u8>,
    /// Whether some were thrown away, so that only a new file has everything.
    is_cut: bool,
}

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Bytes that may be taken.
    pub max_bytes: usize,
    /// About how many are taken.
    pub bytes: usize,
    /// Groups that something is known of.
    pub groups: usize,
    /// Pushes that are remembered.
    pub pushes: usize,
    /// Events that were lost because too many came at once.
    pub lost: u64,
}

impl History {
    /// An empty history that keeps to so many bytes of memory, and is in memory only.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            file: Mutex::default(),
            settling: Mutex::default(),
            book: Mutex::new(Book::new(max_bytes)),
            inbox: Mutex::default(),
            lost: AtomicU64::new(0),
        }
    }

    /// A push of this group was answered.
    pub fn push(&self, key: GroupingKey, push: Push) {
        self.post(Event::Push(key, push));
    }

    /// What has been added up in the group begins anew, at a time in milliseconds since the Unix epoch.
    pub fn reset(&self, key: GroupingKey, at_ms: i64) {
        self.post(Event::Reset(key, at_ms));
    }

    /// The group is gone.
    pub fn forget(&self, key: GroupingKey) {
        self.post(Event::Forget(key));
    }

    /// All groups are gone.
    pub fn forget_all(&self) {
        self.post(Event::ForgetAll);
    }

    fn post(&self, event: Event) {
        let key_bytes = match &event {
            Event::Push(key, _) | Event::Reset(key, _) | Event::Forget(key) => key.as_bytes().len(),
            Event::ForgetAll => 0,
        };
        let mut inbox = lock(&self.inbox);
        if inbox.events.len() >= MAX_WAITING || inbox.key_bytes >= MAX_WAITING_BYTES {
            drop(inbox);
            let Ok(mut settling) = self.settling.try_lock() else {
                self.lost.fetch_add(1, Relaxed);
                return;
            };
            self.settle_with(&mut settling);
            inbox = lock(&self.inbox);
        }
        inbox.key_bytes += key_bytes;
        inbox.events.push(event);
    }

    /// Books what has come. To be called some times a second; looks do it too.
    pub fn settle(&self) {
        self.settle_with(&mut lock(&self.settling));
    }

    fn settle_with(&self, settling: &mut Settling) {
        {
            let mut inbox = lock(&self.inbox);
            std::mem::swap(&mut inbox.events, &mut settling.events);
            inbox.key_bytes = 0;
        }
        for events in settling.events.chunks(BOOKED_AT_ONCE) {
            let mut book = lock(&self.book);
            for event in events {
                match event {
                    Event::Push(key, push) => book.push(key, push),
                    Event::Reset(key, at_ms) => book.reset(key, *at_ms),
                    Event::Forget(key) => book.forget(key),
                    Event::ForgetAll => book.clear(),
                }
            }
        }
        if settling.is_saved && !settling.is_cut {
            let unsaved = &mut settling.unsaved;
            for event in &settling.events {
                match event {
                    Event::Push(key, push) => format::write_push(unsaved, key, push),
                    Event::Reset(key, at_ms) => format::write_reset(unsaved, key, *at_ms),
                    Event::Forget(key) => format::write_forget(unsaved, key),
                    Event::ForgetAll => format::write_forget_all(unsaved),
                }
            }
            if unsaved.len() > MAX_UNSAVED_BYTES {
                *unsaved = Vec::new();
                settling.is_cut = true;
            }
        }
        settling.events.clear();
        settling.events.shrink_to(USUAL_ROOM);
    }

    /// What is known of a group.
    pub fn group(&self, key: &GroupingKey) -> Option<GroupHistory> {
        lock(&self.book).group(key)
    }

    /// What tells how a group is doing.
    pub fn pulse(&self, key: &GroupingKey) -> Pulse {
        lock(&self.book).pulse(key)
    }

    /// How much is remembered.
    pub fn statistics(&self) -> Statistics {
        let book = lock(&self.book);
        Statistics {
            max_bytes: self.max_bytes,
            bytes: book.bytes(),
            groups: book.groups(),
            pushes: book.pushes(),
            lost: self.lost.load(Relaxed),
        }
    }

    /// Forgets the groups that are not to stay. To be called between [`Self::open`] and the first [`Self::save`], so that
    /// the file has it too.
    pub fn retain(&self, stays: impl Fn(&GroupingKey) -> bool) {
        lock(&self.book).retain(stays);
    }

    // ---- the file -----------------------------------------------------------------------------------------

    /// Reads the file of a folder, which becomes that of this history. To be called once, before anything is settled.
    /// Blocks.
    ///
    /// # Errors
    /// If the file cannot be read, or cannot be set aside. The history stays in memory only then.
    pub fn open(&self, folder: &Path) -> Result<Opened, SaveError> {
        let mut file = lock(&self.file);
        let mut settling = lock(&self.settling);
        let mut book = lock(&self.book);
        let (log, opened) = Log::open(folder, |record| match record {
            Record::Push { key, push } => book.push(&key, &push),
            Record::Group {
                key,
                last_error,
                pushes,
            } => {
                let last_error = last_error.as_ref().map(|(at_ms, refusal)| (*at_ms, refusal));
                book.restore(&key, last_error, &pushes);
            }
            Record::Reset(key, at_ms) => book.reset(&key, at_ms),
            Record::Added(key, added) => book.restore_added(&key, added),
            Record::Forget(key) => book.forget(&key),
            Record::ForgetAll => book.clear(),
        })?;
        book.restored();
        settling.is_saved = true;
        *file = Some(log);
        Ok(opened)
    }

    /// Writes what has come to the file, if there is one. To be called about once a second; blocks while it writes, and
    /// nobody else meanwhile, but for those who settle while a new file is being written.
    ///
    /// # Errors
    /// If the disk takes nothing. The next call tries again, with a new file.
    pub fn save(&self) -> Result<(), SaveError> {
        let mut file = lock(&self.file);
        let Some(log) = file.as_mut() else { return Ok(()) };
        let mut settling = lock(&self.settling);
        self.settle_with(&mut settling);
        if log.is_grown() || settling.is_cut {
            // The book has it all, and nobody changes it without `settling`.
            let new = self.write_anew(log).inspect_err(|_| log.abandon())?;
            settling.unsaved.clear();
            settling.is_cut = false;
            drop(settling);
            return log.finish(new).inspect_err(|_| {
                log.abandon();
                lock(&self.settling).is_cut = true;
            });
        }
        let unsaved = std::mem::take(&mut settling.unsaved);
        drop(settling);
        log.append(&unsaved)
    }

    fn write_anew(&self, log: &Log) -> Result<NewFile, SaveError> {
        let mut new = log.begin()?;
        let (mut start, mut records) = (0, Vec::new());
        loop {
            let end = start + FRAME_GROUPS;
            {
                let book = lock(&self.book);
                let Some(groups) = book.part(start..end) else {
                    return Ok(new);
                };
                groups.for_each(|(key, group)| format::write_group(&mut records, key, &group));
            }
            new.append(&records)?;
            records.clear();
            start = end;
        }
    }
}

/// What a thread that panicked has left is whole enough for a history.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
