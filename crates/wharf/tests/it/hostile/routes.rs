//! Each route meets each way in which a request can be large, slow or absent: see [`Row`]. Meanwhile somebody else is served, memory
//! stays within bounds, and in the end nothing is under way.
//!
//! The kinds of attacks that need more than one request of a kind, or much of one thing, are in the modules beside this one.

mod table;

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;
use wharf_testkit::http::{Connection, get, open_from, post, put};
use wharf_testkit::{Gateway, body, until};

use self::table::{Ask, Cell, Row, rows};
use super::open_with_small_buffer;
use crate::wharf;

const MIB: usize = 1 << 20;
/// What a body may have here.
const BODY: usize = MIB;
/// So many do it at once.
const CLIENTS: usize = 6;
/// What all of them together may add to what the process has: pushes what flags allow them, others some pieces.
const MEMORY: u64 = 64 << 20;

/// Whoever attacks, and who does not.
const ATTACKER: u8 = 3;
const HONEST: u8 = 2;

fn start(row: &Row) -> Gateway {
    let flags = [
        "--push.max-body-bytes=1MiB",
        "--push.max-decoded-bytes=8MiB",
        "--limits.max-decoded-bytes=32MiB",
        "--limits.max-scrapes-in-flight=16",
        "--limits.max-requests-in-flight=64",
        "--web.header-timeout=1s",
        "--web.body-timeout=1s",
        "--web.enable-admin-api",
    ];
    // With this switch there would be no gateway any more.
    let switch = (!row.ends).then_some("--web.enable-lifecycle");
    wharf().args(flags).args(switch).start()
}

/// Many groups, one with many series, and some with long labels.
fn fill(gateway: &Gateway) {
    let many = (0..2_000).map(|n| format!("m{{job=\"many\",instance=\"{n}\"}} {n}\n"));
    let long = "l".repeat(8_000);
    let long = (0..20).map(|n| format!("m{{job=\"{long}\",instance=\"{n}\"}} {n}\n"));
    // One after the other, since a push may not take all memory here.
    for lines in [many.collect::<String>(), long.collect()] {
        let push = post("/api/v1/push?group_by=job,instance").body(lines);
        let answer = gateway.send(&push);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let series = (0..10_000)
        .map(|n| format!("h{{n=\"{n}\"}} 1\n"))
        .collect::<String>();
    gateway.push("/metrics/job/big", &series);
}

/// What an honest client at another address does is answered, whatever goes on.
#[track_caller]
fn check_honest(gateway: &Gateway, what: &str) {
    for request in [
        put("/metrics/job/honest").body("honest 1\n"),
        get("/-/healthy"),
        get("/metrics?match[]={job=\"honest\"}"),
        get("/api/v1/groups/job/honest"),
    ] {
        let stream = open_from(gateway.address(), HONEST).unwrap();
        let answer = Connection::over(stream).unwrap().send(&request);
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {request}: {error}"));
        assert_eq!(answer.status, 200, "{what}: {request}: {}", answer.text());
    }
}

/// Nothing is under way but this question.
#[track_caller]
fn check_rest(gateway: &Gateway, what: &str) {
    until(&format!("{what}: the end of all that was begun"), || {
        let scrape = gateway.scrape();
        let is = |name: &str, rest: &str| scrape.value(name, &[]) == Some(rest);
        let is_over = is("wharf_http_requests_in_flight", "1")
            && is("wharf_decoded_bytes", "0")
            && is("wharf_pushes_waiting", "0");
        is_over.then_some(())
    });
}

/// Does `attack` while somebody honest is served, and looks at what it has cost.
#[track_caller]
fn suffer(gateway: &Gateway, what: &str, attack: impl FnOnce()) {
    gateway.forget_peak_memory();
    let before = gateway.peak_memory_bytes();
    attack();
    check_honest(gateway, what);
    let more = gateway.peak_memory_bytes().saturating_sub(before);
    assert!(more < MEMORY, "{what}: {more} bytes");
    check_rest(gateway, what);
}

/// Sends each of these from so many clients at once, each of which waits for its answer.
#[track_caller]
fn send_all(gateway: &Gateway, what: &str, asks: &[Ask], is_endless: bool) {
    for Ask { request, answers } in asks {
        let bytes = request.to_bytes();
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|_| scope.spawn(|| status(gateway, &bytes, is_endless)))
                .collect();
            check_honest(gateway, what);
            for client in clients {
                let status = client.join().unwrap();
                assert!(
                    answers.contains(&status),
                    "{what}: {request}: {status} of {answers:?}"
                );
            }
        });
    }
}

/// The status of what comes back for these bytes, all of which is read if it has an end.
fn status(gateway: &Gateway, bytes: &[u8], is_endless: bool) -> u16 {
    let mut stream = open_from(gateway.address(), ATTACKER).unwrap();
    // Whoever is refused early may be cut off while it sends; what it reads counts.
    drop(stream.write_all(bytes));
    if is_endless {
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        return String::from_utf8_lossy(&line[9..]).parse().unwrap();
    }
    let answer = Connection::over(stream).unwrap().read_response("GET");
    answer.map_or(0, |answer| answer.status)
}

/// For each row, with a gateway that has something stored.
fn each(visit: impl Fn(&Gateway, &Row)) {
    let mut gateways: [Option<Gateway>; 2] = [None, None];
    for row in rows() {
        let gateway = gateways[usize::from(row.ends)].get_or_insert_with(|| start(&row));
        fill(gateway);
        visit(gateway, &row);
    }
}

