//! Pushes that are like an earlier one but for the values, which are most.
//!
//! A job pushes the same series with each run, and so do its instances, each to a group of its own. What decoding and
//! preparing such a body comes to is known then, up to the values and the values of the group's labels. A **stencil**
//! is that: the rendered lines with holes.
//!
//! Nothing here knows how to read or to render metrics. A stencil is learned by asking those who do: a body of the same
//! outline with numbers that no other text can contain by chance goes through the usual way, for a group whose labels
//! are likewise marked, and where the marks come out, there the holes are. A stencil that does not give for the pushed
//! body exactly what the usual way gave for it is thrown away.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::DefaultHashBuilder;
use wharf_exposition::number;
use wharf_exposition::text::{Outline, write_label_value};
use wharf_model::name::is_legacy_metric_name;
use wharf_model::{Exposition, GroupingKey, Meter, MetricType};

use crate::effect::Facts;
use crate::parts::Shape;
use crate::prepare::room::SMALL_TEXT_BYTES;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::{Counters, Note, PUSH_TIME, Patience, PushId, UnixNanos};

/// Outlines longer than this are not worth keeping: reading them is what they cost.
const MAX_OUTLINE_BYTES: usize = 32 * 1024;
/// Stencils with more text than this are not kept: the names of a group's labels stand on each line.
const MAX_LITERAL_BYTES: usize = 4 * MAX_OUTLINE_BYTES;
/// The same for holes: the group's labels stand on each line, too.
const MAX_HOLES: usize = 8 * 1024;
/// What decoding and rendering a body of such an outline may take when it is learned from; what takes more has no stencil.
const LEARNING_BYTES: usize = 4 << 20;
/// The most bytes of a value with the line feed behind it.
const VALUE_BYTES: usize = 26;
/// How many stencils are kept.
const MAX_STENCILS: usize = 256;
/// How many outlines are remembered that have been seen once. Few, so that only what comes often is learned.
const SEEN: usize = 1024;

/// The stencils of the bodies that come often.
#[derive(Debug)]
pub(crate) struct Stencils {
    known: RwLock<HashMap<u64, Entry>>,
    /// Outlines that came once, by the last digits of their hash.
    seen: Box<[AtomicU64]>,
    /// Seeded anew by each process: nobody can make outlines collide, or guess the marks.
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Entry {
    /// None: bodies of this outline have no stencil.
    stencil: Option<Arc<Stencil>>,
    /// Whether it has been asked for since the last time that room was made.
    is_used: AtomicBool,
}

/// What pushes of one outline come to, for groups of the same label names.
#[derive(Debug)]
pub(crate) struct Stencil {
    heads: Vec<u8>,
    /// Where each of the lines ends in `heads`.
    head_ends: Vec<u32>,
    /// Names of the group's labels, and whether their value is empty.
    labels: Vec<(Box<str>, bool)>,
    /// On how many lines each of them stands.
    label_holes: Vec<usize>,
    families: Vec<FamilyStencil>,
    literals: Vec<u8>,
    holes: Vec<Hole>,
}

#[derive(Debug)]
struct FamilyStencil {
    name: Box<str>,
    help: Option<Box<str>>,
    unit: Box<str>,
    metric_type: MetricType,
    shape: Shape,
    lines: u32,
    holes: Range<usize>,
}

/// Text as it is, and then something else.
#[derive(Debug, Clone, Copy)]
struct Hole {
    /// Where the text before the hole ends in the literals; it begins where that of the hole before ends.
    literal_end: u32,
    filling: Filling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filling {
    /// The value of this one of the group's labels.
    Label(u32),
    /// The value of this one of the body's samples, which ends a line.
    Value {
        sample: u32,
        is_count: bool,
        is_last: bool,
    },
    /// The time of the push, which ends a line.
    PushTime,
}

/// A body in the text format, and who can read it. A body that is like earlier ones is not read.
pub trait TextBody {
    /// Why a text cannot be read.
    type Error;

    /// The body.
    fn text(&self) -> &[u8];

    /// Reads a text: the body, or another that is like it. The same text has to come to the same as long as the store
    /// is there, but for the memory of this meter.
    ///
    /// # Errors
    /// As the implementation says; the body is refused then.
    fn decode<'t>(&self, text: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Self::Error>;

