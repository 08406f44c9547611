//! Native buckets as an exposition has them, and back.

use std::collections::BTreeMap;

use wharf_model::{BucketSpan, Count, NativeBuckets, NativeHistogram, Run};

use crate::values::NativeValue;

/// So many empty buckets between two that are not cost less than another span, as in the Go client.
const MAX_GAP: i64 = 2;

pub(super) fn of_value(value: &NativeValue) -> NativeHistogram {
    NativeHistogram {
        schema: value.schema(),
        zero_threshold: value.zero_threshold(),
        zero_count: Count::Int(value.zero_count()),
        negative: side(value.negative()),
        positive: side(value.positive()),
        exemplars: Run::default(),
    }
}

fn side(buckets: &BTreeMap<i32, u64>) -> NativeBuckets {
    let mut side = NativeBuckets::default();
    let (mut next, mut before) = (0_i64, 0_i64);
    for (index, count) in buckets {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        let gap = i64::from(*index) - next;
        match side.spans.last_mut() {
            Some(span) if gap <= MAX_GAP => {
                for _ in 0..gap {
                    side.deltas.push(-before);
                    before = 0;
                    span.length += 1;
                }
                span.length += 1;
            }
            _ => side.spans.push(BucketSpan {
                offset: i32::try_from(gap).unwrap_or(i32::MAX),
                length: 1,
            }),
        }
        side.deltas.push(count - before);
        (next, before) = (i64::from(*index) + 1, count);
    }
    side
}

/// What such a histogram has counted; none if it counts in another way than ours.
pub(super) fn to_value(native: &NativeHistogram) -> Option<NativeValue> {
    let Count::Int(zero_count) = native.zero_count else {
        return None;
    };
    NativeValue::restore(
        native.schema,
        native.zero_threshold,
        zero_count,
        counts(&native.positive)?,
        counts(&native.negative)?,
    )
}

fn counts(side: &NativeBuckets) -> Option<BTreeMap<i32, u64>> {
    let mut counts = BTreeMap::new();
    let mut deltas = side.deltas.iter();
    let (mut index, mut count) = (0_i32, 0_i64);
    for span in &side.spans {
        index = index.checked_add(span.offset)?;
        for _ in 0..span.length {
            count = count.checked_add(*deltas.next()?)?;
            let of_bucket = u64::try_from(count).ok()?;
            if of_bucket > 0 {
                counts.insert(index, of_bucket);
            }
            index = index.checked_add(1)?;
        }
    }
    (deltas.next().is_none() && side.counts.is_empty()).then_some(counts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mapping::HistogramOptions;
    use crate::values::HistogramValue;

    #[test]
    fn small_gaps_are_filled_as_by_the_go_client() {
        let buckets = BTreeMap::from([(-3, 2), (-1, 5), (2, 1), (6, 7)]);
        let side = side(&buckets);
        let spans = [(-3, 6), (3, 1)].map(|(offset, length)| BucketSpan { offset, length });
        assert_eq!(side.spans, spans);
        assert_eq!(side.deltas, [2, -2, 5, -5, 0, 1, 6]);
        assert_eq!(counts(&side), Some(buckets));
    }

    #[test]
    fn what_was_counted_comes_back() {
        let mut histogram = HistogramValue::new(Arc::new(HistogramOptions::default()));
        for value in [0.0, 0.3, -2.0, 1e9, 1e-9, 0.31, 0.3] {
            histogram.observe(value, 3);
        }
        let native = histogram.native().unwrap();
        assert_eq!(to_value(&of_value(native)).as_ref(), Some(native));
    }

    #[test]
    fn buckets_that_are_none_do_not_come_back() {
        let side = |offset, length, deltas: &[i64]| NativeBuckets {
            spans: vec![BucketSpan { offset, length }],
            deltas: deltas.to_vec(),
            counts: Vec::new(),
        };
        assert_eq!(
            counts(&side(0, 2, &[1, 1])),
            Some(BTreeMap::from([(0, 1), (1, 2)]))
        );
        assert_eq!(counts(&side(0, 2, &[1])), None, "too few");
        assert_eq!(counts(&side(0, 1, &[1, 1])), None, "too many");
        assert_eq!(counts(&side(0, 1, &[-1])), None, "negative");
        assert_eq!(counts(&side(i32::MAX, 2, &[1, 1])), None, "beyond the numbers");
    }
}
