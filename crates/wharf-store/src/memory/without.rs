//! What is stored without some of it, made ready away from the lock.
//!
//! To take a group of very many families out of the state takes a while. So the map of families without them is made
//! from a copy of its root, while others go on; then what has been touched meanwhile is done again, and in the end the
//! map takes the place of the other, at once. A scrape has all of the group or nothing.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use imbl::OrdMap;
use wharf_model::GroupingKey;

use crate::memory::family::Family;
use crate::size::Size;

/// All families by name.
pub(crate) type Families = OrdMap<Arc<str>, Arc<Family>>;

/// The map of families without those of some groups.
#[derive(Debug)]
pub(crate) struct Without {
    /// The groups, sorted by key.
    keys: Vec<GroupingKey>,
    /// The families that they keep.
    stay: Arc<HashSet<Box<str>>>,
    families: Families,
    /// How much each group loses by each family.
    lost: HashMap<Arc<str>, Vec<(usize, Size)>>,
    /// The sum of that, for each group.
    sums: Vec<Size>,
}

impl Without {
    /// Begins with all families.
    pub(crate) fn new(keys: Vec<GroupingKey>, stay: HashSet<Box<str>>, families: Families) -> Self {
        Self {
            sums: vec![Size::default(); keys.len()],
            keys,
            stay: Arc::new(stay),
            families,
            lost: HashMap::new(),
        }
    }

    /// Takes the groups out of a family, which is this one now; none if it is gone.
    pub(crate) fn redo(&mut self, name: &Arc<str>, now: Option<&Arc<Family>>) {
        for (group, size) in self.lost.remove(name).unwrap_or_default() {
            self.sums[group] = self.sums[group].moved(size, Size::default());
        }
        let Some(now) = now else {
            self.families.remove(name);
            return;
        };
        let mut lost = Vec::new();
        let mut left = None;
        let mut is_left = true;
        if self.stay.contains(&**name) {
            // The groups keep it.
        } else if let [key] = self.keys.as_slice()
            && now.is_only_of(key)
        {
            lost.push((0, now.size()));
            is_left = false;
        } else {
            let members: Vec<usize> = (0..self.keys.len())
                .filter(|group| now.find(&self.keys[*group]).is_some())
                .collect();
            if !members.is_empty() {
                let keys: Vec<&GroupingKey> = members.iter().map(|group| &self.keys[*group]).collect();
                let mut family = Family::clone(now);
                family.remove_all(&keys, |position, fragment| {
                    lost.push((members[position], fragment.size()));
                });
                is_left = !family.is_empty();
                left = Some(Arc::new(family));
            }
        }
        for (group, size) in &lost {
            self.sums[*group] = self.sums[*group].moved(Size::default(), *size);
        }
        if !lost.is_empty() {
            self.lost.insert(Arc::clone(name), lost);
        }
        if is_left {
            let left = left.unwrap_or_else(|| Arc::clone(now));
            self.families.insert(Arc::clone(name), left);
        } else {
            self.families.remove(name);
        }
    }

    /// The groups that it is without, sorted by key.
    pub(crate) fn keys(&self) -> &[GroupingKey] {
        &self.keys
    }

    /// The families that they keep.
    pub(crate) fn staying(&self) -> Arc<HashSet<Box<str>>> {
        Arc::clone(&self.stay)
    }

    /// How much a group loses.
    pub(crate) fn lost(&self, group: usize) -> Size {
        self.sums.get(group).copied().unwrap_or_default()
    }

    /// The map, in exchange for another.
    pub(crate) fn exchange(&mut self, families: &mut Families) {
        std::mem::swap(&mut self.families, families);
    }

    /// After [`Self::exchange`]: what a group had of the families that it has lost.
    pub(crate) fn former(&self) -> &Families {
        &self.families
    }
}
