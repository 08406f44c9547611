//! What was expanded lately.
//!
//! Whoever reads group by group comes to the same leaves again and again, each time for one of the groups. So what was expanded is
//! shared for a while.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::memory::compressed::{Compressed, expand};

/// When what was expanded since the last time has so many bytes, all goes that was not asked for in between. A walk over all groups
/// reads a leaf of each of its families in turn: as many as have room here without being expanded again.
const ENOUGH_BYTES: usize = 8 << 20;

/// One for the process: readers know a leaf, and not the store that it is from.
static RECENT: Mutex<Recent> = Mutex::new(Recent {
    young: BTreeMap::new(),
    old: BTreeMap::new(),
    young_bytes: 0,
});

/// By where the blocks are. They are kept, so nothing else gets that place.
type ByPlace = BTreeMap<usize, (Bytes, Arc<Vec<u8>>)>;

struct Recent {
    young: ByPlace,
    old: ByPlace,
    young_bytes: usize,
}

impl Recent {
    fn find(&mut self, compressed: &Compressed) -> Option<Arc<Vec<u8>>> {
        let place = place_of(&compressed.bytes);
        if let Some((_, text)) = self.young.get(&place) {
            return Some(Arc::clone(text));
        }
        let (blocks, text) = self.old.remove(&place)?;
        Some(self.add(blocks, text))
    }

    fn add(&mut self, blocks: Bytes, text: Arc<Vec<u8>>) -> Arc<Vec<u8>> {
        self.young_bytes += text.len();
        self.young.insert(place_of(&blocks), (blocks, Arc::clone(&text)));
        text
    }

    /// What is young grows old; what was old already, and is freed when others can go on.
    fn age(&mut self) -> ByPlace {
        self.young_bytes = 0;
        mem::replace(&mut self.old, mem::take(&mut self.young))
    }
}

fn place_of(blocks: &Bytes) -> usize {
    blocks.as_ptr().addr()
}

fn recent() -> std::sync::MutexGuard<'static, Recent> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets what nobody has asked for since the last time.
pub(crate) fn forget_some() {
    let gone = recent().age();
    drop(gone);
}

/// The text of these blocks, for who reads it.
pub(crate) fn share(compressed: &Compressed) -> Arc<Vec<u8>> {
    let found = recent().find(compressed);
    if let Some(text) = found {
        return text;
    }
    let text = Arc::new(expand_proven(compressed));
    let mut recent = recent();
    let gone = (recent.young_bytes >= ENOUGH_BYTES).then(|| recent.age());
    recent.add(compressed.bytes.clone(), Arc::clone(&text));
    drop(recent);
    drop(gone);
    text
}

/// The same for who changes it, and knows that nobody else is going to read it.
pub(crate) fn recent_or_expand(compressed: &Compressed) -> Arc<Vec<u8>> {
    let found = recent().find(compressed);
    found.unwrap_or_else(|| Arc::new(expand_proven(compressed)))
}

fn expand_proven(compressed: &Compressed) -> Vec<u8> {
    expand(compressed).expect("it was expanded before the text was dropped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::compressed::compress;

    #[test]
    fn what_was_expanded_is_shared_until_nobody_has_asked_for_it_for_two_times() {
        let compressed = compress(b"some text that nobody else in these tests has");
        let first = share(&compressed);
        assert!(Arc::ptr_eq(&first, &share(&compressed)));
        // It is asked for again in between.
        forget_some();
        assert!(Arc::ptr_eq(&first, &share(&compressed)));
        let blocks = compressed.bytes.clone();
        drop(compressed);
        let kept = Arc::downgrade(&first);
        drop(first);
        // Others of these tests may forget some, too.
        forget_some();
        forget_some();
        assert!(kept.upgrade().is_none());
        assert!(
            blocks.is_unique(),
            "the blocks are kept no longer than their text"
        );
    }
}
