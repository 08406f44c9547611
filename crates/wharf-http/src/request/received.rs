//! The body of a push: received, expanded, and read when the gateway asks for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use wharf_exposition::{openmetrics, protobuf, text};
use wharf_gateway::{Body, Caller, Client, Gateway, Peer, Permit, Places, Reason, Refusal};
use wharf_model::name::NameRule;
use wharf_model::{Exposition, Meter};

use crate::request::advice;
use crate::request::body::{self, BodyError, ContentEncoding};
use crate::request::content::{self, BodyFormat};
use crate::settings::BodySettings;
use crate::transport::arrived::Arrived;

/// How bodies are received and read.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// Limit on a body, as sent and expanded.
    max_bytes: usize,
    /// How long one may take.
    timeout: Duration,
    /// Places for large bodies being received.
    receiving: Arc<Places>,
    /// Whether the text format is read as strictly as the Pushgateway reads it.
    strict_text: bool,
    /// Which names there may be.
    names: NameRule,
}

impl Bodies {
    pub(crate) fn new(settings: &BodySettings, timeout: Duration, names: NameRule) -> Self {
        Self {
            receiving: body::places(settings.max_bytes),
            max_bytes: settings.max_bytes,
            timeout,
            strict_text: settings.strict_text,
            names,
        }
    }

    /// How long a push waits for the disk, where that is behind.
    #[inline]
    pub(crate) fn patience(&self) -> Duration {
        self.timeout
    }
}

/// The body of a push as it was sent, and what its request says about it.
pub(crate) struct Received {
    headers: HeaderMap,
    encoding: ContentEncoding,
    format: BodyFormat,
    body: Bytes,
    /// Held as long as this is.
    _places: Option<Permit>,
    peer: Option<Peer>,
    client: Client,
}

impl Received {
    /// Reads the body of a request as it was sent. Most of one that is large is not read as long as the disk is behind with what
    /// was pushed before.
    pub(crate) async fn read(
        (gateway, bodies): (&Gateway, &Bodies),
        request: Arrived,
        (caller, peer): (&Caller, Option<Peer>),
    ) -> Result<Self, Refusal> {
        let (parts, incoming) = (*request).into_parts();
        let client = caller.client();
        let receiving = (&bodies.receiving, &client);
        let (limit, timeout) = (bodies.max_bytes, bodies.timeout);
        let room = gateway.until_disk_keeps_up(true, timeout);
        let (body, places) = body::read(&parts.headers, incoming, limit, timeout, receiving, room).await?;
        Ok(Self {
            encoding: ContentEncoding::of(&parts.headers),
            format: content::format(&parts.headers),
            headers: parts.headers,
            body,
            _places: places,
            peer,
            client,
        })
    }

    /// Who sent it.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// How many bytes were sent.
    pub(crate) fn len(&self) -> u64 {
        self.body.len() as u64
    }

    /// The body without its compression, if that is quick and leaves little to be read.
    pub(crate) fn expand_quickly<'r>(&'r self, bodies: &'r Bodies) -> Result<Option<Expanded<'r>>, Refusal> {
        let bytes = body::expand_quickly(self.encoding, &self.body, bodies.max_bytes);
        let bytes = bytes.map_err(|error| self.refusal(error))?;
        Ok(bytes.map(|bytes| self.expanded(bytes, bodies)))
    }

    /// The body without its compression, with memory of this meter.
    pub(crate) fn expand<'r>(
        &'r self,
        bodies: &'r Bodies,
        memory: &Meter<'_>,
    ) -> Result<Expanded<'r>, Refusal> {
        let bytes = body::expand(self.encoding, self.body.clone(), bodies.max_bytes, memory);
        let bytes = bytes.map_err(|error| self.refusal(error))?;
        Ok(self.expanded(bytes, bodies))
    }

    fn expanded<'r>(&'r self, bytes: Bytes, bodies: &'r Bodies) -> Expanded<'r> {
        Expanded {
            bytes,
            received: self,
            bodies,
        }
    }

    fn refusal(&self, error: BodyError) -> Refusal {
        Refusal::from(error).with_advice(&advice::on_coding(&self.headers, &self.body))
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

    fn decode<'t>(&self, bytes: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
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
                text::decode_within(bytes, options, memory)
                    .map_err(|error| error.denied().map_or_else(|| Err(Refusal::syntax(&error)), Ok))
            }
            BodyFormat::OpenMetrics => {
                openmetrics::decode_within(bytes, openmetrics::Options { names }, memory)
                    .map_err(|error| error.denied().map_or_else(|| Err(Refusal::syntax(&error)), Ok))
            }
            BodyFormat::Protobuf => protobuf::decode_within(bytes, memory)
                .map_err(|error| error.denied().map_or_else(|| Err(of_protobuf(&error)), Ok)),
        };
        decoded.map_err(|stopped| {
            let refusal = match stopped {
                Ok(denied) => return denied.into(),
                Err(refusal) => refusal,
            };
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
