//! The body of a scrape: as a whole while there is memory for whole ones, otherwise piece by piece as its reader takes it.
//!
//! A whole body is made in one go and has a length. But it may be as large as what is stored, and its reader may take a quarter
//! of an hour. So there is so much memory for all that is made and not yet sent, and a client may hold as much as it leaves
//! free. Where that ends, what has been made is sent, and the rest is made as in [`streamed`]: at most
//! [`PIECE_BYTES`] at a time. What the store has anyway, most of a body in the text format, does not count.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use wharf_gateway::{Client, Permit, Places, Refusal};
use wharf_model::{Effort, Stopped};
use wharf_scrape::{Body, Progress, Rendered};

use crate::answer::streamed::{self, PIECE_BYTES, Source};
use crate::transport::chunks::{Broken, Chunks, ResponseBody};

/// For whole bodies, of all readers.
const WHOLE_BYTES: usize = 64 << 20;
/// Taken in steps of this. As much does each body have without asking.
const STEP_BYTES: usize = 256 << 10;

/// Memory for whole bodies, in steps.
pub(crate) fn places() -> Arc<Places> {
    Places::new(WHOLE_BYTES / STEP_BYTES)
}

/// What there is to tell of a scrape that was made, or of which no more will be made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) bytes: u64,
    /// How long it took, without its way to the reader.
    pub(crate) duration: Duration,
    pub(crate) recompressed: u64,
    pub(crate) left_out: u64,
}

/// Makes a body, or the beginning of it. To be called where it may block. `book` is called once, when it has been made or
/// its reader has gone.
///
/// # Errors
/// If whoever asked has gone.
pub(crate) fn make(
    mut body: Body,
    (whole_bodies, client): (&Arc<Places>, &Client),
    (started, effort): (Instant, &Effort),
    book: impl FnOnce(Made) + Send + 'static,
) -> Result<ResponseBody, Refusal> {
    let is_gone = effort.is_gone();
    let mut lent: Option<Permit> = None;
    let mut room = STEP_BYTES;
    loop {
        if let Progress::Done(rendered) = body.go_on(room) {
            let chunks = Chunks::from(rendered.parts);
            book(Made {
                bytes: chunks.remaining() as u64,
                duration: started.elapsed(),
                recompressed: rendered.recompressed,
                left_out: rendered.left_out,
            });
            return Ok(chunks.holding(lent).into());
        }
        if is_gone.load(Ordering::Relaxed) {
            return Err(Stopped::Gone.into());
        }
        let is_lent = match &mut lent {
            Some(lent) => lent.grow().is_ok(),
            None => whole_bodies.take(client).map(|more| lent = Some(more)).is_ok(),
        };
        if !is_lent {
            break;
        }
        room += STEP_BYTES;
    }
    let mut rest = Rest {
        made: Made {
            duration: started.elapsed(),
            ..Made::default()
        },
        body,
        book: Some(Box::new(book)),
    };
    let first = rest.take();
    let first = if first.has_remaining() {
        first.holding(lent)
    } else {
        // A large part of it could not be finished, and begins anew.
        drop(lent);
        match rest.go_on() {
            Ok((all, None)) => return Ok(all.into()),
            Ok((first, Some(more))) => {
                rest = more;
                first
            }
            Err(Broken) => return Err(Refusal::internal()),
        }
    };
    Ok(streamed::pieces(first, rest))
}

/// A body that is being made piece by piece.
struct Rest {
    body: Body,
    made: Made,
    book: Option<Box<dyn FnOnce(Made) + Send>>,
}

impl Rest {
    fn take(&mut self) -> Chunks {
        let parts = self.body.take();
        self.count(parts)
    }

    fn count(&mut self, parts: Vec<Bytes>) -> Chunks {
        let chunks = Chunks::from(parts);
        self.made.bytes += chunks.remaining() as u64;
        chunks
    }

    fn book(&mut self) {
        if let Some(book) = self.book.take() {
            book(self.made);
        }
    }
}

impl Source for Rest {
    fn go_on(mut self) -> Result<(Chunks, Option<Self>), Broken> {
        loop {
            let began = Instant::now();
            let progress = self.body.go_on(PIECE_BYTES);
            self.made.duration += began.elapsed();
            match progress {
                Progress::Done(mut rendered) => {
                    let last = self.count(mem::take(&mut rendered.parts));
                    let Rendered {
                        recompressed,
                        left_out,
                        ..
                    } = rendered;
                    (self.made.recompressed, self.made.left_out) = (recompressed, left_out);
                    self.book();
                    return Ok((last, None));
                }
                Progress::Full => {
                    let piece = self.take();
                    if piece.has_remaining() {
                        return Ok((piece, Some(self)));
                    }
                }
            }
        }
    }
}

