//! The grouping key in the path.

use wharf_testkit::contract::{case, not_found, ok, redirect, refused, scraped};
use wharf_testkit::http::{delete, post, put};

use crate::WHARF;

#[test]
fn case_017_a_simple_push_is_scraped() {
    case()
        .step(post("/metrics/job/a").body("m 1\n"), ok())
        .scrape(
            scraped()
                .line(r#"m{instance="",job="a"} 1"#)
                .line("# TYPE m untyped")
                .no_line("# HELP m "),
        )
        .run(WHARF);
}

#[test]
fn case_018_the_job_is_not_empty() {
    case()
        .step(post("/metrics/job/").body("m 1\n"), redirect(307, "/metrics/job"))
        .step(post("/metrics/job").body("m 1\n"), not_found())
        .step(
            post("/metrics/job@base64/=").body("m 1\n"),
            refused("job name is required"),
        )
        .step(post("/metrics/job@base64/").body("m 1\n"), not_found())
        .run(WHARF);
}

#[test]
fn case_019_labels_come_in_pairs() {
    case()
        .step(
            post("/metrics/job/a/x").body("m 1\n"),
            refused(r#"odd number of components in label string "/x""#),
        )
        .step(
            delete("/metrics/job/a/x/y/z"),
            refused(r#"odd number of components in label string "/x/y/z""#),
        )
        .scrape(scraped().no_line("push_"))
        .run(WHARF);
}

#[test]
fn case_020_a_slash_after_the_job_is_nothing() {
    case()
        .step(post("/metrics/job/a/").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{instance="",job="a"} 1"#))
        .run(WHARF);
}

#[test]
fn case_021_a_slash_after_a_label_name_is_an_empty_value() {
    case()
        .step(post("/metrics/job/a/x/").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{instance="",job="a",x=""} 1"#))
        .run(WHARF);
}

#[test]
fn case_022_an_equals_sign_is_an_empty_base64_value() {
    case()
        .step(post("/metrics/job/a/x@base64/=").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{instance="",job="a",x=""} 1"#))
        .run(WHARF);
}

#[test]
fn case_023_base64_needs_no_padding() {
    case()
        .step(
            post("/metrics/job@base64/YWJj/p@base64/L3Zhci90bXA").body("m 1\n"),
            ok(),
        )
        .step(
            post("/metrics/job@base64/YWJj/p@base64/L3Zhci90bXA=").body("n 1\n"),
            ok(),
        )
        .scrape(
            scraped()
                .line(r#"m{instance="",job="abc",p="/var/tmp"} 1"#)
                .line(r#"n{instance="",job="abc",p="/var/tmp"} 1"#),
        )
        .run(WHARF);
}

#[test]
fn case_024_bad_base64_is_refused_with_its_position() {
    case()
        .step(
            post("/metrics/job@base64/YWJjZ!").body("m 1\n"),
            refused(r#"invalid base64 encoding in job name "abc": illegal base64 data at input byte 5"#),
        )
        .step(
            post("/metrics/job/a/l@base64/a+b").body("m 1\n"),
            refused(r#"invalid base64 encoding for label l="a+b": illegal base64 data at input byte 1"#),
        )
        .run(WHARF);
}

#[test]
fn case_025_bad_label_names_are_refused() {
    case()
        .step(
            post("/metrics/job/a/1x/y").body("m 1\n"),
            refused(r#"improper label name "1x""#),
        )
        .step(
            post("/metrics/job/a/x-y/z").body("m 1\n"),
            refused(r#"improper label name "x-y""#),
        )
        .step(
            post("/metrics/job/a/__x/y").body("m 1\n"),
            refused(r#"improper label name "__x""#),
        )
        .step(
            post("/metrics/job/a/__x@base64/eQ").body("m 1\n"),
            refused(r#"improper label name "__x""#),
        )
        .step(
            post("/metrics/job/a/@base64/YQ").body("m 1\n"),
            refused(r#"improper label name """#),
        )
        .run(WHARF);
}

#[test]
fn case_026_one_leading_underscore_is_fine() {
    case()
        .step(post("/metrics/job/a/_x/y").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{_x="y",instance="",job="a"} 1"#))
        .run(WHARF);
}

#[test]
fn case_027_an_escaped_slash_separates() {
    case()
        .step(post("/metrics/job/a%2Fl/v").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{instance="",job="a",l="v"} 1"#))
        .run(WHARF);
}

#[test]
fn case_028_a_plus_is_a_plus() {
    case()
        .step(post("/metrics/job/a+b%20c/l/v%3Fq").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{instance="",job="a+b c",l="v?q"} 1"#))
        .run(WHARF);
}

#[test]
fn case_029_the_last_of_equal_labels_wins_and_the_job_of_the_path_over_all() {
    case()
        .step(post("/metrics/job/a/x/1/x/2/job/zz").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{instance="",job="a",x="2"} 1"#))
        .run(WHARF);
}

#[test]
fn case_030_the_query_is_ignored() {
    case()
        .step(post("/metrics/job/a?x=y").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{instance="",job="a"} 1"#))
        .run(WHARF);
}

#[test]
fn case_031_order_and_spelling_of_labels_do_not_make_another_group() {
    case()
        .step(post("/metrics/job/a/x/1/y/2").body("m 1\n"), ok())
        .step(put("/metrics/job@base64/YQ/y/2/x@base64/MQ").body("n 1\n"), ok())
        .scrape(
            scraped()
                .no_line("m{")
                .line(r#"n{instance="",job="a",x="1",y="2"} 1"#),
        )
        .run(WHARF);
}
