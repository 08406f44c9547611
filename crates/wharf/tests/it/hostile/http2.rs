//! Floods that only HTTP/2 makes possible, frame by frame.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use wharf_testkit::http::get;
use wharf_testkit::{Authority, Gateway, Spawn, until};

use super::{check_honest, check_memory};
use crate::wharf;

/// One that speaks HTTP/2 at an address with TLS, and is there for others at one without.
pub(crate) struct Server {
    pub(crate) gateway: Gateway,
    trusting: Arc<ClientConfig>,
    _folder: TempDir,
}

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Server {
    pub(crate) fn start(spawn: Spawn) -> Self {
        Self::start_for("admin", spawn)
    }

    /// The address with TLS is for this purpose: `push`, `scrape` or `admin`.
    pub(super) fn start_for(purpose: &str, spawn: Spawn) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority");
        authority
            .issue("server", &["127.0.0.1"])
            .write(folder.path(), "server");
        let config = folder.path().join("web.yml");
        let tls = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n";
        fs::write(&config, tls).unwrap();
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.certificate.as_bytes());
        roots.add(root.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusting = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let trusting = trusting.with_root_certificates(roots).with_no_client_auth();
        let gateway = spawn
            .arg(format!("--web.{purpose}-address=127.0.0.1:0"))
            .arg(format!("--web.{purpose}-config-file={}", config.display()));
        Self {
            gateway: gateway.start(),
            trusting: Arc::new(trusting),
            _folder: folder,
        }
    }

    /// A connection with its first frames sent.
    pub(crate) fn connect(&self, settings: &[u8]) -> Stream {
        let mut stream = self.connect_by(b"h2");
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let settings = frame(SETTINGS, 0, 0, settings);
        stream.write_all(&[&preface[..], &settings].concat()).unwrap();
        stream
    }

    /// A connection over which this protocol is spoken.
    pub(crate) fn connect_by(&self, protocol: &[u8]) -> Stream {
        let socket = TcpStream::connect(self.gateway.addresses()[1]).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut trusting = ClientConfig::clone(&self.trusting);
        trusting.alpn_protocols = vec![protocol.to_vec()];
        let client = ClientConnection::new(Arc::new(trusting), name).unwrap();
        StreamOwned::new(client, socket)
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

pub(super) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A frame: length, type, flags, stream, payload.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head, &stream.to_be_bytes()[..], payload].concat()
}

/// `GET <path>` as a block of headers without compression.
pub(crate) fn get_block(path: &str) -> Vec<u8> {
    let text = |index: u8, value: &str| {
        let length = u8::try_from(value.len()).unwrap();
        [&[index, length], value.as_bytes()].concat()
    };
    // :method GET, :scheme http, :authority and :path.
    [vec![0x82, 0x86], text(0x41, "x"), text(0x44, path)].concat()
}

/// Sends something again and again, and reads what comes, until the other side ends the connection or all is sent.
fn flood(mut stream: Stream, rounds: u32, round: impl Fn(u32) -> Vec<u8>) {
    stream.sock.set_nonblocking(true).unwrap();
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
    let server = Server::start(wharf());
    let gateway = &server.gateway;
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
        let server = &server;
        let start = move || server.connect(&[]);
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
    check_memory(gateway);
}

#[test]
fn readers_without_a_window_give_their_places_back() {
    let limits = ["--limits.max-scrapes-in-flight=3", "--web.idle-timeout=6s"];
    let server = Server::start(wharf().args(limits));
    let gateway = &server.gateway;
    gateway.push("/metrics/job/a", "m 1\n");
    // The window of each stream is 0 from the beginning.
    let mut stream = server.connect(&[0, 4, 0, 0, 0, 0]);
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
    check_honest(gateway);
    until("a place among the scrapes", || {
        // The connection looks busy.
        drop(stream.write_all(&frame(PING, 0, 0, &[0; 8])));
        (gateway.send(&get("/metrics")).status == 200).then_some(())
    });
    check_memory(gateway);
}

/// A length as HPACK writes it, in seven bits or more.
fn length(length: usize) -> Vec<u8> {
    let Some(mut rest) = length.checked_sub(127) else {
        return vec![u8::try_from(length).unwrap()];
    };
    let mut out = vec![127];
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
    out
}

