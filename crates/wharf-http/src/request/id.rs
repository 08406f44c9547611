//! `X-Request-Id`: what a request is called.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use wharf_gateway::{RequestId, RequestIds};

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is called, and whether its client has asked.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) id: RequestId,
    is_asked: bool,
}

impl Called {
    /// By the name that the client gives, or by one that is made if it gives none that is fit.
    pub(crate) fn of(headers: &HeaderMap, ids: &RequestIds) -> Self {
        let given = headers.get(&X_REQUEST_ID);
        let id = given.and_then(|name| RequestId::given(name.as_bytes()));
        Self {
            id: id.unwrap_or_else(|| ids.make()),
            is_asked: given.is_some(),
        }
    }

    /// Tells the client: if it has asked, and if it was refused something. Others get the answer of the Pushgateway, and have
    /// nothing to look for in the log.
    pub(crate) fn tell<B>(&self, mut response: Response<B>) -> Response<B> {
        let is_refused = response.status().is_client_error() || response.status().is_server_error();
        if (self.is_asked || is_refused)
            && let Ok(id) = HeaderValue::try_from(self.id.to_string())
        {
            response.headers_mut().insert(&X_REQUEST_ID, id);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn answered(name: Option<&'static str>, status: StatusCode) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(name) = name {
            headers.insert(&X_REQUEST_ID, HeaderValue::from_static(name));
        }
        let mut response = Response::new(());
        *response.status_mut() = status;
        let response = Called::of(&headers, &RequestIds::default()).tell(response);
        let id = response.headers().get(&X_REQUEST_ID)?;
        Some(id.to_str().unwrap().to_owned())
    }

    #[test]
    fn who_asks_and_who_is_refused_is_told() {
        assert_eq!(answered(None, StatusCode::OK), None);
        assert_eq!(answered(None, StatusCode::ACCEPTED), None);
        assert_eq!(answered(None, StatusCode::MOVED_PERMANENTLY), None);
        for status in [StatusCode::BAD_REQUEST, StatusCode::SERVICE_UNAVAILABLE] {
            assert_eq!(answered(None, status).unwrap().len(), 16);
            assert_eq!(answered(Some("mine"), status).unwrap(), "mine");
        }
        assert_eq!(answered(Some("mine"), StatusCode::OK).unwrap(), "mine");
    }

    #[test]
    fn a_name_that_is_not_fit_is_replaced() {
        for name in [
            "",
            "with blanks",
            "x-234567890123456789012345678901234567890123456789012345678901234",
        ] {
            let told = answered(Some(name), StatusCode::OK).unwrap();
            assert!(told.len() == 16 && told != name, "{told}");
        }
    }
}
