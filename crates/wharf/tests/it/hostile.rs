//! Who wants to do harm: requests of odd shapes, bodies that grow, clients that hold on to what they have. Meanwhile an
//! honest pusher gets its answers, and memory stays within bounds.

mod costly_pushes;
mod effort;
pub(crate) mod http2;
mod readers;
mod routes;
mod turns;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use wharf_testkit::http::{Request, get, post, put};
use wharf_testkit::{Gateway, Kind, body, until};

use crate::{gateways, loaded, open_elsewhere, wharf};

/// More than an honest day's work needs, and far less than an attack could take.
const MUCH_MEMORY: u64 = 600 << 20;

/// What an honest client does, and gets.
#[track_caller]
fn check_honest(gateway: &Gateway) {
    gateway.push("/metrics/job/honest", "honest 1\n");
    assert_eq!(gateway.send(&get("/-/healthy")).status, 200);
}

#[track_caller]
fn check_memory(gateway: &Gateway) {
    let peak = gateway.peak_memory_bytes();
    assert!(peak < MUCH_MEMORY, "{peak} bytes");
}

/// What others get that are not at the same address.
fn status_elsewhere(gateway: &Gateway, request: &Request) -> String {
    let mut stream = open_elsewhere(gateway, 2);
    stream.write_all(&request.to_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    String::from_utf8_lossy(&status).into_owned()
}

fn open(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// The statuses of what comes back for these bytes, until the connection ends.
fn statuses(gateway: &Gateway, bytes: &[u8]) -> Vec<u16> {
    let mut stream = open(gateway);
    // Who is refused early may be cut off while it sends; what it reads counts.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let text = String::from_utf8_lossy(&answer).into_owned();
    let lines = text.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.get(..3)?.parse().ok()).collect()
}

const LAST: &str = "GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const CHUNKS: &str = "4\r\nm 1\n\r\n0\r\n\r\n";

/// A push with these lines and this body, and an ordinary request behind it: where the two disagree about the end of the
/// push, the second is not what is answered.
fn with_lines(lines: &str, body: &str) -> Vec<u8> {
    format!("PUT /metrics/job/a HTTP/1.1\r\n{lines}\r\n{body}{LAST}").into_bytes()
}

#[test]
fn what_could_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let host = "Host: x\r\n";
    let refused = [
        // Lengths that are none, or contradict each other.
        (400, "Content-Length: 4\r\nContent-Length: 5\r\n", "m 1\n"),
        (400, "Content-Length: 4, 4\r\n", "m 1\n"),
        (400, "Content-Length: +4\r\n", "m 1\n"),
        (400, "Content-Length: -4\r\n", "m 1\n"),
        (400, "Content-Length: 99999999999999999999\r\n", "m 1\n"),
        (400, "Content-Length : 4\r\n", "m 1\n"),
        // Codings that hide the end of the body.
        (501, "Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
        (501, "Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
        (
            501,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            CHUNKS,
        ),
        (400, "Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
        // Which site is meant.
        (400, "Host: y\r\nContent-Length: 4\r\n", "m 1\n"),
        // Lines that end elsewhere for others.
        (400, "X: a\rb\r\nContent-Length: 4\r\n", "m 1\n"),
        (400, "X: a\0b\r\nContent-Length: 4\r\n", "m 1\n"),
        (400, "X y: a\r\nContent-Length: 4\r\n", "m 1\n"),
        (400, "Xy\r\nContent-Length: 4\r\n", "m 1\n"),
        // Chunks whose sizes are none.
        (
            400,
            "Transfer-Encoding: chunked\r\n",
            "ffffffffffffffff0\r\nm 1\n\r\n0\r\n\r\n",
        ),
        (400, "Transfer-Encoding: chunked\r\n", "0x4\r\nm 1\n\r\n0\r\n\r\n"),
        (400, "Transfer-Encoding: chunked\r\n", "-4\r\nm 1\n\r\n0\r\n\r\n"),
        (400, "Transfer-Encoding: chunked\r\n", "4\nm 1\n\n0\n\n"),
        (400, "Transfer-Encoding: chunked\r\n", "4\r\nm 1\n0\r\n\r\n"),
    ];
    for spawn in gateways() {
        let gateway = spawn.start();
        for (status, lines, body) in refused {
            let found = statuses(&gateway, &with_lines(&format!("{host}{lines}"), body));
            assert_eq!(found, [status], "{lines:?} {body:?}");
        }
        for host in ["Host: a b\r\n", "Host: a/b\r\n"] {
            let lines = format!("{host}Content-Length: 4\r\n");
            assert_eq!(statuses(&gateway, &with_lines(&lines, "m 1\n")), [400], "{host}");
        }
        assert_eq!(gateway.scrape().value("m", &[]), None);
        for (lines, body) in [
            ("Content-Length: 4\r\nContent-Length: 4\r\n", "m 1\n"),
            (
                "Transfer-Encoding: chunked\r\n",
                "4;a=b\r\nm 1\n\r\n0\r\nHost: z\r\nContent-Length: 9\r\n\r\n",
            ),
        ] {
            let found = statuses(&gateway, &with_lines(&format!("{host}{lines}"), body));
            assert_eq!(found, [200, 200], "{lines:?}");
        }
        check_honest(&gateway);
    }
}

/// The standard wants blank lines before a request ignored, and has no version 1.2.
#[test]
fn blank_lines_before_a_request_are_ignored_and_unknown_versions_are_refused() {
    let rest = "Host: x\r\nConnection: close\r\n\r\n";
    for spawn in gateways() {
        let is_wharf = spawn.kind() == Kind::Wharf;
        let gateway = spawn.start();
        for (start, expected) in [
            ("\r\nGET /-/ready HTTP/1.1\r\n", [400, 200]),
            ("GET /-/ready HTTP/1.2\r\n", [200, 400]),
        ] {
            let found = statuses(&gateway, format!("{start}{rest}").as_bytes());
            assert_eq!(found, [expected[usize::from(is_wharf)]], "{start:?}");
        }
    }
}

/// The real one reads them as its library does; no client of today sends them.
#[test]
fn heads_that_the_standard_has_given_up_are_refused() {
    let heads = [
        ("X: a\r\n b\r\nContent-Length: 4\r\n", "m 1\n", [200, 400]),
        ("Transfer-Encoding:\r\n chunked\r\n", CHUNKS, [200, 400]),
        ("Transfer-Encoding: chunked, gzip\r\n", CHUNKS, [501, 400]),
        (
            "Transfer-Encoding: identity\r\nContent-Length: 4\r\n",
            "m 1\n",
            [501, 400],
        ),
    ];
    for spawn in gateways() {
        let is_wharf = spawn.kind() == Kind::Wharf;
        let gateway = spawn.start();
        for (lines, body, expected) in heads {
            let found = statuses(&gateway, &with_lines(&format!("Host: x\r\n{lines}"), body));
            assert_eq!(found.first(), Some(&expected[usize::from(is_wharf)]), "{lines:?}");
        }
        // With both, proxies and servers disagree about where the body ends.
        for lines in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        ] {
            let found = statuses(&gateway, &with_lines(&format!("Host: x\r\n{lines}"), CHUNKS));
            let expected: &[u16] = if is_wharf { &[400] } else { &[200, 200] };
            assert_eq!(found, expected, "{lines:?}");
        }
        if is_wharf {
            let no_number = with_lines(
                "Host: x\r\nTransfer-Encoding: chunked\r\ncontent-length: x\r\n",
                CHUNKS,
            );
            assert_eq!(statuses(&gateway, &no_number), [400]);
            // Nor is anything of it stored behind chunks that are read by the library alone.
            let unusual = "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                           4;a=b\r\na 1\n\r\n0\r\n\r\n";
            let both = with_lines(
                "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n",
                CHUNKS,
            );
            let found = statuses(&gateway, &[unusual.as_bytes(), &both].concat());
            assert_eq!(found, [200, 400]);
            assert_eq!(gateway.scrape().value("m", &[]), None);
        }
    }
}

#[test]
fn connections_that_say_nothing_or_little_hold_nobody_up() {
    let gateway = wharf().arg("--web.header-timeout=2s").start();
    let starts = ["", "P", "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nX: "];
    let mut streams = Vec::new();
    for number in 0..900 {
        let mut stream = open(&gateway);
        stream.write_all(starts[number % 3].as_bytes()).unwrap();
        streams.push(stream);
    }
    check_honest(&gateway);
    // Those with a part of a head are cut off, and those without are let be.
    for (number, mut stream) in streams.into_iter().enumerate() {
        if number % 3 > 0 {
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer));
            assert!(answer.is_empty());
        } else if number < 30 {
            stream.write_all(LAST.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
    check_memory(&gateway);
}

#[test]
fn bodies_that_come_slowly_hold_nobody_up() {
    let gateway = wharf().arg("--web.body-timeout=3s").start();
    let head = "PUT /metrics/job/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\nm 1";
    let mut streams: Vec<_> = (0..500).map(|_| open(&gateway)).collect();
    for stream in &mut streams {
        stream.write_all(head.as_bytes()).unwrap();
    }
    check_honest(&gateway);
    for stream in &mut streams {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 408");
    }
    check_honest(&gateway);
    check_memory(&gateway);
}

#[test]
fn bodies_that_never_come_keep_nobody_from_expanding_theirs() {
    let gateway = wharf().arg("--web.body-timeout=1h").start();
    let large = "x".repeat(1_200_000);
    let starts = [
        (
            "GET /-/healthy",
            "Content-Encoding: gzip\r\nContent-Length: 10\r\n",
            "",
        ),
        (
            "PUT /metrics/job/a",
            "Content-Encoding: gzip\r\nContent-Length: 10\r\n",
            "",
        ),
        (
            "PUT /metrics/job/a",
            "Content-Length: 60000000\r\n",
            large.as_str(),
        ),
    ];
    let mut streams = Vec::new();
    for (request, lines, body) in starts {
        for _ in 0..40 {
            let mut stream = open(&gateway);
            let head = format!("{request} HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body.as_bytes()).unwrap();
            streams.push(stream);
        }
    }
    let small = body::gzip(b"m 1\n");
    let values: Vec<String> = (0..100_000)
        .map(|n| format!("l{{n=\"{n}\"}} 1.0000000000\n"))
        .collect();
    for _ in 0..20 {
        let request = put("/metrics/job/small").header("Content-Encoding", "gzip");
        assert_eq!(gateway.send(&request.body(small.clone())).status, 200);
        assert_eq!(
            gateway.send(&put("/metrics/job/b").body(large.clone())).status,
            400
        );
    }
    assert_eq!(
        gateway
            .send(&put("/metrics/job/large").body(values.concat()))
            .status,
        200
    );
    check_memory(&gateway);
}

#[test]
fn one_sender_of_large_bodies_leaves_room_to_others() {
    let limits = ["--push.max-body-bytes=2MiB", "--web.body-timeout=1h"];
    let gateway = wharf().args(limits).start();
    // 32 MiB may be on their way. Each of these takes one, when its second has begun.
    let head = "PUT /metrics/job/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2097152\r\n\r\n";
    let part = "x".repeat((1 << 20) + 1);
    let mut streams = Vec::new();
    let refused = until("a refusal", || {
        let mut stream = open(&gateway);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(part.as_bytes()).unwrap();
        streams.push(stream);
        let answer = gateway.send(&put("/metrics/job/b").body(part.clone()));
        (answer.status == 503).then_some(answer)
    });
    let expected =
        "expected at most half of 32 MiB of large bodies at once from one client, found more; try again\n";
    assert_eq!(refused.text(), expected);
    check_honest(&gateway);
    let others = put("/metrics/job/b").body(format!("#{part}\nm 1\n"));
    assert_eq!(status_elsewhere(&gateway, &others), "HTTP/1.1 200");
    // Who does not go on is given up, long before its time is over. What came while there was no place was refused, as
    // above.
    let mut given_up = 0;
    for mut stream in streams {
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert!(
            [b"HTTP/1.1 408", b"HTTP/1.1 503"].contains(&&status),
            "{status:?}"
        );
        given_up += u32::from(&status == b"HTTP/1.1 408");
    }
    assert!(given_up > 8, "{given_up}");
    assert_eq!(gateway.send(&others).status, 200);
}

#[test]
fn readers_that_take_a_byte_now_and_then_give_their_places_back() {
    let gateway = wharf()
        .args(["--limits.max-scrapes-in-flight=3", "--web.idle-timeout=2s"])
        .start();
    let value = "v".repeat(8 << 20);
    for job in 0..5 {
        gateway.push(&format!("/metrics/job/{job}"), &format!("m{{a=\"{value}\"}} 1\n"));
    }
    let mut readers: Vec<_> = (0..3).map(|_| open_with_small_buffer(&gateway)).collect();
    for reader in &mut readers {
        reader.write_all(&get("/metrics").to_bytes()).unwrap();
        reader.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(gateway.send(&get("/metrics")).status, 503);
    let mut taken = Instant::now();
    until("a place among the scrapes", || {
        // Some bytes many times within that time, so that the connection never looks idle.
        if taken.elapsed() > Duration::from_millis(250) {
            taken = Instant::now();
            for reader in &mut readers {
                drop(reader.read(&mut [0; 2 << 10]));
            }
        }
        (gateway.send(&get("/metrics")).status == 200).then_some(())
    });
    check_honest(&gateway);
}

#[test]
fn one_reader_leaves_places_to_others() {
    let gateway = wharf().arg("--limits.max-scrapes-in-flight=16").start();
    let value = "v".repeat(8 << 20);
    gateway.push("/metrics/job/large", &format!("m{{a=\"{value}\"}} 1\n"));
    let mut readers = Vec::new();
    let refused = until("a refusal", || {
        let mut reader = open_with_small_buffer(&gateway);
        reader.write_all(&get("/metrics").to_bytes()).unwrap();
        let mut status = [0; 12];
        reader.read_exact(&mut status).unwrap();
        readers.push(reader);
        (&status == b"HTTP/1.1 503").then(|| gateway.send(&get("/metrics")))
    });
    assert_eq!(readers.len(), 8 + 1);
    let expected = "expected at most half of 16 scrapes at once from one client, found more; try again\n";
    assert_eq!((refused.status, refused.text().as_str()), (503, expected));
    assert_eq!(gateway.send(&get("/api/v1/groups")).status, 503);
    for target in ["/metrics", "/api/v1/groups", "/api/v1/metrics"] {
        assert_eq!(
            status_elsewhere(&gateway, &get(target)),
            "HTTP/1.1 200",
            "{target}"
        );
    }
}

/// Into which little can be sent ahead.
fn open_with_small_buffer(gateway: &Gateway) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.connect(&gateway.address().into()).unwrap();
    socket.into()
}

/// So many bytes of one letter, compressed.
fn bombs(bytes: usize) -> [(&'static str, Vec<u8>); 5] {
    let plain = vec![b'a'; bytes];
    [
        ("gzip", body::gzip(&plain)),
        ("deflate", body::deflate(&plain)),
        ("zstd", body::zstd(&plain)),
        ("snappy", body::snappy_framed(&plain)),
        ("snappy", body::snappy_block(&plain)),
    ]
}

#[test]
fn small_bodies_that_grow_large_are_refused_and_take_little_memory() {
    let gateway = wharf().arg("--push.max-body-bytes=8MiB").start();
    let bombs = bombs(64 << 20);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for (encoding, body) in &bombs {
                    let request = put("/metrics/job/bomb").header("Content-Encoding", encoding);
                    let answer = gateway.send(&request.body(body.clone()));
                    assert_eq!(answer.status, 413, "{encoding}");
                    check_honest(&gateway);
                }
            });
        }
    });
    // Bombs for routes that want no body, which nobody expands, and one inside another.
    let (_, gzip) = &bombs[0];
    let unread = get("/metrics").header("Content-Encoding", "gzip");
    assert_eq!(gateway.send(&unread.body(gzip.clone())).status, 200);
    for encodings in ["gzip, gzip", "gzip,deflate", "zstd, gzip"] {
        let nested = put("/metrics/job/bomb").header("Content-Encoding", encodings);
        assert_eq!(
            gateway.send(&nested.body(gzip.clone())).status,
            400,
            "{encodings}"
        );
    }
    check_memory(&gateway);
    assert_eq!(
        gateway.scrape().value("push_time_seconds", &[("job", "bomb")]),
        None
    );
}

