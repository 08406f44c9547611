//! Refused pushes of one kind, in the log: the first ones of each minute, and how many there were beyond. At the level debug all
//! of them are there.
//!
//! Who pushes nonsense in a loop must not fill the disk with it. All of them are counted, and the last hundred listed,
//! elsewhere.

use std::sync::Mutex;

use wharf_store::UnixNanos;

use crate::lock::lock;

/// Lines in a minute.
const MAX_LINES: u32 = 10;
const SPAN_NANOS: i64 = 60_000_000_000;

#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<Span>);

#[derive(Debug, Default)]
struct Span {
    began: UnixNanos,
    lines: u32,
    left_out: u64,
}

impl RefusalLog {
    /// Whether one more is logged now, and how many were not, since the last that was.
    pub(crate) fn turn(&self, now: UnixNanos) -> Option<u64> {
        let mut span = lock(&self.0);
        let age = now.0.saturating_sub(span.began.0);
        // The clock may have been set back.
        if !(0..SPAN_NANOS).contains(&age) {
            *span = Span {
                began: now,
                lines: 0,
                left_out: span.left_out,
            };
        }
        if span.lines < MAX_LINES {
            span.lines += 1;
            return Some(std::mem::take(&mut span.left_out));
        }
        span.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_a_minute_are_logged_and_the_others_counted() {
        let log = RefusalLog::default();
        let at = |seconds: i64| UnixNanos((1_000_000 + seconds) * 1_000_000_000);
        let turns = |seconds| (0..15).map(|_| log.turn(at(seconds))).collect::<Vec<_>>();
        let first = turns(0);
        assert!(first[..10].iter().all(|turn| *turn == Some(0)));
        assert!(first[10..].iter().all(Option::is_none));
        assert_eq!(log.turn(at(59)), None);
        assert_eq!(turns(60)[..2], [Some(6), Some(0)]);
        assert_eq!(log.turn(at(0)), Some(5), "the clock was set back");
    }
}
