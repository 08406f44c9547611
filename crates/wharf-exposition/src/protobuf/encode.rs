//! From the arenas into bytes.

use wharf_model::name::EscapingScheme;
use wharf_model::{
    Bucket, BucketSpan, Count, Exemplar, Exposition, Family, Histogram, Metric, MetricType, NativeBuckets,
    NativeHistogram, Summary, Timestamp, Unseen, Value,
};

use super::wire::{write_varint, zigzag};
use crate::Head;
use crate::head::is_unit_of;

/// The field of a metric in which that stands which no format says. The schema is far from it.
pub(super) const UNSEEN: u64 = 1000;

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;

/// Appends what a family says beside its metrics: the beginning of a `MetricFamily` message, without length.
///
/// Info and state set families are gauges here. A unit that is not the last word of the name is left out:
/// Prometheus would refuse the scrape.
pub fn write_head(out: &mut Vec<u8>, head: &Head<'_>, escaping: EscapingScheme) {
    let name = escaping.escape_metric_name(head.name);
    let counted = match head.metric_type.base() {
        MetricType::Counter => name.strip_suffix("_total"),
        _ => None,
    };
    let unit = if is_unit_of(counted.unwrap_or(&name), head.unit) {
        head.unit
    } else {
        ""
    };
    write_head_with(out, &name, head, unit);
}

/// The same for those who keep messages and show them otherwise: with any unit, and the name as it is.
pub fn write_whole_head(out: &mut Vec<u8>, head: &Head<'_>) {
    write_head_with(out, head.name, head, head.unit);
}

fn write_head_with(out: &mut Vec<u8>, name: &str, head: &Head<'_>, unit: &str) {
    write_bytes(out, 1, name.as_bytes());
    if let Some(help) = head.help {
        write_bytes(out, 2, help.as_bytes());
    }
    let number = match head.metric_type.base() {
        MetricType::Counter => 0,
        MetricType::Summary => 2,
        MetricType::Untyped => 3,
        MetricType::Histogram => 4,
        MetricType::GaugeHistogram => 5,
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => 1,
    };
    write_integer(out, 3, number);
    if !unit.is_empty() {
        write_bytes(out, 5, unit.as_bytes());
    }
}

/// Appends the metrics of `family` as fields of a `MetricFamily` message, in the order in which they and their
/// labels stand.
pub fn write_metrics(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    family: &Family,
    escaping: EscapingScheme,
) {
    for metric in &family.metrics {
        let labels = exposition.labels(metric.labels);
        write_metric(out, exposition, family.metric_type, labels, metric, escaping);
    }
}

/// The same for one metric of a family of this type, with these labels instead of its own.
pub fn write_metric<'l>(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    metric_type: MetricType,
    labels: impl Iterator<Item = (&'l str, &'l str)>,
    metric: &Metric,
    escaping: EscapingScheme,
) {
    let encoder = Encoder {
        exposition,
        escaping,
        metric_type,
    };
    write_message(out, 4, |out| {
        encoder.labels(out, labels);
        encoder.metric(out, metric);
    });
}

/// The same for those who keep it, with what no format says: [`decode_stored`](super::decode_stored) reads that, and others pass over it.
pub fn write_stored_metric<'l>(
    out: &mut Vec<u8>,
    exposition: &Exposition<'_>,
    metric_type: MetricType,
    labels: impl Iterator<Item = (&'l str, &'l str)>,
    metric: &Metric,
) {
    let encoder = Encoder {
        exposition,
        escaping: EscapingScheme::AllowUtf8,
        metric_type,
    };
    write_message(out, 4, |out| {
        encoder.labels(out, labels);
        encoder.metric(out, metric);
        write_unseen(out, metric.extra.as_ref().map(|extra| extra.unseen));
    });
}

fn write_unseen(out: &mut Vec<u8>, unseen: Option<Unseen>) {
    let Some(unseen) = unseen.filter(|unseen| *unseen != Unseen::default()) else {
        return;
    };
    write_message(out, UNSEEN, |out| {
        if let Some(at) = unseen.expires_at {
            write_integer(out, 1, zigzag(at));
        }
        if let Some(mean) = unseen.mean {
            write_double(out, 2, mean.sum);
            write_integer(out, 3, mean.count);
        }
    });
}

/// Appends the length that stands before a message in the delimited format.
pub fn write_length(out: &mut Vec<u8>, len: usize) {
    // A usize has at most 64 bits on every platform there is.
    write_varint(out, len as u64);
}

/// Encodes all families in the delimited format, those without metrics too.
pub fn encode(exposition: &Exposition<'_>, escaping: EscapingScheme) -> Vec<u8> {
    let mut out = Vec::new();
    let mut message = Vec::new();
    for family in &exposition.families {
        message.clear();
        write_head(&mut message, &Head::of(exposition, family), escaping);
        write_metrics(&mut message, exposition, family, escaping);
        write_length(&mut out, message.len());
        out.extend_from_slice(&message);
    }
    out
}

/// Fields are written in the order in which the schema declares them, which is not that of their numbers: it is
/// the order that protobuf text prints.
struct Encoder<'a> {
    exposition: &'a Exposition<'a>,
    escaping: EscapingScheme,
    metric_type: MetricType,
}