#[test]
fn very_many_families_of_one_series_are_taken_and_scraped() {
    let gateway = wharf().start();
    let families: Vec<String> = (0..100_000).map(|number| format!("f{number} 1\n")).collect();
    let compressed = body::gzip(families.concat().as_bytes());
    let request = post("/metrics/job/many").header("Content-Encoding", "gzip");
    std::thread::scope(|scope| {
        let pushed = scope.spawn(|| gateway.send(&request.clone().body(compressed.clone())).status);
        for _ in 0..20 {
            check_honest(&gateway);
        }
        assert_eq!(pushed.join().unwrap(), 200);
    });
    let scrape = gateway.send(&get("/metrics")).text();
    assert!(scrape.contains("f99999{instance=\"\",job=\"many\"} 1\n"));
    check_honest(&gateway);
    check_memory(&gateway);
}

/// Whatever is made of these, both make the same of it, and the scrape can be read after it.
#[test]
fn odd_texts_are_taken_or_refused_as_the_original_does() {
    let values: [&[u8]; 12] = [
        b"\0",
        b"a\0b",
        b"\x01\x02\x1b[31m\x7f",
        "\u{85}\u{2028}\u{2029}".as_bytes(),
        "\u{feff}x".as_bytes(),
        "\u{202e}txt.exe".as_bytes(),
        "e\u{301}\u{fffd}\u{10ffff}".as_bytes(),
        // Not UTF-8: too long, half a pair, beyond the last character, cut short, a lone byte.
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\xff",
    ];
    let mut found = Vec::new();
    for spawn in gateways() {
        let gateway = spawn.start();
        let mut statuses = Vec::new();
        for (number, value) in values.iter().enumerate() {
            let value = *value;
            let label = [b"m{a=\"", value, b"\"} 1\n"].concat();
            let help = [b"# HELP n ", value, b"\nn 1\n"].concat();
            let name = [b"x", value, b" 1\n"].concat();
            for (kind, body) in [("label", label), ("name", name), ("help", help)] {
                // What is no UTF-8 in a help breaks the scrapes of the Pushgateway.
                if kind == "help" && str::from_utf8(value).is_err() {
                    continue;
                }
                let request = put(&format!("/metrics/job/{kind}{number}")).body(body);
                statuses.push((kind, number, gateway.send(&request).status));
            }
            let escaped: Vec<String> = value.iter().map(|byte| format!("%{byte:02X}")).collect();
            let escaped = escaped.concat();
            if str::from_utf8(value).is_ok() {
                let request = put(&format!("/metrics/job/u{number}/a/{escaped}")).body("o 1\n");
                statuses.push(("url", number, gateway.send(&request).status));
            }
        }
        gateway.scrape();
        check_honest(&gateway);
        found.push(statuses);
    }
    let first = found.first().unwrap();
    assert!(found.iter().all(|other| other == first), "{found:#?}");
    let taken = first.iter().filter(|(_, _, status)| *status == 200).count();
    assert!(taken > 10 && taken < first.len(), "{first:?}");
}

