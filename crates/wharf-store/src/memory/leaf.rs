//! Leaves: the fragments of neighbouring groups of one family, in one buffer.

pub(crate) mod forms;
mod marks;
mod merge;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use wharf_exposition::text;
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family, GroupingKey, MetricType, Value};

use self::forms::Forms;
use self::marks::{Marks, Tag};
pub(super) use self::merge::merge;
use crate::UnixNanos;
use crate::memory::rendered_text::{Lines, RenderedText, roomy};
use crate::meta::FamilyMeta;
use crate::parts::{FamilyParts, Piece, Shape, pieces};
use crate::series::each_series;
use crate::size::{Size, weight_of_expanding};

/// A leaf is split in two when its text passes this many bytes, unless one group fills it alone. Smaller leaves
/// make a changed one cheaper to compress anew, larger ones compress better and are fewer to send.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// The same for leaves whose fragments have no or little text.
const MAX_FRAGMENTS: usize = 256;
/// Neighbours that together have no more text than this are joined.
const JOIN_TEXT_BYTES: usize = 6 * 1024;
/// Leaves with more text, which one group fills alone, never become cold: whoever reads some lines should not wait for many.
const MAX_COLD_BYTES: usize = 64 * 1024;
/// A leaf that nobody has changed for so many passes becomes cold.
const QUIET_PASSES: u8 = 4;

/// The fragments of neighbouring groups of one family: their lines in one buffer, ordered by grouping key.
#[derive(Debug, Clone, Default)]
pub struct Leaf {
    piece: RenderedText,
    fragments: Vec<Fragment>,
    marks: Marks,
    utf8_names: bool,
    quiet: Quiet,
    forms: Forms,
}

/// How far a leaf is on its way to be cold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It stays as it is.
    Stays,
    /// Nobody has changed it for a while; [`RenderedText::prove`] is next.
    Quiet,
    /// It can be made cold.
    Proven,
    Cold,
}

/// How many passes there were since a leaf was changed. Who makes a pass holds nothing but the lock of the store.
#[derive(Debug, Default)]
struct Quiet(AtomicU8);

impl Quiet {
    /// Counts one more; whether they are enough.
    fn is_over(&self) -> bool {
        let passes = self.0.load(Relaxed).saturating_add(1);
        self.0.store(passes, Relaxed);
        passes >= QUIET_PASSES
    }
}

/// A copy is made to be changed.
impl Clone for Quiet {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What a leaf knows of one group's lines.
#[derive(Debug, Clone)]
pub(crate) struct Fragment {
    pub(crate) key: GroupingKey,
    pub(crate) meta: Arc<FamilyMeta>,
    pub(crate) pushed_at: UnixNanos,
    /// Hash over the fingerprints of its metrics.
    pub(crate) digest: u64,
    /// Number of lines: the series that a scrape sees. Zero without metrics, for none is without a line.
    pub(crate) lines: u32,
    pub(crate) shape: Shape,
    /// The family in protobuf form, if the text cannot say all of it.
    pub(crate) exact: Option<Arc<Vec<u8>>>,
}

impl Leaf {
    /// Lines of text, names quoted where they are not legacy-valid, and their compressed form.
    pub fn piece(&self) -> &RenderedText {
        &self.piece
    }

    /// Whether some name is not legacy-valid, so that [`Self::piece`] is right for the scheme `allow-utf-8` only.
    pub fn has_utf8_names(&self) -> bool {
        self.utf8_names
    }

    /// Whether it ever had a further form, see [`crate::Shelf`], since it was last changed.
    pub fn had_forms(&self) -> bool {
        self.forms.are_noted()
    }

    pub(crate) fn forms(&self) -> &Forms {
        &self.forms
    }

    /// The fragments, ordered by grouping key.
    pub fn fragments<'a>(&'a self, name: &'a str) -> impl Iterator<Item = FragmentView<'a>> {
        let mut start = 0;
        let fragments = self.fragments.iter().zip(self.marks.lengths());
        fragments.map(move |(fragment, length)| {
            let text = self.lines(start..start + length);
            start += length;
            FragmentView { name, fragment, text }
        })
    }

