//! Protobuf text: what the encoded messages look like to people.

use super::wire::{Reader, Wire, unzigzag};
use crate::number;

/// How protobuf text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextStyle {
    /// A field a line, indented, and an empty line after each family (`encoding=text`).
    MultiLine,
    /// A family a line (`encoding=compact-text`).
    Compact,
}

/// Appends one `MetricFamily` message, as [`write_head`] and [`write_metrics`] encode it, as protobuf text.
///
/// Fields come in the order of the message. What the schema does not have is left out, and a message that is
/// not protobuf ends where it stops being that.
///
/// [`write_head`]: super::write_head
/// [`write_metrics`]: super::write_metrics
pub fn write_text(out: &mut Vec<u8>, message: &[u8], style: TextStyle) {
    write_text_fields(out, message, style, true);
    out.push(b'\n');
}

/// The same for some fields of a message, which may be the first of it; without the end of the message, which is a newline.
pub fn write_text_fields(out: &mut Vec<u8>, fields: &[u8], style: TextStyle, are_first: bool) {
    let mut printer = Printer { out, style, depth: 0 };
    printer.fields(Reader::new(fields), METRIC_FAMILY, are_first);
}

/// The fields of a message: number, name, and what they hold.
type Schema = &'static [(u64, &'static str, Holds)];

#[derive(Clone, Copy)]
enum Holds {
    Text,
    Double,
    Unsigned,
    Signed,
    Zigzag,
    MetricType,
    Message(Schema),
}

const METRIC_FAMILY: Schema = &[
    (1, "name", Holds::Text),
    (2, "help", Holds::Text),
    (3, "type", Holds::MetricType),
    (4, "metric", Holds::Message(METRIC)),
    (5, "unit", Holds::Text),
];

const METRIC: Schema = &[
    (1, "label", Holds::Message(LABEL)),
    (2, "gauge", Holds::Message(NUMBER)),
    (3, "counter", Holds::Message(COUNTER)),
    (4, "summary", Holds::Message(SUMMARY)),
    (5, "untyped", Holds::Message(NUMBER)),
    (6, "timestamp_ms", Holds::Signed),
    (7, "histogram", Holds::Message(HISTOGRAM)),
];

const LABEL: Schema = &[(1, "name", Holds::Text), (2, "value", Holds::Text)];

const NUMBER: Schema = &[(1, "value", Holds::Double)];

const COUNTER: Schema = &[
    (1, "value", Holds::Double),
    (2, "exemplar", Holds::Message(EXEMPLAR)),
    (3, "created_timestamp", Holds::Message(TIMESTAMP)),
];

const SUMMARY: Schema = &[
    (1, "sample_count", Holds::Unsigned),
    (2, "sample_sum", Holds::Double),
    (3, "quantile", Holds::Message(QUANTILE)),
    (4, "created_timestamp", Holds::Message(TIMESTAMP)),
];

const QUANTILE: Schema = &[(1, "quantile", Holds::Double), (2, "value", Holds::Double)];

const HISTOGRAM: Schema = &[
    (1, "sample_count", Holds::Unsigned),
    (2, "sample_sum", Holds::Double),
    (3, "bucket", Holds::Message(BUCKET)),
    (4, "sample_count_float", Holds::Double),
    (5, "schema", Holds::Zigzag),
    (6, "zero_threshold", Holds::Double),
    (7, "zero_count", Holds::Unsigned),
    (8, "zero_count_float", Holds::Double),
    (9, "negative_span", Holds::Message(SPAN)),
    (10, "negative_delta", Holds::Zigzag),
    (11, "negative_count", Holds::Double),
    (12, "positive_span", Holds::Message(SPAN)),
    (13, "positive_delta", Holds::Zigzag),
    (14, "positive_count", Holds::Double),
    (15, "created_timestamp", Holds::Message(TIMESTAMP)),
    (16, "exemplars", Holds::Message(EXEMPLAR)),
];

const BUCKET: Schema = &[
    (1, "cumulative_count", Holds::Unsigned),
    (2, "upper_bound", Holds::Double),
    (3, "exemplar", Holds::Message(EXEMPLAR)),
    (4, "cumulative_count_float", Holds::Double),
];

