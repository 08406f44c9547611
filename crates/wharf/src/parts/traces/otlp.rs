//! Traces in the `OpenTelemetry` protocol (OTLP) over HTTP, in protobuf. Why by hand: `docs/decisions/0013-traces-by-hand.md`.
//!
//! ```text
//! ExportTraceServiceRequest -> ResourceSpans (this process) -> ScopeSpans (wharf) -> Span, one for a request and one for each step
//! ```

use std::sync::OnceLock;
use std::time::Duration;

use wharf_client::{Client, ClientError, Method, Request};
use wharf_gateway::{Attribute, Ended, ExportError, Exported, FinishedTrace, TraceExporter, random_number};

use super::protobuf::Message;
use crate::version::BUILD;

/// A receiver has little to say.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// A receiver of OTLP.
#[derive(Debug)]
pub(crate) struct Otlp {
    client: Client,
    path: String,
    compress: bool,
}

impl Otlp {
    /// The receiver that this client talks to, at a path below its address.
    pub(crate) fn new(client: Client, path: String, compress: bool) -> Self {
        Self {
            client,
            path,
            compress,
        }
    }
}

impl TraceExporter for Otlp {
    fn export(&self, traces: &[FinishedTrace], within: Option<Duration>) -> Result<Exported, ExportError> {
        let request = Request {
            headers: vec![("Content-Type", "application/x-protobuf".to_owned())],
            body: encode(traces),
            compress: self.compress,
            max_answer_bytes: MAX_ANSWER_BYTES,
            ..Request::new(Method::Post, self.path.as_str())
        };
        let sent = match within {
            Some(within) => self.client.within(within).send(&request),
            None => self.client.send(&request),
        };
        match sent {
            Ok(answer) => Ok(Exported {
                rejected: rejected(&answer.body),
            }),
            Err(error) => Err(ExportError {
                is_transient: error.is_transient(),
                retry_after: error.retry_after(),
                text: in_words(&error),
            }),
        }
    }
}

/// The errors of the client are about gateways.
fn in_words(error: &ClientError) -> String {
    error
        .to_string()
        .replacen("the gateway answered", "the receiver of traces answered", 1)
}

/// The numbers of `Span.SpanKind` and of `Status.StatusCode`.
const INTERNAL: u64 = 1;
const SERVER: u64 = 2;
const ERROR: u64 = 2;
/// The flags of a span: it is sampled, and it is known whether its parent is of another process; it is.
const SAMPLED: u32 = 0x101;
const REMOTE: u32 = 0x200;

fn encode(traces: &[FinishedTrace]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |spans| {
        spans.message(1, resource);
        spans.message(2, |spans| {
            spans.message(1, |scope| {
                scope.text(1, "wharf");
                scope.text(2, BUILD.version);
            });
            for trace in traces {
                write(trace, spans);
            }
        });
    });
    request.into_bytes()
}

/// What all spans of this process have in common.
fn resource(resource: &mut Message) {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    let instance = INSTANCE.get_or_init(|| format!("{:016x}{:016x}", random_number(), random_number()));
    for (key, value) in [
        ("service.name", "wharf"),
        ("service.version", BUILD.version),
        ("service.instance.id", instance),
    ] {
        attribute(resource, 1, key, &Attribute::Text(value.to_owned()));
    }
}

fn attribute(message: &mut Message, field: u32, key: &str, value: &Attribute) {
    message.message(field, |pair| {
        pair.text(1, key);
        pair.message(2, |any| match value {
            Attribute::Text(text) => any.text(1, text),
            Attribute::Number(number) => any.number(3, number.cast_unsigned()),
        });
    });
}

/// The spans of one trace.
fn write(trace: &FinishedTrace, spans: &mut Message) {
    spans.message(2, |span| {
        span.bytes(1, &trace.id.0);
        span.bytes(2, &trace.span.0);
        state(trace, span);
        if let Some(parent) = trace.parent {
            span.bytes(4, &parent.0);
        }
        span.text(5, &trace.name);
        span.number(6, SERVER);
        span.fixed_64(7, nanos(trace.began.0));
        span.fixed_64(8, nanos(trace.end.0));
        for (key, value) in &trace.attributes {
            attribute(span, 9, key, value);
        }
        let error = match trace.ended {
            Ended::Answered => None,
            Ended::Failed => Some(""),
            Ended::Gone => Some("the client has gone before it was answered"),
        };
        if let Some(error) = error {
            span.message(15, |status| {
                status.text(2, error);
                status.number(3, ERROR);
            });
        }
        let remote = if trace.parent.is_some() { REMOTE } else { 0 };
        span.fixed_32(16, SAMPLED | remote);
    });
    for step in &trace.steps {
        spans.message(2, |span| {
            span.bytes(1, &trace.id.0);
            span.bytes(2, &step.id.0);
            state(trace, span);
            span.bytes(4, &trace.span.0);
            span.text(5, step.name);
            span.number(6, INTERNAL);
            span.fixed_64(7, nanos(step.began.0));
            span.fixed_64(8, nanos(step.ended.0));
            span.fixed_32(16, SAMPLED);
        });
    }
}

/// What other tracing systems have to say of a trace is said of each of its spans.
fn state(trace: &FinishedTrace, span: &mut Message) {
    if !trace.state.is_empty() {
        span.text(3, &trace.state);
    }
}

fn nanos(unix: i64) -> u64 {
    u64::try_from(unix).unwrap_or_default()
}

/// How many spans a receiver has not taken, and why: `ExportTraceServiceResponse.partial_success`. An answer in another form says
/// nothing of it.
fn rejected(answer: &[u8]) -> Option<(u64, String)> {
    let mut partial = None;
    for (field, value) in fields(answer)? {
        if let (1, Value::Bytes(bytes)) = (field, value) {
            partial = Some(bytes);
        }
    }
    let (mut spans, mut why) = (0, String::new());
    for (field, value) in fields(partial?)? {
        match (field, value) {
            (1, Value::Number(number)) => spans = number,
            (2, Value::Bytes(text)) => String::from_utf8_lossy(text)
                .chars()
                .take(256)
                .for_each(|char| why.push(char)),
            _ => {}
        }
    }
    (spans > 0).then_some((spans, why))
}

enum Value<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// The fields of a message that has numbers, texts and messages only; none if it is something else.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        fields.push((tag >> 3, value));
    }
    Some(fields)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