    /// The memory that the body may take until it is stored.
    fn memory(&self) -> &Meter<'_>;

    /// The body was read, and this is what is in it.
    fn was_read(&self, exposition: &Exposition<'_>);

    /// The body was not read, and this is what it comes to.
    fn was_known(&self, known: &KnownBody<'_>);

    /// What is to be booked with the push. Asked when one of the two above has been told.
    fn facts(&self) -> Facts {
        Facts::default()
    }

    /// The id by which the push is known when it comes again.
    fn once(&self) -> Option<PushId> {
        None
    }

    /// What it says of the pushes that are to come after it.
    fn note(&self) -> Option<Note<'_>> {
        None
    }

    /// What its counters count.
    fn counters(&self) -> Counters {
        Counters::Total
    }

    /// How long whoever pushes it can wait.
    fn patience(&self) -> Patience {
        Patience::Unlimited
    }
}

/// What a body comes to that was not decoded.
#[derive(Debug)]
pub struct KnownBody<'p>(&'p Prepared<'p>);

/// One of its families.
#[derive(Debug, Clone, Copy)]
pub struct KnownFamily<'p> {
    /// Its name.
    pub name: &'p str,
    /// Its type.
    pub metric_type: MetricType,
    /// Number of its series.
    pub lines: u32,
    /// The lines that a scrape will show.
    pub text: &'p [u8],
}

impl<'p> KnownBody<'p> {
    pub(crate) fn of(prepared: &'p Prepared<'p>) -> Self {
        Self(prepared)
    }

    /// Number of series that the body brings.
    pub fn series(&self) -> u64 {
        self.families().map(|family| u64::from(family.lines)).sum()
    }

    /// The families that the body brings, sorted by name.
    pub fn families(&self) -> impl Iterator<Item = KnownFamily<'_>> {
        let brought = self.0.families.iter().filter(|family| family.name != PUSH_TIME);
        brought.map(|family| KnownFamily {
            name: family.name,
            metric_type: family.metric_type,
            lines: family.lines,
            text: self.0.text(family),
        })
    }
}

/// A body that may fit a stencil.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    outline: Outline<'a>,
    hash: u64,
}

impl Default for Stencils {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            seen: (0..SEEN).map(|_| AtomicU64::new(0)).collect(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl Stencils {
    /// What there is to know of a body before it is read; none if it fits no stencil whatever it says.
    pub(crate) fn candidate<'a>(&self, key: &GroupingKey, body: &'a [u8]) -> Option<Candidate<'a>> {
        if body.len() > 2 * MAX_OUTLINE_BYTES {
            return None;
        }
        let outline = Outline::of(body)?;
        let mut hasher = self.hasher.build_hasher();
        for head in outline.heads() {
            hasher.write(head);
        }
        for (name, value) in key.label_bytes() {
            hasher.write(name);
            hasher.write_u8(u8::from(value.is_empty()));
        }
        Some(Candidate {
            outline,
            hash: hasher.finish(),
        })
    }

    /// The stencil that fits.
    pub(crate) fn get(&self, key: &GroupingKey, candidate: &Candidate<'_>) -> Option<Arc<Stencil>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(&candidate.hash)?;
        if !entry.is_used.load(Ordering::Relaxed) {
            entry.is_used.store(true, Ordering::Relaxed);
        }
        let stencil = entry.stencil.as_ref()?;
        stencil.fits(key, &candidate.outline).then(|| Arc::clone(stencil))
    }

