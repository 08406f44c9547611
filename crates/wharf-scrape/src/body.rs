//! A body that is made as far as there is room for it.
//!
//! Whoever renders it reads as if it made all of it: a future that waits in [`Sink::rest`] while there is no room. While it
//! waits it is no thread but what it holds: the snapshot, and how far it has come.

use std::fmt;
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use wharf_model::Exposition;
use wharf_store::Snapshot;

use crate::format::{Format, Wanted};
use crate::helpers::{Help, Helpers};
use crate::sink::{Hands, Sink};
use crate::{openmetrics, protobuf, text};

/// The body of a scrape.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The body in parts, none of them empty. Large ones share the buffers of the store, so whoever sends them one by
    /// one copies nothing.
    pub parts: Vec<Bytes>,
    /// How many leaves had to be compressed, not counting those that helpers did.
    pub recompressed: u64,
    /// How many metrics were left out, because others had the same names and labels once they were escaped.
    pub left_out: u64,
}

/// A body on its way: the same bytes as of [`crate::render`], made a piece at a time.
pub struct Body {
    /// None once it has ended.
    rest: Option<Pin<Box<dyn Future<Output = Rendered> + Send>>>,
    hands: Hands,
}

/// How far a body has come.
#[derive(Debug)]
pub enum Progress {
    /// There is no room for more; what there is can be taken.
    Full,
    /// This is the rest of it.
    Done(Rendered),
}

impl Body {
    /// Nothing of it yet. `own`, `snapshot` and `call` are as for [`crate::render_with_help`].
    pub fn new(
        own: Exposition<'static>,
        snapshot: Snapshot,
        wanted: Wanted,
        call: impl Fn(Help) + Send + Sync + 'static,
    ) -> Self {
        let hands = Hands::default();
        let of_sink = hands.clone();
        let rest = async move {
            let sink = Sink::new(wanted.compression, of_sink);
            write(&own, &snapshot, wanted, sink, &call).await
        };
        Self {
            rest: Some(Box::pin(rest)),
            hands,
        }
    }

    /// Goes on until it has ended, or has made as many bytes that have not been taken: some more, if these cannot be made
    /// one by one. Bytes that the store has anyway do not count.
    ///
    /// Nothing may have been made since the last time: then it is to be asked again.
    pub fn go_on(&mut self, room_bytes: usize) -> Progress {
        self.hands.lock().room = room_bytes;
        let Some(rest) = &mut self.rest else {
            return Progress::Done(Rendered::default());
        };
        match rest.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Progress::Full,
            Poll::Ready(rendered) => {
                self.rest = None;
                Progress::Done(rendered)
            }
        }
    }

    /// What has been made since the last time; no part is empty.
    pub fn take(&mut self) -> Vec<Bytes> {
        let mut handing = self.hands.lock();
        handing.made = 0;
        mem::take(&mut handing.parts)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

/// The body as a whole.
pub(crate) fn whole(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    wanted: Wanted,
    call: &(dyn Fn(Help) + Sync),
) -> Rendered {
    let hands = Hands::default();
    hands.lock().room = usize::MAX;
    let mut rest = pin!(write(
        own,
        snapshot,
        wanted,
        Sink::new(wanted.compression, hands),
        call
    ));
    loop {
        // It waits for room only, of which there is enough.
        if let Poll::Ready(rendered) = rest.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return rendered;
        }
    }
}

/// Writes a body into a sink.
async fn write(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    wanted: Wanted,
    mut sink: Sink,
    call: &(dyn Fn(Help) + Sync),
) -> Rendered {
    let escaping = wanted.escaping;
    let helpers = Helpers::new(call);
    let left_out = match wanted.format {
        Format::Text004 | Format::Text100 => text::render(own, snapshot, escaping, &mut sink, helpers).await,
        Format::OpenMetrics001 | Format::OpenMetrics100 => {
            // On the heap, so that what waits of a body in text is small.
            Box::pin(openmetrics::render(own, snapshot, wanted, &mut sink, helpers)).await
        }
        Format::ProtobufDelimited | Format::ProtobufText | Format::ProtobufCompact => {
            Box::pin(protobuf::render(own, snapshot, wanted, &mut sink, helpers)).await
        }
    };
    let recompressed = sink.recompressed();
    Rendered {
        parts: sink.finish(),
        recompressed,
        left_out,
    }
}
