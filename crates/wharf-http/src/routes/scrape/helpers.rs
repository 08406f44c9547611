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

use super::{is_gathered, pushed};
use crate::gateway::Gateway;

/// Helpers are called after so many leaves were compressed: 16 KB each, they take longer than to call somebody.
const ALONE: u64 = 8;
/// Pushes want processors, too.
const MAX_HELPERS: usize = 3;

/// Whether the lines of a leaf go into the body as they are stored.
pub(super) fn is_as_stored(leaf: &Leaf, escaping: EscapingScheme) -> bool {
    escaping == EscapingScheme::AllowUtf8 || !leaf.has_utf8_names()
}

/// Those who help one scrape.
pub(super) struct Helpers<'s> {
    gateway: &'s Arc<Gateway>,
    snapshot: &'s Arc<Snapshot>,
    escaping: EscapingScheme,
    ends: Arc<Ends>,
    are_called: bool,
}

/// How many leaves were passed from either end.
#[derive(Default)]
struct Ends {
    front: AtomicUsize,
    back: AtomicUsize,
}

impl<'s> Helpers<'s> {
    pub(super) fn of(
        gateway: &'s Arc<Gateway>,
        snapshot: &'s Arc<Snapshot>,
        escaping: EscapingScheme,
    ) -> Self {
        Self {
            gateway,
            snapshot,
            escaping,
            ends: Arc::default(),
            are_called: false,
        }
    }

    /// The scrape has come to its next leaf, after so many that it had to compress.
    pub(super) fn pass(&mut self, compressed: u64) {
        self.ends.front.fetch_add(1, Relaxed);
        if compressed < ALONE || self.are_called {
            return;
        }
        self.are_called = true;
        let others = thread::available_parallelism().map_or(1, usize::from) - 1;
        for _ in 0..others.min(MAX_HELPERS) {
            let (gateway, snapshot) = (Arc::clone(self.gateway), Arc::clone(self.snapshot));
            let (ends, escaping) = (Arc::clone(&self.ends), self.escaping);
            tokio::task::spawn_blocking(move || {
                let compressed = ends.meet(&snapshot, escaping);
                gateway.telemetry.record_recompressed(compressed);
            });
        }
    }
}

impl Ends {
    /// Goes from the last leaf towards the scrape; how many had to be compressed.
    fn meet(&self, snapshot: &Snapshot, escaping: EscapingScheme) -> u64 {
        let leaves: Vec<_> = pushed(snapshot).flat_map(|family| family.leaves()).collect();
        let mut compressed = 0;
        loop {
            let position = leaves.len().checked_sub(self.back.fetch_add(1, Relaxed) + 1);
            let ahead = position.filter(|position| *position >= self.front.load(Relaxed));
            let Some(leaf) = ahead.and_then(|position| leaves.get(position)) else {
                return compressed;
            };
            if !is_gathered(leaf.piece()) && is_as_stored(leaf, escaping) {
                compressed += u64::from(leaf.piece().compressed().1);
            }
        }
    }
}
