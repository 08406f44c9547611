//! What a connection is doing, and since when: the reason of every end that its client has not asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Version;

/// What a reader has to take of an answer, on average. Who takes less holds a place that others wait for, with an answer in
/// memory that may be large.
const MIN_READ_BYTES_PER_SECOND: u64 = 64 << 10;
/// From this time on.
const MIN_READ_AFTER: Duration = Duration::from_secs(30);
/// For a reader that takes nothing.
const STALL_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// A connection stays open for so long after the time that its client was told. So a client that goes by what it was told
/// never sends while the connection is being closed.
const IDLE_SLACK: Duration = Duration::from_secs(1);

/// For how long a connection must have had no request before it can be asked to give way. Honest clients send one as soon as
/// they have connected ...
const MIN_SILENT: Duration = Duration::from_millis(100);
/// ... and many send the next one soon after an answer, or the rest of a head soon after its beginning.
const MIN_IDLE: Duration = Duration::from_secs(1);

/// What a connection may take its time for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// For a request's head, from its first byte on.
    pub(crate) head: Duration,
    /// Between two requests; none: for ever.
    pub(crate) idle: Option<Duration>,
}

impl Timeouts {
    /// The seconds that a client is told: whole ones, and at least one, since many clients take 0 for "for ever".
    pub(crate) fn announced(&self) -> Option<u64> {
        self.idle.map(|idle| idle.as_secs().max(1))
    }

    /// When an idle connection is closed.
    fn closes_after(&self) -> Option<Duration> {
        let idle = self.idle?.max(Duration::from_secs(1));
        Some(idle.saturating_add(IDLE_SLACK))
    }
}

/// Why a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// An answer, or a stream of events.
    Reader,
    Head,
    Idle,
}

impl Overdue {
    /// For the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "an answer is read too slowly",
            Self::Head => "request head took too long",
            Self::Idle => "idle for too long",
        }
    }
}

/// A connection without a request. The order is that in which they give way: first those that have never had one, so that
/// whoever connects and says nothing does not drive out who pushes, and then those that have had none for the longest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Idle {
    was_used: bool,
    /// In microseconds from the epoch.
    since: u64,
}

impl Idle {
    /// Whether there has ever been a request.
    pub(crate) fn was_used(self) -> bool {
        self.was_used
    }
}

/// What a connection is doing, and since when.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Of all connections, so that their times can be compared.
    epoch: Instant,
    /// Requests being handled.
    in_flight: AtomicUsize,
    /// Bodies of answers on their way, and streams of events.
    sending: AtomicUsize,
    following: AtomicUsize,
    /// Microseconds from the epoch to the beginning of the sending, and the bytes that have gone out since then.
    sending_since: AtomicU64,
    sent_bytes: AtomicU64,
    /// Some bytes of a request's head have come, or a handshake has begun.
    reading_head: AtomicBool,
    /// Microseconds from the epoch to the last byte that moved; while a head is read, to its first byte.
    since: AtomicU64,
    /// There has been a request.
    was_used: AtomicBool,
    /// HTTP/2 connections have frames without requests, so heads are not timed there.
    is_http2: AtomicBool,
}

impl Progress {
    /// A connection begins.
    pub(crate) fn new(epoch: Instant) -> Self {
        let progress = Self {
            epoch,
            in_flight: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            following: AtomicUsize::new(0),
            sending_since: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            reading_head: AtomicBool::new(false),
            since: AtomicU64::new(0),
            was_used: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
        };
        progress.touch();
        progress
    }

    /// Microseconds from the epoch.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn touch(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    /// A handshake begins.
    pub(crate) fn begin_handshake(&self) {
        self.reading_head.store(true, Ordering::Relaxed);
    }

    /// Requests may come.
    pub(crate) fn open(&self, is_http2: bool) {
        self.is_http2.store(is_http2, Ordering::Relaxed);
        self.reading_head.store(false, Ordering::Relaxed);
        self.touch();
    }

    /// Some bytes have come.
    pub(crate) fn bytes_read(&self) {
        if self.in_flight.load(Ordering::Relaxed) == 0 && !self.reading_head.swap(true, Ordering::Relaxed) {
            self.touch();
        }
    }

    /// The head of a request has come.
    pub(crate) fn begin(self: &Arc<Self>, version: Version) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.reading_head.store(false, Ordering::Relaxed);
        self.was_used.store(true, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        InFlight(Arc::clone(self))
    }

