//! Numbers that are added up.

use wharf_model::Mean;

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

/// What a gauge is the mean of, with one more. Of what is stored `before` is the value, and what that is the mean of, if that is known:
/// what a plain push has set counts as one.
pub(super) fn mean(before: Option<(f64, Option<Mean>)>, pushed: f64) -> Result<Mean, WhyNotAdded> {
    let pushed = finite(pushed)?;
    let before = match before {
        Some((_, Some(mean))) => mean,
        // A gauge that has begun anew has no value yet, which is NaN.
        Some((value, None)) if !value.is_nan() => Mean { sum: value, count: 1 },
        _ => Mean { sum: 0.0, count: 0 },
    };
    Ok(Mean {
        sum: sum(Some(before.sum), pushed)?,
        count: before.count.checked_add(1).ok_or(WhyNotAdded::Overflow)?,
    })
}

/// What it comes to.
pub(super) fn of_mean(mean: Mean) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "beyond 2^53 of them it does not matter"
    )]
    let count = mean.count as f64;
    mean.sum / count
}

/// What becomes of a gauge.
pub(super) fn gauge(how: Gauges, before: Option<f64>, pushed: f64) -> Result<f64, WhyNotAdded> {
    let (before, pushed) = match how {
        // Of a mean more is known than its value, see [`mean`].
        Gauges::Last | Gauges::Average => return Ok(pushed),
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
