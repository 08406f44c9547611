//! `GET /metrics`: the gateway's own families merged with those of a snapshot, in the format asked for.
//!
//! The text format with gzip is what Prometheus asks for, and nearly free: leaves come with their lines rendered
//! and, if an earlier scrape has asked, compressed. A gzip body is then a header, the leaves' blocks, and a
//! trailer whose checksum is combined from theirs.

mod helpers;
mod openmetrics;

use std::cmp::Ordering;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Response};
use wharf_exposition::{Head, protobuf, text};
use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family, Selector};
use wharf_store::{FamilyView, Leaf, Piece, Snapshot};

use crate::activity::scrapers::Scraper;
use crate::answer::error::ApiError;
use crate::gateway::Gateway;
use crate::places::Place;
use crate::request::negotiate::{self, Compression, Format};
use crate::rights::{Right, Rights};
use crate::routes::groups;
use crate::routes::scrape::helpers::{Helpers, is_as_stored};
use crate::telemetry::{ConfigGauge, StoreGauges, WebConfigGauge};
use crate::transport::chunks::{Chunks, ResponseBody};

/// Answers a scrape; with `match[]` in the query, one of the groups that match, without the gateway's own metrics. So it
/// is for those who may not see all groups.
pub(crate) async fn handle(
    gateway: Arc<Gateway>,
    query: Option<&str>,
    headers: &HeaderMap,
    rights: &Rights,
    address: Option<IpAddr>,
) -> Response<ResponseBody> {
    let started = Instant::now();
    let (format, escaping) = negotiate::format(headers, gateway.settings.openmetrics);
    let compression = negotiate::compression(headers);
    let place = match gateway.scrape_place(rights) {
        Ok(place) => place,
        Err(full) => return full.into_response(),
    };
    let worker = Arc::clone(&gateway);
    let (query, scope) = (query.map(str::to_owned), rights.scope(Right::Read));
    let rendered = tokio::task::spawn_blocking(move || {
        let selectors = scope.narrow(groups::selectors(query.as_deref())?);
        Ok(render(&worker, &selectors, format, escaping, compression, place))
    });
    let rendered = match rendered.await {
        Ok(Ok(rendered)) => rendered,
        Ok(Err(error)) => return ApiError::into_response(error),
        Err(_) => return ApiError::internal().into_response(),
    };
    let (duration, bytes) = (started.elapsed(), rendered.body.len() as u64);
    gateway
        .telemetry
        .record_scrape(duration, bytes, rendered.recompressed);
    let mut response = Response::new(rendered.body);
    let content_type = HeaderValue::from_str(&format.content_type(escaping));
    if let Ok(content_type) = content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    let encoding = match compression {
        Compression::Identity => None,
        Compression::Gzip => Some("gzip"),
        Compression::Zstd => Some("zstd"),
    };
    gateway.activity.hour.scrape(bytes, Instant::now(), duration);
    let user_agent = headers.get(USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
    gateway.activity.scrapers.add(Scraper {
        format: format.name(),
        compression: encoding,
        bytes,
        duration,
        ..Scraper::named(user_agent, address, gateway.clock.now())
    });
    if let Some(encoding) = encoding {
        response
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

struct Rendered {
    body: ResponseBody,
    /// How many leaves had to be compressed, not counting those that helpers did.
    recompressed: u64,
}

fn render(
    gateway: &Arc<Gateway>,
    selectors: &[Selector],
    format: Format,
    escaping: EscapingScheme,
    compression: Compression,
    place: Place,
) -> Rendered {
    let mut snapshot = gateway.store.snapshot();
    let own = if selectors.is_empty() {
        own(gateway, &snapshot)
    } else {
        snapshot = snapshot.matching(selectors);
        Exposition::default()
    };
    let mut sink = Sink::new(compression);
    match format {
        Format::Text004 | Format::Text100 => {
            let snapshot = Arc::new(snapshot);
            render_text(
                &own,
                &snapshot,
                escaping,
                &mut sink,
                Helpers::of(gateway, &snapshot, escaping),
            );
        }
        Format::OpenMetrics001 | Format::OpenMetrics100 => {
            openmetrics::render(&own, &snapshot, escaping, &mut sink);
        }
        Format::ProtobufDelimited => render_protobuf(&own, &snapshot, escaping, &mut sink, None),
        Format::ProtobufText => {
            render_protobuf(
                &own,
                &snapshot,
                escaping,
                &mut sink,
                Some(protobuf::TextStyle::MultiLine),
            );
        }
        Format::ProtobufCompact => {
            render_protobuf(
                &own,
                &snapshot,
                escaping,
                &mut sink,
                Some(protobuf::TextStyle::Compact),
            );
        }
    }
    sink.finish(place)
}

/// The gateway's own families.
fn own(gateway: &Gateway, snapshot: &Snapshot) -> Exposition<'static> {
    let totals = snapshot.totals();
    let conditions = gateway.status.fronts.iter().map(|front| front.condition());
    let web_configs = conditions.map(|condition| WebConfigGauge {
        users: condition.users.map(|users| users as u64),
        is_in_force: condition.problems.is_empty(),
        flag: condition.flag,
    });
    let gauges = StoreGauges {
        groups: totals.groups as u64,
        expiring: snapshot.expiring() as u64,
        series: totals.series,
        bytes: totals.bytes,
        quotas: gateway.policy().quota_gauges(&gateway.store.quota_usage()),
        ledger: gateway.store.ledger_statistics(),
        config: gateway.reading().map(|reading| ConfigGauge {
            is_used: reading.last_reload.is_none_or(|reload| reload.error.is_none()),
            in_force_since: reading.in_force_since,
        }),
        web_configs: web_configs.collect(),
    };
    gateway.telemetry.exposition(&gauges)
}

/// A family of the scrape: the gateway's own, a pushed one, or both under one name.
struct Merged<'a> {
    own: Option<&'a Family>,
    pushed: Option<FamilyView<'a>>,
}

/// The pushed families that have metrics.
fn pushed(snapshot: &Snapshot) -> impl Iterator<Item = FamilyView<'_>> {
    snapshot.families().filter(|family| family.meta().is_some())
}

