//! Further forms of leaves, kept for those who ask again and again: what a leaf looks like in another format, compressed.
//!
//! * A form goes with its leaf: one that has changed is found no more, and gone when the next one asks.
//! * Forms under a key go together when nobody has asked for that key for [`UNASKED`].
//! * All of them together have no more bytes than there is room for, which whoever adds one says. If there is none, what has
//!   not been asked for the longest goes, but nothing that somebody has asked for within [`ASKED_FOR`]: those who ask in turn do
//!   not drive each other out. What is not kept is made anew each time.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::memory::leaf::Leaf;
use crate::memory::leaf::forms::{AnyForm, FormKey};

/// Forms that nobody has asked for so long go.
const UNASKED: Duration = Duration::from_secs(300);
/// Forms that somebody has asked for within this stay, whoever else wants room.
const ASKED_FOR: Duration = Duration::from_secs(120);
/// What a form takes beside its own bytes: places in lists, counts, and what allocators add.
const EACH_BYTES: usize = 256;

/// The forms that are kept.
#[derive(Default)]
pub struct Shelf(Mutex<Forms>);

#[derive(Default)]
struct Forms {
    by_key: BTreeMap<FormKey, Kept>,
    bytes: usize,
}

/// All forms under one key.
struct Kept {
    forms: Vec<(Arc<AnyForm>, usize)>,
    bytes: usize,
    asked_at: Instant,
}

impl Shelf {
    /// The form of a leaf under a key, if there is one and it is right; otherwise a new one, which others find from now on while
    /// somebody has it. [`Self::keep`] keeps it.
    pub fn form<F: Any + Send + Sync>(
        leaf: &Leaf,
        key: FormKey,
        is_right: impl FnOnce(&F) -> bool,
        new: impl FnOnce() -> F,
    ) -> Arc<F> {
        leaf.forms().get_or_note(key, is_right, new)
    }

    /// Keeps a form of so many bytes that [`Self::form`] has given, if with it all that is kept has not more than `room` bytes;
    /// whether it has. To be called once for each form.
    pub fn keep<F: Any + Send + Sync>(&self, key: FormKey, form: &Arc<F>, bytes: usize, room: usize) -> bool {
        self.keep_at(key, Arc::clone(form) as _, bytes, room, Instant::now())
    }

    fn keep_at(&self, key: FormKey, form: Arc<AnyForm>, bytes: usize, room: usize, now: Instant) -> bool {
        let bytes = bytes + EACH_BYTES;
        let mut forms = self.lock();
        while forms.bytes + bytes > room {
            let others = forms.by_key.iter().filter(|(other, _)| **other != key);
            let longest = others.min_by_key(|(_, kept)| kept.asked_at);
            let Some((other, _)) =
                longest.filter(|(_, kept)| now.saturating_duration_since(kept.asked_at) > ASKED_FOR)
            else {
                return false;
            };
            let other = *other;
            drop(forms.remove(other));
        }
        forms.bytes += bytes;
        let kept = forms.by_key.entry(key).or_insert_with(|| Kept::new(now));
        kept.bytes += bytes;
        kept.forms.push((form, bytes));
        true
    }

    /// Somebody has asked for the forms under this key.
    pub fn asked(&self, key: FormKey) {
        self.asked_at(key, Instant::now());
    }

    fn asked_at(&self, key: FormKey, now: Instant) {
        if let Some(kept) = self.lock().by_key.get_mut(&key) {
            kept.asked_at = now;
        }
    }

    /// Lets go of the forms of leaves that are no more. To be called by whoever is to ask: it looks at each form.
    pub fn tidy(&self) {
        let mut forms = self.lock();
        let Forms { by_key, bytes } = &mut *forms;
        for kept in by_key.values_mut() {
            kept.forms.retain(|(form, of_form)| {
                let has_leaf = Arc::weak_count(form) > 0;
                if !has_leaf {
                    kept.bytes -= of_form;
                    *bytes -= of_form;
                }
                has_leaf
            });
            if kept.forms.len() < kept.forms.capacity() / 2 {
                kept.forms.shrink_to_fit();
            }
        }
    }

