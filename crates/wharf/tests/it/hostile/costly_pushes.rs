//! Pushes that keep a processor busy for much longer than their bytes let one think, since rules look at each byte of them. They are
//! given up when that takes too much or too long, or when nobody waits. Nothing of them is kept, and their places are free.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use wharf_testkit::http::{Connection, Request, get, post, put};
use wharf_testkit::{Gateway, LedClock, Random, body, until};

use super::http2::{
    DATA, END_STREAM, HEADERS, RST_STREAM, Server, Stream, frame, next_of_kind, put_block, request,
};
use crate::rules::with_rules;
use crate::{WHARF, open_elsewhere};

/// A rule with an expression that leads somewhere new at each letter, of some four times as many parts.
fn rules(parts: usize) -> String {
    format!(
        "relabel_configs: [{{action: drop, source_labels: [x], regex: '(?:[ab]*a[ab]{{0,{parts}}}){{2}}[cd]'}}]\n"
    )
}

/// Enough of them for seconds, with [`slow`].
const PARTS: usize = 100;

const ATTACKER: u8 = 3;
const HONEST: u8 = 2;

/// A body, compressed, that the rule takes seconds for.
fn slow() -> Vec<u8> {
    let mut random = Random::new(1);
    let lines = (0..60).map(|number| {
        let letters = (0..5_000).map(|_| if random.one_in(2) { 'a' } else { 'b' });
        let letters: String = letters.collect();
        format!("m{{job=\"slow\",n=\"{number}\",x=\"{letters}\"}} 1\n")
    });
    body::zstd(lines.collect::<Vec<_>>().concat().as_bytes())
}

/// A body, compressed, that needs a turn, and no more of it than others do.
fn ordinary() -> Vec<u8> {
    let lines: Vec<_> = (0..3_000)
        .map(|number| format!("m{{n=\"{number}\"}} 1\n"))
        .collect();
    body::zstd(lines.concat().as_bytes())
}

fn compressed(request: Request, body: Vec<u8>) -> Request {
    request.header("Content-Encoding", "zstd").body(body)
}

/// How much of a limit is used.
fn used(gateway: &Gateway, flag: &str) -> u64 {
    let stats = gateway.send(&get("/api/v1/stats")).json();
    let mut limits = stats["data"]["limits"].as_array().unwrap().iter();
    let limit = limits.find(|limit| limit["name"] == flag);
    limit.unwrap()["used"].as_u64().unwrap()
}

/// Pushes that have a turn hold memory.
fn is_at_work(gateway: &Gateway) -> bool {
    used(gateway, "limits.max-decoded-bytes") > 0
}

fn waiting(gateway: &Gateway) -> usize {
    let scrape = gateway.scrape();
    let waiting = scrape.value("wharf_pushes_waiting", &[]).unwrap();
    waiting.parse().unwrap()
}

/// Pushes that were given up for this reason.
fn stopped(gateway: &Gateway, reason: &str) -> u32 {
    let scrape = gateway.scrape();
    let stopped = scrape.value("wharf_requests_stopped_total", &[("reason", reason)]);
    stopped.unwrap_or("0").parse().unwrap()
}

#[track_caller]
fn wait_for_rest(gateway: &Gateway) {
    until("the end of all pushes", || {
        let is_over = used(gateway, "limits.max-requests-in-flight") == 1
            && !is_at_work(gateway)
            && waiting(gateway) == 0;
        is_over.then_some(())
    });
}

#[test]
fn a_push_of_too_many_steps_is_refused_before_they_are_taken() {
    let (_folder, spawn) = with_rules(&rules(1_000));
    let gateway = spawn.start();
    gateway.push("/metrics/job/a", "kept 1\n");
    let costly = format!("m{{job=\"a\",x=\"{}\"}} 1\n", "ab".repeat(2_000_000));
    let costly = body::zstd(costly.as_bytes());
    let requests = [
        put("/metrics/job/a"),
        post("/metrics/job/a"),
        post("/metrics/job/a?merge=series"),
        put("/api/v1/push?group_by=job"),
        post("/api/v1/push?group_by=job&merge=series"),
        post("/api/v1/push?group_by=job&partial=true"),
    ];
    for request in &requests {
        let answer = gateway.send(&compressed(request.clone(), costly.clone()));
        let text = "expected a push that takes at most 30,000,000,000 steps to be relabelled, found one that takes more";
        assert_eq!(answer.status, 422, "{request}: {}", answer.text());
        assert!(answer.text().contains(text), "{request}: {}", answer.text());
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.value("kept", &[]), Some("1"));
    assert_eq!(scrape.value("m", &[]), None);
    assert_eq!(stopped(&gateway, "costly") as usize, requests.len());
    wait_for_rest(&gateway);
}

#[test]
fn a_push_that_takes_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(clock) = LedClock::new(folder.path()) else {
        return;
    };
    let (rules, _) = with_rules(&rules(PARTS));
    let config = rules.path().join("wharf.yml");
    let gateway = clock
        .wharf(WHARF, true)
        .arg(format!("--config.file={}", config.display()))
        .start();
    gateway.push("/metrics/job/slow", "kept 1\n");
    for (ahead, request) in [
        (31, put("/metrics/job/slow")),
        (62, put("/api/v1/push?group_by=job")),
    ] {
        let mut connection = gateway.connect();
        let push = compressed(request.clone(), slow());
        connection.write(&push.to_bytes()).unwrap();
        until("a push at work", || is_at_work(&gateway).then_some(()));
        clock.set(ahead);
        let answer = connection.read_response("PUT").unwrap();
        let text = "expected a push that is relabelled within 30 s, found more to do; try again\n";
        assert_eq!(answer.status, 503, "{request}: {}", answer.text());
        assert!(answer.text().contains(text), "{request}: {}", answer.text());
        assert!(answer.header("Retry-After").is_some(), "{request}");
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.value("kept", &[]), Some("1"));
    assert_eq!(stopped(&gateway, "late"), 2);
    wait_for_rest(&gateway);
}

