//! Protobuf messages, written field by field, so that a test can also build what no encoder would.

/// The `Content-Type` of [`delimited`] metric families.
pub const CONTENT_TYPE: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// A message under construction: the fields in the order of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// The message without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an integer field.
    #[must_use]
    pub fn varint(mut self, field: u32, value: u64) -> Self {
        self.tag(field, 0);
        write_varint(&mut self.bytes, value);
        self
    }

    /// Appends a zigzag-coded integer field (`sint32`, `sint64`).
    #[must_use]
    pub fn sint(self, field: u32, value: i64) -> Self {
        self.varint(field, ((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    /// Appends a `double` field.
    #[must_use]
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.tag(field, 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Appends a `string` or `bytes` field.
    #[must_use]
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        self.tag(field, 2);
        write_length(&mut self.bytes, value.as_ref().len());
        self.bytes.extend_from_slice(value.as_ref());
        self
    }

    /// Appends a message field.
    #[must_use]
    pub fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.bytes)
    }

    /// Appends the fields of another message.
    #[must_use]
    pub fn append(mut self, other: &Self) -> Self {
        self.bytes.extend_from_slice(&other.bytes);
        self
    }

    /// All fields so many times.
    #[must_use]
    pub fn repeat(&self, times: usize) -> Self {
        Self {
            bytes: self.bytes.repeat(times),
        }
    }

    /// The encoded fields.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        write_varint(&mut self.bytes, u64::from(field) << 3 | wire_type);
    }
}

/// The messages one after another, each behind its length.
pub fn delimited(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        write_length(&mut bytes, message.bytes.len());
        bytes.extend_from_slice(&message.bytes);
    }
    bytes
}

/// `value` as a varint.
pub fn varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_varint(&mut bytes, value);
    bytes
}

/// The types of `io.prometheus.client.MetricFamily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Also the default when the field is missing.
    Counter,
    /// A gauge.
    Gauge,
    /// A summary.
    Summary,
    /// A family of no declared type.
    Untyped,
    /// A histogram, classic or native.
    Histogram,
}

/// A `MetricFamily` with a name, a type and metrics.
pub fn family(name: &str, metric_type: Type, metrics: &[Message]) -> Message {
    let number = match metric_type {
        Type::Counter => 0,
        Type::Gauge => 1,
        Type::Summary => 2,
        Type::Untyped => 3,
        Type::Histogram => 4,
    };
    with_metrics(Message::new().bytes(1, name).varint(3, number), metrics)
}

/// Appends metrics to a `MetricFamily`.
#[must_use]
pub fn with_metrics(family: Message, metrics: &[Message]) -> Message {
    metrics
        .iter()
        .fold(family, |family, metric| family.message(4, metric))
}

/// A `Metric` with labels and no value yet.
pub fn labelled(labels: &[(&str, &str)]) -> Message {
    labels.iter().fold(Message::new(), |metric, (name, value)| {
        metric.message(1, &Message::new().bytes(1, name).bytes(2, value))
    })
}

/// Gives a `Metric` a gauge value.
#[must_use]
pub fn gauge(metric: Message, value: f64) -> Message {
    metric.message(2, &Message::new().double(1, value))
}

/// Gives a `Metric` a counter value.
#[must_use]
pub fn counter(metric: Message, value: f64) -> Message {
    metric.message(3, &Message::new().double(1, value))
}

/// Gives a `Metric` an untyped value.
#[must_use]
pub fn untyped(metric: Message, value: f64) -> Message {
    metric.message(5, &Message::new().double(1, value))
}

/// The native histogram of the contract: ten observations, negative, zero and positive buckets, schema 3.
pub fn native_histogram(name: &str) -> Message {
    let span = |offset, length| Message::new().sint(1, offset).varint(2, length);
    let histogram = Message::new()
        .varint(1, 10)
        .double(2, 5.5)
        .sint(5, 3)
        .double(6, 2.938_735_877_055_719e-39)
        .varint(7, 1)
        .message(9, &span(-1, 1))
        .sint(10, 2)
        .message(12, &span(0, 2))
        .sint(13, 4)
        .sint(13, -1);
    family(name, Type::Histogram, &[Message::new().message(7, &histogram)])
}

fn write_length(bytes: &mut Vec<u8>, length: usize) {
    write_varint(bytes, u64::try_from(length).expect("a length fits into 64 bits"));
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
