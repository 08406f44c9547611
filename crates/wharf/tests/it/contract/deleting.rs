//! Deleting a group, wiping all.

use wharf_testkit::contract::{accepted, case, method_not_allowed, ok, refused, scraped};
use wharf_testkit::http::{delete, post, put};

use crate::WHARF;

#[test]
fn case_099_a_delete_takes_exactly_its_group() {
    case()
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .step(post("/metrics/job/a/instance/i").body("n 1\n"), ok())
        .step(delete("/metrics/job/a"), accepted())
        .scrape(
            scraped()
                .no_line("m{")
                .line(r#"n{instance="i",job="a"} 1"#)
                .no_line(r#"push_time_seconds{instance="",job="a"}"#),
        )
        .run(WHARF);
}

#[test]
fn case_100_deleting_nothing_is_fine() {
    case()
        .step(delete("/metrics/job/none").body("garbage"), accepted())
        .scrape(scraped().no_line("push_"))
        .run(WHARF);
}

#[test]
fn case_101_a_delete_reads_its_path_as_a_push_does() {
    case()
        .step(
            delete("/metrics/job/a/1x/y"),
            refused(r#"improper label name "1x""#),
        )
        .step(delete("/metrics/job@base64/="), refused("job name is required"))
        .run(WHARF);
}

#[test]
fn case_102_a_wipe_takes_every_group() {
    case()
        .flags(&["--web.enable-admin-api"])
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .step(post("/metrics/job/b").body("m 1\n"), ok())
        .step(
            post("/api/v1/admin/wipe").body(""),
            method_not_allowed("OPTIONS, PUT"),
        )
        .step(
            put("/api/v1/admin/wipe").body(""),
            accepted().no_header("Access-Control-Allow-Origin"),
        )
        .scrape(
            scraped()
                .no_line("m{")
                .no_line("push_")
                .line(r#"pushgateway_http_requests_total{code="202",handler="wipe",method="put"} 1"#),
        )
        .run(WHARF);
}
