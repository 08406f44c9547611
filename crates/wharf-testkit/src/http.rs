//! An HTTP/1.1 client that sends exactly what it is told to: paths are not normalised, headers keep their order
//! and spelling, and nothing is added behind the test's back except `Host` and the body's length.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::wait::DEADLINE;

/// A request under construction.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    version: &'static str,
    host: bool,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    /// Neither bytes nor a length.
    None,
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    /// A request of any method; `target` goes into the request line as it is.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            host: true,
            headers: Vec::new(),
            body: Body::None,
        }
    }

    /// Appends a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body and its `Content-Length`, also if it is empty.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(body.into());
        self
    }

    /// Sets a body that goes out in the given chunks.
    #[must_use]
    pub fn chunked(mut self, chunks: &[&str]) -> Self {
        self.body = Body::Chunked(chunks.iter().map(|chunk| chunk.as_bytes().to_vec()).collect());
        self
    }

    /// Leaves the `Host` header out.
    #[must_use]
    pub fn without_host(mut self) -> Self {
        self.host = false;
        self
    }

    /// Speaks HTTP/1.0.
    #[must_use]
    pub fn http_1_0(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head().into_bytes();
        match &self.body {
            Body::None => {}
            Body::Sized(body) => bytes.extend_from_slice(body),
            Body::Chunked(chunks) => {
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

    fn head(&self) -> String {
        let mut lines = vec![format!("{} {} {}", self.method, self.target, self.version)];
        if self.host {
            lines.push("Host: gateway.test".to_owned());
        }
        lines.extend(
            self.headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        match &self.body {
            Body::None => {}
            Body::Sized(body) => lines.push(format!("Content-Length: {}", body.len())),
            Body::Chunked(_) => lines.push("Transfer-Encoding: chunked".to_owned()),
        }
        lines.join("\r\n") + "\r\n\r\n"
    }
}

/// Prints the request line and the start of the body, for messages of failing tests.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            write!(f, " [{name}: {value:.120}]")?;
        }
        if let Body::Sized(body) = &self.body {
            match str::from_utf8(body) {
                Ok(text) => write!(f, " {:?}", text.chars().take(300).collect::<String>())?,
                Err(_) => write!(f, " {} bytes that are not text", body.len())?,
            }
        }
        Ok(())
    }
}

/// `GET target`.
pub fn get(target: &str) -> Request {
    Request::new("GET", target)
}

/// `HEAD target`.
pub fn head(target: &str) -> Request {
    Request::new("HEAD", target)
}

/// `POST target`, still without a body.
pub fn post(target: &str) -> Request {
    Request::new("POST", target)
}

/// `PUT target`, still without a body.
pub fn put(target: &str) -> Request {
    Request::new("PUT", target)
}

/// `DELETE target`.
pub fn delete(target: &str) -> Request {
    Request::new("DELETE", target)
}

/// `OPTIONS target`.
pub fn options(target: &str) -> Request {
    Request::new("OPTIONS", target)
}

/// A response, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names as sent, values without the blanks around them, in order.
    pub headers: Vec<(String, String)>,
    /// The body without its chunk framing, still compressed if it came compressed.
    pub body: Vec<u8>,
    /// Statuses of the interim responses before this one.
    pub interim: Vec<u16>,
}

impl Response {
    /// The value of the first header of that name, in any case of letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 are shown as replacement characters.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body without its `Content-Encoding`, as text.
    ///
    /// # Errors
    /// When the body is not in the encoding that the header names.
    pub fn plain_text(&self) -> io::Result<String> {
        match self.header("Content-Encoding") {
            None => Ok(self.text()),
            Some(encoding) => {
                let plain = crate::body::decompress(encoding, &self.body)?;
                String::from_utf8(plain).map_err(io::Error::other)
            }
        }
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(json) => json,
            Err(error) => panic!("expected JSON, found {:?}: {error}", self.text()),
        }
    }
}

/// One TCP connection to a gateway, used for any number of requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// Connects from 127.0.0.`last`, which is another address than that of everybody else. Every read and write fails after
/// [`DEADLINE`].
///
/// # Errors
/// When nobody listens there.
pub fn open_from(address: SocketAddr, last: u8) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let own: SocketAddr = (Ipv4Addr::new(127, 0, 0, last), 0).into();
    socket.bind(&own.into())?;
    socket.connect(&address.into())?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    Ok(socket.into())
}

impl Connection {
    /// Connects. Every read and write fails after [`DEADLINE`].
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::over(TcpStream::connect_timeout(&address, DEADLINE)?)
    }

    /// The same over a stream that is connected already.
    ///
    /// # Errors
    /// When the system does not allow deadlines.
    pub fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// When the connection ends before a whole response came.
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        self.write(&request.to_bytes())?;
        self.read_response(&request.method)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side has closed the connection.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that no more bytes will be sent.
    ///
    /// # Errors
    /// When the connection is already gone.
    pub fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    /// Reads one response to a request of `method`, skipping interim ones.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if the connection ends first, [`io::ErrorKind::InvalidData`] if what
    /// comes is not HTTP.
    pub fn read_response(&mut self, method: &str) -> io::Result<Response> {
        let mut interim = Vec::new();
        loop {
            let (status, headers) = self.read_head()?;
            if (100..200).contains(&status) {
                interim.push(status);
                continue;
            }
            let mut response = Response {
                status,
                headers,
                body: Vec::new(),
                interim,
            };
            if method != "HEAD" && status != 204 && status != 304 {
                response.body = self.read_body(&response)?;
            }
            return Ok(response);
        }
    }

    /// Reads the interim response alone that answers `Expect: 100-continue`.
    ///
    /// # Errors
    /// As those of [`Self::read_response`].
    pub fn read_interim(&mut self) -> io::Result<()> {
        match self.read_head()? {
            (100, _) => Ok(()),
            (status, _) => Err(invalid(format!("expected 100, found {status}"))),
        }
    }

    /// Reads until the other side closes the connection.
    ///
    /// # Errors
    /// When the deadline passes first; a reset counts as an end.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(bytes),
        }
    }

    fn read_head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let line = self.read_line()?;
        let status = line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("expected a status line, found {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(format!("expected a header, found {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn read_body(&mut self, response: &Response) -> io::Result<Vec<u8>> {
        if response
            .header("Transfer-Encoding")
            .is_some_and(|encoding| encoding == "chunked")
        {
            return self.read_chunks();
        }
        match response.header("Content-Length") {
            Some(length) => {
                let length = length
                    .parse()
                    .map_err(|_| invalid(format!("Content-Length: {length}")))?;
                self.read_exact(length)
            }
            None => self.read_to_end(),
        }
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let size =
                usize::from_str_radix(&line, 16).map_err(|_| invalid(format!("chunk size {line:?}")))?;
            let chunk = self.read_exact(size)?;
            let end = self.read_line()?;
            if !end.is_empty() {
                return Err(invalid(format!("expected the end of a chunk, found {end:?}")));
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk);
        }
    }

    fn read_exact(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None if line.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Err(invalid(format!("expected CR LF at the end of {line:?}"))),
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests;
