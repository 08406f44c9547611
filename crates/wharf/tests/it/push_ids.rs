//! Pushes that add up and have an id: sent again, they are not counted again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use wharf_testkit::http::{Connection, Request, get, post, put};
use wharf_testkit::{Etcd, Gateway, Spawn};

use crate::access::hash_of;
use crate::rules::with_rules;
use crate::{loaded, refused, wharf};

const COUNTER: &str = "# TYPE c counter\nc 1\n";

fn adding(path: &str, body: &str) -> Request {
    post(path).header("Wharf-Merge", "aggregate").body(body)
}

#[track_caller]
fn accepted(gateway: &Gateway, request: &Request) {
    let answer = gateway.send(request);
    assert_eq!(answer.status, 200, "{request}: {}", answer.text());
}

/// The value of the only series of a family; 0 without one.
fn value(gateway: &Gateway, family: &str) -> u64 {
    let text = gateway.send(&get("/metrics")).text();
    let mut lines = text.lines().filter(|line| {
        line.strip_prefix(family)
            .is_some_and(|rest| rest.starts_with([' ', '{']))
    });
    let value = lines
        .next()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap());
    assert_eq!(lines.next(), None, "{family} has one series");
    value.unwrap_or_default()
}

#[test]
fn a_push_with_an_id_is_counted_once_however_the_id_comes() {
    let gateway = wharf().start();
    let ways: [Box<dyn Fn() -> Request>; 3] = [
        Box::new(|| adding("/metrics/job/a", COUNTER).header("Wharf-Push-Id", "one")),
        Box::new(|| adding("/metrics/job/a?push_id=two", COUNTER)),
        Box::new(|| adding("/metrics/job/a", COUNTER).header("Idempotency-Key", "three")),
    ];
    for way in &ways {
        for _ in 0..3 {
            accepted(&gateway, &way());
        }
    }
    assert_eq!(value(&gateway, "c"), 3);
    // Wherever it stands, it is the same id.
    accepted(
        &gateway,
        &adding("/metrics/job/a", COUNTER).header("Wharf-Push-Id", "three"),
    );
    assert_eq!(value(&gateway, "c"), 3);
    assert_eq!(value(&gateway, "wharf_push_ids"), 3);
    assert_eq!(value(&gateway, "wharf_pushes_repeated_total"), 7);
    // Of another group it is another one.
    accepted(
        &gateway,
        &adding("/metrics/job/b", "# TYPE d counter\nd 1\n").header("Wharf-Push-Id", "one"),
    );
    assert_eq!(value(&gateway, "d"), 1);
}

#[test]
fn another_body_with_the_same_id_is_422_and_changes_nothing() {
    let gateway = wharf().start();
    let once = |body: &str| adding("/metrics/job/a", body).header("Wharf-Push-Id", "one");
    accepted(&gateway, &once(COUNTER));
    refused(
        &gateway,
        &once("# TYPE c counter\nc 2\n"),
        422,
        "expected the body that came with this push id before, found another one",
    );
    assert_eq!(value(&gateway, "c"), 1);
    assert_eq!(value(&gateway, "push_failure_time_seconds"), 0);
    let text = gateway.send(&get("/metrics")).text();
    assert!(
        text.contains("wharf_pushes_refused_total{reason=\"push_id\"} 1\n"),
        "{text}"
    );
    // One that was refused has not happened: it may be sent again when it is mended.
    let bad = "# TYPE c counter\nc -1\n";
    let again = |body: &str| adding("/metrics/job/a", body).header("Wharf-Push-Id", "two");
    assert_eq!(gateway.send(&again(bad)).status, 400);
    accepted(&gateway, &again(COUNTER));
    assert_eq!(value(&gateway, "c"), 2);
    refused(
        &gateway,
        &adding("/metrics/job/a?push_id=", COUNTER),
        400,
        "push_id: expected an id, found nothing",
    );
}

#[test]
fn an_id_says_nothing_where_nothing_is_added_up() {
    let (_folder, spawn) = with_rules("aggregate:\n- match: '{job=\"a\"}'\n");
    let gateway = spawn.start();
    for body in ["m 1\n", "m 2\n"] {
        accepted(
            &gateway,
            &put("/metrics/job/b").header("Idempotency-Key", "x").body(body),
        );
        // By a rule it is, whatever the method.
        accepted(
            &gateway,
            &put("/metrics/job/a").header("Idempotency-Key", "x").body("n 1\n"),
        );
    }
    assert_eq!((value(&gateway, "m"), value(&gateway, "n")), (2, 1));
    assert_eq!(value(&gateway, "wharf_push_ids"), 1);
}

#[test]
fn callers_do_not_stand_in_the_way_of_each_others_ids() {
    let tokens = ["token-of-team-a-0123", "token-of-team-b-0123"];
    let (_folder, spawn) = with_rules(&format!(
        "access:\n  anonymous: {{read: '{{}}'}}\n  tokens:\n    a: {{sha256: {}, push: '{{}}'}}\n    b: {{sha256: {}, push: '{{}}'}}\n",
        hash_of(tokens[0]),
        hash_of(tokens[1])
    ));
    let gateway = spawn.start();
    for token in tokens.iter().chain(&tokens) {
        let push = adding("/metrics/job/a", COUNTER).header("Wharf-Push-Id", "one");
        accepted(
            &gateway,
            &push.header("Authorization", &format!("Bearer {token}")),
        );
    }
    assert_eq!(value(&gateway, "c"), 2);
}

