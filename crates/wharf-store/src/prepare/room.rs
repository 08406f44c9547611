//! How much memory the lines of a push take, known before they are rendered.
//!
//! The labels of a group stand on each line: 4,000 lines of four bytes under a label of 60 KB are 240 MB. And the labels of a
//! histogram stand on the line of each of its buckets. Of a small push the most that its lines can come to is known
//! from a few numbers; only of others each metric is measured.

use wharf_exposition::text::LINE_BYTES;
use wharf_model::{Exposition, GroupingKey, Meter, Metric, Value};

use super::labels::LabelPair;
use crate::PushError;

/// What comes to no more is not measured metric by metric, and takes nothing of the meter: as many pushes as are dealt with
/// at once may take this much each.
pub(crate) const SMALL_TEXT_BYTES: usize = 64 << 10;

/// What a line has at least of these, and an `instance`.
const USUAL_LINE_BYTES: usize = 24;
/// Signs around a label.
const LABEL_BYTES: usize = 5;

/// The memory that a push may be rendered into.
pub(super) struct Room<'m> {
    pub(super) memory: &'m Meter<'m>,
    /// Whether each metric has to be measured before it is rendered.
    pub(super) is_tight: bool,
    /// The text as it is expected to come out; 0 if it is small.
    expected: usize,
}

impl<'m> Room<'m> {
    /// Of what is rendered without having been pushed.
    pub(super) fn unlimited(memory: &'m Meter<'m>) -> Self {
        Self {
            memory,
            is_tight: false,
            expected: 0,
        }
    }

    /// Looks at a push before any of it is rendered. What is too much whatever its values are is refused here.
    pub(super) fn of(
        limit_bytes: usize,
        key: &GroupingKey,
        exposition: &Exposition<'_>,
        memory: &'m Meter<'m>,
    ) -> Result<Self, PushError> {
        let group: usize = key.labels().map(|(name, value)| name.len() + value.len()).sum();
        let own = exposition.text_bytes();
        let (mut metrics, mut names, mut longest) = (0_usize, 0_usize, 0);
        for family in &exposition.families {
            metrics += family.metrics.len();
            names = names.saturating_add(family.metrics.len().saturating_mul(family.name.len()));
            longest = family.name.len().max(longest);
        }
        // Each label stands once, but for those of histograms and summaries, of which each may have all there are.
        let parts = exposition.quantiles.len()
            + exposition.buckets.len()
            + 3 * (exposition.summaries.len() + exposition.histograms.len());
        let line = |labels: usize| (2 * labels).saturating_add(LINE_BYTES);
        let most = (2 * names)
            .saturating_add(2 * own)
            .saturating_add(metrics.saturating_mul(line(group)))
            .saturating_add(parts.saturating_mul(line(group + own + longest)));
        if most <= SMALL_TEXT_BYTES {
            return Ok(Self::unlimited(memory));
        }
        let lines = metrics.saturating_add(parts);
        let repeated = lines.saturating_mul(group);
        if repeated > limit_bytes {
            return Err(PushError::TooLarge { limit_bytes });
        }
        // It stands in the text, and once more in the record.
        let twice = repeated.saturating_mul(2);
        memory.take(twice)?;
        memory.give_back(twice);
        let labels = exposition.labels.iter();
        let own = labels.map(|label| label.name.len() + label.value.len() + LABEL_BYTES);
        let signs = key.labels().count() * LABEL_BYTES + USUAL_LINE_BYTES;
        let expected = own
            .sum::<usize>()
            .saturating_add(names)
            .saturating_add(repeated)
            .saturating_add(lines.saturating_mul(signs));
        Ok(Self {
            memory,
            is_tight: true,
            expected,
        })
    }

    /// With how much room the text is to begin.
    pub(super) fn text_bytes(&self, exposition: &Exposition<'_>) -> usize {
        if self.is_tight {
            self.expected
        } else {
            (exposition.source().len() * 3 / 2 + 256).min(SMALL_TEXT_BYTES)
        }
    }
}

/// Tag and length of a field, twice: of a message and of what is in it.
const FIELD_BYTES: usize = 24;

/// The most that a metric with these labels takes as protobuf.
pub(super) fn exact_bytes(exposition: &Exposition<'_>, labels: &[LabelPair<'_>], metric: &Metric) -> usize {
    let exemplar = |index: Option<u32>| {
        let Some(exemplar) = index.and_then(|index| exposition.exemplar(index)) else {
            return 0;
        };
        let labels = exposition.labels(exemplar.labels);
        let labels = labels.map(|(name, value)| name.len() + value.len() + FIELD_BYTES);
        labels.sum::<usize>() + 3 * FIELD_BYTES
    };
    let own = labels
        .iter()
        .map(|(name, value)| name.len() + value.len() + FIELD_BYTES);
    let of_value = match metric.value {
        Value::Number(_) | Value::Missing => 0,
        Value::Summary(index) => exposition.summary(index).quantiles.len() * 2 * FIELD_BYTES,
        Value::Histogram(index) => exposition.histogram(index).map_or(0, |histogram| {
            let buckets = exposition.buckets(histogram.buckets).iter();
            let buckets = buckets.map(|bucket| 2 * FIELD_BYTES + exemplar(bucket.exemplar));
            // Numbers of ten bytes at most, in lists of eight bytes each.
            let native = histogram.native.as_deref().map_or(0, |native| {
                let exemplars = native.exemplars.range();
                2 * native.bytes()
                    + exemplars
                        .map(|index| exemplar(u32::try_from(index).ok()))
                        .sum::<usize>()
            });
            buckets.sum::<usize>() + native
        }),
    };
    let extra = metric.extra.as_deref().and_then(|extra| extra.exemplar);
    own.sum::<usize>() + of_value + exemplar(extra) + 10 * FIELD_BYTES
}
