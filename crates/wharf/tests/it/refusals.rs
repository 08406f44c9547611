//! What a refusal tells beyond what the Pushgateway says: what was sent, and what to do.
//!
//! Most of the bodies are from public reports of people who could not tell from the answer what was wrong. Where the
//! real Pushgateway is at hand, it gets them too: the first line of both answers is the same.

use std::collections::HashSet;
use std::process::Command;

use wharf_testkit::body::{deflate, gzip, snappy_block, snappy_framed, zstd};
use wharf_testkit::http::{Request, get, post, put};
use wharf_testkit::protobuf::{self, Message, Type};
use wharf_testkit::{Gateway, Spawn};

use crate::wharf;

const FORM: &str = "application/x-www-form-urlencoded";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

fn push(body: impl Into<Vec<u8>>) -> Request {
    post("/metrics/job/t").body(body)
}

fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    post("/metrics/job/t")
        .header("Content-Type", content_type)
        .body(body)
}

fn coded(encoding: &str, body: impl Into<Vec<u8>>) -> Request {
    post("/metrics/job/t")
        .header("Content-Encoding", encoding)
        .body(body)
}

/// Wharf, and the real Pushgateway if it is there.
struct Both {
    wharf: Gateway,
    real: Option<Gateway>,
}

impl Both {
    fn start() -> Self {
        Self {
            wharf: wharf().start(),
            real: Spawn::real().map(Spawn::start),
        }
    }

    /// Sends what has to be refused with the same first line by both, and with a hint by Wharf.
    #[track_caller]
    fn check(&self, request: &Request, hint: &str) {
        let text = self.refusal(request, hint);
        if let Some(real) = &self.real {
            let answer = real.send(request);
            let expected = answer.text();
            assert_eq!(
                (answer.status, text.lines().next()),
                (400, expected.lines().next()),
                "{request}"
            );
        }
    }

    /// Sends what only Wharf refuses so.
    #[track_caller]
    fn refusal(&self, request: &Request, hint: &str) -> String {
        let answer = self.wharf.send(request);
        let text = answer.text();
        assert_eq!(answer.status, 400, "{request}: {text}");
        let mut hints = text.lines().filter(|line| line.starts_with("hint: "));
        assert!(
            hints.any(|line| line.contains(hint)),
            "{request}: expected `{hint}` in {text}"
        );
        text
    }
}

const PLAIN: &[u8] = b"# TYPE m gauge\nm{a=\"b\"} 1\nm{a=\"c\"} 2\n";

fn delimited() -> Vec<u8> {
    let metric = protobuf::gauge(Message::new(), 3.0);
    protobuf::delimited(&[protobuf::family("mymetric", Type::Gauge, &[metric])])
}

#[test]
fn bytes_without_the_header_that_explains_them_are_called_by_name() {
    let both = Both::start();
    both.check(&push(gzip(PLAIN)), "send `Content-Encoding: gzip` with it");
    both.check(&push(zstd(PLAIN)), "send `Content-Encoding: zstd` with it");
    both.check(&push(deflate(PLAIN)), "send `Content-Encoding: deflate` with it");
    both.check(
        &push(snappy_framed(PLAIN)),
        "send `Content-Encoding: snappy` with it",
    );
    both.check(
        &push(snappy_block(PLAIN)),
        "send `Content-Encoding: snappy` with it",
    );
    both.check(&push(delimited()), "encoding=delimited` with it");
    let marked = |bytes: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        format!("{mark}m 1\n").encode_utf16().flat_map(bytes).collect()
    };
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        both.check(&push(marked(bytes, "\u{feff}")), "this is text in UTF-16");
    }
    both.refusal(&push(marked(u16::to_le_bytes, "")), "this is text in UTF-16");
    both.refusal(&push(marked(u16::to_be_bytes, "")), "this is text in UTF-16");
    both.check(&push("\u{feff}m 1\n"), "byte order mark");
}

