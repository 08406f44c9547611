//! A removal on its way: from the request to what its sender is told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::removal::{Head, Name};
use crate::removed::summary::{Counts, Removed};
use crate::removed::{Author, Receipt, RemovalKind, WhyLost};
use crate::{Revision, UnixNanos};

/// Most bytes of each text that is said of who removed what.
const MAX_TEXT_BYTES: usize = 4096;

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
    /// One that begins now, and can be undone until then.
    pub(super) fn new(
        name: Name,
        kind: RemovalKind,
        author: &Author,
        (at, until): (UnixNanos, UnixNanos),
    ) -> Self {
        Self {
            name,
            kind,
            author: Author {
                by: cut(&author.by),
                address: cut(&author.address),
                what: cut(&author.what),
            },
            at,
            until,
            fate: Mutex::default(),
        }
    }

    /// Whether it takes everything.
    pub(super) fn is_wipe(&self) -> bool {
        self.kind == RemovalKind::Wipe
    }

    /// What is known of it before the log has it: the one that keeps what it takes, or that it is not kept.
    pub(super) fn kept_by(self: &Arc<Self>) -> Result<Arc<Self>, Receipt> {
        let mut removing = Arc::clone(self);
        loop {
            let other = match &*removing.fate() {
                Fate::Open => break,
                Fate::Lost(why) => return Err(Receipt::Lost(why.clone())),
                Fate::Same(other) => Arc::clone(other),
            };
            removing = other;
        }
        Ok(removing)
    }

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
        let mut fate = self.fate();
        // What another part has lost for good stays lost.
        if !matches!(&*fate, Fate::Lost(why) if *why != WhyLost::Full) {
            *fate = Fate::Open;
        }
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
