//! Response bodies of many parts that nobody copies.

use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

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

/// A body: of known length and sent as one frame, or a stream of events, or of parts that are still being made.
#[derive(Debug, Default)]
pub(crate) struct ResponseBody {
    data: Option<Chunks>,
    events: Option<EventStream>,
    parts: Option<PartStream>,
}

/// Parts as they are made. Whoever makes them waits for a slow reader, and learns when it is gone.
#[derive(Debug)]
struct PartStream {
    receiver: mpsc::Receiver<Bytes>,
    held: Held,
}

/// The next event, and where those after it come from; none at the end.
pub(crate) type NextEvent = Pin<Box<dyn Future<Output = Option<(Bytes, EventSource)>> + Send>>;

/// Where events come from.
pub(crate) struct EventSource(Box<dyn FnOnce() -> NextEvent + Send>);

impl EventSource {
    pub(crate) fn new(next: impl FnOnce() -> NextEvent + Send + 'static) -> Self {
        Self(Box::new(next))
    }
}

/// Events as they come. One is on its way at a time; whoever reads slowly misses some.
struct EventStream {
    next: NextEvent,
    following: Option<Following>,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

impl EventStream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.next.as_mut().poll(cx).map(|event| {
            let (text, source) = event?;
            self.next = (source.0)();
            Some(text)
        })
    }
}

/// What ends when the buffer has been sent, or its reader has gone.
#[derive(Debug, Default)]
struct Held {
    /// What whoever made the body wants to be dropped then.
    other: Option<Box<dyn Any + Send>>,
    sending: Option<Sending>,
}

impl From<Chunks> for ResponseBody {
    fn from(chunks: Chunks) -> Self {
        Self {
            data: (chunks.remaining > 0).then_some(chunks),
            ..Self::default()
        }
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        let mut chunks = Chunks::default();
        chunks.push(bytes.into());
        chunks.into()
    }
}

impl ResponseBody {
    /// Events, beginning with this one.
    pub(crate) fn events(next: NextEvent) -> Self {
        Self {
            events: Some(EventStream {
                next,
                following: None,
            }),
            ..Self::default()
        }
    }

    /// What comes out of this channel, until it is closed.
    pub(crate) fn parts(receiver: mpsc::Receiver<Bytes>) -> Self {
        let held = Held::default();
        Self {
            parts: Some(PartStream { receiver, held }),
            ..Self::default()
        }
    }

    /// This body, which drops this when it has been sent.
    pub(crate) fn holding(mut self, other: impl Send + 'static) -> Self {
        if let Some(data) = &mut self.data {
            data.held.other = Some(Box::new(other));
        } else if let Some(parts) = &mut self.parts {
            parts.held.other = Some(Box::new(other));
        }
        self
    }

    /// This body, which counts as being sent over a connection until it has been.
    pub(crate) fn sending(mut self, progress: &Arc<Progress>) -> Self {
        if let Some(data) = &mut self.data {
            data.held.sending = Some(Sending::new(progress));
        } else if let Some(events) = &mut self.events {
            events.following = Some(Following::new(progress));
        } else if let Some(parts) = &mut self.parts {
            parts.held.sending = Some(Sending::new(progress));
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
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunks>, Infallible>>> {
        let frame = |part: Option<Bytes>| {
            let mut chunks = Chunks::default();
            chunks.push(part?);
            Some(Ok(Frame::data(chunks)))
        };
        if let Some(events) = &mut self.events {
            return events.poll(cx).map(frame);
        }
        if let Some(parts) = &mut self.parts {
            return parts.receiver.poll_recv(cx).map(frame);
        }
        Poll::Ready(self.data.take().map(|chunks| Ok(Frame::data(chunks))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.events.is_none() && self.parts.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.events.is_some() || self.parts.is_some() {
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
