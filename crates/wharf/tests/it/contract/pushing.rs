//! Replacing groups and families, labels that a push gets, push times.

use wharf_testkit::contract::{case, differs, ok, scraped};
use wharf_testkit::http::{post, put};

use crate::WHARF;

#[test]
fn case_032_labels_of_the_path_override_those_of_the_body() {
    case()
        .step(
            post("/metrics/job/a/instance/i1").body("m{job=\"zz\",instance=\"other\",x=\"1\"} 1\n"),
            ok(),
        )
        .scrape(
            scraped()
                .line(r#"m{instance="i1",job="a",x="1"} 1"#)
                .line_matches(r#"^push_time_seconds\{instance="i1",job="a"\} 1\.\d+e\+09$"#),
        )
        .run(WHARF);
}

#[test]
fn case_033_the_instance_of_the_body_stays_where_the_path_has_none() {
    case()
        .step(post("/metrics/job/a").body("m{instance=\"i9\"} 1\n"), ok())
        .scrape(
            scraped()
                .line(r#"m{instance="i9",job="a"} 1"#)
                .line_matches(r#"^push_time_seconds\{instance="",job="a"\} 1\.\d+e\+09$"#),
        )
        .run(WHARF);
}

#[test]
fn case_034_post_replaces_the_families_it_brings() {
    case()
        .step(
            post("/metrics/job/a").body("m{x=\"1\"} 1\nm{x=\"2\"} 2\nn 1\n"),
            ok(),
        )
        .step(post("/metrics/job/a").body("m{x=\"3\"} 3\n"), ok())
        .scrape(
            scraped()
                .line(r#"m{instance="",job="a",x="3"} 3"#)
                .no_line(r#"m{instance="",job="a",x="1"}"#)
                .line(r#"n{instance="",job="a"} 1"#),
        )
        .run(WHARF);
}

#[test]
fn case_035_put_replaces_the_group() {
    case()
        .step(post("/metrics/job/a").body("m 1\nn 1\n"), ok())
        .step(put("/metrics/job/a").body("m 2\n"), ok())
        .scrape(
            scraped()
                .line(r#"m{instance="",job="a"} 2"#)
                .no_line("n{")
                .line_matches(r#"^push_time_seconds\{instance="",job="a"\} 1"#),
        )
        .run(WHARF);
}

#[test]
fn case_036_an_empty_put_leaves_the_push_times() {
    case()
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .step(put("/metrics/job/a").body(""), ok())
        .scrape(
            scraped()
                .no_line("m{")
                .line_matches(r#"^push_time_seconds\{instance="",job="a"\} 1"#)
                .line(r#"push_failure_time_seconds{instance="",job="a"} 0"#),
        )
        .run(WHARF);
}

#[test]
fn case_037_an_empty_post_creates_the_group() {
    case()
        .step(post("/metrics/job/a").body(""), ok())
        .scrape(
            scraped()
                .line(r#"push_failure_time_seconds{instance="",job="a"} 0"#)
                .line("# TYPE push_time_seconds gauge")
                .line(
                    "# HELP push_time_seconds Last Unix time when changing this group in the Pushgateway succeeded.",
                )
                .line(
                    "# HELP push_failure_time_seconds Last Unix time when changing this group in the Pushgateway failed.",
                ),
        )
        .run(WHARF);
}

#[test]
fn case_038_a_family_may_change_its_type_inside_one_group() {
    case()
        .step(post("/metrics/job/a").body("# TYPE m gauge\nm 1\n"), ok())
        .step(post("/metrics/job/a").body("# TYPE m counter\nm 1\n"), ok())
        .scrape(scraped().line("# TYPE m counter"))
        .run(WHARF);
}

#[test]
fn case_039_a_pushed_push_time_is_discarded() {
    case()
        .step(
            post("/metrics/job/a").body("# TYPE push_time_seconds counter\npush_time_seconds 4\n"),
            ok(),
        )
        .scrape(
            scraped()
                .line("# TYPE push_time_seconds gauge")
                .line_matches(r#"^push_time_seconds\{instance="",job="a"\} 1\."#),
        )
        .run(WHARF);
}

#[test]
fn case_040_a_pushed_failure_time_is_discarded() {
    let body = |value| format!("# TYPE push_failure_time_seconds gauge\npush_failure_time_seconds {value}\n");
    case()
        .step(post("/metrics/job/a").body(body(4)), ok())
        .step(post("/metrics/job/a").body(body(5)), ok())
        .scrape(differs(
            "the real one keeps it for a group that exists, against its own documentation",
            scraped().line(r#"push_failure_time_seconds{instance="",job="a"} 5"#),
            scraped().line(r#"push_failure_time_seconds{instance="",job="a"} 0"#),
        ))
        .run(WHARF);
}