impl Encoder<'_> {
    /// All of a metric but its labels.
    fn metric(&self, out: &mut Vec<u8>, metric: &Metric) {
        let created = metric.extra.as_ref().and_then(|extra| extra.created);
        match metric.value {
            Value::Number(number) => match self.metric_type.base() {
                MetricType::Counter => write_message(out, 3, |out| {
                    write_double(out, 1, number);
                    let exemplar = metric.extra.as_ref().and_then(|extra| extra.exemplar);
                    self.exemplar(out, 2, exemplar.and_then(|index| self.exposition.exemplar(index)));
                    write_timestamp(out, 3, created);
                }),
                MetricType::Untyped => write_message(out, 5, |out| write_double(out, 1, number)),
                _ => write_message(out, 2, |out| write_double(out, 1, number)),
            },
            Value::Summary(index) => {
                let summary = self.exposition.summary(index);
                write_message(out, 4, |out| self.summary(out, summary, created));
            }
            Value::Histogram(index) => {
                if let Some(histogram) = self.exposition.histogram(index) {
                    write_message(out, 7, |out| self.histogram(out, histogram, created));
                }
            }
            Value::Missing => {}
        }
        if let Some(timestamp_ms) = metric.extra.as_ref().and_then(|extra| extra.timestamp_ms) {
            write_integer(out, 6, timestamp_ms.cast_unsigned());
        }
    }

    fn labels<'l>(&self, out: &mut Vec<u8>, labels: impl Iterator<Item = (&'l str, &'l str)>) {
        for (name, value) in labels {
            write_message(out, 1, |out| {
                write_bytes(out, 1, self.escaping.escape_label_name(name).as_bytes());
                write_bytes(out, 2, value.as_bytes());
            });
        }
    }

    fn summary(&self, out: &mut Vec<u8>, summary: Summary, created: Option<Timestamp>) {
        write_integer(out, 1, summary.count);
        write_double(out, 2, summary.sum);
        for quantile in self.exposition.quantiles(summary.quantiles) {
            write_message(out, 3, |out| {
                write_double(out, 1, quantile.quantile);
                write_double(out, 2, quantile.value);
            });
        }
        write_timestamp(out, 4, created);
    }

    fn histogram(&self, out: &mut Vec<u8>, histogram: &Histogram, created: Option<Timestamp>) {
        write_count(out, 1, 4, histogram.count);
        write_double(out, 2, histogram.sum);
        for bucket in self.exposition.buckets(histogram.buckets) {
            write_message(out, 3, |out| self.bucket(out, bucket));
        }
        write_timestamp(out, 15, created);
        if let Some(native) = &histogram.native {
            self.native(out, native);
        }
    }

    fn bucket(&self, out: &mut Vec<u8>, bucket: &Bucket) {
        write_count(out, 1, 4, bucket.cumulative_count);
        write_double(out, 2, bucket.upper_bound);
        self.exemplar(
            out,
            3,
            bucket.exemplar.and_then(|index| self.exposition.exemplar(index)),
        );
    }

    fn native(&self, out: &mut Vec<u8>, native: &NativeHistogram) {
        write_integer(out, 5, zigzag(native.schema.into()));
        write_double(out, 6, native.zero_threshold);
        write_count(out, 7, 8, native.zero_count);
        write_side(out, 9, &native.negative);
        write_side(out, 12, &native.positive);
        let exemplars = self
            .exposition
            .exemplars
            .get(native.exemplars.range())
            .unwrap_or_default();
        for exemplar in exemplars {
            self.exemplar(out, 16, Some(exemplar));
        }
    }

    fn exemplar(&self, out: &mut Vec<u8>, field: u64, exemplar: Option<&Exemplar>) {
        let Some(exemplar) = exemplar else { return };
        write_message(out, field, |out| {
            self.labels(out, self.exposition.labels(exemplar.labels));
            write_double(out, 2, exemplar.value);
            write_timestamp(out, 3, exemplar.timestamp);
        });
    }
}

/// One side of a native histogram: its fields begin at `field`.
fn write_side(out: &mut Vec<u8>, field: u64, side: &NativeBuckets) {
    for BucketSpan { offset, length } in &side.spans {
        write_message(out, field, |out| {
            write_integer(out, 1, zigzag((*offset).into()));
            write_integer(out, 2, (*length).into());
        });
    }
    // Not packed: the schema is proto2, and its other writers do not pack either.
    for delta in &side.deltas {
        write_integer(out, field + 1, zigzag(*delta));
    }
    for count in &side.counts {
        write_double(out, field + 2, *count);
    }
}

fn write_timestamp(out: &mut Vec<u8>, field: u64, timestamp: Option<Timestamp>) {
    let Some(Timestamp { seconds, nanos }) = timestamp else {
        return;
    };
    write_message(out, field, |out| {
        write_integer(out, 1, seconds.cast_unsigned());
        write_integer(out, 2, i64::from(nanos).cast_unsigned());
    });
}

fn write_count(out: &mut Vec<u8>, int_field: u64, float_field: u64, count: Count) {
    match count {
        Count::Int(count) => write_integer(out, int_field, count),
        Count::Float(count) => write_double(out, float_field, count),
    }
}

fn write_integer(out: &mut Vec<u8>, field: u64, value: u64) {
    write_varint(out, field << 3 | VARINT);
    write_varint(out, value);
}

fn write_double(out: &mut Vec<u8>, field: u64, value: f64) {
    write_varint(out, field << 3 | FIXED64);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn write_bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    write_varint(out, field << 3 | BYTES);
    write_length(out, value.len());
    out.extend_from_slice(value);
}

/// Most messages are shorter than 128 bytes, and their length takes one byte: it is left free, and only longer
/// messages are moved. Counting the bytes first would be a second walk over everything.
fn write_message(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    write_varint(out, field << 3 | BYTES);
    let place = out.len();
    out.push(0);
    write(out);
    let end = out.len();
    let length = end - place - 1;
    let [low, ..] = length.to_le_bytes();
    if length >= 0x80 {
        write_length(out, length >> 7);
    }
    let more = out.len() - end;
    if let Some([first, rest @ ..]) = out.get_mut(place..) {
        *first = if more == 0 { low } else { low | 0x80 };
        rest.rotate_right(more);
    }
}