#[test]
fn headers_that_contradict_the_body_are_named() {
    let both = Both::start();
    both.check(
        &coded("gzip", "m 1234567890\n"),
        "send it without `Content-Encoding: gzip`",
    );
    both.check(
        &coded("snappy", "m 1234567890\n"),
        "send it without `Content-Encoding: snappy`",
    );
    both.check(&coded("gzip", zstd(PLAIN)), "send `Content-Encoding: zstd`");
    both.check(&coded("gzip", gzip(&gzip(PLAIN))), "compressed twice");
    both.check(
        &coded("br", b"\x0b\x06\x80m 1\n\n\x03".to_vec()),
        "`Content-Encoding: br` is not undone",
    );
    both.check(&typed(protobuf::CONTENT_TYPE, "m 1\n"), "this is text");
    both.refusal(
        &typed(protobuf::CONTENT_TYPE, gzip(PLAIN)),
        "this is compressed with gzip",
    );
    both.refusal(&typed(OPENMETRICS, gzip(PLAIN)), "this is compressed with gzip");
    both.refusal(&typed(OPENMETRICS, delimited()), "this is protobuf");
    both.refusal(&typed(OPENMETRICS, "{\"a\": 1}\n"), "this is JSON");
    both.check(
        &push("# TYPE i info\ni_info{a=\"b\"} 1\n# EOF\n"),
        "application/openmetrics-text",
    );
    both.check(
        &push("c_total 5 # {trace_id=\"x\"} 1\n# EOF\n"),
        "application/openmetrics-text",
    );
}

#[test]
fn what_is_no_exposition_at_all_is_called_by_name() {
    let both = Both::start();
    both.check(
        &push("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\"}}"),
        "this is JSON",
    );
    both.check(&push("[{\"name\": \"m\"}]\n"), "this is JSON");
    both.check(
        &push("<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n"),
        "this is HTML",
    );
    both.check(&push("<?xml version=\"1.0\"?>\n<m>1</m>\n"), "this is XML");
    both.check(&push("---\nm: 1\n"), "this is YAML");
    both.check(
        &push("HTTP/1.1 200 OK\nContent-Type: text/plain\n\nm 1\n"),
        "the head of an HTTP message",
    );
    both.refusal(&push("metrics.prom"), "the name of a file");
    both.check(&push("/var/lib/metrics.prom\n"), "the name of a file");
    // A remote-write request, as it came and expanded.
    let request = b"\x0a\x1a\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x08\x09\0\0\0\0\0\0\0\0";
    both.refusal(&push(snappy_block(request)), "a remote-write request");
    both.refusal(&coded("snappy", snappy_block(request)), "a remote-write request");
}

#[test]
fn lines_of_other_systems_are_called_by_name() {
    let both = Both::start();
    both.check(
        &push("cpu,host=a usage=1.5,idle=98 1465839830100400200\n"),
        "a line of InfluxDB",
    );
    both.check(
        &push("m 1\ncpu,host=a,region=eu usage=1,5\n"),
        "a line of InfluxDB",
    );
    both.check(&push("cpu usage=0.64\n"), "a line of InfluxDB");
    both.check(&push("servers.web1.load 0.5 1465839830\n"), "a line of Graphite");
    both.check(&push("page.views:1|c\n"), "a line of StatsD");
    both.check(&push("hits:1|c|@0.1\n"), "a line of StatsD");
}

#[test]
fn mistakes_that_people_make_in_scripts_get_advice() {
    let both = Both::start();
    for (body, advice) in [
        ("m 1\\nn 2\n", "use `printf`"),
        ("-e m 1\n", "use `printf`"),
        ("m \n", "is a variable of your script empty?"),
        ("m{a=\"b\"} \n", "is a variable of your script empty?"),
        ("m 0,5\n", "the decimal separator as a point"),
        ("m 1,234,567\n", "without separators between its digits"),
        ("m 12MB\n", "without a unit"),
        ("m 95%\n", "without a unit"),
        ("m true\n", "a value is a number"),
        ("m null\n", "leave out the line"),
        ("m 2026-01-31T10:00:00Z\n", "in seconds since 1970"),
        ("m=1\n", "a blank stands between"),
        ("my-metric 1\n", "metric names have letters, digits"),
        ("my.metric 1\n", "metric names have letters, digits"),
        (
            "# HELP my-metric Help.\nmy-metric 1\n",
            "metric names have letters, digits",
        ),
        (
            "# TYPE jvm.memory.used gauge\n",
            "metric names have letters, digits",
        ),
        ("m{my-label=\"a\"} 1\n", "label names have letters, digits"),
        ("5xx_total 1\n", "begins with a letter"),
        ("# TYPE 5xx_total counter\n", "begins with a letter"),
        ("// note\nm 1\n", "comments begin with `#`"),
        ("\\# HELP m Help.\nm 1\n", "comments begin with `#`"),
        ("m{a='b'} 1\n", "straight double quotes"),
        ("m{a=\"b\" c=\"d\"} 1\n", "commas between them"),
        ("m{path=\"C:\\Users\"} 1\n", "a backslash itself"),
        ("m{path=\"C:\\\"} 1\n", "a backslash itself"),
        ("m{note=\"two\nlines\"} 1\n", "a line feed is written"),
        ("m 1 # note\n", "lines of their own"),
        ("m 1 1465839830.123\n", "leave the timestamp out"),
        ("# TYPE m gauge m 1\n", "are the line feeds lost?"),
        ("# TYPE m gauge\nm 1\n# TYPE m gauge\n", "before the first sample"),
    ] {
        both.check(&push(body), advice);
    }
}

