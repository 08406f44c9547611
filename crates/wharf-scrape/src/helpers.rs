//! Leaves that are compressed on several processors.
//!
//! A scrape appends leaves from the first to the last, and compresses those that have changed since the scrape before.
//! When these turn out to be many, helpers begin at the last leaf and come towards it. Each leaf is compressed by whoever
//! gets there first, and nobody waits for a helper but at the leaf that it has in hand, so it does not matter whether
//! there is a processor for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use wharf_model::name::EscapingScheme;
use wharf_store::{Leaf, Snapshot};

use crate::gzip::is_gathered;
use crate::merge::pushed;

/// Helpers are called after so many leaves were compressed: 16 KB each, they take longer than to call somebody.
const ALONE: u64 = 8;
/// Pushes want processors, too.
const MAX_HELPERS: usize = 3;

/// Work for another thread: it compresses leaves that the scrape has not come to, and returns how many that were. It ends
/// where it meets the scrape, and does nothing once that is over.
pub type Help = Box<dyn FnOnce() -> u64 + Send>;

/// What each helper does, between these ends; how many leaves it had to compress.
pub(crate) type Work = Arc<dyn Fn(&Ends) -> u64 + Send + Sync>;

/// Whether the lines of a leaf go into the body as they are stored.
pub(crate) fn is_as_stored(leaf: &Leaf, escaping: EscapingScheme) -> bool {
    escaping == EscapingScheme::AllowUtf8 || !leaf.has_utf8_names()
}

/// Those who help one scrape.
pub(crate) struct Helpers<'s> {
    call: &'s (dyn Fn(Help) + Sync),
    ends: Arc<Ends>,
    are_called: bool,
}

/// How many leaves were passed from either end.
#[derive(Default)]
pub(crate) struct Ends {
    front: AtomicUsize,
    back: AtomicUsize,
}

impl<'s> Helpers<'s> {
    /// Nobody yet; `call` will get them.
    pub(crate) fn new(call: &'s (dyn Fn(Help) + Sync)) -> Self {
        Self {
            call,
            ends: Arc::default(),
            are_called: false,
        }
    }

    /// The scrape has come to its next leaf, after so many that it had to compress.
    pub(crate) fn pass(&mut self, compressed: u64, work: impl FnOnce() -> Work) {
        self.ends.front.fetch_add(1, Relaxed);
        if compressed < ALONE || self.are_called {
            return;
        }
        self.are_called = true;
        let others = thread::available_parallelism().map_or(1, usize::from) - 1;
        if others == 0 {
            return;
        }
        let work = work();
        for _ in 0..others.min(MAX_HELPERS) {
            let (work, ends) = (Arc::clone(&work), Arc::clone(&self.ends));
            (self.call)(Box::new(move || work(&ends)));
        }
    }
}

/// Compresses the text of leaves.
pub(crate) fn text_of(snapshot: &Snapshot, escaping: EscapingScheme) -> Work {
    let snapshot = snapshot.clone();
    Arc::new(move |ends: &Ends| {
        let leaves: Vec<_> = pushed(&snapshot).flat_map(|family| family.leaves()).collect();
        ends.meet(leaves.len(), |position| {
            let leaf = leaves.get(position);
            let leaf = leaf.filter(|leaf| !is_gathered(leaf.piece()) && is_as_stored(leaf, escaping));
            leaf.is_some_and(|leaf| leaf.piece().compressed().1)
        })
    })
}

impl Ends {
    /// Goes from the last of so many leaves towards the scrape; how many had to be compressed.
    pub(crate) fn meet(&self, leaves: usize, compress: impl Fn(usize) -> bool) -> u64 {
        let mut compressed = 0;
        loop {
            let position = leaves.checked_sub(self.back.fetch_add(1, Relaxed) + 1);
            let Some(ahead) = position.filter(|position| *position >= self.front.load(Relaxed)) else {
                return compressed;
            };
            compressed += u64::from(compress(ahead));
        }
    }
}
