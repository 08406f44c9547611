//! Forgetting the history of a log that is ours alone, so that neither its disk nor its memory grows with pushes.
//!
//! One replica does it, the one that lets groups expire. What every replica that is there has seen already is forgotten, but for a
//! minute of it, and for what a wipe took that is still to be written; what is older than ten minutes is forgotten too, whoever has not
//! seen it: that one loads everything anew.

use std::collections::VecDeque;
use std::time::Duration;

use wharf_shared_log::{Revision, SharedLog, Timer, timeout};

use super::queue::Shared;

/// How often.
const EVERY: Duration = Duration::from_secs(30);
/// For how long history is kept that all have seen: a replica that starts is not there yet.
const KEPT: Duration = Duration::from_secs(60);
/// For how long it is kept for one that is behind.
const LONGEST: Duration = Duration::from_secs(600);

/// When memory had which revision.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    marks: VecDeque<(Duration, Revision)>,
    last: Option<Duration>,
}

impl Compaction {
    /// Takes note of where memory is, and says up to where history may be forgotten now, if it is time for that.
    fn due(&mut self, now: Duration, own: Revision, slowest: Revision) -> Option<Revision> {
        if self.last.is_some_and(|last| now < last + EVERY) {
            return None;
        }
        self.last = Some(now);
        self.marks.push_back((now, own));
        let before = |age: Duration| {
            let old = self.marks.iter().rev().find(|(at, _)| *at + age <= now);
            old.map(|(_, revision)| *revision)
        };
        let (seen, oldest) = (before(KEPT), before(LONGEST));
        while self
            .marks
            .front()
            .is_some_and(|(at, _)| *at + LONGEST + EVERY < now)
        {
            self.marks.pop_front();
        }
        let seen = seen.map(|seen| seen.min(slowest));
        seen.max(oldest).filter(|at| at.0 > 0)
    }

    /// Lets the log forget what it may, if it is time for that.
    pub(super) async fn run<L: SharedLog>(&mut self, shared: &Shared, log: &L, timer: &impl Timer) {
        let own = shared.book().applied();
        let slowest = shared.replicas().slowest().unwrap_or(own);
        // A wipe that is being written needs its history as a replica would that is behind.
        let needed = shared.kept().oldest_needed().unwrap_or(slowest);
        if let Some(at) = self.due(timer.now(), own, slowest.min(needed)) {
            // What has not worked is done the next time.
            drop(timeout(timer, shared.sharing.answer_limit, log.compact(at)).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_have_seen_goes_after_a_minute_and_the_rest_after_ten() {
        let mut compaction = Compaction::default();
        let mut due = |second: u64, own: u64, slowest: u64| {
            compaction
                .due(Duration::from_secs(second), Revision(own), Revision(slowest))
                .map(|at| at.0)
        };
        assert_eq!(due(0, 10, 10), None);
        assert_eq!(due(29, 20, 20), None);
        assert_eq!(due(30, 20, 20), None);
        assert_eq!(due(60, 30, 30), Some(10));
        assert_eq!(due(90, 40, 15), Some(15));
        for step in 4..20 {
            assert_eq!(due(step * 30, 100 + step, 15), Some(15), "{step}");
        }
        // Ten minutes after the first, that one goes whoever has not seen it, and so on.
        assert_eq!(due(600, 200, 5), Some(10));
        assert_eq!(due(630, 200, 5), Some(20));
        assert_eq!(due(660, 200, 250), Some(200));
    }
}