    /// Lets go of what nobody has asked for during the last minutes. To be called every now and then.
    pub(crate) fn forget_unasked(&self, now: Instant) {
        let mut forms = self.lock();
        let is_over = |kept: &Kept| now.saturating_duration_since(kept.asked_at) >= UNASKED;
        let over = forms.by_key.iter().filter(|(_, kept)| is_over(kept));
        let over: Vec<_> = over.map(|(key, _)| *key).collect();
        let gone: Vec<_> = over.into_iter().map(|key| forms.remove(key)).collect();
        // They may be very many, and scrapes want the others meanwhile.
        drop(forms);
        drop(gone);
    }

    /// How many bytes all of it takes.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Forms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl Forms {
    fn remove(&mut self, key: FormKey) -> Option<Kept> {
        let kept = self.by_key.remove(&key)?;
        self.bytes -= kept.bytes;
        Some(kept)
    }
}

impl Kept {
    fn new(now: Instant) -> Self {
        Self {
            forms: Vec::new(),
            bytes: 0,
            asked_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: FormKey = FormKey(1);
    const B: FormKey = FormKey(2);
    const C: FormKey = FormKey(3);
    /// Room for two forms of a hundred bytes.
    const ROOM: usize = 2 * (EACH_BYTES + 100);

    /// Keeps a form of a hundred bytes; whether it has been kept.
    fn keep(shelf: &Shelf, leaf: &Leaf, key: FormKey, now: Instant) -> bool {
        let form = Shelf::form(leaf, key, |_| true, || 0_u8);
        shelf.keep_at(key, Arc::clone(&form) as _, 100, ROOM, now)
    }

    fn has(leaf: &Leaf, key: FormKey) -> bool {
        *Shelf::form(leaf, key, |_| true, || 1_u8) == 0
    }

    #[test]
    fn forms_of_leaves_that_are_no_more_go_when_the_next_one_asks() {
        let (shelf, now) = (Shelf::default(), Instant::now());
        let (stays, goes) = (Leaf::default(), Leaf::default());
        assert!(keep(&shelf, &stays, A, now) && keep(&shelf, &goes, A, now));
        drop(goes);
        assert_eq!(shelf.bytes(), ROOM);
        shelf.tidy();
        assert_eq!(shelf.bytes(), ROOM / 2);
        assert!(has(&stays, A));
    }

    #[test]
    fn forms_that_nobody_asks_for_go_and_no_others() {
        let (shelf, now) = (Shelf::default(), Instant::now());
        let leaf = Leaf::default();
        assert!(keep(&shelf, &leaf, A, now) && keep(&shelf, &leaf, B, now));
        shelf.asked_at(B, now + Duration::from_secs(60));
        shelf.forget_unasked(now + UNASKED);
        assert!(!has(&leaf, A) && has(&leaf, B));
        shelf.forget_unasked(now + UNASKED + Duration::from_secs(60));
        assert!(!has(&leaf, B));
        assert_eq!(shelf.bytes(), 0);
    }

    #[test]
    fn there_is_never_more_than_there_is_room_for() {
        let (shelf, now) = (Shelf::default(), Instant::now());
        let leaf = Leaf::default();
        assert!(keep(&shelf, &leaf, A, now) && keep(&shelf, &leaf, B, now));
        // Somebody has just asked for the others.
        assert!(!keep(&shelf, &leaf, C, now + ASKED_FOR));
        assert_eq!(shelf.bytes(), ROOM);
        // Nobody has for a while.
        shelf.asked_at(B, now + Duration::from_secs(1));
        let later = now + ASKED_FOR + Duration::from_secs(1);
        assert!(keep(&shelf, &leaf, C, later));
        assert!(!has(&leaf, A) && has(&leaf, B) && has(&leaf, C));
        assert_eq!(shelf.bytes(), ROOM);
    }

    #[test]
    fn one_key_alone_never_drives_its_own_forms_out() {
        let (shelf, now) = (Shelf::default(), Instant::now());
        let leaves: [Leaf; 3] = Default::default();
        let much_later = now + 2 * ASKED_FOR;
        assert!(keep(&shelf, &leaves[0], A, now) && keep(&shelf, &leaves[1], A, now));
        assert!(!keep(&shelf, &leaves[2], A, much_later));
        assert!(has(&leaves[0], A) && has(&leaves[1], A));
    }
}
