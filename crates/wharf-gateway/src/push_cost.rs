//! What it takes to read a push and to render its lines, before the store has seen any of it: in bytes that are read and written.
//!
//! A push may come to much more than was sent: the labels of its group stand on each line, those of a histogram on the line of
//! each bucket, and relabelling rules look at all labels of a metric, one rule after the other.

use wharf_model::{Exposition, GroupingKey, Metric, Value};

/// A push that comes to no more takes a millisecond or so. It is dealt with where it has come; for more another thread
/// is found, since others wait for this one.
pub(crate) const QUICK_BYTES: usize = 256 << 10;

/// And no more families and metrics than this, which the store looks up one by one. It would find that out itself, when all lines
/// have been rendered.
const QUICK_SERIES: usize = 2048;

/// The shortest line that has a sample.
const SHORTEST_LINE: usize = "m 1\n".len();

/// Whether text comes to more than is quick, when the labels of its group stand on each line.
pub(crate) fn is_much_text(text: &[u8], key: &GroupingKey) -> bool {
    let key_bytes = key.as_bytes().len();
    let is_much = |lines: usize| text.len().saturating_add(lines.saturating_mul(key_bytes)) > QUICK_BYTES;
    // Mostly not even the shortest lines would make much of it, so that nobody has to count them.
    is_much(text.len() / SHORTEST_LINE) && is_much(lines(text))
}

fn lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count()
}

/// Whether a push that has been read comes to more than is quick, with rules that look so often at each byte of its metrics.
pub(crate) fn is_much(exposition: &Exposition<'_>, key: &GroupingKey, looks: usize) -> bool {
    let key_bytes = key.as_bytes().len();
    let mut bytes = exposition.source().len();
    let metrics = exposition.families.iter().map(|family| family.metrics.len() + 1);
    if metrics.sum::<usize>() > QUICK_SERIES {
        return true;
    }
    for family in &exposition.families {
        for metric in &family.metrics {
            let labels = exposition.labels(metric.labels);
            let labels: usize = labels.map(|(name, value)| name.len() + value.len()).sum();
            let line = family.name.len() + labels + key_bytes;
            let times = looks.saturating_add(lines_of(exposition, metric));
            bytes = bytes.saturating_add(line.saturating_mul(times));
            if bytes > QUICK_BYTES {
                return true;
            }
        }
    }
    false
}

/// How many lines of text a metric has.
fn lines_of(exposition: &Exposition<'_>, metric: &Metric) -> usize {
    match metric.value {
        Value::Number(_) | Value::Missing => 1,
        // With the sum and the count.
        Value::Summary(index) => exposition.summary(index).quantiles.len() + 2,
        // With a bucket for everything.
        Value::Histogram(index) => exposition.histogram(index).map_or(0, |it| it.buckets.len()) + 3,
    }
}

#[cfg(test)]
mod tests {
    use wharf_exposition::{protobuf, text};

    use super::*;

    fn key(job_bytes: usize) -> GroupingKey {
        GroupingKey::new([("job", "j".repeat(job_bytes).as_str())]).unwrap()
    }

    /// A protobuf field with its tag and its length, which has two bytes.
    fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let [low, high] = [bytes.len() & 0x7f, bytes.len() >> 7].map(|seven| u8::try_from(seven).unwrap());
        [&[tag, low | 0x80, high], bytes].concat()
    }

    fn read(text: &str) -> Exposition<'_> {
        text::decode(text.as_bytes(), text::Options::default()).unwrap()
    }

    #[test]
    fn the_labels_of_the_group_stand_on_each_line() {
        let text = "metric{label=\"value\"} 1\n".repeat(1000);
        assert!(!is_much_text(text.as_bytes(), &key(100)));
        assert!(is_much_text(text.as_bytes(), &key(300)));
        // Few lines, however long they are.
        let text = format!("metric{{label=\"{}\"}} 1\n", "v".repeat(60_000));
        assert!(!is_much_text(text.as_bytes(), &key(60_000)));
        assert!(is_much_text(text.repeat(4).as_bytes(), &key(60_000)));
    }

    #[test]
    fn of_formats_that_are_no_text_what_they_say_counts() {
        let series = |count: usize| -> String {
            let lines = (0..count).map(|number| format!("m{{n=\"{number}\"}} 1\n"));
            lines.collect()
        };
        assert!(!is_much(&read(&series(1000)), &key(100), 0));
        assert!(is_much(&read(&series(1000)), &key(300), 0));
        assert!(is_much(&read(&series(2048)), &key(1), 0));
        // Each rule looks at each metric.
        assert!(is_much(&read(&series(1000)), &key(100), 2));
        assert!(!is_much(&read(&series(10)), &key(100), 100));
    }

    #[test]
    fn the_labels_of_a_histogram_stand_on_the_line_of_each_bucket() {
        // A family `h` of type histogram, whose metric has one label and a thousand buckets of no bytes each.
        let buckets = b"\x1a\x00".repeat(1000);
        let label = [&b"\x0a\x01l"[..], &field(0x12, "v".repeat(1000).as_bytes())].concat();
        let metric = [field(0x0a, &label), field(0x3a, &buckets)].concat();
        let family = [&b"\x0a\x01h\x18\x04"[..], &field(0x22, &metric)].concat();
        let body = field(0, &family).split_off(1);
        let exposition = protobuf::decode(&body).unwrap();
        assert_eq!(exposition.buckets.len(), 1000);
        assert!(body.len() < 4000 && is_much(&exposition, &key(1), 0));
    }
}
