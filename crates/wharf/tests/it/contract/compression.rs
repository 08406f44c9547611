//! Content types and encodings of pushes.

use wharf_testkit::body::{deflate, gzip, snappy_block, snappy_framed, zstd};
use wharf_testkit::contract::{case, differs, ok, refused, refused_like, scraped, status};
use wharf_testkit::http::{Request, get, post};
use wharf_testkit::protobuf::{self, Message, Type, delimited, family, gauge, labelled};

use crate::WHARF;

const PLAIN: &[u8] = b"m 1\n";
const NO_NAME: &str = "text format parsing error in line 1: invalid metric name";

fn push_protobuf(families: &[Message]) -> Request {
    push_bytes(delimited(families))
}

fn push_bytes(body: Vec<u8>) -> Request {
    post("/metrics/job/t")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(body)
}

fn push_encoded(encoding: &str, body: impl Into<Vec<u8>>) -> Request {
    post("/metrics/job/t")
        .header("Content-Encoding", encoding)
        .body(body)
}

fn three() -> Message {
    family("m", Type::Gauge, &[gauge(Message::new(), 3.0)])
}

#[test]
fn case_076_an_unknown_content_type_is_text() {
    case()
        .step(
            post("/metrics/job/t")
                .header("Content-Type", "application/json")
                .body(PLAIN),
            ok(),
        )
        .scrape(scraped().line(r#"m{instance="",job="t"} 1"#))
        .run(WHARF);
}

#[test]
fn case_077_delimited_protobuf_is_understood() {
    case()
        .step(push_protobuf(&[three()]), ok())
        .scrape(
            scraped()
                .line("# TYPE m gauge")
                .line(r#"m{instance="",job="t"} 3"#),
        )
        .run(WHARF);
}

#[test]
fn case_078_protobuf_without_its_parameters_is_text() {
    let request = post("/metrics/job/t")
        .header(
            "Content-Type",
            "application/vnd.google.protobuf; encoding=delimited",
        )
        .body(delimited(&[three()]));
    case().step(request, refused(NO_NAME)).run(WHARF);
}

#[test]
fn case_079_protobuf_of_no_type_is_a_counter_and_values_fit_the_type() {
    let counter = protobuf::with_metrics(
        Message::new().bytes(1, "m"),
        &[protobuf::counter(Message::new(), 3.0)],
    );
    let mismatch = family("m", Type::Gauge, &[protobuf::untyped(Message::new(), 3.0)]);
    case()
        .step(push_protobuf(&[counter]), ok())
        .step(push_protobuf(&[mismatch]), refused_like("is not a GAUGE"))
        .scrape(scraped().line("# TYPE m counter"))
        .run(WHARF);
}

#[test]
fn case_080_the_last_of_equal_families_wins() {
    let second = family("m", Type::Gauge, &[gauge(labelled(&[("x", "1")]), 4.0)]);
    case()
        .step(push_protobuf(&[three(), second]), ok())
        .scrape(
            scraped()
                .line(r#"m{instance="",job="t",x="1"} 4"#)
                .no_line(r#"m{instance="",job="t"} 3"#),
        )
        .run(WHARF);
}

#[test]
fn case_081_protobuf_that_is_cut_short_is_refused() {
    let mut body = delimited(&[three()]);
    body.pop();
    case()
        .step(push_bytes(body), refused("unexpected EOF"))
        .scrape(scraped().no_line("push_"))
        .run(WHARF);
}

#[test]
fn case_082_protobuf_names_may_be_of_any_characters() {
    let family = family("m.x", Type::Gauge, &[gauge(labelled(&[("a-b", "1")]), 3.0)]);
    case()
        .step(push_protobuf(&[family]), ok())
        .scrape(scraped().line(r#"m_x{a_b="1",instance="",job="t"} 3"#))
        .run(WHARF);
}

#[test]
fn case_108_protobuf_with_labels_that_are_not_utf8_is_a_failure_of_its_group() {
    let labels = |name: &[u8], value: &[u8]| {
        let label = Message::new().bytes(1, name).bytes(2, value);
        family("m", Type::Gauge, &[gauge(Message::new().message(1, &label), 3.0)])
    };
    let to = |job: &str, family: Message| {
        post(&format!("/metrics/job/{job}"))
            .header("Content-Type", protobuf::CONTENT_TYPE)
            .body(delimited(&[family]))
    };
    case()
        .step(post("/metrics/job/old").body(PLAIN), ok())
        .step(to("old", labels(b"a", b"\xff")), status(400))
        .step(to("new", labels(b"a", b"\xff")), status(400))
        .step(to("name", labels(b"a\xff", b"x")), status(400))
        .scrape(
            scraped()
                .line(r#"m{instance="",job="old"} 1"#)
                .line_matches(r#"^push_failure_time_seconds\{instance="",job="old"\} 1\."#)
                .line_matches(r#"^push_failure_time_seconds\{instance="",job="new"\} 1\."#)
                .line_matches(r#"^push_failure_time_seconds\{instance="",job="name"\} 1\."#)
                .line(r#"push_time_seconds{instance="",job="new"} 0"#),
        )
        .run(WHARF);
}

#[test]
fn case_083_gzip_is_understood_and_its_mistakes_are_named() {
    let whole = gzip(PLAIN);
    let cut = whole.get(..whole.len() - 4).unwrap_or_default();
    case()
        .step(push_encoded("GZIP", whole.as_slice()), ok())
        .step(
            push_encoded("gzip", "hello world\n"),
            refused("gzip: invalid header"),
        )
        .step(push_encoded("gzip", ""), refused("EOF"))
        .step(push_encoded("gzip", cut), refused("unexpected EOF"))
        .step(
            get("/metrics").header("Content-Encoding", "gzip"),
            differs("bodies that nobody wants are not read", refused("EOF"), scraped()),
        )
        .scrape(scraped().line(r#"m{instance="",job="t"} 1"#))
        .run(WHARF);
}

#[test]
fn case_084_snappy_is_understood() {
    case()
        .step(push_encoded("snappy", snappy_framed(PLAIN)), ok())
        .step(push_encoded("snappy", PLAIN), refused("snappy: corrupt input"))
        .step(
            push_encoded("snappy", snappy_block(PLAIN)),
            differs(
                "remote-write clients have the block format at hand",
                refused("snappy: corrupt input"),
                ok(),
            ),
        )
        .run(WHARF);
}

#[test]
fn case_085_unknown_encodings_are_ignored() {
    case()
        .step(push_encoded("br", PLAIN), ok())
        .step(push_encoded("identity", PLAIN), ok())
        .step(push_encoded("  GZip ", gzip(PLAIN)), ok())
        .step(push_encoded("gzip, gzip", gzip(&gzip(PLAIN))), refused(NO_NAME))
        .run(WHARF);
}

#[test]
fn an_old_name_of_gzip_and_identity_beside_it_are_understood() {
    let reason = "RFC 9110 says that both are gzip; the real one reads the compressed bytes as text";
    for encoding in ["x-gzip", "X-GZIP", "gzip, identity", "identity,gzip", "gzip,"] {
        case()
            .step(
                push_encoded(encoding, gzip(PLAIN)),
                differs(reason, refused(NO_NAME), ok()),
            )
            .run(WHARF);
    }
}

#[test]
fn zstd_and_deflate_are_understood() {
    let reason = "the real one ignores these encodings and reads the compressed bytes as text";
    let garbage = || refused_like("^text format parsing error in line 1: ");
    case()
        .step(
            push_encoded("zstd", zstd(PLAIN)),
            differs(reason, garbage(), ok()),
        )
        .step(
            push_encoded("deflate", deflate(b"n 2\n")),
            differs(reason, garbage(), ok()),
        )
        .scrape(differs(
            reason,
            scraped().no_line("push_"),
            scraped()
                .line(r#"m{instance="",job="t"} 1"#)
                .line(r#"n{instance="",job="t"} 2"#),
        ))
        .run(WHARF);
}
