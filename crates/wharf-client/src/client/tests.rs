use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::*;
use crate::{Counters, How, Secret};

/// Answers one connection after the other with these, and gives back what was asked.
fn gateway(answers: &'static [&'static str]) -> (Target, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target {
        address: listener.local_addr().unwrap().to_string().parse().unwrap(),
        timeout: Some(Duration::from_secs(20)),
        ..Target::default()
    };
    let asked = std::thread::spawn(move || {
        answers
            .iter()
            .map(|answer| answer_one(&listener.accept().unwrap().0, answer))
            .collect()
    });
    (target, asked)
}

fn answer_one(mut stream: &TcpStream, answer: &str) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\n");
    let (head_of_answer, text) = answer.split_once('|').unwrap_or((&answer, ""));
    let length = text.trim_end_matches("\r\nConnection: close\r\n").len();
    write!(
        stream,
        "{head_of_answer}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&text.as_bytes()[..length]).unwrap();
    if head.contains("content-encoding: gzip") {
        let compressed = std::mem::take(&mut body);
        flate2::read::GzDecoder::new(compressed.as_slice())
            .read_to_end(&mut body)
            .unwrap();
    }
    head + &String::from_utf8_lossy(&body)
}

fn push() -> Push {
    Push {
        expect: None,
        key: GroupingKey::new([("job", "a"), ("dir", "/")]).unwrap(),
        how: How::ReplaceFamilies,
        text: b"m 1\n".to_vec(),
        ttl: None,
        counters: Counters::AsConfigured,
    }
}

fn eager() -> Retry {
    Retry {
        first_pause: Duration::from_millis(1),
        ..Retry::within(Duration::from_secs(60))
    }
}

#[test]
fn a_push_is_one_request_with_its_credentials() {
    let (mut target, asked) = gateway(&["200 OK"]);
    target.credentials = Some(Credentials::Basic {
        username: "me".to_owned(),
        password: Secret::new("pass:word"),
    });
    Client::new(&target).unwrap().push(&push()).unwrap();
    let asked = asked.join().unwrap().remove(0);
    assert!(
        asked.starts_with("POST /metrics/job/a/dir@base64/Lw HTTP/1.1\r\n"),
        "{asked}"
    );
    let lower = asked.to_lowercase();
    assert!(
        lower.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{asked}"
    );
    assert!(lower.contains("user-agent: wharf/"), "{asked}");
    assert!(asked.contains("Basic bWU6cGFzczp3b3Jk\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\nm 1\n"), "{asked}");
}

#[test]
fn a_large_body_is_compressed() {
    let (target, asked) = gateway(&["200 OK"]);
    let text = b"metric_with_a_long_name 1\n".repeat(100);
    let push = Push { text, ..push() };
    Client::new(&target).unwrap().push(&push).unwrap();
    let asked = asked.join().unwrap().remove(0);
    assert!(asked.contains("content-encoding: gzip\r\n"), "{asked:.300}");
    assert!(asked.ends_with(&String::from_utf8(push.text).unwrap()));
}

#[test]
fn a_refusal_says_what_the_gateway_says() {
    let (target, asked) = gateway(&["400 Bad Request|text format parsing error in line 1\n"]);
    let error = Client::new(&target).unwrap().push(&push()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the gateway answered 400: text format parsing error in line 1"
    );
    assert!(error.is_for_good());
    asked.join().unwrap();
}

#[test]
fn a_push_that_may_pass_later_is_repeated_until_it_does() {
    let answers = &[
        "503 Busy",
        "502 Bad Gateway",
        "429 Slow\r\nRetry-After: 0",
        "202 Accepted",
    ];
    let (target, asked) = gateway(answers);
    Client::new(&target)
        .unwrap()
        .push_retrying(&push(), eager())
        .unwrap();
    assert_eq!(asked.join().unwrap().len(), 4);
}

#[test]
fn a_push_that_will_never_pass_is_not_repeated() {
    let (target, asked) = gateway(&["401 Unauthorized|no\n"]);
    let error = Client::new(&target)
        .unwrap()
        .push_retrying(&push(), eager())
        .unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert_eq!(asked.join().unwrap().len(), 1);
}

#[test]
fn redirects_are_not_followed() {
    let (target, asked) = gateway(&["301 Moved\r\nLocation: http://127.0.0.1:1/"]);
    let error = Client::new(&target).unwrap().push(&push()).unwrap_err();
    assert_eq!(error.status(), Some(301));
    asked.join().unwrap();
}

#[test]
fn a_longer_answer_than_asked_for_is_an_error() {
    let (target, asked) = gateway(&["200 OK|0123456789"]);
    let request = Request {
        max_answer_bytes: 5,
        ..Request::get("/api/v1/status")
    };
    let error = Client::new(&target).unwrap().send(&request).unwrap_err();
    assert!(matches!(error, ClientError::Answer { .. }), "{error}");
    asked.join().unwrap();
}

