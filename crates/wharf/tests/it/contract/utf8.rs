//! Names beyond ASCII.

use wharf_testkit::contract::{Expect, case, differs, ok, refused, scraped, status};
use wharf_testkit::http::{Request, get, post, put};

use crate::WHARF;

const FLAG: &[&str] = &["--push.enable-utf8-names"];

fn escaped(escaping: &str) -> Request {
    get("/metrics").header("Accept", &format!("text/plain;escaping={escaping}"))
}

#[test]
fn case_103_without_the_flag_escaped_label_names_stay_as_they_are() {
    case()
        .step(post("/metrics/job/a/U__foo_2e_bar/v").body("m 1\n"), ok())
        .scrape(scraped().line(r#"m{U__foo_2e_bar="v",instance="",job="a"} 1"#))
        .run(WHARF);
}

#[test]
fn case_104_with_the_flag_label_names_are_decoded_and_escaped_as_asked() {
    case()
        .flags(FLAG)
        .step(
            post("/metrics/job/a/U__foo_2e_bar@base64/YmF6").body("m 1\n"),
            ok(),
        )
        .step(
            escaped("allow-utf-8"),
            scraped().line(r#"m{"foo.bar"="baz",instance="",job="a"} 1"#),
        )
        .step(
            escaped("values"),
            scraped().line(r#"m{U__foo_2e_bar="baz",instance="",job="a"} 1"#),
        )
        .step(
            escaped("dots"),
            scraped().line(r#"m{foo_dot_bar="baz",instance="",job="a"} 1"#),
        )
        .scrape(scraped().line(r#"m{foo_bar="baz",instance="",job="a"} 1"#))
        .run(WHARF);
}

#[test]
fn case_105_with_the_flag_raw_names_are_fine_and_bad_escapes_stay() {
    case()
        .flags(FLAG)
        .step(post("/metrics/job/a/foo.bar/v").body("m 1\n"), ok())
        .step(post("/metrics/job/b/U__in_xxx_valid/v").body("m 1\n"), ok())
        .step(
            post("/metrics/job/c/U__/v").body("m 1\n"),
            refused(r#"improper label name "U__""#),
        )
        .scrape(
            scraped()
                .line(r#"m{foo_bar="v",instance="",job="a"} 1"#)
                .line(r#"m{U__in_xxx_valid="v",instance="",job="b"} 1"#),
        )
        .run(WHARF);
}

#[test]
fn case_106_with_the_flag_bodies_may_quote_any_name() {
    let quoted: Expect = scraped()
        .line(r#"# HELP "my.metric" h"#)
        .line(r#"# TYPE "my.metric" untyped"#)
        .line(r#"{"my.metric",instance="",job="a","my.label"="x"} 1"#);
    case()
        .flags(FLAG)
        .step(
            post("/metrics/job/a").body("# HELP \"my.metric\" h\n{\"my.metric\",\"my.label\"=\"x\"} 1\n"),
            ok(),
        )
        .step(escaped("allow-utf-8"), quoted)
        .scrape(scraped().line(r#"my_metric{instance="",job="a",my_label="x"} 1"#))
        .run(WHARF);
}

#[test]
fn case_107_without_the_flag_quoted_names_are_checked() {
    let error = "text format parsing error in line 1: invalid";
    case()
        .step(
            put("/metrics/job/t").body("{\"my.metric\"} 1\n"),
            refused(&format!("{error} metric name \"my.metric\"")),
        )
        .step(
            put("/metrics/job/t").body("m{\"a.b\"=\"x\"} 1\n"),
            refused(&format!("{error} label name \"a.b\"")),
        )
        .run(WHARF);
}

#[test]
fn an_escaped_reserved_name_in_the_path_cannot_break_the_scrape() {
    case()
        .flags(FLAG)
        .step(post("/metrics/job/a/U______x/v").body("m 1\n"), status(400))
        .scrape(differs(
            "one refused push must not take down every scrape and every later push",
            status(500),
            scraped().no_line("push_"),
        ))
        .run(WHARF);
}

#[test]
fn a_colon_in_a_label_name_is_escaped() {
    let reason = "Prometheus cannot read a label name with a colon unless it is quoted";
    let shown = |label: &str| scraped().line(&format!(r#"m{{{label}="1",instance="",job="a"}} 1"#));
    case()
        .flags(FLAG)
        .step(post("/metrics/job/a").body("{\"m\",\"a:b\"=\"1\"} 1\n"), ok())
        .step(escaped("underscores"), differs(reason, status(200), shown("a_b")))
        .step(
            escaped("allow-utf-8"),
            differs(reason, status(200), shown("\"a:b\"")),
        )
        .run(WHARF);
}