    /// Some bytes have gone out, which were there at this time.
    pub(crate) fn wrote(&self, bytes: usize, since: u64) {
        self.since.store(since, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
    }

    /// Whether a request is under way: it is being handled, or its answer is being sent.
    pub(crate) fn is_busy(&self) -> bool {
        let counts = [&self.in_flight, &self.sending, &self.following];
        counts.iter().any(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// Whether a part of a request's head has come.
    pub(crate) fn is_reading_head(&self) -> bool {
        self.reading_head.load(Ordering::Relaxed) && !self.is_http2()
    }

    /// For how long there has been no request, if that is long enough to give way to another connection.
    pub(crate) fn idle(&self) -> Option<Idle> {
        let was_used = self.was_used.load(Ordering::Relaxed);
        let since = self.since.load(Ordering::Relaxed);
        let enough = if was_used || self.is_reading_head() {
            MIN_IDLE
        } else {
            MIN_SILENT
        };
        (!self.is_busy() && self.elapsed(since) >= enough).then_some(Idle { was_used, since })
    }

    /// Whether there has been no request yet, and it is too early to wonder.
    pub(crate) fn is_new(&self) -> bool {
        !self.was_used.load(Ordering::Relaxed) && !self.is_busy() && self.idle().is_none()
    }

    /// For tests of those who ask for [`Self::idle`].
    #[cfg(test)]
    pub(crate) fn set_idle_since(&self, since: u64) {
        self.since.store(since, Ordering::Relaxed);
    }

    /// How long ago a time is that was kept in microseconds from the epoch.
    fn elapsed(&self, since: u64) -> Duration {
        Duration::from_micros(self.now().saturating_sub(since))
    }

    /// Whether an answer goes out too slowly, be it that its reader takes nothing or a byte now and then.
    fn is_read_too_slowly(&self, patience: Duration) -> bool {
        if self.sending.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let elapsed = self.elapsed(self.sending_since.load(Ordering::Relaxed));
        let expected = elapsed.as_secs().saturating_mul(MIN_READ_BYTES_PER_SECOND);
        elapsed > patience && self.sent_bytes.load(Ordering::Relaxed) < expected
    }

    /// Whether, and why, the connection has taken too long for something.
    pub(crate) fn overdue(&self, timeouts: Timeouts) -> Option<Overdue> {
        // Whatever else goes on: over HTTP/2 there may always be another request.
        let patience = timeouts.idle.unwrap_or(MIN_READ_AFTER).min(MIN_READ_AFTER);
        if self.is_read_too_slowly(patience) {
            return Some(Overdue::Reader);
        }
        let since = self.elapsed(self.since.load(Ordering::Relaxed));
        if self.is_busy() {
            let is_handled = self.in_flight.load(Ordering::Relaxed) > 0;
            // Events come now and then. Of an answer something has to go out all the time.
            let timeout = match timeouts.idle {
                Some(idle) if self.following.load(Ordering::Relaxed) == 0 => idle.min(STALL_TIMEOUT),
                _ => STALL_TIMEOUT,
            };
            return (!is_handled && since > timeout).then_some(Overdue::Reader);
        }
        if self.is_reading_head() && since > timeouts.head {
            return Some(Overdue::Head);
        }
        let is_idle = timeouts.closes_after().is_some_and(|limit| since > limit);
        is_idle.then_some(Overdue::Idle)
    }
}

/// A request being handled, until it is dropped.
pub(crate) struct InFlight(Arc<Progress>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.touch();
    }
}

/// The body of an answer on its way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Sending(Arc<Progress>);

impl Sending {
    pub(crate) fn new(progress: &Arc<Progress>) -> Self {
        if progress.sending.fetch_add(1, Ordering::Relaxed) == 0 {
            progress.sending_since.store(progress.now(), Ordering::Relaxed);
            progress.sent_bytes.store(0, Ordering::Relaxed);
        }
        Self(Arc::clone(progress))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream of events, until it is dropped. It has no end and little to say, so it need not be read at a rate.
#[derive(Debug)]
pub(crate) struct Following(Arc<Progress>);

impl Following {
    pub(crate) fn new(progress: &Arc<Progress>) -> Self {
        progress.following.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(progress))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.following.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOR_EVER: Timeouts = Timeouts {
        head: Duration::from_millis(200),
        idle: None,
    };
    const LONG: Timeouts = Timeouts {
        idle: Some(Duration::from_secs(500)),
        ..FOR_EVER
    };

    /// A connection on which nothing has happened since it began, so many seconds ago.
    fn connection(seconds_ago: u64) -> Arc<Progress> {
        let ago = Duration::from_secs(seconds_ago);
        let progress = Progress::new(Instant::now().checked_sub(ago).unwrap());
        progress.since.store(0, Ordering::Relaxed);
        Arc::new(progress)
    }

    #[test]
    fn a_head_is_timed_from_its_first_byte_and_a_request_not_at_all() {
        let progress = connection(100);
        assert_eq!(progress.overdue(LONG), None);
        progress.reading_head.store(true, Ordering::Relaxed);
        assert_eq!(progress.overdue(LONG), Some(Overdue::Head));
        assert_eq!(progress.overdue(FOR_EVER), Some(Overdue::Head));
        let request = progress.begin(Version::HTTP_11);
        assert_eq!(progress.overdue(LONG), None);
        drop(request);
        assert_eq!(progress.overdue(LONG), None);
    }

    #[test]
    fn a_silent_connection_is_closed_only_if_there_is_a_timeout() {
        let progress = connection(1_000_000);
        assert_eq!(progress.overdue(FOR_EVER), None);
        assert_eq!(progress.overdue(LONG), Some(Overdue::Idle));
        progress.touch();
        assert_eq!(progress.overdue(LONG), None);
    }

    #[test]
    fn a_connection_outlives_what_its_client_was_told() {
        for (idle_ms, announced, alive, closed) in [
            (0, 1, 1, 3),
            (200, 1, 1, 3),
            (1_999, 1, 2, 4),
            (2_000, 2, 2, 4),
            (300_000, 300, 300, 302),
        ] {
            let timeouts = Timeouts {
                idle: Some(Duration::from_millis(idle_ms)),
                ..FOR_EVER
            };
            assert_eq!(timeouts.announced(), Some(announced), "{idle_ms}");
            assert_eq!(connection(alive).overdue(timeouts), None, "{idle_ms}");
            let found = connection(closed).overdue(timeouts);
            assert_eq!(found, Some(Overdue::Idle), "{idle_ms}");
        }
        assert_eq!(FOR_EVER.announced(), None);
    }

    #[test]
    fn an_answer_has_to_be_read_at_a_rate() {
        let progress = connection(100);
        let sending = Sending::new(&progress);
        let began = |seconds_ago: u64| {
            let now = progress.now();
            progress
                .sending_since
                .store(now - 1_000_000 * seconds_ago - 1, Ordering::Relaxed);
            progress.touch();
            progress.overdue(FOR_EVER)
        };
        let slow = Some(Overdue::Reader);
        assert_eq!(began(20), None);
        assert_eq!(began(40), slow);
        progress.wrote((40 * 64) << 10, progress.now());
        assert_eq!(began(40), None);
        assert_eq!(began(60), slow);
        // Also while there is a request.
        let request = progress.begin(Version::HTTP_2);
        assert_eq!(began(60), slow);
        drop((request, sending));
        assert_eq!(began(60), None);
        let _next = Sending::new(&progress);
        assert_eq!(progress.sent_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(progress.overdue(LONG), None);
    }

    #[test]
    fn an_answer_has_to_move_whatever_was_read_of_it() {
        for (seconds, timeouts, expected) in [
            (290, FOR_EVER, None),
            (310, FOR_EVER, Some(Overdue::Reader)),
            (310, LONG, Some(Overdue::Reader)),
            (
                8,
                Timeouts {
                    idle: Some(Duration::from_secs(7)),
                    ..FOR_EVER
                },
                Some(Overdue::Reader),
            ),
        ] {
            let progress = connection(seconds);
            let _sending = Sending::new(&progress);
            progress.sent_bytes.store(1 << 40, Ordering::Relaxed);
            assert_eq!(progress.overdue(timeouts), expected, "{seconds}");
        }
    }

    #[test]
    fn a_reader_of_events_has_to_take_something_every_five_minutes() {
        for (seconds, expected) in [(290, None), (310, Some(Overdue::Reader))] {
            let progress = connection(seconds);
            let _following = Following::new(&progress);
            assert_eq!(progress.overdue(FOR_EVER), expected, "{seconds}");
            assert_eq!(
                progress.overdue(Timeouts {
                    idle: Some(Duration::from_secs(1)),
                    ..FOR_EVER
                }),
                expected
            );
            let request = progress.begin(Version::HTTP_2);
            assert_eq!(progress.overdue(FOR_EVER), None, "{seconds}");
            drop(request);
            assert_eq!(progress.overdue(FOR_EVER), None, "{seconds}");
        }
    }

    #[test]
    fn frames_of_http2_are_no_request_head() {
        let progress = connection(100);
        drop(progress.begin(Version::HTTP_2));
        progress.since.store(0, Ordering::Relaxed);
        progress.reading_head.store(true, Ordering::Relaxed);
        assert_eq!(progress.overdue(LONG), None);
    }

    #[test]
    fn a_connection_without_a_request_can_give_way_after_a_moment() {
        let progress = connection(10);
        let is_idle = |ms_ago: u64, is_head: bool| {
            let since = progress.now() - 1000 * ms_ago;
            progress.since.store(since, Ordering::Relaxed);
            progress.reading_head.store(is_head, Ordering::Relaxed);
            progress.idle().is_some()
        };
        assert_eq!([is_idle(0, false), is_idle(500, false)], [false, true]);
        assert_eq!([is_idle(500, true), is_idle(1500, true)], [false, true]);
        let request = progress.begin(Version::HTTP_11);
        let sending = Sending::new(&progress);
        assert!(!is_idle(5000, false));
        drop(request);
        assert!(!is_idle(5000, false));
        drop(sending);
        assert_eq!([is_idle(500, false), is_idle(1500, false)], [false, true]);
    }

    #[test]
    fn those_that_were_never_used_give_way_first() {
        let idle = |was_used: bool, since: u64| Idle { was_used, since };
        let order = [idle(false, 5), idle(false, 8), idle(true, 1), idle(true, 2)];
        assert!(order.is_sorted());
    }
}
