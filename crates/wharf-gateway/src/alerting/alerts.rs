//! The alerts: which fire, and which did a while ago. Nothing here looks at a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

use super::message::Alert;
use super::rules::AlertingRules;
use crate::expectations::{OverdueChange, OverdueGroup};
use crate::time_text::rfc3339;

/// The name of every alert, as in the rules that Wharf brings for Prometheus.
const ALERT: &str = "WharfGroupOverdue";

/// For so long it is said again that an alert is resolved, so that a message that was lost is made good. As in Prometheus.
pub(super) const RESOLVED_FOR: Duration = Duration::from_secs(15 * 60);

/// An alert.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    group: OverdueGroup,
    pub(super) resolved: Option<Resolved>,
    /// At which change it began, or was resolved.
    pub(super) changed: u64,
}

/// When an alert was resolved, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolved {
    pub(super) at: UnixNanos,
    instant: Instant,
}

/// What time it is, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) unix: UnixNanos,
    pub(super) instant: Instant,
}

/// All alerts. As many fire as groups are expected at most.
#[derive(Debug)]
pub(super) struct Alerts {
    by_key: BTreeMap<GroupingKey, Entry>,
    /// Those that are resolved, the oldest first.
    resolved: BTreeSet<(Instant, GroupingKey)>,
    max_resolved: usize,
    /// Counted up with each change.
    generation: u64,
}

impl Alerts {
    /// None, and room for so many that are resolved.
    pub(super) fn new(max_resolved: usize) -> Self {
        Self {
            by_key: BTreeMap::new(),
            resolved: BTreeSet::new(),
            max_resolved,
            generation: 0,
        }
    }

    /// The number of the last change.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupingKey, &Entry)> {
        self.by_key.iter()
    }

    pub(super) fn get(&self, key: &GroupingKey) -> Option<&Entry> {
        self.by_key.get(key)
    }

    pub(super) fn firing(&self) -> usize {
        self.by_key.len() - self.resolved.len()
    }

    pub(super) fn resolved(&self) -> usize {
        self.resolved.len()
    }

    /// Takes up what has become of a group. Says whether an alert began or ended by it.
    pub(super) fn take(&mut self, (key, group): OverdueChange, now: Now) -> bool {
        let before = self.by_key.get_mut(&key);
        match (group, before) {
            (Some(group), Some(entry)) if entry.resolved.is_none() && entry.group.since == group.since => {
                // The rule may say it in other words.
                entry.group = group;
                return false;
            }
            (Some(group), before) => {
                if let Some(resolved) = before.and_then(|entry| entry.resolved) {
                    self.resolved.remove(&(resolved.instant, key.clone()));
                }
                self.generation += 1;
                let entry = Entry {
                    group,
                    resolved: None,
                    changed: self.generation,
                };
                self.by_key.insert(key, entry);
            }
            (None, Some(entry)) if entry.resolved.is_none() => {
                self.generation += 1;
                entry.changed = self.generation;
                entry.resolved = Some(Resolved {
                    at: now.unix,
                    instant: now.instant,
                });
                self.resolved.insert((now.instant, key));
            }
            (None, _) => return false,
        }
        true
    }

    /// Lets those go that have been resolved for long enough and that nobody needs, and the oldest beyond the number that there is
    /// room for. Returns them, with their last changes.
    pub(super) fn let_go(
        &mut self,
        now: Now,
        needs: impl Fn(&GroupingKey, u64) -> bool,
    ) -> Vec<(GroupingKey, u64)> {
        let too_many = self.resolved.len().saturating_sub(self.max_resolved);
        let old = self.resolved.iter().enumerate();
        let old = old.take_while(|(index, (at, _))| *index < too_many || now.instant >= *at + RESOLVED_FOR);
        let change = |key: &GroupingKey| self.by_key.get(key).map_or(0, |entry| entry.changed);
        let old = old.filter(|(index, (_, key))| *index < too_many || !needs(key, change(key)));
        let old: Vec<_> = old.map(|(_, resolved)| resolved.clone()).collect();
        let gone = old.into_iter().filter_map(|resolved| {
            self.resolved.remove(&resolved);
            let entry = self.by_key.remove(&resolved.1)?;
            Some((resolved.1, entry.changed))
        });
        gone.collect()
    }
}

impl Entry {
    /// As it is told, under these rules.
    pub(super) fn told(&self, key: &GroupingKey, rules: &AlertingRules, valid_until: UnixNanos) -> Alert {
        let OverdueGroup {
            last,
            due,
            since,
            expected,
        } = &self.group;
        let mut annotations = rules.annotations.clone();
        let time = |time: &Option<UnixNanos>, none: &str| time.map_or_else(|| none.to_owned(), rfc3339);
        for (name, text) in [
            (
                "summary",
                format!("{} was expected to push by now and has not.", who(key)),
            ),
            ("expected", expected.clone()),
            ("due", time(due, "unknown")),
            ("last_push", time(last, "never")),
        ] {
            annotations.insert(name.to_owned(), text);
        }
        Alert {
            key: key.clone(),
            labels: labels(key, rules),
            annotations,
            starts_at: *since,
            // Alertmanager refuses one that ends before it began, as after a clock was set back.
            resolved_at: self
                .resolved
                .map(|resolved| UnixNanos(resolved.at.0.max(since.0))),
            valid_until,
        }
    }

    /// Since when the group is overdue.
    pub(super) fn since(&self) -> UnixNanos {
        self.group.since
    }
}

/// As the rules for Prometheus call it.
fn who(key: &GroupingKey) -> String {
    match key.value("instance").filter(|instance| !instance.is_empty()) {
        Some(instance) => format!("{} ({instance})", key.job()),
        None => key.job().to_owned(),
    }
}

/// Those of the rules give way to those of the group, as external labels do in Prometheus: two groups stay two alerts. An empty
/// label is none.
pub(super) fn labels(key: &GroupingKey, rules: &AlertingRules) -> BTreeMap<String, String> {
    let mut labels = rules.labels.clone();
    let of_group = key.labels().filter(|(_, value)| !value.is_empty());
    labels.extend(of_group.map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels.insert("alertname".to_owned(), ALERT.to_owned());
    labels
}
