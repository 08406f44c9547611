//! Refusals as answers. Only here a refusal gets its status and its headers.

use std::time::Duration;

use http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use wharf_gateway::{Again, Proofs, Reason, Refusal, Right};

use crate::answer::respond;
use crate::transport::access::TurnedAway;
use crate::transport::chunks::ResponseBody;

/// On a response: the right for lack of which the request was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Denied(pub(crate) Right);

/// The status of what is refused for this reason.
pub(crate) fn of(reason: Reason) -> StatusCode {
    match reason {
        Reason::Syntax
        | Reason::NotUtf8
        | Reason::Encoding
        | Reason::Aborted
        | Reason::Url
        | Reason::Parameter
        | Reason::Group
        | Reason::Timestamps
        | Reason::NotAdded
        | Reason::Inconsistent(_)
        | Reason::Relabelling
        | Reason::NothingToReload => StatusCode::BAD_REQUEST,
        Reason::Lacks(_, proofs) | Reason::Credentials(proofs) => unproven(proofs),
        Reason::NeedsFlag => StatusCode::FORBIDDEN,
        Reason::NoGroup | Reason::NotExpected | Reason::NoRemoval => StatusCode::NOT_FOUND,
        Reason::Settled => StatusCode::CONFLICT,
        Reason::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
        Reason::BodyTooLarge
        | Reason::TooLarge
        | Reason::LabelLimit
        | Reason::GroupsPerPush
        | Reason::SeriesPerPush => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::TooFast | Reason::QuotaGroups | Reason::QuotaSeries | Reason::QuotaBytes => {
            StatusCode::TOO_MANY_REQUESTS
        }
        Reason::Costly | Reason::PushId => StatusCode::UNPROCESSABLE_ENTITY,
        Reason::Reload | Reason::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Reason::Groups
        | Reason::Series
        | Reason::Overload
        | Reason::Unavailable
        | Reason::Gone
        | Reason::Late => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What to answer to those who might be allowed if they said who they are: 401 has to name a scheme.
fn unproven(proofs: Proofs) -> StatusCode {
    if proofs.is_any() {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::FORBIDDEN
    }
}

/// The response: the text, as the Pushgateway sends its errors.
#[expect(clippy::needless_pass_by_value, reason = "so that it is answered once")]
pub(crate) fn answer(refusal: Refusal) -> Response<ResponseBody> {
    let mut response = respond::error_text(of(refusal.reason), &format!("{}\n", refusal.text));
    add_headers(&refusal, &mut response);
    if let Some(right) = refusal.reason.lacks() {
        response.extensions_mut().insert(Denied(right));
    }
    response
}

/// The response to a request that goes no further than what stands before the gateway.
pub(crate) fn answer_turned_away(turned_away: TurnedAway) -> Response<ResponseBody> {
    let (status, text) = match turned_away {
        TurnedAway::Refused(refusal) => return answer(refusal),
        TurnedAway::Unconfigured => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n"),
        TurnedAway::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n"),
        TurnedAway::Foreign => (
            StatusCode::FORBIDDEN,
            "expected a change from this gateway's own page, found one from a page elsewhere\n\
             hint: behind a proxy, let it pass on the host that the browser asks for: nginx \
             `proxy_set_header Host $http_host;`, Apache `ProxyPreserveHost On`, Traefik `passHostHeader: true`, \
             Caddy does so by itself; or give the URL that users see with --web.external-url\n\
             hint: --web.cors.origin names other sites whose pages may do this\n",
        ),
    };
    respond::error_text(status, text)
}

/// Adds what the response says beside status and text: when to try again, how to say who one is, and whether the connection
/// ends.
pub(crate) fn add_headers(refusal: &Refusal, response: &mut Response<ResponseBody>) {
    let headers = response.headers_mut();
    if let Again::After(wait) = refusal.again {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if let Reason::Lacks(_, proofs) | Reason::Credentials(proofs) = refusal.reason {
        for (scheme, is_known) in [("Basic", proofs.password), ("Bearer", proofs.token)] {
            if is_known {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            }
        }
    }
    if closes(refusal.reason) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Whether the rest of the request is not worth reading.
fn closes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Aborted | Reason::BodyTooLarge | Reason::BodyTimeout | Reason::Internal
    )
}

/// Rounded up: who comes earlier comes in vain.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_could_say_who_they_are_are_asked_to() {
        let both = Proofs {
            password: true,
            token: true,
        };
        let asked = answer(Refusal::new(Reason::Lacks(Right::Push, both), "no"));
        assert_eq!(asked.status(), StatusCode::UNAUTHORIZED);
        let schemes: Vec<_> = asked.headers().get_all(WWW_AUTHENTICATE).iter().collect();
        assert_eq!(schemes, ["Basic", "Bearer"]);
        let refused = answer(Refusal::new(Reason::Lacks(Right::Push, Proofs::default()), "no"));
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert!(!refused.headers().contains_key(WWW_AUTHENTICATE));
    }

    #[test]
    fn a_wait_is_in_whole_seconds_and_never_none() {
        for (millis, expected) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_500, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), expected, "{millis}");
        }
        assert_eq!(whole_seconds(Duration::MAX), u32::MAX);
    }
}
