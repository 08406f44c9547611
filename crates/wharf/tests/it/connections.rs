//! Clients that are slow, hang up halfway, or send too much.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use wharf_testkit::http::{Request, delete, get, options, post, put};
use wharf_testkit::{Gateway, Kind, until};

use crate::{gateways, wharf};

/// More than the buffers between a server and a client that does not read can hold.
const MORE_THAN_SOCKETS_HOLD: usize = 40 << 20;

fn open(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Fills a gateway with so much that its exposition does not fit into the buffers.
fn fill(gateway: &Gateway) {
    let value = "v".repeat(MORE_THAN_SOCKETS_HOLD / 8);
    for job in 0..8 {
        gateway.push(&format!("/metrics/job/{job}"), &format!("m{{a=\"{value}\"}} 1\n"));
    }
}

/// Sends a request and reads the first byte of the answer, so that the rest is on its way.
fn begin_to_read(gateway: &Gateway, request: &Request) -> TcpStream {
    let mut stream = open(gateway);
    stream.write_all(&request.to_bytes()).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    stream
}

#[test]
fn a_connection_goes_on_after_a_body_that_nobody_reads() {
    let body = "x".repeat(200_000);
    let requests = [
        (404, post("/nowhere")),
        (405, put("/metrics")),
        (405, post("/api/v1/status")),
        (301, put("//metrics/job/a")),
        (307, post("/METRICS/job/a")),
        (400, post("/metrics/job@base64/=")),
        (202, delete("/metrics/job/a")),
        (200, get("/api/v1/metrics")),
        (200, options("/api/v1/metrics")),
    ];
    for spawn in gateways() {
        let gateway = spawn.start();
        let mut connection = gateway.connect();
        for (status, request) in &requests {
            let answer = connection.send(&request.clone().body(body.clone())).unwrap();
            assert_eq!(answer.status, *status, "{request}");
            assert_eq!(answer.header("Connection"), None, "{request}");
        }
    }
}

/// The real one asks nobody for a body that it does not want, and answers only when it has come all the same.
#[test]
fn who_asks_before_sending_and_is_refused_learns_that_the_connection_ends() {
    let gateway = wharf().start();
    for target in ["/nowhere", "/metrics/job@base64/=", "/metrics"] {
        let mut connection = gateway.connect();
        let head =
            format!("POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
        connection.write(head.as_bytes()).unwrap();
        let answer = connection.read_response("POST").unwrap();
        assert!(answer.status >= 400, "{target}: {}", answer.status);
        assert!(answer.interim.is_empty(), "{target}");
        assert_eq!(answer.header("Connection"), Some("close"), "{target}");
        assert_eq!(connection.read_to_end().unwrap(), b"", "{target}");
    }
}

#[test]
fn a_client_that_is_done_with_writing_gets_its_answer() {
    let lines: Vec<String> = (0..20_000).map(|n| format!("m{n} 1\n")).collect();
    let large = lines.concat();
    let requests = [
        get("/metrics"),
        get("/api/v1/metrics"),
        put("/metrics/job/a").body("m 1\n"),
        put("/metrics/job/a").body(large),
    ];
    for spawn in gateways() {
        let gateway = spawn.start();
        for request in &requests {
            let mut stream = open(&gateway);
            stream.write_all(&request.to_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{request}");
        }
    }
}

#[test]
fn a_body_on_its_way_is_finished_before_the_program_stops() {
    let mut gateway = wharf().start();
    fill(&gateway);
    let mut stream = begin_to_read(&gateway, &get("/metrics"));
    gateway.terminate();
    gateway.log_line("exiting gracefully");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(
        answer.len() > MORE_THAN_SOCKETS_HOLD,
        "cut after {} bytes",
        answer.len()
    );
    drop(stream);
    assert_eq!(gateway.wait().code, Some(0));
}

#[test]
fn slow_readers_of_the_json_api_are_bounded_in_number() {
    let gateway = wharf().arg("--limits.max-scrapes-in-flight=1").start();
    fill(&gateway);
    let slow = begin_to_read(&gateway, &get("/api/v1/metrics"));
    assert_eq!(gateway.send(&get("/api/v1/metrics")).status, 503);
    drop(slow);
}

#[test]
fn who_sends_too_much_is_told_so_even_if_it_sends_all_of_it_first() {
    let gateway = wharf().arg("--push.max-body-bytes=1MiB").start();
    let body = "m 1\n".repeat(MORE_THAN_SOCKETS_HOLD / 4);
    let answer = gateway.send(&post("/metrics/job/a").body(body.as_str()));
    assert_eq!(answer.status, 413, "{}", answer.text());
    let answer = gateway.send(&post("/metrics/job/a").chunked(&[body.as_str(), "n 1\n"]));
    assert_eq!(answer.status, 413, "{}", answer.text());
    let answer = gateway.send(&post("/metrics/job/a/odd").body(body.as_str()));
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[test]
fn limits_may_be_as_large_as_numbers_get() {
    let limits = ["connections", "requests-in-flight", "scrapes-in-flight"];
    let args = limits.map(|limit| format!("--limits.max-{limit}={}", usize::MAX));
    let gateway = wharf().args(args).start();
    assert_eq!(gateway.send(&get("/metrics")).status, 200);
}

#[test]
fn heads_have_a_size_that_no_client_needs() {
    for spawn in gateways() {
        let is_wharf = spawn.kind() == Kind::Wharf;
        let gateway = spawn.start();
        let long = put(&format!("/metrics/job/{}", "a".repeat(70_000))).body("m 1\n");
        assert_eq!(gateway.send(&long).status, if is_wharf { 414 } else { 200 });
        let many = (0..150).fold(get("/-/healthy"), |request, n| {
            request.header(&format!("X-{n}"), "x")
        });
        assert_eq!(gateway.send(&many).status, if is_wharf { 431 } else { 200 });
    }
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let gateway = wharf().arg("--web.body-timeout=200ms").start();
    let mut stream = open(&gateway);
    let head = "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nm 1";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert_eq!(gateway.scrape().value("push_time_seconds", &[]), None);
}

#[test]
fn requests_beyond_the_limit_are_told_to_come_again() {
    let gateway = wharf().args(["--limits.max-requests-in-flight=1"]).start();
    let mut waiting = gateway.connect();
    let head = put("/metrics/job/a")
        .header("Expect", "100-continue")
        .header("Content-Length", "10");
    waiting.write(&head.to_bytes()).unwrap();
    // The interim response comes when the handler asks for the body: the request is in flight.
    waiting.read_interim().unwrap();
    let refused = gateway.send(&get("/metrics"));
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("Retry-After"), Some("1"));
    // Whoever asks whether it lives may kill it if there is no answer.
    for probe in ["/-/healthy", "/-/ready"] {
        assert_eq!(gateway.send(&get(probe)).status, 200, "{probe}");
    }
    drop(waiting);
    until("it is over", || {
        (gateway.send(&get("/metrics")).status == 200).then_some(())
    });
}
