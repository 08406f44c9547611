//! What the text format cannot say, as comments beside the lines: whoever reads the text passes over them. They are in
//! the words of OpenMetrics, and of its draft 2.0 where 1.0 has none.

use wharf_exposition::{Head, number, text};
use wharf_model::name::EscapingScheme;
use wharf_model::{Count, Exemplar, Exposition, Family, Histogram, Metric, NativeBuckets, NativeHistogram};
use wharf_model::{MetricType, Timestamp, Value};

/// Whether a family has native histograms.
pub(super) fn has_native(exposition: &Exposition<'_>, family: &Family) -> bool {
    let mut metrics = family.metrics.iter();
    metrics.any(|metric| histogram(exposition, metric).is_some_and(|histogram| histogram.native.is_some()))
}

fn histogram<'e>(exposition: &'e Exposition<'_>, metric: &Metric) -> Option<&'e Histogram> {
    match metric.value {
        Value::Histogram(index) => exposition.histogram(index),
        _ => None,
    }
}

/// Appends what a family has beside its metrics.
pub(super) fn write_head(out: &mut Vec<u8>, head: &Head<'_>) {
    let word = head.metric_type.as_openmetrics();
    if word != head.metric_type.as_text() && head.metric_type != MetricType::Untyped {
        comment(out, "type", &series(head.name, &[]), |out| {
            out.extend_from_slice(word.as_bytes());
        });
    }
    if !head.unit.is_empty() {
        let unit = head.unit.escape_debug().to_string();
        comment(out, "unit", &series(head.name, &[]), |out| {
            out.extend_from_slice(unit.as_bytes());
        });
    }
}

/// Appends what a metric has beside its lines.
pub(super) fn write(out: &mut Vec<u8>, exposition: &Exposition<'_>, name: &str, metric: &Metric) {
    let labels: Vec<_> = exposition.labels(metric.labels).collect();
    let shown = series(name, &labels);
    let write_exemplar = |out: &mut Vec<u8>, series: &[u8], exemplar: &Exemplar| {
        comment(out, "exemplar", series, |out| {
            write_exemplar(out, exposition, exemplar);
        });
    };
    let extra = metric.extra.as_deref();
    if let Some(exemplar) = extra.and_then(|extra| exposition.exemplar(extra.exemplar?)) {
        write_exemplar(out, &shown, exemplar);
    }
    if let Some(histogram) = histogram(exposition, metric) {
        for bucket in exposition.buckets(histogram.buckets) {
            if let Some(exemplar) = bucket.exemplar.and_then(|index| exposition.exemplar(index)) {
                let mut bound = Vec::new();
                number::write_f64_signed_zero(&mut bound, bucket.upper_bound);
                let bound = String::from_utf8_lossy(&bound);
                let labels: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
                write_exemplar(out, &series(&format!("{name}_bucket"), &labels), exemplar);
            }
        }
        if let Some(native) = &histogram.native {
            comment(out, "native", &shown, |out| write_native(out, histogram, native));
            for exemplar in exposition
                .exemplars
                .get(native.exemplars.range())
                .unwrap_or_default()
            {
                write_exemplar(out, &shown, exemplar);
            }
        }
    }
    if let Some(created) = extra.and_then(|extra| extra.created) {
        comment(out, "created", &shown, |out| write_time(out, created));
    }
}

fn comment(out: &mut Vec<u8>, what: &str, of: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"# ");
    out.extend_from_slice(what.as_bytes());
    out.push(b' ');
    out.extend_from_slice(of);
    out.extend_from_slice(b": ");
    write(out);
    out.push(b'\n');
}

/// Name and labels as the lines have them.
fn series(name: &str, labels: &[(&str, &str)]) -> Vec<u8> {
    let mut line = Vec::new();
    let none = Exposition::default();
    text::write_metric(
        &mut line,
        &none,
        name,
        labels,
        Value::Number(0.0),
        EscapingScheme::AllowUtf8,
    );
    line.truncate(line.len().saturating_sub(" 0\n".len()));
    line
}

fn write_exemplar(out: &mut Vec<u8>, exposition: &Exposition<'_>, exemplar: &Exemplar) {
    out.push(b'{');
    for (number, (name, value)) in exposition.labels(exemplar.labels).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.escape_debug().to_string().as_bytes());
        out.extend_from_slice(b"=\"");
        text::write_label_value(out, value);
        out.push(b'"');
    }
    out.extend_from_slice(b"} ");
    number::write_f64_signed_zero(out, exemplar.value);
    if let Some(timestamp) = exemplar.timestamp {
        out.push(b' ');
        write_time(out, timestamp);
    }
}

/// Seconds since 1970.
fn write_time(out: &mut Vec<u8>, time: Timestamp) {
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (
        nanos.unsigned_abs() / 1_000_000_000,
        nanos.unsigned_abs() % 1_000_000_000,
    );
    let shown = format!("{sign}{seconds}.{rest:09}");
    out.extend_from_slice(shown.trim_end_matches('0').trim_end_matches('.').as_bytes());
}

fn write_native(out: &mut Vec<u8>, histogram: &Histogram, native: &NativeHistogram) {
    let mut member = |name: &str, write: &dyn Fn(&mut Vec<u8>)| {
        out.push(if name == "count" { b'{' } else { b',' });
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        write(out);
    };
    member("count", &|out| write_count(out, histogram.count));
    member("sum", &|out| number::write_f64_signed_zero(out, histogram.sum));
    member("schema", &|out| {
        out.extend_from_slice(native.schema.to_string().as_bytes());
    });
    member("zero_threshold", &|out| {
        number::write_f64_signed_zero(out, native.zero_threshold);
    });
    member("zero_count", &|out| write_count(out, native.zero_count));
    for (name, side) in [("negative", &native.negative), ("positive", &native.positive)] {
        if !side.spans.is_empty() {
            let spans = side.spans.iter();
            let spans: Vec<_> = spans
                .map(|span| format!("{}:{}", span.offset, span.length))
                .collect();
            member(&format!("{name}_spans"), &|out| write_list(out, &spans));
            member(&format!("{name}_buckets"), &|out| write_list(out, &counts(side)));
        }
    }
    out.push(b'}');
}

fn write_count(out: &mut Vec<u8>, count: Count) {
    match count {
        Count::Int(count) => number::write_u64(out, count),
        Count::Float(count) => number::write_f64_signed_zero(out, count),
    }
}

fn write_list(out: &mut Vec<u8>, items: &[String]) {
    out.push(b'[');
    out.extend_from_slice(items.join(",").as_bytes());
    out.push(b']');
}

/// The counts of the buckets themselves, not their differences.
fn counts(side: &NativeBuckets) -> Vec<String> {
    let mut running = 0_i64;
    let integers = side.deltas.iter().map(|delta| {
        running = running.saturating_add(*delta);
        running.to_string()
    });
    let floats = side.counts.iter().map(|count| {
        let mut shown = Vec::new();
        number::write_f64_signed_zero(&mut shown, *count);
        String::from_utf8_lossy(&shown).into_owned()
    });
    integers.chain(floats).collect()
}