#[test]
fn a_push_to_many_groups_has_its_id_in_each() {
    let gateway = wharf().start();
    let many = |query: &str, body: &str| {
        let path = format!("/api/v1/push?group_by=job&merge=aggregate&push_id=one{query}");
        gateway.send(&post(&path).body(body)).status
    };
    let body = "n{job=\"a\"} 1\nm{job=\"b\"} 2\n";
    for query in ["", "", "&partial=true"] {
        assert_eq!(many(query, body), 200);
    }
    assert_eq!((value(&gateway, "n"), value(&gateway, "m")), (1, 2));
    for query in ["", "&partial=true"] {
        assert_eq!(many(query, "n{job=\"a\"} 5\nm{job=\"b\"} 2\n"), 422);
    }
    assert_eq!((value(&gateway, "n"), value(&gateway, "m")), (1, 2));
}

#[test]
fn no_more_ids_are_kept_than_the_flag_says() {
    let gateway = wharf().arg("--push.max-ids=2").arg("--push.id-ttl=24h").start();
    let push = |id: u32| {
        accepted(
            &gateway,
            &adding(&format!("/metrics/job/a?push_id={id}"), COUNTER),
        );
    };
    for id in 0..5 {
        push(id);
    }
    assert_eq!(value(&gateway, "wharf_push_ids"), 2);
    assert_eq!(value(&gateway, "wharf_push_ids_forgotten_total"), 3);
    push(4);
    assert_eq!(value(&gateway, "c"), 5);
    push(0);
    assert_eq!(value(&gateway, "c"), 6);
}

const WORKERS: u32 = 4;
const PUSHES: u32 = 150;

/// Workers that push until each push is answered, by whatever gateway there is then. `kill` is called when some have been.
fn push_all(gateways: &[Mutex<Gateway>], kill: impl Fn(usize) + Sync) {
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (answered, kill) = (&answered, &kill);
            scope.spawn(move || {
                for push in 0..PUSHES {
                    let body =
                        format!("# TYPE all counter\nall 1\n# TYPE own counter\nown{{w=\"{worker}\"}} 1\n");
                    let request = adding("/metrics/job/a", &body);
                    let request = request.header("Wharf-Push-Id", &format!("{worker}-{push}"));
                    // Every third is sent again though it was answered.
                    let mut left = 1 + u32::from(push % 3 == 0);
                    let mut attempt = worker as usize;
                    wharf_testkit::until("an answer", || {
                        attempt += 1;
                        let address = gateways[attempt % gateways.len()].lock().unwrap().address();
                        let answer = Connection::open(address).and_then(|mut to| to.send(&request));
                        match answer {
                            Ok(answer) if answer.status == 200 => left -= 1,
                            Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                            Err(_) => {}
                        }
                        (left == 0).then_some(())
                    });
                    kill(answered.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
}

#[track_caller]
fn check(gateway: &Gateway) {
    assert_eq!(value(gateway, "all"), u64::from(WORKERS * PUSHES));
    let text = gateway.send(&get("/metrics")).text();
    let own = text.lines().filter(|line| line.starts_with("own{"));
    let own: Vec<&str> = own.map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert_eq!(own, vec![PUSHES.to_string(); WORKERS as usize]);
}

#[test]
fn every_push_is_counted_once_by_a_gateway_that_is_killed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |spawn: Spawn| spawn.arg(format!("--storage.path={}", folder.path().display()));
    let gateway = Mutex::new(loaded(kept(wharf())));
    push_all(std::slice::from_ref(&gateway), |answered| {
        if answered % 100 == 50 {
            let mut gateway = gateway.lock().unwrap();
            gateway.kill();
            gateway.wait();
            *gateway = loaded(kept(wharf()));
        }
    });
    check(&gateway.lock().unwrap());
}

#[test]
fn every_push_is_counted_once_by_replicas_of_which_one_is_killed() {
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let replica = |name: &str| {
        let spawn = wharf().arg(format!("--storage.etcd={}", etcd.urls().join(",")));
        loaded(spawn.arg(format!("--replica.name={name}")))
    };
    let replicas = ["a", "b", "c"].map(|name| Mutex::new(replica(name)));
    push_all(&replicas, |answered| {
        if answered % 200 == 100 {
            let mut killed = replicas[0].lock().unwrap();
            killed.kill();
            killed.wait();
            *killed = replica("a");
        }
    });
    wharf_testkit::until("replicas that show the same", || {
        let all = replicas
            .iter()
            .map(|replica| value(&replica.lock().unwrap(), "all"));
        let all: Vec<u64> = all.collect();
        all.iter().all(|sum| *sum == all[0]).then_some(())
    });
    for replica in &replicas {
        check(&replica.lock().unwrap());
    }
}
