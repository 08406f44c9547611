//! The least HTTP/1.1 that reads the answers of servers: status, length, chunks.

use std::borrow::Cow;
use std::ops::Range;

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;

/// Largest head of an answer.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// An answer that is being read into one buffer, from the buffer's first byte on.
///
/// The buffer only grows; [`Response::scan`] goes on where it stopped, so that reading a large body in many pieces
/// looks at each chunk's head once and at its bytes never.
#[derive(Debug, Default)]
pub struct Response {
    /// The status code, once the head is complete.
    pub status: u16,
    head: usize,
    /// First byte that was not scanned yet.
    position: usize,
    framing: Framing,
    chunks: Vec<Range<usize>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Framing {
    #[default]
    Head,
    /// The body ends at this position of the buffer.
    Length(usize),
    Chunked,
    Trailers,
    UntilClose,
    Done,
}

impl Response {
    /// Forgets everything, for the next answer. Memory is kept.
    pub fn reset(&mut self) {
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.clear();
        *self = Self {
            chunks,
            ..Self::default()
        };
    }

    /// Looks at what has been read so far. Returns whether the answer is complete.
    ///
    /// # Errors
    /// If the bytes are no answer of HTTP/1.1, or more of them than the answer has.
    pub fn scan(&mut self, buffer: &[u8]) -> Result<bool> {
        loop {
            match self.framing {
                Framing::Head => {
                    let Some(end) = memmem::find(buffer, b"\r\n\r\n") else {
                        ensure!(
                            buffer.len() <= MAX_HEAD_BYTES,
                            "the head of the answer has no end"
                        );
                        return Ok(false);
                    };
                    self.read_head(&buffer[..end + 2])?;
                }
                Framing::Length(end) => {
                    if buffer.len() < end {
                        return Ok(false);
                    }
                    self.chunks.push(self.head..end);
                    self.position = end;
                    self.framing = Framing::Done;
                }
                Framing::Chunked => {
                    if !self.read_chunk(buffer)? {
                        return Ok(false);
                    }
                }
                Framing::Trailers => {
                    let Some(line) = line(buffer, self.position) else {
                        return Ok(false);
                    };
                    self.position = line.end + 2;
                    if line.is_empty() {
                        self.framing = Framing::Done;
                    }
                }
                Framing::UntilClose => return Ok(false),
                Framing::Done => {
                    ensure!(
                        buffer.len() == self.position,
                        "{} bytes follow the answer",
                        buffer.len() - self.position
                    );
                    return Ok(true);
                }
            }
        }
    }

    /// The server has closed the connection. Returns whether the answer is complete.
    pub fn close(&mut self, buffer: &[u8]) -> bool {
        if self.framing == Framing::UntilClose {
            self.chunks.push(self.head..buffer.len());
            self.framing = Framing::Done;
        }
        self.framing == Framing::Done
    }

