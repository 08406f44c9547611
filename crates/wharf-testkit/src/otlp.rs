//! A receiver of traces in the `OpenTelemetry` protocol over HTTP, and its messages as another library reads them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Deref;

use flate2::read::GzDecoder;
use prost::Message;

use crate::receiver::Requests;

#[derive(Clone, PartialEq, Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<SpanMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    flags: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "AnyKind", tags = "1, 3")]
    kind: Option<AnyKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum AnyKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Number(i64),
}

/// A span that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The number of its trace, in hexadecimal digits.
    pub trace: String,
    /// Its own.
    pub id: String,
    /// That of the span that it is a part of; empty for none.
    pub parent: String,
    /// What the client has passed on of other tracing systems.
    pub state: String,
    /// What it is called.
    pub name: String,
    /// 1: within a process; 2: a request to a server.
    pub kind: i32,
    /// When it began and ended, in nanoseconds since the Unix epoch.
    pub times: (u64, u64),
    /// What is said of it, and of the process that it is of.
    pub attributes: BTreeMap<String, String>,
    /// The number of its status and what that says; 2 is an error.
    pub status: (i32, String),
    /// Whether it is sampled, and what is known of its parent.
    pub flags: u32,
}

/// The spans of a message.
///
/// # Errors
/// If it is none.
pub fn spans(message: &[u8]) -> Result<Vec<Span>, prost::DecodeError> {
    let mut found = Vec::new();
    for resource in ExportRequest::decode(message)?.resource_spans {
        let about = resource.resource.unwrap_or_default().attributes;
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let status = span.status.unwrap_or_default();
            let attributes = about.iter().chain(&span.attributes).cloned().map(pair);
            found.push(Span {
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                state: span.trace_state,
                name: span.name,
                kind: span.kind,
                times: (span.start_time_unix_nano, span.end_time_unix_nano),
                attributes: attributes.collect(),
                status: (status.code, status.message),
                flags: span.flags,
            });
        }
    }
    Ok(found)
}

fn pair(KeyValue { key, value }: KeyValue) -> (String, String) {
    let value = match value.and_then(|value| value.kind) {
        Some(AnyKind::Text(text)) => text,
        Some(AnyKind::Number(number)) => number.to_string(),
        None => String::new(),
    };
    (key, value)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// A request that was received.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its head.
    pub head: String,
    /// Its spans.
    pub spans: Vec<Span>,
}

/// Takes traces, and answers what it is told to.
#[derive(Debug)]
pub struct TraceReceiver(Requests<Received>);

impl TraceReceiver {
    /// Answers each request with the next of these statuses, and ever after with the last one.
    pub fn start(statuses: &'static [&'static str]) -> Self {
        Self(Requests::start(statuses, "Content-Length: 0\r\n\r\n", read))
    }

    /// Spans from the next requests, until one of them is of this name; those of its request are all there.
    #[track_caller]
    pub fn until_named(&self, name: &str) -> Vec<Span> {
        let mut spans = Vec::new();
        while !spans.iter().any(|span: &Span| span.name == name) {
            spans.extend(self.next().spans);
        }
        spans
    }
}

impl Deref for TraceReceiver {
    type Target = Requests<Received>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

fn read(head: String, mut body: Vec<u8>) -> Option<Received> {
    if head.to_lowercase().contains("content-encoding: gzip") {
        let compressed = std::mem::take(&mut body);
        GzDecoder::new(compressed.as_slice())
            .read_to_end(&mut body)
            .ok()?;
    }
    let spans = spans(&body).expect("a message of the OpenTelemetry protocol");
    Some(Received { head, spans })
}