#[test]
fn nobody_there_is_told_apart_from_nobody_answering() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut target = Target {
        address: closed.to_string().parse().unwrap(),
        timeout: Some(Duration::from_millis(50)),
        ..Target::default()
    };
    let error = Client::new(&target).unwrap().push(&push()).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert!(error.is_transient());

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    target.address = silent.local_addr().unwrap().to_string().parse().unwrap();
    let error = Client::new(&target).unwrap().push(&push()).unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert!(error.is_transient());
}

#[test]
fn a_server_without_tls_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut target = Target {
        address: format!("https://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap(),
        ..Target::default()
    };
    target.tls.insecure_skip_verify = true;
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client has gone, for an early end would look like a broken connection.
        let _ended = stream.read_to_end(&mut Vec::new());
    });
    let error = Client::new(&target).unwrap().push(&push()).unwrap_err();
    assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
    server.join().unwrap();
}

#[test]
fn what_is_no_certificate_is_refused_before_anything_is_sent() {
    let mut target = Target::default();
    target.tls.authorities = Some(b"nonsense".to_vec());
    let error = Client::new(&target).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected certificates in PEM as authorities, found none"
    );
}

#[test]
fn a_page_for_people_is_no_answer_of_a_gateway() {
    let (target, asked) = gateway(&["200 OK\r\nContent-Type: text/html; charset=utf-8|<h1>Log in</h1>"]);
    let error = Client::new(&target).unwrap().push(&push()).unwrap_err();
    assert!(error.to_string().ends_with("found a page for people"), "{error}");
    asked.join().unwrap();
}

#[test]
fn a_redirect_says_where_the_gateway_is_said_to_be() {
    let (target, asked) = gateway(&["301 Moved\r\nLocation: https://x.example/metrics|<a>moved</a>"]);
    let error = Client::new(&target).unwrap().push(&push()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the gateway answered 301: it points to https://x.example/metrics\n\
         hint: redirects are not followed, so give that URL"
    );
    asked.join().unwrap();
}

#[test]
fn an_answer_of_any_length_has_to_begin_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target {
        address: listener.local_addr().unwrap().to_string().parse().unwrap(),
        timeout: Some(Duration::from_millis(50)),
        ..Target::default()
    };
    let client = Client::new(&target).unwrap();
    // The system takes the connection; nobody answers.
    let mut request = Request::get("/api/v1/metrics");
    request.whole_answer_in_time = false;
    let opened = client.open(&request).map(drop);
    assert!(matches!(opened, Err(ClientError::Timeout { .. })), "{opened:?}");
}

/// Why an answer cannot be read of which these bytes come; then the connection stays, or not.
#[track_caller]
fn why_unread(answer: &'static str, stays: bool) -> ClientError {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target {
        address: listener.local_addr().unwrap().to_string().parse().unwrap(),
        timeout: Some(Duration::from_millis(if stays { 500 } else { 20_000 })),
        ..Target::default()
    };
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = BufReader::new(&stream).lines();
        while !head.next().unwrap().unwrap().is_empty() {}
        drop(head);
        stream.write_all(answer.as_bytes()).unwrap();
        if stays {
            // Until the client has gone.
            let _ended = stream.read_to_end(&mut Vec::new());
        }
    });
    let request = Request {
        whole_answer_in_time: false,
        max_answer_bytes: 20,
        ..Request::get("/api/v1/metrics")
    };
    let mut opened = Client::new(&target).unwrap().open(&request).unwrap();
    let error = opened.read_to_end(&mut Vec::new()).unwrap_err();
    drop(opened);
    server.join().unwrap();
    *error.into_inner().unwrap().downcast().unwrap()
}

#[test]
fn an_answer_that_stops_or_ends_early_is_no_whole_one() {
    for head in ["Content-Length: 9", "Transfer-Encoding: chunked"] {
        // Of the chunk one byte and its end are missing.
        let answer: &'static str = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nm 1\n").leak();
        let [stopped, ended] = [true, false].map(|stays| why_unread(answer, stays));
        assert!(matches!(stopped, ClientError::Stalled { .. }), "{stopped}");
        assert!(
            stopped
                .to_string()
                .contains("within 500ms, found nothing\nhint: "),
            "{stopped}"
        );
        assert!(matches!(ended, ClientError::CutShort { .. }), "{ended}");
        assert!(stopped.is_transient() && ended.is_transient());
    }
}

#[test]
fn an_answer_beyond_its_limit_is_not_read_to_its_end() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n0123456789012345678901234";
    let error = why_unread(answer, false);
    assert!(matches!(error, ClientError::Answer { .. }), "{error}");
}
