//! What a handler refuses a request with. The only place that picks a status for a refusal.

use std::fmt::Display;

use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use wharf_store::PushError;

use crate::chunks::ResponseBody;
use crate::grouping::UrlError;
use crate::respond;

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    text: String,
    /// What `wharf_pushes_refused_total` counts it as.
    reason: &'static str,
    retry_after_seconds: Option<u32>,
    /// The rest of the request is not worth reading.
    close: bool,
}

impl ApiError {
    fn bad_request(reason: &'static str, error: &impl Display) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text: error.to_string(),
            reason,
            retry_after_seconds: None,
            close: false,
        }
    }

    /// The body is no exposition.
    pub(crate) fn syntax(error: &impl Display) -> Self {
        Self::bad_request("syntax", error)
    }

    /// The body does not decompress.
    pub(crate) fn encoding(error: &impl Display) -> Self {
        Self::bad_request("encoding", error)
    }

    /// The client stopped sending.
    pub(crate) fn aborted(error: &impl Display) -> Self {
        Self {
            close: true,
            ..Self::bad_request("aborted", error)
        }
    }

    /// The body is larger than allowed, as sent or when expanded.
    pub(crate) fn too_large(limit_bytes: usize, expanded: bool) -> Self {
        let when = if expanded { " after decompression" } else { "" };
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            text: format!(
                "expected a body of at most {limit_bytes} bytes{when}, found more\n\
                 hint: push less at once, or raise --push.max-body-bytes"
            ),
            reason: "too_large",
            retry_after_seconds: None,
            close: true,
        }
    }

    /// The body did not come in time.
    pub(crate) fn body_timeout() -> Self {
        Self {
            status: StatusCode::REQUEST_TIMEOUT,
            text: "expected the whole body within --web.body-timeout".to_owned(),
            reason: "timeout",
            retry_after_seconds: None,
            close: true,
        }
    }

    /// Too many requests are being served.
    pub(crate) fn overloaded(what: &str, limit: usize) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            text: format!("expected at most {limit} {what} at once, found more; try again"),
            reason: "overload",
            retry_after_seconds: Some(1),
            close: false,
        }
    }

    /// The gateway cannot do this now, but will again.
    pub(crate) fn unavailable(why: &impl Display) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after_seconds: Some(1),
            ..Self::bad_request("unavailable", why)
        }
    }

    /// A bug stopped a handler.
    pub(crate) fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: "an unexpected error stopped this request; the log has more".to_owned(),
            reason: "internal",
            retry_after_seconds: None,
            close: true,
        }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }

    /// The response: the text, as the original sends its errors.
    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let mut response = respond::error_text(self.status, &format!("{}\n", self.text));
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<UrlError> for ApiError {
    fn from(error: UrlError) -> Self {
        Self::bad_request("url", &error)
    }
}

impl From<PushError> for ApiError {
    fn from(error: PushError) -> Self {
        let (status, reason) = match &error {
            PushError::Unavailable { .. } => return Self::unavailable(&error),
            PushError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            PushError::Inconsistent(inconsistency) => (StatusCode::BAD_REQUEST, inconsistency.reason()),
            _ => (StatusCode::BAD_REQUEST, "timestamps"),
        };
        Self {
            status,
            ..Self::bad_request(reason, &error)
        }
    }
}
