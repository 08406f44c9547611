//! Floods that only HTTP/2 makes possible, frame by frame.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use wharf_testkit::http::get;
use wharf_testkit::{Gateway, until};

use super::{check_honest, check_memory, open};
use crate::wharf;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame: length, type, flags, stream, payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head, &stream.to_be_bytes()[..], payload].concat()
}

/// A connection with its first frames sent.
fn connect(gateway: &Gateway, settings: &[u8]) -> TcpStream {
    let mut stream = open(gateway);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = frame(SETTINGS, 0, 0, settings);
    stream.write_all(&[&preface[..], &settings].concat()).unwrap();
    stream
}

/// `GET <path>` as a block of headers without compression.
fn get_block(path: &str) -> Vec<u8> {
    let text = |index: u8, value: &str| {
        let length = u8::try_from(value.len()).unwrap();
        [&[index, length], value.as_bytes()].concat()
    };
    // :method GET, :scheme http, :authority and :path.
    [vec![0x82, 0x86], text(0x41, "x"), text(0x44, path)].concat()
}

/// Sends something again and again, and reads what comes, until the other side ends the connection or all is sent.
fn flood(mut stream: TcpStream, rounds: u32, round: impl Fn(u32) -> Vec<u8>) {
    stream.set_nonblocking(true).unwrap();
    let mut taken = [0; 16 << 10];
    for number in 0..rounds {
        let bytes = round(number);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Enough was enough.
                Err(_) => return,
            }
            match stream.read(&mut taken) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

/// The number of the client's stream of this round.
fn stream_of(round: u32) -> u32 {
    2 * round + 1
}

#[test]
fn floods_of_frames_hold_nobody_up() {
    let gateway = wharf().start();
    let begun_and_ended = |round: u32| {
        let request = frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream_of(round),
            &get_block("/metrics"),
        );
        let reset = frame(RST_STREAM, 0, stream_of(round), &8_u32.to_be_bytes());
        [request, reset].concat()
    };
    let settings = |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]);
    let pings = |round: u32| frame(PING, 0, 0, &u64::from(round).to_be_bytes());
    let windows = |_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
    let empty = |_| frame(HEADERS, END_HEADERS, 1, &get_block("/metrics"));
    let continued = |round: u32| match round {
        0 => frame(HEADERS, END_STREAM, 1, &get_block("/metrics")),
        _ => frame(
            CONTINUATION,
            0,
            1,
            &[b"\x40\x01x\x7f\xff\x1f".as_slice(), &[b'v'; 4096]].concat(),
        ),
    };
    std::thread::scope(|scope| {
        let gateway = &gateway;
        let start = move || connect(gateway, &[]);
        scope.spawn(move || flood(start(), 50_000, begun_and_ended));
        scope.spawn(move || flood(start(), 50_000, settings));
        scope.spawn(move || flood(start(), 50_000, pings));
        scope.spawn(move || flood(start(), 50_000, windows));
        scope.spawn(move || flood(start(), 50_000, empty));
        scope.spawn(move || flood(start(), 20_000, continued));
        for _ in 0..20 {
            check_honest(gateway);
        }
    });
    assert_eq!(gateway.send(&get("/metrics")).status, 200);
    check_memory(&gateway);
}

#[test]
fn readers_without_a_window_give_their_places_back() {
    let gateway = wharf()
        .args(["--limits.max-scrapes-in-flight=3", "--web.idle-timeout=6s"])
        .start();
    gateway.push("/metrics/job/a", "m 1\n");
    // The window of each stream is 0 from the beginning.
    let mut stream = connect(&gateway, &[0, 4, 0, 0, 0, 0]);
    let mut round = 0;
    until("all places to be taken", || {
        // One at a time: a place that our own scrape has must not be missed.
        let request = frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream_of(round),
            &get_block("/metrics"),
        );
        stream.write_all(&request).unwrap();
        round += 1;
        (round > 10 && gateway.send(&get("/metrics")).status == 503).then_some(())
    });
    check_honest(&gateway);
    until("a place among the scrapes", || {
        // The connection looks busy.
        drop(stream.write_all(&frame(PING, 0, 0, &[0; 8])));
        (gateway.send(&get("/metrics")).status == 200).then_some(())
    });
    check_memory(&gateway);
}
