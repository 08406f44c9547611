//! What a family has beside its series: help, type, unit.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

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

/// Those without help and unit, by type: very many families may have no more to say.
static PLAIN: [OnceLock<Arc<FamilyMeta>>; 8] = [const { OnceLock::new() }; 8];

impl FamilyMeta {
    /// To be shared by groups, and by families where there is nothing but the type.
    pub(crate) fn shared(self) -> Arc<Self> {
        let is_plain = self.help.is_none() && self.unit.is_empty();
        match PLAIN.get(self.metric_type as usize) {
            Some(plain) if is_plain => Arc::clone(plain.get_or_init(|| Arc::new(self))),
            _ => Arc::new(self),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(help: Option<&str>, metric_type: MetricType) -> Arc<FamilyMeta> {
        let (help, unit) = (help.map(Box::from), "".into());
        let meta = FamilyMeta {
            help,
            metric_type,
            unit,
        };
        meta.shared()
    }

    #[test]
    fn families_with_nothing_but_a_type_share_what_says_so() {
        for metric_type in MetricType::ALL {
            let plain = meta(None, metric_type);
            assert_eq!(plain.metric_type, metric_type);
            assert!(Arc::ptr_eq(&plain, &meta(None, metric_type)), "{metric_type:?}");
            let helped = meta(Some("help"), metric_type);
            assert_eq!(helped.help.as_deref(), Some("help"));
            assert!(!Arc::ptr_eq(&helped, &meta(Some("help"), metric_type)));
        }
    }
}