/// `PUT <path>`.
pub(super) fn put_block(path: &str) -> Vec<u8> {
    let path = [length(path.len()), path.as_bytes().to_vec()].concat();
    [b"\x02\x03PUT\x86\x01\x01x\x04".as_slice(), &path].concat()
}

/// A block of headers in as many frames as it needs; the stream goes on.
pub(super) fn request(stream: u32, block: &[u8]) -> Vec<u8> {
    let parts: Vec<_> = block.chunks(16_000).collect();
    let frames = parts.iter().enumerate().map(|(number, part)| {
        let is_last = number + 1 == parts.len();
        let kind = if number == 0 { HEADERS } else { CONTINUATION };
        frame(kind, if is_last { END_HEADERS } else { 0 }, stream, part)
    });
    frames.collect::<Vec<_>>().concat()
}

/// `:status` by its index in the table, and 431 in Huffman's code, which our library uses.
const STATUS_431: [u8; 5] = [0x48, 0x83, 0x69, 0x90, 0xff];

/// The kind and the payload of the next frame.
pub(crate) fn next_frame(stream: &mut Stream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).unwrap();
    (head[3], payload)
}

/// The payload of the next frame of this kind.
pub(crate) fn next_of_kind(stream: &mut Stream, kind: u8) -> Vec<u8> {
    loop {
        let (found, payload) = next_frame(stream);
        if found == kind {
            return payload;
        }
    }
}

#[test]
fn who_has_agreed_on_http2_and_speaks_another_version_is_not_left_waiting() {
    let server = Server::start(wharf().arg("--web.header-timeout=1h"));
    for request in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = server.connect_by(b"h2");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        assert!(!ended.is_err_and(|error| is_timeout(&error)), "{request}");
        assert!(!answer.starts_with(b"HTTP/1"), "{request}");
    }
}

#[test]
fn heads_are_as_long_as_a_path_may_be_and_little_longer() {
    let server = Server::start(wharf());
    let value = "v".repeat(65_000);
    let mut stream = server.connect(&[]);
    stream
        .write_all(&request(1, &put_block(&format!("/metrics/job/{value}"))))
        .unwrap();
    stream.write_all(&frame(DATA, END_STREAM, 1, b"m 1\n")).unwrap();
    // 404: it has been read, and pushes are at another address.
    assert_eq!(next_of_kind(&mut stream, HEADERS)[0], 0x8d);
    let many = [put_block("/metrics/job/a"), b"\x00\x01a\x01b".repeat(101)].concat();
    let value = "v".repeat(40_000);
    let large = [b"\x00\x01a", length(value.len()).as_slice(), value.as_bytes()].concat();
    let large = [put_block(&format!("/metrics/job/{}", "v".repeat(60_000))), large].concat();
    for block in [many, large] {
        let mut stream = server.connect(&[]);
        stream.write_all(&request(1, &block)).unwrap();
        let refused = next_of_kind(&mut stream, HEADERS);
        assert_eq!(refused.get(..5), Some(&STATUS_431[..]), "{refused:?}");
    }
}

#[test]
fn headers_that_take_a_byte_each_take_little_memory() {
    let server = Server::start(wharf());
    // A header for the table, and then a byte for each time that it is meant.
    let first = [put_block("/metrics/job/a").as_slice(), b"\x40\x01a\x01b"].concat();
    let mut streams = Vec::new();
    for copies in [90, 2_500, 9_000, 29_000].into_iter().cycle().take(16) {
        let mut stream = server.connect(&[]);
        for round in 0..100 {
            let mut block = if round == 0 {
                first.clone()
            } else {
                put_block("/metrics/job/a")
            };
            block.resize(block.len() + copies, 0xbe);
            let number = stream_of(round);
            let begun = [request(number, &block), frame(DATA, 0, number, b"#")].concat();
            // Who sends the longest is cut off.
            if stream.write_all(&begun).is_err() {
                break;
            }
        }
        streams.push(stream);
    }
    for _ in 0..20 {
        check_honest(&server.gateway);
    }
    let peak = server.gateway.peak_memory_bytes();
    assert!(peak < 200 << 20, "{peak} bytes");
}
