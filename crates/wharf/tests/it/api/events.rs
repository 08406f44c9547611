//! Changes as they happen.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::{Gateway, until};

use super::powerful;
use crate::{open_elsewhere, wharf};

/// One that follows events.
struct Follower(BufReader<TcpStream>);

impl Follower {
    fn of(gateway: &Gateway) -> Self {
        Self::try_of(gateway).unwrap()
    }

    /// None if there is no place.
    fn try_of(gateway: &Gateway) -> Option<Self> {
        Self::on(TcpStream::connect(gateway.address()).unwrap())
    }

    fn on(mut stream: TcpStream) -> Option<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
            .write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut follower = Self(BufReader::new(stream));
        if follower.line("HTTP/1.1 ") != "200 OK" {
            return None;
        }
        assert!(follower.event("hello")["seq"].is_u64());
        Some(follower)
    }

    /// The data of the next event, which is to have this name.
    fn event(&mut self, name: &str) -> Value {
        let line = self.line("event: ");
        assert_eq!(line, name);
        serde_json::from_str(&self.line("data: ")).unwrap()
    }

    /// The rest of the next line that begins so. Heads and the lengths of chunks are passed over.
    fn line(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the events have ended");
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Reads to the end.
    fn ends(&mut self) -> bool {
        let mut line = String::new();
        while self.0.read_line(&mut line).is_ok_and(|length| length > 0) {
            line.clear();
        }
        true
    }
}

/// The changes of an event.
fn changes(event: &Value) -> Vec<(&str, &str)> {
    let groups = event["groups"].as_array().unwrap().iter();
    groups
        .map(|group| (group["path"].as_str().unwrap(), group["change"].as_str().unwrap()))
        .collect()
}

#[test]
fn followers_are_told_what_changes() {
    let gateway = powerful().start();
    let mut followers = [Follower::of(&gateway), Follower::of(&gateway)];
    let mut next = || {
        let events = followers.each_mut().map(|follower| follower.event("change"));
        assert_eq!(events[0], events[1]);
        events[0].clone()
    };
    gateway.push("/metrics/job/a%3Cb%3E", "m 1\n");
    let event = next();
    assert_eq!(changes(&event), [("job/a%3Cb%3E", "pushed")]);
    assert_eq!(
        (&event["many"], &event["groups"][0]["labels"]),
        (&json!(false), &json!({"job": "a<b>"}))
    );
    gateway.send(&post("/metrics/job/a%3Cb%3E").body("m{"));
    assert_eq!(changes(&next()), [("job/a%3Cb%3E", "refused")]);
    gateway.send(&delete("/api/v1/groups/job/a%3Cb%3E?family=m"));
    assert_eq!(changes(&next()), [("job/a%3Cb%3E", "changed")]);
    gateway.send(&delete("/metrics/job/a%3Cb%3E"));
    assert_eq!(changes(&next()), [("job/a%3Cb%3E", "deleted")]);
    gateway.push("/metrics/job/b?ttl=1s", "m 1\n");
    assert_eq!(changes(&next()), [("job/b", "pushed")]);
    assert_eq!(changes(&next()), [("job/b", "deleted")]);
    gateway.send(&put("/api/v1/admin/wipe"));
    assert_eq!(next()["many"], json!(true));
}

#[test]
fn more_changes_than_can_be_named_are_many() {
    let gateway = wharf().start();
    let mut follower = Follower::of(&gateway);
    let series: Vec<String> = (0..60).map(|n| format!("m{{job=\"j{n}\"}} 1\n")).collect();
    gateway.push("/api/v1/push?group_by=job", &series.concat());
    let event = follower.event("change");
    assert_eq!((&event["many"], &event["groups"]), (&json!(true), &json!([])));
}

#[test]
fn followers_are_bounded_and_do_not_count_as_requests() {
    let gateway = wharf().args(["--limits.max-requests-in-flight=2"]).start();
    let mut followers: Vec<Follower> = Vec::new();
    for _ in 0..50 {
        // A follower counts as a request only until it is let in.
        followers.push(Follower::of(&gateway));
    }
    // The other half is for others.
    let answer = gateway.send(&get("/api/v1/events"));
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("5")));
    let elsewhere = Follower::on(open_elsewhere(&gateway, 2));
    assert!(elsewhere.is_some());
    gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(changes(&followers[49].event("change")), [("job/a", "pushed")]);
    followers.pop();
    until("a place for a follower", || {
        // That a connection has ended is noticed when something is sent on it.
        gateway.push("/metrics/job/a", "m 1\n");
        Follower::try_of(&gateway).map(drop)
    });
}

#[test]
fn events_end_with_the_gateway() {
    let mut gateway = wharf().arg("--shutdown.timeout=600s").start();
    let mut follower = Follower::of(&gateway);
    gateway.terminate();
    assert!(follower.ends());
    assert_eq!(gateway.wait().code, Some(0));
}