/// Both lists are sorted by name; so is the merged one. Families without metrics are left out.
fn merge<'a>(own: &'a Exposition<'_>, snapshot: &'a Snapshot) -> impl Iterator<Item = Merged<'a>> {
    let mut own_families = own.families.iter().peekable();
    let mut pushed_families = pushed(snapshot).peekable();
    std::iter::from_fn(move || {
        let order = match (own_families.peek(), pushed_families.peek()) {
            (Some(family), Some(view)) => own.text(family.name).cmp(view.name()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        Some(Merged {
            own: if order.is_le() { own_families.next() } else { None },
            pushed: if order.is_ge() {
                pushed_families.next()
            } else {
                None
            },
        })
    })
}

fn render_text(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    escaping: EscapingScheme,
    sink: &mut Sink,
    mut helpers: Helpers<'_>,
) {
    let mut lines = Vec::new();
    for merged in merge(own, snapshot) {
        if let Some(family) = merged.own {
            let head = own_head(own, family);
            text::write_header(&mut lines, head.name, head.help, head.metric_type, escaping);
            for metric in &family.metrics {
                let labels: Vec<_> = own.labels(metric.labels).collect();
                text::write_metric(&mut lines, own, head.name, &labels, metric.value, escaping);
            }
            sink.text(&lines);
            lines.clear();
        }
        let Some(view) = merged.pushed else { continue };
        if merged.own.is_none() {
            if escaping == EscapingScheme::AllowUtf8 || !view.has_utf8_name() {
                sink.piece(&SharedPiece::Header(Arc::clone(view.header())));
            } else {
                sink.text(&view.render_header(escaping));
            }
        }
        for leaf in view.leaves() {
            helpers.pass(sink.recompressed());
            if is_as_stored(leaf, escaping) {
                sink.piece(&SharedPiece::Leaf(Arc::clone(leaf)));
                continue;
            }
            for fragment in leaf.fragments(view.name()) {
                fragment.render(&mut lines, escaping);
                sink.text(&lines);
                lines.clear();
            }
        }
    }
}

fn render_protobuf(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    escaping: EscapingScheme,
    sink: &mut Sink,
    as_text: Option<protobuf::TextStyle>,
) {
    let mut message = Vec::new();
    let mut out = Vec::new();
    for merged in merge(own, snapshot) {
        let Some(head) = head_of(own, &merged) else {
            continue;
        };
        protobuf::write_head(&mut message, &head, escaping);
        if let Some(family) = merged.own {
            protobuf::write_metrics(&mut message, own, family, escaping);
        }
        for fragment in merged.pushed.iter().flat_map(FamilyView::fragments) {
            fragment.decode(|exposition, family| {
                protobuf::write_metrics(&mut message, exposition, family, escaping);
            });
        }
        if let Some(style) = as_text {
            protobuf::write_text(&mut out, &message, style);
        } else {
            protobuf::write_length(&mut out, message.len());
            out.extend_from_slice(&message);
        }
        sink.text(&out);
        message.clear();
        out.clear();
    }
}

fn own_head<'a>(own: &'a Exposition<'_>, family: &Family) -> Head<'a> {
    Head {
        name: own.text(family.name),
        help: family.help.map(|help| own.text(help)),
        unit: own.text(family.unit),
        metric_type: family.metric_type,
    }
}

/// The gateway's own say counts over the groups'.
fn head_of<'a>(own: &'a Exposition<'_>, merged: &Merged<'a>) -> Option<Head<'a>> {
    if let Some(family) = merged.own {
        return Some(own_head(own, family));
    }
    let view = merged.pushed?;
    let meta = view.meta()?;
    Some(Head {
        name: view.name(),
        help: meta.help.as_deref(),
        unit: &meta.unit,
        metric_type: meta.metric_type,
    })
}

