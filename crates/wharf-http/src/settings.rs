//! What the flags decide about the HTTP side: each section has its flags beside it.

pub(crate) mod external_url;
pub(crate) mod prefix;
pub(crate) mod routes;

use std::num::NonZeroUsize;
use std::time::Duration;

use http::StatusCode;
use wharf_settings::{Kind, Takes, ValueError, kinds, settings};

use crate::settings::routes::Routes;
use crate::transport::progress::Timeouts;

/// What the flags decide about the HTTP side.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where the routes lie, and what there is at them.
    pub routes: Routes,
    /// The bodies of pushes, and their answers.
    pub bodies: BodySettings,
    /// How much at once.
    pub limits: RequestLimits,
    /// For how long clients are waited for.
    pub timeouts: RequestTimeouts,
    /// How many connections there may be.
    pub connections: ConnectionRoom,
}

/// How many connections there may be, as far as the system allows what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionRoom {
    /// For one more, the one gives way that has been idle for the longest time, if one is; others wait in the listener's queue.
    pub max: usize,
    /// How many may be ending, beside those.
    pub max_ending: usize,
}

const SUCCESS_STATUS: Kind<StatusCode> = Kind::new(
    Takes::OneOf(&["200", "202"]),
    |value| match value {
        "200" => Ok(StatusCode::OK),
        "202" => Ok(StatusCode::ACCEPTED),
        _ => Err(ValueError::new(format!("expected 200 or 202, found `{value}`"))),
    },
    |status| status.as_str().to_owned(),
);

settings! {
    /// The bodies of pushes, and their answers.
    pub struct BodySettings {
        /// Whether the text format is read to the letter: no CRLF, no trailing blanks, no missing last newline.
        pub strict_text: bool = false,
            "push.strict-text" as kinds::SWITCH,
            "Refuse text with CRLF, with blanks at the end of a line, or without a last newline, as the original \
             does.";
        /// How an accepted push is answered: 200, or 202 for clients that know no other.
        pub success_status: StatusCode = StatusCode::OK,
            "push.success-status" as SUCCESS_STATUS,
            "Status of an accepted push. Very old clients expect 202.";
        /// The largest body, after decompression. A compressed body is bounded by it too.
        pub max_bytes: usize = 64 << 20,
            "push.max-body-bytes" as kinds::SIZE,
            "Largest body of a push, before and after decompression; a larger one is refused with 413.";
    }
}

/// A number that is not 0.
const fn count(number: usize) -> NonZeroUsize {
    match NonZeroUsize::new(number) {
        Some(count) => count,
        None => NonZeroUsize::MIN,
    }
}

settings! {
    /// How much at once. Requests beyond a limit are refused, not queued; connections wait to be accepted.
    #[derive(Copy)]
    pub struct RequestLimits {
        /// Open connections that are asked for; see [`ConnectionRoom`].
        pub max_connections: NonZeroUsize = count(8192),
            "limits.max-connections" as kinds::COUNT,
            "Open connections; fewer if the system allows fewer open files. For one more, the one is closed that has \
             been idle for the longest time.";
        /// Requests being answered, scrapes included.
        pub max_requests_in_flight: NonZeroUsize = count(1024),
            "limits.max-requests-in-flight" as kinds::COUNT,
            "Requests being answered, scrapes included.";
        /// Scrapes, listings and requests for all metrics as JSON being rendered or sent at once, and deletes by selector. A client
        /// that has half of them gets no more.
        pub max_scrapes_in_flight: NonZeroUsize = count(40),
            "limits.max-scrapes-in-flight" as kinds::COUNT,
            "Scrapes, listings, requests for all metrics as JSON, and deletes by selector, being answered.";
    }
}

settings! {
    /// For how long clients are waited for.
    pub struct RequestTimeouts {
        /// For the head of a request, from its first byte on; none: for ever.
        pub header: Option<Duration> = Some(Duration::from_secs(10)),
            "web.header-timeout" as kinds::TIMEOUT,
            "For how long a client may take to send the header of a request; 0 for ever.";
        /// For the body of a request; none: for ever.
        pub body: Option<Duration> = Some(Duration::from_secs(60)),
            "web.body-timeout" as kinds::TIMEOUT,
            "For how long a client may take to send the body of a request; 0 for ever.";
        /// For a connection without a request; none: for ever.
        pub idle: Option<Duration> = None,
            "web.idle-timeout" as kinds::TIMEOUT,
            "For how long a connection may wait for its next request; 0 for ever, unless another one needs its \
             place.";
    }
}

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

impl RequestTimeouts {
    /// What a connection may take its time for.
    pub(crate) fn of_connections(&self) -> Timeouts {
        Timeouts {
            head: self.header.unwrap_or(FOR_EVER),
            idle: self.idle,
        }
    }

    /// For the body of a request.
    pub(crate) fn body(&self) -> Duration {
        self.body.unwrap_or(FOR_EVER)
    }
}

/// So many connections are few.
const A_FEW: usize = 4;

impl HttpSettings {
    /// Requests at once, at most as many as three of four connections can have: with the rest, whoever comes beyond them gets to
    /// know it. Where there are few connections, each may have one.
    pub fn max_requests_in_flight(&self) -> usize {
        let max = self.connections.max;
        let fitting = (max - max.div_ceil(4)).max(max.min(A_FEW));
        self.limits.max_requests_in_flight.get().min(fitting)
    }
}
