//! How many parts were added up, for the metrics of prom-aggregation-gateway.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Jobs whose pushes are counted for themselves. Those of others are counted together: clients name jobs as they like.
const MAX_JOBS: usize = 1_000;
/// The job of those.
const OTHERS: &str = "other";

/// Pushes that were added up, by the job that their paths name.
#[derive(Debug, Default)]
pub(crate) struct Pushes(Mutex<BTreeMap<String, u64>>);

impl Pushes {
    pub(super) fn count(&self, job: &str) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let job = if jobs.len() < MAX_JOBS || jobs.contains_key(job) {
            job
        } else {
            OTHERS
        };
        match jobs.get_mut(job) {
            Some(pushes) => *pushes += 1,
            None => drop(jobs.insert(job.to_owned(), 1)),
        }
    }

    pub(super) fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted_for_themselves_up_to_a_number() {
        let pushes = Pushes::default();
        for job in 0..2 * MAX_JOBS {
            pushes.count(&job.to_string());
            pushes.count("0");
        }
        let all = pushes.all();
        assert_eq!(all.len(), MAX_JOBS + 1);
        assert_eq!(all["0"], 2 * MAX_JOBS as u64 + 1);
        assert_eq!(all[OTHERS], MAX_JOBS as u64);
    }
}
