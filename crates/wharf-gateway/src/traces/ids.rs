//! The numbers of traces and of their spans.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::request_id::{random_number, scattered};

/// The number of a trace, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// The number of a span, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// Its last eight bytes, which say whether it is sampled.
    pub(super) fn low(self) -> u64 {
        let low = self.0.last_chunk();
        low.map_or(0, |low| u64::from_be_bytes(*low))
    }
}

/// As in headers and logs: 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Makes numbers that look random, and of which no two of a process are the same.
#[derive(Debug)]
pub(super) struct Ids {
    next: AtomicU64,
    salts: [u64; 3],
}

impl Default for Ids {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(random_number()),
            salts: [random_number(), random_number(), random_number()],
        }
    }
}

impl Ids {
    pub(super) fn trace(&self) -> TraceId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let [high, low, _] = self.salts.map(|salt| u128::from(scattered(number ^ salt)));
        TraceId((high << 64 | low).max(1).to_be_bytes())
    }

    pub(super) fn span(&self) -> SpanId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let [.., salt] = self.salts;
        SpanId(scattered(number ^ salt).max(1).to_be_bytes())
    }
}
