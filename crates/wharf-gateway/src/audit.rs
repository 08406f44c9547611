//! Who did what, of all that takes something away or decides for others: deletes, wipes, undos, imports, reloads, quits.
//!
//! A bounded list in memory, and in a file beside the groups if there is one. Pushes do not get into it. It has names, never
//! passwords or tokens.
//!
//! What comes often (a job that deletes its group after each run) must not push out what comes rarely: each has a shelf of
//! its own, and what one client does again within a minute becomes one entry.

mod entry;
mod file;
mod line;

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Mutex;

use wharf_store::UnixNanos;

use self::entry::cut;
pub use self::entry::{Action, ActionKind, Actor, AuditEntry};
pub use self::file::AuditError;
use self::file::{Log, Opened};
use crate::lock::lock;
use crate::refusal::Refusal;

/// Entries of one shelf.
const MAX_ENTRIES: usize = 5_000;
/// And their bytes.
const MAX_BYTES: usize = 2 << 20;
/// How many times the list is not written after that has failed.
const PAUSE: u32 = 20;
/// Among so many of the last entries.
const FOLDED_AMONG: usize = 64;

/// What of the list is asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of these kinds; of all, without any.
    pub kinds: Vec<ActionKind>,
    /// Not before this time.
    pub since: Option<UnixNanos>,
    /// The newest of them, so many.
    pub limit: usize,
}

/// The list.
#[derive(Debug, Default)]
pub struct Audit {
    /// Taken before the book.
    file: Mutex<Keeping>,
    book: Mutex<Book>,
}

/// Where the list is kept.
#[derive(Debug, Default)]
struct Keeping {
    /// None: in memory only.
    log: Option<Log>,
    /// Why it cannot be written, if it cannot.
    failure: Option<String>,
    /// How many times it is not to be written, after that has failed.
    pause: u32,
}

#[derive(Debug, Default)]
struct Book {
    rare: Shelf,
    frequent: Shelf,
    /// The last number that was given.
    last: u64,
    /// Entries that the file does not have, or not as they are.
    unsaved: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By number.
    entries: VecDeque<AuditEntry>,
    bytes: usize,
}

impl Shelf {
    fn push(&mut self, entry: AuditEntry) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }

    fn find(&self, id: u64) -> Option<&AuditEntry> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.entries.get(at)
    }
}

impl Book {
    fn shelf(&mut self, kind: ActionKind) -> &mut Shelf {
        if kind.is_frequent() {
            &mut self.frequent
        } else {
            &mut self.rare
        }
    }

    /// Whether it is an entry of its own.
    fn add(&mut self, action: Action, now: UnixNanos) -> bool {
        let shelf = self.shelf(action.kind);
        let same = shelf
            .entries
            .iter_mut()
            .rev()
            .take(FOLDED_AMONG)
            .find(|entry| entry.takes(&action, now));
        if let Some(entry) = same {
            let before = entry.bytes();
            entry.add(&action, now);
            let (id, after) = (entry.id, entry.bytes());
            shelf.bytes = shelf.bytes - before + after;
            self.miss(id);
            return false;
        }
        self.last += 1;
        let id = self.last;
        self.shelf(action.kind).push(AuditEntry {
            id,
            time: now,
            last_time: now,
            times: 1,
            action,
        });
        self.miss(id);
        true
    }

    /// All entries, by number.
    fn all(&self) -> Vec<&AuditEntry> {
        let mut all: Vec<_> = self.rare.entries.iter().chain(&self.frequent.entries).collect();
        all.sort_unstable_by_key(|entry| entry.id);
        all
    }

    /// Notes that the file lacks an entry. Without a file they are as many as there are entries.
    fn miss(&mut self, id: u64) {
        self.unsaved.insert(id);
        if self.unsaved.len() > 2 * MAX_ENTRIES {
            self.unsaved.pop_first();
        }
    }

