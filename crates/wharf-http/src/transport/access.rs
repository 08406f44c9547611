//! Who may ask, how often, and what is put on every answer: what stands before the gateway if there is a web config
//! file.
//!
//! The order is that of the Pushgateway: settings in force, rate, headers, credentials. A request that is refused here
//! is none of the gateway's: its metrics of requests do not count it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, Response};
use wharf_gateway::{Condition, Refusal, SettingsFile, Users};

use crate::transport::chunks::ResponseBody;
use crate::transport::tls::Tls;

/// What a web config file says that may change while the gateway runs.
#[derive(Debug, Clone)]
pub struct Access {
    /// Put on every response that does not have them itself.
    pub headers: HeaderMap,
    /// Who may ask; everybody, if there are none.
    pub users: Arc<Users>,
    /// For handshakes; without it they fail.
    pub tls: Option<Tls>,
}

/// What a web config file says that stays as it was at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fixed {
    /// Whether connections begin with a handshake.
    pub tls: bool,
    /// Whether HTTP/2 is understood, if there is TLS.
    pub http2: bool,
    /// How often anybody may ask.
    pub rate_limit: Option<RateLimit>,
}

impl Fixed {
    /// Whether a connection may be one of HTTP/2.
    pub fn speaks_http2(self) -> bool {
        self.tls && self.http2
    }
}

/// Where the settings in force come from.
pub trait AccessSource: fmt::Debug + Send + Sync {
    /// The settings in force. Every request and every handshake asks for them.
    ///
    /// None if they cannot be read: then requests are answered with 500 and handshakes fail. Why is in the log.
    fn current(&self) -> Option<Arc<Access>>;

    /// How the file is doing that they come from.
    fn condition(&self) -> Condition;
}

/// What stands before the gateway.
#[derive(Debug)]
pub struct AccessControl {
    source: Box<dyn AccessSource>,
    fixed: Fixed,
    limiter: Option<Limiter>,
}

/// At most `burst` requests at once, and one more each `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The time that one request takes up.
    pub interval: Duration,
    /// How many may come together.
    pub burst: u32,
}

/// Why a request is not for the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// There are no settings that it could be dealt with by.
    Unconfigured,
    /// It comes too early.
    TooMany,
    /// A page elsewhere has sent it.
    Foreign,
    /// Nobody knows who has sent it.
    Refused(Refusal),
}

impl TurnedAway {
    /// What `wharf_http_requests_turned_away_total` counts it as.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unconfigured => "web_config",
            Self::TooMany => "rate_limit",
            Self::Foreign => "origin",
            Self::Refused(refusal) => refusal.reason.label(),
        }
    }
}

impl AccessControl {
    /// With settings from `source`, and those that do not change.
    pub fn new(source: Box<dyn AccessSource>, fixed: Fixed) -> Self {
        Self {
            source,
            fixed,
            limiter: fixed.rate_limit.map(Limiter::new),
        }
    }

    /// What does not change.
    pub(crate) fn fixed(&self) -> Fixed {
        self.fixed
    }

    /// What the next handshake works with, if anything.
    pub(crate) fn tls(&self) -> Option<Tls> {
        self.source.current()?.tls.clone()
    }

    /// The users in force; none if that cannot be known.
    pub(crate) fn users(&self) -> Option<Arc<Users>> {
        Some(Arc::clone(&self.source.current()?.users))
    }

    /// The settings that a request is dealt with by, unless there are none, or it comes too early.
    pub(crate) fn pass(&self) -> Result<Arc<Access>, TurnedAway> {
        let access = self.source.current().ok_or(TurnedAway::Unconfigured)?;
        let is_full = |limiter: &Limiter| !limiter.admits(Instant::now());
        if self.limiter.as_ref().is_some_and(is_full) {
            return Err(TurnedAway::TooMany);
        }
        Ok(access)
    }
}

impl SettingsFile for AccessControl {
    fn condition(&self) -> Condition {
        // Nobody may have asked for a while.
        self.source.current();
        self.source.condition()
    }
}

impl Access {
    /// Whether everybody is let in, in clear text, and gets nothing more than the gateway says itself.
    pub fn says_nothing(&self) -> bool {
        self.headers.is_empty() && self.users.is_empty() && self.tls.is_none()
    }

    /// Completes a response. What the page may do is the operator's decision, if they have made one.
    pub(crate) fn put_headers(&self, response: &mut Response<ResponseBody>) {
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            if *name == CONTENT_SECURITY_POLICY || !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// A bucket that holds `burst` requests and empties itself by one each `interval`.
#[derive(Debug)]
struct Limiter {
    limit: RateLimit,
    /// When the bucket will be empty.
    empty_at: Mutex<Option<Instant>>,
}

impl Limiter {
    fn new(limit: RateLimit) -> Self {
        let empty_at = Mutex::default();
        Self { limit, empty_at }
    }

    /// Whether there is room for a request, which then is in the bucket.
    fn admits(&self, now: Instant) -> bool {
        let RateLimit { interval, burst } = self.limit;
        let mut empty_at = self.empty_at.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = empty_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let would_fill = filled.saturating_add(interval);
        let Some(next) = now.checked_add(would_fill) else {
            return false;
        };
        let fits = would_fill <= interval.saturating_mul(burst);
        if fits {
            *empty_at = Some(next);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_one_request_each_interval() {
        let interval = Duration::from_secs(1);
        let limiter = Limiter::new(RateLimit { interval, burst: 2 });
        let start = Instant::now();
        let admitted = |after_ms| limiter.admits(start + Duration::from_millis(after_ms));
        let times = [0, 0, 0, 999, 1000, 1001, 2500, 60_000, 60_000, 60_000];
        let found = times.map(admitted);
        assert_eq!(
            found,
            [true, true, false, false, true, false, true, true, true, false]
        );
    }

    #[test]
    fn an_interval_may_be_as_long_as_time() {
        let interval = Duration::MAX;
        let limiter = Limiter::new(RateLimit { interval, burst: 2 });
        assert!(!limiter.admits(Instant::now()));
    }
}
