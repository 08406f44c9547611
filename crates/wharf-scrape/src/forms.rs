//! Leaves in other formats than text, compressed, and kept from scrape to scrape.
//!
//! What a leaf is in protobuf or `OpenMetrics` depends on the leaf alone and on [`How`] it is written, wherever a family is
//! shown as it is stored. So a scrape with gzip makes this form of a leaf once, and the next one copies it, as it copies the
//! compressed text of leaves. The store keeps forms for as long as scrapes ask for them, see [`Shelf`]; here is what they are.
//!
//! Only the compressed bytes are kept, so forms are for gzip alone: nobody scrapes ten thousand groups every few seconds without.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use wharf_model::MetricType;
use wharf_model::name::EscapingScheme;
use wharf_store::{Compressed, FamilyView, FormKey, Leaf, Shelf, Snapshot, compress};

use crate::format::{Compression, Wanted};
use crate::helpers::{Ends, Work, is_as_stored};

/// Leaves with less text are rendered anew each time: there is little work in them, and a form takes some hundred bytes by itself.
const MIN_BYTES: usize = 1024;
/// So are leaves with more than this, which one group fills alone: a body is made in pieces, and this is one.
const MAX_BYTES: usize = 256 * 1024;

/// The forms together have no more bytes than half of what is stored, ...
const STORED_SHARE: u64 = 2;
/// ... and this. Of what batch jobs push, protobuf takes a tenth, and `OpenMetrics` an eighth.
const ROOM_BYTES: u64 = 1 << 20;

/// How the metrics of a leaf are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// In protobuf: native histograms, and all else.
    Protobuf,
    /// As lines of `OpenMetrics` under this type, if the values are such as it has.
    Typed(MetricType),
    /// As lines of `OpenMetrics` that are plain numbers.
    Numbers(MetricType),
}

/// The values are not such as their type has.
pub(crate) struct Unfit;

/// Parts that a form may have: the two kinds of messages of a family in protobuf.
pub(crate) const PARTS: usize = 2;

/// Writes all metrics of a leaf of a family, nothing escaped.
pub(crate) type Write = fn(&Leaf, &str, How) -> Result<[Option<Vec<u8>>; PARTS], Unfit>;

/// A leaf in another format, made at most once.
pub(crate) struct Form {
    how: How,
    made: OnceLock<Made>,
}

/// The parts that there are; or the values are not such as the type has.
type Made = Result<[Option<Compressed>; PARTS], Unfit>;

/// A leaf whose form is wanted.
pub(crate) struct Task {
    pub(crate) leaf: Arc<Leaf>,
    pub(crate) family: Arc<str>,
    pub(crate) how: How,
    pub(crate) write: Write,
}

impl Form {
    /// The part that has lines of `OpenMetrics`.
    pub(crate) const LINES: usize = 0;

    /// Its parts, if the values fit.
    pub(crate) fn parts(&self) -> Result<&[Option<Compressed>; PARTS], Unfit> {
        match self.made.get() {
            Some(Ok(parts)) => Ok(parts),
            _ => Err(Unfit),
        }
    }

    /// A part, if it has this one.
    pub(crate) fn part(&self, part: usize) -> Option<&Compressed> {
        self.parts().ok()?.get(part)?.as_ref()
    }

    fn bytes(&self) -> usize {
        let pieces = self.parts().into_iter().flatten().flatten();
        size_of::<Self>() + pieces.map(|piece| piece.bytes.len()).sum::<usize>()
    }
}

/// The forms that a scrape asks for.
pub(crate) struct Forms {
    shelf: Arc<Shelf>,
    room: usize,
    escaping: EscapingScheme,
    /// A bit for each key that it has asked for.
    asked: AtomicU8,
    /// Whether there was no room for one. What helpers make is made for nothing then.
    is_full: AtomicBool,
}

impl Forms {
    /// None, if this scrape has none.
    pub(crate) fn of(snapshot: &Snapshot, wanted: Wanted) -> Option<Arc<Self>> {
        let shelf = snapshot
            .shelf()
            .filter(|_| wanted.compression == Compression::Gzip)?;
        shelf.tidy();
        let room = snapshot.totals().bytes / STORED_SHARE + ROOM_BYTES;
        Some(Arc::new(Self {
            shelf: Arc::clone(shelf),
            room: usize::try_from(room).unwrap_or(usize::MAX),
            escaping: wanted.escaping,
            asked: AtomicU8::new(0),
            is_full: AtomicBool::new(false),
        }))
    }

    /// Whether a leaf has a form: it has neither little nor very much, and no names that are escaped.
    pub(crate) fn has(&self, leaf: &Leaf) -> bool {
        let is_small = || leaf.fragments("").map(|view| view.bytes()).sum::<u64>() <= MAX_BYTES as u64;
        // Of one that had a form the size is known, and it has not changed.
        (MIN_BYTES..=MAX_BYTES).contains(&leaf.piece().len())
            && is_as_stored(leaf, self.escaping)
            && (leaf.had_forms() || is_small())
    }

    /// The form of a leaf of a family, and whether it was made now. Of those who ask at once, one does the work.
    ///
    /// It is the same for all who ask, whatever they escape, see [`Self::has`].
    pub(crate) fn get(&self, leaf: &Leaf, family: &str, how: How, write: Write) -> (Arc<Form>, bool) {
        debug_assert!(self.has(leaf));
        let key = key(how);
        self.asked.fetch_or(1 << key.0, Relaxed);
        let new = || Form {
            how,
            made: OnceLock::new(),
        };
        let form = Shelf::form(leaf, key, |form: &Form| form.how == how, new);
        let mut is_new = false;
        form.made.get_or_init(|| {
            is_new = true;
            let parts = write(leaf, family, how)?;
            Ok(parts.map(|part| part.map(|metrics| compress(&metrics))))
        });
        if is_new && !self.shelf.keep(key, &form, form.bytes(), self.room) {
            self.is_full.store(true, Relaxed);
        }
        (form, is_new)
    }

    /// The leaves of a family that have forms.
    pub(crate) fn tasks(&self, family: FamilyView<'_>, how: How, write: Write) -> impl Iterator<Item = Task> {
        let leaves = family.leaves().filter(|leaf| self.has(leaf));
        leaves.map(move |leaf| Task {
            leaf: Arc::clone(leaf),
            family: family.shared_name(),
            how,
            write,
        })
    }

    /// What others may do of this work.
    pub(crate) fn work(self: &Arc<Self>, tasks: Vec<Task>) -> Work {
        let forms = Arc::clone(self);
        Arc::new(move |ends: &Ends| {
            ends.meet(tasks.len(), |position| {
                let task = tasks.get(position).filter(|_| !forms.is_full.load(Relaxed));
                task.is_some_and(|task| forms.get(&task.leaf, &task.family, task.how, task.write).1)
            })
        })
    }
}

impl Drop for Forms {
    fn drop(&mut self) {
        let asked = *self.asked.get_mut();
        let keys = (0..KEYS).filter(|key| asked >> key & 1 == 1);
        keys.for_each(|key| self.shelf.asked(FormKey(key)));
    }
}

/// How many keys there are.
const KEYS: u8 = 3;

/// A leaf has one form at a time under each of them. Lines of a type have another one than plain numbers: a family whose values do
/// not fit its type is read as both each time, up to the first that does not fit.
fn key(how: How) -> FormKey {
    FormKey(match how {
        How::Protobuf => 0,
        How::Typed(_) => 1,
        How::Numbers(_) => 2,
    })
}
