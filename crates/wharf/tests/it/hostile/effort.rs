//! Requests of a few bytes that would take hours: expressions that lead somewhere new at each byte of long labels.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;
use wharf_testkit::http::{Request, delete, get, post};
use wharf_testkit::{Gateway, body, until};

use super::http2::{END_HEADERS, END_STREAM, HEADERS, RST_STREAM, Server, frame, get_block};
use super::{check_honest, open};
use crate::{refused, wharf};

/// Pushes groups with a label of 15 KB each that have no letter in common with their neighbours.
fn push_long_groups(gateway: &Gateway, count: u32) {
    let mut state = 1u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 0 { 'a' } else { 'b' }
    };
    let lines = (0..count).map(|n| {
        let x: String = (0..15_000).map(|_| letter()).collect();
        format!("m{{job=\"g{n}\",x=\"{x}\"}} 1\n")
    });
    let lines: String = lines.collect();
    let request = post("/api/v1/push?group_by=job,x").header("Content-Encoding", "gzip");
    let answer = gateway.send(&request.body(body::gzip(lines.as_bytes())));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A parameter that costs a good part of a second for each group.
fn costly() -> String {
    format!("match[]={}", escaped(r#"{x=~"(?:[ab]*a[ab]{0,400}){2}[cd]"}"#))
}

fn escaped(selector: &str) -> String {
    let bytes = selector.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    });
    bytes.collect()
}

/// Requests that were given up for this reason.
fn stopped(gateway: &Gateway, reason: &str) -> String {
    let labels = [("reason", reason)];
    let scrape = gateway.scrape();
    let value = scrape.value("wharf_requests_stopped_total", &labels);
    value.unwrap_or("0").to_owned()
}

fn places_taken(gateway: &Gateway) -> u64 {
    let stats = gateway.send(&get("/api/v1/stats")).json();
    let mut limits = stats["data"]["limits"].as_array().unwrap().iter();
    let scrapes = limits.find(|limit| limit["name"] == "limits.max-scrapes-in-flight");
    scrapes.unwrap()["used"].as_u64().unwrap()
}

fn costly_requests() -> [Request; 4] {
    let costly = costly();
    [
        get(&format!("/metrics?{costly}")),
        get(&format!("/api/v1/groups?total=true&{costly}")),
        get(&format!("/api/v1/export?{costly}")),
        delete(&format!("/api/v1/groups?dry_run=true&{costly}")),
    ]
}

#[test]
fn what_a_client_has_asked_for_ends_when_it_leaves_in_whatever_way() {
    let leave: [fn(TcpStream); 3] = [
        drop,
        // With the beginning of another request behind it, which nobody reads.
        |mut stream| stream.write_all(b"GET /").unwrap(),
        // By a reset.
        |stream| {
            let at_once = Some(Duration::ZERO);
            SockRef::from(&stream).set_linger(at_once).unwrap();
        },
    ];
    let gateway = wharf().arg("--web.enable-admin-api").start();
    push_long_groups(&gateway, 200);
    let requests = costly_requests();
    for leave in leave {
        for request in &requests {
            let mut stream = open(&gateway);
            stream.write_all(&request.to_bytes()).unwrap();
            until("a place that is taken", || {
                (places_taken(&gateway) > 0).then_some(())
            });
            leave(stream);
        }
    }
    let all = (3 * requests.len()).to_string();
    until("the end of all of them", || {
        let is_over = stopped(&gateway, "gone") == all && places_taken(&gateway) == 0;
        is_over.then_some(())
    });
    check_honest(&gateway);
}

#[test]
fn a_client_that_only_listens_is_told_why_it_gets_no_answer_that_takes_long() {
    let gateway = wharf().arg("--web.enable-admin-api").start();
    push_long_groups(&gateway, 200);
    for request in costly_requests() {
        let mut stream = open(&gateway);
        stream.write_all(&request.to_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{request}: {answer}");
        let text = "expected a client that waits for its answer, found one that has closed its side of the connection\n";
        assert!(answer.contains(text), "{request}: {answer}");
    }
}

#[test]
fn over_http2_what_was_asked_for_ends_with_its_stream_or_its_connection() {
    let server = Server::start(wharf());
    push_long_groups(&server.gateway, 200);
    let ask = || {
        let mut stream = server.connect(&[]);
        let block = get_block(&format!("/api/v1/groups?total=true&{}", costly()));
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
        stream.write_all(&request).unwrap();
        until("a place that is taken", || {
            (places_taken(&server.gateway) > 0).then_some(())
        });
        stream
    };
    let gone = |count: &str| {
        until("the end of the work", || {
            (stopped(&server.gateway, "gone") == count).then_some(())
        });
    };
    let mut stream = ask();
    let cancel = 8u32.to_be_bytes();
    stream.write_all(&frame(RST_STREAM, 0, 1, &cancel)).unwrap();
    gone("1");
    drop(ask());
    gone("2");
}

#[test]
fn expressions_that_cost_too_much_to_read_are_refused_before_they_are_read() {
    let gateway = wharf().arg("--web.enable-admin-api").start();
    push_long_groups(&gateway, 1);
    // Without regard to case, each of these may be compared with all characters that there are.
    let expression = format!("(?i){}", "[^a]".repeat(400));
    let costly = format!("match[]={}", escaped(&format!("{{x=~`{expression}`}}")));
    for request in [
        get(&format!("/metrics?{costly}")),
        get(&format!("/api/v1/groups?{costly}")),
        get(&format!("/api/v1/export?{costly}")),
        delete(&format!("/api/v1/groups?dry_run=true&{costly}")),
        delete(&format!("/api/v1/groups?{costly}")),
    ] {
        let text = "expected selectors that take at most 2,000,000,000 steps over the stored groups, found more\nhint: ";
        refused(&gateway, &request, 422, text);
    }
    assert_eq!(stopped(&gateway, "costly"), "5");
    check_honest(&gateway);
}
