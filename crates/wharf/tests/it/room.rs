//! How many connections there may be, which one gives way to another, and how connections end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use wharf_testkit::http::{Connection, Request, get, post};
use wharf_testkit::{Gateway, Limit, Scrape, Spawn, until};

use crate::hostile::http2::{
    END_HEADERS, END_STREAM, GOAWAY, HEADERS, Server, Stream, frame, get_block, next_frame, next_of_kind,
};
use crate::{gateways, loaded, wharf};

/// Wharf with room for so many connections.
fn small(connections: usize) -> Spawn {
    wharf().arg(format!("--limits.max-connections={connections}"))
}

/// A connection that has had its first request answered.
fn connect_to(address: SocketAddr) -> Connection {
    let mut connection = Connection::open(address).unwrap();
    assert_healthy(&mut connection);
    connection
}

#[track_caller]
fn assert_healthy(connection: &mut Connection) {
    assert_eq!(connection.send(&get("/-/healthy")).unwrap().status, 200);
}

/// Connections that have said nothing.
fn silent(gateway: &Gateway, count: usize) -> Vec<TcpStream> {
    let open = || TcpStream::connect(gateway.address()).unwrap();
    std::iter::repeat_with(open).take(count).collect()
}

/// A push of which the head has come and is being handled.
fn half_a_push(gateway: &Gateway) -> Connection {
    let mut connection = gateway.connect();
    let head = post("/metrics/job/half")
        .header("Expect", "100-continue")
        .header("Content-Length", "4");
    connection.write(&head.to_bytes()).unwrap();
    connection.read_interim().unwrap();
    connection
}

/// A reader of events, which have begun.
fn follow(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.write_all(&get("/api/v1/events").to_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

fn value(gateway: &Gateway, job: &str) -> Option<f64> {
    number(&gateway.scrape(), "m", &[("job", job)])
}

/// The value of a series as a number.
fn number(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    Some(scrape.value(name, labels)?.parse().unwrap())
}

#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    for spawn in gateways() {
        let gateway = spawn.open_files(64, 512).start();
        // Programs in Go leave one, so that others know that they have raised it.
        let max = number(&gateway.scrape(), "process_max_fds", &[]);
        assert!(max >= Some(511.0), "{max:?}");
    }
}

#[test]
fn connections_get_what_open_files_allow() {
    let gateway = wharf().open_files(64, 512).start();
    let scrape = gateway.scrape();
    let limit = number(&scrape, "wharf_http_connections_limit", &[]).unwrap();
    assert!((400.0..490.0).contains(&limit), "{limit}");
    let line = gateway.log_line("Sharing out open files");
    let expected = format!("max_open_files=512 max_connections={limit}");
    assert!(line.ends_with(&expected), "{line}");
    gateway.log_line("fewer connections than --limits.max-connections");
}

#[test]
fn idle_connections_leave_descriptors_to_the_ledger_and_to_scrapes() {
    for open_files in [32_u32, 64] {
        let spawn = wharf().open_files(open_files.into(), open_files.into());
        let gateway = loaded(spawn.args(["--storage.segment-bytes=1MiB", "--storage.checkpoint-bytes=4MiB"]));
        let pad = "x".repeat(200_000);
        let idle = silent(&gateway, 120);
        let mut pusher = gateway.connect();
        for number in 0..40 {
            let push = post(&format!("/metrics/job/{number}")).body(format!("m{{pad=\"{pad}\"}} {number}\n"));
            // It may have given way as well, if it was slow.
            let answer = pusher.send(&push).unwrap_or_else(|_| {
                pusher = gateway.connect();
                pusher.send(&push).unwrap()
            });
            assert_eq!(answer.status, 200, "{open_files} {number}: {}", answer.text());
        }
        let scrape = gateway.scrape();
        assert_eq!(number(&scrape, "m", &[("job", "39"), ("pad", &pad)]), Some(39.0));
        let limit = number(&scrape, "wharf_http_connections_limit", &[]).unwrap();
        assert!((2.0..f64::from(open_files) - 20.0).contains(&limit), "{limit}");
        assert!(number(&scrape, "process_open_fds", &[]).unwrap() < f64::from(open_files));
        assert!(number(&scrape, "wharf_http_connections_gave_way_total", &[]) > Some(80.0));
        drop(idle);
    }
}

