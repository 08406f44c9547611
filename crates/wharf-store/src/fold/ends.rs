//! The end of series whose time is over.

use wharf_model::{Effort, Exposition, Family, GroupingKey, Metric, TooLarge};

use super::families::Folding;
use super::series::BYTE_STEPS;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::{PushError, UnixNanos};

/// What a group is without the series whose time is over.
#[derive(Debug, Default)]
pub(crate) struct Ended<'a> {
    /// The families that lose some of their series, as they are then.
    pub(crate) rest: Prepared<'a>,
    /// The names of those that lose all.
    pub(crate) gone: Vec<&'a str>,
}

impl Ended<'_> {
    /// Whether no series leaves.
    pub(crate) fn is_nothing(&self) -> bool {
        self.rest.families.is_empty() && self.gone.is_empty()
    }
}

/// Takes the series away whose time is over at `now`. `old` is what the group holds, or those of its families that have such series.
///
/// # Errors
/// If the effort ends. It gets no larger, so it is not too large.
pub(crate) fn end_series<'a>(
    preparer: &Preparer,
    key: &GroupingKey,
    old: &Prepared<'a>,
    now: UnixNanos,
    effort: Option<&Effort>,
) -> Result<Ended<'a>, PushError> {
    let mut folding = Folding::new(preparer);
    let mut gone = Vec::new();
    for family in &old.families {
        if family.first_end.is_none_or(|first| first > now) {
            continue;
        }
        if let Some(effort) = effort {
            effort.spend(BYTE_STEPS.saturating_mul(family.size().bytes))?;
        }
        let rest = rest_of(old, family, now).map_err(|_too_large| preparer.too_large())?;
        if rest.families.iter().all(|family| family.metrics.is_empty()) {
            gone.push(family.name);
        } else if let Some(done) = folding.add(key, &rest, family)? {
            done.shape.added_up = family.shape.added_up;
            done.pushed_at = family.pushed_at;
        }
    }
    Ok(Ended {
        rest: folding.finish(),
        gone,
    })
}

/// A family with the series that stay.
fn rest_of(
    old: &Prepared<'_>,
    family: &PreparedFamily<'_>,
    now: UnixNanos,
) -> Result<Exposition<'static>, TooLarge> {
    let stays = |metric: &&Metric| {
        let extra = metric.extra.as_deref();
        let end = extra.and_then(|extra| extra.unseen.expires_at);
        end.is_none_or(|end| UnixNanos(end) > now)
    };
    let mut rest = Exposition::default();
    let metrics = old.parts_of(family).decode(|exposition, stored| {
        let staying = stored.metrics.iter().filter(stays);
        let staying = staying.map(|metric| rest.adopt(exposition, metric));
        staying.collect::<Result<Vec<_>, TooLarge>>()
    })?;
    let help = family.help.as_deref().map(|help| rest.intern(help));
    let family = Family {
        name: rest.intern(family.name)?,
        help: help.transpose()?,
        unit: rest.intern(&family.unit)?,
        metric_type: family.metric_type,
        metrics,
    };
    rest.families.push(family);
    Ok(rest)
}
