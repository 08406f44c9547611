//! Booking pushes that were not stored.

use std::net::IpAddr;

use wharf_store::UnixNanos;

use crate::activity::refused::RefusedPush;
use crate::activity::{Pushed, method};
use crate::gateway::Gateway;
use crate::refusal::Refusal;

impl Gateway {
    /// Books a push that was not stored; without a group if it names none.
    pub fn record_refusal(&self, refusal: &Refusal, push: Option<Pushed>, address: Option<IpAddr>) {
        self.telemetry.record_refusal(refusal.reason.label());
        let now = self.now();
        if refusal.reason.is_of_body() {
            self.log_unreadable(refusal, push.as_ref(), address, now);
        }
        let key = push.as_ref().map(|push| &push.key);
        self.activity
            .refused
            .add(RefusedPush::new(now, refusal, address, key));
        if let Some(push) = push {
            self.record_refusal_of(push, refusal);
        }
    }

    /// Books what a refused push means for one group.
    ///
    /// A group that does not exist gets no history: whoever pushes nonsense to ever new groups would push that of others
    /// out. Nor does one that the sender had no right to push to: its history is not theirs to write.
    pub fn record_refusal_of(&self, push: Pushed, refusal: &Refusal) {
        if refusal.reason.lacks().is_none() && self.store.has_group(&push.key) {
            self.activity.refused(push, refusal, self.now());
        }
    }

    /// Logs that a body could not be read. Pushes that contradict something are logged where that is found.
    fn log_unreadable(
        &self,
        refusal: &Refusal,
        push: Option<&Pushed>,
        address: Option<IpAddr>,
        now: UnixNanos,
    ) {
        let Some(left_out) = self.activity.refusal_log.turn(now) else {
            return;
        };
        let err = refusal.text.lines().next().unwrap_or_default();
        let group = push.map(|push| push.key.brief());
        let method = push.map(|push| method(push.mode).as_str());
        let source = address.map(|address| address.to_string());
        let not_logged = (left_out > 0).then_some(left_out);
        tracing::warn!(
            method,
            source,
            group,
            err,
            not_logged,
            "a pushed body could not be read"
        );
    }
}
