//! Native histograms, held against the buckets that all observations together have.

use proptest::prelude::*;

use super::*;

/// A bucket of the finest resolution, by the index of which an observation lies in its middle.
fn observation(index: i32) -> f64 {
    ((f64::from(index) - 0.5) / 256.0).exp2()
}

/// The index of the bucket of a resolution in which it lies.
fn index(value: f64, schema: i32) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "an index of a bucket")]
    let index = (value.log2() * f64::from(schema).exp2()).ceil() as i32;
    index
}

/// A histogram of observations, of which each is positive or negative.
fn histogram(observations: &[(i32, bool)], schema: i32, threshold: f64, is_float: bool) -> NativeHistogram {
    let one = if is_float {
        Count::Float(1.0)
    } else {
        Count::Int(1)
    };
    let mut sparse = Sparse {
        schema,
        threshold,
        zero: if is_float {
            Count::Float(0.0)
        } else {
            Count::Int(0)
        },
        positive: BTreeMap::new(),
        negative: BTreeMap::new(),
        is_float,
    };
    for (at, is_negative) in observations {
        let value = observation(*at);
        if value <= threshold {
            sparse.zero = add_counts(sparse.zero, one).unwrap();
            continue;
        }
        let side = if *is_negative {
            &mut sparse.negative
        } else {
            &mut sparse.positive
        };
        put(side, index(value, schema), one).unwrap();
    }
    sparse.write(Run::default()).unwrap()
}

fn observations() -> impl Strategy<Value = Vec<(i32, bool)>> {
    prop::collection::vec((-2000..2000i32, any::<bool>()), 0..12)
}

/// Many clients end zero buckets where other buckets end, and some anywhere.
fn threshold() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![
        0.0,
        2f64.powi(-128),
        0.001,
        2f64.powi(-3),
        0.5,
        1.0,
        1.5,
        4.0,
    ])
}

/// Observations, and the resolution and the threshold of their histogram.
type OnePart<'o> = (&'o [(i32, bool)], i32, f64);

/// Where the zero bucket of a sum has to end: at the larger threshold, or beyond it where that would cut a bucket of the histogram
/// that has the smaller one.
fn least_threshold(parts: [OnePart<'_>; 2]) -> f64 {
    let mut least = parts[0].2.max(parts[1].2);
    loop {
        let cut = parts.iter().filter(|(.., own)| *own < least);
        let cut = cut.flat_map(|(observations, schema, own)| {
            let values = observations.iter().map(|(at, _)| observation(*at));
            let kept = values.filter(|value| value > own);
            kept.map(|value| (index(value, *schema), *schema))
        });
        let ends = cut
            .filter(|(index, schema)| bound(index - 1, *schema) < least)
            .map(|(index, schema)| bound(index, schema));
        let end = ends.fold(least, f64::max);
        if end <= least {
            return least;
        }
        least = end;
    }
}

proptest! {
    #[test]
    fn a_sum_has_the_buckets_of_all_observations(
        (a, b) in (observations(), observations()),
        (schema_a, schema_b) in (-4..=8i32, -4..=8i32),
        (threshold_a, threshold_b) in (threshold(), threshold()),
        (float_a, float_b) in any::<(bool, bool)>(),
    ) {
        let first = histogram(&a, schema_a, threshold_a, float_a);
        let second = histogram(&b, schema_b, threshold_b, float_b);
        let sum = add(&first, &second).unwrap();
        prop_assert_eq!(sum.schema, schema_a.min(schema_b));
        let parts = [(&*a, schema_a, threshold_a), (&*b, schema_b, threshold_b)];
        prop_assert_eq!(sum.zero_threshold.to_bits(), least_threshold(parts).to_bits());
        let all: Vec<_> = a.iter().chain(&b).copied().collect();
        let expected = histogram(&all, sum.schema, sum.zero_threshold, float_a || float_b);
        prop_assert_eq!(&sum, &expected);
        // The order does not matter, and the sum of a sum is one.
        prop_assert_eq!(&add(&second, &first).unwrap(), &sum);
        let twice = add(&sum, &first).unwrap();
        prop_assert_eq!(add(&first, &add(&second, &first).unwrap()).unwrap(), twice);
    }
}

#[test]
fn a_zero_bucket_widens_to_the_end_of_the_bucket_that_it_would_cut() {
    // (1, 2] has one, and the other's zero bucket ends at 1.5.
    let first = histogram(&[(128, false)], 0, 0.25, false);
    assert_eq!(first.positive.spans, [BucketSpan { offset: 1, length: 1 }]);
    let second = NativeHistogram {
        zero_threshold: 1.5,
        zero_count: Count::Int(3),
        ..NativeHistogram::default()
    };
    let sum = add(&first, &second).unwrap();
    assert_eq!((sum.zero_threshold, sum.zero_count), (2.0, Count::Int(4)));
    assert_eq!(sum.positive, NativeBuckets::default());
}

#[test]
fn a_zero_bucket_is_widened_at_the_resolution_of_its_histogram() {
    // The bucket ends at 3.08, and at 65536 at the resolution of the sum.
    let fine = histogram(&[(400, false)], 3, 2f64.powi(-128), false);
    let coarse = NativeHistogram {
        schema: -4,
        zero_threshold: 2.0,
        zero_count: Count::Int(5),
        ..NativeHistogram::default()
    };
    let sum = add(&fine, &coarse).unwrap();
    assert_eq!((sum.zero_threshold, sum.zero_count), (2.0, Count::Int(5)));
    assert_eq!(sum.positive.deltas, [1]);
}

#[test]
fn buckets_that_contradict_their_spans_are_not_added() {
    let sound = histogram(&[(1, false), (300, false)], 8, 0.0, false);
    let spoilt = |spoil: &dyn Fn(&mut NativeHistogram)| {
        let mut spoilt = sound.clone();
        spoil(&mut spoilt);
        spoilt
    };
    let broken = [
        spoilt(&|native| native.positive.deltas.push(1)),
        spoilt(&|native| native.positive.deltas.truncate(1)),
        spoilt(&|native| native.positive.deltas[0] = -1),
        spoilt(&|native| native.positive.spans[1].offset = -5),
        spoilt(&|native| native.positive.spans[0].length = u32::MAX),
        spoilt(&|native| native.schema = 9),
        spoilt(&|native| native.schema = -53),
        spoilt(&|native| native.zero_threshold = f64::NAN),
        spoilt(&|native| native.zero_count = Count::Float(-1.0)),
    ];
    for broken in broken {
        assert_eq!(
            add(&sound, &broken),
            Err(WhyNotAdded::NativeBuckets),
            "{broken:?}"
        );
        assert_eq!(add(&broken, &sound), Err(WhyNotAdded::Stored), "{broken:?}");
        assert_eq!(checked(broken), Err(WhyNotAdded::NativeBuckets));
    }
}

#[test]
fn counts_beyond_what_the_format_has_are_refused() {
    let many = NativeHistogram {
        positive: NativeBuckets {
            spans: vec![BucketSpan { offset: 0, length: 1 }],
            deltas: vec![i64::MAX],
            counts: Vec::new(),
        },
        ..NativeHistogram::default()
    };
    assert_eq!(add(&many, &many), Err(WhyNotAdded::Overflow));
}
