//! The body in protobuf, or in the text form of it.
//!
//! A message has its length in front of it, so it is held until it is whole. If there is no room for that, it is made twice:
//! once for its length, and then piece by piece.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;

use wharf_exposition::mend::mended;
use wharf_exposition::protobuf::{self, TextStyle};
use wharf_model::name::EscapingScheme;
use wharf_model::{Count, Exposition, Family, Histogram, Metric, Value};
use wharf_store::{Leaf, Snapshot};

use crate::format::{Format, Wanted};
use crate::forms::{Forms, How, PARTS, Unfit};
use crate::helpers::Helpers;
use crate::metrics::{Reader, Whole};
use crate::output::PART_BYTES;
use crate::pages::Pages;
use crate::shown::{self, Shown, Unit};
use crate::sink::Sink;

/// Renders the whole body. Returns how many metrics were left out.
///
/// A family with native and with classic histograms becomes two messages, one of either kind: Prometheus before 3.16 takes
/// the ones for the others if they stand in one message, and then refuses the scrape.
pub(crate) async fn render(
    own: &Exposition<'_>,
    snapshot: &Snapshot,
    wanted: Wanted,
    sink: &mut Sink,
    helpers: Helpers<'_>,
) -> u64 {
    let style = match wanted.format {
        Format::ProtobufText => Some(TextStyle::MultiLine),
        Format::ProtobufCompact => Some(TextStyle::Compact),
        _ => None,
    };
    let mut body = Body {
        own,
        snapshot,
        escaping: wanted.escaping,
        style,
        // Text is made of whole messages.
        forms: Forms::of(snapshot, wanted).filter(|_| style.is_none()),
        helpers,
        sink,
        messages: Default::default(),
        left_out: 0,
    };
    for shown in shown::families(own, snapshot, wanted.escaping) {
        body.family(&shown).await;
    }
    body.left_out
}

/// The two kinds of messages of a family.
const KINDS: usize = PARTS;

/// The metrics of a leaf of this family: of native histograms, and all else.
#[expect(
    clippy::unnecessary_wraps,
    reason = "in other formats not everything can be written"
)]
fn write_leaf(leaf: &Leaf, family: &str, _how: How) -> Result<[Option<Vec<u8>>; KINDS], Unfit> {
    let mut parts = [const { None }; KINDS];
    let read = |exposition: &Exposition<'_>, family: &Family| -> Result<(), Infallible> {
        let exposition = mended(exposition, family);
        for (part, family) in parts.iter_mut().zip(by_kind(&exposition, family)) {
            if let Some(family) = family {
                let out = part.get_or_insert_with(Vec::new);
                protobuf::write_metrics(out, &exposition, &family, EscapingScheme::AllowUtf8);
            }
        }
        Ok(())
    };
    let Ok(()) = leaf.decode_all(family, Whole::SMALL.0, read);
    Ok(parts)
}

struct Body<'b, 's> {
    own: &'b Exposition<'b>,
    snapshot: &'b Snapshot,
    escaping: EscapingScheme,
    style: Option<TextStyle>,
    forms: Option<Arc<Forms>>,
    helpers: Helpers<'s>,
    sink: &'b mut Sink,
    /// Messages on their way, of native histograms and of all else.
    messages: [Pages; KINDS],
    left_out: u64,
}

impl Body<'_, '_> {
    async fn family(&mut self, shown: &Shown<'_>) {
        let mut reader = shown.reader(self.escaping);
        let mut lengths = None;
        // What has been made for its length alone since the last rest.
        let mut thrown_away = 0;
        let forms = self.forms.clone();
        for unit in shown.units(self.own, Whole::SMALL, forms.as_deref()) {
            if let Unit::Leaf(..) = unit {
                self.pass_leaf();
            }
            let Some(lengths) = &mut lengths else {
                self.read(shown, &mut reader, &unit, [true; KINDS]);
                if self.is_full() {
                    self.sink.rest().await;
                    if self.is_full() {
                        lengths = Some(self.messages.each_ref().map(Pages::len));
                        self.messages = Default::default();
                    }
                }
                continue;
            };
            let begin = (*lengths).map(|length| length == 0);
            self.read(shown, &mut reader, &unit, begin);
            for (message, length) in self.messages.iter_mut().zip(lengths) {
                *length += message.len();
                thrown_away += message.made();
                message.clear();
            }
            if thrown_away >= PART_BYTES {
                thrown_away = 0;
                self.sink.rest().await;
            }
        }
        self.left_out += reader.left_out();
        match lengths {
            None => self.whole().await,
            Some(lengths) => self.piece_by_piece(shown, &mut reader, lengths).await,
        }
    }

    /// Whether there is no room for the messages.
    fn is_full(&self) -> bool {
        self.sink.is_full(self.messages.iter().map(Pages::made).sum())
    }

