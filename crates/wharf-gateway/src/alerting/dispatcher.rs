//! Sees to it that every receiver is told what it is to be told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_store::UnixNanos;

use super::alertmanager::{self, Batch, valid_for};
use super::alerts::{Alerts, Now};
use super::message::AlertMessage;
use super::receiver::{Fate, Line};
use super::report::AlertingReport;
use super::rules::{AlertReceiver, AlertingRules, Webhook};
use super::webhook::{self, HAND_OVER, Letter};
use crate::gateway::Gateway;
use crate::policy::Active;

/// Tells others which groups of a gateway are overdue. For one thread, which it holds up for moments only.
#[derive(Debug)]
pub struct AlertDispatcher {
    gateway: Arc<Gateway>,
    /// The rules that the receivers are of.
    rules: Option<Arc<Active>>,
    alerts: Alerts,
    alertmanagers: Vec<ToAlertmanager>,
    webhooks: Vec<ToWebhook>,
    /// Whether all groups were looked at once.
    has_looked: bool,
    reported: Option<Instant>,
}

/// How often it is said how it goes, and what is old is let go.
const REPORT_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct ToAlertmanager {
    line: Line<Batch>,
    outbox: alertmanager::Outbox,
}

#[derive(Debug)]
struct ToWebhook {
    line: Line<Letter>,
    webhook: Webhook,
    outbox: webhook::Outbox,
}

