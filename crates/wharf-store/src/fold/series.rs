//! Pushes that replace series: what stays of the stored families is added to what is pushed.

use std::borrow::Cow;
use std::collections::HashSet;

use wharf_model::{Effort, Exposition, Family, GroupingKey, TooLarge};

use super::families::Folding;
use crate::clashes::Found;
use crate::inconsistency::{Inconsistency, short};
use crate::prepare::{Prepared, PreparedFamily};
use crate::series::series_of;
use crate::{PushError, is_standing};

/// For each byte of a family, stored or pushed: to read it, to compare its series, and to render it again.
pub(super) const BYTE_STEPS: u64 = 32;

/// Adds the families of a push, each with those series of `old` that it does not replace.
pub(super) fn add_touched<'a>(
    folding: &mut Folding<'a, '_>,
    key: &GroupingKey,
    old: &Prepared<'_>,
    delta: &Prepared<'a>,
    effort: Option<&Effort>,
) -> Result<(), PushError> {
    let mut found = Found::default();
    let is_too_large =
        |folding: &Folding<'_, '_>| folding.prepared.text.len() > folding.preparer.max_text_bytes;
    for family in &delta.families {
        let stored = old.get(family.name);
        let Some(stored) = stored.filter(|stored| stored.lines > 0 && !is_standing(stored.name)) else {
            folding.copy(delta, family);
            continue;
        };
        match same_type(key, family, stored) {
            // One that is too large already gets no larger; what else contradicts it is still to be found.
            Ok(()) if is_too_large(folding) => {}
            Ok(()) => {
                if let Some(effort) = effort {
                    let bytes = stored.size().bytes + family.size().bytes;
                    effort.spend(BYTE_STEPS.saturating_mul(bytes))?;
                }
                add_family(folding, key, (old, stored), (delta, family))?;
            }
            Err(clash) => found.add(clash),
        }
    }
    if let Some(clashes) = found.into_clashes() {
        return Err(clashes.into());
    }
    if is_too_large(folding) {
        return Err(folding.preparer.too_large());
    }
    Ok(())
}

/// Adds one of them.
fn add_family<'a>(
    folding: &mut Folding<'a, '_>,
    key: &GroupingKey,
    (old, stored): (&Prepared<'_>, &PreparedFamily<'_>),
    (delta, family): (&Prepared<'a>, &PreparedFamily<'a>),
) -> Result<(), PushError> {
    let preparer = folding.preparer;
    let same_series = stored.digest == family.digest;
    let merged = if same_series {
        None
    } else {
        let merged = merge((old, stored), (delta, family), |exposition, metric, series| {
            let pushed = preparer.series_now(exposition, stored.name, metric);
            pushed.map_or(Cow::Borrowed(series), Cow::Owned)
        });
        merged.map_err(|_too_large| preparer.too_large())?
    };
    let done = match &merged {
        // All of it is replaced.
        None => folding.copy(delta, family),
        Some(merged) => match folding.add(key, merged, family)? {
            Some(added) => added,
            None => return Ok(()),
        },
    };
    keep_what_is_not_said(done, stored);
    Ok(())
}

/// Whether a family is pushed with the type that the group has it with.
pub(super) fn same_type(
    key: &GroupingKey,
    family: &PreparedFamily<'_>,
    stored: &PreparedFamily<'_>,
) -> Result<(), Inconsistency> {
    let (pushed, stored) = (family.metric_type.base(), stored.metric_type.base());
    if pushed == stored {
        return Ok(());
    }
    Err(Inconsistency::Type {
        family: short(family.name),
        pushed,
        stored,
        holder: Some(key.clone()),
    })
}

/// What a push does not say of a family stays, and so does that it was added up.
pub(super) fn keep_what_is_not_said(done: &mut PreparedFamily<'_>, stored: &PreparedFamily<'_>) {
    if done.help.is_none() {
        done.help = stored.help.as_deref().map(|help| Cow::Owned(help.to_owned()));
    }
    // What is replaced of it is a part.
    done.shape.added_up |= stored.shape.added_up;
    if done.unit.is_empty() {
        done.unit = Cow::Owned(stored.unit.clone().into_owned());
    }
}

/// The pushed metrics of a family and those stored ones that they do not replace; none if they replace all. `series_now`
/// is how a stored series would be written today.
fn merge(
    (old, stored): (&Prepared<'_>, &PreparedFamily<'_>),
    (delta, family): (&Prepared<'_>, &PreparedFamily<'_>),
    series_now: impl for<'s> Fn(&Exposition<'_>, &wharf_model::Metric, &'s [u8]) -> Cow<'s, [u8]>,
) -> Result<Option<Exposition<'static>>, TooLarge> {
    let replaced = series_of(family.name, family.metric_type, delta.text(family));
    let replaced: HashSet<&[u8]> = replaced.into_iter().collect();
    let mut merged = Exposition::default();
    let of_stored = series_of(stored.name, stored.metric_type, old.text(stored));
    let mut staying = old.parts_of(stored).decode(|exposition, family| {
        let metrics = family.metrics.iter().zip(of_stored);
        let staying = metrics
            .filter(|(metric, series)| !replaced.contains(&*series_now(exposition, metric, series)))
            .map(|(metric, _)| merged.adopt(exposition, metric));
        staying.collect::<Result<Vec<_>, _>>()
    })?;
    if staying.is_empty() {
        return Ok(None);
    }
    let mut metrics = delta.parts_of(family).decode(|exposition, family| {
        let pushed = family.metrics.iter();
        let pushed = pushed.map(|metric| merged.adopt(exposition, metric));
        pushed.collect::<Result<Vec<_>, _>>()
    })?;
    metrics.append(&mut staying);
    let help = family.help.as_deref().or(stored.help.as_deref());
    let unit = Some(&*family.unit).filter(|unit| !unit.is_empty());
    let family = Family {
        name: merged.intern(family.name)?,
        help: help.map(|help| merged.intern(help)).transpose()?,
        unit: merged.intern(unit.unwrap_or(&stored.unit))?,
        metric_type: family.metric_type,
        metrics,
    };
    merged.families.push(family);
    Ok(Some(merged))
}
