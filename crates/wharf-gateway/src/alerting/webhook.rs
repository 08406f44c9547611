//! What a webhook is to be told, as Alertmanager would tell it: alerts with the same values of some labels share a message, which
//! waits a little for more of them, and is sent again when something has changed, or after a long time.
//!
//! ```text
//! an alert fires -> group_wait -> message -> group_interval -> message, if something has changed, or repeat_interval is over -> ...
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

use super::alerts::{Alerts, Now, labels};
use super::message::{Alert, AlertGroup};
use super::rules::{AlertingRules, GroupBy, Webhook};

/// For so long after its time a message is that of the replica that sends webhooks. Later, the others take it for sent.
pub(super) const HAND_OVER: Duration = Duration::from_secs(60);

/// What one webhook was told, and is to be told.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    groups: BTreeMap<Vec<(String, String)>, Group>,
}

/// Alerts that share messages.
#[derive(Debug)]
struct Group {
    /// Which there are, with the change of each that was told; none: it was not told of yet.
    members: BTreeMap<GroupingKey, Option<u64>>,
    /// When to look whether there is something to tell.
    next: Instant,
    /// When it was told of it last.
    told: Option<Instant>,
}

/// Which changes of which group a message tells.
#[derive(Debug)]
pub(super) struct Letter {
    group: Vec<(String, String)>,
    changes: Vec<(GroupingKey, u64)>,
}

/// What a message says.
type Told = (Vec<Alert>, AlertGroup);

impl Outbox {
    /// How many groups have something to tell and wait for that.
    pub(super) fn waiting(&self, alerts: &Alerts) -> usize {
        let groups = self.groups.values();
        groups.filter(|group| group.has_news(alerts)).count()
    }

    /// An alert has begun, or was resolved. `is_told`: others have told of it.
    pub(super) fn take(
        &mut self,
        key: &GroupingKey,
        (alerts, rules, webhook): (&Alerts, &AlertingRules, &Webhook),
        is_told: bool,
        now: Now,
    ) {
        let Some(entry) = alerts.get(key) else { return };
        let id = together(key, rules, &webhook.group_by);
        if entry.resolved.is_some() && !self.groups.contains_key(&id) {
            return;
        }
        // One that has been overdue for longer need not wait for others.
        let since = now.unix.0.saturating_sub(entry.since().0);
        let since = Duration::from_nanos(u64::try_from(since).unwrap_or(0));
        let wait = webhook.group_wait.saturating_sub(since);
        let group = self.groups.entry(id).or_insert_with(|| Group {
            members: BTreeMap::new(),
            next: now.instant + wait,
            told: is_told.then_some(now.instant),
        });
        let told = group.members.entry(key.clone()).or_default();
        if is_told {
            *told = Some(entry.changed);
        }
        if group.told.is_none() {
            group.next = group.next.min(now.instant + wait);
        }
    }

    /// What it is to be told now, if this gateway is the one that does; none: nothing.
    pub(super) fn next(
        &mut self,
        (alerts, rules, webhook): (&Alerts, &AlertingRules, &Webhook),
        sends: bool,
        (now, valid_until): (Now, UnixNanos),
    ) -> Option<(Told, Letter)> {
        let mut letter = None;
        self.groups.retain(|id, group| {
            if letter.is_some() || now.instant < group.next {
                return true;
            }
            let wants = group.wants(alerts, webhook, now.instant);
            if wants && sends {
                letter = Some(group.letter(id, (alerts, rules, webhook), valid_until));
                return true;
            }
            if wants && now.instant < group.next + HAND_OVER {
                // If the one that sends goes now, this one has it still.
                return true;
            }
            if wants {
                group.told = Some(now.instant);
            }
            let members = group.members.keys();
            let changes = members.filter_map(|key| Some((key.clone(), alerts.get(key)?.changed)));
            let changes: Vec<_> = changes.collect();
            group.settle(&changes, alerts);
            group.next = now.instant + webhook.group_interval;
            !group.members.is_empty()
        });
        letter
    }

    /// It was told.
    pub(super) fn told(&mut self, letter: &Letter, alerts: &Alerts, webhook: &Webhook, now: Now) {
        let Some(group) = self.groups.get_mut(&letter.group) else {
            return;
        };
        group.told = Some(now.instant);
        group.settle(&letter.changes, alerts);
        group.next = now.instant + webhook.group_interval;
        if group.members.is_empty() {
            self.groups.remove(&letter.group);
        }
    }

