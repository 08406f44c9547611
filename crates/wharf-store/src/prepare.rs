//! From a decoded push to fragments: label rules, checks that need no other group, rendered lines.
//!
//! All of it happens before the store is locked.

mod exact;
pub(crate) mod instance;
mod labels;
mod pattern;
mod prepared;
mod room;
pub(crate) mod stencil;
mod timestamps;

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use wharf_exposition::mend::contradictions;
use wharf_exposition::{Head, protobuf, text};
use wharf_model::name::{EscapingScheme, is_legacy_label_name, is_legacy_metric_name};
use wharf_model::{Exposition, Family, GroupingKey, Meter, Metric, MetricType, Run, Value};

use self::exact::text_keeps;
use self::instance::InstanceLabel;
use self::labels::{LabelPair, check_labels};
use self::pattern::Pattern;
pub(crate) use self::prepared::{Prepared, PreparedFamily, Unfit};
use self::room::Room;
use self::timestamps::{has_timestamp, timestamps};
use crate::clashes::Found;
use crate::inconsistency::{describe_labels, short};
use crate::parts::{FamilyParts, Shape};
use crate::reserved::{Joins, Reserved};
use crate::series::{Fingerprint, each_series, last_series, lines_of};
use crate::standing::{EXPECT_LABEL, EXPECTED, EXPECTED_HELP, Note, PAUSED_UNTIL, PAUSED_UNTIL_HELP};
use crate::{
    Inconsistency, PUSH_FAILURE_TIME, PUSH_FAILURE_TIME_HELP, PUSH_TIME, PUSH_TIME_HELP, PushError, UnixNanos,
};

/// What preparing needs to know of the store.
#[derive(Debug)]
pub(crate) struct Preparer {
    /// Seeded anew by each process, so that nobody can make fingerprints collide.
    hasher: DefaultHashBuilder,
    pub(crate) reserved: Reserved,
    pub(crate) instance: InstanceLabel,
    /// Limit on the rendered text of one push, in bytes.
    pub(crate) max_text_bytes: usize,
}

/// A metric with its final labels: those at `labels` of the scratch list.
struct Row<'e> {
    labels: Range<usize>,
    metric: &'e Metric,
}

