//! Keeps what was removed: takes it over under the lock of the store, and writes it when nobody waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wharf_ledger::{Archive, ArchiveError, ArchivedEntry, Disk, EntryReader, MemoryDisk, Place, Sequence};

use super::book::{Book, NotNow, Over};
use super::summary::{Counts, Removed, Summary};
use super::taken::{Image, Taken};
use super::{Author, Receipt, Removal, RemovalKind, RemovalState, RemovedSettings, RemovedStatus, WhyLost};
use crate::{Clock, Revision, UnixNanos};

/// Removals that wait to be written. It takes a disk that hangs for some time to get there.
const MOST_WAITING: usize = 1024;
/// So many parts of the time that things are kept has one file: what is over goes as late as that.
const FILES_AN_AGE: u32 = 8;

/// See the head of this file. Locks are taken in the order in which they stand here.
pub(crate) struct Keeper {
    max_age: Duration,
    max_bytes: u64,
    clock: Arc<dyn Clock>,
    is_durable: bool,
    /// Held while it writes.
    files: Mutex<Files>,
    shelf: Mutex<Shelf>,
    /// The last removal that was ever written when the archive was opened.
    found: Revision,
    /// Whether something waits: a look at it costs less than a lock.
    has_waiting: AtomicBool,
    failures: AtomicU64,
    /// Why it failed last, until somebody takes that.
    last_failure: Mutex<Option<String>>,
    /// Bytes of the files, for those who do not wait until it has written.
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Files {
    archive: Archive,
    /// The file that is written to, and since when.
    began: Option<(u64, UnixNanos)>,
}

#[derive(Debug, Default)]
struct Shelf {
    book: Book,
    waiting: VecDeque<Waiting>,
}

/// A removal that is not written yet.
#[derive(Debug)]
struct Waiting {
    revision: Revision,
    /// Shared for as long as somebody looks how much it is.
    taken: Arc<Taken>,
    removed: Removed,
}

/// What is to be said of a removal beside what it takes.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) kind: RemovalKind,
    pub(crate) author: Author,
    /// The removal of which this is a part; none if it is the first part.
    pub(crate) of: Option<Revision>,
    pub(crate) is_recovered: bool,
}

impl About {
    /// A removal by somebody.
    pub(crate) fn new(kind: RemovalKind, author: &Author) -> Self {
        Self {
            kind,
            author: author.clone(),
            of: None,
            is_recovered: false,
        }
    }
}

/// The parts of a removal that is to be undone. Others are told to wait until this is dropped.
#[derive(Debug)]
pub(crate) struct Opened<'k> {
    keeper: &'k Keeper,
    id: Revision,
    pub(crate) parts: VecDeque<EntryReader>,
}

