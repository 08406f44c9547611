//! The labels of one metric while rules run over them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::NAME;

/// Name and value of each label, the group's and `__name__` among them. An absent label has the empty value, and
/// a label that is given the empty value is gone.
#[derive(Debug)]
pub(crate) struct Labels<'a> {
    /// Sorted by name.
    group: &'a [(&'a str, &'a str)],
    /// Those that rules may write. A name that the push brought is borrowed, one that a rule has made is owned.
    own: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    changed: bool,
}

impl<'a> Labels<'a> {
    /// The labels of a metric as it was pushed: the group's win over its own. None if one of its own stands twice,
    /// which the store is going to refuse.
    pub(crate) fn new(
        group: &'a [(&'a str, &'a str)],
        family: &'a str,
        metric: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Self> {
        let mut labels = Self {
            group,
            own: BTreeMap::from([(Cow::Borrowed(NAME), Cow::Borrowed(family))]),
            changed: false,
        };
        for (name, value) in metric {
            if labels.of_group(name).is_some() || value.is_empty() {
                continue;
            }
            if labels.own.insert(name.into(), value.into()).is_some() {
                return None;
            }
        }
        Some(labels)
    }

    fn of_group(&self, name: &str) -> Option<&'a str> {
        let at = self
            .group
            .binary_search_by(|(label, _)| (*label).cmp(name))
            .ok()?;
        self.group.get(at).map(|(_, value)| *value)
    }

    /// The value of a label; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.of_group(name)
            .or_else(|| self.own.get(name).map(AsRef::as_ref))
            .unwrap_or_default()
    }

    /// Gives a label a value, unless it is the group's.
    pub(crate) fn set(&mut self, name: String, value: String) {
        if self.of_group(&name).is_some() || self.get(&name) == value {
            return;
        }
        self.changed = true;
        if value.is_empty() {
            self.own.remove(name.as_str());
        } else {
            self.own.insert(name.into(), value.into());
        }
    }

    /// Keeps those labels, beside the group's, that the test approves of.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let before = self.own.len();
        self.own.retain(|name, _| keep(name));
        self.changed |= self.own.len() != before;
    }

    /// All names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self
            .own
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()));
        self.group.iter().copied().chain(own)
    }

    /// What has become of the metric: its family's name, and its labels without those of the group and without
    /// those that rules have made for themselves. Nothing if nothing has changed.
    pub(crate) fn into_changed(mut self) -> Option<Changed> {
        if !self.changed {
            return None;
        }
        let family = self.own.remove(NAME).unwrap_or_default().into_owned();
        let is_temporary = |name: &Cow<'_, str>| matches!(name, Cow::Owned(name) if name.starts_with("__"));
        let labels = self.own.into_iter().filter(|(name, _)| !is_temporary(name));
        let labels = labels.map(|(name, value)| (name.into_owned(), value.into_owned()));
        Some(Changed {
            family,
            labels: labels.collect(),
        })
    }
}

/// A metric's family and labels after the rules.
#[derive(Debug)]
pub(crate) struct Changed {
    /// Empty if a rule has taken the name away.
    pub(crate) family: String,
    pub(crate) labels: Vec<(String, String)>,
}