    /// Whether it is to be told yet of this change of an alert that it was told of.
    pub(super) fn needs(
        &self,
        key: &GroupingKey,
        change: u64,
        (rules, by): (&AlertingRules, &GroupBy),
    ) -> bool {
        let group = self.groups.get(&together(key, rules, by));
        let told = group.and_then(|group| group.members.get(key).copied().flatten());
        told.is_some_and(|told| told != change)
    }

    /// This alert was let go.
    pub(super) fn let_go(&mut self, key: &GroupingKey, (rules, by): (&AlertingRules, &GroupBy)) {
        if let Some(group) = self.groups.get_mut(&together(key, rules, by)) {
            group.members.remove(key);
        }
    }

    /// It could not be told, and is tried again with what there is then.
    pub(super) fn given_up(&mut self, letter: &Letter, webhook: &Webhook, now: Now) {
        if let Some(group) = self.groups.get_mut(&letter.group) {
            group.next = now.instant + webhook.group_interval;
        }
    }
}

impl Group {
    /// Whether something is so now that was not told.
    fn has_news(&self, alerts: &Alerts) -> bool {
        let mut members = self.members.iter();
        members.any(|(key, told)| match (alerts.get(key), told) {
            (Some(entry), Some(told)) => entry.changed != *told,
            // One that was resolved before anybody was told is no news.
            (Some(entry), None) => entry.resolved.is_none(),
            (None, _) => false,
        })
    }

    /// Whether a message is due, as Alertmanager decides it.
    fn wants(&self, alerts: &Alerts, webhook: &Webhook, now: Instant) -> bool {
        let fires = |key| alerts.get(key).is_some_and(|entry| entry.resolved.is_none());
        let has_news = if webhook.send_resolved {
            self.has_news(alerts)
        } else {
            let mut members = self.members.iter();
            members.any(|(key, told)| {
                alerts
                    .get(key)
                    .is_some_and(|entry| entry.resolved.is_none() && Some(entry.changed) != *told)
            })
        };
        has_news || (self.is_to_be_repeated(webhook, now) && self.members.keys().any(fires))
    }

    fn is_to_be_repeated(&self, webhook: &Webhook, now: Instant) -> bool {
        self.told.is_none_or(|told| now >= told + webhook.repeat_interval)
    }

    fn letter(
        &self,
        id: &[(String, String)],
        (alerts, rules, webhook): (&Alerts, &AlertingRules, &Webhook),
        valid_until: UnixNanos,
    ) -> (Told, Letter) {
        let members = self.members.iter();
        let entries = members.filter_map(|(key, told)| Some((key, alerts.get(key)?, told.is_some())));
        let entries: Vec<_> = entries.collect();
        // What fires comes first where there is no room for all. Of an end nobody wants to hear who has heard of no beginning.
        let firing = entries.iter().filter(|(_, entry, _)| entry.resolved.is_none());
        let ended = entries
            .iter()
            .filter(|(_, entry, began)| entry.resolved.is_some() && *began && webhook.send_resolved);
        let told = firing
            .chain(ended)
            .map(|(key, entry, _)| entry.told(key, rules, valid_until));
        let mut told: Vec<Alert> = told.collect();
        let truncated = told.len().saturating_sub(webhook.max_alerts);
        told.truncate(webhook.max_alerts);
        told.sort_by(|a, b| a.key.cmp(&b.key));
        let together = AlertGroup {
            receiver: webhook.receiver.name.clone(),
            labels: id.iter().cloned().collect(),
            truncated: truncated as u64,
        };
        let changes = entries.iter();
        let changes = changes.map(|(key, entry, _)| ((*key).clone(), entry.changed));
        let letter = Letter {
            group: id.to_vec(),
            changes: changes.collect(),
        };
        ((told, together), letter)
    }

    /// These changes are told. What is resolved, and told, has no place here any more.
    fn settle(&mut self, changes: &[(GroupingKey, u64)], alerts: &Alerts) {
        for (key, change) in changes {
            if let Some(told) = self.members.get_mut(key) {
                *told = Some(*change);
            }
        }
        self.members.retain(|key, told| {
            let entry = alerts.get(key);
            entry.is_some_and(|entry| entry.resolved.is_none() || *told != Some(entry.changed))
        });
    }
}

fn together(key: &GroupingKey, rules: &AlertingRules, by: &GroupBy) -> Vec<(String, String)> {
    let mut labels = labels(key, rules);
    if let GroupBy::Labels(names) = by {
        let names: BTreeSet<&String> = names.iter().collect();
        labels.retain(|name, _| names.contains(name));
    }
    labels.into_iter().collect()
}

#[cfg(test)]
mod tests;