    /// Hands all metrics to `read`, in their order: those of neighbouring groups at once, as far as one reading of their lines
    /// gives the same, which is much quicker where each has few of them. A fragment of more than `whole_bytes` is read in
    /// pieces.
    ///
    /// # Errors
    /// That of `read`, which is called no more then.
    pub fn decode_all<E>(
        &self,
        name: &str,
        whole_bytes: u64,
        mut read: impl FnMut(&Exposition<'_>, &Family) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut start = 0;
        let mut lines = Neighbours::default();
        for view in self.fragments(name) {
            let range = start..start + view.text.len();
            start = range.end;
            if !lines.go_on_with(&view) {
                self.decode_lines(name, &lines, &mut read)?;
                lines = Neighbours::default();
            }
            if view.text_keeps_all() && view.text.len() <= MAX_TEXT_BYTES {
                lines.add(&view, range);
            } else if view.bytes() <= whole_bytes {
                view.decode(&mut read)?;
            } else {
                view.pieces().try_for_each(|piece| piece.decode(&mut read))?;
            }
        }
        self.decode_lines(name, &lines, &mut read)
    }

    fn decode_lines<E>(
        &self,
        name: &str,
        lines: &Neighbours,
        read: &mut impl FnMut(&Exposition<'_>, &Family) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(metric_type) = lines.metric_type else {
            return Ok(());
        };
        let text = self.lines(lines.range.clone());
        let parts = FamilyParts {
            name,
            help: None,
            unit: "",
            metric_type,
            shape: Shape::default(),
            pushed_at: UnixNanos::default(),
            text: &text,
            exact: None,
        };
        parts.decode(read)
    }

    /// The position of a group's fragment, or where it belongs.
    pub(crate) fn find(&self, key: &GroupingKey) -> Result<usize, usize> {
        let mut tagged = self.marks.positions(Tag::of(key));
        match tagged.find(|position| self.fragments[*position].key == *key) {
            Some(position) => Ok(position),
            // Checkpoints have groups in this order.
            None if self.last_key().is_none_or(|last| last < key) => Err(self.len()),
            None => self.fragments.binary_search_by(|fragment| fragment.key.cmp(key)),
        }
    }

    /// The fragment at a position that [`Self::find`] found.
    pub(crate) fn view<'a>(&'a self, name: &'a str, position: usize) -> FragmentView<'a> {
        FragmentView {
            name,
            fragment: &self.fragments[position],
            text: self.text_of(position),
        }
    }

    /// The fragment at a position, if there is one, for whoever knows how many bytes of text stand before it.
    pub(crate) fn view_behind<'a>(
        &'a self,
        name: &'a str,
        position: usize,
        before: usize,
    ) -> Option<FragmentView<'a>> {
        let fragment = self.fragments.get(position)?;
        let text = self.piece.lines(before..before + self.marks.length(position))?;
        Some(FragmentView { name, fragment, text })
    }

    pub(crate) fn get(&self, position: usize) -> &Fragment {
        &self.fragments[position]
    }

