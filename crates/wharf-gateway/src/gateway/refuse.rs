//! Booking pushes that were not stored.

use crate::activity::refused::RefusedPush;
use crate::activity::{Pushed, method};
use crate::gateway::Gateway;
use crate::refusal::Refusal;
use crate::source::Source;

impl Gateway {
    /// Books a push that was not stored; without a group if it names none, or several.
    pub fn refuse(&self, source: &Source, push: Option<Pushed>, refusal: &Refusal) {
        self.book_refusal(source, push, refusal);
        self.book_request(source, false);
    }

    /// Books a push for which there was no place at all. It counts for nothing in the last hour: it took no time.
    pub fn refuse_unheard(&self, source: &Source, push: Option<Pushed>, refusal: &Refusal) {
        self.book_refusal(source, push, refusal);
    }

    /// Books a request to push in the last hour.
    pub fn book_request(&self, source: &Source, is_stored: bool) {
        let ended = self.instant();
        let duration = ended.saturating_duration_since(source.began);
        self.activity
            .hour
            .push(is_stored, source.request_bytes, ended, duration);
    }

    pub(super) fn book_refusal(&self, source: &Source, push: Option<Pushed>, refusal: &Refusal) {
        self.telemetry.record_refusal(refusal.reason.label());
        if refusal.reason.is_of_effort() {
            self.telemetry.record_stopped(refusal.reason.label());
        }
        self.log_refusal(source, push.as_ref(), refusal);
        if let Some(trace) = &source.trace {
            trace.note("wharf.refusal", refusal.reason.label());
        }
        let key = push.as_ref().map(|push| &push.key);
        let refused = RefusedPush::new(self.now(), refusal, source, key);
        self.activity.refused.add(refused);
        if let Some(push) = push {
            self.refuse_group(push, refusal);
        }
    }

    /// Books what a refused push means for one group.
    ///
    /// A group that does not exist gets no history: whoever pushes nonsense to ever new groups would push that of others
    /// out. Nor does one that the sender had no right to push to: its history is not theirs to write.
    pub(super) fn refuse_group(&self, push: Pushed, refusal: &Refusal) {
        if refusal.reason.lacks().is_none() && self.store.has_group(&push.key) {
            // What was settled before comes before it in the history; a change that still waits for the disk comes after it.
            self.follow();
            self.activity.refused(push, refusal, self.now());
        }
    }

    /// Logs that a push was refused: with a warning as long as there are few of them, and otherwise for those who have asked for
    /// everything. Pushes that contradict something are logged where that is found.
    fn log_refusal(&self, source: &Source, push: Option<&Pushed>, refusal: &Refusal) {
        let reason = refusal.reason;
        if reason.is_of_content() {
            return;
        }
        let (log, message) = if reason.is_of_body() {
            (&self.activity.unreadable_log, "a pushed body could not be read")
        } else {
            (&self.activity.refusal_log, "a push was refused")
        };
        let turn = log.turn(self.now());
        let level_is_on = turn.is_some() || tracing::enabled!(tracing::Level::DEBUG);
        if !level_is_on {
            return;
        }
        let err = refusal.text.lines().next().unwrap_or_default();
        let reason = reason.label();
        let group = push.map(|push| push.key.brief());
        let method = push.map(|push| method(push.mode).as_str());
        let (request_id, trace_id) = (source.request_id.to_string(), source.trace_id());
        let source = source.address().map(|address| address.to_string());
        let not_logged = turn.filter(|left_out| *left_out > 0);
        // The level of an event has to be known where it is written down.
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    method,
                    source,
                    group,
                    err,
                    reason,
                    request_id,
                    trace_id,
                    not_logged,
                    "{message}"
                )
            };
        }
        if turn.is_some() {
            log!(warn);
        } else {
            log!(debug);
        }
    }
}