/// Go's client writes an empty value as two slashes, which are one after the redirect that it gets.
#[test]
fn urls_whose_labels_come_in_no_pairs_get_advice() {
    let both = Both::start();
    for path in [
        "/metrics/job/t/label/a/empty/other/b",
        "/metrics/job/t/path/usr%2Fbin",
    ] {
        both.check(&put(path).body("m 1\n"), "its name and `@base64/`");
    }
}

/// The library of `VictoriaMetrics` for Go pushes with GET, if it is not told otherwise.
#[test]
fn who_pushes_with_get_is_told_which_methods_push() {
    let both = Both::start();
    let request = get("/metrics/job/t").body("m 1\n");
    let answer = both.wharf.send(&request);
    let expected = "Method Not Allowed\nhint: a push is a PUT or a POST: tell your client which\n";
    assert_eq!((answer.status, answer.text().as_str()), (405, expected));
    if let Some(real) = &both.real {
        let answer = real.send(&request);
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (405, "Method Not Allowed\n")
        );
    }
}

#[test]
fn forms_of_curl_are_recognised() {
    let both = Both::start();
    // The Pushgateway says that the last line feed is missing.
    both.refusal(
        &typed(FORM, "# TYPE m gaugem 1"),
        "use `curl --data-binary @FILE`",
    );
    both.refusal(&typed(FORM, "m 1n 2"), "use `curl --data-binary @FILE`");
    // All of the file is one comment then. Taken for an empty push, it would even empty the group.
    for content_type in [FORM, "text/plain"] {
        let lost = typed(content_type, "# HELP m Help.# TYPE m gaugem 1");
        both.check(&lost, "use `curl --data-binary @FILE`");
        both.check(&typed(content_type, "m 1n 2"), "are the line feeds lost?");
    }
    // A single line that can be read is stored, as there; `--data-binary` sends this type too.
    for gateway in [Some(&both.wharf), both.real.as_ref()].into_iter().flatten() {
        assert_eq!(gateway.send(&typed(FORM, "m 1\n")).status, 200);
    }
    let answer = both.wharf.send(&typed(FORM, "m x\n"));
    assert!(!answer.text().contains("--data-binary"), "{}", answer.text());
}

#[test]
fn curl_itself_is_told_how() {
    let gateway = wharf().start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.prom");
    std::fs::write(&file, "# TYPE m gauge\nm 1\n").unwrap();
    let helped = folder.path().join("helped.prom");
    std::fs::write(&helped, "# HELP m Help.\n# TYPE m gauge\nm 1\n").unwrap();
    let at = |prefix: &str| format!("{prefix}{}", file.display());
    let url = format!("http://{}/metrics/job/t", gateway.address());
    for args in [
        ["-d".to_owned(), at("@")],
        ["-d".to_owned(), format!("@{}", helped.display())],
        ["-F".to_owned(), at("file=@")],
        ["--data-urlencode".to_owned(), "# TYPE m gauge\nm 1\n".to_owned()],
        ["--data-binary".to_owned(), file.display().to_string()],
    ] {
        let output = Command::new("curl")
            .arg("--silent")
            .args(&args)
            .arg(&url)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("--data-binary @FILE`"), "{args:?}: {text}");
    }
    let args = ["--silent", "--fail", "--data-binary", &at("@"), &url].map(str::to_owned);
    assert!(Command::new("curl").args(args).status().unwrap().success());
}

