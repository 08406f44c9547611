//! Numbers of observations.

use wharf_model::Count;

use crate::aggregation::WhyNotAdded;

/// The sum of two counts: of observations, so none is negative.
pub(super) fn add_counts(a: Count, b: Count) -> Result<Count, WhyNotAdded> {
    if let (Count::Int(a), Count::Int(b)) = (a, b) {
        return a.checked_add(b).map(Count::Int).ok_or(WhyNotAdded::Overflow);
    }
    let sum = a.as_f64() + b.as_f64();
    if sum.is_finite() {
        Ok(Count::Float(sum))
    } else {
        Err(WhyNotAdded::Overflow)
    }
}

/// Whether it is the number of something.
pub(super) fn is_count(count: Count) -> bool {
    match count {
        Count::Int(_) => true,
        Count::Float(count) => count.is_finite() && count >= 0.0,
    }
}

/// Whether the first is less.
pub(super) fn is_less(a: Count, b: Count) -> bool {
    match (a, b) {
        (Count::Int(a), Count::Int(b)) => a < b,
        _ => a.as_f64() < b.as_f64(),
    }
}
