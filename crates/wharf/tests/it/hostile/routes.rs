//! Each route meets each way in which a request can be large, slow or absent: see [`Row`]. Meanwhile somebody else is served, memory
//! stays within bounds, and in the end nothing is under way.
//!
//! The kinds of attacks that need more than one request of a kind, or much of one thing, are in the modules beside this one.

mod table;

use std::collections::BTreeSet;
use std::io::ErrorKind::ConnectionReset;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;
use tempfile::TempDir;
use wharf_testkit::http::{Connection, get, open_from, post, put};
use wharf_testkit::{Gateway, body, until};

use self::table::{Ask, Cell, Row, rows};
use super::open_with_small_buffer;
use crate::rules::with_rules;
use crate::wharf;

/// What a body may have here.
const BODY: usize = 256 << 10;
/// So many do it at once.
const CLIENTS: usize = 3;
/// What all of them together may add to what the process has: pushes what flags allow them, others some pieces.
const MEMORY: u64 = 48 << 20;

/// Whoever attacks, and who does not.
const ATTACKER: u8 = 3;
const HONEST: u8 = 2;

/// A gateway with something in it, for rows that end it where that is switched on, or for the others.
fn start(ends: bool) -> (TempDir, Gateway) {
    let flags = [
        "--push.max-body-bytes=256KiB",
        "--push.max-decoded-bytes=2MiB",
        "--limits.max-decoded-bytes=16MiB",
        "--limits.max-scrapes-in-flight=16",
        "--limits.max-requests-in-flight=256",
        "--web.header-timeout=1s",
        "--web.body-timeout=1s",
        "--web.enable-admin-api",
    ];
    // With this switch there would be no gateway any more.
    let switch = (!ends).then_some("--web.enable-lifecycle");
    // A reload counts for it anew.
    let (folder, spawn) = with_rules("quotas: [{match: '{job=\"many\"}', series: 100000}]\n");
    let gateway = spawn.args(flags).args(switch).start();
    fill(&gateway);
    (folder, gateway)
}

