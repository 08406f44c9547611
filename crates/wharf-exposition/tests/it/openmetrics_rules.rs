//! The rules of `OpenMetrics`, one by one: what breaks each, what the refusal says, and what is right beside it.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "snapshots are written by the snapshot tool"
)]

use expect_test::{Expect, expect};
use wharf_exposition::openmetrics::{Options, decode, encode};
use wharf_model::name::EscapingScheme;

/// What is said about each body; `# EOF` is added. Line feeds are shown as ` | `.
#[track_caller]
fn check_refused(bodies: &[&str], expected: &Expect) {
    let lines = bodies.iter().map(|body| {
        let whole = format!("{body}\n# EOF\n");
        let error = decode(whole.as_bytes(), Options::default())
            .expect_err(body)
            .to_string();
        let error = error
            .replace("openmetrics parsing error in ", "")
            .replace('\n', "\n        ");
        format!(
            "{}\n    {error}\n",
            body.replace('\n', " | ").replace('\r', "\\r")
        )
    });
    expected.assert_eq(&lines.collect::<String>());
}

/// Each body is accepted, and so is what it is encoded to, which means the same.
#[track_caller]
fn check_accepted(bodies: &[&str]) {
    for body in bodies {
        let body = format!("{body}\n# EOF\n");
        let read = |body: &[u8]| {
            let exposition = decode(body, Options::default());
            let exposition =
                exposition.map_err(|error| format!("{error}\n{}", String::from_utf8_lossy(body)));
            let exposition = exposition.unwrap();
            (
                format!("{exposition:?}"),
                encode(&exposition, EscapingScheme::AllowUtf8),
            )
        };
        let (meaning, encoded) = read(body.as_bytes());
        assert_eq!(read(&encoded).0, meaning, "{body}");
    }
}

