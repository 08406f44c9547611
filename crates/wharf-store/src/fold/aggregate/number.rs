//! Numbers that are added up.

use crate::aggregation::{Gauges, WhyNotAdded};

/// What may be added: a finite number.
fn finite(pushed: f64) -> Result<f64, WhyNotAdded> {
    if pushed.is_nan() {
        Err(WhyNotAdded::NotANumber)
    } else if pushed.is_infinite() {
        Err(WhyNotAdded::Infinite)
    } else {
        Ok(pushed)
    }
}

/// A sum that is one.
pub(super) fn sum(before: Option<f64>, pushed: f64) -> Result<f64, WhyNotAdded> {
    let pushed = finite(pushed)?;
    let Some(before) = before else { return Ok(pushed) };
    if !before.is_finite() {
        return Err(WhyNotAdded::Stored);
    }
    let sum = before + pushed;
    if sum.is_finite() {
        Ok(sum)
    } else {
        Err(WhyNotAdded::Overflow)
    }
}

/// What a counter has counted.
pub(super) fn counted(before: Option<f64>, pushed: f64) -> Result<f64, WhyNotAdded> {
    if pushed < 0.0 {
        return Err(if pushed.is_infinite() {
            WhyNotAdded::Infinite
        } else {
            WhyNotAdded::Negative
        });
    }
    sum(before, pushed)
}

/// What becomes of a gauge.
pub(super) fn gauge(how: Gauges, before: Option<f64>, pushed: f64) -> Result<f64, WhyNotAdded> {
    let (before, pushed) = match how {
        Gauges::Last => return Ok(pushed),
        Gauges::Sum => return sum(before, pushed),
        Gauges::Count => return sum(before, 1.0),
        Gauges::Min | Gauges::Max if pushed.is_nan() => return Err(WhyNotAdded::NotANumber),
        Gauges::Min | Gauges::Max => (before, pushed),
    };
    // A gauge that has begun anew has no value yet, which is NaN.
    let Some(before) = before.filter(|before| !before.is_nan()) else {
        return Ok(pushed);
    };
    Ok(if how == Gauges::Min {
        before.min(pushed)
    } else {
        before.max(pushed)
    })
}
