//! The `OpenMetrics` output before a reader that takes the standard at its word.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;
use wharf_testkit::http::get;
use wharf_testkit::peers;

use super::contents;
use crate::wharf;

/// Prints each family as the Python client understands it, which refuses what the standard does.
const READ: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print(family.type, family.name, len(family.samples))
";

/// What the reader understands of a body.
#[track_caller]
fn read(python: &Path, body: &[u8]) -> String {
    let mut reader = Command::new(python)
        .args(["-c", READ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(body).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(body)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What the standard forbids, each in a group of its own.
const FORBIDDEN: &[&str] = &[
    "# TYPE nan_total counter\nnan_total NaN\n# TYPE less_total counter\nless_total -1\n",
    "# TYPE x_total counter\nx_total 1\n# TYPE x gauge\nx 1\n# TYPE x_info gauge\nx_info 2\nx_total_total 1\nx_created NaN\n",
    "# TYPE s summary\ns_sum 1\ns_count 1\n# TYPE s_created counter\ns_created 5\n",
    "# TYPE t summary\nt{quantile=\"2\"} 1\nt{quantile=\"0.5\"} -1\nt_sum -1\nt_count 1\nt_created_total 1\n",
    "# TYPE h histogram\nh_bucket{le=\"-1\"} 1\nh_sum -2\nh_count 1\nh_gsum 1\n",
    "# TYPE f histogram\nf_bucket{le=\"1\"} 0.5\nf_sum 1\nf_count 0.75\n",
    "# TYPE c histogram\nc_bucket{le=\"2\"} 5\nc_bucket{le=\"1\"} NaN\nc_bucket{le=\"1.0\"} 7\nc_sum 1\nc_count 3\n",
    "# TYPE \"u.b\" counter\n{\"u.b\"} 1\n# TYPE u_b histogram\nu_b_bucket{le=\"1\"} 1\nu_b_sum 1\nu_b_count 1\n",
    "# TYPE \"v.b_total\" counter\n{\"v.b_total\",\"..name..\"=\"1\"} 1\nv_b_total{_name__=\"1\"} 2\nv_b_created 1\n",
];

#[test]
fn a_strict_reader_takes_what_the_standard_forbids_too() {
    let Some(python) = peers::python() else { return };
    let gateway = wharf()
        .args(["--web.enable-openmetrics", "--push.enable-utf8-names"])
        .start();
    for (number, body) in FORBIDDEN.iter().enumerate() {
        gateway.push(&format!("/metrics/job/j/number/{number}"), body);
    }
    for escaping in ["underscores", "dots", "values", "allow-utf-8"] {
        let accept = format!("application/openmetrics-text;version=1.0.0;escaping={escaping}");
        read(
            &python,
            &gateway.send(&get("/metrics").header("Accept", &accept)).body,
        );
    }
}

#[test]
fn a_strict_reader_takes_it() {
    let Some(python) = peers::python() else { return };
    let gateway = wharf()
        .args(["--web.enable-openmetrics", "--push.enable-utf8-names"])
        .start();
    contents::push_standard(&gateway);
    for escaping in ["underscores", "dots", "values", "allow-utf-8"] {
        let accept = format!("application/openmetrics-text;version=1.0.0;escaping={escaping}");
        let response = gateway.send(&get("/metrics").header("Accept", &accept));
        assert_eq!(
            response.header("Content-Type"),
            Some(
                format!("application/openmetrics-text; version=1.0.0; charset=utf-8; escaping={escaping}")
                    .as_str()
            )
        );
        let families = read(&python, &response.body);
        if escaping == "allow-utf-8" {
            let own = ["process_", "pushgateway_", "wharf_"];
            let pushed = families.lines().filter(|line| {
                let name = line.split(' ').nth(1).unwrap();
                !own.iter().any(|prefix| name.starts_with(prefix))
            });
            let pushed: Vec<_> = pushed.collect();
            expect![[r"
                gauge batch_job_duration_seconds 3
                gauge batch_job_last_success_timestamp 3
                histogram batch_job_record_processing_seconds 21
                counter batch_job_records_processed 6
                summary batch_job_request_seconds 12
                unknown batch_job_untyped 3
                histogram both 4
                gauge build_info 1
                unknown calls 1
                histogram classic 6
                unknown colon:sum 1
                counter counted 2
                gauge gauge_of_protobuf 1
                counter http.requests 1
                histogram http.seconds 3
                gauge http.status 1
                gaugehistogram level 4
                unknown m 5
                histogram nh 3
                histogram no_infinity 4
                gauge odd 7
                counter plain 1
                gauge push_failure_time_seconds 14
                gauge push_time_seconds 14
                histogram py_seconds 10
                summary py_size 6
                counter py 8
                summary quiet 2
                gauge shipped 1
                unknown shipped_total 1
                summary sum 4
            "]]
            .assert_eq(&(pushed.join("\n") + "\n"));
        }
    }
}
