//! Waiting with a deadline: the alternative to sleeping and hoping.

use std::time::{Duration, Instant};

/// How long anything in a test may take before the test fails. Generous, since tests share slow machines.
pub const DEADLINE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(5);

/// Polls `probe` until it returns something.
///
/// After [`DEADLINE`] the test fails, and `what` says what it was waiting for.
#[track_caller]
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        std::thread::sleep(PAUSE);
    }
}