    /// Learns from a body that has been pushed and came to `prepared`, if its outline has been seen before.
    pub(crate) fn learn(
        &self,
        preparer: &Preparer,
        key: &GroupingKey,
        candidate: &Candidate<'_>,
        prepared: &Prepared<'_>,
        body: &impl TextBody,
        now: UnixNanos,
    ) {
        let hash = candidate.hash;
        // The remainder is below the number of slots.
        let slot = self.seen.get(usize::try_from(hash % SEEN as u64).unwrap_or(0));
        if slot.is_none_or(|slot| slot.swap(hash, Ordering::Relaxed) != hash) {
            return;
        }
        // No stencil gives what contradicts itself, and others of this outline may not do so.
        let contradicts = prepared.families.iter().any(|family| family.shape.contradicts);
        if contradicts || !self.has_room(hash) {
            return;
        }
        let outline = &candidate.outline;
        let stencil = Lesson::new(&self.hasher, key, outline).and_then(|lesson| lesson.learn(preparer, body));
        let stencil = stencil.filter(|stencil| {
            let again = stencil.prepare(preparer, key, outline, now, &Meter::up_to(LEARNING_BYTES));
            again.is_some_and(|again| again.is_same(prepared))
        });
        let entry = Entry {
            stencil: stencil.map(Arc::new),
            is_used: AtomicBool::new(true),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(hash, entry);
    }

    /// Whether there is room for one more that is not there yet. Those go that nobody has asked for since the last time.
    fn has_room(&self, hash: u64) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(&hash) {
            return false;
        }
        if known.len() < MAX_STENCILS {
            return true;
        }
        drop(known);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, entry| std::mem::take(entry.is_used.get_mut()));
        known.len() < MAX_STENCILS
    }
}

impl Stencil {
    fn fits(&self, key: &GroupingKey, outline: &Outline<'_>) -> bool {
        let heads = outline.heads();
        if heads.len() != self.head_ends.len() {
            return false;
        }
        let mut start = 0;
        for (head, end) in heads.iter().zip(&self.head_ends) {
            let end = *end as usize;
            if self.heads.get(start..end) != Some(*head) {
                return false;
            }
            start = end;
        }
        let mut known = self.labels.iter();
        let same = key.label_bytes().all(|(name, value)| {
            known
                .next()
                .is_some_and(|(known, is_empty)| known.as_bytes() == name && *is_empty == value.is_empty())
        });
        same && known.next().is_none()
    }

    /// The most that the lines take for this group.
    fn text_bytes(&self, key: &GroupingKey) -> usize {
        let fixed = self.literals.len() + self.holes.len() * VALUE_BYTES;
        // Mostly few, whichever of the labels stands on most lines.
        let lines = self.label_holes.iter().max().copied().unwrap_or_default();
        let at_most = fixed + 2 * key.as_bytes().len() * lines;
        if at_most <= SMALL_TEXT_BYTES {
            return at_most;
        }
        let values = key.label_bytes().zip(&self.label_holes);
        let values = values.map(|((_, value), holes)| 2 * value.len() * holes);
        fixed + values.sum::<usize>()
    }

