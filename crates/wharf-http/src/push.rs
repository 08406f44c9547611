//! PUT, POST and DELETE of a group.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_model::{Exposition, GroupingKey};
use wharf_store::{Commit, PushError, PushMode};

use crate::body::{self, ContentEncoding};
use crate::chunks::ResponseBody;
use crate::content::{self, BodyFormat};
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::grouping::{self, UrlError};
use crate::respond;

/// Bodies from this size on are decoded away from the threads that serve connections.
const LARGE_BODY_BYTES: usize = 64 * 1024;

/// Answers a request for the group whose key is `rest`, the path behind `/metrics/job`.
pub(crate) async fn handle(
    gateway: Arc<Gateway>,
    rest: &[u8],
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let key = grouping::parse(rest, gateway.settings.names);
    let is_delete = *request.method() == Method::DELETE;
    let answered = if is_delete {
        delete(&gateway, key, request).await
    } else {
        match key {
            Ok(key) => push(Arc::clone(&gateway), key, request).await,
            Err(error) => {
                tracing::debug!(url = %grouping::GoQuoted(rest), err = %error, "failed to parse URL");
                let (parts, body) = request.into_parts();
                body::discard(&parts.headers, body, gateway.settings.body_timeout).await;
                Err(error.into())
            }
        }
    };
    answered.unwrap_or_else(|error: ApiError| {
        if !is_delete {
            gateway.telemetry.record_refusal(error.reason());
        }
        error.into_response()
    })
}

async fn delete(
    gateway: &Gateway,
    key: Result<GroupingKey, UrlError>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, ApiError> {
    gateway.check_unread(request).await?;
    match key {
        Ok(key) => {
            let (_, commit) = gateway.store.delete(&key)?;
            commit.wait().await?;
        }
        // Such a group cannot exist, and deleting what does not exist succeeds.
        Err(UrlError::NotUtf8 { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(respond::empty(StatusCode::ACCEPTED))
}

async fn push(
    gateway: Arc<Gateway>,
    key: GroupingKey,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, ApiError> {
    let (parts, incoming) = request.into_parts();
    let settings = &gateway.settings;
    let (limit, timeout) = (settings.max_body_bytes, settings.body_timeout);
    let (body, place) = body::read(&parts.headers, incoming, limit, timeout, &gateway.large).await?;
    let job = PushJob {
        mode: if parts.method == Method::PUT {
            PushMode::ReplaceGroup
        } else {
            PushMode::ReplaceFamilies
        },
        key,
        encoding: ContentEncoding::of(&parts.headers),
        format: content::format(&parts.headers),
        body,
        _place: place,
        method: parts.method,
        peer: parts.extensions.get::<std::net::SocketAddr>().copied(),
    };
    let status = if settings.unchecked {
        StatusCode::ACCEPTED
    } else {
        settings.success_status
    };
    let commit = if job.body.len() < LARGE_BODY_BYTES {
        job.run(&gateway)?
    } else {
        let run = tokio::task::spawn_blocking(move || job.run(&gateway));
        run.await.unwrap_or_else(|_| Err(ApiError::internal()))?
    };
    if let Some(commit) = commit {
        commit.wait().await?;
    }
    Ok(respond::empty(status))
}

/// A push whose body has come.
struct PushJob {
    key: GroupingKey,
    mode: PushMode,
    encoding: ContentEncoding,
    format: BodyFormat,
    body: Bytes,
    /// Held until the push is stored.
    _place: Option<OwnedSemaphorePermit>,
    method: Method,
    peer: Option<std::net::SocketAddr>,
}

impl PushJob {
    /// What is left to wait for; nothing for a push that was dropped although it is answered with success.
    fn run(self, gateway: &Gateway) -> Result<Option<Commit>, ApiError> {
        let settings = &gateway.settings;
        let body = body::expand(self.encoding, self.body.clone(), settings.max_body_bytes)?;
        let exposition = self.decode(gateway, &body)?;
        let now = gateway.clock.now();
        let error = match gateway.store.push(&self.key, self.mode, &exposition, now) {
            Ok(commit) => return Ok(Some(commit)),
            Err(error) => error,
        };
        let is_inconsistent = matches!(error, PushError::Timestamps | PushError::Inconsistent(_));
        if is_inconsistent {
            self.log(&error);
        }
        let refused = ApiError::from(error);
        if settings.unchecked && is_inconsistent {
            // Who switched the check off expects 202; what would break scrapes is dropped all the same.
            gateway.telemetry.record_refusal(refused.reason());
            return Ok(None);
        }
        Err(refused)
    }

    fn log(&self, error: &PushError) {
        let message = "pushed metrics are invalid or inconsistent with existing metrics";
        let (source, method) = (self.source(), &self.method);
        let cause = error.to_string();
        let cause = cause
            .strip_prefix(message)
            .and_then(|cause| cause.strip_prefix(": "))
            .unwrap_or(&cause);
        tracing::error!(%method, source, err = cause, group = %self.key, "{message}");
    }

    fn decode<'b>(&self, gateway: &Gateway, body: &'b [u8]) -> Result<Exposition<'b>, ApiError> {
        let names = gateway.settings.names;
        let decoded = match self.format {
            BodyFormat::Text => {
                let options = text::Options {
                    names,
                    strict: gateway.settings.strict_text,
                };
                text::decode(body, options).map_err(|error| ApiError::syntax(&error))
            }
            BodyFormat::OpenMetrics => openmetrics::decode(body, openmetrics::Options { names })
                .map_err(|error| ApiError::syntax(&error)),
            BodyFormat::Protobuf => protobuf::decode(body).map_err(|error| ApiError::syntax(&error)),
        };
        decoded.inspect_err(|error| {
            let source = self.source();
            let first_line = error.text().lines().next().unwrap_or_default();
            tracing::debug!(source, err = first_line, "failed to parse text");
        })
    }

    fn source(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }
}