#[test]
fn a_refused_timestamp_names_the_metric_the_line_and_the_flag() {
    let both = Both::start();
    let flag = "--push.timestamps=strip";
    let body = "a 1\nb{x=\"1\"} 2\nc 3 1395066363000\nd 4\nb{x=\"2\"} 1 5\n";
    let text = both.refusal(&push(body), flag);
    assert!(
        text.contains("hint: `c` (line 3) has a timestamp, and so has another metric\n"),
        "{text}"
    );
    both.check(&push("m{a=\"b\"} 1 5\n"), "`m{a=\"b\"}` (line 1) has a timestamp");
    let histogram = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1 5\nh_count 1 5\n";
    both.check(&push(histogram), "`h` (line 3) has a timestamp");
    both.refusal(
        &typed(OPENMETRICS, "# TYPE g gauge\ng 1\ng{a=\"b\"} 1 5\n# EOF\n"),
        "`g{a=\"b\"}` (line 3)",
    );
    let metric = |label| protobuf::gauge(protobuf::labelled(&[("a", label)]), 3.0);
    let stamped = protobuf::gauge(protobuf::labelled(&[("a", "2")]), 3.0).varint(6, 5);
    let family = protobuf::family("m", Type::Gauge, &[metric("1"), stamped]);
    let request = typed(protobuf::CONTENT_TYPE, protobuf::delimited(&[family]));
    both.check(&request, "`m{a=\"2\"}` (metric 2 of its family) has a timestamp");
    let many = put("/api/v1/push?group_by=job").body("a{job=\"1\"} 1\na{job=\"2\"} 1 5\n");
    let answer = both.wharf.send(&many);
    assert!(
        answer.text().contains("`a{job=\"2\"}` (line 2) has a timestamp"),
        "{}",
        answer.text()
    );
}

#[test]
fn contradictions_say_which_side_has_what_and_what_to_do() {
    let both = Both::start();
    both.wharf.push(
        "/metrics/job/a",
        "t 1\nd{instance=\"i\",job=\"x\"} 1\n# TYPE h histogram\nh_count 1\n",
    );
    both.wharf.push("/metrics/job/x", "d{instance=\"i\"} 1\n");
    let request = |body: &str| post("/metrics/job/x/instance/i").body(body);
    let text = both.refusal(&request("# TYPE t gauge\nt 1\n"), "one type in all groups");
    assert!(
        text.contains("it was pushed as GAUGE (stored in group {job=\"a\"})\n"),
        "{text}"
    );
    both.refusal(&request("d 1\n"), "one group has a series");
    both.refusal(&request("e 1\ne 2\n"), "a push has each series once");
    both.refusal(&request("h_sum 1\n"), "has `x_sum` and `x_count` to itself");
    both.refusal(&request("m{__a=\"b\"} 1\n"), "belong to Prometheus");
    let own = "# TYPE process_open_fds counter\nprocess_open_fds 1\n# TYPE process_max_fds counter\nprocess_max_fds 1\n";
    both.refusal(
        &request(own),
        "`process_max_fds`, `process_open_fds` are metrics of the gateway itself",
    );
    let own = "# TYPE pushgateway_build_info counter\npushgateway_build_info 1\n";
    both.refusal(
        &request(own),
        "`pushgateway_build_info` is a metric of the gateway itself",
    );
}

#[test]
fn a_history_and_the_list_of_refusals_begin_with_all_that_fits() {
    let gateway = wharf().start();
    gateway.push("/metrics/job/old", "a 1\nb 1\n");
    let body = "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n";
    assert_eq!(gateway.send(&put("/metrics/job/new").body(body)).status, 400);
    let stats = gateway.send(&get("/api/v1/stats")).text();
    assert!(stats.contains("2 error(s) occurred:"), "{stats}");
    assert!(
        stats.contains("collected metric \\\"b\\\" is not a UNTYPED"),
        "{stats}"
    );
    let log = gateway.log_line("pushed metrics are invalid or inconsistent");
    assert!(
        log.contains("* collected metric \\\"b\\\" is not a UNTYPED"),
        "{log}"
    );
}

