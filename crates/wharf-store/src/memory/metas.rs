//! What the groups of one family say of type, help and unit.
//!
//! Mostly all say the same, and there may be as many families as series: a map for each would take 300 bytes more than what
//! it has to say.

use std::sync::Arc;

use imbl::OrdMap;

use crate::meta::FamilyMeta;

/// Each meta, with the number of groups that say so.
#[derive(Debug, Clone, Default)]
pub(crate) enum Metas {
    #[default]
    None,
    One(Arc<FamilyMeta>, u32),
    Several(OrdMap<Arc<FamilyMeta>, u32>),
}

impl Metas {
    /// The smallest, whichever groups came first: it is shown.
    pub(crate) fn shown(&self) -> Option<&Arc<FamilyMeta>> {
        match self {
            Self::None => None,
            Self::One(meta, _) => Some(meta),
            Self::Several(metas) => metas.get_min().map(|(meta, _)| meta),
        }
    }

    /// The same meta, if groups have it already.
    pub(crate) fn same(&self, meta: &FamilyMeta) -> Option<&Arc<FamilyMeta>> {
        match self {
            Self::None => None,
            Self::One(only, _) => Some(only).filter(|only| ***only == *meta),
            Self::Several(metas) => metas.get_key_value(meta).map(|(meta, _)| meta),
        }
    }

    /// In order, each with the number of groups.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<FamilyMeta>, u32)> {
        let one = match self {
            Self::One(meta, groups) => Some((meta, *groups)),
            Self::None | Self::Several(_) => None,
        };
        let several = match self {
            Self::Several(metas) => Some(metas.iter().map(|(meta, groups)| (meta, *groups))),
            Self::None | Self::One(..) => None,
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// So many groups more say it.
    pub(crate) fn add(&mut self, meta: &Arc<FamilyMeta>, groups: u32) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(Arc::clone(meta), groups),
            Self::One(only, before) if only == *meta => Self::One(only, before + groups),
            Self::One(only, before) => {
                Self::Several(OrdMap::from_iter([(only, before), (Arc::clone(meta), groups)]))
            }
            Self::Several(mut metas) => {
                let before = metas.get(meta).map_or(0, |before| *before);
                metas.insert(Arc::clone(meta), before + groups);
                Self::Several(metas)
            }
        };
    }

    /// So many of the groups that said it do so no more.
    pub(crate) fn subtract(&mut self, meta: &Arc<FamilyMeta>, groups: u32) {
        *self = match std::mem::take(self) {
            Self::One(only, before) if only == *meta => match before.saturating_sub(groups) {
                0 => Self::None,
                left => Self::One(only, left),
            },
            Self::Several(mut metas) => {
                let left = metas.get(meta).map_or(0, |before| before.saturating_sub(groups));
                if left == 0 {
                    metas.remove(meta);
                } else {
                    metas.insert(Arc::clone(meta), left);
                }
                match metas.get_min() {
                    Some((meta, groups)) if metas.len() == 1 => Self::One(Arc::clone(meta), *groups),
                    _ => Self::Several(metas),
                }
            }
            others => others,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use wharf_model::MetricType;

    use super::*;

    fn meta(number: u8) -> FamilyMeta {
        FamilyMeta {
            help: Some(number.to_string().into()),
            metric_type: MetricType::Gauge,
            unit: "".into(),
        }
    }

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(changes in prop::collection::vec((0u8..4, any::<bool>(), 1u32..3), 0..40)) {
            let (mut metas, mut map) = (Metas::default(), BTreeMap::new());
            for (number, more, groups) in changes {
                let meta = Arc::new(meta(number));
                let before = map.get(&meta).copied().unwrap_or(0);
                if more {
                    metas.add(&meta, groups);
                    map.insert(meta, before + groups);
                } else {
                    let groups = groups.min(before);
                    metas.subtract(&meta, groups);
                    map.insert(meta, before - groups);
                }
                map.retain(|_, groups| *groups > 0);
                prop_assert!(metas.iter().eq(map.iter().map(|(meta, groups)| (meta, *groups))));
                prop_assert_eq!(metas.shown(), map.keys().next());
                for number in 0..4 {
                    let asked = self::meta(number);
                    prop_assert_eq!(metas.same(&asked).is_some(), map.contains_key(&asked));
                }
            }
        }
    }
}
