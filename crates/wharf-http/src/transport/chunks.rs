//! Response bodies of many parts that nobody copies.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::transport::progress::{Following, Progress, Sending};

/// A buffer of many parts. It goes out by vectored writes, so that a scrape of a hundred thousand lines costs
/// some hundred system calls and no copy.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    parts: VecDeque<Bytes>,
    remaining: usize,
    held: Held,
}

impl Chunks {
    /// Appends a part.
    pub(crate) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.remaining += part.len();
            self.parts.push_back(part);
        }
    }

    /// One part.
    pub(crate) fn of(part: impl Into<Bytes>) -> Self {
        let mut chunks = Self::default();
        chunks.push(part.into());
        chunks
    }

    /// These parts, which drop this when they have been sent.
    pub(crate) fn holding(mut self, other: impl Send + Sync + 'static) -> Self {
        let before = self.held.other.take();
        self.held.other = Some(match before {
            None => Box::new(other),
            Some(before) => Box::new((before, other)),
        });
        self
    }
}

impl From<Vec<Bytes>> for Chunks {
    fn from(mut parts: Vec<Bytes>) -> Self {
        parts.retain(|part| !part.is_empty());
        Self {
            remaining: parts.iter().map(Bytes::len).sum(),
            parts: parts.into(),
            held: Held::default(),
        }
    }
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "a buffer cannot advance past its end");
        self.remaining -= count;
        while let Some(part) = self.parts.front_mut() {
            if count < part.len() {
                part.advance(count);
                return;
            }
            count -= part.len();
            self.parts.pop_front();
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = IoSlice::new(part);
            filled += 1;
        }
        filled
    }
}

/// A body: of known length and sent as one frame, or a stream of parts that are made as its reader takes them.
#[derive(Debug, Default)]
pub(crate) struct ResponseBody {
    data: Option<Chunks>,
    stream: Option<PartStream>,
}

/// The rest of a body cannot be made. The connection ends without the end of the body, so its reader learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rest of an answer could not be made")
    }
}

impl std::error::Error for Broken {}

/// The next part, and where those after it come from; none at the end.
pub(crate) type NextPart = Pin<Box<dyn Future<Output = Option<Result<(Chunks, PartSource), Broken>>> + Send>>;

/// Where parts come from.
pub(crate) struct PartSource(Box<dyn FnOnce() -> NextPart + Send>);

impl PartSource {
    pub(crate) fn new(next: impl FnOnce() -> NextPart + Send + 'static) -> Self {
        Self(Box::new(next))
    }
}

/// Parts one after the other. Each keeps what is held until it has been sent, so that is held until the last one has been.
struct PartStream {
    next: NextPart,
    held: Arc<Held>,
    /// It has no end: events.
    is_endless: bool,
}

impl fmt::Debug for PartStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartStream").finish_non_exhaustive()
    }
}

impl PartStream {
    fn new(next: NextPart, is_endless: bool) -> Self {
        let held = Arc::default();
        Self {
            next,
            held,
            is_endless,
        }
    }

    fn hold(&mut self, change: impl FnOnce(&mut Held)) {
        // Nobody shares it before the first part.
        if let Some(held) = Arc::get_mut(&mut self.held) {
            change(held);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Chunks, Broken>>> {
        self.next.as_mut().poll(cx).map(|part| {
            let (chunks, source) = match part? {
                Ok(part) => part,
                Err(broken) => return Some(Err(broken)),
            };
            self.next = (source.0)();
            Some(Ok(chunks.holding(Arc::clone(&self.held))))
        })
    }
}

/// What ends when the buffer has been sent, or its reader has gone.
#[derive(Debug, Default)]
struct Held {
    /// What whoever made the body wants to be dropped then.
    other: Option<Box<dyn Any + Send + Sync>>,
    sending: Option<Sending>,
    following: Option<Following>,
}

impl From<Chunks> for ResponseBody {
    fn from(chunks: Chunks) -> Self {
        Self {
            data: (chunks.remaining > 0).then_some(chunks),
            stream: None,
        }
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        Chunks::of(bytes).into()
    }
}

impl ResponseBody {
    /// Events, beginning with this one. They have no end, and whoever reads slowly misses some.
    pub(crate) fn events(next: NextPart) -> Self {
        Self {
            data: None,
            stream: Some(PartStream::new(next, true)),
        }
    }

    /// Parts, beginning with this one.
    pub(crate) fn parts(next: NextPart) -> Self {
        Self {
            data: None,
            stream: Some(PartStream::new(next, false)),
        }
    }

    /// This body, which drops this when it has been sent.
    pub(crate) fn holding(mut self, other: impl Send + Sync + 'static) -> Self {
        if let Some(data) = self.data.take() {
            self.data = Some(data.holding(other));
        } else if let Some(stream) = &mut self.stream {
            stream.hold(|held| held.other = Some(Box::new(other)));
        }
        self
    }

    /// This body, which counts as being sent over a connection until it has been.
    pub(crate) fn sending(mut self, progress: &Arc<Progress>) -> Self {
        if let Some(data) = &mut self.data {
            data.held.sending = Some(Sending::new(progress));
        } else if let Some(stream) = &mut self.stream {
            let is_endless = stream.is_endless;
            stream.hold(|held| {
                if is_endless {
                    held.following = Some(Following::new(progress));
                } else {
                    held.sending = Some(Sending::new(progress));
                }
            });
        }
        self
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.data.as_ref().map_or(0, Buf::remaining)
    }
}

impl Body for ResponseBody {
    type Data = Chunks;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunks>, Broken>>> {
        if let Some(stream) = &mut self.stream {
            return stream.poll(cx).map(|part| Some(part?.map(Frame::data)));
        }
        Poll::Ready(self.data.take().map(|chunks| Ok(Frame::data(chunks))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.stream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.stream.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_in_order_whatever_the_steps() {
        for step in 1..12 {
            let mut chunks = Chunks::default();
            for part in ["abc", "", "d", "efghi"] {
                chunks.push(Bytes::from_static(part.as_bytes()));
            }
            let mut read = Vec::new();
            while chunks.has_remaining() {
                let count = step.min(chunks.chunk().len());
                read.extend_from_slice(&chunks.chunk()[..count]);
                chunks.advance(count);
            }
            assert_eq!(read, b"abcdefghi");
        }
    }

    #[test]
    fn advancing_may_cross_several_parts() {
        let mut chunks = Chunks::default();
        for part in ["ab", "cd", "ef"] {
            chunks.push(Bytes::from_static(part.as_bytes()));
        }
        chunks.advance(5);
        assert_eq!((chunks.remaining(), chunks.chunk()), (1, &b"f"[..]));
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(chunks.chunks_vectored(&mut slices), 1);
    }
}
