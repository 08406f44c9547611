//! What the gateway says about itself, and pushes that use the same names.

use wharf_testkit::contract::{Expect, case, differs, ok, refused, scraped, status};
use wharf_testkit::http::{delete, get, options, post};

use crate::WHARF;

fn type_conflict(family: &str) -> Expect {
    refused(&format!(
        "pushed metrics are invalid or inconsistent with existing metrics: \
         gathered metric family {family} has type COUNTER but should have GAUGE"
    ))
}

#[test]
fn case_049_own_metrics_keep_their_type_and_help() {
    let reason = "Wharf has no Go runtime, so the names `go_*` are free";
    case()
        .step(
            post("/metrics/job/a").body("# TYPE go_goroutines counter\ngo_goroutines 1\n"),
            differs(reason, type_conflict("go_goroutines"), ok()),
        )
        .step(
            post("/metrics/job/a")
                .body("# HELP go_goroutines mine\n# TYPE go_goroutines gauge\ngo_goroutines 7\n"),
            ok(),
        )
        .scrape(differs(
            reason,
            scraped()
                .line(r#"go_goroutines{instance="",job="a"} 7"#)
                .line("# HELP go_goroutines Number of goroutines that currently exist."),
            scraped()
                .line(r#"go_goroutines{instance="",job="a"} 7"#)
                .line("# HELP go_goroutines mine"),
        ))
        .step(
            post("/metrics/job/a").body("# TYPE process_open_fds counter\nprocess_open_fds 1\n"),
            type_conflict("process_open_fds"),
        )
        .step(
            post("/metrics/job/a")
                .body("# HELP process_open_fds mine\n# TYPE process_open_fds gauge\nprocess_open_fds 7\n"),
            ok(),
        )
        .scrape(
            scraped()
                .line(r#"process_open_fds{instance="",job="a"} 7"#)
                .line("# HELP process_open_fds Number of open file descriptors.")
                .line_matches(r"^process_open_fds [1-9]\d*$"),
        )
        .run(WHARF);
}

#[test]
fn case_091_requests_are_counted() {
    case()
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .step(post("/metrics/job/a").body("x\n"), status(400))
        .step(delete("/metrics/job/a"), status(202))
        .step(get("/nope"), status(404))
        .step(options("/api/v1/x"), status(200))
        .scrape(
            scraped()
                .line(r#"pushgateway_http_requests_total{code="200",handler="push",method="post"} 1"#)
                .line(r#"pushgateway_http_requests_total{code="400",handler="push",method="post"} 1"#)
                .line(r#"pushgateway_http_requests_total{code="202",handler="delete",method="delete"} 1"#)
                .line(r#"pushgateway_http_requests_total{code="200",handler="api/v1/options",method="options"} 1"#)
                .no_line("promhttp_")
                .line(r#"pushgateway_http_push_size_bytes_count{method="post"} 2"#)
                .line(r#"pushgateway_http_push_duration_seconds_count{method="post"} 2"#),
        )
        .run(WHARF);
}

#[test]
fn a_fresh_gateway_shows_what_it_is() {
    case()
        .scrape(
            scraped()
                .line_matches(r#"^pushgateway_build_info\{branch=.*version="[^"]+"\} 1$"#)
                .line("# TYPE process_start_time_seconds gauge")
                .line("# TYPE process_cpu_seconds_total counter")
                .no_line("pushgateway_http_"),
        )
        .run(WHARF);
}
