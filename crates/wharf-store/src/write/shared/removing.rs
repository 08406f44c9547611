//! A removal on its way: from the request to what its sender is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::queue::Shared;
use super::removal::{Head, Name, name_of};
use crate::removed::summary::{Counts, Removed};
use crate::removed::{Author, Receipt, RemovalKind, RemovalState, WhyLost};
use crate::{Revision, UnixNanos};

/// Most bytes of each text that is said of who removed what.
const MAX_TEXT_BYTES: usize = 4096;
/// How often it is looked whether all is written that a wipe took.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often at most: a minute.
const MOST_LOOKS: usize = 6_000;

/// A removal whose groups are to be kept.
#[derive(Debug)]
pub(crate) struct Removing {
    pub(super) name: Name,
    kind: RemovalKind,
    author: Author,
    at: UnixNanos,
    until: UnixNanos,
    fate: Mutex<Fate>,
}

/// What is known of it before the log has it.
#[derive(Debug, Default)]
enum Fate {
    #[default]
    Open,
    /// It is not kept.
    Lost(WhyLost),
    /// Another one takes everything in the same transaction.
    Same(Arc<Removing>),
}

impl Removing {
    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it takes away is not kept.
    pub(super) fn lose(&self, why: WhyLost) {
        *self.fate() = Fate::Lost(why);
    }

    /// Another one takes along what this one would have taken.
    pub(super) fn is_same_as(&self, other: &Arc<Self>) {
        *self.fate() = Fate::Same(Arc::clone(other));
    }

    /// It is kept, whatever was said of a transaction that has not got through.
    pub(super) fn is_open_again(&self) {
        *self.fate() = Fate::Open;
    }

    /// What is said of a part of it.
    pub(super) fn head(&self, place: u8, counts: Counts, stored: u64, is_wipe: bool) -> Head {
        Head {
            place,
            is_wipe,
            until: self.until,
            stored,
            removed: Removed {
                of: Revision::default(),
                at: self.at,
                kind: self.kind,
                is_recovered: false,
                author: self.author.clone(),
                counts,
            },
        }
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

impl Shared {
    /// A removal that begins now; none if nothing is kept.
    pub(crate) fn removing(&self, kind: RemovalKind, author: &Author) -> Option<Arc<Removing>> {
        let sharing = &self.sharing;
        if sharing.undo_max_age.is_zero() || sharing.undo_max_bytes == 0 {
            return None;
        }
        let at = sharing.clock.now();
        let age = i64::try_from(sharing.undo_max_age.as_nanos()).unwrap_or(i64::MAX);
        Some(Arc::new(Removing {
            name: name_of(sharing.writer, self.next_removal()),
            kind,
            author: Author {
                by: cut(&author.by),
                address: cut(&author.address),
                what: cut(&author.what),
            },
            at,
            until: UnixNanos(at.0.saturating_add(age)),
            fate: Mutex::default(),
        }))
    }

    /// Whether what was removed can be undone, for whoever has been told that it is removed. None if there was nothing; there was something
    /// when it was asked for, or not.
    pub(crate) async fn receipt(&self, removing: &Arc<Removing>, was_there: bool) -> Option<Receipt> {
        let mut removing = Arc::clone(removing);
        loop {
            let other = match &*removing.fate() {
                Fate::Open => break,
                Fate::Lost(why) => return Some(Receipt::Lost(why.clone())),
                Fate::Same(other) => Arc::clone(other),
            };
            removing = other;
        }
        for _ in 0..MOST_LOOKS {
            let (is_unfinished, id, until, state) = {
                let kept = self.kept();
                let Some(entry) = kept.get(&removing.name) else {
                    // What a wipe took is let go of where the log takes nothing more.
                    let is_let_go = was_there && removing.kind == RemovalKind::Wipe;
                    return is_let_go.then_some(Receipt::Lost(WhyLost::Full));
                };
                let state = entry.state(self.sharing.undo_max_bytes);
                (entry.is_unfinished(), entry.id, entry.until, state)
            };
            match state {
                RemovalState::Lost(why) => return Some(Receipt::Lost(why)),
                _ if !is_unfinished => return Some(Receipt::Kept { id, until }),
                _ => self.reach()?.sleep(LOOK_EVERY).await,
            }
        }
        Some(Receipt::Lost(WhyLost::Unfinished))
    }
}
