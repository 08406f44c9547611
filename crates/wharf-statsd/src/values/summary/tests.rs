use super::*;
use crate::mapping::Objective;
use crate::values::tests::numbers;

const START: Duration = Duration::from_secs(1_700_000_000);

fn summary(max_age: u64, age_buckets: u32) -> SummaryValue {
    let options = SummaryOptions {
        max_age: Duration::from_secs(max_age),
        age_buckets,
        ..SummaryOptions::default()
    };
    SummaryValue::new(Arc::new(options), START)
}

fn at(seconds: u64) -> Duration {
    START + Duration::from_secs(seconds)
}

fn values(summary: &mut SummaryValue, now: Duration) -> Vec<f64> {
    summary
        .quantiles(now)
        .into_iter()
        .map(|(_, value)| value)
        .collect()
}

/// Expected is what `client_golang` 1.25 makes of the same numbers.
#[test]
fn quantiles_are_those_of_the_go_client() {
    for (count, expected, sum) in [
        (1, [7100.271, 7100.271, 7100.271], 7_100.271),
        (3, [8546.438, 10877.665, 10877.665], 26_524.374),
        (499, [8319.054, 15155.382, 16636.805], 4.205_479_735_999_995e6),
        (500, [8917.174, 15126.383, 16636.805], 4.222_036_306_999_995e6),
        (501, [8917.174, 15126.383, 16636.805], 4.232_027_409_999_995_5e6),
        (3000, [8917.174, 15334.496, 16636.805], 2.538_239_286_799_998e7),
        (20_000, [8917.174, 15126.383, 16599.209], 1.678_632_878_149_992e8),
    ] {
        let mut summary = summary(3600, 5);
        for value in numbers(count) {
            summary.observe(value, 1, START);
        }
        assert_eq!(values(&mut summary, START), expected, "{count}");
        assert_eq!((summary.sum(), summary.count()), (sum, count as u64));
    }
}

#[test]
fn the_window_slides_in_steps() {
    let mut summary = summary(10, 5);
    summary.observe(1.0, 1, at(0));
    summary.observe(5.0, 1, at(3));
    assert_eq!(values(&mut summary, at(9)), [1.0, 5.0, 5.0]);
    // Ten seconds have passed, but for the step that is under way.
    assert_eq!(values(&mut summary, at(11)), [5.0, 5.0, 5.0]);
    assert_eq!(values(&mut summary, at(12)), [5.0, 5.0, 5.0]);
    assert!(values(&mut summary, at(15)).iter().all(|value| value.is_nan()));
    assert_eq!((summary.sum(), summary.count()), (6.0, 2));
    // After a very long time it goes on in the same steps.
    summary.observe(7.0, 1, at(1_000_000_001));
    assert_eq!(values(&mut summary, at(1_000_000_009)), [7.0, 7.0, 7.0]);
    assert!(
        values(&mut summary, at(1_000_000_013))
            .iter()
            .all(|value| value.is_nan())
    );
}

/// The rank of what is shown is as near to what was asked for as if each had come by itself.
#[test]
fn a_value_that_came_several_times_counts_as_often() {
    let mut summary = summary(3600, 1);
    let mut all = Vec::new();
    for (index, value) in numbers(3000).into_iter().enumerate() {
        let times = [1, 10, 200][index % 3];
        summary.observe(value, times, START);
        all.extend(std::iter::repeat_n(value, times as usize));
    }
    all.sort_by(f64::total_cmp);
    assert_eq!(summary.count(), all.len() as u64);
    let errors = SummaryOptions::default().quantiles;
    for ((quantile, value), Objective { error, .. }) in summary.quantiles(START).into_iter().zip(errors) {
        let share = |rank: usize| {
            f64::from(u32::try_from(rank).unwrap()) / f64::from(u32::try_from(all.len()).unwrap())
        };
        let first = share(all.partition_point(|other| *other < value));
        let last = share(all.partition_point(|other| *other <= value));
        assert!(
            first - error <= quantile && quantile <= last + error,
            "{quantile}: from {first} to {last}"
        );
    }
}

#[test]
fn quantiles_may_be_the_ends() {
    let options = SummaryOptions {
        quantiles: [0.0, 1.0, 0.5, 0.5]
            .map(|quantile| Objective { quantile, error: 0.0 })
            .to_vec(),
        ..SummaryOptions::default()
    };
    let mut summary = SummaryValue::new(Arc::new(options), START);
    for value in 0..1001 {
        summary.observe(f64::from(value), 1, START);
    }
    assert_eq!(
        summary.quantiles(START),
        [(0.0, 0.0), (0.5, 500.0), (1.0, 1000.0)]
    );
}
