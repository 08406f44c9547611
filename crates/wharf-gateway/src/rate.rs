//! How often something may happen: buckets of tokens that fill at a steady rate.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many in a second, on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Above 0, and finite.
    pub per_second: f64,
    /// How many at once after a pause; at least 1.
    pub burst: u32,
}

impl Eq for Rate {}

/// Buckets that are told apart by a key. When there are too many, keys without one share one, until buckets that
/// have filled up again are thrown away.
const MAX_BUCKETS: usize = 1 << 16;
/// Throwing them away looks at all of them, so it is not done more often.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Counts by a [`Rate`], for each key alone.
#[derive(Debug)]
pub(crate) struct TokenBuckets {
    rate: Rate,
    /// Nobody outside can make two keys share a bucket.
    hasher: RandomState,
    inner: Mutex<Inner>,
}

/// What stands for a key. Keys themselves may be long, and come from anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BucketId(Option<u64>);

/// The bucket of keys that have none of their own.
const SHARED: BucketId = BucketId(None);

#[derive(Debug)]
struct Inner {
    buckets: HashMap<BucketId, Bucket>,
    swept_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl TokenBuckets {
    /// Full buckets.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            hasher: RandomState::new(),
            inner: Mutex::new(Inner {
                buckets: HashMap::new(),
                swept_at: now,
            }),
        }
    }

    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// The bucket of a key.
    pub(crate) fn id(&self, key: impl Hash) -> BucketId {
        BucketId(Some(self.hasher.hash_one(key)))
    }

    /// Takes a token of a bucket, or says after which time there is one.
    pub(crate) fn take(&self, id: BucketId, now: Instant) -> Result<(), Duration> {
        let mut inner = self.lock();
        let bucket = inner.bucket(id, self.rate, now);
        bucket.fill(self.rate, now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let seconds = (1.0 - bucket.tokens) / self.rate.per_second;
        Err(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Gives a token back that was taken for nothing.
    pub(crate) fn give_back(&self, id: BucketId) {
        if let Some(bucket) = self.lock().buckets.get_mut(&id) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.rate.burst));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn bucket(&mut self, id: BucketId, rate: Rate, now: Instant) -> &mut Bucket {
        let mut id = id;
        if !self.buckets.contains_key(&id) && self.buckets.len() >= MAX_BUCKETS {
            if now.saturating_duration_since(self.swept_at) >= SWEEP_PAUSE {
                self.swept_at = now;
                self.buckets.retain(|_, bucket| {
                    bucket.fill(rate, now);
                    bucket.tokens < f64::from(rate.burst)
                });
            }
            if self.buckets.len() >= MAX_BUCKETS {
                id = SHARED;
            }
        }
        self.buckets.entry(id).or_insert(Bucket {
            tokens: f64::from(rate.burst),
            at: now,
        })
    }
}

impl Bucket {
    fn fill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate.per_second).min(f64::from(rate.burst));
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_the_rate_holds() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let rate = Rate {
            per_second: 2.0,
            burst: 3,
        };
        let buckets = TokenBuckets::new(rate, start);
        let taken = (0..10)
            .filter(|_| buckets.take(buckets.id(b""), start).is_ok())
            .count();
        assert_eq!(taken, 3);
        assert_eq!(
            buckets.take(buckets.id(b""), after(100)),
            Err(Duration::from_millis(400))
        );
        assert_eq!(buckets.take(buckets.id(b""), after(500)), Ok(()));
        assert!(buckets.take(buckets.id(b""), after(500)).is_err());
        // A pause fills the bucket, and not beyond its rim.
        let taken = (0..10)
            .filter(|_| buckets.take(buckets.id(b""), after(60_000)).is_ok())
            .count();
        assert_eq!(taken, 3);
    }

    const SLOW: Rate = Rate {
        per_second: 1.0,
        burst: 1,
    };

    #[test]
    fn a_clock_that_stands_still_gives_nothing() {
        let earlier = Instant::now();
        let start = earlier + Duration::from_secs(10);
        let buckets = TokenBuckets::new(SLOW, start);
        assert_eq!(buckets.take(buckets.id(b""), start), Ok(()));
        assert!(buckets.take(buckets.id(b""), earlier).is_err());
        assert!(buckets.take(buckets.id(b""), start).is_err());
    }

    #[test]
    fn each_key_has_a_bucket_of_its_own() {
        let now = Instant::now();
        let buckets = TokenBuckets::new(SLOW, now);
        assert_eq!(buckets.take(buckets.id(b"a"), now), Ok(()));
        assert!(buckets.take(buckets.id(b"a"), now).is_err());
        assert_eq!(buckets.take(buckets.id(b"b"), now), Ok(()));
        buckets.give_back(buckets.id(b"a"));
        assert_eq!(buckets.take(buckets.id(b"a"), now), Ok(()));
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let start = Instant::now();
        let buckets = TokenBuckets::new(SLOW, start);
        for key in 0..MAX_BUCKETS {
            assert_eq!(buckets.take(buckets.id(key), start), Ok(()));
        }
        // Those that come now share one.
        assert_eq!(buckets.take(buckets.id(b"x"), start), Ok(()));
        assert!(buckets.take(buckets.id(b"y"), start).is_err());
        assert_eq!(buckets.lock().buckets.len(), MAX_BUCKETS + 1);
        // After a second all are full again, and there is room.
        let later = start + SWEEP_PAUSE;
        assert_eq!(buckets.take(buckets.id(b"x"), later), Ok(()));
        assert_eq!(buckets.take(buckets.id(b"y"), later), Ok(()));
        assert_eq!(buckets.lock().buckets.len(), 2);
    }
}
