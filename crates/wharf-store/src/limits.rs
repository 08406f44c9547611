//! How much may be stored: in all, and in the groups that a selector selects.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use wharf_model::{GroupingKey, Selector};

use crate::memory::index::GroupId;
use crate::memory::numbered::Numbered;
use crate::size::Size;

/// Limits on what is stored; none, by default.
///
/// A push is refused that would add to what is limited and go beyond the limit. One that adds nothing is never
/// refused for a limit, even if there is more than a new limit allows.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Most groups.
    pub max_groups: Option<u64>,
    /// Most series: lines of a text scrape, the gateway's own aside.
    pub max_series: Option<u64>,
    /// Most series that one push may bring to one group.
    pub max_push_series: Option<u64>,
    /// Limits on some of the groups. A group that several of them select is under all of these.
    pub quotas: Vec<Quota>,
}

/// Limits on the groups that a selector selects, all of them together.
#[derive(Debug, Clone)]
pub struct Quota {
    /// Which groups.
    pub selector: Selector,
    /// Most groups.
    pub max_groups: Option<u64>,
    /// Most series.
    pub max_series: Option<u64>,
    /// Most bytes: of text, and of the protobuf form of what text cannot say.
    pub max_bytes: Option<u64>,
}

/// What is stored under a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Number of groups.
    pub groups: u64,
    /// Number of series.
    pub series: u64,
    /// Number of bytes.
    pub bytes: u64,
}

impl Usage {
    /// Moves series and bytes by as much as went from `before` to `after`.
    fn change(&mut self, before: Size, after: Size) {
        self.series = self.series + after.series - before.series;
        self.bytes = self.bytes + after.bytes - before.bytes;
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limited {
    /// Groups that are stored.
    Groups,
    /// Series that are stored.
    Series,
    /// Bytes that are stored.
    Bytes,
    /// Series of one push.
    PushSeries,
    /// Label sets of a family that is added up.
    LabelSets,
}

impl Limited {
    /// A short name for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Series => "series",
            Self::Bytes => "bytes",
            Self::PushSeries => "push_series",
            Self::LabelSets => "label_sets",
        }
    }
}

/// A limit that a push would pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// What it counts.
    pub limited: Limited,
    /// The limit.
    pub max: u64,
    /// How many there would be.
    pub found: u64,
    /// The selector of the quota; none for a limit on everything.
    pub selector: Option<String>,
    /// The family that has too much, if it is a limit on each.
    pub family: Option<Box<str>>,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max, found, .. } = self;
        let what = match self.limited {
            Limited::Groups => "groups",
            Limited::Bytes => "bytes",
            Limited::Series | Limited::PushSeries => "series",
            Limited::LabelSets => "label sets",
        };
        write!(f, "expected at most {max} {what}")?;
        match (&self.selector, self.limited) {
            (Some(selector), Limited::Groups) => write!(f, " of `{selector}`")?,
            (Some(selector), _) => write!(f, " in the groups of `{selector}`")?,
            (None, Limited::LabelSets) => {
                let family = self.family.as_deref().unwrap_or_default();
                write!(f, " in the family {family:?}, which is added up")?;
            }
            (None, Limited::PushSeries) => f.write_str(" in one push")?,
            (None, Limited::Groups) => {}
            (None, _) => f.write_str(" in all groups")?,
        }
        write!(f, ", found {found} with this push")
    }
}

/// The limits, and what is stored under each quota.
///
/// A group is counted from its next change on, or when it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    limits: Arc<Limits>,
    usage: Vec<Usage>,
    /// Which quotas select the groups that are counted.
    members: Numbered<Box<[usize]>>,
    /// Counts the changes of the limits.
    generation: u64,
}

/// What a push would make of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    /// What the group holds; none if it is new.
    pub(crate) before: Option<Size>,
    /// What it would hold.
    pub(crate) after: Size,
}

impl Accounts {
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn shared_limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn usage(&self) -> &[Usage] {
        &self.usage
    }

    pub(crate) fn has_quotas(&self) -> bool {
        !self.limits.quotas.is_empty()
    }

    /// The same limits over an empty store.
    pub(crate) fn emptied(&self) -> Self {
        Self {
            limits: Arc::clone(&self.limits),
            usage: vec![Usage::default(); self.usage.len()],
            members: Numbered::default(),
            generation: self.generation,
        }
    }

    /// Other limits from now on; no group is counted yet.
    pub(crate) fn set(&mut self, limits: Limits) {
        self.usage = vec![Usage::default(); limits.quotas.len()];
        self.limits = Arc::new(limits);
        self.members = Numbered::default();
        self.generation += 1;
    }

    /// Whether there is any limit at all.
    pub(crate) fn are_set(&self) -> bool {
        self.limits.are_set()
    }

