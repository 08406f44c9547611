//! The body of a push: received, expanded, and read when the gateway asks for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_gateway::{Body, Caller, Peer, Permit, Places, Reason, Refusal};
use wharf_model::Exposition;
use wharf_model::name::NameRule;

use crate::request::advice;
use crate::request::arrived::Arrived;
use crate::request::body::{self, ContentEncoding};
use crate::request::content::{self, BodyFormat};
use crate::settings::BodySettings;

/// Bodies from this size on are decoded away from the threads that serve connections.
const LARGE_BODY_BYTES: usize = 64 * 1024;
/// The same for compressed ones, which may expand a thousand times.
const LARGE_COMPRESSED_BYTES: usize = 4 * 1024;

/// How bodies are received and read.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// Limit on a body, as sent and expanded.
    max_bytes: usize,
    /// How long one may take.
    timeout: Duration,
    /// Places for large bodies being received.
    receiving: Arc<Places>,
    /// And for bodies being dealt with that are large or have to be expanded.
    large: Arc<Semaphore>,
    /// Whether the text format is read as strictly as the Pushgateway reads it.
    strict_text: bool,
    /// Which names there may be.
    names: NameRule,
}

impl Bodies {
    pub(crate) fn new(settings: &BodySettings, timeout: Duration, names: NameRule) -> Self {
        Self {
            receiving: body::places(settings.max_bytes),
            large: Arc::new(Semaphore::new(body::MAX_LARGE)),
            max_bytes: settings.max_bytes,
            timeout,
            strict_text: settings.strict_text,
            names,
        }
    }
}

/// The body of a push as it was sent, and what its request says about it.
pub(crate) struct Received {
    headers: HeaderMap,
    encoding: ContentEncoding,
    format: BodyFormat,
    body: Bytes,
    /// Held as long as this is.
    _places: (Option<Permit>, Option<OwnedSemaphorePermit>),
    peer: Option<Peer>,
}

impl Received {
    /// Reads the body of a request as it was sent.
    pub(crate) async fn read(bodies: &Bodies, request: Arrived, caller: &Caller) -> Result<Self, Refusal> {
        let (parts, incoming) = (*request).into_parts();
        let receiving = (&bodies.receiving, &caller.client());
        let (limit, timeout) = (bodies.max_bytes, bodies.timeout);
        let (body, received) = body::read(&parts.headers, incoming, limit, timeout, receiving).await?;
        let encoding = ContentEncoding::of(&parts.headers);
        // Whoever has a place only computes, so that this does not take long.
        let place = if encoding != ContentEncoding::Identity || body.len() > body::LARGE_BYTES {
            Arc::clone(&bodies.large).acquire_owned().await.ok()
        } else {
            None
        };
        Ok(Self {
            encoding,
            format: content::format(&parts.headers),
            headers: parts.headers,
            body,
            _places: (received, place),
            peer: parts.extensions.get::<Peer>().copied(),
        })
    }

    /// How many bytes were sent.
    pub(crate) fn len(&self) -> u64 {
        self.body.len() as u64
    }

    /// Whether there is much to do about it.
    pub(crate) fn is_large(&self) -> bool {
        let from = match self.encoding {
            ContentEncoding::Identity => LARGE_BODY_BYTES,
            _ => LARGE_COMPRESSED_BYTES,
        };
        self.body.len() >= from
    }

    /// The body without its compression.
    pub(crate) fn expand<'r>(&'r self, bodies: &'r Bodies) -> Result<Expanded<'r>, Refusal> {
        let expanded = body::expand(self.encoding, self.body.clone(), bodies.max_bytes);
        let bytes = expanded.map_err(|error| {
            Refusal::from(error).with_advice(&advice::on_coding(&self.headers, &self.body))
        })?;
        Ok(Expanded {
            bytes,
            received: self,
            bodies,
        })
    }
}

/// The expanded body of a push.
pub(crate) struct Expanded<'r> {
    bytes: Bytes,
    received: &'r Received,
    bodies: &'r Bodies,
}

impl Body for Expanded<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    fn is_text(&self) -> bool {
        self.received.format == BodyFormat::Text
    }

    fn decode<'t>(&self, bytes: &'t [u8]) -> Result<Exposition<'t>, Refusal> {
        let Received {
            format,
            headers,
            peer,
            ..
        } = self.received;
        let names = self.bodies.names;
        let decoded = match format {
            BodyFormat::Text => {
                let options = text::Options {
                    names,
                    strict: self.bodies.strict_text || advice::is_lost_in_a_comment(bytes),
                };
                text::decode(bytes, options).map_err(|error| Refusal::syntax(&error))
            }
            BodyFormat::OpenMetrics => openmetrics::decode(bytes, openmetrics::Options { names })
                .map_err(|error| Refusal::syntax(&error)),
            BodyFormat::Protobuf => protobuf::decode(bytes).map_err(|error| of_protobuf(&error)),
        };
        decoded.map_err(|refusal| {
            let source = peer.map(|peer| peer.to_string()).unwrap_or_default();
            let first_line = refusal.text.lines().next().unwrap_or_default();
            tracing::debug!(source, err = first_line, "failed to parse text");
            refusal.with_advice(&advice::on_body(headers, *format, bytes))
        })
    }
}

/// The Pushgateway reads text that is not UTF-8, and finds out when it checks the push.
fn of_protobuf(error: &protobuf::DecodeError) -> Refusal {
    let reason = match error.kind() {
        protobuf::ErrorKind::InvalidUtf8 { .. } => Reason::NotUtf8,
        _ => Reason::Syntax,
    };
    Refusal::new(reason, error.to_string())
}
