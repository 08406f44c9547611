//! The rules that need more than one group: families of a push against families that are stored.
//!
//! They read the map of families only, so they work on what the lock guards as well as on a copy of its root. Which
//! group has a series already is for the index to say, see [`crate::memory::state`].

use std::collections::HashSet;
use std::sync::Arc;

use imbl::OrdMap;
use wharf_model::{GroupingKey, MetricType};

use crate::Inconsistency;
use crate::inconsistency::{describe_labels, short};
use crate::memory::family::Family;
use crate::mode::PushMode;
use crate::prepare::{Prepared, PreparedFamily, Preparer};
use crate::series::{each_series, has_series};

/// A push as the checks see it.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'p> {
    pub(crate) key: &'p GroupingKey,
    pub(crate) mode: PushMode,
    pub(crate) prepared: &'p Prepared<'p>,
}

/// What is needed to check a push.
#[derive(Clone, Copy)]
pub(crate) struct Checks<'s> {
    pub(crate) preparer: &'s Preparer,
    pub(crate) families: &'s OrdMap<Arc<str>, Arc<Family>>,
    pub(crate) incoming: Incoming<'s>,
    /// Whether the group is there already.
    pub(crate) has_group: bool,
}

/// What is stored of a pushed family.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'s> {
    family: Option<&'s Family>,
    /// The series that the group has of it, if it has any.
    digest: Option<u64>,
}

/// A family that is there.
struct Present {
    metric_type: MetricType,
    own: bool,
    holder: Option<GroupingKey>,
}

