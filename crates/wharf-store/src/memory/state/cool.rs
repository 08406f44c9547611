//! Text that nobody has changed for a while is kept in its compressed form alone.
//!
//! A pass looks at all leaves, some hundred under one hold of the lock. Whatever takes longer than a look is done when others have
//! the lock: to compress a leaf, and to prove that it can be expanded again. It becomes cold in the next pass then. A leaf that
//! somebody reads just now stays as it is until the next pass: it would have to be copied.

use std::ops::Bound;
use std::sync::Arc;

use super::State;
use crate::memory::cold::Cold;
use crate::memory::leaf::{Leaf, Pass};
use crate::memory::leaves::LeafPosition;

/// A pass over all leaves, as far as it has come.
#[derive(Debug)]
pub(crate) struct Cooling {
    /// Leaves with less text stay as they are.
    min_bytes: usize,
    /// The family that it has come to; none in the beginning.
    family: Option<Arc<str>>,
    /// The next leaf of that; none, if there is none.
    at: Option<LeafPosition>,
    found: Cold,
}

impl Cooling {
    /// Nothing has been looked at yet; leaves with less text than that stay as they are.
    pub(crate) fn new(min_bytes: usize) -> Self {
        Self {
            min_bytes,
            family: None,
            at: None,
            found: Cold::default(),
        }
    }
}

impl State {
    /// What the last pass has found to be cold. Some of it may have been changed since.
    pub(crate) fn cold(&self) -> Cold {
        self.cold
    }

    /// Goes on with a pass: looks at so many leaves and families, and adds the leaves that are to be proven. Whether it has ended.
    pub(crate) fn cool(&mut self, pass: &mut Cooling, most: usize, quiet: &mut Vec<Arc<Leaf>>) -> bool {
        let mut left = most;
        self.worked(most as u64);
        while left > 0 {
            left -= 1;
            let (name, mut at) = match (pass.family.take(), pass.at.take()) {
                (Some(name), Some(at)) => (name, at),
                (last, _) => {
                    let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                    let mut families = self.families.range::<_, str>((from, Bound::Unbounded));
                    let Some((name, _)) = families.next() else {
                        self.cold = pass.found;
                        return true;
                    };
                    (Arc::clone(name), LeafPosition::default())
                }
            };
            let family = self.families.get(&name);
            // Very many families have less text than one leaf needs.
            let family = family.filter(|family| family.may_have_leaves_of(pass.min_bytes));
            let mut proven = Vec::new();
            while let Some((leaf, next)) = family.and_then(|family| family.leaf_and_next(at)) {
                if left == 0 {
                    pass.at = Some(at);
                    break;
                }
                left -= 1;
                match leaf.pass(pass.min_bytes) {
                    Pass::Stays => {}
                    Pass::Quiet => quiet.push(Arc::clone(leaf)),
                    Pass::Proven => proven.push(at),
                    Pass::Cold => pass.found.add(leaf.piece()),
                }
                at = next;
            }
            self.make_cold(&name, proven, &mut pass.found);
            pass.family = Some(name);
        }
        false
    }

    /// Makes those of some leaves cold that nobody else has.
    fn make_cold(&mut self, name: &str, proven: Vec<LeafPosition>, found: &mut Cold) {
        if proven.is_empty() {
            return;
        }
        let Some(family) = self.families.get_mut(name).and_then(Arc::get_mut) else {
            return;
        };
        for at in proven {
            if let Some(leaf) = family.own_leaf(at) {
                leaf.cool();
                found.add(leaf.piece());
            }
        }
        // At once: whoever changes what is cold from now on has to do with it.
        self.cold.leaves = self.cold.leaves.max(found.leaves);
    }
}
