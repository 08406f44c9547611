//! Reading a request body: as sent, then decompressed, both bounded.
//!
//! While it is waited for what a client sends, nothing is held that others may need: memory counts when it is used, and a
//! large body has to come at a pace.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::Instant;
use wharf_gateway::{Client, Full, Permit, Places, Reason, Refusal};
use wharf_model::{Denied, Meter};

use self::Progress::{Ended, Paused};
use super::large::LargeBody;

/// Why there is no body to deal with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// It is larger than this, as sent.
    TooLarge(usize),
    /// It is larger than this when expanded.
    Expanded(usize),
    /// It did not come in time.
    Late,
    /// It is large, and fewer bytes than these came within that time.
    Slow(usize, Duration),
    /// Others, or the same client, have the places for large bodies; so many megabytes there are.
    NoPlace(Full, usize),
    /// The client stopped sending.
    Aborted(String),
    /// It does not decompress.
    Encoding(String),
    /// There is no more memory for what it expands to.
    Memory(Denied),
    /// The system has no memory for it.
    System(String),
    /// There was no room for it in time.
    NoRoom(Box<Refusal>),
}

impl BodyError {
    /// Whether the rest of the body is still to come, and is to be thrown away.
    fn leaves_some(&self) -> bool {
        matches!(
            self,
            Self::TooLarge(_) | Self::NoPlace(..) | Self::System(_) | Self::NoRoom(_)
        )
    }
}

impl Display for BodyError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let hint = "hint: push less at once, or raise --push.max-body-bytes";
        match self {
            Self::TooLarge(limit) => {
                write!(f, "expected a body of at most {limit} bytes, found more\n{hint}")
            }
            Self::Expanded(limit) => write!(
                f,
                "expected a body of at most {limit} bytes after decompression, found more\n{hint}"
            ),
            Self::Late => f.write_str("expected the whole body within --web.body-timeout"),
            Self::Slow(bytes, within) => write!(
                f,
                "expected {bytes} bytes of a large body within {} seconds, found fewer",
                within.as_secs()
            ),
            Self::NoPlace(full, all) => f.write_str(&full.refusal(LARGE_BODIES, *all).text),
            Self::Aborted(why) | Self::Encoding(why) => f.write_str(why),
            Self::Memory(denied) => denied.fmt(f),
            Self::NoRoom(refusal) => f.write_str(&refusal.text),
            Self::System(why) => write!(f, "expected memory for a large body, the system has none: {why}"),
        }
    }
}

/// What there is no more of if a large body gets no place.
const LARGE_BODIES: &str = "MiB of large bodies";

impl From<Denied> for BodyError {
    fn from(denied: Denied) -> Self {
        Self::Memory(denied)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let reason = match &error {
            BodyError::NoPlace(full, all) => return full.refusal(LARGE_BODIES, *all),
            BodyError::NoRoom(refusal) => return Self::clone(refusal),
            BodyError::TooLarge(_) | BodyError::Expanded(_) => Reason::BodyTooLarge,
            BodyError::Late | BodyError::Slow(..) => Reason::BodyTimeout,
            BodyError::Memory(denied) => return (*denied).into(),
            BodyError::Aborted(_) => Reason::Aborted,
            BodyError::Encoding(_) => Reason::Encoding,
            BodyError::System(_) => Reason::Unavailable,
        };
        Self::new(reason, error.to_string())
    }
}

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    Identity,
    Gzip,
    Snappy,
    Zstd,
    Deflate,
}

impl ContentEncoding {
    /// Of the `Content-Encoding` header: one coding beside `identity`, which is none. Unknown ones count as none, as the
    /// Pushgateway has it, and so do several.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut codings = codings(headers);
        match (codings.next(), codings.next()) {
            (Some(coding), None) => Self::named(coding),
            _ => Self::Identity,
        }
    }

    pub(crate) fn named(coding: &str) -> Self {
        let is = |word: &str| coding.eq_ignore_ascii_case(word);
        match () {
            // To be taken for the same, says RFC 9110.
            () if is("gzip") || is("x-gzip") => Self::Gzip,
            () if is("snappy") => Self::Snappy,
            () if is("zstd") => Self::Zstd,
            () if is("deflate") => Self::Deflate,
            () => Self::Identity,
        }
    }
}

/// What the `Content-Encoding` header lists, `identity` aside.
pub(crate) fn codings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONTENT_ENCODING).into_iter();
    let words = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let words = words.map(|word| word.trim_matches([' ', '\t']));
    words.filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("identity"))
}