const SPAN: Schema = &[(1, "offset", Holds::Zigzag), (2, "length", Holds::Unsigned)];

const EXEMPLAR: Schema = &[
    (1, "label", Holds::Message(LABEL)),
    (2, "value", Holds::Double),
    (3, "timestamp", Holds::Message(TIMESTAMP)),
];

const TIMESTAMP: Schema = &[(1, "seconds", Holds::Signed), (2, "nanos", Holds::Signed)];

const METRIC_TYPES: [&str; 6] = [
    "COUNTER",
    "GAUGE",
    "SUMMARY",
    "UNTYPED",
    "HISTOGRAM",
    "GAUGE_HISTOGRAM",
];

struct Printer<'a> {
    out: &'a mut Vec<u8>,
    style: TextStyle,
    depth: usize,
}

impl Printer<'_> {
    /// Goes as deep as the schema, whose messages do not contain themselves.
    fn fields(&mut self, mut fields: Reader<'_>, schema: Schema, mut first: bool) {
        while let Ok(Some((number, value))) = fields.field() {
            let Some((_, name, holds)) = schema.iter().find(|(known, ..)| *known == number) else {
                continue;
            };
            let before = self.out.len();
            self.begin_field(name, first);
            if self.value(value, *holds) {
                self.end_field();
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
    }

    fn begin_field(&mut self, name: &str, first: bool) {
        match self.style {
            TextStyle::MultiLine => self.indent(),
            TextStyle::Compact if first => {}
            TextStyle::Compact => self.out.push(b' '),
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b':');
    }

    fn end_field(&mut self) {
        if self.style == TextStyle::MultiLine {
            self.out.push(b'\n');
        }
    }

    fn indent(&mut self) {
        self.out.extend(std::iter::repeat_n(b' ', self.depth * 2));
    }

    /// Returns whether the wire type was the one of the schema.
    fn value(&mut self, value: Wire<'_>, holds: Holds) -> bool {
        if self.style == TextStyle::MultiLine {
            self.out.push(b' ');
        }
        match (holds, value) {
            (Holds::Text, Wire::Bytes(text)) => write_quoted(self.out, text.bytes()),
            (Holds::Double, Wire::Fixed64(bits)) => write_double(self.out, f64::from_bits(bits)),
            (Holds::Unsigned, Wire::Varint(number)) => self.integer(number),
            (Holds::Signed, Wire::Varint(number)) => self.integer(number.cast_signed()),
            (Holds::Zigzag, Wire::Varint(number)) => self.integer(unzigzag(number)),
            (Holds::MetricType, Wire::Varint(number)) => {
                let name = usize::try_from(number)
                    .ok()
                    .and_then(|number| METRIC_TYPES.get(number));
                match name {
                    Some(name) => self.out.extend_from_slice(name.as_bytes()),
                    None => self.integer(number),
                }
            }
            (Holds::Message(schema), Wire::Bytes(message)) => self.message(message, schema),
            _ => return false,
        }
        true
    }

    fn integer(&mut self, number: impl itoa::Integer) {
        self.out
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn message(&mut self, message: Reader<'_>, schema: Schema) {
        self.out.push(b'{');
        if self.style == TextStyle::MultiLine && !message.is_empty() {
            self.out.push(b'\n');
        }
        self.depth += 1;
        self.fields(message, schema, true);
        self.depth -= 1;
        if self.style == TextStyle::MultiLine && !message.is_empty() {
            self.indent();
        }
        self.out.push(b'}');
    }
}

fn write_double(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() {
        out.extend_from_slice(b"nan");
    } else if number.is_infinite() {
        out.extend_from_slice(if number > 0.0 { b"inf" } else { b"-inf" });
    } else {
        number::write_f64_signed_zero(out, number);
    }
}

/// In quotes, with the escapes that Go's printer uses: `\n`, `\x07`, and `\u0085` for the controls above ASCII.
fn write_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\0'..' ' | '\x7f' => out.extend_from_slice(format!("\\x{:02x}", u32::from(c)).as_bytes()),
                '\u{80}'..='\u{9f}' => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
                _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    out.push(b'"');
}