    fn find(&self, id: u64) -> Option<&AuditEntry> {
        self.rare.find(id).or_else(|| self.frequent.find(id))
    }

    /// Puts what a file has before what has come since the start.
    fn put_before(&mut self, mut read: Vec<AuditEntry>) {
        let new = std::mem::take(self);
        read.sort_by_key(|entry| entry.id);
        for entry in read {
            self.last = self.last.max(entry.id);
            self.shelf(entry.action.kind).push(entry);
        }
        for mut entry in new.all().into_iter().cloned() {
            self.last += 1;
            entry.id = self.last;
            self.shelf(entry.action.kind).push(entry);
            self.miss(self.last);
        }
    }
}

impl Audit {
    /// Adds what was done. Whether it is an entry of its own, and not one more time of the last.
    pub(crate) fn add(&self, mut action: Action, now: UnixNanos) -> bool {
        action.what = cut(action.what);
        action.error = action.error.map(cut);
        action.actor.who = cut(action.actor.who);
        lock(&self.book).add(action, now)
    }

    /// The entries, the newest first.
    pub fn list(&self, filter: &AuditFilter) -> Vec<AuditEntry> {
        let book = lock(&self.book);
        let is_asked_for = |entry: &&&AuditEntry| {
            (filter.kinds.is_empty() || filter.kinds.contains(&entry.action.kind))
                && filter.since.is_none_or(|since| entry.last_time >= since)
        };
        let all = book.all();
        let newest = all.iter().rev().filter(is_asked_for).take(filter.limit);
        newest.copied().cloned().collect()
    }

    /// Whether the list is kept across restarts, as far as one can tell.
    pub fn is_kept(&self) -> bool {
        let file = lock(&self.file);
        file.log.is_some() && file.failure.is_none()
    }

    /// Reads the file of a folder, in which the list is kept from now on. Blocks.
    pub(crate) fn open(&self, folder: &Path) -> Result<Opened, AuditError> {
        let mut file = lock(&self.file);
        let (log, read, opened) = Log::open(folder)?;
        file.log = Some(log);
        lock(&self.book).put_before(read);
        Ok(opened)
    }

    /// Writes what the file does not have, if there is one, and waits until it is on the disk. Blocks.
    ///
    /// # Errors
    /// If it cannot be written any more: said once, until it can be again.
    pub(crate) fn save(&self) -> Result<Saved, AuditError> {
        let mut file = lock(&self.file);
        if file.pause > 0 {
            file.pause -= 1;
            return Ok(Saved::Nothing);
        }
        let Some(log) = &mut file.log else {
            return Ok(Saved::Nothing);
        };
        let (text, unsaved) = {
            let mut book = lock(&self.book);
            if book.unsaved.is_empty() && !log.is_broken() {
                return Ok(Saved::Nothing);
            }
            let text = if log.is_grown() {
                None
            } else {
                let entries = book.unsaved.iter().filter_map(|id| book.find(*id));
                Some(entries.map(line::write).collect::<String>())
            };
            (text, std::mem::take(&mut book.unsaved))
        };
        let written = if let Some(text) = text {
            log.append(text.as_bytes())
        } else {
            let text: String = lock(&self.book).all().into_iter().map(line::write).collect();
            log.replace(text.as_bytes())
        };
        match written {
            Ok(()) => Ok(match file.failure.take() {
                Some(_) => Saved::Again,
                None => Saved::Written,
            }),
            Err(error) => {
                lock(&self.book).unsaved.extend(unsaved);
                file.pause = PAUSE;
                let is_new = file.failure.replace(error.to_string()).is_none();
                if is_new { Err(error) } else { Ok(Saved::Nothing) }
            }
        }
    }
}

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    Nothing,
    Written,
    /// For the first time after a failure.
    Again,
}

/// Why something was not done, on one line.
pub(crate) fn why(refusal: &Refusal) -> String {
    let first = refusal.text_for_others().lines().next();
    first.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
