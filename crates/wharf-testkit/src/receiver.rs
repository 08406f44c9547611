//! A server that takes requests for a test, and answers what it is told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::DEADLINE;

/// What requests have brought, one after the other.
#[derive(Debug)]
pub struct Requests<T> {
    address: SocketAddr,
    received: Receiver<T>,
}

impl<T: Send + 'static> Requests<T> {
    /// Answers each request with the next of these statuses, and ever after with the last one; `rest` stands behind it in every answer.
    /// `read` says what the head of a request and its body are; one that is nothing has no answer.
    pub(crate) fn start(
        statuses: &'static [&'static str],
        rest: &'static str,
        read: fn(String, Vec<u8>) -> Option<T>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("an address");
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            for number in 0.. {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                let status = statuses.get(number).or(statuses.last());
                let status = status.copied().unwrap_or("200 OK");
                let request = request(&stream).and_then(|(head, body)| read(head, body));
                let Some(request) = request else { continue };
                // Whoever has been answered is through with it.
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{rest}");
                if sender.send(request).is_err() || stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
        Self { address, received }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the next request has brought.
    #[track_caller]
    pub fn next(&self) -> T {
        self.received.recv_timeout(DEADLINE).expect("a request")
    }

    /// Whether nothing more has come so far.
    pub fn is_left_alone(&self) -> bool {
        self.received.try_recv().is_err()
    }
}

/// The head of a request, and its body, whose length the head has to say.
fn request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let small = head.to_lowercase();
    let mut lines = small.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
