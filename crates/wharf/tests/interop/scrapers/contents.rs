//! Groups of every kind that the real Pushgateway takes.

use wharf_testkit::Gateway;
use wharf_testkit::http::{delete, post, put};
use wharf_testkit::protobuf::{
    self, Message, Type, counter, delimited, family, gauge, labelled, native_histogram, with_metrics,
};

const BATCH_JOB: &str = r#"# HELP batch_job_duration_seconds How long it took.\nIn seconds, \\ more or less.
# TYPE batch_job_duration_seconds gauge
batch_job_duration_seconds 12.5
# HELP batch_job_records_processed_total Records by outcome.
# TYPE batch_job_records_processed_total counter
batch_job_records_processed_total{status="success"} 990
batch_job_records_processed_total{status="error"} 10
# TYPE batch_job_record_processing_seconds histogram
batch_job_record_processing_seconds_bucket{le="0.001"} 0
batch_job_record_processing_seconds_bucket{le="0.005"} 100
batch_job_record_processing_seconds_bucket{le="1"} 120
batch_job_record_processing_seconds_bucket{le="1e+06"} 120
batch_job_record_processing_seconds_bucket{le="+Inf"} 120
batch_job_record_processing_seconds_sum 0.5
batch_job_record_processing_seconds_count 120
# TYPE batch_job_request_seconds summary
batch_job_request_seconds{quantile="0.5"} 0.25
batch_job_request_seconds{quantile="1"} NaN
batch_job_request_seconds_sum 17.5
batch_job_request_seconds_count 20
# TYPE batch_job_last_success_timestamp gauge
batch_job_last_success_timestamp 1600000000
batch_job_untyped{path="C:\\temp\n\"quoted\"",city="東京",empty=""} -1.5
"#;

/// Values and names at the edges.
const ODDITIES: &str = r#"# TYPE odd gauge
odd{value="nan"} NaN
odd{value="inf"} +Inf
odd{value="-inf"} -Inf
odd{value="tiny"} 5e-324
odd{value="large"} 1.7976931348623157e308
odd{value="integer"} 9007199254740993
odd{value="zero"} -0
# HELP calls A counter that does not end in _total.
# TYPE calls counter
calls 7
# TYPE shipped gauge
shipped 1
# TYPE shipped_total counter
shipped_total{to="Oslo"} 2
# TYPE build_info gauge
build_info{version="1.0"} 1
# TYPE no_infinity histogram
no_infinity_bucket{le="1"} 1
no_infinity_sum 3
no_infinity_count 2
# TYPE quiet summary
quiet_sum 3
quiet_count 2
# HELP colon:sum A recording rule's name.
# TYPE colon:sum untyped
colon:sum 1
"#;

/// What the Python client makes of a counter, a histogram and a summary in the text format.
const PYTHON: &str = r#"# HELP py_total A counter.
# TYPE py_total counter
py_total{kind="a"} 1.0
py_total{kind="b"} 2.0
# HELP py_created A counter.
# TYPE py_created gauge
py_created{kind="a"} 1.6e+09
py_created{kind="b"} 1.6000000015e+09
# HELP py_seconds A histogram.
# TYPE py_seconds histogram
py_seconds_bucket{le="1.0"} 1.0
py_seconds_bucket{le="+Inf"} 2.0
py_seconds_count 2.0
py_seconds_sum 2.5
# HELP py_seconds_created A histogram.
# TYPE py_seconds_created gauge
py_seconds_created 1.7e+09
# HELP py_size A summary.
# TYPE py_size summary
py_size_count 2.0
py_size_sum 3.5
# HELP py_size_created A summary.
# TYPE py_size_created gauge
py_size_created 1.8e+09
"#;

const UTF8: &str = r#"# HELP "http.status" Quoted.
# TYPE "http.status" gauge
{"http.status","label.name"="x","x.ünï"="y"} 1
# TYPE "http.requests_total" counter
{"http.requests_total",code="200"} 2
# TYPE "http.seconds" histogram
{"http.seconds_bucket",le="+Inf"} 1
{"http.seconds_sum"} 1.5
{"http.seconds_count"} 1
"#;

/// Pushes everything.
#[track_caller]
pub(super) fn push(gateway: &Gateway) {
    push_standard(gateway);
    push_binary(gateway, "float", &[float_histogram()]);
}

