//! Requests that are built once and patched before each sending.
//!
//! Every group number and every pushed number has a fixed width, in text and in protobuf, so a request never moves:
//! sending another value is a few bytes overwritten. That keeps the load generator far cheaper than what it loads.

/// The smallest pushed value. Seven digits, and four bytes as a varint.
const FIRST_VALUE: u32 = 2_100_000;
/// How many values there are. All have seven digits and four bytes as a varint, with small additions too.
const VALUES: u64 = 6_000_000;
/// Digits of a group number in the URL.
const GROUP_DIGITS: usize = 7;
/// Digits of a value in a text body.
const VALUE_DIGITS: usize = 7;

/// The value that the push number `sequence` carries.
pub fn value_of(sequence: u64) -> u32 {
    // The remainder is below six million.
    FIRST_VALUE + u32::try_from(sequence % VALUES).unwrap_or(0)
}

/// Bytes with numbers in them that change from push to push.
#[derive(Debug, Clone, Default)]
pub struct Content {
    bytes: Vec<u8>,
    numbers: Vec<Number>,
}

#[derive(Debug, Clone, Copy)]
struct Number {
    at: usize,
    plus: u32,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Digits,
    Varint,
    Double,
}

impl Content {
    /// Text in which `<N>` stands for the pushed value plus `N`.
    ///
    /// # Panics
    /// When something else than a number stands between the angle brackets.
    pub fn text(template: &str) -> Self {
        let mut content = Self::default();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('<') {
            let (number, after) = after.split_once('>').expect("a `<` has its `>`");
            content.bytes.extend_from_slice(before.as_bytes());
            content.number(
                Form::Digits,
                number.parse().expect("a number between `<` and `>`"),
            );
            rest = after;
        }
        content.bytes.extend_from_slice(rest.as_bytes());
        content
    }

    /// The bytes as they are before the first patch.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends a protobuf field with the pushed value plus `plus`, as an integer.
    pub fn varint_field(&mut self, field: u32, plus: u32) {
        self.tag(field, 0);
        self.number(Form::Varint, plus);
    }

    /// Appends a protobuf field with the pushed value plus `plus`, as a double.
    pub fn double_field(&mut self, field: u32, plus: u32) {
        self.tag(field, 1);
        self.number(Form::Double, plus);
    }

