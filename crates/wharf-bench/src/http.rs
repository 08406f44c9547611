//! A blocking client: one request at a time, the answer kept whole, timed to its last byte.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::endpoint::{Endpoint, Stream};
use crate::response::Response;

/// The buffer's first size; it doubles when it is full.
const FIRST_BUFFER_BYTES: usize = 1 << 20;
/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1 << 31;

/// A connection that is kept open between requests.
#[derive(Debug)]
pub struct Client {
    stream: Stream<TcpStream>,
    /// Kept between answers, so that only the first large one pays for the memory.
    buffer: Vec<u8>,
    filled: usize,
    response: Response,
}

/// What is known of the answer that a [`Client`] has just read.
#[derive(Debug, Clone, Copy)]
pub struct Fetched {
    /// The status code.
    pub status: u16,
    /// Length of the body as sent, without the framing of its chunks.
    pub body_bytes: usize,
    /// From before the request to after the last byte of the body.
    pub elapsed: Duration,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn connect(server: &Endpoint, timeout: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&server.address, timeout).context("connect")?;
        stream.set_nodelay(true).context("set up the connection")?;
        stream
            .set_read_timeout(Some(timeout))
            .context("set up the connection")?;
        Ok(Self {
            stream: server.open(stream)?,
            buffer: vec![0; FIRST_BUFFER_BYTES],
            filled: 0,
            response: Response::default(),
        })
    }

    /// Sends the bytes of a request and reads the answer to its end.
    ///
    /// # Errors
    /// If the connection breaks, the answer is not HTTP, or nothing comes for too long.
    pub fn send(&mut self, request: &[u8]) -> Result<Fetched> {
        self.filled = 0;
        self.response.reset();
        let begin = Instant::now();
        self.stream.write_all(request).context("send the request")?;
        loop {
            if self.filled == self.buffer.len() {
                if self.filled >= MAX_ANSWER_BYTES {
                    bail!("the answer is longer than {MAX_ANSWER_BYTES} bytes");
                }
                self.buffer.resize(self.filled * 2, 0);
            }
            let read = self
                .stream
                .read(&mut self.buffer[self.filled..])
                .context("read the answer")?;
            self.filled += read;
            let received = &self.buffer[..self.filled];
            let done = if read == 0 {
                if !self.response.close(received) {
                    bail!("the connection ended inside the answer");
                }
                true
            } else {
                self.response.scan(received)?
            };
            if done {
                return Ok(Fetched {
                    status: self.response.status,
                    body_bytes: self.response.body_bytes(),
                    elapsed: begin.elapsed(),
                });
            }
        }
    }

    /// The body of the last answer, as sent.
    pub fn body(&self) -> Cow<'_, [u8]> {
        self.response.body(&self.buffer[..self.filled])
    }

    /// A header of the last answer.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(&self.buffer[..self.filled], name)
    }

    /// The body of the last answer, decompressed.
    ///
    /// # Errors
    /// If it is not what its `Content-Encoding` says.
    pub fn plain_body(&self) -> Result<Cow<'_, [u8]>> {
        let body = self.body();
        match self.header("Content-Encoding") {
            None => Ok(body),
            Some("gzip") => {
                let mut plain = Vec::new();
                flate2::read::MultiGzDecoder::new(body.as_ref())
                    .read_to_end(&mut plain)
                    .context("decompress the answer")?;
                Ok(Cow::Owned(plain))
            }
            Some(other) => bail!("expected gzip, found `{other}`"),
        }
    }
}

/// The bytes of a `GET` with the given headers.
pub fn get_request(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    (request + "\r\n").into_bytes()
}

/// An answer on a connection of its own.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// `GET path` on a connection of its own.
///
/// # Errors
/// As [`Client::connect`] and [`Client::send`].
pub fn get(server: &Endpoint, path: &str, timeout: Duration) -> Result<Answer> {
    let mut client = Client::connect(server, timeout)?;
    let fetched = client.send(&get_request(path, &[]))?;
    Ok(Answer {
        status: fetched.status,
        body: client.body().into_owned(),
    })
}

/// `PUT path` with a body, on a connection of its own.
///
/// # Errors
/// As [`get`].
pub fn put(server: &Endpoint, path: &str, body: &[u8]) -> Result<Answer> {
    let mut client = Client::connect(server, PUT_TIMEOUT)?;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let fetched = client.send(&[head.as_bytes(), body].concat())?;
    Ok(Answer {
        status: fetched.status,
        body: client.body().into_owned(),
    })
}

/// For how long a push may wait for its answer.
const PUT_TIMEOUT: Duration = Duration::from_secs(30);