    /// The value of a header, without the blanks around it.
    pub fn header<'a>(&self, buffer: &'a [u8], name: &str) -> Option<&'a str> {
        header(buffer.get(..self.head)?, name)
    }

    /// The body, without the framing of its chunks.
    pub fn body<'a>(&self, buffer: &'a [u8]) -> Cow<'a, [u8]> {
        let piece = |range: &Range<usize>| buffer.get(range.clone()).unwrap_or_default();
        match self.chunks.as_slice() {
            [] => Cow::Borrowed(&[]),
            [only] => Cow::Borrowed(piece(only)),
            many => Cow::Owned(many.iter().flat_map(piece).copied().collect()),
        }
    }

    /// Length of the body, without the framing of its chunks.
    pub fn body_bytes(&self) -> usize {
        self.chunks.iter().map(Range::len).sum()
    }

    fn read_head(&mut self, head: &[u8]) -> Result<()> {
        let status = head
            .strip_prefix(b"HTTP/1.")
            .and_then(|rest| rest.get(2..5))
            .and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
        self.status = status.context("expected a status line of HTTP/1.1")?;
        self.head = head.len() + 2;
        self.position = self.head;
        let chunked =
            header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        self.framing = match header(head, "content-length") {
            _ if self.status < 200 => bail!("expected an answer, found the interim status {}", self.status),
            _ if self.status == 204 || self.status == 304 => Framing::Length(self.head),
            _ if chunked => Framing::Chunked,
            Some(length) => {
                let length: usize = length
                    .parse()
                    .with_context(|| format!("expected a length, found `{length:.20}`"))?;
                Framing::Length(self.head.checked_add(length).context("the body is too long")?)
            }
            None => Framing::UntilClose,
        };
        Ok(())
    }

    /// Reads one whole chunk. Returns whether it was there.
    fn read_chunk(&mut self, buffer: &[u8]) -> Result<bool> {
        let Some(line) = line(buffer, self.position) else {
            return Ok(false);
        };
        let after = line.end + 2;
        let size = str::from_utf8(&buffer[line]).ok();
        let size = size.and_then(|text| usize::from_str_radix(text.split(';').next()?.trim(), 16).ok());
        let size = size.context("expected the size of a chunk")?;
        if size == 0 {
            self.position = after;
            self.framing = Framing::Trailers;
            return Ok(true);
        }
        let end = after.checked_add(size).context("the chunk is too long")?;
        let Some(tail) = buffer.get(end..end.saturating_add(2)) else {
            return Ok(false);
        };
        ensure!(tail == b"\r\n", "expected the end of a chunk");
        self.chunks.push(after..end);
        self.position = end + 2;
        Ok(true)
    }
}

/// The line that begins at `from`, without its end.
fn line(buffer: &[u8], from: usize) -> Option<Range<usize>> {
    let length = memmem::find(buffer.get(from..)?, b"\r\n")?;
    Some(from..from + length)
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let head = str::from_utf8(head).ok()?;
    head.split("\r\n").find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an answer that comes byte by byte: its status and body.
    fn read(bytes: &[u8]) -> Result<Option<(u16, String)>> {
        let mut response = Response::default();
        for end in 1..=bytes.len() {
            let done = response.scan(&bytes[..end])?;
            if done {
                assert_eq!(end, bytes.len(), "the answer ended early");
                let body = String::from_utf8_lossy(&response.body(bytes)).into_owned();
                assert_eq!(response.body_bytes(), body.len());
                return Ok(Some((response.status, body)));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_body_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length:  5 \r\n\r\nhello";
        assert_eq!(read(answer).unwrap(), Some((200, "hello".to_owned())));
        assert_eq!(read(&answer[..answer.len() - 1]).unwrap(), None);
        let empty = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(read(empty).unwrap(), Some((202, String::new())));
        assert_eq!(
            read(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(),
            Some((204, String::new()))
        );
    }

    #[test]
    fn chunks_are_joined_and_trailers_left_out() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nhello\r\nA;x=y\r\n, and more.\r\n0\r\nTrailer: x\r\n\r\n";
        let wrong = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n";
        assert!(read(wrong).is_err());
        let answer = String::from_utf8_lossy(answer).replace("A;x=y", "b;x=y");
        assert_eq!(
            read(answer.as_bytes()).unwrap(),
            Some((200, "hello, and more.".to_owned()))
        );
    }

    #[test]
    fn without_a_length_the_body_ends_with_the_connection() {
        let answer = b"HTTP/1.0 200 OK\r\n\r\nhello";
        let mut response = Response::default();
        assert!(!response.scan(answer).unwrap());
        assert!(response.close(answer));
        assert_eq!(response.body(answer).as_ref(), b"hello");
        let mut cut = Response::default();
        assert!(
            !cut.scan(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
                .unwrap()
        );
        assert!(!cut.close(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(read(b"SSH-2.0-server\r\n\r\n").is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n").is_err());
        let mut response = Response::default();
        assert!(
            response
                .scan(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1")
                .is_err()
        );
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n";
        let mut response = Response::default();
        assert!(response.scan(answer).unwrap());
        assert_eq!(response.header(answer, "Content-Encoding"), Some("gzip"));
        assert_eq!(response.header(answer, "Content-Type"), None);
    }
}
