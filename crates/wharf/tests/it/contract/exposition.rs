//! Scrapes: negotiation and order.

use wharf_testkit::contract::{Expect, case, differs, ok, scraped, status};
use wharf_testkit::http::{Request, get, post, put};

use crate::WHARF;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
const PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=";

fn accepting(accept: &str) -> Request {
    get("/metrics").header("Accept", accept)
}

fn typed(content_type: &str) -> Expect {
    status(200).header("Content-Type", content_type)
}

#[test]
fn case_086_text_is_the_default() {
    case()
        .scrape(typed(TEXT))
        .step(accepting("application/json"), typed(TEXT))
        .run(WHARF);
}

#[test]
fn case_087_openmetrics_is_not_served_unless_asked_by_flag() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.2";
    case()
        .step(
            accepting("application/openmetrics-text;version=1.0.0"),
            typed(TEXT),
        )
        .step(
            accepting(prometheus),
            typed("text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"),
        )
        .run(WHARF);
}

#[test]
fn case_088_protobuf_is_served_in_three_forms() {
    ["delimited", "text", "compact-text"]
        .into_iter()
        .fold(case(), |case, encoding| {
            let content_type = format!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding={encoding}; escaping=underscores"
            );
            case.step(accepting(&format!("{PROTOBUF}{encoding}")), typed(&content_type))
        })
        .run(WHARF);
}

#[test]
fn case_089_responses_are_compressed_for_those_who_ask() {
    let encoded = |encoding: &str| get("/metrics").header("Accept-Encoding", encoding);
    case()
        .step(encoded("gzip"), status(200).header("Content-Encoding", "gzip"))
        .step(
            encoded("zstd"),
            differs(
                "scrapers that know it get the smaller body",
                status(200).no_header("Content-Encoding"),
                status(200).header("Content-Encoding", "zstd"),
            ),
        )
        .step(
            encoded("gzip;q=0.5, identity;q=0.8"),
            status(200).no_header("Content-Encoding"),
        )
        .run(WHARF);
}

#[test]
fn case_090_series_are_ordered_by_number_of_labels_and_then_by_values() {
    case()
        .step(
            put("/metrics/job/t").body("m{z=\"1\"} 1\nm{a=\"9\"} 2\nm 3\n"),
            ok(),
        )
        .scrape(scraped().order(&[
            r#"m{instance="",job="t"} 3"#,
            r#"m{instance="",job="t",z="1"} 1"#,
            r#"m{a="9",instance="",job="t"} 2"#,
        ]))
        .run(WHARF);
}

#[test]
fn series_of_several_groups_come_group_by_group() {
    let reason = "a scrape need not sort what is stored in order";
    case()
        .step(post("/metrics/job/b").body("m 1\nm{a=\"9\"} 2\n"), ok())
        .step(post("/metrics/job/a").body("m 3\nm{a=\"9\"} 4\n"), ok())
        .scrape(differs(
            reason,
            scraped().order(&[
                r#"m{instance="",job="a"} 3"#,
                r#"m{instance="",job="b"} 1"#,
                r#"m{a="9",instance="",job="a"} 4"#,
                r#"m{a="9",instance="",job="b"} 2"#,
            ]),
            scraped().order(&[
                r#"m{instance="",job="a"} 3"#,
                r#"m{a="9",instance="",job="a"} 4"#,
                r#"m{instance="",job="b"} 1"#,
                r#"m{a="9",instance="",job="b"} 2"#,
            ]),
        ))
        .run(WHARF);
}

#[test]
fn text_of_version_1_is_served_to_those_who_ask() {
    let version_1 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores";
    case()
        .step(
            accepting("text/plain;version=1.0.0"),
            differs(
                "the real one knows no version but 0.0.4",
                typed(TEXT),
                typed(version_1),
            ),
        )
        .run(WHARF);
}
