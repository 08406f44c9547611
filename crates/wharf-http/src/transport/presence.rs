//! Whether the client is still there whose request takes long.
//!
//! Over HTTP/1 a client that has asked may close its half of the connection, and listen: its answer comes as to others. But a
//! client that is gone looks the same to us, until something is sent to it. So whoever does work that may take long watches:
//! a client that has closed its half is waited for a moment, and then taken to be gone. What has come from it and has not been
//! read yet hides nothing: the system is asked about the connection, not about bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// For how long whoever has closed one half of the connection may wait for an answer that takes long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the other side is, as far as the system knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherSide {
    /// It may send.
    Open,
    /// It sends nothing more, and may listen.
    HalfClosed,
    /// It is gone.
    Closed,
}

/// Whether the client of a connection is still there.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// How many want to know.
    watchers: AtomicUsize,
    /// Microseconds of [`crate::transport::progress::Progress::now`] since when one half is closed; 0: it is open.
    half_closed_since: AtomicU64,
    is_gone: AtomicBool,
    changed: Notify,
}

impl Presence {
    /// Whether somebody wants to know.
    pub(crate) fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Watches until the client has gone.
    pub(crate) async fn gone(self: Arc<Self>) {
        let _watching = Watching::new(&self);
        loop {
            let changed = self.changed.notified();
            if self.is_gone.load(Ordering::Relaxed) {
                return;
            }
            changed.await;
        }
    }

    /// Notes how the other side is, in microseconds from the epoch.
    pub(crate) fn note(&self, other_side: OtherSide, now: u64) {
        let is_gone = match other_side {
            OtherSide::Open => false,
            OtherSide::Closed => true,
            OtherSide::HalfClosed => {
                let since = &self.half_closed_since;
                let before = since.compare_exchange(0, now.max(1), Ordering::Relaxed, Ordering::Relaxed);
                before.is_err_and(|since| Duration::from_micros(now.saturating_sub(since)) >= PATIENCE)
            }
        };
        if is_gone {
            self.is_gone.store(true, Ordering::Relaxed);
            self.changed.notify_waiters();
        }
    }
}

/// Somebody who wants to know.
struct Watching<'p>(&'p Presence);

impl<'p> Watching<'p> {
    fn new(presence: &'p Presence) -> Self {
        presence.watchers.fetch_add(1, Ordering::Relaxed);
        Self(presence)
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;

    fn is_gone(gone: &mut Pin<&mut impl Future<Output = ()>>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        gone.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn a_client_that_closes_its_half_is_waited_for_a_moment() {
        let presence = Arc::new(Presence::default());
        assert!(!presence.is_watched());
        {
            let mut gone = pin!(Arc::clone(&presence).gone());
            assert!(!is_gone(&mut gone) && presence.is_watched());
            for (other_side, seconds, expected) in [
                (OtherSide::Open, 10, false),
                (OtherSide::HalfClosed, 20, false),
                (OtherSide::HalfClosed, 21, false),
                (OtherSide::HalfClosed, 22, true),
            ] {
                presence.note(other_side, seconds * 1_000_000);
                assert_eq!(is_gone(&mut gone), expected, "{seconds}");
            }
        }
        assert!(!presence.is_watched());
    }

    #[test]
    fn a_client_that_is_gone_is_gone_at_once() {
        let presence = Arc::new(Presence::default());
        presence.note(OtherSide::Closed, 0);
        assert!(is_gone(&mut pin!(Arc::clone(&presence).gone())));
    }
}
