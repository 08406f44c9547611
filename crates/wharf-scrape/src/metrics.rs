//! The metrics of a family of a scrape, a few at a time, so that what it takes to read them does not grow with the family.

use wharf_model::name::EscapingScheme;
use wharf_model::{Exposition, Family};
use wharf_store::{FamilyView, FragmentView, Piece};

use crate::merge::Merged;
use crate::plain::{Part, plain};
use crate::seen::Seen;

/// What a family of a group may have in bytes to be read as a whole. What has more is read in pieces of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u64);

impl Whole {
    /// For whom metrics are metrics, one after the other.
    pub(crate) const SMALL: Self = Self(16 * 1024);
    /// For whom it matters what a group has besides.
    pub(crate) const ALWAYS: Self = Self(u64::MAX);
}

/// Some neighbouring metrics of a family.
pub(crate) struct Metrics<'a> {
    stored: Stored<'a>,
    part: Part,
}

enum Stored<'a> {
    Own(&'a Exposition<'a>, &'a Family),
    Fragment(FragmentView<'a>),
    Piece(Piece<'a>),
}

type Pieces<'a> = Box<dyn Iterator<Item = Stored<'a>> + Send + 'a>;

/// The metrics of a family, of which these lines are meant: the gateway's own, then those of each group.
pub(crate) fn metrics_of<'a>(
    own: &'a Exposition<'a>,
    merged: Merged<'a>,
    part: Part,
    whole: Whole,
) -> impl Iterator<Item = Metrics<'a>> + Send {
    let of_gateway = merged.own.map(|family| Metrics {
        part,
        ..own_metrics(own, family)
    });
    let fragments = merged
        .pushed
        .into_iter()
        .flat_map(|view| FamilyView::fragments(&view));
    let of_groups = fragments
        .flat_map(move |fragment| metrics_of_fragment(&fragment, whole))
        .map(move |metrics| Metrics { part, ..metrics });
    of_gateway.into_iter().chain(of_groups)
}

/// Those of a family of the gateway's own.
pub(crate) fn own_metrics<'a>(own: &'a Exposition<'a>, family: &'a Family) -> Metrics<'a> {
    Metrics {
        stored: Stored::Own(own, family),
        part: Part::Whole,
    }
}

/// The metrics of a family of a group.
pub(crate) fn metrics_of_fragment<'a>(
    fragment: &FragmentView<'a>,
    Whole(bytes): Whole,
) -> impl Iterator<Item = Metrics<'a>> + Send + use<'a> {
    let is_small = fragment.bytes() <= bytes;
    // On the heap, for this is part of what is held while a body waits, and rare.
    let pieces = (!is_small).then(|| Box::new(fragment.pieces().map(Stored::Piece)) as Pieces<'_>);
    let whole = is_small.then_some(Stored::Fragment(fragment.clone()));
    let stored = whole.into_iter().chain(pieces.into_iter().flatten());
    stored.map(|stored| Metrics {
        stored,
        part: Part::Whole,
    })
}

impl Metrics<'_> {
    /// About how many bytes they are, where they are those of a group.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.stored {
            Stored::Own(..) => 0,
            Stored::Fragment(fragment) => fragment.bytes(),
            Stored::Piece(_) => Whole::SMALL.0,
        }
    }

    /// Hands them to `read`, as they are stored.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&Exposition<'_>, &Family) -> R) -> R {
        match &self.stored {
            Stored::Own(exposition, family) => read(exposition, family),
            Stored::Fragment(fragment) => fragment.decode(read),
            Stored::Piece(piece) => piece.decode(read),
        }
    }
}

/// Reads the metrics of one family as the scrape shows them.
pub(crate) struct Reader<'n> {
    /// The name that it is shown under.
    name: &'n str,
    /// Which metrics there were, if two may have the same labels.
    seen: Option<Seen>,
}

impl<'n> Reader<'n> {
    /// Of a family of this name.
    pub(crate) fn new(name: &'n str, may_repeat: bool, escaping: EscapingScheme) -> Self {
        let seen = may_repeat.then(|| Seen::new(escaping));
        Self { name, seen }
    }

    /// Hands metrics to `read`, without such as have the same labels as others before them.
    pub(crate) fn read<R>(
        &mut self,
        metrics: &Metrics<'_>,
        read: impl FnOnce(&Exposition<'_>, &Family) -> R,
    ) -> R {
        metrics.read(|exposition, family| {
            if metrics.part == Part::Whole {
                return self.once(exposition, family, read);
            }
            let (exposition, family) = plain(exposition, family, metrics.part, self.name);
            self.once(&exposition, &family, read)
        })
    }

    fn once<R>(
        &mut self,
        exposition: &Exposition<'_>,
        family: &Family,
        read: impl FnOnce(&Exposition<'_>, &Family) -> R,
    ) -> R {
        match &mut self.seen {
            None => read(exposition, family),
            Some(seen) => read(exposition, &seen.once(exposition, family)),
        }
    }

    /// How many metrics were left out so far.
    pub(crate) fn left_out(&self) -> u64 {
        self.seen.as_ref().map_or(0, Seen::left_out)
    }

    /// To read all of the family once more. The same are left out.
    pub(crate) fn again(&mut self) {
        if let Some(seen) = &mut self.seen {
            seen.forget();
        }
    }
}