#[test]
fn too_few_open_files_stop_the_start() {
    let exit = wharf()
        .open_files(20, 20)
        .arg("--web.listen-address=127.0.0.1:0")
        .run();
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("open files or more, found 20"), "{exit:?}");
}

#[test]
fn who_was_idle_longest_gives_way_at_whatever_address() {
    let addresses = ["--web.listen-address=127.0.0.1:0"; 2];
    let gateway = small(4).args(addresses).start();
    let address = |number: usize| gateway.addresses()[number % 2];
    let mut connections: Vec<_> = (0..4).map(|number| connect_to(address(number))).collect();
    // There is room for all of them, for as long as they like.
    connections.iter_mut().for_each(assert_healthy);
    assert_healthy(&mut connections[0]);
    let mut fifth = connect_to(address(0));
    let gone = connections.remove(1).read_to_end().unwrap();
    assert!(gone.is_empty(), "{gone:?}");
    connections.iter_mut().for_each(assert_healthy);
    until("the metrics to say so", || {
        let scrape = fifth.send(&get("/metrics")).unwrap().text();
        assert!(scrape.contains("wharf_http_connections_limit 4\n"), "{scrape}");
        scrape
            .contains("wharf_http_connections_gave_way_total 1\n")
            .then_some(())
    });
}