#[test]
fn bodies_that_cannot_be_read_are_in_the_log_a_few_times_a_minute() {
    let gateway = wharf().start();
    for _ in 0..50 {
        assert_eq!(
            gateway.send(&post("/metrics/job/noisy").body("m x\n")).status,
            400
        );
    }
    let line = gateway.log_line("a pushed body could not be read");
    for part in [
        "level=warn",
        "method=POST logged_source=127.0.0.1",
        "group=\"{job=\\\"noisy\\\"}\"",
        "err=\"text format parsing error in line 1: expected float as value, got \\\"x\\\"\"",
        "reason=syntax",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(gateway.log().matches("could not be read").count(), 10);
}

#[test]
fn the_answer_of_a_refused_push_has_the_request_id_of_its_log_line() {
    let gateway = wharf().args(["--limits.max-series-per-push=1"]).start();
    gateway.push("/metrics/job/a", "# TYPE m gauge\nm 1\n");
    for (body, message, reason) in [
        ("m x\n", "a pushed body could not be read", "syntax"),
        (
            "m 1 1\n",
            "pushed metrics are invalid or inconsistent",
            "timestamps",
        ),
        (
            "# TYPE m counter\nm 1\n",
            "pushed metrics are invalid or inconsistent",
            "type",
        ),
        ("a 1\nb 1\n", "a push was refused", "series_per_push"),
    ] {
        let answer = gateway.send(&post("/metrics/job/b").body(body));
        let id = answer.header("X-Request-Id").expect("a request id").to_owned();
        assert_eq!(id.len(), 16, "{id}");
        let line = gateway.log_line(&format!("request_id={id}"));
        for part in [message, "logged_source=127.0.0.1", &format!("reason={reason}")] {
            assert!(line.contains(part), "{line}");
        }
        // The list of refused pushes has it too.
        let stats = gateway.send(&get("/api/v1/stats")).json();
        assert_eq!(stats["data"]["refused"][0]["request_id"], id.as_str());
    }
}

#[test]
fn every_refused_request_has_an_id_and_no_two_have_the_same() {
    let gateway = wharf().start();
    let mut ids = HashSet::new();
    for request in [
        get("/nowhere"),
        post("/metrics"),
        get("/metrics/job/%zz"),
        get("/metrics").without_host(),
        post("/metrics/job@base64/?").body("m 1\n"),
        get("/api/v1/groups?limit=x"),
        put("/api/v1/admin/wipe"),
        post("/metrics/job/a")
            .header("Sec-Fetch-Site", "cross-site")
            .body("m 1\n"),
    ] {
        let answer = gateway.send(&request);
        assert!(answer.status >= 400, "{request}: {}", answer.status);
        let id = answer.header("X-Request-Id").map(str::to_owned);
        assert!(ids.insert(id.unwrap_or_else(|| panic!("{request}: no id"))));
    }
}

#[test]
fn a_request_id_that_the_client_gives_is_in_the_answer_and_in_the_log() {
    let gateway = wharf().start();
    let named = |request: Request, name: &str| gateway.send(&request.header("X-Request-Id", name));
    let id = "deploy-7/attempt=2";
    for request in [get("/-/healthy"), get("/metrics"), push("m 1\n"), push("m x\n")] {
        let answer = named(request, id);
        assert_eq!(answer.header("X-Request-Id"), Some(id));
    }
    gateway.log_line(&format!("request_id=\"{id}\""));
    // What is no name is not passed on: neither too long nor with blanks.
    let long = "x".repeat(65);
    for bad in ["two words", &long] {
        let answer = named(push("m 1\n"), bad);
        assert_eq!(answer.header("X-Request-Id").map(str::len), Some(16));
    }
}

#[test]
fn who_gives_no_request_id_and_succeeds_gets_the_headers_of_the_pushgateway() {
    let both = Both::start();
    for request in [get("/-/healthy"), get("/metrics"), push("m 1\n")] {
        for gateway in [Some(&both.wharf), both.real.as_ref()].into_iter().flatten() {
            let answer = gateway.send(&request.clone());
            assert_eq!((answer.status, answer.header("X-Request-Id")), (200, None));
        }
    }
}

/// A client that is refused in a loop fills no disk, and pushes nobody else's refusals out of the log.
#[test]
fn refused_pushes_are_in_the_log_a_few_times_a_minute_and_all_of_them_for_those_who_ask() {
    for (level, expected) in [("info", 10), ("debug", 30)] {
        let gateway = wharf()
            .args(["--limits.max-series-per-push=1", &format!("--log.level={level}")])
            .start();
        for _ in 0..30 {
            let answer = gateway.send(&push("a 1\nb 1\n"));
            assert_eq!(answer.status, 413);
        }
        assert_eq!(gateway.send(&push("m x\n")).status, 400);
        gateway.log_line("a pushed body could not be read");
        assert_eq!(gateway.log().matches("a push was refused").count(), expected);
    }
}
