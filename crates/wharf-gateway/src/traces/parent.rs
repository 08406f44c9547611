//! The span of a client that asks: `traceparent` and `tracestate`, by the Trace Context of the W3C.

use super::ids::{SpanId, TraceId};

/// The span of a client, which the request is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace_id: TraceId,
    /// The span of it.
    pub span_id: SpanId,
    /// Whether somebody looks at the trace.
    pub is_sampled: bool,
    /// What tracing systems have to say to each other; empty if nothing. It is passed on as it came.
    pub state: String,
}

/// So much has to be passed on; more is not.
const MAX_STATE_BYTES: usize = 512;
/// Members of a list of the standard.
const MAX_STATE_MEMBERS: usize = 32;

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
            state: String::new(),
        })
    }

    /// The same with what `tracestate` says, of which there may be several. What is no list of the standard is left out, as it demands;
    /// so is one that is too long.
    #[must_use]
    pub fn with_state<'v>(mut self, values: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut members = Vec::new();
        for value in values {
            let Ok(text) = str::from_utf8(value) else {
                return self;
            };
            members.extend(text.split(',').map(str::trim).filter(|member| !member.is_empty()));
        }
        let is_list = members.len() <= MAX_STATE_MEMBERS && members.iter().all(|member| is_member(member));
        let state = members.join(",");
        if is_list && state.len() <= MAX_STATE_BYTES {
            self.state = state;
        }
        self
    }
}

/// Whether a text is a key and a value: small letters, digits and some signs, and visible characters.
fn is_member(text: &str) -> bool {
    let Some((key, value)) = text.split_once('=') else {
        return false;
    };
    let is_key = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte| matches!(byte, b' '..=b'~') && byte != b'=';
    !key.is_empty() && key.bytes().all(is_key) && value.bytes().all(is_value)
}

/// Whether a text is so many hexadecimal digits, the letters of them small.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