    /// What the body of this outline comes to for the group; none if its values need a closer look.
    pub(crate) fn prepare<'a>(
        &'a self,
        preparer: &Preparer,
        key: &GroupingKey,
        outline: &Outline<'_>,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Option<Prepared<'a>> {
        let most = self.text_bytes(key);
        if most > SMALL_TEXT_BYTES {
            // If there is no room, whoever reads the body finds that out too, and says so.
            memory.take(most).ok()?;
        }
        let mut values = Vec::with_capacity(64);
        let mut value_ends = Vec::with_capacity(self.labels.len());
        for (_, value) in key.labels() {
            write_label_value(&mut values, value);
            value_ends.push(values.len());
        }
        let label = |index: u32| {
            let index = index as usize;
            let start = match index.checked_sub(1) {
                Some(before) => *value_ends.get(before)?,
                None => 0,
            };
            values.get(start..*value_ends.get(index)?)
        };
        let room = self.literals.len() + self.holes.len() * 12;
        let mut text = Vec::with_capacity(if most > SMALL_TEXT_BYTES { most } else { room });
        let mut fingerprints = Vec::with_capacity(outline.samples().len() + 1);
        let mut families = Vec::with_capacity(self.families.len());
        let mut literal = 0;
        for family in &self.families {
            let (family_start, first) = (text.len(), fingerprints.len());
            let is_histogram = family.metric_type.is_histogram();
            // The count of the bucket before; a bucket below it and a count beside it contradict.
            let mut below = 0.0;
            let mut line_start = text.len();
            for hole in self.holes.get(family.holes.clone())? {
                let literal_end = hole.literal_end as usize;
                text.extend_from_slice(self.literals.get(literal..literal_end)?);
                literal = literal_end;
                let (value, is_last) = match hole.filling {
                    Filling::Label(index) => {
                        text.extend_from_slice(label(index)?);
                        continue;
                    }
                    Filling::PushTime => (now.as_seconds(), true),
                    Filling::Value {
                        sample,
                        is_count,
                        is_last,
                    } => {
                        let sample = outline.samples().get(sample as usize)?;
                        let is_plain = sample.value != 0.0 || sample.value.is_sign_positive();
                        if !is_plain || is_count && !sample.is_count {
                            return None;
                        }
                        if is_histogram && is_count {
                            if sample.value < below || is_last && sample.value > below {
                                return None;
                            }
                            below = if is_last { 0.0 } else { sample.value };
                        }
                        (sample.value, is_last)
                    }
                };
                if is_last {
                    // What identifies a series: its last line up to the blank before the value.
                    let series = text.get(line_start..text.len() - 1)?;
                    fingerprints.push(preparer.fingerprint(series));
                }
                number::write_f64(&mut text, value);
                text.push(b'\n');
                line_start = text.len();
            }
            let range = first..fingerprints.len();
            families.push(PreparedFamily {
                name: &family.name,
                help: family.help.as_deref().map(Cow::Borrowed),
                unit: Cow::Borrowed(&family.unit),
                metric_type: family.metric_type,
                pushed_at: now,
                text: family_start..text.len(),
                lines: family.lines,
                digest: preparer.digest(&fingerprints[range.clone()]),
                fingerprints: range,
                shape: family.shape,
                exact: None,
                first_end: None,
            });
        }
        if text.len() > preparer.max_text_bytes {
            return None;
        }
        let mut prepared = Prepared {
            families,
            digest: None,
            text: Cow::Owned(text),
            fingerprints,
        };
        preparer.set_digest(&mut prepared);
        Some(prepared)
    }
}

impl Candidate<'_> {
    /// What the body comes to by a stencil that fits.
    pub(crate) fn prepare<'a>(
        &self,
        stencil: &'a Stencil,
        preparer: &Preparer,
        key: &GroupingKey,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Option<Prepared<'a>> {
        stencil.prepare(preparer, key, &self.outline, now, memory)
    }
}

/// A body and a group with marks in all places that may change.
struct Lesson<'o> {
    outline: &'o Outline<'o>,
    key: GroupingKey,
    body: Vec<u8>,
    /// The number of the first sample; the next ones count on from there.
    first_number: u64,
    /// The marks of the group's labels, in their order; empty ones stay empty.
    marks: Vec<String>,
}

impl<'o> Lesson<'o> {
    fn new(hasher: &DefaultHashBuilder, key: &GroupingKey, outline: &'o Outline<'o>) -> Option<Self> {
        // Six digits, so that they are written without an exponent; which ones nobody can know.
        let first_number = 200_000 + hasher.hash_one("numbers") % 500_000;
        let body = outline.with_values(|index| first_number + index as u64);
        let marks: Vec<String> = key
            .labels()
            .enumerate()
            .map(|(index, (name, value))| match value {
                "" => String::new(),
                _ => format!("{:016x}", hasher.hash_one((index, name))),
            })
            .collect();
        let labels = key.labels().zip(&marks);
        let key = GroupingKey::new(labels.map(|((name, _), mark)| (name, mark.as_str()))).ok()?;
        Some(Self {
            outline,
            key,
            body,
            first_number,
            marks,
        })
    }

    fn learn(&self, preparer: &Preparer, body: &impl TextBody) -> Option<Stencil> {
        let memory = Meter::up_to(LEARNING_BYTES);
        let exposition = body.decode(&self.body, &memory).ok()?;
        if !has_uniform_labels(&exposition) {
            return None;
        }
        let prepared = preparer
            .prepare(&self.key, &exposition, UnixNanos::default(), &memory)
            .ok()?;
        let labels = self.key.labels();
        let mut stencil = Stencil {
            heads: self.outline.heads().concat(),
            head_ends: Vec::new(),
            labels: labels
                .map(|(name, value)| (name.into(), value.is_empty()))
                .collect(),
            label_holes: vec![0; self.marks.len()],
            families: Vec::new(),
            literals: Vec::new(),
            holes: Vec::new(),
        };
        if stencil.heads.len() > MAX_OUTLINE_BYTES {
            return None;
        }
        let mut end = 0;
        for head in self.outline.heads() {
            end += head.len();
            stencil.head_ends.push(u32::try_from(end).ok()?);
        }
        for family in &prepared.families {
            self.learn_family(&mut stencil, &prepared, family)?;
        }
        Some(stencil)
    }

