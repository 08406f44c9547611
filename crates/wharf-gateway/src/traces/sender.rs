//! Hands traces over to their exporter: in batches, again if that may help, and for no longer than is worth it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::trace::FinishedTrace;
use crate::activity::RefusalLog;
use crate::gateway::Gateway;

/// How often it is tried to hand some traces over. The pauses between are half a minute altogether.
const MAX_ATTEMPTS: u32 = 6;
/// After the first attempt; after each other one it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No receiver makes us wait for longer: new traces would find no room.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Hands over the traces of a gateway. For one thread, which may block.
#[derive(Debug)]
pub struct TraceSender {
    gateway: Arc<Gateway>,
    /// What was not taken so far.
    kept: Option<Kept>,
    /// Whether the last attempt failed.
    is_failing: bool,
    rejections: RefusalLog,
}

#[derive(Debug)]
struct Kept {
    traces: Vec<FinishedTrace>,
    failures: u32,
    /// Not before.
    again: Instant,
}

impl TraceSender {
    /// For the traces of this gateway.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            kept: None,
            is_failing: false,
            rejections: RefusalLog::default(),
        }
    }

    /// Hands over all that waits, as far as that is possible now. To be called a few times a second.
    pub fn turn(&mut self) {
        let again = self.kept.as_ref().map(|kept| kept.again);
        if again.is_some_and(|again| self.gateway.instant() < again) {
            return;
        }
        while self.next(None) {}
    }

    /// Hands over what waits for the last time, within about this time. What is not taken then is lost.
    pub fn finish(&mut self, within: Duration) {
        let deadline = self.gateway.instant() + within;
        loop {
            let left = deadline.saturating_duration_since(self.gateway.instant());
            if left.is_zero() || !self.next(Some(left)) {
                break;
            }
        }
        let mut lost = self.kept.take().map_or(0, |kept| kept.traces.len());
        loop {
            let more = self.gateway.traces().next_batch().len();
            if more == 0 {
                break;
            }
            lost += more;
        }
        if lost > 0 {
            self.count_lost(lost);
            tracing::warn!(traces = lost, "traces could not be exported before the end");
        }
    }

    /// Tries to hand over one batch, and says whether it is worth to go on at once.
    fn next(&mut self, within: Option<Duration>) -> bool {
        let traces = self.gateway.traces();
        let Some(exporter) = traces.exporter() else {
            return false;
        };
        let (batch, failures) = match self.kept.take() {
            Some(kept) => (kept.traces, kept.failures),
            None => (traces.next_batch(), 0),
        };
        if batch.is_empty() {
            return false;
        }
        let error = match exporter.export(&batch, within) {
            Ok(exported) => {
                traces.exported.fetch_add(batch.len() as u64, Ordering::Relaxed);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("traces are exported again");
                }
                if let Some((spans, err)) = exported.rejected
                    && self.rejections.turn(self.gateway.now()).is_some()
                {
                    tracing::warn!(spans, err, "the receiver of traces has not taken all of them");
                }
                return true;
            }
            Err(error) => error,
        };
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                err = error.text,
                "traces cannot be exported; that is not logged again until they can"
            );
        }
        let failures = failures + 1;
        if !error.is_transient || failures == MAX_ATTEMPTS {
            self.count_lost(batch.len());
            // Where nobody answers, the next ones would have to wait as well.
            return !error.is_transient;
        }
        let pause = error.retry_after.unwrap_or(FIRST_PAUSE * (1 << (failures - 1)));
        self.kept = Some(Kept {
            traces: batch,
            failures,
            again: self.gateway.instant() + pause.min(MAX_PAUSE),
        });
        false
    }

    fn count_lost(&self, traces: usize) {
        let dropped = &self.gateway.traces().dropped_failed;
        dropped.fetch_add(traces as u64, Ordering::Relaxed);
    }
}
