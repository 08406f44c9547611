//! The leaves of one family, in the order of grouping keys.
//!
//! A tree of two levels, copied where a snapshot shares it: a list of branches, each with some tens of leaves. A
//! search compares with bounds that lie side by side, and touches one leaf only. A family of one leaf has no tree.

mod bounds;

use std::sync::Arc;

use wharf_model::GroupingKey;

use self::bounds::{Bounds, Entry};
use crate::memory::leaf::{FragmentView, Leaf, merge};

/// A branch is split in two when it has more leaves than this.
const MAX_LEAVES: usize = 64;
/// Neighbouring branches that together have no more leaves than this are joined.
const JOIN_LEAVES: usize = MAX_LEAVES / 4;

/// The leaves, each under a bound: not above the key of its first fragment, and above all keys of the leaf before.
#[derive(Debug, Clone)]
pub(crate) enum Leaves {
    /// One, or none if that is empty. There may be as many families as series, and a tree would take a hundred bytes of each.
    One(Arc<Leaf>),
    Tree(Bounds<Branch>),
}

type Branch = Bounds<Leaf>;

impl Default for Leaves {
    fn default() -> Self {
        Self::One(Arc::default())
    }
}

/// Where a leaf stands. Good until leaves are added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LeafPosition {
    branch: usize,
    leaf: usize,
}

/// How far somebody has come who looks at one fragment after the other. It is small, since whoever looks at all families has one
/// for each.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bookmark {
    branch: u32,
    leaf: u32,
    fragment: u32,
    /// The bytes of text of the fragments before it in its leaf.
    before: u32,
}

impl Leaves {
    /// The fragment at a bookmark; none behind the last one.
    pub(crate) fn fragment_at<'l>(&'l self, name: &'l str, at: Bookmark) -> Option<FragmentView<'l>> {
        self.leaf_at(at)?
            .view_behind(name, at.fragment as usize, at.before as usize)
    }

    /// The bookmark of the fragment behind that one.
    pub(crate) fn bookmark_after(&self, at: Bookmark, fragment: &FragmentView<'_>) -> Bookmark {
        let (next, branch) = (at.fragment + 1, self.branches().get(at.branch as usize));
        if self.leaf_at(at).is_some_and(|leaf| (next as usize) < leaf.len()) {
            let length = u32::try_from(fragment.text_len()).unwrap_or(u32::MAX);
            return Bookmark {
                fragment: next,
                before: at.before.saturating_add(length),
                ..at
            };
        }
        let (next, leaf) = (at.leaf + 1, Bookmark::default());
        if branch.is_some_and(|branch| (next as usize) < branch.below.len()) {
            return Bookmark {
                branch: at.branch,
                leaf: next,
                ..leaf
            };
        }
        Bookmark {
            branch: at.branch + 1,
            ..leaf
        }
    }

    fn leaf_at(&self, at: Bookmark) -> Option<&Arc<Leaf>> {
        if (at.branch, at.leaf) == (0, 0) {
            return self.iter().next();
        }
        let branch = self.branches().get(at.branch as usize)?;
        branch.below.get(at.leaf as usize).map(|leaf| &leaf.below)
    }

    /// The leaf at a place, and the place behind it; none behind the last one.
    pub(crate) fn leaf_and_next(&self, at: LeafPosition) -> Option<(&Arc<Leaf>, LeafPosition)> {
        let (mut branch, mut leaf) = (at.branch, at.leaf + 1);
        if let Self::One(_) = self {
            let only = self.only_leaf().filter(|_| at == LeafPosition::default())?;
            return Some((only, LeafPosition { branch, leaf }));
        }
        let here = &self.branches().get(branch)?.below;
        if leaf >= here.len() {
            (branch, leaf) = (branch + 1, 0);
        }
        Some((&here.get(at.leaf)?.below, LeafPosition { branch, leaf }))
    }

    /// The leaf at a place, to change it, if nobody else has it.
    pub(crate) fn own_leaf(&mut self, at: LeafPosition) -> Option<&mut Leaf> {
        match self {
            Self::One(leaf) => Arc::get_mut(leaf),
            Self::Tree(branches) => {
                if at.branch >= branches.len() {
                    return None;
                }
                let branch = Arc::get_mut(branches.below_mut(at.branch))?;
                if at.leaf >= branch.len() {
                    return None;
                }
                Arc::get_mut(branch.below_mut(at.leaf))
            }
        }
    }

    /// The only leaf, where there is no tree.
    fn only_leaf(&self) -> Option<&Arc<Leaf>> {
        match self {
            Self::One(leaf) => Some(leaf).filter(|leaf| !leaf.is_empty()),
            Self::Tree(_) => None,
        }
    }

