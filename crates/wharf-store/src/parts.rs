//! One family of one group, as it is passed on between those who render, keep and write it.

use wharf_exposition::{protobuf, text};
use wharf_model::name::{EscapingScheme, NameRule};
use wharf_model::{Exposition, Family, MetricType, Text};

use crate::UnixNanos;
use crate::memory::rendered_text::Lines;
use crate::series::split_metrics;

/// One family of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FamilyParts<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: Option<&'a str>,
    pub(crate) unit: &'a str,
    pub(crate) metric_type: MetricType,
    pub(crate) shape: Shape,
    pub(crate) pushed_at: UnixNanos,
    pub(crate) text: &'a [u8],
    pub(crate) exact: Option<&'a [u8]>,
}

/// Pieces of fragments have about so many bytes of text or protobuf: what it takes to read one back is small, too.
const PIECE_BYTES: usize = 16 * 1024;

impl FamilyParts<'_> {
    /// Reads the metrics back, with their final labels, and hands them to `read`.
    ///
    /// Nothing that was pushed is lost on the way: what the text cannot say was kept in protobuf form.
    pub(crate) fn decode<R>(&self, read: impl FnOnce(&Exposition<'_>, &Family) -> R) -> R {
        let metric_type = self.metric_type;
        let decoded = match self.exact {
            Some(message) => {
                let mut delimited = Vec::with_capacity(message.len() + 10);
                protobuf::write_length(&mut delimited, message.len());
                delimited.extend_from_slice(message);
                protobuf::decode_stored(&delimited).ok()
            }
            None => None,
        };
        if let Some(mut exposition) = decoded {
            return with_family(&mut exposition, metric_type, read);
        }
        let mut body = Vec::with_capacity(self.text.len() + self.name.len() + 64);
        text::write_header(&mut body, self.name, None, metric_type, EscapingScheme::AllowUtf8);
        body.extend_from_slice(self.text);
        let options = text::Options {
            names: NameRule::Utf8,
            strict: true,
        };
        // What the encoder wrote the decoder reads; should it not, the fragment reads as empty.
        let mut exposition = text::decode(&body, options).unwrap_or_default();
        if self.shape.infinity_added {
            drop_infinities(&mut exposition);
        }
        with_family(&mut exposition, metric_type, read)
    }

    /// When the first of its series leaves by itself, if one does.
    pub(crate) fn first_end(&self) -> Option<UnixNanos> {
        let exact = self.exact.filter(|_| self.shape.expires)?;
        protobuf::first_end(exact).map(UnixNanos)
    }

    /// About as many bytes as it takes in a record.
    pub(crate) fn record_bytes(&self) -> usize {
        let help = self.help.map_or(0, str::len);
        let exact = self.exact.map_or(0, <[u8]>::len);
        self.text.len() + exact + self.name.len() + help + self.unit.len() + 64
    }
}

/// Some neighbouring metrics of a family of a group.
#[derive(Debug)]
pub struct Piece<'a> {
    /// Without lines.
    about: FamilyParts<'a>,
    lines: Lines<'a>,
    /// In the place of that of the parts.
    exact: Option<Vec<u8>>,
}

/// A family in pieces that have each some of the metrics, in their order. What has no metrics is one piece.
pub(crate) fn pieces<'a>(
    about: &FamilyParts<'a>,
    lines: &Lines<'a>,
) -> impl Iterator<Item = Piece<'a>> + Send + use<'a> {
    let about = *about;
    let exact = about.exact.map(|message| {
        protobuf::pieces(message, PIECE_BYTES).map(move |message| Piece {
            about,
            lines: Lines::default(),
            exact: Some(message),
        })
    });
    let texts = about.exact.is_none().then(|| {
        let split = split_metrics(about.name, about.metric_type, lines.clone(), PIECE_BYTES);
        split.map(move |lines| Piece {
            about,
            lines,
            exact: None,
        })
    });
    exact.into_iter().flatten().chain(texts.into_iter().flatten())
}

impl Piece<'_> {
    /// As [`crate::FragmentView::decode`].
    pub fn decode<R>(&self, read: impl FnOnce(&Exposition<'_>, &Family) -> R) -> R {
        let (text, exact) = (&*self.lines, self.exact.as_deref());
        let parts = FamilyParts {
            text,
            exact,
            ..self.about
        };
        parts.decode(read)
    }
}

/// What must be known about a fragment beside its text: to read that back, to serve it under another escaping scheme, and what has
/// become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that have nothing to do with each other"
)]
pub(crate) struct Shape {
    /// Some name is not legacy-valid.
    pub(crate) utf8_names: bool,
    /// The `+Inf` buckets were added by the encoder.
    pub(crate) infinity_added: bool,
    /// Some histogram contradicts itself, see [`wharf_exposition::mend`].
    pub(crate) contradicts: bool,
    /// It was added up, at least in part.
    pub(crate) added_up: bool,
    /// Some series leave by themselves, see [`Unseen::expires_at`](wharf_model::Unseen::expires_at).
    pub(crate) expires: bool,
}

fn with_family<R>(
    exposition: &mut Exposition<'_>,
    metric_type: MetricType,
    read: impl FnOnce(&Exposition<'_>, &Family) -> R,
) -> R {
    let empty = Family {
        name: Text::EMPTY,
        help: None,
        unit: Text::EMPTY,
        metric_type,
        metrics: Vec::new(),
    };
    let mut family = exposition.families.pop().unwrap_or(empty);
    family.metric_type = metric_type;
    read(exposition, &family)
}

/// Takes away the `+Inf` buckets that the encoder added.
fn drop_infinities(exposition: &mut Exposition<'_>) {
    for histogram in &mut exposition.histograms {
        let run = histogram.buckets.range();
        if let Ok(shorter) = wharf_model::Run::new(run.start, run.end.saturating_sub(1).max(run.start)) {
            histogram.buckets = shorter;
        }
    }
}
