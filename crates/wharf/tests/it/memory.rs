//! How much memory what comes in may take until it is stored: beyond that it is refused, with the number and the flag, in
//! whatever format it is, and nothing of it is kept.

mod state_file;

use std::fmt::Write as _;

use serde_json::{Value, json};
use wharf_testkit::hostile::{self, Format, Shape};
use wharf_testkit::http::{Request, get, post, put};
use wharf_testkit::{Gateway, body, protobuf};

use crate::operators::admin;
use crate::wharf;

const MIB: usize = 1 << 20;

/// A limit, and what it answers.
#[derive(Clone, Copy)]
struct Refusal {
    /// As the metric calls it.
    limit: &'static str,
    flags: [&'static str; 2],
    status: u16,
    /// One of these. What takes much at once may be more than there is for all, before it is more than one client gets.
    texts: &'static [&'static str],
}

/// What pushes may take of memory here.
const LIMIT: usize = 512 << 10;

const REFUSALS: [Refusal; 3] = [
    Refusal {
        limit: "push",
        flags: [
            "--push.max-decoded-bytes=512KiB",
            "--limits.max-decoded-bytes=64MiB",
        ],
        status: 413,
        texts: &[
            "expected a push that takes at most 524288 bytes of memory, found one that takes more\n\
             hint: push less at once, or raise --push.max-decoded-bytes",
        ],
    },
    Refusal {
        limit: "process",
        flags: [
            "--push.max-decoded-bytes=64MiB",
            "--limits.max-decoded-bytes=512KiB",
        ],
        status: 503,
        texts: &[
            "expected pushes that take at most 524288 bytes of memory at once, found more; try again\n\
             hint: raise --limits.max-decoded-bytes",
        ],
    },
    // Of this one client gets 4.5 MiB.
    Refusal {
        limit: "client",
        flags: ["--push.max-decoded-bytes=0", "--limits.max-decoded-bytes=6MiB"],
        status: 503,
        texts: &[
            "expected pushes of one client that take at most three quarters of what others leave of 6291456 bytes of \
             memory, found more; try again\nhint: raise --limits.max-decoded-bytes",
            "expected pushes that take at most 6291456 bytes of memory at once, found more; try again\n\
             hint: raise --limits.max-decoded-bytes",
        ],
    },
];

impl Refusal {
    /// A gateway with the limit, and a group that a refused push would replace.
    fn start(&self) -> Gateway {
        let gateway = admin(wharf().args(self.flags)).start();
        gateway.push("/metrics/job/kept", "m 1\n");
        gateway
    }

    /// Sends what takes too much.
    #[track_caller]
    fn check(&self, gateway: &Gateway, request: &Request, what: &str) {
        let answer = gateway.send(request);
        let text = answer.text();
        assert_eq!(answer.status, self.status, "{request}, {what}: {text}");
        assert!(self.texts.contains(&text.trim_end()), "{request}, {what}: {text}");
        let again = answer.header("Retry-After").is_some();
        assert_eq!(again, self.status == 503, "{request}, {what}");
    }

    /// So many were refused, the memory is free again, and there is what was there before.
    #[track_caller]
    fn check_nothing_kept(&self, gateway: &Gateway, refused: usize) {
        let scrape = gateway.scrape();
        let limits: &[&str] = if self.limit == "client" {
            &["client", "process"]
        } else {
            &[self.limit]
        };
        let counted = limits.iter().map(|limit| {
            let counted = scrape.value("wharf_decoded_refused_total", &[("limit", limit)]);
            counted.unwrap().parse::<usize>().unwrap()
        });
        assert_eq!(counted.sum::<usize>(), refused);
        assert_eq!(scrape.value("wharf_decoded_bytes", &[]), Some("0"));
        assert_eq!(scrape.value("m", &[("job", "kept")]), Some("1"));
        let groups = gateway.send(&get("/api/v1/groups")).json();
        let groups = groups["data"]["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 1, "{groups:?}");
        // The times of its pushes are two.
        assert_eq!(groups[0]["series"], 3, "{groups:?}");
    }
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Text => "text/plain",
        Format::OpenMetrics => "application/openmetrics-text; version=1.0.0",
        Format::Protobuf => protobuf::CONTENT_TYPE,
    }
}

