//! A gateway that answers what a test tells it to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use flate2::read::GzDecoder;
use wharf_testkit::DEADLINE;

/// Answers each request with the next of its answers, and the last one ever after.
pub(super) struct Stub {
    pub(super) url: String,
    asked: Receiver<String>,
}

/// What to answer: status line and headers, or nothing at all.
pub(super) enum Answer {
    Head(&'static str),
    Silence,
}

impl Stub {
    pub(super) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = super::url(listener.local_addr().unwrap());
        let (sender, asked) = mpsc::channel();
        thread::spawn(move || {
            let mut held = Vec::new();
            for number in 0.. {
                let (stream, request) = loop {
                    let (stream, _) = listener.accept().unwrap();
                    let request = read(&stream);
                    // What only Wharf tells is no matter of these tests.
                    if !request.starts_with("GET /api/v1/groups/") {
                        break (stream, request);
                    }
                    answer(&stream, "404 Not Found");
                };
                match answers.get(number).or(answers.last()) {
                    Some(Answer::Head(head)) => answer(&stream, head),
                    // Open, but silent.
                    _ => held.push(stream),
                }
                if sender.send(request).is_err() {
                    return;
                }
            }
        });
        Self { url, asked }
    }

    /// The next request that came, head and body, expanded if it came compressed.
    #[track_caller]
    pub(super) fn asked(&self) -> String {
        self.asked.recv_timeout(DEADLINE).expect("a request")
    }

    /// Whether nothing more has come so far.
    pub(super) fn is_left_alone(&self) -> bool {
        self.asked.try_recv().is_err()
    }
}

fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return head;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    if head.to_lowercase().contains("content-encoding: gzip") {
        let compressed = std::mem::take(&mut body);
        GzDecoder::new(compressed.as_slice())
            .read_to_end(&mut body)
            .unwrap();
    }
    head + &String::from_utf8_lossy(&body)
}

fn answer(mut stream: &TcpStream, head: &str) {
    let text = "because\n";
    let length = text.len();
    let answer = format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{text}");
    stream.write_all(answer.as_bytes()).unwrap();
}