/// Its reader has gone.
impl Drop for Rest {
    fn drop(&mut self) {
        self.book();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http_body::Body as _;
    use wharf_model::Exposition;
    use wharf_model::name::EscapingScheme;
    use wharf_scrape::{Compression, Format, Wanted};
    use wharf_store::{Snapshot, Store};

    use super::*;
    use crate::answer::streamed::tests::{held_for_a_stalled_reader, text_of};
    use crate::routes::stored::stored;

    const OPENMETRICS: Wanted = Wanted {
        format: Format::OpenMetrics100,
        escaping: EscapingScheme::AllowUtf8,
        compression: Compression::Identity,
    };
    const DELIMITED: Wanted = Wanted {
        format: Format::ProtobufCompact,
        ..OPENMETRICS
    };

    /// A body of 800 KB in one family.
    fn large() -> Store {
        let lines = (0..20_000).map(|n| format!("m{{a=\"{n:05}\"}} {n}\n"));
        stored([("j".to_owned(), lines.collect::<Vec<_>>().concat())])
    }

    fn client() -> Client {
        Client::Known("a".to_owned())
    }

    /// What has been booked of a scrape.
    type Book = Arc<Mutex<Vec<Made>>>;

    fn made(snapshot: Snapshot, wanted: Wanted, places: &Arc<Places>) -> (ResponseBody, Book) {
        let book = Book::default();
        let booked = Arc::clone(&book);
        let body = make(
            Body::new(Exposition::default(), snapshot, wanted, drop),
            (places, &client()),
            (Instant::now(), &Effort::unlimited()),
            move |made| booked.lock().unwrap().push(made),
        );
        (body.unwrap(), book)
    }

    fn booked(book: &Book) -> Vec<(u64, u64)> {
        let book = book.lock().unwrap();
        book.iter().map(|made| (made.bytes, made.left_out)).collect()
    }

    #[tokio::test]
    async fn a_body_that_fits_is_whole_and_gives_its_memory_back_when_it_is_sent() {
        let (store, places) = (large(), places());
        let (body, book) = made(store.snapshot(), OPENMETRICS, &places);
        let length = body.size_hint().exact().unwrap();
        assert!(length > 2 * STEP_BYTES as u64);
        assert!(places.taken() > 0);
        assert_eq!(booked(&book), [(length, 0)]);
        assert_eq!(text_of(body).await.len() as u64, length);
        assert_eq!(places.taken(), 0);
    }

    #[tokio::test]
    async fn without_memory_it_is_the_same_in_pieces_and_booked_once_when_all_is_made() {
        let store = large();
        for wanted in [OPENMETRICS, DELIMITED] {
            let (whole, _) = made(store.snapshot(), wanted, &places());
            let whole = text_of(whole).await;
            for steps in [0, 1] {
                let places = Places::new(steps);
                let (body, book) = made(store.snapshot(), wanted, &places);
                assert_eq!(body.size_hint().exact(), None);
                assert_eq!(booked(&book), []);
                assert!(text_of(body).await == whole, "{wanted:?} {steps}");
                assert_eq!(booked(&book), [(whole.len() as u64, 0)]);
                assert_eq!(places.taken(), 0);
            }
        }
    }

    #[tokio::test]
    async fn a_reader_that_stalls_holds_little_and_is_booked_when_it_goes() {
        let store = large();
        for wanted in [OPENMETRICS, DELIMITED] {
            let (mut body, book) = made(store.snapshot(), wanted, &Places::new(0));
            let held = held_for_a_stalled_reader(&mut body).await;
            assert!(held < 2 * STEP_BYTES, "{held}");
            assert_eq!(booked(&book), []);
            drop(body);
            let booked = booked(&book);
            assert_eq!(booked, [(held as u64, 0)]);
        }
    }

    #[test]
    fn nothing_more_is_made_for_whoever_has_gone() {
        let effort = Effort::unlimited();
        effort.is_gone().store(true, Ordering::Relaxed);
        let refused = make(
            Body::new(Exposition::default(), large().snapshot(), OPENMETRICS, drop),
            (&places(), &client()),
            (Instant::now(), &effort),
            |_| unreachable!("there is nothing to tell"),
        );
        assert_eq!(refused.unwrap_err().reason, Refusal::from(Stopped::Gone).reason);
    }
}