#[test]
fn who_says_nothing_gives_way_before_those_who_push() {
    let gateway = small(4).start();
    let mut pusher = connect_to(gateway.address());
    let mut idle = silent(&gateway, 30);
    assert_healthy(&mut gateway.connect());
    assert_healthy(&mut pusher);
    assert_eq!(idle[0].read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_push_that_has_come_when_its_connection_is_to_give_way_is_answered() {
    let gateway = small(2).start();
    let mut oldest = gateway.connect();
    assert_healthy(&mut oldest);
    let mut other = gateway.connect();
    assert_healthy(&mut other);
    gateway.pause();
    oldest
        .write(&post("/metrics/job/a").body("m 1\n").to_bytes())
        .unwrap();
    let mut newcomer = gateway.connect();
    newcomer.write(&get("/-/healthy").to_bytes()).unwrap();
    gateway.resume();
    assert_eq!(oldest.read_response("POST").unwrap().status, 200);
    assert_eq!(newcomer.read_response("GET").unwrap().status, 200);
    assert_eq!(value(&gateway, "a"), Some(1.0));
}

/// Its answer cannot be sent any more, but it has come.
#[test]
fn a_push_that_crosses_the_end_of_its_connection_is_stored() {
    let gateway = small(2).start();
    let mut number = 0;
    until("a push to cross the end", || {
        number += 1;
        let mut oldest = connect_to(gateway.address());
        let others = [(); 2].map(|()| connect_to(gateway.address()));
        assert_eq!(oldest.read_to_end().unwrap(), b"");
        // From now on the gateway only has to be stopped before its time to wait is over, which may fail on a slow machine.
        gateway.pause();
        let push = post("/metrics/job/late").body(format!("m {number}\n"));
        let sent = oldest.write(&push.to_bytes());
        gateway.resume();
        sent.ok()?;
        // Empty lines are taken for as long as anything is.
        until("the end", || oldest.write(b"\r\n").err());
        drop(others);
        (value(&gateway, "late") == Some(f64::from(number))).then_some(())
    });
}

#[test]
fn a_push_that_has_come_when_the_gateway_stops_is_answered() {
    let mut gateway = wharf().start();
    let mut idle = gateway.connect();
    assert_healthy(&mut idle);
    let mut pusher = gateway.connect();
    assert_healthy(&mut pusher);
    gateway.pause();
    pusher
        .write(&post("/metrics/job/a").body("m 1\n").to_bytes())
        .unwrap();
    let mut newcomer = gateway.connect();
    newcomer
        .write(&post("/metrics/job/b").body("m 2\n").to_bytes())
        .unwrap();
    gateway.terminate();
    gateway.resume();
    for connection in [&mut pusher, &mut newcomer] {
        let answer = connection.read_response("POST").unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(connection.read_to_end().unwrap(), b"");
    }
    assert_eq!(idle.read_to_end().unwrap(), b"");
    assert_eq!(gateway.wait().code, Some(0));
}

/// Sends `GET /-/healthy` over a connection with TLS.
fn ask(stream: &mut Stream) {
    stream.write_all(&get("/-/healthy").to_bytes()).unwrap();
}

/// Reads a status line over such a connection, and what follows it.
fn status(stream: &mut Stream) -> String {
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

#[test]
fn connections_with_tls_end_in_peace() {
    // The first address is without TLS; one seat is for those that take no pushes, as both are here.
    let mut server = Server::start(small(2));
    let mut oldest = server.connect_by(b"http/1.1");
    ask(&mut oldest);
    assert!(status(&mut oldest).starts_with("HTTP/1.1 200"));
    let mut second = server.connect_by(b"http/1.1");
    ask(&mut second);
    assert!(status(&mut second).starts_with("HTTP/1.1 200"));
    let _third = connect_to(server.gateway.address());
    // Without the alert that says so, this would be an error.
    assert_eq!(oldest.read(&mut [0]).unwrap(), 0);
    server.gateway.pause();
    ask(&mut second);
    server.gateway.terminate();
    server.gateway.resume();
    assert!(status(&mut second).starts_with("HTTP/1.1 200"));
    assert_eq!(second.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.gateway.wait().code, Some(0));
}

#[test]
fn connections_of_http2_are_told_that_they_end() {
    let server = Server::start(small(2));
    let mut oldest = server.connect(&[]);
    let request = |stream| {
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &get_block("/-/healthy"),
        )
    };
    oldest.write_all(&request(1)).unwrap();
    next_of_kind(&mut oldest, HEADERS);
    // One of the two seats is for addresses that take no pushes.
    server.gateway.pause();
    let mut newcomer = server.gateway.connect();
    newcomer.write(&get("/-/healthy").to_bytes()).unwrap();
    oldest.write_all(&request(3)).unwrap();
    server.gateway.resume();
    let mut found = [None, None];
    while found.iter().any(Option::is_none) {
        match next_frame(&mut oldest) {
            (HEADERS, payload) => found[0] = Some(payload),
            (GOAWAY, payload) => found[1] = Some(payload),
            _ => {}
        }
    }
    let [answer, goodbye] = found.map(Option::unwrap);
    // 200 by its index in the table, and no error.
    assert_eq!((answer[0], &goodbye[4..8]), (0x88, &[0; 4][..]));
    assert_eq!(newcomer.read_response("GET").unwrap().status, 200);
}

#[test]
fn who_has_sent_half_a_head_gives_way_in_the_end() {
    let gateway = small(4).arg("--web.header-timeout=1h").start();
    let mut slow = silent(&gateway, 4);
    for stream in &mut slow {
        stream.write_all(b"PUT /metrics/job/a HTT").unwrap();
    }
    assert_healthy(&mut gateway.connect());
}

#[test]
fn who_comes_while_all_are_busy_waits_for_the_first_answer() {
    let gateway = small(4).start();
    let _follower = follow(&gateway);
    let mut busy: Vec<_> = (0..3).map(|_| half_a_push(&gateway)).collect();
    let mut newcomer = gateway.connect();
    newcomer.write(&get("/-/healthy").to_bytes()).unwrap();
    gateway.log_line("new connections wait");
    let mut first = busy.remove(0);
    first.write(b"m 1\n").unwrap();
    let answer = first.read_response("POST").unwrap();
    assert_eq!((answer.status, answer.header("Connection")), (200, Some("close")));
    assert_eq!(newcomer.read_response("GET").unwrap().status, 200);
}

#[test]
fn those_who_look_after_the_gateway_have_seats_of_their_own() {
    let gateway = small(8).arg("--web.admin-address=127.0.0.1:0").start();
    let _follower = follow(&gateway);
    let _busy: Vec<_> = (0..6).map(|_| half_a_push(&gateway)).collect();
    let mut waiting = gateway.connect();
    waiting.write(&get("/-/healthy").to_bytes()).unwrap();
    for _ in 0..3 {
        let mut admin = connect_to(gateway.addresses()[1]);
        assert_eq!(admin.send(&get("/metrics")).unwrap().status, 200);
        assert_eq!(admin.send(&get("/api/v1/status")).unwrap().status, 200);
    }
    gateway.log_line("new connections wait");
    assert_healthy(&mut Connection::open(gateway.addresses()[1]).unwrap());
}

#[test]
fn a_client_is_told_for_how_long_its_connection_stays_if_it_does_not_stay() {
    let keep_alive = |timeout: Option<&str>, request: &Request| {
        let args = timeout.map(|timeout| format!("--web.idle-timeout={timeout}"));
        let gateway = wharf().args(args).start();
        let answer = gateway.send(request);
        let header = |name| answer.header(name).map(str::to_owned);
        (header("Connection"), header("Keep-Alive"))
    };
    let some = |connection: &str, keep_alive: Option<&str>| {
        (Some(connection.to_owned()), keep_alive.map(str::to_owned))
    };
    let request = get("/-/healthy");
    assert_eq!(keep_alive(None, &request), (None, None));
    let kept = some("keep-alive", Some("timeout=90"));
    assert_eq!(keep_alive(Some("1m30s"), &request), kept);
    let kept = some("keep-alive", Some("timeout=1"));
    assert_eq!(keep_alive(Some("100ms"), &request), kept);
    let old = request.clone().http_1_0();
    assert_eq!(
        keep_alive(Some("90s"), &old.clone().header("Connection", "keep-alive")),
        some("keep-alive", Some("timeout=90"))
    );
    assert_eq!(keep_alive(Some("90s"), &old).1, None);
    let last = request.header("Connection", "close");
    assert_eq!(keep_alive(Some("90s"), &last), some("close", None));
}

#[test]
fn an_idle_connection_ends_only_with_a_timeout_and_without_a_reset() {
    let gateway = wharf().arg("--web.idle-timeout=100ms").start();
    let mut idle = connect_to(gateway.address());
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(idle.read_to_end().unwrap(), b"");
}

#[test]
fn without_descriptors_nobody_is_accepted_until_there_are_some() {
    let gateway = wharf().start();
    let mut open = connect_to(gateway.address());
    gateway.limit(Limit::Descriptors, Some(3));
    let mut waiting = gateway.connect();
    waiting.write(&get("/-/healthy").to_bytes()).unwrap();
    gateway.log_line("cannot accept a connection");
    gateway.limit(Limit::Descriptors, None);
    assert_eq!(waiting.read_response("GET").unwrap().status, 200);
    let lines = gateway.log().matches("cannot accept a connection").count();
    assert!(lines < 10, "{lines} lines");
    // It may have given way, in peace.
    assert!(
        open.send(&get("/-/healthy"))
            .is_ok_and(|answer| answer.status == 200)
            || open.read_to_end().is_ok()
    );
}

/// Whether the system has a timer that finds out whether a peer is gone, for an established connection to this port, at the
/// gateway's end.
fn has_timer(gateway: &Gateway) -> bool {
    let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", gateway.id())).unwrap();
    let port = format!(":{:04X}", gateway.address().port());
    sockets.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[1].ends_with(&port) && fields[3] == "01" && fields[5].starts_with("02:")
    })
}

#[test]
fn peers_that_are_gone_are_found_out() {
    for spawn in gateways() {
        let gateway = spawn.start();
        let _connection = connect_to(gateway.address());
        // While something is on its way there is another timer.
        until("the timer", || has_timer(&gateway).then_some(()));
    }
}