#[test]
fn nothing_stands_between_the_lines() {
    check_refused(
        &[
            "a 1\n\nb 1",
            "\na 1",
            "a 1\r\nb 1",
            "# HELP a x\r\na 1",
            "# a comment",
            "#a 1",
            "# FOO a x",
            "#",
            "#  TYPE a gauge",
            "#\u{a0}TYPE a gauge",
            "#TYPE a gauge",
            "# EOF ",
            "# eof",
            "\u{feff}a 1",
            " a 1",
            "\ta 1",
            " # HELP a x",
        ],
        &expect![[r#"
            a 1 |  | b 1
                line 2, column 1: expected a sample, metadata or `# EOF`, found a blank line
                    hint: leave blank lines out
             | a 1
                line 1, column 1: expected a sample, metadata or `# EOF`, found a blank line
                    hint: leave blank lines out
            a 1\r | b 1
                line 1, column 4: expected a line feed alone, found a carriage return before it
                    hint: end lines with a line feed alone
            # HELP a x\r | a 1
                line 1, column 11: expected a line feed alone, found a carriage return before it
                    hint: end lines with a line feed alone
            # a comment
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `# a comment`
                    hint: leave comments out; the last line is `# EOF`
            #a 1
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `#a 1`
                    hint: leave comments out; the last line is `# EOF`
            # FOO a x
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `# FOO a x`
                    hint: leave comments out; the last line is `# EOF`
            #
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `#`
                    hint: leave comments out; the last line is `# EOF`
            #  TYPE a gauge
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `#  TYPE a gauge`
                    hint: leave comments out; the last line is `# EOF`
            # TYPE a gauge
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `#\u{a0}TYPE a gauge`
                    hint: leave comments out; the last line is `# EOF`
            #TYPE a gauge
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `#TYPE a gauge`
                    hint: leave comments out; the last line is `# EOF`
            # EOF 
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `# EOF `
                    hint: leave comments out; the last line is `# EOF`
            # eof
                line 1, column 1: expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`, found `# eof`
                    hint: leave comments out; the last line is `# EOF`
            ﻿a 1
                line 1, column 1: expected a line, found a byte order mark
                    hint: leave the byte order mark out
             a 1
                line 1, column 1: expected a metric name, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            	a 1
                line 1, column 1: expected a metric name, found `\t`
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
             # HELP a x
                line 1, column 1: expected a metric name, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
        "#]],
    );
    check_accepted(&["a 1", "# HELP a \r x\na{b=\"\r\"} 1"]);
}

#[test]
fn blanks_stand_where_the_grammar_has_them_alone() {
    check_refused(
        &[
            "a  1",
            "a 1 ",
            "a\t1",
            "a 1\t",
            "a 1  5",
            "a {b=\"c\"} 1",
            "a{b=\"c\"}1",
            "a{b=\"c\"}x1",
            "a{ b=\"c\"} 1",
            "a{b =\"c\"} 1",
            "a{b= \"c\"} 1",
            "a{b=\"c\" } 1",
            "a{b=\"c\", d=\"e\"} 1",
            "a{b=\"c\",} 1",
            "a{,b=\"c\"} 1",
            "a{b=\"c\",,d=\"e\"} 1",
            "# TYPE a gauge ",
            "# TYPE a  gauge",
            "# TYPE  a gauge",
            "# TYPE a\tgauge",
            "# HELP a",
            "# UNIT a",
            "# UNIT a_s s ",
        ],
        &expect![[r#"
            a  1
                line 1, column 3: expected a value, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a 1 
                line 1, column 4: expected the end of the line, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a	1
                line 1, column 2: expected a blank and a value, found `\t`
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a 1	
                line 1, column 3: expected a value, found `1`
            a 1  5
                line 1, column 5: expected a timestamp in seconds or an exemplar, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a {b="c"} 1
                line 1, column 3: expected a value, found `{`
            a{b="c"}1
                line 1, column 9: expected a blank and a value, found `1`
            a{b="c"}x1
                line 1, column 9: expected a blank and a value, found `x1`
            a{ b="c"} 1
                line 1, column 3: expected a label name, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a{b ="c"} 1
                line 1, column 4: expected an equals sign, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a{b= "c"} 1
                line 1, column 5: expected a label value in quotes, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a{b="c" } 1
                line 1, column 8: expected a comma or a closing brace, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a{b="c", d="e"} 1
                line 1, column 9: expected a label name, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            a{b="c",} 1
                line 1, column 9: expected a label name, found `}`
            a{,b="c"} 1
                line 1, column 3: expected a label name, found `,`
            a{b="c",,d="e"} 1
                line 1, column 9: expected a label name, found `,`
            # TYPE a gauge 
                line 1, column 10: expected counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown, found `gauge `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            # TYPE a  gauge
                line 1, column 10: expected counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown, found ` gauge`
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            # TYPE  a gauge
                line 1, column 8: expected a metric name, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            # TYPE a	gauge
                line 1, column 9: expected a blank and a metric type, found `\t`
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            # HELP a
                line 1, column 9: expected a blank and the help, which may be empty, found the end of the line
            # UNIT a
                line 1, column 9: expected a blank and the unit, which may be empty, found the end of the line
            # UNIT a_s s 
                line 1, column 12: expected a unit that `a_s` ends in, behind a `_`, found `s `
                    hint: leave the UNIT line out
        "#]],
    );
    check_accepted(&[
        "a{} 1",
        "# HELP a \na 1",
        "# UNIT a \na 1",
        "# HELP a  two  blanks \na 1",
    ]);
}

#[test]
fn numbers_are_decimal_and_fit() {
    check_refused(
        &[
            "a 0x1",
            "a 1_0",
            "a 1e",
            "a .",
            "a e5",
            "a --1",
            "a 1e999",
            "a +nan",
            "a -NaN",
            "a ١",
            "a 1,5",
            "a Infinit",
            "a 1 NaN",
            "a 1 +Inf",
            "a 1 1e999",
            "a 1 1_0",
            "a 1 0x5",
        ],
        &expect![[r#"
            a 0x1
                line 1, column 3: expected a value, found `0x1`
            a 1_0
                line 1, column 3: expected a value, found `1_0`
            a 1e
                line 1, column 3: expected a value, found `1e`
            a .
                line 1, column 3: expected a value, found `.`
            a e5
                line 1, column 3: expected a value, found `e5`
            a --1
                line 1, column 3: expected a value, found `--1`
            a 1e999
                line 1, column 3: expected a value, found `1e999`
            a +nan
                line 1, column 3: expected a value, found `+nan`
            a -NaN
                line 1, column 3: expected a value, found `-NaN`
            a ١
                line 1, column 3: expected a value, found `١`
            a 1,5
                line 1, column 3: expected a value, found `1`
            a Infinit
                line 1, column 3: expected a value, found `Infinit`
            a 1 NaN
                line 1, column 5: expected a timestamp in seconds or an exemplar, found `NaN`
            a 1 +Inf
                line 1, column 5: expected a timestamp in seconds or an exemplar, found `+Inf`
            a 1 1e999
                line 1, column 5: expected a timestamp in seconds or an exemplar, found `1e999`
            a 1 1_0
                line 1, column 5: expected a timestamp in seconds or an exemplar, found `1_0`
            a 1 0x5
                line 1, column 5: expected a timestamp in seconds or an exemplar, found `0x5`
        "#]],
    );
    check_accepted(&[
        "a 0042",
        "a +1.",
        "a .5",
        "a 1.E+5",
        "a nAn",
        "a -iNFinity",
        "a +inf",
        "a 1e-999",
        "a 18446744073709551616",
        "a 1 -.5e1",
        "a 1 12345678901234567890.5",
        "a 1 1e300",
        "a 1 1e-99999999999999999999",
    ]);
}

#[test]
fn metadata_stands_once_and_before_the_samples_of_its_family() {
    check_refused(
        &[
            "# TYPE a gauge\n# TYPE a gauge",
            "# TYPE a gauge\n# TYPE a counter",
            "# HELP a \n# HELP a ",
            "# UNIT a_s s\n# TYPE a_s gauge\n# UNIT a_s s",
            "# TYPE a gauge\na 1\n# HELP a x",
            "# TYPE a gauge\na 1\n# UNIT a ",
            "# TYPE a gauge\na 1\n# TYPE a gauge\na 2",
            "# HELP a x\na 1\n# TYPE a gauge",
            "# TYPE a counter\na_total 1\n# HELP a x",
            "# TYPE a summary\na_sum 1\n# HELP a x",
            "# TYPE a gauge\n# HELP b x\na 1",
            "# TYPE a gauge\n# HELP b x\n# HELP a y\na 1",
            "# TYPE a untyped",
            "# TYPE a Gauge",
        ],
        &expect![[r#"
            # TYPE a gauge | # TYPE a gauge
                line 2, column 8: expected one TYPE line of `a`, found a second one
                    hint: leave one of the two lines out
            # TYPE a gauge | # TYPE a counter
                line 2, column 8: expected one TYPE line of `a`, found a second one
                    hint: leave one of the two lines out
            # HELP a  | # HELP a 
                line 2, column 8: expected one HELP line of `a`, found a second one
                    hint: leave one of the two lines out
            # UNIT a_s s | # TYPE a_s gauge | # UNIT a_s s
                line 3, column 8: expected one UNIT line of `a_s`, found a second one
                    hint: leave one of the two lines out
            # TYPE a gauge | a 1 | # HELP a x
                line 3, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a gauge | a 1 | # UNIT a 
                line 3, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a gauge | a 1 | # TYPE a gauge | a 2
                line 3, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # HELP a x | a 1 | # TYPE a gauge
                line 3, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a counter | a_total 1 | # HELP a x
                line 3, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a summary | a_sum 1 | # HELP a x
                line 3, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a gauge | # HELP b x | a 1
                line 3, column 1: expected all lines of `a` in one place, found a second one
                    hint: put all metadata and samples of a family next to each other
            # TYPE a gauge | # HELP b x | # HELP a y | a 1
                line 3, column 1: expected all lines of `a` in one place, found a second one
                    hint: put all metadata and samples of a family next to each other
            # TYPE a untyped
                line 1, column 10: expected counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown, found `untyped`
                    hint: this format calls it `unknown`
            # TYPE a Gauge
                line 1, column 10: expected counter, gauge, histogram, gaugehistogram, summary, info, stateset or unknown, found `Gauge`
        "#]],
    );
    check_accepted(&[
        "# UNIT a_s s\n# HELP a_s x\n# TYPE a_s gauge\na_s 1",
        "# TYPE a gauge\n# TYPE b gauge\nb 1",
        "# TYPE a gauge\nb 1",
    ]);
}

#[test]
fn units_are_the_last_word_of_a_name_and_not_of_every_type() {
    check_refused(
        &[
            "# UNIT a seconds",
            "# UNIT aseconds seconds",
            "# UNIT seconds seconds",
            "# TYPE a_seconds_total counter\n# UNIT a_seconds_total seconds",
            "# TYPE a_s info\n# UNIT a_s s",
            "# UNIT a_s s\n# TYPE a_s stateset",
        ],
        &expect![[r#"
            # UNIT a seconds
                line 1, column 10: expected a unit that `a` ends in, behind a `_`, found `seconds`
                    hint: leave the UNIT line out
            # UNIT aseconds seconds
                line 1, column 17: expected a unit that `aseconds` ends in, behind a `_`, found `seconds`
                    hint: leave the UNIT line out
            # UNIT seconds seconds
                line 1, column 16: expected a unit that `seconds` ends in, behind a `_`, found `seconds`
                    hint: leave the UNIT line out
            # TYPE a_seconds_total counter | # UNIT a_seconds_total seconds
                line 2, column 24: expected a unit that `a_seconds_total` ends in, behind a `_`, found `seconds`
                    hint: leave the UNIT line out
            # TYPE a_s info | # UNIT a_s s
                line 2, column 12: expected no unit of a family of type info, found one
                    hint: leave the UNIT line out
            # UNIT a_s s | # TYPE a_s stateset
                line 2, column 12: expected no unit of a family of type stateset, found one
                    hint: leave the UNIT line out
        "#]],
    );
    check_accepted(&[
        "# TYPE a_s counter\n# UNIT a_s s\na_s_total 1",
        "# TYPE a info\n# UNIT a \na_info 1",
    ]);
}

#[test]
fn families_stand_together_and_share_no_name() {
    check_refused(
        &[
            "a 1\nb 1\na 2",
            "# TYPE a counter\na_total 1\nb 1\na_total 2",
            "# TYPE a counter\na 1",
            "# TYPE a_total counter\na_total 1",
            "# TYPE a info\na 1",
            "# TYPE a_info info\na_info 1",
            "# TYPE a histogram\na 1",
            "# TYPE a counter\n# TYPE a_total gauge",
            "# TYPE a_created gauge\n# TYPE a counter",
            "# TYPE a counter\n# TYPE a_total counter",
            "# TYPE a summary\n# TYPE a_created counter",
            "# TYPE a summary\na_sum 1\n# TYPE a_count gauge\na_count 1",
            "# TYPE a_bucket gauge\na_bucket 1\n# TYPE a histogram",
            "# TYPE a gaugehistogram\n# TYPE a_gsum gauge",
            "# TYPE a info\n# TYPE b gauge\n# TYPE a counter",
            "# TYPE a info\n# TYPE a_info gauge",
            "# TYPE a summary\n# TYPE b gauge\n# TYPE a counter",
        ],
        &expect![[r#"
            a 1 | b 1 | a 2
                line 3, column 1: expected all lines of `a` in one place, found a second one
                    hint: put all metadata and samples of a family next to each other
            # TYPE a counter | a_total 1 | b 1 | a_total 2
                line 4, column 1: expected names that no other family has, found `a_total`, which is kept for the counter `a`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a counter | a 1
                line 2, column 1: expected a sample of the counter `a`, such as `a_total`, found `a`
                    hint: leave the suffix out of the name in HELP, TYPE and UNIT lines, and put it behind that of each sample
            # TYPE a_total counter | a_total 1
                line 2, column 1: expected a sample of the counter `a_total`, such as `a_total_total`, found `a_total`
                    hint: leave the suffix out of the name in HELP, TYPE and UNIT lines, and put it behind that of each sample
            # TYPE a info | a 1
                line 2, column 1: expected a sample of the info `a`, such as `a_info`, found `a`
                    hint: leave the suffix out of the name in HELP, TYPE and UNIT lines, and put it behind that of each sample
            # TYPE a_info info | a_info 1
                line 2, column 1: expected a sample of the info `a_info`, such as `a_info_info`, found `a_info`
                    hint: leave the suffix out of the name in HELP, TYPE and UNIT lines, and put it behind that of each sample
            # TYPE a histogram | a 1
                line 2, column 1: expected a sample of the histogram `a`, such as `a_bucket`, found `a`
            # TYPE a counter | # TYPE a_total gauge
                line 2, column 1: expected names that no other family has, found `a_total`, which is kept for the counter `a`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a_created gauge | # TYPE a counter
                line 2, column 1: expected names that no other family has, found `a_created`, which is that of the gauge `a_created`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a counter | # TYPE a_total counter
                line 2, column 1: expected names that no other family has, found `a_total`, which is kept for the counter `a`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a summary | # TYPE a_created counter
                line 2, column 1: expected names that no other family has, found `a_created`, which is kept for the summary `a`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a summary | a_sum 1 | # TYPE a_count gauge | a_count 1
                line 3, column 1: expected names that no other family has, found `a_count`, which is kept for the summary `a`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a_bucket gauge | a_bucket 1 | # TYPE a histogram
                line 3, column 1: expected names that no other family has, found `a_bucket`, which is that of the gauge `a_bucket`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a gaugehistogram | # TYPE a_gsum gauge
                line 2, column 1: expected names that no other family has, found `a_gsum`, which is kept for the gaugehistogram `a`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a info | # TYPE b gauge | # TYPE a counter
                line 3, column 1: expected all lines of `a` in one place, found a second one
                    hint: put all metadata and samples of a family next to each other
            # TYPE a info | # TYPE a_info gauge
                line 2, column 1: expected names that no other family has, found `a_info`, which is kept for the info `a`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
            # TYPE a summary | # TYPE b gauge | # TYPE a counter
                line 3, column 1: expected all lines of `a` in one place, found a second one
                    hint: put all metadata and samples of a family next to each other
        "#]],
    );
    check_accepted(&[
        "# TYPE a counter\na_total 1\n# TYPE a_bucket gauge\na_bucket 1",
        "# TYPE a gauge\na 1\na_total 2\na_info 3\na_created 4",
        "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\n# TYPE a_created gauge\na_created 1",
    ]);
}

/// As Go's client writes `go_memstats_alloc_bytes` and `go_memstats_alloc_bytes_total`.
#[test]
fn a_gauge_and_a_counter_may_share_the_name_of_their_families() {
    check_accepted(&[
        "# HELP a x\n# TYPE a gauge\na 1\n# HELP a y\n# TYPE a counter\na_total 2",
        "# TYPE a counter\na_total 2\n# TYPE a gauge\na 1",
        "# TYPE a counter\n# TYPE b gauge\nb 2\n# TYPE a gauge\na 1",
    ]);
    check_refused(
        &[
            "# TYPE a gauge\na 1\n# TYPE a counter\na_total 2\n# TYPE a gauge\na 3",
            "# TYPE a gauge\na 1\n# TYPE a counter\na_total 2\n# TYPE a counter\na_total 3",
            "# TYPE a gauge\na 1\n# TYPE a summary\na_sum 2",
            "# TYPE a gauge\na 1\n# TYPE a_total gauge\na_total 1\n# TYPE a counter",
        ],
        &expect![[r#"
            # TYPE a gauge | a 1 | # TYPE a counter | a_total 2 | # TYPE a gauge | a 3
                line 5, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a gauge | a 1 | # TYPE a counter | a_total 2 | # TYPE a counter | a_total 3
                line 5, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a gauge | a 1 | # TYPE a summary | a_sum 2
                line 3, column 1: expected the metadata of `a` before its samples, found it behind them
                    hint: put HELP, TYPE and UNIT before the first sample
            # TYPE a gauge | a 1 | # TYPE a_total gauge | a_total 1 | # TYPE a counter
                line 5, column 1: expected names that no other family has, found `a_total`, which is that of the gauge `a_total`
                    hint: rename one of the two; counters keep `_total` and `_created`, infos `_info`, summaries and histograms `_count`, `_sum`, `_created` and `_bucket`
        "#]],
    );
}

#[test]
fn metrics_stand_together() {
    check_refused(
        &[
            "a{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"1\"} 1",
            "a{b=\"2\"} 1\na{b=\"1\"} 1\na{b=\"2\"} 1",
            "a{b=\"1\",c=\"2\"} 1\na 1\na{c=\"2\",b=\"1\"} 1",
            "a 1\na 2",
            "a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 1",
            "# TYPE a summary\na_sum{b=\"1\"} 1\na_sum{b=\"2\"} 1\na_count{b=\"1\"} 1",
            "# TYPE a summary\na_sum 1\na_count 1\na_sum 1",
            "# TYPE a counter\na_total 1\na_created 1\na_created 1",
            "# TYPE a stateset\na{a=\"x\"} 1\na{a=\"x\"} 1",
            "# TYPE a stateset\na{b=\"1\",a=\"x\"} 1\na{b=\"2\",a=\"x\"} 1\na{b=\"1\",a=\"y\"} 0",
            "# TYPE a info\na_info{b=\"1\"} 1\na_info{b=\"1\"} 1",
            "# TYPE a histogram\na_bucket{b=\"1\",le=\"+Inf\"} 1\na_bucket{b=\"2\",le=\"+Inf\"} 1\na_sum{b=\"1\"} 1",
        ],
        &expect![[r#"
            a{b="1"} 1 | a{b="2"} 1 | a{b="1"} 1
                line 3, column 1: expected all samples of a metric of `a` in one place, found more
                    hint: put all samples of the same labels next to each other
            a{b="2"} 1 | a{b="1"} 1 | a{b="2"} 1
                line 3, column 1: expected all samples of a metric of `a` in one place, found more
                    hint: put all samples of the same labels next to each other
            a{b="1",c="2"} 1 | a 1 | a{c="2",b="1"} 1
                line 3, column 1: expected all samples of a metric of `a` in one place, found more
                    hint: put all samples of the same labels next to each other
            a 1 | a 2
                line 2, column 1: expected one `a` a metric, found a second one
                    hint: leave one of the two out
            a{b="1",c="2"} 1 | a{c="2",b="1"} 1
                line 2, column 1: expected one `a` a metric, found a second one
                    hint: leave one of the two out
            # TYPE a summary | a_sum{b="1"} 1 | a_sum{b="2"} 1 | a_count{b="1"} 1
                line 4, column 1: expected all samples of a metric of `a` in one place, found more
                    hint: put all samples of the same labels next to each other
            # TYPE a summary | a_sum 1 | a_count 1 | a_sum 1
                line 4, column 1: expected one `a_sum` a metric, found a second one
                    hint: leave one of the two out
            # TYPE a counter | a_total 1 | a_created 1 | a_created 1
                line 4, column 1: expected one `a_created` a metric, found a second one
                    hint: leave one of the two out
            # TYPE a stateset | a{a="x"} 1 | a{a="x"} 1
                line 3, column 1: expected one `a` a metric, found a second one
                    hint: leave one of the two out
            # TYPE a stateset | a{b="1",a="x"} 1 | a{b="2",a="x"} 1 | a{b="1",a="y"} 0
                line 4, column 1: expected all samples of a metric of `a` in one place, found more
                    hint: put all samples of the same labels next to each other
            # TYPE a info | a_info{b="1"} 1 | a_info{b="1"} 1
                line 3, column 1: expected one `a_info` a metric, found a second one
                    hint: leave one of the two out
            # TYPE a histogram | a_bucket{b="1",le="+Inf"} 1 | a_bucket{b="2",le="+Inf"} 1 | a_sum{b="1"} 1
                line 4, column 1: expected all samples of a metric of `a` in one place, found more
                    hint: put all samples of the same labels next to each other
        "#]],
    );
    check_accepted(&[
        "a{b=\"2\"} 1\na{b=\"1\"} 1\na{b=\"3\"} 1\na{b=\"0\"} 1",
        "# TYPE a summary\na_sum{b=\"1\",c=\"2\"} 1\na_count{c=\"2\",b=\"1\"} 1\na_sum 1",
        "# TYPE a stateset\na{b=\"1\",a=\"x\"} 1\na{a=\"y\",b=\"1\"} 0\na{b=\"2\",a=\"x\"} 1",
    ]);
}

#[test]
fn timestamps_rise_and_stand_at_all_samples_of_a_metric() {
    check_refused(
        &[
            "a 1\na 1 5",
            "a 1 5\na 1",
            "# TYPE a counter\na_total 1 5\na_created 5",
            "a 1 5\na 1 4.9",
            "a 1 -1\na 1 -1.1",
            "# TYPE a summary\na_count 1 1\na_count 1 2\na_sum 1 1",
        ],
        &expect![[r#"
            a 1 | a 1 5
                line 2, column 5: expected timestamps at all samples of a metric or at none, found both
                    hint: leave the timestamps out
            a 1 5 | a 1
                line 2, column 1: expected timestamps at all samples of a metric or at none, found both
                    hint: leave the timestamps out
            # TYPE a counter | a_total 1 5 | a_created 5
                line 3, column 1: expected timestamps at all samples of a metric or at none, found both
                    hint: leave the timestamps out
            a 1 5 | a 1 4.9
                line 2, column 5: expected the timestamps of a metric to rise, found an earlier one
                    hint: leave the timestamps out
            a 1 -1 | a 1 -1.1
                line 2, column 5: expected the timestamps of a metric to rise, found an earlier one
                    hint: leave the timestamps out
            # TYPE a summary | a_count 1 1 | a_count 1 2 | a_sum 1 1
                line 4, column 9: expected the timestamps of a metric to rise, found an earlier one
                    hint: leave the timestamps out
        "#]],
    );
    check_accepted(&["a{b=\"1\"} 1 5\na{b=\"2\"} 1 4\na{b=\"3\"} 1"]);
}

#[test]
fn of_several_points_the_newest_counts_and_of_one_time_the_first() {
    let meaning = |body: &str| format!("{:?}", decode(body.as_bytes(), Options::default()).unwrap());
    let body = concat!(
        "a 1 1\na 2 2\na 3 2\n",
        "# TYPE c counter\nc_total 1 1 # {x=\"1\"} 1\nc_created 1 1\nc_total 2 1 # {x=\"2\"} 1\nc_total 3 2\n",
        "# TYPE s stateset\ns{s=\"x\"} 1 1\ns{s=\"y\"} 0 1\ns{s=\"x\"} 0 1\ns{s=\"x\"} 0 2\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1 1\nh_bucket{le=\"+Inf\"} 2 1\nh_bucket{le=\"1\"} 7 1\n",
        "h_bucket{le=\"+Inf\"} 3 2\n",
        "# TYPE q summary\nq{quantile=\"0.5\"} 1 1\nq{quantile=\"0.1\"} 1 1\nq{quantile=\"0.5\"} 2 1\n# EOF\n",
    );
    expect![[r#"
        unknown "a"
          {} 2.0 @2000
        counter "c_total"
          {} 3.0 @2000
        stateset "s"
          {s="x"} 0.0 @2000
        histogram "h"
          {} sum=0.0 count=Int(3) leinf=Int(3) @2000
        summary "q"
          {} sum=0.0 count=0 q0.5=1.0 q0.1=1.0 @1000
    "#]]
    .assert_eq(&meaning(body));
}

#[test]
fn values_are_those_of_the_type() {
    check_refused(
        &[
            "# TYPE a counter\na_total NaN",
            "# TYPE a counter\na_total -1",
            "# TYPE a counter\na_total -Inf",
            "# TYPE a info\na_info 2",
            "# TYPE a info\na_info 0",
            "# TYPE a stateset\na{a=\"x\"} 2",
            "# TYPE a stateset\na{a=\"x\"} NaN",
            "# TYPE a summary\na_sum -1",
            "# TYPE a summary\na_sum NaN",
            "# TYPE a summary\na_count -1",
            "# TYPE a summary\na_count 1.5",
            "# TYPE a summary\na_count 1e20",
            "# TYPE a summary\na{quantile=\"0.5\"} -1",
            "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1.5",
            "# TYPE a histogram\na_bucket{le=\"+Inf\"} -1",
            "# TYPE a histogram\na_bucket{le=\"+Inf\"} NaN",
            "# TYPE a histogram\na_bucket{le=\"+Inf\"} +Inf",
            "# TYPE a histogram\na_sum NaN",
            "# TYPE a gaugehistogram\na_gsum NaN",
            "# TYPE a counter\na_total 1\na_created NaN",
            "# TYPE a counter\na_total 1\na_created 1e300",
        ],
        &expect![[r##"
            # TYPE a counter | a_total NaN
                line 2, column 9: expected a counter of 0 or more, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a counter | a_total -1
                line 2, column 9: expected a counter of 0 or more, found `-1`
                    hint: leave the sample out, or give the family another type
            # TYPE a counter | a_total -Inf
                line 2, column 9: expected a counter of 0 or more, found `-Inf`
                    hint: leave the sample out, or give the family another type
            # TYPE a info | a_info 2
                line 2, column 8: expected 1, the value of every info, found `2`
                    hint: leave the sample out, or give the family another type
            # TYPE a info | a_info 0
                line 2, column 8: expected 1, the value of every info, found `0`
                    hint: leave the sample out, or give the family another type
            # TYPE a stateset | a{a="x"} 2
                line 2, column 10: expected 0 or 1, the values of a state, found `2`
                    hint: leave the sample out, or give the family another type
            # TYPE a stateset | a{a="x"} NaN
                line 2, column 10: expected 0 or 1, the values of a state, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a_sum -1
                line 2, column 7: expected a sum of 0 or more, found `-1`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a_sum NaN
                line 2, column 7: expected a sum of 0 or more, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a_count -1
                line 2, column 9: expected a whole number of 0 or more as count, found `-1`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a_count 1.5
                line 2, column 9: expected a whole number of 0 or more as count, found `1.5`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a_count 1e20
                line 2, column 9: expected a whole number of 0 or more as count, found `1e20`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a{quantile="0.5"} -1
                line 2, column 19: expected a quantile of 0 or more, or NaN, found `-1`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le="+Inf"} 1.5
                line 2, column 21: expected a whole number of 0 or more as count, found `1.5`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le="+Inf"} -1
                line 2, column 21: expected a whole number of 0 or more as count, found `-1`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le="+Inf"} NaN
                line 2, column 21: expected a whole number of 0 or more as count, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le="+Inf"} +Inf
                line 2, column 21: expected a whole number of 0 or more as count, found `+Inf`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_sum NaN
                line 2, column 7: expected a sum that is a number, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a gaugehistogram | a_gsum NaN
                line 2, column 8: expected a sum that is a number, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a counter | a_total 1 | a_created NaN
                line 3, column 11: expected a time in seconds, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a counter | a_total 1 | a_created 1e300
                line 3, column 11: expected a time in seconds, found `1e300`
                    hint: leave the sample out, or give the family another type
        "##]],
    );
    check_accepted(&[
        "# TYPE a counter\na_total +Inf\na_created -1.5",
        "# TYPE a info\na_info 1.0",
        "# TYPE a stateset\na{a=\"x\"} 1.0\na{a=\"y\"} 0e5",
        "# TYPE a summary\na{quantile=\"0.5\"} NaN\na_count 1e3\na_sum +Inf",
        "# TYPE a summary\na_created 5",
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1e30",
    ]);
}

#[test]
fn labels_are_those_of_the_type() {
    check_refused(
        &[
            "a{b=\"1\",b=\"2\"} 1",
            "a{__b=\"1\"} 1",
            "a{__name__=\"b\"} 1",
            "# TYPE a summary\na 1",
            "# TYPE a summary\na{quantile=\"1.01\"} 1",
            "# TYPE a summary\na{quantile=\"NaN\"} 1",
            "# TYPE a summary\na{quantile=\"x\"} 1",
            "# TYPE a summary\na_sum{quantile=\"0.5\"} 1",
            "# TYPE a summary\na{quantile=\"0.5\"} 1\na{quantile=\"0.50\"} 1",
            "# TYPE a summary\na{quantile=\"0.5\"} 1\na{quantile=\"0.1\"} 1\na{quantile=\"0.5\"} 1",
            "# TYPE a histogram\na_bucket 1",
            "# TYPE a histogram\na_bucket{le=\"NaN\"} 1",
            "# TYPE a histogram\na_bucket{le=\"Inf\"} 1",
            "# TYPE a histogram\na_bucket{le=\"+inf\"} 1",
            "# TYPE a histogram\na_bucket{le=\" 1\"} 1",
            "# TYPE a histogram\na_bucket{le=\"\"} 1",
            "# TYPE a histogram\na_count{b=\"c\",le=\"1\"} 1",
            "# TYPE a gaugehistogram\na_bucket{b=\"1\"} 1",
            "# TYPE a stateset\na 1",
            "# TYPE a stateset\na{b=\"x\"} 1",
            "# TYPE a stateset\na{a=\"\"} 1",
        ],
        &expect![[r#"
            a{b="1",b="2"} 1
                line 1, column 3: expected each label once, found a second `b`
                    hint: leave one of the two out
            a{__b="1"} 1
                line 1, column 3: expected a label name that is not reserved, found `__b`
                    hint: leave out labels whose names begin with `__`
            a{__name__="b"} 1
                line 1, column 3: expected a label name that is not reserved, found `__name__`
                    hint: leave out labels whose names begin with `__`
            # TYPE a summary | a 1
                line 2, column 1: expected a label `quantile`, found none
            # TYPE a summary | a{quantile="1.01"} 1
                line 2, column 3: expected a number from 0 to 1 as `quantile`, found `1.01`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a{quantile="NaN"} 1
                line 2, column 3: expected a number from 0 to 1 as `quantile`, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a{quantile="x"} 1
                line 2, column 3: expected a number from 0 to 1 as `quantile`, found `x`
                    hint: leave the sample out, or give the family another type
            # TYPE a summary | a_sum{quantile="0.5"} 1
                line 2, column 7: expected the label `quantile` at quantiles only, found it at another sample
                    hint: leave the label out
            # TYPE a summary | a{quantile="0.5"} 1 | a{quantile="0.50"} 1
                line 3, column 1: expected one `a` a metric, found a second one
                    hint: leave one of the two out
            # TYPE a summary | a{quantile="0.5"} 1 | a{quantile="0.1"} 1 | a{quantile="0.5"} 1
                line 4, column 1: expected one `a` a metric, found a second one
                    hint: leave one of the two out
            # TYPE a histogram | a_bucket 1
                line 2, column 1: expected a label `le`, found none
            # TYPE a histogram | a_bucket{le="NaN"} 1
                line 2, column 10: expected a number or `+Inf` as `le`, found `NaN`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le="Inf"} 1
                line 2, column 10: expected a number or `+Inf` as `le`, found `Inf`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le="+inf"} 1
                line 2, column 10: expected a number or `+Inf` as `le`, found `+inf`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le=" 1"} 1
                line 2, column 10: expected a number or `+Inf` as `le`, found ` 1`
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_bucket{le=""} 1
                line 2, column 10: expected a number or `+Inf` as `le`, found ``
                    hint: leave the sample out, or give the family another type
            # TYPE a histogram | a_count{b="c",le="1"} 1
                line 2, column 15: expected the label `le` at buckets only, found it at another sample
                    hint: leave the label out
            # TYPE a gaugehistogram | a_bucket{b="1"} 1
                line 2, column 1: expected a label `le`, found none
            # TYPE a stateset | a 1
                line 2, column 1: expected a label `a`, found none
            # TYPE a stateset | a{b="x"} 1
                line 2, column 1: expected a label `a`, found none
            # TYPE a stateset | a{a=""} 1
                line 2, column 1: expected a label `a`, found none
        "#]],
    );
    check_accepted(&[
        "a{_b=\"1\",le=\"x\",quantile=\"y\"} 1",
        "# TYPE a summary\na{quantile=\"1\"} 1\na{quantile=\"0\"} 1\na_sum{le=\"x\"} 1",
        "# TYPE a histogram\na_bucket{quantile=\"x\",le=\"1.1e-4\"} 1\na_bucket{quantile=\"x\",le=\"+Inf\"} 1",
    ]);
}

#[test]
fn histograms_agree_with_themselves() {
    let histogram = |lines: &str| format!("# TYPE a histogram\n{lines}");
    let bodies = [
        "a_sum 1",
        "a_created 1",
        "a_bucket{le=\"1\"} 1",
        "a_bucket{le=\"+Inf\"} 1\na_sum 1",
        "a_bucket{le=\"+Inf\"} 1\na_count 1",
        "a_bucket{le=\"+Inf\"} 1\na_count 2\na_sum 1",
        "a_count 1\na_sum 1\na_bucket{le=\"+Inf\"} 2",
        "a_bucket{le=\"2\"} 1\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 1",
        "a_bucket{le=\"1\"} 1\na_bucket{le=\"1.0\"} 1\na_bucket{le=\"+Inf\"} 1",
        "a_bucket{le=\"+Inf\"} 1\na_bucket{le=\"1\"} 1",
        "a_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1",
        "a_bucket{le=\"1\"} 1e20\na_bucket{le=\"+Inf\"} 1",
        "a_bucket{le=\"-1\"} 0\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1",
        "a_bucket{le=\"1\"} 0\na_bucket{le=\"+Inf\"} 1\na_sum -1\na_count 1",
        "a_bucket{b=\"1\",le=\"1\"} 0\na_bucket{b=\"2\",le=\"+Inf\"} 1",
    ]
    .map(histogram);
    check_refused(
        &bodies.each_ref().map(String::as_str),
        &expect![[r##"
        # TYPE a histogram | a_sum 1
            line 2, column 1: expected a bucket with `le="+Inf"` in each metric of `a`, found none
                hint: add the bucket `+Inf`, whose value is the count
        # TYPE a histogram | a_created 1
            line 2, column 1: expected a bucket with `le="+Inf"` in each metric of `a`, found none
                hint: add the bucket `+Inf`, whose value is the count
        # TYPE a histogram | a_bucket{le="1"} 1
            line 2, column 1: expected a bucket with `le="+Inf"` in each metric of `a`, found none
                hint: add the bucket `+Inf`, whose value is the count
        # TYPE a histogram | a_bucket{le="+Inf"} 1 | a_sum 1
            line 3, column 7: expected `a_count` beside `a_sum`, found none
                hint: leave it out, or send both
        # TYPE a histogram | a_bucket{le="+Inf"} 1 | a_count 1
            line 3, column 9: expected `a_sum` beside `a_count`, found none
                hint: leave it out, or send both
        # TYPE a histogram | a_bucket{le="+Inf"} 1 | a_count 2 | a_sum 1
            line 3, column 9: expected the count of the bucket `+Inf`, 1, found `2`
                hint: the bucket `+Inf` and the count are the same number
        # TYPE a histogram | a_count 1 | a_sum 1 | a_bucket{le="+Inf"} 2
            line 2, column 9: expected the count of the bucket `+Inf`, 2, found `1`
                hint: the bucket `+Inf` and the count are the same number
        # TYPE a histogram | a_bucket{le="2"} 1 | a_bucket{le="1"} 1 | a_bucket{le="+Inf"} 1
            line 3, column 1: expected buckets in the order of `le`, found a lower bound
                hint: put buckets in the order of their bounds, each once
        # TYPE a histogram | a_bucket{le="1"} 1 | a_bucket{le="1.0"} 1 | a_bucket{le="+Inf"} 1
            line 3, column 1: expected one `a_bucket` a metric, found a second one
                hint: leave one of the two out
        # TYPE a histogram | a_bucket{le="+Inf"} 1 | a_bucket{le="1"} 1
            line 3, column 1: expected buckets in the order of `le`, found a lower bound
                hint: put buckets in the order of their bounds, each once
        # TYPE a histogram | a_bucket{le="1"} 2 | a_bucket{le="+Inf"} 1
            line 3, column 21: expected a bucket to count what the ones before do, found a lower value
                hint: a bucket counts all that is not above its bound
        # TYPE a histogram | a_bucket{le="1"} 1e20 | a_bucket{le="+Inf"} 1
            line 3, column 21: expected a bucket to count what the ones before do, found a lower value
                hint: a bucket counts all that is not above its bound
        # TYPE a histogram | a_bucket{le="-1"} 0 | a_bucket{le="+Inf"} 1 | a_sum 1 | a_count 1
            line 4, column 7: expected no sum beside buckets below zero, found one
                hint: leave the sum and the count out, or push it in the text format or as protobuf
        # TYPE a histogram | a_bucket{le="1"} 0 | a_bucket{le="+Inf"} 1 | a_sum -1 | a_count 1
            line 4, column 7: expected a sum of 0 or more without buckets below zero, found a negative one
        # TYPE a histogram | a_bucket{b="1",le="1"} 0 | a_bucket{b="2",le="+Inf"} 1
            line 2, column 1: expected a bucket with `le="+Inf"` in each metric of `a`, found none
                hint: add the bucket `+Inf`, whose value is the count
    "##]],
    );
    check_refused(
        &[
            "# TYPE a gaugehistogram\na_gsum 1",
            "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gsum 1",
            "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gcount 1",
            "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gcount 2\na_gsum 1",
            "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1\na_gcount 1\na_gsum -1",
            "# TYPE a gaugehistogram\na_bucket{le=\"-1\"} 1\na_bucket{le=\"+Inf\"} 1\na_gcount 1",
        ],
        &expect![[r##"
            # TYPE a gaugehistogram | a_gsum 1
                line 2, column 1: expected a bucket with `le="+Inf"` in each metric of `a`, found none
                    hint: add the bucket `+Inf`, whose value is the count
            # TYPE a gaugehistogram | a_bucket{le="+Inf"} 1 | a_gsum 1
                line 3, column 8: expected `a_gcount` beside `a_gsum`, found none
                    hint: leave it out, or send both
            # TYPE a gaugehistogram | a_bucket{le="+Inf"} 1 | a_gcount 1
                line 3, column 10: expected `a_gsum` beside `a_gcount`, found none
                    hint: leave it out, or send both
            # TYPE a gaugehistogram | a_bucket{le="+Inf"} 1 | a_gcount 2 | a_gsum 1
                line 3, column 10: expected the count of the bucket `+Inf`, 1, found `2`
                    hint: the bucket `+Inf` and the count are the same number
            # TYPE a gaugehistogram | a_bucket{le="+Inf"} 1 | a_gcount 1 | a_gsum -1
                line 4, column 8: expected a sum of 0 or more without buckets below zero, found a negative one
            # TYPE a gaugehistogram | a_bucket{le="-1"} 1 | a_bucket{le="+Inf"} 1 | a_gcount 1
                line 4, column 10: expected `a_gsum` beside `a_gcount`, found none
                    hint: leave it out, or send both
        "##]],
    );
    let good = [
        "a_bucket{le=\"+Inf\"} 1",
        "a_sum 1.5\na_count 1e0\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 1.0",
        "a_bucket{le=\"-Inf\"} 0\na_bucket{le=\"+Inf\"} 1\na_created 5",
        // As Python's client has it.
        "a_bucket{le=\"-1\"} 0\na_bucket{le=\"+Inf\"} 1\na_count 1",
        "a_bucket{le=\"1\"} 18446744073709551615\na_bucket{le=\"+Inf\"} 18446744073709551616",
    ]
    .map(histogram);
    check_accepted(&good.each_ref().map(String::as_str));
    check_accepted(&[
        "# TYPE a gaugehistogram\na_bucket{le=\"-1\"} 1\na_bucket{le=\"+Inf\"} 1\na_gcount 1\na_gsum -5",
        "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1",
    ]);
}

#[test]
fn counters_have_a_value() {
    check_refused(
        &[
            "# TYPE a counter\na_created 1",
            "# TYPE a counter\na_created{b=\"1\"} 1\na_total{b=\"2\"} 1",
        ],
        &expect![[r##"
            # TYPE a counter | a_created 1
                line 2, column 1: expected a counter beside its `_created` sample, found none
                    hint: leave the `_created` sample out, or send `_total` with it
            # TYPE a counter | a_created{b="1"} 1 | a_total{b="2"} 1
                line 2, column 1: expected a counter beside its `_created` sample, found none
                    hint: leave the `_created` sample out, or send `_total` with it
        "##]],
    );
}

#[test]
fn exemplars_stand_at_buckets_and_counters_and_are_short() {
    let long = |length: usize| {
        format!(
            "# TYPE a counter\na_total 1 # {{a=\"{}\"}} 1",
            "é".repeat(length - 1)
        )
    };
    check_refused(
        &[
            "a 1 # {} 1",
            "# TYPE a gauge\na 1 # {} 1",
            "# TYPE a counter\na_total 1\na_created 1 # {} 1",
            "# TYPE a histogram\na_sum 1 # {} 1",
            "# TYPE a gaugehistogram\na_sum 1 # {} 1",
            "# TYPE a summary\na{quantile=\"0.5\"} 1 # {} 1",
            "# TYPE a info\na_info 1 # {} 1",
            "# TYPE a stateset\na{a=\"x\"} 1 # {} 1",
            "# TYPE a counter\na_total 1 #",
            "# TYPE a counter\na_total 1 # 1",
            "# TYPE a counter\na_total 1# {} 1",
            "# TYPE a counter\na_total 1 #{} 1",
            "# TYPE a counter\na_total 1 # {}1",
            "# TYPE a counter\na_total 1 # {} ",
            "# TYPE a counter\na_total 1 # {} 1 ",
            "# TYPE a counter\na_total 1 # {} 1 1 ",
            "# TYPE a counter\na_total 1 # {} 1 Inf",
            "# TYPE a counter\na_total 1 # {} 0x1",
            "# TYPE a counter\na_total 1 # {b=\"1\",b=\"1\"} 1",
            "# TYPE a counter\na_total 1 # {__b=\"1\"} 1",
            "# TYPE a counter\na_total 1 5 {} 1",
            "# TYPE a histogram\na_bucket{le=\"1\"} 1 # {} 1.5\na_bucket{le=\"+Inf\"} 1",
        ],
        &expect![[r#"
            a 1 # {} 1
                line 1, column 5: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a gauge | a 1 # {} 1
                line 2, column 5: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a counter | a_total 1 | a_created 1 # {} 1
                line 3, column 13: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a histogram | a_sum 1 # {} 1
                line 2, column 9: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a gaugehistogram | a_sum 1 # {} 1
                line 2, column 9: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a summary | a{quantile="0.5"} 1 # {} 1
                line 2, column 21: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a info | a_info 1 # {} 1
                line 2, column 10: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a stateset | a{a="x"} 1 # {} 1
                line 2, column 12: expected exemplars at buckets and `_total` of counters only, found one
                    hint: leave the exemplar out
            # TYPE a counter | a_total 1 #
                line 2, column 12: expected a blank and the labels of an exemplar, found the end of the line
            # TYPE a counter | a_total 1 # 1
                line 2, column 13: expected the labels of an exemplar, `{}` if it has none, found `1`
            # TYPE a counter | a_total 1# {} 1
                line 2, column 9: expected a value, found `1`
            # TYPE a counter | a_total 1 #{} 1
                line 2, column 12: expected a blank and the labels of an exemplar, found `{`
            # TYPE a counter | a_total 1 # {}1
                line 2, column 15: expected a blank and an exemplar's value, found `1`
            # TYPE a counter | a_total 1 # {} 
                line 2, column 16: expected an exemplar's value, found the end of the line
            # TYPE a counter | a_total 1 # {} 1 
                line 2, column 17: expected the end of the line, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            # TYPE a counter | a_total 1 # {} 1 1 
                line 2, column 19: expected the end of the line, found ` `
                    hint: leave the blank out: one stands between the parts of a line, none elsewhere
            # TYPE a counter | a_total 1 # {} 1 Inf
                line 2, column 18: expected an exemplar's timestamp in seconds, found `Inf`
            # TYPE a counter | a_total 1 # {} 0x1
                line 2, column 16: expected an exemplar's value, found `0x1`
            # TYPE a counter | a_total 1 # {b="1",b="1"} 1
                line 2, column 14: expected each label once, found a second `b`
                    hint: leave one of the two out
            # TYPE a counter | a_total 1 # {__b="1"} 1
                line 2, column 14: expected a label name that is not reserved, found `__b`
                    hint: leave out labels whose names begin with `__`
            # TYPE a counter | a_total 1 5 {} 1
                line 2, column 13: expected an exemplar or the end of the line, found `{`
            # TYPE a histogram | a_bucket{le="1"} 1 # {} 1.5 | a_bucket{le="+Inf"} 1
                line 2, column 25: expected an exemplar within its bucket, found a value above `le`
        "#]],
    );
    check_accepted(&[&long(128)]);
    let error = decode(format!("{}\n# EOF\n", long(129)).as_bytes(), Options::default()).unwrap_err();
    expect![[r#"
        openmetrics parsing error in line 2, column 13: expected at most 128 characters in the labels of an exemplar, found 129
        hint: leave out labels of the exemplar, or shorten them"#]].assert_eq(&error.to_string());
    check_accepted(&[
        "# TYPE a counter\na_total 1 5 # {b=\"1\"} NaN -5",
        "# TYPE a histogram\na_bucket{le=\"1\"} 1 # {} 1\na_bucket{le=\"+Inf\"} 1 # {} NaN",
        "# TYPE a gaugehistogram\na_bucket{le=\"+Inf\"} 1 # {} 7 1",
    ]);
}
