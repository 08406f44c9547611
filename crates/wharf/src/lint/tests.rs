use std::collections::HashSet;
use std::fmt::Write as _;

use expect_test::{Expect, expect};
use wharf_model::name::NameRule;

use super::text::MAX_SYNTAX_ERRORS;
use super::*;

mod openmetrics;
mod protobuf;

fn shown(report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let Finding {
            place,
            rule,
            family,
            message,
            hint,
        } = finding;
        match place {
            Place::Text { line, column } => write!(out, "{line}:{column}"),
            Place::Byte(at) => write!(out, "byte {at}"),
            Place::Family => write!(out, "{}", family.as_deref().unwrap()),
            Place::Metric(labels) => write!(out, "{}{labels}", family.as_deref().unwrap()),
        }
        .unwrap();
        writeln!(out, " {rule}: {message}\n    {hint}").unwrap();
    }
    out
}

#[track_caller]
fn finds(body: &str, expected: &Expect) {
    expected.assert_eq(&shown(&check(body.as_bytes(), Options::default())));
}

/// Lines and columns with the rules that are broken there.
fn places(report: &Report) -> Vec<(usize, usize, Rule)> {
    let findings = report.findings.iter();
    findings
        .map(|finding| match finding.place {
            Place::Text { line, column } => (line, column, finding.rule),
            _ => unreachable!("{finding:?}"),
        })
        .collect()
}

/// The rules that the samples break, HELP and TYPE being there.
fn rules(metric_type: &str, name: &str, samples: &str) -> Vec<&'static str> {
    let body = format!("# HELP {name} h\n# TYPE {name} {metric_type}\n{samples}");
    let report = check(body.as_bytes(), Options::default());
    report
        .findings
        .iter()
        .map(|finding| finding.rule.name())
        .collect()
}