/// Sends a push over HTTP/2, all of it.
fn begin(server: &Server, path: &str, body: &[u8]) -> Stream {
    let mut stream = server.connect(&[]);
    let block = [put_block(path).as_slice(), b"\x0f\x0b\x04zstd"].concat();
    let mut frames = request(1, &block);
    let mut parts = body.chunks(16_000).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        frames.extend(frame(DATA, if is_last { END_STREAM } else { 0 }, 1, part));
    }
    stream.write_all(&frames).unwrap();
    stream
}

#[test]
fn pushes_whose_client_leaves_while_they_wait_or_work_end_and_nothing_of_them_is_kept() {
    let (_folder, spawn) = with_rules(&rules(PARTS));
    let server = Server::start_for("push", spawn);
    let gateway = &server.gateway;
    let body = slow();
    // The window of a stream, which nobody makes larger here.
    assert!(body.len() < 65_000, "{}", body.len());
    let paths = ["/metrics/job/slow", "/api/v1/push?group_by=job"];
    let mut begun = Vec::new();
    until("pushes at work, and one that waits for its turn", || {
        let path = paths[begun.len() % paths.len()];
        begun.push(begin(&server, path, &body));
        (is_at_work(gateway) && waiting(gateway) > 0).then_some(())
    });
    let mut still_open = Vec::new();
    for (number, mut stream) in begun.into_iter().enumerate() {
        // The others leave with their connections.
        if number % 3 == 0 {
            let cancel = 8_u32.to_be_bytes();
            stream.write_all(&frame(RST_STREAM, 0, 1, &cancel)).unwrap();
            still_open.push(stream);
        }
    }
    wait_for_rest(gateway);
    assert!(stopped(gateway, "gone") > 0);
    let groups = gateway.send(&get("/api/v1/groups")).json();
    assert_eq!(groups["data"]["total"], 0, "{groups}");
    // 200 by its index in the table.
    let mut stream = begin(&server, "/metrics/job/honest", &ordinary());
    assert_eq!(next_of_kind(&mut stream, HEADERS)[0], 0x88);
}

#[test]
fn of_pushes_over_http1_whose_client_leaves_those_are_stored_that_have_come_in_full() {
    let (_folder, spawn) = with_rules(&rules(PARTS));
    let gateway = spawn.start();
    let push = |job: &str| {
        let request = put(&format!("/metrics/job/{job}"));
        compressed(request, ordinary()).to_bytes()
    };
    let (whole, half) = (push("whole"), push("half"));
    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        stream.write_all(bytes).unwrap();
    };
    send(&half[..half.len() - 1]);
    send(&whole);
    let stored = |job: &str| {
        let labels = [("job", job), ("n", "0")];
        gateway.scrape().value("m", &labels).map(str::to_owned)
    };
    until("the push that has come in full", || stored("whole"));
    wait_for_rest(&gateway);
    assert_eq!(stored("half"), None);
}

#[test]
fn when_as_many_pushes_wait_as_may_the_client_that_has_most_of_them_is_refused() {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    // A quarter of them may wait, and one client has a turn for each processor, or two.
    let in_flight = 16 * processors.max(4);
    let (_folder, spawn) = with_rules(&rules(PARTS));
    let gateway = spawn
        .arg(format!("--limits.max-requests-in-flight={in_flight}"))
        .start();
    let max_waiting = in_flight / 4;
    let push = |job: &str, body: Vec<u8>| compressed(put(&format!("/metrics/job/{job}")), body);
    let slow = push("slow", slow()).to_bytes();
    let mut attack = Vec::new();
    until("as many that wait as may", || {
        let mut stream = open_elsewhere(&gateway, ATTACKER);
        stream.write_all(&slow).unwrap();
        attack.push(stream);
        (waiting(&gateway) >= max_waiting).then_some(())
    });
    let ask = |from: u8, request: &Request| {
        let stream = open_elsewhere(&gateway, from);
        Connection::over(stream).unwrap().send(request).unwrap()
    };
    let answer = ask(ATTACKER, &push("refused", ordinary()));
    let text = format!(
        "expected at most {max_waiting} pushes waiting for their turn at once, found more; try again\n"
    );
    assert_eq!((answer.status, answer.text()), (503, text));
    assert!(answer.header("Retry-After").is_some());
    for honest in [
        push("honest", ordinary()),
        put("/metrics/job/honest").body("m 1\n"),
        get("/-/healthy"),
    ] {
        let answer = ask(HONEST, &honest);
        assert_eq!(answer.status, 200, "{honest}: {}", answer.text());
    }
    let scrape = gateway.scrape();
    assert_eq!(scrape.value("m", &[("job", "honest")]), Some("1"));
    assert_eq!(scrape.value("push_time_seconds", &[("job", "refused")]), None);
}