impl Opened<'_> {
    /// The removal.
    pub(crate) fn id(&self) -> Revision {
        self.id
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.keeper.shelf().book.end(self.id);
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// Reads what is kept. What cannot be read is told; a folder that cannot be used at all makes it keep things in memory.
    pub(crate) fn open(settings: &RemovedSettings) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut book = Book::default();
        let (archive, is_durable) = match &settings.disk {
            None => (None, false),
            Some(disk) => match read(disk, settings, &mut book) {
                Ok((archive, damage)) => {
                    problems.extend(damage);
                    (Some(archive), true)
                }
                Err(error) => {
                    problems.push(error);
                    (None, false)
                }
            },
        };
        let archive = archive.unwrap_or_else(|| {
            book.clear();
            in_memory(settings.max_bytes)
        });
        let (found, bytes) = (Revision(archive.last().0), archive.bytes());
        let files = Files { archive, began: None };
        let keeper = Self {
            max_age: settings.max_age,
            max_bytes: settings.max_bytes,
            clock: Arc::clone(&settings.clock),
            is_durable,
            files: Mutex::new(files),
            shelf: Mutex::new(Shelf {
                book,
                waiting: VecDeque::new(),
            }),
            found,
            has_waiting: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            last_failure: Mutex::default(),
            bytes: AtomicU64::new(bytes),
        };
        keeper.expire();
        (keeper, problems)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.files)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }

    fn until(&self, at: UnixNanos) -> UnixNanos {
        let age = i64::try_from(self.max_age.as_nanos()).unwrap_or(i64::MAX);
        UnixNanos(at.0.saturating_add(age))
    }

    pub(crate) fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    // ---- taking over --------------------------------------------------------------------------------------

    /// Takes over what the change of this number takes away. Under the lock of the store; costs nothing.
    pub(crate) fn take(&self, revision: Revision, taken: Taken, about: About) {
        if taken.groups() == 0 {
            return;
        }
        let removed = Removed {
            of: about.of.unwrap_or(revision),
            at: self.now(),
            kind: about.kind,
            is_recovered: about.is_recovered,
            author: about.author,
            counts: Counts::default(),
        };
        let until = self.until(removed.at);
        let mut shelf = self.shelf();
        shelf.book.add(revision, &removed, taken.groups(), until);
        if shelf.waiting.len() >= MOST_WAITING {
            shelf.book.lose(removed.of, WhyLost::TooMany);
            return;
        }
        shelf.waiting.push_back(Waiting {
            revision,
            taken: Arc::new(taken),
            removed,
        });
        self.has_waiting.store(true, Ordering::Release);
    }

    /// What to tell whoever has made the removal. Costs a look at each fragment that is to be written, without any lock.
    pub(crate) fn receipt(&self, id: Revision) -> Option<Receipt> {
        let waiting: Vec<Arc<Taken>> = {
            let shelf = self.shelf();
            let of_it = shelf.waiting.iter().filter(|waiting| waiting.removed.of == id);
            of_it.map(|waiting| Arc::clone(&waiting.taken)).collect()
        };
        let about: u64 = waiting.iter().map(|taken| taken.about_bytes()).sum();
        drop(waiting);
        let mut shelf = self.shelf();
        let Shelf { book, waiting } = &mut *shelf;
        let mut gone = Vec::new();
        if about > self.max_bytes {
            let max_bytes = self.max_bytes;
            book.lose(id, WhyLost::TooLarge { max_bytes });
            let (lost, others): (Vec<Waiting>, Vec<Waiting>) =
                waiting.drain(..).partition(|waiting| waiting.removed.of == id);
            waiting.extend(others);
            gone = lost;
        }
        let removal = &book.get(id)?.removal;
        let receipt = match &removal.state {
            RemovalState::Lost(why) => Receipt::Lost(why.clone()),
            RemovalState::Kept | RemovalState::Undone(_) => Receipt::Kept {
                id,
                until: removal.until,
            },
        };
        drop(shelf);
        // May be all that was stored.
        drop(gone);
        Some(receipt)
    }

    /// The changes after this one were taken back.
    pub(crate) fn take_back(&self, after: Revision) {
        let mut shelf = self.shelf();
        shelf.waiting.retain(|waiting| waiting.revision <= after);
        shelf.book.take_back(after);
    }

    // ---- a start ------------------------------------------------------------------------------------------

    /// Whether nothing of the removal of this number has ever been written, as a start meets it in the ledger.
    pub(crate) fn misses(&self, revision: Revision) -> bool {
        self.is_durable && revision > self.found
    }

    /// The ledger has been read, up to this record. If the archive knows of later ones it belongs to another ledger, and is
    /// forgotten; says so.
    pub(crate) fn begin(&self, last: Revision) -> Option<String> {
        self.write(None);
        if self.found <= last {
            return None;
        }
        let mut files = self.files();
        let dropped = files.archive.clear();
        self.shelf().book.clear();
        let mut text = format!(
            "what was removed belongs to another ledger, and is forgotten: it has record {}, and the ledger ends with {last}",
            self.found
        );
        if let Err(error) = dropped {
            text.push_str("; ");
            text.push_str(&error.to_string());
        }
        Some(text)
    }

    // ---- writing ------------------------------------------------------------------------------------------

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.shelf().waiting.len()
    }

    /// Whether something waits that was removed up to this change. Waits for whoever writes just now.
    pub(crate) fn has_waiting(&self, through: Revision) -> bool {
        if !self.has_waiting.load(Ordering::Acquire) {
            return false;
        }
        let _written = self.files();
        let first = self.shelf().waiting.front().map(|first| first.revision);
        first.is_some_and(|first| first <= through)
    }

    /// Writes what waits, up to this change: that is the last one on stable storage; or all, where that does not matter.
    pub(crate) fn write(&self, durable: Option<Revision>) {
        if !self.has_waiting.load(Ordering::Acquire) {
            return;
        }
        let mut files = self.files();
        let mut written = Vec::new();
        while let Some(waiting) = self.next(durable) {
            let (of, revision) = (waiting.removed.of, waiting.revision);
            match self.append(&mut files, waiting) {
                Ok((place, counts)) => written.push((of, revision, place, counts)),
                Err(error) => {
                    let why = self.why(&error);
                    self.shelf().book.lose(of, why);
                }
            }
        }
        let synced = files.archive.sync();
        let mut shelf = self.shelf();
        for (of, revision, place, counts) in written {
            match &synced {
                Ok(()) => shelf.book.placed(of, revision, place, counts),
                Err(error) => {
                    self.failed(error);
                    shelf.book.lose(of, WhyLost::Disk(error.to_string()));
                }
            }
        }
        shelf.book.forget_before(files.archive.first_file());
        self.bytes.store(files.archive.bytes(), Ordering::Relaxed);
        // Only now: whoever sees that nothing waits relies on it that all is written.
        self.has_waiting
            .store(!shelf.waiting.is_empty(), Ordering::Release);
    }

    fn why(&self, error: &ArchiveError) -> WhyLost {
        if let ArchiveError::TooLarge { max_bytes } = error {
            return WhyLost::TooLarge {
                max_bytes: *max_bytes,
            };
        }
        self.failed(error);
        WhyLost::Disk(error.to_string())
    }

    fn failed(&self, error: &impl ToString) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_failure) = Some(error.to_string());
    }

    /// Why something could not be written, if that has happened since the last time.
    pub(crate) fn take_failure(&self) -> Option<String> {
        lock(&self.last_failure).take()
    }

    /// The next one to be written.
    fn next(&self, durable: Option<Revision>) -> Option<Waiting> {
        let mut shelf = self.shelf();
        let is_due = |first: &Waiting| durable.is_none_or(|durable| first.revision <= durable);
        if shelf.waiting.front().is_some_and(is_due) {
            shelf.waiting.pop_front()
        } else {
            None
        }
    }

    fn append(&self, files: &mut Files, waiting: Waiting) -> Result<(Place, Counts), ArchiveError> {
        let Waiting {
            revision,
            taken,
            removed,
        } = waiting;
        let about = taken.about_bytes();
        let mut records = Records {
            images: taken.images(),
            removed,
            is_over: false,
        };
        let place = files.archive.append(Sequence(revision.0), about, &mut records)?;
        files.began(place.file, self.now());
        Ok((place, records.removed.counts))
    }

    /// Lets go what is over, and begins another file when the last one has been written to for long.
    pub(crate) fn expire(&self) {
        let now = self.now();
        let over = self.shelf().book.expire(now);
        let age = i64::try_from((self.max_age / FILES_AN_AGE).as_nanos()).unwrap_or(i64::MAX);
        let mut files = self.files();
        if files
            .began
            .is_some_and(|(_, began)| now.0.saturating_sub(began.0) > age)
        {
            files.archive.begin_file();
            files.began = None;
        }
        let dropped = match over {
            None => Ok(()),
            Some(Over::All) => files.archive.drop_all(),
            Some(Over::Before(needed)) => {
                files.archive.drop_before(needed);
                Ok(())
            }
        };
        if let Err(error) = dropped {
            // The files are found again at the next start.
            self.failed(&error);
        }
        self.bytes.store(files.archive.bytes(), Ordering::Relaxed);
    }

    // ---- looking, and putting back ------------------------------------------------------------------------

    pub(crate) fn status(&self) -> RemovedStatus {
        let now = self.now();
        let shelf = self.shelf();
        let kept = shelf.book.newest_first(now);
        let kept = kept.filter(|removal| removal.state == RemovalState::Kept);
        RemovedStatus {
            max_age: self.max_age,
            max_bytes: self.max_bytes,
            bytes: self.bytes.load(Ordering::Relaxed),
            removals: kept.count() as u64,
            is_durable: self.is_durable,
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Up to so many removals, newest first, from before this one on.
    pub(crate) fn list(&self, before: Option<Revision>, limit: usize) -> Vec<Removal> {
        let now = self.now();
        let shelf = self.shelf();
        let removals = shelf.book.newest_first(now);
        let removals = removals.filter(|removal| before.is_none_or(|before| removal.id < before));
        removals.take(limit).cloned().collect()
    }

    /// One of them.
    pub(crate) fn get(&self, id: Revision) -> Option<Removal> {
        let now = self.now();
        let shelf = self.shelf();
        let removal = &shelf.book.get(id)?.removal;
        (now < removal.until).then(|| removal.clone())
    }

    /// Opens what a removal has taken, to look at it.
    pub(crate) fn read(&self, id: Revision) -> Result<VecDeque<EntryReader>, Unread> {
        let files = self.files();
        let places = self.shelf().book.places(id, self.now()).map_err(Unread::NotNow)?;
        open(&files.archive, &places)
    }

    /// Opens it to undo the removal.
    pub(crate) fn begin_undo(&self, id: Revision) -> Result<Opened<'_>, Unread> {
        let files = self.files();
        let places = self.shelf().book.begin(id, self.now()).map_err(Unread::NotNow)?;
        let mut opened = Opened {
            keeper: self,
            id,
            parts: VecDeque::new(),
        };
        opened.parts = open(&files.archive, &places)?;
        Ok(opened)
    }

    /// A removal was undone.
    pub(crate) fn set_undone(&self, id: Revision, at: UnixNanos) {
        let record = Summary::Undone { of: id, at }.encode();
        let mut files = self.files();
        let about = record.len() as u64;
        let note = files
            .archive
            .append(Sequence(id.0), about, &mut std::iter::once(record))
            .and_then(|place| Ok(files.archive.sync().map(|()| place)?));
        match &note {
            Ok(place) => files.began(place.file, at),
            // It is known until the end of the process. To undo it again would do no harm.
            Err(error) => self.failed(error),
        }
        let mut shelf = self.shelf();
        shelf.book.undone(id, at, note.ok());
        shelf.book.forget_before(files.archive.first_file());
    }
}