impl AlertDispatcher {
    /// For this gateway.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        let max = gateway.settings().expect.max;
        let max = max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        Self {
            gateway,
            rules: None,
            alerts: Alerts::new(max),
            alertmanagers: Vec::new(),
            webhooks: Vec::new(),
            has_looked: false,
            reported: None,
        }
    }

    /// Takes up what has changed, and lets go what is to be told and what can be. To be called a few times a second.
    pub fn turn(&mut self) {
        let now = Now {
            unix: self.gateway.now(),
            instant: self.gateway.instant(),
        };
        let active = self.gateway.policy();
        let none = AlertingRules::default();
        let rules = active.alerting().unwrap_or(&none);
        if self
            .rules
            .as_ref()
            .is_none_or(|before| !Arc::ptr_eq(before, &active))
        {
            self.adopt(rules, now);
            self.rules = Some(Arc::clone(&active));
        }
        // Who does not hear of pushes cannot tell that none came: what is known stays as it is until then.
        let is_cut_off = self.gateway.is_cut_off();
        if !is_cut_off {
            self.take_changes(rules, now);
        }
        let is_time = self.reported.is_none_or(|at| now.instant >= at + REPORT_EVERY);
        if is_time {
            self.reported = Some(now.instant);
            self.let_go(rules, now);
        }
        let sends_webhooks = !is_cut_off && self.gateway.sends_webhooks();
        let valid_until = after(now.unix, valid_for(self.gateway.settings().expect.start_grace));
        self.tell_alertmanagers(rules, (now, valid_until));
        self.tell_webhooks(rules, sends_webhooks, (now, valid_until));
        if is_time {
            self.gateway.set_alerting_report(self.report(sends_webhooks));
        }
    }

    /// Whether messages are on their way.
    pub fn is_busy(&self) -> bool {
        self.alertmanagers.iter().any(|to| to.line.is_busy())
            || self.webhooks.iter().any(|to| to.line.is_busy())
    }

    /// How many alerts there are.
    #[cfg(test)]
    pub(super) fn alerts_known(&self) -> usize {
        self.alerts.firing() + self.alerts.resolved()
    }

    /// Who is a receiver still goes on from what it was told.
    fn adopt(&mut self, rules: &AlertingRules, now: Now) {
        let mut before = std::mem::take(&mut self.alertmanagers);
        for receiver in &rules.alertmanagers {
            let at = before.iter().position(|to| to.line.name() == receiver.name);
            let mut to = at.map_or_else(|| ToAlertmanager::new(receiver), |at| before.swap_remove(at));
            to.line.set_receiver(receiver.clone());
            self.gateway
                .telemetry()
                .notifications()
                .add_alertmanager(&receiver.name);
            self.alertmanagers.push(to);
        }
        let had = self.rules.take();
        let had = had.as_ref().and_then(|had| had.alerting());
        let mut before = std::mem::take(&mut self.webhooks);
        for webhook in &rules.webhooks {
            let name = &webhook.receiver.name;
            let same = |to: &ToWebhook| {
                to.line.name() == *name
                    && to.webhook.group_by == webhook.group_by
                    && had.is_some_and(|had| had.labels == rules.labels)
            };
            let at = before.iter().position(same);
            let to = at.map(|at| before.swap_remove(at));
            let to = to.map(|mut to| {
                to.line.set_receiver(webhook.receiver.clone());
                to.webhook = webhook.clone();
                to
            });
            self.gateway.telemetry().notifications().add_webhook(name);
            self.webhooks.push(to.unwrap_or_else(|| {
                let mut to = ToWebhook::new(webhook);
                for (key, _) in self.alerts.iter() {
                    to.outbox.take(key, (&self.alerts, rules, webhook), false, now);
                }
                to
            }));
        }
    }

    fn take_changes(&mut self, rules: &AlertingRules, now: Now) {
        let changes = self.gateway.take_overdue();
        if changes.is_empty() && self.has_looked {
            return;
        }
        // What was overdue before this replica came is told by those that were there.
        let others_told = !self.has_looked && self.gateway.has_other_replicas();
        self.has_looked = true;
        for (key, group) in changes {
            let since = group.as_ref().map(|group| group.since);
            if !self.alerts.take((key.clone(), group), now) {
                continue;
            }
            let is_told = others_told && since.is_some_and(|since| after(since, HAND_OVER) < now.unix);
            for ToWebhook { webhook, outbox, .. } in &mut self.webhooks {
                outbox.take(&key, (&self.alerts, rules, webhook), is_told, now);
            }
        }
    }

    fn tell_alertmanagers(&mut self, rules: &AlertingRules, (now, valid_until): (Now, UnixNanos)) {
        for to in &mut self.alertmanagers {
            if let Some(landed) = to.line.landed(now) {
                let (name, alerts) = (to.line.name(), landed.memo.len() as u64);
                let is_error = landed.fate != Fate::Told;
                let notifications = self.gateway.telemetry().notifications();
                notifications.record_sent(name, (alerts, is_error), landed.took, now.instant);
                if landed.fate != Fate::Again {
                    // What it does not want now it is told again when its time comes, as all that it was told.
                    to.outbox.told(&landed.memo, &self.alerts, now);
                }
            }
            if to.line.is_free(now)
                && let Some((alerts, batch)) = to.outbox.next(&self.alerts, rules, (now, valid_until))
            {
                let message = AlertMessage {
                    alerts,
                    together: None,
                    external_url: self.gateway.settings().external_url.to_string(),
                };
                to.line.send(message, batch, now, self.gateway.clock());
            }
        }
    }

    fn tell_webhooks(&mut self, rules: &AlertingRules, sends: bool, (now, valid_until): (Now, UnixNanos)) {
        for ToWebhook {
            line,
            webhook,
            outbox,
        } in &mut self.webhooks
        {
            if let Some(landed) = line.landed(now) {
                let notifications = self.gateway.telemetry().notifications();
                let tried_for = line.failing_since();
                let tried_for = tried_for.map(|since| now.instant.saturating_duration_since(since));
                let is_over = tried_for.is_none_or(|tried| tried >= webhook.group_interval);
                let fate = landed.fate;
                notifications.record_webhook(line.name(), fate != Fate::Told);
                if fate == Fate::Told {
                    outbox.told(&landed.memo, &self.alerts, webhook, now);
                } else if fate == Fate::Refused || is_over {
                    notifications.record_given_up(line.name());
                    outbox.given_up(&landed.memo, webhook, now);
                    line.begin_anew();
                }
            }
            if line.is_free(now)
                && let Some(((alerts, together), letter)) =
                    outbox.next((&self.alerts, rules, webhook), sends, (now, valid_until))
            {
                let message = AlertMessage {
                    alerts,
                    together: Some(together),
                    external_url: self.gateway.settings().external_url.to_string(),
                };
                line.send(message, letter, now, self.gateway.clock());
            }
        }
    }

    fn let_go(&mut self, rules: &AlertingRules, now: Now) {
        let webhooks = &self.webhooks;
        let needs = |key: &_, change| {
            let mut webhooks = webhooks.iter();
            webhooks.any(|to| to.outbox.needs(key, change, (rules, &to.webhook.group_by)))
        };
        for (key, change) in self.alerts.let_go(now, needs) {
            for to in &mut self.alertmanagers {
                if !to.outbox.let_go(&key, change) {
                    self.gateway.telemetry().notifications().record_dropped();
                }
            }
            for to in &mut self.webhooks {
                to.outbox.let_go(&key, (rules, &to.webhook.group_by));
            }
        }
    }

    fn report(&self, sends_webhooks: bool) -> AlertingReport {
        let to_alertmanager = |to: &ToAlertmanager| to.line.status(to.outbox.waiting());
        let to_webhook = |to: &ToWebhook| to.line.status(to.outbox.waiting(&self.alerts));
        AlertingReport {
            firing: self.alerts.firing() as u64,
            resolved: self.alerts.resolved() as u64,
            sends_webhooks,
            capacity: self
                .gateway
                .settings()
                .expect
                .max
                .map(|max| max.saturating_mul(2)),
            alertmanagers: self.alertmanagers.iter().map(to_alertmanager).collect(),
            webhooks: self.webhooks.iter().map(to_webhook).collect(),
        }
    }
}

impl ToAlertmanager {
    fn new(receiver: &AlertReceiver) -> Self {
        Self {
            line: Line::new(receiver.clone(), "Alertmanager"),
            outbox: alertmanager::Outbox::default(),
        }
    }
}

impl ToWebhook {
    fn new(webhook: &Webhook) -> Self {
        Self {
            line: Line::new(webhook.receiver.clone(), "a webhook"),
            webhook: webhook.clone(),
            outbox: webhook::Outbox::default(),
        }
    }
}

fn after(time: UnixNanos, by: Duration) -> UnixNanos {
    let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    UnixNanos(time.0.saturating_add(by))
}