impl Preparer {
    pub(crate) fn new(reserved: Reserved, max_text_bytes: usize) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            reserved,
            instance: InstanceLabel::Empty,
            max_text_bytes,
        }
    }

    /// The refusal of a push that takes too much memory.
    pub(crate) fn too_large(&self) -> PushError {
        PushError::TooLarge {
            limit_bytes: self.max_text_bytes,
        }
    }

    /// Applies the label rules of a push, checks all that needs no other group, and renders the lines.
    ///
    /// A push that contradicts itself is read to its end, so that its sender learns all of it at once.
    ///
    /// The push time family is added; pushed families of the two push time names are left out.
    pub(crate) fn prepare<'a>(
        &self,
        key: &'a GroupingKey,
        exposition: &'a Exposition<'_>,
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Result<Prepared<'a>, Unfit<'a>> {
        self.prepare_with(key, exposition, &[(PUSH_TIME, now.as_seconds())], now, memory)
    }

    /// The same with these push time families.
    pub(crate) fn prepare_with<'a>(
        &self,
        key: &'a GroupingKey,
        exposition: &'a Exposition<'_>,
        times: &[(&'static str, f64)],
        now: UnixNanos,
        memory: &Meter<'_>,
    ) -> Result<Prepared<'a>, Unfit<'a>> {
        let mut metrics = exposition.families.iter().flat_map(|family| &family.metrics);
        if metrics.any(has_timestamp) {
            return Err(PushError::Timestamps(timestamps(exposition)).into());
        }
        let grouping: Vec<LabelPair<'_>> = key.labels().collect();
        let room = Room::of(self.max_text_bytes, key, exposition, memory)?;
        let mut families = Vec::new();
        memory.reserve(&mut families, exposition.families.len() + times.len())?;
        let mut text = Vec::new();
        memory.reserve(&mut text, room.text_bytes(exposition))?;
        let mut work = Work {
            preparer: self,
            exposition,
            grouping: &grouping,
            room,
            pattern: None,
            labels: Vec::new(),
            prepared: Prepared {
                families,
                digest: None,
                text: Cow::Owned(text),
                fingerprints: Vec::new(),
            },
            found: Found::default(),
            now,
        };
        for family in &exposition.families {
            let name = exposition.text(family.name);
            if name != PUSH_TIME && name != PUSH_FAILURE_TIME {
                work.family(family, name)?;
            }
        }
        let Work {
            mut prepared,
            found,
            labels,
            ..
        } = work;
        memory.give_back(labels.capacity() * size_of::<LabelPair<'_>>());
        drop(labels);
        for (name, value) in times {
            self.add_time(&mut prepared, &grouping, name, *value, now);
        }
        prepared.families.sort_by(|a, b| a.name.cmp(b.name));
        if let Some(clashes) = found.into_clashes() {
            return Err(Unfit {
                error: Box::new(clashes.into()),
                sound: Some(Box::new(prepared)),
            });
        }
        self.set_digest(&mut prepared);
        Ok(prepared)
    }

    /// Adds the family of an exposition that has no other, as [`Self::prepare`] prepares it.
    pub(crate) fn add_family(
        &self,
        key: &GroupingKey,
        exposition: &Exposition<'_>,
        now: UnixNanos,
        prepared: &mut Prepared<'_>,
    ) -> Result<Option<PreparedFamily<'static>>, PushError> {
        let unlimited = Meter::unlimited();
        let grouping: Vec<LabelPair<'_>> = key.labels().collect();
        let mut work = Work {
            preparer: self,
            exposition,
            grouping: &grouping,
            room: Room::unlimited(&unlimited),
            pattern: None,
            labels: Vec::new(),
            prepared: Prepared {
                families: Vec::new(),
                digest: None,
                text: Cow::Owned(std::mem::take(&mut prepared.text).into_owned()),
                fingerprints: std::mem::take(&mut prepared.fingerprints),
            },
            found: Found::default(),
            now,
        };
        for family in &exposition.families {
            work.family(family, exposition.text(family.name))?;
        }
        let Work {
            prepared: mut done,
            found,
            ..
        } = work;
        prepared.text = Cow::Owned(done.text.into_owned());
        prepared.fingerprints = done.fingerprints;
        match found.into_clashes() {
            Some(clashes) => Err(clashes.into()),
            None => Ok(done.families.pop().map(PreparedFamily::without_names)),
        }
    }

    /// Sums up what a whole push brings; its families are complete, and sorted.
    pub(crate) fn set_digest(&self, prepared: &mut Prepared<'_>) {
        let mut digest = self.hasher.build_hasher();
        for family in &prepared.families {
            (family.name, family.metric_type, family.digest).hash(&mut digest);
        }
        prepared.digest = Some(digest.finish());
    }

    /// The push time families of a group: `push_time_seconds` if a value is given, likewise the failure time.
    pub(crate) fn times<'a>(
        &self,
        key: &'a GroupingKey,
        push: Option<f64>,
        failure: Option<f64>,
        now: UnixNanos,
    ) -> Prepared<'a> {
        let mut prepared = Prepared::empty(Cow::Owned(Vec::new()));
        let grouping: Vec<LabelPair<'_>> = key.labels().collect();
        if let Some(value) = failure {
            self.add_time(&mut prepared, &grouping, PUSH_FAILURE_TIME, value, now);
        }
        if let Some(value) = push {
            self.add_time(&mut prepared, &grouping, PUSH_TIME, value, now);
        }
        prepared
    }

    /// Adds a fragment as it was stored once; `text` is where its lines lie in the text of `prepared`.
    pub(crate) fn add_stored<'a>(
        &self,
        prepared: &mut Prepared<'a>,
        parts: &FamilyParts<'a>,
        text: Range<usize>,
    ) {
        let first = prepared.fingerprints.len();
        self.each_fingerprint(parts.name, parts.metric_type, parts.text, |fingerprint| {
            prepared.fingerprints.push(fingerprint);
        });
        let fingerprints = first..prepared.fingerprints.len();
        prepared.families.push(PreparedFamily {
            name: parts.name,
            help: parts.help.map(Cow::Borrowed),
            unit: Cow::Borrowed(parts.unit),
            metric_type: parts.metric_type,
            pushed_at: parts.pushed_at,
            lines: lines_of(parts.text),
            text,
            digest: self.digest(&prepared.fingerprints[fingerprints.clone()]),
            fingerprints,
            shape: parts.shape,
            exact: parts.exact.map(|exact| Arc::new(exact.to_vec())),
            first_end: parts.first_end(),
        });
    }

    /// Adds what a push says of those that are to come after it, in its place among the families.
    pub(crate) fn add_note(
        &self,
        prepared: &mut Prepared<'_>,
        key: &GroupingKey,
        note: Note<'_>,
        now: UnixNanos,
    ) {
        let mut labels: Vec<LabelPair<'_>> = key.labels().collect();
        match note {
            Note::Expected(Some(words)) => {
                labels.push((EXPECT_LABEL, words));
                self.add_line(prepared, labels, (EXPECTED, EXPECTED_HELP), 1.0, now);
            }
            Note::Expected(None) => {
                let (text, first) = (prepared.text.len(), prepared.fingerprints.len());
                let family = self.standing(prepared, (EXPECTED, EXPECTED_HELP), (text, first), false, now);
                prepared.families.push(family);
            }
            Note::PausedUntil(until) => {
                let about = (PAUSED_UNTIL, PAUSED_UNTIL_HELP);
                self.add_line(prepared, labels, about, until.as_seconds(), now);
            }
        }
        prepared.families.sort_by(|a, b| a.name.cmp(b.name));
        if prepared.digest.is_some() {
            self.set_digest(prepared);
        }
    }

    fn add_time(
        &self,
        prepared: &mut Prepared<'_>,
        grouping: &[LabelPair<'_>],
        name: &'static str,
        value: f64,
        now: UnixNanos,
    ) {
        let help = if name == PUSH_TIME {
            PUSH_TIME_HELP
        } else {
            PUSH_FAILURE_TIME_HELP
        };
        self.add_line(prepared, grouping.to_vec(), (name, help), value, now);
    }

    /// Adds a family of one line that stands beside what is pushed.
    fn add_line<'l>(
        &'l self,
        prepared: &mut Prepared<'_>,
        mut labels: Vec<LabelPair<'l>>,
        about: (&'static str, &'static str),
        value: f64,
        now: UnixNanos,
    ) {
        self.instance.complete(&mut labels, 0);
        labels.sort_unstable();
        let (text_start, first) = (prepared.text.len(), prepared.fingerprints.len());
        let none = Exposition::default();
        let scheme = EscapingScheme::AllowUtf8;
        text::write_metric(
            prepared.text.to_mut(),
            &none,
            about.0,
            &labels,
            Value::Number(value),
            scheme,
        );
        prepared
            .fingerprints
            .push(self.fingerprint(last_series(&prepared.text[text_start..])));
        let utf8_names = labels.iter().any(|(name, _)| !is_legacy_label_name(name));
        let family = self.standing(prepared, about, (text_start, first), utf8_names, now);
        prepared.families.push(family);
    }

    /// A family of what has been added to the text and the fingerprints since they were so long.
    fn standing(
        &self,
        prepared: &Prepared<'_>,
        (name, help): (&'static str, &'static str),
        (text_start, first): (usize, usize),
        utf8_names: bool,
        now: UnixNanos,
    ) -> PreparedFamily<'static> {
        let text = text_start..prepared.text.len();
        PreparedFamily {
            name,
            help: Some(Cow::Borrowed(help)),
            unit: Cow::Borrowed(""),
            metric_type: MetricType::Gauge,
            pushed_at: now,
            lines: u32::from(!text.is_empty()),
            text,
            fingerprints: first..prepared.fingerprints.len(),
            digest: self.digest(&prepared.fingerprints[first..]),
            shape: Shape {
                utf8_names,
                infinity_added: false,
                contradicts: false,
                added_up: false,
                expires: false,
            },
            exact: None,
            first_end: None,
        }
    }

    pub(crate) fn fingerprint(&self, series: &[u8]) -> Fingerprint {
        self.hasher.hash_one(series)
    }

    pub(crate) fn digest(&self, fingerprints: &[Fingerprint]) -> u64 {
        self.hasher.hash_one(fingerprints)
    }

    /// The series of a stored metric as a push would write it now, if that is another: the instance label may have
    /// changed since. The bytes are those that [`series_of`](crate::series::series_of) gives.
    pub(crate) fn series_now(
        &self,
        exposition: &Exposition<'_>,
        name: &str,
        metric: &Metric,
    ) -> Option<Vec<u8>> {
        let mut stored = exposition.labels(metric.labels);
        let instance = stored.find(|(name, _)| *name == "instance");
        if !self.instance.changes(instance.map(|(_, value)| value)) {
            return None;
        }
        let mut labels: Vec<LabelPair<'_>> = exposition.labels(metric.labels).collect();
        self.instance.complete(&mut labels, 0);
        labels.sort_unstable();
        let mut lines = Vec::new();
        let scheme = EscapingScheme::AllowUtf8;
        text::write_metric(&mut lines, exposition, name, &labels, metric.value, scheme);
        Some(last_series(&lines).to_vec())
    }

    /// Calls `visit` with the fingerprint of each metric of a stored fragment.
    pub(crate) fn each_fingerprint(
        &self,
        name: &str,
        metric_type: MetricType,
        text: &[u8],
        mut visit: impl FnMut(Fingerprint),
    ) {
        each_series(name, metric_type, text, |series| visit(self.fingerprint(series)));
    }
}

