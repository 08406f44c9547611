//! What a push comes to: fragments that are not stored yet.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use wharf_model::{Denied, MetricType};

use crate::parts::{FamilyParts, Shape};
use crate::series::Fingerprint;
use crate::size::{Size, weight};
use crate::{PushError, UnixNanos, is_standing};

/// The fragments that a push makes, sorted by family name, each name once.
#[derive(Debug, Default)]
pub(crate) struct Prepared<'a> {
    pub(crate) families: Vec<PreparedFamily<'a>>,
    /// Hash over names, types and series of a whole push.
    pub(crate) digest: Option<u64>,
    /// Lines that were rendered, or the record that they stand in.
    pub(crate) text: Cow<'a, [u8]>,
    pub(crate) fingerprints: Vec<Fingerprint>,
}

/// A push that is refused before anything stored is looked at.
#[derive(Debug)]
pub(crate) struct Unfit<'a> {
    pub(crate) error: Box<PushError>,
    /// If it contradicts itself: the families that do not.
    pub(crate) sound: Option<Box<Prepared<'a>>>,
}

impl From<PushError> for Unfit<'_> {
    fn from(error: PushError) -> Self {
        Self {
            error: Box::new(error),
            sound: None,
        }
    }
}

impl From<Denied> for Unfit<'_> {
    fn from(denied: Denied) -> Self {
        PushError::from(denied).into()
    }
}

impl From<Unfit<'_>> for PushError {
    fn from(unfit: Unfit<'_>) -> Self {
        *unfit.error
    }
}

/// One fragment in the making.
#[derive(Debug, Clone)]
pub(crate) struct PreparedFamily<'a> {
    pub(crate) name: &'a str,
    /// Borrowed, unless it comes from what is stored.
    pub(crate) help: Option<Cow<'a, str>>,
    pub(crate) unit: Cow<'a, str>,
    pub(crate) metric_type: MetricType,
    pub(crate) pushed_at: UnixNanos,
    pub(crate) text: Range<usize>,
    /// Number of lines in it.
    pub(crate) lines: u32,
    pub(crate) fingerprints: Range<usize>,
    /// Hash over all fingerprints: equal digests mean the same series.
    pub(crate) digest: u64,
    pub(crate) shape: Shape,
    /// The family as a protobuf message, if the text lost something.
    ///
    /// Shared with the fragment, and thin, since most fragments have none.
    pub(crate) exact: Option<Arc<Vec<u8>>>,
    /// When the first of its series leaves by itself, if one does.
    pub(crate) first_end: Option<UnixNanos>,
}

impl PreparedFamily<'_> {
    /// The same without name, help and unit, which are for the caller to set.
    pub(crate) fn without_names(self) -> PreparedFamily<'static> {
        let Self {
            metric_type,
            pushed_at,
            text,
            lines,
            fingerprints,
            digest,
            shape,
            exact,
            first_end,
            ..
        } = self;
        PreparedFamily {
            name: "",
            help: None,
            unit: Cow::Borrowed(""),
            metric_type,
            pushed_at,
            text,
            lines,
            fingerprints,
            digest,
            shape,
            exact,
            first_end,
        }
    }

    /// Bytes of help, and of what text cannot say.
    fn bytes_beside_text(&self) -> usize {
        let exact = self.exact.as_ref().map_or(0, |exact| exact.len());
        exact + self.help.as_ref().map_or(0, |help| help.len())
    }

    /// How much it is: lines, and bytes of text and of what text cannot say.
    pub(crate) fn size(&self) -> Size {
        let exact = self.exact.as_ref().map_or(0, |exact| exact.len());
        Size {
            series: u64::from(self.lines),
            bytes: (self.text.len() + exact) as u64,
            contradicting: u64::from(self.shape.contradicts),
        }
    }
}

/// What a push brings, without the times of its group.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Brings {
    pub(crate) families: usize,
    pub(crate) series: u64,
    pub(crate) bytes: u64,
    /// The latest of the group's own times.
    pub(crate) pushed_at: UnixNanos,
}

impl<'a> Prepared<'a> {
    /// Counts what is told of a push to those who follow.
    pub(crate) fn brings(&self) -> Brings {
        let mut brings = Brings::default();
        for family in &self.families {
            if is_standing(family.name) {
                brings.pushed_at = brings.pushed_at.max(family.pushed_at);
                continue;
            }
            let size = family.size();
            brings.families += 1;
            brings.series += size.series;
            brings.bytes += size.bytes;
        }
        brings
    }

    /// Nothing yet; fragments are going to lie in this text.
    pub(crate) fn empty(text: Cow<'a, [u8]>) -> Self {
        Self {
            families: Vec::new(),
            digest: None,
            text,
            fingerprints: Vec::new(),
        }
    }

    /// Its families, as a record has them.
    pub(crate) fn parts(&self) -> impl ExactSizeIterator<Item = FamilyParts<'_>> + Clone {
        self.families.iter().map(|family| self.parts_of(family))
    }

    /// One of [`Self::families`], as a record has it.
    pub(crate) fn parts_of<'f>(&'f self, family: &'f PreparedFamily<'_>) -> FamilyParts<'f> {
        FamilyParts {
            name: family.name,
            help: family.help.as_deref(),
            unit: &family.unit,
            metric_type: family.metric_type,
            shape: family.shape,
            pushed_at: family.pushed_at,
            text: self.text(family),
            exact: family.exact.as_ref().map(|exact| exact.as_slice()),
        }
    }

    /// The lines of one of [`Self::families`].
    pub(crate) fn text(&self, family: &PreparedFamily<'_>) -> &[u8] {
        &self.text[family.text.clone()]
    }

    /// How much it is: lines, and bytes of text and of what text cannot say.
    pub(crate) fn size(&self) -> Size {
        let sizes = self.families.iter().map(PreparedFamily::size);
        sizes.fold(Size::default(), |sum, size| sum.moved(Size::default(), size))
    }

    /// How much there is to do to store it, in the units of [`Store::longest_hold`](crate::Store::longest_hold).
    pub(crate) fn weight(&self) -> u64 {
        self.weight_of_text() + self.fingerprints.len() as u64
    }

    /// The same without the index.
    pub(crate) fn weight_of_text(&self) -> u64 {
        let more = self.families.iter().map(PreparedFamily::bytes_beside_text);
        let bytes = self.text.len() + more.sum::<usize>();
        let size = Size {
            bytes: bytes as u64,
            ..Size::default()
        };
        weight(self.families.len(), size)
    }

    /// The fingerprints of its metrics, in the order of the lines.
    pub(crate) fn fingerprints(&self, family: &PreparedFamily<'_>) -> &[Fingerprint] {
        &self.fingerprints[family.fingerprints.clone()]
    }

    /// Whether both come to the same.
    pub(crate) fn is_same(&self, other: &Prepared<'_>) -> bool {
        let parts = |prepared: &Prepared<'_>| {
            let families = prepared.families.iter().map(|family| {
                let fingerprints = prepared.fingerprints(family).to_vec();
                (family.digest, fingerprints)
            });
            families.collect::<Vec<_>>()
        };
        self.digest == other.digest && self.parts().eq(other.parts()) && parts(self) == parts(other)
    }

    /// The family of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&PreparedFamily<'a>> {
        let position = self
            .families
            .binary_search_by(|family| family.name.cmp(name))
            .ok()?;
        self.families.get(position)
    }
}
