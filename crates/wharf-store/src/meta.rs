//! What a family has beside its series: help, type, unit.

use std::cmp::Ordering;

use wharf_model::MetricType;

use crate::prepare::PreparedFamily;

/// What a family has beside its series.
///
/// The order decides what the exposition shows when groups disagree: the smallest, with no help last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyMeta {
    /// The help, if one was pushed; it may be empty.
    pub help: Option<Box<str>>,
    /// The type.
    pub metric_type: MetricType,
    /// The unit; empty if none was pushed.
    pub unit: Box<str>,
}

impl Ord for FamilyMeta {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = |meta: &Self| {
            (
                meta.help.as_deref().is_none_or(str::is_empty),
                meta.help.is_none(),
            )
        };
        order(self)
            .cmp(&order(other))
            .then_with(|| self.help.cmp(&other.help))
            .then_with(|| self.metric_type.cmp(&other.metric_type))
            .then_with(|| self.unit.cmp(&other.unit))
    }
}

impl PartialOrd for FamilyMeta {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FamilyMeta {
    pub(crate) fn of(family: &PreparedFamily<'_>) -> Self {
        Self {
            help: family.help.as_deref().map(Box::from),
            metric_type: family.metric_type,
            unit: (*family.unit).into(),
        }
    }

    pub(crate) fn is_of(&self, family: &PreparedFamily<'_>) -> bool {
        self.metric_type == family.metric_type
            && self.help.as_deref() == family.help.as_deref()
            && *self.unit == *family.unit
    }
}