/// The state of one [`Preparer::prepare`].
struct Work<'a, 'w> {
    preparer: &'w Preparer,
    exposition: &'a Exposition<'a>,
    grouping: &'w [LabelPair<'a>],
    room: Room<'w>,
    /// How the labels of the current family's metrics are made; none if those of each are laid out.
    pattern: Option<Pattern<'w>>,
    /// The final labels of the current family's metrics, or of one of them.
    labels: Vec<LabelPair<'w>>,
    prepared: Prepared<'a>,
    /// What the push contradicts.
    found: Found,
    now: UnixNanos,
}

impl<'a> Work<'a, '_> {
    /// Prepares a family, unless it contradicts itself or the gateway's own metrics: then that is noted.
    fn family(&mut self, family: &'a Family, name: &'a str) -> Result<(), PushError> {
        if let Err(clash) = self.check_reserved(family, name) {
            self.found.add(clash);
            return Ok(());
        }
        let instance = &self.preparer.instance;
        self.pattern = Pattern::of(family, self.exposition, self.grouping, instance);
        self.make_room(family)?;
        let memory = self.room.memory;
        let mut rows = Vec::new();
        memory.reserve(&mut rows, family.metrics.len())?;
        for metric in &family.metrics {
            match self.relabel(family, name, metric) {
                Ok(labels) => rows.push(Row { labels, metric }),
                Err(clash) => self.found.add(clash),
            }
        }
        // A copy of them, if they have to be sorted.
        let sorting = size_of_val(rows.as_slice());
        memory.take(sorting)?;
        self.sort(&mut rows);
        memory.give_back(sorting);
        let is_unique = self.check_unique(&rows, name);
        if !is_unique || rows.len() < family.metrics.len() {
            return Ok(());
        }

        let (text_start, first) = (self.prepared.text.len(), self.prepared.fingerprints.len());
        memory.reserve(&mut self.prepared.fingerprints, rows.len())?;
        for row in &rows {
            let labels = self.labels_of(row);
            if self.room.is_tight {
                let labels = &self.labels[labels.clone()];
                let bytes = text::metric_bytes(self.exposition, name, labels, row.metric.value);
                memory.reserve(self.prepared.text.to_mut(), bytes)?;
            }
            let line_start = self.prepared.text.len();
            let labels = &self.labels[labels];
            let scheme = EscapingScheme::AllowUtf8;
            text::write_metric(
                self.prepared.text.to_mut(),
                self.exposition,
                name,
                labels,
                row.metric.value,
                scheme,
            );
            let series = last_series(&self.prepared.text[line_start..]);
            self.prepared.fingerprints.push(self.preparer.fingerprint(series));
            if self.prepared.text.len() > self.preparer.max_text_bytes {
                return Err(PushError::TooLarge {
                    limit_bytes: self.preparer.max_text_bytes,
                });
            }
        }
        let fingerprints = first..self.prepared.fingerprints.len();
        let infinities = self.infinities(family);
        let exact = infinities.is_none()
            || !family
                .metrics
                .iter()
                .all(|metric| text_keeps(self.exposition, metric));
        let extras = family.metrics.iter().filter_map(|metric| metric.extra.as_deref());
        let first_end = extras
            .filter_map(|extra| extra.unseen.expires_at)
            .min()
            .map(UnixNanos);
        let exact = if exact {
            Some(self.exact_form(family, &rows)?)
        } else {
            None
        };
        memory.give_back(rows.capacity() * size_of::<Row<'_>>());
        self.prepared.families.push(PreparedFamily {
            name,
            help: family.help.map(|help| Cow::Borrowed(self.exposition.text(help))),
            unit: Cow::Borrowed(self.exposition.text(family.unit)),
            metric_type: family.metric_type,
            pushed_at: self.now,
            text: text_start..self.prepared.text.len(),
            lines: lines_of(&self.prepared.text[text_start..]),
            digest: self
                .preparer
                .digest(&self.prepared.fingerprints[fingerprints.clone()]),
            fingerprints,
            shape: Shape {
                utf8_names: !is_legacy_metric_name(name)
                    || !self.labels.iter().all(|(name, _)| is_legacy_label_name(name)),
                infinity_added: infinities == Some(false),
                contradicts: family.metric_type.is_histogram() && contradictions(self.exposition, family) > 0,
                added_up: false,
                expires: first_end.is_some(),
            },
            exact,
            first_end,
        });
        Ok(())
    }

    /// Makes room for the final labels of a family. A URL of thousands of labels, repeated for each of a million
    /// metrics, must not fill the memory, so it is refused before the first is laid out.
    fn make_room(&mut self, family: &Family) -> Result<(), PushError> {
        self.labels.clear();
        if self.pattern.is_some() {
            return Ok(());
        }
        let with_instance = self.grouping.len() + 1;
        let of_metric = |metric: &Metric| with_instance + metric.labels.len();
        let labels: usize = family.metrics.iter().map(of_metric).sum();
        let limit_bytes = self.preparer.max_text_bytes;
        // Twice the limit on the text: a reference to a short label is larger than the label.
        if labels.saturating_mul(size_of::<LabelPair<'_>>() / 2) > limit_bytes {
            return Err(PushError::TooLarge { limit_bytes });
        }
        self.room.memory.reserve(&mut self.labels, labels)?;
        Ok(())
    }

    /// The final labels of a metric: those of the group over those of the push, an empty `instance` if there is
    /// none, sorted by name.
    fn relabel(
        &mut self,
        family: &Family,
        name: &str,
        metric: &Metric,
    ) -> Result<Range<usize>, Inconsistency> {
        if let Some(pattern) = &self.pattern {
            pattern.fill(&mut self.labels, self.exposition, metric);
            check_labels(family, name, metric, &self.labels, self.found.has_room())?;
            return Ok(0..0);
        }
        let start = self.labels.len();
        self.labels.extend_from_slice(self.grouping);
        let is_grouping = |name: &str| self.grouping.iter().any(|(grouping, _)| *grouping == name);
        self.labels.extend(
            self.exposition
                .labels(metric.labels)
                .filter(|(name, _)| !is_grouping(name)),
        );
        self.preparer.instance.complete(&mut self.labels, start);
        let labels = &mut self.labels[start..];
        labels.sort_unstable();
        // What is not going to be named is not described.
        check_labels(family, name, metric, labels, self.found.has_room())?;
        Ok(start..self.labels.len())
    }

    /// Where the final labels of a row are in the list.
    #[inline]
    fn labels_of(&mut self, row: &Row<'_>) -> Range<usize> {
        if let Some(pattern) = &self.pattern {
            pattern.fill(&mut self.labels, self.exposition, row.metric);
            return 0..self.labels.len();
        }
        row.labels.clone()
    }

    /// Order of the exposition within a family: by number of labels, then by their values position by position.
    /// Names decide last, so that equal label sets become neighbours.
    fn sort(&self, rows: &mut [Row<'_>]) {
        let order = |a: &Row<'_>, b: &Row<'_>| {
            if let Some(pattern) = &self.pattern {
                return pattern.order(self.exposition, a.metric, b.metric);
            }
            let (a, b) = (&self.labels[a.labels.clone()], &self.labels[b.labels.clone()]);
            let by_values = || a.iter().map(|label| label.1).cmp(b.iter().map(|label| label.1));
            let by_names = || a.iter().map(|label| label.0).cmp(b.iter().map(|label| label.0));
            a.len().cmp(&b.len()).then_with(by_values).then_with(by_names)
        };
        if !rows.is_sorted_by(|a, b| order(a, b).is_le()) {
            rows.sort_by(order);
        }
    }

    /// Notes series that stand twice among the sorted rows; whether there are none.
    fn check_unique(&mut self, rows: &[Row<'_>], family: &str) -> bool {
        let mut is_unique = true;
        for pair in rows.windows(2) {
            let [a, b] = pair else { continue };
            let is_same = match &self.pattern {
                Some(pattern) => pattern.order(self.exposition, a.metric, b.metric).is_eq(),
                None => self.labels[a.labels.clone()] == self.labels[b.labels.clone()],
            };
            if !is_same {
                continue;
            }
            is_unique = false;
            if self.found.has_room() {
                let labels = self.labels_of(a);
                self.found.add(Inconsistency::DuplicateSeries {
                    family: short(family),
                    series: describe_labels(&self.labels[labels]),
                    other_group: false,
                    holder: None,
                });
            } else {
                self.found.count_more(1);
            }
        }
        is_unique
    }

    fn check_reserved(&self, family: &Family, name: &str) -> Result<(), Inconsistency> {
        let Some(reserved) = self.preparer.reserved.get(name) else {
            return Ok(());
        };
        if reserved.joins == Joins::Never {
            let family = short(name);
            return Err(Inconsistency::ReservedName { family });
        }
        let pushed = family.metric_type.base();
        if pushed != reserved.metric_type {
            return Err(Inconsistency::ReservedType {
                family: short(name),
                pushed,
                expected: reserved.metric_type,
            });
        }
        let help = family
            .help
            .map(|help| self.exposition.text(help))
            .unwrap_or_default();
        if reserved.joins == Joins::WithSameHelp && help != reserved.help {
            return Err(Inconsistency::ReservedHelp {
                family: short(name),
                pushed: short(help),
                expected: reserved.help,
            });
        }
        Ok(())
    }

    /// Whether the family's classic histograms have a `+Inf` bucket of their own: all, none, or (`None`) some.
    /// `Some(true)` for families without histograms.
    fn infinities(&self, family: &Family) -> Option<bool> {
        let mut all = None;
        for metric in &family.metrics {
            let Value::Histogram(index) = metric.value else {
                continue;
            };
            let buckets = self
                .exposition
                .histogram(index)
                .map_or(Run::default(), |histogram| histogram.buckets);
            let mut bounds = self
                .exposition
                .buckets(buckets)
                .iter()
                .map(|bucket| bucket.upper_bound);
            let has = bounds.any(|bound| bound == f64::INFINITY);
            if *all.get_or_insert(has) != has {
                return None;
            }
        }
        Some(all.unwrap_or(true))
    }

    /// The family as a protobuf message, with the final labels and in the final order.
    fn exact_form(&mut self, family: &Family, rows: &[Row<'_>]) -> Result<Arc<Vec<u8>>, PushError> {
        let mut message = Vec::new();
        let scheme = EscapingScheme::AllowUtf8;
        protobuf::write_head(&mut message, &Head::of(self.exposition, family), scheme);
        let memory = self.room.memory;
        for row in rows {
            let (labels, metric) = (self.labels_of(row), row.metric);
            let labels = &self.labels[labels];
            memory.reserve(&mut message, room::exact_bytes(self.exposition, labels, metric))?;
            let (labels, metric_type) = (labels.iter().copied(), family.metric_type);
            protobuf::write_stored_metric(&mut message, self.exposition, metric_type, labels, metric);
        }
        if message.len() > self.preparer.max_text_bytes {
            return Err(PushError::TooLarge {
                limit_bytes: self.preparer.max_text_bytes,
            });
        }
        let reserved = message.capacity();
        memory.take(message.len())?;
        message.shrink_to_fit();
        memory.give_back(reserved);
        Ok(Arc::new(message))
    }
}
