//! Groups whose time is over.

use wharf_store::Expired;

use crate::gateway::Gateway;

impl Gateway {
    /// Takes groups away whose time is over, and what was kept for scrapes that do not come any more. To be called many times a
    /// second, from one thread, once the store is loaded; costs what expires.
    pub fn expire(&self) {
        let now = self.now();
        self.store.forget_unasked_forms(self.instant());
        self.store.forget_push_ids(now);
        self.ahead.watch(&self.store, now);
        match self.store.expire(now) {
            Ok(expired) if expired == Expired::default() => {}
            Ok(Expired { deleted, kept_times }) => {
                let gone = deleted.len();
                self.telemetry.record_expired(gone as u64, kept_times as u64);
                tracing::info!(groups = gone + kept_times, kept_times, "groups expired");
            }
            // The disk takes nothing; that is in the log already, and they expire when it does again.
            Err(error) => tracing::debug!(err = %error, "groups cannot expire now"),
        }
        match self.store.expire_series(now) {
            Ok(0) => {}
            Ok(groups) => tracing::info!(groups, "series of groups expired"),
            Err(error) => tracing::debug!(err = %error, "series cannot expire now"),
        }
    }
}