    /// None where there is no tree.
    fn branches(&self) -> &[Entry<Branch>] {
        match self {
            Self::One(_) => &[],
            Self::Tree(branches) => branches,
        }
    }

    /// The branch in which a key is or belongs.
    fn branch_of(&self, key: &GroupingKey) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Tree(branches) => branches.position(key),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Leaf>> {
        let leaves = self.branches().iter().flat_map(|branch| branch.below.iter());
        let leaves = leaves.map(|entry| &entry.below);
        self.only_leaf().into_iter().chain(leaves)
    }

    /// The leaves from that on in which a key is or belongs; all of them, without a key.
    pub(crate) fn from<'l>(
        &'l self,
        key: Option<&GroupingKey>,
    ) -> impl Iterator<Item = &'l Arc<Leaf>> + use<'l> {
        let first = key.map_or(0, |key| self.branch_of(key));
        let branches = self.branches().get(first..).unwrap_or_default();
        let passed = match (key, branches.first()) {
            (Some(key), Some(branch)) => branch.below.position(key),
            _ => 0,
        };
        let leaves = branches.iter().flat_map(|branch| branch.below.iter());
        let leaves = leaves.skip(passed).map(|entry| &entry.below);
        self.only_leaf().into_iter().chain(leaves)
    }

    /// The leaves from that on, the other way, in which a key is or belongs; all of them, without a key.
    pub(crate) fn back_from<'l>(
        &'l self,
        key: Option<&GroupingKey>,
    ) -> impl Iterator<Item = &'l Arc<Leaf>> + use<'l> {
        let branches = self.branches();
        let last = key.map_or(branches.len(), |key| self.branch_of(key) + 1);
        let branches = branches.get(..last).unwrap_or_default();
        let passed = match (key, branches.last()) {
            (Some(key), Some(branch)) => branch.below.len() - branch.below.position(key) - 1,
            _ => 0,
        };
        let leaves = branches.iter().rev().flat_map(|branch| branch.below.iter().rev());
        let leaves = leaves.skip(passed).map(|entry| &entry.below);
        self.only_leaf().into_iter().chain(leaves)
    }

    /// The leaves in which keys from `first` to `last` are or belong.
    pub(crate) fn between(&self, first: &GroupingKey, last: &GroupingKey) -> Self {
        let mut between = Self::default();
        let leaves = self.from(Some(first));
        for leaf in leaves.take_while(|leaf| leaf.first_key().is_some_and(|key| key <= last)) {
            between.push(Arc::clone(leaf));
        }
        between
    }

    /// The fragments from a key on, in the order of keys; all, without one.
    pub(crate) fn fragments_from<'l>(
        &'l self,
        name: &'l str,
        key: Option<&GroupingKey>,
    ) -> impl Iterator<Item = FragmentView<'l>> + use<'l> {
        let mut leaves = self.from(key);
        let first = leaves.next();
        let before = key.zip(first).map(|(key, leaf)| leaf.find(key));
        let before = before.map_or(0, |found| found.unwrap_or_else(|belongs| belongs));
        let fragments = |leaf: &'l Arc<Leaf>| leaf.fragments(name);
        let first = first.into_iter().flat_map(fragments).skip(before);
        first.chain(leaves.flat_map(fragments))
    }

    /// These and those of others, which have none of the same groups.
    pub(crate) fn merged(self, others: Self) -> Self {
        let all = |leaves: Self| -> Vec<Arc<Leaf>> {
            // What is left of the tree goes, so that nobody else has a leaf.
            leaves.iter().cloned().collect()
        };
        let mut merged = Self::default();
        merge(all(self), all(others), |leaf| merged.push(leaf));
        merged
    }

    /// Adds a leaf whose fragments come after all others, and which is not empty.
    pub(crate) fn push(&mut self, leaf: Arc<Leaf>) {
        let Some(bound) = leaf.first_key().cloned() else {
            return;
        };
        if self.is_empty() {
            *self = Self::One(leaf);
            return;
        }
        let entry = Entry::new(bound.clone(), leaf);
        let branches = self.tree();
        match branches.last() {
            Some(last) if last.below.len() < MAX_LEAVES => {
                let last = branches.len() - 1;
                Arc::make_mut(branches.below_mut(last)).push(entry);
            }
            _ => branches.push(Entry::new(bound, Arc::new(vec![entry].into()))),
        }
    }

    /// The tree, made now if there is none.
    fn tree(&mut self) -> &mut Bounds<Branch> {
        if let Self::One(leaf) = self {
            let mut branches = Bounds::default();
            if let Some(bound) = leaf.first_key() {
                let branch = vec![Entry::new(bound.clone(), Arc::clone(leaf))];
                branches.push(Entry::new(bound.clone(), Arc::new(branch.into())));
            }
            *self = Self::Tree(branches);
        }
        match self {
            Self::Tree(branches) => branches,
            Self::One(_) => unreachable!("a tree was made"),
        }
    }

    /// The leaf that has the fragment of a group if any has, and the fragment's position in it.
    pub(crate) fn find(&self, key: &GroupingKey) -> Option<(&Leaf, usize)> {
        let leaf = self.leaf_of(key)?;
        Some((leaf, leaf.find(key).ok()?))
    }

    /// The same for those who keep the leaf.
    pub(crate) fn shared(&self, key: &GroupingKey) -> Option<(Arc<Leaf>, usize)> {
        let leaf = self.leaf_of(key)?;
        Some((Arc::clone(leaf), leaf.find(key).ok()?))
    }

    /// The leaf in which a key is or belongs.
    pub(crate) fn leaf_of(&self, key: &GroupingKey) -> Option<&Arc<Leaf>> {
        if let Self::One(leaf) = self {
            return Some(leaf);
        }
        let branch = &self.branches().get(self.branch_of(key))?.below;
        Some(&branch.get(branch.position(key))?.below)
    }

    /// Where the fragment of a group is or belongs.
    pub(crate) fn place(&mut self, key: &GroupingKey) -> LeafPosition {
        let Self::Tree(branches) = self else {
            return LeafPosition { branch: 0, leaf: 0 };
        };
        let branch = branches.position(key);
        let leaf = branches[branch].below.position(key);
        if *key < branches[branch].bound {
            branches.lower(branch, key.clone());
            Arc::make_mut(branches.below_mut(branch)).lower(leaf, key.clone());
        }
        LeafPosition { branch, leaf }
    }

    /// The leaf at a place.
    pub(crate) fn get(&self, place: LeafPosition) -> &Leaf {
        match self {
            Self::One(leaf) => leaf,
            Self::Tree(branches) => &branches[place.branch].below[place.leaf].below,
        }
    }

    /// Makes an empty leaf for a key beside one that another group fills alone: before it, or after it if the key belongs at
    /// 1 there. So whoever pushes little need not touch much.
    pub(crate) fn insert_beside(
        &mut self,
        place: LeafPosition,
        at: usize,
        key: &GroupingKey,
    ) -> LeafPosition {
        if let Self::One(_) = self {
            self.tree();
            self.place(key);
        }
        let branch = self.branch_mut(place);
        let mut entry = Entry::new(key.clone(), Arc::default());
        if at == 0 {
            // The bound of the other one was lowered to this key.
            let full = Arc::clone(&branch[place.leaf].below);
            std::mem::swap(branch.below_mut(place.leaf), &mut entry.below);
            let bound = full.first_key().cloned().unwrap_or_else(|| key.clone());
            entry = Entry::new(bound, full);
        }
        self.insert_entry(place, entry);
        self.place(key)
    }

    /// Adds leaves that were divided off others, the lowest first.
    pub(crate) fn insert_all(&mut self, leaves: Vec<Leaf>) {
        for leaf in leaves {
            if let Some(first) = leaf.first_key().cloned() {
                let place = self.place(&first);
                self.insert_after(place, leaf);
            }
        }
    }

    /// The leaf at a place, to change it. What a snapshot shares is copied first.
    pub(crate) fn leaf_mut(&mut self, place: LeafPosition) -> &mut Leaf {
        Arc::make_mut(match self {
            Self::One(leaf) => leaf,
            Self::Tree(_) => self.branch_mut(place).below_mut(place.leaf),
        })
    }

    /// Adds the upper part that was split off the leaf at a place.
    pub(crate) fn insert_after(&mut self, place: LeafPosition, upper: Leaf) {
        let Some(bound) = upper.first_key().cloned() else {
            return;
        };
        self.insert_entry(place, Entry::new(bound, Arc::new(upper)));
    }

    fn insert_entry(&mut self, place: LeafPosition, entry: Entry<Leaf>) {
        let branch = self.branch_mut(place);
        branch.insert(place.leaf + 1, entry);
        if branch.len() > MAX_LEAVES {
            let upper = branch.split_off(branch.len() / 2);
            let entry = Entry::new(upper[0].bound.clone(), Arc::new(upper));
            self.tree().insert(place.branch + 1, entry);
        }
    }

    /// Removes the leaf at a place, which is empty, or joins it with its upper neighbour where both are small.
    pub(crate) fn tidy(&mut self, place: LeafPosition) {
        let Self::Tree(branches) = self else { return };
        let branch = Arc::make_mut(branches.below_mut(place.branch));
        if branch[place.leaf].below.is_empty() {
            branch.remove(place.leaf);
        } else if let [lower, upper, ..] = &branch[place.leaf..]
            && lower.below.should_join(&upper.below)
        {
            let upper = Arc::clone(&upper.below);
            Arc::make_mut(branch.below_mut(place.leaf)).join(&upper);
            branch.remove(place.leaf + 1);
        }
        let is_empty = branch.is_empty();
        if is_empty {
            branches.remove(place.branch);
        } else if let [lower, upper, ..] = &branches[place.branch..]
            && lower.below.len() + upper.below.len() <= JOIN_LEAVES
        {
            let upper = Arc::clone(&upper.below);
            Arc::make_mut(branches.below_mut(place.branch)).append(&upper);
            branches.remove(place.branch + 1);
        }
        match &**branches {
            [] => *self = Self::default(),
            [only] if only.below.len() == 1 => *self = Self::One(Arc::clone(&only.below[0].below)),
            _ => {}
        }
    }

    fn branch_mut(&mut self, place: LeafPosition) -> &mut Branch {
        Arc::make_mut(self.tree().below_mut(place.branch))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use wharf_model::MetricType;

    use super::*;
    use crate::FamilyMeta;
    use crate::memory::leaf::Fragment;

    fn key(number: u16) -> GroupingKey {
        GroupingKey::new([("job", number.to_string().as_str())]).unwrap()
    }

    fn fragment(key: &GroupingKey) -> Fragment {
        let meta = FamilyMeta {
            help: None,
            metric_type: MetricType::Gauge,
            unit: "".into(),
        };
        Fragment::new(key.clone(), Arc::new(meta))
    }

    fn put(leaves: &mut Leaves, number: u16, text: &[u8]) {
        let key = key(number);
        let place = leaves.place(&key);
        let leaf = leaves.leaf_mut(place);
        let at = leaf.find(&key).unwrap_or_else(|at| {
            leaf.insert(at, fragment(&key));
            at
        });
        leaf.set_text(at, text);
        if let Some(upper) = leaf.split(at + 1 == leaf.len()) {
            leaves.insert_after(place, upper);
        }
    }

    fn remove(leaves: &mut Leaves, number: u16) {
        let key = key(number);
        if leaves.find(&key).is_some() {
            let place = leaves.place(&key);
            let leaf = leaves.leaf_mut(place);
            let at = leaf.find(&key).unwrap();
            leaf.remove(at);
            leaves.tidy(place);
        }
    }

    fn contents(leaves: &Leaves) -> Vec<(GroupingKey, Vec<u8>)> {
        let fragments = leaves.iter().flat_map(|leaf| leaf.fragments("a"));
        fragments
            .map(|view| (view.key().clone(), view.text().to_vec()))
            .collect()
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "too large for an interpreter")]
        fn leaves_are_an_ordered_map_and_a_copy_stays_as_it_was(
            changes in prop::collection::vec((0u16..2000, 0usize..4000), 0..1500),
            copied_after in 0usize..1500,
        ) {
            let mut leaves = Leaves::default();
            let mut expected = BTreeMap::new();
            let mut copy = None;
            for (done, (number, length)) in changes.into_iter().enumerate() {
                if done == copied_after {
                    copy = Some((leaves.clone(), contents(&leaves)));
                }
                // Three of four are put.
                if length < 1000 {
                    remove(&mut leaves, number);
                    expected.remove(&key(number));
                } else {
                    put(&mut leaves, number, &vec![b'\n'; length - 1000]);
                    expected.insert(key(number), vec![b'\n'; length - 1000]);
                }
            }
            prop_assert_eq!(contents(&leaves), expected.into_iter().collect::<Vec<_>>());
            if let Some((copy, contents_then)) = copy {
                prop_assert_eq!(contents(&copy), contents_then);
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn leaves_that_come_and_go_leave_nothing_behind() {
        let mut leaves = Leaves::default();
        for number in 0..3000 {
            put(&mut leaves, number, &[b'\n'; 3000]);
        }
        assert!(leaves.branches().len() > 2);
        for number in (0..3000).rev() {
            assert!(leaves.find(&key(number)).is_some());
            remove(&mut leaves, number);
            assert!(leaves.find(&key(number)).is_none());
        }
        assert!(leaves.is_empty() && matches!(leaves, Leaves::One(_)));
    }
}
