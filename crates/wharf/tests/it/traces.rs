//! Traces of requests: what a receiver of the `OpenTelemetry` protocol gets.

use std::fs;
use std::process::Command;

use wharf_testkit::http::{get, post};
use wharf_testkit::otlp::{Span, TraceReceiver};
use wharf_testkit::{Gateway, until};

use crate::rules::with_rules;
use crate::{WHARF, wharf};

const PUSH: &str = "POST /metrics/job/{group}";
const SCRAPE: &str = "GET /metrics";

/// Rules that have everything sent there.
fn tracing_to(receiver: &TraceReceiver) -> String {
    format!(
        "tracing:\n  client_type: http\n  endpoint: {}\n  insecure: true\n  sampling_fraction: 1\n",
        receiver.address()
    )
}

#[track_caller]
fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    match (found.next(), found.next()) {
        (Some(span), None) => span,
        _ => unreachable!("expected one span `{name}`, found {spans:#?}"),
    }
}

/// What was done for a request, in the order in which it began.
fn steps(spans: &[Span], of: &Span) -> Vec<String> {
    let mut steps: Vec<&Span> = spans.iter().filter(|span| span.parent == of.id).collect();
    steps.sort_by_key(|step| step.times);
    for step in &steps {
        assert_eq!((step.kind, &step.trace), (1, &of.trace));
        let is_within =
            of.times.0 <= step.times.0 && step.times.0 <= step.times.1 && step.times.1 <= of.times.1;
        assert!(is_within, "{step:?} {of:?}");
    }
    steps.iter().map(|step| step.name.clone()).collect()
}

fn metric(gateway: &Gateway, name: &str) -> Option<f64> {
    let scrape = gateway.scrape();
    let sample = scrape.samples.iter().find(|sample| sample.name == name);
    sample.map(wharf_testkit::Sample::number)
}

#[test]
fn a_push_is_a_trace_of_what_was_done_for_it() {
    let receiver = TraceReceiver::start(&["200 OK"]);
    let (_folder, spawn) = with_rules(&tracing_to(&receiver));
    let gateway = spawn.start();
    let push = post("/metrics/job/a/secret/x?token=hidden")
        .header("User-Agent", "curl/8")
        .header("X-Request-Id", "nightly-42")
        .body("m 1\n");
    assert_eq!(gateway.send(&push).status, 200);
    let spans = receiver.until_named(PUSH);
    let request = named(&spans, PUSH);
    assert_eq!(
        steps(&spans, request),
        [
            "authorize",
            "receive",
            "expand",
            "decode",
            "check and store",
            "ledger"
        ]
    );
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/metrics/job/{group}"),
        ("http.response.status_code", "200"),
        ("url.path", "/metrics/job/a/secret/x"),
        ("client.address", "127.0.0.1"),
        ("user_agent.original", "curl/8"),
        ("wharf.request_id", "nightly-42"),
        ("service.name", "wharf"),
    ] {
        assert_eq!(
            request.attributes.get(key).map(String::as_str),
            Some(value),
            "{key}"
        );
    }
    assert_eq!(
        (request.kind, request.status.0, request.parent.as_str()),
        (2, 0, "")
    );
    // Parameters may have secrets.
    assert!(!format!("{spans:?}").contains("hidden"));
}

#[test]
fn the_span_of_the_client_is_the_parent_of_the_request() {
    let receiver = TraceReceiver::start(&["200 OK"]);
    // Of itself it would trace nothing.
    let rules = tracing_to(&receiver).replace("sampling_fraction: 1", "sampling_fraction: 0");
    let (_folder, spawn) = with_rules(&rules);
    let gateway = spawn.start();
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let asked = |parent: String| get("/metrics").header("traceparent", &parent);
    gateway.send(&asked(format!("00-{}-{span}-00", "ab".repeat(16))));
    gateway.send(&get("/metrics"));
    gateway.send(&asked(format!("00-{trace}-{span}-01")));
    let spans = receiver.until_named(SCRAPE);
    let request = named(&spans, SCRAPE);
    assert_eq!((request.trace.as_str(), request.parent.as_str()), (trace, span));
    assert_eq!(request.flags, 0x301);
}

#[test]
fn what_other_tracing_systems_say_is_passed_on_with_every_span() {
    let receiver = TraceReceiver::start(&["200 OK"]);
    let (_folder, spawn) = with_rules(&tracing_to(&receiver));
    let gateway = spawn.start();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = get("/metrics").header("traceparent", parent);
    let request = request.header("tracestate", "congo=t61rcWkgMzE, rojo@x=00f067aa0ba902b7");
    gateway.send(&request.header("tracestate", "own=1"));
    let spans = receiver.until_named(SCRAPE);
    for span in &spans {
        assert_eq!(
            span.state, "congo=t61rcWkgMzE,rojo@x=00f067aa0ba902b7,own=1",
            "{span:?}"
        );
    }
}