/// Many groups, one with many series, and some with long labels.
fn fill(gateway: &Gateway) {
    let many = (0..500).map(|n| format!("m{{job=\"many\",instance=\"{n}\"}} {n}\n"));
    let long = "l".repeat(8_000);
    let long = (0..20).map(|n| format!("m{{job=\"{long}\",instance=\"{n}\"}} {n}\n"));
    // One after the other, since a push may not take all memory here.
    for lines in [many.collect::<String>(), long.collect()] {
        let push = post("/api/v1/push?group_by=job,instance").body(lines);
        let answer = gateway.send(&push);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let series: Vec<_> = (0..3_000).map(|n| format!("h{{n=\"{n}\"}} 1\n")).collect();
    gateway.push("/metrics/job/big", &series.concat());
}

/// What an honest client at another address does is answered, whatever goes on.
#[track_caller]
fn check_honest(gateway: &Gateway, what: &str) {
    for request in [
        put("/metrics/job/honest").body("honest 1\n"),
        get("/-/healthy"),
        get("/metrics?match[]={job=\"honest\"}"),
        get("/api/v1/groups?match[]={job=\"honest\"}"),
    ] {
        let stream = open_from(gateway.address(), HONEST).unwrap();
        let answer = Connection::over(stream).unwrap().send(&request);
        let status = answer.map(|answer| answer.status);
        assert!(matches!(status, Ok(200)), "{what}: {request}: {status:?}");
    }
}

/// Nothing is under way but this question.
#[track_caller]
fn check_rest(gateway: &Gateway, what: &str) {
    let mut connection = gateway.connect();
    until(&format!("{what}: the end of all that was begun"), || {
        let stats = connection.send(&get("/api/v1/stats")).unwrap().json();
        let limits = stats["data"]["limits"].as_array().unwrap();
        let used = |name: &str| {
            let mut named = limits.iter().filter(|limit| limit["name"] == name);
            named.next().unwrap()["used"].as_u64()
        };
        let is_over = used("limits.max-requests-in-flight") == Some(1)
            && used("limits.max-connections") == Some(1)
            && used("limits.max-decoded-bytes") == Some(0)
            && used("limits.max-scrapes-in-flight") == Some(0);
        is_over.then_some(())
    });
}

/// Does `attack`, and looks at what it has cost.
#[track_caller]
fn suffer(gateway: &Gateway, what: &str, attack: impl FnOnce()) {
    gateway.forget_peak_memory();
    let before = gateway.peak_memory_bytes();
    attack();
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
    each_of(rows(), visit);
}

fn each_of(rows: Vec<Row>, visit: impl Fn(&Gateway, &Row)) {
    let mut gateways: [Option<(TempDir, Gateway)>; 2] = [None, None];
    for row in rows {
        let (_, gateway) = gateways[usize::from(row.ends)].get_or_insert_with(|| start(row.ends));
        if let Some(before) = &row.before {
            let answer = gateway.send(before);
            assert!(answer.status < 300, "{before}: {}", answer.text());
        }
        visit(gateway, &row);
        if row.removes {
            fill(gateway);
        }
    }
}

/// For each row, the requests of one of its cells, if it does not say why there are none.
fn each_cell(dimension: &str, cell: impl Fn(&Row) -> Cell) {
    let mut rows = rows();
    rows.retain(|row| match cell(row) {
        Cell::Asks(asks) => !asks.is_empty(),
        Cell::Nothing(reason) => {
            assert!(!reason.is_empty(), "{}, {dimension}", row.route);
            false
        }
    });
    each_of(rows, |gateway, row| {
        let what = format!("{}, {dimension}", row.route);
        if let Cell::Asks(asks) = cell(row) {
            suffer(gateway, &what, || {
                send_all(gateway, &what, &asks, row.is_endless);
            });
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
    let full = [vec![b'#'; BODY - 1].as_slice(), b"\n"].concat();
    let chunk = "#".repeat(BODY);
    each_cell("sent", |row| {
        let Ask { request, answers } = &row.usual;
        let query = format!("{}{}={}", row.separator(), "q".repeat(30_000), "v".repeat(30_000));
        let mut asks = vec![
            Ask {
                request: request.clone().header("X", &"x".repeat(60_000)),
                answers,
            },
            Ask {
                request: row.with_query(&query),
                answers: &[200, 202, 400, 403, 404, 414, 431],
            },
        ];
        if row.reads_body {
            let too_large: &[u16] = &[413];
            asks.extend([
                Ask {
                    request: request.clone().body(full.as_slice()),
                    answers: &[200, 202, 400, 413],
                },
                Ask {
                    request: request.clone().body(vec![b'#'; 2 * BODY]),
                    answers: too_large,
                },
                Ask {
                    request: request.clone().chunked(&[&chunk, &chunk]),
                    answers: too_large,
                },
            ]);
        } else {
            asks.push(Ask {
                request: request.clone().body(vec![b'#'; 2 * BODY]),
                answers: UNREAD,
            });
        }
        Cell::Asks(asks)
    });
}

/// With what a request may be answered whose body nobody wants: as without it, or it is refused.
const UNREAD: &[u16] = &[200, 202, 400, 403, 404, 409, 413, 503];

#[test]
fn little_that_expands_to_much() {
    let plain = vec![b'#'; 8 * BODY];
    let bombs = [
        ("gzip", body::gzip(&plain)),
        ("zstd", body::zstd(&plain)),
        ("snappy", body::snappy_framed(&plain)),
    ];
    each_cell("expanded", |row| {
        // Nobody looks at how a body is compressed that is not wanted.
        let bombs = bombs.iter().take(if row.reads_body { 3 } else { 1 });
        let asks = bombs.map(|(encoding, bomb)| {
            let request = row.usual.request.clone().header("Content-Encoding", encoding);
            Ask {
                request: request.body(bomb.as_slice()),
                answers: if row.reads_body { &[413] } else { UNREAD },
            }
        });
        Cell::Asks(asks.collect())
    });
}

#[test]
fn much_that_is_stored() {
    each_cell("stored", |row| row.stored.clone());
}

#[test]
fn many_labels() {
    each_cell("labels", |row| row.labels.clone());
}

#[test]
fn many_series() {
    each_cell("series", |row| row.series.clone());
}

#[test]
fn many_groups() {
    each_cell("groups", |row| row.groups.clone());
}

#[test]
fn many_selectors() {
    each_cell("selectors", |row| row.selectors.clone());
}

#[test]
fn what_is_nested_deep() {
    each_cell("depth", |row| row.depth.clone());
}

/// Half of a head, and a whole one with half of a body; of a route whose answer has no end, only the first.
fn halves(row: &Row) -> Vec<Vec<u8>> {
    let request = row.usual.request.to_bytes();
    let head = request[..request.len() / 2].to_vec();
    let long = row.usual.request.clone().header("Content-Length", "100000");
    let body = [long.to_bytes().as_slice(), b"# half"].concat();
    if row.is_endless {
        vec![head]
    } else {
        vec![head, body]
    }
}

#[test]
fn slow_senders() {
    for ends in [false, true] {
        let (_folder, gateway) = start(ends);
        let mut slow = Vec::new();
        suffer(&gateway, "slow senders", || {
            // All at once, since each is waited for.
            for row in rows().iter().filter(|row| row.ends == ends) {
                for half in halves(row).into_iter().cycle().take(CLIENTS) {
                    let mut stream = open_from(gateway.address(), ATTACKER).unwrap();
                    stream.write_all(&half).unwrap();
                    slow.push((row.route, stream));
                }
            }
            check_honest(&gateway, "slow senders");
            // Each comes to an end, whether there is an answer before or not.
            for (route, stream) in &mut slow {
                let ended = stream.read_to_end(&mut Vec::new());
                assert!(ended.is_ok() || is_reset(&ended), "{route}: {ended:?}");
            }
            drop(slow);
        });
    }
}

fn is_reset<T>(result: &std::io::Result<T>) -> bool {
    result
        .as_ref()
        .is_err_and(|error| error.kind() == ConnectionReset)
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
            check_honest(gateway, &what);
        });
    });
}
