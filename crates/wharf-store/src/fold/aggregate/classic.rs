//! Classic histograms that are added up: by what is in each bucket alone, since what is below a bound is known of bounds that a
//! histogram has, and of no others.
//!
//! With {1: 5, +Inf: 5} and {2: 1, +Inf: 1} it is known that six are below `+Inf`, and no more: the one may be below 1 or above.

use wharf_model::{Bucket, Count, Exposition, Histogram};

use super::count::{add_counts, is_count, is_less};
use crate::aggregation::{Bounds, WhyNotAdded};

/// A histogram whose buckets rise and end in the count: `+Inf` is among them, unless there are none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Classic {
    pub(super) buckets: Vec<Bucket>,
    pub(super) count: Count,
}

impl Classic {
    /// Whether it has no buckets that say more than the count.
    pub(super) fn is_bare(&self) -> bool {
        self.buckets
            .iter()
            .all(|bucket| bucket.upper_bound == f64::INFINITY)
    }
}

/// The buckets of a histogram; none if they contradict each other. Those of a gauge histogram `may_fall`.
pub(super) fn read(exposition: &Exposition<'_>, histogram: &Histogram, may_fall: bool) -> Option<Classic> {
    let mut buckets = exposition.buckets(histogram.buckets).to_vec();
    let count = histogram.count;
    if !is_count(count) {
        return None;
    }
    let mut below: Option<Bucket> = None;
    for bucket in &buckets {
        let rises = below.is_none_or(|below| {
            below.upper_bound < bucket.upper_bound
                && (may_fall || !is_less(bucket.cumulative_count, below.cumulative_count))
        });
        if !rises || bucket.upper_bound.is_nan() || !is_count(bucket.cumulative_count) {
            return None;
        }
        below = Some(*bucket);
    }
    match below {
        // A native histogram has no others.
        None if histogram.native.is_some() => {}
        Some(last) if last.upper_bound == f64::INFINITY => {
            let same = !is_less(last.cumulative_count, count) && !is_less(count, last.cumulative_count);
            if !same {
                return None;
            }
        }
        last => {
            if last.is_some_and(|last| !may_fall && is_less(count, last.cumulative_count)) {
                return None;
            }
            buckets.push(Bucket {
                upper_bound: f64::INFINITY,
                cumulative_count: count,
                exemplar: None,
            });
        }
    }
    Some(Classic { buckets, count })
}

/// The sum of both. Of the exemplars of two buckets `newest` chooses the one that stands in the bucket of the sum, which begins above
/// this bound.
pub(super) fn add(
    stored: &Classic,
    pushed: &Classic,
    bounds: Bounds,
    newest: impl Fn(f64, [Option<u32>; 2]) -> Option<u32>,
) -> Result<Classic, WhyNotAdded> {
    let count = add_counts(stored.count, pushed.count)?;
    if stored.buckets.is_empty() || pushed.buckets.is_empty() {
        // Of native histograms; what both count is known.
        let all = stored.buckets.iter().chain(&pushed.buckets).last();
        let buckets = all.map(|all| Bucket {
            cumulative_count: count,
            ..*all
        });
        return Ok(Classic {
            buckets: buckets.into_iter().collect(),
            count,
        });
    }
    let mut buckets = Vec::with_capacity(stored.buckets.len());
    let (mut ours, mut theirs) = (Side::of(stored), Side::of(pushed));
    while let (Some(a), Some(b)) = (ours.next(), theirs.next()) {
        let bound = a.upper_bound.min(b.upper_bound);
        let (has_a, has_b) = (ours.advance(bound), theirs.advance(bound));
        match (bounds, has_a.is_some() && has_b.is_some()) {
            (Bounds::Same, false) => return Err(WhyNotAdded::OtherBounds),
            (Bounds::Common, false) => continue,
            _ => {}
        }
        // Both end with `+Inf`, so the last bound is always one that both have.
        let above = buckets
            .last()
            .map_or(f64::NEG_INFINITY, |below: &Bucket| below.upper_bound);
        buckets.push(Bucket {
            upper_bound: bound,
            cumulative_count: add_counts(ours.below, theirs.below)?,
            exemplar: newest(above, [has_a, has_b].map(|bucket| bucket?.exemplar)),
        });
    }
    Ok(Classic { buckets, count })
}

/// One of two histograms, up to a bound.
struct Side<'c> {
    rest: &'c [Bucket],
    /// How many are known to be below the bound.
    below: Count,
}

impl<'c> Side<'c> {
    fn of(classic: &'c Classic) -> Self {
        let is_float = classic
            .buckets
            .iter()
            .any(|bucket| matches!(bucket.cumulative_count, Count::Float(_)));
        Self {
            rest: &classic.buckets,
            below: if is_float {
                Count::Float(0.0)
            } else {
                Count::Int(0)
            },
        }
    }

    fn next(&self) -> Option<Bucket> {
        self.rest.first().copied()
    }

    /// Goes up to the bound. The bucket that has it, if there is one.
    fn advance(&mut self, bound: f64) -> Option<Bucket> {
        let (first, rest) = self.rest.split_first()?;
        if first.upper_bound > bound {
            return None;
        }
        self.rest = rest;
        self.below = first.cumulative_count;
        Some(*first)
    }
}
