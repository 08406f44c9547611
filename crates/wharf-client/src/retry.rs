//! When to try again, and when not.

use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::ClientError;

/// For how long a request is repeated, and how the pauses between the attempts grow.
///
/// Each pause is a random part of a bound that doubles (full jitter), so that a thousand jobs that a gateway's
/// restart has thrown out do not come back in step. A gateway that says how long to wait (`Retry-After`) is heeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// No attempt begins later than this after the first one; zero is one attempt.
    pub within: Duration,
    /// The longest that the first pause can be.
    pub first_pause: Duration,
    /// The longest that any pause can be, but for one that the gateway asks for.
    pub longest_pause: Duration,
}

impl Retry {
    /// Attempts for so long, with pauses of up to half a second at first and up to 10 seconds later.
    pub const fn within(within: Duration) -> Self {
        Self {
            within,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(10),
        }
    }

    /// Begins to count the time.
    pub fn start(self) -> Schedule {
        Schedule {
            deadline: Instant::now().checked_add(self.within),
            bound: self.first_pause.min(self.longest_pause),
            longest_pause: self.longest_pause,
        }
    }
}

/// The pauses of a request that is being repeated.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// None if it lies beyond what the clock can tell.
    deadline: Option<Instant>,
    bound: Duration,
    longest_pause: Duration,
}

impl Schedule {
    /// How long to wait after this error before the next attempt; nothing if there should be none.
    ///
    /// There is none after an error that a repetition cannot cure, after the deadline, or if the gateway wants to be
    /// left alone until then.
    pub fn pause_after(&mut self, error: &ClientError) -> Option<Duration> {
        if !error.is_transient() {
            return None;
        }
        let now = Instant::now();
        let left = match self.deadline {
            Some(deadline) => deadline.checked_duration_since(now)?,
            None => Duration::MAX,
        };
        let pause = random_part(self.bound);
        self.bound = self.bound.saturating_mul(2).min(self.longest_pause);
        match error.retry_after() {
            Some(asked) => Some(asked.saturating_add(pause)).filter(|_| asked <= left),
            // The last attempt is at the deadline, not some seconds before it.
            None => Some(pause.min(left)).filter(|_| !left.is_zero()),
        }
    }
}

fn random_part(bound: Duration) -> Duration {
    let mut bytes = [0; 4];
    // Without random numbers the pause is what it would be without jitter.
    let random = match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u32::from_le_bytes(bytes),
        Err(_) => u32::MAX,
    };
    bound.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> ClientError {
        ClientError::Refused {
            status,
            message: String::new(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let hour = Retry::within(Duration::from_secs(3600));
        for status in [408, 429, 502, 503, 504] {
            assert!(
                hour.start().pause_after(&answered(status, None)).is_some(),
                "{status}"
            );
        }
        for status in [400, 404, 405, 413, 415, 500] {
            assert_eq!(
                hour.start().pause_after(&answered(status, None)),
                None,
                "{status}"
            );
        }
    }

    #[test]
    fn pauses_stay_below_a_bound_that_doubles_up_to_the_longest() {
        let mut schedule = Retry::within(Duration::from_secs(3600)).start();
        for bound in [500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            let pause = schedule.pause_after(&answered(503, None)).unwrap();
            assert!(pause <= Duration::from_millis(bound), "{pause:?} of {bound} ms");
        }
    }

    #[test]
    fn a_gateway_that_says_how_long_is_heeded_within_the_bound() {
        let minute = Retry::within(Duration::from_secs(60));
        let pause = minute.start().pause_after(&answered(503, Some(30))).unwrap();
        assert!(pause >= Duration::from_secs(30), "{pause:?}");
        assert_eq!(minute.start().pause_after(&answered(503, Some(3600))), None);
    }

    #[test]
    fn no_time_is_one_attempt() {
        let once = Retry::within(Duration::ZERO);
        assert_eq!(once.start().pause_after(&answered(503, None)), None);
    }

    #[test]
    fn there_is_no_overflow_in_a_very_long_time() {
        let mut schedule = Retry::within(Duration::MAX).start();
        assert!(schedule.pause_after(&answered(503, None)).is_some());
    }
}
