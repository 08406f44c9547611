//! What can go wrong between a job and its gateway.

use std::io;
use std::time::Duration;

/// Why a request was not answered with success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The gateway answered with another status.
    #[error("the gateway answered {status}{}", after_colon(.message))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the gateway says, without control characters and cut short; may be empty.
        message: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The gateway answered 401 or 403: the credentials are missing, wrong, or not enough.
    #[error(
        "the gateway answered {status}{}\nhint: see which user name, password or token is in use", after_colon(.message)
    )]
    Unauthorized {
        /// 401 or 403.
        status: u16,
        /// What the gateway says.
        message: String,
    },
    /// No connection, or it broke before the answer.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where the gateway should be.
        url: String,
        /// What the system says. The text of this error has it, so it is not its source as well.
        reason: io::Error,
    },
    /// No answer in time. The gateway may have done what it was asked for.
    #[error("no answer from {url} within {timeout:?}")]
    Timeout {
        /// Where the gateway should be.
        url: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The answer began, and then no more of it came in time.
    #[error(
        "the answer of {url} stopped: expected more of it within {timeout:?}, found nothing\nhint: a gateway that is only slow needs a longer timeout"
    )]
    Stalled {
        /// Where the gateway is.
        url: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The answer began, and then the connection broke.
    #[error("the answer of {url} was cut short: {reason}")]
    CutShort {
        /// Where the gateway is.
        url: String,
        /// What the system says. The text of this error has it, so it is not its source as well.
        reason: io::Error,
    },
    /// The handshake failed: a certificate that is not trusted, or a server without TLS.
    #[error("cannot speak TLS with {url}: {message}")]
    Tls {
        /// Where the gateway should be.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// What answers there does not speak HTTP, or the answer is too long.
    #[error("cannot understand the answer of {url}: {message}")]
    Answer {
        /// Where the gateway should be.
        url: String,
        /// What is wrong.
        message: String,
    },
}

impl ClientError {
    /// Whether the same request may succeed later: nobody answered, or with 408, 429, 502, 503 or 504.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Stalled { .. }
            | Self::CutShort { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 502 | 503 | 504),
            Self::Unauthorized { .. } | Self::Tls { .. } | Self::Answer { .. } => false,
        }
    }

    /// Whether the gateway may have done what it was asked for, although it has not said so: the connection broke or the time was
    /// over before the answer, or somebody in between answered.
    pub fn may_be_done(&self) -> bool {
        use io::ErrorKind as Kind;
        match self {
            Self::Unreachable { reason, .. } => !matches!(
                reason.kind(),
                Kind::ConnectionRefused | Kind::NotFound | Kind::HostUnreachable | Kind::NetworkUnreachable
            ),
            Self::Timeout { .. } | Self::Stalled { .. } | Self::CutShort { .. } | Self::Answer { .. } => true,
            Self::Refused { status, .. } => matches!(status, 500 | 502 | 504),
            Self::Unauthorized { .. } | Self::Tls { .. } => false,
        }
    }

    /// Whether the gateway will never take what was sent, however often it comes: 400, 413, 415, 422.
    pub fn is_for_good(&self) -> bool {
        matches!(self.status(), Some(400 | 413 | 415 | 422))
    }

    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Unauthorized { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the gateway wants to be left alone, if it says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error of the HTTP library while the answer to a request to `url` is read.
    pub(crate) fn while_reading(url: &str, timeout: Duration, error: ureq::Error) -> Self {
        let url = url.to_owned();
        match Self::new(&url, timeout, error) {
            Self::Timeout { .. } => Self::Stalled { url, timeout },
            Self::Unreachable { reason, .. } => Self::CutShort { url, reason },
            other => other,
        }
    }

    /// The error of the HTTP library for a request to `url`.
    pub(crate) fn new(url: &str, timeout: Duration, error: ureq::Error) -> Self {
        let url = url.to_owned();
        let other = |error: &dyn std::fmt::Display| io::Error::other(error.to_string());
        match error {
            ureq::Error::Timeout(_) => Self::Timeout { url, timeout },
            ureq::Error::Io(error) if is_timeout(&error) => Self::Timeout { url, timeout },
            ureq::Error::Io(error) => match tls_error(&error) {
                Some(message) => Self::Tls { url, message },
                None => Self::Unreachable { url, reason: error },
            },
            ureq::Error::HostNotFound => Self::Unreachable {
                url,
                reason: io::Error::new(io::ErrorKind::NotFound, "the name of the host is not known"),
            },
            ureq::Error::ConnectionFailed => Self::Unreachable {
                url,
                reason: other(&"no connection"),
            },
            ureq::Error::Tls(message) => Self::Tls {
                url,
                message: message.to_owned(),
            },
            ureq::Error::Rustls(error) => Self::Tls {
                url,
                message: error.to_string(),
            },
            ureq::Error::Pem(error) => Self::Tls {
                url,
                message: error.to_string(),
            },
            error => Self::Answer {
                url,
                message: error.to_string(),
            },
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// What the TLS library says, where it is the reason for an error of input or output.
fn tls_error(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().map(ToString::to_string)
}

/// A text from the network in a form that a terminal can be trusted with, of at most 2,000 characters.
pub(crate) fn presentable(text: &[u8]) -> String {
    const MAX_CHARS: usize = 2000;
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let printable = |c: char| {
        // The standard library escapes what does not print: controls, and what turns the writing direction.
        let prints = c.escape_debug().count() == 1 || matches!(c, '\'' | '"' | '\\' | '\n');
        if prints { c } else { char::REPLACEMENT_CHARACTER }
    };
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(MAX_CHARS).map(printable).collect();
    if chars.next().is_some() {
        shown.push_str("...");
    }
    shown
}

fn after_colon(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_says_cannot_steer_a_terminal() {
        assert_eq!(presentable(b" a\x1b[2Jb\nc\xff \n"), "a\u{fffd}[2Jb\nc\u{fffd}");
        assert_eq!(presentable("a\u{202e}b\"'\\é".as_bytes()), "a\u{fffd}b\"'\\é");
        assert_eq!(presentable(&[b'x'; 3000]).len(), 2003);
        assert!(presentable(&[b'\x07'; 3000]).ends_with("\u{fffd}..."));
    }

    #[test]
    fn a_reason_is_told_once() {
        let error = ClientError::new("u", Duration::ZERO, ureq::Error::HostNotFound);
        assert_eq!(
            error.to_string(),
            "cannot reach u: the name of the host is not known"
        );
        // Whoever prints an error with its sources would say it twice.
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn credentials_are_no_reason_to_throw_a_push_away() {
        let error = ClientError::Unauthorized {
            status: 401,
            message: "Unauthorized".to_owned(),
        };
        assert!(!error.is_for_good() && !error.is_transient());
        assert!(
            error
                .to_string()
                .starts_with("the gateway answered 401: Unauthorized\nhint: ")
        );
    }
}