fn of_format(request: Request, format: Format) -> Request {
    request.header("Content-Type", content_type(format))
}

/// The kinds of bodies for it. One client may hold much, of which bodies take long to make: so one of each format.
fn shapes(refusal: &Refusal) -> Vec<Shape> {
    let mut shapes = hostile::shapes();
    shapes.retain(|shape| refusal.limit != "client" || is_ordinary(shape));
    shapes
}

fn is_ordinary(shape: &Shape) -> bool {
    ["series", "metrics"].contains(&shape.name)
}

#[test]
fn a_body_that_is_too_much_once_expanded_is_refused_in_each_format() {
    for refusal in REFUSALS {
        let gateway = refusal.start();
        let bytes = if refusal.limit == "client" {
            5 * MIB
        } else {
            2 * LIMIT
        };
        let mut refused = 0;
        for shape in shapes(&refusal) {
            let body = (shape.body)(bytes);
            let plain = of_format(put("/metrics/job/kept"), shape.format);
            let mut coded = vec![("zstd", body::zstd(&body))];
            let mut requests = Vec::new();
            // One kind of each format is enough to be sent in all ways.
            if is_ordinary(&shape) {
                coded.push(("gzip", body::gzip(&body)));
                coded.push(("snappy", body::snappy_block(&body)));
                for path in [
                    "/api/v1/push?group_by=job",
                    "/api/v1/push?group_by=job&partial=true",
                ] {
                    let many = of_format(post(path), shape.format).header("Content-Encoding", "zstd");
                    requests.push(many.body(coded[0].1.clone()));
                }
            }
            let coded = coded.into_iter().map(|(encoding, body)| {
                let request = plain.clone().header("Content-Encoding", encoding);
                request.body(body)
            });
            requests.extend(coded);
            for request in &requests {
                refusal.check(&gateway, request, shape.name);
                refused += 1;
            }
        }
        refusal.check_nothing_kept(&gateway, refused);
    }
}

#[test]
fn a_body_that_is_too_much_once_decoded_is_refused_in_each_format() {
    for refusal in REFUSALS {
        let gateway = refusal.start();
        let is_of_client = refusal.limit == "client";
        let bytes = if is_of_client { 5 * MIB / 2 } else { LIMIT / 2 };
        let mut refused = Vec::new();
        for shape in shapes(&refusal) {
            let request = of_format(post("/metrics/job/kept"), shape.format);
            let answer = gateway.send(&request.body((shape.body)(bytes)));
            // Others take little more than they have bytes, or are not right.
            if answer.status == refusal.status {
                let text = answer.text();
                assert!(refusal.texts.contains(&text.trim_end()), "{}: {text}", shape.name);
                refused.push(shape);
            } else if answer.status == 200 {
                gateway.replace("/metrics/job/kept", "m 1\n");
            }
        }
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            let of_format = refused.iter().filter(|shape| shape.format == format);
            let expected = if is_of_client { 1 } else { 3 };
            assert!(of_format.count() >= expected, "{format:?}: {refused:?}");
        }
        gateway.replace("/metrics/job/kept", "m 1\n");
        refusal.check_nothing_kept(&gateway, refused.len());
    }
}

/// One line for each of so many groups, with a label of each family's own.
fn many_groups(count: usize, format: Format) -> Vec<u8> {
    let metrics = (0..count).map(|n| {
        let job = format!("{n:0>100}");
        protobuf::gauge(protobuf::labelled(&[("job", &job)]), 1.0)
    });
    if format == Format::Protobuf {
        let metrics: Vec<_> = metrics.collect();
        return protobuf::delimited(&[protobuf::family("g", protobuf::Type::Gauge, &metrics)]);
    }
    let mut text = "# TYPE g gauge\n".to_owned();
    for n in 0..count {
        writeln!(text, "g{{job=\"{n:0>100}\"}} 1").unwrap();
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text.into_bytes()
}

#[test]
fn a_push_to_many_groups_that_takes_too_much_is_refused_in_each_format() {
    for refusal in REFUSALS {
        let gateway = refusal.start();
        let count = if refusal.limit == "client" { 9_000 } else { 1_250 };
        let mut refused = 0;
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            let body = many_groups(count, format);
            for method in [post, put] {
                let request = of_format(method("/api/v1/push?group_by=job"), format);
                refusal.check(&gateway, &request.body(body.as_slice()), "many groups");
                refused += 1;
            }
        }
        refusal.check_nothing_kept(&gateway, refused);
    }
}

