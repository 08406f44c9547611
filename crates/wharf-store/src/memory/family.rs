//! One family name across all groups.

use std::sync::{Arc, OnceLock};

use wharf_exposition::text;
use wharf_model::name::{EscapingScheme, is_legacy_metric_name};
use wharf_model::{Effort, GroupingKey, MetricType, Stopped};

use crate::memory::leaf::{Fragment, FragmentView, Leaf};
use crate::memory::leaves::{Bookmark, LeafPosition, Leaves};
use crate::memory::metas::Metas;
use crate::memory::rendered_text::RenderedText;
use crate::meta::FamilyMeta;
use crate::prepare::{Prepared, PreparedFamily};
use crate::record::Image;
use crate::size::Size;

/// What a part of a family costs: to look at a leaf, ...
const LEAF_STEPS: u64 = 64;
/// ... to copy a fragment of one of which only some are kept ...
const FRAGMENT_STEPS: u64 = 32;
/// ... and so many bytes of text in a step.
const COPIED_BYTES: u64 = 8;

/// A family: its leaves in the order of grouping keys, and what its groups say of type, help and unit.
#[derive(Debug, Clone)]
pub(crate) struct Family {
    name: Arc<str>,
    /// Whether it is no legacy name. Each scrape that escapes names asks.
    has_utf8_name: bool,
    /// `# HELP` and `# TYPE`, as the exposition shows them.
    /// Made when a scrape asks for it: help may be long, and others wait for who pushes it.
    header: OnceLock<Arc<RenderedText>>,
    /// The metas in use by groups with metrics, with the number of those groups.
    metas: Metas,
    leaves: Leaves,
    /// Number of groups with metrics.
    holders: u32,
    size: Size,
}

