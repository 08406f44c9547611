//! Histograms that contradict themselves: text shows what was pushed, the other formats what their readers can take.

use expect_test::{Expect, expect};
use wharf_model::Exposition;
use wharf_scrape::{Format, Wanted, render};
use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME};

use crate::{PLAIN, decoded, joined, put, store};

const PUSHED: &str = concat!(
    "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_sum 1\na_count 9\n",
    "# TYPE b histogram\nb_bucket{le=\"2\"} 3\nb_bucket{le=\"1\"} 5\nb_bucket{le=\"+Inf\"} NaN\nb_sum 1\nb_count 7\n",
    "# TYPE c histogram\nc_bucket{le=\"1\"} 1\nc_bucket{le=\"+Inf\"} 2\n",
);

#[track_caller]
fn check(format: Format, expected: &Expect) {
    let store = store();
    put(&store, "j", &decoded(PUSHED));
    let rendered = render(
        &Exposition::default(),
        &store.snapshot(),
        Wanted { format, ..PLAIN },
    );
    let body = String::from_utf8(joined(&rendered)).unwrap();
    let is_time = |line: &str| line.contains(PUSH_TIME) || line.contains(PUSH_FAILURE_TIME);
    let lines: Vec<_> = body.split_inclusive('\n').filter(|line| !is_time(line)).collect();
    expected.assert_eq(&lines.concat().replace("instance=\"\",job=\"j\",", ""));
}

#[test]
fn text_shows_what_was_pushed() {
    check(
        Format::Text004,
        &expect![[r#"
        # TYPE a histogram
        a_bucket{le="1"} 1
        a_bucket{le="+Inf"} 2
        a_sum{instance="",job="j"} 1
        a_count{instance="",job="j"} 9
        # TYPE b histogram
        b_bucket{le="2"} 3
        b_bucket{le="1"} 5
        b_bucket{le="+Inf"} NaN
        b_sum{instance="",job="j"} 1
        b_count{instance="",job="j"} 7
        # TYPE c histogram
        c_bucket{le="1"} 1
        c_bucket{le="+Inf"} 2
        c_sum{instance="",job="j"} 0
        c_count{instance="",job="j"} 0
    "#]],
    );
}

#[test]
fn openmetrics_shows_them_mended() {
    check(
        Format::OpenMetrics100,
        &expect![[r#"
        # TYPE a histogram
        a_bucket{le="1.0"} 1
        a_bucket{le="+Inf"} 9
        a_sum{instance="",job="j"} 1.0
        a_count{instance="",job="j"} 9
        # TYPE b histogram
        b_bucket{le="1.0"} 5.0
        b_bucket{le="2.0"} 5.0
        b_bucket{le="+Inf"} 7.0
        b_sum{instance="",job="j"} 1.0
        b_count{instance="",job="j"} 7.0
        # TYPE c histogram
        c_bucket{le="1.0"} 1
        c_bucket{le="+Inf"} 2
        c_sum{instance="",job="j"} 0.0
        c_count{instance="",job="j"} 2
        # EOF
    "#]],
    );
}

#[test]
fn protobuf_shows_them_mended() {
    check(
        Format::ProtobufCompact,
        &expect![[r#"
        name:"a" type:HISTOGRAM metric:{label:{name:"instance" value:""} label:{name:"job" value:"j"} histogram:{sample_count:9 sample_sum:1 bucket:{cumulative_count:1 upper_bound:1} bucket:{cumulative_count:9 upper_bound:inf}}}
        name:"b" type:HISTOGRAM metric:{label:{name:"instance" value:""} label:{name:"job" value:"j"} histogram:{sample_count_float:7 sample_sum:1 bucket:{cumulative_count_float:5 upper_bound:1} bucket:{cumulative_count_float:5 upper_bound:2} bucket:{cumulative_count_float:7 upper_bound:inf}}}
        name:"c" type:HISTOGRAM metric:{label:{name:"instance" value:""} label:{name:"job" value:"j"} histogram:{sample_count:2 sample_sum:0 bucket:{cumulative_count:1 upper_bound:1} bucket:{cumulative_count:2 upper_bound:inf}}}
    "#]],
    );
}
