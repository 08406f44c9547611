//! Traces of Wharf, as the `OpenTelemetry` project's own code reads them.

use std::process::{Command, Stdio};

use serde_json::Value;
use wharf_testkit::http::{get, post};
use wharf_testkit::{Process, peers, until};

use crate::wharf;

const PUSHES: usize = 20;

#[test]
fn traces_are_read_by_the_code_of_the_protocol() {
    let Some(folder) = peers::client("traces") else {
        return;
    };
    let files = tempfile::tempdir().unwrap();
    for compression in ["none", "gzip"] {
        let output = files.path().join(compression);
        let mut command = Command::new(folder.join("bin/python"));
        command
            .arg(folder.join("receiver.py"))
            .arg(&output)
            .stdin(Stdio::null());
        let receiver = Process::start(command);
        let line = receiver.log_line("listening at ");
        let (_, address) = line.split_once("listening at ").unwrap();
        let file = files.path().join("wharf.yml");
        let rules = format!(
            "tracing: {{client_type: http, endpoint: '{}', insecure: true, sampling_fraction: 1, \
             compression: {compression}}}\n",
            address.trim()
        );
        std::fs::write(&file, rules).unwrap();
        let gateway = wharf().arg(format!("--config.file={}", file.display())).start();
        let path = format!("/metrics/job/{compression}");
        // Enough that compression pays.
        for _ in 0..PUSHES {
            assert_eq!(gateway.send(&post(&path).body("m 1\n")).status, 200);
        }
        let parent = format!("00-{}-{}-01", "00ab".repeat(8), "cd".repeat(8));
        gateway.send(&get("/metrics").header("traceparent", &parent));
        let spans = until("the traces", || {
            let text = std::fs::read_to_string(&output).unwrap_or_default();
            // The last line may be half written.
            let messages = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            let spans: Vec<Value> = messages.flat_map(|message| spans(&message)).collect();
            let of = |asked: &str| {
                spans
                    .iter()
                    .filter(|span| said(span, "url.path") == asked)
                    .count()
            };
            (of(&path) == PUSHES && of("/metrics") == 1).then_some(spans)
        });
        let of = |asked: &str| spans.iter().find(|span| said(span, "url.path") == asked).unwrap();
        let push = of(&path);
        assert_eq!(push["name"], "POST /metrics/job/{group}");
        assert_eq!(push["kind"], "SPAN_KIND_SERVER");
        assert_eq!(said(push, "http.response.status_code"), "200");
        let steps = spans.iter().filter(|span| span["parentSpanId"] == push["spanId"]);
        let steps: Vec<&str> = steps.filter_map(|span| span["name"].as_str()).collect();
        for step in ["authorize", "receive", "check and store", "ledger"] {
            assert!(steps.contains(&step), "{steps:?}");
        }
        // In JSON of this library bytes are Base64.
        let scrape = of("/metrics");
        assert_eq!(scrape["parentSpanId"], "zc3Nzc3Nzc0=");
        assert!(!receiver.log().contains("refused"), "{}", receiver.log());
        let scraped = gateway.scrape();
        let dropped: Vec<f64> = scraped
            .samples
            .iter()
            .filter(|sample| sample.name == "wharf_traces_dropped_total")
            .map(wharf_testkit::Sample::number)
            .collect();
        assert_eq!(dropped, [0.0, 0.0]);
    }
}

/// The spans of a message.
fn spans(message: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let scopes = list(&message["resourceSpans"])
        .into_iter()
        .flat_map(|resource| list(&resource["scopeSpans"]));
    scopes.flat_map(|scope| list(&scope["spans"])).collect()
}

/// What is said of a span by this attribute.
fn said(span: &Value, key: &str) -> String {
    let attributes = span["attributes"].as_array().into_iter().flatten();
    let mut found = attributes.filter(|attribute| attribute["key"] == key);
    let value = found.next().map(|attribute| &attribute["value"]);
    let text = value.and_then(|value| value["stringValue"].as_str().or(value["intValue"].as_str()));
    text.unwrap_or_default().to_owned()
}
