//! Request targets as people type them: `GET /api/v1/groups?match[]={job="x"} HTTP/1.1`.
//!
//! The HTTP library refuses some bytes in a target that Go's servers take: `"`, `<`, `>`, a backtick, and bytes that are not UTF-8.
//! It also cuts a target off at `#`, which Go does not. Here, below the library, these bytes of the request line become
//! `%22` and so on, which mean the same. Nothing else of what is sent changes, and what is not understood is passed on as it came.
//!
//! # Where a request line is
//! A second opinion on where requests begin and end would be a way to smuggle some. So there is none: the library decides. It gets
//! a head and makes a request of it. Then it has said how long the body is. Bytes behind that are the next head, whatever
//! they look like. What comes together with a head goes on with it if that looks like a part of its body, and waits for the
//! library's word otherwise. If the library ever does something else than what was expected, everything is passed on as it
//! is from then on.
//!
//! `docs/decisions/0005-request-targets.md` has the other ways that were thought of.

mod escape;
mod head;
mod http2;
mod lengths;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(
    not(feature = "fuzzing"),
    expect(unreachable_pub, reason = "fuzz targets reach it, tests alone do not")
)]
pub(crate) mod trial;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::escape::{escaped, is_taken};
use self::http2::Frames;
use self::lengths::Lengths;

/// What the library has made of a head, told by the service that gets its request; and what that service is told of the head.
#[derive(Debug)]
pub(crate) struct Framing {
    told: AtomicU64,
    has_length: AtomicBool,
}

/// No request has come of the head yet.
const NOTHING: u64 = u64::MAX;
/// More than one has.
const SEVERAL: u64 = u64::MAX - 1;
/// Its body comes in chunks.
const CHUNKED: u64 = u64::MAX - 2;

impl Framing {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            told: AtomicU64::new(NOTHING),
            has_length: AtomicBool::new(false),
        })
    }

    /// A request has come, with a body of so many bytes; none: in chunks.
    pub(crate) fn tell(&self, body_bytes: Option<u64>) {
        let told = body_bytes.map_or(CHUNKED, |bytes| bytes.min(CHUNKED - 1));
        let is_first = self.told.load(Ordering::Relaxed) == NOTHING;
        self.told
            .store(if is_first { told } else { SEVERAL }, Ordering::Relaxed);
    }

    /// Whether the head of the request that has come says how long its body is. Where the body comes in chunks, the library does not
    /// show that. Behind something that was not understood, whether any head has said so.
    pub(crate) fn has_length(&self) -> bool {
        self.has_length.load(Ordering::Relaxed)
    }

    fn set_length(&self, has_length: bool) {
        self.has_length.store(has_length, Ordering::Relaxed);
    }

    fn take(&self) -> Option<u64> {
        match self.told.load(Ordering::Relaxed) {
            NOTHING => None,
            told => {
                self.told.store(NOTHING, Ordering::Relaxed);
                Some(told)
            }
        }
    }
}

/// A stream whose request targets are ones that the library takes.
#[derive(Debug)]
pub(crate) struct Targets<S> {
    inner: S,
    framing: Arc<Framing>,
    position: Position,
    /// In the fields of the head at that position.
    lengths: Lengths,
    /// Bytes that have come, and wait for what the library makes of those before.
    held: Vec<u8>,
    /// How many of them have gone on.
    held_from: usize,
    /// Over HTTP/2.
    frames: Option<Box<Frames>>,
}

impl<S> Targets<S> {
    /// Whoever serves the requests has to tell the [`Framing`] of each.
    pub(crate) fn new(inner: S) -> (Self, Arc<Framing>) {
        let framing = Framing::new();
        let targets = Self {
            inner,
            framing: Arc::clone(&framing),
            position: Position::Before,
            lengths: Lengths::LINE,
            held: Vec::new(),
            held_from: 0,
            frames: None,
        };
        (targets, framing)
    }

    /// The same for HTTP/2. Its frames have lengths, so that nobody has to tell anything.
    pub(crate) fn of_http2(inner: S) -> (Self, Arc<Framing>) {
        let (mut targets, framing) = Self::unchanged(inner);
        targets.frames = Some(Box::new(Frames::new()));
        (targets, framing)
    }

    /// A stream that is passed on as it is.
    fn unchanged(inner: S) -> (Self, Arc<Framing>) {
        let (targets, framing) = Self::new(inner);
        let position = Position::Unknown;
        (Self { position, ..targets }, framing)
    }