    /// Appends metrics to the messages, behind heads where these begin.
    fn read(&mut self, shown: &Shown<'_>, reader: &mut Reader<'_>, unit: &Unit<'_>, begin: [bool; KINDS]) {
        let (escaping, head) = (self.escaping, shown.head(shown.metric_type));
        let begins = |message: &mut Pages, begins: bool| {
            if begins && message.is_empty() {
                protobuf::write_head(&mut message.last, &head, escaping);
            }
        };
        match (unit, &self.forms) {
            (Unit::Leaf(family, leaf), Some(forms)) => {
                let (form, is_new) = forms.get(leaf, family.name(), How::Protobuf, write_leaf);
                if is_new {
                    self.sink.count_recompressed();
                }
                for (kind, (message, begin)) in self.messages.iter_mut().zip(begin).enumerate() {
                    if form.part(kind).is_some() {
                        begins(message, begin);
                        message.form(&form, kind, is_new);
                    }
                }
            }
            // Without forms, no unit is a leaf.
            (Unit::Leaf(..), None) => {}
            (Unit::Metrics(metrics), _) => reader.read(metrics, |exposition, family| {
                let exposition = mended(exposition, family);
                let families = by_kind(&exposition, family);
                for ((message, family), begin) in self.messages.iter_mut().zip(families).zip(begin) {
                    if let Some(family) = family {
                        begins(message, begin);
                        protobuf::write_metrics(&mut message.last, &exposition, &family, escaping);
                        message.turn();
                    }
                }
            }),
        }
    }

    /// The next leaf that has a form is there.
    fn pass_leaf(&mut self) {
        let (own, snapshot, escaping) = (self.own, self.snapshot, self.escaping);
        if let Some(forms) = &self.forms {
            self.helpers.pass(self.sink.recompressed(), || {
                let families = shown::families(own, snapshot, escaping);
                let views = families.filter_map(|shown| shown.alone()?.pushed);
                forms.work(
                    views
                        .flat_map(|view| forms.tasks(view, How::Protobuf, write_leaf))
                        .collect(),
                )
            });
        }
    }

    /// Writes the messages, which are whole.
    async fn whole(&mut self) {
        for message in &mut self.messages {
            if message.is_empty() {
                continue;
            }
            begin(self.sink, self.style, message.len());
            write(self.sink, self.style, message, true);
            end(self.sink, self.style);
        }
        self.sink.pass().await;
    }

    /// Writes messages of these lengths, of which nothing is there.
    async fn piece_by_piece(&mut self, shown: &Shown<'_>, reader: &mut Reader<'_>, lengths: [usize; KINDS]) {
        let forms = self.forms.clone();
        for (kind, length) in lengths.into_iter().enumerate() {
            if length == 0 {
                continue;
            }
            begin(self.sink, self.style, length);
            let mut is_first = true;
            reader.again();
            for unit in shown.units(self.own, Whole::SMALL, forms.as_deref()) {
                self.read(shown, reader, &unit, [is_first; KINDS]);
                let [native, other] = &mut self.messages;
                let (message, of_no_interest) = if kind == 0 {
                    (native, other)
                } else {
                    (other, native)
                };
                of_no_interest.clear();
                if message.is_empty() {
                    continue;
                }
                write(self.sink, self.style, message, is_first);
                is_first = false;
                self.sink.pass().await;
            }
            end(self.sink, self.style);
        }
    }
}

/// Begins a message of so many bytes.
fn begin(sink: &mut Sink, style: Option<TextStyle>, length: usize) {
    if style.is_none() {
        let mut out = Vec::new();
        protobuf::write_length(&mut out, length);
        sink.text(&out);
    }
}

/// Writes fields of a message, which may be the first of it.
fn write(sink: &mut Sink, style: Option<TextStyle>, fields: &mut Pages, mut are_first: bool) {
    let Some(style) = style else {
        return fields.append_to(sink);
    };
    fields.drain(|fields| {
        let mut out = Vec::new();
        protobuf::write_text_fields(&mut out, fields, style, are_first);
        sink.own(out);
        are_first = false;
    });
}

fn end(sink: &mut Sink, style: Option<TextStyle>) {
    if style.is_some() {
        sink.text(b"\n");
    }
}

/// The metrics of a family that are native histograms, and the others.
fn by_kind<'f>(exposition: &Exposition<'_>, family: &'f Family) -> [Option<Cow<'f, Family>>; 2] {
    let is_native = |metric: &Metric| match metric.value {
        Value::Histogram(index) => exposition.histogram(index).is_some_and(is_read_as_native),
        _ => false,
    };
    if exposition.histograms.is_empty() {
        return [None, Some(Cow::Borrowed(family))];
    }
    let natives = family.metrics.iter().filter(|metric| is_native(metric)).count();
    if natives == 0 {
        return [None, Some(Cow::Borrowed(family))];
    }
    if natives == family.metrics.len() {
        return [Some(Cow::Borrowed(family)), None];
    }
    [true, false].map(|kind| {
        let metrics = family.metrics.iter().filter(|metric| is_native(metric) == kind);
        Some(Cow::Owned(Family {
            metrics: metrics.cloned().collect(),
            ..family.clone()
        }))
    })
}

/// Whether Prometheus reads it as a native one.
fn is_read_as_native(histogram: &Histogram) -> bool {
    histogram.native.as_deref().is_some_and(|native| {
        let has_spans = !native.positive.spans.is_empty() || !native.negative.spans.is_empty();
        has_spans || native.zero_threshold > 0.0 || matches!(native.zero_count, Count::Int(1..))
    })
}