    pub(crate) fn text_of(&self, position: usize) -> Lines<'_> {
        self.lines(self.range_of(position))
    }

    fn lines(&self, range: Range<usize>) -> Lines<'_> {
        self.piece
            .lines(range)
            .expect("the marks tell where the lines are")
    }

    pub(crate) fn len(&self) -> usize {
        self.fragments.len()
    }

    pub(crate) fn text_len(&self) -> usize {
        self.piece.len()
    }

    /// Whether only the compressed form of its text is there.
    pub(crate) fn is_cold(&self) -> bool {
        self.piece.is_cold()
    }

    /// Counts that some time has passed. Says how far it is on its way to be cold.
    /// One with less text than that stays as it is.
    pub(crate) fn pass(&self, min_bytes: usize) -> Pass {
        if self.is_cold() {
            Pass::Cold
        } else if !(min_bytes..=MAX_COLD_BYTES).contains(&self.text_len()) || !self.quiet.is_over() {
            Pass::Stays
        } else if self.piece.is_proven() {
            Pass::Proven
        } else {
            Pass::Quiet
        }
    }

    /// Drops its text, if it has been proven that it is not needed.
    ///
    /// What stays moves to a place of its own: blocks of its size stand among those of texts, and keep the memory of these
    /// from going back to the system.
    pub(crate) fn cool(&mut self) {
        self.piece.cool();
        self.fragments = self.fragments.drain(..).collect();
        self.marks = self.marks.clone();
    }

    /// Expands its text if it is cold, since it is about to be changed. What that cost.
    pub(crate) fn warm(&mut self) -> u64 {
        let cost = self.cost_to_warm();
        if self.is_cold() {
            self.changed();
            self.piece.text_mut();
        }
        cost
    }

    /// What it costs to expand its text; nothing, if it is not cold.
    pub(crate) fn cost_to_warm(&self) -> u64 {
        if self.is_cold() {
            weight_of_expanding(self.text_len())
        } else {
            0
        }
    }

    /// What that costs for most leaves, if they are cold.
    pub(crate) fn usual_cost_to_warm() -> u64 {
        weight_of_expanding(MAX_TEXT_BYTES)
    }

    fn changed(&mut self) {
        self.forms.forget();
        self.quiet = Quiet::default();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    pub(crate) fn first_key(&self) -> Option<&GroupingKey> {
        self.fragments.first().map(|fragment| &fragment.key)
    }

    pub(crate) fn last_key(&self) -> Option<&GroupingKey> {
        self.fragments.last().map(|fragment| &fragment.key)
    }

    /// The next key beyond that; the first, without one.
    pub(crate) fn key_above(&self, key: Option<&GroupingKey>) -> Option<&GroupingKey> {
        let next = key.map_or(0, |key| match self.find(key) {
            Ok(position) => position + 1,
            Err(belongs) => belongs,
        });
        self.fragments.get(next).map(|fragment| &fragment.key)
    }

    /// The fragments of some groups.
    pub(crate) fn only(&self, keep: impl Fn(&GroupingKey) -> bool) -> Self {
        let mut part = Self::default();
        let text = part.piece.text_mut();
        let is_kept: Vec<bool> = self.fragments("").map(|view| keep(view.key())).collect();
        for (view, _) in self.fragments("").zip(&is_kept).filter(|(_, is_kept)| **is_kept) {
            text.extend_from_slice(view.text());
            part.fragments.push(view.fragment.clone());
        }
        part.marks = self.marks.only(is_kept);
        part.find_utf8_names();
        part
    }

    /// Puts a fragment without lines between its neighbours, where [`Self::find`] said that it belongs.
    pub(crate) fn insert(&mut self, position: usize, fragment: Fragment) {
        if self.fragments.len() == self.fragments.capacity() {
            // Very many leaves have one, and stay so.
            let more = self.fragments.len() / 8 + self.fragments.len().clamp(1, 2);
            self.fragments.reserve_exact(more);
            self.marks.reserve_exact(more);
        }
        self.changed();
        self.marks.insert(position, Tag::of(&fragment.key));
        self.fragments.insert(position, fragment);
    }

    /// The fragment at a position, to change it; [`Self::set_text`] has to follow.
    pub(crate) fn get_mut(&mut self, position: usize) -> &mut Fragment {
        self.changed();
        &mut self.fragments[position]
    }

    /// Puts other lines in the place of a fragment's.
    ///
    /// `text` must be shorter than 4 GiB; the limit on a push sees to that.
    pub(crate) fn set_text(&mut self, position: usize, text: &[u8]) {
        let range = self.range_of(position);
        self.changed();
        replace_range(self.piece.text_mut(), range, text);
        self.marks.set_length(position, text.len());
        if self.fragments[position].shape.utf8_names || self.utf8_names {
            self.find_utf8_names();
        }
        self.give_back();
    }

    /// Removes the fragments that do not stay.
    pub(crate) fn retain(&mut self, name: &str, mut stays: impl FnMut(FragmentView<'_>) -> bool) {
        self.changed();
        let text = self.piece.text_mut();
        let (mut start, mut kept) = (0, 0);
        let mut lengths = self.marks.lengths();
        let mut is_kept = Vec::with_capacity(self.fragments.len());
        self.fragments.retain(|fragment| {
            let range = start..start + lengths.next().unwrap_or(0);
            start = range.end;
            let view = FragmentView {
                name,
                fragment,
                text: Lines::kept(&text[range.clone()]),
            };
            let stays = stays(view);
            if stays {
                let length = range.len();
                text.copy_within(range, kept);
                kept += length;
            }
            is_kept.push(stays);
            stays
        });
        drop(lengths);
        self.marks = self.marks.only(is_kept);
        text.truncate(kept);
        self.find_utf8_names();
        self.give_back();
    }

    pub(crate) fn remove(&mut self, position: usize) {
        let range = self.range_of(position);
        self.changed();
        replace_range(self.piece.text_mut(), range, &[]);
        self.fragments.remove(position);
        self.marks.remove(position);
        self.find_utf8_names();
        self.give_back();
    }

    /// Frees what fragments have left behind that are gone. A leaf that is half full keeps its room for the next push.
    fn give_back(&mut self) {
        let text = self.piece.text_mut();
        if text.len() < text.capacity() / 2 {
            text.shrink_to(roomy(text.len()));
        }
        if self.fragments.len() < self.fragments.capacity() / 2 {
            self.fragments.shrink_to_fit();
        }
    }

    /// Splits its upper part off if the leaf has grown too large: half of it, or less if it `grows_at_its_end`.
    pub(crate) fn split(&mut self, grows_at_its_end: bool) -> Option<Self> {
        let text_len = self.piece.len();
        let too_large = text_len > MAX_TEXT_BYTES || self.len() > MAX_FRAGMENTS;
        if !too_large || self.len() < 2 {
            return None;
        }
        let stays = |all: usize| if grows_at_its_end { all / 4 * 3 } else { all / 2 };
        let mut position = stays(self.len());
        if text_len > MAX_TEXT_BYTES {
            let mut before = 0;
            position = self.marks.lengths().position(|length| {
                before += length;
                before > stays(text_len)
            })?;
        }
        let position = position.clamp(1, self.len() - 1);
        let start = self.range_of(position).start;
        let mut upper = Self {
            piece: RenderedText::new(self.piece.text()[start..].to_vec()),
            fragments: self.fragments.split_off(position),
            marks: self.marks.split_off(position),
            utf8_names: false,
            quiet: Quiet::default(),
            forms: Forms::default(),
        };
        self.changed();
        upper.find_utf8_names();
        self.find_utf8_names();
        let text = self.piece.text_mut();
        text.truncate(start);
        text.shrink_to(roomy(start));
        self.fragments.shrink_to_fit();
        Some(upper)
    }

    /// Splits it until each part is as large as a leaf should be, or has one fragment. This leaf is the lowest part. The fragment at
    /// this position has just been put there: groups that come in their order leave leaves that are fuller than half.
    pub(crate) fn divide(&mut self, put: usize) -> Vec<Self> {
        let grows_at_its_end = put + 1 == self.len();
        let mut above = Vec::new();
        while let Some(mut upper) = self.split(grows_at_its_end) {
            let parts = upper.divide(0);
            above.extend(parts.into_iter().rev());
            above.push(upper);
        }
        above.reverse();
        above
    }

    /// Whether one fragment fills it alone.
    pub(crate) fn is_filled_by_one(&self) -> bool {
        self.len() == 1 && self.piece.len() > MAX_TEXT_BYTES
    }

    /// Whether this leaf and its upper neighbour are better off as one.
    pub(crate) fn should_join(&self, upper: &Self) -> bool {
        self.piece.len() + upper.piece.len() <= JOIN_TEXT_BYTES
            && self.len() + upper.len() <= MAX_FRAGMENTS / 2
    }

    /// Appends the fragments of the upper neighbour.
    pub(crate) fn join(&mut self, upper: &Self) {
        let end = self.piece.len();
        self.changed();
        replace_range(self.piece.text_mut(), end..end, &upper.piece.text());
        self.fragments.extend_from_slice(&upper.fragments);
        self.marks.append(&upper.marks);
        self.utf8_names |= upper.utf8_names;
    }

    fn find_utf8_names(&mut self) {
        self.utf8_names = self.fragments.iter().any(|fragment| fragment.shape.utf8_names);
    }

    fn range_of(&self, position: usize) -> Range<usize> {
        let (start, length) = self.marks.place(position);
        start..start + length
    }
}

/// Lines of neighbouring fragments of one type that say all that was pushed.
#[derive(Default)]
struct Neighbours {
    metric_type: Option<MetricType>,
    range: Range<usize>,
}

impl Neighbours {
    /// Whether this fragment can be read together with those before. Not a state set, of which a neighbour may have other
    /// states: those of a group are shown together.
    fn go_on_with(&self, view: &FragmentView<'_>) -> bool {
        self.metric_type.is_none_or(|metric_type| {
            metric_type == view.meta().metric_type
                && metric_type != MetricType::StateSet
                && view.text_keeps_all()
                && self.range.len() + view.text.len() <= MAX_TEXT_BYTES
        })
    }

    fn add(&mut self, view: &FragmentView<'_>, range: Range<usize>) {
        if self.metric_type.is_none() {
            self.range.start = range.start;
        }
        self.metric_type = Some(view.meta().metric_type);
        self.range.end = range.end;
    }
}

impl Fragment {
    /// A fragment of nothing yet.
    pub(crate) fn new(key: GroupingKey, meta: Arc<FamilyMeta>) -> Self {
        Self {
            key,
            meta,
            pushed_at: UnixNanos::default(),
            digest: 0,
            lines: 0,
            shape: Shape::default(),
            exact: None,
        }
    }
}

/// Replaces bytes in the middle of a buffer without an allocation, if there is room.
fn replace_range(buffer: &mut Vec<u8>, range: Range<usize>, new: &[u8]) {
    let (old_len, end) = (buffer.len(), range.start + new.len());
    if new.len() > range.len() {
        let grow = new.len() - range.len();
        if buffer.capacity() - old_len < grow {
            buffer.reserve_exact(roomy(old_len + grow) - old_len);
        }
        buffer.resize(old_len + grow, 0);
    }
    // Values mostly keep their length. Half a leaf that stays where it is need not come from memory and go back.
    if end != range.end {
        buffer.copy_within(range.end..old_len, end);
    }
    buffer[range.start..end].copy_from_slice(new);
    buffer.truncate(old_len - range.len() + new.len());
}

/// One family of one group, in a snapshot.
#[derive(Debug, Clone)]
pub struct FragmentView<'a> {
    name: &'a str,
    fragment: &'a Fragment,
    text: Lines<'a>,
}

