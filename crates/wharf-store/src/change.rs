//! Changes of what is stored: the only thing that [`State::apply`](crate::memory::state::State::apply) takes.

use std::borrow::Cow;

use wharf_model::GroupingKey;

use crate::UnixNanos;
use crate::effect::{By, Facts};
use crate::lifetime::Lifetime;
use crate::mode::PushMode;
use crate::prepare::Prepared;

/// A change of some groups.
///
/// Each says what becomes of what it names, whatever that was before. So to make a change again does no harm, as long as
/// the changes of a group are made in their order.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    Put {
        key: Cow<'a, GroupingKey>,
        mode: PushMode,
        lifetime: Option<Lifetime>,
        prepared: Prepared<'a>,
        cause: Cause<'a>,
    },
    /// Groups, sorted by key, each once.
    Delete {
        keys: Cow<'a, [GroupingKey]>,
        by: By,
    },
    /// Families of groups, which are sorted by key, each once.
    DeleteFamilies {
        keys: Cow<'a, [GroupingKey]>,
        names: Vec<&'a str>,
        by: By,
    },
    Wipe,
}

/// Why families are put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// A push was taken.
    Push(&'a Facts),
    /// A push was refused: this is its trace.
    Refusal,
    /// The group comes from elsewhere.
    Restore,
    /// The time of the group is over.
    Expiry,
    /// Its time is set anew.
    Lifetime,
    /// Something is said of the pushes that are still to come.
    Noted,
    /// What it has counted begins anew, at this time.
    Reset(UnixNanos),
    /// The time of series is over: the families are put without them.
    SeriesExpired,
    /// It was stored before: it is read from the ledger, or put back.
    Again,
}