/// Pushes all but what no family of `OpenMetrics` may have: a count that is not whole.
#[track_caller]
pub(super) fn push_standard(gateway: &Gateway) {
    gateway.replace("/metrics/job/daily_report_job/instance/worker-1", BATCH_JOB);
    gateway.push("/metrics/job/daily_report_job/instance/worker-2", BATCH_JOB);
    // Without an instance, which both expose as an empty one.
    gateway.push("/metrics/job/daily_report_job", BATCH_JOB);
    gateway.push("/metrics/job/oddities/instance/", ODDITIES);
    gateway.push("/metrics/job/python/instance/1", PYTHON);
    gateway.push("/metrics/job/python/instance/2", PYTHON);
    gateway.push("/metrics/job/names/U__a_2e_b/c", UTF8);
    gateway.push(
        "/metrics/job@base64/YS9i/path@base64/L3Zhci9saWI/e/%E6%97%A5%E6%9C%AC",
        "m 1\n",
    );
    gateway.push("/metrics/job/a%20b/q/%22%5C%0A", "m 2\n");
    gateway.push("/metrics/job/other/instance/x", "m 3\n");
    push_binary(gateway, "binary", &binary());
    // A group that was replaced by less, and one that is gone.
    gateway.push("/metrics/job/replaced", "m 4\nmore 5\n");
    gateway.replace("/metrics/job/replaced", "m 5\n");
    gateway.push("/metrics/job/gone", "m 6\n");
    assert_eq!(gateway.send(&delete("/metrics/job/gone")).status, 202);
    // One whose last push failed, and one that never succeeded.
    gateway.push("/metrics/job/failed", "m 7\n");
    for path in ["/metrics/job/failed", "/metrics/job/never"] {
        assert_eq!(gateway.send(&post(path).body("m 8 1600000000\n")).status, 400);
    }
}

#[track_caller]
fn push_binary(gateway: &Gateway, job: &str, families: &[Message]) {
    let path = format!("/metrics/job/{job}/instance/p");
    let push = put(&path)
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(delimited(families));
    let response = gateway.send(&push);
    assert_eq!(response.status, 200, "{}", response.text());
}

/// A native histogram whose counts are not whole.
fn float_histogram() -> Message {
    let histogram = Message::new()
        .double(4, 2.5)
        .double(2, 3.0)
        .sint(5, 1)
        .double(6, 0.001)
        .double(8, 0.5)
        .message(12, &span(-2, 1))
        .message(12, &span(3, 1))
        .double(14, 1.5)
        .double(14, 0.5);
    family("float", Type::Histogram, &[Message::new().message(7, &histogram)])
}

fn span(offset: i64, length: u64) -> Message {
    Message::new().sint(1, offset).varint(2, length)
}

/// What the text format cannot say.
fn binary() -> Vec<Message> {
    let time = |seconds| Message::new().varint(1, seconds);
    let exemplar = |trace: &str, value| {
        let label = Message::new().bytes(1, "trace_id").bytes(2, trace);
        Message::new()
            .message(1, &label)
            .double(2, value)
            .message(3, &time(1_600_000_000))
    };
    let bucket = |bound, count| Message::new().varint(1, count).double(2, bound);
    let classic = Message::new()
        .varint(1, 3)
        .double(2, 4.5)
        .message(3, &bucket(1.0, 1).message(3, &exemplar("abc", 0.5)))
        .message(3, &bucket(2.5, 2))
        .message(3, &bucket(f64::INFINITY, 3).message(3, &exemplar("def", 3.5)))
        .message(15, &time(1_500_000_000));
    // Both kinds of buckets in one.
    let both = Message::new()
        .varint(1, 3)
        .double(2, 4.5)
        .message(3, &bucket(1.0, 2))
        .message(3, &bucket(f64::INFINITY, 3))
        .sint(5, 0)
        .double(6, 0.001)
        .varint(7, 0)
        .message(12, &span(0, 2))
        .sint(13, 2)
        .sint(13, -1)
        .message(16, &exemplar("ghi", 0.75));
    let gauge_histogram = Message::new()
        .varint(1, 3)
        .double(2, 1.5)
        .message(3, &bucket(1.0, 1))
        .message(3, &bucket(f64::INFINITY, 3));
    let counted = Message::new()
        .double(1, 5.0)
        .message(2, &exemplar("jkl", 1.0))
        .message(3, &time(1_500_000_001));
    let quantile = Message::new().double(1, 0.5).double(2, 7.0);
    let summary = Message::new()
        .varint(1, 2)
        .double(2, 14.0)
        .message(3, &quantile)
        .message(4, &time(1_500_000_002));
    let help = |family: Message, text| family.bytes(2, text);
    vec![
        native_histogram("nh"),
        family("classic", Type::Histogram, &[Message::new().message(7, &classic)]),
        family(
            "both",
            Type::Histogram,
            &[labelled(&[("z", "1"), ("a", "2")]).message(7, &both)],
        ),
        with_metrics(
            Message::new().bytes(1, "level").varint(3, 5),
            &[Message::new().message(7, &gauge_histogram)],
        ),
        help(
            family(
                "counted_total",
                Type::Counter,
                &[Message::new().message(3, &counted)],
            ),
            "Told.",
        ),
        family(
            "plain_total",
            Type::Counter,
            &[counter(labelled(&[("l", "é")]), 1e300)],
        ),
        family("sum", Type::Summary, &[Message::new().message(4, &summary)]),
        family("gauge_of_protobuf", Type::Gauge, &[gauge(Message::new(), -0.0)]),
    ]
}