/// Bodies above this size have to come at a pace.
const LARGE_BYTES: usize = 1 << 20;
/// Memory of bodies on their way is counted in pieces of this size. The first piece of each is not: there are no more of them than
/// requests.
const PIECE_BYTES: usize = 64 << 10;
/// What may be on its way: so many bodies of the largest size, within these bounds.
const MAX_LARGE: usize = 16;
const AT_LEAST_BYTES: usize = 32 << 20;
const AT_MOST_BYTES: usize = 256 << 20;
/// What has to come of a large body within [`PACE_TIME`], again and again. Who sends less holds memory that others may need.
const PACE_BYTES: usize = 640 << 10;
const PACE_TIME: Duration = Duration::from_secs(10);
/// After so many bytes that come without a pause, others on the thread go on: health checks among them.
const STRETCH_BYTES: usize = 256 << 10;

/// Places for the pieces of bodies being received, beyond the first of each. One client can send two bodies of the largest size at
/// once, whatever that is.
pub(crate) fn places(limit_bytes: usize) -> Arc<Places> {
    let some = limit_bytes.saturating_mul(MAX_LARGE);
    let some = some.clamp(AT_LEAST_BYTES, AT_MOST_BYTES.max(limit_bytes.saturating_mul(4)));
    Places::new(some.div_ceil(PIECE_BYTES))
}

/// Reads the whole body as it was sent. Beyond its first piece it takes places in `receiving` for what has come of it, and no earlier;
/// they are to be held until it has been dealt with.
///
/// Of a body that has more than a piece, nothing more is taken from its client until `room` says so. That is not the client's
/// time, and nothing is held meanwhile but the piece.
///
/// # Errors
/// If it is larger than `limit_bytes`, takes longer than `timeout`, is large and comes too slowly, if `client` gets no more
/// places, if it stops in the middle, or if there is no room for it.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    mut body: B,
    limit_bytes: usize,
    timeout: Duration,
    (receiving, client): (&Arc<Places>, &Client),
    room: impl Future<Output = Result<(), Refusal>>,
) -> Result<(Bytes, Option<Permit>), BodyError>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit_bytes as u64) {
        discard(asks_first(headers), &mut body, timeout).await;
        return Err(BodyError::TooLarge(limit_bytes));
    }
    let mut reading = Reading {
        limit_bytes,
        declared,
        receiving,
        client,
        has_room: false,
        unread: None,
        coming: Coming::default(),
        place: None,
        pace: None,
        stretch: Stretch::default(),
    };
    let began = Instant::now();
    let late = |_| Err(BodyError::Late);
    let mut read = tokio::time::timeout(timeout, reading.go_on(&mut body)).await;
    if let Ok(Ok(Paused)) = read {
        let used = began.elapsed();
        read = match room.await {
            Ok(()) => {
                reading.has_room = true;
                // Large beside what most bodies need.
                let left = timeout.saturating_sub(used);
                Box::pin(tokio::time::timeout(left, reading.go_on(&mut body))).await
            }
            Err(refusal) => Ok(Err(BodyError::NoRoom(Box::new(refusal)))),
        };
    }
    match read.unwrap_or_else(late) {
        Ok(_) => Ok((reading.coming.whole(), reading.place)),
        Err(error) => {
            drop(reading);
            if error.leaves_some() {
                discard(asks_first(headers), &mut body, timeout).await;
            }
            Err(error)
        }
    }
}

/// A body that is being read.
struct Reading<'r> {
    limit_bytes: usize,
    declared: Option<u64>,
    receiving: &'r Arc<Places>,
    client: &'r Client,
    /// Whether there is room for more than a piece.
    has_room: bool,
    /// What has come and found no room yet.
    unread: Option<Bytes>,
    coming: Coming,
    place: Option<Permit>,
    /// Nobody is in a hurry as long as nothing is held.
    pace: Option<Pace>,
    stretch: Stretch,
}

/// How far a body has been read.
enum Progress {
    Ended,
    /// It has more than a piece, and there may be no room for that.
    Paused,
}

