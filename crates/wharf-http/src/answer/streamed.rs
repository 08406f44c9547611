//! Answers that are written piece by piece, as their readers take them.
//!
//! An answer may be as large as what is stored, and its reader may take a quarter of an hour. So none is made as a whole: at
//! most [`PIECES`] pieces of it are there at once, whatever its length.
//!
//! Whoever writes one reads as if it wrote all of it. It is a future that calls [`Flow::pass`] now and then, and waits there
//! once there is enough for a piece. While it waits it is no thread but what it holds: a snapshot, and how far it has come.
//! It goes on on a thread that may block, and only when its reader has taken a piece. If the reader goes, it is dropped.
//!
//! An answer of one piece is what it would be otherwise: of known length.

use std::future::ready;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Buf as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharf_gateway::{Refusal, turns_of_this_machine};
use wharf_scrape::pause;

use crate::transport::chunks::{Broken, Chunks, PartSource, ResponseBody};

/// A piece is passed on once it has so many bytes.
pub(crate) const PIECE_BYTES: usize = 56 * 1024;
/// The room for a piece: what is written in one go mostly fits into the rest.
const PIECE_ROOM: usize = 64 * 1024;
/// Pieces that are made and not yet sent: one on its way, and one so that there is no wait for the next.
const PIECES: usize = 2;

/// So many pieces are made at once: more than processors make none sooner, and each takes a thread, which keeps some
/// megabytes of what it has allocated.
static AT_ONCE: LazyLock<Arc<Semaphore>> =
    LazyLock::new(|| Arc::new(Semaphore::new(turns_of_this_machine())));

/// What takes the pieces from whoever writes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow(Arc<Mutex<Option<Vec<u8>>>>);