#[test]
fn a_value_as_long_as_a_body_may_be_is_refused_or_scraped() {
    let gateway = wharf().start();
    for (megabytes, expected) in [(15, 200), (17, 413), (65, 413)] {
        let value = "v".repeat(megabytes << 20);
        let request = put("/metrics/job/long").body(format!("m{{a=\"{value}\"}} 1\n"));
        assert_eq!(gateway.send(&request).status, expected, "{megabytes}");
        check_honest(&gateway);
    }
    let scrape = gateway.send(&get("/metrics")).text();
    assert!(scrape.len() > 15 << 20);
    check_memory(&gateway);
}

/// What a small container has.
const SMALL_MEMORY: u64 = 128 << 20;

/// Bodies of a quarter of a megabyte, each large in a way of its own.
fn large_bodies() -> [String; 4] {
    let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let long = "x".repeat(1000);
    [
        lines(10_000, &|n| format!("short{{n=\"{n}\"}} {n}\n")),
        lines(17_000, &|n| format!("family{n} {n}\n")),
        lines(230, &|n| format!("long{{n=\"{n}\",pad=\"{long}\"}} {n}\n")),
        lines(25_000, &|_| "# a line\n".to_owned()),
    ]
}

/// Pushes all kinds of bodies to many groups, and asks for everything that there is, again and again.
fn attack(gateway: &Gateway, attacker: usize) {
    for round in 0..2 {
        for (kind, text) in large_bodies().into_iter().enumerate() {
            let path = format!("/metrics/job/hostile/instance/{attacker}-{round}-{kind}");
            let push = if round % 2 == 0 {
                put(&path).body(text)
            } else {
                let request = put(&path).header("Content-Encoding", "gzip");
                request.body(body::gzip(text.as_bytes()))
            };
            let status = gateway.send(&push).status;
            assert!([200, 400, 413, 429, 503].contains(&status), "{status}");
        }
        for path in ["/metrics", "/api/v1/metrics", "/api/v1/families"] {
            let status = gateway.send(&get(path).header("Accept-Encoding", "gzip")).status;
            assert!([200, 503].contains(&status), "{status}");
        }
    }
}

