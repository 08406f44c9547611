use expect_test::{Expect, expect};

use super::super::{Options, Rule, Syntax, check_as};
use super::{places, shown};

#[track_caller]
fn finds(body: &str, expected: &Expect) {
    let report = check_as(Syntax::OpenMetrics, body.as_bytes(), Options::default());
    expected.assert_eq(&shown(&report));
}

#[test]
fn sound_openmetrics_has_no_findings() {
    let body = "\
# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds h
a_seconds_total 1 # {trace=\"1700000000\"} 1 1700000000
a_seconds_created 1700000000
# TYPE b info
# HELP b h
b_info{v=\"d41d8cd98f00b204e9800998ecf8427e\"} 1
# TYPE c gaugehistogram
# HELP c h
c_bucket{le=\"1.0\"} 1
c_bucket{le=\"+Inf\"} 2
c_gsum 3
c_gcount 2
# TYPE d histogram
# HELP d h
d_bucket{le=\"+Inf\"} 2 # {} 1
d_sum 3
d_count 2
d_created 1
# TYPE e stateset
# HELP e h
e{e=\"on\"} 1
e{e=\"off\"} 0
# TYPE f summary
# HELP f h
f{quantile=\"0.5\"} 1
f_sum 1
f_count 1
# EOF
";
    let report = check_as(Syntax::OpenMetrics, body.as_bytes(), Options::default());
    assert_eq!(shown(&report), "");
    assert_eq!((report.families, report.series), (6, 14));
}

#[test]
fn findings_stand_where_they_are_in_openmetrics() {
    finds(
        "# TYPE requestCount counter\n\
         requestCount_total{job=\"a\",userId=\"123e4567-e89b-12d3-a456-426614174000\"} 1 # {x=\"1\"} 1\n\
         # HELP t_ms x\n# TYPE t_ms gauge\nt_ms{a=\"1\"} 1\nt_ms{a=\"2\"} 1 1395066363\n\
         loose_total{le=\"1\"} 1\n\
         # TYPE disk_kilobytes_gauge gauge\n# HELP disk_kilobytes_gauge x\n\
         disk_kilobytes_gauge{le=\"1\"} 1\n\
         # TYPE h histogram\n# HELP h h\nh_bucket{le=\"+Inf\"} 1\n# EOF\n",
        &expect![[r"
            1:8 missing-help: expected a HELP line, found none
                say what it measures: `# HELP requestCount ...`
            1:8 camel-case: expected a name in `snake_case`, found `requestCount`
                call it `request_count`
            2:20 grouping-label: expected no label `job`, found one
                the job of the push takes its place: leave it out, or choose another name
            2:28 camel-case: expected a label name in `snake_case`, found `userId`
                call it `user_id`
            2:28 unbounded-label: expected few values of the label `userId`, found a UUID
                each value is a series of its own, for ever; push a number instead, or log it
            3:8 unit-abbreviation: expected a unit in full, found `ms`
                write the base unit out: seconds
            6:15 timestamp: expected a sample without a timestamp, found one
                a gateway refuses it; if the time matters, push it as the value of a metric that ends in `_timestamp_seconds`
            7:1 missing-help: expected a HELP line, found none
                say what it measures: `# HELP loose_total ...`
            7:1 missing-type: expected a TYPE line, found none
                before the first sample: `# TYPE loose counter`, if it is one
            8:8 base-unit: expected the base unit `bytes`, found `kilobytes`
                convert the value; the name gets `bytes` instead of `kilobytes`
            8:8 type-in-name: expected a name without its type, found `gauge` in `disk_kilobytes_gauge`
                the TYPE line says it already
            10:22 reserved-label: expected the label `le` on histograms only, found it on a gauge
                choose another label, or another type
            13:1 histogram-buckets: expected `_sum` and `_count` beside the buckets, found not both
                averages need both
        "]],
    );
}

#[test]
fn a_gauge_beside_a_counter_of_its_name_is_a_family_of_its_own() {
    let body = b"# HELP m h\n# TYPE m gauge\nm 1\n# HELP m h\n# TYPE m counter\nm_total{fooBar=\"1\"} 2\n";
    let report = check_as(Syntax::OpenMetrics, body, Options::default());
    assert_eq!((report.families, report.series), (2, 2));
    assert_eq!(places(&report), [(6, 9, Rule::CamelCase)]);
}

#[test]
fn several_points_of_a_series_are_no_duplicates() {
    let body = b"# HELP a h\n# TYPE a gauge\na 1 1\na 2 2\n# EOF\n";
    let report = check_as(Syntax::OpenMetrics, body, Options::default());
    assert_eq!(places(&report), [(3, 5, Rule::Timestamp)]);
}

#[test]
fn a_byte_order_mark_is_named_in_openmetrics_too() {
    let body = "\u{feff}# HELP a h\n# TYPE a gauge\na 1\n# EOF\n";
    let report = check_as(Syntax::OpenMetrics, body.as_bytes(), Options::default());
    assert_eq!(places(&report), [(1, 1, Rule::StrictText)]);
}

#[test]
fn a_rule_of_the_standard_that_is_broken_is_a_syntax_error() {
    finds(
        "# TYPE a counter\na 1\n# EOF\n",
        &expect![[r"
        2:1 syntax: expected a sample of the counter `a`, such as `a_total`, found `a`
            OpenMetrics 1.0 says so; --format=text reads it as the text format of Prometheus
    "]],
    );
}
