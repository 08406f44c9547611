//! What a handler refuses a request with. The only place that picks a status for a refusal.

use std::fmt::{Display, Write};
use std::time::Duration;

use http::header::{CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use wharf_model::GroupingKey;
use wharf_relabel::RelabelError;
use wharf_store::{Clashes, Exceeded, GroupRefused, Limited, PushError, SplitError};

use crate::answer::respond;
use crate::places::{Full, Places};
use crate::policy::{ReloadError, TooFast};
use crate::request::advice;
use crate::request::grouping::{UrlError, brief};
use crate::rights::{Challenges, Right, Rights};
use crate::transport::chunks::ResponseBody;

/// What is full does not empty itself from one moment to the next.
const FULL_RETRY_SECONDS: u32 = 60;

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
    /// The right that the request lacks, and how its sender may say who it is.
    lacks: Option<(Right, Challenges)>,
    /// The family that a push contradicts itself or others in.
    family: Option<String>,
    /// What others are told than the sender of the request, who may see more than they.
    for_others: Option<String>,
    /// The one of several groups that is to blame.
    blamed: Option<GroupingKey>,
}

/// On a response: the right for lack of which the request was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Denied(pub(crate) Right);

impl ApiError {
    fn bad_request(reason: &'static str, error: &impl Display) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text: error.to_string(),
            reason,
            retry_after_seconds: None,
            close: false,
            lacks: None,
            family: None,
            for_others: None,
            blamed: None,
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
            lacks: None,
            family: None,
            for_others: None,
            blamed: None,
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
            lacks: None,
            family: None,
            for_others: None,
            blamed: None,
        }
    }

    /// A large body came more slowly than large bodies have to.
    pub(crate) fn body_too_slow(bytes: usize, within: Duration) -> Self {
        let seconds = within.as_secs();
        Self {
            text: format!("expected {bytes} bytes of a large body within {seconds} seconds, found fewer"),
            ..Self::body_timeout()
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
            lacks: None,
            family: None,
            for_others: None,
            blamed: None,
        }
    }

    /// There is no place among these for whoever asks.
    pub(crate) fn full(full: Full, what: &str, places: &Places) -> Self {
        let all = places.all();
        match full {
            Full::ForAll => Self::overloaded(what, all),
            Full::ForOne => {
                let text = format!(
                    "expected at most half of {all} {what} at once from one client, found more; try again"
                );
                Self {
                    text,
                    ..Self::overloaded(what, all)
                }
            }
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

    /// The query or a header of the request is not what it has to be.
    pub(crate) fn parameter(error: &impl Display) -> Self {
        Self::bad_request("parameter", error)
    }

    /// The relabelling rules make nothing of the push that could be stored.
    pub(crate) fn relabelling(error: &RelabelError) -> Self {
        Self::bad_request("relabelling", error)
    }

    /// The push has a series or a label that is larger than allowed.
    pub(crate) fn label_limit(text: &str, flag: &str) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::bad_request("label_limit", &format!("{text}\nhint: raise --{flag}"))
        }
    }

    /// A quota allows fewer pushes.
    pub(crate) fn too_fast(error: &TooFast) -> Self {
        let whole_seconds = error.wait.as_secs() + u64::from(error.wait.subsec_nanos() > 0);
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after_seconds: Some(u32::try_from(whole_seconds.max(1)).unwrap_or(u32::MAX)),
            ..Self::bad_request("rate", error)
        }
    }

    /// A flag would allow this.
    pub(crate) fn needs_flag(what: &str, flag: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            ..Self::bad_request(
                "forbidden",
                &format!("{what} is not enabled\nhint: start Wharf with --{flag}"),
            )
        }
    }

    /// Rules do not allow this to whoever asks.
    pub(crate) fn denied(right: Right, text: &str, challenges: Challenges) -> Self {
        Self {
            status: challenges.status(),
            lacks: Some((right, challenges)),
            ..Self::bad_request("right", &text)
        }
    }

    /// The rules could not be read again, and the old ones stay.
    pub(crate) fn reload(error: &ReloadError) -> Self {
        let status = match error {
            ReloadError::NoFile => StatusCode::BAD_REQUEST,
            ReloadError::Refused(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            ..Self::bad_request("reload", error)
        }
    }

    /// There is no room for what is pushed. A push that is too large by itself is never going to fit; others may,
    /// when something has expired or was deleted.
    fn limit(exceeded: &Exceeded) -> Self {
        use StatusCode as Status;
        let (status, reason, flag) = match (&exceeded.selector, exceeded.limited) {
            (_, Limited::PushSeries) => (
                Status::PAYLOAD_TOO_LARGE,
                "series_per_push",
                Some("limits.max-series-per-push"),
            ),
            (None, Limited::Groups) => (Status::SERVICE_UNAVAILABLE, "groups", Some("limits.max-groups")),
            (None, _) => (Status::SERVICE_UNAVAILABLE, "series", Some("limits.max-series")),
            (Some(_), Limited::Groups) => (Status::TOO_MANY_REQUESTS, "quota_groups", None),
            (Some(_), Limited::Bytes) => (Status::TOO_MANY_REQUESTS, "quota_bytes", None),
            (Some(_), _) => (Status::TOO_MANY_REQUESTS, "quota_series", None),
        };
        let hint = flag.map(|flag| format!("\nhint: raise --{flag}"));
        let text = format!("{exceeded}{}", hint.unwrap_or_default());
        Self {
            status,
            retry_after_seconds: (exceeded.limited != Limited::PushSeries).then_some(FULL_RETRY_SECONDS),
            ..Self::bad_request(reason, &text)
        }
    }

    /// The same refusal, for one group of several.
    pub(crate) fn of_group(mut self, key: &GroupingKey) -> Self {
        self.text = format!("group {}: {}", brief(key), self.text);
        self.blamed = Some(key.clone());
        self
    }

    /// The refusal of a push of several groups, as the history of this one of them has it. Where rules say who may see what,
    /// who sees this group need not see the one that is to blame.
    pub(crate) fn in_history_of(&self, key: &GroupingKey, rights: &Rights) -> Self {
        let is_of_another = self.blamed.as_ref().is_some_and(|blamed| blamed != key);
        let mut error = self.clone();
        if is_of_another && rights.are_by_rules() {
            error.for_others = Some("another group of the same push was refused".to_owned());
        }
        error
    }

    /// There is no group of that key.
    pub(crate) fn no_group(key: &GroupingKey) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::bad_request("not_found", &format!("there is no group {}", brief(key)))
        }
    }

    /// More readers than can be kept informed.
    pub(crate) fn too_many_readers(full: Full, places: &Places) -> Self {
        Self {
            retry_after_seconds: Some(5),
            ..Self::full(full, "readers of events", places)
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
            lacks: None,
            family: None,
            for_others: None,
            blamed: None,
        }
    }

    /// The same refusal, with more lines behind what it says: each begins with a line feed.
    pub(crate) fn with_advice(mut self, advice: &str) -> Self {
        self.text.push_str(advice);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What others may be told than the sender of the request.
    pub(crate) fn text_for_others(&self) -> &str {
        self.for_others.as_deref().unwrap_or(&self.text)
    }

    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }

    /// Whether it is due to a body that could not be read.
    pub(crate) fn is_of_body(&self) -> bool {
        matches!(self.reason, "syntax" | "encoding")
    }

    /// The right that the request lacks.
    pub(crate) fn lacks(&self) -> Option<Right> {
        self.lacks.map(|(right, _)| right)
    }

    pub(crate) fn family(&self) -> Option<&str> {
        self.family.as_deref()
    }

    /// The response: the text, as the original sends its errors.
    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let mut response = respond::error_text(self.status, &format!("{}\n", self.text));
        self.add_headers(&mut response);
        if let Some((right, _)) = self.lacks {
            response.extensions_mut().insert(Denied(right));
        }
        response
    }

    /// Adds what the response says beside status and text: when to try again, and whether the connection ends.
    pub(crate) fn add_headers(&self, response: &mut Response<ResponseBody>) {
        if let Some(seconds) = self.retry_after_seconds {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some((_, challenges)) = self.lacks
            && self.status == StatusCode::UNAUTHORIZED
        {
            challenges.put(response);
        }
        if self.close {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl From<UrlError> for ApiError {
    fn from(error: UrlError) -> Self {
        Self::bad_request("url", &error)
    }
}

impl From<SplitError> for ApiError {
    fn from(error: SplitError) -> Self {
        let (status, reason) = match &error {
            SplitError::TooManyGroups { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "groups_per_push"),
            SplitError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            _ => (StatusCode::BAD_REQUEST, "group"),
        };
        Self {
            status,
            ..Self::bad_request(reason, &error)
        }
    }
}

impl ApiError {
    /// A push that does not fit to what is stored. The groups in the way are named to those only who may see them.
    pub(crate) fn push(mut error: PushError, rights: &Rights) -> Self {
        let for_others = match &mut error {
            PushError::Inconsistent(clashes) => name_holders(clashes, rights),
            _ => None,
        };
        Self {
            for_others: for_others.map(|clashes| told(&clashes.into())),
            ..Self::from(error)
        }
    }

    /// A push of several groups, one or more of which do not fit to what is stored.
    pub(crate) fn push_of_groups(refused: GroupRefused, rights: &Rights) -> Self {
        let GroupRefused {
            key,
            error,
            others,
            more,
        } = refused;
        let Some(key) = key else {
            return error.into();
        };
        let mut error = Self::push(error, rights).of_group(&key);
        for (key, mut clashes) in others {
            // Others are told of the first group only, which is theirs to see.
            clashes.name_holders_if(|holder| rights.allow(Right::Read, holder));
            error.text.push_str(&of_another_group(&key, &clashes));
        }
        if more > 0 {
            // Writing to a string cannot fail.
            let _infallible = write!(error.text, "\n{more} more groups are refused");
        }
        error
    }
}

/// Names the groups in the way to those who may see them; what others may be told, if that is less.
fn name_holders(clashes: &mut Clashes, rights: &Rights) -> Option<Clashes> {
    clashes.name_holders_if(|holder| rights.allow(Right::Read, holder));
    rights.are_by_rules().then(|| {
        let mut bare = clashes.clone();
        bare.name_holders_if(|_| false);
        bare
    })
}

/// A refused push in words: what the Pushgateway says, and what to do.
fn told(error: &PushError) -> String {
    let advice = match error {
        PushError::Inconsistent(clashes) => advice::on_clashes(clashes),
        PushError::Timestamps(timestamps) => advice::on_timestamps(timestamps),
        _ => String::new(),
    };
    format!("{error}{advice}")
}

/// One more refused group of a push.
fn of_another_group(key: &GroupingKey, clashes: &Clashes) -> String {
    let first = clashes.first();
    let more = match clashes.count() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("\ngroup {}: {first}{more}", brief(key))
}

impl From<PushError> for ApiError {
    fn from(error: PushError) -> Self {
        let (status, reason) = match &error {
            PushError::Unavailable { .. } => return Self::unavailable(&error),
            PushError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            PushError::Limit(exceeded) => return Self::limit(exceeded),
            PushError::Inconsistent(clashes) => (StatusCode::BAD_REQUEST, clashes.first().reason()),
            _ => (StatusCode::BAD_REQUEST, "timestamps"),
        };
        let family = match &error {
            PushError::Inconsistent(clashes) => Some(clashes.first().family().to_owned()),
            _ => None,
        };
        Self {
            status,
            family,
            ..Self::bad_request(reason, &told(&error))
        }
    }
}