impl Reading<'_> {
    async fn go_on<B>(&mut self, body: &mut B) -> Result<Progress, BodyError>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        if !self.has_room
            && self
                .declared
                .is_some_and(|declared| declared > PIECE_BYTES as u64)
        {
            return Ok(Paused);
        }
        loop {
            let data = match self.unread.take() {
                Some(data) => data,
                None => match self.next(body).await? {
                    Some(data) => data,
                    None => return Ok(Ended),
                },
            };
            let len = self.coming.len() + data.len();
            if len > PIECE_BYTES && !self.has_room {
                self.unread = Some(data);
                return Ok(Paused);
            }
            if len > LARGE_BYTES {
                self.pace.get_or_insert_with(Pace::new).came(data.len());
            }
            if len > self.limit_bytes {
                return Err(BodyError::TooLarge(self.limit_bytes));
            }
            make_room(&mut self.place, len, self.receiving, self.client)?;
            let copied = self.coming.append(data, self.declared)?;
            self.stretch.went(copied).await;
        }
    }

    /// What comes next; none behind the last.
    async fn next<B>(&self, body: &mut B) -> Result<Option<Bytes>, BodyError>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        loop {
            let frame = match &self.pace {
                // Rare, and large beside what is not.
                Some(pace) => Box::pin(Pace::keep(pace, body.frame())).await?,
                None => body.frame().await,
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| BodyError::Aborted(error.to_string()))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// What has come of a body.
enum Coming {
    /// Most bodies come in one frame and need no copy.
    One(Bytes),
    Several(BytesMut),
    Large(LargeBody),
}

impl Default for Coming {
    fn default() -> Self {
        Self::One(Bytes::new())
    }
}

impl Coming {
    fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
            Self::Large(body) => body.len(),
        }
    }

    /// Appends a frame; how many bytes were copied.
    fn append(&mut self, data: Bytes, declared: Option<u64>) -> Result<usize, BodyError> {
        let len = self.len() + data.len();
        if let Self::One(first) = self {
            if first.is_empty() {
                *first = data;
                return Ok(0);
            }
            // What is declared may never come; a small part of it is no risk.
            let expected = declared.and_then(|declared| usize::try_from(declared).ok());
            let mut several =
                BytesMut::with_capacity(expected.unwrap_or(len).clamp(len, LARGE_BYTES.max(len)));
            several.extend_from_slice(first);
            *self = Self::Several(several);
        }
        match self {
            Self::Several(several) if len > LARGE_BYTES => {
                let mut large = LargeBody::beginning_with(several).map_err(|error| none_left(&error))?;
                large.append(&data).map_err(|error| none_left(&error))?;
                *self = Self::Large(large);
            }
            Self::Several(several) => several.extend_from_slice(&data),
            Self::Large(large) => large.append(&data).map_err(|error| none_left(&error))?,
            Self::One(_) => {}
        }
        Ok(data.len())
    }

    fn whole(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
            Self::Large(body) => body.freeze(),
        }
    }
}

fn none_left(error: &io::Error) -> BodyError {
    BodyError::System(error.to_string())
}

/// Takes the places that a body of this length needs by now.
fn make_room(
    place: &mut Option<Permit>,
    len: usize,
    receiving: &Arc<Places>,
    client: &Client,
) -> Result<(), BodyError> {
    let needed = len.saturating_sub(1) / PIECE_BYTES;
    let full = |full| BodyError::NoPlace(full, (receiving.all() * PIECE_BYTES) >> 20);
    while place.as_ref().map_or(0, Permit::count) < needed {
        match place {
            Some(place) => place.grow().map_err(full)?,
            None => *place = Some(receiving.take(client).map_err(full)?),
        }
    }
    Ok(())
}

/// How much has been read since others could go on. The connection of a client that is fast has always more to read, and is asked
/// again and again before the thread looks after another.
#[derive(Default)]
struct Stretch {
    bytes: usize,
}

