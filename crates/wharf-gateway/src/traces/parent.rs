//! The span of a client that asks: `traceparent`, by the Trace Context of the W3C.

use super::ids::{SpanId, TraceId};

/// The span of a client, which the request is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span of it.
    pub span_id: SpanId,
    /// Whether somebody looks at the trace.
    pub is_sampled: bool,
}

impl Parent {
    /// Reads `version-trace-span-flags`. None if it is something else: then there is no parent, as the standard says.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let mut fields = text.split('-');
        let mut field = |digits: usize| fields.next().filter(|field| is_hex(field, digits));
        let (version, trace, span, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        // Later versions may have more fields; this one has none, and `ff` is no version.
        if version == "ff" || version == "00" && fields.next().is_some() {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace_id: TraceId(trace.to_be_bytes()),
            span_id: SpanId(span.to_be_bytes()),
            is_sampled: flags & 1 == 1,
        })
    }
}

/// Whether a text is so many hexadecimal digits, the letters of them small.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