#[test]
fn a_sound_text_has_no_findings() {
    let body = "\
# HELP backup_duration_seconds How long the backup took.
# TYPE backup_duration_seconds gauge
backup_duration_seconds 42.5
# HELP backup_bytes_total Bytes written.
# TYPE backup_bytes_total counter
backup_bytes_total{disk=\"a\"} 1e9
backup_bytes_total{disk=\"b\"} 2e9
# HELP file_size_bytes Sizes.
# TYPE file_size_bytes histogram
file_size_bytes_bucket{le=\"10\"} 1
file_size_bytes_bucket{le=\"+Inf\"} 3
file_size_bytes_sum 70
file_size_bytes_count 3
# HELP wait_seconds Waits.
# TYPE wait_seconds summary
wait_seconds{quantile=\"0.5\"} 1
wait_seconds_sum 2
wait_seconds_count 2
";
    let report = check(body.as_bytes(), Options::default());
    assert_eq!(shown(&report), "");
    assert_eq!((report.families, report.series), (4, 10));
}

#[test]
fn every_syntax_error_has_its_line_and_column() {
    finds(
        "# HELP a h\n# TYPE a gauge\na 1\nb two\n  c{x=1} 1\na{x=\"\\t\"} 1\n",
        &expect![[r#"
            4:3 syntax: expected a number, found `two`
                a line is `name{label="value"} 1`
            5:7 syntax: expected a label value in double quotes, found `1} 1`
                label values stand in straight double quotes; in a shell, put the line in single ones
            6:6 syntax: expected `\\`, `\n` or `\"`, found `\\t"} 1`
                a backslash itself is written `\\`; only `\\`, `\n` and `\"` are escapes
        "#]],
    );
}

#[test]
fn what_the_lines_between_mistakes_say_still_counts() {
    let report = check(b"a one\nb 1 1700000000000\n", Options::default());
    let found: Vec<_> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(
        found,
        [
            Rule::Syntax,
            Rule::MissingHelp,
            Rule::MissingType,
            Rule::Timestamp
        ]
    );
}

#[test]
fn syntax_errors_are_counted_up_to_a_bound() {
    let report = check("x\n".repeat(1_000).as_bytes(), Options::default());
    assert_eq!(report.findings.len(), MAX_SYNTAX_ERRORS);
}

#[test]
fn what_only_wharf_reads_is_named() {
    for body in ["a 1\r\n", "a 1 \n", "a 1", "\u{feff}a 1\n"] {
        let report = check(body.as_bytes(), Options::default());
        assert_eq!(
            report
                .findings
                .iter()
                .filter(|f| f.rule == Rule::StrictText)
                .count(),
            1,
            "{body:?}"
        );
    }
}

#[test]
fn a_text_in_utf16_is_looked_at_as_any_other() {
    let utf16 = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let text = utf16("\u{feff}# HELP m größe\n# TYPE m gauge\nm one\n");
    let shown_with = |text: &[u8]| shown(&check(text, Options::default()));
    expect![[r#"
        1:1 strict-text: expected plain UTF-8, found a byte order mark
            save it without one; `wharf push` leaves it out
        3:3 syntax: expected a number, found `one`
            a line is `name{label="value"} 1`
    "#]]
    .assert_eq(&shown_with(&text));
    expect![[r"
        1:1 syntax: expected text in UTF-8, found what looks like UTF-16 without a byte order mark
            write it in UTF-8: in PowerShell with `-Encoding utf8`
    "]]
    .assert_eq(&shown_with(&text[2..]));
}

#[test]
fn findings_say_what_to_do() {
    finds(
        "requestCount{job=\"a\"} 1\n\
         # HELP disk_kilobytes_gauge x\n# TYPE disk_kilobytes_gauge gauge\n\
         disk_kilobytes_gauge{x=\"1\"} 1 1700000000000\ndisk_kilobytes_gauge{x=\"1\"} 2\n\
         # HELP t_ms x\n# TYPE t_ms counter\nt_ms{le=\"1\"} 1\n",
        &expect![[r"
            1:1 missing-help: expected a HELP line, found none
                say what it measures: `# HELP requestCount ...`
            1:1 missing-type: expected a TYPE line, found none
                before the first sample: `# TYPE requestCount gauge`, if it is one
            1:1 camel-case: expected a name in `snake_case`, found `requestCount`
                call it `request_count`
            1:14 grouping-label: expected no label `job`, found one
                the job of the push takes its place: leave it out, or choose another name
            2:8 base-unit: expected the base unit `bytes`, found `kilobytes`
                convert the value; the name gets `bytes` instead of `kilobytes`
            2:8 type-in-name: expected a name without its type, found `gauge` in `disk_kilobytes_gauge`
                the TYPE line says it already
            4:31 timestamp: expected a sample without a timestamp, found one
                a gateway refuses it; if the time matters, push it as the value of a metric that ends in `_timestamp_seconds`
            5:1 duplicate-series: expected each series once, found the same name and labels again
                a gateway refuses it; keep one, or tell them apart by a label
            6:8 counter-total: expected the name of a counter to end in `_total`, found `t_ms`
                call it `t_ms_total`, or let it be a gauge if it can fall
            6:8 unit-abbreviation: expected a unit in full, found `ms`
                write the base unit out: seconds
            8:6 reserved-label: expected the label `le` on histograms only, found it on a counter
                choose another label, or another type
        "]],
    );
}

#[test]
fn histograms_that_cannot_be_used_are_named() {
    let header = "# HELP h h\n# TYPE h histogram\n";
    let cases = [
        "h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n",
        "h_bucket{le=\"+Inf\"} 1\nh_count 1\n",
        "h_bucket{le=\"1\"} NaN\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        "h_bucket{le=\"NaN\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        "h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count NaN\n",
        "h_bucket{a=\"1\",le=\"+Inf\"} 1\nh_sum{a=\"1\"} 1\nh_count{a=\"1\"} 1\nh_bucket{a=\"2\",le=\"2\"} 1\n",
    ];
    for body in cases {
        let report = check(format!("{header}{body}").as_bytes(), Options::default());
        let found: Vec<_> = report.findings.iter().map(|finding| finding.rule).collect();
        assert_eq!(found, [Rule::HistogramBuckets], "{body}");
    }
}

#[test]
fn suffixes_belong_to_types() {
    assert_eq!(rules("counter", "a", "a 1\n"), ["counter-total"]);
    assert_eq!(rules("gauge", "a_total", "a_total 1\n"), ["reserved-suffix"]);
    assert_eq!(rules("gauge", "a_bucket", "a_bucket 1\n"), ["reserved-suffix"]);
    assert_eq!(
        rules("counter", "a_count", "a_count 1\n"),
        ["counter-total", "reserved-suffix"]
    );
    assert_eq!(rules("summary", "a_sum", "a_sum{quantile=\"1\"} 1\n"), [""; 0]);
    assert_eq!(rules("untyped", "a_total", "a_total 1\n"), [""; 0]);
}

#[test]
fn units_are_base_units_written_out() {
    let broken = |name: &str| rules("gauge", name, &format!("{name} 1\n"));
    for name in [
        "wait_milliseconds",
        "wait_minutes",
        "size_mebibytes",
        "heat_kelvins",
        "ounces",
    ] {
        assert_eq!(broken(name), ["base-unit"], "{name}");
    }
    for name in ["wait_ms", "size_kb", "wait_s_max", "x_d"] {
        assert_eq!(broken(name), ["unit-abbreviation"], "{name}");
    }
    for name in ["wait_seconds", "heat_celsius", "kb", "s_wait", "items_mset"] {
        assert_eq!(broken(name), [""; 0], "{name}");
    }
}

#[test]
fn labels_without_end_are_named_once_a_family() {
    let unbounded = |values: &[&str]| {
        let lines: Vec<String> = values
            .iter()
            .map(|value| format!("a{{x=\"{value}\"}} 1\n"))
            .collect();
        rules("gauge", "a", &lines.concat())
    };
    for value in [
        "123e4567-e89b-12d3-a456-426614174000",
        "1700000000",
        "1700000000000",
        "d41d8cd98f00b204e9800998ecf8427e",
        "2026-01-02T03:04:05Z",
        "2026-01-02 03:04:05",
        "someone@example.org",
    ] {
        assert_eq!(
            unbounded(&[value, &format!("{value}b"), "c"]),
            ["unbounded-label"],
            "{value}"
        );
    }
    for value in [
        "eu-west-1",
        "2026",
        "10.0.0.1:9100",
        "/a@b/c",
        "deadbeef",
        "v1.2.3",
        "@",
        "",
    ] {
        assert_eq!(unbounded(&[value]), [""; 0], "{value}");
    }
    let many: Vec<String> = (0..=100).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(unbounded(&many), ["unbounded-label"]);
    assert_eq!(unbounded(&many[..100]), [""; 0]);
}

#[test]
fn a_commit_in_an_info_metric_is_fine() {
    let line = "build_info{commit=\"d41d8cd98f00b204e9800998ecf8427e\"} 1\n";
    assert_eq!(rules("gauge", "build_info", line), [""; 0]);
}

#[test]
fn series_are_counted_against_a_limit() {
    let options = Options {
        max_series: 2,
        ..Options::default()
    };
    let report = check(
        b"# HELP a h\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 1\na{x=\"3\"} 1\n",
        options,
    );
    expect![[r"
        5:1 too-many-series: expected at most 2 series, found 3
            fewer labels, or fewer values of each; `--max-series` moves the limit
    "]]
    .assert_eq(&shown(&report));
}

#[test]
fn the_order_of_labels_does_not_tell_series_apart() {
    assert_eq!(
        rules("gauge", "a", "a{x=\"1\",y=\"2\"} 1\na{ y=\"2\", x=\"1\", } 1\n"),
        ["duplicate-series"]
    );
}

#[test]
fn columns_are_counted_in_characters() {
    let report = check(
        "# HELP a h\n# TYPE a gauge\na{x=\"äöü\",fooBar=\"1\"} 1\n".as_bytes(),
        Options::default(),
    );
    assert_eq!(places(&report), [(3, 11, Rule::CamelCase)]);
}

#[test]
fn names_in_quotes_are_read_where_they_are_allowed() {
    let options = Options {
        names: NameRule::Utf8,
        ..Options::default()
    };
    let report = check(
        b"# HELP \"disk.used\" h\n# TYPE \"disk.used\" gauge\n{\"disk.used\",\"a b\"=\"}\\\" {\"} 1 5\n",
        options,
    );
    assert_eq!(places(&report), [(3, 31, Rule::Timestamp)]);
}

#[test]
fn each_rule_has_a_name_of_its_own() {
    let names: HashSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
}

#[test]
fn hostile_texts_are_not_repeated_without_end() {
    let name = "a".repeat(100_000);
    let labels: Vec<String> = (0..2_000).map(|n| format!("l{n}=\"170000{n:04}\"")).collect();
    let body = format!("{name}{{{}}} 1\n", labels.join(","));
    let report = check(body.as_bytes(), Options::default());
    let unbounded = report
        .findings
        .iter()
        .filter(|finding| finding.rule == Rule::UnboundedLabel);
    assert_eq!(unbounded.count(), 8);
}