impl Stretch {
    async fn went(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= STRETCH_BYTES {
            self.bytes = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// How fast a body comes.
struct Pace {
    /// When `missing` has to have come.
    until: Instant,
    missing: usize,
}

impl Pace {
    fn new() -> Self {
        Self {
            until: Instant::now() + PACE_TIME,
            missing: PACE_BYTES,
        }
    }

    fn came(&mut self, bytes: usize) {
        match self.missing.checked_sub(bytes) {
            None | Some(0) => *self = Self::new(),
            Some(missing) => self.missing = missing,
        }
    }

    /// What comes next, if it comes in time.
    async fn keep<T>(&self, next: impl Future<Output = T>) -> Result<T, BodyError> {
        let next = tokio::time::timeout_at(self.until, next).await;
        next.map_err(|_| BodyError::Slow(PACE_BYTES, PACE_TIME))
    }
}

/// A client that pauses for so long while its body is discarded waits for the answer.
const DISCARD_PAUSE: Duration = Duration::from_millis(500);

/// Whether a client waits to be asked for the body.
pub(crate) fn asks_first(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

/// Takes the rest of a body that nobody looks at. Many clients send all of it before they look for the answer, and
/// see a broken connection instead of it if nobody takes what they send; others send their next request behind it.
pub(crate) async fn discard<B: Body<Data = Bytes> + Unpin>(
    asks_first: bool,
    body: &mut B,
    timeout: Duration,
) {
    // If the client asks before it sends, the answer is no.
    if !body.is_end_stream() && !asks_first {
        // After the timeout the client gets its answer, if it still looks for one. This is rare, and large beside what is not.
        let _in_time = Box::pin(tokio::time::timeout(timeout, take(body))).await;
    }
}

async fn take<B: Body<Data = Bytes> + Unpin>(body: &mut B) {
    let mut stretch = Stretch::default();
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(DISCARD_PAUSE, body.frame()).await {
        stretch.went(frame.data_ref().map_or(0, Bytes::len)).await;
    }
}

/// Expands a body, with memory of this meter.
///
/// # Errors
/// 413 if it expands beyond `limit_bytes`, 413 or 503 if there is no more memory; 400 with the Pushgateway's words where it
/// has any.
pub(crate) fn expand(
    encoding: ContentEncoding,
    body: Bytes,
    limit_bytes: usize,
    memory: &Meter<'_>,
) -> Result<Bytes, BodyError> {
    let room = (limit_bytes, memory);
    match encoding {
        ContentEncoding::Identity => Ok(body),
        ContentEncoding::Gzip => expand_gzip(&body, room),
        ContentEncoding::Snappy => expand_snappy(&body, room),
        ContentEncoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&*body)
                .map_err(|e| BodyError::Encoding(e.to_string()))?;
            // A frame may ask for a window of gigabytes; no pusher needs more than the body may have.
            decoder
                .window_log_max(27)
                .map_err(|error| BodyError::Encoding(error.to_string()))?;
            let lengths = (body.len(), zstd_window(&body));
            read_bounded(decoder, lengths, room, |error| format!("zstd: {error}"))
        }
        ContentEncoding::Deflate => {
            let lengths = (body.len(), SMALL_WINDOW);
            read_bounded(ZlibDecoder::new(&*body), lengths, room, |error| {
                format!("zlib: {error}")
            })
        }
    }
}

/// Bodies up to this size, expanded, take little time.
const QUICK_BYTES: usize = 64 << 10;
/// Those that are larger as they were sent are not even tried: what is compressed at all comes to more.
const QUICK_COMPRESSED_BYTES: usize = QUICK_BYTES / 4;

/// Expands a body if that is quick and comes to little; none if it takes longer, whatever has been sent. Then little time has been
/// spent on it.
///
/// # Errors
/// As [`expand`].
pub(crate) fn expand_quickly(
    encoding: ContentEncoding,
    body: &Bytes,
    limit_bytes: usize,
) -> Result<Option<Bytes>, BodyError> {
    if encoding == ContentEncoding::Identity {
        return Ok((body.len() <= QUICK_BYTES).then(|| body.clone()));
    }
    let says = announced(encoding, body).unwrap_or(0);
    if body.len() > QUICK_COMPRESSED_BYTES || says > QUICK_BYTES as u64 {
        return Ok(None);
    }
    // What a body says of itself is only believed if it is much.
    match expand(
        encoding,
        body.clone(),
        limit_bytes.min(QUICK_BYTES),
        &Meter::unlimited(),
    ) {
        Err(BodyError::Expanded(limit)) if limit < limit_bytes => Ok(None),
        expanded => expanded.map(Some),
    }
}

/// How many bytes a compressed body says it expands to, if it says so. It may be wrong.
fn announced(encoding: ContentEncoding, body: &[u8]) -> Option<u64> {
    match encoding {
        ContentEncoding::Gzip => {
            let size = body.last_chunk().filter(|_| body.starts_with(b"\x1f\x8b"));
            size.map(|size| u32::from_le_bytes(*size).into())
        }
        ContentEncoding::Zstd => zstd::zstd_safe::get_frame_content_size(body).ok().flatten(),
        ContentEncoding::Snappy => snap::raw::decompress_len(body)
            .ok()
            .filter(|_| !body.starts_with(STREAM_IDENTIFIER))
            .map(|len| len as u64),
        ContentEncoding::Identity | ContentEncoding::Deflate => None,
    }
}

/// Framed snappy begins with it.
const STREAM_IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";

fn expand_gzip(body: &[u8], room: Room<'_>) -> Result<Bytes, BodyError> {
    let text = match body {
        [] => "EOF",
        [0x1f, 0x8b, ..] if body.len() < 10 => "unexpected EOF",
        [0x1f, 0x8b, 8, ..] => {
            let lengths = (body.len(), SMALL_WINDOW);
            return read_bounded(MultiGzDecoder::new(body), lengths, room, |error| {
                match error.kind() {
                    io::ErrorKind::UnexpectedEof => "unexpected EOF",
                    _ if error.to_string().contains("checksum") => "gzip: invalid checksum",
                    _ if error.to_string().contains("header") => "gzip: invalid header",
                    _ => "gzip: corrupt input",
                }
                .to_owned()
            });
        }
        _ if body.len() < 10 => "unexpected EOF",
        _ => "gzip: invalid header",
    };
    Err(BodyError::Encoding(text.to_owned()))
}

/// Framed snappy begins with a stream identifier; without one the body is taken for the block format, which
/// remote-write clients use. An empty body is an empty push.
fn expand_snappy(body: &[u8], room: Room<'_>) -> Result<Bytes, BodyError> {
    let corrupt = || BodyError::Encoding("snappy: corrupt input".to_owned());
    if body.is_empty() {
        return Ok(Bytes::new());
    }
    if body.starts_with(STREAM_IDENTIFIER) {
        let lengths = (body.len(), SMALL_WINDOW);
        return read_bounded(snap::read::FrameDecoder::new(body), lengths, room, |error| {
            let unsupported = error.to_string().contains("unsupported");
            if unsupported {
                "snappy: unsupported input"
            } else {
                "snappy: corrupt input"
            }
            .to_owned()
        });
    }
    let expanded = snap::raw::decompress_len(body).map_err(|_| corrupt())?;
    let (limit_bytes, memory) = room;
    if expanded > limit_bytes {
        return Err(BodyError::Expanded(limit_bytes));
    }
    // A block cannot expand more than some twenty times; a larger promise is not worth an allocation.
    if expanded / 64 > body.len() {
        return Err(corrupt());
    }
    memory.take(expanded)?;
    let mut decoder = snap::raw::Decoder::new();
    if expanded <= SMALL_BYTES {
        let small = decoder.decompress_vec(body);
        return small.map(Bytes::from).map_err(|_| corrupt());
    }
    let mut large = LargeBody::beginning_with(&[]).map_err(|error| none_left(&error))?;
    let room = large.room(expanded).map_err(|error| none_left(&error))?;
    let written = decoder.decompress(body, room).map_err(|_| corrupt())?;
    large.wrote(written);
    Ok(large.freeze())
}

/// How much a body may expand to, and where the memory comes from.
type Room<'m> = (usize, &'m Meter<'m>);

/// Up to so many bytes an expanded body is a list of the allocator.
const SMALL_BYTES: usize = 256 << 10;
/// It is not worth to ask a decoder for less.
const LEAST_READ_BYTES: usize = 8 << 10;

/// The 32 or 64 KB of gzip, deflate and snappy do not count.
const SMALL_WINDOW: usize = 0;

/// What a decoder keeps besides of what it has written, because what comes may refer to it. Its room is there at once, but takes
/// no memory before it is written to.
struct Window<'m> {
    most: usize,
    taken: usize,
    memory: &'m Meter<'m>,
}

impl Window<'_> {
    /// So many bytes have been written by now.
    fn wrote(&mut self, len: usize) -> Result<(), Denied> {
        let more = len.min(self.most).saturating_sub(self.taken);
        self.memory.take(more)?;
        self.taken += more;
        Ok(())
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.memory.give_back(self.taken);
    }
}