impl<'s> Checks<'s> {
    /// What is stored of a family, if the push brings series of it.
    pub(crate) fn stored(&self, family: &PreparedFamily<'_>) -> Option<Stored<'s>> {
        if self.incoming.prepared.fingerprints(family).is_empty() {
            return None;
        }
        let stored = self.families.get(family.name).map(|stored| &**stored);
        let old = stored
            .filter(|_| self.has_group)
            .and_then(|stored| stored.find(self.incoming.key))
            .map(|(leaf, position)| leaf.get(position));
        Some(Stored {
            family: stored,
            digest: old.filter(|old| old.lines > 0).map(|old| old.digest),
        })
    }

    /// Checks type and name of a family.
    pub(crate) fn check_names(
        &self,
        family: &PreparedFamily<'_>,
        stored: Stored<'_>,
    ) -> Result<(), Inconsistency> {
        if let Some(stored_family) = stored.family {
            check_type(self.incoming.key, family, stored_family, stored.digest.is_some())?;
        }
        // A name and type that is stored already collides with nothing stored, for that was checked before.
        let stored_type = stored.family.and_then(Family::base_type);
        if stored_type == Some(family.metric_type.base()) {
            return Ok(());
        }
        self.check_collisions(family)
    }

    /// Refuses names that are lines of a summary or histogram, and summaries and histograms one of whose lines
    /// is another family's name.
    fn check_collisions(&self, family: &PreparedFamily<'_>) -> Result<(), Inconsistency> {
        let suffixes_of = |metric_type: MetricType| -> &[&str] {
            match metric_type {
                MetricType::Summary => &["_count", "_sum"],
                MetricType::Histogram | MetricType::GaugeHistogram => &["_count", "_sum", "_bucket"],
                _ => &[],
            }
        };
        let refuse = |other: &str, present: Present| {
            let (family, other) = (short(family.name), short(other));
            let Present {
                metric_type,
                own,
                holder,
            } = present;
            Err(Inconsistency::Collision {
                family,
                other,
                other_type: metric_type,
                own,
                holder,
            })
        };
        for suffix in ["_count", "_sum", "_bucket"] {
            let Some(base) = family.name.strip_suffix(suffix) else {
                continue;
            };
            if let Some(present) = self.present(base)
                && suffixes_of(present.metric_type).contains(&suffix)
            {
                return refuse(base, present);
            }
        }
        for suffix in suffixes_of(family.metric_type) {
            let other = format!("{}{suffix}", family.name);
            if let Some(present) = self.present(&other) {
                return refuse(&other, present);
            }
        }
        Ok(())
    }

    /// Whether a family of that name will have metrics once the push is stored.
    fn present(&self, name: &str) -> Option<Present> {
        let present = |metric_type: MetricType, own, holder| {
            Some(Present {
                metric_type: metric_type.base(),
                own,
                holder,
            })
        };
        if let Some(reserved) = self.preparer.reserved.get(name) {
            return present(reserved.metric_type, true, None);
        }
        let Incoming { key, mode, prepared } = self.incoming;
        if let Some(pushed) = prepared.get(name)
            && !prepared.fingerprints(pushed).is_empty()
        {
            return present(pushed.metric_type, false, None);
        }
        let family = self.families.get(name)?;
        let metric_type = family.base_type()?;
        if let Some(holder) = family.some_holder(key) {
            return present(metric_type, false, Some(holder));
        }
        // Only this group holds it: the push replaces it, or leaves it where it is.
        let replaced = mode == PushMode::ReplaceGroup || prepared.get(name).is_some();
        if !self.has_group || replaced {
            return None;
        }
        present(metric_type, false, Some(key.clone()))
    }

    /// Whether the series of a family may be others than those that the group has.
    pub(crate) fn has_new_series(family: &PreparedFamily<'_>, stored: Stored<'_>) -> bool {
        stored.digest != Some(family.digest)
    }

    /// How much there is to be read to find that out.
    pub(crate) fn bytes_of(&self, holder: &GroupingKey, name: &str) -> usize {
        let fragment = self.families.get(name).and_then(|family| family.find(holder));
        fragment.map_or(0, |(leaf, position)| leaf.text_of(position).len())
    }

    /// Whether a group really has the series that its fingerprint hints at.
    pub(crate) fn holds(&self, holder: &GroupingKey, name: &str, series: &[u8]) -> bool {
        let Some((leaf, position)) = self.families.get(name).and_then(|family| family.find(holder)) else {
            return false;
        };
        let metric_type = leaf.get(position).meta.metric_type;
        has_series(name, metric_type, &leaf.text_of(position), series)
    }

    /// Those of some series that a group really has.
    pub(crate) fn held<'t>(
        &self,
        holder: &GroupingKey,
        name: &str,
        mut wanted: HashSet<&'t [u8]>,
    ) -> HashSet<&'t [u8]> {
        let mut held = HashSet::new();
        if let Some((leaf, position)) = self.families.get(name).and_then(|family| family.find(holder)) {
            let metric_type = leaf.get(position).meta.metric_type;
            each_series(name, metric_type, &leaf.text_of(position), |series| {
                held.extend(wanted.take(series));
            });
        }
        held
    }
}

fn check_type(
    key: &GroupingKey,
    family: &PreparedFamily<'_>,
    stored: &Family,
    held_by_group: bool,
) -> Result<(), Inconsistency> {
    let Some(stored_type) = stored.base_type() else {
        return Ok(());
    };
    let others = stored.holders() - u32::from(held_by_group);
    if others == 0 || stored_type == family.metric_type.base() {
        return Ok(());
    }
    Err(Inconsistency::Type {
        family: short(family.name),
        pushed: family.metric_type.base(),
        stored: stored_type,
        holder: stored.some_holder(key),
    })
}

/// The refusal of a series that another group holds.
pub(crate) fn duplicate(family: &str, series: &[u8], holder: &GroupingKey) -> Inconsistency {
    Inconsistency::DuplicateSeries {
        family: short(family),
        series: describe_series(series),
        other_group: true,
        holder: Some(holder.clone()),
    }
}

/// The label part of a series as it stands in the text, for an error text.
fn describe_series(series: &[u8]) -> String {
    let text = String::from_utf8_lossy(series);
    let labels = text.find('{').and_then(|start| text.get(start..)).unwrap_or("{}");
    let short: String = labels.chars().take(512).collect();
    if short.is_empty() {
        describe_labels(&[])
    } else {
        short
    }
}