/// For each row, the requests of one of its cells, or what it says instead.
fn each_cell(dimension: &str, cell: impl Fn(Row) -> Cell) {
    each(|gateway, row| {
        let what = format!("{}, {dimension}", row.route);
        match cell(row.clone()) {
            Cell::Asks(asks) => {
                assert!(!asks.is_empty(), "{what}");
                let is_endless = row.is_endless;
                suffer(gateway, &what, || send_all(gateway, &what, &asks, is_endless));
            }
            Cell::Nothing(reason) => assert!(reason.len() > 10, "{what}"),
        }
    });
}

#[test]
fn no_route_is_left_out() {
    let gateway = wharf().start();
    let description = gateway.send(&get("/api/v1/openapi.json")).json();
    let paths = description["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let described: BTreeSet<_> = described.collect();
    let attacked: BTreeSet<_> = rows().into_iter().map(|row| row.route.to_owned()).collect();
    assert_eq!(described, attacked);
}

#[test]
fn much_that_is_sent() {
    let full = vec![b'#'; BODY - 1];
    let full = [full.as_slice(), b"\n"].concat();
    each_cell("sent", |row| {
        let Ask { request, answers } = &row.usual;
        // A body that is not wanted is left unread, or refused.
        let unread = [*answers, &[400, 413]].concat().leak();
        let answers: &[u16] = if row.reads_body {
            &[200, 202, 400, 413]
        } else {
            unread
        };
        let too_large: &[u16] = if row.reads_body { &[413] } else { unread };
        let chunk = "#".repeat(BODY);
        let query = format!("{}{}={}", row.separator(), "q".repeat(30_000), "v".repeat(30_000));
        Cell::Asks(vec![
            Ask {
                request: request.clone().body(full.as_slice()),
                answers,
            },
            Ask {
                request: request.clone().body(vec![b'#'; 2 * BODY]),
                answers: too_large,
            },
            Ask {
                request: request.clone().chunked(&[&chunk, &chunk]),
                answers: too_large,
            },
            Ask {
                request: request.clone().header("X", &"x".repeat(60_000)),
                answers: row.usual.answers,
            },
            Ask {
                request: row.with_query(&query),
                answers: &[200, 202, 400, 403, 404, 414, 431],
            },
        ])
    });
}

#[test]
fn little_that_expands_to_much() {
    let plain = vec![b'#'; 64 * MIB];
    let bombs = [
        ("gzip", body::gzip(&plain)),
        ("zstd", body::zstd(&plain)),
        ("snappy", body::snappy_framed(&plain)),
    ];
    each_cell("expanded", |row| {
        let bombs = bombs.iter().map(|(encoding, bomb)| {
            let request = row.usual.request.clone().header("Content-Encoding", encoding);
            // Snappy's frames are larger than what a body may have.
            let answers: &[u16] = if row.reads_body {
                &[413]
            } else {
                [row.usual.answers, &[400, 413]].concat().leak()
            };
            Ask {
                request: request.body(bomb.as_slice()),
                answers,
            }
        });
        Cell::Asks(bombs.collect())
    });
}

#[test]
fn much_that_is_stored() {
    each_cell("stored", |row| row.stored);
}

#[test]
fn many_labels() {
    each_cell("labels", |row| row.labels);
}

#[test]
fn many_series() {
    each_cell("series", |row| row.series);
}

#[test]
fn many_groups() {
    each_cell("groups", |row| row.groups);
}

#[test]
fn many_selectors() {
    each_cell("selectors", |row| row.selectors);
}

#[test]
fn what_is_nested_deep() {
    each_cell("depth", |row| row.depth);
}

#[test]
fn slow_senders() {
    each(|gateway, row| {
        let what = format!("{}, slow sender", row.route);
        let request = row.usual.request.to_bytes();
        let head = &request[..request.len() / 2];
        let lines = row
            .usual
            .request
            .clone()
            .header("Content-Length", "100000")
            .to_bytes();
        let body = [lines.as_slice(), b"# half"].concat();
        suffer(gateway, &what, || {
            // What has no end of its own is not waited for.
            let begun = if row.is_endless {
                [head, head]
            } else {
                [head, &body]
            };
            let mut streams: Vec<_> = begun
                .into_iter()
                .cycle()
                .take(CLIENTS)
                .map(|begun| {
                    let mut stream = open_from(gateway.address(), ATTACKER).unwrap();
                    stream.write_all(begun).unwrap();
                    stream
                })
                .collect();
            check_honest(gateway, &what);
            // Each comes to an end, whether there is an answer before or not.
            for stream in &mut streams {
                let ended = stream.read_to_end(&mut Vec::new());
                assert!(ended.is_ok() || is_reset(&ended), "{what}: {ended:?}");
            }
        });
    });
}

fn is_reset<T>(result: &std::io::Result<T>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

#[test]
fn slow_readers() {
    each(|gateway, row| {
        let what = format!("{}, slow reader", row.route);
        let request = row.usual.request.to_bytes();
        suffer(gateway, &what, || {
            let readers: Vec<_> = (0..CLIENTS)
                .map(|_| {
                    let mut reader = open_with_small_buffer(gateway);
                    reader.write_all(&request).unwrap();
                    let mut status = [0; 12];
                    reader.read_exact(&mut status).unwrap();
                    reader
                })
                .collect();
            check_honest(gateway, &what);
            drop(readers);
        });
    });
}

#[test]
fn clients_that_leave_at_once() {
    let leave: [fn(TcpStream); 3] = [
        drop,
        |stream| {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        },
        |mut stream| drop(stream.write_all(b"GET /")),
    ];
    each(|gateway, row| {
        let what = format!("{}, client gone", row.route);
        let request = row.usual.request.to_bytes();
        suffer(gateway, &what, || {
            for leave in leave.iter().cycle().take(4 * CLIENTS) {
                let mut stream = open_from(gateway.address(), ATTACKER).unwrap();
                drop(stream.write_all(&request));
                leave(stream);
            }
        });
    });
}