    /// The quotas that select a group. Reads patterns, unless the group is counted already.
    pub(crate) fn quotas_of(&self, id: Option<GroupId>, key: &GroupingKey) -> Cow<'_, [usize]> {
        if let Some(quotas) = id.and_then(|id| self.members.get(id.0)) {
            return Cow::Borrowed(quotas);
        }
        Cow::Owned(self.limits.quotas_of(key))
    }

    pub(crate) fn counts(&self, id: GroupId) -> bool {
        self.members.get(id.0).is_some()
    }

    /// Counts a group that was not counted.
    pub(crate) fn enter(&mut self, id: GroupId, key: &GroupingKey, size: Size) {
        let quotas = self.limits.quotas_of(key);
        self.enter_as(id, &quotas, size);
    }

    /// The same of a group that is known to be under these quotas.
    pub(crate) fn enter_as(&mut self, id: GroupId, quotas: &[usize], size: Size) {
        for quota in quotas {
            if let Some(usage) = self.usage.get_mut(*quota) {
                usage.groups += 1;
                usage.change(Size::default(), size);
            }
        }
        self.members.insert(id.0, quotas.into());
    }

    /// Counts that a group has changed, if it is counted: by as much as went from `before` to `after`.
    pub(crate) fn change(&mut self, id: GroupId, before: Size, after: Size) {
        for quota in self.members.get(id.0).into_iter().flatten() {
            if let Some(usage) = self.usage.get_mut(*quota) {
                usage.change(before, after);
            }
        }
    }

    /// Counts that a group of this size is gone, if it is counted.
    pub(crate) fn leave(&mut self, id: GroupId, size: Size) {
        for quota in self.members.remove(id.0).into_iter().flatten() {
            if let Some(usage) = self.usage.get_mut(quota) {
                usage.groups -= 1;
                usage.change(size, Size::default());
            }
        }
    }

    /// Whether a push of this size to a group that is there stays below every limit, whatever it replaces: then
    /// nothing needs to be looked up.
    pub(crate) fn has_room(&self, total: Size, quotas: &[usize], push: Size) -> bool {
        let fits = |max: Option<u64>, used: u64, more: u64| max.is_none_or(|max| used + more <= max);
        fits(self.limits.max_series, total.series, push.series)
            && quotas.iter().all(|index| {
                let (quota, usage) = (self.limits.quotas.get(*index), self.usage.get(*index));
                quota.zip(usage).is_none_or(|(quota, usage)| {
                    fits(quota.max_series, usage.series, push.series)
                        && fits(quota.max_bytes, usage.bytes, push.bytes)
                })
            })
    }

    /// Checks what a push would make of a group against the limits on what is stored.
    pub(crate) fn check(
        &self,
        groups: u64,
        total: Size,
        quotas: &[usize],
        growth: Growth,
    ) -> Result<(), Exceeded> {
        self.limits.check(groups, total, &self.usage, quotas, growth)
    }
}

impl Limits {
    /// Whether there is any limit at all.
    pub(crate) fn are_set(&self) -> bool {
        self.max_groups.is_some() || self.max_series.is_some() || !self.quotas.is_empty()
    }

    /// The quotas that select a group. Reads patterns.
    pub(crate) fn quotas_of(&self, key: &GroupingKey) -> Vec<usize> {
        let quotas = self.quotas.iter().enumerate();
        let selecting = quotas.filter_map(|(index, quota)| quota.selector.matches(key).then_some(index));
        selecting.collect()
    }

    fn check(
        &self,
        groups: u64,
        total: Size,
        used: &[Usage],
        quotas: &[usize],
        growth: Growth,
    ) -> Result<(), Exceeded> {
        let usage = Usage {
            groups,
            series: total.series,
            bytes: total.bytes,
        };
        growth.check([self.max_groups, self.max_series, None], usage, None)?;
        for index in quotas {
            if let (Some(quota), Some(usage)) = (self.quotas.get(*index), used.get(*index)) {
                let max = [quota.max_groups, quota.max_series, quota.max_bytes];
                growth.check(max, *usage, Some(&quota.selector))?;
            }
        }
        Ok(())
    }
}

/// What counts for limits, with the pushes so far that are to be stored together.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) groups: u64,
    pub(crate) size: Size,
    pub(crate) usage: Vec<Usage>,
}

impl Counted {
    /// Checks the next push against the limits, and counts it.
    pub(crate) fn add(&mut self, limits: &Limits, quotas: &[usize], growth: Growth) -> Result<(), Exceeded> {
        limits.check(self.groups, self.size, &self.usage, quotas, growth)?;
        let (is_new, before) = (growth.before.is_none(), growth.before.unwrap_or_default());
        self.groups += u64::from(is_new);
        self.size = self.size.moved(before, growth.after);
        for quota in quotas {
            if let Some(usage) = self.usage.get_mut(*quota) {
                usage.groups += u64::from(is_new);
                usage.change(before, growth.after);
            }
        }
        Ok(())
    }
}

impl Growth {
    fn check(self, max: [Option<u64>; 3], usage: Usage, selector: Option<&Selector>) -> Result<(), Exceeded> {
        let Size { series, bytes, .. } = self.before.unwrap_or_default();
        let [max_groups, max_series, max_bytes] = max;
        for (limited, max, used, before, after) in [
            (
                Limited::Groups,
                max_groups,
                usage.groups,
                u64::from(self.before.is_some()),
                1,
            ),
            (
                Limited::Series,
                max_series,
                usage.series,
                series,
                self.after.series,
            ),
            (Limited::Bytes, max_bytes, usage.bytes, bytes, self.after.bytes),
        ] {
            let found = used.saturating_sub(before) + after;
            if let Some(max) = max
                && after > before
                && found > max
            {
                return Err(Exceeded {
                    limited,
                    max,
                    found,
                    selector: selector.map(Selector::to_string),
                    family: None,
                });
            }
        }
        Ok(())
    }
}
