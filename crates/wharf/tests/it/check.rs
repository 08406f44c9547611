//! `wharf check`: the same texts as `promtool check metrics`, and at least its findings.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use wharf::lint::{self, Options, Rule};
use wharf_testkit::peers::{PrometheusVersion, promtool};

/// One text a rule of the other linter, with what it accepts beside what it does not.
const CORPUS: [&str; 14] = [
    "a 1\n# TYPE b gauge\nb 1\n# HELP c\nc 1\n# HELP d text\nd 1\n",
    "# TYPE a counter\na 1\n# TYPE b_total counter\nb_total 1\n# TYPE c_total gauge\nc_total 1\nd_total 1\n",
    "# TYPE a_bucket gauge\na_bucket 1\n# TYPE b_sum counter\nb_sum 1\n# TYPE c_count gauge\nc_count 1\nd_count 1\n",
    "# TYPE a_bucket summary\na_bucket 1\n# TYPE b_sum summary\nb_sum 1\n# TYPE c_count histogram\nc_count 1\n",
    "# TYPE a gauge\na{le=\"1\"} 1\n# TYPE b_total counter\nb_total{quantile=\"1\"} 1\nc{le=\"1\",quantile=\"1\"} 1\n",
    "# TYPE h histogram\nh_bucket{le=\"1\",quantile=\"1\"} 1\n# TYPE s summary\ns{quantile=\"1\",le=\"1\"} 1\n",
    "# TYPE a_gauge gauge\na_gauge 1\n# TYPE Counter_A counter\nCounter_A 1\n# TYPE x_counter_y counter\nx_counter_y 1\n",
    "# TYPE a_HISTOGRAM_x histogram\na_HISTOGRAM_x_count 1\n# TYPE b_summary summary\nb_summary 1\n# TYPE c_gauge counter\nc_gauge 1\n",
    "job:a:sum 1\n:b 1\nc 1\n",
    "requestCount 1\nRequest_Count 1\nHTTPRequests 1\na{fooBar=\"1\"} 1\nb{foo_Bar=\"1\"} 1\n",
    "a_seconds 1\nb_milliseconds 1\nc_minutes 1\nd_kilobytes_total 1\ne_gibibits 1\nf_kelvins 1\ng_days_meters 1\nhours 1\n",
    "a_inches 1\nb_yards 1\nc_miles 1\nd_calories 1\ne_pounds 1\nf_ounces 1\ng_fahrenheit 1\nh_rankine 1\ni_weeks 1\nj_metres 1\nk_volts 1\nl_mebibytes 1\nm_mibibytes 1\n",
    "a_s 1\nb_ms 1\nc_us 1\nd_ns 1\ne_sec 1\nf_b 1\ng_kb 1\nh_mb 1\ni_gb 1\nj_tb 1\nk_pb 1\nl_m 1\nm_h 1\nn_d 1\no_MS_x 1\nms 1\np_sx 1\n",
    "# TYPE a gauge\na{x=\"1\"} 1\na{x=\"1\"} 2\nb 1 1700000000000\n",
];

/// Before these, any word for a type was refused in every name.
const VERSIONS: [PrometheusVersion; 2] = [PrometheusVersion::V2_53, PrometheusVersion::V3];

/// Texts that cannot be read.
const BROKEN: [&str; 5] = [
    "a\n",
    "a one\n",
    "a{x=1} 1\n",
    "# TYPE a b\na 1\n",
    "a 1\n# TYPE a gauge\n",
];

/// The rule of ours that says what a problem of promtool says.
fn counterpart(problem: &str) -> Rule {
    let table = [
        ("no help text", Rule::MissingHelp),
        ("use base unit", Rule::BaseUnit),
        ("counter metrics should have", Rule::CounterTotal),
        ("label", Rule::ReservedLabel),
        ("suffix", Rule::ReservedSuffix),
        ("should not include type", Rule::TypeInName),
        ("should not contain ':'", Rule::Colon),
        ("abbreviated units", Rule::UnitAbbreviation),
        ("not unique", Rule::DuplicateSeries),
    ];
    if problem.contains("snake_case") {
        return Rule::CamelCase;
    }
    let found = table.iter().find(|(words, _)| problem.contains(words));
    found.expect(problem).1
}

/// The findings of `promtool check metrics` as family and problem; none if it cannot read the text.
fn problems(program: &std::path::Path, text: &str) -> Option<Vec<(String, String)>> {
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(1) {
        return None;
    }
    let lines = [output.stdout, output.stderr].concat();
    let lines = String::from_utf8(lines).unwrap();
    let problem = |line: &str| {
        let (family, problem) = line.split_once(' ').unwrap();
        (family.to_owned(), problem.to_owned())
    };
    Some(lines.lines().map(problem).collect())
}

#[test]
fn what_promtool_reports_is_reported() {
    for version in VERSIONS {
        let Some(program) = promtool(version) else {
            continue;
        };
        let mut seen = BTreeSet::new();
        for text in CORPUS {
            let report = lint::check(text.as_bytes(), Options::default());
            for (family, problem) in problems(&program, text).unwrap() {
                let rule = counterpart(&problem);
                seen.insert(rule);
                let reported = report
                    .findings
                    .iter()
                    .any(|finding| finding.rule == rule && finding.family.as_ref() == Some(&family));
                assert!(
                    reported,
                    "{version:?}: {family} {problem}, in\n{text}\n{report:#?}"
                );
            }
        }
        assert_eq!(seen.len(), 10, "{version:?}: {seen:?}");
    }
}

#[test]
fn what_promtool_cannot_read_is_an_error() {
    for version in VERSIONS {
        let Some(program) = promtool(version) else {
            continue;
        };
        for text in BROKEN {
            assert_eq!(problems(&program, text), None, "{text}");
            let report = lint::check(text.as_bytes(), Options::default());
            let found = report.findings.iter().any(|finding| finding.rule == Rule::Syntax);
            assert!(found, "{text}");
        }
    }
}
