//! Small requests that keep a processor busy for long. An honest client beside them is answered before they are done with.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use wharf_testkit::http::{Request, get, post, put};
use wharf_testkit::{Gateway, body, until};

use super::{open, status_elsewhere};
use crate::wharf;

/// An attack that is under way: requests from one address, each sent in full over a connection of its own.
struct Attack(Vec<TcpStream>);

impl Attack {
    fn begin(gateway: &Gateway, requests: impl Iterator<Item = Vec<u8>>) -> Self {
        let streams = requests.map(|request| {
            let mut stream = open(gateway);
            stream.write_all(&request).unwrap();
            stream
        });
        let streams = streams.collect();
        until_some_wait(gateway);
        Self(streams)
    }

    /// How many of the requests have not been answered yet.
    fn under_way(&mut self) -> usize {
        let waiting = self.0.iter_mut().filter(|stream| {
            stream.set_nonblocking(true).unwrap();
            let answered = stream.peek(&mut [0]);
            matches!(answered, Err(error) if error.kind() == ErrorKind::WouldBlock)
        });
        waiting.count()
    }
}

fn until_some_wait(gateway: &Gateway) {
    until("pushes that wait for their turn", || {
        let scrape = gateway.scrape();
        (scrape.value("wharf_pushes_waiting", &[])? != "0").then_some(())
    });
}

/// What is pushed to a group by a body that is compressed.
fn compressed(job: &str, encoding: &str, body: Vec<u8>) -> Vec<u8> {
    let request = put(&format!("/metrics/job/{job}"))
        .header("Content-Encoding", encoding)
        .body(body);
    request.to_bytes()
}

/// Text that costs much to read: so many families without metrics.
fn families(count: usize) -> String {
    let lines: Vec<_> = (0..count)
        .map(|number| format!("# TYPE a{number:x} gauge\n"))
        .collect();
    lines.concat()
}

/// Series of one family.
fn series(count: usize) -> String {
    let lines: Vec<_> = (0..count)
        .map(|number| format!("h{{n=\"{number}\"}} 1\n"))
        .collect();
    lines.concat()
}

#[track_caller]
fn check_answered_first(gateway: &Gateway, attack: &mut Attack, requests: &[Request]) {
    for request in requests {
        assert_eq!(status_elsewhere(gateway, request), "HTTP/1.1 200");
    }
    let under_way = attack.under_way();
    // Those that were begun may have ended, and the next ones.
    assert!(under_way >= attack.0.len() / 2, "{under_way} are under way");
}

#[test]
fn whose_bodies_take_long_to_be_read_waits_and_others_take_turns_with_it() {
    let gateway = wharf().start();
    let text = families(100_000);
    for (encoding, body) in [
        ("gzip", body::gzip(text.as_bytes())),
        ("zstd", body::zstd(text.as_bytes())),
    ] {
        let push = compressed("attack", encoding, body);
        let mut attack = Attack::begin(&gateway, std::iter::repeat_n(push, 40));
        let (small, large) = (body::gzip(b"h 1\n"), body::gzip(series(2000).as_bytes()));
        let honest = |body| {
            put("/metrics/job/honest")
                .header("Content-Encoding", "gzip")
                .body(body)
        };
        let honest = [
            // Quick ones need no turn, and one that is not gets the next.
            honest(small),
            get("/-/healthy"),
            honest(large),
        ];
        check_answered_first(&gateway, &mut attack, &honest);
    }
}

/// What an honest client does, which is quick.
fn quick() -> [Request; 4] {
    [
        get("/-/healthy"),
        put("/metrics/job/honest").body("honest 1\n"),
        post("/metrics/job/honest?merge=series").body("honest 2\n"),
        get("/metrics?match[]={job=\"honest\"}"),
    ]
}

/// So many small pushes that merge with much, which is stored before.
fn merges_with_much(gateway: &Gateway, count: usize) -> Vec<Vec<u8>> {
    let paths: Vec<_> = (0..8)
        .map(|number| format!("/metrics/job/attack/group/{number}"))
        .collect();
    for path in &paths {
        gateway.push(path, &series(6_000));
    }
    // The first to each group would not wait for a claim, so that it is by what there is that it counts as long.
    let merges = paths.iter().cycle().take(count);
    let merges = merges.map(|path| {
        let merge = post(&format!("{path}?merge=series")).body("h{n=\"1\"} 2\n");
        merge.to_bytes()
    });
    merges.collect()
}

#[test]
fn whose_small_pushes_merge_with_very_much_waits_and_others_do_not() {
    let gateway = wharf().start();
    let merges = merges_with_much(&gateway, 32);
    let mut attack = Attack::begin(&gateway, merges.into_iter());
    check_answered_first(&gateway, &mut attack, &quick());
}

#[test]
fn pushes_that_wait_for_their_turn_leave_places_for_what_is_quick() {
    let gateway = wharf().arg("--limits.max-requests-in-flight=16").start();
    let merges = merges_with_much(&gateway, 64);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Most are refused at once, so each sender sends the next one when it has its answer.
        for merge in &merges {
            let (gateway, is_over) = (&gateway, &is_over);
            scope.spawn(move || {
                while !is_over.load(Relaxed) {
                    let mut stream = open(gateway);
                    let _answer = stream.write_all(merge).and_then(|()| stream.read(&mut [0]));
                }
            });
        }
        let _over = Over(&is_over);
        until_some_wait(&gateway);
        for request in quick() {
            // Those that arrive at the same moment have places too, until it is known that they have to wait.
            until("a place for what is quick", || {
                (status_elsewhere(&gateway, &request) == "HTTP/1.1 200").then_some(())
            });
        }
    });
}

/// Says that it is over, also if what is looked at fails.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn whose_small_pushes_have_long_labels_on_each_line_waits_and_others_do_not() {
    let gateway = wharf().start();
    let path = format!("/metrics/job/attack/l/{}", "l".repeat(10_000));
    let push = put(&path).body(series(2_000)).to_bytes();
    let mut attack = Attack::begin(&gateway, std::iter::repeat_n(push, 32));
    check_answered_first(&gateway, &mut attack, &quick());
}
