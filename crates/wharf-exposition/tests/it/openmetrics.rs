//! `OpenMetrics` from outside.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "snapshots are written by the snapshot tool"
)]

use expect_test::{Expect, expect};
use proptest::prelude::*;
use wharf_exposition::openmetrics::{Options, decode, encode, write_eof, write_head, write_metrics};
use wharf_exposition::{Head, protobuf, text};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Count, MetricType};

use crate::generate::{self, Format};

const UTF8: Options = Options {
    names: NameRule::Utf8,
};

/// The first example of the standard.
const STANDARD: &str = "\
# TYPE acme_http_router_request_seconds summary
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency though all of ACME's HTTP request router.
acme_http_router_request_seconds_sum{path=\"/api/v1\",method=\"GET\"} 9036.32
acme_http_router_request_seconds_count{path=\"/api/v1\",method=\"GET\"} 807283.0
acme_http_router_request_seconds_created{path=\"/api/v1\",method=\"GET\"} 1605281325.0
acme_http_router_request_seconds_sum{path=\"/api/v2\",method=\"POST\"} 479.3
acme_http_router_request_seconds_count{path=\"/api/v2\",method=\"POST\"} 34.0
acme_http_router_request_seconds_created{path=\"/api/v2\",method=\"POST\"} 1605281325.0
# TYPE go_goroutines gauge
# HELP go_goroutines Number of goroutines that currently exist.
go_goroutines 69
# TYPE process_cpu_seconds counter
# UNIT process_cpu_seconds seconds
# HELP process_cpu_seconds Total user and system CPU time spent in seconds.
process_cpu_seconds_total 4.20072246e+06
# EOF
";

/// One family of each type, after the examples of the standard.
const EVERY_TYPE: &str = "\
# HELP c A \\\"counter\\\".\\nWith \\\\ and two lines.
# TYPE c counter
c_total{a=\"x\\\"y\\\\z\\n\"} 17.0 # {trace_id=\"KOO5S4vxi0o\"} 0.67
c_created{a=\"x\\\"y\\\\z\\n\"} 1520430000.123
c_total{a=\"2\"} 18.0 # {} 0.5 1520879607.789
# TYPE g gauge
g -1.5
# TYPE s summary
s{quantile=\"0.95\"} 123.7
s{quantile=\"0.99\"} 150.0
s_sum 324789.3
s_count 17
s_created 1520430000.123
# TYPE h histogram
h_bucket{le=\"0.0\"} 0
h_bucket{le=\"0.1\"} 8 # {} 0.054
h_bucket{le=\"10.0\"} 17 # {trace_id=\"oHg5SJYRHA0\"} 9.8 1520879607.789
h_bucket{le=\"+Inf\"} 17
h_sum 324789.3
h_count 17
h_created 1520430000.123
# TYPE gh gaugehistogram
gh_bucket{le=\"0.01\"} 20
gh_bucket{le=\"+Inf\"} 42
gh_gsum 3289.3
gh_gcount 42
# TYPE i info
i_info{entity=\"controller\",name=\"pretty name\"} 1.0
# TYPE state stateset
state{entity=\"controller\",state=\"a\"} 1.0
state{entity=\"controller\",state=\"bb\"} 0.0
# TYPE u unknown
u 42.0
# EOF
";

fn show(body: &[u8], options: Options) -> String {
    match decode(body, options) {
        Ok(exposition) => format!("{exposition:?}"),
        Err(error) => format!("{error}\n"),
    }
}

#[track_caller]
fn check(body: &str, expected: &Expect) {
    expected.assert_eq(&show(body.as_bytes(), Options::default()));
}

/// The same for lines without `# EOF`.
#[track_caller]
fn check_lines(lines: &str, expected: &Expect) {
    check(&format!("{lines}# EOF\n"), expected);
}

/// What each of some bodies without `# EOF` means.
fn each(bodies: &[&str]) -> String {
    let lines = |body: &&str| {
        let meaning = show(format!("{body}\n# EOF\n").as_bytes(), Options::default());
        format!("{body}\n    {}\n", meaning.trim_end().replace('\n', "\n    "))
    };
    bodies.iter().map(lines).collect::<Vec<_>>().concat()
}

#[test]
fn the_example_of_the_standard_is_decoded() {
    check(
        STANDARD,
        &expect![[r#"
        summary "acme_http_router_request_seconds" help="Latency though all of ACME's HTTP request router." unit="seconds"
          {path="/api/v1",method="GET"} sum=9036.32 count=807283 created=1605281325s+0ns
          {path="/api/v2",method="POST"} sum=479.3 count=34 created=1605281325s+0ns
        gauge "go_goroutines" help="Number of goroutines that currently exist."
          {} 69.0
        counter "process_cpu_seconds_total" help="Total user and system CPU time spent in seconds." unit="seconds"
          {} 4200722.46
    "#]],
    );
}

#[test]
fn every_type_is_decoded() {
    check(
        EVERY_TYPE,
        &expect![[r#"
        counter "c_total" help="A \"counter\".\nWith \\ and two lines."
          {a="x\"y\\z\n"} 17.0 created=1520430000s+123000000ns # {trace_id="KOO5S4vxi0o"} 0.67
          {a="2"} 18.0 # {} 0.5 @1520879607s+789000000ns
        gauge "g"
          {} -1.5
        summary "s"
          {} sum=324789.3 count=17 q0.95=123.7 q0.99=150.0 created=1520430000s+123000000ns
        histogram "h"
          {} sum=324789.3 count=Int(17) le0.0=Int(0) le0.1=Int(8) # {} 0.054 le10.0=Int(17) # {trace_id="oHg5SJYRHA0"} 9.8 @1520879607s+789000000ns leinf=Int(17) created=1520430000s+123000000ns
        gaugehistogram "gh"
          {} sum=3289.3 count=Int(42) le0.01=Int(20) leinf=Int(42)
        info "i_info"
          {entity="controller",name="pretty name"} 1.0
        stateset "state"
          {entity="controller",state="a"} 1.0
          {entity="controller",state="bb"} 0.0
        unknown "u"
          {} 42.0
    "#]],
    );
}

#[test]
fn every_type_is_encoded_as_it_came() {
    let exposition = decode(EVERY_TYPE.as_bytes(), Options::default()).unwrap();
    let encoded = encode(&exposition, EscapingScheme::Underscores);
    assert_eq!(String::from_utf8(encoded).unwrap(), EVERY_TYPE);
}

/// Go's client leaves it out of its pushes.
#[test]
fn a_missing_eof_is_forgiven() {
    for lines in ["", "m 1\n", "# TYPE c counter\nc_total 1\n"] {
        let meaning = show(format!("{lines}# EOF\n").as_bytes(), Options::default());
        for end in ["", "# EOF"] {
            let body = format!("{lines}{end}");
            assert_eq!(show(body.as_bytes(), Options::default()), meaning, "{body:?}");
        }
    }
}

#[test]
fn the_body_ends_with_a_line() {
    let bodies = [
        "m 1",
        "m 1\n# EO",
        "# EOF\n\n",
        "# EOF\nm 1\n",
        "m 1\n# EOF\n# EOF\n",
    ];
    let shown = |body: &&str| show(body.as_bytes(), Options::default());
    let meanings: String = bodies.iter().map(shown).collect();
    expect![[r#"
        openmetrics parsing error in line 1, column 4: expected a line feed, found the end of the body
        hint: a line that is cut short could be read as another one
        openmetrics parsing error in line 2, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `# EO`
        hint: leave comments out; the last line is `# EOF`
        openmetrics parsing error in line 2, column 1: expected the end of the body behind `# EOF`, found more
        openmetrics parsing error in line 2, column 1: expected the end of the body behind `# EOF`, found more
        openmetrics parsing error in line 3, column 1: expected the end of the body behind `# EOF`, found more
    "#]]
    .assert_eq(&meanings);
}

#[test]
fn a_counter_may_stand_beside_a_gauge() {
    let body = "# TYPE m counter\nm_total 1.0\n# HELP m h\n# TYPE m gauge\nm 2.0\n# EOF\n";
    check(
        body,
        &expect![[r#"
        counter "m_total"
          {} 1.0
        gauge "m" help="h"
          {} 2.0
    "#]],
    );
    let exposition = decode(body.as_bytes(), Options::default()).unwrap();
    let encoded = encode(&exposition, EscapingScheme::Underscores);
    assert_eq!(String::from_utf8(encoded).unwrap(), body);
}

#[test]
fn samples_of_other_names_begin_a_family() {
    check_lines(
        "# TYPE m gauge\nm 1\nm_total 2\nm_info 3\nn 4\n",
        &expect![[r#"
        gauge "m"
          {} 1.0
        unknown "m_total"
          {} 2.0
        unknown "m_info"
          {} 3.0
        unknown "n"
          {} 4.0
    "#]],
    );
}

#[test]
fn timestamps_are_decoded() {
    check_lines(
        "a 1 1520879607.789\nb{x=\"y\"} 2 -1.5e3\nc 3 0\n",
        &expect![[r#"
        unknown "a"
          {} 1.0 @1520879607789
        unknown "b"
          {x="y"} 2.0 @-1500000
        unknown "c"
          {} 3.0 @0
    "#]],
    );
}

#[test]
fn counts_are_whole_however_written() {
    let lines = "# TYPE h histogram\nh_bucket{le=\"1\"} 1e3\nh_bucket{le=\"2\"} 2000.0\nh_bucket{le=\"+Inf\"} 18446744073709551615\n";
    check_lines(
        lines,
        &expect![[r#"
        histogram "h"
          {} sum=0.0 count=Int(18446744073709551615) le1.0=Int(1000) le2.0=Int(2000) leinf=Int(18446744073709551615)
    "#]],
    );
}

#[test]
fn histograms_without_count_have_that_of_the_last_bucket() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 7\nh_bucket{a=\"b\",le=\"+Inf\"} 8\n# EOF\n";
    let exposition = decode(body.as_bytes(), Options::default()).unwrap();
    assert_eq!(exposition.histogram(0).unwrap().count, Count::Int(7));
    assert_eq!(exposition.histogram(1).unwrap().count, Count::Int(8));
}

#[test]
fn syntax_errors_say_what_was_expected_and_found() {
    let bodies = [
        "m{1=\"x\"} 1",
        "m{a} 1",
        "m{a=b} 1",
        "m{a=\"b} 1",
        "m{a=\"b\\\"} 1",
        "m{a=\"b\\",
        "m{a=\"b\" c=\"d\"} 1",
        "m{,} 1",
        "m{a=\"b\"",
        "m{a:b=\"c\"} 1",
        "m",
        "m x",
        "m 1 x",
        "m 1 2 3",
        "{a=\"b\"} 1",
        "{\"a\",\"b\"} 1",
        "1m 1",
        "é 1",
        "m-n 1",
        "m 0x1p3",
        "m{a=\"1\",b=\"2\",a=\"3\"} 1",
    ];
    expect![[r#"
        m{1="x"} 1
            openmetrics parsing error in line 1, column 3: expected a label name, found `1`
        m{a} 1
            openmetrics parsing error in line 1, column 4: expected an equals sign, found `}`
        m{a=b} 1
            openmetrics parsing error in line 1, column 5: expected a label value in quotes, found `b`
        m{a="b} 1
            openmetrics parsing error in line 1, column 10: expected a closing quote, found the end of the line
        m{a="b\"} 1
            openmetrics parsing error in line 1, column 12: expected a closing quote, found the end of the line
        m{a="b\
            openmetrics parsing error in line 1, column 8: expected a closing quote, found the end of the line
        m{a="b" c="d"} 1
            openmetrics parsing error in line 1, column 8: expected a comma or a closing brace, found ` `
            hint: leave the blank out: one stands between the parts of a line, none elsewhere
        m{,} 1
            openmetrics parsing error in line 1, column 3: expected a label name, found `,`
        m{a="b"
            openmetrics parsing error in line 1, column 8: expected a comma or a closing brace, found the end of the line
        m{a:b="c"} 1
            openmetrics parsing error in line 1, column 4: expected an equals sign, found `:b`
        m
            openmetrics parsing error in line 1, column 2: expected a blank and a value, found the end of the line
        m x
            openmetrics parsing error in line 1, column 3: expected a value, found `x`
        m 1 x
            openmetrics parsing error in line 1, column 5: expected a timestamp in seconds or an exemplar, found `x`
        m 1 2 3
            openmetrics parsing error in line 1, column 7: expected an exemplar or the end of the line, found `3`
        {a="b"} 1
            openmetrics parsing error in line 1, column 1: expected a metric name, found `{`
        {"a","b"} 1
            openmetrics parsing error in line 1, column 9: expected an equals sign, found `}`
        1m 1
            openmetrics parsing error in line 1, column 1: expected a metric name, found `1m`
        é 1
            openmetrics parsing error in line 1, column 1: expected a metric name, found `é`
        m-n 1
            openmetrics parsing error in line 1, column 2: expected a blank and a value, found `-n`
        m 0x1p3
            openmetrics parsing error in line 1, column 3: expected a value, found `0x1p3`
        m{a="1",b="2",a="3"} 1
            openmetrics parsing error in line 1, column 3: expected each label once, found a second `a`
            hint: leave one of the two out
    "#]].assert_eq(&each(&bodies));
}

#[test]
fn metadata_errors_say_what_was_expected_and_found() {
    let bodies = [
        "# TYPE",
        "# TYPE m",
        "# TYPE m nonsense",
        "# TYPE m-n gauge",
        "# HELP 1 x",
        "# TYPE m gauge\n# TYPE m gauge",
        "# HELP m a\n# HELP m b",
        "# UNIT m_s s\n# UNIT m_s s",
        "m 1\n# TYPE m gauge\nm 1",
        "# UNIT m seconds",
        "# UNIT mseconds seconds",
        "a 1\nb 1\na 2",
        "# TYPE a counter\na_total 1\n# TYPE a_total gauge\na_total 1",
        "# TYPE h histogram\nh_bucket 1",
        "# TYPE h histogram\nh_bucket{le=\"x\"} 1",
        "# TYPE s summary\ns 1",
        "# TYPE s summary\ns_sum 1\ns_sum 2",
        "# TYPE c counter\nc_created 1\nc_created 1",
        "# TYPE c counter\nc_created 1\nc_created{a=\"b\"} 1",
        "# TYPE c counter\nc_created NaN",
    ];
    expect![[r##"
        # TYPE
            openmetrics parsing error in line 1, column 7: expected a blank and a metric name, found the end of the line
        # TYPE m
            openmetrics parsing error in line 1, column 9: expected a blank and a metric type, found the end of the line
        # TYPE m nonsense
            openmetrics parsing error in line 1, column 10: expected counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown, found `nonsense`
        # TYPE m-n gauge
            openmetrics parsing error in line 1, column 9: expected a blank and a metric type, found `-n`
        # HELP 1 x
            openmetrics parsing error in line 1, column 8: expected a metric name, found `1`
        # TYPE m gauge
        # TYPE m gauge
            openmetrics parsing error in line 2, column 8: expected one TYPE line of `m`, found a second one
            hint: leave one of the two lines out
        # HELP m a
        # HELP m b
            openmetrics parsing error in line 2, column 8: expected one HELP line of `m`, found a second one
            hint: leave one of the two lines out
        # UNIT m_s s
        # UNIT m_s s
            openmetrics parsing error in line 2, column 8: expected one UNIT line of `m_s`, found a second one
            hint: leave one of the two lines out
        m 1
        # TYPE m gauge
        m 1
            openmetrics parsing error in line 2, column 1: expected the metadata of `m` before its samples, found it behind them
            hint: put HELP, TYPE and UNIT before the first sample
        # UNIT m seconds
            openmetrics parsing error in line 1, column 10: expected a unit that `m` ends in, behind a `_`, found `seconds`
            hint: leave the UNIT line out
        # UNIT mseconds seconds
            openmetrics parsing error in line 1, column 17: expected a unit that `mseconds` ends in, behind a `_`, found `seconds`
            hint: leave the UNIT line out
        a 1
        b 1
        a 2
            openmetrics parsing error in line 3, column 1: expected all lines of `a` in one place, found a second one
            hint: put all metadata and samples of a family next to each other
        # TYPE a counter
        a_total 1
        # TYPE a_total gauge
        a_total 1
            openmetrics parsing error in line 3, column 1: expected names that no other family has, found `a_total`, which is kept for the counter `a`
            hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
        # TYPE h histogram
        h_bucket 1
            openmetrics parsing error in line 2, column 1: expected a label `le`, found none
        # TYPE h histogram
        h_bucket{le="x"} 1
            openmetrics parsing error in line 2, column 10: expected a number or `+Inf` as `le`, found `x`
            hint: leave the sample out, or give the family another type
        # TYPE s summary
        s 1
            openmetrics parsing error in line 2, column 1: expected a label `quantile`, found none
        # TYPE s summary
        s_sum 1
        s_sum 2
            openmetrics parsing error in line 3, column 1: expected one `s_sum` a metric, found a second one
            hint: leave one of the two out
        # TYPE c counter
        c_created 1
        c_created 1
            openmetrics parsing error in line 3, column 1: expected one `c_created` a metric, found a second one
            hint: leave one of the two out
        # TYPE c counter
        c_created 1
        c_created{a="b"} 1
            openmetrics parsing error in line 2, column 1: expected a counter beside its `_created` sample, found none
            hint: leave the `_created` sample out, or send `_total` with it
        # TYPE c counter
        c_created NaN
            openmetrics parsing error in line 2, column 11: expected a time in seconds, found `NaN`
            hint: leave the sample out, or give the family another type
    "##]].assert_eq(&each(&bodies));
}

#[test]
fn columns_count_characters() {
    check_lines(
        "m{é=\"x\"} 1\n",
        &expect![[r#"
        openmetrics parsing error in line 1, column 3: expected a label name, found `é`
    "#]],
    );
    check_lines(
        "m{a=\"ééé\"} x\n",
        &expect![[r#"
        openmetrics parsing error in line 1, column 12: expected a value, found `x`
    "#]],
    );
}

#[test]
fn bodies_are_utf8() {
    expect![[r#"
        openmetrics parsing error in line 2, column 6: expected UTF-8, found other bytes
    "#]]
    .assert_eq(&show(b"m 1\nm{a=\"\xff\"} 1\n# EOF\n", Options::default()));
}

#[test]
fn names_in_quotes_need_the_utf8_rule() {
    let lines = "# TYPE \"my.counter\" counter\n{\"my.counter_total\",\"my.label\"=\"x\",a=\"b\"} 1\n# EOF\n";
    expect![[r#"
        counter "my.counter_total"
          {my.label="x",a="b"} 1.0
    "#]]
    .assert_eq(&show(lines.as_bytes(), UTF8));
    expect![[r#"
        openmetrics parsing error in line 1, column 8: expected a valid name, found `my.counter`
    "#]]
    .assert_eq(&show(lines.as_bytes(), Options::default()));
    check_lines(
        "m{\"a.b\"=\"x\"} 1\n",
        &expect![[r#"
        openmetrics parsing error in line 1, column 3: expected a valid name, found `a.b`
    "#]],
    );
    check_lines(
        "{\"m\",\"a\"=\"x\"} 1\n",
        &expect![[r#"
        unknown "m"
          {a="x"} 1.0
    "#]],
    );
    check_lines(
        "{\"\"} 1\n",
        &expect![[r#"
        openmetrics parsing error in line 1, column 2: expected a valid name, found ``
    "#]],
    );
}

#[test]
fn names_are_escaped_for_the_reader() {
    let body =
        "# HELP \"a.b\" h\n# TYPE \"a.b\" histogram\n{\"a.b_bucket\",\"c.d\"=\"x\",le=\"+Inf\"} 1\n# EOF\n";
    let exposition = decode(body.as_bytes(), UTF8).unwrap();
    let encoded = |scheme| String::from_utf8(encode(&exposition, scheme)).unwrap();
    expect![[r##"
        # HELP "a.b" h
        # TYPE "a.b" histogram
        {"a.b_bucket","c.d"="x",le="+Inf"} 1
        {"a.b_sum","c.d"="x"} 0.0
        {"a.b_count","c.d"="x"} 1
        # EOF
    "##]]
    .assert_eq(&encoded(EscapingScheme::AllowUtf8));
    expect![[r##"
        # HELP a_b h
        # TYPE a_b histogram
        a_b_bucket{c_d="x",le="+Inf"} 1
        a_b_sum{c_d="x"} 0.0
        a_b_count{c_d="x"} 1
        # EOF
    "##]]
    .assert_eq(&encoded(EscapingScheme::Underscores));
}

#[test]
fn counters_without_the_suffix_keep_their_name_and_lose_their_type() {
    let mut message = Vec::new();
    let head = Head {
        name: "m",
        help: None,
        unit: "",
        metric_type: MetricType::Counter,
    };
    protobuf::write_head(&mut message, &head, EscapingScheme::AllowUtf8);
    message.extend_from_slice(b"\x22\x02\x1a\x00");
    let mut body = Vec::new();
    protobuf::write_length(&mut body, message.len());
    body.extend_from_slice(&message);
    let exposition = protobuf::decode(&body).unwrap();
    let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
    expect![[r#"
        # TYPE m unknown
        m 0.0
        # EOF
    "#]]
    .assert_eq(&String::from_utf8(encoded).unwrap());
}

#[test]
fn histograms_get_their_last_bucket() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 2\nh_count 3\n";
    let exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
    expect![[r##"
        # TYPE h histogram
        h_bucket{le="1.0"} 1
        h_bucket{le="+Inf"} 3
        h_sum 2.0
        h_count 3
        # EOF
    "##]]
    .assert_eq(&String::from_utf8(encoded).unwrap());
}

#[test]
fn units_that_prometheus_would_refuse_are_left_out() {
    let mut out = Vec::new();
    let head = |name, metric_type| Head {
        name,
        help: None,
        unit: "seconds",
        metric_type,
    };
    write_head(
        &mut out,
        &head("a_seconds_total", MetricType::Counter),
        EscapingScheme::AllowUtf8,
    );
    write_head(
        &mut out,
        &head("b_total", MetricType::Counter),
        EscapingScheme::AllowUtf8,
    );
    write_head(
        &mut out,
        &head("c_seconds_total", MetricType::Gauge),
        EscapingScheme::AllowUtf8,
    );
    expect![[r#"
        # TYPE a_seconds counter
        # UNIT a_seconds seconds
        # TYPE b counter
        # TYPE c_seconds_total gauge
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

#[test]
fn parts_of_a_family_make_one_family() {
    let read = |body: &'static [u8]| decode(body, Options::default()).unwrap();
    let parts = [
        read(b"m{a=\"1\"} 1\nm 2\n# EOF\n"),
        read(b"m{a=\"2\"} 1\n# EOF\n"),
    ];
    let mut out = Vec::new();
    let head = Head::of(&parts[0], &parts[0].families[0]);
    write_head(&mut out, &head, EscapingScheme::AllowUtf8);
    for part in &parts {
        write_metrics(&mut out, part, &part.families[0], EscapingScheme::AllowUtf8);
    }
    write_eof(&mut out);
    assert_eq!(
        decode(&out, Options::default()).unwrap().families[0]
            .metrics
            .len(),
        3
    );
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn a_body_that_is_cut_within_a_line_is_refused() {
    for body in [STANDARD, EVERY_TYPE] {
        let whole = body.trim_end().len();
        for length in 1..whole {
            let cut = &body.as_bytes()[..length];
            assert!(
                cut.ends_with(b"\n") || decode(cut, Options::default()).is_err(),
                "{length}"
            );
        }
        assert!(decode(&body.as_bytes()[..whole], Options::default()).is_ok());
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn hostile_bodies_take_linear_time() {
    let many = 100_000;
    let repeat = |line: fn(usize) -> String| (0..many).map(line).collect::<Vec<_>>().concat();
    let labels = repeat(|index| format!(",a{index}=\"\""));
    let families = repeat(|index| format!("m{index} 1\n"));
    let empty = repeat(|index| format!("# TYPE m{index} histogram\n"));
    let metrics = repeat(|index| format!("h_bucket{{a=\"{index}\",le=\"+Inf\"}} 1\n"));
    let falling = repeat(|index| format!("m{{a=\"{}\"}} 1\n", 1_000_000 - index));
    let bounds = repeat(|index| format!("h_bucket{{le=\"{index}\"}} 1\n"));
    let ranks = repeat(|index| {
        format!(
            "s{{quantile=\"{}\"}} 1\n",
            1.0 / f64::from(u32::try_from(index + 1).unwrap())
        )
    });
    let states = repeat(|index| format!("s{{s=\"{index}\"}} 1 1\n"))
        + &repeat(|index| format!("s{{s=\"a\"}} 1 {}\n", index + 1));
    let points =
        repeat(|index| format!("h_bucket{{le=\"1\"}} 1 {index}\nh_bucket{{le=\"+Inf\"}} 1 {index}\n"));
    let orders = repeat(|index| {
        if index % 2 == 0 {
            "m{a=\"\",b=\"\"} 1 5\n"
        } else {
            "m{b=\"\",a=\"\"} 1 5\n"
        }
        .to_owned()
    });
    let escapes = "\\\\".repeat(many);
    for body in [
        format!("m{{a=\"\"{labels}}} 1\n# EOF\n"),
        format!("{families}# EOF\n"),
        format!("{empty}# EOF\n"),
        format!("# TYPE h histogram\n{metrics}# EOF\n"),
        format!("{falling}# EOF\n"),
        format!("# TYPE h histogram\n{bounds}h_bucket{{le=\"+Inf\"}} 1\n# EOF\n"),
        format!("# TYPE s summary\n{ranks}# EOF\n"),
        format!("# TYPE s stateset\n{states}# EOF\n"),
        format!("# TYPE h histogram\n{points}# EOF\n"),
        format!("{orders}# EOF\n"),
        format!("# HELP m {escapes}\nm{{a=\"{escapes}\"}} 1\n# EOF\n"),
    ] {
        let start: String = body.chars().take(80).collect();
        assert!(decode(body.as_bytes(), Options::default()).is_ok(), "{start}");
    }
    let error = decode(
        format!("m{{{}", "a=\"".repeat(many)).as_bytes(),
        Options::default(),
    )
    .unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "too large for an interpreter")]
    fn what_is_encoded_decodes_to_the_same(exposition in generate::exposition(Format::OpenMetrics)) {
        let encoded = encode(&exposition, EscapingScheme::AllowUtf8);
        let decoded = decode(&encoded, UTF8)
            .map_err(|error| format!("{error}\n{}", String::from_utf8_lossy(&encoded)))
            .unwrap();
        prop_assert_eq!(format!("{decoded:?}"), format!("{exposition:?}"));
    }

    #[test]
    fn random_lines_are_refused_or_mean_something(lines in "([a-z_{}\"\\\\=,# 0-9.é]{0,20}\n){0,6}") {
        check_read(lines.as_bytes());
        check_read(format!("{lines}# EOF\n").as_bytes());
    }

    #[test]
    fn changed_bytes_are_refused_or_mean_something(index in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = EVERY_TYPE.as_bytes().to_vec();
        *index.get_mut(&mut body) = byte;
        check_read(&body);
    }
}

/// A body is refused with a short text, or what it means can be written, and what has been written means the same when it is
/// written again.
#[track_caller]
fn check_read(body: &[u8]) {
    match decode(body, UTF8) {
        Ok(exposition) => {
            let written = encode(&exposition, EscapingScheme::AllowUtf8);
            let shown = String::from_utf8_lossy(&written);
            let reread = decode(&written, UTF8)
                .map_err(|error| format!("{error}\n{shown}"))
                .unwrap();
            assert_eq!(reread.families.len(), exposition.families.len());
            let again = encode(&reread, EscapingScheme::AllowUtf8);
            assert_eq!(String::from_utf8_lossy(&again), shown);
        }
        Err(error) => {
            let text = error.to_string();
            assert!((1..500).contains(&text.len()), "{text}");
        }
    }
}