impl Family {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            has_utf8_name: !is_legacy_metric_name(name),
            header: OnceLock::new(),
            metas: Metas::default(),
            leaves: Leaves::default(),
            holders: 0,
            size: Size::default(),
        }
    }

    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Whether one of its leaves may have so much text.
    pub(crate) fn may_have_leaves_of(&self, bytes: usize) -> bool {
        self.size.bytes >= bytes as u64
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Whether there is no fragment but that of this group.
    pub(crate) fn is_only_of(&self, key: &GroupingKey) -> bool {
        let mut leaves = self.leaves.iter();
        leaves
            .next()
            .is_some_and(|leaf| leaf.len() == 1 && leaf.first_key() == Some(key))
            && leaves.next().is_none()
    }

    /// Whether it has so many groups.
    pub(crate) fn has_groups(&self, many: usize) -> bool {
        let mut groups = 0;
        self.leaves.iter().any(|leaf| {
            groups += leaf.len();
            groups >= many
        })
    }

    /// Number of groups with metrics of this family.
    pub(crate) fn holders(&self) -> u32 {
        self.holders
    }

    /// The type, as the consistency rules see it; none while no group has metrics.
    pub(crate) fn base_type(&self) -> Option<MetricType> {
        self.metas.shown().map(|meta| meta.metric_type.base())
    }

    /// A group with metrics of this family, other than `except`.
    pub(crate) fn some_holder(&self, except: &GroupingKey) -> Option<GroupingKey> {
        // Leaves without text are passed over as a whole: very many groups may have the family without metrics.
        let leaves = self.leaves.iter().filter(|leaf| !leaf.piece().is_empty());
        let mut fragments = leaves.flat_map(|leaf| leaf.fragments(&self.name));
        let holder = fragments.find(|view| view.key() != except && view.series() > 0)?;
        Some(holder.key().clone())
    }

    pub(crate) fn find(&self, key: &GroupingKey) -> Option<(&Leaf, usize)> {
        self.leaves.find(key)
    }

    /// The fragment of a group.
    pub(crate) fn view_of(&self, key: &GroupingKey) -> Option<FragmentView<'_>> {
        let (leaf, position) = self.leaves.find(key)?;
        Some(leaf.view(&self.name, position))
    }

    /// The leaf with a group's fragment, and where in it.
    pub(crate) fn shared(&self, key: &GroupingKey) -> Option<(Arc<Leaf>, usize)> {
        self.leaves.shared(key)
    }

    /// The fragments beyond a key, in the order of keys; all, without one.
    pub(crate) fn fragments_above(&self, key: Option<GroupingKey>) -> impl Iterator<Item = FragmentView<'_>> {
        let fragments = self.leaves.fragments_from(&self.name, key.as_ref());
        fragments.skip_while(move |fragment| key.as_ref().is_some_and(|key| fragment.key() == key))
    }

    /// The next group beyond a key; the first, without one.
    pub(crate) fn key_above(&self, key: Option<&GroupingKey>) -> Option<&GroupingKey> {
        let mut leaves = self.leaves.from(key);
        leaves.find_map(|leaf| leaf.key_above(key))
    }

    /// The leaf at a place, and the place behind it; none behind the last one.
    pub(crate) fn leaf_and_next(&self, at: LeafPosition) -> Option<(&Arc<Leaf>, LeafPosition)> {
        self.leaves.leaf_and_next(at)
    }

    /// The leaf at a place, to change nothing of what it shows, if nobody else has it.
    pub(crate) fn own_leaf(&mut self, at: LeafPosition) -> Option<&mut Leaf> {
        self.leaves.own_leaf(at)
    }

    /// What has to be expanded to change the fragment of a group.
    pub(crate) fn cost_to_warm(&self, key: &GroupingKey) -> u64 {
        self.leaves.leaf_of(key).map_or(0, |leaf| leaf.cost_to_warm())
    }

    /// The fragment at a bookmark, and the bookmark behind it.
    pub(crate) fn read_at(&self, at: Bookmark) -> Option<(FragmentView<'_>, Bookmark)> {
        let fragment = self.leaves.fragment_at(&self.name, at)?;
        let behind = self.leaves.bookmark_after(at, &fragment);
        Some((fragment, behind))
    }

    /// The leaves that may have fragments of groups from `first` to `last`.
    pub(crate) fn leaves_of(&self, first: &GroupingKey, last: &GroupingKey) -> Leaves {
        self.leaves.between(first, last)
    }

    /// The fragments before a key, the last one first; all, without one.
    pub(crate) fn fragments_below(&self, key: Option<GroupingKey>) -> impl Iterator<Item = FragmentView<'_>> {
        let leaves = self.leaves.back_from(key.as_ref());
        let fragments = leaves.flat_map(|leaf| {
            let fragments: Vec<_> = leaf.fragments(&self.name).collect();
            fragments.into_iter().rev()
        });
        fragments.filter(move |fragment| key.as_ref().is_none_or(|key| fragment.key() < key))
    }

    /// The fragments of these groups, sorted by key, as if they were all there is; none if there are none.
    ///
    /// # Errors
    /// If the effort ends.
    pub(crate) fn only(&self, keys: &[GroupingKey], effort: &Effort) -> Result<Option<Self>, Stopped> {
        let mut part = Self::new(&self.name);
        for leaf in self.leaves.iter() {
            effort.spend(LEAF_STEPS)?;
            let (Some(first), Some(last)) = (leaf.first_key(), leaf.last_key()) else {
                continue;
            };
            let start = keys.partition_point(|key| key < first);
            let end = keys.partition_point(|key| key <= last);
            let Some(keys) = keys.get(start..end).filter(|keys| !keys.is_empty()) else {
                continue;
            };
            effort.spend(FRAGMENT_STEPS * leaf.len() as u64 + leaf.text_len() as u64 / COPIED_BYTES)?;
            let kept = leaf.only(|key| keys.binary_search(key).is_ok());
            // A whole leaf is shared, and with it its compressed form.
            let is_whole = kept.len() == leaf.len();
            let kept = if is_whole {
                Arc::clone(leaf)
            } else {
                Arc::new(kept)
            };
            for position in 0..kept.len() {
                let counts = Counts::of(&kept.view("", position));
                part.size = part.size.moved(Size::default(), counts.size);
                part.count(None, Some(&counts.meta).filter(|_| counts.size.series > 0));
            }
            part.leaves.push(kept);
        }
        Ok((!part.is_empty()).then_some(part))
    }

    /// Stores the fragment of a group in place of its former one, which is added to the image. What had to be expanded.
    pub(crate) fn put(
        &mut self,
        key: &GroupingKey,
        prepared: &Prepared<'_>,
        family: &PreparedFamily<'_>,
        image: Option<&mut Image>,
    ) -> u64 {
        let text = prepared.text(family);
        let place = self.leaves.place(key);
        let position = self.leaves.get(place).find(key);
        let place = match position {
            Err(at) if self.leaves.get(place).is_filled_by_one() => self.leaves.insert_beside(place, at, key),
            _ => place,
        };
        let leaf = self.leaves.leaf_mut(place);
        let cost = leaf.warm();
        let old = position.ok().map(|position| {
            let old = leaf.view(&self.name, position);
            if let Some(image) = image {
                image.add(&old.parts());
            }
            Counts::of(&old)
        });
        let meta = match &old {
            Some(old) if old.meta.is_of(family) => Arc::clone(&old.meta),
            _ => match self.metas.shown() {
                // Mostly all groups say the same, so nothing need be copied to compare it.
                Some(shown) if shown.is_of(family) => Arc::clone(shown),
                _ => intern(&self.metas, FamilyMeta::of(family)),
            },
        };
        let at = position.unwrap_or_else(|at| {
            let at = at.min(leaf.len());
            leaf.insert(at, Fragment::new(key.clone(), Arc::clone(&meta)));
            at
        });
        let fragment = leaf.get_mut(at);
        fragment.meta = Arc::clone(&meta);
        fragment.pushed_at = family.pushed_at;
        fragment.digest = family.digest;
        fragment.lines = family.lines;
        fragment.shape = family.shape;
        fragment.exact.clone_from(&family.exact);
        leaf.set_text(at, text);
        let after = leaf.get(at).size(text.len());
        let above = leaf.divide(at);
        self.leaves.insert_all(above);
        self.size = self
            .size
            .moved(old.as_ref().map_or(Size::default(), |old| old.size), after);
        let counted = old
            .as_ref()
            .is_some_and(|old| old.size.series > 0 && after.series > 0 && old.meta == meta);
        if !counted {
            self.count(old.as_ref(), (after.series > 0).then_some(&meta));
        }
        cost
    }

    /// Stores a fragment as another version of this family has it, in place of the group's former one.
    pub(crate) fn put_as(&mut self, other: &FragmentView<'_>) {
        let (key, text, fragment) = (other.key(), other.text(), other.fragment());
        self.remove(key);
        let mut place = self.leaves.place(key);
        let leaf = self.leaves.get(place);
        if let Err(at) = leaf.find(key)
            && leaf.is_filled_by_one()
        {
            place = self.leaves.insert_beside(place, at, key);
        }
        let meta = Arc::clone(self.metas.same(&fragment.meta).unwrap_or(&fragment.meta));
        let leaf = self.leaves.leaf_mut(place);
        let at = leaf.find(key).unwrap_or_else(|at| at);
        let meta_of_it = Arc::clone(&meta);
        leaf.insert(
            at,
            Fragment {
                meta: meta_of_it,
                ..fragment.clone()
            },
        );
        leaf.set_text(at, text);
        let above = leaf.divide(at);
        self.leaves.insert_all(above);
        self.size = self.size.plus(other.size());
        self.count(None, (other.series() > 0).then_some(&meta));
    }

    /// Takes over what another has of this family, of other groups.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.size = self.size.plus(other.size);
        self.holders += other.holders;
        for (meta, groups) in other.metas.iter() {
            self.metas.add(meta, groups);
        }
        self.header = OnceLock::new();
        self.leaves = std::mem::take(&mut self.leaves).merged(other.leaves);
    }

    /// Removes the fragment of a group. What had to be expanded.
    pub(crate) fn remove(&mut self, key: &GroupingKey) -> u64 {
        if self.leaves.find(key).is_none() {
            return 0;
        }
        let place = self.leaves.place(key);
        let leaf = self.leaves.leaf_mut(place);
        let Ok(position) = leaf.find(key) else { return 0 };
        let cost = leaf.warm();
        let old = Counts::of(&leaf.view("", position));
        leaf.remove(position);
        self.size = self.size.moved(old.size, Size::default());
        self.leaves.tidy(place);
        self.count(Some(&old), None);
        cost
    }

    /// Removes the fragments of these groups, sorted by key, and shows each before, with the position of its group.
    /// A leaf is changed once, whatever number of them it has. What had to be expanded.
    pub(crate) fn remove_all(
        &mut self,
        keys: &[&GroupingKey],
        mut removed: impl FnMut(usize, FragmentView<'_>),
    ) -> u64 {
        let (mut start, mut cost) = (0, 0);
        while let Some(first) = keys.get(start).filter(|_| !self.leaves.is_empty()) {
            let place = self.leaves.place(first);
            let leaf = self.leaves.leaf_mut(place);
            cost += leaf.warm();
            let last = leaf.last_key().unwrap_or(first);
            let rest = keys.get(start..).unwrap_or_default();
            let here = rest.partition_point(|key| *key <= last).max(1);
            let mut next = (start..).zip(rest.iter().take(here)).peekable();
            let mut gone: Vec<Counts> = Vec::with_capacity(here);
            // Both are in the order of keys, so one look at each is enough.
            leaf.retain(&self.name, |view| {
                while next.next_if(|(_, key)| *key < &view.key()).is_some() {}
                let Some((position, _)) = next.next_if(|(_, key)| *key == &view.key()) else {
                    return true;
                };
                gone.push(Counts::of(&view));
                removed(position, view);
                false
            });
            self.leaves.tidy(place);
            start += here;
            let is_same = |a: &Counts, b: &Counts| {
                a.size.series > 0 && b.size.series > 0 && Arc::ptr_eq(&a.meta, &b.meta)
            };
            for same in gone.chunk_by(is_same) {
                for counts in same {
                    self.size = self.size.moved(counts.size, Size::default());
                }
                let groups = u32::try_from(same.len()).unwrap_or(u32::MAX);
                self.count_many(same.first(), None, groups);
            }
        }
        cost
    }

    /// Books a group's change from one meta to another, and forgets the header if that shows.
    fn count(&mut self, old: Option<&Counts>, new: Option<&Arc<FamilyMeta>>) {
        self.count_many(old, new, 1);
    }

    /// The same for so many groups that make the same change.
    fn count_many(&mut self, old: Option<&Counts>, new: Option<&Arc<FamilyMeta>>, groups: u32) {
        let shown = self.metas.shown().map(Arc::clone);
        if let Some(old) = old.filter(|old| old.size.series > 0) {
            self.holders -= groups;
            self.metas.subtract(&old.meta, groups);
        }
        if let Some(new) = new {
            self.holders += groups;
            self.metas.add(new, groups);
        }
        if self.metas.shown() != shown.as_ref() {
            self.header = OnceLock::new();
        }
    }

    fn render_header(&self, escaping: EscapingScheme) -> Vec<u8> {
        let mut header = Vec::new();
        if let Some(meta) = self.metas.shown() {
            text::write_header(
                &mut header,
                &self.name,
                meta.help.as_deref(),
                meta.metric_type,
                escaping,
            );
        }
        header
    }
}