/// Why a removal cannot be read.
#[derive(Debug)]
pub(crate) enum Unread {
    NotNow(NotNow),
    Archive(ArchiveError),
}

fn open(archive: &Archive, places: &[Place]) -> Result<VecDeque<EntryReader>, Unread> {
    let parts = places
        .iter()
        .map(|place| archive.read(*place).map_err(Unread::Archive));
    parts.collect()
}

impl Files {
    fn began(&mut self, file: u64, now: UnixNanos) {
        if self.began.is_none_or(|(began, _)| began != file) {
            self.began = Some((file, now));
        }
    }
}

/// The records of a removal: what it has taken, and in the end what is to be said of it.
struct Records<'t> {
    images: Box<dyn Iterator<Item = Image> + 't>,
    removed: Removed,
    is_over: bool,
}

impl Iterator for Records<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(image) = self.images.next() {
            self.removed.counts.add(image.counts);
            return Some(image.record);
        }
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        Some(Summary::Removed(self.removed.clone()).encode())
    }
}

/// Reads what is in a folder.
fn read(
    disk: &Arc<dyn Disk>,
    settings: &RemovedSettings,
    book: &mut Book,
) -> Result<(Archive, Vec<String>), String> {
    let age = i64::try_from(settings.max_age.as_nanos()).unwrap_or(i64::MAX);
    let now = settings.clock.now();
    let mut unknown = 0;
    let mut visit = |entry: ArchivedEntry<'_>| match Summary::decode(entry.last_record) {
        Some(Summary::Removed(removed)) => {
            let revision = Revision(entry.id.0);
            // A clock that was wrong must not keep something for ever.
            let at = removed.at.min(now);
            let until = UnixNanos(at.0.saturating_add(age));
            book.add(revision, &removed, removed.counts.groups, until);
            book.placed(removed.of, revision, entry.place, removed.counts);
        }
        Some(Summary::Undone { of, at }) => book.undone(of, at, Some(entry.place)),
        None => unknown += 1,
    };
    let (archive, damage) =
        Archive::open(Arc::clone(disk), settings.max_bytes, &mut visit).map_err(|error| error.to_string())?;
    let mut problems: Vec<String> = damage.iter().map(ToString::to_string).collect();
    if unknown > 0 {
        problems.push(format!(
            "{unknown} removals were written by a later version, and are passed over"
        ));
    }
    book.forget_before(archive.first_file());
    Ok((archive, problems))
}

/// An archive that is gone with the process. There is nothing in it, and memory does not fail.
fn in_memory(max_bytes: u64) -> Archive {
    Archive::new(Arc::new(MemoryDisk::default()), max_bytes)
}

/// What a thread that panicked has left is good enough to look at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
