//! What a push wants.

use wharf_model::GroupingKey;

use crate::PushId;
use crate::effect::Facts;
use crate::lifetime::Lifetime;
use crate::mode::{Counters, PushMode};
use crate::prepare::Prepared;

/// What a push wants of one group: it has been read, it is rendered, and nothing that is stored has been looked at yet.
///
/// As bytes, `delta` is a record ([`crate::record::put`]), which [`crate::record::decode`] makes a delta again: so an
/// intent may outlive its request.
#[derive(Debug)]
pub(crate) struct Intent<'a> {
    pub(crate) key: &'a GroupingKey,
    /// What it replaces.
    pub(crate) mode: PushMode,
    /// What its counters count.
    pub(crate) counters: Counters,
    /// By what: rendered families, with the time of the push among them.
    pub(crate) delta: Prepared<'a>,
    /// How long the group lives from then on.
    pub(crate) lifetime: Option<Lifetime>,
    /// The id by which it is known when it comes again, if it is added up.
    pub(crate) once: Option<PushId>,
    /// What is to be booked with it.
    pub(crate) facts: &'a Facts,
}

impl Intent<'_> {
    /// Whether what it brings is not what is stored of these families then: that depends on what is stored before.
    pub(crate) fn folds(&self) -> bool {
        self.mode.folds() || self.counters == Counters::Run
    }
}