    /// The library asks for more: what that says about where it is.
    fn learn(&mut self) {
        self.position = match (self.position, self.framing.take()) {
            (Position::Handed { body: 0 }, Some(CHUNKED)) => Position::Chunk(Chunk::Size(0, 0)),
            (Position::Handed { .. }, Some(CHUNKED | SEVERAL)) => Position::Unknown,
            (Position::Handed { body }, Some(bytes)) => match bytes.checked_sub(body) {
                Some(0) => Position::Before,
                Some(left) => Position::Body(left),
                // It has got more than the body.
                None => Position::Unknown,
            },
            // It has made a request of less than what was taken for a head, or none of all of it.
            (_, Some(_)) | (Position::Handed { .. }, None) => Position::Unknown,
            (position, None) => position,
        };
    }

    /// Passes on what is held, as far as there is room and it may go.
    fn pass_held(&mut self, buf: &mut ReadBuf<'_>) {
        while buf.remaining() > 0 {
            let rest = self.held.get(self.held_from..).unwrap_or_default();
            let room = rest.get(..buf.remaining()).unwrap_or(rest);
            let (passed, stop) = self.position.advance(room, &mut self.lengths);
            buf.put_slice(room.get(..passed).unwrap_or_default());
            self.framing.set_length(self.lengths == Lengths::Found);
            self.held_from += passed;
            match stop {
                Stop::Nothing | Stop::End => break,
                Stop::Escape => {
                    self.held = escaped(self.held.get(self.held_from..).unwrap_or_default());
                    self.held_from = 0;
                }
            }
        }
        if self.held_from >= self.held.len() {
            // Most connections are idle, and hold nothing then.
            self.held = Vec::new();
            self.held_from = 0;
        }
    }
}

impl<S: AsyncRead + Unpin> Targets<S> {
    /// Reads frames until some of them can be passed on.
    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while let Some(frames) = self.frames.as_mut().filter(|_| self.held.is_empty()) {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
            let read = buf.filled().get(before..).unwrap_or_default();
            if read.is_empty() {
                self.held = frames.rest();
                break;
            }
            if frames.passes(read) {
                return Poll::Ready(Ok(()));
            }
            self.held = frames.advance(read);
            buf.set_filled(before);
        }
        self.pass_held(buf);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Targets<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.learn();
        if this.frames.is_some() {
            return this.poll_frames(cx, buf);
        }
        if this.held.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
            let read = buf.filled().get(before..).unwrap_or_default();
            if this.position == Position::Before
                && let Some((head, has_length)) = head::plain(read)
            {
                let body = (read.len() - head) as u64;
                this.position = Position::Handed { body };
                this.framing.set_length(has_length);
                return Poll::Ready(Ok(()));
            }
            let (passed, stop) = this.position.advance(read, &mut this.lengths);
            this.framing.set_length(this.lengths == Lengths::Found);
            let rest = read.get(passed..).unwrap_or_default();
            if rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.held = match stop {
                Stop::Escape => escaped(rest),
                Stop::End | Stop::Nothing => rest.to_vec(),
            };
            buf.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        this.pass_held(buf);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Targets<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }
}

/// Where in a request the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Before a request line, where empty lines are skipped.
    Before,
    Method,
    /// Before a target.
    Target,
    /// In a target such as `http://host/path`, before its path, behind so many slashes.
    Authority {
        slashes: u8,
    },
    PathOrQuery,
    /// Behind the target.
    Version,
    /// In the lines behind the request line.
    Fields(Line),
    /// Behind a head and so many bytes of its body. What comes next is the library's to say.
    Handed {
        body: u64,
    },
    /// In a body of which so many bytes are left.
    Body(u64),
    /// In a body in chunks.
    Chunk(Chunk),
    /// Anywhere: everything is passed on.
    Unknown,
}

/// What there is of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Nothing,
    CarriageReturn,
    Something,
}

/// Where in a body in chunks the next byte is. Only what every reader reads alike is followed: no extensions, no trailers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// In the size of a chunk: what it is so far, and how many digits that were.
    Size(u64, u8),
    /// Before the line feed behind it.
    SizeEnd(u64),
    /// In a chunk with so many bytes left, the two behind it included.
    Data(u64),
    /// Before the end of the line behind the last chunk, and before its line feed.
    Last,
    LastEnd,
}

/// As many digits as 32 bits have.
const MAX_SIZE_DIGITS: u8 = 8;

/// Why bytes are not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// There are no more.
    Nothing,
    /// A byte of a target comes that has to be escaped.
    Escape,
    /// A head or a body has ended.
    End,
}