/// Groups that say the same share one meta.
fn intern(metas: &Metas, meta: FamilyMeta) -> Arc<FamilyMeta> {
    let shared = metas.same(&meta).map(Arc::clone);
    shared.unwrap_or_else(|| meta.shared())
}

/// What the books need to know of a fragment. One without series has no metrics.
struct Counts {
    meta: Arc<FamilyMeta>,
    size: Size,
}

impl Counts {
    fn of(view: &FragmentView<'_>) -> Self {
        Self {
            meta: view.shared_meta(),
            size: view.size(),
        }
    }
}

impl Fragment {
    /// Its lines, and the bytes of its protobuf form and of so much text.
    pub(crate) fn size(&self, text_len: usize) -> Size {
        let exact = self.exact.as_ref().map_or(0, |exact| exact.len());
        Size {
            series: u64::from(self.lines),
            bytes: (text_len + exact) as u64,
            contradicting: u64::from(self.shape.contradicts),
        }
    }
}

/// A family in a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct FamilyView<'a> {
    family: &'a Family,
}

impl<'a> FamilyView<'a> {
    pub(crate) fn new(family: &'a Family) -> Self {
        Self { family }
    }

    /// The name.
    pub fn name(&self) -> &'a str {
        &self.family.name
    }

    /// The name, for those who keep it.
    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.family.name)
    }

    /// Type, help and unit as the exposition shows them: of those that the groups say the smallest, so that
    /// every scrape shows the same. None if the family has no metrics.
    pub fn meta(&self) -> Option<&'a FamilyMeta> {
        self.family.metas.shown().map(|meta| &**meta)
    }

    /// `# HELP` and `# TYPE`, the name quoted if it is not legacy-valid.
    pub fn header(&self) -> &'a Arc<RenderedText> {
        let render = || {
            Arc::new(RenderedText::new(
                self.family.render_header(EscapingScheme::AllowUtf8),
            ))
        };
        self.family.header.get_or_init(render)
    }

    /// The header under any scheme.
    pub fn render_header(&self, escaping: EscapingScheme) -> Vec<u8> {
        self.family.render_header(escaping)
    }

    /// Whether [`Self::header`] is right for the scheme `allow-utf-8` only.
    pub fn has_utf8_name(&self) -> bool {
        self.family.has_utf8_name
    }

    /// The leaves, in the order of the exposition.
    pub fn leaves(&self) -> impl Iterator<Item = &'a Arc<Leaf>> + use<'a> {
        self.family.leaves.iter()
    }

    /// The fragments of all groups, ordered by grouping key.
    pub fn fragments(&self) -> impl Iterator<Item = FragmentView<'a>> + use<'a> {
        let name: &'a str = &self.family.name;
        self.leaves().flat_map(move |leaf| leaf.fragments(name))
    }

    /// Number of series.
    pub fn series(&self) -> u64 {
        self.family.size.series
    }

    /// Bytes of their text, and of the protobuf form of what text cannot say.
    pub fn bytes(&self) -> u64 {
        self.family.size.bytes
    }

    /// Number of groups with metrics of this family.
    pub fn groups(&self) -> u32 {
        self.family.holders
    }

    /// What the groups with metrics say of type, help and unit, the one that the exposition shows first, each with the
    /// number of groups.
    pub fn metas(&self) -> impl Iterator<Item = (&'a FamilyMeta, u32)> {
        self.family.metas.iter().map(|(meta, groups)| (&**meta, groups))
    }
}