/// A group as an export has it.
fn line(job: &str, text: &str) -> String {
    let line = json!({"labels": {"job": job}, "push_time": "2026-01-02T03:04:05Z", "text": text});
    format!("{line}\n")
}

fn import(lines: &str) -> Request {
    post("/api/v1/admin/import?overwrite=true").body(lines)
}

#[test]
fn a_backup_with_a_line_that_takes_too_much_brings_nothing_back() {
    for refusal in REFUSALS {
        let gateway = refusal.start();
        // Which is read within four times its length.
        let help = if refusal.limit == "client" { 2 * MIB } else { LIMIT };
        let long = format!("# HELP m {}\nm 2\n", "h".repeat(help));
        let lines = line("first", "m 2\n") + &line("kept", &long);
        refusal.check(&gateway, &import(&lines), "a backup");
        // Each label takes much more than its text.
        let count = if refusal.limit == "client" { 15_000 } else { 2_500 };
        let labels: Vec<_> = (0..count).map(|n| format!("\"a{n}\":\"\",")).collect();
        let labels = labels.concat();
        let labels = format!("{{\"labels\":{{{labels}\"job\":\"b\"}},\"text\":\"m 1\\n\"}}\n");
        let lines = line("first", "m 2\n") + &labels;
        refusal.check(&gateway, &import(&lines), "labels of a backup");
        refusal.check_nothing_kept(&gateway, 2);
    }
}

#[test]
fn a_group_of_a_backup_that_takes_too_much_is_left_out_by_itself() {
    let [of_push, ..] = REFUSALS;
    let gateway = of_push.start();
    let quantiles = "s{quantile=\"1\"} 1\n".repeat(5_000);
    let lines = line("kept", &format!("# TYPE s summary\n{quantiles}")) + &line("other", "m 2\n");
    let answer = gateway.send(&import(&lines));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let data = answer.json()["data"].clone();
    assert_eq!(
        (&data["groups"], &data["more_refused"]),
        (&json!(1), &json!(0)),
        "{data}"
    );
    let expected = json!([{"labels": {"job": "kept"}, "status": 413, "error": of_push.texts[0]}]);
    assert_eq!(data["refused"], expected);
    let scrape = gateway.scrape();
    assert_eq!(scrape.value("m", &[("job", "kept")]), Some("1"));
    assert_eq!(scrape.value("m", &[("job", "other")]), Some("2"));
}

#[test]
fn what_a_refused_push_held_is_there_for_the_next_one() {
    for refusal in REFUSALS {
        let gateway = refusal.start();
        let (much, enough) = if refusal.limit == "client" {
            (7 * MIB, MIB / 4)
        } else {
            (2 * LIMIT, LIMIT / 8)
        };
        let much = body::zstd(&vec![b'#'; much]);
        // A comment of a good part of what there may be.
        let enough = body::zstd(&[vec![b'#'; enough], b"\nm 1\n".to_vec()].concat());
        for _ in 0..20 {
            let request = put("/metrics/job/kept").header("Content-Encoding", "zstd");
            refusal.check(&gateway, &request.clone().body(much.clone()), "a comment");
            let answer = gateway.send(&request.body(enough.clone()));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        refusal.check_nothing_kept(&gateway, 20);
    }
}

/// What the gateway says of its limits where people look for them.
#[test]
fn the_limits_are_shown() {
    let [of_push, ..] = REFUSALS;
    let gateway = of_push.start();
    let status = gateway.send(&get("/api/v1/status")).json();
    let flags: &Value = &status["data"]["flags"];
    assert_eq!(flags["push.max-decoded-bytes"], "512KiB", "{flags}");
    let scrape = gateway.scrape();
    assert_eq!(
        scrape.value("wharf_decoded_bytes_limit", &[]),
        Some("6.7108864e+07")
    );
    let unlimited = wharf().arg("--limits.max-decoded-bytes=0");
    let scrape = unlimited.start().scrape();
    assert_eq!(scrape.value("wharf_decoded_bytes_limit", &[]), None);
}