/// The largest window that a frame of the body asks for.
fn zstd_window(body: &[u8]) -> usize {
    let (mut rest, mut largest) = (body, 0);
    while !rest.is_empty() {
        largest = largest.max(zstd_frame_window(rest));
        // What is behind a frame that does not end is never read.
        let Ok(len) = zstd::zstd_safe::find_frame_compressed_size(rest) else {
            break;
        };
        rest = rest.get(len.max(1)..).unwrap_or_default();
    }
    usize::try_from(largest).unwrap_or(usize::MAX)
}

/// As RFC 8878 has it, in 3.1.1.1. Nothing for what is no frame, or one that is skipped.
fn zstd_frame_window(frame: &[u8]) -> u64 {
    const IS_ONE_SEGMENT: u8 = 1 << 5;
    match frame {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, ..] if descriptor & IS_ONE_SEGMENT != 0 => {
            announced(ContentEncoding::Zstd, frame).unwrap_or(0)
        }
        [0x28, 0xb5, 0x2f, 0xfd, _, window, ..] => {
            let base = 1 << (10 + (window >> 3));
            base + base / 8 * u64::from(window & 7)
        }
        _ => 0,
    }
}

/// What a decoder writes of a compressed body of some length, with a window of at most so many bytes.
fn read_bounded(
    reader: impl Read,
    (compressed_len, window): (usize, usize),
    (limit_bytes, memory): Room<'_>,
    describe: impl Fn(&io::Error) -> String,
) -> Result<Bytes, BodyError> {
    let (most, taken) = (window, 0);
    let mut window = Window { most, taken, memory };
    let failed = |error: io::Error| BodyError::Encoding(describe(&error));
    let mut reader = reader.take((limit_bytes as u64).saturating_add(1));
    let mut small = Vec::new();
    let first = compressed_len.saturating_mul(4).min(SMALL_BYTES).min(limit_bytes);
    memory.reserve(&mut small, first)?;
    while small.len() < SMALL_BYTES {
        memory.reserve(&mut small, LEAST_READ_BYTES)?;
        // No more than there is room for, so that the list does not grow by itself.
        let room = small.capacity() - small.len();
        let mut piece = reader.by_ref().take(room as u64);
        let read = piece.read_to_end(&mut small).map_err(failed)?;
        window.wrote(small.len())?;
        if read < room {
            return bounded(small.into(), limit_bytes);
        }
    }
    memory.take(small.len())?;
    let mut large = LargeBody::beginning_with(&small).map_err(|error| none_left(&error))?;
    memory.give_back(small.capacity());
    drop(small);
    loop {
        memory.take(SMALL_BYTES)?;
        let room = large.room(SMALL_BYTES).map_err(|error| none_left(&error))?;
        let read = reader.read(room).map_err(failed)?;
        memory.give_back(SMALL_BYTES - read);
        large.wrote(read);
        window.wrote(large.len())?;
        if read == 0 {
            return bounded(large.freeze(), limit_bytes);
        }
    }
}