    /// Appends a protobuf field with a double that never changes.
    pub fn fixed_double_field(&mut self, field: u32, value: f64) {
        self.tag(field, 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Appends a protobuf field with an integer that never changes.
    pub fn fixed_varint_field(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.varint(value);
    }

    /// Appends a protobuf field with a string.
    pub fn string_field(&mut self, field: u32, value: &str) {
        self.tag(field, 2);
        self.length(value.len());
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Appends a protobuf field with a message.
    pub fn message_field(&mut self, field: u32, build: impl FnOnce(&mut Self)) {
        self.tag(field, 2);
        self.delimited(build);
    }

    /// Appends a message behind its length.
    pub fn delimited(&mut self, build: impl FnOnce(&mut Self)) {
        let mut message = Self::default();
        build(&mut message);
        self.length(message.bytes.len());
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(&message.bytes);
        self.numbers.extend(message.numbers.iter().map(|number| Number {
            at: offset + number.at,
            ..*number
        }));
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.varint(u64::from(field << 3 | wire_type));
    }

    fn length(&mut self, length: usize) {
        self.varint(length as u64);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.bytes.push(low_byte(value));
    }

    fn number(&mut self, form: Form, plus: u32) {
        let at = self.bytes.len();
        self.numbers.push(Number { at, plus, form });
        let width = match form {
            Form::Digits => VALUE_DIGITS,
            Form::Varint => 4,
            Form::Double => 8,
        };
        self.bytes.resize(at + width, 0);
        write_number(
            &mut self.bytes,
            *self.numbers.last().expect("pushed above"),
            FIRST_VALUE,
        );
    }
}

/// A whole push request, ready to be patched and sent.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: Vec<u8>,
    group_at: usize,
    numbers: Vec<Number>,
}

impl Request {
    /// A `PUT` of `content` to the group `worker-0000000` below `prefix`.
    pub fn new(prefix: &str, content_type: &str, content: &Content) -> Self {
        Self::of("PUT", prefix, "", content_type, content)
    }

    /// The same by another method, with what stands behind the path: nothing, or a query with its question mark.
    pub fn of(method: &str, prefix: &str, query: &str, content_type: &str, content: &Content) -> Self {
        let url = format!("{method} {prefix}/metrics/job/{JOB}/instance/{INSTANCE_PREFIX}");
        let head = format!(
            "{url}{:0GROUP_DIGITS$}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n\
             Content-Length: {}\r\n\r\n",
            0,
            content.bytes.len()
        );
        let offset = head.len();
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&content.bytes);
        let numbers = content.numbers.iter().map(|number| Number {
            at: offset + number.at,
            ..*number
        });
        Self {
            bytes,
            group_at: url.len(),
            numbers: numbers.collect(),
        }
    }

    /// Turns it into the push of `value` to `group`.
    pub fn patch(&mut self, group: u32, value: u32) {
        write_digits(
            &mut self.bytes[self.group_at..self.group_at + GROUP_DIGITS],
            group,
        );
        for number in &self.numbers {
            write_number(&mut self.bytes, *number, value);
        }
    }

    /// The bytes to send.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The job of all groups.
pub const JOB: &str = "daily_report_job";
/// What stands before the group number in the label `instance`.
pub const INSTANCE_PREFIX: &str = "worker-";

/// The label `instance` of a group.
pub fn instance(group: u32) -> String {
    format!("{INSTANCE_PREFIX}{group:0GROUP_DIGITS$}")
}

fn write_number(bytes: &mut [u8], number: Number, value: u32) {
    let value = value + number.plus;
    let at = number.at;
    match number.form {
        Form::Digits => write_digits(&mut bytes[at..at + VALUE_DIGITS], value),
        Form::Varint => {
            // Four bytes of seven bits each, the lowest first; all but the last say that more follow.
            for (index, byte) in bytes[at..at + 4].iter_mut().enumerate() {
                let bits = low_byte(u64::from(value >> (7 * index))) & 0x7f;
                *byte = if index < 3 { bits | 0x80 } else { bits };
            }
        }
        Form::Double => bytes[at..at + 8].copy_from_slice(&f64::from(value).to_le_bytes()),
    }
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

fn write_digits(digits: &mut [u8], mut value: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + low_byte(u64::from(value % 10));
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patched_request_is_the_one_that_would_have_been_built() {
        let content = Content::text("a <0>\nb{le=\"1\"} <12>\n");
        let mut request = Request::new("/prefix", "text/plain", &content);
        request.patch(42, 3_000_000);
        assert_eq!(
            String::from_utf8_lossy(request.as_bytes()),
            "PUT /prefix/metrics/job/daily_report_job/instance/worker-0000042 HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             Content-Type: text/plain\r\nContent-Length: 28\r\n\r\na 3000000\nb{le=\"1\"} 3000012\n"
        );
        request.patch(1_234_567, value_of(0));
        let text = String::from_utf8_lossy(request.as_bytes()).into_owned();
        assert!(text.contains("worker-1234567 ") && text.ends_with("a 2100000\nb{le=\"1\"} 2100012\n"));
    }

    #[test]
    fn a_query_stands_behind_the_group_and_is_not_patched() {
        let content = Content::text("a <0>\n");
        let mut request = Request::of("POST", "", "?merge=series", "text/plain", &content);
        request.patch(42, 3_000_000);
        let text = String::from_utf8_lossy(request.as_bytes()).into_owned();
        let line = "POST /metrics/job/daily_report_job/instance/worker-0000042?merge=series HTTP/1.1\r\n";
        assert!(
            text.starts_with(line) && text.ends_with("\r\n\r\na 3000000\n"),
            "{text}"
        );
    }

    #[test]
    fn numbers_inside_protobuf_messages_are_patched_in_place() {
        let mut content = Content::default();
        content.delimited(|family| {
            family.string_field(1, "m");
            family.message_field(4, |metric| {
                metric.double_field(1, 1);
                metric.varint_field(2, 2);
            });
        });
        let mut request = Request::new("", "application/octet-stream", &content);
        request.patch(0, 8_000_000);
        let body = &request.as_bytes()[request.as_bytes().len() - content.as_bytes().len()..];
        let mut expected = vec![19, 0x0a, 1, b'm', 0x22, 14, 0x09];
        expected.extend_from_slice(&8_000_001f64.to_le_bytes());
        // 8,000,002 in groups of seven bits, the lowest first.
        expected.extend_from_slice(&[0x10, 0x82, 0xa4, 0xe8, 0x03]);
        assert_eq!(body, expected);
    }

    #[test]
    fn every_value_keeps_its_width() {
        for sequence in [0, 1, VALUES - 1, VALUES, u64::MAX] {
            let value = value_of(sequence);
            assert!((1_000_000..9_999_000).contains(&value), "{value}");
            assert!((1 << 21..1 << 28).contains(&value), "{value}");
        }
    }
}
