//! What becomes of a group: what it holds and what a push wants give what it holds then. Nothing here knows the store,
//! or a lock; what is stored comes in as an image, and the same image and intent always give the same.
//!
//! The gateway that is alone logs what a push brings, so it folds only what it has to: the families of a push that
//! replaces series or adds to them, and of one whose counters begin anew. A gateway that shares its state with others keeps whole groups, and
//! folds every push with [`fold`]; when another has been quicker, it folds again.

mod aggregate;
mod ends;
mod families;
mod intent;
mod reset;
mod runs;
mod series;
#[cfg(test)]
mod tests;

use wharf_model::Effort;

pub(crate) use self::ends::{Ended, end_series};
use self::families::Folding;
pub(crate) use self::intent::Intent;
pub(crate) use self::reset::{Anew, reset};
use crate::mode::Counters;
use crate::prepare::{Prepared, Preparer};
use crate::{PushError, PushMode};

/// What the group holds after a push: all of it. `old` is what it holds before, if it is there.
///
/// # Errors
/// [`PushError`] if the push contradicts what stays of the group, or gets too large with it.
pub(crate) fn fold<'a>(
    preparer: &Preparer,
    old: Option<&Prepared<'a>>,
    intent: &Intent<'a>,
) -> Result<Prepared<'a>, PushError> {
    let none = Prepared::default();
    let old = old.unwrap_or(&none);
    let mut folding = Folding::new(preparer);
    add_touched(&mut folding, old, intent, None)?;
    for family in &old.families {
        let stays = intent.mode != PushMode::ReplaceGroup || crate::is_standing(family.name);
        if stays && intent.delta.get(family.name).is_none() {
            folding.copy(old, family);
        }
    }
    Ok(folding.finish())
}

/// What a push makes of the families that it names. `old` is what the group holds of these; other families of it do not
/// matter. Each family is paid for when it is folded, where that is counted.
///
/// # Errors
/// As [`fold`]; if the effort ends.
pub(crate) fn fold_touched<'a>(
    preparer: &Preparer,
    old: &Prepared<'_>,
    intent: &Intent<'a>,
    effort: Option<&Effort>,
) -> Result<Prepared<'a>, PushError> {
    let mut folding = Folding::new(preparer);
    add_touched(&mut folding, old, intent, effort)?;
    Ok(folding.finish())
}

fn add_touched<'a>(
    folding: &mut Folding<'a, '_>,
    old: &Prepared<'_>,
    intent: &Intent<'a>,
    effort: Option<&Effort>,
) -> Result<(), PushError> {
    let begun = match intent.counters {
        Counters::Total => None,
        Counters::Run => Some(runs::begin(
            folding.preparer,
            intent.key,
            old,
            &intent.delta,
            effort,
        )?),
    };
    let delta = begun.as_ref().unwrap_or(&intent.delta);
    match intent.mode {
        PushMode::ReplaceGroup | PushMode::ReplaceFamilies => folding.copy_all(delta),
        PushMode::ReplaceSeries => series::add_touched(folding, intent.key, old, delta, effort)?,
        PushMode::Aggregate(aggregation) => {
            aggregate::add_touched(folding, intent.key, (old, delta), aggregation, effort)?;
        }
    }
    Ok(())
}
