use proptest::prelude::*;
use wharf_model::{Metric, MetricType, NativeHistogram, Text};

use super::*;

/// A family with one histogram.
fn exposition(buckets: &[(f64, Count)], count: Count, is_native: bool) -> Exposition<'static> {
    let mut exposition = Exposition::default();
    let bucket = |(upper_bound, cumulative_count): &(f64, Count)| Bucket {
        upper_bound: *upper_bound,
        cumulative_count: *cumulative_count,
        exemplar: None,
    };
    exposition.buckets = buckets.iter().map(bucket).collect();
    exposition.histograms.push(Histogram {
        sum: 1.0,
        count,
        buckets: Run::new(0, buckets.len()).unwrap(),
        native: is_native.then(|| Box::new(NativeHistogram::default())),
    });
    exposition.families.push(family(Value::Histogram(0)));
    exposition
}

fn family(value: Value) -> Family {
    Family {
        name: Text::EMPTY,
        help: None,
        unit: Text::EMPTY,
        metric_type: MetricType::Histogram,
        metrics: vec![Metric {
            labels: Run::default(),
            value,
            extra: None,
        }],
    }
}

/// Bounds and counts of the buckets, and the count; none if nothing was mended.
fn mend(exposition: &Exposition<'_>) -> Option<(Vec<(f64, f64)>, f64)> {
    let family = &exposition.families[0];
    let mended = mended(exposition, family);
    assert_eq!(
        contradictions(exposition, family),
        usize::from(matches!(mended, Cow::Owned(_)))
    );
    let Cow::Owned(mended) = mended else { return None };
    let histogram = mended.histogram(0).unwrap();
    let buckets = mended.buckets(histogram.buckets).iter();
    let buckets = buckets.map(|bucket| (bucket.upper_bound, bucket.cumulative_count.as_f64()));
    Some((buckets.collect(), histogram.count.as_f64()))
}

fn of_integers(buckets: &[(f64, u64)], count: u64) -> Option<(Vec<(f64, f64)>, f64)> {
    let buckets: Vec<_> = buckets
        .iter()
        .map(|(bound, count)| (*bound, Count::Int(*count)))
        .collect();
    mend(&exposition(&buckets, Count::Int(count), false))
}

const INF: f64 = f64::INFINITY;

#[test]
fn what_agrees_with_itself_stays_as_it_is() {
    assert_eq!(of_integers(&[(1.0, 1), (2.0, 1), (INF, 3)], 3), None);
    assert_eq!(of_integers(&[(1.0, 1), (2.0, 2)], 3), None);
    assert_eq!(of_integers(&[], 3), None);
    assert_eq!(of_integers(&[(-INF, 0), (INF, 0)], 0), None);
}

#[test]
fn the_last_bucket_has_what_the_count_says() {
    assert_eq!(
        of_integers(&[(1.0, 1), (INF, 2)], 9),
        Some((vec![(1.0, 1.0), (INF, 9.0)], 9.0))
    );
    assert_eq!(
        of_integers(&[(1.0, 1), (INF, 9)], 2),
        Some((vec![(1.0, 1.0), (INF, 2.0)], 2.0))
    );
}

#[test]
fn no_bucket_has_less_than_the_one_below() {
    let rising = vec![(1.0, 5.0), (2.0, 5.0), (INF, 7.0)];
    assert_eq!(
        of_integers(&[(1.0, 5), (2.0, 3), (INF, 7)], 7),
        Some((rising, 7.0))
    );
    let above_count = vec![(1.0, 3.0), (INF, 3.0)];
    assert_eq!(of_integers(&[(1.0, 3)], 2), Some((above_count, 3.0)));
}

#[test]
fn without_a_count_the_highest_bucket_is_the_count() {
    let expected = Some((vec![(1.0, 1.0), (INF, 2.0)], 2.0));
    assert_eq!(of_integers(&[(1.0, 1), (INF, 2)], 0), expected);
    for count in [f64::NAN, -1.0] {
        let buckets = [(1.0, Count::Int(1)), (INF, Count::Int(2))];
        assert_eq!(mend(&exposition(&buckets, Count::Float(count), false)), expected);
    }
}

#[test]
fn bounds_are_sorted_each_of_them_once_and_numbers() {
    let expected = Some((vec![(0.0, 1.0), (1.0, 2.0), (INF, 2.0)], 2.0));
    assert_eq!(
        of_integers(&[(1.0, 1), (0.0, 1), (f64::NAN, 9), (1.0, 2), (-0.0, 0)], 2),
        expected
    );
}

#[test]
fn the_count_of_a_native_histogram_is_its_own() {
    let buckets = [(1.0, Count::Int(5)), (INF, Count::Int(6))];
    let expected = Some((vec![(1.0, 2.0), (INF, 2.0)], 2.0));
    assert_eq!(mend(&exposition(&buckets, Count::Int(2), true)), expected);
}

#[test]
fn a_summary_has_each_quantile_once() {
    let mut exposition = Exposition::default();
    let ranks = [0.5, 0.9, 0.5, 0.0, -0.0, f64::NAN, -f64::NAN];
    exposition.quantiles = (0_u32..)
        .zip(ranks)
        .map(|(value, quantile)| Quantile {
            quantile,
            value: value.into(),
        })
        .collect();
    exposition.summaries.push(Summary {
        quantiles: Run::new(0, ranks.len()).unwrap(),
        ..Summary::default()
    });
    let family = family(Value::Summary(0));
    let mended = mended(&exposition, &family);
    let values = mended
        .quantiles(mended.summary(0).quantiles)
        .iter()
        .map(|quantile| quantile.value);
    assert_eq!(values.collect::<Vec<_>>(), [0.0, 1.0, 3.0, 5.0]);
}

fn count() -> impl Strategy<Value = Count> {
    prop_oneof![
        (0..6_u64).prop_map(Count::Int),
        prop::sample::select(vec![u64::MAX, u64::MAX - 1, (1 << 53) + 1]).prop_map(Count::Int),
        prop::sample::select(vec![-1.0, -0.0, 0.5, 3.0, f64::NAN, f64::INFINITY]).prop_map(Count::Float),
    ]
}

fn bound() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![-INF, -1.0, -0.0, 0.0, 1.0, 2.0, 3.0, INF, f64::NAN])
}

proptest! {
    #[test]
    fn whatever_comes_is_mended_once_and_for_all(
        buckets in prop::collection::vec((bound(), count()), 0..6), count in count(), is_native in any::<bool>(),
    ) {
        // The count of a native histogram has been checked.
        prop_assume!(!is_native || is_count(count));
        let exposition = exposition(&buckets, count, is_native);
        let family = &exposition.families[0];
        let once = mended(&exposition, family);
        prop_assert_eq!(contradictions(&once, family), 0);
        prop_assert!(!is_native || once.histograms[0].count == count);
    }
}