#[test]
fn a_refused_push_is_found_by_its_trace_in_the_log() {
    let receiver = TraceReceiver::start(&["200 OK"]);
    let (_folder, spawn) = with_rules(&tracing_to(&receiver));
    let gateway = spawn.start();
    let answer = gateway.send(&post("/metrics/job/a").body("m x\n"));
    let id = answer.header("X-Request-Id").unwrap();
    let spans = receiver.until_named(PUSH);
    let request = named(&spans, PUSH);
    assert_eq!(request.attributes["wharf.request_id"], id);
    assert_eq!(request.attributes["wharf.refusal"], "syntax");
    assert_eq!(request.attributes["http.response.status_code"], "400");
    // It is the client's mistake, so it is no error of the server.
    assert_eq!(request.status.0, 0);
    let line = gateway.log_line(&format!("request_id={id}"));
    assert!(line.contains(&format!("trace_id={}", request.trace)), "{line}");
}

#[test]
fn a_reload_begins_moves_and_ends_traces() {
    let receivers = [(); 2].map(|()| TraceReceiver::start(&["200 OK"]));
    let (folder, spawn) = with_rules("expiry: []\n");
    let gateway = spawn.start();
    let reload = |rules: &str| {
        fs::write(folder.path().join("wharf.yml"), rules).unwrap();
        let before = metric(&gateway, "wharf_config_last_reload_success_timestamp_seconds");
        gateway.hang_up();
        until("the new rules", || {
            let now = metric(&gateway, "wharf_config_last_reload_success_timestamp_seconds");
            (now > before).then_some(())
        });
    };
    assert_eq!(metric(&gateway, "wharf_traces_exported_total"), None);
    for receiver in &receivers {
        reload(&tracing_to(receiver));
        gateway.push("/metrics/job/a", "m 1\n");
        receiver.until_named(PUSH);
    }
    reload("expiry: []\n");
    // Scrapes between were traced, and those may be on their way; this push is not.
    gateway.push("/metrics/job/untraced", "m 1\n");
    reload(&tracing_to(&receivers[1]));
    gateway.push("/metrics/job/last", "m 1\n");
    let spans = receivers[1].until_named(PUSH);
    assert_eq!(named(&spans, PUSH).attributes["url.path"], "/metrics/job/last");
}

#[test]
fn a_receiver_that_is_not_there_costs_traces_and_nothing_else() {
    // Nobody listens there any more.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let rules = format!(
        "tracing: {{client_type: http, endpoint: '{address}', insecure: true, sampling_fraction: 1}}\n"
    );
    let (_folder, spawn) = with_rules(&rules);
    let mut gateway = spawn.arg("--storage.path=").start();
    for _ in 0..5_000 {
        gateway.push("/metrics/job/a", "m 1\n");
    }
    gateway.log_line("traces cannot be exported");
    let scrape = gateway.scrape();
    let dropped = |reason: &str| {
        let is_it = |sample: &&wharf_testkit::Sample| {
            sample.name == "wharf_traces_dropped_total" && sample.labels["reason"] == reason
        };
        scrape.samples.iter().find(is_it).unwrap().number()
    };
    // What is not dropped waits in the queue, or is in the batch that is under way.
    let lost = dropped("full") + dropped("failed");
    assert!(lost >= 5_000.0 - 4_096.0 - 512.0, "{lost}");
    assert_eq!(metric(&gateway, "wharf_traces_exported_total"), Some(0.0));
    // The end does not wait for it.
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn the_last_traces_are_sent_before_the_end() {
    let receiver = TraceReceiver::start(&["200 OK"]);
    let (_folder, spawn) = with_rules(&tracing_to(&receiver));
    let mut gateway = spawn.start();
    gateway.push("/metrics/job/a", "m 1\n");
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    receiver.until_named(PUSH);
}

#[test]
fn nothing_is_traced_unless_the_file_says_so() {
    let gateway = wharf().start();
    let asked = get("/metrics").header(
        "traceparent",
        &format!("00-{}-{}-01", "ab".repeat(16), "cd".repeat(8)),
    );
    let scrape = gateway.send(&asked).text();
    assert!(!scrape.contains("wharf_traces"), "{scrape}");
}

#[test]
fn what_is_not_supported_is_refused_with_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wharf.yml");
    fs::write(
        &file,
        "tracing:\n  endpoint: localhost:4317\n  client_type: grpc\n",
    )
    .unwrap();
    let output = Command::new(WHARF)
        .args(["config", "check"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "line 3, column 16: expected http, found `grpc`",
        "client_type: http",
        "4318",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
