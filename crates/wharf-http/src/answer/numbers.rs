//! Numbers and buckets of metrics as JSON: in strings, since JSON has no `NaN`.

use wharf_exposition::number;
use wharf_model::{Count, NativeBuckets, NativeHistogram};

use crate::answer::bounds;
use crate::answer::json::Members;

pub(crate) fn write_number(out: &mut Vec<u8>, value: f64) {
    out.push(b'"');
    number::write_f64_signed_zero(out, value);
    out.push(b'"');
}

pub(crate) fn write_count(out: &mut Vec<u8>, count: Count) {
    match count {
        Count::Int(count) => {
            out.push(b'"');
            number::write_u64(out, count);
            out.push(b'"');
        }
        Count::Float(count) => write_number(out, count),
    }
}

/// `[boundaries, lower, upper, count]` for each bucket that is not empty, from the lowest to the highest.
/// Boundaries: 0 `(lower, upper]`, 1 `[lower, upper)`, 3 `[lower, upper]`.
pub(crate) fn write_native_buckets(out: &mut Vec<u8>, native: &NativeHistogram) {
    let bound = |index: i32| bounds::upper(native.schema, index);
    let mut array = Members::array(out);
    for (index, count) in native_counts(&native.negative).into_iter().rev() {
        write_native_bucket(
            array.next(),
            1,
            -bound(index),
            -bound(index.saturating_sub(1)),
            count,
        );
    }
    if native.zero_count.as_f64() > 0.0 {
        let width = native.zero_threshold;
        write_native_bucket(array.next(), 3, -width, width, native.zero_count);
    }
    for (index, count) in native_counts(&native.positive) {
        write_native_bucket(
            array.next(),
            0,
            bound(index.saturating_sub(1)),
            bound(index),
            count,
        );
    }
    array.end();
}

fn write_native_bucket(out: &mut Vec<u8>, boundaries: u8, lower: f64, upper: f64, count: Count) {
    let mut bucket = Members::array(out);
    bucket.next().push(b'0' + boundaries);
    write_number(bucket.next(), lower);
    write_number(bucket.next(), upper);
    write_count(bucket.next(), count);
    bucket.end();
}

/// Index and count of each bucket that is not empty. The decoder has checked that spans and counts agree.
fn native_counts(side: &NativeBuckets) -> Vec<(i32, Count)> {
    let mut counts = Vec::new();
    let (mut deltas, mut floats) = (side.deltas.iter(), side.counts.iter());
    let (mut index, mut running) = (0i32, 0i64);
    for span in &side.spans {
        index = index.saturating_add(span.offset);
        for _ in 0..span.length {
            let count = if let Some(delta) = deltas.next() {
                running = running.saturating_add(*delta);
                Count::Int(u64::try_from(running).unwrap_or(0))
            } else if let Some(count) = floats.next() {
                Count::Float(*count)
            } else {
                return counts;
            };
            if count.as_f64() != 0.0 {
                counts.push((index, count));
            }
            index = index.saturating_add(1);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use wharf_model::BucketSpan;

    use super::*;

    #[test]
    fn native_buckets_are_listed_from_the_lowest_to_the_highest() {
        let side = |offset, length, deltas: &[i64]| NativeBuckets {
            spans: vec![BucketSpan { offset, length }],
            deltas: deltas.to_vec(),
            counts: Vec::new(),
        };
        let native = NativeHistogram {
            schema: 3,
            zero_threshold: 2.938_735_877_055_719e-39,
            zero_count: Count::Int(1),
            negative: side(-1, 1, &[2]),
            positive: side(0, 2, &[4, -1]),
            ..NativeHistogram::default()
        };
        let mut out = Vec::new();
        write_native_buckets(&mut out, &native);
        let expected = concat!(
            r#"[[1,"-0.9170040432046711","-0.8408964152537144","2"],"#,
            r#"[3,"-2.938735877055719e-39","2.938735877055719e-39","1"],"#,
            r#"[0,"0.9170040432046711","1","4"],[0,"1","1.0905077326652577","3"]]"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