impl Position {
    /// Goes over bytes as far as they can be passed on as they are: how many, and why not more.
    fn advance(&mut self, bytes: &[u8], lengths: &mut Lengths) -> (usize, Stop) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (next, passed, stop) = self.step(rest);
            match self {
                Self::Before => *lengths = Lengths::LINE,
                // Where heads cannot be told from bodies, any line may be a field of one.
                Self::Version | Self::Fields(_) | Self::Unknown => {
                    lengths.look(rest.get(..passed).unwrap_or_default());
                }
                _ => {}
            }
            *self = next;
            at += passed;
            if stop != Stop::Nothing {
                return (at, stop);
            }
        }
        (at, Stop::Nothing)
    }

    /// One part of a request, or what there is of it: where that ends, how many bytes it has, and whether to stop there.
    fn step(self, bytes: &[u8]) -> (Self, usize, Stop) {
        let first = bytes.first().copied().unwrap_or_default();
        let go = |next: Self, passed: usize| (next, passed, Stop::Nothing);
        match self {
            Self::Before if matches!(first, b'\r' | b'\n') => go(self, 1),
            Self::Before => go(Self::Method, 0),
            Self::Method => match bytes.iter().position(|byte| *byte <= b' ') {
                None => go(self, bytes.len()),
                Some(at) if bytes.get(at) == Some(&b' ') => go(Self::Target, at + 1),
                Some(at) => go(Self::Unknown, at),
            },
            Self::Target if first == b'/' => go(Self::PathOrQuery, 1),
            Self::Target => go(Self::Authority { slashes: 0 }, 0),
            Self::Authority { slashes } => match first {
                0..b' ' => go(Self::Unknown, 0),
                b' ' => go(Self::Version, 1),
                b'?' => go(Self::PathOrQuery, 1),
                b'/' if slashes == 2 => go(Self::PathOrQuery, 1),
                b'/' => go(Self::Authority { slashes: slashes + 1 }, 1),
                _ => go(self, 1),
            },
            Self::PathOrQuery => match bytes.iter().position(|byte| !is_taken(*byte)) {
                None => go(self, bytes.len()),
                Some(at) => match bytes.get(at) {
                    Some(b' ') => go(Self::Version, at + 1),
                    Some(0..b' ') => go(Self::Unknown, at),
                    _ => (self, at, Stop::Escape),
                },
            },
            Self::Version => match memchr(b'\n', bytes) {
                None => go(self, bytes.len()),
                Some(at) => go(Self::Fields(Line::Nothing), at + 1),
            },
            Self::Fields(line) => {
                let end = memchr(b'\n', bytes);
                let line = match (line, bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default()) {
                    (line, []) => line,
                    (Line::Nothing, [b'\r']) => Line::CarriageReturn,
                    _ => Line::Something,
                };
                match end {
                    None => go(Self::Fields(line), bytes.len()),
                    Some(at) if line == Line::Something => go(Self::Fields(Line::Nothing), at + 1),
                    Some(at) => (Self::Handed { body: 0 }, at + 1, Stop::End),
                }
            }
            Self::Handed { .. } => (self, 0, Stop::End),
            Self::Body(left) => {
                let passed = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                match left - passed as u64 {
                    0 => (Self::Before, passed, Stop::End),
                    left => go(Self::Body(left), passed),
                }
            }
            Self::Chunk(chunk) => chunk.step(bytes),
            Self::Unknown => go(self, bytes.len()),
        }
    }
}

impl Chunk {
    fn step(self, bytes: &[u8]) -> (Position, usize, Stop) {
        let first = bytes.first().copied().unwrap_or_default();
        let next = |chunk: Self| Position::Chunk(chunk);
        let digit = char::from(first).to_digit(16).map(u64::from);
        let (position, passed) = match (self, first, digit) {
            (Self::Size(size, digits), _, Some(digit)) if digits < MAX_SIZE_DIGITS => {
                (next(Self::Size(size * 16 + digit, digits + 1)), 1)
            }
            (Self::Size(size, 1..), b'\r', _) => (next(Self::SizeEnd(size)), 1),
            (Self::SizeEnd(0), b'\n', _) => (next(Self::Last), 1),
            (Self::SizeEnd(size), b'\n', _) => (next(Self::Data(size + 2)), 1),
            (Self::Data(left), ..) => {
                let passed = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                match left - passed as u64 {
                    0 => (next(Self::Size(0, 0)), passed),
                    left => (next(Self::Data(left)), passed),
                }
            }
            (Self::Last, b'\r', _) => (next(Self::LastEnd), 1),
            (Self::LastEnd, b'\n', _) => return (Position::Before, 1, Stop::End),
            _ => (Position::Unknown, 0),
        };
        (position, passed, Stop::Nothing)
    }
}
