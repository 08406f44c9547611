//! Readers that ask for much and take nothing: what is held for each does not grow with what it has asked for.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use wharf_testkit::http::{Request, delete, get, put};
use wharf_testkit::{Gateway, until};

use super::open_with_small_buffer;
use crate::wharf;

const READERS: usize = 16;
/// For all of them: two pieces each, and what the machinery around them takes.
const READERS_BYTES: u64 = 48 << 20;

/// Begins to read and goes no further; at the first byte the answer has been made as far as it is without being read.
fn stall(gateway: &Gateway, request: &Request) -> TcpStream {
    // Who was answered before may be about to give its place back.
    until("a place", || {
        let mut reader = open_with_small_buffer(gateway);
        reader.write_all(&request.to_bytes()).unwrap();
        let mut status = [0; 12];
        reader.read_exact(&mut status).unwrap();
        let status = String::from_utf8_lossy(&status);
        assert!(
            ["HTTP/1.1 200", "HTTP/1.1 503"].contains(&&*status),
            "{request}: {status}"
        );
        (status == "HTTP/1.1 200").then_some(reader)
    })
}

/// What readers of this add to the peak, beyond what one takes.
#[track_caller]
fn check(gateway: &Gateway, request: &Request) {
    drop(gateway.send(request));
    let before = gateway.peak_memory_bytes();
    let readers: Vec<_> = (0..READERS).map(|_| stall(gateway, request)).collect();
    let more = gateway.peak_memory_bytes().saturating_sub(before);
    assert!(more < READERS_BYTES, "{request}: {more} bytes");
    drop(readers);
}

#[test]
fn stalled_readers_of_many_groups_cost_little() {
    let gateway = wharf().start();
    for batch in 0..2 {
        let lines = (0..5000).map(|n| format!("m{{job=\"{batch}\",instance=\"{n}\",k=\"{n}\"}} 1\n"));
        let body = lines.collect::<Vec<_>>().concat();
        let request = put("/api/v1/push?group_by=job,instance").body(body);
        assert_eq!(gateway.send(&request).status, 200);
    }
    for target in ["/api/v1/metrics", "/api/v1/export"] {
        check(&gateway, &get(target));
    }
}

#[test]
fn a_stalled_reader_keeps_its_place_and_gives_it_back_when_it_goes() {
    let gateway = wharf()
        .args(["--web.enable-admin-api", "--limits.max-scrapes-in-flight=1"])
        .start();
    let long = "<".repeat(16 << 10);
    for n in 0..120 {
        gateway.push(&format!("/metrics/job/{n}/x/{long}"), "m 1\n");
    }
    for request in [
        get("/api/v1/groups?limit=1000"),
        get("/api/v1/metrics"),
        get("/api/v1/export"),
        delete("/api/v1/groups?match[]={}&dry_run=true"),
    ] {
        let reader = stall(&gateway, &request);
        assert_eq!(gateway.send(&get("/metrics")).status, 503, "{request}");
        drop(reader);
    }
}

#[test]
fn stalled_readers_of_long_labels_and_large_groups_cost_little() {
    let gateway = wharf().start();
    let long = "<".repeat(16 << 10);
    for n in 0..60 {
        gateway.push(&format!("/metrics/job/{n}/x/{long}"), "m 1\n");
    }
    for (name, count) in [("many", 15_000), ("few", 100)] {
        let help = "&".repeat(10_000);
        let lines = (0..count).map(|n| format!("{name}{{a=\"{n}\"}} {n}\n"));
        let body = lines.collect::<Vec<_>>().concat();
        gateway.push("/metrics/job/large", &format!("# HELP {name} {help}\n{body}"));
    }
    for target in [
        "/api/v1/groups?limit=1000",
        "/api/v1/families?limit=1000",
        "/api/v1/groups/job/large?metrics=10000",
        "/api/v1/metrics",
    ] {
        check(&gateway, &get(target));
    }
}