#[test]
fn with_limits_to_match_a_small_container_is_enough_under_attack() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("wharf.yml");
    std::fs::write(&rules, "quotas: [{match: '{}', bytes: 4MiB, series: 20000}]\n").unwrap();
    let mut gateway = loaded(wharf().arg(format!("--config.file={}", rules.display())).args([
        "--push.max-body-bytes=256KiB",
        "--history.max-bytes=4MiB",
        "--limits.max-connections=256",
        "--limits.max-requests-in-flight=8",
        "--limits.max-scrapes-in-flight=1",
    ]));
    gateway.push("/metrics/job/honest", "honest 1\n");
    let head = "PUT /metrics/job/half HTTP/1.1\r\nHost: x\r\nContent-Length: 262144\r\n\r\n";
    let half = [head.as_bytes(), &vec![b'#'; 250_000]].concat();
    // Some of the places are held until the end, with nearly as much as each may hold.
    let waiting: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = open(&gateway);
            stream.write_all(&half).unwrap();
            stream
        })
        .collect();
    let readers: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut reader = open_with_small_buffer(&gateway);
            reader
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            reader
        })
        .collect();
    std::thread::scope(|scope| {
        for attacker in 0..8 {
            let gateway = &gateway;
            scope.spawn(move || attack(gateway, attacker));
        }
        for value in 0..10 {
            let push = put("/metrics/job/honest").body(format!("honest {value}\n"));
            until("an honest push to be taken", || {
                (gateway.send(&push).status == 200).then_some(())
            });
        }
    });
    drop((waiting, readers));
    assert!(gateway.exited().is_none());
    let peak = gateway.peak_memory_bytes();
    eprintln!("at most {} MiB", peak >> 20);
    assert!(peak < SMALL_MEMORY, "{peak} bytes");
}
