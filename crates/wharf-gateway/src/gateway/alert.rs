//! Who is told which groups are overdue.

use crate::alerting::AlertingReport;
use crate::expectations::OverdueChange;
use crate::gateway::Gateway;
use crate::lock::lock;

impl Gateway {
    /// Whether others may be told which groups are overdue: whether there was somebody to tell when the gateway started.
    pub fn may_alert(&self) -> bool {
        self.policies.may_alert()
    }

    /// How it goes with those who are told; none, if nobody is.
    pub fn alerting_report(&self) -> Option<AlertingReport> {
        lock(&self.alerting).clone()
    }

    pub(crate) fn set_alerting_report(&self, report: AlertingReport) {
        *lock(&self.alerting) = Some(report);
    }

    /// Which groups are overdue, or are so no more, as far as that has changed since the last time.
    pub(crate) fn take_overdue(&self) -> Vec<OverdueChange> {
        self.expectations.overdue().take_changed()
    }

    /// Whether this is a replica that does not hear of the pushes of others.
    pub(crate) fn is_cut_off(&self) -> bool {
        let status = self.store.shared_status();
        status.is_some_and(|status| status.lag.is_none_or(|lag| lag > self.settings.replicas.max_lag))
    }

    /// Whether other replicas share the groups of this one now.
    pub(crate) fn has_other_replicas(&self) -> bool {
        let status = self.store.shared_status();
        status.is_some_and(|status| status.replicas.iter().any(|replica| !replica.is_self))
    }

    /// Whether this is the replica that sends webhooks: of those that are there, the one that has been for the longest. So one that
    /// comes back does not take it over from one that knows what was told meanwhile.
    pub(crate) fn sends_webhooks(&self) -> bool {
        let Some(status) = self.store.shared_status() else {
            return true;
        };
        let replicas = status.replicas.iter();
        let oldest = replicas.min_by(|a, b| (a.started_at, &a.name).cmp(&(b.started_at, &b.name)));
        oldest.is_none_or(|oldest| oldest.is_self)
    }
}