    fn learn_family(
        &self,
        stencil: &mut Stencil,
        prepared: &Prepared<'_>,
        family: &PreparedFamily<'_>,
    ) -> Option<()> {
        let counts = family.metric_type.is_histogram() || family.metric_type == MetricType::Summary;
        // The lines of a name that has to be quoted begin otherwise.
        let has_odd_name = counts && !is_legacy_metric_name(family.name);
        if family.exact.is_some() || family.shape.infinity_added || has_odd_name {
            return None;
        }
        let first = stencil.holes.len();
        let text = std::str::from_utf8(prepared.text(family)).ok()?;
        for line in text.lines() {
            let (series, value) = line.rsplit_once(' ')?;
            self.learn_labels(stencil, series)?;
            if stencil.literals.len() > MAX_LITERAL_BYTES || stencil.holes.len() > MAX_HOLES {
                return None;
            }
            stencil.literals.push(b' ');
            let filling = if family.name == PUSH_TIME {
                Filling::PushTime
            } else {
                let sample = value.parse::<u64>().ok()?.checked_sub(self.first_number)?;
                if sample >= self.outline.samples().len() as u64 {
                    return None;
                }
                let is_part = |part: &str| {
                    let rest = series.strip_prefix(family.name);
                    rest.is_some_and(|rest| rest.strip_prefix(part).is_some_and(|rest| rest.starts_with('{')))
                };
                let is_count_line = counts && is_part("_count");
                Filling::Value {
                    sample: u32::try_from(sample).ok()?,
                    is_count: is_count_line || counts && is_part("_bucket"),
                    is_last: is_count_line || !counts,
                }
            };
            stencil.hole(filling)?;
        }
        stencil.families.push(FamilyStencil {
            name: family.name.into(),
            help: family.help.as_deref().map(Box::from),
            unit: (*family.unit).into(),
            metric_type: family.metric_type,
            // The marks contradict each other, and a body that does so is read.
            shape: Shape {
                contradicts: false,
                ..family.shape
            },
            lines: family.lines,
            holes: first..stencil.holes.len(),
        });
        Some(())
    }

    /// The text of a series, with holes for the marks in it. All of the group's labels stand on each line, sorted by
    /// name as they are in the key.
    fn learn_labels(&self, stencil: &mut Stencil, series: &str) -> Option<()> {
        let mut rest = series;
        for (index, mark) in self.marks.iter().enumerate() {
            if mark.is_empty() {
                continue;
            }
            let (before, after) = rest.split_once(mark.as_str())?;
            stencil.literals.extend_from_slice(before.as_bytes());
            stencil.hole(Filling::Label(u32::try_from(index).ok()?))?;
            *stencil.label_holes.get_mut(index)? += 1;
            rest = after;
        }
        stencil.literals.extend_from_slice(rest.as_bytes());
        Some(())
    }
}

impl Stencil {
    fn hole(&mut self, filling: Filling) -> Option<()> {
        let literal_end = u32::try_from(self.literals.len()).ok()?;
        self.holes.push(Hole { literal_end, filling });
        Some(())
    }
}

/// Whether the metrics of each family all have the same label names. Otherwise their order may depend on the values of
/// the group's labels.
fn has_uniform_labels(exposition: &Exposition<'_>) -> bool {
    exposition.families.iter().all(|family| {
        let names = |labels| {
            let mut names: Vec<&str> = exposition.labels(labels).map(|(name, _)| name).collect();
            names.sort_unstable();
            names
        };
        let mut all = family.metrics.iter().map(|metric| names(metric.labels));
        let first = all.next();
        all.all(|names| Some(names) == first)
    })
}
