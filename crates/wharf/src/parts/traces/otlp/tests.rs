use std::collections::BTreeMap;

use wharf_gateway::{SpanId, StepSpan, TraceId};
use wharf_store::UnixNanos;
use wharf_testkit::otlp::{Span, TraceReceiver, spans};

use super::*;

fn trace() -> FinishedTrace {
    FinishedTrace {
        id: TraceId([0x11; 16]),
        span: SpanId([0x22; 8]),
        parent: Some(SpanId([0x33; 8])),
        state: "congo=t61rcWkgMzE".to_owned(),
        name: "PUT /metrics/job/{group}".to_owned(),
        ended: Ended::Answered,
        began: UnixNanos(1_767_323_045_000_000_000),
        end: UnixNanos(1_767_323_045_250_000_000),
        attributes: vec![
            ("url.path", "/metrics/job/ä".into()),
            ("http.response.status_code", 200.into()),
            ("negative", (-1).into()),
        ],
        steps: vec![StepSpan {
            id: SpanId([0x44; 8]),
            name: "decode",
            began: UnixNanos(1_767_323_045_100_000_000),
            ended: UnixNanos(1_767_323_045_200_000_000),
        }],
    }
}

fn about(span: &mut Span) -> BTreeMap<String, String> {
    let (of_process, of_span) = std::mem::take(&mut span.attributes)
        .into_iter()
        .partition(|(key, _)| key.starts_with("service."));
    span.attributes = of_span;
    of_process
}

#[test]
fn another_library_reads_what_is_written() {
    let mut read = spans(&encode(&[trace()])).unwrap();
    let process = about(&mut read[0]);
    assert_eq!(process["service.name"], "wharf");
    assert_eq!(process["service.version"], BUILD.version);
    assert_eq!(process["service.instance.id"].len(), 32);
    assert_eq!(about(&mut read[1]), process);
    let request = Span {
        trace: "11".repeat(16),
        id: "22".repeat(8),
        parent: "33".repeat(8),
        state: "congo=t61rcWkgMzE".to_owned(),
        name: "PUT /metrics/job/{group}".to_owned(),
        kind: 2,
        times: (1_767_323_045_000_000_000, 1_767_323_045_250_000_000),
        attributes: [
            ("url.path", "/metrics/job/ä"),
            ("http.response.status_code", "200"),
            ("negative", "-1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        status: (0, String::new()),
        flags: 0x301,
    };
    let step = Span {
        id: "44".repeat(8),
        parent: "22".repeat(8),
        name: "decode".to_owned(),
        kind: 1,
        times: (1_767_323_045_100_000_000, 1_767_323_045_200_000_000),
        attributes: BTreeMap::new(),
        flags: 0x101,
        ..request.clone()
    };
    assert_eq!(read, [request, step]);
}

#[test]
fn a_failure_is_an_error_and_a_refusal_is_none() {
    let status = |ended| {
        let read = spans(&encode(&[FinishedTrace { ended, ..trace() }])).unwrap();
        read[0].status.clone()
    };
    assert_eq!(status(Ended::Answered), (0, String::new()));
    assert_eq!(status(Ended::Failed), (2, String::new()));
    assert_eq!(
        status(Ended::Gone),
        (2, "the client has gone before it was answered".to_owned())
    );
}

#[test]
fn a_receiver_may_take_some_spans_only() {
    let mut answer = Message::default();
    answer.message(1, |partial| {
        partial.number(1, 300);
        partial.text(2, "too old");
    });
    let answer = answer.into_bytes();
    assert_eq!(rejected(&answer), Some((300, "too old".to_owned())));
    // All of them were taken, or nobody has said otherwise.
    let cut = &answer[..answer.len() - 1];
    for answer in [&b""[..], b"\x0a\x00", b"{}", b"ok", b"\xff\xff\xff", cut] {
        assert_eq!(rejected(answer), None, "{answer:?}");
    }
}

#[test]
fn refusals_of_the_receiver_are_told_and_say_whether_to_try_again() {
    let outcome = |statuses| {
        let receiver = TraceReceiver::start(statuses);
        let target = wharf_client::Target {
            address: receiver.address().to_string().parse().unwrap(),
            headers: vec![("X-Team".to_owned(), wharf_client::Secret::new("a"))],
            ..wharf_client::Target::default()
        };
        let otlp = Otlp::new(Client::new(&target).unwrap(), "/v1/traces".to_owned(), false);
        let outcome = otlp.export(&[trace()], None);
        let received = receiver.next();
        let head = received.head.to_lowercase();
        for line in [
            "post /v1/traces http/1.1",
            "content-type: application/x-protobuf",
            "x-team: a",
        ] {
            assert!(head.contains(line), "{head}");
        }
        assert_eq!(received.spans.len(), 2);
        outcome
    };
    assert_eq!(outcome(&["200 OK"]), Ok(Exported::default()));
    let error = outcome(&["503 Service Unavailable\r\nRetry-After: 7"]).unwrap_err();
    assert!(
        error.text.starts_with("the receiver of traces answered 503"),
        "{}",
        error.text
    );
    assert_eq!(
        (error.is_transient, error.retry_after),
        (true, Some(Duration::from_secs(7)))
    );
    assert!(!outcome(&["400 Bad Request"]).unwrap_err().is_transient);
}