fn bounded(body: Bytes, limit_bytes: usize) -> Result<Bytes, BodyError> {
    if body.len() > limit_bytes {
        return Err(BodyError::Expanded(limit_bytes));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::io::Write;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;
    use wharf_model::Lender;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn framed(text: &[u8]) -> Vec<u8> {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(text).unwrap();
        encoder.into_inner().unwrap()
    }

    fn check(encoding: ContentEncoding, body: &[u8], expected: Result<&str, &str>) {
        let expanded = expand(encoding, Bytes::copy_from_slice(body), 1000, &Meter::unlimited());
        let expanded = expanded.map_err(|error| error.to_string());
        assert_eq!(
            expanded,
            expected
                .map(|text| Bytes::copy_from_slice(text.as_bytes()))
                .map_err(str::to_owned)
        );
    }

    #[test]
    fn what_may_be_on_its_way_is_bounded_and_has_room_for_two_bodies_of_one_client() {
        let bytes = |limit_bytes: usize| places(limit_bytes).all() * PIECE_BYTES;
        assert_eq!(bytes(64 << 20), 256 << 20);
        assert_eq!(bytes(2 << 20), 32 << 20);
        assert_eq!(bytes(1000), 32 << 20);
        assert_eq!(bytes(1 << 30), 4 << 30);
    }

    static PIECE: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

    /// So many pieces, all of which have come.
    struct Pieces(usize);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let left = self.0.checked_sub(1);
            self.0 = left.unwrap_or(0);
            Poll::Ready(left.map(|_| Ok(Frame::data(Bytes::from_static(&PIECE)))))
        }
    }

    #[tokio::test]
    async fn others_go_on_while_a_body_comes_without_a_pause() {
        let (headers, hour) = (HeaderMap::new(), Duration::from_secs(3600));
        let (limit, places) = (8 << 20, places(8 << 20));
        let client = Client::Known("large".to_owned());
        for pieces in [limit / PIECE_BYTES, 2 * limit / PIECE_BYTES] {
            let room = std::future::ready(Ok(()));
            let read = read(&headers, Pieces(pieces), limit, hour, (&places, &client), room);
            let times = Cell::new(0);
            let others = async {
                loop {
                    times.set(times.get() + 1);
                    tokio::task::yield_now().await;
                }
            };
            // What is too much is thrown away.
            let is_right = tokio::select! {
                biased;
                read = read => read.is_ok() == (pieces * PIECE_BYTES <= limit),
                () = others => false,
            };
            assert!(is_right);
            // The first piece does not count, and what is refused begins a new stretch.
            let expected = pieces * PIECE_BYTES / STRETCH_BYTES - 2;
            assert!(times.get() >= expected, "{} of {expected} times", times.get());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_room_is_not_the_clients_time_and_holds_nothing() {
        let (limit, second, hour) = (8 << 20, Duration::from_secs(1), Duration::from_secs(3600));
        let (places, client) = (places(limit), Client::Known("large".to_owned()));
        let declares = |bytes: usize| HeaderMap::from_iter([(CONTENT_LENGTH, bytes.into())]);
        for headers in [HeaderMap::new(), declares(40 * PIECE_BYTES)] {
            let room = async {
                tokio::time::sleep(hour).await;
                assert_eq!(places.taken(), 0);
                Ok(())
            };
            let read = read(&headers, Pieces(40), limit, second, (&places, &client), room).await;
            let (body, place) = read.unwrap();
            assert_eq!(
                (body.len(), place.map(|place| place.count())),
                (40 * PIECE_BYTES, Some(39))
            );
            let full = Refusal::new(Reason::Unavailable, "full".to_owned());
            let no_room = std::future::ready(Err(full.clone()));
            let read = self::read(&headers, Pieces(40), limit, second, (&places, &client), no_room).await;
            assert_eq!(read.map(drop).unwrap_err(), BodyError::NoRoom(Box::new(full)));
        }
        // What is small never asks.
        let never = std::future::pending();
        let read = read(
            &HeaderMap::new(),
            Pieces(1),
            limit,
            second,
            (&places, &client),
            never,
        )
        .await;
        assert_eq!(read.unwrap().0.len(), PIECE_BYTES);
    }

    #[test]
    fn every_encoding_expands() {
        let text = "m 1\n";
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text.as_bytes()).unwrap();
        check(ContentEncoding::Identity, text.as_bytes(), Ok(text));
        check(ContentEncoding::Gzip, &gzip(text.as_bytes()), Ok(text));
        check(
            ContentEncoding::Gzip,
            &[gzip(b"a 1\n"), gzip(b"b 2\n")].concat(),
            Ok("a 1\nb 2\n"),
        );
        check(ContentEncoding::Snappy, &framed(text.as_bytes()), Ok(text));
        check(
            ContentEncoding::Snappy,
            &snap::raw::Encoder::new().compress_vec(text.as_bytes()).unwrap(),
            Ok(text),
        );
        check(ContentEncoding::Snappy, b"", Ok(""));
        check(
            ContentEncoding::Zstd,
            &zstd::encode_all(text.as_bytes(), 1).unwrap(),
            Ok(text),
        );
        check(ContentEncoding::Deflate, &zlib.finish().unwrap(), Ok(text));
    }

    #[test]
    fn broken_bodies_are_refused_in_the_original_words() {
        let whole = gzip(b"m 1\n");
        check(ContentEncoding::Gzip, b"", Err("EOF"));
        check(
            ContentEncoding::Gzip,
            b"hello world\n",
            Err("gzip: invalid header"),
        );
        check(
            ContentEncoding::Gzip,
            &whole[..whole.len() - 4],
            Err("unexpected EOF"),
        );
        let mut wrong_checksum = whole.clone();
        let at = wrong_checksum.len() - 8;
        wrong_checksum[at] ^= 1;
        check(
            ContentEncoding::Gzip,
            &wrong_checksum,
            Err("gzip: invalid checksum"),
        );
        check(ContentEncoding::Snappy, b"m 1\n", Err("snappy: corrupt input"));
    }

    #[test]
    fn a_small_body_that_expands_beyond_the_limit_is_refused() {
        let bomb = vec![b'a'; 100_000];
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&bomb).unwrap();
        let bodies = [
            (ContentEncoding::Gzip, gzip(&bomb)),
            (ContentEncoding::Snappy, framed(&bomb)),
            (
                ContentEncoding::Snappy,
                snap::raw::Encoder::new().compress_vec(&bomb).unwrap(),
            ),
            (
                ContentEncoding::Zstd,
                zstd::encode_all(bomb.as_slice(), 1).unwrap(),
            ),
            (ContentEncoding::Deflate, zlib.finish().unwrap()),
        ];
        for (encoding, body) in bodies {
            let refused = expand(encoding, body.into(), 1000, &Meter::unlimited()).unwrap_err();
            assert_eq!(refused, BodyError::Expanded(1000), "{encoding:?}");
        }
    }

    /// A body of each coding, framed and in one block where there are both.
    fn compressed(text: &[u8]) -> Vec<(ContentEncoding, Bytes)> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text).unwrap();
        let bodies = [
            (ContentEncoding::Gzip, gzip(text)),
            (ContentEncoding::Snappy, framed(text)),
            (
                ContentEncoding::Snappy,
                snap::raw::Encoder::new().compress_vec(text).unwrap(),
            ),
            (ContentEncoding::Zstd, zstd::encode_all(text, 1).unwrap()),
            (ContentEncoding::Deflate, zlib.finish().unwrap()),
        ];
        bodies.map(|(encoding, body)| (encoding, body.into())).into()
    }

    /// A meter's lender that counts what it has lent.
    #[derive(Default)]
    struct Lent(Cell<usize>);

    impl Lender for Lent {
        fn lend(&self, bytes: usize) -> Result<usize, Denied> {
            self.0.set(self.0.get() + bytes);
            Ok(bytes)
        }
    }

    #[test]
    fn the_window_of_a_frame_is_counted_as_far_as_it_is_used() {
        const LEN: usize = 4 << 20;
        const MIB: usize = 1 << 20;
        let lines = (0..LEN / 8).flat_map(|line| format!("# {line:5}\n").into_bytes());
        let text: Vec<u8> = lines.take(LEN).collect();
        let frame_of = |text: &[u8], window_log, len| {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(window_log).unwrap();
            encoder.set_pledged_src_size(len).unwrap();
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let frame = |text: &[u8], window_log| frame_of(text, window_log, None);
        // It says how long it is, and that its window is as long.
        let whole = frame_of(&text, 27, Some(LEN as u64));
        assert_ne!(whole[4] & 1 << 5, 0);
        let later = [frame(&text[..MIB], 10), frame(&text[MIB..], 27)].concat();
        let skipped = [b"\x50\x2a\x4d\x18\x01\0\0\0x".to_vec(), frame(&text, 27)].concat();
        let cut = frame(&text, 27);
        for (what, body, window) in [
            ("a small window", frame(&text, 10), 1 << 10),
            ("a window of a mebibyte", frame(&text, 20), MIB),
            ("a window larger than what is written", frame(&text, 27), LEN),
            ("a frame of one segment", whole, LEN),
            ("a frame behind another", later, LEN),
            ("a frame behind one that is skipped", skipped, LEN),
            ("a frame that is cut off", cut[..cut.len() - 1].to_vec(), LEN),
        ] {
            let lent = Lent::default();
            let memory = Meter::of_lender(&lent, 0);
            let expanded = expand(ContentEncoding::Zstd, body.into(), LEN, &memory);
            assert_eq!(expanded.is_ok(), what != "a frame that is cut off", "{what}");
            let beside = lent.0.get() - LEN;
            // What is made room for and not yet written, and what a meter asks for at once.
            assert!(
                (window..=window + MIB).contains(&beside),
                "{what}: {beside} beside the body"
            );
        }
    }

    #[test]
    fn what_is_small_when_it_is_expanded_is_expanded_at_once() {
        let text = vec![b'a'; QUICK_BYTES];
        for (encoding, body) in compressed(&text) {
            let expanded = expand_quickly(encoding, &body, usize::MAX - 1).unwrap();
            assert_eq!(expanded.map(|body| body.len()), Some(QUICK_BYTES), "{encoding:?}");
        }
        let plain = Bytes::from(text);
        let expanded = expand_quickly(ContentEncoding::Identity, &plain, usize::MAX - 1);
        assert_eq!(expanded, Ok(Some(plain)));
    }

    #[test]
    fn what_turns_out_to_be_large_is_left_to_others() {
        let text = vec![b'a'; QUICK_BYTES + 1];
        for (encoding, body) in compressed(&text) {
            assert_eq!(
                expand_quickly(encoding, &body, usize::MAX - 1),
                Ok(None),
                "{encoding:?}"
            );
        }
        let plain = Bytes::from(text);
        assert_eq!(
            expand_quickly(ContentEncoding::Identity, &plain, usize::MAX - 1),
            Ok(None)
        );
    }

    #[test]
    fn a_body_that_says_that_it_is_small_and_is_not_is_left_to_others() {
        let mut body = gzip(&vec![b'a'; 1 << 20]);
        let size_at = body.len() - 4;
        body[size_at..].copy_from_slice(&[1, 0, 0, 0]);
        let found = expand_quickly(ContentEncoding::Gzip, &body.into(), usize::MAX - 1);
        assert_eq!(found, Ok(None));
        // As many members as one likes, the last one empty.
        let members = [gzip(&vec![b'a'; 1 << 20]), gzip(b"")].concat();
        let found = expand_quickly(ContentEncoding::Gzip, &members.into(), usize::MAX - 1);
        assert_eq!(found, Ok(None));
    }

    #[test]
    fn a_small_limit_is_a_limit_for_what_is_quick_too() {
        for (encoding, body) in compressed(&[b'a'; 1001]) {
            let refused = expand_quickly(encoding, &body, 1000).unwrap_err();
            assert_eq!(refused, BodyError::Expanded(1000), "{encoding:?}");
        }
        let broken = Bytes::from_static(b"hello world\n");
        assert!(expand_quickly(ContentEncoding::Gzip, &broken, usize::MAX - 1).is_err());
    }

    #[test]
    fn a_block_that_promises_more_than_it_can_hold_is_refused_before_anything_is_allocated() {
        // A megabyte.
        let promise = b"\x80\x80\x40\x00";
        let refused = expand(
            ContentEncoding::Snappy,
            Bytes::from_static(promise),
            usize::MAX - 1,
            &Meter::unlimited(),
        )
        .unwrap_err();
        assert_eq!(refused.to_string(), "snappy: corrupt input");
    }
}