impl<'a> FragmentView<'a> {
    /// The family's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The group.
    pub fn key(&self) -> &'a GroupingKey {
        &self.fragment.key
    }

    /// Type, help and unit as this group pushed them.
    pub fn meta(&self) -> &'a FamilyMeta {
        &self.fragment.meta
    }

    pub(crate) fn shared_meta(&self) -> Arc<FamilyMeta> {
        Arc::clone(&self.fragment.meta)
    }

    /// Equal digests mean the same series.
    pub(crate) fn digest(&self) -> u64 {
        self.fragment.digest
    }

    /// The type, as the consistency rules see it.
    pub(crate) fn base_type(&self) -> MetricType {
        self.fragment.meta.metric_type.base()
    }

    pub(crate) fn fragment(&self) -> &'a Fragment {
        self.fragment
    }

    /// When this family was pushed to this group.
    pub fn pushed_at(&self) -> UnixNanos {
        self.fragment.pushed_at
    }

    /// The lines, names quoted where they are not legacy-valid.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The bytes of the lines.
    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// Number of lines.
    pub fn series(&self) -> u32 {
        self.fragment.lines
    }

    /// Number of metrics: a histogram is one. Looks at every line.
    pub fn metrics(&self) -> usize {
        let (mut metrics, metric_type) = (0, self.fragment.meta.metric_type);
        each_series(self.name, metric_type, &self.text, |_| metrics += 1);
        metrics
    }

    /// Whether it was added up, at least in part, and nothing has taken the place of the whole since.
    pub fn is_added_up(&self) -> bool {
        self.fragment.shape.added_up
    }

    /// Bytes of its text, and of the protobuf form of what text cannot say.
    pub fn bytes(&self) -> u64 {
        self.size().bytes
    }

    /// Whether the lines, read with the family's type, are all that was pushed, help and unit aside.
    pub fn text_keeps_all(&self) -> bool {
        // Of a family without lines the text format would keep nothing.
        self.fragment.exact.is_none() && !self.fragment.shape.infinity_added && self.fragment.lines > 0
    }

    /// Reads the metrics back, with their final labels, and hands them to `read`.
    ///
    /// Nothing that was pushed is lost on the way: what the text cannot say was kept in protobuf form.
    pub fn decode<R>(&self, read: impl FnOnce(&Exposition<'_>, &Family) -> R) -> R {
        self.parts().decode(read)
    }

    /// The metrics piece by piece, for those who need not have all at once: of a family without metrics, one that has none.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'a>> + Send + use<'a> {
        pieces(&self.about(), &self.text)
    }

    /// The lines under another escaping scheme than `allow-utf-8`.
    pub fn render(&self, out: &mut Vec<u8>, escaping: EscapingScheme) {
        if !self.fragment.shape.utf8_names {
            out.extend_from_slice(&self.text);
            return;
        }
        self.decode(|exposition, family| {
            for metric in &family.metrics {
                let labels: Vec<_> = exposition.labels(metric.labels).collect();
                text::write_metric(out, exposition, self.name, &labels, metric.value, escaping);
            }
        });
    }

    /// Lines, and bytes of text and of the protobuf form.
    pub(crate) fn size(&self) -> Size {
        self.fragment.size(self.text.len())
    }

    /// The fragment as a record has it.
    pub(crate) fn parts(&self) -> FamilyParts<'_> {
        FamilyParts {
            text: &self.text,
            ..self.about()
        }
    }

    /// When the first of its series leaves by itself, if one does. Its lines are not looked at.
    pub(crate) fn first_end(&self) -> Option<UnixNanos> {
        self.about().first_end()
    }

    /// About as many bytes as it takes in a record. Its lines are not looked at.
    pub(crate) fn record_bytes(&self) -> usize {
        self.about().record_bytes() + self.text_len()
    }

    /// The same without its lines.
    fn about(&self) -> FamilyParts<'a> {
        let Fragment {
            meta,
            shape,
            pushed_at,
            exact,
            ..
        } = self.fragment;
        FamilyParts {
            name: self.name,
            help: meta.help.as_deref(),
            unit: &meta.unit,
            metric_type: meta.metric_type,
            shape: *shape,
            pushed_at: *pushed_at,
            text: &[],
            exact: exact.as_ref().map(|exact| exact.as_slice()),
        }
    }

    /// The value of a family with one number, such as the push time families.
    pub fn number(&self) -> Option<f64> {
        self.decode(|_, family| match family.metrics.as_slice() {
            [metric] => match metric.value {
                Value::Number(value) => Some(value),
                _ => None,
            },
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gauge of a job, without lines.
    fn fragment(job: &str) -> Fragment {
        let meta = FamilyMeta {
            help: None,
            metric_type: MetricType::Gauge,
            unit: "".into(),
        };
        let key = GroupingKey::new([("job", job)]).unwrap();
        Fragment::new(key, Arc::new(meta))
    }

    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn a_leaf_does_not_keep_the_memory_of_a_fragment_that_is_gone() {
        let large = vec![b'\n'; 1 << 20];
        let mut leaf = Leaf::default();
        leaf.insert(0, fragment("a"));
        leaf.set_text(0, &large);
        leaf.set_text(0, b"\n");
        assert!(leaf.piece.text_mut().capacity() < large.len());
        leaf.insert(1, fragment("b"));
        leaf.set_text(1, &large);
        leaf.remove(1);
        assert!(leaf.piece.text_mut().capacity() < large.len());
        assert_eq!(&*leaf.piece.text(), b"\n");
    }

    #[test]
    fn a_leaf_gives_back_the_room_of_most_of_its_fragments_and_keeps_that_of_some() {
        let mut leaf = Leaf::default();
        for number in 0..100 {
            leaf.insert(number, fragment(&format!("{number:03}")));
            leaf.set_text(number, &[b'\n'; 100]);
        }
        let room = |leaf: &mut Leaf| (leaf.piece.text_mut().capacity(), leaf.fragments.capacity());
        let full = room(&mut leaf);
        let mut left = 0;
        leaf.retain("", |_| {
            left += 1;
            left <= 60
        });
        assert_eq!(room(&mut leaf), full);
        let mut left = 0;
        leaf.retain("", |_| {
            left += 1;
            left <= 10
        });
        let (text, fragments) = room(&mut leaf);
        assert!(
            text <= 2 * 1000 && fragments <= 2 * 10,
            "{text} bytes, {fragments} fragments"
        );
        assert_eq!(leaf.fragments("").count(), 10);
    }

    #[test]
    fn bytes_in_the_middle_are_replaced() {
        for new in ["", "x", "12345", "123456789012345678901234567890"] {
            for range in [0..0, 0..3, 3..8, 5..10, 10..10] {
                let mut buffer = b"0123456789".to_vec();
                let mut expected = buffer.clone();
                expected.splice(range.clone(), new.bytes());
                replace_range(&mut buffer, range, new.as_bytes());
                assert_eq!(buffer, expected);
            }
        }
    }
}