/// A piece of text that the store shares with this response.
enum SharedPiece {
    Header(Arc<Piece>),
    Leaf(Arc<Leaf>),
}

impl SharedPiece {
    fn piece(&self) -> &Piece {
        match self {
            Self::Header(piece) => piece,
            Self::Leaf(leaf) => leaf.piece(),
        }
    }

    fn share(&self) -> Self {
        match self {
            Self::Header(piece) => Self::Header(Arc::clone(piece)),
            Self::Leaf(leaf) => Self::Leaf(Arc::clone(leaf)),
        }
    }
}

impl AsRef<[u8]> for SharedPiece {
    fn as_ref(&self) -> &[u8] {
        self.piece().text()
    }
}

/// Texts shorter than this are gathered and compressed together, anew each time: alone they compress badly, and
/// there is little work in them.
const GATHER_BYTES: usize = 1024;
/// Whether a piece is compressed together with others.
fn is_gathered(piece: &Piece) -> bool {
    piece.text().len() < GATHER_BYTES
}

/// Gathered text is compressed, and gathered output sent off, in parts of about this size.
const PART_BYTES: usize = 64 * 1024;
/// Parts of output below this are copied together: a write of few large parts is faster than one of many small.
const SHARE_BYTES: usize = 4 * 1024;

/// Takes the body's text in order and makes the response of it.
enum Sink {
    Identity(Output),
    Gzip(GzipSink),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

/// Parts of a body: small ones copied together, large ones shared.
#[derive(Default)]
struct Output {
    chunks: Chunks,
    small: Vec<u8>,
}

impl Output {
    fn copy(&mut self, bytes: &[u8]) {
        self.small.extend_from_slice(bytes);
        if self.small.len() >= PART_BYTES {
            self.flush();
        }
    }

    fn share(&mut self, bytes: Bytes) {
        self.flush();
        self.chunks.push(bytes);
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(std::mem::take(&mut self.small).into());
        }
    }

    fn into_chunks(mut self) -> Chunks {
        self.flush();
        self.chunks
    }
}

