use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::trial::{Seen, Trial};
use crate::request::path::percent_decode;

const WHOLE: Trial = Trial {
    escapes: true,
    read_bytes: usize::MAX,
    reads_bodies: true,
};

fn targets(bytes: &[u8]) -> Vec<String> {
    let seen = WHOLE.run(&[bytes]);
    seen.into_iter().map(|request| request.target).collect()
}

#[track_caller]
fn check(target: &str, expected: &[&str]) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(targets(request.as_bytes()), expected, "{target}");
}

#[test]
fn bytes_that_the_library_refuses_are_escaped() {
    check(r#"/g?match[]={job="x"}"#, &["/g?match[]={job=%22x%22}"]);
    check("/a\"<>`b", &["/a%22%3C%3E%60b"]);
    check("/a#b?c#d", &["/a%23b?c%23d"]);
    check("/gr\u{fc}n?\u{fc}", &["/gr%C3%BCn?%C3%BC"]);
    check("http://h/a\"?b=\"", &["/a%22?b=%22"]);
    check("http://h?b=\"", &["/?b=%22"]);
    let request = b"GET /\xFF\xFE?\x80 HTTP/1.1\r\n\r\n";
    assert_eq!(targets(request), ["/%FF%FE?%80"]);
}

#[test]
fn other_bytes_stay_as_they_are() {
    let plain = "/!$%&'()*+,-./09:;=?@AZ[\\]^_az{|}~%zz?!$%&'()*+,-./:;=?@[\\]^_{|}~";
    check(plain, &[plain]);
    check("*", &["*"]);
}

#[test]
fn what_go_refuses_too_is_refused() {
    for target in [
        "",
        "*\"",
        "a\"b",
        "\"",
        "?a=\"b\"",
        "/a b",
        "/a\tb",
        "/a\u{7f}b",
        "/a\u{1}b",
        "/a\"\u{1}b",
    ] {
        check(target, &[]);
    }
}

#[test]
fn only_request_lines_change() {
    let body = "GET /\"b\" HTTP/1.1\r\n\r\n";
    let request = format!(
        "PUT /\"a\" HTTP/1.1\r\nX: GET /\"x\" HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let seen = WHOLE.run(&[request.repeat(2).as_bytes()]);
    assert_eq!(seen.len(), 2);
    for request in seen {
        assert_eq!(
            (request.target.as_str(), request.body.as_deref()),
            ("/%22a%22", Some(body.as_bytes()))
        );
        assert_eq!(
            request.headers.first().map(|(_, value)| value.as_slice()),
            Some(&b"GET /\"x\" HTTP/1.1"[..])
        );
    }
}

#[test]
fn requests_behind_bodies_in_chunks_are_found_unless_the_chunks_are_unusual() {
    let chunked = |chunks: &str| {
        let put = format!("PUT /<1> HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        targets(format!("{put}GET /<2> HTTP/1.1\r\n\r\n").as_bytes())
    };
    let both = ["/%3C1%3E", "/%3C2%3E"];
    assert_eq!(chunked("5\r\nGET /\r\n0\r\n\r\n"), both);
    assert_eq!(chunked("0000000a\r\n\"\"\r\n\r\n\"\"\r\n\r\n0\r\n\r\n"), both);
    // Nobody sends these; what comes behind them is the library's alone.
    assert_eq!(chunked("5;x=y\r\nGET /\r\n0\r\n\r\n"), both[..1]);
    assert_eq!(chunked("5\r\nGET /\r\n0\r\nX: y\r\n\r\n"), both[..1]);
}

#[track_caller]
fn check_both(bytes: &str, expected: &[&str]) {
    for piece in [1, 7, usize::MAX] {
        let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(piece.min(bytes.len())).collect();
        assert_eq!(
            WHOLE.with_both(&pieces),
            expected,
            "{bytes:?} in pieces of {piece}"
        );
    }
}

#[test]
fn a_length_beside_chunks_is_seen_although_the_library_leaves_it_out() {
    let put = |target: &str, fields: &str| {
        format!("PUT {target} HTTP/1.1\r\n{fields}Host: x\r\n\r\n3\r\nm 1\r\n0\r\n\r\n")
    };
    let (length, chunked) = ("Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n");
    for target in ["/", "/%22"] {
        let typed = target.replace("%22", "\"");
        check_both(&put(&typed, &[length, chunked].concat()), &[target]);
        check_both(&put(&typed, &[chunked, length].concat()), &[target]);
        check_both(
            &put(&typed, &[chunked, "content-length: x\r\n"].concat()),
            &[target],
        );
        check_both(&put(&typed, &[chunked, "X-", length].concat()), &[]);
        check_both(&put(&typed, chunked), &[]);
    }
}

#[test]
fn a_length_of_another_request_or_in_a_body_is_none_beside_chunks() {
    let sized = "PUT /1 HTTP/1.1\r\nContent-Length: 21\r\n\r\n\r\nContent-Length: 9\r\n";
    let chunked =
        "PUT /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n\nContent-Length: 9\r\n\r\n0\r\n\r\n";
    check_both(&[sized, chunked, chunked, sized, chunked].concat(), &[]);
}

#[test]
fn a_length_beside_chunks_is_seen_behind_what_is_not_understood() {
    let unusual = "PUT /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nm 1\r\n0\r\n\r\n";
    let sized = "PUT /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nm 1";
    let chunked = "PUT /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nm 1\r\n0\r\n\r\n";
    let both = "PUT /4 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n";
    check_both(&[unusual, sized, both].concat(), &["/4"]);
    check_both(&[unusual, sized, sized].concat(), &[]);
    // Where heads cannot be told apart, what comes before may count as well; what comes together with it is refused.
    let seen = WHOLE.with_both(&[[unusual, chunked, both].concat().as_bytes()]);
    assert!(seen.ends_with(&["/4".to_owned()]), "{seen:?}");
}

#[test]
fn the_beginning_of_http_2_is_passed_on() {
    use tokio::io::AsyncReadExt as _;

    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /\"a\" HTTP/1.1\r\n\r\n";
    let (mut targets, _framing) = super::Targets::new(&preface[..]);
    let mut read = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(targets.read_to_end(&mut read)).unwrap();
    assert_eq!(read, preface);
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

#[derive(Debug, Clone)]
struct Sent {
    method: &'static str,
    target: Vec<u8>,
    end: &'static str,
    body: Body,
}

impl Sent {
    fn bytes(&self) -> Vec<u8> {
        let end = self.end.as_bytes();
        let mut bytes = [
            self.method.as_bytes(),
            b" ",
            &self.target,
            b" HTTP/1.1",
            end,
            b"X: \"y\"",
            end,
        ]
        .concat();
        match &self.body {
            Body::None => bytes.extend_from_slice(end),
            Body::Sized(body) => {
                bytes.extend_from_slice(format!("Content-Length: {}{1}{1}", body.len(), self.end).as_bytes());
                bytes.extend_from_slice(body);
            }
            Body::Chunked(chunks) => {
                bytes.extend_from_slice(format!("Transfer-Encoding: chunked{0}{0}", self.end).as_bytes());
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }

    fn body(&self) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Sized(body) => body.clone(),
            Body::Chunked(chunks) => chunks.concat(),
        }
    }
}

/// Bodies that look like what stands around them.
fn text(min: usize) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        select(
            &[
                "\r\n\r\n",
                "\n",
                "GET /\"a\" HTTP/1.1\r\n",
                "0\r\n\r\n",
                "5\r\n",
                "\"",
                "Content-Length: 9"
            ][..]
        )
        .prop_map(|part| part.as_bytes().to_vec()),
        vec(any::<u8>(), 1..9),
    ];
    vec(part, min..6).prop_map(|parts| parts.concat())
}

fn sent() -> impl Strategy<Value = Sent> {
    let byte = prop_oneof![
        select(&b"\"<>`#?/{}^|\\"[..]),
        any::<u8>().prop_filter("bytes that Go takes", |byte| *byte > b' '
            && *byte != 0x7F
            && *byte != b'%'),
    ];
    let target = (select(&["/", "http://h/", "http://h?"][..]), vec(byte, 0..20))
        .prop_map(|(start, rest)| [start.as_bytes(), &rest].concat());
    let body = prop_oneof![
        Just(Body::None),
        text(0).prop_map(Body::Sized),
        vec(text(1), 0..4).prop_map(Body::Chunked),
    ];
    let method = select(&["GET", "PUT", "POST", "DELETE", "M-SEARCH"][..]);
    (method, target, select(&["\r\n", "\n"][..]), body).prop_map(|(method, target, end, body)| Sent {
        method,
        target,
        end,
        body,
    })
}

/// The bytes, cut at these places.
fn cut(bytes: &[u8], mut places: Vec<prop::sample::Index>) -> Vec<&[u8]> {
    places.sort_by_key(|place| place.index(bytes.len() + 1));
    let mut pieces = Vec::new();
    let mut from = 0;
    for place in places {
        let to = place.index(bytes.len() + 1);
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces.push(&bytes[from..]);
    pieces
}

/// What a target of the form that was sent means, without escapes.
fn meaning(target: &[u8]) -> Vec<u8> {
    match target.strip_prefix(b"http://h") {
        Some(rest) if rest.starts_with(b"?") => [b"/", rest].concat(),
        Some(rest) => rest.to_vec(),
        None => target.to_vec(),
    }
}

proptest! {
    #[test]
    fn every_request_comes_out_as_it_was_meant_however_its_bytes_come(
        requests in vec(sent(), 1..5),
        places in vec(any::<prop::sample::Index>(), 0..12),
        read_bytes in prop_oneof![1..4usize, Just(usize::MAX)],
    ) {
        let bytes = requests.iter().map(Sent::bytes).collect::<Vec<_>>().concat();
        let seen = Trial { read_bytes, ..WHOLE }.run(&cut(&bytes, places));
        prop_assert_eq!(seen.len(), requests.len());
        for (seen, sent) in seen.iter().zip(&requests) {
            prop_assert_eq!(&seen.method, sent.method);
            prop_assert_eq!(percent_decode(&seen.target), Some(meaning(&sent.target)));
            prop_assert_eq!(seen.body.clone(), Some(sent.body()));
            prop_assert_eq!(seen.headers.first().map(|(_, value)| value.as_slice()), Some(&b"\"y\""[..]));
        }
    }

    #[test]
    fn the_library_finds_the_same_requests_as_without_and_goes_on_where_it_stopped(
        parts in vec(select(PARTS), 1..24),
        places in vec(any::<prop::sample::Index>(), 0..8),
        reads_bodies in any::<bool>(),
    ) {
        let bytes = parts.concat();
        let pieces = cut(bytes.as_bytes(), places);
        let escapes = Trial { reads_bodies, ..WHOLE }.run(&pieces);
        let does_not = Trial { reads_bodies, escapes: false, ..WHOLE }.run(&pieces);
        prop_assert_eq!(does_not.as_slice(), escapes.get(..does_not.len()).unwrap_or_default());
        let refused_by_the_library = |request: &Seen| request.target.contains("%22");
        if let Some(next) = escapes.get(does_not.len()) {
            prop_assert!(refused_by_the_library(next), "{next:?}");
        }
    }
}

/// Parts of requests, right and wrong ones.
const PARTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /?\"a\" HTTP/1.1\r\n\r\n",
    "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
    "CONNECT h:1 HTTP/1.1\r\n\r\n",
    "Connection: upgrade\r\nUpgrade: x\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 4\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Expect: 100-continue\r\n",
    "GET",
    " ",
    " /",
    " HTTP/1.1",
    "\r\n",
    "\n",
    "\r",
    "\t",
    ":",
    "x: y",
    "5\r\nhello\r\n",
    "5;x=y\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "00000000000000005\r\nhello\r\n",
    "hello",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];
