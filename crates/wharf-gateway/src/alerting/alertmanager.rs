//! What an Alertmanager is to be told. It wants to hear again and again what fires, and takes what it hears no more for resolved.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wharf_model::GroupingKey;
use wharf_store::UnixNanos;

use super::alerts::{Alerts, Entry, Now};
use super::message::Alert;
use super::rules::AlertingRules;

/// After this time each alert is told again. As Prometheus' `--rules.alert.resend-delay`.
pub(super) const RESEND_AFTER: Duration = Duration::from_secs(60);
/// For so many of these times an alert holds at least. As in Prometheus.
const VALID_FOR: u32 = 4;
/// Alerts in a message, as Prometheus' `--alertmanager.notification-batch-size`.
const MAX_ALERTS: usize = 256;
/// No grace of a start makes an alert hold for longer.
const LONGEST_GRACE: Duration = Duration::from_secs(10 * 60);

/// For how long an alert holds of which nothing more is heard: some times that it is told, as in Prometheus; and after a restart the
/// gateway does not say before its grace is over what was overdue when it went.
pub(super) fn valid_for(start_grace: Duration) -> Duration {
    (RESEND_AFTER * VALID_FOR).max(start_grace.min(LONGEST_GRACE) + 2 * RESEND_AFTER)
}

/// What one Alertmanager was told.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    told: BTreeMap<GroupingKey, Told>,
    /// The change of the alerts that was looked at last, and when the next alert is to be told again.
    looked: Option<(u64, Option<Instant>)>,
    waiting: usize,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    change: u64,
    at: Instant,
}

/// Which changes of alerts a message tells.
#[derive(Debug)]
pub(super) struct Batch(Vec<(GroupingKey, u64)>);

impl Batch {
    /// How many alerts that are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Outbox {
    /// How many alerts it is to be told of.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// What it is to be told now; none: nothing.
    pub(super) fn next(
        &mut self,
        alerts: &Alerts,
        rules: &AlertingRules,
        (now, valid_until): (Now, UnixNanos),
    ) -> Option<(Vec<Alert>, Batch)> {
        if let Some((generation, again)) = self.looked
            && generation == alerts.generation()
            && again.is_none_or(|again| now.instant < again)
        {
            return None;
        }
        let (mut told, mut changes) = (Vec::new(), Vec::new());
        self.waiting = 0;
        let mut again: Option<Instant> = None;
        for (key, entry) in alerts.iter() {
            match self.again(key, entry) {
                Some(at) if now.instant < at => again = Some(again.map_or(at, |again| again.min(at))),
                _ => {
                    self.waiting += 1;
                    if told.len() < MAX_ALERTS {
                        told.push(entry.told(key, rules, valid_until));
                        changes.push((key.clone(), entry.changed));
                    }
                }
            }
        }
        if told.is_empty() {
            self.looked = Some((alerts.generation(), again));
            return None;
        }
        self.looked = None;
        Some((told, Batch(changes)))
    }

    /// It was told, or does not want to be told so.
    pub(super) fn told(&mut self, batch: &Batch, alerts: &Alerts, now: Now) {
        self.waiting = self.waiting.saturating_sub(batch.len());
        // Some may have been let go while the message was on its way.
        for (key, change) in batch.0.iter().filter(|(key, _)| alerts.get(key).is_some()) {
            let told = Told {
                change: *change,
                at: now.instant,
            };
            self.told.insert(key.clone(), told);
        }
    }

    /// When an alert is to be told again; none: now.
    fn again(&self, key: &GroupingKey, entry: &Entry) -> Option<Instant> {
        let told = self.told.get(key).filter(|told| told.change == entry.changed)?;
        Some(told.at + RESEND_AFTER)
    }

    /// This alert was let go, in which this was the last change. Says whether it was told of that.
    pub(super) fn let_go(&mut self, key: &GroupingKey, change: u64) -> bool {
        self.told.remove(key).is_some_and(|told| told.change == change)
    }
}