/// A gzip member (RFC 1952) of joined DEFLATE blocks.
#[derive(Default)]
struct GzipSink {
    output: Output,
    /// CRC-32 of the text so far.
    crc: u32,
    text_bytes: u64,
    gathered: Vec<u8>,
    recompressed: u64,
}

impl GzipSink {
    /// Magic, deflate, no flags, no time, no hint, unknown system.
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    /// An empty block that is marked as the last.
    const END: [u8; 2] = [0x03, 0x00];

    fn new() -> Self {
        let mut sink = Self::default();
        sink.output.copy(&Self::HEADER);
        sink
    }

    fn text(&mut self, text: &[u8]) {
        self.gathered.extend_from_slice(text);
        if self.gathered.len() >= PART_BYTES {
            self.compress_gathered();
        }
    }

    fn compress_gathered(&mut self) {
        if !self.gathered.is_empty() {
            let piece = Piece::new(std::mem::take(&mut self.gathered));
            self.append(&piece);
        }
    }

    fn piece(&mut self, piece: &Piece) {
        if is_gathered(piece) {
            self.text(piece.text());
            return;
        }
        self.compress_gathered();
        if self.append(piece) {
            self.recompressed += 1;
        }
    }

    /// Appends the blocks of a piece; whether they had to be made.
    fn append(&mut self, piece: &Piece) -> bool {
        let (compressed, is_new) = piece.compressed();
        self.crc = compressed.checksum.after(self.crc);
        self.text_bytes += piece.text().len() as u64;
        if compressed.bytes.len() < SHARE_BYTES {
            self.output.copy(&compressed.bytes);
        } else {
            self.output.share(compressed.bytes.clone());
        }
        is_new
    }

    fn finish(mut self) -> (Chunks, u64) {
        self.compress_gathered();
        self.output.copy(&Self::END);
        self.output.copy(&self.crc.to_le_bytes());
        // The trailer has the length modulo 2^32.
        let [a, b, c, d, ..] = self.text_bytes.to_le_bytes();
        self.output.copy(&[a, b, c, d]);
        (self.output.into_chunks(), self.recompressed)
    }
}

impl Sink {
    fn new(compression: Compression) -> Self {
        let zstd = || zstd::stream::write::Encoder::new(Vec::new(), 1).map(Box::new);
        match compression {
            Compression::Identity => Self::Identity(Output::default()),
            Compression::Gzip => Self::Gzip(GzipSink::new()),
            Compression::Zstd => Self::Zstd(zstd().expect("the level is one that the library has")),
        }
    }

    fn text(&mut self, text: &[u8]) {
        match self {
            Self::Identity(output) => output.copy(text),
            Self::Gzip(sink) => sink.text(text),
            Self::Zstd(encoder) => encoder.write_all(text).expect("writing to memory succeeds"),
        }
    }

    fn piece(&mut self, shared: &SharedPiece) {
        match self {
            Self::Identity(output) if shared.as_ref().len() < SHARE_BYTES => output.copy(shared.as_ref()),
            Self::Identity(output) => output.share(Bytes::from_owner(shared.share())),
            Self::Gzip(sink) => sink.piece(shared.piece()),
            Self::Zstd(_) => self.text(shared.as_ref()),
        }
    }

    /// How many leaves were compressed for this body, as far as it is.
    fn recompressed(&self) -> u64 {
        match self {
            Self::Gzip(sink) => sink.recompressed,
            Self::Identity(_) | Self::Zstd(_) => 0,
        }
    }

    fn finish(self, place: Place) -> Rendered {
        let (chunks, recompressed) = match self {
            Self::Identity(output) => (output.into_chunks(), 0),
            Self::Gzip(sink) => sink.finish(),
            Self::Zstd(encoder) => {
                let mut output = Output::default();
                output.share(encoder.finish().expect("writing to memory succeeds").into());
                (output.into_chunks(), 0)
            }
        };
        Rendered {
            body: ResponseBody::from(chunks).holding(place),
            recompressed,
        }
    }
}
