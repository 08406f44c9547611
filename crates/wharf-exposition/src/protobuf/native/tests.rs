use super::*;

fn spans(spans: &[(i32, u32)]) -> Vec<BucketSpan> {
    spans
        .iter()
        .map(|(offset, length)| BucketSpan {
            offset: *offset,
            length: *length,
        })
        .collect()
}

fn integers(spans_of: &[(i32, u32)], deltas: &[i64], count: u64) -> Result<(), NativeProblem> {
    let positive = NativeBuckets {
        spans: spans(spans_of),
        deltas: deltas.to_vec(),
        counts: Vec::new(),
    };
    let native = NativeHistogram {
        positive,
        ..NativeHistogram::default()
    };
    check(
        &Histogram {
            count: Count::Int(count),
            ..Histogram::default()
        },
        &native,
    )
}

fn floats(spans_of: &[(i32, u32)], counts: &[f64], count: f64) -> Result<(), NativeProblem> {
    let negative = NativeBuckets {
        spans: spans(spans_of),
        deltas: Vec::new(),
        counts: counts.to_vec(),
    };
    let native = NativeHistogram {
        negative,
        zero_count: Count::Float(0.0),
        ..NativeHistogram::default()
    };
    check(
        &Histogram {
            count: Count::Float(count),
            ..Histogram::default()
        },
        &native,
    )
}

#[test]
fn buckets_that_add_up_are_fine() {
    assert_eq!(integers(&[(-3, 2), (5, 1)], &[1, 1, -1], 4), Ok(()));
    assert_eq!(integers(&[(0, 0)], &[], 0), Ok(()));
    assert_eq!(floats(&[(0, 2)], &[0.5, 1.5], 2.0), Ok(()));
}

#[test]
fn schemas_have_a_range() {
    for schema in -10..=60 {
        let native = NativeHistogram {
            schema,
            ..NativeHistogram::default()
        };
        let expected = if (-4..=8).contains(&schema) {
            Ok(())
        } else {
            Err(NativeProblem::Schema(schema))
        };
        assert_eq!(check(&Histogram::default(), &native), expected);
    }
}

#[test]
fn the_zero_bucket_has_a_width() {
    for zero_threshold in [-1.0, f64::NAN, f64::NEG_INFINITY] {
        let native = NativeHistogram {
            zero_threshold,
            ..NativeHistogram::default()
        };
        assert!(matches!(
            check(&Histogram::default(), &native),
            Err(NativeProblem::ZeroThreshold(_))
        ));
    }
}

#[test]
fn only_the_first_span_goes_back() {
    assert_eq!(
        integers(&[(-9, 1), (-1, 1)], &[1, 0], 2),
        Err(NativeProblem::SpanOffset(-1))
    );
}

#[test]
fn spans_stay_within_32_bits() {
    assert_eq!(integers(&[(i32::MAX, 1)], &[1], 1), Err(NativeProblem::SpanReach));
    assert_eq!(
        integers(&[(i32::MAX, 0), (1, 1)], &[1], 1),
        Err(NativeProblem::SpanReach)
    );
}

#[test]
fn spans_and_counts_agree() {
    let problem = |in_spans, counts| Err(NativeProblem::Buckets { in_spans, counts });
    assert_eq!(integers(&[(0, 1)], &[1, 0, 0], 1), problem(1, 3));
    assert_eq!(integers(&[], &[1], 1), problem(0, 1));
    assert_eq!(floats(&[(0, 1)], &[1.0, 0.0], 1.0), problem(1, 2));
}

#[test]
fn counts_are_not_negative() {
    assert_eq!(
        integers(&[(0, 2)], &[1, -2], 0),
        Err(NativeProblem::NegativeCount)
    );
    assert_eq!(floats(&[(0, 1)], &[-0.5], 1.0), Err(NativeProblem::NegativeCount));
    assert_eq!(floats(&[], &[], -1.0), Err(NativeProblem::NegativeCount));
}

#[test]
fn counts_do_not_overflow() {
    assert_eq!(
        integers(&[(0, 2)], &[i64::MAX, 1], 0),
        Err(NativeProblem::CountOverflow)
    );
    assert_eq!(
        integers(&[(0, 3)], &[i64::MAX, 0, 0], 0),
        Err(NativeProblem::CountOverflow)
    );
}

#[test]
fn the_count_is_that_of_the_buckets() {
    assert_eq!(
        integers(&[(0, 1)], &[3], 4),
        Err(NativeProblem::Count {
            in_buckets: 3,
            count: 4
        })
    );
}

#[test]
fn observations_of_nan_lie_in_no_bucket() {
    let positive = NativeBuckets {
        spans: spans(&[(0, 1)]),
        deltas: vec![3],
        counts: Vec::new(),
    };
    let native = NativeHistogram {
        positive,
        ..NativeHistogram::default()
    };
    let histogram = |count| Histogram {
        count: Count::Int(count),
        sum: f64::NAN,
        ..Histogram::default()
    };
    assert_eq!(check(&histogram(4), &native), Ok(()));
    assert_eq!(
        check(&histogram(2), &native),
        Err(NativeProblem::Count {
            in_buckets: 3,
            count: 2
        })
    );
}

#[test]
fn a_count_is_a_number() {
    assert_eq!(floats(&[(0, 1)], &[1.0], f64::NAN), Err(NativeProblem::NoCount));
    assert_eq!(floats(&[(0, 1)], &[f64::NAN], 1.0), Err(NativeProblem::NoCount));
    assert_eq!(floats(&[(0, 1)], &[f64::INFINITY], f64::INFINITY), Ok(()));
}

#[test]
fn there_is_an_index_before_that_of_the_first_bucket() {
    assert_eq!(integers(&[(i32::MIN, 1)], &[1], 1), Err(NativeProblem::SpanReach));
    assert_eq!(integers(&[(i32::MIN + 1, 1)], &[1], 1), Ok(()));
}
