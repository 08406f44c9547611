use super::*;
use crate::values::tests::numbers;

fn options(native_factor: f64, native_max_buckets: u32) -> Arc<HistogramOptions> {
    Arc::new(HistogramOptions {
        buckets: vec![1.0, 100.0, 10_000.0],
        native_factor,
        native_max_buckets,
    })
}

/// What is hard about numbers, and 200 others.
fn observed() -> Vec<f64> {
    let hard = [
        0.0,
        -1.0,
        -2.5,
        1.0,
        2.0,
        4.0,
        0.5,
        1e-40,
        5e-324,
        1e-38,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1e300,
        f64::MAX,
    ];
    hard.into_iter().chain(numbers(200)).collect()
}

fn show(buckets: &BTreeMap<i32, u64>) -> String {
    let shown: Vec<_> = buckets
        .iter()
        .map(|(index, count)| format!("{index}:{count}"))
        .collect();
    shown.join(" ")
}

/// Expected is what `client_golang` 1.25 makes of the same numbers.
#[test]
fn native_buckets_are_those_of_the_go_client() {
    let cases = [
        (
            (1.1, 256),
            3,
            "-1009:1 -8:1 0:1 8:1 16:1 48:1 63:1 65:1 66:1 67:1 70:1 72:1 75:1 76:1 78:1 79:1 81:1 83:2 85:2 \
             86:2 88:1 89:3 90:2 91:1 92:1 93:3 94:5 95:4 96:6 97:7 98:7 99:5 100:4 101:10 102:8 103:6 104:9 \
             105:8 106:15 107:11 108:15 109:9 110:10 111:13 112:15 113:4 7973:1 8192:1 8193:1",
            "0:1 11:1 8193:1",
        ),
        (
            (1.1, 20),
            0,
            "-126:1 -1:1 0:1 1:1 2:1 6:1 8:1 9:5 10:4 11:8 12:25 13:56 14:96 15:4 997:1 1024:1 1025:1",
            "0:1 2:1 1025:1",
        ),
        (
            (2.0, 256),
            0,
            "-126:1 -1:1 0:1 1:1 2:1 6:1 8:1 9:5 10:4 11:8 12:25 13:56 14:96 15:4 997:1 1024:1 1025:1",
            "0:1 2:1 1025:1",
        ),
        ((1e9, 256), -4, "-7:1 0:2 1:202 63:1 64:1 65:1", "0:1 1:1 65:1"),
        ((1.5, 3), -4, "-7:1 0:2 1:202 63:1 64:1 65:1", "0:1 1:1 65:1"),
    ];
    for ((factor, max_buckets), schema, positive, negative) in cases {
        let mut histogram = HistogramValue::new(options(factor, max_buckets));
        for value in observed() {
            histogram.observe(value, 1);
        }
        let native = histogram.native().unwrap();
        assert_eq!(
            (native.schema(), native.zero_count()),
            (schema, 3),
            "{factor} {max_buckets}"
        );
        assert_eq!(show(native.positive()), positive, "{factor} {max_buckets}");
        assert_eq!(show(native.negative()), negative, "{factor} {max_buckets}");
        let classic: Vec<_> = histogram.cumulative().collect();
        assert_eq!(classic, [(1.0, 9), (100.0, 12), (10_000.0, 137)]);
        assert_eq!(histogram.count(), 215);
    }
}

#[test]
fn every_bound_of_every_schema_is_in_the_bucket_that_it_ends() {
    for schema in MIN_SCHEMA..=MAX_SCHEMA {
        for at in [-40, -1, 0, 1, 40] {
            // Powers of two are exact bounds.
            let buckets = if schema >= 0 { at << schema } else { at };
            let exponent = if schema >= 0 { at } else { at << -schema };
            let bound = 2_f64.powi(exponent);
            assert_eq!(index(bound, schema), buckets, "{bound} {schema}");
            assert_eq!(index(bound.next_up(), schema), buckets + 1, "{bound} {schema}");
        }
    }
}

#[test]
fn a_value_that_came_several_times_counts_as_often() {
    let mut once = HistogramValue::new(options(1.1, 256));
    let mut often = once.clone();
    for value in [0.5, 3.0, 0.0, -7.0] {
        often.observe(value, 3);
        for _ in 0..3 {
            once.observe(value, 1);
        }
    }
    assert_eq!(once.native(), often.native());
    assert!(once.cumulative().eq(often.cumulative()));
    assert_eq!((once.count(), once.sum()), (often.count(), often.sum()));
}

#[test]
fn native_buckets_can_be_switched_off() {
    for factor in [1.0, 0.5, -1.0, f64::NAN] {
        assert!(
            HistogramValue::new(options(factor, 256)).native().is_none(),
            "{factor}"
        );
    }
}