impl Flow {
    /// Passes on what has been written, if that is enough for a piece, and waits until more is wanted.
    ///
    /// To be called wherever more may follow than fits into a piece. What is written between two calls is held at once.
    pub(crate) async fn pass(&self, written: &mut Vec<u8>) {
        if written.len() < PIECE_BYTES {
            return;
        }
        let piece = mem::replace(written, Vec::with_capacity(PIECE_ROOM));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(piece);
        pause().await;
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What makes an answer one piece after the other.
pub(crate) trait Source: Sized + Send + 'static {
    /// Makes the next piece, which is not empty unless it is the last one; what makes the next, unless that is the last.
    ///
    /// To be called where it may block.
    ///
    /// # Errors
    /// If there is no more of an answer that has not ended.
    fn go_on(self) -> Result<(Chunks, Option<Self>), Broken>;
}

/// The body that `write` writes. Its first piece is made here, so to be called where it may block; the others are not.
///
/// `write` returns what it has not passed on. It waits for nothing but [`Flow::pass`].
///
/// # Errors
/// If it waits for something else: an internal error.
pub(crate) fn body<F>(write: impl FnOnce(Flow) -> F) -> Result<ResponseBody, Refusal>
where
    F: Future<Output = Vec<u8>> + Send + 'static,
{
    let flow = Flow::default();
    let writer = Writer {
        rest: Box::pin(write(flow.clone())),
        flow,
    };
    match writer.go_on() {
        Ok((all, None)) => Ok(all.into()),
        Ok((first, Some(writer))) => Ok(pieces(first, writer)),
        Err(Broken) => Err(Refusal::internal()),
    }
}

/// The body that begins with this piece and goes on with what comes from there.
pub(crate) fn pieces(first: Chunks, source: impl Source) -> ResponseBody {
    let room = Arc::new(Semaphore::new(PIECES));
    let permit = Arc::clone(&room).try_acquire_owned().ok();
    let first = part(first, permit, Some(source), room);
    ResponseBody::parts(Box::pin(ready(Some(Ok(first)))))
}

/// A piece keeps its room until it has been sent.
fn part(
    piece: Chunks,
    permit: Option<OwnedSemaphorePermit>,
    source: Option<impl Source>,
    room: Arc<Semaphore>,
) -> (Chunks, PartSource) {
    let source = PartSource::new(|| Box::pin(next(source, room)));
    (piece.holding(permit), source)
}

/// The next piece, once one before it has been sent.
async fn next(
    source: Option<impl Source>,
    room: Arc<Semaphore>,
) -> Option<Result<(Chunks, PartSource), Broken>> {
    let source = source?;
    let permit = Arc::clone(&room).acquire_owned().await.ok();
    let turn = Arc::clone(&AT_ONCE).acquire_owned().await.ok();
    let made = tokio::task::spawn_blocking(|| {
        let made = source.go_on();
        // Not before, also if nobody waits for the piece any more.
        drop(turn);
        made
    });
    // A panic there, and an end of the gateway, break the answer off.
    match made.await.unwrap_or(Err(Broken)) {
        Ok((last, None)) if !last.has_remaining() => None,
        Ok((piece, source)) => Some(Ok(part(piece, permit, source, room))),
        Err(broken) => Some(Err(broken)),
    }
}

/// An answer that is being written.
struct Writer {
    rest: Pin<Box<dyn Future<Output = Vec<u8>> + Send>>,
    flow: Flow,
}

impl Source for Writer {
    fn go_on(mut self) -> Result<(Chunks, Option<Self>), Broken> {
        let mut context = Context::from_waker(Waker::noop());
        match self.rest.as_mut().poll(&mut context) {
            Poll::Ready(last) => Ok((Chunks::of(last), None)),
            Poll::Pending => match self.flow.take() {
                Some(piece) => Ok((Chunks::of(piece), Some(self))),
                None => Err(Broken),
            },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::{Buf, BufMut as _};
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    /// The bytes that are held for a reader that has been told how long its answer is, and takes nothing of it.
    pub(crate) async fn held_for_a_stalled_reader(body: &mut ResponseBody) -> usize {
        let mut sent = Vec::new();
        for _ in 0..PIECES {
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            sent.push(piece);
        }
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(body).poll_frame(&mut context).is_pending());
        sent.iter().map(Buf::remaining).sum()
    }

    /// All of a body. Each piece is dropped when it is copied, as if it had been sent.
    pub(crate) async fn text_of(mut body: ResponseBody) -> String {
        let mut text = Vec::new();
        while let Some(piece) = body.frame().await {
            text.put(piece.unwrap().into_data().unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    /// So many lines of ten bytes, counted as they are written.
    async fn count_to(lines: usize, written: Arc<AtomicUsize>, flow: Flow) -> Vec<u8> {
        let mut out = Vec::new();
        for line in 0..lines {
            out.extend_from_slice(format!("{line:09}\n").as_bytes());
            written.fetch_add(1, Ordering::Relaxed);
            flow.pass(&mut out).await;
        }
        out
    }

    fn counting(lines: usize) -> (ResponseBody, Arc<AtomicUsize>) {
        let written = Arc::new(AtomicUsize::new(0));
        let body = body(|flow| count_to(lines, Arc::clone(&written), flow)).unwrap();
        (body, written)
    }

    #[tokio::test]
    async fn an_answer_of_one_piece_has_a_length_and_a_longer_one_has_all_of_its_pieces() {
        for lines in [0, 1, 5_000, 5_735, 50_000] {
            let (body, _) = counting(lines);
            let exact = (lines < 5_735).then_some(10 * lines as u64);
            assert_eq!(body.size_hint().exact(), exact, "{lines}");
            let expected = (0..lines)
                .map(|line| format!("{line:09}\n"))
                .collect::<Vec<_>>()
                .concat();
            assert!(text_of(body).await == expected, "{lines}");
        }
    }

    #[tokio::test]
    async fn no_more_is_written_than_a_reader_has_room_for() {
        for lines in [50_000, 200_000] {
            let (mut body, written) = counting(lines);
            let held = held_for_a_stalled_reader(&mut body).await;
            assert!(held <= PIECES * PIECE_ROOM, "{held}");
            assert_eq!(10 * written.load(Ordering::Relaxed), held);
        }
    }

    #[tokio::test]
    async fn a_piece_that_was_sent_makes_room_for_the_next() {
        let (mut body, written) = counting(50_000);
        let mut pieces = 0;
        while let Some(piece) = body.frame().await {
            pieces += 1;
            let so_far = written.load(Ordering::Relaxed);
            assert!(
                10 * so_far <= pieces * PIECE_ROOM,
                "{so_far} lines, {pieces} pieces"
            );
            drop(piece);
        }
        assert_eq!(written.load(Ordering::Relaxed), 50_000);
    }

    /// Told when it is dropped.
    struct Kept(Arc<AtomicUsize>);

    impl Drop for Kept {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn what_is_held_goes_with_the_last_piece_or_with_the_reader() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let begun = || {
            let body = counting(12_000).0.holding(Kept(Arc::clone(&dropped)));
            (body, dropped.load(Ordering::Relaxed))
        };
        let (mut body, before) = begun();
        let first = body.frame().await.unwrap().unwrap();
        drop((body, first));
        assert_eq!(dropped.load(Ordering::Relaxed), before + 1);
        let (mut body, before) = begun();
        let mut last = None;
        while let Some(piece) = body.frame().await {
            last = Some(piece);
        }
        drop(body);
        assert_eq!(dropped.load(Ordering::Relaxed), before);
        drop(last);
        assert_eq!(dropped.load(Ordering::Relaxed), before + 1);
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_finished_does_not_end_as_if_it_were_whole() {
        let broken = body(|flow| async move {
            let mut out = vec![b'x'; PIECE_BYTES];
            flow.pass(&mut out).await;
            std::panic::resume_unwind(Box::new("a bug"));
        });
        let mut broken = broken.unwrap();
        assert!(broken.frame().await.unwrap().is_ok());
        assert!(matches!(broken.frame().await, Some(Err(Broken))));
    }
}
